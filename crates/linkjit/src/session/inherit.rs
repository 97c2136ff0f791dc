//! Heirs: objects that get the names of removed objects.
//!
//! If several objects have the same weak definition or COMDAT group, one of them is linked and stands for all. When its
//! object goes, the others' become definitions again, as if the object had never been added. If code of others is bound
//! to the definition already, it stays in memory (see [`super::removal`]), and keeps its name.
//!
//! The session records only definitions that yielded to another tracker's object, since objects of one tracker go together;
//! and groups that a larger one replaced, since the larger one may have been pulled for a lookup that fails.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use linkjit_executor::AllocationId;
use linkjit_link::graph::{
    BlockId, Definition, Group, InitializerSection, LinkGraph, Linkage, Scope, Selection, Symbol, SymbolId,
};
use linkjit_link::names::NameId;
use linkjit_link::rules;

use super::groups::GroupOwner;
use super::pending::promised_entry;
use super::{Address, DefinedBy, DylibId, DylibState, Entry, Object, ObjectId, Owner, State, TrackerId};
use crate::error::{Error, Result};

/// A definition that yielded: its symbol is a reference now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Yielded {
    pub(crate) name: NameId,
    pub(crate) symbol: SymbolId,
    definition: Definition,
    linkage: Linkage,
    scope: Scope,
    indirect: bool,
    /// The size of its group, of which the largest counts; otherwise 0.
    pub(super) group_size: u64,
}

impl Yielded {
    pub(crate) fn new(name: NameId, id: SymbolId, symbol: &Symbol) -> Self {
        let &Symbol { definition, linkage, scope, indirect, .. } = symbol;
        Self { name, symbol: id, definition, linkage, scope, indirect, group_size: 0 }
    }

    fn restore(&self, graph: &mut LinkGraph) {
        graph.make_definition(self.symbol, self.definition, self.linkage, self.indirect);
    }

    pub(super) fn heir(&self, object: ObjectId) -> Heir {
        Heir { name: self.name, is_group: false, rank: self.rank(), object }
    }

    /// The rank among several, of which the lowest counts.
    fn rank(&self) -> (u8, Reverse<u64>) {
        (rules::rank(self.linkage), Reverse(self.group_size))
    }
}

/// A COMDAT group that yielded, with what it would have brought.
#[derive(Clone, Debug)]
pub(crate) struct YieldedGroup {
    pub(crate) signature: NameId,
    selection: Selection,
    /// Its size if the largest counts; otherwise 0.
    pub(super) size: u64,
    pub(crate) retained: Vec<BlockId>,
    pub(crate) initializers: Vec<InitializerSection>,
}

impl YieldedGroup {
    pub(super) fn new(group: &Group) -> Self {
        let &Group { signature, selection, .. } = group;
        let size = rules::size_that_counts(selection);
        Self { signature, selection, size, retained: Vec::new(), initializers: Vec::new() }
    }

    pub(super) fn heir(&self, object: ObjectId) -> Heir {
        Heir { name: self.signature, is_group: true, rank: (0, Reverse(self.size)), object }
    }
}

/// The heir gets a name or a group when its owner goes. Ordered: the best of those who may come first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Heir {
    name: NameId,
    is_group: bool,
    rank: (u8, Reverse<u64>),
    object: ObjectId,
}

impl Heir {
    /// The name or signature that it would get.
    pub(super) fn name(&self) -> NameId {
        self.name
    }
}

/// The names and groups that removed objects leave to others.
#[derive(Debug, Default)]
pub(crate) struct Inheritance {
    pub(super) names: Vec<(DylibId, NameId, Option<Address>)>,
    pub(super) groups: Vec<(DylibId, NameId)>,
}

impl Inheritance {
    pub(crate) fn append(&mut self, more: Self) {
        self.names.extend(more.names);
        self.groups.extend(more.groups);
    }
}

impl Object {
    /// The heirs for what it may get back.
    pub(super) fn heirs(&self, id: ObjectId) -> impl Iterator<Item = Heir> {
        let names = self.yielded.iter().map(move |yielded| yielded.heir(id));
        names.chain(self.yielded_groups.iter().map(move |group| group.heir(id)))
    }

    /// Says whether it may get names or groups back.
    pub(crate) fn has_yielded(&self) -> bool {
        !self.yielded.is_empty() || !self.yielded_groups.is_empty()
    }
}

impl State {
    /// Says whether an object is another tracker's.
    pub(super) fn is_of_another(&self, tracker: TrackerId, by: DefinedBy) -> bool {
        by.object().and_then(|object| self.objects.get(&object)).is_some_and(|object| object.tracker != tracker)
    }

