//! The state of a JITDylib in its session.

use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use linkjit_executor::{ExecAddr, ExecRange, ImageId, Window, WindowId};
use linkjit_link::graph::{Alternate, Linkage, Scope};
use linkjit_link::names::NameId;
use linkjit_link::object::archive::Archive;
use linkjit_link::passes::entries::{EntryKind, SharedEntries, SharedKey};

use super::claims::Claims;
use super::coff::{DefaultLibraries, ImageRequests};
use super::groups::GroupOwner;
use super::inherit::Heir;
use super::opening::Opening;
use super::{
    Address, Archives, DefinedBy, DylibId, Entry, Generator, GeneratorId, InitializerRun, MatchScope, ObjectId, State,
    TrackerId, Updatable,
};
use crate::error::Result;
use crate::jitdylib::JitDylib;

/// Longer chains of aliases are left to the slow way.
const SHORT_ALIAS_CHAIN: usize = 8;

/// A JITDylib.
#[derive(Debug)]
pub(crate) struct DylibState {
    pub(super) name: String,
    pub(super) symbols: HashMap<NameId, Entry, FixedState>,
    /// The COMDAT groups that are kept, by signature.
    pub(super) groups: HashMap<NameId, GroupOwner, FixedState>,
    /// The heirs of names and groups, for when their owners go.
    pub(super) heirs: BTreeSet<Heir>,
    /// Names that objects refer to as hidden, which makes their definitions here hidden; and how many objects do.
    pub(super) hidden: HashMap<NameId, u32, FixedState>,
    /// The meanings of names that nobody defines.
    pub(super) alternates: Claims<NameId, Alternate>,
    pub(super) image_requests: ImageRequests,
    pub(super) default_libraries: DefaultLibraries,
    /// Those that objects and archives of ELF ask for.
    pub(super) dependent_libraries: DefaultLibraries,
    /// Names that import libraries have and DLLs have not, and why.
    pub(super) missing_imports: HashMap<NameId, String, FixedState>,
    /// The object that starts the C runtime that was opened among them.
    pub(super) crt_startup: Option<ObjectId>,
    /// The settings that all objects must agree on.
    pub(super) agreed: Claims<String, String>,
    pub(super) link_order: Vec<(DylibId, MatchScope)>,
    pub(super) generators: Vec<Generator>,
    /// The last generator, if it is one of archives: further archives join it.
    pub(super) archives: Option<Arc<dyn Archives>>,
    /// Archives of which nobody has looked yet which libraries they need.
    pub(super) unread_dependencies: Vec<Archive>,
    /// The library of the compilers, if it was asked for something.
    pub(super) compiler_runtime: Option<Arc<dyn Archives>>,
    pub(super) objects: BTreeSet<ObjectId>,
    /// Those of them that may have initializers of which nothing was linked yet: there are few at a time.
    pub(super) roots: BTreeSet<ObjectId>,
    /// The same of those that are linked lazily.
    pub(super) lazy_roots: BTreeSet<ObjectId>,
    pub(super) image: ImageId,
    pub(super) windows: Vec<Window>,
    /// The windows for large sections, which code reaches at any distance.
    pub(super) areas: Vec<Window>,
    /// Something was linked that may know where its windows are.
    pub(super) windows_in_use: bool,
    /// The number of the thread-local storage that all code of an image has, if it has some.
    pub(super) image_tls: Option<u64>,
    pub(super) entries: SharedEntries,
    /// The places of contiguous sections, for boundary symbols of later batches: the newest of each name, and whose it is.
    pub(super) sections: HashMap<String, (ExecRange, Option<TrackerId>), FixedState>,
    pub(super) pending_initializers: Vec<InitializerRun>,
    /// Terminators of objects whose initializers were not run yet.
    pub(super) pending_terminators: Vec<InitializerRun>,
    /// Those to be run at close.
    pub(super) terminators: Vec<InitializerRun>,
    /// Those of what was retired and that others still use, to be run when the last of these goes.
    pub(super) kept_terminators: Vec<InitializerRun>,
    pub(super) dso_handle_known: bool,
    pub(super) opening: Opening,
    pub(super) default_tracker: Option<TrackerId>,
    pub(super) trackers: BTreeSet<TrackerId>,
    /// Has what each JITDylib has of its own, which is placed with its entries and stays as they do.
    pub(super) platform_tracker: TrackerId,
    /// Objects that can be replaced, by name.
    pub(super) updatable: HashMap<Arc<str>, Updatable, FixedState>,
    /// There have been trackers beside the default one.
    pub(super) has_trackers: bool,
}

