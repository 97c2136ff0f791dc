//! Linking what the entry point reaches, at fixed addresses, without anybody to run it.
//!
//! Unlike in a session, every graph is an island: it has GOT entries and stubs of its own for whatever is outside of it,
//! also where they turn out not to be needed, because check rules ask for them. In COFF nobody asks, and rules with
//! literal addresses expect none: there are entries only for what is out of reach.

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::PoisonError;

use linkjit::ExecAddr;
use linkjit::executor::ExecRange;
use linkjit_link::LinkError;
use linkjit_link::arch::{ArchTables, FixupContext, Image, Role};
use linkjit_link::graph::{Block, BlockId, Definition, Edge, Lifetime, LinkGraph, Linkage, Request, Section, SymbolId};
use linkjit_link::input::{Binding, BlockRef, Input};
use linkjit_link::link::{resolve, write_block};
use linkjit_link::linker_names::{Bound, IMAGE_BASE, LinkerName};
use linkjit_link::names::{NameId, NamePool};
use linkjit_link::object::coff;
use linkjit_link::passes::entries::{self, GOT_SECTION, SharedEntries};
use linkjit_link::passes::image_sections::ImageSections;
use linkjit_link::passes::indirect;

use super::failure::{Failure, Result};
use super::linked::LinkedFile;
use super::references::add_self_relocations;
use super::slab::{Region, Slab};
use super::tables::{By, Tables};

/// Whether a graph was read from an object of COFF.
pub(super) fn is_coff(graph: &LinkGraph) -> bool {
    coff::is_object(graph.source().bytes())
}

/// A graph that was linked.
#[derive(Debug)]
pub(super) struct Linked {
    /// The graph, then those that the linker has made for it.
    pub(super) members: Vec<u32>,
    pub(super) region: Region,
    /// What offsets from the GOT are relative to.
    pub(super) got: ExecAddr,
}

/// A symbol of a graph that stands for a place that the linker knows.
struct Special {
    symbol: SymbolId,
    place: Place,
}

enum Place {
    Got,
    ImageBase,
    Section(Bound, String),
}

/// What is needed, in the order in which it was found to be.
#[derive(Default)]
struct Found {
    order: Vec<u32>,
    specials: HashMap<u32, Vec<Special>>,
    missing: Vec<String>,
}

/// Links what `entry` needs; returns the linked graphs in the order in which they were placed.
pub(super) fn link(tables: &mut Tables, entry: NameId, slab: &mut Slab) -> Result<Vec<Linked>> {
    let Found { order, specials, mut missing } = find(tables, entry)?;
    if !missing.is_empty() {
        missing.sort_unstable();
        missing.dedup();
        let missing: Vec<_> = missing.iter().map(String::as_str).collect();
        return Err(Failure::missing(&missing));
    }
    let mut all = Vec::with_capacity(order.len());
    if has_low_fields(&tables.inputs, &order)
        && let Some(start) = slab.go_low()
    {
        tables.move_libraries(&order, start);
    }
    let is_named = specials.values().flatten().any(|special| matches!(special.place, Place::ImageBase));
    let image_base = slab.image_base(is_named);
    image_sections(&tables.inputs, &order).apply(&mut tables.inputs, &order);
    for member in order {
        let linked = place(&mut tables.inputs, member, slab)?;
        let specials = specials.get(&member).map_or(&[][..], Vec::as_slice);
        if !specials.is_empty() {
            let extents = extents(&tables.inputs[member as usize].graph, |section| &section.name);
            let address = |special: &Special| special.place.address(&extents, &linked, image_base);
            let addresses: Vec<_> = specials.iter().map(address).collect();
            for (special, address) in specials.iter().zip(addresses) {
                tables.inputs[member as usize].bind(special.symbol, Binding::Linked(address));
            }
        }
        all.push(linked);
    }
    resolve(&mut tables.inputs);
    let name = tables.intern(IMAGE_BASE);
    let image_base = tables.address(0, name).unwrap_or(image_base);
    for linked in &mut all {
        for &member in &linked.members {
            bypass_stubs(&mut tables.inputs[member as usize], image_base);
        }
        write(tables, linked, image_base)?;
    }
    Ok(all)
}

