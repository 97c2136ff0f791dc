//! Sections that are linked: one block each.

use object::pe;

use super::comdat::Comdats;
use super::file::{File, Section};
use crate::arch::ArchTables;
use crate::error::Result;
use crate::graph::{
    BlockId, Content, InitializerOrder, InitializerSection, Lifetime, LinkGraph, Protection, Request, Suffix,
};
use crate::object::elf;

/// Sections that the linker itself reads, and that image loaders or debuggers never see as a part of the program:
/// tables for Control Flow Guard, for exceptions of x86, for hot patching, checksums of debug information.
const FOR_LINKER: [&[u8]; 7] =
    [b".gfids$y", b".giats$y", b".gljmp$y", b".gehcont$y", b".sxdata", b".voltbl", b".chks64"];

/// Sections that are no tables, or whose pieces are found in other ways: initializers, records of functions, imports of
/// GNU's libraries, debug information.
const ORDINARY: [&[u8]; 11] =
    [b".text", b".data", b".rdata", b".bss", b".xdata", b".pdata", b".CRT", b".tls", b".idata", b".debug", b".ctors"];

/// Which block holds which section of the file.
pub(super) struct Blocks {
    by_section: Vec<Option<BlockId>>,
}

impl Blocks {
    /// The block that holds a section; `None` for sections that are not linked.
    pub(super) fn block(&self, section: u32) -> Option<BlockId> {
        *self.by_section.get((section as usize).checked_sub(1)?)?
    }
}

