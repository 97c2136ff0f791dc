//! Making and changing graphs: readers build them, passes and plugins change them.
//!
//! Before blocks are placed everything here may be used. Afterwards sizes and positions are fixed: only contents,
//! edges and the targets of edges may still change, and only before the fixups.

use std::ops::Range;

use linkjit_target::{ExecAddr, TlsAddress};

use super::block::{Block, BlockId, Content};
use super::edge::{Edge, EdgeKind};
use super::section::{Section, SectionId};
use super::section_name::SectionName;
use super::symbol::{Definition, Linkage, Scope, Symbol, SymbolId};
use super::{Dependent, Group, InitializerSection, Lifetime, LinkGraph, Protection};
use crate::error::Result;
use crate::names::NameId;

/// The head of an empty list of dependents.
const NO_DEPENDENT: u32 = u32::MAX;

impl LinkGraph {
    /// Adds a section.
    ///
    /// # Errors
    /// If there are 2^32 - 1 already; so for everything that adds.
    pub fn add_section(&mut self, name: &str, protection: Protection, lifetime: Lifetime) -> Result<SectionId> {
        self.add_named_section(name.into(), protection, lifetime)
    }

    /// Adds a section whose name is a part of the source's bytes.
    pub(crate) fn add_source_section(
        &mut self,
        name: &[u8],
        protection: Protection,
        lifetime: Lifetime,
    ) -> Result<SectionId> {
        self.add_named_section(SectionName::in_source(&self.source, name), protection, lifetime)
    }

    fn add_named_section(
        &mut self,
        name: SectionName,
        protection: Protection,
        lifetime: Lifetime,
    ) -> Result<SectionId> {
        let id = SectionId(self.next_id(self.sections.len(), "the number of sections")?);
        self.has_thread_local |= lifetime == Lifetime::ThreadLocal;
        self.sections.push(Section {
            name,
            protection,
            lifetime,
            contiguous: false,
            grouped: false,
            large: false,
            unwind_records: false,
            function_records: false,
        });
        Ok(id)
    }

    /// The first section of that name.
    #[must_use]
    pub fn find_section(&self, name: &str) -> Option<SectionId> {
        self.section_ids().find(|&id| self.section(id).name == name)
    }

    /// Asks that the blocks of sections of this name stay side by side; see [`Section::contiguous`].
    pub fn set_contiguous(&mut self, section: SectionId) {
        self.sections[section.index()].contiguous = true;
        self.has_contiguous = true;
    }

    /// Says that code reaches the blocks of a section at any distance; see [`Section::large`].
    pub fn set_large(&mut self, section: SectionId) {
        self.sections[section.index()].large = true;
        self.has_large_sections = true;
    }

    /// Adds a block. `size` counts for zeros only: content knows its own size.
    ///
    /// # Errors
    /// See [`LinkGraph::add_section`].
    #[inline]
    pub fn add_block(&mut self, section: SectionId, content: Content, size: u64, align_log2: u8) -> Result<BlockId> {
        let id = BlockId(self.next_id(self.blocks.len(), "the number of blocks")?);
        let size = match &content {
            Content::Source(range) => u64::from(range.end.saturating_sub(range.start)),
            Content::Owned(bytes) => bytes.len() as u64,
            Content::Zeros => size,
        };
        self.blocks.push(Block {
            section,
            content,
            size,
            align_log2,
            alignment_offset: 0,
            section_offset: 0,
            address: ExecAddr::NULL,
            live: false,
            placed: false,
            stays_longer: false,
            first_edge: 0,
            edge_count: 0,
            first_dependent: NO_DEPENDENT,
        });
        Ok(id)
    }

    /// Adds a symbol.
    ///
    /// # Errors
    /// See [`LinkGraph::add_section`].
    #[inline]
    pub fn add_symbol(&mut self, symbol: Symbol) -> Result<SymbolId> {
        let id = SymbolId(self.next_id(self.symbols.len(), "the number of symbols")?);
        self.symbols.push(symbol);
        Ok(id)
    }