impl Linked {
    /// What rules and `-show-...` options see of it.
    pub(super) fn file<'a>(&self, tables: &'a Tables, names: &NamePool) -> LinkedFile<'a> {
        let mut file = LinkedFile::default();
        let mut names_of_made = HashMap::new();
        if let Some(&member) = self.members.first() {
            file.name = tables.inputs[member as usize].graph.name().into();
        }
        for (index, &member) in self.members.iter().enumerate() {
            let input = &tables.inputs[member as usize];
            for symbol in input.graph.symbol_ids().filter(|_| index > 0) {
                if let Binding::Input { input, symbol: target } = input.binding(symbol) {
                    let name = tables.inputs[input as usize].graph.symbol_name(names, target);
                    names_of_made.insert((index, symbol), String::from_utf8_lossy(name).into_owned());
                }
            }
            let is_thread_local = |id| {
                let section = input.graph.block(id).section;
                input.graph.section(section).lifetime == Lifetime::ThreadLocal
            };
            let blocks = self.region.blocks.iter().filter(|((of, id), _)| *of == member && is_thread_local(*id));
            file.images.extend(blocks.map(|&((_, id), offset)| ((index, id), self.region.start + offset)));
            file.graphs.push(&input.graph);
        }
        file.names = Rc::new(names_of_made);
        file
    }
}

/// Whether graphs have fields with addresses of at most 32 bits, as code that is compiled for executables has.
fn has_low_fields(inputs: &[Input], order: &[u32]) -> bool {
    let is_low = |graph: &LinkGraph, edge: &Edge| {
        let role = graph.arch().kinds().of(edge.kind).role;
        let is_value = matches!(graph.symbol(edge.target).definition, Definition::Absolute(_));
        !is_value && matches!(role, Role::LowAddress | Role::TinyAddress)
    };
    order.iter().map(|&member| &inputs[member as usize].graph).any(|graph| {
        let live = graph.block_ids().filter(|&block| graph.block(block).live);
        let is_loaded = |block: &BlockId| graph.section(graph.block(*block).section).lifetime != Lifetime::NoAlloc;
        live.filter(is_loaded).any(|block| graph.edges(block).iter().any(|edge| is_low(graph, edge)))
    })
}

/// What the graphs ask for about the sections of the image that they are parts of.
fn image_sections(inputs: &[Input], order: &[u32]) -> ImageSections {
    let mut sections = ImageSections::default();
    for request in order.iter().flat_map(|&member| inputs[member as usize].graph.requests()) {
        match request {
            Request::Merge { from, to } => sections.merged.push((from.clone(), to.clone())),
            Request::Protect { section, protection } => sections.protections.push((section.clone(), *protection)),
            _ => {}
        }
    }
    sections
}

