//! Resource trackers: objects that were added through one can be removed together.

use std::ops::Deref;

use super::{Owner, TrackerId};
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;

/// Owns what was added through it, and everything that linking that made: memory, unwind tables, thread-local storage,
/// initializer entries, lazy functions.
///
/// It dereferences to its JITDylib: `tracker.add_object(..)` adds an object that the tracker owns, and so do all
/// functions that add and define. Members of archives and definitions of generators that were added through it are the
/// tracker's, too, and searched no more when it is removed.
///
/// A JITDylib has a default tracker for what is added without one. A clone is another handle to the same tracker.
/// Dropping the last handle removes nothing: what it owns then stays until its JITDylib is closed.
#[derive(Clone, Debug)]
pub struct ResourceTracker {
    dylib: JitDylib,
    id: TrackerId,
}

impl ResourceTracker {
    /// A tracker of a JITDylib.
    pub(crate) fn new(dylib: &JitDylib, id: TrackerId) -> Self {
        Self { dylib: dylib.owned_by(Some(id)), id }
    }

    pub(crate) fn id(&self) -> TrackerId {
        self.id
    }

    /// The JITDylib that it belongs to: what is added to that is not the tracker's.
    #[must_use]
    pub fn dylib(&self) -> JitDylib {
        self.dylib.owned_by(None)
    }

    /// Removes what it owns: what it has registered to run at exit is run, as are its terminators if its initializers
    /// were; then names are free again and memory is given back. Lazy functions that are called meanwhile are linked.
    /// Lazy functions elsewhere that were linked to what is removed are linked anew when they are called next.
    ///
    /// Thread-local objects of this thread are destroyed before; the destructors of other threads' are forgotten.
    ///
    /// What several objects define alike (inline functions, templates, vtables in COMDAT groups, weak definitions) is
    /// linked once, from the object that was added first. If that is removed, the name goes to the next object that has
    /// such a definition, as if the first had never been added; but code that is bound to the first one's stays bound
    /// to it, and its memory stays until the last such code is removed.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # use linkjit::SourceModule;
    /// # let object = SourceModule::text("doc.c", "int answer(void) { return 42; }").compile()?;
    /// let jit = linkjit::Jit::host()?;
    /// let tracker = jit.create_tracker()?;
    /// tracker.add_object(&object)?;
    /// jit.lookup("answer")?;
    /// // SAFETY: nobody calls it any more.
    /// unsafe { tracker.remove()? };
    /// assert!(jit.lookup("answer").is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::InUse`] if linked code of other trackers is bound to what it owns, in other ways than the above;
    /// nothing was removed then. Remove them together ([`ResourceTracker::remove_all`]) or before.
    /// [`Error::ServesProcess`] if it owns an allocator that the libraries of the process use.
    /// [`Error::TrackerRemoved`] if that has been done before. [`Error::Reentrant`] if it is called by what is being
    /// linked, removed or closed, or by an initializer of what it owns.
    ///
    /// # Safety
    /// No thread may be in the code, and nobody may use it or its data afterwards by addresses that were looked up or
    /// handed out, nor by implementations that redirectable symbols were given.
    pub unsafe fn remove(&self) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.session().remove_trackers(&[self.id]) }
    }

    /// Removes what several trackers own, together: they may use each other's code. They may be of different JITDylibs
    /// of one session.
    ///
    /// # Errors
    /// As for [`ResourceTracker::remove`]; then nothing was removed.
    ///
    /// # Safety
    /// As for [`ResourceTracker::remove`].
    pub unsafe fn remove_all(trackers: &[Self]) -> Result<()> {
        let Some(first) = trackers.first() else { return Ok(()) };
        let mut ids = Vec::new();
        for tracker in trackers {
            if !tracker.session().is(first.session()) {
                return Err(Error::Foreign { what: "the resource tracker belongs to another session" });
            }
            ids.push(tracker.id);
        }
        ids.sort_unstable();
        ids.dedup();
        // SAFETY: the caller's promise.
        unsafe { first.session().remove_trackers(&ids) }
    }

    /// Removes what it owns with all whose linked code is bound to it, directly or not; returns the trackers of those.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # use linkjit::SourceModule;
    /// # let compile = |text: &str| SourceModule::text("doc.c", text).compile();
    /// let jit = linkjit::Jit::host()?;
    /// let [callee, caller] = [jit.create_tracker()?, jit.create_tracker()?];
    /// callee.add_object(&compile("int f(void) { return 1; }")?)?;
    /// caller.add_object(&compile("int f(void); int g(void) { return f(); }")?)?;
    /// jit.lookup("g")?;
    /// // SAFETY: nobody calls any of it.
    /// assert_eq!(unsafe { callee.remove_with_dependents()? }.len(), 1);
    /// assert!(jit.lookup("g").is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If it was removed before.
    ///
    /// # Safety
    /// As for [`ResourceTracker::remove`], for all of them.
    pub unsafe fn remove_with_dependents(&self) -> Result<Vec<Self>> {
        let mut all = vec![self.clone()];
        loop {
            // SAFETY: the caller's promise.
            match unsafe { Self::remove_all(&all) } {
                Err(Error::InUse { dependents }) => {
                    let more = Self::dependents_of(&all)?;
                    if more.is_empty() {
                        return Err(Error::InUse { dependents });
                    }
                    all.extend(more);
                }
                result => return result.map(|()| all.split_off(1)),
            }
        }
    }

    /// The trackers whose linked code would have to go if this one was removed now.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # use linkjit::{ResourceTracker, SourceModule};
    /// # let compile = |text: &str| SourceModule::text("doc.c", text).compile();
    /// let jit = linkjit::Jit::host()?;
    /// let [callee, caller] = [jit.create_tracker()?, jit.create_tracker()?];
    /// callee.add_object(&compile("int f(void) { return 1; }")?)?;
    /// caller.add_object(&compile("int f(void); int g(void) { return f(); }")?)?;
    /// assert!(callee.dependents()?.is_empty());
    /// jit.lookup("g")?;
    /// assert_eq!(callee.dependents()?.len(), 1);
    /// // SAFETY: nobody calls any of it.
    /// unsafe {
    ///     assert!(matches!(callee.remove(), Err(linkjit::Error::InUse { .. })));
    ///     ResourceTracker::remove_all(&[callee, caller])?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If it was removed.
    pub fn dependents(&self) -> Result<Vec<Self>> {
        Self::dependents_of(std::slice::from_ref(self))
    }

    fn dependents_of(trackers: &[Self]) -> Result<Vec<Self>> {
        let Some(session) = trackers.first().map(|tracker| tracker.session()) else { return Ok(Vec::new()) };
        let ids: Vec<_> = trackers.iter().map(|tracker| tracker.id).collect();
        let state = session.state();
        let ids = state.with_updatable(&ids);
        let mut users: Vec<_> = state.users_of(&ids)?.into_iter().filter_map(|(tracker, _)| tracker).collect();
        // An object that can be replaced goes whole.
        users.extend(users.clone().into_iter().filter_map(|user| state.stubs_of_generation(user)));
        users.retain(|user| !ids.contains(user));
        users.sort_unstable();
        users.dedup();
        let handle = |id| {
            let dylib = state.trackers.get(&id).map(|tracker| tracker.dylib)?;
            Some(Self::new(&JitDylib::new(session.clone(), dylib), id))
        };
        Ok(users.into_iter().filter_map(handle).collect())
    }

    /// Gives all that it owns to another tracker of the same JITDylib: objects, linked or not, memory, initializers and
    /// terminators, lazy functions. This one is as if it were removed then.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # use linkjit::{ResourceTracker, SourceModule};
    /// # let compile = |text: &str| SourceModule::text("doc.c", text).compile();
    /// let jit = linkjit::Jit::host()?;
    /// let [first, all] = [jit.create_tracker()?, jit.create_tracker()?];
    /// first.add_object(&compile("int f(void) { return 1; }")?)?;
    /// first.transfer_to(&all)?;
    /// // SAFETY: nobody calls it.
    /// unsafe {
    ///     assert!(matches!(first.remove(), Err(linkjit::Error::TrackerRemoved)));
    ///     all.remove()?;
    /// }
    /// assert!(jit.lookup("f").is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If one of them was removed, or the other is of another JITDylib.
    pub fn transfer_to(&self, other: &Self) -> Result<()> {
        if !self.session().is(other.session()) || self.dylib.id() != other.dylib.id() {
            return Err(Error::Foreign { what: "the resource tracker belongs to another JITDylib" });
        }
        // What a batch places belongs to the tracker that it saw.
        let _linking = self.session().begin_linking()?;
        self.session().state().transfer(self.id, other.id)?;
        self.session().note_transferred(self.id, other.id);
        Ok(())
    }
}