    /// Adds an edge to a block. Adding all edges of a block in a row is cheapest.
    ///
    /// # Errors
    /// See [`LinkGraph::add_section`].
    pub fn add_edge(&mut self, block: BlockId, edge: Edge) -> Result<()> {
        self.add_edges(block, std::iter::once(edge))
    }

    /// Adds many edges to a block.
    ///
    /// # Errors
    /// See [`LinkGraph::add_section`].
    pub fn add_edges(&mut self, block: BlockId, edges: impl Iterator<Item = Edge>) -> Result<()> {
        let end = self.next_id(self.edges.len(), "the number of edges")?;
        let old = self.blocks[block.index()].edge_range();
        let first_edge = if old.is_empty() {
            end
        } else if old.end == self.edges.len() {
            self.blocks[block.index()].first_edge
        } else {
            // Keep the block's edges contiguous: move them to the end. What stays behind is never looked at again.
            self.edges.extend_from_within(old);
            end
        };
        let added = self.edges.len();
        self.edges.extend(edges);
        self.kinds = self.edges[added..].iter().fold(self.kinds, |kinds, edge| kinds.with(edge.kind));
        let end = self.next_id(self.edges.len(), "the number of edges")?;
        let block = &mut self.blocks[block.index()];
        block.first_edge = first_edge;
        block.edge_count = end - first_edge;
        Ok(())
    }

    /// Drops the edges of a block for which `keep` is false.
    pub fn retain_edges(&mut self, block: BlockId, mut keep: impl FnMut(&Edge) -> bool) {
        let range = self.blocks[block.index()].edge_range();
        let mut kept = range.start;
        for at in range.clone() {
            if keep(&self.edges[at]) {
                self.edges.swap(kept, at);
                kept += 1;
            }
        }
        // Bounded by the old count, which is a u32.
        self.blocks[block.index()].edge_count = u32::try_from(kept - range.start).unwrap_or(u32::MAX);
    }

    /// Makes every edge to `from` an edge to `to`.
    pub fn retarget(&mut self, from: SymbolId, to: SymbolId) {
        for edge in &mut self.edges {
            if edge.target == from {
                edge.target = to;
            }
        }
    }

    /// Makes `dependent` live whenever `block` does.
    #[inline]
    pub fn add_dependent(&mut self, block: BlockId, dependent: BlockId) {
        let block = &mut self.blocks[block.index()];
        // A graph has fewer than 2^32 blocks, and readers add at most one dependent per block; a plugin that adds more
        // than fit loses the surplus to the end marker.
        let id = u32::try_from(self.dependents.len()).unwrap_or(NO_DEPENDENT);
        self.dependents.push(Dependent { block: dependent, next: block.first_dependent });
        block.first_dependent = id;
    }

    /// Says that a block holds pointers to initializers or terminators; that retains it.
    pub fn add_initializers(&mut self, initializers: InitializerSection) {
        self.initializers.push(initializers);
        self.retained.push(initializers.block);
    }

    /// Gives blocks up, in ascending order, which others have as well: names in them become references. Tells `lost`
    /// what each was.
    pub fn give_up_blocks(&mut self, blocks: &[BlockId], mut lost: impl FnMut(NameId, SymbolId, &Symbol)) {
        if blocks.is_empty() {
            return;
        }
        let is_lost = |block: BlockId| blocks.binary_search(&block).is_ok();
        self.retained.retain(|&block| !is_lost(block));
        self.initializers.retain(|run| !is_lost(run.block));
        for id in self.symbol_ids() {
            let symbol = self.symbol(id);
            if let Some(name) = symbol.global_name()
                && symbol.block().is_some_and(is_lost)
            {
                lost(name, id, symbol);
                self.make_external(id);
            }
        }
    }

