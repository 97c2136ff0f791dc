//! `-add-self-relocations`: edges where functions form their own addresses.

use linkjit_link::LinkError;
use linkjit_link::check::self_references;
use linkjit_link::graph::{Definition, Edge, LinkGraph};

/// Adds an edge for each `lea` of a function's own address that has none.
pub(super) fn add_self_relocations(graph: &mut LinkGraph) -> Result<(), LinkError> {
    for target in graph.symbol_ids() {
        let symbol = graph.symbol(target);
        let (true, Definition::Defined { block, offset }) = (symbol.callable, symbol.definition) else { continue };
        let code = usize::try_from(offset).ok().and_then(|start| graph.content(block)?.get(start..));
        let Some(code) = code else { continue };
        // A function whose size is not known goes on to the end.
        let size = usize::try_from(symbol.size).ok().filter(|&size| size > 0).unwrap_or(code.len());
        let code = code.get(..size).unwrap_or(code);
        let found = self_references(graph.arch(), code, target).map_err(|at| {
            let address = graph.block(block).section_offset.wrapping_add(offset).wrapping_add(at as u64);
            let what = format!("failed to disassemble at address {address:#018x}");
            LinkError::NotLinkable { site: graph.site(block, offset.wrapping_add(at as u64)), what }
        })?;
        for edge in found {
            let at = u32::try_from(offset).ok().and_then(|offset| offset.checked_add(edge.offset));
            let Some(offset) = at else { continue };
            if graph.edges(block).iter().all(|edge| edge.offset != offset) {
                graph.add_edge(block, Edge { offset, ..edge })?;
            }
        }
    }
    Ok(())
}
