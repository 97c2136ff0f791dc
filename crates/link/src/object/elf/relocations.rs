//! Relocations (`SHT_RELA`, `SHT_REL`, `SHT_CREL`) become edges.

use object::elf;

use super::crel::Crel;
use super::encoding::Encoding;
use super::file::{File, Section};
use super::machine::{Machine, Meaning};
use super::sections::{Blocks, Placed};
use super::symbols::{SymbolTable, Unusual};
use crate::arch::{ArchTables, Role};
use crate::endian::Endian;
use crate::error::{LinkError, Result, Site};
use crate::graph::{BlockId, Definition, Edge, Lifetime, LinkGraph, SymbolId};

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
pub(super) fn reserve<E: Encoding>(file: &File<'_>, table: &SymbolTable<'_, E>, graph: &mut LinkGraph) {
    let linked =
        |section: &Section<'_>| file.section(section.info).is_some_and(|relocated| relocated.has(elf::SHF_ALLOC));
    let mut edges = 0usize;
    let mut unwind_records = 0usize;
    for section in &file.sections {
        let count = match section.kind {
            elf::SHT_RELA => section.data.len() / E::RELA_SIZE,
            elf::SHT_REL => section.data.len() / E::REL_SIZE,
            // An entry has a byte at least, but mostly more.
            elf::SHT_CREL => section.data.len() / 4,
            _ => continue,
        };
        if linked(section) {
            edges += count;
            // Every record refers to its function.
            if file.section(section.info).is_some_and(|relocated| relocated.name == b".eh_frame") {
                unwind_records += count + 1;
            }
        }
    }
    let sections = file.sections.len();
    graph.reserve(sections, sections + unwind_records, table.len() + 1, edges + unwind_records, unwind_records);
}

/// Adds an edge for every relocation of every section that is linked. Returns whether some have no symbol, apart from
/// those of unwind records.
pub(super) fn read<E: Encoding>(
    file: &File<'_>,
    table: &SymbolTable<'_, E>,
    blocks: &Blocks,
    graph: &mut LinkGraph,
) -> Result<bool> {
    let mut has_null_target = false;
    for section in &file.sections {
        if !matches!(section.kind, elf::SHT_RELA | elf::SHT_REL | elf::SHT_CREL) {
            continue;
        }
        if section.info == 0 || file.section(section.info).is_none() {
            return Err(file.malformed_section(section, "relocations: the section that they apply to does not exist"));
        }
        if let Some(Placed { block, lifetime, unwind }) = blocks.placed(section.info)
            && lifetime != Lifetime::NoAlloc
        {
            has_null_target |= read_section(file, table, section, block, graph)? && !unwind;
        }
    }
    Ok(has_null_target)
}

/// Sees to what few objects have: references to symbols that are not defined and can't be, and direct ones to numbers,
/// which only code in low memory reaches.
pub(super) fn check_unusual<E: Encoding>(
    file: &File<'_>,
    table: &SymbolTable<'_, E>,
    unusual: &Unusual,
    graph: &mut LinkGraph,
) -> Result<()> {
    let kinds = graph.arch().kinds();
    let mut refers_to_absolute = false;
    for block in graph.block_ids() {
        for edge in graph.edges(block) {
            if unusual.undefined_locals.binary_search(&edge.target).is_ok() {
                let name = table.name_or_section(file, edge.target.0).unwrap_or_default();
                let name = String::from_utf8_lossy(name);
                let what = format!("relocation: its symbol '{name}' is local, but not defined");
                return Err(LinkError::Malformed { site: graph.site(block, u64::from(edge.offset)), what });
            }
            let is_near = kinds.of(edge.kind).role == Role::NearDistance;
            let definition = graph.symbol(edge.target).definition;
            refers_to_absolute |= is_near && matches!(definition, Definition::Absolute(_));
        }
    }
    if refers_to_absolute {
        graph.set_refers_to_absolute();
    }
    Ok(())
}

fn read_section<E: Encoding>(
    file: &File<'_>,
    table: &SymbolTable<'_, E>,
    section: &Section<'_>,
    block: BlockId,
    graph: &mut LinkGraph,
) -> Result<bool> {
    if section.link != table.section || table.section == 0 {
        return Err(file.malformed_section(section, "relocations: they don't refer to the symbol table"));
    }
    if !graph.edges(block).is_empty() {
        return Err(file.unsupported_section(section, "second relocation section for the same section"));
    }
    let entry_size = match section.kind {
        elf::SHT_RELA => E::RELA_SIZE,
        elf::SHT_REL => E::REL_SIZE,
        _ => return add_edges::<E>(file, section, block, graph, Crel::parse(section.data)),
    };
    if section.entry_size != entry_size as u64 || !section.size.is_multiple_of(entry_size as u64) {
        return Err(file.malformed_section(section, "relocations: their size is wrong"));
    }
    if section.kind == elf::SHT_RELA {
        let relocations = || E::relas(section.data).iter().map(|raw| E::rela(raw.as_ref()));
        let content_size = file.section(section.info).map_or(0, |relocated| relocated.data.len() as u64);
        if are_usual(relocations(), file.machine, content_size, graph.symbols().len()) {
            graph.add_edges(block, relocations().map(|relocation| usual_edge(&relocation, file.machine)))?;
            return Ok(false);
        }
        add_edges::<E>(file, section, block, graph, relocations().map(Some))
    } else {
        add_edges::<E>(file, section, block, graph, section.data.chunks_exact(E::REL_SIZE).map(E::rel).map(Some))
    }
}

