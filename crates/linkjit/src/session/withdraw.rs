//! Withdrawing: taking the definitions of a tracker out of the tables so that they can be put back.

use std::collections::BTreeSet;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use linkjit_link::graph::Linkage;
use linkjit_link::names::NameId;

use super::groups::GroupOwner;
use super::{Address, DefinedBy, DylibId, Entry, Inheritance, Object, ObjectId, State, TrackerId};
use crate::error::{Error, Result};

/// The definitions that were taken out. Their code stays where it is, and its tracker owns it.
#[derive(Debug)]
pub(crate) struct Withdrawn {
    pub(crate) tracker: TrackerId,
    objects: Vec<(ObjectId, Object)>,
    names: Vec<(NameId, Entry)>,
    groups: Vec<(NameId, GroupOwner)>,
}

impl State {
    /// Takes the definitions of a tracker out of the tables. Their initializers have been run.
    pub(crate) fn withdraw(&mut self, id: TrackerId) -> Result<Withdrawn> {
        let tracker = self.trackers.get(&id).ok_or(Error::TrackerRemoved)?;
        let ids = tracker.objects.clone();
        let mut withdrawn = Withdrawn { tracker: id, objects: Vec::new(), names: Vec::new(), groups: Vec::new() };
        self.removals += 1;
        for id in ids {
            let Some(taken) = self.take_object(id) else { continue };
            withdrawn.names.extend(taken.names);
            withdrawn.groups.extend(taken.groups);
            withdrawn.objects.push((id, taken.object));
        }
        Ok(withdrawn)
    }

    /// Says whether what was withdrawn can come back: whether nobody but objects of `besides` has taken one of its names that
    /// it does not share. Returns the name.
    pub(crate) fn check_reinstate(&self, withdrawn: &Withdrawn, besides: &[TrackerId]) -> Result<Option<NameId>> {
        let dylib = self.trackers.get(&withdrawn.tracker).ok_or(Error::TrackerRemoved)?.dylib;
        let dylib = self.dylib(dylib)?;
        // What COMDAT groups of COFF define is strong.
        let is_shared = |name: &NameId, entry: &Entry| {
            let now = dylib.symbols.get(name).and_then(|entry| entry.by.object());
            let is_theirs = |group: &NameId| now.is_some() && now == dylib.groups.get(group).map(|owner| owner.object);
            withdrawn.group_of(entry).is_some_and(|group| is_theirs(&group))
        };
        let strong = |(name, entry): &&(NameId, Entry)| {
            entry.linkage == Linkage::Strong
                && !is_shared(name, entry)
                && dylib.symbols.get(name).is_some_and(|now| match now.by {
                    DefinedBy::Object(object, _) => {
                        self.objects.get(&object).is_some_and(|object| !besides.contains(&object.tracker))
                    }
                    _ => true,
                })
        };
        Ok(withdrawn.names.iter().find(strong).map(|&(name, _)| name))
    }

    /// Puts what was withdrawn back, but for names that others have now and that are linked.
    pub(crate) fn reinstate(&mut self, withdrawn: Withdrawn) {
        let Some(id) = self.trackers.get(&withdrawn.tracker).map(|tracker| tracker.dylib) else { return };
        let mut left = self.disinherit(id, &withdrawn);
        // Those to whom it had yielded may have gone meanwhile.
        for (_, object) in &withdrawn.objects {
            left.names.extend(object.yielded.iter().map(|yielded| (id, yielded.name, None)));
            left.groups.extend(object.yielded_groups.iter().map(|group| (id, group.signature)));
        }
        for (object_id, object) in withdrawn.objects {
            if let Some(input) = &object.input
                && self.reenter_requests(id, object_id, &input.graph).is_err()
            {
                return;
            }
            if self.enter_object(object_id, object).is_err() {
                return;
            }
        }
        let Self { dylibs, vague, .. } = self;
        let Some(dylib) = dylibs.get_mut(&id) else { return };
        for (name, entry) in withdrawn.names {
            let now = dylib.symbols.entry(name).or_insert(entry);
            // Others had it only as long as the code was withdrawn, or a definition that goes now yielded to another's.
            let has_yielded = vague.remove(&(id, name)) && matches!(now.by, DefinedBy::Alias(..));
            if has_yielded || now.address.is_some() && now.address == entry.address {
                *now = Entry { contested: now.contested || entry.contested, ..entry };
            }
        }
        for (signature, owner) in withdrawn.groups {
            dylib.groups.entry(signature).or_insert(owner);
        }
        self.inherit(left);
    }