impl DylibState {
    pub(super) fn new(id: DylibId, name: &str, image: ImageId, platform_tracker: TrackerId) -> Self {
        Self {
            name: name.into(),
            symbols: HashMap::default(),
            groups: HashMap::default(),
            heirs: BTreeSet::new(),
            hidden: HashMap::default(),
            alternates: Claims::default(),
            image_requests: ImageRequests::default(),
            default_libraries: DefaultLibraries::default(),
            dependent_libraries: DefaultLibraries::default(),
            missing_imports: HashMap::default(),
            crt_startup: None,
            agreed: Claims::default(),
            link_order: vec![(id, MatchScope::All)],
            generators: Vec::new(),
            archives: None,
            unread_dependencies: Vec::new(),
            compiler_runtime: None,
            objects: BTreeSet::new(),
            image,
            windows: Vec::new(),
            areas: Vec::new(),
            windows_in_use: false,
            image_tls: None,
            entries: SharedEntries::default(),
            roots: BTreeSet::new(),
            lazy_roots: BTreeSet::new(),
            sections: HashMap::default(),
            pending_initializers: Vec::new(),
            pending_terminators: Vec::new(),
            terminators: Vec::new(),
            kept_terminators: Vec::new(),
            dso_handle_known: false,
            opening: Opening::default(),
            default_tracker: None,
            trackers: BTreeSet::from([platform_tracker]),
            platform_tracker,
            updatable: HashMap::default(),
            has_trackers: false,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The entry of a name.
    pub(crate) fn entry(&self, name: NameId) -> Option<&Entry> {
        self.symbols.get(&name)
    }

    /// Its objects from one on, in the order in which they were added.
    pub(crate) fn objects_from(&self, first: ObjectId) -> impl Iterator<Item = ObjectId> {
        self.objects.range(first..).copied()
    }

    /// Says whether an object has a COMDAT group that is kept.
    pub(crate) fn has_group(&self, signature: NameId) -> bool {
        self.groups.contains_key(&signature)
    }

    /// The requests of objects about the image that the JITDylib is.
    pub(crate) fn image_requests(&self) -> &ImageRequests {
        &self.image_requests
    }

    /// Says whether there are names that mean something though nobody defines them.
    pub(crate) fn has_alternates(&self) -> bool {
        !self.alternates.is_empty()
    }

    /// The meaning of a name if nobody defines it.
    pub(crate) fn alternate(&self, name: NameId) -> Option<&Alternate> {
        Some(self.alternates.first(&name)?.0)
    }

    /// Has a library opened that an archive asks for.
    pub(crate) fn require_library(&mut self, library: String) {
        self.dependent_libraries.require(library);
    }

    /// Says whether somebody defines a name, for whomever.
    pub(crate) fn defines(&self, name: NameId) -> bool {
        self.symbols.contains_key(&name)
    }

    /// All names that somebody defines.
    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = NameId> {
        self.symbols.keys().copied()
    }

    /// The definition of a name, if a search with `scope` may see it.
    pub(crate) fn visible(&self, name: NameId, scope: MatchScope) -> Option<&Entry> {
        self.definition(name, scope).filter(|entry| entry.linkage != Linkage::Fallback)
    }

    /// The same, or what counts if there is no other definition anywhere.
    pub(crate) fn definition(&self, name: NameId, scope: MatchScope) -> Option<&Entry> {
        let exported = |entry: &&Entry| entry.scope == Scope::Default && !self.hidden.contains_key(&name);
        self.symbols.get(&name).filter(|entry| scope == MatchScope::All || exported(entry))
    }

    /// The JITDylibs that are searched for what its code refers to, in order.
    pub(crate) fn link_order(&self) -> &[(DylibId, MatchScope)] {
        &self.link_order
    }

    /// The generators, in the order in which they are asked for what nobody has added.
    pub(crate) fn generators(&self) -> &[Generator] {
        &self.generators
    }

    /// Removes generators; returns them, to be dropped when the tables are unlocked.
    pub(crate) fn remove_generators(&mut self, matches: impl FnMut(&mut Generator) -> bool) -> Vec<Generator> {
        self.generators.extract_if(.., matches).collect()
    }

    /// Has the libraries opened, when a name is missing, that an archive says it needs.
    pub(crate) fn read_dependencies_later(&mut self, archive: Archive) {
        self.unread_dependencies.push(archive);
    }

    /// The archives of which nobody has looked yet which libraries they need: somebody is about to.
    pub(crate) fn take_unread_dependencies(&mut self) -> Vec<Archive> {
        std::mem::take(&mut self.unread_dependencies)
    }

    /// The library of the compilers, if it was asked for something.
    pub(crate) fn compiler_runtime(&self) -> Option<&Arc<dyn Archives>> {
        self.compiler_runtime.as_ref()
    }

    pub(crate) fn set_compiler_runtime(&mut self, runtime: Arc<dyn Archives>) {
        self.compiler_runtime = Some(runtime);
    }

    pub(crate) fn set_crt_startup(&mut self, object: ObjectId) {
        self.crt_startup = Some(object);
    }

    /// Notes why a DLL does not have what an import library says it has.
    pub(crate) fn note_missing_import(&mut self, name: NameId, why: &str) {
        self.missing_imports.insert(name, why.into());
    }

    /// Why a DLL does not have what an import library says it has.
    pub(crate) fn missing_import(&self, name: NameId) -> Option<&String> {
        self.missing_imports.get(&name)
    }

    /// The image that the executor knows it as.
    pub(crate) fn image(&self) -> ImageId {
        self.image
    }

    /// The number of the thread-local storage that all code of an image has, if it has some.
    pub(crate) fn image_tls(&self) -> Option<u64> {
        self.image_tls
    }

    pub(crate) fn set_image_tls(&mut self, module: u64) {
        self.image_tls = Some(module);
    }

    /// Says whether the executor knows the address of its handle.
    pub(crate) fn is_dso_handle_known(&self) -> bool {
        self.dso_handle_known
    }

    pub(crate) fn note_dso_handle(&mut self) {
        self.dso_handle_known = true;
    }

    /// Its windows, oldest first.
    pub(crate) fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Its areas for large sections.
    pub(crate) fn areas(&self) -> &[Window] {
        &self.areas
    }

    /// The window that has an address.
    pub(crate) fn window_at(&self, address: ExecAddr) -> Option<Window> {
        self.windows.iter().copied().find(|window| window.range.contains(address))
    }

    pub(crate) fn add_window(&mut self, window: Window) {
        self.windows.push(window);
    }

    pub(crate) fn add_area(&mut self, area: Window) {
        self.areas.push(area);
    }

    /// Forgets a window or an area.
    pub(crate) fn remove_window(&mut self, id: WindowId) {
        self.windows.retain(|window| window.id != id);
        self.areas.retain(|area| area.id != id);
    }

    /// The window of an image, as long as nothing is linked that may know where it is.
    pub(crate) fn movable_window(&self) -> Option<Window> {
        self.windows.first().copied().filter(|_| !self.windows_in_use)
    }

    /// Gives an image another window.
    pub(crate) fn move_to(&mut self, window: Window) {
        self.windows = vec![window];
    }

    /// Lends the shared entries to a batch, which looks at all its edges meanwhile, to be [returned](Self::return_entries).
    pub(crate) fn lend_entries(&mut self) -> SharedEntries {
        std::mem::take(&mut self.entries)
    }

    pub(crate) fn return_entries(&mut self, entries: SharedEntries) {
        self.entries = entries;
    }

    /// Has later batches share entries that a batch has made.
    pub(crate) fn share_entries(&mut self, new: impl IntoIterator<Item = (SharedKey, ExecAddr)>) {
        self.entries.extend(new);
    }

    /// The place of the newest contiguous section of a name.
    pub(crate) fn section(&self, name: &str) -> Option<ExecRange> {
        self.sections.get(name).map(|&(range, _)| range)
    }

    /// Notes that a batch has linked something of a tracker: its contiguous sections.
    pub(crate) fn note_linked<'a>(
        &mut self,
        tracker: Option<TrackerId>,
        sections: impl Iterator<Item = (&'a str, ExecRange)>,
    ) {
        self.windows_in_use = true;
        self.sections.extend(sections.map(|(name, range)| (name.to_owned(), (range, tracker))));
    }

    /// Notes an initializer or terminator array that was linked.
    pub(crate) fn run_later(&mut self, run: InitializerRun) {
        let is_at_exit = run.order.is_at_exit();
        (if is_at_exit { &mut self.pending_terminators } else { &mut self.pending_initializers }).push(run);
    }

    /// All lists of initializer and terminator arrays but that of terminators which others keep.
    pub(super) fn runs_mut(&mut self) -> impl Iterator<Item = &mut Vec<InitializerRun>> {
        let opening = [&mut self.opening.ran, &mut self.opening.ended];
        [&mut self.pending_initializers, &mut self.pending_terminators, &mut self.terminators]
            .into_iter()
            .chain(opening)
    }

    /// The initializers that were not run yet, in order: they are about to be, and so their objects' terminators are to
    /// be run at close. `None` if there is nothing new.
    pub(crate) fn begin_initializers(&mut self) -> Option<Vec<InitializerRun>> {
        if self.pending_initializers.is_empty() && self.pending_terminators.is_empty() {
            return None;
        }
        // Objects are numbered in the order in which they were added, which is link order.
        let key = |run: &InitializerRun| (run.order, run.object);
        self.pending_terminators.sort_by_key(key);
        self.terminators.append(&mut self.pending_terminators);
        let mut runs = std::mem::take(&mut self.pending_initializers);
        runs.sort_by_key(key);
        if self.opening.is_kept {
            self.opening.ran.extend(&runs);
        }
        Some(runs)
    }

    /// Says whether memory of a tracker is not divided into what may stay longer and what not: the default tracker's, which
    /// is not expected to be removed before others.
    pub(crate) fn is_undivided(&self, tracker: TrackerId) -> bool {
        !self.has_trackers || self.default_tracker == Some(tracker)
    }

    /// The tracker of what each JITDylib has of its own.
    pub(crate) fn platform_tracker(&self) -> TrackerId {
        self.platform_tracker
    }
}

impl State {
    /// A tracker for the user.
    pub(crate) fn create_users_tracker(&mut self, dylib: DylibId) -> Result<TrackerId> {
        self.dylib_mut(dylib)?.has_trackers = true;
        Ok(self.create_tracker(dylib))
    }

    /// The tracker of what is added without one.
    pub(crate) fn default_tracker(&mut self, dylib: DylibId) -> Result<TrackerId> {
        let known = self.dylib(dylib)?.default_tracker;
        if let Some(known) = known.filter(|known| self.trackers.contains_key(known)) {
            return Ok(known);
        }
        let new = self.create_tracker(dylib);
        self.dylib_mut(dylib)?.default_tracker = Some(new);
        Ok(new)
    }

    /// The archives that another archive of the handle's owner may join, because no other generator is behind them;
    /// `new` makes some.
    pub(crate) fn archives(
        &mut self,
        dylib: &JitDylib,
        new: impl FnOnce() -> Arc<dyn Archives>,
    ) -> Result<Arc<dyn Archives>> {
        let table = self.dylib(dylib.id())?;
        let is_owners = table.generators.last().is_some_and(|last| last.tracker == dylib.tracker());
        if let Some(archives) = table.archives.as_ref().filter(|_| is_owners) {
            return Ok(archives.clone());
        }
        let archives = new();
        self.add_generator(dylib, archives.clone(), false)?;
        self.dylib_mut(dylib.id())?.archives = Some(archives.clone());
        Ok(archives)
    }

    /// Has a JITDylib search another one behind those that it searches already.
    pub(crate) fn search_also(&mut self, dylib: DylibId, other: DylibId, scope: MatchScope) -> Result<()> {
        self.dylib(other)?;
        self.dylib_mut(dylib)?.link_order.push((other, scope));
        Ok(())
    }

    /// Has a JITDylib search another one no more.
    pub(crate) fn search_no_more(&mut self, dylib: DylibId, other: DylibId) -> Result<()> {
        self.dylib_mut(dylib)?.link_order.retain(|&(id, _)| id != other);
        Ok(())
    }

    /// Has a JITDylib search itself, all of it, then others.
    pub(crate) fn set_link_order(&mut self, dylib: DylibId, others: &[(DylibId, MatchScope)]) -> Result<()> {
        others.iter().try_for_each(|&(other, _)| self.dylib(other).map(drop))?;
        self.dylib_mut(dylib)?.link_order = [&[(dylib, MatchScope::All)], others].concat();
        Ok(())
    }

    /// The address of a name that is linked and that no generator could define in a JITDylib that is searched before.
    pub(crate) fn find_linked(&self, dylib: DylibId, name: NameId) -> Option<Address> {
        self.find_entry(dylib, name)?.address
    }

    /// The definition of a name that no generator could define in a JITDylib that is searched before, aliases followed.
    pub(crate) fn find_entry(&self, mut dylib: DylibId, mut name: NameId) -> Option<&Entry> {
        for _ in 0..SHORT_ALIAS_CHAIN {
            let mut order = self.dylib(dylib).ok()?.link_order.iter();
            let entry = order.find_map(|&(searched, scope)| {
                let searched = self.dylib(searched).ok()?;
                match searched.visible(name, scope) {
                    Some(entry) => Some(Some(entry)),
                    None if searched.generators.is_empty() => None,
                    None => Some(None),
                }
            })??;
            match entry.by {
                DefinedBy::Alias(other, target) => (dylib, name) = (other, target),
                _ => return Some(entry),
            }
        }
        None
    }

    /// A generator of a JITDylib that is not closed.
    pub(crate) fn generator(&self, id: GeneratorId) -> Option<&Generator> {
        self.dylibs.values().flat_map(DylibState::generators).find(|generator| generator.id == id)
    }

    /// Says whether a JITDylib has generators of the user, for which a batch does not wait.
    pub(crate) fn has_users_generators(&self) -> bool {
        self.dylibs.values().flat_map(DylibState::generators).any(|generator| generator.is_from_user)
    }

    /// The GOT entries that earlier batches made for what is outside, at or behind one of `addresses`, which are
    /// sorted.
    pub(crate) fn slots_of(&self, addresses: &[ExecAddr]) -> Vec<ExecAddr> {
        let slots = self.dylibs.values().flat_map(|dylib| {
            let starts = dylib.windows.iter().map(|window| window.range.start);
            let keys = starts.flat_map(|start| addresses.iter().map(move |&address| (start, address, EntryKind::Got)));
            let behind = dylib.entries.iter().filter(|((_, target, kind), _)| {
                matches!(kind, EntryKind::GotAt(_)) && addresses.binary_search(target).is_ok()
            });
            keys.filter_map(|key| dylib.entries.get(&key).copied()).chain(behind.map(|(_, &entry)| entry))
        });
        slots.collect()
    }

    /// Gives names that stand for an address outside another one.
    pub(crate) fn move_outside(&mut self, from: ExecAddr, to: ExecAddr) {
        for entry in self.dylibs.values_mut().flat_map(|dylib| dylib.symbols.values_mut()) {
            if matches!(entry.by, DefinedBy::Outside | DefinedBy::Found) && entry.address == Some(Address::At(from)) {
                entry.address = Some(Address::At(to));
            }
        }
    }
}
