//! The tables of a session.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use linkjit_executor::{Agent, AllocationId, ExecAddr, HostCallback, ImageId, PointerArray};
use linkjit_executor::{SymbolAddress, Target, TlsAddress};
use linkjit_link::graph::{InitializerOrder, LinkGraph, Linkage, Scope, SymbolId};
use linkjit_link::input::Input;
use linkjit_link::names::NameId;

use super::allocations::Allocations;
use super::allocator::Allocator;
use super::batch::{BatchInFlight, Rest};
use super::inherit::{Yielded, YieldedGroup};
use super::lazy::LazyFunctions;
use super::pending::Pending;
use super::removal::Detached;
use super::retire::Retired;
use super::{
    Allocation, DefinitionGenerator, DylibState, ExecutionSession, Limits, Owner, Platform, Pulled, Statistics,
    Together,
};
use crate::crt::CrtProvider;
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;

/// A JITDylib of the session; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct DylibId(pub(crate) u32);

/// An object of the session; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct UnitId(pub(crate) u32);

/// A resource tracker of the session; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct TrackerId(pub(crate) u32);

/// Whose initializers are linked with a lookup.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Roots {
    /// Those of all objects that are not linked lazily.
    Eager,
    /// Those of all objects.
    All,
}

/// The symbols of a JITDylib that a search may find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MatchScope {
    /// Those that other JITDylibs may see.
    Exported,
    /// Hidden ones, too.
    All,
}

/// Where a definition is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Address {
    /// At an address.
    At(ExecAddr),
    /// A thread-local variable.
    ThreadLocal(TlsAddress),
}

impl From<SymbolAddress> for Address {
    fn from(address: SymbolAddress) -> Self {
        match address {
            SymbolAddress::Address(address) => Self::At(address),
            SymbolAddress::ThreadLocal(address) => Self::ThreadLocal(address),
        }
    }
}

/// Who defines a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DefinedBy {
    /// An object.
    Unit(UnitId, SymbolId),
    /// Somebody outside: a fixed address.
    Outside,
    /// A library or the runtime, which had it when it was wanted. Objects may still define it; code that is bound to the
    /// library's stays so.
    Found,
    /// Another name.
    Alias(DylibId, NameId),
    /// A unit that is yet to be materialized.
    Pending(UnitId),
}

/// A definition in the symbol table of a JITDylib.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) by: DefinedBy,
    pub(crate) linkage: Linkage,
    pub(crate) scope: Scope,
    /// Where it is, once it is linked.
    pub(crate) address: Option<Address>,
    /// Another tracker's unit defines it, too, and would have the name if this one had not.
    pub(crate) contested: bool,
}

impl Entry {
    /// Another name for what a JITDylib has.
    pub(crate) fn alias((dylib, target): (DylibId, NameId)) -> Self {
        let by = DefinedBy::Alias(dylib, target);
        Self { by, linkage: Linkage::Strong, scope: Scope::Default, address: None, contested: false }
    }
}

impl DefinedBy {
    /// The unit that defines it or is to.
    pub(crate) fn unit(self) -> Option<UnitId> {
        match self {
            Self::Unit(unit, _) | Self::Pending(unit) => Some(unit),
            Self::Outside | Self::Found | Self::Alias(..) => None,
        }
    }
}

/// An object that was added or pulled.
#[derive(Debug)]
pub(crate) struct Unit {
    /// File or member, for messages.
    pub(super) name: Arc<str>,
    pub(super) dylib: DylibId,
    pub(super) tracker: TrackerId,
    /// The graph with its bindings, as long as something of it may still be linked; a batch takes it out meanwhile.
    pub(super) input: Option<Box<Input>>,
    /// Something of it was linked.
    pub(super) started: bool,
    /// Where its first batch has placed a part of it: the rest goes near it.
    pub(super) home: Option<ExecAddr>,
    /// What is left of it, once something of it was linked.
    pub(super) rest: Option<Rest>,
    /// It has initializers or retained blocks, to be linked when its JITDylib is initialized, and is not linked lazily.
    pub(super) has_roots: bool,
    /// The names that it defines, though another unit's definition may be the one that counts.
    pub(super) names: Vec<NameId>,
    /// The signatures of its COMDAT groups, of which some may be another unit's.
    pub(super) groups: Vec<NameId>,
    /// The names that it refers to as hidden.
    pub(super) hides: Vec<NameId>,
    /// Its definitions and groups that yielded to those of units of other trackers, or to larger groups.
    pub(super) yielded: Vec<Yielded>,
    pub(super) yielded_groups: Vec<YieldedGroup>,
    /// What of its graph yields together, once something had to.
    pub(super) together: Option<Arc<Together>>,
    /// It can be replaced; then it is asked where its variables are.
    pub(super) updatable: bool,
    /// It is yet to be materialized.
    pub(super) pending: Option<Box<Pending>>,
}

