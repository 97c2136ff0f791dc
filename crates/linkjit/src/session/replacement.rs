//! Another executor for a session: its process is another, and nothing is linked there yet.
//!
//! The tables are made anew, with the same JITDylibs and trackers, and everything that the [journal](super::journal)
//! has is added again. If that fails, the old tables are put back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, Weak};

use linkjit_executor::{Executor, ImageId};
use linkjit_link::names::NameId;

use super::allocator::Allocator;
use super::dylib::DylibState;
use super::journal::{Added, What};
use super::weak::WeakSession;
use super::{DylibId, ExecutionSession, Job, ObjectId, State, job, lock};
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::plugin::tell;

/// The session that answers an executor, as long as it has that executor.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) session: WeakSession,
    pub(super) by: Weak<dyn Executor>,
}

impl Asked {
    pub(super) fn session(&self) -> Option<ExecutionSession> {
        let session = self.session.upgrade()?;
        std::ptr::addr_eq(Arc::as_ptr(&session.executor()), self.by.as_ptr()).then_some(session)
    }
}

/// A replacement that is going on or waits until it can, as long as this lives.
struct Replacing<'a>(&'a AtomicUsize);

impl<'a> Replacing<'a> {
    fn begin(replacements: &'a AtomicUsize) -> Self {
        replacements.fetch_add(1, Ordering::SeqCst);
        Self(replacements)
    }

    /// Says whether another one waits.
    fn is_awaited(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 1
    }
}

impl Drop for Replacing<'_> {
    fn drop(&mut self) {
        // In the child of a fork nobody is counted.
        let _none = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1));
    }
}

/// The part of a session that an executor goes with.
struct Linked {
    executor: Arc<dyn Executor>,
    state: State,
}

impl ExecutionSession {
    /// Gives the session another executor, because the process of the one that it has is gone or is no good any more: that
    /// is [shut down](Executor::shut_down), and calls that wait for it fail.
    ///
    /// JITDylibs, their link orders and trackers stay as they are, as do handles of them. Objects, archives, libraries,
    /// generators and units that were added are added again, and linked again when a lookup needs them; updatable objects
    /// as they were last. What was in the old process is lost: the values of variables, what initializers have done, and all
    /// addresses that were looked up. So names that stand for addresses (`define_absolute`, `define_redirectable`) are
    /// gone, too, as are units that [do not outlive](crate::MaterializationUnit::outlives_executor) their executor, and may be
    /// defined anew. Updates can't be rolled back any more. Returns the JITDylibs whose state is lost
    /// because something of them was linked.
    ///
    /// ```no_run
    /// # fn main() -> linkjit::Result<()> {
    /// use std::process::Command;
    /// use std::sync::Arc;
    /// use linkjit_remote::Child;
    ///
    /// let another_process = || Child::start_over_stdio(Command::new("my-executor")).map(Arc::new);
    /// let jit = linkjit::Jit::builder().executor(another_process()?).replaceable().build()?;
    /// jit.add_object("server.o")?;
    /// // SAFETY: `main` is a program's.
    /// while let Err(crash) = unsafe { jit.run_main("main", &["server"]) } {
    ///     eprintln!("{crash}; once more, in a new process");
    ///     jit.session().replace_executor(another_process()?)?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// Waits for units that are being materialized. Nothing should be added meanwhile.
    ///
    /// # Errors
    /// [`Error::NotReplaceable`] if the session was not made to be [replaceable](crate::JitBuilder::replaceable), if linked
    /// code runs in this process, or if the new executor runs code for another target. What adding says, for libraries that
    /// the new process does not have, say: then the session has its old executor, which is shut down.
    /// [`Error::Reentrant`] if it is called by what is being linked or by an initializer.
    #[expect(clippy::needless_pass_by_value, reason = "the session keeps it")]
    pub fn replace_executor(&self, executor: Arc<dyn Executor>) -> Result<Vec<JitDylib>> {
        self.check_replaceable(executor.as_ref())?;
        self.check_no_right()?;
        let replacing = Replacing::begin(&self.inner.replacements);
        self.executor().shut_down();
        let _names = self.use_names();
        let has_allocator = executor.has_allocator_of_another();
        let mut images = BTreeMap::new();
        let (initializing, linking, mut old) = loop {
            let initializing = self.begin_initializing()?;
            if initializing.is_nested() {
                return Err(Error::Reentrant);
            }
            let linking = self.begin_removing(|_| false)?;
            self.open_images(executor.as_ref(), &mut images)?;
            match self.begin_anew(&executor, &images, has_allocator) {
                Ok(old) => break (initializing, linking, old),
                Err(begun) => {
                    // They may have to link for that, and to run initializers.
                    drop((linking, initializing));
                    // A unit that fails is no unit any more.
                    let _failed = self.wait_for(job::current(self), &begun)?.block();
                }
            }
        };
        let replaced = self.fill_tables(&mut old);
        if replacing.is_awaited() {
            // Another replacement waits for what this executor is asked, and knows the one before only.
            self.executor().shut_down();
        }
        // The user drops things with the tables that are in use no more: with no right held.
        drop((linking, initializing));
        drop(old);
        replaced
    }

