//! Symbols of loaded libraries.

#[cfg(glibc_x86_64)]
pub(crate) mod kept;
#[cfg(glibc)]
mod nonshared;
#[cfg(glibc)]
mod preloaded;
#[cfg(glibc_x86_64)]
mod thread_local;

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::fork::{Held, Participant};
use crate::loaded::{self, Place};
use crate::{
    ExecAddr, ExecutorError, LibraryId, Result, SymbolAddress, SymbolKey, SymbolRequest, allocator, listed, lock,
    nearby, os, runtime,
};

/// The libraries that were opened. They stay open: linked code may refer to them for as long as the process lives.
#[derive(Debug, Default)]
pub(crate) struct Libraries {
    /// The loader's handles; library `n` is at `n - 1`, as the process is library 0.
    handles: Mutex<Vec<usize>>,
    /// Libraries that others need are in these directories.
    directories: Mutex<Vec<PathBuf>>,
}

impl Libraries {
    pub(crate) fn set_directories(&self, directories: Vec<PathBuf>) {
        #[cfg(windows_x86_64)]
        runtime::add_library_directories(&directories);
        *lock(&self.directories) = directories;
    }

    pub(crate) fn open(&self, path: &Path, global: bool) -> Result<LibraryId> {
        // The loader is called without the lock: it runs initializers.
        let directories = lock(&self.directories).clone();
        let handle = os::open_library(path, global, &directories)?;
        #[cfg(glibc_x86_64)]
        if let Some(base) = crate::link_map::base(handle) {
            loaded::scopes::note_opened(handle, base, global);
        }
        nearby::redirect()?;
        listed::tell_libraries();
        let mut handles = lock(&self.handles);
        handles.push(handle);
        let id = u32::try_from(handles.len());
        id.map(LibraryId)
            .map_err(|_| ExecutorError::Invalid { what: "number of libraries: it does not fit in 32 bits".into() })
    }

    pub(crate) fn find(
        &self,
        library: LibraryId,
        requests: &[SymbolRequest<'_>],
        allocator: &allocator::Use,
    ) -> Result<Vec<Option<SymbolAddress>>> {
        let handle = match library.0.checked_sub(1) {
            None => None,
            Some(index) => {
                let handle = lock(&self.handles).get(index as usize).copied();
                Some(handle.ok_or(ExecutorError::NoSuch { what: "library".into() })?)
            }
        };
        let asked = os::search_order(handle);
        let places = places(&asked, requests);
        let mut buffer = Vec::new();
        let mut bound_to = Vec::new();
        let found = requests
            .iter()
            .zip(places)
            .map(|(request, place)| {
                if let SymbolKey::Name(name) = request.key
                    && let Some(address) = runtime::replacement(name)
                {
                    return Some(SymbolAddress::Address(address));
                }
                let name = match request.key {
                    SymbolKey::Name(name) | SymbolKey::Vague(name) => name,
                    SymbolKey::Ordinal(ordinal) => return find_ordinal(handle, ordinal),
                };
                buffer.clear();
                buffer.extend_from_slice(name);
                buffer.push(0);
                let name = CStr::from_bytes_with_nul(&buffer).ok()?;
                if request.thread_local {
                    return find_thread_local(handle, name);
                }
                // The loader knows nothing of variables that were moved, nor of a program's own allocator.
                let found = find(handle, (&asked, place), name)?;
                bound_to.push(found);
                let found = nearby::current(found);
                if matches!(request.key, SymbolKey::Vague(_)) && !nearby::is_shared(found) {
                    return None;
                }
                Some(SymbolAddress::Address(allocator.found(name.to_bytes(), found)))
            })
            .collect();
        #[cfg(glibc_x86_64)]
        kept::keep(&bound_to);
        Ok(found)
    }
}

impl Participant for Libraries {
    fn hold(self: Arc<Self>, held: &mut Held) -> bool {
        held.hold(&self, |libraries| &libraries.handles) && held.hold(&self, |libraries| &libraries.directories)
    }
}

/// Numbers mean something in one library only.
fn find_ordinal(handle: Option<usize>, ordinal: u16) -> Option<SymbolAddress> {
    os::find_ordinal(handle?, ordinal).map(SymbolAddress::Address)
}

/// Returns where names are that are sought in `asked`, as far as that is known without the loader.
fn places<'a>(asked: &[usize], requests: &[SymbolRequest<'a>]) -> Vec<Place> {
    let name = |request: &SymbolRequest<'a>| match request.key {
        SymbolKey::Name(name) | SymbolKey::Vague(name) if !request.thread_local => name,
        _ => b"",
    };
    // Names of variables of threads stand for nothing here: nobody has an empty one.
    let [library] = asked else { return vec![Place::Unknown; requests.len()] };
    loaded::look_up(*library, &requests.iter().map(name).collect::<Vec<_>>())
}

fn find(handle: Option<usize>, (asked, place): (&[usize], Place), name: &CStr) -> Option<ExecAddr> {
    // A library may bring another unwinder along, which knows nothing of our tables, or another allocator. Libraries
    // that were there before are not bound to these, nor is the library itself: the process's are there for all.
    #[cfg(glibc)]
    let (asked, place) = if name.to_bytes().starts_with(b"_Unwind_") || allocator::index(name.to_bytes()).is_some() {
        (&[&os::search_order(None)[..], asked].concat()[..], Place::Unknown)
    } else {
        (asked, place)
    };
    #[cfg(glibc)]
    let preloaded = if handle.is_some() { preloaded::find(name) } else { None };
    #[cfg(not(glibc))]
    let preloaded = None;
    let address = preloaded.or_else(|| match place {
        Place::At(address) => Some(address),
        Place::Nowhere => None,
        Place::Unknown => asked.iter().find_map(|&library| find_in(library, name)),
    });
    #[cfg(glibc)]
    let address = address.or_else(|| if handle.is_none() { nonshared::find(name) } else { None });
    #[cfg(not(glibc))]
    let _ = handle;
    address
}

/// Returns what one library has, or the process.
fn find_in(library: usize, name: &CStr) -> Option<ExecAddr> {
    match loaded::look_up(library, &[name.to_bytes()])[..] {
        [Place::At(address)] => Some(address),
        [Place::Nowhere] => None,
        _ => os::find_symbol(library, name),
    }
}

#[cfg(glibc_x86_64)]
fn find_thread_local(handle: Option<usize>, name: &CStr) -> Option<SymbolAddress> {
    thread_local::find(handle, name)
}

#[cfg(not(glibc_x86_64))]
fn find_thread_local(_handle: Option<usize>, _name: &CStr) -> Option<SymbolAddress> {
    None
}
