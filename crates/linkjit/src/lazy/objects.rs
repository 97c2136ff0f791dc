//! Objects whose functions are linked when they are first called.
//!
//! The object's own functions (strong ones that are in no COMDAT group) get other, hidden names, and stubs take the
//! original ones. The object stays in its JITDylib: its data, COMDAT groups and weak definitions are chosen as those of
//! any other object, and linked when linked code refers to them. Calls within the object are direct. Code that takes a
//! function's address gets the stub's, so that a function has one address.

use std::collections::HashMap;

use linkjit_executor::ExecAddr;
use linkjit_link::arch::ArchTables;
use linkjit_link::graph::{BlockId, Edge, LinkGraph, Linkage, Name, Scope, Symbol, SymbolId};
use linkjit_link::names::{NameId, NamePool};
use linkjit_link::object;
use linkjit_link::source::Source;

use super::stubs::{StubName, Stubs, intern_prefixed};
use super::trampolines::{LazyStub, Targets, define};
use crate::error::Result;
use crate::jitdylib::JitDylib;
use crate::session::{DylibId, IMPLEMENTATION, State, defined_names};
use crate::source::IntoSource;

impl JitDylib {
    /// Adds a relocatable object whose functions are linked when they are first called, as by
    /// [`JitDylib::lazy_reexports`]. Its variables, and functions of which other objects may have copies (weak ones,
    /// and C++'s inline ones), are linked when linked code refers to them.
    ///
    /// Its initializers are run when something of it is first linked: before a call goes on that it is linked for, else
    /// with the other initializers of the JITDylib. [`JitDylib::lookup`] is no reason to link them;
    /// [`JitDylib::initialize`], [`JitDylib::link_with_initializers`] and [`JitDylib::run_main`] are,
    /// for a program that is linked as a whole has them all run before its `main`.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # use linkjit::SourceModule;
    /// # let object = SourceModule::text("doc.c", "int answer(void) { return 42; }").compile()?;
    /// let jit = linkjit::Jit::host()?;
    /// jit.add_lazy_object(&object)?;
    /// // SAFETY: its type.
    /// let answer = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> i32>("answer")? };
    /// let before = jit.session().statistics().code_bytes;
    /// // SAFETY: as above.
    /// assert_eq!(unsafe { answer() }, 42);
    /// // Now it is linked.
    /// assert!(jit.session().statistics().code_bytes > before);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`JitDylib::add_object`].
    pub fn add_lazy_object(&self, object: impl IntoSource) -> Result<()> {
        let source = object.into_source()?;
        let name = source.name().clone();
        self.add_object_again(&name, move |dylib| dylib.read_lazy_object(&source))
    }

    fn read_lazy_object(&self, source: &Source) -> Result<()> {
        self.session().keep_names();
        let owner = self.owner()?;
        let mut graph = object::read(source, &mut self.session().names())?;
        // What serves the libraries must not need the linker when they call it.
        if self.session().defined_allocator(&graph).is_some() {
            return self.add_graph_that_was_read(graph);
        }
        self.session().note_wanted_of_allocator(self.id(), &graph);
        let stubs =
            hide_functions(&mut graph, &prefix_of(self.id()), &mut self.session().names(), by_address, |_| false)?;
        let targets = Targets {
            names: defined_names(&graph),
            define: |state: &mut State, names: &NamePool| {
                let (object, _) = state.define_object(self.id(), owner, graph, names)?;
                // Its initializers wait until something of it is linked.
                state.initialize_lazily(object);
                Ok(())
            },
        };
        define(self, self, source.name(), &stubs, targets)?;
        Ok(())
    }
}

