//! Updates: new generations of objects, all at once or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use linkjit_executor::AllocationId;
use linkjit_link::graph::LinkGraph;
use linkjit_link::names::NameId;
use linkjit_link::source::Source;

use super::data::{Keep, Kept, keep};
use super::generation::{Generation, Replaced};
use super::object::read;
use crate::batch::{self, Attempt, Unfound};
use crate::batch::{Goal, Query};
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::lazy::{LazyStub, define, defined_elsewhere};
use crate::session::{
    ExecutionSession, LazyJump, Linking, ObjectId, Part, ResourceTracker, State, TrackerId, Updatable, Withdrawn,
};
use crate::source::IntoSource;

/// A transaction that replaces updatable objects of a JITDylib. Nothing happens before [`Update::commit`].
#[derive(Debug)]
#[must_use = "nothing happens before `commit`"]
pub struct Update {
    dylib: JitDylib,
    sources: Vec<Source>,
    /// Why a source can't be read.
    unreadable: Option<Error>,
    keep: Keep,
}

impl JitDylib {
    /// Begins to replace objects that were added by [`JitDylib::add_updatable_object`].
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # use linkjit::SourceModule;
    /// # let compile = |text: &str| SourceModule::text("doc.c", text).compile();
    /// let jit = linkjit::Jit::host()?;
    /// jit.add_updatable_object(&compile("int n = 1; int next(void) { return n++; }")?)?;
    /// // SAFETY: its type.
    /// let next = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> i32>("next")? };
    /// // SAFETY: as above.
    /// assert_eq!(unsafe { (next(), next()) }, (1, 2));
    ///
    /// let object = compile("int n = 1; int next(void) { return n += 10; }")?;
    /// // SAFETY: no other thread is in the code.
    /// let generation = unsafe { jit.update().replace(&object).keep_variables().commit()? };
    /// // SAFETY: as above.
    /// assert_eq!(unsafe { next() }, 13);
    /// // SAFETY: as above.
    /// unsafe { generation.rollback()? };
    /// // SAFETY: as above.
    /// assert_eq!(unsafe { next() }, 13);
    /// # Ok(()) }
    /// ```
    pub fn update(&self) -> Update {
        Update { dylib: self.clone(), sources: Vec::new(), unreadable: None, keep: Keep::default() }
    }
}

impl Update {
    /// Replaces the object of the same name by this one: a file's name is its path. Of several of one name the last one
    /// counts. If a file can't be read, [`Update::commit`] says so.
    pub fn replace(mut self, source: impl IntoSource) -> Self {
        match source.into_source() {
            Ok(source) => {
                self.sources.retain(|other| other.name() != source.name());
                self.sources.push(source);
            }
            Err(error) => self.unreadable = self.unreadable.or(Some(error)),
        }
        self
    }

    /// Keeps all variables that the old and the new objects have, by name: they stay where they are, with their values.
    /// Without it, new objects have new variables, with their initial values.
    ///
    /// Variables that share a section are kept together, and only if none was added, removed, moved or resized: compile
    /// with `-fdata-sections`, so that each has its own. What can't be kept makes the update fail.
    ///
    /// What kept variables point to is the program's business: pointers to functions stay good; those to constants,
    /// string literals and virtual tables of an old generation do until that is reclaimed. Initializers of new objects
    /// run; they initialize kept variables once more, and destructors of the old objects' are not run.
    pub fn keep_variables(mut self) -> Self {
        self.keep = Keep::All;
        self
    }

    /// Keeps the variables of these names only. See [`Update::keep_variables`].
    pub fn keep_only(mut self, names: &[impl AsRef<[u8]>]) -> Self {
        self.keep = Keep::Named(names.iter().map(|name| name.as_ref().to_vec()).collect());
        self
    }

