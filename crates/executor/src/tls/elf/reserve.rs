//! The reserve: thread-local bytes of our own, for code of the initial- and local-exec models.
//!
//! Such code adds a constant to the thread pointer. Only the static TLS of modules that were there when the process
//! started is at constant offsets, so we have some set aside: a thread-local array in our own executable. It has
//! initial content, hence a template in memory from which the system initializes new threads; to give a block its
//! initial content, we write to the template, to the calling thread's copy, and have the other threads update theirs.
//!
//! Free bytes of the reserve are zero in all threads unless they were in use before.

use std::cell::UnsafeCell;
use std::sync::Mutex;

use super::template::Template;
use super::{handshake, thread_pointer};
use crate::free_list::FreeList;
use crate::{ExecutorError, Result, lock};

/// Size of the reserve in bytes.
const SIZE: usize = match option_env!("LINKJIT_STATIC_TLS") {
    Some(text) => parse(text),
    None => 32 << 10,
};

/// The first bytes stay as they are: they put the array among initialized data.
const FIRST: u64 = 16;

/// Largest alignment of a block: the array's own.
const ALIGN: u64 = 256;

const fn parse(text: &str) -> usize {
    match usize::from_str_radix(text, 10) {
        Ok(size) if size >= 2 * ALIGN as usize && size <= 1 << 24 => size,
        _ => panic!("LINKJIT_STATIC_TLS is not a number of bytes from 512 to 16777216"),
    }
}

#[repr(C, align(256))]
struct Bytes(UnsafeCell<[u8; SIZE]>);

thread_local! {
    static BYTES: Bytes = const {
        let mut bytes = [0; SIZE];
        bytes[0] = 1;
        Bytes(UnsafeCell::new(bytes))
    };
}

/// Found when first needed, or found to be of no use.
static RESERVE: Mutex<Option<Result<Reserve>>> = Mutex::new(None);

/// Takes the lock for a fork.
pub(super) fn hold(held: &mut crate::fork::Held) -> bool {
    held.hold_static(&RESERVE)
}

#[derive(Debug)]
struct Reserve {
    /// From the thread pointer to the array.
    thread_offset: i64,
    template: Template,
    free: FreeList,
    /// Bytes at and beyond this offset were never in use.
    used_end: u64,
}

/// A part of the reserve that was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fixed {
    offset: u64,
    size: u64,
    /// From the thread pointer to the part.
    pub(super) thread_offset: i64,
}

impl Fixed {
    /// Says whether an offset from the thread pointer is in it.
    pub(super) fn has(&self, thread_offset: i64) -> bool {
        let within = thread_offset.wrapping_sub(self.thread_offset);
        within >= 0 && within.cast_unsigned() < self.size
    }
}

/// From the calling thread's thread pointer to its copy of the array.
fn own_thread_offset() -> i64 {
    let address = BYTES.with(|bytes| bytes.0.get() as u64);
    address.wrapping_sub(thread_pointer()).cast_signed()
}

/// Says whether an address is in the calling thread's copy of the array.
pub(crate) fn has(address: u64) -> bool {
    let start = BYTES.with(|bytes| bytes.0.get() as u64);
    (start..start + SIZE as u64).contains(&address)
}

impl Reserve {
    fn find() -> Result<Self> {
        let none = |why: &str| ExecutorError::NoFixedTls { why: why.into() };
        let thread_offset = own_thread_offset();
        let address = thread_pointer().wrapping_add_signed(thread_offset);
        let template = Template::find(address, SIZE as u64)
            .ok_or_else(|| none("linkjit can't find the template of its static TLS"))?;
        // The executable's is always at a constant offset; a library's is if the library was there at the start.
        if template.module != 1 {
            let elsewhere = std::thread::Builder::new().spawn(own_thread_offset).map(std::thread::JoinHandle::join);
            if !matches!(elsewhere, Ok(Ok(other)) if other == thread_offset) {
                return Err(none("linkjit is in a library that was loaded after the program started"));
            }
        }
        let free = FreeList::new(FIRST, SIZE as u64 - FIRST);
        Ok(Self { thread_offset, template, free, used_end: FIRST })
    }

    /// Writes `bytes` to the template and to the copies of all threads.
    fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.template.write(offset, bytes)?;
        let thread_offset = self.thread_offset.wrapping_add_unsigned(offset);
        handshake::write_in_all_threads(thread_offset, bytes)
    }
}

fn with_reserve<T>(action: impl FnOnce(&mut Reserve) -> Result<T>) -> Result<T> {
    match lock(&RESERVE).get_or_insert_with(Reserve::find) {
        Ok(reserve) => action(reserve),
        Err(error) => Err(error.clone()),
    }
}

/// Says whether our static TLS is at constant offsets from the thread pointer.
pub(super) fn is_fixed() -> bool {
    with_reserve(|_| Ok(())).is_ok()
}

/// Takes zeroed bytes.
pub(super) fn take(size: u64, align: u64) -> Result<Fixed> {
    if align > ALIGN {
        let why = format!("an alignment of {align} bytes is more than the {ALIGN} that are possible");
        return Err(ExecutorError::NoFixedTls { why });
    }
    let size = size.max(1);
    with_reserve(|reserve| {
        let Some(offset) = reserve.free.take(size, align) else {
            let free = reserve.free.largest();
            return Err(ExecutorError::TlsReserveFull { size, align, free, total: SIZE as u64 });
        };
        let used = reserve.used_end.saturating_sub(offset).min(size);
        reserve.used_end = reserve.used_end.max(offset + size);
        if used > 0
            && let Err(error) = reserve.write(offset, &vec![0; used as usize])
        {
            reserve.free.give(offset, size);
            return Err(error);
        }
        Ok(Fixed { offset, size, thread_offset: reserve.thread_offset.wrapping_add_unsigned(offset) })
    })
}

/// Gives a freshly taken part its initial content; what follows `image` is zero already.
pub(super) fn publish(fixed: Fixed, image: &[u8]) -> Result<()> {
    let length = image.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    match image.get(..length) {
        Some(image) if !image.is_empty() => with_reserve(|reserve| reserve.write(fixed.offset, image)),
        _ => Ok(()),
    }
}

/// Gives bytes back; they are zeroed when they are taken again.
pub(super) fn give(fixed: Fixed) {
    if let Some(Ok(reserve)) = &mut *lock(&RESERVE) {
        reserve.free.give(fixed.offset, fixed.size);
    }
}
