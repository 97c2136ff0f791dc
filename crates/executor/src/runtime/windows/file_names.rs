//! The program's file, for linked code that asks for it: the file that the program's first argument names. The system
//! would return that of our own process.

use std::ffi::{OsString, c_char, c_int};
use std::path::Path;

use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, HANDLE, HMODULE};
use windows_sys::Win32::System::LibraryLoader::{GetModuleFileNameA, GetModuleFileNameW};
use windows_sys::Win32::System::ProcessStatus::{
    K32GetModuleBaseNameA, K32GetModuleBaseNameW, K32GetModuleFileNameExA, K32GetModuleFileNameExW,
    K32GetModuleInformation, MODULEINFO,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcessId, GetProcessId, QueryFullProcessImageNameA, QueryFullProcessImageNameW,
};

use super::{arguments, image, libraries};
use crate::{ExecAddr, os, unwind};

/// Returns what linked code is given in place of the system's and the C runtime's.
pub(super) fn replacement(name: &[u8]) -> Option<ExecAddr> {
    find(name).filter(|_| arguments::ensure().is_some())
}

functions! {
    find(b""):
    b"GetModuleFileNameA" => module_narrow;
    b"GetModuleFileNameW" => module_wide;
    b"GetModuleFileNameExA" | b"K32GetModuleFileNameExA" => process_module_narrow;
    b"GetModuleFileNameExW" | b"K32GetModuleFileNameExW" => process_module_wide;
    b"GetModuleBaseNameA" | b"K32GetModuleBaseNameA" => base_narrow;
    b"GetModuleBaseNameW" | b"K32GetModuleBaseNameW" => base_wide;
    b"GetModuleInformation" | b"K32GetModuleInformation" => information;
    b"QueryFullProcessImageNameA" => process_narrow;
    b"QueryFullProcessImageNameW" => process_wide;
    b"_get_pgmptr" => get_narrow;
    b"_get_wpgmptr" => get_wide;
}

/// The program's file, as the arguments of this process or of a program in it name it.
pub(super) fn program_file(arguments: &[OsString]) -> OsString {
    let own = || std::env::current_exe().unwrap_or_default();
    let is_own = std::env::args_os().eq(arguments.iter().cloned());
    let named = arguments.first().filter(|name| !is_own && !name.is_empty());
    named.and_then(|name| std::path::absolute(Path::new(name)).ok()).unwrap_or_else(own).into_os_string()
}

/// Says whether the program's file is that of a module.
fn is_programs(module: HMODULE) -> bool {
    module.is_null() || image::is_window(module as u64)
}

fn is_this_process(process: HANDLE) -> bool {
    // SAFETY: the system checks the handle.
    let id = unsafe { GetProcessId(process) };
    // SAFETY: has no preconditions.
    id == unsafe { GetCurrentProcessId() }
}

/// The part of a path behind the last separator.
pub(super) fn base<T: Copy + PartialEq + From<u8>>(path: &[T]) -> &[T] {
    let separators = [b'\\', b'/'].map(T::from);
    let start = path.iter().rposition(|unit| separators.contains(unit)).map_or(0, |at| at + 1);
    &path[start..]
}

/// Copies a name with a zero behind it as far as there is room; returns the length, or the room if that was too little.
///
/// # Safety
/// `room` units must be writable.
unsafe fn copy<T: Copy + Default>(name: &[T], to: *mut T, room: u32) -> u32 {
    let length = name.len().min((room as usize).saturating_sub(1));
    if room > 0 {
        // SAFETY: the caller vouches for the room.
        unsafe { to.copy_from_nonoverlapping(name.as_ptr(), length) };
        // SAFETY: as above.
        unsafe { to.wrapping_add(length).write(T::default()) };
    }
    let fits = length == name.len() && room > 0;
    os::set_last_error(if fits { 0 } else { ERROR_INSUFFICIENT_BUFFER });
    if fits { length as u32 } else { room }
}

/// The units of strings of the system.
trait Unit: Sized {
    fn units(text: &str) -> Vec<Self>;
}