    /// Makes those yield who have what was withdrawn meanwhile, and of whom it is not linked. Returns what they have
    /// lost.
    fn disinherit(&mut self, dylib: DylibId, withdrawn: &Withdrawn) -> Inheritance {
        let Ok(table) = self.dylib(dylib) else { return Inheritance::default() };
        let groups = withdrawn
            .groups
            .iter()
            .filter_map(|(signature, _)| Some((table.groups.get(signature)?.object, *signature)));
        let places: HashMap<_, _, FixedState> =
            withdrawn.names.iter().map(|(name, entry)| (*name, entry.address)).collect();
        let is_free = |&(object, signature): &(ObjectId, NameId)| {
            table.symbols.get(&signature).is_none_or(|entry| {
                let is_elsewhere = entry.address.is_some() && places.get(&signature) != Some(&entry.address);
                entry.by.object() != Some(object) || !is_elsewhere
            })
        };
        let groups = groups.filter(is_free).collect();
        let mut lost = self.replace_groups(dylib, groups);
        for &(name, before) in &withdrawn.names {
            let Ok(table) = self.dylib(dylib) else { return lost };
            let Some(entry) = table.symbols.get(&name).copied().filter(|entry| entry.address.is_none()) else {
                continue;
            };
            let by = entry.by.object().and_then(|object| self.objects.get(&object));
            let is_at_hand = by.is_some_and(|object| object.input.is_some());
            if is_at_hand && before.linkage == Linkage::Weak && self.yield_to(withdrawn.tracker, name, &entry) {
                self.override_definition(&entry);
                self.dylib_mut(dylib).map(|table| table.symbols.remove(&name)).ok();
                lost.names.push((dylib, name, None));
            }
        }
        lost
    }

    /// Gives the names that were withdrawn, and not defined anew, to those who had yielded.
    pub(crate) fn inherit_withdrawn(&mut self, withdrawn: &Withdrawn) {
        let Some(dylib) = self.trackers.get(&withdrawn.tracker).map(|tracker| tracker.dylib) else { return };
        let names = withdrawn.names.iter().filter(|(_, entry)| entry.contested);
        let names = names.map(|&(name, entry)| (dylib, name, entry.address)).collect();
        let groups = withdrawn.groups.iter().filter(|(_, owner)| owner.contested);
        let groups = groups.map(|&(signature, _)| (dylib, signature)).collect();
        self.inherit_from(Inheritance { names, groups }, Some(withdrawn.tracker));
    }

    /// Gives those of `names` that were withdrawn to objects whose code is bound to what they mean, which stays with
    /// them.
    pub(crate) fn inherit_places(&mut self, withdrawn: &Withdrawn, names: &BTreeSet<NameId>) {
        let Some(dylib) = self.trackers.get(&withdrawn.tracker).map(|tracker| tracker.dylib) else { return };
        for (name, entry) in withdrawn.names.iter().filter(|(name, entry)| entry.contested && names.contains(name)) {
            if self.inherit_place(dylib, *name, entry.address, Some(withdrawn.tracker))
                && let Some(group) = withdrawn.group_of(entry)
            {
                self.inherit_group(dylib, group);
            }
        }
    }
}

impl Withdrawn {
    /// The COMDAT group that a definition is in.
    fn group_of(&self, entry: &Entry) -> Option<NameId> {
        let DefinedBy::Object(id, symbol) = entry.by else { return None };
        let (_, object) = self.objects.iter().find(|(object, _)| *object == id)?;
        let graph = &object.input.as_ref()?.graph;
        let block = graph.symbols().get(symbol.index())?.block()?;
        graph.groups.iter().find(|group| group.blocks.contains(&block)).map(|group| group.signature)
    }

    /// The definitions that were linked, and where.
    pub(crate) fn linked(&self) -> impl Iterator<Item = (NameId, Address)> {
        self.names.iter().filter_map(|(name, entry)| Some((*name, entry.address?)))
    }

    /// The objects.
    pub(crate) fn objects(&self) -> &[(ObjectId, Object)] {
        &self.objects
    }
}
