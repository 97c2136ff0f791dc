//! The threads of the process, and the addresses of their thread-local storage.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;

use windows_sys::Win32::Foundation::{CloseHandle, HANDLE, WAIT_OBJECT_0};
use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentThreadId, THREAD_QUERY_INFORMATION, THREAD_SYNCHRONIZE, WaitForSingleObject,
};

use crate::{ExecutorError, Result, os};

/// Of the thread environment block: the array of the storage of all modules, by index.
const STORAGE_ARRAY: u64 = 0x58;

type GetNextThread = unsafe extern "system" fn(HANDLE, HANDLE, u32, u32, u32, *mut HANDLE) -> i32;
type LockLoader = unsafe extern "system" fn(u32, *mut u32, *mut usize) -> i32;
type UnlockLoader = unsafe extern "system" fn(u32, usize) -> i32;
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
    lock: LockLoader,
    unlock: UnlockLoader,
}

/// The loader's lock: no thread starts or ends, no module comes or goes. It is taken before all locks of ours, because
/// callbacks run under it.
pub(super) struct LoaderLock {
    unlock: UnlockLoader,
    cookie: usize,
}

impl Drop for LoaderLock {
    fn drop(&mut self) {
        // SAFETY: the cookie is that of the lock that this thread has.
        unsafe { (self.unlock)(0, self.cookie) };
    }
}

impl Threads {
    /// Finds the functions.
    pub(super) fn new() -> Result<Self> {
        let find = |name| os::system_function(c"ntdll.dll", name);
        let threads = (find(c"NtGetNextThread"), find(c"NtQueryInformationThread"));
        let locks = (find(c"LdrLockLoaderLock"), find(c"LdrUnlockLoaderLock"));
        let ((Some(next), Some(query)), (Some(lock), Some(unlock))) = (threads, locks) else {
            return Err(ExecutorError::Unsupported {
                what: "thread-local storage of linked code without ntdll's NtGetNextThread".into(),
            });
        };
        Ok(Self {
            // SAFETY: the function has this type.
            next: unsafe { os::as_function(next) },
            // SAFETY: the function has this type.
            query: unsafe { os::as_function(query) },
            // SAFETY: the function has this type.
            lock: unsafe { os::as_function(lock) },
            // SAFETY: the function has this type.
            unlock: unsafe { os::as_function(unlock) },
        })
    }

    /// Takes the loader's lock.
    pub(super) fn lock_loader(self) -> LoaderLock {
        let mut cookie = 0;
        // SAFETY: without flags it waits for the lock; a place for the cookie.
        unsafe { (self.lock)(0, null_mut(), &raw mut cookie) };
        LoaderLock { unlock: self.unlock, cookie }
    }

    /// Calls `visit` with each thread, its id, and the address of its environment block.
    pub(super) fn visit(self, _: &LoaderLock, mut visit: impl FnMut(&Thread, u32, u64)) {
        // SAFETY: has no preconditions.
        let process = unsafe { GetCurrentProcess() };
        let mut last: Option<Thread> = None;
        loop {
            let before = last.as_ref().map_or(null_mut(), |thread| thread.0 as HANDLE);
            let mut next: HANDLE = null_mut();
            let access = THREAD_QUERY_INFORMATION | THREAD_SYNCHRONIZE;
            // SAFETY: `before` is null or a thread of the process, `next` a place for one.
            let status = unsafe { (self.next)(process, before, access, 0, 0, &raw mut next) };
            if status < 0 {
                return;
            }
            let thread = Arc::new(Handle(next as usize));
            let mut information = ThreadInformation::default();
            let place = (&raw mut information).cast();
            let size = size_of::<ThreadInformation>() as u32;
            // SAFETY: `size` bytes may be written to `place`, for the class of that structure.
            let status = unsafe { (self.query)(next, 0, place, size, null_mut()) };
            if status >= 0 && information.environment != 0 {
                visit(&thread, information.thread as u32, information.environment);
            }
            last = Some(thread);
        }
    }
}

/// A thread that may have ended meanwhile.
pub(super) type Thread = Arc<Handle>;

/// A handle of ours.
#[derive(Debug)]
pub(super) struct Handle(usize);

impl Handle {
    pub(super) fn has_ended(&self) -> bool {
        // SAFETY: a handle that may be waited for, until it is dropped.
        unsafe { WaitForSingleObject(self.0 as HANDLE, 0) == WAIT_OBJECT_0 }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: it was opened for us.
        unsafe { CloseHandle(self.0 as HANDLE) };
    }
}

/// Reads memory that may not be there.
fn peek(address: u64) -> Option<u64> {
    let mut word = 0u64;
    // SAFETY: has no preconditions.
    let process = unsafe { GetCurrentProcess() };
    let place = (&raw mut word).cast();
    // SAFETY: eight bytes may be written to `place`; the system checks the address.
    let done = unsafe { ReadProcessMemory(process, address as *const c_void, place, 8, null_mut()) };
    (done != 0).then_some(word)
}

/// Returns where another thread has the storage of the module with this index, if it has `nonce` at `offset`, which no
/// storage of another module has. The environment of a thread that is about to end may point to memory that was freed.
pub(super) fn storage_of(environment: u64, index: u32, offset: u64, nonce: u64) -> Option<u64> {
    let array = peek(environment + STORAGE_ARRAY)?;
    let storage = peek(array.checked_add(u64::from(index) * 8)?)?;
    (peek(storage.checked_add(offset)?)? == nonce).then_some(storage)
}

/// The calling thread.
pub(super) fn current() -> u32 {
    // SAFETY: has no preconditions.
    unsafe { GetCurrentThreadId() }
}

/// Returns where the calling thread has the storage of the module with this index.
pub(super) fn own_storage(index: u32) -> Option<u64> {
    let environment: u64;
    // SAFETY: every thread has the address of its environment block at gs:0x30.
    unsafe {
        std::arch::asm!("mov {}, gs:0x30", out(reg) environment, options(nostack, preserves_flags, readonly, pure));
    }
    // SAFETY: the calling thread's.
    let array = unsafe { ((environment + STORAGE_ARRAY) as *const u64).read_volatile() };
    if array == 0 {
        return None;
    }
    // SAFETY: the loader has made the array large enough for the module, which is loaded.
    let storage = unsafe { ((array + u64::from(index) * 8) as *const u64).read_volatile() };
    (storage != 0).then_some(storage)
}
