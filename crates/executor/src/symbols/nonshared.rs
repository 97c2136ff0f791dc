//! Functions that glibc keeps outside its shared library.
//!
//! Programs get them from `libc_nonshared.a`, which the static linker adds, so the loader does not find them. `stat`
//! and its kin moved into the shared library with glibc 2.33. Linked code can use those of our own executable if they
//! have no state; it can't use `atexit` and `at_quick_exit`, which need the caller's `__dso_handle`.

use std::ffi::{CStr, c_char, c_int};

use crate::ExecAddr;

/// The address of such a function.
pub(super) fn find(name: &CStr) -> Option<ExecAddr> {
    let function = match name.to_bytes() {
        // On 64-bit systems the structures are the same.
        b"stat" | b"stat64" => libc::stat as *const (),
        b"fstat" | b"fstat64" => libc::fstat as *const (),
        b"lstat" | b"lstat64" => libc::lstat as *const (),
        b"fstatat" | b"fstatat64" => libc::fstatat as *const (),
        b"mknod" => libc::mknod as *const (),
        b"mknodat" => mknodat as *const (),
        b"pthread_atfork" | b"__pthread_atfork" => libc::pthread_atfork as *const (),
        b"__stack_chk_fail_local" => __stack_chk_fail as *const (),
        _ => return None,
    };
    Some(ExecAddr(function as u64))
}

unsafe extern "C" {
    fn mknodat(directory: c_int, path: *const c_char, mode: libc::mode_t, device: libc::dev_t) -> c_int;
    fn __stack_chk_fail() -> !;
}
