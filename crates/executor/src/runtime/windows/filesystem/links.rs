//! Links, and their targets (reparse points).

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, ERROR_REPARSE_TAG_INVALID, HANDLE};
use windows_sys::Win32::Storage::FileSystem::{
    CreateHardLinkW, CreateSymbolicLinkW, SYMBOLIC_LINK_FLAG_ALLOW_UNPRIVILEGED_CREATE, SYMBOLIC_LINK_FLAG_DIRECTORY,
};
use windows_sys::Win32::System::IO::DeviceIoControl;

use super::{Error, check};

pub(super) const FILE: u32 = 0;
pub(super) const DIRECTORY: u32 = SYMBOLIC_LINK_FLAG_DIRECTORY;

pub(super) unsafe extern "system" fn link<const KIND: u32>(name: *const u16, target: *const u16) -> Error {
    // SAFETY: the caller's paths.
    let done = unsafe { CreateSymbolicLinkW(name, target, KIND | SYMBOLIC_LINK_FLAG_ALLOW_UNPRIVILEGED_CREATE) };
    match check(done.into()) {
        // Older systems know nothing of users without privileges.
        // SAFETY: the caller's paths.
        ERROR_INVALID_PARAMETER => check(unsafe { CreateSymbolicLinkW(name, target, KIND) }.into()),
        error => error,
    }
}

pub(super) unsafe extern "system" fn hard_link(name: *const u16, existing: *const u16) -> Error {
    // SAFETY: the caller's paths.
    check(unsafe { CreateHardLinkW(name, existing, null()) })
}

pub(super) unsafe extern "system" fn read_reparse_data(handle: HANDLE, buffer: *mut c_void, room: u32) -> Error {
    const FSCTL_GET_REPARSE_POINT: u32 = 0x9_00a8;
    let mut written = 0;
    // SAFETY: the caller's buffer.
    let done = unsafe {
        DeviceIoControl(handle, FSCTL_GET_REPARSE_POINT, null(), 0, buffer, room, &raw mut written, null_mut())
    };
    check(done)
}

/// The beginning of `REPARSE_DATA_BUFFER`, as links and mount points have it.
#[repr(C)]
pub(super) struct ReparseData {
    tag: u32,
    length: u16,
    reserved: u16,
    substitute_offset: u16,
    substitute_length: u16,
    print_offset: u16,
    print_length: u16,
}

const SYMBOLIC_LINK: u32 = 0xa000_000c;
const MOUNT_POINT: u32 = 0xa000_0003;

pub(super) unsafe extern "system" fn write_reparse_data(handle: HANDLE, data: *const ReparseData) -> Error {
    const FSCTL_SET_REPARSE_POINT: u32 = 0x9_00a4;
    /// The length does not count these bytes: the tag, the length and what is reserved.
    const HEADER: u32 = 8;
    // SAFETY: the caller's data.
    let length = unsafe { (*data).length };
    let mut written = 0;
    // SAFETY: as above; it says how long it is.
    let done = unsafe {
        let size = HEADER + u32::from(length);
        DeviceIoControl(handle, FSCTL_SET_REPARSE_POINT, data.cast(), size, null_mut(), 0, &raw mut written, null_mut())
    };
    check(done)
}

/// Returns where the name is in the data, and its length: the one that is printed, or else the one that counts.
pub(super) unsafe extern "system" fn name_in_reparse_data(
    data: *mut ReparseData,
    name: *mut *mut u16,
    length: *mut u16,
) -> Error {
    // SAFETY: the caller's data.
    let known = unsafe { &*data };
    // A symbolic link has flags before the names.
    let names = match known.tag {
        SYMBOLIC_LINK => size_of::<ReparseData>() + 4,
        MOUNT_POINT => size_of::<ReparseData>(),
        _ => return ERROR_REPARSE_TAG_INVALID,
    };
    let (offset, bytes) = match known.print_length {
        0 => (known.substitute_offset, known.substitute_length),
        length => (known.print_offset, length),
    };
    // SAFETY: the caller's places.
    unsafe { name.write(data.cast::<u8>().wrapping_add(names + usize::from(offset)).cast()) };
    // SAFETY: as above.
    unsafe { length.write(bytes / 2) };
    0
}

pub(super) unsafe extern "system" fn is_junction(data: *const ReparseData) -> bool {
    // SAFETY: the caller's data.
    unsafe { (*data).tag == MOUNT_POINT }
}
