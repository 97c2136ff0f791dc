//! What a session is to do, without code: who is bound to whom, who may be removed, what functions return.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use linkjit::Error;

use crate::objects::Function;

/// What a call returns of which the function can't be linked.
pub(crate) const FAILED: i32 = -1_000_000;

/// What a name or a reference is bound to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    Object(usize),
    Stub(usize),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    Is(Target),
    Alias(usize, usize),
}

/// An object with one function.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) dylib: usize,
    pub(crate) tracker: usize,
    pub(crate) value: i32,
    pub(crate) callee: Option<usize>,
    /// Which variable it counts its calls with.
    pub(crate) counter: Option<usize>,
    /// It has an inline function, of which all JITDylibs that search each other use one.
    pub(crate) inline: bool,
    /// The object whose copy of it is called, once that was seen: which one that is for all is no matter of the model.
    pub(crate) copy: Option<usize>,
    /// If it is linked, what its call is bound to.
    pub(crate) bound: Option<Option<Target>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Implementation {
    Object(usize),
    Reexport(usize, usize),
}

#[derive(Debug)]
pub(crate) struct Stub {
    pub(crate) tracker: usize,
    pub(crate) implementation: Implementation,
    pub(crate) is_linked: bool,
    pub(crate) slot: Option<Target>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Alive,
    /// Nobody can go back to it: to be retired.
    Superseded,
    /// Retired, and waits for guards.
    Waiting,
    /// Retired, and used by others.
    Kept,
    Gone,
}

#[derive(Debug)]
pub(crate) struct Tracker {
    pub(crate) dylib: usize,
    pub(crate) state: State,
}

#[derive(Debug, Default)]
pub(crate) struct Dylib {
    pub(crate) is_open: bool,
    pub(crate) names: BTreeMap<usize, Entry>,
    pub(crate) order: Vec<usize>,
    /// Those that it has ever searched.
    pub(crate) searched: BTreeSet<usize>,
    /// By rank: the stub and the present object.
    pub(crate) updatable: BTreeMap<usize, (usize, usize)>,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) dylibs: Vec<Dylib>,
    pub(crate) objects: Vec<Object>,
    pub(crate) stubs: Vec<Stub>,
    pub(crate) trackers: Vec<Tracker>,
    pub(crate) counters: Vec<i32>,
    /// The trackers that have these variables: they pass from generation to generation.
    pub(crate) counters_of: Vec<usize>,
    /// The epoch, and that of the guard.
    pub(crate) epoch: u64,
    pub(crate) guard: Option<u64>,
    /// The objects whose functions have called the inline function, in their order, since somebody looked.
    pub(crate) callers: Vec<usize>,
    /// What waits, with the epoch in which it was retired.
    pub(crate) waiting: VecDeque<(usize, u64)>,
}

/// Why something is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    Undefined,
    Duplicate,
    InUse,
    Superseded,
    Other,
}

pub(crate) fn refusal(error: &Error) -> Refusal {
    match error {
        Error::Undefined { .. } => Refusal::Undefined,
        Error::Duplicate { .. } => Refusal::Duplicate,
        Error::InUse { .. } => Refusal::InUse,
        Error::Superseded { .. } => Refusal::Superseded,
        _ => Refusal::Other,
    }
}

impl Model {
    pub(crate) fn tracker(&mut self, dylib: usize) -> usize {
        self.trackers.push(Tracker { dylib, state: State::Alive });
        self.trackers.len() - 1
    }

    pub(crate) fn object(&mut self, dylib: usize, tracker: usize, value: i32, function: Function) -> usize {
        let counter = function.counts.then_some(self.counters.len());
        self.counters.extend(counter.map(|_| 0));
        self.counters_of.extend(counter.map(|_| tracker));
        let Function { callee, inline, .. } = function;
        self.objects.push(Object { dylib, tracker, value, callee, counter, inline, copy: None, bound: None });
        self.objects.len() - 1
    }

    pub(crate) fn stub(&mut self, tracker: usize, implementation: Implementation) -> usize {
        self.stubs.push(Stub { tracker, implementation, is_linked: false, slot: None });
        self.stubs.len() - 1
    }

