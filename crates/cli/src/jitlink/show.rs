//! What `-show-...` options print.

use std::io::{self, Write};
use std::time::Instant;

use linkjit::ExecAddr;
use linkjit::link::graph::{BlockId, Definition, Group, LinkGraph, Linkage, Scope, Selection};
use linkjit::link::names::NamePool;

use super::link::kind_name;
use super::linked::{LinkedFile, LinkedProgram};
use super::registry::{Named, Registry};

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
        for (section, named) in &file.sections {
            writeln!(out, "  Section \"{section}\": {}", place(named))?;
        }
        for (symbol, named) in &file.got {
            writeln!(out, "  GOT \"{symbol}\": {}", place(named))?;
        }
        for (symbol, named) in &file.stubs {
            writeln!(out, "  Stubs \"{symbol}\": {}", place(named))?;
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
    pub(super) symbols: Vec<SymbolState>,
}

/// A definition of it.
#[derive(Debug)]
pub(super) struct SymbolState {
    pub(super) name: String,
    pub(super) linkage: Linkage,
    pub(super) scope: Scope,
    pub(super) callable: bool,
    /// Where it is, if it was linked.
    pub(super) address: Option<ExecAddr>,
    /// Whether it is about to be linked.
    pub(super) materializing: bool,
    /// What is to define it: a file, or a kind of definitions.
    pub(super) by: String,
}

