//! Objects all of whose functions are reached through stubs.

use std::collections::{BTreeMap, BTreeSet};

use linkjit_link::arch::ArchTables;
use linkjit_link::graph::{BlockId, Definition, Edge, LinkGraph, Linkage, Name, Protection, Scope, SymbolId};
use linkjit_link::names::{NameId, NamePool};
use linkjit_link::object;
use linkjit_link::source::Source;

use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::lazy::{Defined, LazyStub, Targets, define, hide_functions, is_ordinary, prefix_of};
use crate::session::{ResourceTracker, State, Updatable, defined_names};
use crate::source::IntoSource;

/// The prefix of the names of local functions whose address is taken.
pub(super) const LOCAL: &str = "$__LOCAL.";

impl Updatable {
    pub(super) fn add_functions(&mut self, stubs: &[LazyStub], first: u32) {
        self.functions.extend(stubs.iter().map(|stub| stub.target).zip(first..));
    }
}

impl JitDylib {
    /// Adds a relocatable object that can be replaced while it is in use: see [`JitDylib::update`]. The name of the
    /// source is what it is replaced by.
    ///
    /// All of its own functions that others can refer to, or whose address is taken, are reached through stubs; so are
    /// calls of one of them by another. As with [`JitDylib::add_lazy_object`], a function is linked when it is first
    /// called; and functions of which other objects may have copies are not its own: what was linked with a copy keeps
    /// it.
    ///
    /// Compile with `-ffunction-sections -fdata-sections`: what functions of one section take of each other, calls and
    /// addresses of `static` functions, linkers do not see; and see
    /// [`Update::keep_variables`](crate::Update::keep_variables).
    ///
    /// # Errors
    /// As [`JitDylib::add_object`], or if there is an updatable object of that name already.
    pub fn add_updatable_object(&self, object: impl IntoSource) -> Result<()> {
        let source = object.into_source()?;
        self.read_updatable_object(&source)?;
        self.note_updatable(source.name());
        Ok(())
    }

    /// As [`JitDylib::add_updatable_object`], once.
    pub(crate) fn read_updatable_object(&self, source: &Source) -> Result<()> {
        self.session().keep_names();
        let (graph, stubs) = read(self, source, |_| false)?;
        if self.tracker().is_some_and(|owner| !self.session().state().has_tracker(owner)) {
            return Err(Error::TrackerRemoved);
        }
        let [stub_tracker, current] = [self.create_tracker()?, self.create_tracker()?];
        let remove = || {
            let mut state = self.session().state();
            state.take_tracker(stub_tracker.id());
            state.take_tracker(current.id());
        };
        if self.session().state().updatable(self.id(), source.name())?.is_some() {
            remove();
            return Err(Error::Updatable { object: source.name().to_string(), is_there: true });
        }
        let targets = Targets {
            names: defined_names(&graph),
            define: |state: &mut State, names: &NamePool| {
                let (object, _) = state.define_object(self.id(), current.id(), graph, names)?;
                // Its initializers wait until something of it is linked.
                state.drop_roots(object);
                Ok(object)
            },
        };
        let defined = define(&stub_tracker, self, source.name(), &stubs, targets);
        let Defined { first, targets: object, .. } = defined.inspect_err(|_| remove())?;
        let mut updatable = Updatable {
            stubs: stub_tracker.id(),
            functions: BTreeMap::new(),
            removed: BTreeMap::new(),
            current: current.id(),
            object,
            number: 0,
        };
        updatable.add_functions(&stubs, first);
        let mut state = self.session().state();
        state.make_updatable(object);
        state.own_stubs(self.tracker(), stub_tracker.id());
        state.enter_updatable(self.id(), source.name(), updatable)
    }

    /// Removes an updatable object with its stubs.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # use linkjit::SourceModule;
    /// # let compile = |text: &str| SourceModule::text("doc.c", text).compile();
    /// let jit = linkjit::Jit::host()?;
    /// let object = compile("int f(void) { return 1; }")?;
    /// jit.add_updatable_object(&object)?;
    /// jit.lookup("f")?;
    /// // SAFETY: nobody calls it.
    /// unsafe { jit.remove_updatable_object(object.name())? };
    /// assert!(jit.lookup("f").is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`ResourceTracker::remove`], or if there is no such object.
    ///
    /// # Safety
    /// As for [`ResourceTracker::remove`].
    pub unsafe fn remove_updatable_object(&self, name: &str) -> Result<()> {
        let updatable = self.session().state().updatable(self.id(), name)?.cloned();
        let updatable = updatable.ok_or_else(|| Error::Updatable { object: name.into(), is_there: false })?;
        let trackers = [updatable.stubs, updatable.current].map(|id| ResourceTracker::new(self, id));
        // SAFETY: the caller's promise.
        unsafe { ResourceTracker::remove_all(&trackers) }
    }
}