    /// Records that the definition of an entry loses its name to an object of `tracker`. Returns whether that matters.
    pub(super) fn yield_to(&mut self, tracker: TrackerId, name: NameId, entry: &Entry) -> bool {
        let DefinedBy::Object(id, symbol) = entry.by else {
            return entry.contested || self.is_of_another(tracker, entry.by);
        };
        let Some(object) = self.objects.get_mut(&id).filter(|object| object.tracker != tracker) else {
            return entry.contested;
        };
        let Some(input) = &object.input else { return entry.contested };
        let yielded = Yielded::new(name, symbol, input.graph.symbol(symbol));
        object.yielded.push(yielded);
        if let Some(dylib) = self.dylibs.get_mut(&object.dylib) {
            dylib.heirs.insert(yielded.heir(id));
        }
        true
    }

    /// Forgets objects: their names, groups and pending initializers. The memory is the caller's business. What others
    /// inherit is returned.
    pub(crate) fn remove_objects(&mut self, remove: &[ObjectId]) -> Inheritance {
        let mut left = Inheritance::default();
        for &id in remove {
            self.lazy.forget(id);
            let Some(mut removed) = self.take_object(id) else { continue };
            self.drop_later(id, removed.object.pending.take());
            let dylib = removed.object.dylib;
            let names = removed.names.into_iter().filter(|(_, entry)| entry.contested);
            left.names.extend(names.map(|(name, entry)| (dylib, name, entry.address)));
            let groups = removed.groups.into_iter().filter(|(_, owner)| owner.contested);
            left.groups.extend(groups.map(|(signature, _)| (dylib, signature)));
            if let Ok(dylib) = self.dylib_mut(dylib) {
                dylib.runs_mut().for_each(|runs| runs.retain(|run| run.object != id));
            }
            if let Some(tracker) = self.trackers.get_mut(&removed.object.tracker) {
                tracker.objects.remove(&id);
            }
        }
        left
    }

    /// Takes an object out of the tables, with the names and groups that are its own.
    pub(super) fn take_object(&mut self, id: ObjectId) -> Option<TakenObject> {
        let object = self.objects.remove(&id)?;
        let direct = self.direct.remove(&id).unwrap_or_default();
        self.forget_heirs(id, &object);
        let (mut names, mut groups) = (Vec::new(), Vec::new());
        if let Some(dylib) = self.dylibs.get_mut(&object.dylib) {
            for &name in &object.names {
                let is_own =
                    |entry: &Entry| entry.by.object() == Some(id) || direct.contains(&(name, entry.by, entry.linkage));
                names.extend(take_if(&mut dylib.symbols, name, is_own));
            }
            for &signature in &object.groups {
                groups.extend(take_if(&mut dylib.groups, signature, |owner| owner.object == id));
            }
            dylib.unhide(&object.hides);
            dylib.forget_requests(id);
            dylib.objects.remove(&id);
        }
        Some(TakenObject { object, names, groups })
    }

    /// Forgets what an object may get back.
    pub(super) fn forget_heirs(&mut self, id: ObjectId, object: &Object) {
        let Some(table) = self.dylibs.get_mut(&object.dylib).filter(|_| object.has_yielded()) else { return };
        for heir in object.heirs(id) {
            table.heirs.remove(&heir);
        }
        if !self.vague.is_empty() {
            object.yielded.iter().for_each(|yielded| self.drop_vague_alias(object.dylib, yielded.name));
        }
    }

    /// Removes the objects of a name, if nothing of them was linked. No batch has them.
    pub(crate) fn discard_object(&mut self, dylib: DylibId, name: &str) -> Result<()> {
        let table = self.dylib(dylib)?;
        let objects = table.objects.iter().filter_map(|&id| Some((id, self.objects.get(&id)?)));
        let named: Vec<_> = objects.filter(|(_, object)| *object.name == *name && object.pending.is_none()).collect();
        let is_linked = named.iter().any(|(_, object)| object.started || object.input.is_none());
        if named.is_empty() || is_linked || table.updatable.contains_key(name) {
            return Err(Error::NotDiscarded { object: name.into(), is_there: !named.is_empty() });
        }
        let objects: Vec<_> = named.into_iter().map(|(id, _)| id).collect();
        self.removals += 1;
        let left = self.remove_objects(&objects);
        self.inherit(left);
        Ok(())
    }

    /// Gives what removed objects have left to those who had yielded to them.
    pub(crate) fn inherit(&mut self, left: Inheritance) {
        self.inherit_from(left, None);
    }

