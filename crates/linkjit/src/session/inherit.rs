//! Who gets the names of what is removed.
//!
//! Of weak definitions and COMDAT groups that several objects have alike, one is linked and stands for all. When its
//! object goes, the others' become definitions again: all is as if the object had never been added. What code of others
//! is bound to already stays in memory (see [`super::removal`]), and its name with it.
//!
//! Only what lost to another tracker's unit is recorded, since units of one tracker go together, and what a larger group
//! has replaced, since that may have been pulled for a lookup which fails.

use std::cmp::Reverse;

use linkjit_link::graph::{
    BlockId, Definition, Group, InitializerSection, LinkGraph, Linkage, Scope, Selection, Symbol, SymbolId,
};
use linkjit_link::names::NameId;

use super::allocations::Owner;
use super::groups::GroupOwner;
use super::pending::promised_entry;
use super::state::{Address, DefinedBy, DylibId, DylibState, Entry, State, TrackerId, Unit, UnitId};

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
    pub(super) of_group: u64,
}

impl Yielded {
    pub(crate) fn new(name: NameId, id: SymbolId, symbol: &Symbol) -> Self {
        let &Symbol { definition, linkage, scope, indirect, .. } = symbol;
        Self { name, symbol: id, definition, linkage, scope, indirect, of_group: 0 }
    }

    fn restore(&self, graph: &mut LinkGraph) {
        let symbol = graph.symbol_mut(self.symbol);
        (symbol.definition, symbol.linkage, symbol.indirect) = (self.definition, self.linkage, self.indirect);
    }

    /// Which of several is the one that counts.
    fn rank(&self) -> (u8, Reverse<u64>) {
        let linkage = match self.linkage {
            Linkage::Strong => 0,
            Linkage::Common => 1,
            Linkage::Weak => 2,
            Linkage::Fallback => 3,
        };
        (linkage, Reverse(self.of_group))
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
        let size = if let Selection::Largest(size) = selection { size } else { 0 };
        Self { signature, selection, size, retained: Vec::new(), initializers: Vec::new() }
    }
}

/// What removed units leave to others.
#[derive(Debug, Default)]
pub(crate) struct Inheritance {
    pub(super) names: Vec<(DylibId, NameId, Option<Address>)>,
    pub(super) groups: Vec<(DylibId, NameId)>,
}

impl Unit {
    /// Whether it may get names or groups back.
    pub(crate) fn has_yielded(&self) -> bool {
        !self.yielded.is_empty() || !self.yielded_groups.is_empty()
    }
}

impl State {
    /// Whether a unit is another tracker's.
    pub(super) fn is_of_another(&self, tracker: TrackerId, by: DefinedBy) -> bool {
        let (DefinedBy::Unit(unit, _) | DefinedBy::Pending(unit)) = by else { return false };
        self.units.get(&unit).is_some_and(|unit| unit.tracker != tracker)
    }

    /// Records that the definition of an entry loses its name to a unit of `tracker`. Returns whether that matters.
    pub(super) fn yield_to(&mut self, tracker: TrackerId, name: NameId, entry: &Entry) -> bool {
        let DefinedBy::Unit(unit, symbol) = entry.by else {
            return entry.contested || self.is_of_another(tracker, entry.by);
        };
        let Some(unit) = self.units.get_mut(&unit).filter(|unit| unit.tracker != tracker) else {
            return entry.contested;
        };
        let Some(input) = &unit.input else { return entry.contested };
        unit.yielded.push(Yielded::new(name, symbol, input.graph.symbol(symbol)));
        true
    }

