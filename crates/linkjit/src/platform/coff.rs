//! COFF: what the linker of an image makes, and what each image of Windows has of its own.
//!
//! A JITDylib is an image: one window, which begins with a header. Code finds that header as `__ImageBase`, and takes it for
//! what unwind information and run-time types are relative to. Imports are called through slots, `__imp_X`, which are
//! words of read-only data, made here when they are wanted. Thread-local variables are found through `_tls_index`.

use std::sync::Arc;

use linkjit_executor::{ExecAddr, Placement, TlsRequest, Window};
use linkjit_link::arch::Arch;
use linkjit_link::graph::{Content, Definition, Lifetime, LinkGraph, Linkage, Name, Protection, Scope, Symbol};
use linkjit_link::names::NamePool;
use linkjit_link::passes::imports;
use linkjit_link::source::Source;

use super::coff_runtime;
use crate::error::Result;
use crate::generators::{DefinitionGenerator, Wanted};
use crate::jitdylib::JitDylib;
use crate::session::{Address, tls_address};

/// Where the header of the image is: what code knows as `__ImageBase`, and GNU's runtime as `__dso_handle`.
const IMAGE_BASE: [&str; 2] = ["__ImageBase", "__dso_handle"];

/// Makes an image of a new JITDylib.
pub(crate) fn set_up(dylib: &JitDylib) -> Result<()> {
    let session = dylib.session();
    let executor = session.executor();
    let window = executor.reserve_window(session.options().window_size, Placement::Anywhere)?;
    let image = {
        let mut state = session.state();
        state.statistics.windows += 1;
        let of = state.dylib_mut(dylib.id())?;
        of.windows.push(window);
        of.image
    };
    executor.set_image_header(window.id, &header(&window))?;
    executor.set_dso_handle(image, window.range.start)?;
    for name in IMAGE_BASE {
        dylib.define_hidden(name, window.range.start)?;
    }
    dylib.add_own_generator(Arc::new(ImageGenerator))
}

/// The header of an image ("PE Format"): a DOS header, the file header, the optional header, a section for each
/// protection. It has no data directories: nothing that they would hold is at one place.
fn header(window: &Window) -> Vec<u8> {
    const NT_HEADER: u32 = 0x80;
    const OPTIONAL_HEADER_SIZE: u16 = 240;
    const PAGE: u32 = 0x1000;
    // A window has at most 2 GiB.
    let rva = |address: ExecAddr| u32::try_from(address.distance_from(window.range.start)).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(1024);
    let mut put = |at: u32, field: &[u8]| {
        let at = at as usize;
        bytes.resize(bytes.len().max(at + field.len()), 0);
        bytes[at..at + field.len()].copy_from_slice(field);
    };
    put(0, b"MZ");
    put(0x3c, &NT_HEADER.to_le_bytes());
    put(NT_HEADER, b"PE\0\0");
    let file = NT_HEADER + 4;
    put(file, &0x8664u16.to_le_bytes());
    put(file + 2, &3u16.to_le_bytes());
    put(file + 16, &OPTIONAL_HEADER_SIZE.to_le_bytes());
    // Executable, more than 2 GiB of addresses, a DLL.
    put(file + 18, &0x2022u16.to_le_bytes());
    let optional = file + 20;
    put(optional, &0x20bu16.to_le_bytes());
    put(optional + 24, &window.range.start.0.to_le_bytes());
    put(optional + 32, &PAGE.to_le_bytes());
    put(optional + 36, &PAGE.to_le_bytes());
    // Version 6.0 of the system and of the subsystem, which is the console's.
    put(optional + 40, &6u16.to_le_bytes());
    put(optional + 48, &6u16.to_le_bytes());
    put(optional + 56, &rva(window.range.end).to_le_bytes());
    put(optional + 60, &PAGE.to_le_bytes());
    put(optional + 68, &3u16.to_le_bytes());
    // No randomization, but no executable data.
    put(optional + 70, &0x0100u16.to_le_bytes());
    put(optional + 108, &16u32.to_le_bytes());
    let mut section = optional + u32::from(OPTIONAL_HEADER_SIZE);
    let sections = [(b".rdata\0\0", 0x4000_0040u32), (b".text\0\0\0", 0x6000_0020), (b".data\0\0\0", 0xc000_0040)];
    for ((name, flags), stripe) in sections.into_iter().zip(window.stripes) {
        let size = rva(stripe.end).saturating_sub(rva(stripe.start));
        put(section, name);
        put(section + 8, &size.to_le_bytes());
        put(section + 12, &rva(stripe.start).to_le_bytes());
        put(section + 36, &flags.to_le_bytes());
        section += 40;
    }
    bytes
}

/// What an image has because somebody wants it.
#[derive(Debug)]
struct ImageGenerator;

impl DefinitionGenerator for ImageGenerator {
    fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<()> {
        let executor = dylib.session().executor();
        for wanted in names {
            if let Some(target) = wanted.name.strip_prefix(imports::PREFIX) {
                let graph = imports::slot(target, &mut dylib.session().names())?;
                dylib.define_pulled(graph)?;
            } else if wanted.name == b"_tls_index" {
                let graph = tls_index(tls_module(dylib)?, &mut dylib.session().names())?;
                dylib.define_pulled(graph)?;
            } else if let Some(&(name, offset)) =
                executor.runtime_thread_locals().iter().find(|(name, _)| name.as_bytes() == wanted.name)
            {
                let address = tls_address(tls_module(dylib)?, offset, None);
                dylib.define_found(name.as_bytes(), Address::ThreadLocal(address));
            } else {
                let graph = coff_runtime::graph(wanted.name, &mut dylib.session().names())?;
                if let Some(graph) = graph {
                    dylib.define_pulled(graph)?;
                }
            }
        }
        Ok(())
    }

    fn describe(&self) -> String {
        "the image".into()
    }
}

/// The number of the image's thread-local storage.
fn tls_module(dylib: &JitDylib) -> Result<u64> {
    let session = dylib.session();
    let image = session.state().dylib(dylib.id())?.image;
    let request = TlsRequest { size: 0, align: 1, fixed_offset: false };
    Ok(session.executor().reserve_tls(image, request)?.module)
}

fn tls_index(index: u64, names: &mut NamePool) -> Result<LinkGraph> {
    let mut graph = LinkGraph::new(Source::new("the image's thread-local storage", []), Arch::X86_64);
    let section = graph.add_section(".rdata", Protection::Read, Lifetime::Standard)?;
    let content = index.to_le_bytes();
    let block = graph.add_block(section, Content::Owned(content.into()), 0, 3)?;
    define(&mut graph, names, b"_tls_index", Definition::Defined { block, offset: 0 })?;
    Ok(graph)
}

/// A hidden weak definition: whatever the user defines takes precedence.
fn define(graph: &mut LinkGraph, names: &mut NamePool, name: &[u8], definition: Definition) -> Result<()> {
    graph.add_symbol(Symbol {
        name: Name::Interned(names.intern(name)),
        definition,
        linkage: Linkage::Weak,
        scope: Scope::Hidden,
        ..Symbol::anonymous(linkjit_link::graph::BlockId(0), 0, 8)
    })?;
    Ok(())
}
