//! The table of objects that can be replaced.

use std::collections::BTreeMap;
use std::sync::Arc;

use linkjit_executor::AllocationId;
use linkjit_link::names::NameId;

use super::{DylibId, ObjectId, Owner, State, TrackerId};
use crate::error::Result;

/// An object that can be replaced.
#[derive(Clone, Debug)]
pub(crate) struct Updatable {
    /// Owns the stubs of all generations. The session has this: no handle, which would keep the session.
    pub(crate) stubs: TrackerId,
    /// By the name of their implementations: the numbers of their trampolines.
    pub(crate) functions: BTreeMap<NameId, u32>,
    /// Those of them that the present generation has not, by the same name.
    pub(crate) removed: BTreeMap<NameId, Removal>,
    /// Owns the present generation.
    pub(crate) current: TrackerId,
    pub(crate) object: ObjectId,
    /// The number of times that it was replaced.
    pub(crate) number: u64,
}

/// The reason why a function that still has a stub was taken away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Removal {
    /// By which update of its object, counted from 1.
    pub(crate) update: u64,
    /// By going back from it.
    pub(crate) by_rollback: bool,
}

impl State {
    /// Notes that an object can be replaced: it is asked where its variables are.
    pub(crate) fn make_updatable(&mut self, object: ObjectId) {
        self.has_updatable = true;
        if let Some(object) = self.objects.get_mut(&object) {
            object.updatable = true;
        }
    }

    /// Enters what an object is now.
    pub(crate) fn enter_updatable(&mut self, dylib: DylibId, name: &Arc<str>, updatable: Updatable) -> Result<()> {
        for id in [updatable.stubs, updatable.current] {
            if let Some(tracker) = self.trackers.get_mut(&id) {
                tracker.updatable = Some(name.clone());
            }
        }
        self.dylib_mut(dylib)?.updatable.insert(name.clone(), updatable);
        Ok(())
    }

    /// Forgets an object of which a tracker that goes has what it is now.
    pub(crate) fn forget_updatable(&mut self, dylib: DylibId, name: &str, tracker: TrackerId) {
        let Ok(dylib) = self.dylib_mut(dylib) else { return };
        if dylib.updatable.get(name).is_some_and(|object| object.stubs == tracker || object.current == tracker) {
            dylib.updatable.remove(name);
        }
    }

    /// Trackers, with those of the updatable objects that were added through them and are still there.
    pub(crate) fn with_updatable(&self, trackers: &[TrackerId]) -> Vec<TrackerId> {
        let mut all = trackers.to_vec();
        for stubs in trackers.iter().filter_map(|id| self.trackers.get(id)).flat_map(|tracker| &tracker.stubs) {
            let Some(tracker) = self.trackers.get(stubs) else { continue };
            let object =
                tracker.updatable.as_ref().and_then(|name| self.dylibs.get(&tracker.dylib)?.updatable.get(name));
            all.push(*stubs);
            all.extend(object.map(|object| object.current));
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The tracker of the stubs that go with a generation.
    pub(crate) fn stubs_of_generation(&self, tracker: TrackerId) -> Option<TrackerId> {
        let generation = self.trackers.get(&tracker)?;
        let updatable = self.dylib(generation.dylib).ok()?.updatable.get(generation.updatable.as_ref()?)?;
        (updatable.current == tracker).then_some(updatable.stubs)
    }

    /// The object of a name that can be replaced, if there is one.
    pub(crate) fn updatable(&self, dylib: DylibId, name: &str) -> Result<Option<&Updatable>> {
        Ok(self.dylib(dylib)?.updatable.get(name))
    }

    /// The objects of a JITDylib that can be replaced.
    pub(crate) fn updatables(&self, dylib: DylibId) -> impl Iterator<Item = (&Arc<str>, &Updatable)> {
        self.dylibs.get(&dylib).into_iter().flat_map(|dylib| &dylib.updatable)
    }

    /// Has the stubs of an object go with the tracker that it was added through.
    pub(crate) fn own_stubs(&mut self, owner: Option<TrackerId>, stubs: TrackerId) {
        if let Some(owner) = owner.and_then(|owner| self.trackers.get_mut(&owner)) {
            owner.stubs.push(stubs);
        }
    }

    /// Says whether an object can be replaced.
    pub(crate) fn is_updatable(&self, object: ObjectId) -> bool {
        self.objects.get(&object).is_some_and(|object| object.updatable)
    }

    /// Takes a tracker that has nothing but memory out of the tables.
    pub(crate) fn abandon(&mut self, tracker: TrackerId) -> Vec<AllocationId> {
        let allocations = self.take_tracker(tracker).map(|tracker| tracker.allocations).unwrap_or_default();
        self.allocations.give(&allocations, Owner::Users);
        allocations
    }

    /// Gives memory to another tracker; `allocations` are sorted.
    pub(crate) fn pass(&mut self, allocations: &[AllocationId], from: TrackerId, to: TrackerId) {
        if let Some(from) = self.trackers.get_mut(&from) {
            from.allocations.retain(|id| allocations.binary_search(id).is_err());
        }
        if let Some(to) = self.trackers.get_mut(&to) {
            to.allocations.extend(allocations);
        }
        self.allocations.give(allocations, Owner::Tracker(to));
    }

    /// Says whether there have been updatable objects.
    pub(crate) fn has_updatable(&self) -> bool {
        self.has_updatable
    }
}
