//! Libraries that the loader was told to load before all others (`LD_PRELOAD`). Their definitions replace those of any
//! library, even for the library itself.

use std::ffi::{CStr, CString, c_void};
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;

use crate::{ExecAddr, os};

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
    let mut map: *const u64 = std::ptr::null();
    // SAFETY: an open library, and a place for the address of its record.
    let result = unsafe { libc::dlinfo(handle, libc::RTLD_DI_LINKMAP, (&raw mut map).cast::<c_void>()) };
    if result != 0 || map.is_null() {
        return None;
    }
    // SAFETY: the loader's record of a library that stays open begins with the library's base.
    Some((handle as usize, ExecAddr(unsafe { map.read() })))
}
