//! Lazy functions by the numbers of their trampolines, and the session's part in linking them when they are called.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use linkjit_executor::{AllocationId, ExecAddr, ExecRange, Executor, Jump, ReentryId};
use linkjit_link::names::NameId;

use super::removal::Unlinked;
use super::{DefinedBy, DylibId, ObjectId, State, TrackerId, lock};
use crate::error::{Error, Result};
use crate::names::demangle;

/// A function was called that could not be linked.
#[derive(Debug)]
#[non_exhaustive]
pub struct LazyFailure {
    /// The name that it was to be linked for; empty if it was removed, so that nobody knows any more.
    pub name: String,
    /// Why it could not.
    pub error: Error,
}

impl fmt::Display for LazyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => write!(f, "a lazy function was called that can't be linked: {}", self.error),
            name => write!(f, "'{}' was called, but can't be linked: {}", demangle(name), self.error),
        }
    }
}

/// Says where a call goes on whose function can't be linked: at a function that can be called in its place. Without
/// one, the process ends.
pub type LazyFailureHandler = dyn Fn(&LazyFailure) -> Option<ExecAddr> + Send + Sync;

/// The session's entrance for calls that come back to it.
#[derive(Default)]
pub(crate) struct Reentry {
    /// Opened when the first trampoline is made.
    pub(crate) id: Mutex<Option<ReentryId>>,
    pub(crate) handler: Mutex<Option<Arc<LazyFailureHandler>>>,
}

impl Reentry {
    /// Its locks.
    pub(crate) fn locks(&self) -> (&Mutex<Option<ReentryId>>, &Mutex<Option<Arc<LazyFailureHandler>>>) {
        (&self.id, &self.handler)
    }

    /// Nothing is linked for calls any more.
    pub(crate) fn close(&self, executor: &dyn Executor) {
        if let Some(reentry) = lock(&self.id).take() {
            // It was open: there is nothing to fail at.
            let _closed = executor.close_reentry(reentry);
        }
    }
}

/// A function that is linked when it is first called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LazyFunction {
    /// The JITDylib of its stub, its name there, and that of the slot.
    pub(crate) dylib: DylibId,
    pub(crate) name: NameId,
    pub(crate) slot: NameId,
    /// The function that it stands for: a name, searched in the link order of a JITDylib.
    pub(crate) target: (DylibId, NameId),
    pub(crate) linked: Option<Linked>,
}

/// A function that was called and linked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linked {
    slot: ExecAddr,
    /// The trampoline, which the slot held at first.
    pub(crate) trampoline: ExecAddr,
    /// The memory that the slot leads to.
    implementation: AllocationId,
}

impl Linked {
    /// Has the function linked anew when it is called next.
    pub(crate) fn unlinked(self) -> Jump {
        Jump { slot: self.slot, to: self.trampoline }
    }
}

/// A lazy function whose slot is to lead elsewhere: to an implementation, in memory that may go, or to its trampoline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LazyJump {
    pub(crate) number: u32,
    pub(crate) jump: Jump,
    pub(crate) implementation: Option<AllocationId>,
}

/// The lazy functions of a session, by the numbers of their trampolines. No number is used twice.
#[derive(Debug, Default)]
pub(crate) struct LazyFunctions {
    /// By the first number of an object of stubs.
    objects: BTreeMap<u32, (ObjectId, Vec<LazyFunction>)>,
    firsts: BTreeMap<ObjectId, u32>,
    /// The functions that were linked, by the memory of their implementation.
    linked: BTreeMap<AllocationId, BTreeSet<u32>>,
    /// By their slots: those that were linked and then forgotten, though others may still use their stubs.
    forgotten: BTreeMap<ExecAddr, Linked>,
    made: u32,
}

impl LazyFunctions {
    /// Numbers for trampolines: the first of them.
    pub(super) fn reserve(&mut self, count: usize) -> Result<u32> {
        let first = self.made;
        let end = u32::try_from(count).ok().and_then(|count| first.checked_add(count));
        self.made = end.ok_or_else(|| Error::unsupported("more than 2^32 lazy functions are not supported"))?;
        Ok(first)
    }

