//! Who defines what: the JITDylibs of a run that links without executing.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use linkjit::ExecAddr;
use linkjit::executor::{Executor, LibraryId, SymbolAddress, SymbolKey, SymbolRequest};
use linkjit::link::graph::{Definition, LinkGraph, Linkage, Scope, SymbolId};
use linkjit::link::link::{Binding, Input};
use linkjit::link::names::{NameId, NamePool};
use linkjit::link::object;
use linkjit::link::source::Source;
use linkjit::link::tls::TlsAddress;

use super::archives::Archives;
use super::execute::{RESULT_OVERRIDE, result_override};
use super::failure::{Failure, Result};

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
}

/// A JITDylib.
#[derive(Debug, Default)]
pub(super) struct Dylib {
    pub(super) name: String,
    pub(super) symbols: HashMap<NameId, Entry>,
    /// The others that are searched after it, for what they export.
    pub(super) order: Vec<usize>,
    pub(super) archives: Archives,
    libraries: Vec<LibraryId>,
    /// Names of libraries that are linked weakly.
    pub(super) nulls: HashSet<Vec<u8>>,
    groups: Vec<NameId>,
}

/// All JITDylibs; the first is `main`.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) names: Mutex<NamePool>,
    pub(super) dylibs: Vec<Dylib>,
    /// The graphs that were added, in that order.
    pub(super) inputs: Vec<Input>,
    /// Where symbols of the process and of libraries come from.
    executor: Option<Box<dyn Executor>>,
    pub(super) process_symbols: bool,
    pub(super) phony_externals: bool,
    /// What was found outside, in the link orders of JITDylibs.
    found: HashMap<(usize, NameId), Binding>,
}

