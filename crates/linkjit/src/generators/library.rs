//! Symbols of the process and of shared libraries.

use std::sync::Mutex;

use linkjit_executor::{ExecAddr, LibraryId, ObjectFormat, SymbolAddress, SymbolKey, SymbolRequest};

use super::{DefinitionGenerator, Wanted};
use crate::error::Result;
use crate::jitdylib::JitDylib;
use crate::platform::image_names::is_of_image;
use crate::session::{Address, lock};

/// The symbols of one library, or of the process.
#[derive(Debug)]
pub(crate) struct LibraryGenerator {
    library: LibraryId,
    name: String,
}

impl LibraryGenerator {
    /// The symbols of a library that the executor has opened.
    pub(crate) fn new(library: LibraryId, name: String) -> Self {
        Self { library, name }
    }

    /// The symbols of the process.
    pub(crate) fn process() -> Self {
        Self::new(LibraryId::PROCESS, "the process".into())
    }
}

impl DefinitionGenerator for LibraryGenerator {
    fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<()> {
        // What the runtime does in a library's place is not the library's: `dlsym` finds such functions in every library
        // that depends on the C library.
        let executor = dylib.session().executor();
        // Where a library's parts begin and end concerns nobody else.
        let is_elf = executor.target().format == ObjectFormat::Elf;
        let of_runtime = runtime_symbols(dylib, names)?;
        let is_shared = |&(wanted, of_runtime): &(&Wanted<'_>, Option<ExecAddr>)| {
            !(is_elf && is_of_image(wanted.name)) && of_runtime.is_none()
        };
        let wanted: Vec<_> = names.iter().zip(of_runtime).filter(is_shared).map(|(wanted, _)| wanted).collect();
        let requests: Vec<_> = wanted
            .iter()
            .map(|wanted| SymbolRequest { key: SymbolKey::Name(wanted.name), thread_local: wanted.thread_local })
            .collect();
        let found = executor.find_symbols(self.library, &requests)?;
        for (wanted, address) in wanted.iter().zip(found) {
            let address = match address {
                None => continue,
                Some(SymbolAddress::Address(address)) => Address::At(address),
                Some(SymbolAddress::ThreadLocal(address)) => Address::ThreadLocal(address),
            };
            dylib.define_found(wanted.name, address);
        }
        Ok(())
    }

    fn describe(&self) -> String {
        self.name.clone()
    }

    fn libraries(&self) -> Vec<LibraryId> {
        vec![self.library]
    }
}

/// What the executor's runtime has of names.
fn runtime_symbols(dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<Vec<Option<ExecAddr>>> {
    let names: Vec<_> = names.iter().map(|wanted| wanted.name).collect();
    Ok(dylib.session().executor().runtime_symbols(&names)?)
}

/// What the executor's runtime does in place of the system's functions.
#[derive(Debug)]
pub(crate) struct RuntimeGenerator;

impl DefinitionGenerator for RuntimeGenerator {
    fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<()> {
        for (wanted, address) in names.iter().zip(runtime_symbols(dylib, names)?) {
            if let Some(address) = address {
                dylib.define_found(wanted.name, Address::At(address));
            }
        }
        Ok(())
    }

    fn describe(&self) -> String {
        "the runtime".into()
    }
}

/// Libraries that compilers link without being told: opened when a name looks as if it were theirs.
#[derive(Debug)]
pub(crate) struct DefaultLibraries {
    libraries: Mutex<Vec<DefaultLibrary>>,
}

#[derive(Debug)]
struct DefaultLibrary {
    file: &'static str,
    /// Whether a name may be the library's.
    provides: fn(&[u8]) -> bool,
    opened: Option<LibraryId>,
    missing: bool,
}

impl DefaultLibraries {
    /// Those of a format's usual compilers.
    pub(crate) fn of(format: ObjectFormat) -> Self {
        match format {
            ObjectFormat::Elf => Self::of_elf(),
            ObjectFormat::Coff => Self::of_coff(),
        }
    }

    /// The DLLs of Microsoft's C++ runtime, which serve objects for the static one as well.
    fn of_coff() -> Self {
        // Mangled names, and functions that the compiler or the C++ runtime call.
        let is_runtime = |name: &[u8]| {
            let starts = [&b"?"[..], b"_", b"mem", b"str", b"wcs", b"longjmp"];
            starts.iter().any(|start| name.starts_with(start))
        };
        let is_cxx = |name: &[u8]| name.starts_with(b"?") || name.starts_with(b"_");
        // C's threads.
        let is_thread = |name: &[u8]| {
            let starts = [&b"thrd_"[..], b"mtx_", b"cnd_", b"tss_", b"call_once", b"_thrd_", b"_mtx_", b"_cnd_"];
            starts.iter().any(|start| name.starts_with(start))
        };
        let library = |file, provides| DefaultLibrary { file, provides, opened: None, missing: false };
        Self {
            libraries: Mutex::new(vec![
                library("vcruntime140.dll", is_runtime),
                library("vcruntime140_1.dll", |name| name.starts_with(b"__")),
                library("msvcp140.dll", is_cxx),
                // Has functions of the first one as well, for those who don't have it: they handle other exceptions.
                library("ucrtbase.dll", |_| true),
                library("msvcp140_1.dll", |name| name.ends_with(b"_resource")),
                library("msvcp140_2.dll", |name| name.starts_with(b"__std_smf_")),
                library("msvcp140_atomic_wait.dll", |name| name.starts_with(b"__std_")),
                library("msvcp140_codecvt_ids.dll", |name| name.starts_with(b"?id@?$codecvt@")),
                library("vcruntime140_threads.dll", is_thread),
            ]),
        }
    }

    /// Those of a C++ driver on Linux.
    fn of_elf() -> Self {
        // Mangled names, functions of the Itanium C++ ABI, and what std::call_once passes on.
        let is_cxx = |name: &[u8]| {
            let starts = [&b"_Z"[..], b"__cxa_", b"__gxx_"];
            starts.iter().any(|start| name.starts_with(start)) || matches!(name, b"__dynamic_cast" | b"__once_proxy")
        };
        let library = |file, provides| DefaultLibrary { file, provides, opened: None, missing: false };
        Self { libraries: Mutex::new(vec![library("libm.so.6", |_| true), library("libstdc++.so.6", is_cxx)]) }
    }
}

impl DefinitionGenerator for DefaultLibraries {
    fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<()> {
        for library in lock(&self.libraries).iter_mut() {
            // A weak reference is no reason to open a library.
            let opened = library.opened.is_some();
            let asked = |wanted: &&Wanted<'_>| (library.provides)(wanted.name) && (opened || !wanted.weak);
            let names: Vec<_> = names.iter().filter(asked).copied().collect();
            if names.is_empty() || library.missing {
                continue;
            }
            let executor = dylib.session().executor();
            let id = match library.opened {
                Some(id) => id,
                None => match executor.open_library(library.file.as_bytes(), true) {
                    Ok(id) => id,
                    // A system without it: then its names are undefined, which says enough.
                    Err(_) => {
                        library.missing = true;
                        continue;
                    }
                },
            };
            library.opened = Some(id);
            LibraryGenerator::new(id, library.file.into()).generate(dylib, &names)?;
        }
        Ok(())
    }

    fn describe(&self) -> String {
        lock(&self.libraries).iter().map(|library| library.file).collect::<Vec<_>>().join(", ")
    }

    fn libraries(&self) -> Vec<LibraryId> {
        lock(&self.libraries).iter().filter_map(|library| library.opened).collect()
    }
}
