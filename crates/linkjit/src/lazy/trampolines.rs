//! Lazy functions: trampolines by their numbers, and what happens when one is called.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use linkjit_executor::{AllocationId, ExecAddr, ExecRange, Executor, Jump, ReentryId, RuntimeFunction};
use linkjit_link::graph::LinkGraph;
use linkjit_link::names::NameId;

use super::stubs::{Entrance, StubName, Stubs};
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::lookup::{Goal, look_up};
use crate::names::demangle;
use crate::session::{
    Address, DefinedBy, DylibId, ExecutionSession, ResourceTracker, State, TrackerId, UnitId, Unlinked, defined_names,
    lock,
};

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
            "" => write!(f, "a lazy function was called and can't be linked: {}", self.error),
            name => write!(f, "'{}' was called and can't be linked: {}", demangle(name), self.error),
        }
    }
}

/// Says where a call goes on whose function can't be linked: at a function that can be called in its place. Without one,
/// the process ends.
pub type LazyFailureHandler = dyn Fn(&LazyFailure) -> Option<ExecAddr> + Send + Sync;

/// What a session has for calls that come back to it.
#[derive(Default)]
pub(crate) struct Reentry {
    /// Opened when the first trampoline is made.
    id: Mutex<Option<ReentryId>>,
    handler: Mutex<Option<Arc<LazyFailureHandler>>>,
}

impl fmt::Debug for Reentry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reentry").field("id", &*lock(&self.id)).finish_non_exhaustive()
    }
}

impl Reentry {
    /// Its locks.
    pub(crate) fn locks(&self) -> (&Mutex<Option<ReentryId>>, &Mutex<Option<Arc<LazyFailureHandler>>>) {
        (&self.id, &self.handler)
    }

    /// How the session's trampolines enter it.
    fn open(&self, session: &ExecutionSession) -> Result<Entrance> {
        let executor = session.executor();
        let routine = executor
            .runtime_function(RuntimeFunction::Reenter)
            .ok_or_else(|| Error::Unsupported { what: "lazy functions are not supported on this system".into() })?;
        let mut id = lock(&self.id);
        let reentry = match *id {
            Some(reentry) => reentry,
            None => {
                // The executor must not keep the session, which keeps it.
                let session = session.downgrade();
                executor.open_reentry(Arc::new(move |number| {
                    session.upgrade().map_or(ExecAddr::NULL, |session| session.call_through(number))
                }))?
            }
        };
        *id = Some(reentry);
        Ok(Entrance { routine, reentry })
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
struct LazyFunction {
    /// The JITDylib of its stub, its name there, and that of the slot.
    dylib: DylibId,
    name: NameId,
    slot: NameId,
    /// What it is: a name, searched in the link order of a JITDylib.
    target: (DylibId, NameId),
    linked: Option<Linked>,
}

/// A function that was called and linked.
#[derive(Clone, Copy, Debug)]
struct Linked {
    slot: ExecAddr,
    /// What the slot held at first.
    trampoline: ExecAddr,
    /// The memory that the slot leads to.
    implementation: AllocationId,
}

impl Linked {
    /// Has the function linked anew when it is called next.
    fn unlinked(self) -> Jump {
        Jump { slot: self.slot, to: self.trampoline }
    }
}

/// A lazy function whose slot is to lead elsewhere: to an implementation, in memory that may go, or to its trampoline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LazyJump {
    number: u32,
    jump: Jump,
    implementation: Option<AllocationId>,
}

/// The lazy functions of a session, by the numbers of their trampolines. No number is used twice.
#[derive(Debug, Default)]
pub(crate) struct LazyFunctions {
    /// By the first number of a unit of stubs.
    units: BTreeMap<u32, (UnitId, Vec<LazyFunction>)>,
    firsts: BTreeMap<UnitId, u32>,
    /// The functions that were linked, by the memory of their implementation.
    linked: BTreeMap<AllocationId, BTreeSet<u32>>,
    /// By their slots: those that were linked and then forgotten, though others may still use their stubs.
    forgotten: BTreeMap<ExecAddr, Linked>,
    made: u32,
}

impl LazyFunctions {
    /// Numbers for trampolines: the first of them.
    fn reserve(&mut self, count: usize) -> Result<u32> {
        let first = self.made;
        let end = u32::try_from(count).ok().and_then(|count| first.checked_add(count));
        self.made = end.ok_or_else(|| Error::Unsupported { what: "more than 2^32 lazy functions".into() })?;
        Ok(first)
    }

