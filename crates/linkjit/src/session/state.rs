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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(crate) struct DylibId(pub(crate) u32);

/// An object of the session; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(crate) struct ObjectId(pub(crate) u32);

/// A resource tracker of the session; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(crate) struct TrackerId(pub(crate) u32);

/// The objects whose initializers are linked with a lookup.
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

/// The place of a definition.
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

/// The definer of a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DefinedBy {
    /// An object.
    Object(ObjectId, SymbolId),
    /// Somebody outside: a fixed address.
    Outside,
    /// A library or the runtime, which had it when it was wanted. Objects may still define it; code that is bound to the
    /// library's stays so.
    Found,
    /// Another name.
    Alias(DylibId, NameId),
    /// An object that is yet to be materialized.
    Pending(ObjectId),
}

/// A definition in the symbol table of a JITDylib.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) by: DefinedBy,
    pub(crate) linkage: Linkage,
    pub(crate) scope: Scope,
    /// Its place, once it is linked.
    pub(crate) address: Option<Address>,
    /// Another tracker's object defines it, too, and would have the name if this one had not.
    pub(crate) contested: bool,
}

impl Address {
    /// The address; an error if it is that of a thread-local variable, by its name.
    pub(crate) fn plain(self, name: &[u8]) -> Result<ExecAddr> {
        match self {
            Self::At(address) => Ok(address),
            Self::ThreadLocal(_) => Err(Error::ThreadLocal { name: String::from_utf8_lossy(name).into_owned() }),
        }
    }
}

impl Entry {
    /// Its address, if it is linked and not a thread-local variable.
    pub(crate) fn plain_address(&self) -> Option<ExecAddr> {
        match self.address? {
            Address::At(address) => Some(address),
            Address::ThreadLocal(_) => None,
        }
    }

    /// Another name for what a JITDylib has.
    pub(crate) fn alias((dylib, target): (DylibId, NameId)) -> Self {
        let by = DefinedBy::Alias(dylib, target);
        Self { by, linkage: Linkage::Strong, scope: Scope::Default, address: None, contested: false }
    }
}

impl DefinedBy {
    /// The object that defines it or is to.
    pub(crate) fn object(self) -> Option<ObjectId> {
        match self {
            Self::Object(object, _) | Self::Pending(object) => Some(object),
            Self::Outside | Self::Found | Self::Alias(..) => None,
        }
    }
}

/// An object that was added or pulled.
#[derive(Debug, Default)]
pub(crate) struct Object {
    /// File or member, for messages.
    pub(super) name: Arc<str>,
    pub(super) dylib: DylibId,
    pub(super) tracker: TrackerId,
    /// The graph with its bindings, as long as something of it may still be linked; a batch takes it out meanwhile.
    pub(super) input: Option<Box<Input>>,
    /// Something of it was linked.
    pub(super) started: bool,
    /// The address of a part that its first batch has placed: the rest goes near it.
    pub(super) home: Option<ExecAddr>,
    /// The part of it that is left, once something of it was linked.
    pub(super) rest: Option<Rest>,
    /// It has initializers or retained blocks, to be linked when its JITDylib is initialized, and is not linked lazily.
    pub(super) has_roots: bool,
    /// The names that it defines, though another object's definition may be the one that counts.
    pub(super) names: Vec<NameId>,
    /// The signatures of its COMDAT groups, of which some may be another object's.
    pub(super) groups: Vec<NameId>,
    /// The names that it refers to as hidden.
    pub(super) hides: Vec<NameId>,
    /// Its definitions and groups that yielded to those of objects of other trackers, or to larger groups.
    pub(super) yielded: Vec<Yielded>,
    pub(super) yielded_groups: Vec<YieldedGroup>,
    /// The definitions of its graph that yield together, once something had to.
    pub(super) together: Option<Arc<Together>>,
    /// It can be replaced; then it is asked where its variables are.
    pub(super) updatable: bool,
    /// It is yet to be materialized.
    pub(super) pending: Option<Box<Pending>>,
}