    /// Forgets about retained blocks and initializers that are placed: they need not be asked for again.
    pub fn release_placed(&mut self) {
        let is_unplaced = |block: BlockId| self.blocks.get(block.index()).is_some_and(|block| !block.placed);
        self.retained.retain(|&block| is_unplaced(block));
        self.initializers.retain(|run| is_unplaced(run.block));
    }

    /// Makes a symbol a reference to a definition elsewhere; its block stays, without it.
    pub fn make_external(&mut self, symbol: SymbolId) {
        let symbol = &mut self.symbols[symbol.index()];
        symbol.definition = Definition::External;
        symbol.linkage = Linkage::Strong;
        symbol.indirect = false;
    }

    /// Makes a symbol that was made a reference the definition again that it was.
    pub fn make_definition(&mut self, symbol: SymbolId, definition: Definition, linkage: Linkage, indirect: bool) {
        let symbol = &mut self.symbols[symbol.index()];
        (symbol.definition, symbol.linkage, symbol.indirect) = (definition, linkage, indirect);
        self.revise();
    }

    /// Says that more definitions may be about to be made.
    pub fn revise(&mut self) {
        self.revision = self.revision.wrapping_add(1);
    }

    /// Returns how often definitions were made: all that there are were there already when this was the same.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// Takes the COMDAT groups with these signatures apart, and returns them: their blocks stay, whoever else has such
    /// a group.
    pub fn dissolve_groups(&mut self, mut which: impl FnMut(NameId) -> bool) -> Vec<Group> {
        self.groups.extract_if(.., |group| which(group.signature)).collect()
    }

    /// Changes who can see a symbol, and how it stands up to others of its name.
    pub fn set_visibility(&mut self, symbol: SymbolId, linkage: Linkage, scope: Scope) {
        let symbol = &mut self.symbols[symbol.index()];
        symbol.linkage = linkage;
        symbol.scope = scope;
    }

    /// Splits a block at `offsets` (ascending, inside the block): the block keeps the part before the first, new blocks
    /// hold the others. Symbols at a split point go to the part that begins there, edges stay with their bytes. Edges
    /// of the new parts are not moved, so splitting costs one pass over the block's edges, which are sorted for it.
    ///
    /// Parts may be placed apart. References to a part by a symbol in front of it and an addend do not follow; give
    /// them a symbol of their own before.
    ///
    /// Returns the parts, the first being `block` itself.
    ///
    /// # Errors
    /// See [`LinkGraph::add_section`].
    pub fn split_block(&mut self, block: BlockId, offsets: &[u64]) -> Result<Vec<BlockId>> {
        let size = self.blocks[block.index()].size;
        let cuts: Vec<_> = offsets.iter().filter(|&&at| at > 0 && at < size).map(|&at| (block, at)).collect();
        Ok(std::iter::once(block).chain(self.split_blocks(&cuts)?).collect())
    }

    /// Splits different blocks as [`LinkGraph::split_block`] does, with one pass over the symbols for all of them. The
    /// cuts are in ascending order, and inside their blocks.
    ///
    /// Returns the new parts, one for each cut: what follows it.
    ///
    /// # Errors
    /// See [`LinkGraph::add_section`].
    pub fn split_blocks(
        &mut self,
        cuts: &[(BlockId, u64)],
    ) -> Result<impl ExactSizeIterator<Item = BlockId> + Clone + use<>> {
        let first = self.next_id(self.blocks.len(), "the number of blocks")?;
        for cuts in cuts.chunk_by(|a, b| a.0 == b.0) {
            self.split_content(cuts)?;
        }
        let parts = first..self.next_id(self.blocks.len(), "the number of blocks")?;
        let (Some(&(first, _)), Some(&(last, _))) = (cuts.first(), cuts.last()) else { return Ok(parts.map(BlockId)) };
        for symbol in &mut self.symbols {
            let Definition::Defined { block, offset } = &mut symbol.definition else { continue };
            if *block < first || *block > last {
                continue;
            }
            let next = cuts.partition_point(|cut| *cut <= (*block, *offset));
            match next.checked_sub(1).and_then(|last| Some((last, cuts.get(last)?))) {
                Some((last, &(divided, start))) if divided == *block => {
                    // There is a block for every cut, so the number of cuts is one of blocks.
                    *block = BlockId(parts.start + u32::try_from(last).unwrap_or(0));
                    *offset -= start;
                }
                _ if cuts.get(next).is_some_and(|&(divided, _)| divided == *block) => {}
                _ => continue,
            }
            let room = self.blocks[block.index()].size.saturating_sub(*offset);
            symbol.size = symbol.size.min(room);
        }
        Ok(parts.map(BlockId))
    }