/// It is a handle of its JITDylib through which it gets what is added or defined.
impl Deref for ResourceTracker {
    type Target = JitDylib;

    fn deref(&self) -> &JitDylib {
        &self.dylib
    }
}

impl super::State {
    fn transfer(&mut self, from: TrackerId, to: TrackerId) -> Result<()> {
        if !self.trackers.contains_key(&from) || !self.trackers.contains_key(&to) {
            return Err(Error::TrackerRemoved);
        }
        if from == to {
            return Ok(());
        }
        let Some(source) = self.take_tracker(from) else { return Ok(()) };
        for object in &source.objects {
            if let Some(object) = self.objects.get_mut(object) {
                object.tracker = to;
            }
        }
        self.allocations.give(&source.allocations, Owner::Tracker(to));
        let dylib = self.dylib_mut(source.dylib)?;
        let sections = dylib.sections.values_mut().map(|(_, owner)| owner);
        let owners = sections.chain(dylib.generators.iter_mut().map(|generator| &mut generator.tracker));
        owners.filter(|owner| **owner == Some(from)).for_each(|owner| *owner = Some(to));
        if let Some(target) = self.trackers.get_mut(&to) {
            target.allocations.extend(source.allocations);
            target.objects.extend(source.objects);
            target.stubs.extend(source.stubs);
            target.keeps.extend(source.keeps);
        }
        Ok(())
    }
}
