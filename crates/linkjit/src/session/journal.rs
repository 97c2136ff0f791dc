//! The journal of a session whose executor can be replaced: the additions, so that they can be made again for another
//! process ([`super::replacement`]).
//!
//! Definitions of generators are not in it, for these are asked again, and neither are addresses, which mean nothing in
//! another process.
//!
//! The journal is locked after the tables, never before.

use std::fmt;
use std::sync::Arc;

use linkjit_link::graph::LinkGraph;
use linkjit_link::names::NameId;

use super::{DefinitionGenerator, Direct, DylibId, ExecutionSession, Job, ObjectId, State, TrackerId, job, lock};
use crate::error::Result;
use crate::jitdylib::JitDylib;

/// With fewer additions it is not worth the while to look for those that were removed.
const LEAST: usize = 1024;

type Add = dyn Fn(&JitDylib) -> Result<()> + Send + Sync;

/// Additions, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) additions: Vec<Added>,
    /// The number of them when it was last looked which are still there.
    left: usize,
}

/// An addition to a JITDylib.
#[derive(Clone, Debug)]
pub(super) struct Added {
    pub(super) dylib: DylibId,
    /// The tracker with which it goes, if it does not go with the JITDylib alone.
    pub(super) tracker: Option<TrackerId>,
    pub(super) what: What,
}

/// The thing that was added.
#[derive(Clone)]
pub(super) enum What {
    /// An object of a name, by this function, which adds it again.
    Object(Arc<str>, Arc<Add>),
    /// Something else.
    Other(Arc<Add>),
    /// An object that can be replaced. The tables know its present generation.
    Updatable(Arc<str>),
    /// A unit that is not materialized yet.
    Unit(ObjectId),
    /// A generator of the user.
    Generator(Arc<dyn DefinitionGenerator>),
}

impl fmt::Debug for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(name, _) => write!(f, "Object({name})"),
            Self::Other(_) => f.write_str("Other"),
            Self::Updatable(name) => write!(f, "Updatable({name})"),
            Self::Unit(object) => write!(f, "Unit({object:?})"),
            Self::Generator(generator) => write!(f, "Generator({generator:?})"),
        }
    }
}

impl Added {
    /// Says whether it was not removed.
    pub(super) fn is_there(&self, state: &State) -> bool {
        state.dylib(self.dylib).is_ok()
            && self.tracker.is_none_or(|tracker| state.has_tracker(tracker))
            && match &self.what {
                What::Object(..) | What::Other(_) | What::Generator(_) => true,
                What::Updatable(name) => state.updatable(self.dylib, name).is_ok_and(|object| object.is_some()),
                What::Unit(object) => state.is_pending(*object),
            }
    }
}

impl JitDylib {
    /// Adds something, now and for each executor that replaces this one.
    pub(crate) fn add_again(&self, add: impl Fn(&Self) -> Result<()> + Send + Sync + 'static) -> Result<()> {
        add(self)?;
        self.note_added(|| What::Other(Arc::new(add)));
        Ok(())
    }

    /// The same for an object of a name, which goes with the default tracker if it was added without one.
    pub(crate) fn add_object_again(
        &self,
        name: &Arc<str>,
        add: impl Fn(&Self) -> Result<()> + Send + Sync + 'static,
    ) -> Result<()> {
        add(self)?;
        if self.session().is_replaceable() {
            let owned = self.owned_by(Some(self.owner()?));
            owned.note_added(|| What::Object(name.clone(), Arc::new(add)));
        }
        Ok(())
    }

    /// Notes an updatable object that was added.
    pub(crate) fn note_updatable(&self, name: &Arc<str>) {
        self.note_added(|| What::Updatable(name.clone()));
    }

    /// Notes a generator that the user has added.
    pub(crate) fn note_generator(&self, generator: &Arc<dyn DefinitionGenerator>) {
        self.note_added(|| What::Generator(generator.clone()));
    }

    /// Notes that the user has removed a generator.
    pub(crate) fn note_removed_generator(&self, generator: &Arc<dyn DefinitionGenerator>) {
        self.session().forget_additions(|added| {
            added.dylib == self.id() && matches!(&added.what, What::Generator(other) if is_same(other, generator))
        });
    }

    /// Notes that objects of a name were discarded.
    pub(crate) fn note_discarded(&self, name: &str) {
        self.session().forget_additions(|added| {
            added.dylib == self.id() && matches!(&added.what, What::Object(object, _) if **object == *name)
        });
    }

    fn note_added(&self, what: impl FnOnce() -> What) {
        let session = self.session();
        if !session.notes_additions() {
            return;
        }
        let added = Added { dylib: self.id(), tracker: self.tracker(), what: what() };
        lock(&session.inner.journal).additions.push(added);
        session.forget_removed_additions();
    }
}

