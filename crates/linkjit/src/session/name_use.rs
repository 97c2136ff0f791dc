//! Giving back names that nobody uses any more. Programs may add, link and remove objects for days, with new names in
//! each.
//!
//! A removal collects names when as many are new as the last collection left: those that the tables and graphs refer to
//! stay, all others go. It does so only while nobody else can have ids of names. That means that no lookup or
//! definition is under way ([`NamesInUse`]), and that nothing in the session lets users or other parts keep ids
//! (`names_kept`): plugins, the pool itself, units, lazy and updatable objects.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use linkjit_link::graph::{LinkGraph, Name, Request};
use linkjit_link::names::NameId;

use super::inherit::Heir;
use super::{DefinedBy, ExecutionSession, State};

/// With fewer new names it is not worth the while.
const LEAST: u64 = 4096;

/// The session's knowledge of the use of its names.
#[derive(Debug, Default)]
pub(super) struct NameUse {
    /// As long as others have a copy, somebody has ids that are in no table.
    in_use: Arc<()>,
    /// Somebody may have kept ids, for good.
    kept: AtomicBool,
    /// The number of names that there had been when some were given back, and of those that were left.
    last: AtomicU64,
    left: AtomicU64,
}

/// As long as this lives, no name goes. Whoever looks up or defines names takes it before the first id.
#[derive(Clone, Debug)]
pub(crate) struct NamesInUse {
    _in_use: Arc<()>,
}

impl ExecutionSession {
    /// See [`NamesInUse`].
    pub(crate) fn use_names(&self) -> NamesInUse {
        NamesInUse { _in_use: self.inner.name_use.in_use.clone() }
    }

    /// From now on, somebody may have kept ids of names.
    pub(crate) fn keep_names(&self) {
        self.inner.name_use.kept.store(true, Ordering::Relaxed);
    }

    /// Gives names back, after a removal, if there are many. No batch has graphs out of the tables.
    pub(super) fn give_names_back(&self) {
        let name_use = &self.inner.name_use;
        let mut names = self.names();
        let new = names.interned() - name_use.last.load(Ordering::Relaxed);
        if new < LEAST.max(name_use.left.load(Ordering::Relaxed)) || name_use.kept.load(Ordering::Relaxed) {
            return;
        }
        let state = self.state();
        // With both locked, nobody gets an id: who begins to use names now waits for the lock.
        if Arc::strong_count(&name_use.in_use) > 1 || state.batch.is_some() {
            return;
        }
        let mut used = Vec::new();
        state.names_used(&mut used);
        names.retain(used);
        name_use.last.store(names.interned(), Ordering::Relaxed);
        name_use.left.store(names.len() as u64, Ordering::Relaxed);
    }
}

impl State {
    /// All names that the tables and the graphs in them refer to, some more than once.
    fn names_used(&self, used: &mut Vec<NameId>) {
        for dylib in self.dylibs.values() {
            for (&name, entry) in &dylib.symbols {
                used.push(name);
                if let DefinedBy::Alias(_, target) = entry.by {
                    used.push(target);
                }
            }
            used.extend(dylib.groups.keys().chain(dylib.hidden.keys()).chain(dylib.missing_imports.keys()));
            used.extend(dylib.alternates.all().flat_map(|(&name, alternate)| [name, alternate.name, alternate.target]));
            used.extend(dylib.heirs.iter().map(Heir::name));
            dylib.image_requests.names_used(used);
        }
        for object in self.objects.values() {
            used.extend(object.names.iter().chain(&object.groups).chain(&object.hides));
            used.extend(object.yielded.iter().map(|yielded| yielded.name));
            used.extend(object.yielded_groups.iter().map(|group| group.signature));
            if let Some(input) = &object.input {
                names_of(&input.graph, used);
            }
        }
        used.extend(self.direct.values().flatten().map(|&(name, ..)| name));
        used.extend(self.direct.values().flatten().filter_map(|&(_, by, _)| match by {
            DefinedBy::Alias(_, target) => Some(target),
            _ => None,
        }));
        self.allocator.names_used(used);
        used.extend(self.pulled.replaced.iter().map(|replaced| replaced.name));
    }
}

/// The names that a graph refers to.
fn names_of(graph: &LinkGraph, used: &mut Vec<NameId>) {
    used.extend(graph.symbols().iter().filter_map(|symbol| match symbol.name {
        Name::Interned(name) => Some(name),
        _ => None,
    }));
    used.extend(graph.groups.iter().map(|group| group.signature));
    used.extend(graph.alternates.iter().flat_map(|alternate| [alternate.name, alternate.target]));
    for request in &graph.requests {
        match request {
            Request::Export { name, target } => used.extend([*name, *target]),
            Request::Entry(name) => used.push(*name),
            _ => {}
        }
    }
}