impl Tables {
    pub(super) fn new(dylibs: &[String], process_symbols: bool, phony_externals: bool) -> Self {
        let dylib = |name: &str| Dylib { name: name.into(), ..Dylib::default() };
        Self {
            names: Mutex::default(),
            dylibs: std::iter::once("main").chain(dylibs.iter().map(String::as_str)).map(dylib).collect(),
            inputs: Vec::new(),
            executor: None,
            process_symbols,
            phony_externals,
            found: HashMap::new(),
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

    /// The executor; it is needed only for what is outside.
    fn executor(&mut self) -> Result<&dyn Executor> {
        if self.executor.is_none() {
            self.executor = Some(Box::new(linkjit::executor::InProcess::new()?));
        }
        self.executor.as_deref().ok_or(Failure::Reported)
    }

    /// Opens a shared library for a JITDylib.
    pub(super) fn add_library(&mut self, dylib: usize, path: &std::path::Path) -> Result<()> {
        let library = self.executor()?.open_library(path, true)?;
        self.dylibs[dylib].libraries.push(library);
        Ok(())
    }

    /// Defines a name by address or as an alias.
    pub(super) fn define(&mut self, dylib: usize, name: &str, by: By) -> Result<()> {
        let id = self.intern(name);
        let entry = Entry { by, linkage: Linkage::Strong, scope: Scope::Default, callable: false };
        if self.dylibs[dylib].symbols.insert(id, entry).is_some() {
            return Err(Failure::usage(format!("In <command line>, duplicate definition of symbol '{name}'")));
        }
        Ok(())
    }

    /// Reads an object and adds it.
    pub(super) fn add_object(&mut self, dylib: usize, source: &Source, hidden: bool) -> Result<u32> {
        let graph = object::read(source, &mut self.names())?;
        self.add_graph(dylib, graph, hidden)
    }

    /// Adds a graph. Of weak definitions the first counts, of tentative ones the largest; strong ones replace both.
    pub(super) fn add_graph(&mut self, dylib: usize, mut graph: LinkGraph, hidden: bool) -> Result<u32> {
        let index = u32::try_from(self.inputs.len()).unwrap_or(u32::MAX);
        self.yield_groups(dylib, &mut graph);
        for symbol in graph.symbol_ids() {
            let of = graph.symbol(symbol);
            let (Some(name), false) = (of.shared_name(), of.is_external()) else { continue };
            let scope = if hidden { of.scope.max(Scope::Hidden) } else { of.scope };
            let entry = Entry { by: By::Input(index, symbol), linkage: of.linkage, scope, callable: of.callable };
            let size = of.size;
            let old = self.dylibs[dylib].symbols.get(&name).copied();
            match old.map(|old| self.stands_up(entry.linkage, size, &old)) {
                None => {}
                Some(Some(false)) => {
                    graph.make_external(symbol);
                    continue;
                }
                Some(Some(true)) => {
                    if let Some(Entry { by: By::Input(input, symbol), .. }) = old {
                        self.inputs[input as usize].graph.make_external(symbol);
                    }
                }
                Some(None) => {
                    let (file, name) = (graph.name(), self.text(name));
                    return Err(Failure::usage(format!("In {file}, duplicate definition of symbol '{name}'")));
                }
            }
            self.dylibs[dylib].symbols.insert(name, entry);
        }
        let dylib = u32::try_from(dylib).unwrap_or(u32::MAX);
        self.inputs.push(Input { graph, bindings: Vec::new(), dylib });
        Ok(index)
    }

    /// Whether a new definition replaces the old one; `None` if there must not be both.
    fn stands_up(&self, new: Linkage, new_size: u64, old: &Entry) -> Option<bool> {
        match (new, old.linkage) {
            (Linkage::Strong, Linkage::Strong) => None,
            (Linkage::Weak, _) | (Linkage::Common, Linkage::Strong) => Some(false),
            (Linkage::Common, Linkage::Common) => {
                let By::Input(input, symbol) = old.by else { return Some(false) };
                Some(new_size > self.inputs[input as usize].graph.symbol(symbol).size)
            }
            _ => Some(true),
        }
    }

    /// Drops the COMDAT groups that the JITDylib has already.
    fn yield_groups(&mut self, dylib: usize, graph: &mut LinkGraph) {
        let groups = &mut self.dylibs[dylib].groups;
        let mut dropped = Vec::new();
        for group in graph.groups() {
            if groups.contains(&group.signature) {
                dropped.extend_from_slice(&group.blocks);
            } else {
                groups.push(group.signature);
            }
        }
        dropped.sort_unstable();
        graph.discard_blocks(&dropped);
        for symbol in graph.symbol_ids() {
            let of = graph.symbol(symbol);
            if of.shared_name().is_some() && of.block().is_some_and(|block| dropped.binary_search(&block).is_ok()) {
                graph.make_external(symbol);
            }
        }
    }

    /// What a name is in the link order of a JITDylib; archive members are added on the way, but not for weak
    /// references. `None` if it is nothing.
    pub(super) fn look_up(&mut self, dylib: usize, name: NameId, weak: bool, is_tls: bool) -> Result<Option<Binding>> {
        let mut place = (dylib, name);
        for _ in 0..LONGEST_ALIAS_CHAIN {
            let Some(entry) = self.look_up_directly(place.0, place.1, weak)? else {
                return self.look_up_outside(place.0, place.1, is_tls);
            };
            match entry.by {
                By::Input(input, symbol) => return Ok(Some(Binding::Input { input, symbol })),
                By::Absolute(address) => return Ok(Some(Binding::Linked(address))),
                By::Alias(dylib, name) => place = (dylib, name),
            }
        }
        Err(Failure::link(format!("alias '{}' is defined by itself", self.text(name))))
    }

    fn look_up_directly(&mut self, dylib: usize, name: NameId, weak: bool) -> Result<Option<Entry>> {
        let order: Vec<_> = std::iter::once(dylib).chain(self.dylibs[dylib].order.iter().copied()).collect();
        for searched in order {
            let is_visible = |entry: &&Entry| searched == dylib || entry.scope == Scope::Default;
            if let Some(entry) = self.dylibs[searched].symbols.get(&name).filter(is_visible) {
                return Ok(Some(*entry));
            }
            if weak {
                continue;
            }
            let bytes = self.names().bytes(name).to_vec();
            if let Some(member) = self.dylibs[searched].archives.take(&bytes)? {
                self.add_object(searched, &member.source, member.hidden)?;
                if let Some(entry) = self.dylibs[searched].symbols.get(&name).filter(is_visible) {
                    return Ok(Some(*entry));
                }
            }
        }
        Ok(None)
    }

    /// Libraries of the link order, the process, and what is said to be there without being anywhere.
    fn look_up_outside(&mut self, dylib: usize, name: NameId, thread_local: bool) -> Result<Option<Binding>> {
        if let Some(&found) = self.found.get(&(dylib, name)) {
            return Ok(Some(found));
        }
        let bytes = self.names().bytes(name).to_vec();
        let null = TlsAddress { module: 0, offset: 0, thread_offset: Some(0) };
        let null = if thread_local { Binding::LinkedThreadLocal(null) } else { Binding::Linked(ExecAddr::NULL) };
        let order: Vec<_> = std::iter::once(dylib).chain(self.dylibs[dylib].order.iter().copied()).collect();
        for searched in order {
            let libraries = self.dylibs[searched].libraries.clone();
            let mut found = self.find_in_libraries(&libraries, &bytes, thread_local)?;
            // As in LLVM, `main` has every name then, and the process behind it is not asked.
            if self.dylibs[searched].nulls.contains(&bytes) || self.phony_externals && searched == 0 {
                found = found.or(Some(null));
            }
            if let Some(found) = found {
                self.found.insert((dylib, name), found);
                return Ok(Some(found));
            }
        }
        let process: &[_] = if self.process_symbols { &[LibraryId::PROCESS] } else { &[] };
        let found = if bytes == RESULT_OVERRIDE.as_bytes() {
            Some(Binding::Linked(result_override()))
        } else {
            self.find_in_libraries(process, &bytes, thread_local)?
        };
        if let Some(found) = found {
            self.found.insert((dylib, name), found);
        }
        Ok(found)
    }

    fn find_in_libraries(
        &mut self,
        libraries: &[LibraryId],
        name: &[u8],
        thread_local: bool,
    ) -> Result<Option<Binding>> {
        for &library in libraries {
            let request = SymbolRequest { key: SymbolKey::Name(name), thread_local };
            let found = self.executor()?.find_symbols(library, &[request])?;
            return Ok(Some(match found.first().copied().flatten() {
                None => continue,
                Some(SymbolAddress::Address(address)) => Binding::Linked(address),
                Some(SymbolAddress::ThreadLocal { module, offset, thread_offset }) => {
                    Binding::LinkedThreadLocal(TlsAddress { module, offset, thread_offset })
                }
            }));
        }
        Ok(None)
    }

    /// Where a definition is, once everything is placed. `None` if it is in a graph that was not linked.
    pub(super) fn address(&mut self, dylib: usize, name: NameId) -> Option<ExecAddr> {
        let placed = |input: &Input, symbol: SymbolId| match input.graph.symbol(symbol).definition {
            Definition::Defined { block, .. } => input.graph.block(block).placed,
            Definition::Absolute(_) => true,
            Definition::External => !matches!(input.binding(symbol), Binding::None),
        };
        match self.dylibs.get(dylib)?.symbols.get(&name)?.by {
            By::Absolute(address) => Some(address),
            By::Input(input, symbol) => {
                let input = self.inputs.get(input as usize)?;
                placed(input, symbol).then(|| input.graph.address(symbol))
            }
            By::Alias(..) => {
                let found = self.look_up(dylib, name, true, false).ok()??;
                match found {
                    Binding::Input { input, symbol } => {
                        let input = self.inputs.get(input as usize)?;
                        placed(input, symbol).then(|| input.graph.address(symbol))
                    }
                    Binding::Linked(address) => Some(address),
                    _ => None,
                }
            }
        }
    }
}