impl Unit for u8 {
    fn units(text: &str) -> Vec<Self> {
        text.as_bytes().to_vec()
    }
}

impl Unit for u16 {
    fn units(text: &str) -> Vec<Self> {
        text.encode_utf16().collect()
    }
}

/// `GetModuleFileName`, and the forms that are given a process, too.
macro_rules! module_names {
    ($($name:ident($($process:ident: $type:ty)?) $unit:ty: $file:expr, $real:ident;)*) => {$(
        unsafe extern "system" fn $name($($process: $type,)? module: HMODULE, name: *mut $unit, room: u32) -> u32 {
            if is_programs(module) $(&& is_this_process($process))? {
                let opened = libraries::name_of(module as u64).map(|opened| <$unit as Unit>::units(&opened));
                // SAFETY: the caller's buffer.
                return unsafe { copy(opened.as_deref().unwrap_or_else(|| $file), name, room) };
            }
            // SAFETY: the arguments are the caller's.
            unsafe { $real($($process,)? module, name, room) }
        }
    )*};
}

module_names! {
    module_narrow() u8: arguments::narrow_file(), GetModuleFileNameA;
    module_wide() u16: arguments::wide_file(), GetModuleFileNameW;
    process_module_narrow(process: HANDLE) u8: arguments::narrow_file(), K32GetModuleFileNameExA;
    process_module_wide(process: HANDLE) u16: arguments::wide_file(), K32GetModuleFileNameExW;
    base_narrow(process: HANDLE) u8: base(arguments::narrow_file()), K32GetModuleBaseNameA;
    base_wide(process: HANDLE) u16: base(arguments::wide_file()), K32GetModuleBaseNameW;
}

unsafe extern "system" fn information(
    process: HANDLE,
    module: HMODULE,
    information: *mut MODULEINFO,
    size: u32,
) -> i32 {
    let window = unwind::window_range(module as u64).filter(|window| window.start.0 == module as u64);
    if let Some(window) = window
        && size as usize >= size_of::<MODULEINFO>()
        && is_this_process(process)
    {
        let size = u32::try_from(window.size()).unwrap_or(u32::MAX);
        let found = MODULEINFO { lpBaseOfDll: module, SizeOfImage: size, EntryPoint: std::ptr::null_mut() };
        // SAFETY: the caller's buffer, whose size it gives.
        unsafe { information.write(found) };
        return 1;
    }
    // SAFETY: the arguments are the caller's.
    unsafe { K32GetModuleInformation(process, module, information, size) }
}

/// The forms that store the length, and fail if the room is too little.
macro_rules! process_names {
    ($($name:ident($unit:ty) $file:expr, $real:ident;)*) => {$(
        unsafe extern "system" fn $name(process: HANDLE, flags: u32, name: *mut $unit, size: *mut u32) -> i32 {
            if flags != 0 || !is_this_process(process) {
                // SAFETY: the arguments are the caller's.
                return unsafe { $real(process, flags, name, size) };
            }
            let file = $file;
            // SAFETY: the caller says how much room there is.
            let room = unsafe { size.read() };
            if file.len() >= room as usize {
                os::set_last_error(ERROR_INSUFFICIENT_BUFFER);
                return 0;
            }
            // SAFETY: the caller's buffer.
            let length = unsafe { copy(file, name, room) };
            // SAFETY: as above.
            unsafe { size.write(length) };
            1
        }
    )*};
}

process_names! {
    process_narrow(u8) arguments::narrow_file(), QueryFullProcessImageNameA;
    process_wide(u16) arguments::wide_file(), QueryFullProcessImageNameW;
}

/// `_get_pgmptr` and its wide form.
macro_rules! get {
    ($($name:ident: $unit:ty => $start:ident;)*) => {$(
        unsafe extern "C" fn $name(place: *mut *mut $unit) -> c_int {
            // SAFETY: the caller passes a place for it.
            unsafe { place.write(arguments::$start()) };
            0
        }
    )*};
}

get! {
    get_narrow: c_char => narrow_file_start;
    get_wide: u16 => wide_file_start;
}
