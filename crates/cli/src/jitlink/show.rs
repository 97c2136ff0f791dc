//! The output of `-show-...` options.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Write};
use std::time::Instant;

use linkjit::ExecAddr;
use linkjit_link::graph::{BlockId, Definition, LinkGraph, Linkage, Scope, Symbol, SymbolId};
use linkjit_link::names::NamePool;

use super::link::{is_coff, kind_and_addend};
use super::linked::{LinkedFile, LinkedProgram};
use super::registry::{Named, Registry, section_name};

/// `-show-addrs`.
pub(super) fn addresses(registry: &Registry<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Registered addresses:")?;
    if !registry.symbols.is_empty() {
        writeln!(out, "Symbols:")?;
    }
    for (name, named) in &registry.symbols {
        writeln!(out, "  \"{name}\" {}", place(named))?;
    }
    for (name, file) in &registry.files {
        writeln!(out, "File \"{name}\":")?;
        for (kind, all) in [("Section", &file.sections), ("GOT", &file.got), ("Stubs", &file.stubs)] {
            for (name, named) in all {
                writeln!(out, "  {kind} \"{name}\": {}", place(named))?;
            }
        }
    }
    Ok(())
}

/// The linker's copy is in no process: its addresses are those of the target.
fn place(named: &Named) -> String {
    let Named { address, size, is_zeros } = *named;
    if is_zeros {
        return format!("target addr = {address:#018x}, zero-fill: {size} bytes");
    }
    let end = address.wrapping_add(size);
    format!("target addr = {address:#018x}, content: {address:#x} -- {end:#x} ({size} bytes)")
}

/// `-show-times`: when it began, when all was loaded, and when linked.
pub(super) fn times([start, loaded, linked]: [Instant; 3], out: &mut impl Write) -> io::Result<()> {
    let milliseconds = |from: Instant, to: Instant| (to - from).as_secs_f64() * 1e3;
    writeln!(out, "loading: {:.3} ms\nlinking: {:.3} ms", milliseconds(start, loaded), milliseconds(loaded, linked))
}

/// A JITDylib, as `-show-init-es` and `-show-entry-es` show it.
#[derive(Debug)]
pub(super) struct DylibState {
    pub(super) name: String,
    /// The others of the link order.
    pub(super) order: Vec<String>,
    /// By name.
    pub(super) symbols: BTreeMap<String, SymbolState>,
}

/// A definition of it.
#[derive(Debug)]
pub(super) struct SymbolState {
    pub(super) linkage: Linkage,
    pub(super) scope: Scope,
    pub(super) callable: bool,
    /// Its address, if it was linked.
    pub(super) address: Option<ExecAddr>,
    /// The file that is to define it, or a kind of definitions.
    pub(super) by: String,
}

/// Returns LLVM's name of a graph of stubs. These graphs are numbered from 1.
pub(super) fn stubs_name(number: usize) -> String {
    format!("<indirect stubs graph #{number}>")
}

/// LLVM's names of materializers that are no files.
pub(super) const ABSOLUTE_SYMBOLS: &str = "<Absolute Symbols>";
pub(super) const REEXPORTS: &str = "<Reexports>";

/// `-show-init-es` and `-show-entry-es`: the JITDylibs and their symbols, sorted by name.
pub(super) fn session(dylibs: &[DylibState], out: &mut impl Write) -> io::Result<()> {
    for dylib in dylibs {
        let order: Vec<_> =
            dylib.order.iter().map(|name| format!(", (\"{name}\", MatchExportedSymbolsOnly)")).collect();
        writeln!(out, "JITDylib \"{}\" (ES: {:#018x}, State = Open)", dylib.name, 0)?;
        writeln!(out, "Link order: [ (\"{}\", MatchAllSymbols){} ]", dylib.name, order.concat())?;
        writeln!(out, "Symbol table:")?;
        // As in LLVM, all aliases of a JITDylib are linked together, though each is looked up by itself.
        let mut aliases = dylib.symbols.values().filter(|symbol| symbol.by == REEXPORTS);
        let are_linked = aliases.any(|alias| alias.address.is_some());
        for (name, symbol) in &dylib.symbols {
            let (by, flags) = (&symbol.by, flags(symbol));
            match symbol.address {
                Some(address) => writeln!(out, "    \"{name}\": {address:#x} {flags} Ready")?,
                None => {
                    let state = if are_linked && symbol.by == REEXPORTS { "Materializing" } else { "Never-Searched" };
                    writeln!(out, "    \"{name}\": <not resolved>  {flags} {state} (Materializer 0x0, {by})")?;
                }
            }
        }
    }
    Ok(())
}

fn flags(symbol: &SymbolState) -> String {
    let mut flags = String::from(if symbol.callable { "[Callable]" } else { "[Data]" });
    match symbol.linkage {
        Linkage::Strong => {}
        Linkage::Weak | Linkage::Fallback => flags += "[Weak]",
        Linkage::Common => flags += "[Common]",
    }
    if symbol.scope == Scope::Hidden {
        flags += "[Hidden]";
    }
    flags
}

