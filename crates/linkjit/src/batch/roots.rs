//! Finds out for an error message whether the lookup itself needs a missing name, or something that is linked without
//! being asked for, such as an initializer. It runs only before an error.

use std::collections::{BTreeMap, BTreeSet};

use linkjit_link::graph::{BlockId, LinkGraph, SymbolId};
use linkjit_link::input::Binding;

use super::Batch;
use crate::error::{Root, RootKind};

/// Follows what linking would follow.
struct Search<'a> {
    batch: &'a Batch<'a>,
    seen: BTreeSet<(u32, BlockId)>,
    pending: Vec<(u32, BlockId)>,
    /// The references that are reached, and from which root first; `None` for the names of the lookup.
    reached: BTreeMap<(u32, SymbolId), Option<(u32, BlockId)>>,
}

impl Batch<'_> {
    /// The roots that need references, for those that nothing else needs.
    pub(super) fn needed_by_roots(&self) -> BTreeMap<(u32, SymbolId), Root> {
        let mut search = Search { batch: self, seen: BTreeSet::new(), pending: Vec::new(), reached: BTreeMap::new() };
        for name in &self.query.names {
            if let Some(found) = self.found.get(&(self.query.dylib, name.name)) {
                search.bound(found.binding, None);
            }
        }
        search.follow(None);
        for (index, input) in (0u32..).zip(self.inputs.iter()) {
            for &block in &input.graph.retained {
                let root = (index, block);
                search.block(root);
                search.follow(Some(root));
            }
        }
        let root = |(input, block): (u32, BlockId)| root(&self.inputs[input as usize].graph, block);
        let reached = search.reached.into_iter();
        reached.filter_map(|(reference, from)| Some((reference, root(from?)))).collect()
    }
}

impl Search<'_> {
    fn block(&mut self, block: (u32, BlockId)) {
        if self.seen.insert(block) {
            self.pending.push(block);
        }
    }

    fn bound(&mut self, binding: Binding, root: Option<(u32, BlockId)>) {
        if let Binding::Input { input, symbol } = binding {
            self.symbol(input, symbol, root);
        }
    }

    fn symbol(&mut self, input: u32, symbol: SymbolId, root: Option<(u32, BlockId)>) {
        let holder = &self.batch.inputs[input as usize];
        match holder.graph.symbol(symbol).block() {
            Some(block) => self.block((input, block)),
            // Each is followed once, so that bindings in a circle have an end.
            None if self.reached.contains_key(&(input, symbol)) => {}
            None => {
                self.reached.insert((input, symbol), root);
                self.bound(holder.binding(symbol), root);
            }
        }
    }

    fn follow(&mut self, root: Option<(u32, BlockId)>) {
        while let Some((input, block)) = self.pending.pop() {
            let graph = &self.batch.inputs[input as usize].graph;
            graph.edges(block).iter().for_each(|edge| self.symbol(input, edge.target, root));
            graph.dependents(block).for_each(|dependent| self.block((input, dependent)));
        }
    }
}

fn root(graph: &LinkGraph, block: BlockId) -> Root {
    let kind = match graph.initializers.iter().find(|run| run.block == block) {
        Some(run) if run.order.is_at_exit() => RootKind::Terminator,
        Some(_) => RootKind::Initializer,
        None => RootKind::Retained,
    };
    let section = graph.section(graph.block(block).section).name.to_string();
    Root { object: graph.name().into(), section, kind }
}
