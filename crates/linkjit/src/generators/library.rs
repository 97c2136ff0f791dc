//! Symbols of the process and of shared libraries.

use std::sync::Mutex;

use linkjit_executor::{ExecAddr, LibraryId, SymbolAddress, SymbolKey, SymbolRequest};

use crate::error::Result;
use crate::jitdylib::JitDylib;
use crate::session::{Address, DefinitionGenerator, ExecutionSession, Wanted, lock};

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
        let is_never_shared = dylib.session().platform().is_never_in_libraries();
        let runtimes = runtime_symbols(dylib, names)?;
        let is_shared =
            |&(wanted, runtimes): &(&Wanted<'_>, Option<ExecAddr>)| !is_never_shared(wanted.name) && runtimes.is_none();
        let wanted: Vec<_> = names.iter().zip(runtimes).filter(is_shared).map(|(wanted, _)| wanted).collect();
        let requests: Vec<_> = wanted
            .iter()
            .map(|wanted| SymbolRequest { key: SymbolKey::Name(wanted.name), thread_local: wanted.thread_local })
            .collect();
        let found = executor.find_symbols(self.library, &requests)?;
        for (wanted, address) in wanted.iter().zip(found) {
            address.into_iter().for_each(|address| dylib.define_found(wanted.name, address.into()));
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

/// The address of a function or variable of a library; `None` if the library has no such thing.
pub(crate) fn find_symbol(
    session: &ExecutionSession,
    library: LibraryId,
    key: SymbolKey<'_>,
) -> Result<Option<ExecAddr>> {
    let found = session.executor().find_symbols(library, &[SymbolRequest { key, thread_local: false }])?;
    Ok(found.into_iter().flatten().find_map(|found| match found {
        SymbolAddress::Address(address) => Some(address),
        SymbolAddress::ThreadLocal(_) => None,
    }))
}

/// The addresses that the executor's runtime has for names.
fn runtime_symbols(dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<Vec<Option<ExecAddr>>> {
    let names: Vec<_> = names.iter().map(|wanted| wanted.name).collect();
    Ok(dylib.session().executor().runtime_symbols(&names)?)
}

/// The generator of what the executor's runtime does in place of the system's functions.
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

/// One of them.
#[derive(Debug)]
pub(crate) struct DefaultLibrary {
    file: &'static str,
    provides: fn(&[u8]) -> bool,
    opened: Option<LibraryId>,
    missing: bool,
}

impl DefaultLibrary {
    /// A library, and what tells whether a name may be its own.
    pub(crate) fn new(file: &'static str, provides: fn(&[u8]) -> bool) -> Self {
        Self { file, provides, opened: None, missing: false }
    }
}

impl DefaultLibraries {
    /// These.
    pub(crate) fn new(libraries: Vec<DefaultLibrary>) -> Self {
        Self { libraries: Mutex::new(libraries) }
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
            if !opened {
                // On a system without it its names are undefined, which says enough.
                library.opened = dylib.session().executor().open_library(library.file.as_bytes(), true).ok();
                library.missing = library.opened.is_none();
            }
            let Some(id) = library.opened else { continue };
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
