//! Functions that Microsoft's C++ library links into each image for requests to the system: texts of errors, and
//! initialization that is done once (`std::system_category`, `std::call_once`).

use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::System::Diagnostics::Debug::{
    FORMAT_MESSAGE_ALLOCATE_BUFFER, FORMAT_MESSAGE_FROM_SYSTEM, FORMAT_MESSAGE_IGNORE_INSERTS, FormatMessageA,
};
use windows_sys::Win32::System::Threading::{InitOnceBeginInitialize, InitOnceComplete};

use crate::ExecAddr;

functions! {
    symbol(b"__std_"):
    b"init_once_begin_initialize" => InitOnceBeginInitialize;
    b"init_once_complete" => InitOnceComplete;
    b"init_once_link_alternate_names_and_abort" => super::fail;
    b"system_error_allocate_message" => allocate_message;
    b"system_error_deallocate_message" => free_message;
    b"get_string_size_without_trailing_whitespace" => trimmed;
}

/// Stores the system's text for an error, in English if it has that; returns its length without the end of the line.
unsafe extern "C" fn allocate_message(error: u32, text: *mut *mut u8) -> usize {
    // SAFETY: the caller passes a place for it.
    unsafe { text.write(null_mut()) };
    let flags = FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS;
    const ENGLISH: u32 = 0x409;
    const USUAL: u32 = 0;
    // SAFETY: with these flags the system allocates the text, and stores where it is.
    let write = |language| unsafe { FormatMessageA(flags, null(), error, language, text.cast(), 0, null()) };
    let length = [ENGLISH, USUAL].into_iter().map(write).find(|length| *length != 0).unwrap_or(0);
    // SAFETY: the caller's place.
    let text = unsafe { text.read() };
    // SAFETY: the system has written as much.
    unsafe { trimmed(text, length as usize) }
}

extern "C" fn free_message(text: *mut u8) {
    // SAFETY: it is what `allocate_message` got from the system.
    unsafe { LocalFree(text.cast()) };
}

/// The length of a text up to the last character that is no space.
unsafe extern "C" fn trimmed(text: *const u8, length: usize) -> usize {
    if length == 0 {
        return 0;
    }
    // SAFETY: the caller vouches for the text.
    unsafe { std::slice::from_raw_parts(text, length) }.trim_ascii_end().len()
}
