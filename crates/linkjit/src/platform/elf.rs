//! ELF: what every shared object has of its own, and glibc keeps outside of its shared library.
//!
//! `__dso_handle` tells one shared object's `atexit` functions from another's. `atexit` itself is linked into each
//! shared object (glibc: `libc_nonshared.a`), because it has to pass on the handle of its caller. So does `on_exit` here.

use linkjit_link::arch::Arch;
use linkjit_link::arch::x86_64::{AT_QUICK_EXIT_THUNK, ATEXIT_THUNK, Kind, ON_EXIT_THUNK};
use linkjit_link::graph::{
    BlockId, Content, Definition, Edge, Lifetime, LinkGraph, Linkage, Name, Protection, Scope, SectionId, Symbol,
    SymbolId,
};
use linkjit_link::names::NamePool;
use linkjit_link::source::Source;

use crate::error::Result;
use crate::jitdylib::JitDylib;
use crate::platform::image_names::UNWIND_RECORDS;

/// The name of a JITDylib's handle.
pub(crate) const DSO_HANDLE: &[u8] = b"__dso_handle";

/// `_DYNAMIC`: `DT_DEBUG`, whose value is the address of the loader's `_r_debug`, and `DT_NULL` (gABI, "Dynamic Section").
const DYNAMIC: [u8; 32] = {
    let mut entries = [0; 32];
    entries[0] = 21;
    entries
};

/// The section of [`UNWIND_HEADER`].
pub(crate) const UNWIND_HEADER_SECTION: &str = ".eh_frame_hdr";

/// The header of the unwind table: version 1, where the records are, relative to the field, and no table to search
/// ("Linux Standard Base, Core", "The .eh_frame_hdr section").
const UNWIND_HEADER: [u8; 12] = [0x01, 0x1b, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];

/// Where the header has zeros, which end a table that has no records.
pub(crate) const NO_UNWIND_RECORDS: u64 = 8;

/// Defines what is particular to a new JITDylib. Whatever the user defines takes precedence.
pub(crate) fn set_up(dylib: &JitDylib) -> Result<()> {
    let mut names = dylib.session().names();
    let graph = runtime_graph(&mut names)?;
    let mut state = dylib.session().state();
    let tracker = state.dylib(dylib.id())?.platform_tracker;
    state.define_unit(dylib.id(), tracker, graph, &names)?;
    Ok(())
}

fn runtime_graph(names: &mut NamePool) -> Result<LinkGraph> {
    let mut graph = LinkGraph::new(Source::new("the ELF runtime", []), Arch::X86_64);
    let data = graph.add_section(".data.dso_handle", Protection::ReadWrite, Lifetime::Standard)?;
    let text = graph.add_section(".text.runtime", Protection::ReadExec, Lifetime::Standard)?;

    let (block, handle) = define(&mut graph, names, data, DSO_HANDLE, &[0; 8])?;
    graph.add_edge(block, Edge { offset: 0, kind: Kind::Pointer64.edge(), target: handle, addend: 0 })?;
    // Programs look for the loader's list of libraries in it, and tell by its being there that they have a loader.
    let dynamic = graph.add_section(".dynamic", Protection::Read, Lifetime::Standard)?;
    let (block, _) = define(&mut graph, names, dynamic, b"_DYNAMIC", &DYNAMIC)?;
    let loader = graph.add_symbol(Symbol::external(names.intern(b"_r_debug"), Linkage::Weak))?;
    graph.add_edge(block, Edge { offset: 8, kind: Kind::Pointer64.edge(), target: loader, addend: 0 })?;

    let header = graph.add_section(UNWIND_HEADER_SECTION, Protection::Read, Lifetime::Standard)?;
    let (block, _) = define(&mut graph, names, header, b"__GNU_EH_FRAME_HDR", &UNWIND_HEADER)?;
    let records = graph.add_symbol(Symbol::external(names.intern(UNWIND_RECORDS), Linkage::Strong))?;
    graph.add_edge(block, Edge { offset: 4, kind: Kind::Delta32.edge(), target: records, addend: 0 })?;

    let thunks = [
        (&b"atexit"[..], &b"__cxa_atexit"[..], ATEXIT_THUNK.as_slice(), 11),
        (b"at_quick_exit", b"__cxa_at_quick_exit", AT_QUICK_EXIT_THUNK.as_slice(), 9),
        // Its functions take their turn among those of `atexit`, which the C library does not have.
        (b"on_exit", b"__linkjit_on_exit", ON_EXIT_THUNK.as_slice(), 9),
    ];
    for (name, target, code, entry) in thunks {
        let (block, symbol) = define(&mut graph, names, text, name, code)?;
        graph.symbol_mut(symbol).callable = true;
        let target = graph.add_symbol(Symbol::external(names.intern(target), Linkage::Strong))?;
        graph.add_edge(block, Edge { offset: 3, kind: Kind::Delta32.edge(), target: handle, addend: -4 })?;
        graph.add_edge(block, Edge { offset: entry, kind: Kind::GotDelta32.edge(), target, addend: -4 })?;
    }
    Ok(graph)
}

/// Makes an object's pointers to personality functions its own. Compilers emit them for the unwind tables of each object,
/// as COMDAT groups; one that several objects share would be gone with the first of these that is removed.
pub(crate) fn own_personality_pointers(graph: &mut LinkGraph, names: &NamePool) {
    let groups = graph.dissolve_groups(|signature| names.bytes(signature).starts_with(b"DW.ref."));
    let Some(mut blocks) = groups.into_iter().map(|group| group.blocks).reduce(|all, more| [all, more].concat()) else {
        return;
    };
    blocks.sort_unstable();
    for symbol in graph.symbol_ids() {
        if graph.symbol(symbol).block().is_some_and(|block| blocks.binary_search(&block).is_ok()) {
            graph.set_visibility(symbol, Linkage::Strong, Scope::Local);
        }
    }
}

/// A hidden weak definition with a block of its own.
fn define(
    graph: &mut LinkGraph,
    names: &mut NamePool,
    section: SectionId,
    name: &[u8],
    content: &[u8],
) -> Result<(BlockId, SymbolId)> {
    let block = graph.add_block(section, Content::Owned(content.into()), 0, 3)?;
    let symbol = graph.add_symbol(Symbol {
        name: Name::Interned(names.intern(name)),
        definition: Definition::Defined { block, offset: 0 },
        linkage: Linkage::Weak,
        scope: Scope::Hidden,
        ..Symbol::anonymous(block, 0, content.len() as u64)
    })?;
    Ok((block, symbol))
}