impl Unit {
    /// One that defines nothing.
    pub(super) fn new(name: Arc<str>, dylib: DylibId, tracker: TrackerId) -> Self {
        Self {
            name,
            dylib,
            tracker,
            input: None,
            started: false,
            home: None,
            rest: None,
            has_roots: false,
            names: Vec::new(),
            groups: Vec::new(),
            hides: Vec::new(),
            yielded: Vec::new(),
            yielded_groups: Vec::new(),
            together: None,
            updatable: false,
            pending: None,
        }
    }

    pub(crate) fn tracker(&self) -> TrackerId {
        self.tracker
    }

    /// The names that it defines, though another unit's definition may be the one that counts.
    pub(crate) fn names(&self) -> &[NameId] {
        &self.names
    }

    /// Its graph, if something of it may still be linked and no batch has it.
    pub(crate) fn graph(&self) -> Option<&LinkGraph> {
        self.input.as_ref().map(|input| &input.graph)
    }
}

/// A generator of a JITDylib.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    /// Which one; never used twice.
    pub(crate) id: GeneratorId,
    pub(crate) definitions: Arc<dyn DefinitionGenerator>,
    /// It is the user's: it may take its time and look up names, so it is asked with nothing locked. Ours are quick.
    pub(crate) is_from_user: bool,
    /// Who owns it and what it defines, if not its JITDylib.
    pub(super) tracker: Option<TrackerId>,
}

impl Generator {
    /// The JITDylib in which it is to define, with its owner.
    pub(crate) fn place(&self, session: &ExecutionSession, dylib: DylibId) -> JitDylib {
        JitDylib::new(session.clone(), dylib).owned_by(self.tracker)
    }
}

/// A generator of the session; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct GeneratorId(pub(crate) u32);

/// An initializer or terminator array that was linked and not run yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InitializerRun {
    pub(crate) order: InitializerOrder,
    pub(crate) unit: UnitId,
    pub(crate) array: PointerArray,
}

/// What a tracker owns beside units.
#[derive(Debug)]
pub(crate) struct TrackerState {
    pub(super) dylib: DylibId,
    pub(super) allocations: Vec<AllocationId>,
    pub(super) units: BTreeSet<UnitId>,
    /// The updatable object that it has a generation or the stubs of.
    pub(super) updatable: Option<Arc<str>>,
    /// What goes when its memory is given back: host functions, which code calls until then.
    pub(super) keeps: Vec<HostCallback>,
    /// The trackers of the stubs of updatable objects that were added through it.
    pub(super) stubs: Vec<TrackerId>,
}

/// The tables.
#[derive(Debug)]
pub(crate) struct State {
    /// Those that are not closed.
    pub(super) dylibs: BTreeMap<DylibId, DylibState>,
    dylibs_by_name: HashMap<String, DylibId, FixedState>,
    pub(super) units: HashMap<UnitId, Unit, FixedState>,
    pub(super) trackers: HashMap<TrackerId, TrackerState, FixedState>,
    /// Addresses and aliases that go with a unit. What replaces one of these is of another linkage.
    pub(super) direct: HashMap<UnitId, Vec<(NameId, DefinedBy, Linkage)>, FixedState>,
    pub(super) allocations: Allocations,
    pub(super) platform: &'static dyn Platform,
    /// What the process runs.
    pub(super) target: Target,
    pub(super) limits: Limits,
    pub(super) crt: CrtProvider,
    /// A program's own allocator.
    pub(super) allocator: Allocator,
    /// How often something was removed.
    pub(super) removals: u64,
    /// How many JITDylibs, units, trackers and generators there have ever been.
    dylibs_made: u32,
    units_made: u32,
    trackers_made: u32,
    generators_made: u32,
    /// Units that were removed before they were materialized. What users made of them is dropped with the tables
    /// unlocked, and who waits for them is told.
    pub(super) removed: Vec<(UnitId, Box<Pending>)>,
    /// The batch that has graphs out of the tables, if there is one.
    pub(super) batch: Option<BatchInFlight>,
    pub(super) statistics: Statistics,
    pub(super) warnings: Vec<String>,
    /// Weak definitions in objects that a batch has taken out, which the batch's thread has replaced by strong ones.
    pub(super) overridden: Vec<(UnitId, SymbolId)>,
    /// What was pulled from archives for the batch that is being linked.
    pub(super) pulled: Pulled,
    /// Names that are aliases because a definition has yielded to one of another JITDylib.
    pub(super) vague: BTreeSet<(DylibId, NameId)>,
    /// There have been updatable objects.
    pub(super) has_updatable: bool,
    /// Generations that nobody can go back to any more, to be retired.
    pub(super) superseded: Vec<TrackerId>,
    /// What was retired and is still there.
    pub(super) retired: Vec<Retired>,
    /// Functions that are linked when they are first called.
    pub(super) lazy: LazyFunctions,
    /// Units whose initializers are running, and who runs them.
    pub(super) initializing: Vec<(UnitId, Agent)>,
}

