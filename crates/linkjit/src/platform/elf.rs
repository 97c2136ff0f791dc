//! ELF: the definitions that every shared object has of its own, and that glibc keeps outside of its shared library.
//!
//! `__dso_handle` tells one shared object's `atexit` functions from another's. `atexit` itself is linked into each
//! shared object (glibc: `libc_nonshared.a`), because it has to pass on the handle of its caller. So does `on_exit`
//! here.

use std::path::PathBuf;
use std::sync::Arc;

use linkjit_executor::ExecAddr;
use linkjit_link::arch::ArchTables;
use linkjit_link::graph::{Edge, EdgeKind, Lifetime, LinkGraph, Linkage, Protection, Symbol};
use linkjit_link::linker_names::{UNWIND_HEADER_SECTION, UNWIND_RECORDS, is_of_image};
use linkjit_link::names::NamePool;

use super::{default_libraries, define_yielding, elf_libraries, own_personality_pointers};
use crate::error::Result;
use crate::generators::{DefaultLibraries, DefaultLibrary, LibraryGenerator};
use crate::jitdylib::JitDylib;
use crate::session::{DSO_HANDLE, ExecutionSession, Platform};

/// Of `_DYNAMIC`: the address of the loader's `_r_debug`, and the end (gABI, "Dynamic Section").
const DT_DEBUG: u64 = 21;
const DT_NULL: u64 = 0;

/// The header of the unwind table: version 1, where the records are, relative to the field, and no table to search
/// ("Linux Standard Base, Core", "The .eh_frame_hdr section").
const UNWIND_HEADER: [u8; 12] = [0x01, 0x1b, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];

/// Systems whose objects and libraries are ELF, as Linux.
#[derive(Debug)]
pub(super) struct Elf;

impl Platform for Elf {
    fn shares_vague_linkage(&self) -> bool {
        true
    }

    fn set_up(&self, dylib: &JitDylib) -> Result<()> {
        let empty = dylib.session().new_graph("the ELF runtime");
        let mut names = dylib.session().names();
        let graph = add_runtime(empty, &mut names)?;
        let mut state = dylib.session().state();
        let tracker = state.dylib(dylib.id())?.platform_tracker();
        state.define_object(dylib.id(), tracker, graph, &names)?;
        Ok(())
    }

    fn on_object(&self, graph: &mut LinkGraph, names: &NamePool) {
        own_personality_pointers(graph, names);
    }

    /// Objects of COFF are linked as well.
    fn open_default_libraries(&self, dylib: &JitDylib) -> Result<()> {
        default_libraries::open(dylib)
    }

    fn is_never_in_archives(&self) -> fn(&[u8]) -> bool {
        is_unwinder_name
    }

    /// The beginnings and ends of a library's parts concern nobody else.
    fn is_never_in_libraries(&self) -> fn(&[u8]) -> bool {
        is_of_image
    }

    fn add_process_generators(&self, process: &JitDylib) -> Result<()> {
        // Mangled names, functions of the Itanium C++ ABI, and what std::call_once passes on.
        let is_cxx = |name: &[u8]| {
            let starts = [&b"_Z"[..], b"__cxa_", b"__gxx_"];
            starts.iter().any(|start| name.starts_with(start)) || matches!(name, b"__dynamic_cast" | b"__once_proxy")
        };
        let libraries = vec![DefaultLibrary::new("libm.so.6", |_| true), DefaultLibrary::new("libstdc++.so.6", is_cxx)];
        process.add_own_generator(Arc::new(LibraryGenerator::process()))?;
        process.add_own_generator(Arc::new(DefaultLibraries::new(libraries)))
    }

    /// The caller of these functions is the first of the terminators, of which the last comes first.
    fn terminates_before_exit_functions(&self) -> bool {
        true
    }

    fn find_library(&self, name: &str, directories: &[PathBuf]) -> Option<PathBuf> {
        elf_libraries::find(name, directories)
    }

    fn provide(&self, session: &ExecutionSession, library: &[u8]) -> Vec<(Vec<u8>, ExecAddr)> {
        elf_libraries::provide(session, library)
    }
}

/// Says whether a name is of the unwinder (`libgcc_eh.a`, `libunwind.a`). It keeps the list of what it can unwind to itself:
/// only the process's own knows linked code, and a second one, out of an archive, would end the program at a throw.
fn is_unwinder_name(name: &[u8]) -> bool {
    name.starts_with(b"_Unwind_")
}

/// Fills a graph with what the C runtime would have linked into each shared object.
fn add_runtime(mut graph: LinkGraph, names: &mut NamePool) -> Result<LinkGraph> {
    let arch = graph.arch();
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
