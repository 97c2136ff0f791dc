//! A program's own allocator: definitions of `malloc` and its kin, and of C++'s operators.
//!
//! They serve all libraries of the process, as they would if the system had linked the program. Only one program of a
//! process can have this: the first JITDylib that has such definitions. Definitions of others yield to it, as those of
//! a library do that is opened while the program runs.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use linkjit_executor::{AllocationId, ExecAddr};
use linkjit_link::graph::{LinkGraph, Scope, Symbol};
use linkjit_link::names::NameId;

use super::{Address, DefinedBy, DylibId, ExecutionSession, ObjectId, State, TrackerId};
use crate::error::{Error, Result};

/// By name: what was found in the process, and what linked code gets in place of it.
pub(crate) type StandIns = HashMap<NameId, (ExecAddr, ExecAddr), FixedState>;

/// The session's knowledge of the process's allocator.
#[derive(Debug, Default)]
pub(crate) struct Allocator {
    /// The names of allocators are the first of the pool: that many.
    names: u32,
    /// Another session's program has replaced the process's, or a JITDylib that is closed.
    is_elsewhere: bool,
    /// The JITDylib whose definitions count.
    dylib: Option<DylibId>,
    /// Names of allocators that lazy objects refer to, until something is linked.
    wanted: Vec<(DylibId, NameId)>,
    /// The definitions that serve the process.
    serving: Vec<(NameId, ObjectId)>,
}

impl Allocator {
    /// All names that it knows, some more than once.
    pub(super) fn names_used(&self, used: &mut Vec<NameId>) {
        used.extend((0..self.names).map(NameId));
        used.extend(self.wanted.iter().map(|&(_, name)| name));
        used.extend(self.serving.iter().map(|&(name, _)| name));
    }

    /// The number of names of allocators.
    pub(super) fn names(&self) -> u32 {
        self.names
    }

    pub(super) fn new(names: u32, is_elsewhere: bool) -> Self {
        Self { names, is_elsewhere, ..Self::default() }
    }

    /// Says whether a name is one of an allocator's.
    pub(crate) fn has_name(&self, name: NameId) -> bool {
        name.0 < self.names
    }

    /// Says whether a symbol of an object is a definition that others may see of such a name.
    fn is_definition(&self, symbol: &Symbol) -> bool {
        symbol.scope == Scope::Default
            && !symbol.is_external()
            && symbol.global_name().is_some_and(|name| self.has_name(name))
    }
}

impl State {
    /// Says whether an object's definition of a name of allocators yields to what the process has; if not, its JITDylib is
    /// the one whose definitions count.
    #[cold]
    pub(super) fn yields_to_process(&mut self, dylib: DylibId, symbol: &Symbol) -> bool {
        if !self.allocator.is_definition(symbol) {
            return false;
        }
        let has_definitions = |dylib| !self.allocator_definitions(dylib).is_empty();
        if self.allocator.is_elsewhere
            || self.allocator.dylib.is_some_and(|other| other != dylib && has_definitions(other))
        {
            return true;
        }
        self.allocator.dylib = Some(dylib);
        false
    }

    /// Replaces what was found in the process under certain names, and says what that was.
    pub(crate) fn replace_found(&mut self, stand_ins: &[(NameId, ExecAddr)]) -> StandIns {
        let mut replaced = StandIns::default();
        for dylib in self.dylibs.values_mut() {
            for &(name, new) in stand_ins {
                let Some(entry) = dylib.symbols.get_mut(&name) else { continue };
                if let (DefinedBy::Found, Some(Address::At(old))) = (entry.by, entry.address) {
                    entry.address = Some(Address::At(new));
                    replaced.insert(name, (old, new));
                }
            }
        }
        replaced
    }

    /// The JITDylib whose definitions count.
    pub(crate) fn allocator_dylib(&self) -> Option<DylibId> {
        self.allocator.dylib
    }

