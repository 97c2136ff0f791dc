//! Slots for imports of COFF. Code that uses a symbol of another image (`__declspec(dllimport)`) loads its address from
//! a word that the linker makes, called `__imp_` and the symbol's name ("PE Format", "Import Address Table").

use crate::arch::{Arch, ArchTables};
use crate::error::Result;
use crate::graph::{Edge, EdgeKind, Lifetime, LinkGraph, Linkage, Name, Protection, Scope, Symbol, SymbolId};
use crate::names::NamePool;
use crate::object::import::{Import, ImportKey};
use crate::source::Source;

/// The beginning of the names of slots.
pub const PREFIX: &[u8] = b"__imp_";

/// The routine that looks a function up when it is first called: `FARPROC __delayLoadHelper2(descriptor, slot)`.
pub const DELAY_LOAD_HELPER: &[u8] = b"__delayLoadHelper2";
/// The variables for functions of the program's that it calls, if there are any (`delayimp.h`): before it does
/// something, which they may do instead, and when something is missing.
pub const NOTIFY_HOOK: &[u8] = b"__pfnDliNotifyHook2";
/// See [`NOTIFY_HOOK`].
pub const FAILURE_HOOK: &[u8] = b"__pfnDliFailureHook2";

/// Returns the target of the slot of that name, if it is one: there are no slots for slots.
#[must_use]
pub fn target(slot: &[u8]) -> Option<&[u8]> {
    slot.strip_prefix(PREFIX).filter(|target| !target.starts_with(PREFIX))
}

/// The slot of `target`. Its name is hidden and weak: what the user defines takes precedence.
///
/// # Errors
/// See [`LinkGraph::add_section`].
pub fn slot(target: &[u8], arch: Arch, names: &mut NamePool) -> Result<LinkGraph> {
    let text = String::from_utf8_lossy(target);
    let mut graph = LinkGraph::new(Source::new(format!("the import of {text}"), []), arch);
    let section = graph.add_section(".idata", Protection::Read, Lifetime::Standard)?;
    let (block, slot) = graph.add_data(section, vec![0; arch.pointer_size() as usize], arch.pointer_align_log2())?;
    graph.symbol_mut(slot).name = Name::Interned(names.intern(&[PREFIX, target].concat()));
    graph.set_visibility(slot, Linkage::Weak, Scope::Hidden);
    let target = graph.add_symbol(Symbol::external(names.intern(target), Linkage::Strong))?;
    graph.add_edge(block, Edge { offset: 0, kind: EdgeKind::IMPORT_POINTER, target, addend: 0 })?;
    Ok(graph)
}

/// A function that is looked up when it is first called ("PE Format", "Delay-Load Import Tables"). It has a descriptor
/// and tables of its own: those of a library count on all of its functions' slots lying side by side.
///
/// # Errors
/// See [`LinkGraph::add_section`].
pub fn delayed(import: &Import, arch: Arch, names: &mut NamePool) -> Result<LinkGraph> {
    let text = String::from_utf8_lossy(&import.name);
    let mut graph = LinkGraph::new(Source::new(format!("the delayed import of {text}"), []), arch);
    let code = graph.add_section(".text", Protection::ReadExec, Lifetime::Standard)?;
    let constants = graph.add_section(".rdata", Protection::Read, Lifetime::Standard)?;
    let variables = graph.add_section(".data", Protection::ReadWrite, Lifetime::Standard)?;
    let records = graph.add_section(".pdata", Protection::Read, Lifetime::Standard)?;
    graph.section_mut(records).function_records = true;
    let (word, align_log2) = (arch.pointer_size() as usize, arch.pointer_align_log2());
    let (slot_block, slot) = graph.add_data(variables, vec![0; word], align_log2)?;
    let (_, module) = graph.add_data(variables, vec![0; word], align_log2)?;
    let (_, library) = graph.add_data(constants, [&import.library, &b"\0"[..]].concat(), 0)?;
    let (descriptor_block, descriptor) = graph.add_data(constants, [&[1], &[0; 31][..]].concat(), 3)?;
    let table = match &import.key {
        ImportKey::Ordinal(number) => {
            // The highest bit of the word says that it holds a number.
            let number = arch.word(u64::from(*number) | 1 << (8 * word - 1));
            graph.add_data(constants, [number, arch.word(0)].concat(), align_log2)?.1
        }
        ImportKey::Name(name) => {
            let (_, name) = graph.add_data(constants, [b"\0\0", name.as_slice(), b"\0"].concat(), 1)?;
            let (table_block, table) = graph.add_data(constants, vec![0; 2 * word], align_log2)?;
            graph.add_edge(table_block, image_offset(0, name))?;
            table
        }
    };
    let helper = graph.add_symbol(Symbol::external(names.intern(DELAY_LOAD_HELPER), Linkage::Strong))?;
    let operands = [slot, descriptor, helper];
    let (_, function) = graph.add_framed_code([code, constants, records], &arch.image_code()?.delay_load, &operands)?;
    let addend = arch.image_code()?.delay_load_start;
    graph.add_edge(slot_block, Edge { offset: 0, kind: EdgeKind::POINTER, target: function, addend })?;
    let fields = [(4, library), (8, module), (12, slot), (16, table)];
    graph.add_edges(descriptor_block, fields.into_iter().map(|(offset, target)| image_offset(offset, target)))?;
    for (symbol, name) in [(function, import.name.clone()), (slot, [PREFIX, &import.name].concat())] {
        graph.symbol_mut(symbol).name = Name::Interned(names.intern(&name));
        graph.set_visibility(symbol, Linkage::Strong, Scope::Default);
    }
    graph.symbol_mut(function).callable = true;
    Ok(graph)
}

const fn image_offset(offset: u32, target: SymbolId) -> Edge {
    Edge { offset, kind: EdgeKind::IMAGE_OFFSET32, target, addend: 0 }
}