    /// Links the new objects, then makes all callers reach them and runs their initializers. If anything is wrong, all is
    /// as before.
    ///
    /// Each function is swapped at once, but not all of them at one time: a thread may call a new function and then an old
    /// one. Functions that the new objects do not have any more ([`Generation::gone`]) are handled as lazy functions that
    /// can't be linked ([`ExecutionSession::set_lazy_failure_handler`]), with [`Error::RemovedByUpdate`].
    ///
    /// # Errors
    /// As [`JitDylib::lookup`]; if a file can't be read; if there is no updatable object of a name; [`Error::NotKept`]; [`Error::InUse`] if linked
    /// code of objects that are not replaced is bound to the old ones in other ways than by their functions: to constants,
    /// or to variables that are not kept.
    ///
    /// # Safety
    /// The old code is retired when the generation that is returned is dropped: who is in it, or uses data of it, must
    /// have a guard ([`ExecutionSession::enter`]) that is older than that, as for [`ResourceTracker::retire`].
    pub unsafe fn commit(mut self) -> Result<Generation> {
        if let Some(error) = self.unreadable.take() {
            return Err(error);
        }
        // So that nothing is pending that belongs to the old objects.
        self.dylib.run_pending_initializers()?;
        let mut query = None;
        let committed = self.try_commit(&mut query);
        if let (Err(_), Some(query)) = (&committed, &mut query) {
            query.abandon(self.dylib.session());
        }
        committed
    }

    /// The hidden names of all functions that an object has and had.
    fn functions(&self, object: &str) -> Result<BTreeSet<NameId>> {
        let state = self.dylib.session().state();
        let updatable = state.updatable(self.dylib.id(), object)?;
        Ok(updatable.map(|updatable| updatable.functions.keys().copied().collect()).unwrap_or_default())
    }

    fn try_commit(&self, query: &mut Option<Query>) -> Result<Generation> {
        let session = self.dylib.session();
        loop {
            let mut objects = Vec::new();
            for source in &self.sources {
                let functions = self.functions(source.name())?;
                let (graph, stubs) = read(&self.dylib, source, |target| functions.contains(&target))?;
                objects.push((source.name().clone(), graph, stubs));
            }
            let initializing = session.begin_initializing()?;
            let linking = session.begin_removing(|_| false)?;
            session.reclaim_passed(&linking)?;
            let mut swap = Swap { dylib: &self.dylib, linking: &linking, swapped: Vec::new() };
            let wanted = swap.begin(objects, &self.keep)?;
            let query = query.get_or_insert_with(|| Query::new(self.dylib.id(), wanted, Goal::Link));
            let attempt = {
                let _lent = session.lend_linking(&linking);
                batch::attempt(session, query)?
            };
            match attempt {
                Attempt::Done(_) => {
                    let generation = swap.finish()?;
                    drop(linking);
                    self.dylib.run_pending_initializers()?;
                    drop(initializing);
                    return Ok(generation);
                }
                // Others may have to link for that: let them, with everything as it was.
                Attempt::Needs(work) => {
                    drop(swap);
                    drop(linking);
                    drop(initializing);
                    query.attend_to(session, work)?;
                }
            }
        }
    }
}

/// An object in the midst of an update.
struct Swapped {
    name: Arc<str>,
    old: Withdrawn,
    /// The object with its new generation.
    new: Updatable,
    /// As it was.
    before: Updatable,
    stubs: Option<ObjectId>,
    kept: Kept,
}

/// An update in progress. Puts everything back if it is dropped before it is finished.
struct Swap<'a> {
    dylib: &'a JitDylib,
    linking: &'a Linking<'a>,
    swapped: Vec<Swapped>,
}