    fn get(&self, number: u32) -> Option<LazyFunction> {
        let (first, (_, functions)) = self.units.range(..=number).next_back()?;
        functions.get((number - first) as usize).copied()
    }

    /// Whether there are any.
    pub(crate) fn has_any(&self) -> bool {
        !self.units.is_empty()
    }

    /// The function of a name that a unit of stubs stands for.
    pub(crate) fn callee(&self, unit: UnitId, name: NameId) -> Option<LazyCallee> {
        let &first = self.firsts.get(&unit)?;
        let (_, functions) = self.units.get(&first)?;
        let (number, function) = (first..).zip(functions).find(|(_, function)| function.name == name)?;
        Some(LazyCallee { number, target: function.target })
    }

    /// The name that others know a function by.
    pub(crate) fn name(&self, number: u32) -> Option<NameId> {
        self.get(number).map(|function| function.name)
    }

    /// The numbers of the functions of a unit of stubs that were not linked yet.
    fn unlinked_of(&self, unit: UnitId) -> impl Iterator<Item = (u32, LazyFunction)> {
        let functions = self.firsts.get(&unit).and_then(|first| Some((*first, &self.units.get(first)?.1)));
        let numbered = functions.into_iter().flat_map(|(first, functions)| (first..).zip(functions));
        numbered.map(|(number, function)| (number, *function)).filter(|(_, function)| function.linked.is_none())
    }