    /// Forgets units: their names, groups and pending initializers. The memory is the caller's business. What others
    /// inherit is returned.
    pub(crate) fn remove_units(&mut self, remove: &[UnitId]) -> Inheritance {
        let mut left = Inheritance::default();
        for id in remove {
            self.lazy.forget(*id);
            let Some(unit) = self.units.remove(id) else { continue };
            self.drop_later(*id, unit.pending);
            let direct = self.direct.remove(id).unwrap_or_default();
            let Ok(dylib) = self.dylib_mut(unit.dylib) else { continue };
            for name in unit.names {
                let is_its =
                    |entry: &Entry| entry.by.unit() == Some(*id) || direct.contains(&(name, entry.by, entry.linkage));
                if dylib.symbols.get(&name).is_some_and(is_its)
                    && let Some(entry) = dylib.symbols.remove(&name)
                    && entry.contested
                {
                    left.names.push((unit.dylib, name, entry.address));
                }
            }
            for signature in unit.groups {
                if let Some(&owner) = dylib.groups.get(&signature)
                    && owner.unit == *id
                {
                    dylib.groups.remove(&signature);
                    if owner.contested {
                        left.groups.push((unit.dylib, signature));
                    }
                }
            }
            dylib.unhide(&unit.hides);
            dylib.alternates.forget(*id);
            dylib.image_requests.forget(*id);
            dylib.agreed.forget(*id);
            dylib.default_libraries.forget(*id);
            dylib.pending_initializers.retain(|run| run.unit != *id);
            dylib.pending_terminators.retain(|run| run.unit != *id);
            dylib.terminators.retain(|run| run.unit != *id);
            forget_unit(&mut dylib.units, *id);
            if let Some(tracker) = self.trackers.get_mut(&unit.tracker) {
                forget_unit(&mut tracker.units, *id);
            }
        }
        left
    }

    /// Gives what removed units have left to those who had yielded to them.
    pub(crate) fn inherit(&mut self, mut left: Inheritance) {
        left.names.sort_by_key(|&(dylib, name, _)| (dylib, name));
        for names in left.names.chunk_by(|one, other| one.0 == other.0) {
            let Some(&(dylib, ..)) = names.first() else { continue };
            for (at, unit, yielded) in self.candidates(dylib, names) {
                let (_, name, address) = names[at];
                self.inherit_name(dylib, name, address, unit, &yielded);
            }
            self.inherit_promises(dylib, names);
        }
        left.groups.sort_unstable();
        for groups in left.groups.chunk_by(|one, other| one.0 == other.0) {
            let Some(&(dylib, _)) = groups.first() else { continue };
            self.inherit_groups(dylib, groups);
        }
    }

    /// Those who may have one of `names`, the best of each first.
    fn candidates(
        &self,
        dylib: DylibId,
        names: &[(DylibId, NameId, Option<Address>)],
    ) -> Vec<(usize, UnitId, Yielded)> {
        let mut found = Vec::new();
        let units = self.dylib(dylib).map(|dylib| dylib.units.as_slice()).unwrap_or_default();
        for id in units {
            for yielded in self.units.get(id).map(|unit| unit.yielded.as_slice()).unwrap_or_default() {
                if let Ok(at) = names.binary_search_by_key(&yielded.name, |&(_, name, _)| name) {
                    let is_user = !self.is_bound_to(*id, names[at].2);
                    found.push(((at, is_user, yielded.rank()), (at, *id, *yielded)));
                }
            }
        }
        found.sort_by_key(|&(order, _)| order);
        found.into_iter().map(|(_, candidate)| candidate).collect()
    }

    /// Whether an address is in memory that stays because of code of a unit's tracker.
    fn is_bound_to(&self, unit: UnitId, address: Option<Address>) -> bool {
        let Some(Address::At(address)) = address else { return false };
        let tracker = self.units.get(&unit).map(|unit| unit.tracker);
        let kept = self.allocations.at(address).and_then(|id| self.allocations.get(id));
        kept.is_some_and(|kept| {
            let is_its = |user: Option<Owner>| matches!((user, tracker), (Some(Owner::Tracker(user)), Some(tracker)) if user == tracker);
            kept.owner == Owner::Users
                && kept.users.iter().any(|&(user, _)| is_its(self.allocations.get(user).map(|user| user.owner)))
        })
    }

