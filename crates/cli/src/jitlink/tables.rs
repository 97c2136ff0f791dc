//! Who defines what: the JITDylibs of a run that links without executing.

use std::collections::{HashMap, HashSet, hash_map};
use std::sync::{Mutex, MutexGuard, PoisonError};

use linkjit::ExecAddr;
use linkjit::executor::ExecRange;
use linkjit::link::graph::{
    Alternate, BlockId, Definition, Group, LinkGraph, Linkage, Request, Scope, Selection, SymbolId,
};
use linkjit::link::link::{Binding, Input};
use linkjit::link::names::{NameId, NamePool};
use linkjit::link::object;
use linkjit::link::object::coff;
use linkjit::link::passes::imports;
use linkjit::link::rules::{self, Candidate, GroupCandidate, GroupConflict, Verdict};
use linkjit::link::source::Source;
use linkjit::link::tls::TlsAddress;

use super::archives::{Archives, Way};
use super::execute::{RESULT_OVERRIDE, result_override};
use super::failure::{Failure, Result};
use super::interfaces::{Libraries, REGION_END, REGION_SIZE};
use super::link::is_coff;
use super::options::Options;
use super::show::{ABSOLUTE_SYMBOLS, DylibState, REEXPORTS, SymbolState, stubs_name};

/// Chains of aliases that are longer are taken for circles.
const LONGEST_ALIAS_CHAIN: usize = 100;

/// What defines a name.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    /// A symbol of an input.
    Input(u32, SymbolId),
    /// `-abs`.
    Absolute(ExecAddr),
    /// `-alias`: a name of another JITDylib.
    Alias(usize, NameId),
}

/// A definition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) by: By,
    pub(super) linkage: Linkage,
    pub(super) scope: Scope,
    pub(super) callable: bool,
    /// Something that is linked needs it.
    searched: bool,
    /// It is for the graph that has it, and no other.
    own: bool,
}

const NOBODY: Entry = Entry {
    by: By::Absolute(ExecAddr::NULL),
    linkage: Linkage::Strong,
    scope: Scope::Default,
    callable: false,
    searched: false,
    own: false,
};

/// A COMDAT group that is kept.
#[derive(Clone, Copy, Debug)]
struct KeptGroup {
    /// The graph that has it.
    input: u32,
    selection: Selection,
    /// The size of the section that it is known by.
    size: u64,
}

/// A JITDylib.
#[derive(Debug, Default)]
pub(super) struct Dylib {
    pub(super) name: String,
    pub(super) symbols: HashMap<NameId, Entry>,
    /// The others that are searched after it, for what they export.
    pub(super) order: Vec<usize>,
    pub(super) archives: Archives,
    libraries: Vec<usize>,
    /// Names of libraries that are linked weakly.
    pub(super) nulls: HashSet<Vec<u8>>,
    /// The COMDAT groups that are kept, by signature.
    groups: HashMap<NameId, KeptGroup>,
    /// What names mean that nobody defines.
    alternates: HashMap<NameId, Alternate>,
    /// What other JITDylibs find under names that may be nobody's here (`/export:name=target`).
    exports: HashMap<NameId, NameId>,
    /// What all objects must agree on: the value, and who said it first.
    agreed: HashMap<String, (String, u32)>,
}

/// All JITDylibs; the first is `main`.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) names: Mutex<NamePool>,
    pub(super) dylibs: Vec<Dylib>,
    /// The graphs that were added, in that order.
    pub(super) inputs: Vec<Input>,
    /// Where symbols of the process and of shared libraries come from.
    libraries: Libraries,
    pub(super) process_symbols: bool,
    pub(super) phony_externals: bool,
    /// Functions that form their own addresses are to have edges for that.
    pub(super) self_relocations: bool,
    /// What was found outside, in the link orders of JITDylibs.
    found: HashMap<(usize, NameId), Binding>,
    /// Graphs of stubs for lazy objects so far.
    stub_graphs: usize,
    /// Slots of imports that wait for their targets to be found.
    slots_begun: usize,
}

impl Tables {
    pub(super) fn new(dylibs: &[String], options: &Options) -> Self {
        let dylib = |name: &str| Dylib { name: name.into(), ..Dylib::default() };
        Self {
            names: Mutex::default(),
            dylibs: std::iter::once("main").chain(dylibs.iter().map(String::as_str)).map(dylib).collect(),
            inputs: Vec::new(),
            libraries: Libraries::default(),
            process_symbols: !options.no_process_syms,
            phony_externals: options.phony_externals,
            self_relocations: options.add_self_relocations,
            found: HashMap::new(),
            stub_graphs: 0,
            slots_begun: 0,
        }
    }

