//! Linking what the entry point reaches, at fixed addresses, without running it.
//!
//! Unlike in a session, every graph has GOT entries and stubs of its own for all targets outside of it, even if they
//! turn out not to be needed, because check rules ask for them. For COFF, rules do not ask for them, and rules with
//! literal addresses expect none. So COFF graphs have entries only for targets that are out of reach.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Mutex;

use linkjit::ExecAddr;
use linkjit::executor::ExecRange;
use linkjit_link::LinkError;
use linkjit_link::arch::{ArchTables, FixupContext, Image, Role};
use linkjit_link::graph::{BlockId, Definition, Edge, Lifetime, LinkGraph, Request, Section, SymbolId};
use linkjit_link::input::{Binding, BlockRef, Input};
use linkjit_link::layout::{Layout, Placed, SEGMENTS};
use linkjit_link::link::{Inputs, Resolved};
use linkjit_link::linker_names::IMAGE_BASE;
use linkjit_link::names::{NameId, NamePool};
use linkjit_link::object::coff;
use linkjit_link::passes::entries::{EntryStyle, SharedEntries};
use linkjit_link::passes::image_sections::ImageSections;

use super::failure::{Failure, Result};
use super::find::{Found, Place, Special, find};
use super::linked::{LinkedFile, got, text};
use super::slab::Slab;
use super::tables::Tables;

/// Returns whether a graph was read from an object of COFF.
pub(super) fn is_coff(graph: &LinkGraph) -> bool {
    coff::is_object(graph.source().bytes())
}

/// A graph that was linked.
#[derive(Debug)]
pub(super) struct Linked {
    /// The graph, then those that the linker has made for it.
    pub(super) members: Vec<u32>,
    placed: Placed,
    /// Its memory.
    pub(super) bytes: Vec<u8>,
    /// The address that offsets from the GOT are relative to.
    pub(super) got: ExecAddr,
}

/// Links what `entry` needs; returns the linked graphs in the order in which they were placed.
pub(super) fn link(tables: &mut Tables, entry: NameId, slab: &mut Slab) -> Result<Vec<Linked>> {
    let Found { order, specials } = find(tables, entry)?;
    if has_low_fields(&tables.inputs, &order)
        && let Some(start) = slab.go_low()
    {
        tables.move_libraries(&order, start);
    }
    let is_named = specials.values().flatten().any(|(_, place)| matches!(place, Place::ImageBase));
    let image_base = slab.image_base(is_named);
    image_sections(&tables.inputs, &order).apply(&mut tables.inputs, &order);
    let mut all = Vec::with_capacity(order.len());
    for member in order {
        let linked = place(&mut tables.inputs, member, slab)?;
        if let Some(specials) = specials.get(&member) {
            linked.bind(specials, &mut tables.inputs[member as usize], image_base);
        }
        all.push(linked);
    }
    let name = tables.intern(IMAGE_BASE);
    let image_base = tables.address(0, name).unwrap_or(image_base);
    let Tables { inputs, names, .. } = &mut *tables;
    let resolved = inputs.resolve();
    for linked in &mut all {
        for &member in &linked.members {
            bypass_stubs(&mut resolved.inputs[member as usize], image_base);
        }
        if let Err((block, error)) = linked.write(&resolved, names, image_base) {
            return Err(out_of_range(tables, block, &error));
        }
    }
    Ok(all)
}

impl Linked {
    /// Returns the start of its memory.
    pub(super) fn start(&self) -> ExecAddr {
        self.placed.segments()[0].start
    }

    /// Gives symbols of its graph that stand for places their addresses.
    fn bind(&self, specials: &[Special], input: &mut Input, image_base: ExecAddr) {
        let extents = extents(&input.graph, |section| &section.name);
        let address = |place: &Place| match place {
            Place::Got => self.got,
            Place::ImageBase => image_base,
            Place::Section(bound, section) => {
                bound.address_in(extents.get(section.as_str()).copied().unwrap_or_default())
            }
        };
        let bindings: Vec<_> = specials.iter().map(|(symbol, place)| (*symbol, address(place))).collect();
        bindings.into_iter().for_each(|(symbol, address)| input.bind(symbol, Binding::Linked(address)));
    }

    /// Copies its blocks to its memory, and applies their edges there.
    fn write(
        &mut self,
        resolved: &Resolved<'_>,
        names: &Mutex<NamePool>,
        image_base: ExecAddr,
    ) -> std::result::Result<(), (BlockRef, LinkError)> {
        let graph = self.members.first().map(|&member| &resolved.inputs[member as usize].graph);
        let sections = graph.filter(|graph| is_coff(graph)).map(sections).unwrap_or_default();
        let image = Image { base: image_base, sections: &sections, tls_module: None };
        let context = FixupContext { names, got_base: self.got, image, tls_resolvers: [ExecAddr::NULL; 2] };
        resolved.write(&self.placed, 0, &mut self.bytes, &context)
    }

    /// Returns what rules and `-show-...` options see of it.
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
                    names_of_made.insert((index, symbol), text(&tables.inputs[input as usize].graph, names, target));
                }
            }
            let is_thread_local = |id| {
                let section = input.graph.block(id).section;
                input.graph.section(section).lifetime == Lifetime::ThreadLocal
            };
            let blocks =
                self.placed.written(0).iter().filter(|((owner, id), _)| *owner == member && is_thread_local(*id));
            file.images.extend(blocks.map(|&((_, id), offset)| ((index, id), self.start().0 + offset)));
            file.graphs.push(&input.graph);
        }
        file.names = Rc::new(names_of_made);
        file
    }
}