    fn inherit_name(&mut self, dylib: DylibId, name: NameId, address: Option<Address>, id: UnitId, yielded: &Yielded) {
        // Somebody else took the name meanwhile, as the next generation of an object does, or a better one just did.
        if let Ok(dylib) = self.dylib_mut(dylib)
            && let Some(entry) = dylib.symbols.get_mut(&name)
        {
            entry.contested = true;
            return;
        }
        let kept = self.is_bound_to(id, address);
        let Some(unit) = self.units.get_mut(&id) else { return };
        if !kept {
            // A batch that has the graph is about to fail or is not concerned: the next candidate will do.
            let Some(input) = &mut unit.input else { return };
            yielded.restore(&mut input.graph);
            unit.yielded.retain(|other| other.symbol != yielded.symbol);
        }
        let address = match yielded.definition {
            Definition::Absolute(absolute) => Some(Address::At(absolute)),
            _ => address.filter(|_| kept),
        };
        let by = DefinedBy::Unit(id, yielded.symbol);
        let entry = Entry { by, linkage: yielded.linkage, scope: yielded.scope, address, contested: true };
        if let Ok(dylib) = self.dylib_mut(dylib) {
            dylib.symbols.insert(name, entry);
        }
    }

    /// Gives names that are still free to units that have promised them and were not materialized yet.
    fn inherit_promises(&mut self, dylib: DylibId, names: &[(DylibId, NameId, Option<Address>)]) {
        let units = self.dylib(dylib).map(|dylib| dylib.units.as_slice()).unwrap_or_default();
        let pending =
            units.iter().filter_map(|id| Some((*id, self.units.get(id)?, self.units.get(id)?.pending.as_ref()?)));
        let promised: Vec<_> = pending
            .filter(|(.., pending)| !pending.is_taken())
            .flat_map(|(id, unit, pending)| {
                unit.names.iter().zip(pending.flags()).map(move |(name, flags)| (id, *name, *flags))
            })
            .filter(|(_, name, _)| names.binary_search_by_key(name, |&(_, name, _)| name).is_ok())
            .collect();
        let Ok(dylib) = self.dylib_mut(dylib) else { return };
        for (id, name, flags) in promised {
            let entry = Entry { contested: true, ..promised_entry(id, flags) };
            dylib.symbols.entry(name).or_insert(entry);
        }
    }

    fn inherit_groups(&mut self, dylib: DylibId, groups: &[(DylibId, NameId)]) {
        let units = self.dylib(dylib).map(|dylib| dylib.units.as_slice()).unwrap_or_default();
        let mut found = Vec::new();
        for (position, id) in units.iter().enumerate() {
            // A batch that has the graph is about to fail or is not concerned.
            let Some(unit) = self.units.get(id).filter(|unit| unit.input.is_some()) else { continue };
            for group in &unit.yielded_groups {
                if groups.binary_search(&(dylib, group.signature)).is_ok() {
                    found.push(((Reverse(group.size), position), *id, group.signature));
                }
            }
        }
        found.sort_unstable();
        for (_, id, signature) in found {
            let Some(Some(dylib)) = self.dylibs.get_mut(dylib.0 as usize) else { return };
            if let Some(owner) = dylib.groups.get_mut(&signature) {
                owner.contested = true;
                continue;
            }
            let Some(unit) = self.units.get_mut(&id) else { continue };
            let at = unit.yielded_groups.iter().position(|group| group.signature == signature);
            let (Some(at), Some(input)) = (at, &mut unit.input) else { continue };
            let group = unit.yielded_groups.swap_remove(at);
            group.retained.iter().for_each(|&block| input.graph.retain_block(block));
            group.initializers.iter().for_each(|&run| input.graph.add_initializers(run));
            if !group.retained.is_empty() {
                unit.has_roots = true;
                dylib.roots.insert(id);
            }
            dylib.groups.insert(signature, GroupOwner { unit: id, selection: group.selection, contested: true });
        }
    }
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

/// The last ones added are the likeliest to go.
fn forget_unit(units: &mut Vec<UnitId>, unit: UnitId) {
    if let Some(at) = units.iter().rposition(|&other| other == unit) {
        units.remove(at);
    }
}
