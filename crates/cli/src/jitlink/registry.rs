//! The names that check rules can use and `-show-addrs` prints: symbols, sections, GOT entries and stubs of linked
//! graphs.

use std::collections::{BTreeMap, HashMap, HashSet};

use linkjit::ExecAddr;
use linkjit_link::arch::{Arch, ArchTables};
use linkjit_link::check::Target;
use linkjit_link::graph::{BlockId, Definition, EdgeKind, LinkGraph, Scope, SectionId, SymbolId};
use linkjit_link::linker_names::{GOT_BASE, IMAGE_BASE, LinkerName};
use linkjit_link::names::NamePool;
use linkjit_link::passes::entries::{GOT_SECTION, STUBS_SECTION};

use super::failure::{Failure, Result};
use super::link::is_coff;
use super::linked::{In, LinkedFile, LinkedProgram, got, text};
use super::slab::UNWIND_TERMINATOR;

/// A place with a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub(super) address: u64,
    pub(super) size: u64,
    pub(super) is_zeros: bool,
}

/// The names that belong to a file.
#[derive(Debug, Default)]
pub(super) struct FileNames {
    pub(super) sections: BTreeMap<String, Named>,
    pub(super) got: BTreeMap<String, Named>,
    pub(super) stubs: BTreeMap<String, Named>,
}

/// All names of a link.
#[derive(Debug)]
pub(super) struct Registry<'a> {
    pub(super) symbols: BTreeMap<String, Named>,
    pub(super) files: BTreeMap<String, FileNames>,
    program: &'a LinkedProgram<'a>,
}

impl<'a> Registry<'a> {
    pub(super) fn new(program: &'a LinkedProgram<'a>) -> Result<Self> {
        let mut registry = Self { symbols: BTreeMap::new(), files: BTreeMap::new(), program };
        for (name, address) in &program.absolutes {
            registry.symbols.insert(name.clone(), Named { address: address.0, size: 0, is_zeros: true });
        }
        let mut locals = BTreeMap::new();
        for file in &program.files {
            registry.file_names(file, &mut locals)?;
        }
        for (name, named) in locals {
            registry.symbols.entry(name).or_insert(named);
        }
        Ok(registry)
    }

    /// `locals` are names that mean nothing if somebody defines them for all.
    fn file_names(&mut self, linked: &LinkedFile<'_>, locals: &mut BTreeMap<String, Named>) -> Result<()> {
        let Some(graph) = linked.graphs.first() else { return Ok(()) };
        let names = self.program.names;
        let places = Places::new(linked, 0, graph);
        let mut file = FileNames::default();
        for id in graph.symbol_ids() {
            let Some(named) = places.symbol(id) else { continue };
            let symbol = graph.symbol(id);
            let name = text(graph, names, id);
            if !name.is_empty() && symbol.scope == Scope::Local {
                locals.entry(name).or_insert(named);
            } else if !name.is_empty() && (!symbol.is_external() || is_linkers(&name, graph)) {
                if let (true, Some(LinkerName::Section(_, section))) =
                    (symbol.is_external(), LinkerName::parse(name.as_bytes()))
                {
                    if !places.blocks.contains_key(&*section) && graph.find_section(&section).is_none() {
                        continue;
                    }
                    places.widen_to_blocks(&mut file, &section);
                }
                self.symbols.insert(name, named);
            }
            if symbol.live {
                places.widen(&mut file, symbol.block(), named.address);
            }
        }
        let mut targets = HashMap::new();
        if !graph.alternates.is_empty() {
            targets.extend(graph.symbol_ids().filter_map(|id| Some((graph.symbol(id).global_name()?, id))));
        }
        for alternate in &graph.alternates {
            if let Some(named) = targets.get(&alternate.target).and_then(|id| places.symbol(*id)) {
                locals.entry(names.text(alternate.name).into_owned()).or_insert(Named { size: 0, ..named });
            }
        }
        if let Some(ExecAddr(address)) = got(linked.graphs.iter().copied()) {
            // A file that refers to it has it by name already.
            self.symbols.entry(GOT_BASE.into()).or_insert(Named { address, size: 0, is_zeros: false });
        }
        for (index, graph) in linked.graphs.iter().enumerate() {
            let places = Places::new(linked, index, graph);
            for id in graph.block_ids() {
                places.rest_of_section(&mut file, id);
            }
        }
        entries(&mut file, linked, names);
        let path = linked.name.as_str();
        let is_separator = |c: char| c == '/' || cfg!(windows) && c == '\\';
        let name = path.rsplit_once(is_separator).map_or(path, |(_, name)| name);
        if self.files.insert(name.into(), file).is_some() {
            return Err(Failure::usage(format!("two linked files are called '{name}': rules can't tell them apart")));
        }
        Ok(())
    }
}

/// Returns whether an external symbol of this name may be one that the linker defines.
fn is_linkers(name: &str, graph: &LinkGraph) -> bool {
    match LinkerName::parse(name.as_bytes()) {
        Some(LinkerName::Section(..)) => true,
        Some(LinkerName::GotBase) => !is_coff(graph),
        _ => name == IMAGE_BASE && is_coff(graph),
    }
}

