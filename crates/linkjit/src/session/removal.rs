//! Removal: what goes, what has to stay, and in which order.
//!
//! Nothing dangles: what a tracker owns is removed only if no linked code of others is bound to it. Weak definitions
//! and COMDAT groups, which stand for those of others, do not prevent removal. They have memory of their own, which
//! stays until its last user goes; the terminators that were registered for them run then. Their names go to other
//! objects that have such definitions ([`super::inherit`]).

use std::collections::BTreeSet;

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use linkjit_executor::{AllocationId, ImageId, Jump, PointerArray};
use linkjit_link::graph::InitializerOrder;

use super::allocations::Keeps;
use super::{DylibId, ExecutionSession, Generator, InitializerRun, Linking, ObjectId, Owner, Part, State, TrackerId};
use crate::error::{Dependent, Error, Result};
use crate::plugin;

/// A part of an image that is to be closed.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) image: ImageId,
    pub(super) allocations: Vec<AllocationId>,
    /// Its terminators.
    pub(super) ended: Vec<PointerArray>,
    /// Those that stay.
    pub(super) terminators: Vec<PointerArray>,
}

/// Lazy functions that are to be linked anew when they are called: their slots lead to their trampolines again.
pub(crate) type Unlinked = Vec<Jump>;

/// The things that were taken out of the tables.
#[derive(Debug, Default)]
pub(crate) struct Detached {
    pub(crate) allocations: Vec<AllocationId>,
    pub(crate) unlinked: Unlinked,
    /// The users', so they are dropped with nothing locked.
    pub(crate) generators: Vec<Generator>,
    /// The functions that go when the memory is given back, which keeps it, too.
    pub(crate) keeps: Vec<Keeps>,
}

impl ExecutionSession {
    /// Removes what trackers own, all of it or, if somebody else uses it, nothing.
    ///
    /// # Safety
    /// As for [`super::ResourceTracker::remove`].
    pub(crate) unsafe fn remove_trackers(&self, trackers: &[TrackerId]) -> Result<()> {
        let _initializing = self.begin_initializing()?;
        let owned = self.state().with_updatable(trackers);
        let linking = self.begin_removing(|object| owned.contains(&object.tracker))?;
        self.reclaim_passed(&linking)?;
        // An update may have been before us.
        let trackers = self.state().with_updatable(trackers);
        let trackers = &trackers[..];
        {
            // An error if one of them was removed, or if others use what they own.
            let state = self.state();
            state.check_no_use(state.users_of(trackers)?.into_iter().map(|(_, object)| object))?;
        }
        self.check_not_serving(trackers)?;
        let mut closed = None;
        // What is called in the end may be linked for that, which may bring more to be called.
        loop {
            let (endings, allocations) = self.state().endings(trackers)?;
            if closed == Some(allocations) && endings.iter().all(|ending| ending.ended.is_empty()) {
                break;
            }
            for ending in endings {
                // SAFETY: its code is still there; the caller vouches for the rest.
                unsafe { self.close_part(&linking, &ending)? };
            }
            closed = Some(allocations);
        }
        let slots = self.slots();
        let detached = self.state().detach(trackers, Owner::Users)?;
        self.unlink(&detached.unlinked)?;
        drop(slots);
        self.release(&linking, &detached.allocations)?;
        self.give_names_back();
        Ok(())
    }