    /// Splits a block, but leaves its symbols as they are.
    fn split_content(&mut self, cuts: &[(BlockId, u64)]) -> Result<()> {
        let Some(&(block, _)) = cuts.first() else { return Ok(()) };
        let whole = self.blocks[block.index()].clone();
        let edges = whole.edge_range();
        self.edges[edges.clone()].sort_by_key(|edge| edge.offset);
        let starts = std::iter::once(0).chain(cuts.iter().map(|&(_, at)| at));
        let ends = cuts.iter().map(|&(_, at)| at).chain([whole.size]);
        let mut next_edge = edges.start;
        for (start, end) in starts.zip(ends) {
            let part = if start == 0 {
                block
            } else {
                self.add_block(whole.section, Content::Zeros, end - start, whole.align_log2)?
            };
            let first_edge = next_edge;
            while next_edge < edges.end && u64::from(self.edges[next_edge].offset) < end {
                // Offsets are 32 bits wide, so a part that has edges begins below 2^32.
                self.edges[next_edge].offset -= u32::try_from(start).unwrap_or(0);
                next_edge += 1;
            }
            let into = &mut self.blocks[part.index()];
            into.content = whole.content.part(start..end);
            into.size = end - start;
            into.alignment_offset = whole.alignment_offset.wrapping_add(start) & (whole.alignment() - 1);
            into.section_offset = whole.section_offset + start;
            into.live = whole.live;
            into.first_edge = u32::try_from(first_edge).unwrap_or(u32::MAX);
            into.edge_count = u32::try_from(next_edge - first_edge).unwrap_or(u32::MAX);
        }
        Ok(())
    }

    /// Records that the symbols on the left, which were just added, stand for table entries of those on the right.
    pub(crate) fn add_entries(&mut self, mut entries: Vec<(SymbolId, SymbolId)>) {
        entries.sort_unstable();
        // Symbols are numbered as they are added: all are sorted.
        self.entries.extend(entries);
    }

    /// Makes edges of those of `blocks` that are not placed refer to their targets again, instead of to entries for
    /// them, and returns what stood for these. Blocks that are placed keep theirs: no entry is made for both.
    pub(crate) fn remove_entries(
        &mut self,
        blocks: &[BlockId],
        without_entry: impl Fn(EdgeKind) -> EdgeKind,
    ) -> Vec<SymbolId> {
        let mut removed = Vec::new();
        if self.entries.is_empty() {
            return removed;
        }
        for block in blocks.iter().filter_map(|block| self.blocks.get(block.index())).filter(|block| !block.placed) {
            for edge in &mut self.edges[block.edge_range()] {
                if let Ok(at) = self.entries.binary_search_by_key(&edge.target, |&(entry, _)| entry) {
                    removed.push(edge.target);
                    edge.target = self.entries[at].1;
                    edge.kind = without_entry(edge.kind);
                }
            }
        }
        if removed.is_empty() {
            return removed;
        }
        removed.sort_unstable();
        removed.dedup();
        // Entries are of one batch each, and those of the batch that is undone are the last: all before are of no matter.
        let first = self.entries.partition_point(|&(entry, _)| entry < removed[0]);
        let mut kept = self.entries.split_off(first);
        kept.retain(|(entry, _)| removed.binary_search(entry).is_err());
        self.entries.extend(kept);
        removed
    }

