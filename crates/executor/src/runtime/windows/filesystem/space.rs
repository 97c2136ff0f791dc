//! Free space.

use windows_sys::Win32::Foundation::ERROR_DIRECTORY;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_READ_ATTRIBUTES, GetDiskFreeSpaceExW, GetFinalPathNameByHandleW, VOLUME_NAME_DOS,
};

use super::handles::File;
use super::{Error, check};
use crate::os;

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
        ERROR_DIRECTORY => match unsafe { directory_of(path) } {
            Ok(directory) => find(directory.as_ptr()),
            Err(error) => error,
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
