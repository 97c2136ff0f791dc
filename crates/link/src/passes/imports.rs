//! Slots for imports of COFF: code that is told that something is another image's (`__declspec(dllimport)`) finds its
//! address in a word that the linker makes, called `__imp_` and its name ("PE Format", "Import Address Table").

use crate::arch::Arch;
use crate::arch::x86_64::{DELAY_LOAD, DELAY_LOAD_UNWIND, Kind};
use crate::error::Result;
use crate::graph::{
    BlockId, Content, Definition, Edge, Lifetime, LinkGraph, Linkage, Name, Protection, Scope, SectionId, Symbol,
    SymbolId,
};
use crate::names::NamePool;
use crate::object::import::{Import, ImportKey};
use crate::source::Source;

/// What the names of slots begin with.
pub const PREFIX: &[u8] = b"__imp_";

/// The routine that looks a function up when it is first called: `FARPROC __delayLoadHelper2(descriptor, slot)`.
pub const DELAY_LOAD_HELPER: &[u8] = b"__delayLoadHelper2";
/// The variables for functions of the program's that it calls, if there are any (`delayimp.h`): before it does something,
/// which they may do instead, and when something is missing.
pub const NOTIFY_HOOK: &[u8] = b"__pfnDliNotifyHook2";
/// See [`NOTIFY_HOOK`].
pub const FAILURE_HOOK: &[u8] = b"__pfnDliFailureHook2";

/// What the slot of that name is for, if it is one: there are no slots for slots.
#[must_use]
pub fn target(slot: &[u8]) -> Option<&[u8]> {
    slot.strip_prefix(PREFIX).filter(|target| !target.starts_with(PREFIX))
}

/// The slot of `target`. Its name is hidden and weak: what the user defines takes precedence.
///
/// # Errors
/// See [`LinkGraph::add_section`].
pub fn slot(target: &[u8], names: &mut NamePool) -> Result<LinkGraph> {
    let text = String::from_utf8_lossy(target);
    let mut graph = LinkGraph::new(Source::new(format!("the import of {text}"), []), Arch::X86_64);
    let section = graph.add_section(".idata", Protection::Read, Lifetime::Standard)?;
    let block = graph.add_block(section, Content::Owned([0; 8].into()), 0, 3)?;
    graph.add_symbol(Symbol {
        name: Name::Interned(names.intern(&[PREFIX, target].concat())),
        definition: Definition::Defined { block, offset: 0 },
        linkage: Linkage::Weak,
        scope: Scope::Hidden,
        ..Symbol::anonymous(block, 0, 8)
    })?;
    let target = graph.add_symbol(Symbol::external(names.intern(target), Linkage::Strong))?;
    graph.add_edge(block, Edge { offset: 0, kind: Kind::ImportPointer64.edge(), target, addend: 0 })?;
    Ok(graph)
}

/// A function that is looked up when it is first called ("PE Format", "Delay-Load Import Tables"). It has a descriptor and
/// tables of its own: those of a library count on all of its functions' slots lying side by side.
///
/// # Errors
/// See [`LinkGraph::add_section`].
pub fn delayed(import: &Import, names: &mut NamePool) -> Result<LinkGraph> {
    let text = String::from_utf8_lossy(&import.name);
    let mut graph = LinkGraph::new(Source::new(format!("the delayed import of {text}"), []), Arch::X86_64);
    let code = graph.add_section(".text", Protection::ReadExec, Lifetime::Standard)?;
    let constants = graph.add_section(".rdata", Protection::Read, Lifetime::Standard)?;
    let variables = graph.add_section(".data", Protection::ReadWrite, Lifetime::Standard)?;
    let records = graph.add_section(".pdata", Protection::Read, Lifetime::Standard)?;
    graph.set_function_records(records);
    let (block, function) = add(&mut graph, code, &DELAY_LOAD, 4)?;
    let (slot_block, slot) = add(&mut graph, variables, &[0; 8], 3)?;
    let (_, module) = add(&mut graph, variables, &[0; 8], 3)?;
    let (_, library) = add(&mut graph, constants, &[&import.library, &b"\0"[..]].concat(), 0)?;
    let (descriptor_block, descriptor) = add(&mut graph, constants, &[&[1], &[0; 31][..]].concat(), 3)?;
    let (_, unwind) = add(&mut graph, constants, &DELAY_LOAD_UNWIND, 2)?;
    let (record, _) = add(&mut graph, records, &[0; 12], 2)?;
    let table = match &import.key {
        // The highest bit of the word says that it holds a number.
        ImportKey::Ordinal(number) => {
            add(&mut graph, constants, &[(u64::from(*number) | 1 << 63).to_le_bytes(), [0; 8]].concat(), 3)?.1
        }
        ImportKey::Name(name) => {
            let (_, name) = add(&mut graph, constants, &[b"\0\0", name.as_slice(), b"\0"].concat(), 1)?;
            let (table_block, table) = add(&mut graph, constants, &[0; 16], 3)?;
            graph.add_edge(table_block, edge(0, Kind::ImageOffset32, name, 0))?;
            table
        }
    };
    let helper = graph.add_symbol(Symbol::external(names.intern(DELAY_LOAD_HELPER), Linkage::Strong))?;
    for (offset, kind, target) in [
        (2, Kind::Delta32, slot),
        (9, Kind::Delta32, slot),
        (53, Kind::Delta32, descriptor),
        (58, Kind::Branch32, helper),
    ] {
        graph.add_edge(block, edge(offset, kind, target, -4))?;
    }
    graph.add_edge(slot_block, edge(0, Kind::Pointer64, function, 6))?;
    for (offset, target) in [(4, library), (8, module), (12, slot), (16, table)] {
        graph.add_edge(descriptor_block, edge(offset, Kind::ImageOffset32, target, 0))?;
    }
    for (offset, target, addend) in [(0, function, 0), (4, function, DELAY_LOAD.len() as i64), (8, unwind, 0)] {
        graph.add_edge(record, edge(offset, Kind::ImageOffset32, target, addend))?;
    }
    graph.add_dependent(block, record);
    for (symbol, name) in [(function, import.name.clone()), (slot, [PREFIX, &import.name].concat())] {
        graph.rename(symbol, Name::Interned(names.intern(&name)));
        graph.set_visibility(symbol, Linkage::Strong, Scope::Default);
    }
    graph.symbol_mut(function).callable = true;
    Ok(graph)
}

fn add(graph: &mut LinkGraph, section: SectionId, bytes: &[u8], align_log2: u8) -> Result<(BlockId, SymbolId)> {
    let block = graph.add_block(section, Content::Owned(bytes.into()), 0, align_log2)?;
    Ok((block, graph.add_symbol(Symbol::anonymous(block, 0, bytes.len() as u64))?))
}

const fn edge(offset: u32, kind: Kind, target: SymbolId, addend: i64) -> Edge {
    Edge { offset, kind: kind.edge(), target, addend }
}
