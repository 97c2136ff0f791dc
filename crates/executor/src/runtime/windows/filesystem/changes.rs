//! Copying, removing, renaming and truncating files.

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_CALL_NOT_IMPLEMENTED, ERROR_FILE_EXISTS, ERROR_INVALID_FUNCTION,
    ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED, ERROR_SHARING_VIOLATION,
};
use windows_sys::Win32::Storage::FileSystem::{
    CopyFileW, DELETE, FILE_ATTRIBUTE_READONLY, FILE_BASIC_INFO, FILE_DISPOSITION_INFO, FILE_DISPOSITION_INFO_EX,
    FILE_END_OF_FILE_INFO, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_GENERIC_WRITE,
    FILE_READ_ATTRIBUTES, FILE_WRITE_ATTRIBUTES, FileBasicInfo, FileDispositionInfo, FileDispositionInfoEx,
    FileEndOfFileInfo, MOVEFILE_COPY_ALLOWED, MOVEFILE_REPLACE_EXISTING, MoveFileExW,
};

use super::handles::File;
use super::stats::ticks;
use super::{Done, Error, check, is_not_found};

/// `__std_fs_copy_options`: what is to happen if there is such a file.
const EXISTING: u32 = 0xf;
const OVERWRITE: u32 = 2;
const UPDATE: u32 = 4;

pub(super) unsafe extern "system" fn copy_file(source: *const u16, target: *const u16, options: u32) -> Done {
    let copy = |fails_if_there: bool| {
        // SAFETY: the caller's paths.
        check(unsafe { CopyFileW(source, target, fails_if_there.into()) })
    };
    let existing = options & EXISTING;
    if existing != OVERWRITE {
        let error = copy(true);
        if error != ERROR_FILE_EXISTS || existing == 0 {
            return Done::from_error(error);
        }
        // SAFETY: as above.
        match unsafe { is_newer(source, target) } {
            Err(error) => return Done::failed(error),
            Ok(true) if existing == UPDATE => {}
            Ok(_) => return Done::NOTHING_TO_DO,
        }
    }
    Done::from_error(copy(false))
}

/// Says whether a file was written to after another one. Directories are refused, and so is one file under two names.
///
/// # Safety
/// The paths must be C strings.
unsafe fn is_newer(source: *const u16, target: *const u16) -> Result<bool, Error> {
    // SAFETY: the caller vouches for the paths.
    let open = |path| unsafe { File::open(path, FILE_READ_ATTRIBUTES, 0) };
    let (source, target) = (open(source)?, open(target)?);
    if source.id()? == target.id()? {
        return Err(ERROR_SHARING_VIOLATION);
    }
    Ok(ticks(source.by_handle()?.ftLastWriteTime) > ticks(target.by_handle()?.ftLastWriteTime))
}

pub(super) unsafe extern "system" fn remove(path: *const u16) -> Done {
    const ATTRIBUTES: u32 = FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES;
    let open = |access| {
        // SAFETY: the caller's path.
        unsafe { File::open(path, access, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT) }
    };
    let opened = open(DELETE | ATTRIBUTES).or_else(|error| match error {
        ERROR_ACCESS_DENIED => open(DELETE),
        error => Err(error),
    });
    match opened {
        Ok(file) => Done::from_error(remove_opened(&file)),
        Err(error) if is_not_found(error) => Done::NOTHING_TO_DO,
        Err(error) => Done::failed(error),
    }
}

/// That a file may not be written to does not keep it.
fn remove_opened(file: &File) -> Error {
    /// To be deleted; the name goes at once, whoever has the file open; though it may not be written to.
    const AT_ONCE: u32 = 1 | 2 | 0x10;
    let error = file.set(FileDispositionInfoEx, &FILE_DISPOSITION_INFO_EX { Flags: AT_ONCE });
    let is_unknown = matches!(
        error,
        ERROR_INVALID_PARAMETER | ERROR_INVALID_FUNCTION | ERROR_NOT_SUPPORTED | ERROR_CALL_NOT_IMPLEMENTED
    );
    if !is_unknown {
        return error;
    }
    // Systems and file systems that do not know this.
    let remove = || file.set(FileDispositionInfo, &FILE_DISPOSITION_INFO { DeleteFile: true });
    let error = remove();
    let basic = file.information::<FILE_BASIC_INFO>(FileBasicInfo).unwrap_or_default();
    if error != ERROR_ACCESS_DENIED || basic.FileAttributes & FILE_ATTRIBUTE_READONLY == 0 {
        return error;
    }
    match file.set_read_only(&basic, false) {
        0 => {}
        error => return error,
    }
    let error = remove();
    if error != 0 {
        file.set_read_only(&basic, true);
    }
    error
}

pub(super) unsafe extern "system" fn rename(source: *const u16, target: *const u16) -> Error {
    // SAFETY: the caller's paths.
    check(unsafe { MoveFileExW(source, target, MOVEFILE_COPY_ALLOWED | MOVEFILE_REPLACE_EXISTING) })
}

pub(super) unsafe extern "system" fn resize(path: *const u16, size: u64) -> Error {
    let Ok(size) = i64::try_from(size) else { return ERROR_INVALID_PARAMETER };
    // SAFETY: the caller's path.
    match unsafe { File::open(path, FILE_GENERIC_WRITE, 0) } {
        Ok(file) => file.set(FileEndOfFileInfo, &FILE_END_OF_FILE_INFO { EndOfFile: size }),
        Err(error) => error,
    }
}
