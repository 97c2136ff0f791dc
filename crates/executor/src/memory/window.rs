//! One window: three stripes of pages, one per protection.

use std::sync::{Arc, Mutex};

use super::provider::MemoryProvider;
use crate::free_list::FreeList;
use crate::unwind::WindowRecord;
use crate::{ExecAddr, ExecRange, ExecutorError, Placement, Protection, Result, WindowId, lock, os};

/// Memory is committed this many bytes ahead, so that few allocations have to ask the operating system.
const COMMIT_AHEAD: u64 = 1 << 20;

/// At most this many bytes are made present ahead. A page fault costs more than all else that a small allocation does;
/// large ones may be zeros that nobody touches, or be filled by several threads.
const POPULATE_AHEAD: u64 = 64 << 10;

/// The pages of one protection. Free pages below `committed` are writable and zero.
#[derive(Debug)]
struct Stripe {
    range: ExecRange,
    committed: u64,
    /// Pages beyond were never in use.
    populated: u64,
    free: FreeList,
}

impl Stripe {
    fn new(start: u64, size: u64) -> Self {
        Self {
            range: ExecRange::new(ExecAddr(start), size),
            committed: start,
            populated: start,
            free: FreeList::new(start, size),
        }
    }

    /// Makes the pages from `start` to `end` usable.
    fn commit(&mut self, memory: &dyn MemoryProvider, start: u64, end: u64) -> Result<()> {
        if end > self.committed {
            let end = end.checked_next_multiple_of(COMMIT_AHEAD).unwrap_or(end).min(self.range.end.0);
            memory.commit(ExecRange { start: ExecAddr(self.committed), end: ExecAddr(end) })?;
            self.committed = end;
        }
        if end > self.populated {
            let from = self.populated.max(start);
            self.populated = end;
            if end - start <= POPULATE_AHEAD {
                // As much again as is in use: a program that links little pays little.
                let ahead = (end - self.range.start.0).min(POPULATE_AHEAD);
                self.populated = (end + ahead).min(self.committed);
                memory.populate(ExecRange { start: ExecAddr(from), end: ExecAddr(self.populated) });
            }
        }
        Ok(())
    }
}

/// A reserved range of addresses. The first page is left free for an image header; then come the read-only, the
/// executable and the writable stripe. Dropping it gives the addresses back: whoever hands out its pages keeps it.
#[derive(Debug)]
pub(crate) struct WindowMemory {
    pub(crate) id: WindowId,
    pub(crate) range: ExecRange,
    pub(crate) memory: Arc<dyn MemoryProvider>,
    page: u64,
    stripes: Mutex<[Stripe; 3]>,
    /// Whether the first page is committed.
    has_header: Mutex<bool>,
    /// `None` only while it is dropped.
    record: Option<WindowRecord>,
}

impl WindowMemory {
    pub(crate) fn reserve(
        memory: Arc<dyn MemoryProvider>,
        id: WindowId,
        size: u64,
        placement: Placement,
    ) -> Result<Self> {
        let page = os::page_size();
        let size = size.checked_next_multiple_of(page).filter(|size| *size <= i64::MAX as u64);
        let Some(size) = size.filter(|size| *size >= 8 * page) else {
            return Err(ExecutorError::Invalid { what: "size of a window: less than 8 pages or too large".into() });
        };
        let range = memory.reserve(size, placement)?;
        let record = WindowRecord::open(range).inspect_err(|_| memory.release(range))?;
        let quarter = size / 4 / page * page;
        let read = range.start.0 + page;
        let exec = range.start.0 + quarter;
        let write = exec + quarter;
        let stripes =
            [Stripe::new(read, exec - read), Stripe::new(exec, quarter), Stripe::new(write, range.end.0 - write)];
        let (stripes, has_header) = (Mutex::new(stripes), Mutex::new(false));
        Ok(Self { id, range, memory, page, stripes, has_header, record: Some(record) })
    }

    /// Replaces the content of the first page, which is read-only afterwards.
    pub(crate) fn set_header(&self, header: &[u8]) -> Result<()> {
        if header.len() as u64 > self.page {
            return Err(ExecutorError::Invalid { what: format!("image header: {} bytes", header.len()) });
        }
        let page = ExecRange::new(self.range.start, self.page);
        // Two must not write at the same time.
        let mut has_header = lock(&self.has_header);
        if !*has_header {
            self.memory.commit(page)?;
            *has_header = true;
        }
        self.memory.protect(page, Protection::ReadWrite)?;
        // SAFETY: the page is committed and writable, in no stripe, and only written here, under the lock. Code of the
        // image that reads it meanwhile sees what a program sees that is changed while it runs: old bytes or new ones.
        let bytes = unsafe { std::slice::from_raw_parts_mut(page.start.0 as *mut u8, self.page as usize) };
        let (start, rest) = bytes.split_at_mut(header.len());
        start.copy_from_slice(header);
        rest.fill(0);
        self.memory.protect(page, Protection::Read)
    }

    /// Where pages of each protection come from.
    pub(crate) fn stripes(&self) -> [ExecRange; 3] {
        lock(&self.stripes).each_ref().map(|stripe| stripe.range)
    }

    /// The pages that hold `size` bytes.
    fn pages(&self, size: u64) -> Option<u64> {
        size.checked_next_multiple_of(self.page)
    }

    /// Takes zeroed, writable pages for `size` bytes from the stripe of `protection`.
    pub(crate) fn take(&self, protection: Protection, size: u64, align: u64) -> Result<Pages> {
        if !align.is_power_of_two() {
            return Err(ExecutorError::Invalid { what: format!("alignment {align} of a segment: no power of two") });
        }
        let full = || ExecutorError::WindowFull {
            window: self.range.start,
            size,
            protection: match protection {
                Protection::Read => "read-only",
                Protection::ReadExec => "executable",
                Protection::ReadWrite => "writable",
            },
        };
        let mut stripes = lock(&self.stripes);
        let stripe = &mut stripes[protection as usize];
        if size == 0 {
            let address = stripe.range.start.0.checked_next_multiple_of(align).ok_or_else(full)?;
            return Ok(Pages { range: ExecRange::new(ExecAddr(address), 0), protection });
        }
        let bytes = self.pages(size).ok_or_else(full)?;
        let start = stripe.free.take(bytes, align.max(self.page)).ok_or_else(full)?;
        if let Err(error) = stripe.commit(self.memory.as_ref(), start, start + bytes) {
            stripe.free.give(start, bytes);
            return Err(error);
        }
        Ok(Pages { range: ExecRange::new(ExecAddr(start), bytes), protection })
    }

    /// Takes pages back. `protected` says that they have their final protection, not that of free ones.
    pub(crate) fn give(&self, pages: &Pages, protected: bool) {
        let Pages { range, protection } = *pages;
        if range.size() == 0 {
            return;
        }
        // Pages that can't be made writable and zero again are lost; they must not be handed out.
        if self.memory.recycle(range, if protected { protection } else { Protection::ReadWrite }).is_ok() {
            lock(&self.stripes)[protection as usize].free.give(range.start.0, range.size());
        }
    }
}

impl Drop for WindowMemory {
    fn drop(&mut self) {
        // Nobody may look for functions in it any more when its addresses are another's.
        self.record = None;
        self.memory.release(self.range);
    }
}

/// Pages in use. No two values share a page.
#[derive(Debug)]
pub(crate) struct Pages {
    pub(crate) range: ExecRange,
    pub(crate) protection: Protection,
}