/// Reads an object and gives its functions hidden names; returns the stubs that are to take theirs. `had_stub` says
/// which hidden names had one in an earlier generation.
pub(super) fn read(
    dylib: &JitDylib,
    source: &Source,
    had_stub: impl Fn(NameId) -> bool,
) -> Result<(LinkGraph, Vec<LazyStub>)> {
    let graph = object::read(source, &mut dylib.session().names())?;
    dylib.session().check_no_allocator(&graph)?;
    let (mut names, mut graph) = (dylib.session().names(), graph);
    share_local_functions(&mut graph, &mut names);
    let stubs = hide_functions(&mut graph, &prefix_of(dylib.id()), &mut names, is_reference, had_stub)?;
    Ok((graph, stubs))
}

/// Says whether an edge to a function is to go to its stub: it is called, or its address is taken.
fn is_reference(graph: &LinkGraph, block: BlockId, edge: &Edge, name: &[u8]) -> bool {
    let kind = graph.arch().kinds().info(edge.kind);
    kind.calls(edge) || (kind.takes_address(edge) && !(is_destructor(name) && is_code(graph, block)))
}

/// Says whether a function is one whose address code takes only to hand it to the C++ runtime together with an object: that
/// is then destroyed by the code that has made it.
fn is_destructor(name: &[u8]) -> bool {
    // Functions that compilers make for that: gcc, clang for MinGW's ABI, and for MSVC's.
    let made: [&[u8]; 3] = [b"__tcf_", b"__dtor_", b"??__F"];
    made.iter().any(|prefix| name.starts_with(prefix))
        || name.starts_with(b"_ZN") && (name.ends_with(b"D1Ev") || name.ends_with(b"D2Ev"))
}

fn is_code(graph: &LinkGraph, block: BlockId) -> bool {
    graph.section(graph.block(block).section).protection == Protection::ReadExec
}

/// Gives local functions whose address is taken names that stubs can have, so that the address outlives them. Those in
/// COMDAT groups go with the group, which may be another object's.
fn share_local_functions(graph: &mut LinkGraph, names: &mut NamePool) {
    let shared = graph.shared_blocks();
    let mut starts: BTreeMap<(BlockId, u64), SymbolId> = BTreeMap::new();
    for id in graph.symbol_ids() {
        let symbol = graph.symbol(id);
        if let Definition::Defined { block, offset } = symbol.definition
            && symbol.callable
            && symbol.scope == Scope::Local
            && symbol.name != Name::None
            && shared.binary_search(&block).is_err()
        {
            starts.insert((block, offset), id);
        }
    }
    if starts.is_empty() {
        return;
    }
    let kinds = graph.arch().kinds();
    let mut taken = BTreeSet::new();
    for block in graph.block_ids() {
        if !is_ordinary(graph, block) {
            continue;
        }
        for index in 0..graph.edges(block).len() {
            let edge = graph.edges(block)[index];
            let Some(function) = taken_function(graph, &edge, &starts) else { continue };
            if is_code(graph, block) && is_destructor(graph.symbol_name(names, function)) {
                continue;
            }
            taken.insert(function);
            let edge = &mut graph.edges_mut(block)[index];
            edge.target = function;
            edge.addend = kinds.info(edge.kind).bias.into();
        }
    }
    let mut used = BTreeSet::new();
    for id in taken {
        let name = [format!("{LOCAL}{}.", graph.name()).as_bytes(), graph.symbol_name(names, id)].concat();
        let name = names.intern(&name);
        // Of several of one name, the others stay as they are: they can't be told apart in the next generation.
        if used.insert(name) {
            graph.symbol_mut(id).name = Name::Interned(name);
            graph.set_visibility(id, Linkage::Strong, Scope::Hidden);
        }
    }
}

/// The local function whose address an edge stands for; assemblers refer to it by its section.
fn taken_function(graph: &LinkGraph, edge: &Edge, starts: &BTreeMap<(BlockId, u64), SymbolId>) -> Option<SymbolId> {
    let kind = graph.arch().kinds().info(edge.kind);
    let addend = kind.bias.into();
    if !kind.takes_address(&Edge { addend, ..*edge }) {
        return None;
    }
    let Definition::Defined { block, offset } = graph.symbol(edge.target).definition else { return None };
    if !is_code(graph, block) {
        return None;
    }
    let beyond = edge.addend.checked_sub(addend)?;
    starts.get(&(block, offset.checked_add_signed(beyond)?)).copied()
}
