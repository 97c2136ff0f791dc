//! Relocations to edges: `SHT_RELA`, `SHT_REL` and `SHT_CREL`.

use object::elf;

use super::crel::Crel;
use super::file::{File, Section, u32_at, u64_at};
use super::sections::{Blocks, Placed};
use super::symbols::{SymbolTable, Unusual};
use super::x86_64::{self, Meaning};
use crate::arch::x86_64::Kind;
use crate::error::{LinkError, Result};
use crate::graph::{BlockId, Definition, Edge, Lifetime, LinkGraph, SymbolId};

/// Size of the `Elf64_Rela` structure.
const RELA_SIZE: usize = 24;
/// Size of the `Elf64_Rel` structure.
const REL_SIZE: usize = 16;

/// A relocation as it is in the file.
#[derive(Clone, Copy)]
pub(super) struct Relocation {
    /// `r_offset`: where in the section.
    pub(super) offset: u64,
    /// Its symbol's number.
    pub(super) symbol: u32,
    /// Its type.
    pub(super) kind: u32,
    /// `r_addend`; `None` if the addend is in the field.
    pub(super) addend: Option<i64>,
}

/// Reserves room for everything that the section headers promise.
pub(super) fn reserve(file: &File<'_>, table: &SymbolTable<'_>, graph: &mut LinkGraph) {
    let linked = |section: &Section<'_>| file.section(section.info).is_some_and(|of| of.has(elf::SHF_ALLOC));
    let mut edges = 0usize;
    let mut unwind_records = 0usize;
    for section in &file.sections {
        let count = match section.kind {
            elf::SHT_RELA => section.data.len() / RELA_SIZE,
            elf::SHT_REL => section.data.len() / REL_SIZE,
            // An entry has a byte at least, but mostly more.
            elf::SHT_CREL => section.data.len() / 4,
            _ => continue,
        };
        if linked(section) {
            edges += count;
            // Every record refers to its function.
            if file.section(section.info).is_some_and(|of| of.name == b".eh_frame") {
                unwind_records += count + 1;
            }
        }
    }
    let sections = file.sections.len();
    graph.reserve(sections, sections + unwind_records, table.len() + 1, edges + unwind_records, unwind_records);
}

/// Adds an edge for every relocation of every section that is linked. Returns whether some have no symbol, apart from those
/// of unwind records. These come last: more edges are added to them, which is cheapest at the end.
pub(super) fn read(file: &File<'_>, table: &SymbolTable<'_>, blocks: &Blocks, graph: &mut LinkGraph) -> Result<bool> {
    let (mut last, mut has_null_target) = (Vec::new(), false);
    for section in &file.sections {
        if !matches!(section.kind, elf::SHT_RELA | elf::SHT_REL | elf::SHT_CREL) {
            continue;
        }
        if section.info == 0 || file.section(section.info).is_none() {
            return Err(file.malformed_section(section, "relocations: the section they are for does not exist"));
        }
        match blocks.placed(section.info) {
            Some(Placed { block, unwind: true, .. }) => last.push((section, block)),
            Some(Placed { block, lifetime, .. }) if lifetime != Lifetime::NoAlloc => {
                has_null_target |= read_section(file, table, section, block, graph)?;
            }
            _ => {}
        }
    }
    for (section, block) in last {
        read_section(file, table, section, block, graph)?;
    }
    Ok(has_null_target)
}

/// Sees to what few objects have: references to symbols that are not defined and can't be, and direct ones to numbers, which
/// only code in low memory reaches.
pub(super) fn check_unusual(
    file: &File<'_>,
    table: &SymbolTable<'_>,
    unusual: &Unusual,
    graph: &mut LinkGraph,
) -> Result<()> {
    let mut refers_to_absolute = false;
    for block in graph.block_ids() {
        for edge in graph.edges(block) {
            if unusual.undefined_locals.binary_search(&edge.target).is_ok() {
                let name = table.name_or_section(file, edge.target.0).unwrap_or_default();
                let name = String::from_utf8_lossy(name);
                let what = format!("relocation: its symbol '{name}' is local, but not defined");
                return Err(LinkError::Malformed { site: graph.site(block, u64::from(edge.offset)), what });
            }
            let is_direct = Kind::from_edge(edge.kind) == Some(Kind::Delta32);
            let definition = graph.symbol(edge.target).definition;
            refers_to_absolute |= is_direct && matches!(definition, Definition::Absolute(_));
        }
    }
    if refers_to_absolute {
        graph.set_refers_to_absolute();
    }
    Ok(())
}

fn read_section(
    file: &File<'_>,
    table: &SymbolTable<'_>,
    section: &Section<'_>,
    block: BlockId,
    graph: &mut LinkGraph,
) -> Result<bool> {
    if section.link != table.section || table.section == 0 {
        return Err(file.malformed_section(section, "relocations: they don't refer to the symbol table"));
    }
    if !graph.edges(block).is_empty() {
        return Err(file.unsupported_section(section, "second section of relocations for one section"));
    }
    let entry_size = match section.kind {
        elf::SHT_RELA => RELA_SIZE as u64,
        elf::SHT_REL => REL_SIZE as u64,
        _ => return add_edges(file, section, block, graph, Crel::parse(section.data)),
    };
    if section.entry_size != entry_size || !section.size.is_multiple_of(entry_size) {
        return Err(file.malformed_section(section, "relocations: their size is wrong"));
    }
    if section.kind == elf::SHT_RELA {
        let relocations = section.data.as_chunks().0;
        let content_size = file.section(section.info).map_or(0, |of| of.data.len() as u64);
        if are_usual(relocations, content_size, graph.symbols().len()) {
            graph.add_edges(block, relocations.iter().map(usual_edge))?;
            return Ok(false);
        }
        add_edges(file, section, block, graph, relocations.iter().map(|raw| Some(rela(raw))))
    } else {
        add_edges(file, section, block, graph, section.data.as_chunks().0.iter().map(|raw| Some(rel(raw))))
    }
}

