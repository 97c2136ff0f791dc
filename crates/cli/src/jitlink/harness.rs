//! `-harness`: objects that test the internals of other objects. They see all names that they refer to, even local
//! ones, and their definitions replace those of the tested objects.

use std::collections::HashSet;

use linkjit_link::graph::{LinkGraph, Linkage, Name, Scope, SymbolId};
use linkjit_link::names::NamePool;

/// The names of a test's harness.
#[derive(Debug, Default)]
pub(super) struct Harness {
    externals: HashSet<Vec<u8>>,
    definitions: HashSet<Vec<u8>>,
    /// Weak definitions of the test so far.
    weak: HashSet<Vec<u8>>,
}

impl Harness {
    /// Takes the names of an object of the harness.
    pub(super) fn add(&mut self, graph: &LinkGraph, names: &NamePool) {
        for id in graph.symbol_ids() {
            let name = graph.symbol_name(names, id);
            let known = if graph.symbol(id).is_external() { &mut self.externals } else { &mut self.definitions };
            if !name.is_empty() {
                known.insert(name.to_vec());
            }
        }
    }

    /// Makes an object of the test ready to be linked with the harness.
    pub(super) fn apply(&mut self, graph: &mut LinkGraph, names: &mut NamePool) {
        if self.externals.is_empty() && self.definitions.is_empty() {
            return;
        }
        for id in graph.symbol_ids() {
            let symbol = graph.symbol(id);
            let (linkage, is_external) = (symbol.linkage, symbol.is_external());
            let name = graph.symbol_name(names, id).to_vec();
            if is_external || name.is_empty() {
                continue;
            }
            let is_replaced = self.definitions.contains(&name);
            let is_wanted = !is_replaced && self.externals.contains(&name);
            if linkage == Linkage::Weak && !is_replaced && self.weak.insert(name.clone()) {
                let scope = if is_wanted { Scope::Default } else { Scope::Hidden };
                graph.set_visibility(id, Linkage::Strong, scope);
            } else if linkage == Linkage::Weak || is_replaced {
                promote(graph, names, id, linkage);
                graph.make_external(id);
            } else if is_wanted {
                promote(graph, names, id, linkage);
            }
        }
    }
}

/// Makes a symbol one that other graphs know by its name.
fn promote(graph: &mut LinkGraph, names: &mut NamePool, symbol: SymbolId, linkage: Linkage) {
    let name = graph.symbol_name(names, symbol).to_vec();
    let name = names.intern(&name);
    graph.symbol_mut(symbol).name = Name::Interned(name);
    graph.set_visibility(symbol, linkage, Scope::Default);
}
