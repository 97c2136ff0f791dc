//! Finding the blocks that are needed.
//!
//! The search starts at roots: blocks and symbols that somebody asked for. It follows edges (from a block to the
//! symbols that its bytes refer to) and dependents (from a block to the blocks that live and die with it).

use super::{Block, BlockId, Definition, Edge, KindSet, Lifetime, LinkGraph, Linkage, SymbolId};

/// Sorting the live blocks, where fewer than one in so many became live, is cheaper than going through all.
const SPARSE: usize = 8;
/// Room for all that a small graph has is cheaper than growing.
const SMALL: usize = 256;

/// The parts of one graph that became live: as long as there is something to follow, a worklist; then what a batch has
/// to place. Not recursive, so that a long chain of references costs no stack.
///
/// A large object may be linked a function at a time. So what is done for a batch goes by these lists, not by all that
/// the graph has.
#[derive(Debug, Default)]
pub struct Reachability {
    /// In the order in which they became live, until they are sorted.
    blocks: Vec<BlockId>,
    /// The number of blocks that were followed.
    followed: usize,
    symbols: Vec<SymbolId>,
    /// Weak definitions that became live since somebody asked.
    weak: Vec<SymbolId>,
}

impl Reachability {
    /// Nothing is live yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The blocks that became live: in ascending order, each once, after [`Reachability::sort`]. Since then some may
    /// have been made dead again, or placed.
    #[must_use]
    pub fn blocks(&self) -> &[BlockId] {
        &self.blocks
    }

    /// The symbols that became live.
    #[must_use]
    pub fn symbols(&self) -> &[SymbolId] {
        &self.symbols
    }

    /// Puts the blocks in the order of their creation, when all have been followed.
    pub fn sort(&mut self, graph: &LinkGraph) {
        if self.blocks.len() < graph.blocks.len() / SPARSE {
            self.blocks.sort_unstable();
            // One that was made dead again and then live is there twice.
            self.blocks.dedup();
        } else {
            // All that is live and not placed became so in this batch.
            self.blocks.clear();
            let is_unplaced = |(_, block): &(BlockId, &Block)| block.live && !block.placed;
            self.blocks.extend(graph.block_ids().zip(&graph.blocks).filter(is_unplaced).map(|(id, _)| id));
        }
        self.followed = self.blocks.len();
    }

    /// Makes room for what may become live of a graph, of which nothing is yet.
    pub fn reserve(&mut self, graph: &LinkGraph) {
        if self.symbols.capacity() == 0 && graph.symbols.len() <= SMALL {
            self.blocks = Vec::with_capacity(graph.blocks.len().min(SMALL));
            self.symbols = Vec::with_capacity(graph.symbols.len());
        }
    }

    /// Makes a block live, if it isn't and can be: blocks that are never in the process can't.
    #[inline]
    pub fn mark_block(&mut self, graph: &mut LinkGraph, id: BlockId) {
        let block = &mut graph.blocks[id.index()];
        if !block.live && graph.sections[block.section.index()].lifetime != Lifetime::NoAlloc {
            block.live = true;
            self.blocks.push(id);
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

    /// Lets all that is live and not placed be followed again, after a graph was changed: externals that are reached
    /// are told once more.
    pub fn start_anew(&mut self, graph: &mut LinkGraph) {
        let unplaced = |id: &BlockId| graph.block(*id).live && !graph.block(*id).placed;
        self.blocks = graph.block_ids().filter(unplaced).collect();
        self.followed = 0;
        for symbol in &mut graph.symbols {
            symbol.live &= symbol.block().is_some_and(|block| graph.blocks[block.index()].live);
        }
        self.symbols = graph.symbol_ids().filter(|&id| graph.symbol(id).live).collect();
    }

    /// Makes a symbol live, and the block that it is in. Returns whether it just became so and is external: then it has
    /// to be found elsewhere.
    #[inline]
    pub fn mark_symbol(&mut self, graph: &mut LinkGraph, id: SymbolId) -> bool {
        let symbol = &mut graph.symbols[id.index()];
        let is_new = !symbol.live;
        if is_new {
            symbol.live = true;
            self.symbols.push(id);
        }
        let Definition::Defined { block, .. } = symbol.definition else { return is_new && symbol.is_external() };
        if is_new && symbol.linkage == Linkage::Weak {
            self.weak.push(id);
        }
        // The block may have been made dead again.
        self.mark_block(graph, block);
        false
    }

    /// Returns whether something is to be followed, or weak definitions became live since somebody asked.
    #[must_use]
    #[inline]
    pub fn has_new(&self) -> bool {
        self.followed < self.blocks.len() || !self.weak.is_empty()
    }

    /// The weak definitions that became live since this was called last: somebody else may define them, too.
    pub fn take_weak(&mut self) -> Vec<SymbolId> {
        std::mem::take(&mut self.weak)
    }

    /// Follows all that is pending; `external` is told every external symbol that is reached for the first time.
    pub fn follow(&mut self, graph: &mut LinkGraph, mut external: impl FnMut(SymbolId)) {
        // They don't change meanwhile.
        let edges = std::mem::take(&mut graph.edges);
        while let Some(&block) = self.blocks.get(self.followed) {
            self.followed += 1;
            for &Edge { target, .. } in &edges[graph.blocks[block.index()].edge_range()] {
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
        graph.edges = edges;
    }

    /// Forgets what became live and was not placed, so that it can be found anew. What the graph has got or lost since
    /// is of no matter.
    pub fn forget(&mut self, graph: &mut LinkGraph) {
        for id in self.blocks.drain(..) {
            if let Some(block) = graph.blocks.get_mut(id.index()) {
                block.live = block.placed;
            }
        }
        for id in self.symbols.drain(..) {
            if let Some(symbol) = graph.symbols.get_mut(id.index()) {
                symbol.live = false;
            }
        }
        self.followed = 0;
        self.weak.clear();
    }
}

impl LinkGraph {
    /// Makes blocks that are not placed dead again, and what lives and dies with them.
    pub fn unmark_blocks(&mut self, blocks: &[BlockId]) {
        let mut pending = blocks.to_vec();
        while let Some(id) = pending.pop() {
            let block = &mut self.blocks[id.index()];
            if block.placed || !std::mem::replace(&mut block.live, false) {
                continue;
            }
            let mut next = block.first_dependent;
            while let Some(&dependent) = self.dependents.get(next as usize) {
                pending.push(dependent.block);
                next = dependent.next;
            }
        }
    }

    /// Returns whether it may have edges of these kinds, live or not. Most graphs have edges of few kinds: a search for
    /// others need not look at them.
    #[must_use]
    pub fn may_have(&self, kinds: KindSet) -> bool {
        self.kinds.meets(kinds)
    }

    /// Notes kinds that edges were given in place.
    pub fn note_kinds(&mut self) {
        self.kinds = self.edges.iter().fold(self.kinds, |kinds, edge| kinds.with(edge.kind));
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
