//! `__delayLoadHelper2`: a function of a DLL is called whose loading was delayed until now ("Linker support for delay-loaded
//! DLLs", Microsoft Learn). The thunk passes the DLL's descriptor and the slot of the function, which leads to the function
//! from now on.

use std::ffi::{CStr, c_void};
use std::path::{Path, PathBuf};
use std::ptr::null;
use std::sync::Mutex;

use windows_sys::Win32::System::Diagnostics::Debug::RaiseException;

use super::replacement;
use crate::{ExecAddr, Protection, lock, os, unwind};

pub(super) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    let address = match name {
        b"__delayLoadHelper2" => load as *const (),
        b"__FUnloadDelayLoadedDLL2" => unload as *const (),
        _ => return None,
    };
    Some(ExecAddr(address as u64))
}

/// Where DLLs are that the system does not find.
static DIRECTORIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Adds directories to those that all sessions of the process have.
pub(crate) fn add_library_directories(directories: &[PathBuf]) {
    let mut known = lock(&DIRECTORIES);
    let new: Vec<_> = directories.iter().filter(|directory| !known.contains(directory)).cloned().collect();
    known.extend(new);
}

/// `ImgDelayDescr`. All but the first are offsets from the image's base, if the attributes say so.
#[repr(C)]
struct Descriptor {
    attributes: u32,
    name: u32,
    module: u32,
    slots: u32,
    names: u32,
    bound: u32,
    unload: u32,
    time: u32,
}

/// `DelayLoadInfo`, which handlers of the exception see.
#[repr(C)]
struct Information {
    size: u32,
    descriptor: *const Descriptor,
    slot: *mut u64,
    library: *const u8,
    by_name: i32,
    name_or_number: u64,
    module: usize,
    function: u64,
    error: u32,
}

/// The names table says so of numbers.
const BY_NUMBER: u64 = 1 << 63;

const MODULE_NOT_FOUND: u32 = 126;
const FUNCTION_NOT_FOUND: u32 = 127;
/// Exceptions are the system's errors, with the facility of Visual C++.
const EXCEPTION: u32 = 0xc06d_0000;

unsafe extern "system-unwind" fn load(descriptor: *const Descriptor, slot: *mut u64) -> *const c_void {
    // SAFETY: the linker passes a descriptor.
    let of = unsafe { &*descriptor };
    let base = if of.attributes & 1 != 0 { unwind::window_at(descriptor as u64).unwrap_or_default() } else { 0 };
    let place = |offset: u32| base + u64::from(offset);
    let index = (slot as u64).wrapping_sub(place(of.slots)) / 8;
    // SAFETY: there is a name for each slot.
    let named = unsafe { (place(of.names) as *const u64).wrapping_add(index as usize).read() };
    let library = place(of.name) as *const u8;
    let by_name = named & BY_NUMBER == 0;
    // A hint comes before the name.
    let name = (base + named + 2) as *const u8;
    let mut information = Information {
        size: size_of::<Information>() as u32,
        descriptor,
        slot,
        library,
        by_name: by_name.into(),
        name_or_number: if by_name { name as u64 } else { named & 0xffff },
        module: 0,
        function: 0,
        error: 0,
    };
    // SAFETY: the linker has written a C string.
    let library = unsafe { CStr::from_ptr(library.cast()) }.to_string_lossy().into_owned();
    let directories = lock(&DIRECTORIES).clone();
    match os::open_library(Path::new(&library), false, &directories) {
        Ok(module) => information.module = module,
        Err(_) => return fail(&mut information, MODULE_NOT_FOUND),
    }
    if of.module != 0 {
        // SAFETY: the image's word for the module.
        unsafe { store(place(of.module) as *mut u64, information.module as u64) };
    }
    let found = if by_name {
        // SAFETY: as above.
        let name = unsafe { CStr::from_ptr(name.cast()) };
        os::find_symbol(information.module, name).map(|real| replacement(name.to_bytes()).unwrap_or(real))
    } else {
        os::find_ordinal(information.module, (named & 0xffff) as u16)
    };
    let Some(found) = found else { return fail(&mut information, FUNCTION_NOT_FOUND) };
    // SAFETY: the caller's slot.
    unsafe { store(slot, found.0) };
    found.0 as *const c_void
}

/// Writes a word of the image, which may be one that is only read otherwise.
///
/// # Safety
/// It must be a word of an image.
unsafe fn store(word: *mut u64, value: u64) {
    if os::is_writable(ExecAddr(word as u64)) {
        // SAFETY: the caller vouches for it; others who write it write the same.
        unsafe { word.write_volatile(value) };
        return;
    }
    let page = os::page_size();
    let range = crate::ExecRange::new(ExecAddr(word as u64 & !(page - 1)), page);
    if os::protect(range, Protection::ReadWrite).is_ok() {
        // SAFETY: as above.
        unsafe { word.write_volatile(value) };
        _ = os::protect(range, Protection::Read);
    }
}

/// A handler may have found the function, and let the program go on.
fn fail(information: &mut Information, error: u32) -> *const c_void {
    information.error = error;
    let argument = &raw mut *information as usize;
    // SAFETY: one argument, which is what handlers of this exception expect.
    unsafe { RaiseException(EXCEPTION | error, 0, 1, &raw const argument) };
    if information.function == 0 { null() } else { information.function as *const c_void }
}

/// What was loaded stays: others may have its functions.
extern "system" fn unload(_name: *const u8) -> i32 {
    0
}
