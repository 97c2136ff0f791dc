//! Symbols of the process and of shared libraries.

use std::path::Path;
use std::sync::Mutex;

use linkjit_executor::{LibraryId, SymbolAddress, SymbolKey, SymbolRequest};

use super::{DefinitionGenerator, Wanted};
use crate::error::Result;
use crate::jitdylib::JitDylib;
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
        let is_its_own = dylib.session().platform().is_never_in_libraries();
        let is_shared =
            |wanted: &&Wanted<'_>| !is_its_own(wanted.name) && executor.runtime_symbol(wanted.name).is_none();
        let wanted: Vec<_> = names.iter().filter(is_shared).collect();
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

/// What the executor's runtime does in place of the system's functions.
#[derive(Debug)]
pub(crate) struct RuntimeGenerator;

impl DefinitionGenerator for RuntimeGenerator {
    fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<()> {
        for wanted in names {
            if let Some(address) = dylib.session().executor().runtime_symbol(wanted.name) {
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
            let executor = dylib.session().executor();
            let id = match library.opened {
                Some(id) => id,
                None => match executor.open_library(Path::new(library.file), true) {
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
