//! COFF: the definitions that a linker adds to each image of Windows.
//!
//! A JITDylib is an image: one window, which begins with a header that the executor writes. Code finds the header as
//! `__ImageBase`; unwind information and run-time types are relative to it. Code calls imports through slots,
//! `__imp_X`, words of read-only data that this file makes when code refers to them. It finds thread-local variables
//! through `_tls_index`.

use std::path::PathBuf;
use std::sync::Arc;

use linkjit_executor::{ExecAddr, ExecutorError, MainForm, Placement, SymbolKey, TlsAddress, TlsRequest};
use linkjit_link::arch::ArchTables;
use linkjit_link::graph::{Lifetime, LinkGraph, Linkage, Protection, Symbol};
use linkjit_link::linker_names::IMAGE_BASE;
use linkjit_link::names::NamePool;
use linkjit_link::object::import_slots;

use super::{
    coff_runtime, crt_startup, default_libraries, define_yielding, elf_libraries, own_personality_pointers, program,
};
use crate::crt::CrtProvider;
use crate::error::Result;
use crate::generators::{DefaultLibraries, LibraryGenerator, find_symbol};
use crate::jitdylib::JitDylib;
use crate::session::{
    Address, DSO_HANDLE, DefinitionGenerator, InitializerRun, ObjectId, Platform, Statistics, Wanted,
};

/// Systems whose objects are COFF: Windows.
#[derive(Debug)]
pub(super) struct Coff;

impl Platform for Coff {
    fn has_images(&self) -> bool {
        true
    }

    fn has_import_libraries(&self) -> bool {
        true
    }

    /// Makes an image of a new JITDylib.
    fn set_up(&self, dylib: &JitDylib) -> Result<()> {
        let session = dylib.session();
        let executor = session.executor();
        let window = executor.reserve_window(session.options().window_size, Placement::Anywhere)?;
        let image = {
            let mut state = session.state();
            state.count(&Statistics { windows: 1, ..Statistics::default() });
            let table = state.dylib_mut(dylib.id())?;
            table.add_window(window);
            table.image()
        };
        executor.make_image_header(window.id, false)?;
        executor.set_dso_handle(image, window.range.start)?;
        // The executor must not keep the session, which keeps it.
        let (weak, id) = (session.downgrade(), dylib.id());
        executor.set_exports(
            image,
            Arc::new(move |key| {
                let dylib = JitDylib::new(weak.upgrade()?, id);
                export(&dylib, key)
            }),
        )?;
        // What GNU's runtime calls the start of the image.
        dylib.define_hidden("__dso_handle", window.range.start)?;
        dylib.add_own_generator(Arc::new(ImageGenerator))
    }

    fn on_object(&self, graph: &mut LinkGraph, names: &NamePool) {
        own_personality_pointers(graph, names);
        coff_runtime::set_stdio_options(graph, names);
        leave_to_image(graph, names);
    }

    fn on_member(&self, graph: &mut LinkGraph, crt: &CrtProvider, names: &NamePool) {
        crt_startup::leave_to_runtime(graph, crt.is_from_microsoft(), names);
    }

    /// The unwinder is the system's: what archives have of it passes on to that.
    fn is_never_in_archives(&self) -> fn(&[u8]) -> bool {
        crt_startup::is_defined_by_image
    }

    /// A process has several C runtimes, of which objects are to use one: its DLLs are asked before all others.
    fn add_process_generators(&self, process: &JitDylib) -> Result<()> {
        process.add_own_generator(Arc::new(DefaultLibraries::new(coff_runtime::libraries())))?;
        process.add_own_generator(Arc::new(LibraryGenerator::process()))
    }

    /// The system adds `.dll`, and takes upper and lower case for the same.
    fn is_library_of(&self, name: &str, dylib: &str) -> bool {
        let stem = |name: &str| {
            let name = name.to_ascii_lowercase();
            name.strip_suffix(".dll").unwrap_or(&name).to_owned()
        };
        stem(name) == stem(dylib)
    }

    fn find_library(&self, name: &str, directories: &[PathBuf]) -> Option<PathBuf> {
        elf_libraries::find(name, directories)
    }

    fn open_default_libraries(&self, dylib: &JitDylib) -> Result<()> {
        default_libraries::open(dylib)
    }

    fn crt_startup(&self, dylib: &JitDylib) -> Result<Option<ObjectId>> {
        crt_startup::object(dylib)
    }

    /// MinGW's runtime calls all of `.ctors` from the last to the first, whichever objects have them: clang makes
    /// several such sections of an object.
    fn order_initializers(&self, runs: &mut [InitializerRun]) {
        let alike = |one: &InitializerRun, other: &InitializerRun| {
            (one.order, one.array.backwards) == (other.order, other.array.backwards)
        };
        let backwards = runs.chunk_by_mut(alike).filter(|alike| alike[0].array.backwards);
        backwards.for_each(<[InitializerRun]>::reverse);
    }

    fn usual_entries(&self) -> &'static [&'static str] {
        &program::ENTRIES
    }

    fn main_form(&self, entry: &str) -> MainForm {
        match entry {
            "wmain" => MainForm::WideMain,
            "WinMain" => MainForm::WinMain,
            "wWinMain" => MainForm::WideWinMain,
            _ => MainForm::Main,
        }
    }
}

