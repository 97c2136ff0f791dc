//! Free space.

use std::ffi::OsString;
use std::os::windows::ffi::{OsStrExt, OsStringExt};

use windows_sys::Win32::Foundation::ERROR_DIRECTORY;
use windows_sys::Win32::Storage::FileSystem::GetDiskFreeSpaceExW;

use super::{Error, check};
use crate::runtime::windows::wide_text;

/// Writes how many bytes are available to the caller, in total, and free.
pub(super) unsafe extern "system" fn space(
    path: *const u16,
    available: *mut u64,
    total: *mut u64,
    free: *mut u64,
) -> Error {
    // SAFETY: the path is a C string, the places are the caller's.
    let find = |path: *const u16| check(unsafe { GetDiskFreeSpaceExW(path, available, total, free) });
    let error = match find(path) {
        // That is a file: its directory has as much.
        // SAFETY: the caller's path.
        ERROR_DIRECTORY => match unsafe { file_directory(path) } {
            Ok(directory) => find(directory.as_ptr()),
            Err(error) => error.raw_os_error().unwrap_or_default().cast_unsigned(),
        },
        error => error,
    };
    for place in [available, total, free].into_iter().filter(|_| error != 0) {
        // SAFETY: as above.
        unsafe { place.write(u64::MAX) };
    }
    error
}

/// The directory that has a file, to wherever links lead.
///
/// # Safety
/// The path must be a C string.
unsafe fn file_directory(path: *const u16) -> std::io::Result<Vec<u16>> {
    // SAFETY: the caller vouches for the path.
    let path = OsString::from_wide(unsafe { wide_text(path) });
    let file = std::fs::canonicalize(path)?;
    let directory = file.parent().unwrap_or(&file);
    Ok(directory.as_os_str().encode_wide().chain([0]).collect())
}
