//! Sections that are linked: one block each.

use object::elf;
use object::elf::SectionType;

use super::file::{File, Section};
use super::initializers;
use crate::error::Result;
use crate::graph::{BlockId, Content, InitializerSection, Lifetime, LinkGraph, Protection, Request};

/// Sections that the program itself never writes to: the linker does, before it starts. The same with a suffix.
const WRITTEN_BY_LINKER: [&[u8]; 8] =
    [b".data.rel.ro", b".init_array", b".fini_array", b".preinit_array", b".ctors", b".dtors", b".got", b".jcr"];

/// Which block holds which section of the file.
pub(super) struct Blocks {
    by_section: Vec<Option<Placed>>,
}

/// The block of a section.
#[derive(Clone, Copy)]
pub(super) struct Placed {
    /// The block.
    pub(super) block: BlockId,
    /// The lifetime of its section.
    pub(super) lifetime: Lifetime,
    /// It holds unwind records.
    pub(super) unwind: bool,
}

impl Blocks {
    /// Returns the block of a section, with its properties; `None` for sections that are not linked.
    #[inline]
    pub(super) fn placed(&self, section: u32) -> Option<Placed> {
        self.by_section.get(section as usize).copied().flatten()
    }

    /// The block that holds a section; `None` for sections that are not linked.
    pub(super) fn block(&self, section: u32) -> Option<BlockId> {
        self.placed(section).map(|placed| placed.block)
    }

    /// The blocks of unwind records.
    pub(super) fn unwind(&self) -> impl Iterator<Item = BlockId> {
        self.by_section.iter().flatten().filter(|placed| placed.unwind).map(|placed| placed.block)
    }
}

/// Makes a block of every section that is linked.
pub(super) fn read(file: &File<'_>, graph: &mut LinkGraph) -> Result<Blocks> {
    let mut blocks = Blocks { by_section: Vec::with_capacity(file.sections.len()) };
    for section in &file.sections {
        if asks_for_executable_stack(section) {
            graph.requests.push(Request::ExecutableStack);
        }
        let placed = match placement(file, section)? {
            Some((protection, lifetime)) => {
                let block = add_block(file, section, protection, lifetime, graph)?;
                Some(Placed { block, lifetime, unwind: graph.section(graph.block(block).section).unwind_records })
            }
            None => None,
        };
        blocks.by_section.push(placed);
    }
    for (index, section) in file.numbered() {
        if section.has(elf::SHF_LINK_ORDER)
            && let Some(dependent) = blocks.block(index)
        {
            if file.section(section.link).is_none() {
                return Err(file.malformed_section(
                    section,
                    "section: the section that it is linked to (SHF_LINK_ORDER) does not exist",
                ));
            }
            if let Some(block) = blocks.block(section.link) {
                graph.add_dependent(block, dependent);
            }
        }
    }
    Ok(blocks)
}

fn add_block(
    file: &File<'_>,
    section: &Section<'_>,
    protection: Protection,
    lifetime: Lifetime,
    graph: &mut LinkGraph,
) -> Result<BlockId> {
    let id = graph.add_source_section(section.name, protection, lifetime)?;
    let content = if section.kind == elf::SHT_NOBITS { Content::Zeros } else { Content::Source(section.range.clone()) };
    let block = graph.add_block(id, content, section.size, section.align_log2)?;
    if lifetime == Lifetime::NoAlloc {
        return Ok(block);
    }
    if section.name == b".eh_frame" {
        if section.kind == elf::SHT_NOBITS && section.size != 0 {
            return Err(file.malformed_section(section, "section of unwind records: it has no content"));
        }
        graph.section_mut(id).unwind_records = true;
    }
    let is_large = file.machine.large_sections.is_some_and(|flag| section.has(flag));
    if is_c_identifier(section.name) {
        graph.set_contiguous(id);
    } else if is_large && protection != Protection::ReadExec && lifetime == Lifetime::Standard {
        graph.set_large(id);
    }
    if section.has(elf::SHF_GNU_RETAIN) {
        graph.retained.push(block);
    }
    if let Some((order, backwards)) = initializers::order(section.name, section.kind) {
        if !section.size.is_multiple_of(graph.arch().pointer_size()) {
            return Err(
                file.malformed_section(section, "section of initializers: its size is not a multiple of a pointer's")
            );
        }
        // Without content they are null, however many the section claims, and nobody calls these.
        if !section.data.is_empty() {
            graph.add_initializers(InitializerSection { block, order, backwards });
        }
    }
    Ok(block)
}

