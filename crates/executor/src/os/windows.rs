//! Windows.

mod dependencies;
mod near;

use std::ffi::{CStr, OsStr, OsString, c_char, c_int, c_void};
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{FALSE, GetLastError, HMODULE, SetLastError, TRUE};
use windows_sys::Win32::Globalization::{CP_ACP, WideCharToMultiByte};
use windows_sys::Win32::Storage::FileSystem::SearchPathW;
use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, CTRL_C_EVENT, SetConsoleCtrlHandler};
use windows_sys::Win32::System::Diagnostics::Debug::FlushInstructionCache;
use windows_sys::Win32::System::LibraryLoader::{
    GetModuleHandleA, GetProcAddress, LOAD_WITH_ALTERED_SEARCH_PATH, LoadLibraryExW,
};
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_DECOMMIT, MEM_RELEASE, MEM_RESERVE, MEMORY_BASIC_INFORMATION, PAGE_EXECUTE, PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY, PAGE_NOACCESS, PAGE_PROTECTION_FLAGS, PAGE_READONLY,
    PAGE_READWRITE, PAGE_WRITECOPY, VirtualAlloc, VirtualFree, VirtualProtect, VirtualQuery,
};
use windows_sys::Win32::System::ProcessStatus::K32EnumProcessModules;
use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, SYSTEM_INFO};
use windows_sys::Win32::System::Threading::{ExitProcess, GetCurrentProcess, TerminateProcess};
use windows_sys::core::BOOL;

use super::system_error;
use crate::init::AtExitFunction;
use crate::{ExecAddr, ExecRange, ExecutorError, Placement, Protection, Result};

/// Windows reserves addresses in steps of this.
const GRANULARITY: u64 = 0x1_0000;

/// Addresses below this can be had with 32-bit absolute fixups, signed or not.
const LOW_END: u64 = 0x8000_0000;

pub(crate) fn page_size() -> u64 {
    let mut info = SYSTEM_INFO::default();
    // SAFETY: the argument is a valid place for the answer.
    unsafe { GetSystemInfo(&raw mut info) };
    u64::from(info.dwPageSize)
}

/// No message says anything of limits.
pub(crate) fn address_space_limit() -> String {
    String::new()
}

/// Reserves addresses without memory behind them.
pub(crate) fn reserve(size: u64, placement: Placement) -> Result<ExecRange> {
    match placement {
        Placement::Anywhere => {
            // Around this DLL, which every process has, others lie.
            let near = near::reserve_near_library(size, &[c"kernel32.dll"]);
            near.or_else(|| reserve_at(0, size)).ok_or(super::no_address_space(size, "anywhere"))
        }
        Placement::Near(targets) => near::reserve_near(size, targets, 0)
            .ok_or(super::no_address_space(size, "near the code and data that linked code refers to")),
        Placement::Low => {
            let highest = LOW_END.checked_sub(size).map_or(0, |address| address & !(GRANULARITY - 1));
            let step = (highest / 256).max(1).next_multiple_of(GRANULARITY);
            std::iter::successors(Some(highest), |address| address.checked_sub(step))
                .take_while(|address| *address >= GRANULARITY)
                .find_map(|address| reserve_at(address, size))
                .ok_or(super::no_address_space(size, "below 2 GiB"))
        }
    }
}

/// Zeroed memory that is never given back, in reach of the C runtime's DLL if the process has it.
pub(crate) fn allocate_near_runtime(size: u64) -> Option<ExecAddr> {
    let size = size.next_multiple_of(page_size());
    let range = near::reserve_near_library(size, &[c"ucrtbase.dll", c"kernel32.dll"])?;
    commit(range).ok()?;
    Some(range.start)
}

/// Returns what the system says about an address; `None` beyond those of programs.
fn region_at(address: u64) -> Option<MEMORY_BASIC_INFORMATION> {
    let mut region = MEMORY_BASIC_INFORMATION::default();
    // SAFETY: the result is written to `region`, whose size is given.
    let written = unsafe { VirtualQuery(address as *const c_void, &raw mut region, size_of_val(&region)) };
    (written != 0).then_some(region)
}

fn reserve_at(address: u64, size: u64) -> Option<ExecRange> {
    // SAFETY: reserving never replaces what is mapped.
    let start = unsafe { VirtualAlloc(address as *const c_void, size as usize, MEM_RESERVE, PAGE_NOACCESS) };
    (!start.is_null()).then(|| ExecRange::new(ExecAddr(start as u64), size))
}