    pub(crate) fn tracker_of(&self, target: Target) -> usize {
        match target {
            Target::Object(at) => self.objects[at].tracker,
            Target::Stub(at) => self.stubs[at].tracker,
        }
    }

    pub(crate) fn is_duplicate(&self, dylib: usize, rank: usize) -> bool {
        self.dylibs[dylib].names.contains_key(&rank)
    }

    pub(crate) fn resolve(&self, dylib: usize, rank: usize) -> Option<Target> {
        let order = self.dylibs[dylib].order.iter().filter(|other| self.dylibs[**other].is_open);
        if !self.dylibs[dylib].is_open {
            return None;
        }
        match *order.filter_map(|&other| self.dylibs[other].names.get(&rank)).next()? {
            Entry::Is(target) => Some(target),
            Entry::Alias(dylib, rank) => self.resolve(dylib, rank),
        }
    }

    /// Links what a target needs, all or nothing.
    pub(crate) fn link(&mut self, targets: &[Target]) -> Result<(), Refusal> {
        let (mut pending, mut bound) = (targets.to_vec(), BTreeMap::new());
        let mut stubs = Vec::new();
        while let Some(target) = pending.pop() {
            match target {
                Target::Stub(at) => stubs.push(at),
                Target::Object(at) => {
                    let object = &self.objects[at];
                    if object.bound.is_none() && !bound.contains_key(&at) {
                        let callee = match object.callee {
                            Some(rank) => Some(self.resolve(object.dylib, rank).ok_or(Refusal::Undefined)?),
                            None => None,
                        };
                        bound.insert(at, callee);
                        pending.extend(callee);
                    }
                }
            }
        }
        stubs.into_iter().for_each(|at| self.stubs[at].is_linked = true);
        bound.into_iter().for_each(|(at, callee)| self.objects[at].bound = Some(callee));
        Ok(())
    }

    pub(crate) fn call(&mut self, target: Target) -> i32 {
        match target {
            Target::Object(at) => {
                let callee = self.objects[at].bound.expect("what is called is linked");
                let called = callee.map_or(0, |callee| self.call(callee));
                self.callers.extend(Some(at).filter(|_| self.objects[at].inline));
                let count = self.objects[at].counter.map_or(0, |counter| {
                    self.counters[counter] += 1;
                    self.counters[counter]
                });
                called.wrapping_add(self.objects[at].value + count)
            }
            Target::Stub(at) => {
                if let Some(target) = self.stubs[at].slot {
                    return self.call(target);
                }
                if matches!(self.trackers[self.stubs[at].tracker].state, State::Waiting | State::Kept) {
                    return FAILED;
                }
                let found = match self.stubs[at].implementation {
                    Implementation::Object(at) => Some(Target::Object(at)),
                    Implementation::Reexport(dylib, rank) => self.resolve(dylib, rank),
                };
                match found.filter(|&found| self.link(&[found]).is_ok()) {
                    Some(found) => {
                        self.stubs[at].slot = Some(found);
                        self.call(found)
                    }
                    None => FAILED,
                }
            }
        }
    }

    /// Whether a tracker's code is there for its own sake.
    pub(crate) fn is_standing(&self, tracker: usize, besides: &[usize]) -> bool {
        match self.trackers[tracker].state {
            State::Alive | State::Superseded => !besides.contains(&tracker),
            State::Waiting => true,
            State::Kept | State::Gone => false,
        }
    }

    /// The trackers that linked code of these is bound to, directly or by way of what is kept for it.
    pub(crate) fn used_by(&self, from: impl Fn(usize) -> bool) -> BTreeSet<usize> {
        let mut used = BTreeSet::new();
        loop {
            let before = used.len();
            for object in &self.objects {
                let Some(callee) = object.bound else { continue };
                let user = object.tracker;
                let counts = match self.trackers[user].state {
                    State::Gone => false,
                    State::Kept => used.contains(&user),
                    _ => from(user),
                };
                // A part of retired code that others still use keeps all of it.
                let variable = object.counter.map(|counter| self.counters_of[counter]);
                let variable = variable.filter(|owner| self.trackers[*owner].state == State::Kept);
                let targets = callee.map(|callee| self.tracker_of(callee)).into_iter().chain(variable);
                used.extend(targets.filter(|target| counts && *target != user));
            }
            if used.len() == before {
                return used;
            }
        }
    }

