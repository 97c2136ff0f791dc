//! ELF relocatable objects.
//!
//! Their peculiarity: one section header table describes program bytes, symbols, relocations and strings alike, and
//! they refer to one another by number. The reader goes through headers (`file`), blocks (`sections`), symbols
//! (`symbols`), edges (`relocations`), groups (`groups`) and unwind records, in this order, so that whatever an item
//! refers to exists. A [`SymbolId`](crate::graph::SymbolId) of the graph is the symbol's index in the file.
//!
//! Follows: System V ABI (gABI), chapters "Object Files" and "Sections"; "Linux Standard Base, Core", chapter
//! "Exception Frames"; the processor supplements named in the files of the architectures.

#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod aarch64;
mod dependent_libraries;
mod dynamic;
mod file;
mod groups;
mod init_code;
mod initializers;
mod machine;
mod relocations;
mod sections;
mod symbols;
mod x86_64;

pub use dynamic::{DynamicName, dynamic_names};

use crate::error::Result;
use crate::graph::LinkGraph;
use crate::names::NamePool;
use crate::object::eh_frame;
use crate::source::Source;
use file::File;
pub(super) use initializers::order_of_name as initializer_order;
use machine::Machine;
use object::read::elf::FileHeader;
use symbols::SymbolTable;

/// Reads an ELF object; see [`super::read`].
///
/// # Errors
/// If the bytes are not a relocatable object for a machine that linkjit knows, malformed, or use something that linkjit
/// does not support.
pub fn read(source: &Source, names: &mut NamePool) -> Result<LinkGraph> {
    let machine = Machine::for_file(source)?;
    (machine.read)(source, machine, names)
}

/// Reads a file of the class and byte order of `E`.
fn read_as<E: FileHeader>(source: &Source, machine: &'static Machine, names: &mut NamePool) -> Result<LinkGraph> {
    let file = File::parse::<E>(source, machine)?;
    let table = SymbolTable::<E>::find(&file)?;
    let mut graph = LinkGraph::new(source.clone(), machine.arch);
    relocations::reserve(&file, &table, &mut graph);
    let blocks = sections::read(&file, &mut graph)?;
    let unusual = symbols::read(&file, &table, &blocks, &mut graph, names)?;
    let has_null_target = relocations::read(&file, &table, &blocks, &mut graph)?;
    if unusual.absolute {
        graph.defines_absolute = true;
    }
    if has_null_target || unusual.absolute || !unusual.undefined_locals.is_empty() {
        relocations::check_unusual(&file, &table, &unusual, &mut graph)?;
    }
    dependent_libraries::read(&file, &mut graph)?;
    groups::read(&file, &table, &blocks, &mut graph, names)?;
    eh_frame::split(&mut graph, blocks.unwind())?;
    for (index, section) in file.numbered().filter(|(_, section)| section.size != 0) {
        if let (Some(order), Some(block)) = (initializers::order_of_code(section.name), blocks.block(index)) {
            init_code::wrap(&mut graph, block, order)?;
        }
    }
    Ok(graph)
}
