//! JITDylibs that linked code opens as DLLs (`LoadLibrary`). The handle of one is the beginning of its image.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::sync::Mutex;

use windows_sys::Win32::Foundation::{HANDLE, HMODULE};
use windows_sys::Win32::System::LibraryLoader::{
    DONT_RESOLVE_DLL_REFERENCES, LOAD_LIBRARY_AS_DATAFILE, LOAD_LIBRARY_AS_DATAFILE_EXCLUSIVE,
    LOAD_LIBRARY_AS_IMAGE_RESOURCE, LoadLibraryExA, LoadLibraryExW,
};

use super::image;
use crate::dylibs::{self, DylibReply, DylibRequest, OpenFlags};
use crate::{ExecAddr, init, lock, os};

/// The loader says this if something is missing that a DLL needs.
const ERROR_PROC_NOT_FOUND: u32 = 127;

/// Ways to open a file that run nothing of it.
const AS_FILE: u32 = DONT_RESOLVE_DLL_REFERENCES
    | LOAD_LIBRARY_AS_DATAFILE
    | LOAD_LIBRARY_AS_DATAFILE_EXCLUSIVE
    | LOAD_LIBRARY_AS_IMAGE_RESOURCE;

/// The names under which images were opened, by their beginnings.
static NAMES: Mutex<BTreeMap<u64, String>> = Mutex::new(BTreeMap::new());

functions! {
    replacement(b"LoadLibrary"):
    b"A" => load_narrow;
    b"W" => load_wide;
    b"ExA" => load_ex_narrow;
    b"ExW" => load_ex_wide;
}

with_caller! {
    load_narrow -> own_load_narrow: "rdx";
    load_wide -> own_load_wide: "rdx";
    load_ex_narrow -> own_load_ex_narrow: "r9";
    load_ex_wide -> own_load_ex_wide: "r9";
}

/// `LoadLibrary` and `LoadLibraryEx` for strings of one kind.
macro_rules! own_loads {
    ($($name:ident, $name_ex:ident: $unit:ty, $text:ident => $real:ident;)*) => {$(
        unsafe extern "system" fn $name(name: *const $unit, caller: u64) -> HMODULE {
            // SAFETY: the arguments are the caller's.
            unsafe { $name_ex(name, std::ptr::null_mut(), 0, caller) }
        }

        unsafe extern "system" fn $name_ex(name: *const $unit, file: HANDLE, flags: u32, caller: u64) -> HMODULE {
            if !name.is_null() && flags & AS_FILE == 0 {
                // SAFETY: the caller's name.
                let name = unsafe { $text(name) };
                if let Some(handle) = open(&name, OpenFlags { now: true, ..OpenFlags::default() }, caller) {
                    return handle as HMODULE;
                }
            }
            // SAFETY: the arguments are the caller's.
            unsafe { $real(name, file, flags) }
        }
    )*};
}

own_loads! {
    own_load_narrow, own_load_ex_narrow: u8, narrow => LoadLibraryExA;
    own_load_wide, own_load_ex_wide: u16, wide => LoadLibraryExW;
}

/// The text of a narrow string.
///
/// # Safety
/// It must be one.
pub(super) unsafe fn narrow(text: *const u8) -> String {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text.cast()) }.to_string_lossy().into_owned()
}

/// The text of a wide string.
///
/// # Safety
/// It must be one.
pub(super) unsafe fn wide(text: *const u16) -> String {
    // SAFETY: the caller's promise: there is a zero.
    let unit = |at: usize| unsafe { text.wrapping_add(at).read_unaligned() };
    let units: Vec<u16> = (0..).map(unit).take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}

/// Opens a JITDylib; null if that can't be done, `None` if there is none of that name.
pub(super) fn open(name: &str, flags: OpenFlags, caller: u64) -> Option<u64> {
    match dylibs::ask(DylibRequest::Open { name: name.as_bytes(), flags, caller: ExecAddr(caller) }) {
        DylibReply::Opened(image) => {
            let base = init::handle_of(image)?.0;
            lock(&NAMES).insert(base, name.into());
            Some(base)
        }
        DylibReply::Failed(_) => {
            os::set_last_error(ERROR_PROC_NOT_FOUND);
            Some(0)
        }
        _ => None,
    }
}

/// The JITDylib of that name, if it is open; it is opened once more if it is to be `counted`.
pub(super) fn find(name: &str, counted: bool, keep: bool, caller: u64) -> Option<u64> {
    let flags = OpenFlags { only_open: true, keep, ..OpenFlags::default() };
    let base = open(name, flags, caller).filter(|base| *base != 0)?;
    if !counted {
        close(base);
    }
    Some(base)
}

/// Opens the image that begins there once more; null if it is not open.
pub(super) fn open_again(base: u64, keep: bool) -> Option<u64> {
    let image = init::image_with_handle(base as *mut _)?;
    let reply = dylibs::ask(DylibRequest::OpenAgain { image, keep });
    matches!(reply, DylibReply::Opened(_)).then_some(base)
}

/// Takes one opening of an image back; false if something of it can't be run.
pub(super) fn close(base: u64) -> bool {
    let Some(image) = init::image_with_handle(base as *mut _) else { return true };
    // The session keeps its other images.
    !matches!(dylibs::ask(DylibRequest::Close { image }), DylibReply::Failed(_))
}

/// The name under which an image was opened.
pub(super) fn name_of(base: u64) -> Option<String> {
    lock(&NAMES).get(&base).filter(|_| image::is_window(base)).cloned()
}