    /// The same for what objects of `withdrawn` have left, whose memory stays as long as that tracker may come back.
    pub(super) fn inherit_from(&mut self, mut left: Inheritance, withdrawn: Option<TrackerId>) {
        left.names.sort_by_key(|&(dylib, name, _)| (dylib, name));
        for names in left.names.chunk_by(|one, other| one.0 == other.0) {
            for &(dylib, name, address) in names {
                self.inherit_name(dylib, name, address, withdrawn);
            }
            if let Some(&(dylib, ..)) = names.first() {
                self.inherit_promises(dylib, names);
            }
        }
        if !self.vague.is_empty() {
            for &(dylib, name, address) in &left.names {
                self.restore_vague(dylib, name, address, withdrawn);
            }
        }
        left.groups.sort_unstable();
        for (dylib, signature) in left.groups {
            self.inherit_group(dylib, signature);
        }
    }

    /// Gives a name to the best of those who had yielded it. If what it means stays in memory, those come first whose
    /// code is bound to that.
    fn inherit_name(&mut self, dylib: DylibId, name: NameId, address: Option<Address>, withdrawn: Option<TrackerId>) {
        if self.inherit_place(dylib, name, address, withdrawn) {
            return;
        }
        // A batch that has the graph of one is about to fail or is not concerned: the next one will do.
        let has_graph = |heir: &Heir| self.objects.get(&heir.object).is_some_and(|object| object.input.is_some());
        let heir = self.heirs(dylib, name).find(has_graph);
        if let Some(heir) = heir {
            self.enter_heir(dylib, heir, None);
        }
    }

    /// Gives a name to the best of those who had yielded it and whose code is bound to what it means. Returns whether
    /// there is one, and that stays in memory.
    pub(super) fn inherit_place(
        &mut self,
        dylib: DylibId,
        name: NameId,
        address: Option<Address>,
        withdrawn: Option<TrackerId>,
    ) -> bool {
        let Some(kept) = self.kept(address, withdrawn) else { return false };
        let user = self.heirs(dylib, name).find(|heir| self.is_bound_to(heir.object, kept));
        if let Some(user) = user {
            self.enter_heir(dylib, user, address);
        }
        user.is_some()
    }

    /// Makes the definition that had yielded count, unless somebody else took the name meanwhile, as the next
    /// generation of an object does. `kept` is where it is if it stays what it was bound to.
    fn enter_heir(&mut self, dylib: DylibId, heir: Heir, kept: Option<Address>) {
        let Heir { name, object: id, .. } = heir;
        let (Some(table), Some(object)) = (self.dylibs.get_mut(&dylib), self.objects.get_mut(&id)) else { return };
        let Some(at) = object.yielded.iter().position(|yielded| yielded.name == name) else { return };
        if let Some(entry) = table.symbols.get_mut(&name) {
            entry.contested = true;
            return;
        }
        let yielded = object.yielded[at];
        if let (None, Some(input)) = (kept, &mut object.input) {
            yielded.restore(&mut input.graph);
            object.yielded.swap_remove(at);
            table.heirs.remove(&heir);
        }
        let address = match yielded.definition {
            Definition::Absolute(absolute) => Some(Address::At(absolute)),
            _ => kept,
        };
        let by = DefinedBy::Object(id, yielded.symbol);
        let entry = Entry { by, linkage: yielded.linkage, scope: yielded.scope, address, contested: true };
        table.symbols.insert(name, entry);
    }

    /// Those who may have a name, the best first.
    pub(super) fn heirs(&self, dylib: DylibId, name: NameId) -> impl Iterator<Item = Heir> {
        self.dylibs.get(&dylib).into_iter().flat_map(move |dylib| heirs_of(&dylib.heirs, name, false))
    }

    /// Says whether code of somebody who had yielded a name is bound to what it means, and that stays in memory.
    pub(super) fn is_bound(&self, dylib: DylibId, name: NameId, address: Option<Address>) -> bool {
        let kept = self.kept(address, None);
        kept.is_some_and(|kept| self.heirs(dylib, name).any(|heir| self.is_bound_to(heir.object, kept)))
    }

    /// The memory that an address is in, if it stays when others use it.
    fn kept(&self, address: Option<Address>, withdrawn: Option<TrackerId>) -> Option<AllocationId> {
        let Some(Address::At(address)) = address else { return None };
        let kept = self.allocations.at(address)?;
        let stays = |owner: Owner| match owner {
            Owner::Users | Owner::Retired => true,
            Owner::Tracker(_) => owner.tracker() == withdrawn,
            Owner::Dylib => false,
        };
        self.allocations.get(kept).filter(|allocation| stays(allocation.owner)).map(|_| kept)
    }

