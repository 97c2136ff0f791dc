//! Finding what the entry point reaches, in LLVM's order.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::PoisonError;

use linkjit_link::LinkError;
use linkjit_link::graph::{BlockId, LinkGraph, Linkage, Request, SymbolId};
use linkjit_link::input::{Binding, Input};
use linkjit_link::linker_names::{Bound, IMAGE_BASE, LinkerName};
use linkjit_link::names::{NameId, NamePool};

use super::failure::{Failure, Result};
use super::link::is_coff;
use super::references::add_self_relocations;
use super::tables::{By, Tables};

/// A symbol of a graph that stands for a place that the linker knows.
pub(super) type Special = (SymbolId, Place);

/// Such a place.
pub(super) enum Place {
    Got,
    ImageBase,
    Section(Bound, String),
}

/// The inputs that are needed, in the order in which the search found them.
#[derive(Default)]
pub(super) struct Found {
    pub(super) order: Vec<u32>,
    pub(super) specials: HashMap<u32, Vec<Special>>,
}

/// Finds all graphs that `entry` reaches, breadth first.
pub(super) fn find(tables: &mut Tables, entry: NameId) -> Result<Found> {
    let mut search = Search {
        tables,
        found: Found::default(),
        queue: VecDeque::new(),
        linked: HashSet::new(),
        seen: HashSet::new(),
        missing: BTreeSet::new(),
    };
    search.enter(entry)?;
    while let Some(externals) = search.next()? {
        externals.into_iter().try_for_each(|external| search.bind(external))?;
    }
    if search.missing.is_empty() {
        return Ok(search.found);
    }
    Err(Failure::missing(search.missing.iter().map(String::as_str)))
}

/// An external symbol that was reached: its graph, and for which place of that it stands, if for any.
type External = (u32, SymbolId, Option<Place>);

struct Search<'a> {
    tables: &'a mut Tables,
    found: Found,
    /// Graphs that are linked, and those of them that have not been looked at.
    linked: HashSet<u32>,
    queue: VecDeque<u32>,
    /// Symbols that were looked up, one by one.
    seen: HashSet<(u32, SymbolId)>,
    missing: BTreeSet<String>,
}

impl Search<'_> {
    /// Begins with what defines a name, in any JITDylib.
    fn enter(&mut self, entry: NameId) -> Result<()> {
        let tables = &mut *self.tables;
        let mut dylibs = 0..tables.dylibs.len();
        match dylibs.find_map(|dylib| tables.look_up(dylib, entry, false, false).transpose()).transpose()? {
            Some(binding) => self.reach(binding),
            None => _ = self.missing.insert(tables.missing(0, entry)),
        }
        Ok(())
    }

    /// The symbols to be bound next.
    fn next(&mut self) -> Result<Option<Vec<External>>> {
        match self.queue.pop_front() {
            Some(member) => self.add(member).map(Some),
            None => Ok(Some(self.replaced()).filter(|replaced| !replaced.is_empty())),
        }
    }

    fn reach(&mut self, binding: Binding) {
        let Binding::Input { input, .. } = binding else { return };
        if self.linked.insert(input) {
            self.queue.push_back(input);
        }
    }

    /// Takes a graph; returns what it needs of others.
    fn add(&mut self, member: u32) -> Result<Vec<External>> {
        let tables = &mut *self.tables;
        self.found.order.push(member);
        if tables.self_relocations {
            add_self_relocations(&mut tables.inputs[member as usize].graph).map_err(link_error)?;
        }
        let names = tables.names.get_mut().unwrap_or_else(PoisonError::into_inner);
        let externals = mark(&mut tables.inputs[member as usize], names);
        // An object may define the start of the image; whoever has offsets in it needs that.
        let input = &tables.inputs[member as usize];
        if is_coff(&input.graph) {
            let (dylib, name) = (input.dylib as usize, tables.intern(IMAGE_BASE));
            if let Some(By::Input(input, symbol)) = tables.definition(dylib, name) {
                self.reach(Binding::Input { input, symbol });
            }
        }
        Ok(externals.into_iter().map(|(symbol, place)| (member, symbol, place)).collect())
    }

    /// Definitions of linked graphs that are references since members of archives were added.
    fn replaced(&self) -> Vec<External> {
        let mut found = Vec::new();
        for &member in &self.found.order {
            let graph = &self.tables.inputs[member as usize].graph;
            let live = graph.symbol_ids().filter(|&id| graph.symbol(id).live && graph.symbol(id).is_external());
            found.extend(live.filter(|&id| !self.seen.contains(&(member, id))).map(|id| (member, id, None)));
        }
        found
    }

    /// Binds an external symbol, and reaches what that is.
    fn bind(&mut self, (member, symbol, place): External) -> Result<()> {
        self.seen.insert((member, symbol));
        if let Some(place) = place {
            self.found.specials.entry(member).or_default().push((symbol, place));
            return Ok(());
        }
        let tables = &mut *self.tables;
        let input = &tables.inputs[member as usize];
        let external = input.graph.symbol(symbol);
        let Some(name) = external.global_name() else { return Ok(()) };
        let (dylib, weak) = (input.dylib as usize, external.linkage == Linkage::Weak);
        let is_tls = external.thread_local;
        let binding = match tables.look_up(dylib, name, weak, is_tls)? {
            Some(binding) => binding,
            None if tables.text(name) == IMAGE_BASE => {
                self.found.specials.entry(member).or_default().push((symbol, Place::ImageBase));
                return Ok(());
            }
            None if weak => Binding::Missing,
            None => {
                self.missing.insert(tables.missing(dylib, name));
                return Ok(());
            }
        };
        tables.inputs[member as usize].bind(symbol, binding);
        self.reach(binding);
        Ok(())
    }
}