/// From the entry point to all graphs that it reaches, breadth first.
fn find(tables: &mut Tables, entry: NameId) -> Result<Found> {
    let mut found = Found::default();
    let mut queue = VecDeque::new();
    let mut is_linked = Vec::new();
    let mut reach = |binding: Binding, queue: &mut VecDeque<u32>| {
        let Binding::Input { input, .. } = binding else { return };
        let index = input as usize;
        is_linked.resize(is_linked.len().max(index + 1), false);
        if !std::mem::replace(&mut is_linked[index], true) {
            queue.push_back(input);
        }
    };
    // It may be in any JITDylib.
    let mut dylibs = 0..tables.dylibs.len();
    match dylibs.find_map(|dylib| tables.look_up(dylib, entry, false, false).transpose()).transpose()? {
        Some(binding) => reach(binding, &mut queue),
        None => found.missing.push(tables.missing(0, entry)),
    }
    // Symbols that were looked up, one by one.
    let mut seen = HashSet::new();
    loop {
        let externals: Vec<_> = match queue.pop_front() {
            Some(member) => {
                found.order.push(member);
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
                        reach(Binding::Input { input, symbol }, &mut queue);
                    }
                }
                externals.into_iter().map(|(symbol, place)| (member, symbol, place)).collect()
            }
            None => {
                let replaced = replaced(&tables.inputs, &found.order, &seen);
                if replaced.is_empty() {
                    return Ok(found);
                }
                replaced
            }
        };
        for (member, symbol, place) in externals {
            seen.insert((member, symbol));
            if let Some(place) = place {
                found.specials.entry(member).or_default().push(Special { symbol, place });
                continue;
            }
            let input = &tables.inputs[member as usize];
            let of = input.graph.symbol(symbol);
            let Some(name) = of.shared_name() else { continue };
            let (dylib, weak, is_tls) = (input.dylib as usize, of.linkage == Linkage::Weak, of.thread_local);
            let binding = match tables.look_up(dylib, name, weak, is_tls)? {
                Some(binding) => binding,
                None if tables.text(name) == IMAGE_BASE => {
                    found.specials.entry(member).or_default().push(Special { symbol, place: Place::ImageBase });
                    continue;
                }
                None if weak => Binding::Missing,
                None => {
                    found.missing.push(tables.missing(dylib, name));
                    continue;
                }
            };
            tables.inputs[member as usize].bind(symbol, binding);
            reach(binding, &mut queue);
        }
    }
}

fn link_error(error: LinkError) -> Failure {
    Failure::link(match error {
        LinkError::NotLinkable { what, .. } => what,
        error => error.to_string(),
    })
}

/// Definitions of linked graphs that are references since members of archives were added.
fn replaced(inputs: &[Input], linked: &[u32], seen: &HashSet<(u32, SymbolId)>) -> Vec<(u32, SymbolId, Option<Place>)> {
    let mut found = Vec::new();
    for &member in linked {
        let graph = &inputs[member as usize].graph;
        let live = graph.symbol_ids().filter(|&symbol| graph.symbol(symbol).live && graph.symbol(symbol).is_external());
        found.extend(live.filter(|&symbol| !seen.contains(&(member, symbol))).map(|symbol| (member, symbol, None)));
    }
    found
}

