//! Finding out what is needed.
//!
//! Roots are blocks and symbols that somebody asked for. From there everything is reached over edges (from a block to
//! the symbols its bytes refer to) and dependents (from a block to what lives and dies with it).

use super::{BlockId, Edge, EdgeKind, Lifetime, LinkGraph, Linkage, SymbolId};

/// The worklist of one graph: blocks that are live and whose edges were not followed yet. Not recursive, so that a
/// long chain of references costs no stack.
#[derive(Debug, Default)]
pub struct Reachability {
    pending: Vec<BlockId>,
    /// A bit for every kind of edge that was followed.
    kinds: u128,
    /// Weak definitions that became live since somebody asked.
    weak: Vec<SymbolId>,
}

impl Reachability {
    /// Nothing to follow yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a block live, if it isn't and can be: blocks that are never in the process can't.
    pub fn mark_block(&mut self, graph: &mut LinkGraph, block: BlockId) {
        let section = graph.blocks[block.index()].section;
        let of = &mut graph.blocks[block.index()];
        if !of.live && graph.sections[section.index()].lifetime != Lifetime::NoAlloc {
            of.live = true;
            self.pending.push(block);
        }
    }

    /// Makes all blocks live, but for unwind records: those live with their functions, or an unwanted function would be
    /// brought in by its record.
    pub fn mark_all(&mut self, graph: &mut LinkGraph) {
        for block in graph.block_ids() {
            if !graph.section(graph.block(block).section).unwind_records {
                self.mark_block(graph, block);
            }
        }
    }

    /// Lets all that is live and not placed be followed again, after a graph was changed: externals that are reached are
    /// told once more.
    pub fn start_anew(&mut self, graph: &mut LinkGraph) {
        for symbol in graph.symbols.iter_mut().filter(|symbol| symbol.is_external()) {
            symbol.live = false;
        }
        let ids = graph.block_ids().zip(&graph.blocks);
        self.pending = ids.filter(|(_, block)| block.live && !block.placed).map(|(id, _)| id).collect();
    }

    /// Makes a symbol live, and the block that it is in. Returns whether it just became so and is external: then it has
    /// to be found elsewhere.
    pub fn mark_symbol(&mut self, graph: &mut LinkGraph, symbol: SymbolId) -> bool {
        let of = &mut graph.symbols[symbol.index()];
        let new = !std::mem::replace(&mut of.live, true);
        let external = of.is_external();
        if new && of.linkage == Linkage::Weak && !external {
            self.weak.push(symbol);
        }
        if let Some(block) = of.block() {
            self.mark_block(graph, block);
        }
        new && external
    }

    /// The weak definitions that became live since this was called last: somebody else may define them, too.
    pub fn take_weak(&mut self) -> Vec<SymbolId> {
        std::mem::take(&mut self.weak)
    }

    /// Whether an edge of that kind may have been followed. Most graphs have edges of few kinds, so that who looks for
    /// others need not look at them.
    #[must_use]
    pub fn may_have_met(&self, kind: EdgeKind) -> bool {
        self.kinds & kind.bit() != 0
    }

    /// Follows all that is pending; `external` is told every external symbol that is reached for the first time.
    pub fn follow(&mut self, graph: &mut LinkGraph, mut external: impl FnMut(SymbolId)) {
        while let Some(block) = self.pending.pop() {
            let range = graph.blocks[block.index()].edge_range();
            for at in range {
                let Edge { kind, target, .. } = graph.edges[at];
                self.kinds |= kind.bit();
                if self.mark_symbol(graph, target) {
                    external(target);
                }
            }
            let mut next = graph.blocks[block.index()].first_dependent;
            while let Some(&dependent) = graph.dependents.get(next as usize) {
                self.mark_block(graph, dependent.block);
                next = dependent.next;
            }
        }
    }
}

impl LinkGraph {
    /// Makes blocks that are not placed dead again, and what lives and dies with them.
    pub fn unmark_blocks(&mut self, blocks: &[BlockId]) {
        let mut pending = blocks.to_vec();
        while let Some(block) = pending.pop() {
            let of = &mut self.blocks[block.index()];
            if of.placed || !std::mem::replace(&mut of.live, false) {
                continue;
            }
            let mut next = of.first_dependent;
            while let Some(&dependent) = self.dependents.get(next as usize) {
                pending.push(dependent.block);
                next = dependent.next;
            }
        }
    }

    /// Whether it may have edges of that kind, live or not.
    #[must_use]
    pub fn may_have(&self, kind: EdgeKind) -> bool {
        self.kinds & kind.bit() != 0
    }

    /// Marks everything that `roots` reach. Without roots, everything.
    pub fn prune(&mut self, roots: &[SymbolId]) {
        let mut reach = Reachability::new();
        if roots.is_empty() {
            reach.mark_all(self);
        }
        for &root in roots {
            reach.mark_symbol(self, root);
        }
        reach.follow(self, |_| {});
    }
}