/// Returns whether graphs have fields with addresses of at most 32 bits, as code that is compiled for executables has.
fn has_low_fields(inputs: &[Input], order: &[u32]) -> bool {
    let is_low = |graph: &LinkGraph, edge: &Edge| {
        let role = graph.arch().kinds().info(edge.kind).role;
        let is_value = matches!(graph.symbol(edge.target).definition, Definition::Absolute(_));
        !is_value && matches!(role, Role::LowAddress | Role::TinyAddress)
    };
    order.iter().map(|&member| &inputs[member as usize].graph).any(|graph| {
        let live = graph.block_ids().filter(|&block| graph.block(block).live);
        let is_loaded = |block: &BlockId| graph.section(graph.block(*block).section).lifetime != Lifetime::NoAlloc;
        live.filter(is_loaded).any(|block| graph.edges(block).iter().any(|edge| is_low(graph, edge)))
    })
}

/// Returns what the graphs ask for about the sections of the image that they are parts of.
fn image_sections(inputs: &[Input], order: &[u32]) -> ImageSections {
    let mut sections = ImageSections::default();
    for request in order.iter().flat_map(|&member| &inputs[member as usize].graph.requests) {
        match request {
            Request::Merge { from, to } => sections.merged.push((from.clone(), to.clone())),
            Request::Protect { section, protection } => sections.protections.push((section.clone(), *protection)),
            _ => {}
        }
    }
    sections
}

/// Makes the entries of a graph and gives all of it memory.
fn place(inputs: &mut Inputs, member: u32, slab: &mut Slab) -> Result<Linked> {
    let extent = Layout::thread_local_extent(inputs, &[member])?;
    let prepared = inputs.prepare(vec![member], extent.map(|extent| slab.reserve_tls(extent)).transpose()?)?;
    let graph = &inputs[member as usize].graph;
    let style = if is_coff(graph) { EntryStyle::Session(slab.window(graph)) } else { EntryStyle::LikeLlvm };
    let complete = inputs.complete(&prepared, style, &SharedEntries::default())?.together();
    let (layout, start, bytes) = slab.lay_out(inputs, &complete.members)?;
    let placed = inputs.place(layout, [start; SEGMENTS.len()]);
    let members = complete.members;
    let got = got(members.iter().map(|&member| &inputs[member as usize].graph)).unwrap_or(start);
    Ok(Linked { members, placed, bytes, got })
}

/// Makes branches go where they are meant to go if that is in their reach, past the stubs that were made for them; so
/// with offsets in the image.
fn bypass_stubs(input: &mut Input, image_base: ExecAddr) {
    let graph = &mut input.graph;
    for block in graph.block_ids() {
        let address = graph.block(block).address;
        for index in 0..graph.edges(block).len() {
            let edge = graph.edges(block)[index];
            let Some(target) = graph.entry_target(edge.target) else { continue };
            let fixup = address.offset(u64::from(edge.offset));
            let displacement = graph.address(target).distance_from(fixup).checked_add(edge.addend);
            let kind = graph.arch().kinds().info(edge.kind);
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

/// Returns the ranges of the sections of a graph: for itself they are the image's. Sections of one name are one, and so
/// are those that differ in what follows a `$`.
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
fn out_of_range(tables: &Tables, (member, id): BlockRef, error: &LinkError) -> Failure {
    let LinkError::OutOfRange { site, target: name, .. } = error else {
        return Failure::link(error.to_string());
    };
    let graph = &tables.inputs[member as usize].graph;
    let block = graph.block(id);
    let offset = site.offset.unwrap_or_default().wrapping_sub(block.section_offset);
    let edge = graph.edges(id).iter().find(|edge| u64::from(edge.offset) == offset);
    let Some(edge) = edge else { return Failure::link(error.to_string()) };
    let address = graph.address(edge.target);
    let (kind, addend) = kind_and_addend(graph, edge);
    let addend_text = match addend {
        0 => String::new(),
        addend => format!(":{address:#x} + {addend:#x}"),
    };
    let names = tables.names();
    let in_block = |&symbol: &SymbolId| graph.symbol(symbol).block() == Some(id);
    let mut symbols =
        graph.symbol_ids().filter(in_block).filter(|&symbol| !graph.symbol_name(&names, symbol).is_empty());
    let first =
        symbols.next().map_or_else(|| "<anonymous symbol>".into(), |symbol| graph.describe_symbol(&names, symbol));
    Failure::link(format!(
        "In graph {}, section {}: relocation target {:#x} ({name}{addend_text}) is out of range of {} fixup at address \
         {:#x} ({first}, {:#x} + {offset:#x})",
        graph.name(),
        graph.section(block.section).name,
        address.offset(addend.cast_unsigned()),
        kind,
        block.address.offset(offset),
        block.address,
    ))
}

/// Returns the kind and addend of an edge in LLVM's terms: there, some displacements are those from the end of the field.
pub(super) fn kind_and_addend(graph: &LinkGraph, edge: &Edge) -> (&'static str, i64) {
    let kind = graph.arch().kinds().info(edge.kind);
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
