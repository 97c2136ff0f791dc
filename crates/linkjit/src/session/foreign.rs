//! Objects for another processor or system than that of the process that runs them.
//!
//! The processor must be the same. The format may differ, for code and data that need nothing from their system.

use linkjit_executor::{ObjectFormat, Target};
use linkjit_link::graph::LinkGraph;
use linkjit_link::{LinkError, Site};

use crate::error::Result;

fn refuse(graph: &LinkGraph, what: &str, target: Target) -> Result<()> {
    let what = format!("{what}: compile it for that target (--target={target})");
    Err(LinkError::NotLinkable { site: Site::file(graph.source().name().clone()), what }.into())
}

/// Refuses an object for another processor.
pub(super) fn check_arch(graph: &LinkGraph, target: Target) -> Result<()> {
    if graph.arch() == target.arch {
        return Ok(());
    }
    refuse(graph, &format!("an object for {}, but linked code runs on {}", graph.arch(), target.arch), target)
}

/// Refuses graphs of which tables of functions were placed, if nothing in the process unwinds by such tables.
pub(crate) fn check_function_tables<'a>(graphs: impl Iterator<Item = &'a LinkGraph>, target: Target) -> Result<()> {
    if target.format == ObjectFormat::Coff {
        return Ok(());
    }
    for graph in graphs {
        let is_table = |section: usize| graph.sections()[section].function_records;
        if graph.blocks().iter().any(|block| block.placed && is_table(block.section.index())) {
            let what = "an object with Windows unwind tables (.pdata)";
            return refuse(
                graph,
                &format!("{what}, but linked code runs in a process that uses {} objects", target.format),
                target,
            );
        }
    }
    Ok(())
}