/// Makes a block of every section that is linked.
pub(super) fn read(file: &File<'_>, graph: &mut LinkGraph) -> Result<Blocks> {
    let mut blocks = Blocks { by_section: Vec::with_capacity(file.sections.len()) };
    for section in &file.sections {
        let block = match placement(file, section)? {
            Some((protection, lifetime)) => Some(add_block(file, section, protection, lifetime, graph)?),
            None => None,
        };
        // "PE Format", The .rsrc Section: compilers of resources put the directory into a part of its own, or in front.
        if let (Some(block), b".rsrc" | b".rsrc$01") = (block, section.name) {
            graph.retained.push(block);
            graph.requests.push(Request::Resources(block));
        }
        blocks.by_section.push(block);
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
    let is_zeros = section.data.is_empty();
    let content = if is_zeros { Content::Zeros } else { Content::Source(section.range.clone()) };
    let block = graph.add_block(id, content, section.size, section.align_log2)?;
    if is_function_table(file, section) {
        graph.section_mut(id).function_records = true;
    } else if lifetime != Lifetime::NoAlloc {
        graph.section_mut(id).grouped = true;
    }
    Ok(block)
}

/// Retains what is a part of a table. Linkers keep all sections, but for COMDAT sections.
pub(super) fn retain_tables(file: &File<'_>, blocks: &Blocks, comdats: &Comdats, graph: &mut LinkGraph) {
    for (number, _) in file.numbered().filter(|(_, section)| is_part_of_table(section)) {
        if let Some(block) = blocks.block(number).filter(|_| !comdats.contains(number)) {
            graph.retained.push(block);
        }
    }
}

/// Returns whether somebody may walk over a section from those that begin and end what it is a part of: a name with a
/// `$` that is not for the linker to split up what compilers make anyway, nor known to be walked by others.
fn is_part_of_table(section: &Section<'_>) -> bool {
    let mut parts = section.name.splitn(2, |byte| *byte == b'$');
    let (Some(output), Some(_)) = (parts.next(), parts.next()) else { return false };
    !section.data.is_empty() && !ORDINARY.contains(&output)
}

/// Says which blocks hold initializers. One that is associated with a COMDAT section lives and dies with that; others
/// are wanted whenever anything of the object is, those that are associated with ordinary sections, too.
pub(super) fn add_initializers(
    file: &File<'_>,
    blocks: &Blocks,
    comdats: &Comdats,
    graph: &mut LinkGraph,
) -> Result<()> {
    for (number, section) in file.numbered() {
        let Some(block) = blocks.block(number) else { continue };
        let is_associated = comdats.parent(number).is_some();
        let Some((order, backwards)) = order(section.name) else { continue };
        if !section.size.is_multiple_of(graph.arch().pointer_size()) {
            return Err(
                file.malformed_section(section, "section of initializers: its size is not a multiple of a pointer's")
            );
        }
        // Without content they are null, however many the section claims, and nobody calls these.
        if section.data.is_empty() {
            continue;
        }
        let initializers = InitializerSection { block, order, backwards };
        if is_associated {
            graph.initializers.push(initializers);
        } else {
            graph.add_initializers(initializers);
        }
    }
    Ok(())
}

/// Returns the place of the pointers of a section in the order, and whether they are called from the last to the first.
fn order(name: &[u8]) -> Option<(InitializerOrder, bool)> {
    if let Some([kind, rest @ ..]) = name.strip_prefix(b".CRT$X") {
        let mut suffix = Suffix::default();
        suffix.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        let order = match kind {
            b'L' => InitializerOrder::ThreadCallback(suffix),
            b'D' => InitializerOrder::ThreadInit(suffix),
            b'I' => InitializerOrder::CInit(suffix),
            b'C' => InitializerOrder::CxxInit(suffix),
            b'P' => InitializerOrder::PreTerm(suffix),
            b'T' => InitializerOrder::Term(suffix),
            _ => return None,
        };
        return Some((order, false));
    }
    // Those of GNU's compilers.
    elf::initializer_order(name)
}

/// Returns whether a section holds records of functions, for unwinding. One with half a record is anybody's data: the
/// system would misread a table that has it inside.
pub(super) fn is_function_table(file: &File<'_>, section: &Section<'_>) -> bool {
    // GNU's compilers put the records of `.text.startup` into `.pdata.startup`.
    matches!(section.name.strip_prefix(b".pdata"), Some([] | [b'$' | b'.', ..]))
        && section.size.is_multiple_of(file.machine.arch.function_record_size())
}

/// Returns the protection and lifetime that a section is linked with; `None` if it is not.
fn placement(file: &File<'_>, section: &Section<'_>) -> Result<Option<(Protection, Lifetime)>> {
    if section.name.starts_with(b".debug") || section.name.starts_with(b".stab") {
        return Ok(Some((Protection::Read, Lifetime::NoAlloc)));
    }
    let for_linker = section.flags.0 & (pe::IMAGE_SCN_LNK_REMOVE.0 | pe::IMAGE_SCN_LNK_INFO.0) != 0;
    if for_linker || FOR_LINKER.contains(&section.name) {
        return Ok(None);
    }
    if section.name == b".cormeta" {
        return Err(file.unsupported_section(section, "metadata of managed code: compile it without /clr"));
    }
    if section.has(pe::IMAGE_SCN_MEM_SHARED) {
        return Err(
            file.unsupported_section(section, "section that is shared between processes (IMAGE_SCN_MEM_SHARED)")
        );
    }
    let protection = match (section.has(pe::IMAGE_SCN_MEM_EXECUTE), section.has(pe::IMAGE_SCN_MEM_WRITE)) {
        (true, true) => {
            let what = "section that is both writable and executable (IMAGE_SCN_MEM_WRITE and IMAGE_SCN_MEM_EXECUTE)";
            return Err(file.unsupported_section(section, what));
        }
        (true, false) => Protection::ReadExec,
        (false, true) => Protection::ReadWrite,
        (false, false) => Protection::Read,
    };
    let thread_local = section.name == b".tls" || section.name.starts_with(b".tls$");
    let lifetime = if thread_local { Lifetime::ThreadLocal } else { Lifetime::Standard };
    Ok(Some((protection, lifetime)))
}
