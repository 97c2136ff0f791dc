//! `-pre-prune-total-block-size` and `-post-fixup-total-block-size`.

use object::Endianness;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader, SectionHeader};

use linkjit_link::graph::LinkGraph;
use linkjit_link::passes::entries::STUBS_SECTION;

use super::linked::LinkedProgram;
use super::slab::UNWIND_TERMINATOR;

/// The jump that a stub is.
const STUB_SIZE: u64 = 6;

/// The size of all blocks of the linked files as LLVM reads them: each section of an ELF file is one, also those of
/// symbols and relocations, and each common symbol.
pub(super) fn before_pruning(program: &LinkedProgram<'_>) -> u64 {
    let graphs = program.files.iter().filter_map(|file| file.graphs.first());
    graphs.map(|graph| object_size(graph).unwrap_or_else(|| block_sizes(graph, |_| true))).fold(0, u64::saturating_add)
}

fn object_size(graph: &LinkGraph) -> Option<u64> {
    let bytes = graph.source().bytes();
    let header = FileHeader64::<Endianness>::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.section_headers(endian, bytes).ok()?;
    let sections = sections.iter().map(|section| section.sh_size(endian)).fold(0, u64::saturating_add);
    let terminator = if graph.sections().iter().any(|section| section.unwind_records) { UNWIND_TERMINATOR } else { 0 };
    let others = block_sizes(graph, |section| section == "COMMON").saturating_add(terminator);
    Some(sections.saturating_add(others))
}

fn block_sizes(graph: &LinkGraph, is_counted: impl Fn(&str) -> bool) -> u64 {
    let counted = graph.blocks().iter().filter(|block| is_counted(&graph.section(block.section).name));
    counted.map(|block| block.size).fold(0, u64::saturating_add)
}

/// The size of all blocks that have a place in memory, those that the linker has made included.
pub(super) fn after_fixups(program: &LinkedProgram<'_>) -> u64 {
    let mut seen: Vec<&LinkGraph> = Vec::new();
    let mut total = 0u64;
    for file in &program.files {
        for &graph in &file.graphs {
            if seen.iter().any(|known| std::ptr::eq(*known, graph)) {
                continue;
            }
            seen.push(graph);
            for id in graph.block_ids().filter(|&id| graph.block(id).placed) {
                let block = graph.block(id);
                // Not the gaps between stubs.
                let is_stubs = graph.section(block.section).name == STUBS_SECTION;
                let size = if is_stubs { STUB_SIZE * graph.edges(id).len() as u64 } else { block.size };
                total = total.saturating_add(size);
            }
            if graph.blocks().iter().any(|block| block.placed && graph.section(block.section).unwind_records) {
                total = total.saturating_add(UNWIND_TERMINATOR);
            }
        }
    }
    total
}