/// Makes references to the image's of what an object defines in its place. Zig's objects bring an index and a directory
/// of thread-local storage, which the C runtime has in `tlssup.obj`, but nobody would load them as an image of their
/// own. MinGW's runtime has a variable of its own for the handle of an image, which would tell nobody's.
fn leave_to_image(graph: &mut LinkGraph, names: &NamePool) {
    let ours = [&b"_tls_index"[..], b"_tls_used", DSO_HANDLE].map(|name| names.find(name));
    for id in graph.symbol_ids() {
        let symbol = graph.symbol(id);
        // The image's own are weak.
        let is_defined = !symbol.is_external() && symbol.linkage == Linkage::Strong && symbol.global_name().is_some();
        if is_defined && ours.contains(&symbol.global_name()) {
            graph.make_external(id);
        }
    }
}

/// Finds what an image exports under a name or number: linked now, if it was not. Code that asks the loader for its own
/// exports is told no more than that there is no such thing.
fn export(dylib: &JitDylib, key: SymbolKey<'_>) -> Option<ExecAddr> {
    let name = match key {
        SymbolKey::Name(name) | SymbolKey::Vague(name) => name.to_vec(),
        SymbolKey::Ordinal(number) => format!("#{number}").into_bytes(),
    };
    let _names = dylib.session().use_names();
    let id = dylib.session().names().find(&name)?;
    let is_export = dylib.session().state().dylib(dylib.id()).ok()?.image_requests().has_export(id);
    let found = is_export.then(|| dylib.session().link_for_program(dylib.id(), id).ok().flatten())??;
    found.plain(&name).ok()
}

/// The generator of what an image has because somebody wants it.
#[derive(Debug)]
struct ImageGenerator;

impl DefinitionGenerator for ImageGenerator {
    fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<()> {
        let (session, executor) = (dylib.session(), dylib.session().executor());
        let arch = session.target().arch;
        for wanted in names {
            let name = wanted.name;
            let thread_local =
                || executor.runtime_thread_locals().into_iter().find(|(known, _)| known.as_bytes() == name);
            let graph = if let Some(target) = import_slots::target(name) {
                Some(import_slots::slot(target, arch, &mut session.names())?)
            } else if name == IMAGE_BASE.as_bytes() {
                Some(image_base(dylib)?)
            } else if name == b"_tls_index" {
                Some(tls_index(dylib)?)
            } else if let Some((_, offset)) = thread_local() {
                let address = TlsAddress { module: tls_module(dylib)?, offset, thread_offset: None };
                dylib.define_found(name, Address::ThreadLocal(address));
                None
            } else if name.contains(&b'.') && is_forward(dylib, name)? {
                forwarded(dylib, name)?.into_iter().for_each(|address| dylib.define_found(name, address));
                None
            } else if name == b"_tls_used" || !default_libraries::has_microsofts_crt(dylib) {
                coff_runtime::graph(name, arch, &mut session.names())?
            } else {
                None
            };
            graph.map(|graph| dylib.define_pulled(graph)).transpose()?;
        }
        Ok(())
    }

    fn describe(&self) -> String {
        "the image".into()
    }
}

/// The name of the image's header. Code that knows the header by name may read it; unwind information and types refer to
/// it without.
fn image_base(dylib: &JitDylib) -> Result<LinkGraph> {
    let session = dylib.session();
    let window = session.state().dylib(dylib.id())?.windows().first().copied();
    let window = window.ok_or(ExecutorError::NoSuch { what: "window".into() })?;
    session.executor().make_image_header(window.id, true)?;
    let mut graph = session.new_graph("the image's header");
    let header = graph.add_symbol(Symbol::absolute(window.range.start))?;
    define_yielding(&mut graph, header, IMAGE_BASE.as_bytes(), &mut session.names());
    Ok(graph)
}

/// Says whether something is exported for what another library has under this name.
fn is_forward(dylib: &JitDylib, name: &[u8]) -> Result<bool> {
    let session = dylib.session();
    let id = session.names().find(name);
    let state = session.state();
    let requests = state.dylib(dylib.id())?.image_requests();
    Ok(id.is_some_and(|id| requests.is_export_of(id)))
}

/// Finds what `library.name` or `library.#number` is ("PE Format", "Export Address Table", forwarders); `None` if the library
/// has no such thing.
fn forwarded(dylib: &JitDylib, name: &[u8]) -> Result<Option<Address>> {
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.') else { return Ok(None) };
    let (library, name) = (&name[..dot], &name[dot + 1..]);
    let number = name.strip_prefix(b"#").and_then(|number| std::str::from_utf8(number).ok()?.parse().ok());
    let key = number.map_or(SymbolKey::Name(name), SymbolKey::Ordinal);
    let path = String::from_utf8_lossy(library).into_owned() + ".dll";
    let library = dylib.session().executor().open_library(path.as_bytes(), false)?;
    Ok(find_symbol(dylib.session(), library, key)?.map(Address::At))
}

/// The number of the image's thread-local storage.
fn tls_module(dylib: &JitDylib) -> Result<u64> {
    let session = dylib.session();
    let (image, known) = {
        let state = session.state();
        let table = state.dylib(dylib.id())?;
        (table.image(), table.image_tls())
    };
    // The image keeps it: once is enough.
    if let Some(module) = known {
        return Ok(module);
    }
    let request = TlsRequest { size: 0, align: 1, fixed_offset: false };
    let module = session.executor().reserve_tls(image, request)?.start.module;
    session.state().dylib_mut(dylib.id())?.set_image_tls(module);
    Ok(module)
}

fn tls_index(dylib: &JitDylib) -> Result<LinkGraph> {
    let (session, index) = (dylib.session(), tls_module(dylib)?);
    let mut graph = session.new_graph("the image's thread-local storage");
    let section = graph.add_section(".rdata", Protection::Read, Lifetime::Standard)?;
    let (_, symbol) = graph.add_data(section, graph.arch().word(index), 3)?;
    define_yielding(&mut graph, symbol, b"_tls_index", &mut session.names());
    Ok(graph)
}
