//! Platforms: they do for a program what the loader and the C runtime would have done, by object format. A session asks
//! them through [`Platform`].

mod charconv;
mod coff;
mod coff_runtime;
mod crt_startup;
mod default_libraries;
mod elf;
pub(crate) mod elf_libraries;
mod guids;
pub(crate) mod program;

use std::sync::Arc;

use linkjit_executor::{Executor, ObjectFormat};
use linkjit_link::graph::{LinkGraph, Linkage, Name, Scope, SymbolId};
use linkjit_link::names::NamePool;

use crate::session::{ExecutionSession, Platform, SessionOptions};

impl ExecutionSession {
    /// A session without JITDylibs.
    #[must_use]
    pub fn new(executor: Arc<dyn Executor>, options: SessionOptions) -> Self {
        let platform: &dyn Platform = match executor.target().format {
            ObjectFormat::Elf => &elf::Elf,
            ObjectFormat::Coff => &coff::Coff,
        };
        Self::for_platform(platform, executor, options)
    }
}

/// Makes an object's pointers to personality functions its own. Compilers emit them for the unwind tables of each
/// object, as COMDAT groups; one that several objects share would be gone with the first of these that is removed.
fn own_personality_pointers(graph: &mut LinkGraph, names: &NamePool) {
    let groups = graph.dissolve_groups(|signature| names.bytes(signature).starts_with(b"DW.ref."));
    let Some(mut blocks) = groups.into_iter().map(|group| group.blocks).reduce(|all, more| [all, more].concat()) else {
        return;
    };
    blocks.sort_unstable();
    for symbol in graph.symbol_ids() {
        if graph.symbol(symbol).block().is_some_and(|block| blocks.binary_search(&block).is_ok()) {
            graph.set_visibility(symbol, Linkage::Strong, Scope::Local);
        }
    }
}

/// Makes a symbol a hidden weak definition of a name: whatever the user defines takes precedence.
fn define_yielding(graph: &mut LinkGraph, symbol: SymbolId, name: &[u8], names: &mut NamePool) {
    graph.symbol_mut(symbol).name = Name::Interned(names.intern(name));
    graph.set_visibility(symbol, Linkage::Weak, Scope::Hidden);
}