/// Makes reserved pages readable and writable; they are zero.
pub(crate) fn commit(range: ExecRange) -> Result<()> {
    // SAFETY: callers pass ranges of their own windows; committing changes no content.
    let start =
        unsafe { VirtualAlloc(range.start.0 as *const c_void, range.size() as usize, MEM_COMMIT, PAGE_READWRITE) };
    if start.is_null() { Err(system_error("VirtualAlloc", describe(range))) } else { Ok(()) }
}

/// Pages come when they are accessed.
pub(crate) fn populate(_range: ExecRange) {}

pub(crate) fn protect(range: ExecRange, protection: Protection) -> Result<()> {
    let flags = match protection {
        Protection::Read => PAGE_READONLY,
        Protection::ReadExec => PAGE_EXECUTE_READ,
        Protection::ReadWrite => PAGE_READWRITE,
    };
    let mut old: PAGE_PROTECTION_FLAGS = 0;
    // SAFETY: callers pass committed ranges of their own windows, and use no reference to pages that lose a right.
    let done = unsafe { VirtualProtect(range.start.0 as *const c_void, range.size() as usize, flags, &raw mut old) };
    if done == 0 {
        return Err(system_error("VirtualProtect", describe(range)));
    }
    if protection == Protection::ReadExec {
        // SAFETY: the pseudo handle has no preconditions.
        let process = unsafe { GetCurrentProcess() };
        // SAFETY: the range is mapped.
        unsafe { FlushInstructionCache(process, range.start.0 as *const c_void, range.size() as usize) };
    }
    Ok(())
}

/// Makes used pages what freshly committed ones are: writable, zero, and without memory behind them.
pub(crate) fn recycle(range: ExecRange, _was: Protection) -> Result<()> {
    // SAFETY: the pages belong to a freed allocation, so their content is nobody's.
    let done = unsafe { VirtualFree(range.start.0 as *mut c_void, range.size() as usize, MEM_DECOMMIT) };
    if done == 0 { Err(system_error("VirtualFree", describe(range))) } else { commit(range) }
}

/// Gives addresses back.
pub(crate) fn release(range: ExecRange) {
    // SAFETY: the range was reserved as a whole by `reserve_at`, and its owner is done with it.
    unsafe { VirtualFree(range.start.0 as *mut c_void, 0, MEM_RELEASE) };
}

fn describe(range: ExecRange) -> String {
    format!("{:#x} bytes at {}", range.size(), range.start)
}

/// The loader says this if a DLL is not there, or one that it needs.
const ERROR_MOD_NOT_FOUND: i32 = 126;

/// Opens a DLL, with what it needs out of these directories if need be; returns the loader's handle. Windows has no
/// global libraries.
pub(crate) fn open_library(path: &Path, _global: bool, directories: &[PathBuf]) -> Result<usize> {
    let opened = dependencies::load_with_dependencies(path, directories);
    opened.map_err(|message| ExecutorError::Library { library: path.display().to_string(), message })
}

/// The file that the system takes for a DLL's name, if it has one.
fn search(name: &Path) -> Option<PathBuf> {
    let name: Vec<u16> = name.as_os_str().encode_wide().chain([0]).collect();
    let mut found = vec![0; 0x8000];
    let (room, part) = (found.len() as u32, null_mut());
    // SAFETY: the name ends with a zero, and `room` characters may be written to `found`.
    let length = unsafe { SearchPathW(null(), name.as_ptr(), null(), room, found.as_mut_ptr(), part) };
    let found = found.get(..length as usize).filter(|found| !found.is_empty())?;
    Some(PathBuf::from(OsString::from_wide(found)))
}

fn load(path: &Path) -> std::io::Result<usize> {
    let has_directory = path.parent().is_some_and(|parent| !parent.as_os_str().is_empty());
    // What a DLL needs may lie beside it. The loader wants a whole path for that.
    let whole = std::path::absolute(path).ok().filter(|_| has_directory);
    let flags = if whole.is_some() { LOAD_WITH_ALTERED_SEARCH_PATH } else { 0 };
    let name = whole.as_deref().unwrap_or(path).as_os_str();
    let name: Vec<u16> = name.encode_wide().chain([0]).collect();
    // SAFETY: the name ends with a zero. The library's entry point runs: who asks for a library asks for that.
    let handle = unsafe { LoadLibraryExW(name.as_ptr(), null_mut(), flags) };
    if handle.is_null() {
        return Err(std::io::Error::last_os_error());
    }
    Ok(handle as usize)
}