/// Whether each of `relocations` makes an edge to one of so many symbols, not the null symbol, with a field in a
/// section of that size: so it is nearly always, and found out without a branch for each.
#[inline]
fn are_usual(
    relocations: impl Iterator<Item = Relocation>,
    machine: &Machine,
    content_size: u64,
    symbols: usize,
) -> bool {
    let (mut end, mut last) = (0, 0);
    for relocation in relocations {
        let (_, width) = machine.edge(relocation.kind);
        end = end.max(relocation.offset.saturating_add(width));
        // Makes the null symbol the last of all.
        last = last.max(relocation.symbol.wrapping_sub(1));
    }
    end <= content_size && (last as usize) < symbols.saturating_sub(1)
}

/// The edge of a relocation for which [`are_usual`].
#[inline]
fn usual_edge(relocation: &Relocation, machine: &Machine) -> Edge {
    let (kind, _) = machine.edge(relocation.kind);
    let addend = relocation.addend.unwrap_or_default();
    // A section is smaller than 2^32 bytes.
    Edge { offset: relocation.offset as u32, kind, target: SymbolId(relocation.symbol), addend }
}

/// Adds the edges of one block. `None` among the relocations is where their encoding is broken.
fn add_edges<E: Encoding>(
    file: &File<'_>,
    section: &Section<'_>,
    block: BlockId,
    graph: &mut LinkGraph,
    mut relocations: impl Iterator<Item = Option<Relocation>>,
) -> Result<bool> {
    // Zeros take no relocations: a section without content has no place for a field.
    let content = file.section(section.info).map_or(&[][..], |relocated| relocated.data);
    let symbols = graph.symbols().len();
    let (mut refused, mut has_null_target) = (None, false);
    let edges = std::iter::from_fn(|| {
        loop {
            let relocation = relocations.next()?;
            let edge = relocation.and_then(|relocation| edge::<E>(relocation, file.machine, content, symbols));
            if let Some(edge) = edge {
                has_null_target |= edge.target == SymbolId(0);
                return Some(edge);
            }
            if relocation.is_none_or(|relocation| file.machine.meaning(relocation.kind) != Meaning::Nothing) {
                refused = Some(relocation);
                return None;
            }
        }
    });
    graph.add_edges(block, edges)?;
    match refused {
        Some(Some(relocation)) => Err(why_refused(file, graph.site(block, relocation.offset), &relocation, symbols)),
        Some(None) => Err(file.malformed_section(section, "compact relocations (SHT_CREL)")),
        None => Ok(has_null_target),
    }
}

/// The edge of a relocation in a section with this content, of a file with so many symbols; `None` if it makes none.
#[inline]
fn edge<E: Encoding>(relocation: Relocation, machine: &Machine, content: &[u8], symbols: usize) -> Option<Edge> {
    let (kind, width) = machine.edge(relocation.kind);
    let end = relocation.offset.checked_add(width)?;
    if end > content.len() as u64 || relocation.symbol as usize >= symbols {
        return None;
    }
    let offset = u32::try_from(relocation.offset).ok()?;
    let addend = match relocation.addend {
        Some(addend) => addend,
        None => implicit_addend::<E>(content, offset, width),
    };
    Some(Edge { offset, kind, target: SymbolId(relocation.symbol), addend })
}

/// What the field holds before it is fixed up. All fields are read as signed, as other linkers do.
fn implicit_addend<E: Encoding>(content: &[u8], offset: u32, width: u64) -> i64 {
    let field = content.get(offset as usize..).unwrap_or_default();
    let value = match width {
        0 => None,
        1 => field.first_chunk().copied().map(E::Order::get::<1>),
        2 => field.first_chunk().copied().map(E::Order::get::<2>),
        4 => field.first_chunk().copied().map(E::Order::get::<4>),
        _ => field.first_chunk().copied().map(E::Order::get::<8>),
    };
    let spare = 64u64.saturating_sub(8 * width).min(63);
    value.map_or(0, |value| value.cast_signed() << spare >> spare)
}

/// Why a relocation makes no edge though it should.
#[cold]
fn why_refused(file: &File<'_>, site: Site, relocation: &Relocation, symbols: usize) -> LinkError {
    let name = file.machine.type_name(relocation.kind);
    if file.machine.meaning(relocation.kind) == Meaning::Unsupported {
        return LinkError::Unsupported { site, what: format!("relocation {name}") };
    }
    let why = if relocation.symbol as usize >= symbols {
        "its symbol does not exist"
    } else {
        "its field reaches beyond the end of the section"
    };
    LinkError::Malformed { site, what: format!("relocation {name}: {why}") }
}