    /// Has numbers go on where others end.
    pub(super) fn continue_numbers(&mut self, old: &Self) {
        self.made = old.made;
    }

    pub(crate) fn get(&self, number: u32) -> Option<LazyFunction> {
        let (first, (_, functions)) = self.objects.range(..=number).next_back()?;
        functions.get((number - first) as usize).copied()
    }

    /// Says whether there are any.
    pub(crate) fn has_any(&self) -> bool {
        !self.objects.is_empty()
    }

    /// The function of a name that an object of stubs stands for.
    pub(crate) fn callee(&self, object: ObjectId, name: NameId) -> Option<LazyCallee> {
        let &first = self.firsts.get(&object)?;
        let (_, functions) = self.objects.get(&first)?;
        let (number, function) = (first..).zip(functions).find(|(_, function)| function.name == name)?;
        Some(LazyCallee { number, target: function.target })
    }

    /// The numbers of the functions of an object of stubs that were not linked yet.
    pub(super) fn unlinked_of(&self, object: ObjectId) -> impl Iterator<Item = (u32, LazyFunction)> {
        let functions = self.firsts.get(&object).and_then(|first| Some((*first, &self.objects.get(first)?.1)));
        let numbered = functions.into_iter().flat_map(|(first, functions)| (first..).zip(functions));
        numbered.map(|(number, function)| (number, *function)).filter(|(_, function)| function.linked.is_none())
    }

    pub(super) fn insert(&mut self, first: u32, object: ObjectId, functions: Vec<LazyFunction>) {
        self.objects.insert(first, (object, functions));
        self.firsts.insert(object, first);
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut LazyFunction> {
        let (first, (_, functions)) = self.objects.range_mut(..=number).next_back()?;
        functions.get_mut((number - first) as usize)
    }

    /// Notes that the slot of a function holds what `implementation` has, and held `before`.
    pub(super) fn note(&mut self, number: u32, slot: ExecAddr, before: ExecAddr, implementation: AllocationId) {
        let Some(function) = self.get_mut(number) else { return };
        let trampoline = function.linked.map_or(before, |linked| linked.trampoline);
        let old = function.linked.replace(Linked { slot, trampoline, implementation });
        if let Some(old) = old.filter(|old| old.implementation != implementation) {
            self.forget_linked(old.implementation, number);
        }
        self.linked.entry(implementation).or_default().insert(number);
    }

    fn forget_linked(&mut self, implementation: AllocationId, number: u32) {
        if let Entry::Occupied(mut numbers) = self.linked.entry(implementation) {
            numbers.get_mut().remove(&number);
            if numbers.get().is_empty() {
                numbers.remove();
            }
        }
    }

    /// The slots of functions that are implemented in memory that goes, with their trampolines. Not those of forgotten
    /// ones that are in other memory which goes and is `tied` to that: told slot and implementation, it says which it
    /// is.
    pub(super) fn unlink(
        &mut self,
        allocations: &[AllocationId],
        tied: impl Fn(ExecAddr, AllocationId) -> Option<AllocationId>,
    ) -> Unlinked {
        let numbers = allocations.iter().filter_map(|id| self.linked.remove(id)).flatten().collect::<Vec<_>>();
        let linked = |number| self.get(number)?.linked;
        let linked: Vec<_> = numbers.into_iter().filter_map(linked).collect();
        let mut unlinked: Unlinked = linked.into_iter().map(Linked::unlinked).collect();
        if !self.forgotten.is_empty() {
            let leaving: BTreeSet<_> = allocations.iter().copied().collect();
            let forgotten = self.forgotten.extract_if(.., |&slot, Linked { implementation, .. }| {
                let slot_leaves = || tied(slot, *implementation).is_some_and(|id| leaving.contains(&id));
                leaving.contains(implementation) && !slot_leaves()
            });
            unlinked.extend(forgotten.map(|(_, linked)| linked.unlinked()));
        }
        unlinked
    }

    /// Notes that memory goes, which may have slots.
    pub(super) fn forget_slots(&mut self, segments: &[ExecRange]) {
        for segment in segments {
            self.forgotten.extract_if(segment.start..segment.end, |_, _| true).for_each(drop);
        }
    }

    /// Forgets the functions of an object of stubs.
    pub(super) fn forget(&mut self, object: ObjectId) {
        let Some(first) = self.firsts.remove(&object) else { return };
        let Some((_, functions)) = self.objects.remove(&first) else { return };
        for (number, function) in (first..).zip(functions) {
            if let Some(linked) = function.linked {
                self.forget_linked(linked.implementation, number);
                self.forgotten.insert(linked.slot, linked);
            }
        }
    }
}

/// A lazy function that is to be linked before it is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LazyCallee {
    /// The number of its trampoline.
    pub(crate) number: u32,
    /// The function that it stands for: a name, searched in the link order of a JITDylib.
    pub(crate) target: (DylibId, NameId),
}

