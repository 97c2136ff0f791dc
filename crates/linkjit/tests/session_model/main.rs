//! Random sequences of what a session can do, beside a model of what must come of it: who is bound to whom, who may be
//! removed, what functions return. `LINKJIT_MODEL_SEEDS` says how many seeds (a few if it is not set),
//! `LINKJIT_MODEL_SEED` where to begin.
#![cfg(not(windows))]

#[path = "../assembly/mod.rs"]
mod assembly;
#[path = "../host/mod.rs"]
mod host;
mod model;
mod objects;
#[path = "../../../link/tests/support/random.rs"]
mod random;

use random::Random;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use assembly::{Workshop, call_at};
use linkjit::Source;
use linkjit::{ExecAddr, Generation, Guard, Jit, JitDylib, MatchScope, ResourceTracker};
use model::{Dylib, Entry, FAILED, Implementation, Model, Refusal, State, Target, refusal};
use objects::{Function, Objects, SEEN};

/// JITDylibs that are open at a time, and the names in each. Functions call those of lower ranks.
const DYLIBS: usize = 3;
const RANKS: usize = 6;

extern "C" fn failed() -> i32 {
    FAILED
}

/// A generation with the rank, the object before, and the one that it has made, of each object.
struct Made {
    generation: Generation,
    dylib: usize,
    replaced: Vec<(usize, usize, usize)>,
}

/// The session and the model beside it.
struct World<'a> {
    jit: &'a Jit,
    objects: &'a mut Objects,
    random: Random,
    model: Model,
    /// By the model's number.
    dylibs: Vec<JitDylib>,
    /// Those of the test, not of updatable objects.
    trackers: Vec<(usize, ResourceTracker)>,
    defaults: BTreeMap<usize, usize>,
    generations: Vec<Made>,
    guard: Option<Guard<'a>>,
    /// What was found since the guard was made.
    found: Vec<(ExecAddr, Target)>,
    log: Vec<String>,
    counts: BTreeMap<String, usize>,
    /// How many objects there have been.
    values: i32,
}