impl State {
    pub(super) fn new(
        platform: &'static dyn Platform,
        target: Target,
        limits: Limits,
        crt: CrtProvider,
        allocator: Allocator,
    ) -> Self {
        Self {
            dylibs: BTreeMap::new(),
            dylibs_by_name: HashMap::default(),
            units: HashMap::default(),
            trackers: HashMap::default(),
            direct: HashMap::default(),
            allocations: Allocations::default(),
            platform,
            target,
            limits,
            crt,
            allocator,
            removals: 0,
            dylibs_made: 0,
            units_made: 0,
            trackers_made: 0,
            generators_made: 0,
            removed: Vec::new(),
            batch: None,
            statistics: Statistics::default(),
            warnings: Vec::new(),
            overridden: Vec::new(),
            pulled: Pulled::default(),
            vague: BTreeSet::new(),
            has_updatable: false,
            superseded: Vec::new(),
            retired: Vec::new(),
            lazy: LazyFunctions::default(),
            initializing: Vec::new(),
        }
    }

    pub(super) fn create_dylib(&mut self, name: &str, image: ImageId) -> Result<DylibId> {
        if self.dylib_named(name).is_some() {
            return Err(Error::DuplicateDylib { name: name.into() });
        }
        let id = DylibId(next(&mut self.dylibs_made));
        let platform_tracker = self.create_tracker(id);
        let dylib = DylibState::new(id, name, image, platform_tracker);
        self.dylibs.insert(id, dylib);
        self.dylibs_by_name.insert(name.into(), id);
        Ok(id)
    }

    pub(super) fn dylib_named(&self, name: &str) -> Option<DylibId> {
        self.dylibs_by_name.get(name).copied()
    }

    pub(crate) fn dylib(&self, id: DylibId) -> Result<&DylibState> {
        self.dylibs.get(&id).ok_or_else(closed)
    }

    pub(crate) fn dylib_mut(&mut self, id: DylibId) -> Result<&mut DylibState> {
        self.dylibs.get_mut(&id).ok_or_else(closed)
    }

    /// All JITDylibs that are not closed.
    pub(crate) fn dylibs(&self) -> impl Iterator<Item = (DylibId, &DylibState)> {
        self.dylibs.iter().map(|(&id, dylib)| (id, dylib))
    }

    /// The entry of a name in the table of a JITDylib.
    pub(crate) fn entry(&self, dylib: DylibId, name: NameId) -> Option<&Entry> {
        self.dylibs.get(&dylib)?.symbols.get(&name)
    }

    /// The record of a unit that was not removed.
    pub(crate) fn unit(&self, id: UnitId) -> Option<&Unit> {
        self.units.get(&id)
    }

    /// The graph of a unit with its bindings, if something of it may still be linked and no batch has it.
    pub(crate) fn input(&self, id: UnitId) -> Option<&Input> {
        self.units.get(&id)?.input.as_deref()
    }

    /// The name of a unit in messages; empty if the unit was removed.
    pub(crate) fn unit_name(&self, id: UnitId) -> String {
        self.units.get(&id).map_or_else(String::new, |unit| unit.name.to_string())
    }

