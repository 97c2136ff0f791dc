//! The definitions in the JITDylibs of a run that links without executing.

mod groups;
mod lookup;
mod states;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use linkjit::ExecAddr;
use linkjit::executor::ExecRange;
use linkjit_link::arch::Arch;
use linkjit_link::graph::{Alternate, LinkGraph, Linkage, Request, Scope, SymbolId};
use linkjit_link::input::{Binding, Input};
use linkjit_link::link::Inputs;
use linkjit_link::names::{NameId, NamePool};
use linkjit_link::object;
use linkjit_link::object::archive::Archive;
use linkjit_link::object::coff;
use linkjit_link::rules::{self, Candidate, Verdict};
use linkjit_link::source::Source;

use self::groups::KeptGroup;
use super::archives::Members;
use super::failure::{Failure, Result};
use super::interfaces::{self, Libraries};
use super::link::is_coff;
use super::load::{Dylibs, Way, load};
use super::lock;
use super::options::Options;
use super::show::stubs_name;

/// The thing that defines a name.
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

/// A JITDylib.
#[derive(Debug, Default)]
pub(super) struct Dylib {
    pub(super) name: String,
    pub(super) symbols: HashMap<NameId, Entry>,
    /// The others that are searched after it, for what they export.
    pub(super) order: Vec<usize>,
    archives: Vec<Members>,
    libraries: Vec<usize>,
    /// Names of libraries that are linked weakly.
    nulls: HashSet<Vec<u8>>,
    /// The COMDAT groups that are kept, by signature.
    groups: HashMap<NameId, KeptGroup>,
    /// The meanings of names that nobody defines.
    alternates: HashMap<NameId, Alternate>,
    /// The names that other JITDylibs find under names that may be nobody's here (`/export:name=target`).
    exports: HashMap<NameId, NameId>,
    /// The values that all objects must agree on, and who said them first.
    agreed: HashMap<String, (String, u32)>,
}

/// All JITDylibs; the first is `main`.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) names: Mutex<NamePool>,
    pub(super) dylibs: Vec<Dylib>,
    /// The one that all others search last, if anything was defined there.
    process: Option<usize>,
    /// The graphs that were added, in that order.
    pub(super) inputs: Inputs,
    /// The libraries that symbols of the process and of shared libraries come from.
    libraries: Libraries,
    pub(super) process_symbols: bool,
    pub(super) phony_externals: bool,
    /// Functions that form their own addresses are to have edges for that.
    pub(super) self_relocations: bool,
    /// The names that were found outside, in the link orders of JITDylibs.
    found: HashMap<(usize, NameId), Binding>,
    /// Graphs of stubs for lazy objects so far.
    stub_graphs: usize,
    /// Slots of imports that wait for their targets to be found.
    slots_begun: usize,
}

impl Tables {
    /// Puts all that the command line names into its JITDylib.
    pub(super) fn load(options: &Options) -> Result<Self> {
        let mut tables = Self {
            process_symbols: !options.no_process_syms,
            phony_externals: options.phony_externals,
            self_relocations: options.add_self_relocations,
            ..Self::default()
        };
        tables.create("main")?;
        options.preload.iter().try_for_each(|path| tables.libraries.preload(path))?;
        load(options, &mut tables)?;
        Ok(tables)
    }

    /// The architecture of what is linked.
    pub(super) fn arch(&self) -> Arch {
        self.inputs.first().map_or(Arch::HOST.unwrap_or(Arch::ALL[0]), |input| input.graph.arch())
    }

    pub(super) fn names(&self) -> MutexGuard<'_, NamePool> {
        lock(&self.names)
    }

    pub(super) fn intern(&self, name: &str) -> NameId {
        self.names().intern(name.as_bytes())
    }

    pub(super) fn text(&self, name: NameId) -> String {
        self.names().text(name).into_owned()
    }

    fn define(&mut self, dylib: usize, name: &str, by: By) -> Result<()> {
        let id = self.intern(name);
        let entry = Entry { by, ..NOBODY };
        if self.dylibs[dylib].symbols.insert(id, entry).is_some() {
            return Err(Failure::usage(format!("In <command line>, duplicate definition of symbol '{name}'")));
        }
        Ok(())
    }
}

impl Dylibs for Tables {
    fn create(&mut self, name: &str) -> Result<()> {
        self.dylibs.push(Dylib { name: name.into(), ..Dylib::default() });
        Ok(())
    }

