//! The loader's records of open libraries.

use std::ffi::{c_char, c_void};

/// The beginning of glibc's `struct link_map`.
#[repr(C)]
struct LinkMap {
    base: u64,
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "nobody asks for it"))]
    path: *const c_char,
}

/// The loader's record of an open library.
fn link_map(handle: usize) -> Option<&'static LinkMap> {
    let mut map: *const LinkMap = std::ptr::null();
    // SAFETY: a handle of dlopen's that is not closed, and a place for a pointer.
    let result = unsafe { libc::dlinfo(handle as *mut c_void, libc::RTLD_DI_LINKMAP, (&raw mut map).cast()) };
    if result != 0 {
        return None;
    }
    // SAFETY: the record exists as long as the library is open. Libraries stay open, and who has a `Loaded` uses its
    // record no longer than that.
    unsafe { map.as_ref() }
}

/// Returns what has to be added to addresses in a library that is open.
pub(crate) fn base(handle: usize) -> Option<u64> {
    link_map(handle).map(|map| map.base)
}

/// The path under which the loader knows a library that stays open.
#[cfg(glibc_x86_64)]
pub(crate) fn path(handle: usize) -> Option<&'static std::ffi::CStr> {
    let path = link_map(handle)?.path;
    // SAFETY: not null, hence a C string that exists as long as the library is open, and we close none.
    (!path.is_null()).then(|| unsafe { std::ffi::CStr::from_ptr(path) })
}