impl World<'_> {
    fn check<T>(&mut self, what: &str, result: linkjit::Result<T>, expected: Result<(), Refusal>) -> Option<T> {
        let outcome = result.as_ref().map(|_| ()).map_err(refusal);
        self.log.push(format!("{what}: {outcome:?}"));
        *self.counts.entry(format!("{} {outcome:?}", what.split(' ').next().unwrap())).or_default() += 1;
        let message = result.as_ref().err().map(ToString::to_string);
        assert_eq!(outcome, expected, "{what}: {message:?}\n{}", self.log.join("\n"));
        result.ok()
    }

    fn open_dylib(&mut self) {
        let at = self.model.dylibs.len();
        let dylib = self.jit.session().create_dylib(&format!("d{at}")).unwrap();
        dylib.define_absolute("seen", ExecAddr(SEEN.as_ptr() as u64)).unwrap();
        self.dylibs.push(dylib);
        self.model.dylibs.push(Dylib { is_open: true, order: vec![at], ..Dylib::default() });
        self.log.push(format!("open {at}"));
    }

    fn some_dylib(&mut self) -> usize {
        let open: Vec<_> = (0..self.dylibs.len()).filter(|&at| self.model.dylibs[at].is_open).collect();
        open[self.random.below(open.len())]
    }

    /// A tracker of a JITDylib: one that is there, a new one, or the default one.
    fn some_tracker(&mut self, dylib: usize) -> (usize, ResourceTracker) {
        match self.random.below(4) {
            0 => self.default_tracker(dylib),
            1 => {
                let tracker = (self.model.tracker(dylib), self.dylibs[dylib].create_tracker().unwrap());
                self.trackers.push(tracker.clone());
                tracker
            }
            _ => {
                let is_its = |(at, _): &&(usize, ResourceTracker)| {
                    let tracker = &self.model.trackers[*at];
                    tracker.dylib == dylib && tracker.state == State::Alive
                };
                let its: Vec<_> = self.trackers.iter().filter(is_its).cloned().collect();
                if its.is_empty() { self.default_tracker(dylib) } else { its[self.random.below(its.len())].clone() }
            }
        }
    }

    fn default_tracker(&mut self, dylib: usize) -> (usize, ResourceTracker) {
        let tracker = self.dylibs[dylib].default_tracker().unwrap();
        let known = self.defaults.get(&dylib).copied().filter(|&at| self.model.trackers[at].state == State::Alive);
        let at = known.unwrap_or_else(|| {
            let at = self.model.tracker(dylib);
            self.trackers.push((at, tracker.clone()));
            self.defaults.insert(dylib, at);
            at
        });
        (at, tracker)
    }

    fn some_object(&mut self, name: &str, rank: usize, tracker: Option<usize>) -> (Source, i32, Function) {
        let callee = if rank > 0 && self.random.below(3) > 0 { Some(self.random.below(rank)) } else { None };
        // Another one for each object.
        self.values += 1;
        let (value, inline) = (self.values, self.random.below(3) == 0);
        // The memory of default trackers is not divided: what others use of it they all use.
        let inline = inline && tracker.is_none_or(|tracker| !self.defaults.values().any(|&default| default == tracker));
        let function = Function { rank, callee, inline, counts: self.random.below(3) == 0 };
        self.log.push(format!("  {function:?}"));
        (self.objects.make(name, function, value), value, function)
    }

    fn step(&mut self) {
        let dylib = self.some_dylib();
        let rank = self.random.below(RANKS);
        match self.random.below(28) {
            0..=3 => self.add(dylib, rank),
            4..=6 => self.add_updatable(dylib, rank),
            7 => self.define_alias(dylib, rank),
            8 => self.define_lazy_reexport(dylib, rank),
            9..=14 => self.look_up_and_call(dylib, rank),
            15..=16 => self.remove_some(),
            17..=18 => self.retire(),
            19..=21 => self.update(dylib),
            22 => self.end_generation(),
            23 => self.set_link_order(dylib),
            24 => self.toggle_guard(),
            25 => {
                let left = self.jit.session().reclaim().unwrap();
                self.model.reclaim();
                self.log.push(format!("reclaim: {left}"));
                assert_eq!(left, self.model.waiting.len(), "\n{}", self.log.join("\n"));
                self.check_memory();
            }
            26 if self.random.below(2) == 0 => self.transfer(dylib),
            26 => self.remove_with_dependents(),
            _ => match self.random.below(4) {
                0 => self.close(dylib),
                1 => self.remove_updatable(dylib),
                _ => assert!(!self.dylibs[dylib].dump().is_empty()),
            },
        }
        self.call_again();
    }

    /// Where no object is any more, there is no code.
    fn check_memory(&self) {
        for (at, dylib) in self.dylibs.iter().enumerate().filter(|(at, _)| self.model.dylibs[*at].is_open) {
            if !self.model.has_objects(at) && self.model.shares_inline(at) == Some(false) {
                assert_eq!(dylib.memory().unwrap().code, 0, "d{at}\n{}\n{}", dylib.dump(), self.log.join("\n"));
            }
        }
    }

    fn expect_name(&self, dylib: usize, rank: usize) -> Result<(), Refusal> {
        if self.model.is_duplicate(dylib, rank) { Err(Refusal::Duplicate) } else { Ok(()) }
    }

    fn add(&mut self, dylib: usize, rank: usize) {
        let (tracker, handle) = self.some_tracker(dylib);
        let is_lazy = self.random.below(2) == 0;
        let (object, value, function) = self.some_object("object", rank, Some(tracker));
        let result = if is_lazy { handle.add_lazy_object(&object) } else { handle.add_object(&object) };
        let expected = self.expect_name(dylib, rank);
        let what = format!("add{} d{dylib} f{rank} t{tracker}", if is_lazy { "-lazy" } else { "" });
        if self.check(&what, result, expected).is_some() {
            let object = self.model.object(dylib, tracker, value, function);
            let target = if is_lazy {
                Target::Stub(self.model.stub(tracker, Implementation::Object(object)))
            } else {
                Target::Object(object)
            };
            self.model.dylibs[dylib].names.insert(rank, Entry::Is(target));
        }
    }

    fn add_updatable(&mut self, dylib: usize, rank: usize) {
        let name = format!("u{rank}");
        let (object, value, function) = self.some_object(&name, rank, None);
        let result = self.dylibs[dylib].add_updatable_object(&object);
        let is_there = self.model.dylibs[dylib].updatable.contains_key(&rank);
        let expected = if is_there { Err(Refusal::Other) } else { self.expect_name(dylib, rank) };
        if self.check(&format!("add-updatable d{dylib} f{rank}"), result, expected).is_some() {
            let trackers = [self.model.tracker(dylib), self.model.tracker(dylib)];
            let object = self.model.object(dylib, trackers[1], value, function);
            let stub = self.model.stub(trackers[0], Implementation::Object(object));
            self.model.dylibs[dylib].names.insert(rank, Entry::Is(Target::Stub(stub)));
            self.model.dylibs[dylib].updatable.insert(rank, (stub, object));
        }
    }

    fn define_alias(&mut self, dylib: usize, rank: usize) {
        let (other, target) = (self.some_dylib(), self.random.below(rank + 1));
        if target == rank {
            return;
        }
        let result = self.dylibs[dylib].reexport(format!("f{rank}"), &self.dylibs[other], format!("f{target}"));
        let expected = self.expect_name(dylib, rank);
        if self.check(&format!("alias d{dylib} f{rank} for d{other} f{target}"), result, expected).is_some() {
            self.model.dylibs[dylib].names.insert(rank, Entry::Alias(other, target));
        }
    }

    fn define_lazy_reexport(&mut self, dylib: usize, rank: usize) {
        let (other, target) = (self.some_dylib(), self.random.below(rank + 1));
        if target == rank {
            return;
        }
        let (tracker, _) = self.default_tracker(dylib);
        let names = [format!("f{rank}"), format!("f{target}")];
        let result = self.dylibs[dylib].lazy_reexports(&self.dylibs[other], &[(&names[0], &names[1])]);
        let expected = self.expect_name(dylib, rank);
        let what = format!("lazy-reexport d{dylib} f{rank} t{tracker} for d{other} f{target}");
        if self.check(&what, result, expected).is_some() {
            let stub = self.model.stub(tracker, Implementation::Reexport(other, target));
            self.model.dylibs[dylib].names.insert(rank, Entry::Is(Target::Stub(stub)));
        }
    }

    fn look_up_and_call(&mut self, dylib: usize, rank: usize) {
        let result = self.dylibs[dylib].link(&[&format!("f{rank}")]);
        let target = self.model.resolve(dylib, rank);
        let expected = target.ok_or(Refusal::Undefined).and_then(|target| self.model.link(&[target]));
        let found = self.check(&format!("lookup d{dylib} f{rank}"), result, expected);
        if let (Some(found), Some(target)) = (found, target) {
            self.found.push((found[0], target));
            self.call(found[0], target);
        }
    }

    fn call(&mut self, address: ExecAddr, target: Target) {
        self.log.push(format!("call {target:?}"));
        let value = call_at(address);
        let expected = self.model.call(target);
        assert_eq!(value, expected, "{target:?}\n{:#?}\n{}", self.model, self.log.join("\n"));
        let seen = SEEN[0].swap(0, Ordering::Relaxed) as usize;
        let seen: Vec<_> = SEEN[1..=seen].iter().map(|value| value.load(Ordering::Relaxed) as i32).collect();
        self.log.push(format!("  copies {seen:?} of {:?}", self.model.callers));
        let noted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.model.note_copies(&seen)));
        assert!(noted.is_ok(), "{}", self.log.join("\n"));
    }

    /// What was found under the present guard is still there.
    fn call_again(&mut self) {
        if self.guard.is_none() {
            self.found.clear();
        } else if self.random.below(4) == 0 && !self.found.is_empty() {
            let (address, target) = self.found[self.random.below(self.found.len())];
            if self.model.trackers[self.model.tracker_of(target)].state != State::Gone
                && self.model.can_be_called(target)
            {
                self.call(address, target);
            }
        }
    }

    fn live_trackers(&self) -> Vec<(usize, ResourceTracker)> {
        let is_alive = |(at, _): &&(usize, ResourceTracker)| self.model.trackers[*at].state == State::Alive;
        self.trackers.iter().filter(is_alive).cloned().collect()
    }

    fn remove_some(&mut self) {
        let all = self.live_trackers();
        if all.is_empty() {
            return;
        }
        let count = 1 + self.random.below(2);
        let some: BTreeMap<_, _> = (0..count).map(|_| all[self.random.below(all.len())].clone()).collect();
        let (numbers, handles): (Vec<_>, Vec<_>) = some.into_iter().unzip();
        // SAFETY: nobody is in the code; what was found of it is forgotten.
        let result = unsafe { ResourceTracker::remove_all(&handles) };
        let expected = self.model.remove(&numbers);
        self.check(&format!("remove {numbers:?}"), result, expected);
    }

    fn remove_with_dependents(&mut self) {
        let all = self.live_trackers();
        if all.is_empty() {
            return;
        }
        let (number, handle) = all[self.random.below(all.len())].clone();
        // SAFETY: nobody is in the code; what was found of it is forgotten.
        let result = unsafe { handle.remove_with_dependents() };
        let users = self.model.remove_with_users(number);
        let removed = self.check(
            &format!("remove-with-dependents {number}"),
            result,
            users.as_ref().map(|_| ()).map_err(|&why| why),
        );
        assert_eq!(
            removed.map(|removed| removed.len()),
            users.ok().map(|users| users.len()),
            "\n{}",
            self.log.join("\n")
        );
    }

    fn retire(&mut self) {
        let all = self.live_trackers();
        if all.is_empty() {
            return;
        }
        let (number, handle) = all[self.random.below(all.len())].clone();
        // SAFETY: nobody is in the code without a guard.
        let result = unsafe { handle.retire() };
        self.model.retire(number);
        self.model.reclaim();
        self.check(&format!("retire {number}"), result, Ok(()));
    }

    /// Removes all that can be removed, until nothing is left.
    fn remove_all(&mut self) {
        if self.guard.is_some() {
            self.toggle_guard();
        }
        while !self.generations.is_empty() {
            self.end_generation();
        }
        for (number, tracker) in self.live_trackers() {
            // SAFETY: nobody is in the code.
            unsafe { tracker.retire() }.unwrap();
            self.model.retire(number);
            self.model.reclaim();
        }
        // In some order: who is called by others goes after them.
        while self.model.dylibs.iter().any(|dylib| dylib.is_open && !dylib.updatable.is_empty()) {
            let dylib = self.some_dylib();
            self.remove_updatable(dylib);
        }
        assert_eq!(self.jit.session().reclaim().unwrap(), 0);
        self.model.reclaim();
        assert!((0..self.dylibs.len()).all(|dylib| !self.model.has_objects(dylib)), "\n{}", self.log.join("\n"));
        self.check_memory();
    }

    fn update(&mut self, dylib: usize) {
        let ranks: Vec<_> = self.model.dylibs[dylib].updatable.keys().copied().collect();
        let ranks: Vec<_> = ranks.into_iter().filter(|_| self.random.below(2) == 0).collect();
        if ranks.is_empty() {
            return;
        }
        let mut update = self.dylibs[dylib].update();
        let keeps = self.random.below(2) == 0;
        if keeps {
            update = update.keep_variables();
        }
        let mut new = Vec::new();
        for &rank in &ranks {
            let (object, value, function) = self.some_object(&format!("u{rank}"), rank, None);
            update = update.replace(&object);
            new.push((rank, value, function));
        }
        // SAFETY: nobody is in the code without a guard.
        let result = unsafe { update.commit() };
        self.model.reclaim();
        let objects: Vec<_> = new
            .iter()
            .map(|&(_, value, function)| {
                let tracker = self.model.tracker(dylib);
                self.model.object(dylib, tracker, value, function)
            })
            .collect();
        let targets: Vec<_> = objects.iter().map(|&object| Target::Object(object)).collect();
        let expected = self.model.link(&targets);
        if expected.is_err() {
            for &object in &objects {
                let tracker = self.model.objects[object].tracker;
                self.model.trackers[tracker].state = State::Gone;
            }
        }
        let what = format!("update d{dylib} keeps {keeps} {ranks:?}");
        if let Some(generation) = self.check(&what, result, expected) {
            let mut replaced = Vec::new();
            for (&rank, &object) in ranks.iter().zip(&objects) {
                let before = self.implement(dylib, rank, object);
                let [old, new] = [before, object].map(|at| self.model.objects[at].counter);
                if keeps && new.is_some() && old.is_some() && self.model.objects[before].bound.is_some() {
                    self.model.objects[object].counter = old;
                    self.pass_counter(object);
                }
                replaced.push((rank, before, object));
            }
            self.generations.push(Made { generation, dylib, replaced });
        }
    }

    /// Gives the variable that an object counts with to its tracker.
    fn pass_counter(&mut self, object: usize) {
        let known = &self.model.objects[object];
        if let Some(counter) = known.counter {
            self.model.counters_of[counter] = known.tracker;
        }
    }

    /// Makes an object what implements an updatable one; returns what did before.
    fn implement(&mut self, dylib: usize, rank: usize, object: usize) -> usize {
        let Some((stub, current)) = self.model.dylibs[dylib].updatable.get_mut(&rank) else { unreachable!() };
        let before = std::mem::replace(current, object);
        let is_linked = self.model.objects[object].bound.is_some();
        let stub = &mut self.model.stubs[*stub];
        stub.implementation = Implementation::Object(object);
        stub.slot = Some(Target::Object(object)).filter(|_| stub.is_linked && is_linked);
        before
    }

    fn end_generation(&mut self) {
        if self.generations.is_empty() {
            return;
        }
        let at = if self.random.below(2) == 0 {
            self.generations.len() - 1
        } else {
            self.random.below(self.generations.len())
        };
        let Made { generation, dylib, replaced } = self.generations.remove(at);
        let supersede = |model: &mut Model, object: usize| {
            let tracker = model.objects[object].tracker;
            if model.trackers[tracker].state == State::Alive {
                model.trackers[tracker].state = State::Superseded;
            }
        };
        if self.random.below(2) == 0 {
            drop(generation);
            replaced.iter().for_each(|&(_, before, _)| supersede(&mut self.model, before));
            self.log.push(format!("drop generation of d{dylib} {replaced:?}"));
            return;
        }
        let is_newest = |&(rank, _, object): &(usize, usize, usize)| {
            self.model.dylibs[dylib].updatable.get(&rank).is_some_and(|(_, current)| *current == object)
        };
        let is_gone = |object: usize| self.model.trackers[self.model.objects[object].tracker].state == State::Gone;
        let expected = match () {
            () if !self.model.dylibs[dylib].is_open => Err(Refusal::Other),
            () if !replaced.iter().all(is_newest) => Err(Refusal::Superseded),
            // It was in the way of something.
            () if replaced.iter().any(|&(_, before, _)| is_gone(before)) => Err(Refusal::Other),
            () => Ok(()),
        };
        // SAFETY: nobody is in the code without a guard.
        let result = unsafe { generation.rollback() };
        match expected {
            Ok(()) => {
                for &(rank, before, object) in &replaced {
                    self.implement(dylib, rank, before);
                    if self.model.objects[before].counter == self.model.objects[object].counter {
                        self.pass_counter(before);
                    }
                    supersede(&mut self.model, object);
                }
                self.model.reclaim();
            }
            Err(_) => replaced.iter().for_each(|&(_, before, _)| supersede(&mut self.model, before)),
        }
        self.check(&format!("rollback d{dylib} {replaced:?}"), result, expected);
    }

    fn remove_updatable(&mut self, dylib: usize) {
        let all: Vec<_> = self.model.dylibs[dylib].updatable.iter().map(|(rank, object)| (*rank, *object)).collect();
        if all.is_empty() {
            return;
        }
        let (rank, (stub, current)) = all[self.random.below(all.len())];
        // SAFETY: nobody is in the code.
        let result = unsafe { self.dylibs[dylib].remove_updatable_object(&format!("u{rank}")) };
        let trackers = [self.model.stubs[stub].tracker, self.model.objects[current].tracker];
        let expected = self.model.remove(&trackers);
        if self.check(&format!("remove-updatable d{dylib} f{rank}"), result, expected).is_some() {
            self.model.dylibs[dylib].updatable.remove(&rank);
        }
    }

    fn set_link_order(&mut self, dylib: usize) {
        let others: Vec<_> = (0..self.random.below(4)).map(|_| self.some_dylib()).collect();
        let order: Vec<_> = others.iter().map(|&at| (self.dylibs[at].clone(), MatchScope::Exported)).collect();
        self.dylibs[dylib].set_link_order(&order).unwrap();
        self.log.push(format!("order d{dylib} {others:?}"));
        self.model.dylibs[dylib].searched.extend(&others);
        self.model.dylibs[dylib].order = std::iter::once(dylib).chain(others).collect();
    }

    fn toggle_guard(&mut self) {
        self.log.push("guard".into());
        if self.guard.take().is_some() {
            self.model.guard = None;
        } else {
            self.guard = Some(self.jit.session().enter());
            self.model.guard = Some(self.model.epoch);
        }
    }

    fn transfer(&mut self, dylib: usize) {
        let its: Vec<_> =
            self.live_trackers().into_iter().filter(|(at, _)| self.model.trackers[*at].dylib == dylib).collect();
        if its.len() < 2 {
            return;
        }
        let [from, to] = [0, 1].map(|_| its[self.random.below(its.len())].clone());
        if self.defaults.values().any(|&default| default == to.0) {
            return;
        }
        let result = from.1.transfer_to(&to.1);
        if from.0 != to.0 {
            self.model.trackers[from.0].state = State::Gone;
            let model = &mut self.model;
            model.objects.iter_mut().filter(|object| object.tracker == from.0).for_each(|object| object.tracker = to.0);
            model.stubs.iter_mut().filter(|stub| stub.tracker == from.0).for_each(|stub| stub.tracker = to.0);
            model.counters_of.iter_mut().filter(|owner| **owner == from.0).for_each(|owner| *owner = to.0);
        }
        self.check(&format!("transfer {} to {}", from.0, to.0), result, Ok(()));
    }

    fn close(&mut self, dylib: usize) {
        // SAFETY: nobody is in the code; what was found of it is forgotten.
        let result = unsafe { self.dylibs[dylib].clone().close() };
        let is_refused = || result.as_ref().is_err_and(|error| refusal(error) == Refusal::InUse);
        // Others may be bound to its inline function; then it stays.
        let expected = match self.model.shares_inline(dylib) {
            Some(true) => Err(Refusal::InUse),
            None if is_refused() => {
                self.log.push(format!("close d{dylib}: refused, perhaps for an inline function"));
                return;
            }
            _ => self.model.close(dylib),
        };
        if self.check(&format!("close d{dylib}"), result, expected).is_some() {
            self.open_dylib();
        }
    }
}

