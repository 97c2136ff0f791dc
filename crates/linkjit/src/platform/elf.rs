//! ELF: what every shared object has of its own, and glibc keeps outside of its shared library.
//!
//! `__dso_handle` tells one shared object's `atexit` functions from another's. `atexit` itself is linked into each
//! shared object (glibc: `libc_nonshared.a`), because it has to pass on the handle of its caller. So does `on_exit` here.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use linkjit_executor::ExecAddr;
use linkjit_link::arch::Arch;
use linkjit_link::arch::x86_64::{AT_QUICK_EXIT_THUNK, ATEXIT_THUNK, Kind, ON_EXIT_THUNK};
use linkjit_link::graph::{
    BlockId, Content, Definition, Edge, Lifetime, LinkGraph, Linkage, Name, Protection, Scope, SectionId, Symbol,
    SymbolId,
};
use linkjit_link::names::NamePool;
use linkjit_link::source::Source;

use super::{elf_libraries, own_personality_pointers};
use crate::batch::image_names::{UNWIND_HEADER_SECTION, UNWIND_RECORDS, is_of_image};
use crate::error::Result;
use crate::generators::{DefaultLibraries, DefaultLibrary, LibraryGenerator};
use crate::jitdylib::JitDylib;
use crate::session::{DSO_HANDLE, ExecutionSession, Platform};

/// `_DYNAMIC`: `DT_DEBUG`, whose value is the address of the loader's `_r_debug`, and `DT_NULL` (gABI, "Dynamic Section").
const DYNAMIC: [u8; 32] = {
    let mut entries = [0; 32];
    entries[0] = 21;
    entries
};

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
        let mut names = dylib.session().names();
        let graph = runtime_graph(&mut names)?;
        let mut state = dylib.session().state();
        let tracker = state.dylib(dylib.id())?.platform_tracker;
        state.define_unit(dylib.id(), tracker, graph, &names)?;
        Ok(())
    }

    fn on_object(&self, graph: &mut LinkGraph, names: &NamePool) {
        own_personality_pointers(graph, names);
    }

    fn is_never_in_archives(&self) -> fn(&[u8]) -> bool {
        is_unwinders
    }

    /// Where a library's parts begin and end concerns nobody else.
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

    fn find_library(&self, name: &str, directories: &[PathBuf]) -> Option<PathBuf> {
        elf_libraries::find(name, directories)
    }

    fn provide(&self, session: &ExecutionSession, library: &Path) -> Vec<(CString, ExecAddr)> {
        elf_libraries::provide(session, library)
    }
}

/// Whether a name is of the unwinder (`libgcc_eh.a`, `libunwind.a`). It keeps the list of what it can unwind to itself:
/// only the process's own knows linked code, and a second one, out of an archive, would end the program at a throw.
fn is_unwinders(name: &[u8]) -> bool {
    name.starts_with(b"_Unwind_")
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