    fn process(&mut self) -> usize {
        *self.process.get_or_insert_with(|| {
            self.dylibs.push(Dylib::default());
            self.dylibs.len() - 1
        })
    }

    fn names(&self) -> MutexGuard<'_, NamePool> {
        Self::names(self)
    }

    /// Adds a graph. Of weak definitions the first counts, of tentative ones the largest; strong ones replace both.
    fn add_graph(&mut self, dylib: usize, mut graph: LinkGraph) -> Result<()> {
        let index = u32::try_from(self.inputs.len()).unwrap_or(u32::MAX);
        self.agree(dylib, index, &graph)?;
        self.yield_groups(dylib, index, &mut graph)?;
        // LLVM does not show these to other objects, and has tests that rely on it. Linkers do.
        let is_coff = is_coff(&graph);
        let own = if is_coff { coff::weak_externals_without_search(graph.source())? } else { Vec::new() };
        for request in &graph.requests {
            if let Request::Export { name, target } = request
                && name != target
            {
                self.dylibs[dylib].exports.entry(*name).or_insert(*target);
            }
        }
        for alternate in &graph.alternates {
            self.dylibs[dylib].alternates.entry(alternate.name).or_insert(*alternate);
        }
        for symbol in graph.symbol_ids() {
            let definition = graph.symbol(symbol);
            let (Some(name), false) = (definition.global_name(), definition.is_external()) else { continue };
            let own = own.binary_search(&symbol).is_ok();
            let mut entry = Entry {
                by: By::Input(index, symbol),
                linkage: definition.linkage,
                scope: definition.scope,
                callable: definition.callable,
                own,
                ..NOBODY
            };
            let old = self.dylibs[dylib].symbols.get(&name).copied();
            // Two definitions of one name within an object: the reader of objects did not mind, we do.
            if old.is_some_and(|old| matches!(old.by, By::Input(owner, _) if owner == index)) {
                return Err(self.duplicate(&graph, name));
            }
            if let (Linkage::Common, Some(Entry { by: By::Input(other, old_symbol), linkage: Linkage::Common, .. })) =
                (entry.linkage, old)
            {
                rules::share_alignment((&mut graph, symbol), (&mut self.inputs[other as usize].graph, old_symbol));
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

    /// Nobody calls its functions: they would be linked then, and stubs have their names.
    fn add_lazy_object(&mut self, dylib: usize, source: &Source) -> Result<()> {
        let mut graph = object::read(source, &mut self.names())?;
        self.stub_graphs += 1;
        let stubs = linkjit::split_lazy_object(&mut graph, &stubs_name(self.stub_graphs), &mut self.names())?;
        self.add_graph(dylib, stubs)?;
        self.add_graph(dylib, graph)
    }

    fn add_archive(&mut self, dylib: usize, archive: Archive, way: Way) -> Result<()> {
        self.dylibs[dylib].archives.push(Members::new(archive, way)?);
        Ok(())
    }

    fn add_library(&mut self, dylib: usize, path: &Path) -> Result<()> {
        let library = self.libraries.open(path)?;
        self.dylibs[dylib].libraries.push(library);
        Ok(())
    }

    fn add_weak_library(&mut self, dylib: usize, path: &Path) -> Result<()> {
        self.dylibs[dylib].nulls.extend(interfaces::names(path)?);
        Ok(())
    }

    fn define_absolute(&mut self, dylib: usize, name: &str, address: ExecAddr) -> Result<()> {
        self.define(dylib, name, By::Absolute(address))
    }

    fn define_alias(&mut self, dylib: usize, name: &str, (from, target): (usize, &str)) -> Result<()> {
        let target = self.intern(target);
        self.define(dylib, name, By::Alias(from, target))
    }

    fn search(&mut self, dylib: usize, other: usize) -> Result<()> {
        self.dylibs[dylib].order.push(other);
        Ok(())
    }
}

impl Tables {
    fn candidate(&self, entry: &Entry) -> Candidate {
        let (size, value) = match entry.by {
            By::Input(input, symbol) => return self.inputs[input as usize].graph.symbol(symbol).into(),
            By::Absolute(value) => (0, Some(value)),
            By::Alias(..) => (0, None),
        };
        Candidate { linkage: entry.linkage, size, value }
    }

    #[cold]
    fn duplicate(&self, graph: &LinkGraph, name: NameId) -> Failure {
        Failure::usage(format!("In {}, duplicate definition of symbol '{}'", graph.name(), self.text(name)))
    }
}