    /// Says whether memory stays because of code of an object's tracker.
    fn is_bound_to(&self, object: ObjectId, kept: AllocationId) -> bool {
        let Some(tracker) = self.objects.get(&object).map(|object| object.tracker) else { return false };
        let Some(kept_by) = self.allocations.get(kept) else { return false };
        let owned_by = self.owned_allocations(tracker);
        let owned = |user| self.allocations.get(user).is_some_and(|user| user.owner == Owner::Tracker(tracker));
        // Either may be long.
        if kept_by.users.len() < owned_by.len() {
            kept_by.users.iter().any(|&(user, _)| owned(user))
        } else {
            let uses =
                |id: &AllocationId| self.allocations.get(*id).is_some_and(|allocation| allocation.uses.contains(&kept));
            owned_by.iter().any(uses)
        }
    }

    /// Gives names that are still free to objects that have promised them and were not materialized yet.
    fn inherit_promises(&mut self, dylib: DylibId, names: &[(DylibId, NameId, Option<Address>)]) {
        let objects = self.dylibs.get(&dylib).into_iter().flat_map(|dylib| &dylib.objects);
        let pending =
            objects.filter_map(|id| Some((*id, self.objects.get(id)?, self.objects.get(id)?.pending.as_ref()?)));
        let promised: Vec<_> = pending
            .filter(|(.., pending)| !pending.is_taken())
            .flat_map(|(id, object, pending)| {
                object.names.iter().zip(pending.flags()).map(move |(name, flags)| (id, *name, *flags))
            })
            .filter(|(_, name, _)| names.binary_search_by_key(name, |&(_, name, _)| name).is_ok())
            .collect();
        let Ok(dylib) = self.dylib_mut(dylib) else { return };
        for (id, name, flags) in promised {
            let entry = Entry { contested: true, ..promised_entry(id, flags) };
            dylib.symbols.entry(name).or_insert(entry);
        }
    }

    /// Gives a COMDAT group to the one of those who had yielded it who has its name now, or the best.
    pub(super) fn inherit_group(&mut self, dylib: DylibId, signature: NameId) {
        let Self { dylibs, objects, .. } = self;
        let Some(dylib) = dylibs.get_mut(&dylib) else { return };
        // A batch that has the graph of one is about to fail or is not concerned.
        let has_graph = |heir: &Heir| objects.get(&heir.object).is_some_and(|object| object.input.is_some());
        let named = dylib.symbols.get(&signature).and_then(|entry| entry.by.object());
        let heirs = || heirs_of(&dylib.heirs, signature, true).filter(has_graph);
        let Some(heir) = heirs().find(|heir| Some(heir.object) == named).or_else(|| heirs().next()) else { return };
        if let Some(owner) = dylib.groups.get_mut(&signature) {
            owner.contested = true;
            return;
        }
        let Some(object) = objects.get_mut(&heir.object) else { return };
        let at = object.yielded_groups.iter().position(|group| group.signature == signature);
        let (Some(at), Some(input)) = (at, &mut object.input) else { return };
        let group = object.yielded_groups.swap_remove(at);
        dylib.heirs.remove(&heir);
        group.retained.iter().for_each(|&block| input.graph.retained.push(block));
        group.initializers.iter().for_each(|&run| input.graph.add_initializers(run));
        if !group.retained.is_empty() {
            object.has_roots = true;
            dylib.roots.insert(heir.object);
        }
        dylib.groups.insert(signature, GroupOwner { object: heir.object, selection: group.selection, contested: true });
    }
}

/// An object that is in no table any more, and what was its own.
pub(super) struct TakenObject {
    pub(super) object: Object,
    pub(super) names: Vec<(NameId, Entry)>,
    pub(super) groups: Vec<(NameId, GroupOwner)>,
}

/// Removes what a table has for a name if it is what is meant.
fn take_if<T>(
    table: &mut HashMap<NameId, T, FixedState>,
    name: NameId,
    is_meant: impl FnOnce(&T) -> bool,
) -> Option<(NameId, T)> {
    table.get(&name).is_some_and(is_meant).then(|| table.remove_entry(&name))?
}

/// Those of `heirs` of a name or a group, the best first.
fn heirs_of(heirs: &BTreeSet<Heir>, name: NameId, is_group: bool) -> impl Iterator<Item = Heir> {
    let first = Heir { name, is_group, rank: (0, Reverse(u64::MAX)), object: ObjectId(0) };
    heirs.range(first..).take_while(move |heir| heir.name == name && heir.is_group == is_group).copied()
}

impl DylibState {
    /// Forgets that an object refers to names as hidden.
    pub(super) fn unhide(&mut self, names: &[NameId]) {
        for name in names {
            match self.hidden.get_mut(name) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(self.hidden.remove(name)),
            }
        }
    }
}