/// Returns as much as is known of an object's target.
fn triple(graph: &LinkGraph) -> String {
    let (object, name) = (graph.source().bytes(), graph.arch().triple_name());
    let is_elf = object.starts_with(b"\x7fELF");
    let rest = match object.get(7) {
        _ if !is_elf => "-coff",
        // EI_OSABI: ELFOSABI_FREEBSD. The rest do not say.
        Some(9) => "freebsd",
        _ => "",
    };
    format!("{name}--{rest}")
}

/// `-show-graphs`: a graph with what the linker has made for it.
pub(super) fn graph(names: &NamePool, file: &LinkedFile<'_>, out: &mut impl Write) -> io::Result<()> {
    let Some(first) = file.graphs.first() else { return Ok(()) };
    let name = &file.name;
    writeln!(out, "Link graph \"{name}\" post-fixup:")?;
    writeln!(out, "LinkGraph \"{name}\" (triple = {})", triple(first))?;
    // What the linker makes has a section when there is something in it.
    let mut sections: BTreeMap<&str, Vec<(ExecAddr, usize, BlockId)>> =
        first.section_ids().map(|section| (section_name(first, section), Vec::new())).collect();
    let parts: Vec<_> = file.graphs.iter().map(|graph| Part::new(graph, names)).collect();
    for (index, graph) in file.graphs.iter().enumerate() {
        for id in graph.block_ids().filter(|&id| graph.block(id).placed) {
            let block = graph.block(id);
            sections.entry(section_name(graph, block.section)).or_default().push((block.address, index, id));
        }
    }
    for (section, mut blocks) in sections {
        writeln!(out, "section {section}:\n")?;
        blocks.sort_by_key(|(address, ..)| *address);
        for (_, index, id) in blocks {
            parts[index].block(names, id, out)?;
        }
    }
    others(names, first, "Absolute", out)?;
    writeln!(out)?;
    others(names, first, "External", out)
}