impl Swap<'_> {
    fn session(&self) -> &ExecutionSession {
        self.dylib.session()
    }

    /// Puts the new objects in the place of the old ones, to be linked; returns what has to be.
    fn begin(&mut self, objects: Vec<(Arc<str>, LinkGraph, Vec<LazyStub>)>, keep: &Keep) -> Result<Vec<Unfound>> {
        self.withdraw(&objects)?;
        let mut wanted = Vec::new();
        for (at, (_, graph, stubs)) in objects.into_iter().enumerate() {
            wanted.extend(stubs.iter().map(|stub| Unfound::required(stub.target)));
            self.define(at, graph, &stubs, keep)?;
        }
        // What the new objects have not any more, others may need that are linked with them.
        let mut state = self.session().state();
        self.swapped.iter().for_each(|swapped| state.inherit_withdrawn(&swapped.old));
        drop(state);
        self.check_users()?;
        Ok(wanted)
    }

    /// Takes the old objects out of the tables.
    fn withdraw(&mut self, objects: &[(Arc<str>, LinkGraph, Vec<LazyStub>)]) -> Result<()> {
        for (name, ..) in objects {
            let no_such = || Error::Updatable { object: name.to_string(), is_there: false };
            let current = self.dylib.create_tracker()?.id();
            let mut state = self.session().state();
            let before = state.updatable(self.dylib.id(), name)?.cloned();
            let withdrawn = before.ok_or_else(no_such).and_then(|before| Ok((state.withdraw(before.current)?, before)));
            let (old, before) = withdrawn.inspect_err(|_| drop(state.take_tracker(current)))?;
            let new = Updatable { current, number: before.number + 1, ..before.clone() };
            let name = name.clone();
            drop(state);
            self.swapped.push(Swapped { name, old, new, before, stubs: None, kept: Kept::default() });
        }
        Ok(())
    }

    /// Defines a new object, with stubs for new functions.
    fn define(&mut self, at: usize, mut graph: LinkGraph, stubs: &[LazyStub], which: &Keep) -> Result<()> {
        let Some(swapped) = self.swapped.get_mut(at) else { return Ok(()) };
        let session = self.dylib.session();
        if let Some((_, old)) = swapped.old.objects().first()
            && let Some(old) = old.graph()
        {
            let names = session.names();
            let kept = keep(&mut graph, old, &names, which);
            swapped.kept = kept.map_err(|variables| Error::NotKept { object: swapped.name.to_string(), variables })?;
        }
        let is_new = |stub: &&LazyStub| !swapped.new.functions.contains_key(&stub.target);
        let new: Vec<_> = stubs.iter().filter(is_new).copied().collect();
        if !new.is_empty() {
            let tracker = ResourceTracker::new(self.dylib, swapped.new.stubs);
            let defined = define(&tracker, self.dylib, &swapped.name, &new, defined_elsewhere())?;
            swapped.stubs = Some(defined.stub_object);
            swapped.new.add_functions(&new, defined.first);
        }
        let names = session.names();
        let mut state = session.state();
        // Variables that others have, too, and are bound to stay where these have found them.
        state.inherit_places(&swapped.old, &swapped.kept.left.iter().copied().collect());
        // A function that had a stub and is inline now: the stub has its name, so it gives way to no copy.
        let own: BTreeSet<_> = stubs.iter().map(|stub| stub.stub.name).collect();
        let table = state.dylib(self.dylib.id())?;
        graph.dissolve_groups(|signature| own.contains(&signature) && table.has_group(signature));
        let (object, _) = state.define_object(self.dylib.id(), swapped.new.current, graph, &names)?;
        swapped.new.object = object;
        state.make_updatable(object);
        // A lookup of its functions links its initializers; if it has none, nobody wants it.
        if !stubs.is_empty() {
            state.drop_roots(object);
        }
        Ok(())
    }

    /// An error if others are bound to what is to be replaced, other than by stubs and to variables that are kept.
    fn check_users(&self) -> Result<()> {
        let state = self.session().state();
        let trackers: Vec<_> = self.swapped.iter().map(|swapped| swapped.old.tracker).collect();
        let mut users: Vec<_> = state.users_of(&trackers)?;
        for swapped in self.swapped.iter().filter(|swapped| !swapped.kept.left.is_empty()) {
            let allocations = state.allocations();
            for &id in state.owned_allocations(swapped.old.tracker) {
                if allocations.get(id).is_some_and(|allocation| allocation.part == Part::Variables) {
                    users.extend(allocations.other_users(id, &trackers));
                }
            }
        }
        // Variables of which there would be another one, that other JITDylibs do not have.
        for Swapped { old, new, kept, .. } in &self.swapped {
            let (dylib, left) = (self.dylib.id(), BTreeSet::from_iter(&kept.left));
            let table = state.dylib(dylib)?;
            let is_new = |name: &NameId| table.entry(*name).is_some_and(|entry| entry.by.object() == Some(new.object));
            let anew = old.linked().filter(|(name, _)| left.contains(name) && is_new(name));
            let bound = anew.flat_map(|(name, address)| state.bound_elsewhere(dylib, name, address));
            users.extend(bound.map(|object| (None, object)));
        }
        // Generations that were withdrawn before are not linked to anything any more: they wait for a rollback.
        state.check_no_use(users.into_iter().map(|(_, object)| object).filter(|&object| state.object(object).is_some()))
    }

    /// Makes callers reach the new objects.
    fn finish(mut self) -> Result<Generation> {
        let session = self.dylib.session().clone();
        // A thread that has just linked a function of the old objects must not have its slot lead there.
        let slots = session.slots();
        let names = session.names();
        let mut state = session.state();
        let (mut replaced, mut passed, mut jumps) = (Vec::new(), Vec::new(), Vec::new());
        for swapped in std::mem::take(&mut self.swapped) {
            let Swapped { name, old, mut new, before, kept, .. } = swapped;
            let gone = match old.objects().first() {
                Some((_, object)) => state.note_removed(&name, (object, &before), &mut new, &names),
                None => Vec::new(),
            };
            let moved = state.pass_variables(&kept, old.tracker, new.current);
            jumps.extend(state.lazy_jumps(self.dylib, &new.functions));
            state.enter_updatable(self.dylib.id(), &name, new.clone())?;
            passed.push((old.tracker, moved.clone()));
            replaced.push(Replaced { name, old, before, new, moved, gone });
        }
        drop(state);
        drop(names);
        session.redirect_lazy(&jumps)?;
        drop(slots);
        let generation = Generation::new(self.dylib.clone(), replaced);
        session.forget_destructors(self.dylib, &passed)?;
        Ok(generation)
    }
}