    /// Forgets what is live and not placed: a batch goes by what it has made live itself.
    pub fn forget_live(&mut self) {
        for block in &mut self.blocks {
            block.live = block.placed;
        }
        for symbol in &mut self.symbols {
            symbol.live = false;
        }
    }

    /// Gives a block its address. It is live from then on.
    pub fn place_block(&mut self, block: BlockId, address: ExecAddr) {
        let block = &mut self.blocks[block.index()];
        self.placed_blocks += usize::from(!block.placed);
        (block.address, block.live, block.placed) = (address, true, true);
    }

    /// Takes the place of a block back.
    pub fn unplace_block(&mut self, block: BlockId) {
        let block = &mut self.blocks[block.index()];
        self.placed_blocks -= usize::from(std::mem::replace(&mut block.placed, false));
    }

    /// Replaces the content of a block, and with it its size.
    pub fn set_content(&mut self, block: BlockId, content: Box<[u8]>) {
        let block = &mut self.blocks[block.index()];
        block.size = content.len() as u64;
        block.content = Content::Owned(content);
    }

    /// Resolves an external symbol.
    pub fn resolve(&mut self, symbol: SymbolId, address: ExecAddr) {
        self.symbols[symbol.index()].resolved = address;
    }

    /// Resolves thread-local externals, and forgets those resolved before.
    pub fn resolve_thread_local(&mut self, mut found: Vec<(SymbolId, TlsAddress)>) {
        found.sort_unstable_by_key(|&(symbol, _)| symbol);
        self.thread_local_externals = found;
    }
}

impl Content {
    /// The bytes of `range`, which lies inside.
    fn part(&self, range: Range<u64>) -> Self {
        match self {
            Self::Source(whole) => {
                let at = |offset: u64| whole.start.saturating_add(u32::try_from(offset).unwrap_or(u32::MAX));
                Self::Source(at(range.start)..at(range.end).min(whole.end))
            }
            Self::Owned(bytes) => {
                let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
                Self::Owned(bytes.get(at(range.start)..at(range.end)).unwrap_or_default().into())
            }
            Self::Zeros => Self::Zeros,
        }
    }
}

#[cfg(test)]
mod tests {
    use linkjit_target::Arch;

    use super::*;
    use crate::graph::EdgeKind;
    use crate::source::Source;

    fn place(graph: &LinkGraph, symbol: SymbolId) -> (u32, u64, u64) {
        let Definition::Defined { block, offset } = graph.symbol(symbol).definition else { panic!("{symbol:?}") };
        (block.0, offset, graph.symbol(symbol).size)
    }

