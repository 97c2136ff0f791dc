//! Libraries that the loader was told to load before all others (`LD_PRELOAD`). Their definitions replace those of any
//! library, even for the library itself.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;

use crate::{ExecAddr, link_map, os};

/// A library: the loader's handle, and where it begins.
type Library = (usize, ExecAddr);

/// Address of a symbol that a preloaded library defines.
pub(super) fn find(name: &CStr) -> Option<ExecAddr> {
    static LIBRARIES: OnceLock<Vec<Library>> = OnceLock::new();
    let libraries = LIBRARIES.get_or_init(libraries);
    libraries.iter().find_map(|&(handle, base)| {
        let address = os::find_symbol(handle, name)?;
        // The loader looks into what a library depends on, too.
        (os::library_of(address) == Some(base)).then_some(address)
    })
}

fn libraries() -> Vec<Library> {
    let list = std::env::var_os("LD_PRELOAD").unwrap_or_default();
    // ld.so(8): separated by spaces or colons, without a way to escape these.
    let paths = list.as_bytes().split(|byte| matches!(byte, b' ' | b':')).filter(|path| !path.is_empty());
    paths.filter_map(open).collect()
}

fn open(path: &[u8]) -> Option<Library> {
    let path = CString::new(path).ok()?;
    // SAFETY: a C string; nothing is loaded that is not there.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    if handle.is_null() {
        return None;
    }
    Some((handle as usize, ExecAddr(link_map::base(handle as usize)?)))
}
