//! Parts of objects that may have to stay longer than the rest: weak definitions and COMDAT groups, which several objects
//! have alike, so that one stands for all; and variables.
//!
//! They are placed first, by themselves, with all that they refer to: then they need nothing of the rest.

use foldhash::fast::FixedState;
use hashbrown::HashSet;

use crate::graph::{BlockId, Lifetime, LinkGraph, Linkage, Protection, SectionId, Symbol};
use crate::layout::BlockRef;
use crate::link::{Binding, Input};

/// What stays longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Longer {
    /// Weak definitions and COMDAT groups.
    Shared,
    /// What code may change.
    Variables,
}

/// Which blocks of a graph may stand for those of other objects, live or not, with the constants that these refer to.
/// Found once for all batches that link parts of the graph.
#[derive(Debug)]
pub(crate) struct SharedBlocks {
    /// Which state of the graph's definitions that is.
    revision: u32,
    /// By block; empty if there are none.
    is_shared: Vec<bool>,
    /// Their sections that must stay in one piece, and those of thread-local storage.
    undivided: Vec<SectionId>,
}

/// Sets all live, not yet placed blocks of `members` aside but for those that stay longer and what these refer to: they are
/// not live until [`bring_back`]. `None` if there are none of the latter.
///
/// What is shared and not live yet may be linked later, with code of others that is bound to it then. So constants that it
/// refers to stay longer, too: string literals, and what its unwind records have in common with the rest.
///
/// Sections that must stay in one piece, and thread-local storage, are not divided.
pub fn set_aside(inputs: &mut [Input], members: &[u32], longer: Longer) -> Option<Vec<BlockRef>> {
    for &member in members {
        inputs[member as usize].is_divided = true;
    }
    let mut search = Search { inputs: &mut *inputs, members, pending: Vec::new(), has_found: false };
    match longer {
        Longer::Shared => search.add_shared(),
        Longer::Variables => search.add_variables(),
    }
    search.follow();
    while search.add_undivided(longer) {
        search.follow();
    }
    let has_found = search.has_found;
    let mut aside = Vec::new();
    for &member in members {
        let Input { graph, reach, is_divided, .. } = &mut inputs[member as usize];
        *is_divided = false;
        for &block in reach.blocks().iter().filter(|_| has_found) {
            let of = graph.block_mut(block);
            let stays = std::mem::take(&mut of.stays_longer);
            if of.live && !of.placed && !stays {
                of.live = false;
                aside.push((member, block));
            }
        }
    }
    has_found.then_some(aside)
}

/// Makes blocks live again.
pub fn bring_back(inputs: &mut [Input], aside: &[BlockRef]) {
    for &(member, block) in aside {
        inputs[member as usize].graph.block_mut(block).live = true;
    }
}

/// Marks what stays longer of what is to be placed, in the blocks themselves: a domain of a batch may be a small part of
/// it, and its live blocks a small part of their graphs.
struct Search<'a> {
    inputs: &'a mut [Input],
    members: &'a [u32],
    /// Found, but not followed.
    pending: Vec<BlockRef>,
    /// Something was found.
    has_found: bool,
}

