//! Relocations (`SHT_RELA`, `SHT_REL`, `SHT_CREL`) become edges.

use object::pod::{Pod, slice_from_all_bytes};
use object::read::elf::{Crel, CrelIterator, FileHeader};
use object::{Endian as _, elf};

use super::file::{File, Section};
use super::machine::{Machine, Meaning};
use super::sections::{Blocks, Placed};
use super::symbols::{SymbolTable, Unusual};
use crate::arch::{ArchTables, Role};
use crate::error::{LinkError, Result, Site};
use crate::graph::{BlockId, Definition, Edge, Lifetime, LinkGraph, SymbolId};
use crate::object::fields::field;

/// Reserves room for everything that the section headers promise.
pub(super) fn reserve<E: FileHeader>(file: &File<'_>, table: &SymbolTable<'_, E>, graph: &mut LinkGraph) {
    let linked =
        |section: &Section<'_>| file.section(section.info).is_some_and(|relocated| relocated.has(elf::SHF_ALLOC));
    let mut edges = 0usize;
    let mut unwind_records = 0usize;
    for section in &file.sections {
        let count = match section.kind {
            elf::SHT_RELA => section.data.len() / size_of::<E::Rela>(),
            elf::SHT_REL => section.data.len() / size_of::<E::Rel>(),
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
pub(super) fn read<E: FileHeader>(
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
pub(super) fn check_unusual<E: FileHeader>(
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
            let is_near = kinds.info(edge.kind).role == Role::NearDistance;
            let definition = graph.symbol(edge.target).definition;
            refers_to_absolute |= is_near && matches!(definition, Definition::Absolute(_));
        }
    }
    if refers_to_absolute {
        graph.refers_to_absolute = true;
    }
    Ok(())
}

fn read_section<E: FileHeader>(
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
    let endian = E::Endian::default();
    match section.kind {
        elf::SHT_RELA => {
            let raw = entries::<E::Rela>(file, section)?;
            let relocations = || raw.iter().map(|raw| Crel::from_rela(raw, endian, false));
            let content_size = file.section(section.info).map_or(0, |relocated| relocated.data.len() as u64);
            if are_usual(relocations(), file.machine, content_size, graph.symbols().len()) {
                graph.add_edges(block, relocations().map(|relocation| usual_edge(&relocation, file.machine)))?;
                return Ok(false);
            }
            add_edges::<E>(file, section, block, graph, true, relocations().map(Some))
        }
        elf::SHT_REL => {
            let raw = entries::<E::Rel>(file, section)?;
            add_edges::<E>(file, section, block, graph, false, raw.iter().map(|raw| Some(Crel::from_rel(raw, endian))))
        }
        _ => {
            let relocations = CrelIterator::new(section.data).map_err(|_| broken(file, section))?;
            add_edges::<E>(file, section, block, graph, relocations.is_rela(), relocations.map(Result::ok))
        }
    }
}

/// The entries of a section of relocations.
fn entries<'a, T: Pod>(file: &File<'_>, section: &Section<'a>) -> Result<&'a [T]> {
    let entries = slice_from_all_bytes(section.data).ok().filter(|_| section.entry_size == size_of::<T>() as u64);
    entries.ok_or_else(|| file.malformed_section(section, "relocations: their size is wrong"))
}

#[cold]
fn broken(file: &File<'_>, section: &Section<'_>) -> LinkError {
    file.malformed_section(section, "compact relocations (SHT_CREL)")
}

/// Returns whether each of `relocations` makes an edge to one of so many symbols, not the null symbol, with a field in
/// a section of that size: so it is nearly always, and found out without a branch for each.
#[inline]
fn are_usual(relocations: impl Iterator<Item = Crel>, machine: &Machine, content_size: u64, symbols: usize) -> bool {
    let (mut end, mut last) = (0, 0);
    for relocation in relocations {
        let (_, width) = machine.edge(relocation.r_type);
        end = end.max(relocation.r_offset.saturating_add(width));
        // Makes the null symbol the last of all.
        last = last.max(relocation.r_sym.wrapping_sub(1));
    }
    end <= content_size && (last as usize) < symbols.saturating_sub(1)
}

/// The edge of a relocation for which [`are_usual`].
#[inline]
fn usual_edge(relocation: &Crel, machine: &Machine) -> Edge {
    let (kind, _) = machine.edge(relocation.r_type);
    // A section is smaller than 2^32 bytes.
    let offset = relocation.r_offset as u32;
    Edge { offset, kind, target: SymbolId(relocation.r_sym), addend: relocation.r_addend }
}

/// Adds the edges of one block. `None` among the relocations is where their encoding is broken. Their addends are in the
/// fields unless they `have_addends`.
fn add_edges<E: FileHeader>(
    file: &File<'_>,
    section: &Section<'_>,
    block: BlockId,
    graph: &mut LinkGraph,
    have_addends: bool,
    mut relocations: impl Iterator<Item = Option<Crel>>,
) -> Result<bool> {
    // Zeros take no relocations: a section without content has no place for a field.
    let content = file.section(section.info).map_or(&[][..], |relocated| relocated.data);
    let symbols = graph.symbols().len();
    let (mut refused, mut has_null_target) = (None, false);
    let edges = std::iter::from_fn(|| {
        loop {
            let relocation = relocations.next()?;
            let edge = relocation.and_then(|relocation| edge(&relocation, file.machine, content, symbols));
            if let Some((mut edge, width)) = edge {
                if !have_addends {
                    edge.addend = implicit_addend::<E>(content, edge.offset, width);
                }
                has_null_target |= edge.target == SymbolId(0);
                return Some(edge);
            }
            if relocation.is_none_or(|relocation| file.machine.meaning(relocation.r_type) != Meaning::Nothing) {
                refused = Some(relocation);
                return None;
            }
        }
    });
    graph.add_edges(block, edges)?;
    match refused {
        Some(Some(relocation)) => Err(why_refused(file, graph.site(block, relocation.r_offset), &relocation, symbols)),
        Some(None) => Err(broken(file, section)),
        None => Ok(has_null_target),
    }
}

/// The edge of a relocation in a section with this content, of a file with so many symbols, and the width of its field;
/// `None` if it makes none.
#[inline]
fn edge(relocation: &Crel, machine: &Machine, content: &[u8], symbols: usize) -> Option<(Edge, u64)> {
    let (_, width) = machine.edge(relocation.r_type);
    let end = relocation.r_offset.checked_add(width)?;
    let is_inside = end <= content.len() as u64 && (relocation.r_sym as usize) < symbols;
    is_inside.then(|| (usual_edge(relocation, machine), width))
}

/// Returns the number that the field holds before it is fixed up. All fields are read as signed, as other linkers do.
fn implicit_addend<E: FileHeader>(content: &[u8], offset: u32, width: u64) -> i64 {
    let (endian, content) = (E::Endian::default(), content.get(offset as usize..).unwrap_or_default());
    match width {
        0 => 0,
        1 => i8::from_ne_bytes(field(content, 0)).into(),
        2 => endian.read_i16(field(content, 0)).into(),
        4 => endian.read_i32(field(content, 0)).into(),
        _ => endian.read_i64(field(content, 0)),
    }
}

/// Why a relocation makes no edge though it should.
#[cold]
fn why_refused(file: &File<'_>, site: Site, relocation: &Crel, symbols: usize) -> LinkError {
    let name = file.machine.type_name(relocation.r_type);
    if file.machine.meaning(relocation.r_type) == Meaning::Unsupported {
        return LinkError::Unsupported { site, what: format!("relocation {name}") };
    }
    let why = if relocation.r_sym as usize >= symbols {
        "its symbol does not exist"
    } else {
        "its field reaches beyond the end of the section"
    };
    LinkError::Malformed { site, what: format!("relocation {name}: {why}") }
}