/// One session. Returns how often what has happened.
fn run(seed: u64, objects: &mut Objects, steps: usize) -> BTreeMap<String, usize> {
    let jit = host::builder().threads(0).window_size(1 << 20).build().unwrap();
    jit.session().set_lazy_failure_handler(Arc::new(|_| Some(ExecAddr::from_ptr(failed as *const ()))));
    let counts = {
        let mut world = World {
            jit: &jit,
            objects,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            model: Model { epoch: 1, ..Model::default() },
            dylibs: Vec::new(),
            trackers: Vec::new(),
            defaults: BTreeMap::new(),
            generations: Vec::new(),
            guard: None,
            found: Vec::new(),
            log: vec![format!("seed {seed}")],
            counts: BTreeMap::new(),
            values: 0,
        };
        (0..DYLIBS).for_each(|_| world.open_dylib());
        (0..steps).for_each(|_| world.step());
        world.remove_all();
        world.counts
    };
    // SAFETY: nobody uses it any more.
    unsafe { jit.close() }.unwrap();
    counts
}

#[test]
fn sessions_do_what_the_model_does() {
    let setting = |name: &str, otherwise: u64| std::env::var(name).map_or(otherwise, |value| value.parse().unwrap());
    let (first, seeds) = (setting("LINKJIT_MODEL_SEED", 1), setting("LINKJIT_MODEL_SEEDS", 40));
    let mut objects = Objects { workshop: Workshop::new(), texts: BTreeMap::new() };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for seed in first..first + seeds {
        for (what, count) in run(seed, &mut objects, 300) {
            *counts.entry(what).or_default() += count;
        }
    }
    // All of it has happened.
    for what in
        ["update Ok(())", "update Err(Undefined)", "rollback Ok(())", "rollback Err(Superseded)", "close Err(InUse)"]
    {
        assert!(counts.contains_key(what), "{what}: {counts:#?}");
    }
}
