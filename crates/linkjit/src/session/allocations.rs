//! Memory of linked code, and which linked code is bound to which.
//!
//! Code and data that share an allocation come and go together, so uses are counted by allocation, not by symbol or
//! edge. An allocation is not given back before those that are bound to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use linkjit_executor::{AllocationId, ExecAddr, ExecRange, HostCallback, TlsId};
use linkjit_link::input::Binding;

use super::state::{DylibId, ObjectId, TrackerId};

/// The part of a batch that is in an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// The part that goes with its tracker.
    Own,
    /// Weak definitions and COMDAT groups, which stand for those of other objects, and what they need. They outlive
    /// their tracker if they have to.
    Shared,
    /// Variables of an updatable object, and what their initial values refer to. They may pass to its next generation.
    Variables,
}

/// The owner gives an allocation back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    /// Its JITDylib, when that is closed.
    Dylib,
    /// A tracker, when it is removed.
    Tracker(TrackerId),
    /// The last of its users: its tracker was removed.
    Users,
    /// The same once no thread can be in it.
    Retired,
}

impl Owner {
    pub(crate) fn tracker(self) -> Option<TrackerId> {
        match self {
            Self::Tracker(tracker) => Some(tracker),
            _ => None,
        }
    }
}

/// The numbers of an allocation's bytes for certain purposes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Bytes {
    /// Those of unwind tables.
    pub(crate) unwind: u64,
    /// Those of stubs and table entries that the linker has made.
    pub(crate) stubs: u64,
    /// Those that each thread may have to have.
    pub(crate) thread_local: u64,
}

/// Thread-local storage of an allocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tls {
    pub(crate) id: TlsId,
    /// The number that addresses of its variables have, and their offsets.
    pub(crate) module: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// Finalized memory with all that is registered for it.
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) dylib: DylibId,
    pub(crate) owner: Owner,
    pub(crate) part: Part,
    /// One range per segment, empty ones included.
    pub(crate) segments: [ExecRange; 3],
    pub(crate) tls: Option<Tls>,
    pub(crate) bytes: Bytes,
    /// The allocations that its code is bound to.
    pub(crate) uses: Vec<AllocationId>,
    /// The allocations whose code is bound to it; of each the first object that was found to be.
    pub(crate) users: Vec<(AllocationId, ObjectId)>,
    /// Host functions of its tracker, once that was removed: code that stays may call them.
    pub(crate) keeps: Vec<Keeps>,
}

/// Host functions that go when nobody can call them any more: they are the user's, so they are dropped with nothing locked.
pub(crate) type Keeps = Arc<Vec<HostCallback>>;

impl Allocation {
    fn size(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size()).sum()
    }
}

/// The memory of all linked code of a session.
#[derive(Debug, Default)]
pub(crate) struct Allocations {
    by_id: HashMap<AllocationId, Allocation, FixedState>,
    by_dylib: BTreeSet<(DylibId, AllocationId)>,
    /// Start of each segment, with its end.
    by_start: BTreeMap<ExecAddr, (ExecAddr, AllocationId)>,
    /// Module and start of thread-local storage, with its end.
    by_module: BTreeMap<(u64, u64), (u64, AllocationId)>,
    /// Of code and data.
    bytes: u64,
}

