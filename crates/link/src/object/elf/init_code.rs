//! Code of `.init` and `.fini` sections, which runs before all initializers, and after all terminators.
//!
//! gABI, "Initialization and Termination Functions": a program's `_init` consists of the `.init` sections of all
//! objects. The first and the last come from the C library's start files, which open and close the function. This pass
//! makes each object's code a function of its own, with the same stack around it.

use crate::arch::ArchTables;
use crate::error::Result;
use crate::graph::{BlockId, InitializerOrder, InitializerSection, Lifetime, LinkGraph, Protection, Symbol};

/// Makes a block of such code an initializer or terminator. Zeros are no code.
///
/// # Errors
/// If there are too many blocks.
pub(super) fn wrap(graph: &mut LinkGraph, block: BlockId, order: InitializerOrder) -> Result<()> {
    let Some(code) = graph.content(block) else { return Ok(()) };
    let size = code.len() as u64;
    let code = [code, graph.arch().code().init_exit].concat();
    graph.set_content(block, code.into());
    let code = graph.add_symbol(Symbol::anonymous(block, 0, size))?;

    let section = graph.block(block).section;
    let (_, entry) = graph.add_code(section, &graph.arch().code().init_entry, &[code])?;
    let section = graph.add_section("$__INIT", Protection::Read, Lifetime::Standard)?;
    let (pointer, _) = graph.add_pointers(section, &[entry])?;
    graph.add_initializers(InitializerSection { block: pointer, order, backwards: false });
    Ok(())
}