fn link_error(error: LinkError) -> Failure {
    Failure::link(match error {
        LinkError::NotLinkable { what, .. } => what,
        error => error.to_string(),
    })
}

/// Marks what is linked of a graph that is linked at all: what it defines for others and what that needs. Returns the
/// external symbols that are reached, and for which places of the graph itself they stand.
fn mark(input: &mut Input, names: &NamePool) -> Vec<(SymbolId, Option<Place>)> {
    let Input { graph, reach, .. } = input;
    let mut externals = Vec::new();
    for request in graph.requests.clone() {
        if let Request::Include(symbol) = request
            && reach.mark_symbol(graph, symbol)
        {
            externals.push((symbol, None));
        }
    }
    // Initializers are not among the roots: nobody runs them, and LLVM drops them without a runtime that would.
    for id in graph.symbol_ids() {
        let symbol = graph.symbol(id);
        if symbol.global_name().is_some() && !symbol.is_external() {
            reach.mark_symbol(graph, id);
        }
    }
    if is_coff(graph) {
        let initializers: HashSet<_> = graph.initializers.iter().map(|run| run.block).collect();
        let is_initializer = |block: &BlockId| initializers.contains(block);
        let retained: Vec<_> = graph.retained.iter().copied().filter(|block| !is_initializer(block)).collect();
        for block in retained {
            reach.mark_block(graph, block);
        }
    }
    let mut blocks = None;
    loop {
        let mut new = Vec::new();
        reach.follow(graph, |symbol| new.push(symbol));
        if new.is_empty() {
            break;
        }
        for symbol in new {
            let place = Place::named(graph.symbol_name(names, symbol));
            // A section is walked from boundary to boundary, whoever else refers to its blocks.
            let place = place.filter(|place| {
                let Place::Section(_, section) = place else { return true };
                let blocks = blocks.get_or_insert_with(|| blocks_of_sections(graph)).get(section.as_str());
                blocks.into_iter().flatten().for_each(|&block| reach.mark_block(graph, block));
                blocks.is_some()
            });
            externals.push((symbol, place));
        }
    }
    reach.sort(graph);
    externals.sort_unstable_by_key(|(symbol, _)| *symbol);
    externals
}

/// The blocks of each section, by its name.
fn blocks_of_sections(graph: &LinkGraph) -> HashMap<String, Vec<BlockId>> {
    let mut found: HashMap<String, Vec<BlockId>> = HashMap::new();
    for section in graph.sections() {
        found.entry(section.name.to_string()).or_default();
    }
    for id in graph.block_ids() {
        if let Some(blocks) = found.get_mut(graph.section(graph.block(id).section).name.as_str()) {
            blocks.push(id);
        }
    }
    found
}

impl Place {
    /// The place of a graph that an external symbol of this name stands for, if the graph has the section.
    fn named(name: &[u8]) -> Option<Self> {
        match LinkerName::parse(name)? {
            LinkerName::GotBase => Some(Self::Got),
            LinkerName::Section(bound, section) => Some(Self::Section(bound, section.into_owned())),
            LinkerName::TlsBase | LinkerName::Image(_) => None,
        }
    }
}