    pub(super) fn names(&self) -> MutexGuard<'_, NamePool> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn intern(&self, name: &str) -> NameId {
        self.names().intern(name.as_bytes())
    }

    pub(super) fn text(&self, name: NameId) -> String {
        self.names().text(name).into_owned()
    }

    /// The JITDylib of that name.
    pub(super) fn dylib(&self, name: &str) -> Option<usize> {
        self.dylibs.iter().position(|dylib| dylib.name == name)
    }

    /// Adds a shared library to a JITDylib.
    pub(super) fn add_library(&mut self, dylib: usize, path: &std::path::Path) -> Result<()> {
        let library = self.libraries.open(path)?;
        self.dylibs[dylib].libraries.push(library);
        Ok(())
    }

    /// Adds a shared library to the process.
    pub(super) fn preload(&mut self, path: &std::path::Path) -> Result<()> {
        self.libraries.preload(path)
    }

    /// Moves the shared libraries, which the graphs `order` refer to.
    pub(super) fn move_libraries(&mut self, order: &[u32], end: u64) {
        let from = ExecRange { start: ExecAddr(REGION_END - REGION_SIZE), end: ExecAddr(REGION_END) };
        let moved = |binding: Binding| match binding {
            Binding::Linked(address) if from.contains(address) => {
                Some(Binding::Linked(ExecAddr(end - REGION_SIZE + address.distance_from(from.start).cast_unsigned())))
            }
            _ => None,
        };
        for &member in order {
            let input = &mut self.inputs[member as usize];
            for symbol in input.graph.symbol_ids() {
                if let Some(binding) = moved(input.binding(symbol)) {
                    input.bind(symbol, binding);
                }
            }
        }
        for binding in self.found.values_mut() {
            *binding = moved(*binding).unwrap_or(*binding);
        }
    }

    /// Defines a name by address or as an alias.
    pub(super) fn define(&mut self, dylib: usize, name: &str, by: By) -> Result<()> {
        let id = self.intern(name);
        let entry = Entry { by, ..NOBODY };
        if self.dylibs[dylib].symbols.insert(id, entry).is_some() {
            return Err(Failure::usage(format!("In <command line>, duplicate definition of symbol '{name}'")));
        }
        Ok(())
    }

    /// Reads an object and adds it.
    pub(super) fn add_object(&mut self, dylib: usize, source: &Source, way: Way) -> Result<()> {
        let graph = object::read(source, &mut self.names())?;
        match way {
            Way::Usual | Way::Hidden => self.add_graph(dylib, graph, way == Way::Hidden),
            Way::Lazy => self.add_lazy_graph(dylib, graph),
        }
    }

    /// Adds a graph whose functions would be linked when they are called, if anybody called them: stubs have their names.
    fn add_lazy_graph(&mut self, dylib: usize, mut graph: LinkGraph) -> Result<()> {
        self.stub_graphs += 1;
        let name = stubs_name(self.stub_graphs);
        let stubs = linkjit::split_lazy_object(&mut graph, &name, &mut self.names())?;
        self.add_graph(dylib, stubs, false)?;
        self.add_graph(dylib, graph, false)
    }

    /// Adds a graph. Of weak definitions the first counts, of tentative ones the largest; strong ones replace both.
    pub(super) fn add_graph(&mut self, dylib: usize, mut graph: LinkGraph, hidden: bool) -> Result<()> {
        let index = u32::try_from(self.inputs.len()).unwrap_or(u32::MAX);
        self.agree(dylib, index, &graph)?;
        self.yield_groups(dylib, index, &mut graph)?;
        // LLVM does not show these to other objects, and has tests that rely on it. Linkers do.
        let is_coff = is_coff(&graph);
        let own = if is_coff { coff::weak_externals_without_search(graph.source())? } else { Vec::new() };
        for request in graph.requests() {
            if let Request::Export { name, target } = request
                && name != target
            {
                self.dylibs[dylib].exports.entry(*name).or_insert(*target);
            }
        }
        for alternate in graph.alternates() {
            self.dylibs[dylib].alternates.entry(alternate.name).or_insert(*alternate);
        }
        for symbol in graph.symbol_ids() {
            let of = graph.symbol(symbol);
            let (Some(name), false) = (of.shared_name(), of.is_external()) else { continue };
            let scope = if hidden { of.scope.max(Scope::Hidden) } else { of.scope };
            let own = own.binary_search(&symbol).is_ok();
            let mut entry = Entry {
                by: By::Input(index, symbol),
                linkage: of.linkage,
                scope,
                callable: of.callable,
                own,
                ..NOBODY
            };
            let old = self.dylibs[dylib].symbols.get(&name).copied();
            // Two definitions of one name within an object: the reader of objects did not mind, we do.
            if old.is_some_and(|old| matches!(old.by, By::Input(owner, _) if owner == index)) {
                return Err(self.duplicate(&graph, name));
            }
            if let (Linkage::Common, Some(Entry { by: By::Input(other, of), linkage: Linkage::Common, .. })) =
                (entry.linkage, old)
            {
                share_alignment(&mut graph, symbol, &mut self.inputs[other as usize].graph, of);
            }
            // Nothing is linked yet.
            match old.map(|old| rules::compare(&graph.symbol(symbol).into(), &self.candidate(&old), false)) {
                None => {}
                Some(Verdict::Yields) => {
                    let scope = graph.symbol(symbol).scope;
                    self.dylibs[dylib].symbols.entry(name).and_modify(|entry| entry.scope = entry.scope.max(scope));
                    graph.make_external(symbol);
                    continue;
                }
                Some(Verdict::Replaces) => {
                    if let Some(Entry { by: By::Input(input, symbol), .. }) = old {
                        let old = &mut self.inputs[input as usize].graph;
                        entry.scope = entry.scope.max(old.symbol(symbol).scope);
                        old.make_external(symbol);
                    }
                }
                Some(Verdict::Conflicts) => return Err(self.duplicate(&graph, name)),
            }
            self.dylibs[dylib].symbols.insert(name, entry);
        }
        let dylib = u32::try_from(dylib).unwrap_or(u32::MAX);
        self.inputs.push(Input::new(graph, dylib, ExecRange::default()));
        Ok(())
    }

    fn candidate(&self, entry: &Entry) -> Candidate {
        let (size, value) = match entry.by {
            By::Input(input, symbol) => return self.inputs[input as usize].graph.symbol(symbol).into(),
            By::Absolute(value) => (0, Some(value)),
            By::Alias(..) => (0, None),
        };
        Candidate { linkage: entry.linkage, size, value }
    }

    /// Refuses an object that is not made like those before it (`/failifmismatch`).
    fn agree(&mut self, dylib: usize, index: u32, graph: &LinkGraph) -> Result<()> {
        for request in graph.requests() {
            let Request::MustMatch { key, value } = request else { continue };
            match self.dylibs[dylib].agreed.get(key) {
                Some((known, first)) if known != value => {
                    let second = graph.name();
                    // It may contradict itself.
                    let first = self.inputs.get(*first as usize).map_or(second, |input| input.graph.name());
                    let what = format!("mismatch of '{key}': {known} in {first}, {value} in {second}");
                    return Err(Failure::usage(what));
                }
                Some(_) => {}
                None => _ = self.dylibs[dylib].agreed.insert(key.clone(), (value.clone(), index)),
            }
        }
        Ok(())
    }

    /// Drops the COMDAT groups that the JITDylib has already, and those of other graphs that yield to the new one's.
    fn yield_groups(&mut self, dylib: usize, index: u32, graph: &mut LinkGraph) -> Result<()> {
        let (mut lost, mut replaced) = (Vec::new(), Vec::new());
        let size = |group: &Group| group.blocks.first().map_or(0, |&block| graph.block(block).size);
        for group in graph.groups() {
            let Some(&old) = self.dylibs[dylib].groups.get(&group.signature) else { continue };
            let candidate = GroupCandidate { selection: group.selection, size: || size(group) };
            let kept = GroupCandidate { selection: old.selection, size: || old.size };
            match rules::compare_groups(candidate, kept) {
                Ok(Verdict::Replaces) => replaced.push((old.input, group.signature)),
                Ok(_) => lost.extend_from_slice(&group.blocks),
                Err(GroupConflict::Duplicate) => return Err(self.duplicate(graph, group.signature)),
                Err(GroupConflict::Differs(what)) => return Err(self.mismatch(graph, group.signature, what)),
            }
        }
        replaced.sort_unstable();
        for replaced in replaced.chunk_by(|one, other| one.0 == other.0) {
            let Some(&(input, _)) = replaced.first() else { continue };
            let owner = &mut self.inputs[input as usize].graph;
            let yielding = owner.dissolve_groups(|signature| replaced.binary_search(&(input, signature)).is_ok());
            let of = &mut self.dylibs[dylib];
            for group in &yielding {
                of.groups.remove(&group.signature);
            }
            for name in drop_blocks(owner, yielding.into_iter().flat_map(|group| group.blocks).collect()) {
                if of.symbols.get(&name).is_some_and(|entry| matches!(entry.by, By::Input(of, _) if of == input)) {
                    of.symbols.remove(&name);
                }
            }
        }
        for group in graph.groups() {
            let new = KeptGroup { input: index, selection: group.selection, size: size(group) };
            match self.dylibs[dylib].groups.entry(group.signature) {
                hash_map::Entry::Vacant(place) => _ = place.insert(new),
                // Of those within an object the first counts.
                hash_map::Entry::Occupied(kept) if kept.get().input == index => lost.extend_from_slice(&group.blocks),
                hash_map::Entry::Occupied(_) => {}
            }
        }
        drop_blocks(graph, lost);
        Ok(())
    }

    #[cold]
    fn duplicate(&self, graph: &LinkGraph, name: NameId) -> Failure {
        Failure::usage(format!("In {}, duplicate definition of symbol '{}'", graph.name(), self.text(name)))
    }

    #[cold]
    fn circle(&self, name: NameId) -> Failure {
        Failure::link(format!("alias '{}' is defined by itself", self.text(name)))
    }

    #[cold]
    fn mismatch(&self, graph: &LinkGraph, name: NameId, what: &str) -> Failure {
        let name = self.text(name);
        Failure::usage(format!("In {}, the COMDAT section of '{name}' is {what} than the one before", graph.name()))
    }

    /// What defines a name in a JITDylib so far.
    pub(super) fn definition(&self, dylib: usize, name: NameId) -> Option<By> {
        Some(self.dylibs.get(dylib)?.symbols.get(&name)?.by)
    }

    /// What is missing if a name is: at the end of a chain of aliases, what nobody defines.
    #[cold]
    pub(super) fn missing(&self, mut dylib: usize, mut name: NameId) -> String {
        for _ in 0..LONGEST_ALIAS_CHAIN {
            let order = std::iter::once(dylib).chain(self.dylibs[dylib].order.iter().copied());
            match order.filter_map(|searched| self.definition(searched, name)).next() {
                Some(By::Alias(next, target)) => (dylib, name) = (next, target),
                _ => break,
            }
        }
        self.text(name)
    }

    /// What a name is in the link order of a JITDylib; archive members are added on the way, but not for weak
    /// references. `None` if it is nothing.
    pub(super) fn look_up(&mut self, dylib: usize, name: NameId, weak: bool, is_tls: bool) -> Result<Option<Binding>> {
        let mut place = (dylib, name);
        for _ in 0..LONGEST_ALIAS_CHAIN {
            let mut entry = self.look_up_directly(place.0, place.1, weak)?;
            if entry.is_none() {
                if let Some(found) = self.look_up_outside(place.0, place.1, is_tls)? {
                    return Ok(Some(found));
                }
                entry = self.fall_back(place.0, place.1)?;
            }
            match entry.map(|entry| entry.by) {
                Some(By::Input(input, symbol)) => return Ok(Some(Binding::Input { input, symbol })),
                Some(By::Absolute(address)) => return Ok(Some(Binding::Linked(address))),
                Some(By::Alias(dylib, name)) => place = (dylib, name),
                None => return Ok(self.has_phony(place.0).then(|| null(is_tls))),
            }
        }
        Err(self.circle(name))
    }

    /// What stands for a name that nobody defines: the default of a weak external of COFF, another name, the slot of an
    /// import.
    fn fall_back(&mut self, dylib: usize, name: NameId) -> Result<Option<Entry>> {
        let order = || std::iter::once(dylib).chain(self.dylibs[dylib].order.iter().copied());
        if let Some(entry) = order().find_map(|searched| self.dylibs[searched].symbols.get(&name)) {
            return Ok(Some(*entry).filter(|entry| entry.linkage == Linkage::Fallback));
        }
        let alternate =
            order().find_map(|searched| Some((searched, self.dylibs[searched].alternates.get(&name)?.target)));
        if let Some((searched, target)) = alternate {
            return Ok(Some(Entry { by: By::Alias(searched, target), ..NOBODY }));
        }
        let bytes = self.names().bytes(name).to_vec();
        let Some(target) = imports::target(&bytes) else { return Ok(None) };
        let id = self.names().intern(target);
        // By other names it may be the slot of something, or its own.
        if self.slots_begun >= LONGEST_ALIAS_CHAIN {
            return Err(self.circle(name));
        }
        self.slots_begun += 1;
        // Of what is nothing, the slot is nothing, too.
        let phony = std::mem::take(&mut self.phony_externals);
        let found = self.look_up(dylib, id, false, false);
        self.phony_externals = phony;
        self.slots_begun -= 1;
        if found?.is_none() {
            return Ok(None);
        }
        let slot = imports::slot(target, &mut self.names())?;
        self.add_graph(dylib, slot, false)?;
        Ok(self.dylibs[dylib].symbols.get(&name).copied())
    }

    fn look_up_directly(&mut self, dylib: usize, name: NameId, weak: bool) -> Result<Option<Entry>> {
        let order: Vec<_> = std::iter::once(dylib).chain(self.dylibs[dylib].order.iter().copied()).collect();
        for searched in order {
            let is_visible = |entry: &&Entry| {
                let is_shown = searched == dylib || entry.scope == Scope::Default;
                is_shown && !entry.own && entry.linkage != Linkage::Fallback
            };
            if let Some(entry) = self.dylibs[searched].symbols.get_mut(&name).filter(|entry| is_visible(&&**entry)) {
                entry.searched = true;
                return Ok(Some(*entry));
            }
            if let Some(&target) = self.dylibs[searched].exports.get(&name).filter(|_| searched != dylib) {
                return Ok(Some(Entry { by: By::Alias(searched, target), ..NOBODY }));
            }
            let alternate = self.dylibs[searched].alternates.get(&name);
            if weak || alternate.is_some_and(|alternate| !alternate.after_libraries) {
                continue;
            }
            let bytes = self.names().bytes(name).to_vec();
            if let Some(member) = self.dylibs[searched].archives.take(&bytes)? {
                self.add_object(searched, &member.source, member.way)?;
                if let Some(entry) = self.dylibs[searched].symbols.get(&name).filter(is_visible) {
                    return Ok(Some(*entry));
                }
            }
        }
        Ok(None)
    }

    /// Libraries of the link order, and the process.
    fn look_up_outside(&mut self, dylib: usize, name: NameId, thread_local: bool) -> Result<Option<Binding>> {
        if let Some(&found) = self.found.get(&(dylib, name)) {
            return Ok(Some(found));
        }
        let bytes = self.names().bytes(name).to_vec();
        let order: Vec<_> = std::iter::once(dylib).chain(self.dylibs[dylib].order.iter().copied()).collect();
        for searched in order {
            let libraries = self.dylibs[searched].libraries.clone();
            let mut found =
                libraries.into_iter().find_map(|library| self.libraries.find(library, &bytes, thread_local));
            if self.dylibs[searched].nulls.contains(&bytes) {
                found = found.or(Some(null(thread_local)));
            }
            if let Some(found) = found {
                self.found.insert((dylib, name), found);
                return Ok(Some(found));
            }
        }
        let found = match bytes.as_slice() {
            _ if self.has_phony(dylib) => None,
            name if name == RESULT_OVERRIDE.as_bytes() => Some(Binding::Linked(result_override())),
            name if self.process_symbols => self.libraries.find_in_process(name, thread_local)?,
            _ => None,
        };
        if let Some(found) = found {
            self.found.insert((dylib, name), found);
        }
        Ok(found)
    }

    /// Whether names that nobody defines are null for a JITDylib. As in LLVM, it is `main` that has them: the process's
    /// symbols behind it are not seen.
    fn has_phony(&self, dylib: usize) -> bool {
        self.phony_externals && (dylib == 0 || self.dylibs[dylib].order.contains(&0))
    }

    /// The JITDylibs and what they define, before or after linking.
    pub(super) fn session(&mut self, is_linked: bool) -> Vec<DylibState> {
        let process = if self.process_symbols { "Process" } else { "<TestResultJD>" };
        let mut states = Vec::new();
        for dylib in 0..self.dylibs.len() {
            let of = &self.dylibs[dylib];
            let others = of.order.iter().map(|&other| self.dylibs[other].name.clone());
            let (name, order) = (of.name.clone(), others.chain([process.into()]).collect());
            let entries: Vec<_> = of.symbols.iter().map(|(&name, &entry)| (name, entry)).collect();
            // As in LLVM, all aliases of a JITDylib come together, though each is looked up by itself.
            let is_searched_alias = |(_, entry): &(NameId, Entry)| matches!(entry.by, By::Alias(..)) && entry.searched;
            let materializing = entries.iter().any(is_searched_alias);
            let symbols = entries.into_iter().map(|(name, entry)| SymbolState {
                name: self.text(name),
                linkage: entry.linkage,
                scope: entry.scope,
                callable: entry.callable,
                address: match entry.by {
                    By::Absolute(_) | By::Alias(..) if !entry.searched => None,
                    _ if is_linked => self.address(dylib, name),
                    _ => None,
                },
                materializing: materializing && matches!(entry.by, By::Alias(..)),
                by: match entry.by {
                    By::Input(input, _) => self.inputs[input as usize].graph.name().into(),
                    By::Absolute(_) => ABSOLUTE_SYMBOLS.into(),
                    By::Alias(..) => REEXPORTS.into(),
                },
            });
            states.push(DylibState { name, order, symbols: symbols.collect() });
        }
        let result = SymbolState {
            name: RESULT_OVERRIDE.into(),
            linkage: Linkage::Strong,
            scope: Scope::Default,
            callable: false,
            address: None,
            materializing: false,
            by: ABSOLUTE_SYMBOLS.into(),
        };
        if self.process_symbols {
            states.insert(0, DylibState { name: process.into(), order: Vec::new(), symbols: Vec::new() });
        } else {
            states.push(DylibState { name: process.into(), order: Vec::new(), symbols: vec![result] });
        }
        states
    }

    /// Where a definition is, once everything is placed. `None` if it is in a graph that was not linked.
    pub(super) fn address(&mut self, dylib: usize, name: NameId) -> Option<ExecAddr> {
        let entry = self.dylibs.get(dylib)?.symbols.get(&name)?;
        match entry.by {
            By::Input(input, symbol) => self.address_in(input, symbol),
            By::Absolute(address) => Some(address),
            By::Alias(..) => match self.look_up(dylib, name, true, false).ok()?? {
                Binding::Input { input, symbol } => self.address_in(input, symbol),
                Binding::Linked(address) => Some(address),
                _ => None,
            },
        }
    }

    fn address_in(&self, input: u32, symbol: SymbolId) -> Option<ExecAddr> {
        let input = self.inputs.get(input as usize)?;
        let is_placed = match input.graph.symbol(symbol).definition {
            Definition::Defined { block, .. } => input.graph.block(block).placed,
            Definition::Absolute(_) => true,
            Definition::External => !matches!(input.binding(symbol), Binding::None),
        };
        is_placed.then(|| input.graph.address(symbol))
    }
}