impl Object {
    /// One that defines nothing.
    pub(super) fn new(name: Arc<str>, dylib: DylibId, tracker: TrackerId) -> Self {
        Self { name, dylib, tracker, ..Self::default() }
    }

    pub(crate) fn tracker(&self) -> TrackerId {
        self.tracker
    }

    /// The names that it defines, though another object's definition may be the one that counts.
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
    /// Its id; never used twice.
    pub(crate) id: GeneratorId,
    pub(crate) definitions: Arc<dyn DefinitionGenerator>,
    /// It is the user's: it may take its time and look up names, so it is asked with nothing locked. Ours are quick.
    pub(crate) is_from_user: bool,
    /// The owner of it and of what it defines, if that is not its JITDylib.
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
    pub(crate) object: ObjectId,
    pub(crate) array: PointerArray,
}

/// A tracker of the session, with what it owns.
#[derive(Debug)]
pub(crate) struct TrackerState {
    pub(super) dylib: DylibId,
    pub(super) allocations: Vec<AllocationId>,
    pub(super) objects: BTreeSet<ObjectId>,
    /// The updatable object that it has a generation or the stubs of.
    pub(super) updatable: Option<Arc<str>>,
    /// Host functions, which code calls until its memory is given back.
    pub(super) keeps: Vec<HostCallback>,
    /// The trackers of the stubs of updatable objects that were added through it.
    pub(super) stubs: Vec<TrackerId>,
}

impl TrackerState {
    /// Says whether it is a tracker of a JITDylib, and not one that an updatable object has for itself.
    pub(super) fn is_users_in(&self, dylib: DylibId) -> bool {
        self.dylib == dylib && self.updatable.is_none()
    }
}

