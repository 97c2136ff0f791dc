//! Lazy functions: trampolines by their numbers, and what happens when one is called.

use std::collections::BTreeSet;
use std::sync::Arc;

use linkjit_executor::{ExecAddr, Jump, RuntimeFunction};
use linkjit_link::graph::LinkGraph;
use linkjit_link::names::{NameId, NamePool};

use super::stubs::{Entrance, StubName, Stubs};
use crate::batch::Goal;
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::lookup::look_up;
use crate::session::{
    Address, DefinedBy, Entry, ExecutionSession, LazyFailure, LazyFailureHandler, LazyFunction, LazyJump, ObjectId,
    Reentry, State, TrackerId, defined_names, lock,
};

/// The name of the object that has the stubs of re-exports.
const LAZY_REEXPORTS: &str = "lazy re-exports";

impl Reentry {
    /// Opens the session's entrance for trampolines, if that was not done.
    fn open(&self, session: &ExecutionSession) -> Result<Entrance> {
        let executor = session.executor();
        let routine = executor.runtime_function(RuntimeFunction::Reenter);
        let routine = routine.ok_or_else(|| Error::unsupported("lazy functions are not supported on this system"))?;
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
}

/// A stub to be made, and what it stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LazyStub {
    pub(crate) stub: StubName,
    /// The name that it stands for, which is searched in the link order of the JITDylib that [`define`] is told.
    pub(crate) target: NameId,
}

/// Stubs that were defined.
#[derive(Debug)]
pub(crate) struct Defined<T> {
    pub(crate) stub_object: ObjectId,
    /// The number of the first one's trampoline; the others' follow.
    pub(crate) first: u32,
    /// The definitions of their targets.
    pub(crate) targets: T,
}

/// Definitions of the targets of stubs, which are made together with the stubs or not at all.
#[derive(Debug)]
pub(crate) struct Targets<F> {
    /// Their names.
    pub(crate) names: Vec<NameId>,
    /// Makes them, with names and tables locked; all or none.
    pub(crate) define: F,
}

/// Defines stubs in a JITDylib, for the owner of the handle and names that are searched in the link order of `from`; with
/// them the definitions of their targets.
pub(crate) fn define<T>(
    dylib: &JitDylib,
    from: &JitDylib,
    name: &str,
    stubs: &[LazyStub],
    targets: Targets<impl FnOnce(&mut State, &NamePool) -> Result<T>>,
) -> Result<Defined<T>> {
    let (session, tracker) = (dylib.session(), dylib.owner()?);
    let entrance = session.reentry().open(session)?;
    let first = session.state().reserve_lazy(stubs.len())?;
    let mut graph = Stubs::new(session.new_graph(name))?;
    let mut functions = Vec::with_capacity(stubs.len());
    for (number, lazy) in (first..).zip(stubs) {
        let slot = graph.add_lazy(&mut session.names(), lazy.stub, entrance, number)?;
        let target = (from.id(), lazy.target);
        functions.push(LazyFunction { dylib: dylib.id(), name: lazy.stub.name, slot, target, linked: None });
    }
    let graph = graph.finish();
    let defined = |graph: &LinkGraph| defined_names(graph).into_iter().chain(targets.names).collect();
    session.define_with(dylib.id(), graph, defined, |state, names, graph| {
        let (stub_object, replaced) = state.define_object(dylib.id(), tracker, graph, names)?;
        let targets = match (targets.define)(state, names) {
            Ok(targets) => targets,
            Err(error) => {
                state.forget(&[stub_object], replaced);
                return Err(error);
            }
        };
        state.define_lazy(first, stub_object, functions);
        Ok(Defined { stub_object, first, targets })
    })
}

/// The targets of stubs that something else defines.
pub(crate) fn defined_elsewhere() -> Targets<impl FnOnce(&mut State, &NamePool) -> Result<()>> {
    Targets { names: Vec::new(), define: |_: &mut State, _: &NamePool| Ok(()) }
}

