//! Parts of objects that may have to stay longer than the rest: weak definitions and COMDAT groups, which several objects
//! have alike, so that one stands for all; and variables.
//!
//! They are placed first, by themselves, with all that they refer to: then they need nothing of the rest.

use crate::graph::{BlockId, Lifetime, Linkage, Protection, SectionId};
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

/// Sets all live, not yet placed blocks of `members` aside but for those that stay longer and what these refer to: they are
/// not live until [`bring_back`]. `None` if there are none of the latter.
///
/// What is shared and not live yet may be linked later, with code of others that is bound to it then. So constants that it
/// refers to stay longer, too: string literals, and what its unwind records have in common with the rest.
///
/// Sections that must stay in one piece, and thread-local storage, are not divided.
pub fn set_aside(inputs: &mut [Input], members: &[u32], longer: Longer) -> Option<Vec<BlockRef>> {
    let mut search = Search::new(inputs, members);
    match longer {
        Longer::Shared => search.add_shared(),
        Longer::Variables => search.add_variables(),
    }
    search.follow();
    while search.add_undivided() {
        search.follow();
    }
    if !search.has_live {
        return None;
    }
    let found = search.found;
    let mut aside = Vec::new();
    for (&member, found) in members.iter().zip(found) {
        let graph = &mut inputs[member as usize].graph;
        for (block, found) in graph.block_ids().zip(found) {
            let of = graph.block_mut(block);
            if of.live && !of.placed && !found {
                of.live = false;
                aside.push((member, block));
            }
        }
    }
    Some(aside)
}

/// Makes blocks live again.
pub fn bring_back(inputs: &mut [Input], aside: &[BlockRef]) {
    for &(member, block) in aside {
        inputs[member as usize].graph.block_mut(block).live = true;
    }
}

struct Search<'a> {
    inputs: &'a [Input],
    members: &'a [u32],
    /// The places among the members, by input; others have none.
    places: Vec<Option<usize>>,
    /// By member and block.
    found: Vec<Vec<bool>>,
    /// Found, but not followed: the place among the members, and the block.
    pending: Vec<(usize, BlockId)>,
    /// Something was found that is to be placed.
    has_live: bool,
}

impl<'a> Search<'a> {
    fn new(inputs: &'a [Input], members: &'a [u32]) -> Self {
        let found = members.iter().map(|&member| vec![false; inputs[member as usize].graph.blocks().len()]).collect();
        let mut places = vec![None; inputs.len()];
        for (at, &member) in members.iter().enumerate() {
            places[member as usize] = Some(at);
        }
        Self { inputs, members, places, found, pending: Vec::new(), has_live: false }
    }

    /// Adds a block that is to be placed.
    fn add(&mut self, at: usize, block: BlockId) {
        if self.inputs[self.members[at] as usize].graph.block(block).live {
            self.add_any(at, block);
        }
    }

    /// Adds a block, live or not.
    fn add_any(&mut self, at: usize, block: BlockId) {
        let of = self.inputs[self.members[at] as usize].graph.block(block);
        if !of.placed && !std::mem::replace(&mut self.found[at][block.index()], true) {
            self.pending.push((at, block));
            self.has_live |= of.live;
        }
    }

    fn add_variables(&mut self) {
        for (at, &member) in self.members.iter().enumerate() {
            let graph = &self.inputs[member as usize].graph;
            for block in graph.block_ids() {
                let section = graph.section(graph.block(block).section);
                match section.lifetime {
                    Lifetime::Standard if section.protection == Protection::ReadWrite => self.add(at, block),
                    Lifetime::ThreadLocal => self.add(at, block),
                    _ => {}
                }
            }
        }
    }

    fn add_shared(&mut self) {
        for (at, &member) in self.members.iter().enumerate() {
            let graph = &self.inputs[member as usize].graph;
            for symbol in graph.symbols() {
                if symbol.linkage != Linkage::Strong
                    && symbol.shared_name().is_some()
                    && let Some(block) = symbol.block()
                {
                    self.add_any(at, block);
                }
            }
            for block in graph.shared_blocks() {
                self.add_any(at, block);
            }
        }
    }

    fn follow(&mut self) {
        while let Some((at, block)) = self.pending.pop() {
            let input = &self.inputs[self.members[at] as usize];
            if !input.graph.block(block).live {
                self.follow_constants(at, block);
                continue;
            }
            for edge in input.graph.edges(block) {
                if let Some(target) = input.graph.symbol(edge.target).block() {
                    self.add(at, target);
                } else if let Binding::Input { input, symbol } = input.binding(edge.target)
                    && let Some(at) = self.places[input as usize]
                    && let Some(target) = self.inputs[input as usize].graph.symbol(symbol).block()
                {
                    self.add(at, target);
                }
            }
            for dependent in input.graph.dependents(block) {
                self.add(at, dependent);
            }
        }
    }

    /// Follows a block that is not live to constants of its graph.
    fn follow_constants(&mut self, at: usize, block: BlockId) {
        let graph = &self.inputs[self.members[at] as usize].graph;
        let targets = graph.edges(block).iter().filter_map(|edge| graph.symbol(edge.target).block());
        for target in targets.chain(graph.dependents(block)) {
            let section = graph.section(graph.block(target).section);
            let is_ordinary = section.lifetime == Lifetime::Standard && !section.contiguous;
            if is_ordinary && section.protection == Protection::Read {
                self.add_any(at, target);
            }
        }
    }

    /// Adds the rest of what is not to be divided, if a part of it was found. Returns whether there was such a rest.
    fn add_undivided(&mut self) -> bool {
        let whole = |input: &'a Input, section: SectionId| {
            let section = input.graph.section(section);
            match section.lifetime {
                Lifetime::ThreadLocal => Some(""),
                _ => section.contiguous.then_some(section.name.as_str()),
            }
        };
        let mut names = Vec::new();
        for each in [true, false] {
            for (at, &member) in self.members.iter().enumerate() {
                let input = &self.inputs[member as usize];
                if input.graph.section_ids().all(|section| whole(input, section).is_none()) {
                    continue;
                }
                for block in input.graph.block_ids() {
                    let Some(name) = whole(input, input.graph.block(block).section) else { continue };
                    if each && self.found[at][block.index()] {
                        names.push(name);
                    } else if !each && names.contains(&name) {
                        self.add(at, block);
                    }
                }
            }
        }
        !self.pending.is_empty()
    }
}
