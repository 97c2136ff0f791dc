//! `__delayLoadHelper2`, which thunks call for functions of delay-loaded DLLs ("Linker support for delay-loaded DLLs",
//! Microsoft Learn). The thunk passes the DLL's descriptor and the function's slot, which leads to the function from
//! then on. A program's hooks are told of each step, and may do it themselves.

use std::ffi::{CStr, c_char};
use std::path::{Path, PathBuf};
use std::ptr::null;
use std::sync::Mutex;

use windows_sys::Win32::System::Diagnostics::Debug::RaiseException;

use super::replacement;
use crate::{ExecAddr, ExecRange, Protection, lock, os, unwind};

functions! {
    symbol(b""):
    b"__linkjit_load_delayed" => load;
    b"__delayLoadHelper2" => load_without_hooks;
    // What was loaded stays: others may have its functions.
    b"__FUnloadDelayLoadedDLL2" => super::nothing;
}

/// DLLs that the system does not find are in these directories.
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
    module: u64,
    function: u64,
    error: u32,
}

/// The names table says so of numbers.
const BY_NUMBER: u64 = 1 << 63;

const MODULE_NOT_FOUND: u32 = 126;
const FUNCTION_NOT_FOUND: u32 = 127;
/// Exceptions are the system's errors, with the facility of Visual C++.
const EXCEPTION: u32 = 0xc06d_0000;

/// `PfnDliHook`: what is told, by number; returns what it has done itself, or null.
type Hook = unsafe extern "system-unwind" fn(u32, &mut Information) -> u64;

/// Hooks are told these (`delayimp.h`).
const START: u32 = 0;
const BEFORE_LIBRARY: u32 = 1;
const BEFORE_FUNCTION: u32 = 2;
const NO_LIBRARY: u32 = 3;
const NO_FUNCTION: u32 = 4;
const END: u32 = 5;

/// Hooks and handlers may leave this by an exception, which runs nothing that is left to do here: nothing is held then.
///
/// `notify` and `fail` are variables of the image: `__pfnDliNotifyHook2`, `__pfnDliFailureHook2`.
unsafe extern "system-unwind" fn load(
    descriptor: *const Descriptor,
    slot: *mut u64,
    notify: *const Option<Hook>,
    fail: *const Option<Hook>,
) -> u64 {
    // SAFETY: the linker passes a descriptor.
    let library = unsafe { &*descriptor };
    let base = if library.attributes & 1 != 0 { unwind::window_at(descriptor as u64).unwrap_or_default() } else { 0 };
    let place = |offset: u32| base + u64::from(offset);
    let index = (slot as u64).wrapping_sub(place(library.slots)) / 8;
    // SAFETY: there is a name for each slot.
    let named = unsafe { (place(library.names) as *const u64).wrapping_add(index as usize).read() };
    let by_name = named & BY_NUMBER == 0;
    let mut information = Information {
        size: size_of::<Information>() as u32,
        descriptor,
        slot,
        library: place(library.name) as *const u8,
        by_name: by_name.into(),
        // A hint comes before the name.
        name_or_number: if by_name { base + named + 2 } else { named & 0xffff },
        module: 0,
        function: 0,
        error: 0,
    };
    let told = &mut information;
    let tell = |hook: *const Option<Hook>, what, told: &mut Information| {
        // SAFETY: a variable of the image.
        let hook = if hook.is_null() { None } else { unsafe { hook.read() } };
        // SAFETY: the program vouches for its hooks.
        hook.map_or(0, |hook| unsafe { hook(what, told) })
    };

    let found = |address: u64| (address != 0).then_some(address);

    if let Some(function) = found(tell(notify, START, told)) {
        (told.error, told.function) = (0, function);
        tell(notify, END, told);
        return function;
    }
    let word = (library.module != 0).then(|| place(library.module) as *mut u64);
    // SAFETY: the image's word for the module.
    let known = word.and_then(|word| found(unsafe { word.read_volatile() }));
    let module = known
        .or_else(|| found(tell(notify, BEFORE_LIBRARY, told)))
        // SAFETY: it is the image's.
        .or_else(|| found(unsafe { open_library(told.library) }))
        .or_else(|| {
            told.error = MODULE_NOT_FOUND;
            found(tell(fail, NO_LIBRARY, told))
        });
    let Some(module) = module else { return raise(told, MODULE_NOT_FOUND) };
    if let Some(word) = word {
        // SAFETY: as above.
        unsafe { store(word, module) };
    }
    told.module = module;
    let function = found(tell(notify, BEFORE_FUNCTION, told))
        // SAFETY: they are the image's.
        .or_else(|| found(unsafe { find_function(module as usize, by_name, told.name_or_number) }))
        .or_else(|| {
            told.error = FUNCTION_NOT_FOUND;
            found(tell(fail, NO_FUNCTION, told))
        })
        .or_else(|| found(raise(told, FUNCTION_NOT_FOUND)));
    let Some(function) = function else { return 0 };
    // SAFETY: the caller's slot.
    unsafe { store(slot, function) };
    (told.error, told.function) = (0, function);
    tell(notify, END, told);
    function
}

unsafe extern "system-unwind" fn load_without_hooks(descriptor: *const Descriptor, slot: *mut u64) -> u64 {
    // SAFETY: the caller's.
    unsafe { load(descriptor, slot, null(), null()) }
}

/// # Safety
/// The name must be a C string.
unsafe fn open_library(name: *const u8) -> u64 {
    // SAFETY: the caller vouches for it.
    let name = unsafe { CStr::from_ptr(name.cast()) }.to_string_lossy();
    let directories = lock(&DIRECTORIES).clone();
    os::open_library(Path::new(&*name), false, &directories).map_or(0, |library| library as u64)
}

/// Returns what linked code gets under that name or number; 0 if there is no such function.
///
/// # Safety
/// If it is a name, it must be a C string.
unsafe fn find_function(module: usize, by_name: bool, name_or_number: u64) -> u64 {
    let found = if by_name {
        // SAFETY: the caller vouches for it.
        let name = unsafe { CStr::from_ptr(name_or_number as *const c_char) };
        os::find_symbol(module, name).map(|real| replacement(name.to_bytes()).unwrap_or(real))
    } else {
        os::find_ordinal(module, name_or_number as u16)
    };
    found.map_or(0, |found| found.0)
}

/// Writes a word of the image, which may be one that is only read otherwise.
///
/// # Safety
/// It must be a word of an image.
unsafe fn store(word: *mut u64, value: u64) {
    // While one thread writes to a page, another must not make it one that is only read.
    static WRITING: Mutex<()> = Mutex::new(());
    let _writing = lock(&WRITING);
    let page = os::page_size();
    let range = ExecRange::new(ExecAddr(word as u64 & !(page - 1)), page);
    let is_writable = os::is_writable(ExecAddr(word as u64));
    if is_writable || os::protect(range, Protection::ReadWrite).is_ok() {
        // SAFETY: the caller vouches for it.
        unsafe { word.write_volatile(value) };
    }
    if !is_writable {
        _ = os::protect(range, Protection::Read);
    }
}

/// Returns the function that a handler may have found, and let the program go on with.
fn raise(information: &mut Information, error: u32) -> u64 {
    let argument = &raw mut *information as usize;
    // SAFETY: one argument, which is what handlers of this exception expect.
    unsafe { RaiseException(EXCEPTION | error, 0, 1, &raw const argument) };
    information.function
}