    pub(crate) fn is_in_use(&self, trackers: &[usize]) -> bool {
        let used = self.used_by(|tracker| self.is_standing(tracker, trackers));
        trackers.iter().any(|tracker| used.contains(tracker))
    }

    /// Removes a tracker with all that use it; returns those.
    pub(crate) fn remove_with_users(&mut self, tracker: usize) -> Result<Vec<usize>, Refusal> {
        self.reclaim();
        let mut all = vec![tracker];
        while self.is_in_use(&all) {
            let is_user = |user: &usize| {
                matches!(self.trackers[*user].state, State::Alive | State::Superseded)
                    && !all.contains(user)
                    && self.used_by(|from| from == *user).iter().any(|used| all.contains(used))
            };
            let mut users: Vec<_> = (0..self.trackers.len()).filter(is_user).collect();
            for dylib in &self.dylibs {
                for &(stub, object) in dylib.updatable.values() {
                    let (stubs, current) = (self.stubs[stub].tracker, self.objects[object].tracker);
                    if users.contains(&current) && !users.contains(&stubs) && !all.contains(&stubs) {
                        users.push(stubs);
                    }
                }
            }
            if users.is_empty() {
                return Err(Refusal::InUse);
            }
            all.extend(users);
        }
        self.remove(&all)?;
        for dylib in &mut self.dylibs {
            dylib.updatable.retain(|_, (stub, _)| self.trackers[self.stubs[*stub].tracker].state != State::Gone);
        }
        Ok(all.split_off(1))
    }

    /// What is left when others are gone.
    pub(crate) fn settle(&mut self) {
        let used = self.used_by(|tracker| self.is_standing(tracker, &[]));
        for (at, tracker) in self.trackers.iter_mut().enumerate() {
            if tracker.state == State::Kept && !used.contains(&at) {
                tracker.state = State::Gone;
            }
        }
    }

    /// Takes trackers out of the tables.
    pub(crate) fn detach(&mut self, trackers: &[usize], state: State) {
        for &tracker in trackers {
            self.trackers[tracker].state = state;
        }
        let owner: Vec<_> =
            (0..self.stubs.len()).map(|at| self.stubs[at].slot.map(|slot| self.tracker_of(slot))).collect();
        for (stub, owner) in self.stubs.iter_mut().zip(owner) {
            // Stubs that go with their function still lead there.
            if owner.is_some_and(|owner| trackers.contains(&owner)) && !trackers.contains(&stub.tracker) {
                stub.slot = None;
            }
        }
        let gone = |target: &Target, model: &Self| trackers.contains(&model.tracker_of(*target));
        for at in 0..self.dylibs.len() {
            let names = std::mem::take(&mut self.dylibs[at].names);
            let stays = |(_, entry): &(usize, Entry)| !matches!(entry, Entry::Is(target) if gone(target, self));
            self.dylibs[at].names = names.into_iter().filter(stays).collect();
        }
    }

    pub(crate) fn retire(&mut self, tracker: usize) {
        self.detach(&[tracker], State::Waiting);
        self.waiting.push_back((tracker, self.epoch));
    }

    /// As `session/epoch.rs` says.
    pub(crate) fn has_passed(&mut self, retired: u64) -> bool {
        loop {
            if self.guard.is_some_and(|guard| guard + 1 == self.epoch) {
                return self.epoch > retired + 1;
            }
            if self.epoch > retired {
                return true;
            }
            self.epoch += 1;
        }
    }

    pub(crate) fn reclaim(&mut self) {
        for at in 0..self.trackers.len() {
            if self.trackers[at].state == State::Superseded {
                self.retire(at);
            }
        }
        while let Some(&(tracker, epoch)) = self.waiting.front()
            && self.has_passed(epoch)
        {
            self.waiting.pop_front();
            self.trackers[tracker].state = State::Kept;
        }
        self.settle();
    }