impl Search<'_> {
    /// Adds a block, if it is to be placed.
    fn add(&mut self, member: u32, block: BlockId) {
        let of = self.inputs[member as usize].graph.block_mut(block);
        if of.live && !of.placed && !std::mem::replace(&mut of.stays_longer, true) {
            self.pending.push((member, block));
            self.has_found = true;
        }
    }

    fn add_all(&mut self, member: u32, is_wanted: impl Fn(&Input, BlockId) -> bool) {
        let input = &self.inputs[member as usize];
        let wanted: Vec<_> = input.unplaced().filter(|&block| is_wanted(input, block)).collect();
        wanted.into_iter().for_each(|block| self.add(member, block));
    }

    fn add_variables(&mut self) {
        for &member in self.members {
            self.add_all(member, |input, block| {
                let section = input.graph.section(input.graph.block(block).section);
                match section.lifetime {
                    Lifetime::Standard => section.protection == Protection::ReadWrite,
                    Lifetime::ThreadLocal => true,
                    Lifetime::NoAlloc => false,
                }
            });
        }
    }

    fn add_shared(&mut self) {
        for &member in self.members {
            let input = &mut self.inputs[member as usize];
            if input.shared.as_ref().is_none_or(|shared| shared.revision != input.graph.revision()) {
                input.shared = Some(Box::new(SharedBlocks::of(&input.graph)));
            }
            let has = |input: &Input, block: BlockId| {
                input.shared.as_ref().is_some_and(|shared| shared.is_shared.get(block.index()) == Some(&true))
            };
            self.add_all(member, has);
        }
    }

    fn follow(&mut self) {
        while let Some((member, block)) = self.pending.pop() {
            for at in 0.. {
                let input = &self.inputs[member as usize];
                let Some(edge) = input.graph.edges(block).get(at) else { break };
                if let Some(target) = input.graph.symbol(edge.target).block() {
                    self.add(member, target);
                } else if let Binding::Input { input: other, symbol } = input.binding(edge.target)
                    && let Some(definer) = self.inputs.get(other as usize).filter(|definer| definer.is_divided)
                    && let Some(target) = definer.graph.symbol(symbol).block()
                {
                    self.add(other, target);
                }
            }
            let dependents: Vec<_> = self.inputs[member as usize].graph.dependents(block).collect();
            dependents.into_iter().for_each(|dependent| self.add(member, dependent));
        }
    }

    /// Adds the rest of what is not to be divided, if a part of it was found. Returns whether there was such a rest.
    fn add_undivided(&mut self, longer: Longer) -> bool {
        let mut names = HashSet::<&str, FixedState>::default();
        for &member in self.members {
            let Input { graph, shared, .. } = &self.inputs[member as usize];
            let input = &self.inputs[member as usize];
            let found = input.unplaced().map(|block| graph.block(block)).filter(|of| of.stays_longer);
            names.extend(found.filter_map(|of| whole(graph, of.section)));
            let shared = shared.iter().filter(|_| longer == Longer::Shared).flat_map(|shared| &shared.undivided);
            names.extend(shared.filter_map(|&section| whole(graph, section)));
        }
        if names.is_empty() {
            return false;
        }
        let mut rest = Vec::new();
        for &member in self.members {
            let input = &self.inputs[member as usize];
            let is_rest = |&block: &BlockId| {
                let of = input.graph.block(block);
                !of.stays_longer && whole(&input.graph, of.section).is_some_and(|name| names.contains(name))
            };
            rest.extend(input.unplaced().filter(is_rest).map(|block| (member, block)));
        }
        drop(names);
        rest.into_iter().for_each(|(member, block)| self.add(member, block));
        !self.pending.is_empty()
    }
}

/// What all sections have in common of which none may be placed without the others; `None` if this one may be divided.
fn whole(graph: &LinkGraph, section: SectionId) -> Option<&str> {
    let section = graph.section(section);
    match section.lifetime {
        Lifetime::ThreadLocal => Some(""),
        _ => section.contiguous.then_some(section.name.as_str()),
    }
}

impl SharedBlocks {
    fn of(graph: &LinkGraph) -> Self {
        let mut found = Self { revision: graph.revision(), is_shared: Vec::new(), undivided: Vec::new() };
        let weak = graph.symbols().iter().filter(|of| of.linkage != Linkage::Strong && of.shared_name().is_some());
        let mut pending: Vec<_> = weak.filter_map(Symbol::block).chain(graph.shared_blocks()).collect();
        if pending.is_empty() {
            return found;
        }
        found.is_shared = vec![false; graph.blocks().len()];
        pending.retain(|&block| !std::mem::replace(&mut found.is_shared[block.index()], true));
        while let Some(block) = pending.pop() {
            let section = graph.block(block).section;
            found.undivided.extend(whole(graph, section).map(|_| section));
            let targets = graph.edges(block).iter().filter_map(|edge| graph.symbol(edge.target).block());
            for target in targets.chain(graph.dependents(block)) {
                let section = graph.section(graph.block(target).section);
                let is_ordinary = section.lifetime == Lifetime::Standard && !section.contiguous;
                let is_constant = is_ordinary && section.protection == Protection::Read;
                if is_constant && !std::mem::replace(&mut found.is_shared[target.index()], true) {
                    pending.push(target);
                }
            }
        }
        found.undivided.sort_unstable();
        found.undivided.dedup();
        found
    }
}