/// The tables.
#[derive(Debug)]
pub(crate) struct State {
    /// Those that are not closed.
    pub(super) dylibs: BTreeMap<DylibId, DylibState>,
    dylibs_by_name: HashMap<String, DylibId, FixedState>,
    pub(super) objects: HashMap<ObjectId, Object, FixedState>,
    pub(super) trackers: HashMap<TrackerId, TrackerState, FixedState>,
    /// Addresses and aliases that go with an object. What replaces one of these is of another linkage.
    pub(super) direct: HashMap<ObjectId, Vec<(NameId, DefinedBy, Linkage)>, FixedState>,
    pub(super) allocations: Allocations,
    pub(super) platform: &'static dyn Platform,
    /// The target that the process runs.
    pub(super) target: Target,
    pub(super) limits: Limits,
    pub(super) crt: CrtProvider,
    /// A program's own allocator.
    pub(super) allocator: Allocator,
    /// The number of removals.
    pub(super) removals: u64,
    /// The numbers of JITDylibs, objects, trackers and generators that there have ever been.
    dylibs_made: u32,
    objects_made: u32,
    /// The first number of an object of these tables: those before it were of another executor's.
    pub(super) first_object: u32,
    /// The number of tables that there were before these.
    number: u32,
    trackers_made: u32,
    generators_made: u32,
    /// Objects that were removed before they were materialized. What users made of them is dropped with the tables
    /// unlocked, and who waits for them is told.
    pub(super) removed: Vec<(ObjectId, Box<Pending>)>,
    /// The batch that has graphs out of the tables, if there is one.
    pub(super) batch: Option<BatchInFlight>,
    pub(super) statistics: Statistics,
    pub(super) warnings: Vec<String>,
    /// Weak definitions in objects that a batch has taken out, which the batch's thread has replaced by strong ones.
    pub(super) overridden: Vec<(ObjectId, SymbolId)>,
    /// The objects that were pulled from archives for the batch that is being linked.
    pub(super) pulled: Pulled,
    /// Names that are aliases because a definition has yielded to one of another JITDylib.
    pub(super) vague: BTreeSet<(DylibId, NameId)>,
    /// There have been updatable objects.
    pub(super) has_updatable: bool,
    /// Generations that nobody can go back to any more, to be retired.
    pub(super) superseded: Vec<TrackerId>,
    /// Code that was retired and is still there.
    pub(super) retired: Vec<Retired>,
    /// Functions that are linked when they are first called.
    pub(super) lazy: LazyFunctions,
    /// Objects whose initializers are running, and who runs them.
    pub(super) initializing: Vec<(ObjectId, Agent)>,
    /// The JITDylib whose `main` was run last.
    pub(super) program: Option<DylibId>,
    /// The number of times that linked code has opened JITDylibs.
    pub(super) openings: u64,
    /// The program whose turn to be initialized has not come, while what it needs is initialized.
    pub(super) unstarted: Option<DylibId>,
    /// Terminators are run of what linked code had opened and has closed.
    pub(super) is_finishing: bool,
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
            objects: HashMap::default(),
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
            objects_made: 0,
            first_object: 0,
            number: 0,
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
            program: None,
            unstarted: None,
            openings: 0,
            is_finishing: false,
        }
    }

    pub(super) fn create_dylib(&mut self, name: &str, image: ImageId) -> Result<DylibId> {
        if self.dylib_named(name).is_some() {
            return Err(Error::DuplicateDylib { name: name.into() });
        }
        let id = DylibId(next(&mut self.dylibs_made));
        let platform_tracker = self.create_tracker(id);
        self.enter_dylib(id, DylibState::new(id, name, image, platform_tracker));
        Ok(id)
    }

    /// Enters a JITDylib.
    pub(super) fn enter_dylib(&mut self, id: DylibId, dylib: DylibState) {
        self.dylibs_by_name.insert(dylib.name.clone(), id);
        self.dylibs.insert(id, dylib);
    }

    /// The number of these tables among those of the session, which has others for each executor.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Says whether an object was one of other tables, of an executor that was replaced.
    pub(crate) fn is_of_others(&self, object: ObjectId) -> bool {
        object.0 < self.first_object
    }

    /// Has no number used again that other tables have used, which were there for a while.
    pub(super) fn skip_numbers(&mut self, others: &Self) {
        self.dylibs_made = others.dylibs_made;
        self.objects_made = others.objects_made;
        self.trackers_made = others.trackers_made;
        self.generators_made = others.generators_made;
    }

    /// Has numbers go on where those of other tables end, which are to be forgotten, and counts.
    pub(super) fn continue_numbers(&mut self, old: &Self) {
        self.skip_numbers(old);
        self.first_object = old.objects_made;
        self.number = old.number.wrapping_add(1);
        // Whoever was about to use what the old ones had finds out.
        self.removals = old.removals + 1;
        self.statistics = old.statistics;
        self.lazy.continue_numbers(&old.lazy);
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

    /// The record of an object that was not removed.
    pub(crate) fn object(&self, id: ObjectId) -> Option<&Object> {
        self.objects.get(&id)
    }

    /// The graph of an object with its bindings, if something of it may still be linked and no batch has it.
    pub(crate) fn input(&self, id: ObjectId) -> Option<&Input> {
        self.objects.get(&id)?.input.as_deref()
    }

    /// The name of an object in messages; empty if the object was removed.
    pub(crate) fn object_name(&self, id: ObjectId) -> String {
        self.objects.get(&id).map_or_else(String::new, |object| object.name.to_string())
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
        for id in &dylib.objects {
            self.lazy.forget(*id);
            self.direct.remove(id);
            let pending = self.objects.remove(id).and_then(|object| object.pending);
            self.drop_later(*id, pending);
        }
        let mut keeps = Vec::new();
        for tracker in &dylib.trackers {
            let Some(tracker) = self.trackers.remove(tracker) else { continue };
            keeps.extend(self.allocations.keep(&tracker.allocations, tracker.keeps));
        }
        // What its terminators have retired.
        self.retired.retain(|retired| retired.dylib != id);
        let allocations = self.allocations.in_dylib(id).map(|(allocation, _)| allocation).collect::<Vec<_>>();
        self.allocations.give(&allocations, Owner::Users);
        let unlinked = self.lazy.unlink(&allocations, |_, _| None);
        Ok((dylib, Detached { allocations, unlinked, generators: Vec::new(), keeps }))
    }

    /// An id for the next object.
    pub(crate) fn next_object(&mut self) -> ObjectId {
        ObjectId(next(&mut self.objects_made))
    }

    /// Enters an object into the tables, in place of what it was if it was there before.
    pub(super) fn enter_object(&mut self, id: ObjectId, object: Object) -> Result<()> {
        let dylib = self.dylib_mut(object.dylib)?;
        dylib.objects.insert(id);
        dylib.heirs.extend(object.heirs(id));
        for &name in &object.hides {
            *dylib.hidden.entry(name).or_default() += 1;
        }
        if object.has_roots {
            dylib.roots.insert(id);
        }
        if let Some(tracker) = self.trackers.get_mut(&object.tracker) {
            tracker.objects.insert(id);
        }
        self.objects.insert(id, object);
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
        self.enter_tracker(id, dylib);
        id
    }

    /// Enters a tracker that owns nothing yet.
    pub(super) fn enter_tracker(&mut self, id: TrackerId, dylib: DylibId) {
        let (allocations, objects, keeps) = (Vec::new(), BTreeSet::new(), Vec::new());
        let tracker = TrackerState { dylib, allocations, objects, updatable: None, keeps, stubs: Vec::new() };
        self.trackers.insert(id, tracker);
        if let Ok(dylib) = self.dylib_mut(dylib) {
            dylib.trackers.insert(id);
        }
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

    /// Notes what memory is bound to, and which of its objects is.
    pub(crate) fn bind_allocation(&mut self, id: AllocationId, uses: impl Iterator<Item = (AllocationId, ObjectId)>) {
        self.allocations.connect(id, uses);
    }

    /// Says who is to give back what is placed for a tracker: the JITDylib if it is for none.
    pub(crate) fn owner(&self, tracker: Option<TrackerId>) -> Owner {
        tracker.filter(|tracker| self.trackers.contains_key(tracker)).map_or(Owner::Dylib, Owner::Tracker)
    }

    /// Objects of a JITDylib that have initializers of which nothing was linked yet.
    pub(crate) fn unlinked_roots(&mut self, dylib: DylibId, which: Roots) -> Vec<ObjectId> {
        let Self { dylibs, objects, .. } = self;
        let Some(dylib) = dylibs.get_mut(&dylib) else { return Vec::new() };
        dylib.roots.retain(|object| objects.get(object).is_some_and(|object| object.has_roots && !object.started));
        let mut found: Vec<_> = dylib.roots.iter().copied().collect();
        if which == Roots::All {
            dylib.lazy_roots.retain(|object| objects.get(object).is_some_and(|object| !object.started));
            found.extend(&dylib.lazy_roots);
            found.sort_unstable();
        }
        found
    }

    /// Makes an object that has initializers wait for a call, or until all initializers are wanted.
    pub(crate) fn initialize_lazily(&mut self, id: ObjectId) {
        let Some(object) = self.objects.get_mut(&id).filter(|object| object.has_roots) else { return };
        object.has_roots = false;
        if let Some(dylib) = self.dylibs.get_mut(&object.dylib) {
            dylib.lazy_roots.insert(id);
        }
    }

    /// Has the initializers of an object linked only with what else of it is wanted.
    pub(crate) fn drop_roots(&mut self, id: ObjectId) {
        if let Some(object) = self.objects.get_mut(&id) {
            object.has_roots = false;
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
        // (JITDylib, those that it depends on and that were not visited)
        let mut path = vec![(root, self.dependencies(root).into_iter())];
        while let Some((dylib, unvisited)) = path.last_mut() {
            match unvisited.next() {
                Some(next) if seen.insert(next) => path.push((next, self.dependencies(next).into_iter())),
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