    /// The names of allocators that objects of a JITDylib define for others, and whether they are linked.
    pub(crate) fn allocator_definitions(&self, dylib: DylibId) -> Vec<(NameId, bool)> {
        let Ok(dylib) = self.dylib(dylib) else { return Vec::new() };
        let definition = |name| {
            let entry = dylib.symbols.get(&name)?;
            let is_visible = entry.scope == Scope::Default && !dylib.hidden.contains_key(&name);
            (is_visible && matches!(entry.by, DefinedBy::Object(..))).then_some((name, entry.address.is_some()))
        };
        (0..self.allocator.names).map(NameId).filter_map(definition).collect()
    }

    /// The names of an allocator that lazy objects refer to, if nothing was linked since they were added.
    pub(crate) fn wanted_of_allocator(&self) -> &[(DylibId, NameId)] {
        &self.allocator.wanted
    }

    /// Something was linked.
    pub(crate) fn forget_wanted_of_allocator(&mut self) {
        self.allocator.wanted.clear();
    }

    /// Notes which definitions serve the process.
    pub(crate) fn serve_process(&mut self, definitions: impl IntoIterator<Item = (NameId, ObjectId)>) {
        self.allocator.serving.extend(definitions);
    }

    /// Forgets memory that stays for the life of the process.
    pub(super) fn forget_allocations(&mut self, allocations: &[AllocationId]) {
        for &id in allocations {
            if let Some(allocation) = self.allocations.remove(id) {
                self.lazy.forget_slots(&allocation.segments);
                std::mem::forget(allocation.keeps);
            }
        }
    }

    /// Says whether libraries of the process may call code of the session, whatever becomes of the session.
    pub(super) fn serves_process(&self) -> bool {
        !self.allocator.serving.is_empty()
    }

    /// Says whether closing JITDylibs closes the one that serves the process. Its memory stays then, and that of those that are
    /// closed with it, for it may need them; and no other JITDylib takes its place.
    pub(super) fn retire_allocator(&mut self, dylibs: &[DylibId]) -> bool {
        let Allocator { dylib, serving, is_elsewhere, .. } = &mut self.allocator;
        let is_closed = !serving.is_empty() && dylib.is_some_and(|dylib| dylibs.contains(&dylib));
        *is_elsewhere |= is_closed;
        is_closed
    }
}

impl ExecutionSession {
    /// The name of an allocator's that an object defines, if it defines one.
    pub(crate) fn defined_allocator(&self, graph: &LinkGraph) -> Option<NameId> {
        let state = self.state();
        graph.symbols().iter().find(|symbol| state.allocator.is_definition(symbol))?.global_name()
    }

    /// Notes what a lazy object of a JITDylib refers to of an allocator.
    pub(crate) fn note_wanted_of_allocator(&self, dylib: DylibId, graph: &LinkGraph) {
        let mut state = self.state();
        let Allocator { names, wanted, .. } = &mut state.allocator;
        let referred = graph.symbols().iter().filter(|symbol| symbol.is_external()).filter_map(Symbol::global_name);
        wanted.extend(referred.filter(|name| name.0 < *names).map(|name| (dylib, name)));
        wanted.sort_unstable();
        wanted.dedup();
    }

    /// An error if an object that can be replaced defines an allocator.
    pub(crate) fn check_no_allocator(&self, graph: &LinkGraph) -> Result<()> {
        let Some(name) = self.defined_allocator(graph) else { return Ok(()) };
        Err(Error::UpdatableAllocator { object: graph.name().into(), name: self.names().text(name).into_owned() })
    }

    /// An error if trackers own definitions that serve the process.
    pub(super) fn check_not_serving(&self, trackers: &[TrackerId]) -> Result<()> {
        let (names, state) = (self.names(), self.state());
        let is_owned = |object| state.objects.get(object).is_some_and(|object| trackers.contains(&object.tracker));
        match state.allocator.serving.iter().find(|(_, object)| is_owned(object)) {
            None => Ok(()),
            Some(&(name, object)) => {
                Err(Error::ServesProcess { object: state.object_name(object), name: names.text(name).into_owned() })
            }
        }
    }
}