/// Takes an object apart as [`JitDylib::add_lazy_object`] does, for tools that link without running: gives its own
/// functions hidden names, and returns a graph of stubs, called `stubs`, that have theirs and lead nowhere.
///
/// # Errors
/// If there is no room for more symbols.
pub fn split_lazy_object(graph: &mut LinkGraph, stubs: &str, names: &mut NamePool) -> Result<LinkGraph> {
    let functions = hide_functions(graph, &prefix_of(DylibId(0)), names, by_address, |_| false)?;
    let mut made = Stubs::new(LinkGraph::new(Source::new(stubs, []), graph.arch()))?;
    for function in functions {
        made.add(names, function.stub, ExecAddr::NULL)?;
    }
    Ok(made.finish())
}

/// The prefix of the hidden names of a JITDylib's functions.
pub(crate) fn prefix_of(dylib: DylibId) -> String {
    format!("{IMPLEMENTATION}{}.", dylib.0)
}

/// Gives an object's own functions hidden names, which no other JITDylib has; returns the stubs that are to take
/// theirs. Functions of which other objects may have copies are not its own, unless they `had_stub` by their hidden
/// name. `by_stub` says which references to functions, by their names, are to go to the stubs.
pub(crate) fn hide_functions(
    graph: &mut LinkGraph,
    prefix: &str,
    names: &mut NamePool,
    by_stub: fn(&LinkGraph, BlockId, &Edge, &[u8]) -> bool,
    had_stub: impl Fn(NameId) -> bool,
) -> Result<Vec<LazyStub>> {
    let mut hidden: HashMap<SymbolId, NameId> = HashMap::new();
    let mut stubs = Vec::new();
    let shared = graph.shared_blocks();
    for id in graph.symbol_ids() {
        let symbol = graph.symbol(id);
        let Some(name) = symbol.global_name() else { continue };
        let Some(block) = symbol.block().filter(|_| symbol.callable) else { continue };
        let is_own = symbol.linkage == Linkage::Strong && shared.binary_search(&block).is_err();
        let stub = StubName { name, linkage: Linkage::Strong, scope: symbol.scope, is_vague: false };
        let target = intern_prefixed(names, prefix, name);
        if !is_own && !had_stub(target) {
            continue;
        }
        graph.symbol_mut(id).name = Name::Interned(target);
        graph.set_visibility(id, Linkage::Strong, Scope::Hidden);
        hidden.insert(id, name);
        stubs.push(LazyStub { stub, target });
    }
    refer_to_stubs(graph, &hidden, names, by_stub)?;
    Ok(stubs)
}

/// Makes references to hidden functions go to their stubs.
fn refer_to_stubs(
    graph: &mut LinkGraph,
    hidden: &HashMap<SymbolId, NameId>,
    names: &NamePool,
    by_stub: fn(&LinkGraph, BlockId, &Edge, &[u8]) -> bool,
) -> Result<()> {
    let mut external: HashMap<NameId, SymbolId> = HashMap::new();
    for block in graph.block_ids() {
        if !is_ordinary(graph, block) {
            continue;
        }
        for index in 0..graph.edges(block).len() {
            let edge = graph.edges(block)[index];
            let by_stub = |name: &&NameId| by_stub(graph, block, &edge, names.bytes(**name));
            let Some(&name) = hidden.get(&edge.target).filter(by_stub) else { continue };
            let target = match external.get(&name) {
                Some(&symbol) => symbol,
                None => graph.add_symbol(Symbol::external(name, Linkage::Strong))?,
            };
            external.insert(name, target);
            graph.edges_mut(block)[index].target = target;
        }
    }
    Ok(())
}

/// Says whether references of a block to functions mean what calls of them mean. Unwind records are about the code itself,
/// and initializers are the object's own.
pub(crate) fn is_ordinary(graph: &LinkGraph, block: BlockId) -> bool {
    let is_table = graph.initializers.iter().any(|run| run.block == block);
    !is_table && !graph.section(graph.block(block).section).unwind_records
}

/// Says whether a reference to a function of a lazy object is to go to its stub: calls within the object are direct.
pub(super) fn by_address(graph: &LinkGraph, _: BlockId, edge: &Edge, _: &[u8]) -> bool {
    graph.arch().kinds().info(edge.kind).takes_address(edge)
}
