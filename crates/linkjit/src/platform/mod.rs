//! Platforms: what the loader and the C runtime would have done for a program of each object format.

mod charconv;
pub(crate) mod coff;
pub(crate) mod coff_runtime;
pub(crate) mod crt;
pub(crate) mod crt_startup;
pub(crate) mod elf;
pub(crate) mod elf_libraries;
mod guids;
pub(crate) mod image_names;
pub(crate) mod program;

use linkjit_link::graph::{LinkGraph, Linkage, Name, Scope, SymbolId};
use linkjit_link::names::NamePool;

/// Makes a symbol a hidden weak definition of a name: whatever the user defines takes precedence.
fn define_yielding(graph: &mut LinkGraph, symbol: SymbolId, name: &[u8], names: &mut NamePool) {
    graph.rename(symbol, Name::Interned(names.intern(name)));
    graph.set_visibility(symbol, Linkage::Weak, Scope::Hidden);
}
