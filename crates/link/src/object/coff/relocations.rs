//! Relocations: edges whose addends are in the content.

use object::pe::ImageRelocation;
use object::{LittleEndian as LE, pe};

use super::file::{File, Section};
use super::machine::Meaning;
use super::sections::{Blocks, is_function_table};
use crate::arch::ArchTables;
use crate::error::{LinkError, Result};
use crate::graph::{Edge, Lifetime, LinkGraph, SymbolId};

/// Reserves room for what the file has.
pub(super) fn reserve(file: &File<'_>, graph: &mut LinkGraph) {
    let sections = file.sections.len();
    let edges = file.sections.iter().map(|section| section.relocations.len()).sum();
    let tables = file.sections.iter().filter(|section| is_function_table(file, section));
    let records =
        tables.map(|section| section.data.len() as u64 / file.machine.arch.function_record_size()).sum::<u64>();
    let records = usize::try_from(records).unwrap_or(0);
    graph.reserve(sections, sections + records, file.symbols.len() as usize, edges, sections + records);
}

/// Adds an edge for every relocation of every section that gets into the process.
pub(super) fn read(file: &File<'_>, blocks: &Blocks, graph: &mut LinkGraph) -> Result<()> {
    for (number, section) in file.numbered() {
        let Some(block) = blocks.block(number) else { continue };
        if graph.section(graph.block(block).section).lifetime == Lifetime::NoAlloc || section.relocations.is_empty() {
            continue;
        }
        let edges = section.relocations.iter().filter_map(|raw| edge(file, section, raw).transpose());
        let edges: Vec<Edge> = edges.collect::<Result<_>>()?;
        let symbols = graph.symbols().len();
        if let Some(edge) = edges.iter().find(|edge| edge.target.index() >= symbols) {
            let what = format_args!("relocation: its symbol {} does not exist", edge.target.0);
            return Err(at(file, section, edge.offset, what));
        }
        graph.add_edges(block, edges.into_iter())?;
    }
    Ok(())
}

/// The edge of a relocation; `None` for one that does nothing.
fn edge(file: &File<'_>, section: &Section<'_>, raw: &ImageRelocation) -> Result<Option<Edge>> {
    let (offset, target) = (raw.virtual_address.get(LE), SymbolId(raw.symbol_table_index.get(LE)));
    let start = offset as usize;
    let before = section.data.get(..start).unwrap_or_default();
    let (kind, bias) = match (file.machine.meaning)(raw.typ.get(LE), before, section.has(pe::IMAGE_SCN_MEM_EXECUTE)) {
        Meaning::Edge(kind, bias) => (kind, bias),
        Meaning::Nothing => return Ok(None),
        Meaning::Unsupported(what) => {
            let site = file.site().section(section.name()).at(u64::from(offset));
            return Err(LinkError::Unsupported { site, what });
        }
    };
    let width = file.machine.arch.kinds().info(kind).width;
    let content = start.checked_add(width.into()).and_then(|end| section.data.get(start..end));
    let beyond = || at(file, section, offset, "relocation: it reaches beyond the end of its section");
    let addend = (file.machine.addend)(kind, content.ok_or_else(beyond)?) + bias;
    Ok(Some(Edge { offset, kind, target, addend }))
}

#[cold]
fn at(file: &File<'_>, section: &Section<'_>, offset: u32, what: impl std::fmt::Display) -> LinkError {
    let site = file.site().section(section.name()).at(u64::from(offset));
    LinkError::Malformed { site, what: what.to_string() }
}