/// Enters the GOT entries and stubs that a file uses under the names of their targets.
fn entries(file: &mut FileNames, linked: &LinkedFile<'_>, names: &NamePool) {
    let uses = linked.graphs.first().into_iter().flat_map(|graph| {
        let entries = graph.symbol_ids().filter(|&symbol| graph.entry_target(symbol).is_some());
        entries.map(|symbol| graph.address(symbol).0)
    });
    let mut used: HashSet<u64> = uses.collect();
    let Some(template) = linked.graphs.first().map(|graph| &graph.arch().code().stub) else { return };
    // A field of each stub says where the entry is.
    let Some(field) = template.fields.first() else { return };
    let fields = places_in(linked, STUBS_SECTION).filter(|(_, kind, _)| *kind == field.kind);
    let stubs: Vec<_> = fields.map(|(at, ..)| (at.0.wrapping_sub(field.offset.into()), at.1)).collect();
    used.extend(stubs.iter().filter(|(stub, _)| used.contains(stub)).map(|(_, entry)| *entry).collect::<Vec<_>>());
    let mut entry_names = HashMap::new();
    for ((at, _), kind, target) in places_in(linked, GOT_SECTION) {
        if used.contains(&at) && matches!(kind, EdgeKind::POINTER | EdgeKind::THREAD_OFFSET) {
            let name = linked.symbol_name(names, target);
            if !name.is_empty() {
                entry_names.entry(at).or_insert_with(|| name.clone());
                file.got.insert(name, Named { address: at, size: 8, is_zeros: false });
            }
        }
    }
    for (address, entry) in stubs.into_iter().filter(|(stub, _)| used.contains(stub)) {
        if let Some(name) = entry_names.get(&entry) {
            file.stubs.insert(name.clone(), Named { address, size: template.code.len() as u64, is_zeros: false });
        }
    }
}

/// The edges of a section of entries: their places and their targets' addresses, kinds, and targets.
fn places_in<'a>(
    file: &'a LinkedFile<'_>,
    section: &'a str,
) -> impl Iterator<Item = ((u64, u64), EdgeKind, In<SymbolId>)> + 'a {
    file.blocks().flat_map(move |(place, (index, id))| {
        let graph = file.graphs[index];
        let is_here = index > 0 && graph.section(graph.block(id).section).name == section;
        let edges = if is_here { graph.edges(id) } else { &[] };
        edges.iter().map(move |edge| {
            let at = place.wrapping_add(u64::from(edge.offset));
            ((at, graph.address(edge.target).0), edge.kind, (index, edge.target))
        })
    })
}

/// The addresses of things of a graph, as rules see them: thread-local variables are at their initial image.
struct Places<'a> {
    file: &'a LinkedFile<'a>,
    /// Which of the file's graphs.
    index: usize,
    graph: &'a LinkGraph,
    /// The blocks of each section, by its name.
    blocks: HashMap<&'a str, Vec<BlockId>>,
}

impl<'a> Places<'a> {
    fn new(file: &'a LinkedFile<'a>, index: usize, graph: &'a LinkGraph) -> Self {
        let mut blocks: HashMap<_, Vec<_>> = HashMap::new();
        for id in graph.block_ids() {
            blocks.entry(section_name(graph, graph.block(id).section)).or_default().push(id);
        }
        Self { file, index, graph, blocks }
    }

    fn block(&self, id: BlockId) -> Option<u64> {
        self.file.place((self.index, id))
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

    /// Sections whose symbols nobody needs have at least their blocks; unwind tables all records, and what ends them.
    fn rest_of_section(&self, file: &mut FileNames, id: BlockId) {
        let section = self.section_name(id);
        let block = self.graph.block(id);
        if self.graph.section(block.section).unwind_records
            && let Some(start) = self.block(id)
        {
            self.widen(file, Some(id), start);
            if let Some(named) = file.sections.get_mut(&section) {
                let end = start.wrapping_add(block.size).wrapping_add(UNWIND_TERMINATOR);
                named.size = named.size.max(end.wrapping_sub(named.address));
            }
        } else if !file.sections.contains_key(&section) {
            self.widen_to_blocks(file, &section);
        }
    }

    fn widen_to_blocks(&self, file: &mut FileNames, section: &str) {
        for &id in self.blocks.get(section).into_iter().flatten() {
            if let Some(start) = self.block(id) {
                self.widen(file, Some(id), start);
            }
        }
    }

    fn section_name(&self, id: BlockId) -> String {
        section_name(self.graph, self.graph.block(id).section).into()
    }
}

/// Returns LLVM's name of a section: rules are written in LLVM's terms.
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
    fn arch(&self) -> Arch {
        let graph = self.program.files.iter().find_map(|file| file.graphs.first());
        graph.map(|graph| graph.arch()).or(Arch::HOST).unwrap_or(Arch::ALL[0])
    }

    fn symbol(&self, name: &str) -> Option<ExecAddr> {
        self.symbols.get(name).map(|named| ExecAddr(named.address))
    }

    fn section(&self, file: &str, section: &str) -> Result<ExecAddr, String> {
        find(&self.file(file)?.sections, "section", section, file)
    }

    fn stub(&self, file: &str, symbol: &str, kind: Option<&str>) -> Result<ExecAddr, String> {
        match kind {
            None => find(&self.file(file)?.stubs, "stub for", symbol, file),
            Some(kind) => {
                let arch = self.arch();
                Err(format!("{arch} has only one kind of stub, so there is no kind \"{kind}\""))
            }
        }
    }

    fn got_entry(&self, file: &str, symbol: &str) -> Result<ExecAddr, String> {
        find(&self.file(file)?.got, "GOT entry for", symbol, file)
    }

    fn memory(&self, address: ExecAddr) -> &[u8] {
        self.program.memory(address.0)
    }
}