    /// Rules 76 and 77. A symbol at a cut goes with what follows it, one at the very end stays with the last part, and
    /// none is larger than what is left of its part.
    #[test]
    fn symbols_and_edges_go_with_their_bytes() {
        let mut graph = LinkGraph::new(Source::new("made.o", b"0123456789abcdef".to_vec()), Arch::X86_64);
        let section = graph.add_section("data", Protection::Read, Lifetime::Standard).unwrap();
        let block = graph.add_block(section, Content::Source(0..16), 0, 3).unwrap();
        graph.block_mut(block).alignment_offset = 6;
        graph.block_mut(block).section_offset = 32;
        let mut symbol = |offset, size| graph.add_symbol(Symbol::anonymous(block, offset, size)).unwrap();
        let symbols = [(0, 16), (3, 0), (4, 2), (5, 99), (10, 6), (16, 0)].map(|(offset, size)| symbol(offset, size));
        // Not in order, one at each side of a cut, and two at one offset.
        for (offset, addend) in [(12, 1), (3, 2), (4, 3), (4, 4), (10, 5)] {
            let edge = Edge { offset, kind: EdgeKind::POINTER, target: symbols[5], addend };
            graph.add_edge(block, edge).unwrap();
        }
        let parts = graph.split_block(block, &[0, 4, 10, 16]).unwrap();
        assert_eq!(parts, [BlockId(0), BlockId(1), BlockId(2)]);
        let contents = parts.iter().map(|&part| graph.content(part).unwrap());
        assert_eq!(contents.collect::<Vec<_>>(), [b"0123".as_slice(), b"456789", b"abcdef"]);
        let places = symbols.map(|symbol| place(&graph, symbol));
        assert_eq!(places, [(0, 0, 4), (0, 3, 0), (1, 0, 2), (1, 1, 5), (2, 0, 6), (2, 6, 0)]);
        let edges = |part| graph.edges(part).iter().map(|edge| (edge.offset, edge.addend)).collect::<Vec<_>>();
        assert_eq!(
            parts.iter().map(|&part| edges(part)).collect::<Vec<_>>(),
            [vec![(3, 2)], vec![(0, 3), (0, 4)], vec![(0, 5), (2, 1)]]
        );
        // Each part lies as its bytes lay: 6 (mod 8) and so on.
        let offsets = |part: &BlockId| (graph.block(*part).alignment_offset, graph.block(*part).section_offset);
        assert_eq!(parts.iter().map(offsets).collect::<Vec<_>>(), [(6, 32), (2, 36), (0, 42)]);
        assert!(parts.iter().all(|&part| graph.block(part).align_log2 == 3));
    }

    #[test]
    fn edges_that_are_dropped_are_those_of_one_block() {
        let mut graph = LinkGraph::new(Source::new("made.o", Vec::new()), Arch::X86_64);
        let section = graph.add_section("zeros", Protection::ReadWrite, Lifetime::Standard).unwrap();
        let blocks = [0; 2].map(|_| graph.add_block(section, Content::Zeros, 8, 0).unwrap());
        let target = graph.add_symbol(Symbol::anonymous(blocks[0], 0, 0)).unwrap();
        for block in blocks {
            let edge = |offset| Edge { offset, kind: EdgeKind::POINTER, target, addend: 0 };
            graph.add_edges(block, (0..4).map(edge)).unwrap();
        }
        graph.retain_edges(blocks[0], |edge| edge.offset % 2 == 1);
        let offsets = |block| graph.edges(block).iter().map(|edge| edge.offset).collect::<Vec<_>>();
        assert_eq!(blocks.map(offsets), [vec![1, 3], vec![0, 1, 2, 3]]);
    }

    #[test]
    fn zeros_are_split_and_nothing_is_split_at_its_ends() {
        let mut graph = LinkGraph::new(Source::new("made.o", Vec::new()), Arch::X86_64);
        let section = graph.add_section("zeros", Protection::ReadWrite, Lifetime::Standard).unwrap();
        let blocks = [0; 3].map(|_| graph.add_block(section, Content::Zeros, 1 << 33, 4).unwrap());
        let far = graph.add_symbol(Symbol::anonymous(blocks[1], (1 << 32) + 8, 8)).unwrap();
        let other = graph.add_symbol(Symbol::anonymous(blocks[2], (1 << 32) + 8, 8)).unwrap();
        assert_eq!(graph.split_block(blocks[0], &[0, 1 << 33]).unwrap(), [blocks[0]]);
        let cuts = [(blocks[1], 8), (blocks[1], 1 << 32)];
        let parts: Vec<_> = graph.split_blocks(&cuts).unwrap().collect();
        let sizes = [blocks[1], parts[0], parts[1]].map(|part| graph.block(part).size);
        assert_eq!(sizes, [8, (1 << 32) - 8, 1 << 32]);
        assert_eq!((place(&graph, far), place(&graph, other)), ((parts[1].0, 8, 8), (blocks[2].0, (1 << 32) + 8, 8)));
    }
}