impl Journal {
    /// The place of a unit that is not materialized yet.
    fn position(&self, unit: ObjectId) -> Option<usize> {
        self.additions.iter().rposition(|added| matches!(added.what, What::Unit(other) if other == unit))
    }

    /// Takes out what was removed, if much was added since that was done last.
    fn forget_removed(&mut self, state: &State) -> Vec<Added> {
        if self.additions.len() < LEAST.max(2 * self.left) {
            return Vec::new();
        }
        let gone = self.additions.extract_if(.., |added| !added.is_there(state)).collect();
        self.left = self.additions.len();
        gone
    }
}

impl ExecutionSession {
    /// Says whether its executor can be replaced.
    pub(crate) fn is_replaceable(&self) -> bool {
        self.options().replaceable
    }

    /// Says whether what this agent adds is noted: what generators define is not.
    pub(crate) fn notes_additions(&self) -> bool {
        self.is_replaceable() && !matches!(job::current(self), Some(Job::Generator(_)))
    }

    /// Shortens the journal, if that is worth the while.
    pub(crate) fn forget_removed_additions(&self) {
        let gone = {
            let state = self.state();
            lock(&self.inner.journal).forget_removed(&state)
        };
        // What the user drops with them is dropped with nothing locked.
        drop(gone);
    }

    /// Notes a unit that was added, with the tables still locked: nobody has materialized it yet.
    pub(crate) fn note_unit(&self, dylib: DylibId, owner: TrackerId, unit: ObjectId) {
        lock(&self.inner.journal).additions.push(Added { dylib, tracker: Some(owner), what: What::Unit(unit) });
    }

    /// Notes what a unit has delivered, with the tables still locked: nobody adds it again without that.
    pub(super) fn note_delivered(&self, unit: ObjectId, graphs: Vec<LinkGraph>, direct: &[(NameId, Direct)]) {
        let alias = |&(name, direct): &(NameId, Direct)| match direct {
            Direct::Alias(from, target) => Some((name, (from, target))),
            Direct::Absolute(_) => None,
        };
        let aliases: Vec<_> = direct.iter().filter_map(alias).collect();
        let add_aliases = move |dylib: &JitDylib| {
            let (names, mut state) = (dylib.session().names(), dylib.session().state());
            aliases.iter().try_for_each(|&(name, target)| state.define_alias(dylib.id(), name, target, &names))
        };
        let object = |graph: LinkGraph| {
            let name = graph.source().name().clone();
            let add: Arc<Add> = Arc::new(move |dylib| dylib.add_graph_that_was_read(graph.clone()));
            (name, add)
        };
        let mut objects = graphs.into_iter().map(object);
        // The first object is the unit, in the tables too: if it is discarded, so are the aliases.
        let first = match objects.next() {
            Some((name, add)) => {
                What::Object(name, Arc::new(move |dylib| add(dylib).and_then(|()| add_aliases(dylib))))
            }
            None => What::Other(Arc::new(add_aliases)),
        };
        let mut journal = lock(&self.inner.journal);
        let Some(at) = journal.position(unit) else { return };
        let Added { dylib, tracker, .. } = journal.additions[at];
        let all = std::iter::once(first).chain(objects.map(|(name, add)| What::Object(name, add)));
        journal.additions.splice(at..=at, all.map(|what| Added { dylib, tracker, what }));
    }

    /// Notes that a unit has delegated something to another one, with the tables still locked.
    pub(crate) fn note_delegated(&self, from: ObjectId, to: ObjectId) {
        let mut journal = lock(&self.inner.journal);
        if let Some(at) = journal.position(from) {
            let added = Added { what: What::Unit(to), ..journal.additions[at].clone() };
            journal.additions.insert(at + 1, added);
        }
    }

    /// Notes that a unit has another number.
    pub(super) fn note_renumbered(&self, from: ObjectId, to: ObjectId) {
        let mut journal = lock(&self.inner.journal);
        if let Some(at) = journal.position(from) {
            journal.additions[at].what = What::Unit(to);
        }
    }

    fn forget_additions(&self, is_it: impl Fn(&Added) -> bool) {
        let gone: Vec<_> = lock(&self.inner.journal).additions.extract_if(.., |added| is_it(added)).collect();
        // What the user drops with them is dropped with nothing locked.
        drop(gone);
    }

    /// Notes that a tracker has given all that it owns to another one.
    pub(crate) fn note_transferred(&self, from: TrackerId, to: TrackerId) {
        let mut journal = lock(&self.inner.journal);
        let theirs = journal.additions.iter_mut().filter(|added| added.tracker == Some(from));
        theirs.for_each(|added| added.tracker = Some(to));
    }
}

/// Says whether both are one generator.
pub(crate) fn is_same(one: &Arc<dyn DefinitionGenerator>, other: &Arc<dyn DefinitionGenerator>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}