impl State {
    /// The lazy functions of a tracker's stubs that are linked, though the functions are not. Not those of objects of which
    /// nothing was linked: no code of such an object runs, nor are there terminators of it.
    pub(crate) fn callable(&self, tracker: TrackerId) -> Vec<(u32, LazyFunction)> {
        let objects = self.trackers.get(&tracker).map(|tracker| &tracker.objects);
        let unlinked = objects.into_iter().flatten().flat_map(|&object| self.lazy.unlinked_of(object));
        let is_linked = |dylib, name| self.entry(dylib, name).is_some_and(|entry| entry.address.is_some());
        let has_started = |(dylib, name): (DylibId, NameId)| match self.find_entry(dylib, name).map(|entry| entry.by) {
            Some(DefinedBy::Object(object, _)) => self.objects.get(&object).is_some_and(|object| object.started),
            _ => true,
        };
        let is_callable = |(_, function): &(u32, LazyFunction)| {
            is_linked(function.dylib, function.slot) && has_started(function.target)
        };
        unlinked.filter(is_callable).collect()
    }

    /// Finds where the stub of a function that is linked has to jump: to what a name of its JITDylib stands for now; to its
    /// trampoline if that is not linked.
    pub(crate) fn lazy_jump(&self, dylib: DylibId, number: u32, implementation: NameId) -> Option<LazyJump> {
        self.lazy_jump_to(number, implementation, |name| self.entry(dylib, name)?.plain_address())
    }

    /// The same, where `address` says where names of the JITDylib are.
    pub(crate) fn lazy_jump_to(
        &self,
        number: u32,
        implementation: NameId,
        address: impl Fn(NameId) -> Option<ExecAddr>,
    ) -> Option<LazyJump> {
        let function = self.lazy.get(number)?;
        let slot = address(function.slot)?;
        let (to, implementation) = match address(implementation) {
            Some(to) => (to, self.allocations.at(to)),
            None => (function.linked?.trampoline, None),
        };
        Some(LazyJump { number, jump: Jump { slot, to }, implementation })
    }

    /// Numbers for trampolines: the first of them.
    pub(crate) fn reserve_lazy(&mut self, count: usize) -> Result<u32> {
        self.lazy.reserve(count)
    }

    /// Enters the functions that an object of stubs stands for.
    pub(crate) fn define_lazy(&mut self, first: u32, object: ObjectId, functions: Vec<LazyFunction>) {
        self.lazy.insert(first, object, functions);
    }

    /// The lazy functions.
    pub(crate) fn lazy(&self) -> &LazyFunctions {
        &self.lazy
    }

    /// Notes slots that were made to lead elsewhere, and what they held before: to memory that may be in the tables only
    /// now.
    pub(crate) fn note_lazy(&mut self, jumps: impl IntoIterator<Item = (LazyJump, ExecAddr)>) {
        for (LazyJump { number, jump, .. }, before) in jumps {
            if let Some(implementation) = self.allocations.at(jump.to) {
                self.lazy.note(number, jump.slot, before, implementation);
            }
        }
    }
}