    /// Says whether a tracker was not removed.
    pub(crate) fn has_tracker(&self, id: TrackerId) -> bool {
        self.trackers.contains_key(&id)
    }

    /// The memory that a tracker owns.
    pub(crate) fn owned_allocations(&self, tracker: TrackerId) -> &[AllocationId] {
        self.trackers.get(&tracker).map(|tracker| tracker.allocations.as_slice()).unwrap_or_default()
    }

    /// Has a tracker keep a host function, which its code may call.
    pub(crate) fn keep_function(&mut self, tracker: TrackerId, function: HostCallback) {
        if let Some(tracker) = self.trackers.get_mut(&tracker) {
            tracker.keeps.push(function);
        }
    }

    /// The memory of all linked code.
    pub(crate) fn allocations(&self) -> &Allocations {
        &self.allocations
    }

    /// Counts what a batch has linked.
    pub(crate) fn count(&mut self, linked: &Statistics) {
        self.statistics += *linked;
    }

    /// Removes a JITDylib from the tables; returns it and what else there was of it.
    pub(crate) fn take_dylib(&mut self, id: DylibId) -> Result<(DylibState, Detached)> {
        let dylib = self.dylibs.remove(&id).ok_or_else(closed)?;
        self.dylibs_by_name.remove(&dylib.name);
        if !self.vague.is_empty() {
            for (&name, _) in dylib.symbols.iter().filter(|(_, entry)| entry.contested) {
                self.restore_vague(id, name, None, None);
            }
            self.forget_vague(id);
        }
        for other in self.dylibs.values_mut() {
            other.link_order.retain(|&(linked, _)| linked != id);
        }
        self.removals += 1;
        for id in &dylib.units {
            self.lazy.forget(*id);
            self.direct.remove(id);
            let pending = self.units.remove(id).and_then(|unit| unit.pending);
            self.drop_later(*id, pending);
        }
        let mut keeps = Vec::new();
        for tracker in &dylib.trackers {
            let Some(tracker) = self.trackers.remove(tracker) else { continue };
            keeps.extend(self.allocations.keep(&tracker.allocations, tracker.keeps));
        }
        // What its terminators have retired.
        self.retired.retain(|retired| retired.dylib != id);
        let allocations = self.allocations.of_dylib(id).map(|(allocation, _)| allocation).collect::<Vec<_>>();
        self.allocations.give(&allocations, Owner::Users);
        let unlinked = self.lazy.unlink(&allocations, |_, _| None);
        Ok((dylib, Detached { allocations, unlinked, generators: Vec::new(), keeps }))
    }

    /// An id for the next unit.
    pub(super) fn next_unit(&mut self) -> UnitId {
        UnitId(next(&mut self.units_made))
    }

    /// Enters a unit into the tables, in place of what it was if it was there before.
    pub(super) fn enter_unit(&mut self, id: UnitId, unit: Unit) -> Result<()> {
        let dylib = self.dylib_mut(unit.dylib)?;
        dylib.units.insert(id);
        dylib.heirs.extend(unit.heirs(id));
        for &name in &unit.hides {
            *dylib.hidden.entry(name).or_default() += 1;
        }
        if unit.has_roots {
            dylib.roots.insert(id);
        }
        if let Some(tracker) = self.trackers.get_mut(&unit.tracker) {
            tracker.units.insert(id);
        }
        self.units.insert(id, unit);
        Ok(())
    }

    /// Adds a generator behind the others of a JITDylib, for the tracker of the handle.
    pub(crate) fn add_generator(
        &mut self,
        dylib: &JitDylib,
        definitions: Arc<dyn DefinitionGenerator>,
        is_from_user: bool,
    ) -> Result<()> {
        let tracker = dylib.tracker();
        if tracker.is_some_and(|tracker| !self.trackers.contains_key(&tracker)) {
            return Err(Error::TrackerRemoved);
        }
        let id = GeneratorId(next(&mut self.generators_made));
        let dylib = self.dylib_mut(dylib.id())?;
        dylib.archives = None;
        dylib.generators.push(Generator { id, definitions, is_from_user, tracker });
        Ok(())
    }

    /// A new tracker of a JITDylib.
    pub(crate) fn create_tracker(&mut self, dylib: DylibId) -> TrackerId {
        let id = TrackerId(next(&mut self.trackers_made));
        let (allocations, units, keeps) = (Vec::new(), BTreeSet::new(), Vec::new());
        let tracker = TrackerState { dylib, allocations, units, updatable: None, keeps, stubs: Vec::new() };
        self.trackers.insert(id, tracker);
        if let Ok(dylib) = self.dylib_mut(dylib) {
            dylib.trackers.insert(id);
        }
        id
    }