/// What LLVM calls materializers that are no files.
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
        let mut symbols: Vec<_> = dylib.symbols.iter().collect();
        symbols.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        for symbol in symbols {
            let (name, by, flags) = (&symbol.name, &symbol.by, flags(symbol));
            match symbol.address {
                Some(address) => writeln!(out, "    \"{name}\": {address:#x} {flags} Ready")?,
                None => {
                    let state = if symbol.materializing { "Materializing" } else { "Never-Searched" };
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

/// What is known of an object's target.
fn triple(object: &[u8]) -> &'static str {
    let is_elf = object.starts_with(b"\x7fELF");
    match object.get(7) {
        _ if !is_elf => "x86_64---coff",
        // EI_OSABI: ELFOSABI_FREEBSD. The rest do not say.
        Some(9) => "x86_64--freebsd",
        _ => "x86_64--",
    }
}

/// `-show-graphs`: a graph with what the linker has made for it.
pub(super) fn graph(names: &NamePool, file: &LinkedFile<'_>, out: &mut impl Write) -> io::Result<()> {
    let Some(first) = file.graphs.first() else { return Ok(()) };
    let name = &file.name;
    writeln!(out, "Link graph \"{name}\" post-fixup:")?;
    writeln!(out, "LinkGraph \"{name}\" (triple = {})", triple(first.source().bytes()))?;
    let mut sections: Vec<(&str, Vec<&LinkGraph>)> = Vec::new();
    for &graph in &file.graphs {
        for section in graph.sections() {
            match sections.iter_mut().find(|(name, _)| *name == section.name) {
                Some((_, graphs)) if graphs.iter().any(|&known| std::ptr::eq(known, graph)) => {}
                Some((_, graphs)) => graphs.push(graph),
                None => sections.push((&section.name, vec![graph])),
            }
        }
    }
    sections.sort_by_key(|(name, _)| *name);
    for (section, graphs) in sections {
        writeln!(out, "section {section}:\n")?;
        let mut blocks = Vec::new();
        for graph in graphs {
            let placed = graph.block_ids().filter(|&id| graph.block(id).placed);
            let here = placed.filter(|&id| graph.section(graph.block(id).section).name == section);
            blocks.extend(here.map(|id| (graph.block(id).address, graph, id)));
        }
        blocks.sort_by_key(|(address, ..)| *address);
        for (_, graph, id) in blocks {
            block(names, graph, id, out)?;
        }
    }
    others(names, first, "Absolute", out)?;
    others(names, first, "External", out)
}

/// `-show-relocated-section-contents`: sixteen bytes a line, the address of the first a multiple of that.
pub(super) fn contents(program: &LinkedProgram<'_>, file: &LinkedFile<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Relocated section contents for {}:", file.name)?;
    let mut sections: Vec<(&str, u64, u64)> = Vec::new();
    let mut blocks: Vec<_> = file.blocks().collect();
    blocks.sort_unstable();
    for (start, (index, id)) in blocks {
        let block = file.graphs[index].block(id);
        let name = file.graphs[index].section(block.section).name.as_str();
        let end = start.saturating_add(block.size);
        match sections.iter_mut().find(|(section, ..)| *section == name) {
            Some((_, from, to)) => (*from, *to) = (start.min(*from), end.max(*to)),
            None => sections.push((name, start, end)),
        }
    }
    for (name, start, end) in sections {
        writeln!(out, "{name} content:")?;
        for line in (start & !15..end).step_by(16) {
            write!(out, "{line:#x}:")?;
            for address in line..end.min(line + 16) {
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

fn block(names: &NamePool, graph: &LinkGraph, id: BlockId, out: &mut impl Write) -> io::Result<()> {
    let of = graph.block(id);
    let zeros = if of.is_zeros() { ", zero-fill" } else { "" };
    writeln!(
        out,
        "  block {:#x} size = {:#010x}, align = {}, alignment-offset = {}{zeros}",
        of.address,
        of.size,
        of.alignment(),
        of.alignment_offset
    )?;
    let mut symbols: Vec<_> = graph
        .symbol_ids()
        .filter_map(|symbol| match graph.symbol(symbol).definition {
            Definition::Defined { block, offset } if block == id && graph.symbol(symbol).live => Some((offset, symbol)),
            _ => None,
        })
        .collect();
    symbols.sort_unstable();
    // LLVM tells by the linkage of their names that there may be several copies of COMDAT sections.
    let may_have_copies = |group: &Group| group.selection != Selection::NoDuplicates && group.blocks.contains(&id);
    let is_one_of_many = graph.groups().iter().any(may_have_copies);
    writeln!(out, "    {}", if symbols.is_empty() { "no symbols" } else { "symbols:" })?;
    for (offset, symbol) in symbols {
        let (address, mut of) = (graph.address(symbol), graph.symbol(symbol).clone());
        if is_one_of_many && of.scope != Scope::Local {
            of.linkage = Linkage::Weak;
        }
        let name = name(graph.symbol_name(names, symbol));
        writeln!(out, "      {address:#x} (block + {offset:#010x}): {}  -   {name}", attributes(&of))?;
    }
    let mut edges = graph.edges(id).to_vec();
    edges.sort_by_key(|edge| edge.offset);
    writeln!(out, "    {}", if edges.is_empty() { "no edges" } else { "edges:" })?;
    for edge in edges {
        let address = of.address.offset(u64::from(edge.offset));
        let sign = if edge.addend < 0 { '-' } else { '+' };
        let kind = kind_name(graph.arch().edge_kind_name(edge.kind));
        let target = graph.symbol_name(names, edge.target);
        let target = if target.is_empty() {
            format!("addressable@{:#018x}+{:#010x}", graph.address(edge.target), 0)
        } else {
            name(target)
        };
        writeln!(
            out,
            "      {address:#x} (block + {:#010x}), addend = {sign}{:#010x}, kind = {kind}, target = {target}",
            edge.offset,
            edge.addend.unsigned_abs()
        )?;
    }
    writeln!(out)
}

fn name(bytes: &[u8]) -> String {
    if bytes.is_empty() { "<anonymous symbol>".into() } else { String::from_utf8_lossy(bytes).into_owned() }
}

fn attributes(symbol: &linkjit::link::graph::Symbol) -> String {
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
            let attributes = attributes(symbol);
            writeln!(out, "  {address:#x}: {address:#x} (addressable + 0x00000000): {attributes}  -   {name}")?;
        }
    }
    if none { writeln!(out, "  none\n") } else { writeln!(out) }
}