    /// Adds everything to the new tables. If that fails, they are exchanged for the `old` ones again.
    fn fill_tables(&self, old: &mut Linked) -> Result<Vec<JitDylib>> {
        let mut moved = Vec::new();
        if let Err(error) = self.add_everything(&mut old.state, &mut moved) {
            let new = old;
            self.swap(new);
            self.give_units_back(&mut new.state, &moved);
            new.executor.shut_down();
            return Err(error);
        }
        for (from, to) in moved {
            self.note_renumbered(from, to);
            // Whoever waits for it searches again.
            self.progress().end(Job::Unit(from), &Ok(()));
        }
        old.state.pending_units().for_each(|unit| self.progress().end(unit, &Ok(())));
        let plugins = self.plugins();
        for (allocation, _) in old.state.allocations.iter() {
            tell(&plugins, |plugin| plugin.removed(allocation));
        }
        let lost = old.state.dylibs.iter().filter(|(_, dylib)| dylib.windows_in_use);
        Ok(lost.map(|(&id, _)| JitDylib::new(self.clone(), id)).collect())
    }

    fn check_replaceable(&self, executor: &dyn Executor) -> Result<()> {
        let refuse = |why: &str| Err(Error::NotReplaceable { why: why.into() });
        if !self.is_replaceable() {
            return refuse("the session does not remember what was added (JitBuilder::replaceable)");
        }
        if self.executor().is_here() {
            return refuse("its code runs in this process, where it may be in use");
        }
        if executor.target() != self.target() {
            return refuse(&format!("the new one runs code for {}, not {}", executor.target(), self.target()));
        }
        let names = self.names();
        let is_known = |(number, name): (u32, &String)| names.find(name.as_bytes()) == Some(NameId(number));
        if !(0..).zip(&executor.allocator_names()).all(is_known) {
            return refuse("the new one has another allocator");
        }
        Ok(())
    }

    /// Opens images for JITDylibs that have none.
    fn open_images(&self, executor: &dyn Executor, images: &mut BTreeMap<DylibId, ImageId>) -> Result<()> {
        let new: Vec<_> = {
            let state = self.state();
            let new = state.dylibs().filter(|(id, _)| !images.contains_key(id));
            new.map(|(id, dylib)| (id, dylib.name.clone())).collect()
        };
        for (id, name) in new {
            images.insert(id, executor.open_image(&name)?);
        }
        Ok(())
    }

    /// Puts new tables and an executor into the place of the old ones, unless units are being materialized, which have
    /// promised to deliver to these: then returns their jobs. Units are begun without the right to link, hence at any time
    /// before.
    fn begin_anew(
        &self,
        executor: &Arc<dyn Executor>,
        images: &BTreeMap<DylibId, ImageId>,
        has_allocator: bool,
    ) -> Result<Linked, Vec<Job>> {
        let mut state = self.state();
        let begun: Vec<_> = state.units_begun().map(Job::Unit).collect();
        if !begun.is_empty() {
            return Err(begun);
        }
        // If there is another JITDylib by now, nobody is to be waited for.
        let mut old =
            Linked { state: state.renewed(images, has_allocator).ok_or_else(Vec::new)?, executor: executor.clone() };
        self.exchange(&mut state, &mut old);
        drop(state);
        self.forget_reentry();
        Ok(old)
    }

