//! Objects whose functions are linked when they are first called.
//!
//! The object's strong functions get other, hidden names; stubs take theirs. The object stays in its JITDylib, so that
//! its data, its COMDAT groups and weak definitions are chosen, and reached, as those of any other object: they are
//! linked when linked code refers to them. Calls within the object are direct. What takes a function's address gets that
//! of the stub, so that a function has one address.

use std::collections::HashMap;

use linkjit_link::arch::x86_64::Kind;
use linkjit_link::graph::{Edge, LinkGraph, Linkage, Name, Scope, Symbol, SymbolId};
use linkjit_link::names::{NameId, NamePool};
use linkjit_link::object;
use linkjit_link::source::Source;

use super::stubs::StubName;
use super::trampolines::{LazyStub, define};
use crate::error::Result;
use crate::jitdylib::JitDylib;
use crate::session::ResourceTracker;

/// What the names of implementations begin with.
const IMPLEMENTATION: &str = "$__IMPL.";

impl JitDylib {
    /// Adds a relocatable object whose functions are linked when they are first called, as by
    /// [`JitDylib::lazy_reexports`]. Its variables, and functions that it defines weakly (C++'s inline ones), are linked
    /// when linked code refers to them.
    ///
    /// Its initializers are run when something of it is first linked: before a call goes on that it is linked for, else
    /// with the other initializers of the JITDylib.
    ///
    /// # Errors
    /// As [`JitDylib::add_object`].
    pub fn add_lazy_object(&self, source: &Source) -> Result<()> {
        self.add_lazy_object_to(&self.default_tracker()?, source)
    }

    /// The same for an object that `tracker` owns.
    ///
    /// # Errors
    /// As [`JitDylib::add_object_to`].
    pub fn add_lazy_object_to(&self, tracker: &ResourceTracker, source: &Source) -> Result<()> {
        let (graph, stubs) = {
            let mut names = self.session().names();
            let mut graph = object::read(source, &mut names)?;
            let stubs = hide_functions(&mut graph, &mut names)?;
            (graph, stubs)
        };
        define(tracker, self, source.name(), &stubs, Some(graph))
    }
}

/// Gives strong functions hidden names; returns the stubs that are to take theirs.
fn hide_functions(graph: &mut LinkGraph, names: &mut NamePool) -> Result<Vec<LazyStub>> {
    let mut hidden: HashMap<SymbolId, NameId> = HashMap::new();
    let mut stubs = Vec::new();
    for id in graph.symbol_ids() {
        let symbol = graph.symbol(id);
        let Some(name) = symbol.shared_name() else { continue };
        if !symbol.callable || symbol.linkage != Linkage::Strong || symbol.block().is_none() {
            continue;
        }
        let stub = StubName { name, linkage: symbol.linkage, scope: symbol.scope };
        let target = names.intern(format!("{IMPLEMENTATION}{}", names.text(name)).as_bytes());
        graph.rename(id, Name::Interned(target));
        graph.set_visibility(id, Linkage::Strong, Scope::Hidden);
        hidden.insert(id, name);
        stubs.push(LazyStub { stub, target });
    }
    refer_to_stubs(graph, &hidden)?;
    Ok(stubs)
}

/// Makes what takes the address of a hidden function refer to its stub.
fn refer_to_stubs(graph: &mut LinkGraph, hidden: &HashMap<SymbolId, NameId>) -> Result<()> {
    let mut external: HashMap<NameId, SymbolId> = HashMap::new();
    for block in graph.block_ids() {
        // Unwind records are about the code itself.
        if graph.section(graph.block(block).section).unwind_records {
            continue;
        }
        for index in 0..graph.edges(block).len() {
            let edge = graph.edges(block)[index];
            let Some(&name) = hidden.get(&edge.target).filter(|_| takes_address(&edge)) else { continue };
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

/// Whether an edge stands for the address of its target, not for a place within or a call.
fn takes_address(edge: &Edge) -> bool {
    match Kind::from_edge(edge.kind) {
        Some(Kind::Pointer64 | Kind::Pointer32 | Kind::Pointer32Signed | Kind::FromGotBase64) => edge.addend == 0,
        // The displacement of `lea` is the last field of the instruction.
        Some(Kind::Delta32) => edge.addend == -4,
        Some(
            Kind::GotDelta32
            | Kind::GotLoad32
            | Kind::RexGotLoad32
            | Kind::GotDelta64
            | Kind::GotOffset32
            | Kind::GotOffset64,
        ) => true,
        _ => false,
    }
}
