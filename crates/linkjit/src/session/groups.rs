//! COMDAT groups that several objects have; [`linkjit_link::rules`] decides which one is kept.
//!
//! Usually the first one stays. A COFF group with the selection *largest* replaces a smaller one, as long as nothing of
//! the smaller one is linked. The smaller one comes back when the larger one goes, or was pulled for a lookup that
//! fails.

use linkjit_link::graph::{BlockId, Group, LinkGraph, Selection, Symbol};
use linkjit_link::names::{NameId, NamePool};
use linkjit_link::rules::{self, GroupConflict, Verdict};

use super::inherit::{Yielded, YieldedGroup};
use super::pending::Promise;
use super::{DefinedBy, DylibId, DylibState, Entry, Inheritance, Object, ObjectId, State, TrackerId};
use crate::error::{Error, Result};

/// The COMDAT group of a name that is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupOwner {
    /// The object that it is from.
    pub(crate) object: ObjectId,
    pub(crate) selection: Selection,
    /// Another object has one, too, and would keep it if this one had not.
    pub(crate) contested: bool,
}

/// The outcome of comparing the groups of a new object with those of others.
#[derive(Debug, Default)]
pub(super) struct Yields {
    /// Their names that would be definitions if another tracker's object were not there.
    pub(super) names: Vec<Yielded>,
    pub(super) groups: Vec<YieldedGroup>,
    /// Those of others that yield to them.
    pub(super) replaced: Vec<(ObjectId, NameId)>,
}

impl State {
    /// Drops the COMDAT groups of a graph that another object has already: their names become references.
    ///
    /// # Errors
    /// If one of them is not as the other.
    pub(super) fn yield_groups(
        &mut self,
        dylib: DylibId,
        tracker: TrackerId,
        graph: &mut LinkGraph,
        promise: Option<&Promise>,
        names: &NamePool,
    ) -> Result<Yields> {
        let Self { dylibs, objects, .. } = self;
        let Some(table) = dylibs.get_mut(&dylib) else { return Err(Error::Closed) };
        let mut yields = Yields::default();
        let mut lost = Vec::new();
        // Other objects' definitions have yielded to what was promised: such groups are kept.
        let is_promised = |symbol: &&Symbol| {
            let entry = symbol.global_name().and_then(|name| table.symbols.get(&name));
            promise.is_some_and(|promise| entry.is_some_and(|entry| entry.by == DefinedBy::Pending(promise.object)))
        };
        let mut promised: Vec<_> = match promise {
            Some(_) => graph.symbols().iter().filter(is_promised).filter_map(Symbol::block).collect(),
            None => Vec::new(),
        };
        promised.sort_unstable();
        let mut contested = Vec::new();
        for (index, group) in graph.groups.iter().enumerate() {
            let Some(owner) = table.groups.get(&group.signature) else { continue };
            let Some(object) = objects.get(&owner.object) else { continue };
            if group.blocks.iter().any(|block| promised.binary_search(block).is_ok()) {
                continue;
            }
            match compare(graph, group, owner, object, table) {
                Ok(Verdict::Replaces) => yields.replaced.push((owner.object, group.signature)),
                Ok(_) => {
                    let is_others = object.tracker != tracker;
                    lost.push((index, is_others));
                    contested.extend(Some(group.signature).filter(|_| is_others));
                }
                Err(conflict) => {
                    let (first, second) = (object.name.to_string(), graph.name().into());
                    let name = names.text(group.signature).into_owned();
                    return Err(match conflict {
                        GroupConflict::Duplicate => Error::Duplicate { name, first, second },
                        GroupConflict::Differs(what) => Error::GroupMismatch { name, what, first, second },
                    });
                }
            }
        }
        for signature in contested {
            table.groups.entry(signature).and_modify(|owner| owner.contested = true);
        }
        (yields.names, yields.groups) = surrender(graph, &lost);
        for yielded in &yields.names {
            self.contest(dylib, yielded.name)?;
        }
        Ok(yields)
    }

