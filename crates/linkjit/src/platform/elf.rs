//! ELF: what every shared object has of its own, and glibc keeps outside of its shared library.
//!
//! `__dso_handle` tells one shared object's `atexit` functions from another's. `atexit` itself is linked into each
//! shared object (glibc: `libc_nonshared.a`), because it has to pass on the handle of its caller. So does `on_exit` here.

use linkjit_link::arch::Arch;
use linkjit_link::graph::{Edge, EdgeKind, Lifetime, LinkGraph, Linkage, Protection, Scope, Symbol};
use linkjit_link::names::NamePool;
use linkjit_link::source::Source;

use super::define_yielding;
use crate::error::Result;
use crate::jitdylib::JitDylib;
use crate::platform::image_names::UNWIND_RECORDS;

/// The name of a JITDylib's handle.
pub(crate) const DSO_HANDLE: &[u8] = b"__dso_handle";

/// Of `_DYNAMIC`: the address of the loader's `_r_debug`, and the end (gABI, "Dynamic Section").
const DT_DEBUG: u64 = 21;
const DT_NULL: u64 = 0;

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
    let arch = Arch::HOST;
    let mut graph = LinkGraph::new(Source::new("the ELF runtime", []), arch);
    let data = graph.add_section(".data.dso_handle", Protection::ReadWrite, Lifetime::Standard)?;
    let text = graph.add_section(".text.runtime", Protection::ReadExec, Lifetime::Standard)?;

    let (block, handle) = graph.add_data(data, arch.word(0), 3)?;
    graph.add_edge(block, Edge { offset: 0, kind: EdgeKind::POINTER, target: handle, addend: 0 })?;
    define_yielding(&mut graph, handle, DSO_HANDLE, names);
    // Programs look for the loader's list of libraries in it, and tell by its being there that they have a loader.
    let section = graph.add_section(".dynamic", Protection::Read, Lifetime::Standard)?;
    let (block, dynamic) =
        graph.add_data(section, [DT_DEBUG, 0, DT_NULL, 0].map(|word| arch.word(word)).concat(), 3)?;
    define_yielding(&mut graph, dynamic, b"_DYNAMIC", names);
    let loader = graph.add_symbol(Symbol::external(names.intern(b"_r_debug"), Linkage::Weak))?;
    let value = Edge { offset: arch.word(0).len() as u32, kind: EdgeKind::POINTER, target: loader, addend: 0 };
    graph.add_edge(block, value)?;

    let section = graph.add_section(UNWIND_HEADER_SECTION, Protection::Read, Lifetime::Standard)?;
    let (block, header) = graph.add_data(section, UNWIND_HEADER, 3)?;
    define_yielding(&mut graph, header, b"__GNU_EH_FRAME_HDR", names);
    let records = graph.add_symbol(Symbol::external(names.intern(UNWIND_RECORDS), Linkage::Strong))?;
    graph.add_edge(block, Edge { offset: 4, kind: EdgeKind::DELTA32, target: records, addend: 0 })?;

    let thunks = [
        (&b"atexit"[..], &b"__cxa_atexit"[..], &arch.code().atexit),
        (b"at_quick_exit", b"__cxa_at_quick_exit", &arch.code().at_quick_exit),
        // Its functions take their turn among those of `atexit`, which the C library does not have.
        (b"on_exit", b"__linkjit_on_exit", &arch.code().on_exit),
    ];
    for (thunk, target, code) in thunks {
        let target = graph.add_symbol(Symbol::external(names.intern(target), Linkage::Strong))?;
        let (_, symbol) = graph.add_code(text, code, &[handle, target])?;
        define_yielding(&mut graph, symbol, thunk, names);
        graph.symbol_mut(symbol).callable = true;
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
