//! COFF relocatable objects, for Windows.
//!
//! Their peculiarities: long names are in a table; auxiliary records follow the symbols that they describe; the first
//! symbol of a COMDAT section describes it, the second gives it its name; addends are in the content; a section of text
//! has options for the linker. The reader goes through headers and tables (`file`), blocks (`sections`), symbols
//! and COMDAT sections (`symbols`, `comdat`), edges (`relocations`), records of functions (`functions`) and requests
//! (`directives`), in this order. A [`SymbolId`] of the graph is the index of the symbol's record in the file.
//!
//! Follows: "PE Format" of Microsoft, chapters "COFF File Header", "Section Table", "Other Contents of the File"; GNU
//! as for what MinGW does differently.

#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod comdat;
mod directives;
mod file;
mod functions;
mod machine;
mod relocations;
mod sections;
mod symbols;
mod x86_64;

use crate::error::Result;
use crate::graph::{LinkGraph, SymbolId};
use crate::names::NamePool;
use crate::source::Source;
use file::File;
pub use file::is_object;
pub(super) use machine::Machine;

/// The weak externals of an object for which no library is searched (`IMAGE_WEAK_EXTERN_SEARCH_NOLIBRARY`): in its
/// graph they are like those that stand for a name in any case (`IMAGE_WEAK_EXTERN_SEARCH_ALIAS`). Sorted.
///
/// # Errors
/// If the bytes are not an object.
pub fn weak_externals_without_search(source: &Source) -> Result<Vec<SymbolId>> {
    symbols::weak_externals_without_search(&File::parse(source)?)
}

/// Reads a COFF object; see [`super::read`].
///
/// # Errors
/// If the bytes are not an object for a machine that linkjit knows, malformed, or use something that linkjit does not
/// support.
pub fn read(source: &Source, names: &mut NamePool) -> Result<LinkGraph> {
    let file = File::parse(source)?;
    let mut graph = LinkGraph::new(source.clone(), file.machine.arch);
    relocations::reserve(&file, &mut graph);
    let blocks = sections::read(&file, &mut graph)?;
    let mut comdats = symbols::read(&file, &blocks, &mut graph, names)?;
    relocations::read(&file, &blocks, &mut graph)?;
    comdat::read(&file, &blocks, &mut comdats, &mut graph)?;
    sections::retain_tables(&file, &blocks, &comdats, &mut graph);
    sections::add_initializers(&file, &blocks, &comdats, &mut graph)?;
    functions::split(&file, &blocks, &mut graph)?;
    directives::read(&file, &mut graph, names)?;
    Ok(graph)
}