fn rela(raw: &[u8; RELA_SIZE]) -> Relocation {
    let (symbol, kind) = (u32_at(raw, 12), u32_at(raw, 8));
    Relocation { offset: u64_at(raw, 0), symbol, kind, addend: Some(u64_at(raw, 16).cast_signed()) }
}

fn rel(raw: &[u8; REL_SIZE]) -> Relocation {
    Relocation { offset: u64_at(raw, 0), symbol: u32_at(raw, 12), kind: u32_at(raw, 8), addend: None }
}

/// Whether each of `relocations` makes an edge to one of so many symbols, not the null symbol, with a field in a section of
/// that size: so it is nearly always, and found out without a branch for each.
fn are_usual(relocations: &[[u8; RELA_SIZE]], content_size: u64, symbols: usize) -> bool {
    let (mut end, mut last) = (0, 0);
    for raw in relocations {
        let (_, width) = x86_64::edge(u32_at(raw, 8));
        end = end.max(u64_at(raw, 0).saturating_add(width));
        // Makes the null symbol the last of all.
        last = last.max(u32_at(raw, 12).wrapping_sub(1));
    }
    end <= content_size && (last as usize) < symbols.saturating_sub(1)
}

/// The edge of a relocation for which [`are_usual`].
fn usual_edge(raw: &[u8; RELA_SIZE]) -> Edge {
    let (kind, _) = x86_64::edge(u32_at(raw, 8));
    // A section is smaller than 2^32 bytes.
    Edge {
        offset: u64_at(raw, 0) as u32,
        kind,
        target: SymbolId(u32_at(raw, 12)),
        addend: u64_at(raw, 16).cast_signed(),
    }
}

/// Adds the edges of one block. `None` among the relocations is where their encoding is broken.
fn add_edges(
    file: &File<'_>,
    section: &Section<'_>,
    block: BlockId,
    graph: &mut LinkGraph,
    mut relocations: impl Iterator<Item = Option<Relocation>>,
) -> Result<bool> {
    // Zeros take no relocations: a section without content has no place for a field.
    let content = file.section(section.info).map_or(&[][..], |of| of.data);
    let symbols = graph.symbols().len();
    let (mut refused, mut has_null_target) = (None, false);
    let edges = std::iter::from_fn(|| {
        loop {
            let relocation = relocations.next()?;
            let edge = relocation.and_then(|relocation| edge(relocation, content, symbols));
            if let Some(edge) = edge {
                has_null_target |= edge.target == SymbolId(0);
                return Some(edge);
            }
            if relocation.is_none_or(|relocation| x86_64::meaning(relocation.kind) != Meaning::Nothing) {
                refused = Some(relocation);
                return None;
            }
        }
    });
    graph.add_edges(block, edges)?;
    match refused {
        Some(Some(relocation)) => Err(why_refused(graph, block, &relocation, symbols)),
        Some(None) => Err(file.malformed_section(section, "compact relocations (SHT_CREL)")),
        None => Ok(has_null_target),
    }
}

/// The edge of a relocation in a section with this content, of a file with so many symbols; `None` if it makes none.
#[inline]
fn edge(relocation: Relocation, content: &[u8], symbols: usize) -> Option<Edge> {
    let Meaning::Edge(kind) = x86_64::meaning(relocation.kind) else { return None };
    let end = relocation.offset.checked_add(kind.width())?;
    if end > content.len() as u64 || relocation.symbol as usize >= symbols {
        return None;
    }
    let offset = u32::try_from(relocation.offset).ok()?;
    let addend = match relocation.addend {
        Some(addend) => addend,
        None => implicit_addend(content, offset, kind),
    };
    Some(Edge { offset, kind: kind.edge(), target: SymbolId(relocation.symbol), addend })
}

/// What the field holds before it is fixed up. All fields are read as signed, as other linkers do.
fn implicit_addend(content: &[u8], offset: u32, kind: Kind) -> i64 {
    let field = content.get(offset as usize..).unwrap_or_default();
    match kind.width() {
        1 => field.first_chunk().map_or(0, |&field| i64::from(i8::from_le_bytes(field))),
        2 => field.first_chunk().map_or(0, |&field| i64::from(i16::from_le_bytes(field))),
        4 => field.first_chunk().map_or(0, |&field| i64::from(i32::from_le_bytes(field))),
        8 => field.first_chunk().map_or(0, |&field| i64::from_le_bytes(field)),
        _ => 0,
    }
}

/// Why a relocation makes no edge though it should.
#[cold]
fn why_refused(graph: &LinkGraph, block: BlockId, relocation: &Relocation, symbols: usize) -> LinkError {
    let site = graph.site(block, relocation.offset);
    let name = x86_64::name(relocation.kind);
    if x86_64::meaning(relocation.kind) == Meaning::Unsupported {
        return LinkError::Unsupported { site, what: format!("relocation {name}") };
    }
    let why = if relocation.symbol as usize >= symbols {
        "its symbol does not exist"
    } else {
        "its field reaches beyond the end of the section"
    };
    LinkError::Malformed { site, what: format!("relocation {name}: {why}") }
}
