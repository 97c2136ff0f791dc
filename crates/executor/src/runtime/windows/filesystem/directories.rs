//! Directories: what is in them, and new ones.

use std::ptr::null;

use windows_sys::Win32::Foundation::{ERROR_ALREADY_EXISTS, HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{
    CreateDirectoryExW, CreateDirectoryW, FindClose, FindExInfoBasic, FindExSearchNameMatch, FindFirstFileExW,
    FindNextFileW, WIN32_FIND_DATAW,
};

use super::{Done, Error, check, stats};
use crate::os;

/// The handle is one that was opened before, or none.
pub(super) unsafe extern "system" fn open_directory(
    pattern: *const u16,
    handle: *mut HANDLE,
    found: *mut WIN32_FIND_DATAW,
) -> Error {
    // SAFETY: the caller's place.
    let old = unsafe { handle.read() };
    // SAFETY: as above.
    unsafe { close_directory(old) };
    // SAFETY: the arguments are the caller's.
    let opened = unsafe { FindFirstFileExW(pattern, FindExInfoBasic, found.cast(), FindExSearchNameMatch, null(), 0) };
    let error = if opened == INVALID_HANDLE_VALUE { os::last_error() } else { 0 };
    // SAFETY: as above.
    unsafe { handle.write(opened) };
    error
}

pub(super) unsafe extern "system" fn advance_directory(handle: HANDLE, found: *mut WIN32_FIND_DATAW) -> Error {
    // SAFETY: the arguments are the caller's.
    check(unsafe { FindNextFileW(handle, found) })
}

pub(super) unsafe extern "system" fn close_directory(handle: HANDLE) {
    if handle != INVALID_HANDLE_VALUE {
        // SAFETY: the caller's handle.
        unsafe { FindClose(handle) };
    }
}

pub(super) unsafe extern "system" fn create_directory(path: *const u16) -> Done {
    // SAFETY: the caller's path.
    let error = check(unsafe { CreateDirectoryW(path, null()) });
    if error != ERROR_ALREADY_EXISTS {
        return Done::from_error(error);
    }
    // SAFETY: as above.
    match unsafe { stats::is_directory(path) } {
        Ok(true) => Done::NOTHING_TO_DO,
        other => Done::failed(other.err().unwrap_or(error)),
    }
}

/// With the attributes of another directory.
pub(super) unsafe extern "system" fn create_directory_like(like: *const u16, path: *const u16) -> Done {
    // SAFETY: the caller's paths.
    match check(unsafe { CreateDirectoryExW(like, path, null()) }) {
        ERROR_ALREADY_EXISTS => Done::NOTHING_TO_DO,
        error => Done::from_error(error),
    }
}