/// Returns the protection and lifetime that a section is linked with; `None` if it is not.
fn placement(file: &File<'_>, section: &Section<'_>) -> Result<Option<(Protection, Lifetime)>> {
    if is_for_linker(section.kind) || section.has(elf::SHF_EXCLUDE) {
        return Ok(None);
    }
    if !section.has(elf::SHF_ALLOC) {
        let debug = section.name.starts_with(b".debug_") || section.name.starts_with(b".zdebug_");
        return Ok(debug.then_some((Protection::Read, Lifetime::NoAlloc)));
    }
    for (flag, name) in
        [(elf::SHF_COMPRESSED, "SHF_COMPRESSED with SHF_ALLOC"), (elf::SHF_OS_NONCONFORMING, "SHF_OS_NONCONFORMING")]
    {
        if section.has(flag) {
            return Err(file.unsupported_section(section, format_args!("section flag {name}")));
        }
    }
    let protection = match (section.has(elf::SHF_EXECINSTR), section.has(elf::SHF_WRITE)) {
        (true, true) => {
            let what = "section that is both writable and executable (SHF_WRITE and SHF_EXECINSTR)";
            return Err(file.unsupported_section(section, what));
        }
        (true, false) => Protection::ReadExec,
        (false, true) if !is_written_by_linker(section) => Protection::ReadWrite,
        (false, _) => Protection::Read,
    };
    let lifetime = if section.has(elf::SHF_TLS) { Lifetime::ThreadLocal } else { Lifetime::Standard };
    if lifetime == Lifetime::ThreadLocal && protection == Protection::ReadExec {
        return Err(file.unsupported_section(section, "thread-local code (SHF_TLS and SHF_EXECINSTR)"));
    }
    Ok(Some((protection, lifetime)))
}

/// Returns whether sections of a type tell the linker something, and are no part of the program whatever their flags
/// say.
fn is_for_linker(kind: SectionType) -> bool {
    matches!(
        kind,
        elf::SHT_NULL
            | elf::SHT_SYMTAB
            | elf::SHT_STRTAB
            | elf::SHT_RELA
            | elf::SHT_REL
            | elf::SHT_CREL
            | elf::SHT_GROUP
            | elf::SHT_SYMTAB_SHNDX
    )
}

/// Returns whether a section says that the object's code runs on the stack. An object that says nothing, as one from
/// assembly or of old, is taken to have no such code, as LLD and mold have it; GNU ld takes it to have some.
fn asks_for_executable_stack(section: &Section<'_>) -> bool {
    section.has(elf::SHF_EXECINSTR) && section.name == b".note.GNU-stack"
}

fn is_written_by_linker(section: &Section<'_>) -> bool {
    matches!(section.kind, elf::SHT_INIT_ARRAY | elf::SHT_FINI_ARRAY | elf::SHT_PREINIT_ARRAY)
        || section.name == b".eh_frame"
        || WRITTEN_BY_LINKER
            .iter()
            .any(|name| section.name.strip_prefix(*name).is_some_and(|suffix| matches!(suffix, [] | [b'.', ..])))
}

/// Returns whether `__start_NAME` and `__stop_NAME` can be written in C (gABI has no such rule; GNU ld, "Input Section
/// Example").
fn is_c_identifier(name: &[u8]) -> bool {
    matches!(name, [first, rest @ ..] if (first.is_ascii_alphabetic() || *first == b'_')
        && rest.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'))
}