impl ExecutionSession {
    /// Makes slots lead where they are to lead, and notes it. Nobody removes what they lead to meanwhile: the caller has the
    /// right to link, or the lock of the slots.
    pub(crate) fn redirect_lazy(&self, jumps: &[LazyJump]) -> Result<()> {
        if jumps.is_empty() {
            return Ok(());
        }
        let slots: Vec<_> = jumps.iter().map(|lazy_jump| lazy_jump.jump).collect();
        let before = self.executor().redirect(&slots)?;
        let linked = jumps.iter().copied().zip(before).filter(|(jump, _)| jump.implementation.is_some());
        self.state().note_lazy(linked);
        Ok(())
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
    /// jit.lazy_reexports(jit.process(), &[("magnitude", "abs")])?;
    /// // SAFETY: the type of C's abs.
    /// let magnitude = unsafe { jit.lookup_fn::<unsafe extern "C" fn(i32) -> i32>("magnitude")? };
    /// // SAFETY: as above; this call looks abs up, the next one would go right there.
    /// assert_eq!(unsafe { magnitude(-3) }, 3);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If something else defines one of the names; then none is defined.
    pub fn lazy_reexports(&self, from: &Self, names: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Result<()> {
        let names: Vec<(Vec<u8>, Vec<u8>)> =
            names.iter().map(|(here, there)| (here.as_ref().to_owned(), there.as_ref().to_owned())).collect();
        let from = from.downgrade();
        // They go with a tracker, as objects do.
        self.add_object_again(&LAZY_REEXPORTS.into(), move |dylib| {
            dylib.define_lazy_reexports(&from.upgrade().ok_or(Error::Closed)?, &names)
        })
    }

    fn define_lazy_reexports(&self, from: &Self, names: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        self.session().keep_names();
        let stubs: Vec<_> = {
            let mut pool = self.session().names();
            let mut intern = |name: &[u8]| pool.intern(name);
            let stubs = names
                .iter()
                .map(|(here, there)| LazyStub { stub: StubName::exported(intern(here)), target: intern(there) });
            stubs.collect()
        };
        define(self, from, LAZY_REEXPORTS, &stubs, defined_elsewhere())?;
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
    ///     Some(ExecAddr::from_ptr(instead as *const ()))
    /// }));
    /// let other = jit.create_dylib("other")?;
    /// jit.lazy_reexports(&other, &[("f", "not_there")])?;
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
        if !self.state().lazy().has_any() {
            return;
        }
        let mut tried = BTreeSet::new();
        // Code that is linked now may take addresses of further functions, whose stubs are linked for that.
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

    /// Links what a trampoline stands for; returns where the call goes on.
    fn call_through(&self, number: u32) -> ExecAddr {
        let function = self.state().lazy().get(number);
        let (name, error) = match function {
            // Called when its memory is about to be given back, as by a terminator.
            None => (String::new(), Error::TrackerRemoved),
            Some(function) => match self.link_lazy(number, function) {
                Ok(address) => return address,
                Err(error) => {
                    let name = self.names().text(function.name).into_owned();
                    match self.state().removed_by_update(function.target, &name) {
                        Some((name, removed)) => (name, removed),
                        None => (name, error),
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
            let removals = {
                let state = self.state();
                // It may have been one of another process.
                state.lazy().get(number).ok_or(Error::TrackerRemoved)?;
                state.removals()
            };
            let found = look_up(self, from, &[target], Goal::LinkForCall)?;
            let Some(&Address::At(address)) = found.first() else {
                return Err(Error::ThreadLocal { name: self.names().text(target).into_owned() });
            };
            self.state().note_call(function.dylib, from, address);
            JitDylib::new(self.clone(), from).run_pending_initializers()?;
            let definer = self.state().find_entry(from, target).map(|entry| entry.by);
            if let Some(DefinedBy::Object(object, _)) = definer {
                self.wait_for_initializers(|initializing| initializing == object)?;
            }
            // With the slots locked: who removes the implementation looks in the tables for slots that have to be reset.
            let _slots = self.slots();
            let state = self.state();
            if state.removals() != removals {
                continue;
            }
            // The trampoline is linked, and it is reached through the slot alone.
            let slot = state.entry(function.dylib, function.slot).and_then(Entry::plain_address);
            let slot = slot.ok_or(Error::TrackerRemoved)?;
            let implementation = state.allocations().at(address);
            drop(state);
            self.redirect_lazy(&[LazyJump { number, jump: Jump { slot, to: address }, implementation }])?;
            return Ok(address);
        }
    }
}
