//! Parts of objects that may have to stay longer than the rest: variables, and weak definitions and COMDAT groups, of
//! which one object's stands for those of others.
//!
//! They are placed first, in memory of their own, with all that they refer to. So they need nothing of the rest.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::graph::{BlockId, Lifetime, LinkGraph, Linkage, Protection, SectionId, Symbol};
use crate::input::{Binding, BlockRef, Input, SharedBlocks};

/// The blocks that stay longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Longer {
    /// Weak definitions and COMDAT groups.
    Shared,
    /// Variables, which code may change.
    Variables,
}

/// Blocks that are not live while others of their inputs are placed.
#[must_use = "they are to be brought back"]
#[derive(Debug, PartialEq, Eq)]
pub struct Aside(pub(super) Vec<BlockRef>);

/// Sets all live, not yet placed blocks of `members` aside but for those that stay longer and what these refer to: they are
/// not live until [`bring_back`]. `None` if there are none of the latter.
///
/// A block that is shared and not live yet may be linked later, with code of others that is bound to it then. So
/// constants that it refers to stay longer, too: string literals, and what its unwind records have in common with the
/// rest.
///
/// Sections that must stay in one piece, and thread-local storage, are not divided.
pub fn set_aside(inputs: &mut [Input], members: &[u32], longer: Longer) -> Option<Aside> {
    for &member in members {
        inputs[member as usize].is_divided = true;
    }
    let mut search =
        Search { inputs: &mut *inputs, members, pending: Vec::new(), undivided: Vec::new(), has_found: false };
    match longer {
        Longer::Shared => search.add_shared(),
        Longer::Variables => search.add_variables(),
    }
    search.follow();
    search.add_undivided(longer);
    let has_found = search.has_found;
    let mut aside = Vec::new();
    for &member in members {
        let Input { graph, reach, is_divided, .. } = &mut inputs[member as usize];
        *is_divided = false;
        for &id in reach.blocks().iter().filter(|_| has_found) {
            let block = graph.block_mut(id);
            let stays = std::mem::take(&mut block.stays_longer);
            if block.live && !block.placed && !stays {
                block.live = false;
                aside.push((member, id));
            }
        }
    }
    has_found.then_some(Aside(aside))
}

/// Makes blocks live again.
pub fn bring_back(inputs: &mut [Input], Aside(aside): Aside) {
    for (member, block) in aside {
        inputs[member as usize].graph.block_mut(block).live = true;
    }
}

/// Marks what stays longer of what is to be placed, in the blocks themselves: a domain of a batch may be a small part
/// of it, and its live blocks a small part of their graphs.
struct Search<'a> {
    inputs: &'a mut [Input],
    members: &'a [u32],
    /// Found, but not followed.
    pending: Vec<BlockRef>,
    /// Found and followed, in sections that are not to be divided, whose other blocks have not been added.
    undivided: Vec<BlockRef>,
    /// Something was found.
    has_found: bool,
}

