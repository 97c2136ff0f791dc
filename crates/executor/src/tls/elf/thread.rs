//! The record of each thread: the addresses of its blocks.
//!
//! The record is reached through a thread-local pointer without destructor, so that it can be used at any time of a
//! thread's life. The thread's end comes in two steps: the C library runs destructors of thread-local objects, ours
//! among them; then those of `pthread_key_create`, where ours frees the blocks.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::OnceLock;

use super::modules::{self, ModuleId};
use super::{destructors, thread_pointer};
use crate::TlsAddress;

/// Set in the module numbers that we give out. The system's are small.
const OURS: u64 = 1 << 63;

/// Set, too, if the other 62 bits are the block's offset from the thread pointer; else they are generation and slot.
const FIXED: u64 = 1 << 62;

/// The number of a block at a fixed offset from the thread pointer.
pub(super) fn fixed_module(thread_offset: i64) -> u64 {
    OURS | FIXED | (thread_offset.cast_unsigned() & (FIXED - 1))
}

/// The number of a block that each thread has elsewhere.
pub(super) fn dynamic_module(id: ModuleId) -> u64 {
    OURS | u64::from(id.generation) << 32 | u64::from(id.slot)
}

/// The inverse of `dynamic_module`.
fn id_of(module: u64) -> ModuleId {
    ModuleId { slot: module as u32, generation: (module >> 32) as u32 & (u32::MAX >> 2) }
}

/// `__tls_get_addr` is called with this.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct TlsIndex {
    module: u64,
    offset: u64,
}

unsafe extern "C" {
    fn __tls_get_addr(index: *const TlsIndex) -> *mut u8;
}

/// `__tls_get_addr` for linked code.
///
/// # Safety
/// `index` must be readable.
pub(crate) unsafe extern "C" fn tls_get_addr(index: *const TlsIndex) -> *mut u8 {
    // SAFETY: the caller vouches for it.
    let TlsIndex { module, offset } = unsafe { index.read() };
    if module & OURS == 0 {
        // SAFETY: a number of the system's, from its own relocation or from `find_symbols`.
        return unsafe { __tls_get_addr(index) };
    }
    let start = if module & FIXED == 0 {
        dynamic_block(module)
    } else {
        let thread_offset = (module << 2).cast_signed() >> 2;
        thread_pointer().wrapping_add_signed(thread_offset) as *mut u8
    };
    start.wrapping_add(offset as usize)
}

/// Returns where the calling thread has a variable.
pub(crate) fn address_in_thread(TlsAddress { module, offset, .. }: TlsAddress) -> *mut u8 {
    let index = TlsIndex { module, offset };
    // SAFETY: it is readable.
    unsafe { tls_get_addr(&raw const index) }
}

/// The parts that [`super::descriptor`] reads are in C's layout.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Thread {
    /// Address and length of `blocks`.
    pub(super) table: *const Cached,
    pub(super) table_len: usize,
    /// Indexed by slot.
    blocks: Vec<Cached>,
    /// Says whether the C library will call the destructors of its thread-local objects.
    pub(super) hooked: bool,
}

/// The place of the thread's block of a module.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Cached {
    /// The module's number; zero if there is none.
    pub(super) module: u64,
    pub(super) start: *mut u8,
}

impl Thread {
    fn new() -> Self {
        let blocks = Vec::new();
        Self { table: blocks.as_ptr(), table_len: 0, blocks, hooked: false }
    }

    /// Returns the number that tells it from other threads.
    pub(super) fn number(&self) -> usize {
        &raw const *self as usize
    }

    fn remember(&mut self, slot: usize, block: Cached) {
        if self.blocks.len() <= slot {
            self.blocks.resize(slot + 1, Cached { module: 0, start: null_mut() });
        }
        if let Some(entry) = self.blocks.get_mut(slot) {
            *entry = block;
        }
        self.table = self.blocks.as_ptr();
        self.table_len = self.blocks.len();
    }
}

thread_local! {
    /// Null before the thread's first need, and after its end.
    static THREAD: Cell<*mut Thread> = const { Cell::new(null_mut()) };
}

/// Returns where the calling thread's pointer to its record is.
pub(super) fn place_of_thread() -> u64 {
    THREAD.with(|place| place.as_ptr() as u64)
}

/// Calls `action` with the thread's record, if it has one. `action` must not run user code, which might come back here.
pub(super) fn with_existing<T>(action: impl FnOnce(&mut Thread) -> T) -> Option<T> {
    let thread = THREAD.get();
    // SAFETY: null, or made by `with_thread` for this thread and freed only at its end; no other reference is live, as
    // `action` runs nothing that comes back here.
    let thread = unsafe { thread.as_mut() };
    thread.map(action)
}

/// Calls `action` with the thread's record, made if need be.
pub(super) fn with_thread<T>(action: impl FnOnce(&mut Thread) -> T) -> Option<T> {
    static KEY: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();
    if THREAD.get().is_null() {
        let key = KEY.get_or_init(|| {
            let mut key = 0;
            // SAFETY: a place for the key and a function of the right type.
            let result = unsafe { libc::pthread_key_create(&raw mut key, Some(thread_ends)) };
            (result == 0).then_some(key)
        });
        let thread = Box::into_raw(Box::new(Thread::new()));
        THREAD.set(thread);
        if let Some(key) = key {
            // SAFETY: the key was made above and is never deleted. If there is no memory, the record is not freed.
            unsafe { libc::pthread_setspecific(*key, thread.cast()) };
        }
    }
    with_existing(action)
}

/// The calling thread's block. The way that is taken all but once takes no lock.
fn dynamic_block(module: u64) -> *mut u8 {
    let known = with_existing(|thread| match thread.blocks.get(id_of(module).slot as usize) {
        Some(cached) if cached.module == module => Some(cached.start),
        _ => None,
    });
    if let Some(Some(start)) = known {
        return start;
    }
    new_block(module)
}

#[cold]
fn new_block(module: u64) -> *mut u8 {
    let id = id_of(module);
    with_thread(|thread| {
        let start = modules::block_of(id, thread.number());
        if !start.is_null() {
            thread.remember(id.slot as usize, Cached { module, start });
        }
        start
    })
    .unwrap_or(null_mut())
}

/// The thread has run all destructors of its thread-local objects.
extern "C" fn thread_ends(thread: *mut c_void) {
    THREAD.set(null_mut());
    // SAFETY: the record that `with_thread` made for this thread, which nothing refers to any more.
    let thread = unsafe { Box::from_raw(thread.cast::<Thread>()) };
    let number = thread.number();
    destructors::forget_thread(number);
    let blocks = thread.blocks.iter().filter(|cached| cached.module != 0);
    modules::remove_blocks_of(number, blocks.map(|cached| id_of(cached.module)));
}
