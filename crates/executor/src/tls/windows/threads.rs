//! The threads of the process, and where each has its thread-local storage.

use std::ffi::c_void;
use std::mem::transmute;
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{CloseHandle, HANDLE};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetCurrentThreadId, THREAD_QUERY_INFORMATION};

use crate::{ExecutorError, Result, os};

/// Of the thread environment block: the array of the storage of all modules, by index.
const STORAGE_ARRAY: u64 = 0x58;

type GetNextThread = unsafe extern "system" fn(HANDLE, HANDLE, u32, u32, u32, *mut HANDLE) -> i32;
type QueryThread = unsafe extern "system" fn(HANDLE, u32, *mut c_void, u32, *mut u32) -> i32;

/// `THREAD_BASIC_INFORMATION`.
#[derive(Default)]
#[repr(C)]
struct ThreadInformation {
    exit_status: i32,
    environment: u64,
    process: u64,
    thread: u64,
    affinity: u64,
    priority: i32,
    base_priority: i32,
}

/// The system's functions that go through the threads.
#[derive(Clone, Copy)]
pub(super) struct Threads {
    next: GetNextThread,
    query: QueryThread,
}

impl Threads {
    /// Finds the functions: what takes the loader's lock, the rest does not.
    pub(super) fn new() -> Result<Self> {
        let find = |name| os::system_function(c"ntdll.dll", name);
        let (Some(next), Some(query)) = (find(c"NtGetNextThread"), find(c"NtQueryInformationThread")) else {
            return Err(ExecutorError::Unsupported { what: "thread-local storage without NtGetNextThread" });
        };
        // SAFETY: the function has this type.
        let next = unsafe { transmute::<*const (), GetNextThread>(next.0 as *const ()) };
        // SAFETY: the function has this type.
        let query = unsafe { transmute::<*const (), QueryThread>(query.0 as *const ()) };
        Ok(Self { next, query })
    }

    /// Calls `visit` with the id of each thread and the address of its environment block, which exists while it runs.
    pub(super) fn visit(self, mut visit: impl FnMut(u32, u64)) {
        // SAFETY: has no preconditions.
        let process = unsafe { GetCurrentProcess() };
        let mut thread: HANDLE = null_mut();
        loop {
            let mut next: HANDLE = null_mut();
            // SAFETY: `thread` is null or a thread of the process, `next` a place for one.
            let status = unsafe { (self.next)(process, thread, THREAD_QUERY_INFORMATION, 0, 0, &raw mut next) };
            if !thread.is_null() {
                // SAFETY: a handle that was opened for us below.
                unsafe { CloseHandle(thread) };
            }
            if status < 0 {
                return;
            }
            thread = next;
            let mut information = ThreadInformation::default();
            let place = (&raw mut information).cast();
            let size = size_of::<ThreadInformation>() as u32;
            // SAFETY: `size` bytes may be written to `place`, for the class of that structure.
            let status = unsafe { (self.query)(thread, 0, place, size, null_mut()) };
            if status >= 0 && information.environment != 0 {
                visit(information.thread as u32, information.environment);
            }
        }
    }
}

/// The calling thread.
pub(super) fn current() -> u32 {
    // SAFETY: has no preconditions.
    unsafe { GetCurrentThreadId() }
}

/// Where the calling thread has the storage of the module with this index.
pub(super) fn own_storage(index: u32) -> Option<u64> {
    let environment: u64;
    // SAFETY: every thread has the address of its environment block at gs:0x30.
    unsafe {
        std::arch::asm!("mov {}, gs:0x30", out(reg) environment, options(nostack, preserves_flags, readonly, pure));
    }
    // SAFETY: the calling thread's.
    unsafe { storage(environment, index) }
}

/// Where a thread has the storage of the module with this index.
///
/// # Safety
/// The module must be loaded, and the thread must not be past its last callback of that module.
pub(super) unsafe fn storage(environment: u64, index: u32) -> Option<u64> {
    // SAFETY: the environment block exists.
    let array = unsafe { ((environment + STORAGE_ARRAY) as *const u64).read_volatile() };
    if array == 0 {
        return None;
    }
    // SAFETY: the loader has made the arrays large enough for the module. It replaces them by copies.
    let storage = unsafe { ((array + u64::from(index) * 8) as *const u64).read_volatile() };
    (storage != 0).then_some(storage)
}