impl Search<'_> {
    /// Adds a block, if it is to be placed.
    fn add(&mut self, member: u32, id: BlockId) {
        let block = self.inputs[member as usize].graph.block_mut(id);
        if block.live && !block.placed && !std::mem::replace(&mut block.stays_longer, true) {
            self.pending.push((member, id));
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
                input.shared = Some(Box::new(SharedBlocks::find(&input.graph)));
            }
            let has = |input: &Input, block: BlockId| {
                input.shared.as_ref().is_some_and(|shared| shared.is_shared.get(block.index()) == Some(&true))
            };
            self.add_all(member, has);
        }
    }

    fn follow(&mut self) {
        while let Some((member, block)) = self.pending.pop() {
            let graph = &self.inputs[member as usize].graph;
            if whole(graph, graph.block(block).section).is_some() {
                self.undivided.push((member, block));
            }
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

    /// Adds the rest of what is not to be divided, as far as a part of it was found, and what that refers to.
    fn add_undivided(&mut self, longer: Longer) {
        let mut names: Vec<String> = Vec::new();
        for Input { graph, shared, .. } in self.members.iter().map(|&member| &self.inputs[member as usize]) {
            let shared = shared.iter().filter(|_| longer == Longer::Shared).flat_map(|shared| &shared.undivided);
            names.extend(shared.filter_map(|&section| whole(graph, section)).map(str::to_owned));
        }
        if names.is_empty() && self.undivided.is_empty() {
            return;
        }
        let mut rest: HashMap<String, Vec<BlockRef>, FixedState> = HashMap::default();
        for &member in self.members {
            let input = &self.inputs[member as usize];
            for id in input.unplaced() {
                let block = input.graph.block(id);
                if let Some(name) = whole(&input.graph, block.section).filter(|_| !block.stays_longer) {
                    rest.entry_ref(name).or_default().push((member, id));
                }
            }
        }
        loop {
            let inputs = &*self.inputs;
            let name = |(member, block): BlockRef| {
                let graph = &inputs[member as usize].graph;
                whole(graph, graph.block(block).section).map(str::to_owned)
            };
            names.extend(self.undivided.drain(..).filter_map(name));
            let found: Vec<_> = names.drain(..).filter_map(|name| rest.remove(&name)).flatten().collect();
            if found.is_empty() {
                return;
            }
            found.into_iter().for_each(|(member, block)| self.add(member, block));
            self.follow();
        }
    }
}

/// Returns the name in common of all sections of which none may be placed without the others; `None` if this one may be
/// divided.
fn whole(graph: &LinkGraph, section: SectionId) -> Option<&str> {
    let section = graph.section(section);
    match section.lifetime {
        Lifetime::ThreadLocal => Some(""),
        _ => section.contiguous.then_some(section.name.as_str()),
    }
}

impl SharedBlocks {
    fn find(graph: &LinkGraph) -> Self {
        let mut found = Self { revision: graph.revision(), is_shared: Vec::new(), undivided: Vec::new() };
        let weak =
            graph.symbols().iter().filter(|symbol| symbol.linkage != Linkage::Strong && symbol.global_name().is_some());
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

#[cfg(test)]
mod tests {
    use linkjit_target::ExecRange;

    use super::*;
    use crate::arch::Arch;
    use crate::graph::{Content, Edge, EdgeKind, Name};
    use crate::names::NamePool;
    use crate::source::Source;

    /// Sections of two blocks, of which the first of each is reached from the second of the one before: finding one
    /// after the other must not mean going through all again.
    #[test]
    fn chains_of_undivided_sections_stay_with_what_is_shared() -> crate::Result<()> {
        const COUNT: usize = 20_000;
        let mut graph = LinkGraph::new(Source::new("x.o", []), Arch::X86_64);
        let text = graph.add_section(".text", Protection::ReadExec, Lifetime::Standard)?;
        let block = |graph: &mut LinkGraph, section| graph.add_block(section, Content::Owned([0; 8].into()), 0, 3);
        let refer = |graph: &mut LinkGraph, from, to| {
            let target = graph.add_symbol(Symbol::anonymous(to, 0, 8))?;
            graph.add_edge(from, Edge { offset: 0, kind: EdgeKind::POINTER, target, addend: 0 })
        };
        let (ordinary, shared) = (block(&mut graph, text)?, block(&mut graph, text)?);
        let name = Name::Interned(NamePool::new().intern(b"f"));
        let symbol = graph.add_symbol(Symbol { name, ..Symbol::anonymous(shared, 0, 8) })?;
        graph.set_visibility(symbol, Linkage::Weak, crate::graph::Scope::Default);
        let mut last = shared;
        for number in 0..COUNT {
            let section = graph.add_section(&format!("s{number}"), Protection::ReadWrite, Lifetime::Standard)?;
            graph.set_contiguous(section);
            let first = block(&mut graph, section)?;
            refer(&mut graph, last, first)?;
            last = block(&mut graph, section)?;
        }
        // One that nobody reaches.
        let apart = graph.add_section("apart", Protection::ReadWrite, Lifetime::Standard)?;
        graph.set_contiguous(apart);
        let alone = block(&mut graph, apart)?;
        let mut input = Input::new(graph, 0, ExecRange::default());
        input.reach.mark_all(&mut input.graph);
        input.reach.follow(&mut input.graph, |_| {});
        let mut inputs = [input];
        let aside = set_aside(&mut inputs, &[0], Longer::Shared);
        assert_eq!(aside, Some(Aside(vec![(0, ordinary), (0, alone)])));
        aside.into_iter().for_each(|aside| bring_back(&mut inputs, aside));
        assert_eq!(inputs[0].unplaced().count(), 2 * COUNT + 3);
        Ok(())
    }
}