impl Allocations {
    pub(crate) fn get(&self, id: AllocationId) -> Option<&Allocation> {
        self.by_id.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (AllocationId, &Allocation)> {
        self.by_id.iter().map(|(&id, allocation)| (id, allocation))
    }

    /// Those of a JITDylib, in the order of allocation.
    pub(crate) fn in_dylib(&self, dylib: DylibId) -> impl Iterator<Item = (AllocationId, &Allocation)> {
        let range = self.by_dylib.range((dylib, AllocationId(0))..=(dylib, AllocationId(u64::MAX)));
        range.filter_map(|&(_, id)| Some((id, self.by_id.get(&id)?)))
    }

    /// The allocation that an address is in.
    pub(crate) fn at(&self, address: ExecAddr) -> Option<AllocationId> {
        let (_, &(end, id)) = self.by_start.range(..=address).next_back()?;
        (address < end).then_some(id)
    }

    /// The allocation that a thread-local variable is in.
    pub(crate) fn at_thread_local(&self, module: u64, offset: u64) -> Option<AllocationId> {
        let (&(found, _), &(end, id)) = self.by_module.range(..=(module, offset)).next_back()?;
        (found == module && offset < end).then_some(id)
    }

    /// Bytes of code and data.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives allocations to an owner.
    pub(super) fn give(&mut self, ids: &[AllocationId], owner: Owner) {
        for id in ids {
            if let Some(allocation) = self.by_id.get_mut(id) {
                allocation.owner = owner;
            }
        }
    }

    /// The allocation that has what a reference was bound to, if a batch before has linked that.
    pub(crate) fn bound(&self, binding: Binding) -> Option<AllocationId> {
        match binding {
            Binding::Linked(address) => self.at(address),
            Binding::LinkedThreadLocal(address) => self.at_thread_local(address.module, address.offset),
            _ => None,
        }
    }

    /// Enters an allocation.
    pub(super) fn insert(&mut self, id: AllocationId, allocation: Allocation) {
        for segment in allocation.segments.iter().filter(|segment| segment.size() > 0) {
            self.by_start.insert(segment.start, (segment.end, id));
        }
        if let Some(tls) = allocation.tls {
            self.by_module.insert((tls.module, tls.start), (tls.end, id));
        }
        self.bytes += allocation.size();
        self.by_dylib.insert((allocation.dylib, id));
        self.by_id.insert(id, allocation);
    }

    /// Notes what an allocation is bound to, and which of its objects is.
    pub(super) fn connect(&mut self, id: AllocationId, uses: impl Iterator<Item = (AllocationId, ObjectId)>) {
        let mut used = Vec::new();
        for (other, by) in uses {
            let Some(allocation) = self.by_id.get_mut(&other) else { continue };
            allocation.users.push((id, by));
            used.push(other);
        }
        if let Some(allocation) = self.by_id.get_mut(&id) {
            allocation.uses = used;
        }
    }

    /// Notes that what a tracker owns needs one another, as nobody did while the tracker had it: others may use a part.
    pub(super) fn bind_to_each_other(&mut self, allocations: &[AllocationId], by: ObjectId) {
        let is_own = |id: &AllocationId| self.by_id.get(id).is_some_and(|allocation| allocation.part != Part::Shared);
        let own: Vec<_> = allocations.iter().copied().filter(is_own).collect();
        for (one, next) in own.iter().zip(own.iter().cycle().skip(1)).filter(|(one, next)| one != next) {
            if let Some(allocation) = self.by_id.get_mut(one) {
                allocation.uses.push(*next);
            }
            if let Some(allocation) = self.by_id.get_mut(next) {
                allocation.users.push((*one, by));
            }
        }
    }

    /// Has what a tracker owned keep its host functions: the last of `allocations` that goes drops them.
    pub(super) fn keep(&mut self, allocations: &[AllocationId], functions: Vec<HostCallback>) -> Option<Keeps> {
        let keeps = (!functions.is_empty()).then(|| Keeps::new(functions))?;
        for id in allocations {
            if let Some(allocation) = self.by_id.get_mut(id) {
                allocation.keeps.push(keeps.clone());
            }
        }
        Some(keeps)
    }

    /// Takes an allocation out that is to be given back.
    pub(super) fn remove(&mut self, id: AllocationId) -> Option<Allocation> {
        let allocation = self.by_id.remove(&id)?;
        self.by_dylib.remove(&(allocation.dylib, id));
        for segment in allocation.segments.iter().filter(|segment| segment.size() > 0) {
            self.by_start.remove(&segment.start);
        }
        if let Some(tls) = allocation.tls {
            self.by_module.remove(&(tls.module, tls.start));
        }
        self.bytes -= allocation.size();
        for used in &allocation.uses {
            if let Some(used) = self.by_id.get_mut(used) {
                used.users.retain(|&(user, _)| user != id);
            }
        }
        Some(allocation)
    }

    /// Those of `allocations`, and of what they use, that nobody owns or uses any more, but perhaps one another. In the
    /// order of allocation.
    pub(super) fn unused(&self, allocations: &[AllocationId]) -> Vec<AllocationId> {
        let (mut found, mut pending) = (HashSet::<AllocationId, FixedState>::default(), allocations.to_vec());
        while let Some(id) = pending.pop() {
            if let Some(allocation) = self.by_id.get(&id).filter(|allocation| allocation.owner == Owner::Users)
                && found.insert(id)
            {
                pending.extend(&allocation.uses);
            }
        }
        let is_used = |id: &AllocationId| {
            self.by_id.get(id).is_some_and(|allocation| allocation.users.iter().any(|(user, _)| !found.contains(user)))
        };
        let mut used: Vec<_> = found.iter().copied().filter(is_used).collect();
        while let Some(id) = used.pop() {
            if found.remove(&id) {
                used.extend(self.by_id.get(&id).map(|allocation| allocation.uses.as_slice()).unwrap_or_default());
            }
        }
        let mut unused: Vec<_> = found.into_iter().collect();
        unused.sort_unstable();
        unused
    }

    /// Finds whose code is bound to an allocation that `trackers` own, and stays when these are removed: its trackers, if
    /// somebody still has it, and objects. Users that nobody owns any more stand for theirs.
    pub(crate) fn other_users(&self, id: AllocationId, trackers: &[TrackerId]) -> Vec<(Option<TrackerId>, ObjectId)> {
        let (mut found, mut seen, mut pending) = (Vec::new(), vec![id], vec![id]);
        while let Some(next) = pending.pop() {
            for &(id, object) in self.by_id.get(&next).map(|allocation| allocation.users.as_slice()).unwrap_or_default()
            {
                let Some(user) = self.by_id.get(&id) else { continue };
                match user.owner {
                    Owner::Tracker(tracker) if !trackers.contains(&tracker) => found.push((Some(tracker), object)),
                    Owner::Tracker(_) if user.part == Part::Own => {}
                    Owner::Retired => found.push((None, object)),
                    // If it has users itself, it stays.
                    Owner::Tracker(_) | Owner::Users if !seen.contains(&id) => {
                        seen.push(id);
                        pending.push(id);
                    }
                    _ => {}
                }
            }
        }
        found
    }
}
