//! `std::stacktrace` of Microsoft's C++ library, as its header calls it. It names places by module and offset, as the
//! library does without debug information, because nobody keeps that of linked code.

use std::ffi::{c_char, c_void};
use std::fmt::Write;

use windows_sys::Win32::System::Diagnostics::Debug::RtlCaptureStackBackTrace;
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, GetModuleFileNameA,
    GetModuleHandleExA,
};

use super::{arguments, file_names};
use crate::{ExecAddr, unwind};

pub(super) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    find(name).filter(|_| arguments::ensure().is_some())
}

functions! {
    find(b"__std_stacktrace_"):
    // The system's own: a function of ours would be one of the frames.
    b"capture" => RtlCaptureStackBackTrace;
    b"address_to_string" | b"description" => describe;
    b"source_file" => no_source;
    b"source_line" => super::nothing;
    b"to_string" => describe_all;
}

/// `_Stacktrace_string_fill_callback`: writes so many characters; returns how many it has written.
type WriteText = unsafe extern "system" fn(*mut c_char, usize, *mut c_void) -> usize;
/// `_Stacktrace_string_fill`: makes a string as long, and has it written.
type Fill = unsafe extern "system-unwind" fn(usize, *mut c_void, *mut c_void, WriteText) -> usize;

/// The module that has an address, and the offset there.
fn place(address: u64) -> String {
    let (module, base) = match unwind::window_at(address) {
        Some(base) => (arguments::narrow_file().to_vec(), base),
        None => match module_at(address) {
            Some(found) => found,
            None => return format!("{address:#x}"),
        },
    };
    let name = String::from_utf8_lossy(file_names::base(&module));
    let stem = name.rsplit_once('.').map_or(&*name, |(stem, _)| stem);
    format!("{stem}+{:#X}", address.wrapping_sub(base)).replace("0X", "0x")
}

/// The file of the DLL that has an address, and its base.
fn module_at(address: u64) -> Option<(Vec<u8>, u64)> {
    let flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    let mut module = std::ptr::null_mut();
    // SAFETY: with these flags an address is looked up, whatever it is; a place for the answer.
    let found = unsafe { GetModuleHandleExA(flags, address as *const u8, &raw mut module) };
    let mut file = vec![0; 1024];
    // SAFETY: as many bytes may be written.
    let length = unsafe { GetModuleFileNameA(module, file.as_mut_ptr(), file.len() as u32) };
    file.truncate(length as usize);
    (found != 0 && !file.is_empty()).then_some((file, module as u64))
}

/// The string's owner calls this back with the room for it.
unsafe extern "system" fn write(to: *mut c_char, room: usize, text: *mut c_void) -> usize {
    // SAFETY: it is what `give` has passed.
    let text = unsafe { &*text.cast::<String>() };
    let length = text.len().min(room);
    // SAFETY: the caller's room.
    unsafe { to.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), length) };
    length
}

/// Has a string be this text. The program may throw, if it has no memory for it: the text is lost then, nothing else.
///
/// # Safety
/// The arguments must be those of the library's header.
unsafe fn give(mut text: String, string: *mut c_void, fill: Fill) {
    let length = text.len();
    let context: *mut String = &raw mut text;
    // SAFETY: the caller vouches for them.
    unsafe { fill(length, string, context.cast(), write) };
}

unsafe extern "system-unwind" fn describe(address: *const c_void, string: *mut c_void, fill: Fill) {
    // SAFETY: the caller's arguments.
    unsafe { give(place(address as u64), string, fill) };
}

unsafe extern "system-unwind" fn no_source(_: *const c_void, string: *mut c_void, fill: Fill) {
    // SAFETY: the caller's arguments.
    unsafe { give(String::new(), string, fill) };
}

unsafe extern "system-unwind" fn describe_all(
    addresses: *const *const c_void,
    count: usize,
    string: *mut c_void,
    fill: Fill,
) {
    let mut text = String::new();
    for number in 0..count {
        // SAFETY: the caller passes as many.
        let address = unsafe { addresses.wrapping_add(number).read() };
        let end = if number + 1 < count { "\n" } else { "" };
        _ = write!(text, "{number}> {}{end}", place(address as u64));
    }
    // SAFETY: the caller's arguments.
    unsafe { give(text, string, fill) };
}
