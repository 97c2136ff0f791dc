//! Free space.

use windows_sys::Win32::Foundation::ERROR_DIRECTORY;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_READ_ATTRIBUTES, GetDiskFreeSpaceExW, GetFinalPathNameByHandleW, VOLUME_NAME_DOS,
};

use super::handles::File;
use super::{Error, check};
use crate::os;

/// For the caller, all in all, and free: in bytes.
type Space = [u64; 3];

pub(super) unsafe extern "system" fn space(
    path: *const u16,
    available: *mut u64,
    total: *mut u64,
    free: *mut u64,
) -> Error {
    // SAFETY: the caller's path.
    let found = match unsafe { of_directory(path) } {
        // That is a file: its directory has as much.
        // SAFETY: as above.
        Err(ERROR_DIRECTORY) => unsafe { directory_of(path) }.and_then(|directory| {
            // SAFETY: it ends with a zero.
            unsafe { of_directory(directory.as_ptr()) }
        }),
        found => found,
    };
    let (found, error) = found.map_or_else(|error| ([u64::MAX; 3], error), |found| (found, 0));
    for (place, value) in [available, total, free].into_iter().zip(found) {
        // SAFETY: the caller's places.
        unsafe { place.write(value) };
    }
    error
}

/// # Safety
/// The path must be a C string.
unsafe fn of_directory(path: *const u16) -> Result<Space, Error> {
    let mut found = [0; 3];
    let [available, total, free] = found.each_mut();
    // SAFETY: the caller vouches for the path; places for the answers.
    match check(unsafe { GetDiskFreeSpaceExW(path, available, total, free) }) {
        0 => Ok(found),
        error => Err(error),
    }
}

/// The directory that has a file, to wherever links lead.
///
/// # Safety
/// The path must be a C string.
unsafe fn directory_of(path: *const u16) -> Result<Vec<u16>, Error> {
    // SAFETY: the caller vouches for the path.
    let file = unsafe { File::open(path, FILE_READ_ATTRIBUTES, FILE_FLAG_BACKUP_SEMANTICS) }?;
    let mut name = vec![0; 300];
    loop {
        let room = u32::try_from(name.len()).unwrap_or(u32::MAX);
        // SAFETY: as many units may be written.
        let length = unsafe { GetFinalPathNameByHandleW(file.0, name.as_mut_ptr(), room, VOLUME_NAME_DOS) };
        if length == 0 {
            return Err(os::last_error());
        }
        let fits = length < room;
        // The length of a text that does not fit counts the zero behind it.
        name.resize(length as usize, 0);
        if fits {
            break;
        }
    }
    let end = name.iter().rposition(|unit| *unit == u16::from(b'\\')).map_or(0, |at| at + 1);
    name.truncate(end);
    name.push(0);
    Ok(name)
}
