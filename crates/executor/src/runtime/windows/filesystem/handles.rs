//! Open files: for a moment in this runtime, or for the program.

use std::mem::ManuallyDrop;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{CloseHandle, HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, CreateFileW, FILE_BASIC_INFO, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
    FileBasicInfo, FileIdInfo, GetFileInformationByHandle, GetFileInformationByHandleEx, OPEN_EXISTING,
    SetFileInformationByHandle,
};

use super::stats::with_read_only;
use super::{Error, check, give};
use crate::os;

/// A file that is open for a while.
pub(super) struct File(pub(super) HANDLE);

impl File {
    /// # Safety
    /// The path must be a C string.
    pub(super) unsafe fn open(path: *const u16, access: u32, flags: u32) -> Result<Self, Error> {
        let share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
        // SAFETY: the caller vouches for the path.
        let handle = unsafe { CreateFileW(path, access, share, null(), OPEN_EXISTING, flags, null_mut()) };
        if handle == INVALID_HANDLE_VALUE { Err(os::last_error()) } else { Ok(Self(handle)) }
    }

    pub(super) fn information<T>(&self, class: i32) -> Result<T, Error> {
        let mut information = std::mem::MaybeUninit::<T>::zeroed();
        let place = information.as_mut_ptr().cast();
        // SAFETY: the class is that of the type, of which there is room for one.
        let done = unsafe { GetFileInformationByHandleEx(self.0, class, place, size_of::<T>() as u32) };
        // SAFETY: it is a structure of numbers, all of which were set, if only to zero.
        if done == 0 { Err(os::last_error()) } else { Ok(unsafe { information.assume_init() }) }
    }

    pub(super) fn set<T>(&self, class: i32, information: &T) -> Error {
        let place: *const T = information;
        // SAFETY: the class is that of the type.
        check(unsafe { SetFileInformationByHandle(self.0, class, place.cast(), size_of::<T>() as u32) })
    }

    /// Has a file with this information be writable or not.
    pub(super) fn set_read_only(&self, known: &FILE_BASIC_INFO, read_only: bool) -> Error {
        let attributes = with_read_only(known.FileAttributes, read_only);
        self.set(FileBasicInfo, &FILE_BASIC_INFO { FileAttributes: attributes, ..*known })
    }

    pub(super) fn by_handle(&self) -> Result<BY_HANDLE_FILE_INFORMATION, Error> {
        let mut information = BY_HANDLE_FILE_INFORMATION::default();
        // SAFETY: a place for the answer.
        let done = unsafe { GetFileInformationByHandle(self.0, &raw mut information) };
        if done == 0 { Err(os::last_error()) } else { Ok(information) }
    }

    pub(super) fn id(&self) -> Result<FileId, Error> {
        self.information(FileIdInfo).or_else(|_| {
            // File systems without numbers of 128 bits have some of 64.
            let known = self.by_handle()?;
            let number = u128::from(known.nFileIndexHigh) << 32 | u128::from(known.nFileIndexLow);
            Ok(FileId { volume: known.dwVolumeSerialNumber.into(), id: number.to_le_bytes() })
        })
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: it is ours.
        unsafe { CloseHandle(self.0) };
    }
}

/// `__std_fs_file_id`.
#[repr(C)]
#[derive(PartialEq)]
pub(super) struct FileId {
    volume: u64,
    id: [u8; 16],
}

pub(super) unsafe extern "system" fn open_handle(
    handle: *mut HANDLE,
    path: *const u16,
    access: u32,
    flags: u32,
) -> Error {
    // SAFETY: the caller's path.
    let (opened, error) = match unsafe { File::open(path, access, flags) } {
        Ok(file) => (ManuallyDrop::new(file).0, 0),
        Err(error) => (INVALID_HANDLE_VALUE, error),
    };
    // SAFETY: the caller's place.
    unsafe { handle.write(opened) };
    error
}

pub(super) unsafe extern "system" fn close_handle(handle: HANDLE) {
    if handle != INVALID_HANDLE_VALUE {
        drop(File(handle));
    }
}

pub(super) unsafe extern "system" fn read_attributes(handle: HANDLE, attributes: *mut u32) -> Error {
    let file = ManuallyDrop::new(File(handle));
    let basic = file.information::<FILE_BASIC_INFO>(FileBasicInfo);
    // SAFETY: the caller's place.
    unsafe { give(basic.map(|basic| basic.FileAttributes), attributes) }
}