    pub(crate) fn remove(&mut self, trackers: &[usize]) -> Result<(), Refusal> {
        self.reclaim();
        if self.is_in_use(trackers) {
            return Err(Refusal::InUse);
        }
        self.detach(trackers, State::Gone);
        self.settle();
        Ok(())
    }

    pub(crate) fn close(&mut self, dylib: usize) -> Result<(), Refusal> {
        let is_here = |tracker: usize| self.trackers[tracker].dylib == dylib;
        let is_user = |object: &&Object| {
            matches!(object.bound, Some(Some(target)) if is_here(self.tracker_of(target)))
                && !is_here(object.tracker)
                && self.trackers[object.tracker].state != State::Gone
        };
        if self.objects.iter().any(|object| is_user(&object)) {
            return Err(Refusal::InUse);
        }
        let trackers: Vec<_> = (0..self.trackers.len()).filter(|&tracker| is_here(tracker)).collect();
        self.waiting.retain(|(tracker, _)| !trackers.contains(tracker));
        self.detach(&trackers, State::Gone);
        self.dylibs[dylib].is_open = false;
        self.dylibs[dylib].names.clear();
        self.settle();
        Ok(())
    }

    /// Notes whose copies of the inline function were called: an object that is linked keeps its own.
    pub(crate) fn note_copies(&mut self, values: &[i32]) {
        let callers = std::mem::take(&mut self.callers);
        assert_eq!(callers.len(), values.len());
        for (caller, value) in callers.into_iter().zip(values) {
            let copy = self.objects.iter().position(|object| object.inline && object.value == *value);
            let copy = copy.expect("a copy is some object's");
            let (from, to) = (self.objects[caller].dylib, self.objects[copy].dylib);
            assert!(self.searches(from, to), "d{from} does not search d{to}");
            assert!(self.dylibs[to].is_open, "d{to} is closed");
            assert_eq!(*self.objects[caller].copy.get_or_insert(copy), copy, "the copy of {caller}");
        }
    }

    /// Whether linked code of others is bound to a copy of the inline function of a JITDylib; nothing if that may be, but was
    /// not seen.
    pub(crate) fn shares_inline(&self, dylib: usize) -> Option<bool> {
        let is_linked = |object: &&Object| {
            let is_there = self.trackers[object.tracker].state != State::Gone;
            object.inline && object.bound.is_some() && is_there && object.dylib != dylib
        };
        let others = || self.objects.iter().filter(is_linked);
        if others().any(|object| object.copy.is_some_and(|copy| self.objects[copy].dylib == dylib)) {
            return Some(true);
        }
        let has_inline = self.objects.iter().any(|object| object.inline && object.dylib == dylib);
        let may_share = others().any(|object| object.copy.is_none() && self.searches(object.dylib, dylib));
        (!has_inline || !may_share).then_some(false)
    }

    /// Whether a JITDylib has ever searched another, or one that did.
    fn searches(&self, from: usize, to: usize) -> bool {
        let (mut pending, mut seen) = (vec![from], BTreeSet::new());
        while let Some(at) = pending.pop() {
            if seen.insert(at) {
                pending.extend(&self.dylibs[at].searched);
            }
        }
        seen.contains(&to)
    }

    /// Whether a JITDylib has objects, of which something may be linked: inline code for others.
    pub(crate) fn has_objects(&self, dylib: usize) -> bool {
        let is_here = |tracker: usize| {
            let tracker = &self.trackers[tracker];
            tracker.dylib == dylib && tracker.state != State::Gone
        };
        let mut owners =
            self.objects.iter().map(|object| object.tracker).chain(self.stubs.iter().map(|stub| stub.tracker));
        owners.any(is_here)
    }

    /// Whether all stubs that a call goes by are there.
    pub(crate) fn can_be_called(&self, target: Target) -> bool {
        match target {
            Target::Object(at) => self.objects[at].bound.flatten().is_none_or(|callee| self.can_be_called(callee)),
            Target::Stub(at) => {
                matches!(self.trackers[self.stubs[at].tracker].state, State::Alive | State::Superseded)
                    && self.stubs[at].slot.is_none_or(|slot| self.can_be_called(slot))
            }
        }
    }
}
