//! Relocations: edges whose addends are in the content.

use object::pe;
use object::pe::RelocationType;

use super::file::{File, Section};
use super::sections::{Blocks, FUNCTION_RECORD, is_function_table};
use crate::arch::x86_64::Kind;
use crate::error::{LinkError, Result};
use crate::graph::{Edge, Lifetime, LinkGraph, SymbolId};
use crate::object::fields::{field, u16_at, u32_at};

/// Reserves room for what the file has.
pub(super) fn reserve(file: &File<'_>, graph: &mut LinkGraph) {
    let sections = file.sections.len();
    let edges = file.sections.iter().map(|section| section.relocations.len()).sum();
    let tables = file.sections.iter().filter(|section| is_function_table(section));
    let records = tables.map(|section| section.data.len() / FUNCTION_RECORD as usize).sum::<usize>();
    graph.reserve(sections, sections + records, file.symbols.len() as usize, edges, sections + records);
}

/// Adds an edge for every relocation of every section that gets into the process.
pub(super) fn read(file: &File<'_>, blocks: &Blocks, graph: &mut LinkGraph) -> Result<()> {
    for (number, section) in file.numbered() {
        let Some(block) = blocks.of(number) else { continue };
        if graph.section(graph.block(block).section).lifetime == Lifetime::NoAlloc || section.relocations.is_empty() {
            continue;
        }
        let mut error = None;
        let edges = section.relocations.iter().filter_map(|raw| match edge(file, section, raw) {
            Ok(edge) => edge,
            Err(failed) => {
                error.get_or_insert(failed);
                None
            }
        });
        let symbols = graph.symbols().len();
        let edges: Vec<Edge> = edges.collect();
        if let Some(error) = error {
            return Err(error);
        }
        if let Some(edge) = edges.iter().find(|edge| edge.target.index() >= symbols) {
            let what = format_args!("relocation: its symbol {} does not exist", edge.target.0);
            return Err(at(file, section, edge.offset, what));
        }
        graph.add_edges(block, edges.into_iter())?;
    }
    Ok(())
}

/// The edge of a relocation; `None` for one that does nothing.
fn edge(file: &File<'_>, section: &Section<'_>, raw: &[u8; 10]) -> Result<Option<Edge>> {
    let (offset, target) = (u32_at(raw, 0), SymbolId(u32_at(raw, 4)));
    let kind = RelocationType(u16_at(raw, 8));
    let (kind, bias) = match kind {
        pe::IMAGE_REL_AMD64_ABSOLUTE => return Ok(None),
        pe::IMAGE_REL_AMD64_ADDR64 => (Kind::Pointer64, 0),
        pe::IMAGE_REL_AMD64_ADDR32 => (Kind::Pointer32, 0),
        pe::IMAGE_REL_AMD64_ADDR32NB => (Kind::ImageOffset32, 0),
        RelocationType(number @ 4..=9) => (relative(section, offset, number), -4 - (i64::from(number) - 4)),
        pe::IMAGE_REL_AMD64_SECTION => (Kind::SectionNumber16, 0),
        pe::IMAGE_REL_AMD64_SECREL => (Kind::SectionOffset32, 0),
        pe::IMAGE_REL_AMD64_SECREL7 => (Kind::SectionOffset7, 0),
        // Nobody makes the span-dependent values that the specification means. GNU's tools have the number for 64 bits
        // relative to the end of the field, as in the exception tables of -mcmodel=large.
        pe::IMAGE_REL_AMD64_SREL32 => (Kind::Delta64, -8),
        RelocationType(number) => {
            let site = file.site().section(section.name()).at(u64::from(offset));
            let what = match kind {
                pe::IMAGE_REL_AMD64_TOKEN => "relocation IMAGE_REL_AMD64_TOKEN, of managed code".into(),
                pe::IMAGE_REL_AMD64_PAIR => "relocation IMAGE_REL_AMD64_PAIR".into(),
                pe::IMAGE_REL_AMD64_SSPAN32 => "relocation IMAGE_REL_AMD64_SSPAN32".into(),
                _ => format!("relocation type {number:#x}"),
            };
            return Err(LinkError::Unsupported { site, what });
        }
    };
    let beyond = || at(file, section, offset, "relocation: it reaches beyond the end of its section");
    let start = offset as usize;
    let content =
        start.checked_add(usize::try_from(kind.width()).unwrap_or(8)).and_then(|end| section.data.get(start..end));
    let content = content.ok_or_else(beyond)?;
    let addend = match kind {
        Kind::Pointer64 | Kind::Delta64 => i64::from_le_bytes(field(content, 0)),
        Kind::SectionNumber16 => i64::from(u16_at(content, 0)),
        Kind::SectionOffset7 => content.first().map_or(0, |byte| i64::from(byte & 0x7f)),
        _ => i64::from(i32::from_le_bytes(field(content, 0))),
    };
    Ok(Some(Edge { offset, kind: kind.edge(), target, addend: addend + bias }))
}

/// The format does not tell calls from other references: the opcode does. Only calls and jumps may go through a stub.
fn relative(section: &Section<'_>, offset: u32, number: u16) -> Kind {
    let before = section.data.get(..offset as usize).unwrap_or_default();
    match before {
        _ if number != pe::IMAGE_REL_AMD64_REL32.0 || !section.has(pe::IMAGE_SCN_MEM_EXECUTE) => Kind::Delta32,
        [.., 0xe8 | 0xe9] | [.., 0x0f, 0x80..=0x8f] => Kind::Branch32,
        _ => Kind::Delta32,
    }
}

#[cold]
fn at(file: &File<'_>, section: &Section<'_>, offset: u32, what: impl std::fmt::Display) -> LinkError {
    let site = file.site().section(section.name()).at(u64::from(offset));
    LinkError::Malformed { site, what: what.to_string() }
}