    fn insert(&mut self, first: u32, unit: UnitId, functions: Vec<LazyFunction>) {
        self.units.insert(first, (unit, functions));
        self.firsts.insert(unit, first);
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut LazyFunction> {
        let (first, (_, functions)) = self.units.range_mut(..=number).next_back()?;
        functions.get_mut((number - first) as usize)
    }

    /// Notes that the slot of a function holds what `implementation` has, and held `before`.
    fn note(&mut self, number: u32, slot: ExecAddr, before: ExecAddr, implementation: AllocationId) {
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

    /// The slots of functions that are implemented in memory that goes, with their trampolines. Not those of forgotten ones
    /// that are in other memory which goes and is `tied` to that: told slot and implementation, it says which it is.
    pub(crate) fn unlink(
        &mut self,
        allocations: &[AllocationId],
        tied: impl Fn(ExecAddr, AllocationId) -> Option<AllocationId>,
    ) -> Unlinked {
        let numbers = allocations.iter().filter_map(|id| self.linked.remove(id)).flatten().collect::<Vec<_>>();
        let linked = |number| self.get(number)?.linked;
        let linked: Vec<_> = numbers.into_iter().filter_map(linked).collect();
        let mut unlinked: Unlinked = linked.into_iter().map(Linked::unlinked).collect();
        if !self.forgotten.is_empty() {
            let goes: BTreeSet<_> = allocations.iter().copied().collect();
            let forgotten = self.forgotten.extract_if(.., |&slot, Linked { implementation, .. }| {
                let goes_along = || tied(slot, *implementation).is_some_and(|id| goes.contains(&id));
                goes.contains(implementation) && !goes_along()
            });
            unlinked.extend(forgotten.map(|(_, linked)| linked.unlinked()));
        }
        unlinked
    }

    /// Notes that memory goes, which may have slots.
    pub(crate) fn forget_slots(&mut self, segments: &[ExecRange]) {
        for segment in segments {
            self.forgotten.extract_if(segment.start..segment.end, |_, _| true).for_each(drop);
        }
    }

    /// Forgets the functions of a unit of stubs.
    pub(crate) fn forget(&mut self, unit: UnitId) {
        let Some(first) = self.firsts.remove(&unit) else { return };
        let Some((_, functions)) = self.units.remove(&first) else { return };
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
    /// What it is: a name, searched in the link order of a JITDylib.
    pub(crate) target: (DylibId, NameId),
}

/// A stub to be made, and what it stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LazyStub {
    pub(super) stub: StubName,
    /// Searched in the link order of the JITDylib that [`define`] is told.
    pub(super) target: NameId,
}

impl LazyStub {
    pub(crate) fn name(&self) -> NameId {
        self.stub.name
    }

    pub(crate) fn target(&self) -> NameId {
        self.target
    }
}

/// Stubs that were defined.
#[derive(Debug)]
pub(crate) struct Defined {
    pub(crate) unit: UnitId,
    /// The number of the first one's trampoline; the others' follow.
    pub(crate) first: u32,
    /// The object that has their targets.
    pub(crate) object: Option<UnitId>,
}

/// Defines stubs in a JITDylib, for names that are searched in the link order of `from`; with them the object that has
/// their targets, if there is one, the tracker that is to own that, and whether its initializers are those of a program.
pub(crate) fn define(
    tracker: &ResourceTracker,
    from: &JitDylib,
    name: &str,
    stubs: &[LazyStub],
    object: Option<(TrackerId, LinkGraph, bool)>,
) -> Result<Defined> {
    let dylib = tracker.dylib();
    let session = dylib.session();
    let entrance = session.reentry().open(session)?;
    let first = session.state().lazy.reserve(stubs.len())?;
    let mut graph = Stubs::new(name)?;
    let mut functions = Vec::with_capacity(stubs.len());
    for (number, lazy) in (first..).zip(stubs) {
        let slot = graph.add_lazy(&mut session.names(), lazy.stub, entrance, number)?;
        let target = (from.id(), lazy.target);
        functions.push(LazyFunction { dylib: dylib.id(), name: lazy.stub.name, slot, target, linked: None });
    }
    let graph = graph.finish();
    type Graphs = (LinkGraph, Option<(TrackerId, LinkGraph, bool)>);
    let any = |(stubs, object): &Graphs, is_lent: &dyn Fn(NameId) -> bool| {
        defined_names(stubs).chain(object.iter().flat_map(|(_, graph, _)| defined_names(graph))).any(is_lent)
    };
    session.define_with(dylib.id(), (graph, object), any, |state, names, (graph, object)| {
        let (unit, replaced) = state.define_unit(dylib.id(), tracker.id(), graph, names)?;
        let mut defined = Defined { unit, first, object: None };
        if let Some((owner, object, is_program)) = object {
            match state.define_unit(dylib.id(), owner, object, names) {
                // Its initializers wait until something of it is linked.
                Ok((object, _)) => {
                    defined.object = Some(object);
                    if is_program {
                        state.initialize_lazily(object);
                    } else if let Some(object) = state.units.get_mut(&object) {
                        object.has_roots = false;
                    }
                }
                Err(error) => {
                    state.forget(&[unit], replaced);
                    return Err(error);
                }
            }
        }
        state.lazy.insert(first, unit, functions);
        Ok(defined)
    })
}

impl State {
    /// The lazy functions of a tracker's stubs that are linked, though the functions are not. Not those of objects of which
    /// nothing was linked: no code of such an object runs, nor are there terminators of it.
    fn callable(&self, tracker: TrackerId) -> Vec<(u32, LazyFunction)> {
        let units = self.trackers.get(&tracker).map(|of| &of.units);
        let unlinked = units.into_iter().flatten().flat_map(|&unit| self.lazy.unlinked_of(unit));
        let is_linked = |dylib: DylibId, name: NameId| {
            self.dylib(dylib).ok().and_then(|of| of.symbols.get(&name)).is_some_and(|entry| entry.address.is_some())
        };
        let has_started = |(dylib, name): (DylibId, NameId)| match self.find_entry(dylib, name).map(|entry| entry.by) {
            Some(DefinedBy::Unit(unit, _)) => self.units.get(&unit).is_some_and(|unit| unit.started),
            _ => true,
        };
        let is_callable = |(_, of): &(u32, LazyFunction)| is_linked(of.dylib, of.slot) && has_started(of.target);
        unlinked.filter(is_callable).collect()
    }

    /// Where the stub of a function that is linked has to jump: to what a name of its JITDylib stands for now; to its
    /// trampoline if that is not linked.
    pub(crate) fn lazy_jump(&self, dylib: DylibId, number: u32, implementation: NameId) -> Option<LazyJump> {
        self.lazy_jump_to(number, implementation, |name| match self.dylib(dylib).ok()?.symbols.get(&name)?.address {
            Some(Address::At(address)) => Some(address),
            _ => None,
        })
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
}

impl ExecutionSession {
    /// Makes slots lead where they are to lead, and notes it. Nobody removes what they lead to meanwhile: the caller has the
    /// right to link, or the lock of the slots.
    pub(crate) fn redirect_lazy(&self, jumps: &[LazyJump]) -> Result<()> {
        if jumps.is_empty() {
            return Ok(());
        }
        let slots: Vec<_> = jumps.iter().map(|of| of.jump).collect();
        let before = self.executor().redirect(&slots)?;
        let mut state = self.state();
        for (of, before) in jumps.iter().zip(before) {
            if let Some(implementation) = of.implementation {
                state.lazy.note(of.number, of.jump.slot, before, implementation);
            }
        }
        Ok(())
    }
}

impl LazyJump {
    pub(crate) fn jump(&self) -> Jump {
        self.jump
    }
}

impl State {
    /// Notes slots that were made to lead to memory which is in the tables only now, and what they held before.
    pub(crate) fn note_lazy(&mut self, jumps: &[(LazyJump, ExecAddr)]) {
        for (of, before) in jumps {
            if let Some(implementation) = self.allocations.at(of.jump.to) {
                self.lazy.note(of.number, of.jump.slot, *before, implementation);
            }
        }
    }
}

impl JitDylib {
    /// Defines names as functions of another JITDylib: `(name here, name there)`. Each is looked up there when it is first
    /// called, on the thread that calls it: what it needs is linked, and the initializers of that are run before the
    /// call goes on. See [`ExecutionSession::set_lazy_failure_handler`] for what happens if that fails.
    ///
    /// A lookup of the name links nothing but a stub, whose address stays the address of the function.
    ///
    /// With a [`DefinitionGenerator`](crate::DefinitionGenerator) in the other JITDylib, functions are not even compiled
    /// before they are called.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// let jit = linkjit::Jit::host()?;
    /// jit.main().lazy_reexports(jit.process(), &[("magnitude", "abs")])?;
    /// // SAFETY: the type of C's abs.
    /// let magnitude = unsafe { jit.lookup_fn::<unsafe extern "C" fn(i32) -> i32>("magnitude")? };
    /// // SAFETY: as above; this call looks abs up, the next one would go right there.
    /// assert_eq!(unsafe { magnitude(-3) }, 3);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If something else defines one of the names; then none is defined.
    pub fn lazy_reexports(&self, from: &Self, names: &[(&str, &str)]) -> Result<()> {
        self.session().keep_names();
        let tracker = self.default_tracker()?;
        let stubs: Vec<_> = {
            let mut pool = self.session().names();
            let stub = |&(here, there): &(&str, &str)| LazyStub {
                stub: StubName::exported(pool.intern(here.as_bytes())),
                target: pool.intern(there.as_bytes()),
            };
            names.iter().map(stub).collect()
        };
        define(&tracker, from, "lazy re-exports", &stubs, None)?;
        Ok(())
    }
}

impl ExecutionSession {
    /// Says where calls go on whose function can't be linked: `handler` gets the reason and returns the address of a
    /// function that can be called with the same arguments. It runs on the thread that calls, without any lock held. If
    /// the function is called again, linking it is tried again.
    ///
    /// Without a handler, or if it returns `None`, the reason is printed to standard error and the process is aborted.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// use std::sync::Arc;
    /// use linkjit::{ExecAddr, LazyFailure};
    ///
    /// extern "C" fn instead() -> i32 {
    ///     -1
    /// }
    /// let jit = linkjit::Jit::host()?;
    /// jit.session().set_lazy_failure_handler(Arc::new(|failure: &LazyFailure| {
    ///     assert_eq!(failure.name, "f");
    ///     Some(ExecAddr(instead as *const () as u64))
    /// }));
    /// let other = jit.create_dylib("other")?;
    /// jit.main().lazy_reexports(&other, &[("f", "not_there")])?;
    /// // SAFETY: its type.
    /// let f = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> i32>("f")? };
    /// // SAFETY: as above.
    /// assert_eq!(unsafe { f() }, -1);
    /// # Ok(()) }
    /// ```
    pub fn set_lazy_failure_handler(&self, handler: Arc<LazyFailureHandler>) {
        *lock(&self.reentry().handler) = Some(handler);
    }

    /// Links the lazy functions that code of a tracker may still call when its names are gone: those whose stubs are linked.
    /// A function that can't be linked is left as it is, for nobody may call it.
    pub(crate) fn link_callable(&self, tracker: TrackerId) {
        if !self.state().lazy.has_any() {
            return;
        }
        let mut tried = BTreeSet::new();
        // What is linked may take the addresses of further functions, whose stubs are linked for that.
        loop {
            let callable = self.state().callable(tracker);
            let new: Vec<_> = callable.into_iter().filter(|(number, _)| tried.insert(*number)).collect();
            if new.is_empty() {
                return;
            }
            for (number, function) in new {
                let _failed = self.link_lazy(number, function);
            }
        }
    }

    /// Where the call of a trampoline goes on.
    fn call_through(&self, number: u32) -> ExecAddr {
        let function = self.state().lazy.get(number);
        let (name, error) = match function {
            // Called when its memory is about to be given back, as by a terminator.
            None => (String::new(), Error::TrackerRemoved),
            Some(function) => match self.link_lazy(number, function) {
                Ok(address) => return address,
                Err(error) => {
                    let name = self.names().text(function.name).into_owned();
                    match self.state().removed_by_update(function.target, &name) {
                        Some(Error::RemovedByUpdate { name, object, update, by_rollback }) => {
                            (name.clone(), Error::RemovedByUpdate { name, object, update, by_rollback })
                        }
                        _ => (name, error),
                    }
                }
            },
        };
        let failure = LazyFailure { name, error };
        let handler = lock(&self.reentry().handler).clone();
        handler.and_then(|handler| handler(&failure)).unwrap_or_else(|| {
            eprintln!("linkjit: {failure}");
            ExecAddr::NULL
        })
    }

    /// Links a function, runs initializers, and makes its stub jump there.
    fn link_lazy(&self, number: u32, function: LazyFunction) -> Result<ExecAddr> {
        let (from, target) = function.target;
        loop {
            let removals = self.state().removals;
            let found = look_up(self, from, &[target], Goal::Link)?;
            let Some(&Address::At(address)) = found.first() else {
                return Err(Error::ThreadLocal { name: self.names().text(target).into_owned() });
            };
            JitDylib::new(self.clone(), from).run_pending_initializers()?;
            let definer = self.state().find_entry(from, target).map(|entry| entry.by);
            if let Some(DefinedBy::Unit(unit, _)) = definer {
                self.wait_for_initializers(|of| of == unit)?;
            }
            // With the slots locked: who removes the implementation looks in the tables for slots that have to be reset.
            let _slots = self.slots();
            let state = self.state();
            if state.removals != removals {
                continue;
            }
            // The trampoline is linked, and it is reached through the slot alone.
            let slot = state.dylib(function.dylib)?.symbols.get(&function.slot).and_then(|entry| entry.address);
            let Some(Address::At(slot)) = slot else { return Err(Error::TrackerRemoved) };
            let implementation = state.allocations.at(address);
            drop(state);
            self.redirect_lazy(&[LazyJump { number, jump: Jump { slot, to: address }, implementation }])?;
            return Ok(address);
        }
    }
}