    /// Closes JITDylibs in this order. They may use each other's code.
    ///
    /// # Safety
    /// As for [`crate::JitDylib::close`].
    pub(crate) unsafe fn close_dylibs(&self, dylibs: &[DylibId]) -> Result<()> {
        let _initializing = self.begin_initializing()?;
        let linking = self.begin_removing(|object| dylibs.contains(&object.dylib))?;
        self.state().check_closable(dylibs)?;
        // What that leaves without users may be of any of them.
        dylibs.iter().try_for_each(|&dylib| self.reclaim_dylib(&linking, dylib))?;
        for &dylib in dylibs {
            let image = self.state().dylib(dylib)?.image;
            let lent = self.lend_linking(&linking);
            // SAFETY: its code is still there; the caller vouches for the rest.
            unsafe { self.executor().close_image(image)? };
            drop(lent);
        }
        let is_kept = self.state().retire_allocator(dylibs);
        let (mut windows, mut allocations, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        let slots = self.slots();
        for &dylib in dylibs {
            let (taken, detached) = self.state().take_dylib(dylib)?;
            kept.extend(detached.keeps);
            if is_kept {
                self.state().forget_allocations(&detached.allocations);
                continue;
            }
            self.unlink(&detached.unlinked)?;
            windows.extend(taken.windows);
            windows.extend(taken.areas);
            allocations.extend(detached.allocations);
        }
        drop(slots);
        self.release(&linking, &allocations)?;
        for window in windows {
            self.executor().release_window(window.id)?;
        }
        self.give_names_back();
        Ok(())
    }

    /// Has lazy functions linked anew when they are called next.
    pub(crate) fn unlink(&self, functions: &Unlinked) -> Result<()> {
        if !functions.is_empty() {
            self.executor().redirect(functions)?;
        }
        Ok(())
    }

    /// # Safety
    /// What is registered for it must be sound to call now.
    pub(super) unsafe fn close_part(&self, linking: &Linking<'_>, ending: &Ending) -> Result<()> {
        let Ending { image, allocations, ended, terminators } = ending;
        let _lent = self.lend_linking(linking);
        // SAFETY: the caller's promise.
        unsafe { self.executor().close_part(*image, allocations, ended, terminators)? };
        Ok(())
    }

    /// Gives those of `allocations` back that nobody owns or uses any more, and what only they had used. What is
    /// registered for the former has been run.
    pub(crate) fn release(&self, linking: &Linking<'_>, allocations: &[AllocationId]) -> Result<()> {
        let unused = self.state().allocations.unused(allocations);
        let not_closed: Vec<_> = unused.iter().copied().filter(|id| !allocations.contains(id)).collect();
        let endings = self.state().take_endings_of(&not_closed);
        for ending in endings {
            // SAFETY: its last user is gone; whoever removed that vouches for it.
            unsafe { self.close_part(linking, &ending)? };
        }
        for id in unused.into_iter().rev() {
            let allocation = {
                let mut state = self.state();
                let Some(allocation) = state.allocations.remove(id) else { continue };
                state.lazy.forget_slots(&allocation.segments);
                allocation
            };
            plugin::tell(&self.plugins(), |plugin| plugin.removed(id));
            self.executor().deallocate(id)?;
            if let Some(tls) = allocation.tls {
                self.executor().release_tls(tls.id)?;
            }
        }
        Ok(())
    }
}

impl State {
    /// The number of removals.
    pub(crate) fn removals(&self) -> u64 {
        self.removals
    }

    /// The linked code of others that is bound to what trackers own and that can't do without: the trackers of it, if
    /// it was not retired, and objects.
    pub(crate) fn users_of(&self, trackers: &[TrackerId]) -> Result<Vec<(Option<TrackerId>, ObjectId)>> {
        let mut users = Vec::new();
        for id in trackers {
            let tracker = self.trackers.get(id).ok_or(Error::TrackerRemoved)?;
            for &allocation in &tracker.allocations {
                if self.allocations.get(allocation).is_some_and(|allocation| allocation.part == Part::Own) {
                    users.extend(self.allocations.other_users(allocation, trackers));
                }
            }
        }
        users.sort_unstable();
        users.dedup();
        Ok(users)
    }

    /// An error if there are `users` of what is to go.
    pub(crate) fn check_no_use(&self, users: impl Iterator<Item = ObjectId>) -> Result<()> {
        let dependent = |id| match self.objects.get(&id) {
            Some(object) => Dependent {
                object: object.name.to_string(),
                dylib: self.dylib(object.dylib).map(|dylib| dylib.name.clone()).unwrap_or_default(),
            },
            None => Dependent { object: "a retired object".into(), dylib: String::new() },
        };
        let mut dependents: Vec<_> = users.map(dependent).collect();
        dependents.sort_unstable();
        dependents.dedup();
        if dependents.is_empty() { Ok(()) } else { Err(Error::InUse { dependents }) }
    }

    /// An error if linked code of other JITDylibs is bound to that of these, or if one is closed.
    pub(crate) fn check_closable(&self, dylibs: &[DylibId]) -> Result<()> {
        dylibs.iter().try_for_each(|&dylib| self.dylib(dylib).map(|_| ()))?;
        let here = dylibs.iter().flat_map(|&dylib| self.allocations.in_dylib(dylib));
        let dylibs: HashSet<DylibId, FixedState> = dylibs.iter().copied().collect();
        let is_elsewhere = |user| self.allocations.get(user).is_some_and(|user| !dylibs.contains(&user.dylib));
        let users = here.flat_map(|(_, allocation)| &allocation.users).filter(|(user, _)| is_elsewhere(*user));
        self.check_no_use(users.map(|&(_, object)| object))
    }

    /// The parts of images that are to be closed before trackers are removed, by JITDylib; and how many allocations they own.
    fn endings(&mut self, trackers: &[TrackerId]) -> Result<(Vec<Ending>, usize)> {
        let mut endings = Vec::new();
        let mut count = 0;
        for id in trackers {
            let tracker = self.trackers.get(id).ok_or(Error::TrackerRemoved)?;
            count += tracker.allocations.len();
            let is_unused = |&id: &AllocationId| self.allocations.other_users(id, trackers).is_empty();
            let allocations = tracker.allocations.iter().copied().filter(is_unused).collect();
            let (id, objects) = (tracker.dylib, tracker.objects.clone());
            let dylib = self.dylib_mut(id)?;
            let (image, ended) = (dylib.image, in_order(dylib.take_terminators(&objects)));
            endings.push(Ending { image, allocations, ended, terminators: self.terminator_arrays(id) });
        }
        Ok((endings, count))
    }

