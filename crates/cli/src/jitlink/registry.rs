//! What check rules can name, and `-show-addrs` prints: symbols, sections, GOT entries and stubs of linked graphs.

use std::collections::BTreeMap;

use linkjit::ExecAddr;
use linkjit::link::arch::x86_64::Kind;
use linkjit::link::check::Target;
use linkjit::link::graph::{BlockId, Definition, Lifetime, LinkGraph, Scope, SectionId, SymbolId};
use linkjit::link::link::Binding;
use linkjit::link::passes::entries::{GOT_SECTION, STUBS_SECTION};

use super::failure::{Failure, Result};
use super::link::{GOT_SYMBOL, Linked, is_coff};
use super::tables::{By, Tables};

/// A place with a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub(super) address: u64,
    pub(super) size: u64,
    pub(super) is_zeros: bool,
}

/// What belongs to a file.
#[derive(Debug, Default)]
pub(super) struct FileNames {
    pub(super) sections: BTreeMap<String, Named>,
    pub(super) got: BTreeMap<String, Named>,
    pub(super) stubs: BTreeMap<String, Named>,
}

/// All names of a link.
#[derive(Debug, Default)]
pub(super) struct Registry<'a> {
    pub(super) symbols: BTreeMap<String, Named>,
    pub(super) files: BTreeMap<String, FileNames>,
    regions: Vec<(u64, &'a [u8])>,
}

impl<'a> Registry<'a> {
    pub(super) fn new(tables: &Tables, linked: &'a [Linked]) -> Result<Self> {
        let mut registry = Self::default();
        for dylib in &tables.dylibs {
            for (&name, entry) in &dylib.symbols {
                if let By::Absolute(address) = entry.by {
                    let named = Named { address: address.0, size: 0, is_zeros: true };
                    registry.symbols.insert(tables.text(name), named);
                }
            }
        }
        let mut locals = BTreeMap::new();
        for linked in linked {
            registry.regions.push((linked.region.start, &linked.region.bytes));
            registry.graph(tables, linked, &mut locals)?;
        }
        registry.regions.sort_unstable_by_key(|(start, _)| *start);
        for (name, named) in locals {
            registry.symbols.entry(name).or_insert(named);
        }
        Ok(registry)
    }

    fn graph(&mut self, tables: &Tables, linked: &Linked, locals: &mut BTreeMap<String, Named>) -> Result<()> {
        let Some((&member, made)) = linked.members.split_first() else { return Ok(()) };
        let graph = &tables.inputs[member as usize].graph;
        let places = Places { graph, linked, member };
        let names = tables.names();
        let mut file = FileNames::default();
        for id in graph.symbol_ids() {
            let Some(named) = places.symbol(id) else { continue };
            let symbol = graph.symbol(id);
            let name = String::from_utf8_lossy(graph.symbol_name(&names, id)).into_owned();
            if !name.is_empty() && symbol.scope == Scope::Local {
                locals.entry(name).or_insert(named);
            } else if !name.is_empty() && (!symbol.is_external() || boundary(&name).is_some()) {
                if let Some(section) = boundary(&name).filter(|_| symbol.is_external()) {
                    if graph.find_section(section).is_none() {
                        continue;
                    }
                    places.widen_to_blocks(&mut file, section);
                }
                self.symbols.insert(name, named);
            }
            if symbol.live {
                places.widen(&mut file, symbol.block(), named.address);
            }
        }
        for id in graph.block_ids() {
            places.section_without_symbols(&mut file, id);
        }
        if linked.has_got {
            self.symbols.insert(GOT_SYMBOL.into(), Named { address: linked.got.0, size: 0, is_zeros: false });
        }
        for &member in made {
            let input = &tables.inputs[member as usize];
            let places = Places { graph: &input.graph, linked, member };
            for id in input.graph.block_ids() {
                places.section_without_symbols(&mut file, id);
            }
            let name_of = |symbol: SymbolId| {
                let mut name = input.graph.symbol_name(&names, symbol);
                if let (true, Binding::Input { input, symbol }) = (name.is_empty(), input.binding(symbol)) {
                    name = tables.inputs[input as usize].graph.symbol_name(&names, symbol);
                }
                String::from_utf8_lossy(name).into_owned()
            };
            entries(&mut file, &input.graph, name_of);
        }
        drop(names);
        let path = graph.name();
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        if self.files.insert(name.into(), file).is_some() {
            return Err(Failure::usage(format!("two linked files are called '{name}': rules can't tell them apart")));
        }
        Ok(())
    }
}

/// The section whose boundary a symbol of this name is, if it is external and the graph has the section.
fn boundary(name: &str) -> Option<&str> {
    name.strip_prefix("__start_").or_else(|| name.strip_prefix("__stop_"))
}

/// Enters the GOT entries and stubs of a graph of entries under the names of their targets.
fn entries(file: &mut FileNames, graph: &LinkGraph, name_of: impl Fn(SymbolId) -> String) {
    for (section, stubs) in [(GOT_SECTION, false), (STUBS_SECTION, true)] {
        for id in graph.block_ids().filter(|&id| graph.section(graph.block(id).section).name == section) {
            for edge in graph.edges(id).iter().filter(|_| graph.block(id).placed) {
                let at = graph.block(id).address.offset(u64::from(edge.offset)).0;
                if stubs {
                    // The displacement of a jump through the entry, two bytes in.
                    let entry = graph.address(edge.target).0;
                    let of_entry = |(name, named): (&String, &Named)| (named.address == entry).then(|| name.clone());
                    let Some(name) = file.got.iter().find_map(of_entry) else { continue };
                    file.stubs.insert(name, Named { address: at.wrapping_sub(2), size: 6, is_zeros: false });
                } else if matches!(Kind::from_edge(edge.kind), Some(Kind::Pointer64 | Kind::ThreadOffset64)) {
                    let name = name_of(edge.target);
                    if !name.is_empty() {
                        file.got.insert(name, Named { address: at, size: 8, is_zeros: false });
                    }
                }
            }
        }
    }
}