    /// Removes a tracker from the tables.
    pub(crate) fn take_tracker(&mut self, id: TrackerId) -> Option<TrackerState> {
        let tracker = self.trackers.remove(&id)?;
        if let Ok(dylib) = self.dylib_mut(tracker.dylib) {
            dylib.trackers.remove(&id);
        }
        Some(tracker)
    }

    /// Enters memory that was finalized.
    pub(crate) fn enter_allocation(&mut self, id: AllocationId, allocation: Allocation) {
        if let Some(tracker) = allocation.owner.tracker().and_then(|tracker| self.trackers.get_mut(&tracker)) {
            tracker.allocations.push(id);
        }
        self.allocations.insert(id, allocation);
    }

    /// Notes what memory is bound to, and which of its units is.
    pub(crate) fn bind_allocation(&mut self, id: AllocationId, uses: impl Iterator<Item = (AllocationId, UnitId)>) {
        self.allocations.connect(id, uses);
    }

    /// Says who is to give back what is placed for a tracker: the JITDylib if it is for none.
    pub(crate) fn owner(&self, tracker: Option<TrackerId>) -> Owner {
        tracker.filter(|tracker| self.trackers.contains_key(tracker)).map_or(Owner::Dylib, Owner::Tracker)
    }

    /// Units of a JITDylib that have initializers of which nothing was linked yet.
    pub(crate) fn unlinked_roots(&mut self, dylib: DylibId, which: Roots) -> Vec<UnitId> {
        let Self { dylibs, units, .. } = self;
        let Some(dylib) = dylibs.get_mut(&dylib) else { return Vec::new() };
        dylib.roots.retain(|unit| units.get(unit).is_some_and(|unit| unit.has_roots && !unit.started));
        let mut found: Vec<_> = dylib.roots.iter().copied().collect();
        if which == Roots::All {
            dylib.lazy_roots.retain(|unit| units.get(unit).is_some_and(|unit| !unit.started));
            found.extend(&dylib.lazy_roots);
            found.sort_unstable();
        }
        found
    }

    /// Makes a unit that has initializers wait for a call, or until all initializers are wanted.
    pub(crate) fn initialize_lazily(&mut self, id: UnitId) {
        let Some(unit) = self.units.get_mut(&id).filter(|unit| unit.has_roots) else { return };
        unit.has_roots = false;
        if let Some(dylib) = self.dylibs.get_mut(&unit.dylib) {
            dylib.lazy_roots.insert(id);
        }
    }

    /// Has the initializers of a unit linked only with what else of it is wanted.
    pub(crate) fn drop_roots(&mut self, id: UnitId) {
        if let Some(unit) = self.units.get_mut(&id) {
            unit.has_roots = false;
        }
    }

    /// The JITDylibs that each of `roots` depends on, dependencies first, itself last. Cycles are cut where they close.
    pub(crate) fn dependency_order(&self, roots: impl IntoIterator<Item = DylibId>) -> Vec<DylibId> {
        let (mut order, mut seen) = (Vec::new(), HashSet::<DylibId, FixedState>::default());
        for root in roots {
            if seen.insert(root) {
                self.visit_dependencies(root, &mut seen, &mut order);
            }
        }
        order
    }

    fn visit_dependencies(&self, root: DylibId, seen: &mut HashSet<DylibId, FixedState>, order: &mut Vec<DylibId>) {
        // (JITDylib, how many of its link order were visited)
        let mut path = vec![(root, 0)];
        while let Some((dylib, visited)) = path.last_mut() {
            let next = self.dylib(*dylib).ok().and_then(|dylib| dylib.link_order.get(*visited));
            *visited += 1;
            match next {
                Some(&(next, _)) if seen.insert(next) => path.push((next, 0)),
                Some(_) => {}
                None => {
                    order.push(*dylib);
                    path.pop();
                }
            }
        }
    }
}

/// Counts one more thing; returns its number.
pub(super) fn next(made: &mut u32) -> u32 {
    std::mem::replace(made, made.wrapping_add(1))
}

#[cold]
fn closed() -> Error {
    Error::Closed
}