/// `-show-relocated-section-contents`: sixteen bytes a line, the address of the first a multiple of that.
pub(super) fn contents(program: &LinkedProgram<'_>, file: &LinkedFile<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Relocated section contents for {}:", file.name)?;
    let mut sections: Vec<(&str, u64, u64)> = Vec::new();
    let mut known = HashMap::new();
    let mut blocks: Vec<_> = file.blocks().collect();
    blocks.sort_unstable();
    for (start, (index, id)) in blocks {
        let block = file.graphs[index].block(id);
        let name = file.graphs[index].section(block.section).name.as_str();
        let end = start.saturating_add(block.size);
        let next = sections.len();
        match sections.get_mut(*known.entry(name).or_insert(next)) {
            Some((_, from, to)) => (*from, *to) = (start.min(*from), end.max(*to)),
            None => sections.push((name, start, end)),
        }
    }
    for (name, start, end) in sections {
        writeln!(out, "{name} content:")?;
        for line in (start & !15..end).step_by(16) {
            write!(out, "{line:#x}:")?;
            for address in line..end.min(line.saturating_add(16)) {
                match program.memory(address).first().filter(|_| address >= start) {
                    Some(byte) => write!(out, " {byte:02x}")?,
                    None => write!(out, "   ")?,
                }
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

/// A graph, and what belongs to its blocks.
struct Part<'a> {
    graph: &'a LinkGraph,
    /// By block.
    symbols: Vec<Vec<SymbolId>>,
    /// The blocks of groups of which any may be kept: not of those that there must be once.
    weak: Vec<BlockId>,
    /// The symbols that stand for sections which others keep.
    kept: HashMap<BlockId, SymbolId>,
}

impl<'a> Part<'a> {
    fn new(graph: &'a LinkGraph, names: &NamePool) -> Self {
        let mut symbols = vec![Vec::new(); graph.blocks().len()];
        for id in graph.symbol_ids() {
            if let Some(in_block) = graph.symbol(id).block().and_then(|block| symbols.get_mut(block.index())) {
                in_block.push(id);
            }
        }
        let placed = graph.block_ids().filter(|&block| graph.block(block).placed);
        // Of unwind tables for all functions LLVM keeps records without a name.
        let grouped: HashSet<_> = graph.groups.iter().flat_map(|group| group.blocks.iter().copied()).collect();
        let is_section =
            |&block: &BlockId| grouped.contains(&block) || !graph.section(graph.block(block).section).function_records;
        let dependents: HashSet<_> = placed.flat_map(|block| graph.dependents(block)).filter(is_section).collect();
        let kept = graph.symbol_ids().filter_map(|id| {
            let block = section_of(graph, names, id)?;
            dependents.contains(&block).then_some((block, id))
        });
        Self { graph, symbols, weak: graph.shared_blocks(), kept: kept.collect() }
    }

    fn block(&self, names: &NamePool, id: BlockId, out: &mut impl Write) -> io::Result<()> {
        let graph = self.graph;
        let block = graph.block(id);
        let zeros = if block.is_zeros() { ", zero-fill" } else { "" };
        writeln!(
            out,
            "  block {:#x} size = {:#010x}, align = {}, alignment-offset = {}{zeros}",
            block.address,
            block.size,
            block.alignment(),
            block.alignment_offset
        )?;
        let (is_weak, kept) = (self.weak.binary_search(&id).is_ok(), self.kept.get(&id).copied());
        let mut symbols = Vec::new();
        for &symbol_id in self.symbols.get(id.index()).into_iter().flatten() {
            let symbol = graph.symbol(symbol_id);
            let name = graph.symbol_name(names, symbol_id);
            match symbol.definition {
                // Symbols that nobody needs are gone; those of entries have no name.
                Definition::Defined { offset, .. } if symbol.live || name.is_empty() || kept == Some(symbol_id) => {
                    let mut symbol = symbol.clone();
                    symbol.live |= kept == Some(symbol_id);
                    if is_weak && symbol.global_name().is_some() {
                        symbol.linkage = Linkage::Weak;
                    }
                    let is_weak = symbol.linkage != Linkage::Strong;
                    let key = (offset, is_weak, symbol.scope, name.is_empty(), name);
                    symbols.push((key, graph.address(symbol_id), symbol));
                }
                _ => {}
            }
        }
        symbols.sort_by_key(|&(key, ..)| key);
        writeln!(out, "    {}", if symbols.is_empty() { "no symbols" } else { "symbols:" })?;
        for ((offset, .., text), address, symbol) in symbols {
            writeln!(out, "      {address:#x} (block + {offset:#010x}): {}  -   {}", attributes(&symbol), name(text))?;
        }
        let mut edges = graph.edges(id).to_vec();
        edges.sort_by_key(|edge| edge.offset);
        let mut kept: Vec<_> = graph.dependents(id).filter(|&block| graph.block(block).placed).collect();
        kept.sort_unstable();
        kept.dedup();
        writeln!(out, "    {}", if edges.is_empty() && kept.is_empty() { "no edges" } else { "edges:" })?;
        // In LLVM's graphs, this is an edge as well.
        for dependent in kept {
            let target = match self.kept.get(&dependent) {
                Some(&symbol) => name(graph.symbol_name(names, symbol)),
                None => format!("addressable@{:#x}+{:#010x}", graph.block(dependent).address, 0),
            };
            let addend = "addend = +0x00000000, kind = Keep-Alive";
            writeln!(out, "      {:#x} (block + 0x00000000), {addend}, target = {target}", block.address)?;
        }
        for edge in edges {
            let address = block.address.offset(u64::from(edge.offset));
            let (kind, addend) = kind_and_addend(graph, &edge);
            let sign = if addend < 0 { '-' } else { '+' };
            let target = graph.symbol_name(names, edge.target);
            let target = if target.is_empty() {
                format!("addressable@{:#x}+{:#010x}", graph.address(edge.target), 0)
            } else {
                name(target)
            };
            writeln!(
                out,
                "      {address:#x} (block + {:#010x}), addend = {sign}{:#010x}, kind = {kind}, target = {target}",
                edge.offset,
                addend.unsigned_abs()
            )?;
        }
        writeln!(out)
    }
}

/// The block of the section of COFF that a symbol stands for.
fn section_of(graph: &LinkGraph, names: &NamePool, id: SymbolId) -> Option<BlockId> {
    let symbol = graph.symbol(id);
    let Definition::Defined { block, offset: 0 } = symbol.definition else { return None };
    let name = graph.section(graph.block(block).section).name.as_bytes();
    let is_it = symbol.scope == Scope::Local && graph.symbol_name(names, id) == name;
    (is_it && is_coff(graph)).then_some(block)
}

fn name(bytes: &[u8]) -> String {
    if bytes.is_empty() { "<anonymous symbol>".into() } else { String::from_utf8_lossy(bytes).into_owned() }
}

fn attributes(symbol: &Symbol) -> String {
    let linkage = if symbol.linkage == Linkage::Strong { "strong" } else { "weak" };
    let scope = match symbol.scope {
        Scope::Default => "default",
        Scope::Hidden => "hidden",
        Scope::Local => "local",
    };
    let live = if symbol.live { "live" } else { "dead" };
    format!("size: {:#010x}, linkage: {linkage}, scope: {scope}, {live}", symbol.size)
}

/// The symbols of a graph that are in no block of it.
fn others(names: &NamePool, graph: &LinkGraph, what: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{what} symbols:")?;
    let mut none = true;
    for id in graph.symbol_ids() {
        let symbol = graph.symbol(id);
        let name = graph.symbol_name(names, id);
        let is_one = match symbol.definition {
            Definition::Absolute(_) => what == "Absolute",
            Definition::External => what == "External" && symbol.live,
            Definition::Defined { .. } => false,
        };
        if is_one && !name.is_empty() {
            none = false;
            let (address, name) = (graph.address(id), String::from_utf8_lossy(name));
            // Only who defines it knows its size.
            let size = if symbol.is_external() { 0 } else { symbol.size };
            let attributes = attributes(&Symbol { size, ..symbol.clone() });
            writeln!(out, "  {address:#x}: {address:#x} (addressable + 0x00000000): {attributes}  -   {name}")?;
        }
    }
    if none { writeln!(out, "  none") } else { Ok(()) }
}