/// Where things of a graph are, as rules see it: thread-local variables at their initial image.
struct Places<'a> {
    graph: &'a LinkGraph,
    linked: &'a Linked,
    member: u32,
}

impl Places<'_> {
    fn block(&self, id: BlockId) -> Option<u64> {
        let block = self.graph.block(id);
        if !block.placed {
            return None;
        }
        if self.graph.section(block.section).lifetime != Lifetime::ThreadLocal {
            return Some(block.address.0);
        }
        let found = self.linked.region.blocks.iter().find(|(place, _)| *place == (self.member, id));
        found.map(|(_, offset)| self.linked.region.start + offset)
    }

    fn symbol(&self, id: SymbolId) -> Option<Named> {
        let symbol = self.graph.symbol(id);
        match symbol.definition {
            Definition::Defined { block, offset } => Some(Named {
                address: self.block(block)?.wrapping_add(offset),
                size: symbol.size,
                is_zeros: self.graph.block(block).is_zeros(),
            }),
            Definition::Absolute(address) => Some(Named { address: address.0, size: symbol.size, is_zeros: true }),
            Definition::External => {
                symbol.live.then(|| Named { address: self.graph.address(id).0, size: 0, is_zeros: false })
            }
        }
    }

    /// Enters a symbol into the extent of its section, which begins with its lowest symbol.
    fn widen(&self, file: &mut FileNames, block: Option<BlockId>, address: u64) {
        let Some(id) = block else { return };
        let block = self.graph.block(id);
        let Some(start) = self.block(id) else { return };
        let end = start.wrapping_add(block.size);
        let is_zeros = block.is_zeros();
        let new = Named { address, size: end.wrapping_sub(address), is_zeros };
        let named = file.sections.entry(self.section_name(id)).or_insert(new);
        let end = end.max(named.address.wrapping_add(named.size));
        named.address = named.address.min(address);
        named.size = end.wrapping_sub(named.address);
        named.is_zeros &= is_zeros;
    }

    /// Sections whose symbols nobody needs have at least their blocks.
    fn section_without_symbols(&self, file: &mut FileNames, id: BlockId) {
        let section = self.section_name(id);
        if !file.sections.contains_key(&section) {
            self.widen_to_blocks(file, &section);
        }
    }

    fn widen_to_blocks(&self, file: &mut FileNames, section: &str) {
        for id in self.graph.block_ids().filter(|&id| self.section_name(id) == section) {
            if let Some(start) = self.block(id) {
                self.widen(file, Some(id), start);
            }
        }
    }

    fn section_name(&self, id: BlockId) -> String {
        section_name(self.graph, self.graph.block(id).section).into()
    }
}

/// What LLVM calls a section, in whose terms rules are written.
pub(super) fn section_name(graph: &LinkGraph, section: SectionId) -> &str {
    match graph.section(section).name.as_str() {
        "COMMON" if is_coff(graph) => "__common",
        "COMMON" => ".common",
        name => name,
    }
}

impl Registry<'_> {
    fn file(&self, name: &str) -> Result<&FileNames, String> {
        self.files.get(name).ok_or_else(|| {
            let known: Vec<_> = self.files.keys().map(String::as_str).collect();
            format!("file \"{name}\" not recognized; the linked files are {}", known.join(", "))
        })
    }
}

fn find(names: &BTreeMap<String, Named>, what: &str, name: &str, file: &str) -> Result<ExecAddr, String> {
    let found = names.get(name).map(|named| ExecAddr(named.address));
    found.ok_or_else(|| format!("no {what} \"{name}\" registered for file \"{file}\""))
}

impl Target for Registry<'_> {
    fn symbol(&self, name: &str) -> Option<ExecAddr> {
        self.symbols.get(name).map(|named| ExecAddr(named.address))
    }

    fn section(&self, file: &str, section: &str) -> Result<ExecAddr, String> {
        find(&self.file(file)?.sections, "section", section, file)
    }

    fn stub(&self, file: &str, symbol: &str, kind: Option<&str>) -> Result<ExecAddr, String> {
        match kind {
            None => find(&self.file(file)?.stubs, "stub for", symbol, file),
            Some(kind) => Err(format!("stubs of x86-64 are of one kind only: there is none of kind \"{kind}\"")),
        }
    }

    fn got_entry(&self, file: &str, symbol: &str) -> Result<ExecAddr, String> {
        find(&self.file(file)?.got, "GOT entry for", symbol, file)
    }

    fn memory(&self, address: ExecAddr) -> &[u8] {
        let after = self.regions.partition_point(|(start, _)| *start <= address.0);
        let Some(&(start, bytes)) = after.checked_sub(1).and_then(|at| self.regions.get(at)) else { return &[] };
        usize::try_from(address.0 - start).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default()
    }
}