/// Returns where a symbol of a library is sought, or one of the process: in the executable, then in all DLLs it has
/// loaded, first loaded first.
pub(crate) fn search_order(library: Option<usize>) -> Vec<usize> {
    if let Some(handle) = library {
        return vec![handle];
    }
    let mut modules: Vec<HMODULE> = vec![null_mut(); 256];
    loop {
        // SAFETY: the pseudo handle has no preconditions.
        let process = unsafe { GetCurrentProcess() };
        let size = u32::try_from(size_of_val(&modules[..])).unwrap_or(u32::MAX);
        let mut needed = 0;
        // SAFETY: `size` bytes may be written to `modules`.
        let done = unsafe { K32EnumProcessModules(process, modules.as_mut_ptr(), size, &raw mut needed) };
        let count = needed as usize / size_of::<HMODULE>();
        if done == 0 {
            return Vec::new();
        }
        if count <= modules.len() {
            return modules.iter().take(count).map(|module| *module as usize).collect();
        }
        modules.resize(count, null_mut());
    }
}

/// Address of a symbol of a library.
pub(crate) fn find_symbol(library: usize, name: &CStr) -> Option<ExecAddr> {
    // SAFETY: the name is a C string; the loader checks the handle.
    let address = unsafe { GetProcAddress(library as HMODULE, name.as_ptr().cast()) };
    address.map(|address| ExecAddr(address as usize as u64))
}

/// Address of the export of a library that has this number.
pub(crate) fn find_ordinal(library: usize, ordinal: u16) -> Option<ExecAddr> {
    // SAFETY: a name below 64 Ki is a number; the loader checks the handle.
    let address = unsafe { GetProcAddress(library as HMODULE, usize::from(ordinal) as *const u8) };
    address.map(|address| ExecAddr(address as usize as u64))
}

/// Address of a function that this system may lack, in its own DLLs or in the C runtime that we use.
pub(crate) fn system_function(library: &CStr, name: &CStr) -> Option<ExecAddr> {
    // SAFETY: a C string.
    let handle = unsafe { GetModuleHandleA(library.as_ptr().cast()) };
    if handle.is_null() { None } else { find_symbol(handle as usize, name) }
}

/// The function at an address.
///
/// # Safety
/// `F` must be its type: one of function pointers.
pub(crate) unsafe fn as_function<F: Copy>(address: ExecAddr) -> F {
    const { assert!(size_of::<F>() == size_of::<u64>()) };
    // SAFETY: the caller vouches for the type.
    unsafe { std::mem::transmute_copy(&address.0) }
}

/// Says whether what is at an address can be written.
pub(crate) fn is_writable(address: ExecAddr) -> bool {
    let writable = PAGE_READWRITE | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY | PAGE_WRITECOPY;
    region_at(address.0).is_some_and(|region| region.State == MEM_COMMIT && region.Protect & writable != 0)
}

/// Says whether what is at an address can be executed.
pub(crate) fn is_code(address: ExecAddr) -> bool {
    let executable = PAGE_EXECUTE | PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;
    region_at(address.0).is_some_and(|region| region.State == MEM_COMMIT && region.Protect & executable != 0)
}

/// A text of this system, as it comes over the executor's interface.
pub(crate) fn text(bytes: &[u8]) -> Result<OsString> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.into()),
        Err(_) => {
            Err(ExecutorError::Invalid { what: format!("text: '{}' is not UTF-8", String::from_utf8_lossy(bytes)) })
        }
    }
}

/// An argument as `main` gets it: in the code page of the system's narrow strings.
pub(crate) fn narrow(argument: &OsStr) -> Vec<u8> {
    let wide: Vec<u16> = argument.encode_wide().collect();
    // Strings of arguments are short: the system allows 32 Ki characters in all.
    let length = i32::try_from(wide.len()).unwrap_or(i32::MAX);
    let narrow = written(|to, room| {
        // SAFETY: `length` characters may be read, and `room` bytes written.
        unsafe { WideCharToMultiByte(CP_ACP, 0, wide.as_ptr(), length, to, room, null(), null_mut()) }
    });
    narrow.unwrap_or_default()
}

/// Returns what a function of the system writes, which returns how much it has written, or how much it would write if
/// there is no room. `None` if it fails.
pub(crate) fn written<T: Clone + Default>(write: impl Fn(*mut T, i32) -> i32) -> Option<Vec<T>> {
    let length = |count: i32| usize::try_from(count).ok().filter(|count| *count > 0);
    let needed = write(null_mut(), 0);
    let mut buffer = vec![T::default(); length(needed)?];
    let written = write(buffer.as_mut_ptr(), needed);
    buffer.truncate(length(written)?);
    Some(buffer)
}