    /// Makes the names of groups of others references to what will take their place. What is returned gives them back.
    pub(super) fn replace_groups(&mut self, dylib: DylibId, mut replaced: Vec<(ObjectId, NameId)>) -> Inheritance {
        let mut left = Inheritance::default();
        replaced.sort_unstable();
        for replaced in replaced.chunk_by(|one, other| one.0 == other.0) {
            let Some(&(owner, _)) = replaced.first() else { continue };
            let Some(object) = self.objects.get_mut(&owner) else { continue };
            let Some(input) = object.input.as_mut() else { continue };
            let signatures = input.graph.groups.iter().enumerate();
            let is_replaced = |group: &Group| replaced.binary_search(&(owner, group.signature)).is_ok();
            let lost: Vec<_> =
                signatures.filter(|(_, group)| is_replaced(group)).map(|(index, _)| (index, true)).collect();
            let (names, groups) = surrender(&mut input.graph, &lost);
            let Some(table) = self.dylibs.get_mut(&dylib) else { return left };
            for yielded in &names {
                let is_lost = |entry: &Entry| entry.by == DefinedBy::Object(owner, yielded.symbol);
                if table.symbols.get(&yielded.name).is_some_and(is_lost) {
                    table.symbols.remove(&yielded.name);
                    left.names.push((dylib, yielded.name, None));
                }
            }
            for group in &groups {
                table.groups.remove(&group.signature);
                left.groups.push((dylib, group.signature));
            }
            table.heirs.extend(names.iter().map(|yielded| yielded.heir(owner)));
            table.heirs.extend(groups.iter().map(|group| group.heir(owner)));
            object.yielded.extend(names);
            object.yielded_groups.extend(groups);
        }
        left.names.sort_unstable_by_key(|&(_, name, _)| name);
        left.groups.sort_unstable();
        left
    }
}

/// Compares a new group with the one that is there.
fn compare(
    graph: &LinkGraph,
    group: &Group,
    owner: &GroupOwner,
    object: &Object,
    table: &DylibState,
) -> Result<Verdict, GroupConflict> {
    let size = || size_of_leader(object, group.signature, table);
    let verdict = rules::compare_group(graph, group, owner.selection, size)?;
    // A batch has what is not at hand; what has an address is linked.
    let is_free =
        || object.input.is_some() && table.symbols.get(&group.signature).is_none_or(|entry| entry.address.is_none());
    Ok(if verdict == Verdict::Replaces && !is_free() { Verdict::Yields } else { verdict })
}

/// The size of the block of an object that a group is known by.
fn size_of_leader(object: &Object, signature: NameId, table: &DylibState) -> u64 {
    let leader = table.symbols.get(&signature).and_then(|entry| match entry.by {
        DefinedBy::Object(_, symbol) => {
            let graph = &object.input.as_ref()?.graph;
            Some(graph.block(graph.symbols().get(symbol.index())?.block()?).size)
        }
        _ => None,
    });
    leader.unwrap_or(u64::MAX)
}

/// Gives up groups of a graph, by index: their names become references. Returns what they were, for those with a mark.
pub(super) fn surrender(graph: &mut LinkGraph, lost: &[(usize, bool)]) -> (Vec<Yielded>, Vec<YieldedGroup>) {
    let (mut names, mut groups) = (Vec::new(), Vec::<YieldedGroup>::new());
    let mut dropped = Vec::new();
    let mut marked: Vec<(BlockId, usize)> = Vec::new();
    for &(index, is_marked) in lost {
        let Some(group) = graph.groups.get(index) else { continue };
        dropped.extend_from_slice(&group.blocks);
        if is_marked {
            marked.extend(group.blocks.iter().map(|&block| (block, groups.len())));
            groups.push(YieldedGroup::new(group));
        }
    }
    dropped.sort_unstable();
    marked.sort_unstable();
    let group_of = |block| marked.binary_search_by_key(&block, |&(block, _)| block).ok().map(|at| marked[at].1);
    for &block in &graph.retained {
        if let Some(index) = group_of(block) {
            groups[index].retained.push(block);
        }
    }
    for &run in &graph.initializers {
        if let Some(index) = group_of(run.block) {
            groups[index].initializers.push(run);
        }
    }
    graph.give_up_blocks(&dropped, |name, symbol, definition| {
        if let Some(index) = definition.block().and_then(group_of) {
            let mut yielded = Yielded::new(name, symbol, definition);
            yielded.group_size = groups[index].size;
            names.push(yielded);
        }
    });
    (names, groups)
}
