//! Code of `.init` and `.fini` sections, which is to run before all initializers, and after all terminators.
//!
//! gABI, "Initialization and Termination Functions": a program's `_init` is the `.init` sections of all objects, one
//! behind the other, the first and last of them from the C library's start files, which open and close the function.
//! Here each object's code becomes a function of its own, with the same stack around it.

use crate::arch::x86_64::{INIT_ENTRY, INIT_EXIT, Kind};
use crate::error::Result;
use crate::graph::{
    BlockId, Content, Edge, InitializerOrder, InitializerSection, Lifetime, LinkGraph, Protection, Symbol,
};

/// Makes a block of such code an initializer or terminator. Zeros are no code.
///
/// # Errors
/// If there are too many blocks.
pub fn wrap(graph: &mut LinkGraph, block: BlockId, order: InitializerOrder) -> Result<()> {
    let Some(code) = graph.content(block) else { return Ok(()) };
    let size = code.len() as u64;
    let code = [code, &INIT_EXIT].concat();
    graph.set_content(block, code.into());
    let code = graph.add_symbol(Symbol::anonymous(block, 0, size))?;

    let section = graph.block(block).section;
    let entry = graph.add_block(section, Content::Owned(INIT_ENTRY.into()), 0, 4)?;
    graph.add_edge(entry, Edge { offset: 5, kind: Kind::Delta32.edge(), target: code, addend: -4 })?;
    let entry = graph.add_symbol(Symbol::anonymous(entry, 0, INIT_ENTRY.len() as u64))?;

    let section = graph.add_section("$__INIT", Protection::Read, Lifetime::Standard)?;
    let pointer = graph.add_block(section, Content::Owned([0; 8].into()), 0, 3)?;
    graph.add_edge(pointer, Edge { offset: 0, kind: Kind::Pointer64.edge(), target: entry, addend: 0 })?;
    graph.add_initializers(InitializerSection { block: pointer, order, backwards: false });
    Ok(())
}
