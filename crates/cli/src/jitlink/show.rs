//! What `-show-...` options print.

use std::io::{self, Write};

use linkjit::link::graph::{Definition, Linkage, Scope, Selection, Symbol};

use super::link::{Linked, kind_and_addend};
use super::registry::{Named, Registry, section_name};
use super::tables::{By, Entry, Tables};

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

/// `-show-init-es` and `-show-entry-es`: the JITDylibs and their symbols.
pub(super) fn session(tables: &mut Tables, is_linked: bool, out: &mut impl Write) -> io::Result<()> {
    let head = |out: &mut dyn Write, name: &str, order: &[String]| {
        let order: Vec<_> = order.iter().map(|name| format!(", (\"{name}\", MatchExportedSymbolsOnly)")).collect();
        writeln!(out, "JITDylib \"{name}\" (ES: {:#018x}, State = Open)", 0)?;
        writeln!(out, "Link order: [ (\"{name}\", MatchAllSymbols){} ]", order.concat())?;
        writeln!(out, "Symbol table:")
    };
    if tables.process_symbols {
        head(out, "Process", &[])?;
    }
    for dylib in 0..tables.dylibs.len() {
        let of = &tables.dylibs[dylib];
        let mut order: Vec<_> = of.order.iter().map(|&other| tables.dylibs[other].name.clone()).collect();
        order.extend(tables.process_symbols.then(|| "Process".into()));
        head(out, &of.name, &order)?;
        let mut symbols: Vec<_> = of.symbols.iter().map(|(&name, &entry)| (tables.text(name), name, entry)).collect();
        symbols.sort_unstable_by(|(a, ..), (b, ..)| a.cmp(b));
        for (text, name, entry) in symbols {
            let address = if is_linked { tables.address(dylib, name) } else { None };
            let flags = flags(&entry);
            match address {
                Some(address) => writeln!(out, "    \"{text}\": {address:#x} {flags} Ready")?,
                None => writeln!(
                    out,
                    "    \"{text}\": <not resolved>  {flags} Never-Searched (Materializer 0x0, {})",
                    materializer(tables, &entry)
                )?,
            }
        }
    }
    Ok(())
}

fn flags(entry: &Entry) -> String {
    let mut flags = String::from(if entry.callable { "[Callable]" } else { "[Data]" });
    match entry.linkage {
        Linkage::Strong => {}
        Linkage::Weak | Linkage::Fallback => flags += "[Weak]",
        Linkage::Common => flags += "[Common]",
    }
    if entry.scope == Scope::Hidden {
        flags += "[Hidden]";
    }
    flags
}

fn materializer<'a>(tables: &'a Tables, entry: &Entry) -> &'a str {
    match entry.by {
        By::Input(input, _) => tables.inputs[input as usize].graph.name(),
        By::Absolute(_) => "<Absolute Symbols>",
        By::Alias(..) => "<Reexports>",
    }
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
pub(super) fn graph(tables: &Tables, linked: &Linked, out: &mut impl Write) -> io::Result<()> {
    let Some(&first) = linked.members.first() else { return Ok(()) };
    let graph = &tables.inputs[first as usize].graph;
    let name = graph.name();
    writeln!(out, "Link graph \"{name}\" post-fixup:")?;
    writeln!(out, "LinkGraph \"{name}\" (triple = {})", triple(graph.source().bytes()))?;
    let mut sections: Vec<(&str, Vec<u32>)> = Vec::new();
    for &member in &linked.members {
        let graph = &tables.inputs[member as usize].graph;
        for section in graph.section_ids() {
            let name = section_name(graph, section);
            // What the linker makes has a section when there is something in it.
            if member != first && !graph.blocks().iter().any(|block| block.placed && block.section == section) {
                continue;
            }
            match sections.iter_mut().find(|(known, _)| *known == name) {
                Some((_, members)) if members.contains(&member) => {}
                Some((_, members)) => members.push(member),
                None => sections.push((name, vec![member])),
            }
        }
    }
    sections.sort_unstable();
    for (section, members) in sections {
        writeln!(out, "section {section}:\n")?;
        let mut blocks = Vec::new();
        for member in members {
            let graph = &tables.inputs[member as usize].graph;
            let placed = graph.block_ids().filter(|&id| graph.block(id).placed);
            let here = placed.filter(|&id| section_name(graph, graph.block(id).section) == section);
            blocks.extend(here.map(|id| (graph.block(id).address, member, id)));
        }
        blocks.sort_unstable();
        for (_, member, id) in blocks {
            block(tables, member, id, out)?;
        }
    }
    others(tables, first, "Absolute", out)?;
    writeln!(out)?;
    others(tables, first, "External", out)
}