/// Marks what is linked of a graph that is linked at all: what it defines for others and what that needs. Returns the
/// external symbols that are reached, and for which places of the graph itself they stand.
fn mark(input: &mut Input, names: &NamePool) -> Vec<(SymbolId, Option<Place>)> {
    let Input { graph, reach, .. } = input;
    let mut externals = Vec::new();
    for request in graph.requests().to_vec() {
        if let Request::Include(symbol) = request
            && reach.mark_symbol(graph, symbol)
        {
            externals.push((symbol, None));
        }
    }
    // Initializers are not among the roots: nobody runs them, and LLVM drops them without a runtime that would.
    for symbol in graph.symbol_ids() {
        let of = graph.symbol(symbol);
        if of.shared_name().is_some() && !of.is_external() {
            reach.mark_symbol(graph, symbol);
        }
    }
    if is_coff(graph) {
        let initializers: HashSet<_> = graph.initializers().iter().map(|run| run.block).collect();
        let is_initializer = |block: &BlockId| initializers.contains(block);
        let retained: Vec<_> = graph.retained().iter().copied().filter(|block| !is_initializer(block)).collect();
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
            let place = Place::of(graph.symbol_name(names, symbol));
            // A section is walked from boundary to boundary, whoever else refers to its blocks.
            let place = place.filter(|place| {
                let Some(section) = place.section() else { return true };
                let blocks = blocks.get_or_insert_with(|| blocks_of_sections(graph)).get(section);
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
    fn of(name: &[u8]) -> Option<Self> {
        match LinkerName::of(name)? {
            LinkerName::GotBase => Some(Self::Got),
            LinkerName::Section(bound, section) => Some(Self::Section(bound, section.into_owned())),
            LinkerName::TlsBase | LinkerName::Image(_) => None,
        }
    }

    fn section(&self) -> Option<&str> {
        match self {
            Self::Got | Self::ImageBase => None,
            Self::Section(_, section) => Some(section),
        }
    }

    fn address(&self, extents: &HashMap<&str, ExecRange>, linked: &Linked, image_base: ExecAddr) -> ExecAddr {
        match self {
            Self::Got => linked.got,
            Self::ImageBase => image_base,
            Self::Section(bound, section) => bound.of(extents.get(section.as_str()).copied().unwrap_or_default()),
        }
    }
}

/// Makes the entries of a graph and gives all of it memory.
fn place(inputs: &mut Vec<Input>, member: u32, slab: &mut Slab) -> Result<Linked> {
    let too_large = || Failure::link("the thread-local storage is too large");
    slab.place_thread_local(&mut inputs[member as usize].graph).ok_or_else(too_large)?;
    let mut members = vec![member];
    let next = |inputs: &Vec<Input>| u32::try_from(inputs.len()).unwrap_or(u32::MAX);
    let made = next(inputs);
    if let Some((input, _)) = indirect::build(inputs, &members, made)? {
        members.push(made);
        inputs.push(input);
    }
    let made = next(inputs);
    let window = is_coff(&inputs[member as usize].graph).then(|| slab.window(&inputs[member as usize].graph));
    let entries = entries::build(inputs, &members, window, &SharedEntries::default(), made)?;
    inputs.extend([entries.shared, entries.own]);
    members.extend([made, made + 1]);
    let region = slab.place(inputs, &members)?;
    let got = members.iter().flat_map(|&member| {
        let graph = &inputs[member as usize].graph;
        let is_got = |block: &&Block| block.placed && graph.section(block.section).name == GOT_SECTION;
        graph.blocks().iter().filter(is_got).map(|block| block.address)
    });
    let got = got.min();
    Ok(Linked { members, got: got.unwrap_or(ExecAddr(region.start)), region })
}

/// Makes branches go where they are meant to go if that is in their reach, past the stubs that were made for them; so with
/// offsets in the image.
fn bypass_stubs(input: &mut Input, image_base: ExecAddr) {
    let graph = &mut input.graph;
    for block in graph.block_ids() {
        let address = graph.block(block).address;
        for index in 0..graph.edges(block).len() {
            let edge = graph.edges(block)[index];
            let Some(target) = graph.entry_target(edge.target) else { continue };
            let fixup = address.offset(u64::from(edge.offset));
            let displacement = graph.address(target).distance_from(fixup).checked_add(edge.addend);
            let kind = graph.arch().kinds().of(edge.kind);
            let reaches = match kind.role {
                Role::Branch if graph.arch().bypasses_stubs() => {
                    displacement.is_some_and(|displacement| kind.reaches(displacement))
                }
                Role::ImageOffset => u32::try_from(graph.address(target).distance_from(image_base)).is_ok(),
                _ => false,
            };
            if reaches {
                graph.edges_mut(block)[index].target = target;
            }
        }
    }
}

fn write(tables: &Tables, linked: &mut Linked, image_base: ExecAddr) -> Result<()> {
    let graph = linked.members.first().map(|&member| &tables.inputs[member as usize].graph);
    let sections = graph.map(sections).unwrap_or_default();
    let context = FixupContext {
        names: &tables.names,
        got_base: linked.got,
        image: Image { base: image_base, sections: &sections, tls_module: None },
        tls_resolvers: [ExecAddr::NULL; 2],
    };
    for &(place, offset) in &linked.region.blocks {
        write_block(&tables.inputs, place, offset, &mut linked.region.bytes, &context)
            .map_err(|error| out_of_range(tables, place, &error))?;
    }
    Ok(())
}

/// Where the sections of a graph are: for itself they are the image's. Sections of one name are one, and so are those
/// that differ in what follows a `$`.
fn sections(graph: &LinkGraph) -> Vec<ExecRange> {
    let extents = extents(graph, Section::output_name);
    let mut seen = HashSet::new();
    let sections = graph.sections().iter().map(Section::output_name).filter(|name| seen.insert(*name));
    sections.map(|name| extents.get(name).copied().unwrap_or_default()).collect()
}

/// From the first to the last placed block of each section.
fn extents(graph: &LinkGraph, name: impl Fn(&Section) -> &str) -> HashMap<&str, ExecRange> {
    let mut found: HashMap<&str, ExecRange> = HashMap::new();
    for block in graph.blocks().iter().filter(|block| block.placed) {
        let new = ExecRange { start: block.address, end: block.address.offset(block.size) };
        let range = found.entry(name(graph.section(block.section))).or_insert(new);
        *range = ExecRange { start: range.start.min(new.start), end: range.end.max(new.end) };
    }
    found
}

/// A range error in LLVM's words; other errors in our own.
fn out_of_range(tables: &Tables, (member, block): BlockRef, error: &LinkError) -> Failure {
    let LinkError::OutOfRange { site, target: name, .. } = error else {
        return Failure::link(error.to_string());
    };
    let graph = &tables.inputs[member as usize].graph;
    let of = graph.block(block);
    let offset = site.offset.unwrap_or_default().wrapping_sub(of.section_offset);
    let edge = graph.edges(block).iter().find(|edge| u64::from(edge.offset) == offset);
    let Some(edge) = edge else { return Failure::link(error.to_string()) };
    let address = graph.address(edge.target);
    let (kind, addend) = kind_and_addend(graph, edge);
    let addend_text = match addend {
        0 => String::new(),
        addend => format!(":{address:#x} + {addend:#x}"),
    };
    let names = tables.names();
    let in_block = |&symbol: &SymbolId| graph.symbol(symbol).block() == Some(block);
    let mut symbols =
        graph.symbol_ids().filter(in_block).filter(|&symbol| !graph.symbol_name(&names, symbol).is_empty());
    let first =
        symbols.next().map_or_else(|| "<anonymous symbol>".into(), |symbol| graph.describe_symbol(&names, symbol));
    Failure::link(format!(
        "In graph {}, section {}: relocation target {:#x} ({name}{addend_text}) is out of range of {} fixup at address \
         {:#x} ({first}, {:#x} + {offset:#x})",
        graph.name(),
        graph.section(of.section).name,
        address.offset(addend.cast_unsigned()),
        kind,
        of.address.offset(offset),
        of.address,
    ))
}

/// What an edge is in LLVM's terms: there, some displacements are those from the end of the field.
pub(super) fn kind_and_addend(graph: &LinkGraph, edge: &Edge) -> (&'static str, i64) {
    let kind = graph.arch().kinds().of(edge.kind);
    let from_end = || edge.addend.saturating_sub(kind.bias.into());
    match kind.name {
        "Delta32" | "Branch32" if is_coff(graph) => ("PCRel32", from_end()),
        "Branch32" => ("BranchPCRel32", from_end()),
        ours => (kind_name(ours), edge.addend),
    }
}

fn kind_name(ours: &'static str) -> &'static str {
    match ours {
        "GotDelta32" | "GotBaseDelta32" => "Delta32",
        "GotLoad32" => "PCRel32GOTLoadRelaxable",
        "RexGotLoad32" => "PCRel32GOTLoadREXRelaxable",
        "GotDelta64" | "GotBaseDelta64" => "Delta64",
        "ImageOffset32" | "SectionOffset32" => "Pointer32",
        "SectionNumber16" => "Pointer16",
        "GotOffset64" | "FromGotBase64" | "StubFromGotBase64" => "Delta64FromGOT",
        other => other,
    }
}