    /// The parts of images that are to be closed before allocations are given back that were kept for others, by JITDylib.
    fn take_endings_of(&mut self, allocations: &[AllocationId]) -> Vec<Ending> {
        let with_dylib = |&id: &AllocationId| Some((self.allocations.get(id)?.dylib, id));
        let mut by_dylib: Vec<_> = allocations.iter().filter_map(with_dylib).collect();
        by_dylib.sort_unstable();
        let ending = |chunk: &[(DylibId, AllocationId)]| {
            let id = chunk.first()?.0;
            let allocations: Vec<_> = chunk.iter().map(|&(_, id)| id).collect();
            let Self { dylibs, allocations: all, .. } = &mut *self;
            let dylib = dylibs.get_mut(&id)?;
            let is_ended =
                |run: &mut InitializerRun| all.at(run.array.address).is_some_and(|id| allocations.contains(&id));
            let ended = in_order(dylib.kept_terminators.extract_if(.., is_ended).collect());
            Some(Ending { image: dylib.image, allocations, ended, terminators: self.terminator_arrays(id) })
        };
        by_dylib.chunk_by(|one, other| one.0 == other.0).filter_map(ending).collect()
    }

    /// Takes what trackers own out of the tables: names are free. The memory is still there, and `owner`'s.
    pub(super) fn detach(&mut self, trackers: &[TrackerId], owner: Owner) -> Result<Detached> {
        let mut detached = Detached::default();
        let mut objects = Vec::new();
        for id in trackers {
            let tracker = self.take_tracker(*id).ok_or(Error::TrackerRemoved)?;
            if let Some(name) = &tracker.updatable {
                self.forget_updatable(tracker.dylib, name, *id);
            }
            let dylib = self.dylib_mut(tracker.dylib)?;
            dylib.sections.retain(|_, (_, owner)| *owner != Some(*id));
            let generators = dylib.generators.extract_if(.., |generator| generator.tracker == Some(*id));
            detached.generators.extend(generators);
            if !detached.generators.is_empty() {
                dylib.archives = None;
            }
            detached.keeps.extend(self.allocations.keep(&tracker.allocations, tracker.keeps));
            detached.allocations.extend(tracker.allocations);
            objects.extend(tracker.objects);
        }
        self.allocations.give(&detached.allocations, owner);
        self.removals += 1;
        let left = self.remove_objects(&objects);
        self.inherit(left);
        // Behind the objects: their own stubs are forgotten now. Those that others keep lead on, to what is kept with them.
        let Self { lazy, allocations, .. } = self;
        let is_own = |id: &AllocationId| allocations.get(*id).is_some_and(|allocation| allocation.part != Part::Shared);
        detached.unlinked = lazy.unlink(&detached.allocations, |slot, implementation| {
            allocations.at(slot).filter(|id| is_own(id) && is_own(&implementation))
        });
        Ok(detached)
    }

    /// The terminators of a JITDylib in the order in which they are to be called. Those of what is retired are among
    /// them, in case that the process exits, or the JITDylib is closed, before they are called.
    pub(crate) fn terminator_arrays(&self, dylib: DylibId) -> Vec<PointerArray> {
        let (kept, current) =
            self.dylib(dylib).map_or((&[][..], &[][..]), |dylib| (&dylib.kept_terminators, &dylib.terminators));
        in_order(self.retired_terminators(dylib).chain(kept).chain(current).copied().collect())
    }
}

impl super::DylibState {
    /// Takes out the terminators of objects.
    pub(super) fn take_terminators(&mut self, objects: &BTreeSet<ObjectId>) -> Vec<InitializerRun> {
        self.terminators.extract_if(.., |run| objects.contains(&run.object)).collect()
    }
}

/// Terminators in the order in which they are to be called: the initializers' backwards, but those of COFF forwards.
pub(super) fn in_order(runs: Vec<InitializerRun>) -> Vec<PointerArray> {
    let (mut backwards, mut forwards): (Vec<_>, Vec<_>) =
        runs.into_iter().partition(|run| matches!(run.order, InitializerOrder::Fini(_)));
    backwards.reverse();
    backwards.sort_by_key(|run| std::cmp::Reverse(run.order));
    forwards.sort_by_key(|run| run.order);
    backwards.into_iter().chain(forwards).map(|run| run.array).collect()
}