/// The environment in the form of `main`'s third argument.
pub(crate) fn environment() -> *mut *mut c_char {
    // What the C runtime of this program was linked against is not what its DLL exports: ask the DLL.
    let runtimes = [c"ucrtbase.dll", c"msvcrt.dll"];
    let Some(function) = runtimes.iter().find_map(|runtime| system_function(runtime, c"__p__environ")) else {
        return null_mut();
    };
    // SAFETY: this is the type of the C runtime's function of that name, which takes nothing.
    let function: extern "C" fn() -> *mut *mut *mut c_char = unsafe { as_function(function) };
    let place = function();
    if place.is_null() {
        return null_mut();
    }
    // SAFETY: not null, hence the C runtime's variable.
    unsafe { place.read() }
}

/// The calling thread's last error.
pub(crate) fn last_error() -> u32 {
    // SAFETY: has no preconditions.
    unsafe { GetLastError() }
}

/// Sets the calling thread's last error.
pub(crate) fn set_last_error(value: u32) {
    // SAFETY: has no preconditions.
    unsafe { SetLastError(value) }
}

/// The C runtimes that a process may have, each with an `exit` of its own, and their functions that register.
const RUNTIMES: [(&CStr, &CStr); 2] = [(c"ucrtbase.dll", c"_crt_atexit"), (c"msvcrt.dll", c"_onexit")];

/// Has `function` called when the process exits, by `exit` of whichever C runtime.
pub(crate) fn at_exit(function: extern "C" fn()) {
    unsafe extern "C" {
        fn atexit(function: extern "C" fn()) -> c_int;
    }
    for (library, name) in RUNTIMES {
        if let Some(register) = system_function(library, name) {
            // SAFETY: both functions take one function; what they return is not looked at.
            let register: extern "C" fn(extern "C" fn()) -> usize = unsafe { as_function(register) };
            register(function);
        }
    }
    // SAFETY: the function may be called at any time, also if nothing is left to do. Failure (no memory) leaves it
    // uncalled: there is no remedy.
    unsafe { atexit(function) };
}

// SAFETY: has no preconditions; a function that was registered for exit may call it, as it goes on with the others.
unsafe extern "C" {
    /// Ends the process as a program's `exit` does, also if it is about to end.
    pub(crate) safe fn exit(code: c_int) -> !;
}

/// Ends the process at once.
pub(crate) fn exit_now(code: c_int) -> ! {
    // SAFETY: the handle is that of the process itself.
    let this = unsafe { GetCurrentProcess() };
    // SAFETY: as above.
    unsafe { TerminateProcess(this, code.cast_unsigned()) };
    // It ends before the call returns.
    std::process::abort()
}

/// Has an interrupt end the process if no handler that is added later sees to it.
pub(crate) fn end_at_interrupts() {
    unsafe extern "system" fn end(event: u32) -> BOOL {
        if event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT {
            // SAFETY: it may be called on any thread.
            unsafe { ExitProcess(crate::exit_code::INTERRUPTED.cast_unsigned()) };
        }
        FALSE
    }
    // SAFETY: the function is there as long as the process.
    let _windowless = unsafe { SetConsoleCtrlHandler(Some(end), TRUE) };
}

/// Registers a function that takes no argument with the C runtime.
fn register(runtimes: &[(&CStr, &CStr)], function: AtExitFunction, argument: *mut c_void) -> c_int {
    let find = |&(library, name): &(&CStr, &CStr)| system_function(library, name);
    let Some(register) = runtimes.iter().find_map(find).filter(|_| argument.is_null()) else { return -1 };
    // SAFETY: the functions that are passed take one function; those that return an int return 0 if they are done.
    let register: extern "C" fn(AtExitFunction) -> c_int = unsafe { as_function(register) };
    register(function)
}

/// For handles that are not ours: functions without argument are registered with the C runtime, there is nothing else.
pub(crate) fn cxa_atexit(function: AtExitFunction, argument: *mut c_void, _handle: *mut c_void) -> c_int {
    register(&[(c"ucrtbase.dll", c"_crt_atexit")], function, argument)
}

/// As `cxa_atexit`.
pub(crate) fn cxa_at_quick_exit(function: AtExitFunction, _handle: *mut c_void) -> c_int {
    register(&[(c"ucrtbase.dll", c"_crt_at_quick_exit")], function, null_mut())
}

/// Nothing is registered for handles that are not ours.
pub(crate) fn cxa_finalize(_handle: *mut c_void) {}