    /// Puts the old tables and the old executor back.
    fn swap(&self, other: &mut Linked) {
        {
            let mut state = self.state();
            self.exchange(&mut state, other);
            state.skip_numbers(&other.state);
        }
        self.forget_reentry();
    }

    /// Exchanges tables and executor. Nobody locks the tables while he has the executor's lock.
    fn exchange(&self, state: &mut State, other: &mut Linked) {
        let mut executor = self.inner.executor.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *executor, &mut other.executor);
        std::mem::swap(state, &mut other.state);
    }

    /// Has the entrance for lazy functions opened anew when one is made.
    fn forget_reentry(&self) {
        *lock(&self.reentry().id) = None;
    }

    /// Adds to the new tables what the journal has and the old ones had. Units are `moved`: their numbers, old and new.
    fn add_everything(&self, old: &mut State, moved: &mut Vec<(ObjectId, ObjectId)>) -> Result<()> {
        self.attend_to(&self.executor());
        for dylib in self.dylibs() {
            self.platform().set_up(&dylib)?;
        }
        let additions = lock(&self.inner.journal).additions.clone();
        for added in additions {
            if !added.is_there(old) {
                continue;
            }
            let Added { dylib, tracker, what } = added;
            let dylib = JitDylib::new(self.clone(), dylib).owned_by(tracker);
            match what {
                What::Object(_, add) | What::Other(add) => add(&dylib)?,
                What::Generator(generator) => self.state().add_generator(&dylib, generator.clone(), true)?,
                What::Updatable(name) => {
                    let object = old.updatable(dylib.id(), &name)?.map(|updatable| updatable.object);
                    let source =
                        object.and_then(|object| old.object(object)?.graph().map(|graph| graph.source().clone()));
                    source.map_or(Ok(()), |source| dylib.read_updatable_object(&source))?;
                }
                What::Unit(unit) => moved.extend(self.move_unit(old, unit, &dylib)?.map(|to| (unit, to))),
            }
        }
        Ok(())
    }

    /// Has a unit of the old tables in the new ones; returns its number there, unless others define all of its names.
    fn move_unit(&self, old: &mut State, unit: ObjectId, dylib: &JitDylib) -> Result<Option<ObjectId>> {
        let owner = dylib.owner()?;
        let Some((mut maker, promised)) = old.take_maker(unit) else { return Ok(None) };
        let moved = {
            let (names, mut state) = (self.names(), self.state());
            state.define_pending(dylib.id(), owner, &mut maker, promised, &names)
        };
        match moved {
            Ok(Some(to)) => self.progress().add(Job::Unit(to)),
            // A maker that is not taken is dropped with nothing locked, or given back.
            _ => old.put_maker_back(unit, maker),
        }
        moved
    }

    /// Gives units back to the old tables, which are in use again, from the new ones.
    fn give_units_back(&self, new: &mut State, moved: &[(ObjectId, ObjectId)]) {
        for &(from, to) in moved {
            let maker = new.take_maker(to).and_then(|(maker, _)| maker);
            self.state().put_maker_back(from, maker);
            self.progress().end(Job::Unit(to), &Ok(()));
        }
    }
}

impl State {
    /// Tables with the same JITDylibs and trackers, of which nothing is linked and to which nothing is added. `images` are
    /// those of the JITDylibs; `None` if one has none.
    fn renewed(&self, images: &BTreeMap<DylibId, ImageId>, has_allocator: bool) -> Option<Self> {
        let allocator = Allocator::new(self.allocator.names(), has_allocator);
        let mut new = Self::new(self.platform, self.target, self.limits, self.crt.clone(), allocator);
        new.continue_numbers(self);
        for (id, old) in self.dylibs() {
            let mut dylib = DylibState::new(id, &old.name, *images.get(&id)?, old.platform_tracker);
            dylib.link_order.clone_from(&old.link_order);
            dylib.default_tracker = old.default_tracker;
            dylib.has_trackers = old.has_trackers;
            dylib.opening = old.opening.renewed();
            new.enter_dylib(id, dylib);
            for (&tracker, _) in self.trackers.iter().filter(|(_, tracker)| tracker.is_users_in(id)) {
                new.enter_tracker(tracker, id);
            }
        }
        Some(new)
    }
}
