//! Paths: whole ones, the directories that processes have, and their characters.

use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{ERROR_INVALID_FLAGS, ERROR_NO_UNICODE_TRANSLATION, HANDLE};
use windows_sys::Win32::Globalization::{
    CP_ACP, CP_OEMCP, CP_UTF8, MB_ERR_INVALID_CHARS, MultiByteToWideChar, WC_ERR_INVALID_CHARS, WC_NO_BEST_FIT_CHARS,
    WideCharToMultiByte,
};
use windows_sys::Win32::Storage::FileSystem::{
    AreFileApisANSI, GetFinalPathNameByHandleW, GetFullPathNameW, GetTempPathW,
};
use windows_sys::Win32::System::Environment::{GetCurrentDirectoryW, SetCurrentDirectoryW};

use super::{Error, Outcome, check, outcome, stats};
use crate::os;
use crate::runtime::windows::library_function;

pub(super) unsafe extern "system" fn full_path(path: *const u16, room: u32, target: *mut u16) -> Outcome<u32> {
    // SAFETY: the arguments are the caller's.
    outcome(unsafe { GetFullPathNameW(path, room, target, null_mut()) })
}

pub(super) unsafe extern "system" fn final_path(
    handle: HANDLE,
    target: *mut u16,
    room: u32,
    kind: u32,
) -> Outcome<u32> {
    // SAFETY: the arguments are the caller's.
    outcome(unsafe { GetFinalPathNameByHandleW(handle, target, room, kind) })
}

/// `__std_win_error::_Max`: there is a path, but no such directory.
const NO_DIRECTORY: Error = Error::MAX;

pub(super) unsafe extern "system" fn temporary_directory(target: *mut u16) -> Outcome<u32> {
    /// The caller has room for this many units.
    const ROOM: u32 = 261;
    // SAFETY: the caller's buffer.
    let found = outcome(unsafe { GetTempPathW(ROOM, target) });
    if found.error != 0 {
        return found;
    }
    // SAFETY: the system has written a path there.
    let is_directory = unsafe { stats::is_directory(target) };
    Outcome { error: if is_directory == Ok(true) { 0 } else { NO_DIRECTORY }, ..found }
}

pub(super) unsafe extern "system" fn current_directory(room: u32, target: *mut u16) -> Outcome<u32> {
    // SAFETY: the caller's buffer.
    outcome(unsafe { GetCurrentDirectoryW(room, target) })
}

pub(super) unsafe extern "system" fn set_current_directory(path: *const u16) -> Error {
    // SAFETY: the caller's path.
    check(unsafe { SetCurrentDirectoryW(path) })
}

pub(super) extern "system" fn code_page() -> u32 {
    let locales = library_function(c"___lc_codepage_func").map(|function| {
        // SAFETY: the function has this type.
        let function: extern "C" fn() -> u32 = unsafe { os::as_function(function) };
        function()
    });
    if locales == Some(CP_UTF8) {
        return CP_UTF8;
    }
    // SAFETY: has no preconditions.
    if unsafe { AreFileApisANSI() } == 0 { CP_OEMCP } else { CP_ACP }
}

/// `__std_fs_convert_result`: the length.
type Converted = Outcome<i32>;

pub(super) unsafe extern "system" fn narrow_to_wide(
    page: u32,
    text: *const u8,
    length: i32,
    to: *mut u16,
    room: i32,
) -> Converted {
    // SAFETY: the arguments are the caller's.
    outcome(unsafe { MultiByteToWideChar(page, MB_ERR_INVALID_CHARS, text, length, to, room) })
}

/// Converts in one way, or without conditions if the code page knows none.
///
/// # Safety
/// The text must be as long, and there must be as much room.
unsafe fn convert(
    (page, flags): (u32, u32),
    text: *const u16,
    length: i32,
    to: *mut u8,
    room: i32,
    replaced: *mut i32,
) -> Converted {
    // SAFETY: the caller vouches for the arguments.
    let strict = outcome(unsafe { WideCharToMultiByte(page, flags, text, length, to, room, null(), replaced) });
    if strict.error != ERROR_INVALID_FLAGS {
        return strict;
    }
    // SAFETY: as above.
    outcome(unsafe { WideCharToMultiByte(page, 0, text, length, to, room, null(), null_mut()) })
}

pub(super) unsafe extern "system" fn wide_to_narrow(
    page: u32,
    text: *const u16,
    length: i32,
    to: *mut u8,
    room: i32,
) -> Converted {
    const GB18030: u32 = 54936;
    if matches!(page, CP_UTF8 | GB18030) {
        // SAFETY: the arguments are the caller's.
        return unsafe { convert((page, WC_ERR_INVALID_CHARS), text, length, to, room, null_mut()) };
    }
    let mut replaced = 0;
    // SAFETY: the arguments are the caller's, and a place for the answer.
    let converted = unsafe { convert((page, WC_NO_BEST_FIT_CHARS), text, length, to, room, &raw mut replaced) };
    if replaced != 0 { Converted { value: 0, error: ERROR_NO_UNICODE_TRANSLATION } } else { converted }
}

pub(super) unsafe extern "system" fn wide_to_narrow_replacing(
    page: u32,
    text: *const u16,
    length: i32,
    to: *mut u8,
    room: i32,
) -> Converted {
    // SAFETY: the arguments are the caller's.
    unsafe { convert((page, WC_NO_BEST_FIT_CHARS), text, length, to, room, null_mut()) }
}