/// Gives the tentative definitions of a name the stricter of their alignments.
fn share_alignment(graph: &mut LinkGraph, symbol: SymbolId, other: &mut LinkGraph, of: SymbolId) {
    let (Some(first), Some(second)) = (graph.symbol(symbol).block(), other.symbol(of).block()) else { return };
    let (first, second) = (graph.block_mut(first), other.block_mut(second));
    let align_log2 = first.align_log2.max(second.align_log2);
    (first.align_log2, second.align_log2) = (align_log2, align_log2);
}

/// Forgets about blocks that another graph has; returns the names in them, which are references now.
fn drop_blocks(graph: &mut LinkGraph, mut blocks: Vec<BlockId>) -> Vec<NameId> {
    blocks.sort_unstable();
    graph.discard_blocks(&blocks);
    let mut names = Vec::new();
    for symbol in graph.symbol_ids() {
        let of = graph.symbol(symbol);
        if let (Some(name), Some(block)) = (of.shared_name(), of.block())
            && blocks.binary_search(&block).is_ok()
        {
            graph.make_external(symbol);
            names.push(name);
        }
    }
    names
}

/// What stands for a name that is nowhere.
fn null(thread_local: bool) -> Binding {
    let null = TlsAddress { module: 0, offset: 0, thread_offset: Some(0) };
    if thread_local { Binding::LinkedThreadLocal(null) } else { Binding::Linked(ExecAddr::NULL) }
}