/// `-show-relocated-section-contents`: sixteen bytes a line, the address of the first a multiple of that.
pub(super) fn contents(tables: &Tables, linked: &Linked, out: &mut impl Write) -> io::Result<()> {
    let Some(&first) = linked.members.first() else { return Ok(()) };
    writeln!(out, "Relocated section contents for {}:", tables.inputs[first as usize].graph.name())?;
    let mut sections: Vec<(&str, u64, u64)> = Vec::new();
    for &((member, id), offset) in &linked.region.blocks {
        let graph = &tables.inputs[member as usize].graph;
        let block = graph.block(id);
        let name = graph.section(block.section).name.as_str();
        let (start, end) = (linked.region.start + offset, linked.region.start + offset + block.size);
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
                let offset = address.checked_sub(start.max(linked.region.start)).map(|_| address - linked.region.start);
                let byte = offset.and_then(|offset| linked.region.bytes.get(usize::try_from(offset).ok()?));
                match byte {
                    Some(byte) => write!(out, " {byte:02x}")?,
                    None => write!(out, "   ")?,
                }
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

fn block(tables: &Tables, member: u32, id: linkjit::link::graph::BlockId, out: &mut impl Write) -> io::Result<()> {
    let graph = &tables.inputs[member as usize].graph;
    let names = tables.names();
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
    // Any may be kept but that of a group which there must be once.
    let is_weak =
        graph.groups().iter().any(|group| group.selection != Selection::NoDuplicates && group.blocks.contains(&id));
    let mut symbols = Vec::new();
    for symbol in graph.symbol_ids() {
        let of = graph.symbol(symbol);
        let name = graph.symbol_name(&names, symbol);
        match of.definition {
            // Symbols that nobody needs are gone; those of entries have no name.
            Definition::Defined { block, offset } if block == id && (of.live || name.is_empty()) => {
                let mut of = of.clone();
                if is_weak && of.shared_name().is_some() {
                    of.linkage = Linkage::Weak;
                }
                let is_weak = of.linkage != Linkage::Strong;
                symbols.push(((offset, is_weak, of.scope, name.is_empty(), name), graph.address(symbol), of));
            }
            _ => {}
        }
    }
    symbols.sort_by_key(|&(key, ..)| key);
    writeln!(out, "    {}", if symbols.is_empty() { "no symbols" } else { "symbols:" })?;
    for ((offset, .., text), address, of) in symbols {
        writeln!(out, "      {address:#x} (block + {offset:#010x}): {}  -   {}", attributes(&of), name(text))?;
    }
    let mut edges = graph.edges(id).to_vec();
    edges.sort_by_key(|edge| edge.offset);
    writeln!(out, "    {}", if edges.is_empty() { "no edges" } else { "edges:" })?;
    for edge in edges {
        let address = of.address.offset(u64::from(edge.offset));
        let (kind, addend) = kind_and_addend(graph, &edge);
        let sign = if addend < 0 { '-' } else { '+' };
        let target = graph.symbol_name(&names, edge.target);
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
fn others(tables: &Tables, member: u32, what: &str, out: &mut impl Write) -> io::Result<()> {
    let graph = &tables.inputs[member as usize].graph;
    let names = tables.names();
    writeln!(out, "{what} symbols:")?;
    let mut none = true;
    for id in graph.symbol_ids() {
        let symbol = graph.symbol(id);
        let name = graph.symbol_name(&names, id);
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