impl Drop for Swap<'_> {
    fn drop(&mut self) {
        for swapped in std::mem::take(&mut self.swapped).into_iter().rev() {
            let mut state = self.session().state();
            let objects: Vec<_> = swapped.stubs.into_iter().chain([swapped.new.object]).collect();
            let objects: Vec<_> = objects.into_iter().filter(|object| *object != swapped.before.object).collect();
            let left = state.remove_objects(&objects);
            let allocations = state.abandon(swapped.new.current);
            state.reinstate(swapped.old);
            state.inherit(left);
            drop(state);
            // An error here would only hide the one that brought us here.
            let _gone = self.session().release(self.linking, &allocations);
        }
    }
}

impl State {
    /// Has the stubs of functions jump to what implements them now; those that nothing implements are looked up when they
    /// are called.
    pub(super) fn lazy_jumps(&self, dylib: &JitDylib, functions: &BTreeMap<NameId, u32>) -> Vec<LazyJump> {
        functions.iter().filter_map(|(&name, &number)| self.lazy_jump(dylib.id(), number, name)).collect()
    }

    /// Gives the memory of kept variables to another tracker; returns it.
    pub(super) fn pass_variables(&mut self, kept: &Kept, from: TrackerId, to: TrackerId) -> Vec<AllocationId> {
        let mut moved: Vec<_> = kept.blocks.iter().filter_map(|&address| self.allocations().at(address)).collect();
        moved.extend(kept.thread_local.and_then(|(module, start)| self.allocations().at_thread_local(module, start)));
        moved.sort_unstable();
        moved.dedup();
        self.pass(&moved, from, to);
        moved
    }
}

impl ExecutionSession {
    /// Destructors that a generation has registered for variables that were passed on are not run: the next one's
    /// initializers register theirs.
    pub(super) fn forget_destructors(&self, dylib: &JitDylib, passed: &[(TrackerId, Vec<AllocationId>)]) -> Result<()> {
        for (tracker, variables) in passed.iter().filter(|(_, variables)| !variables.is_empty()) {
            let state = self.state();
            let image = state.dylib(dylib.id())?.image();
            let code = state.owned_allocations(*tracker).to_vec();
            drop(state);
            self.executor().forget_registered(image, &code, variables)?;
        }
        Ok(())
    }
}
