//! One window: three stripes of pages, one per protection.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::header::{Image, elf_header};
use super::provider::MemoryProvider;
use crate::fork::Held;
use crate::free_list::FreeList;
use crate::listed::Listed;
use crate::unwind::{self, WindowRecord};
use crate::{ExecAddr, ExecRange, ExecutorError, Placement, Protection, Result, WindowId, lock, os, tls};

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

/// The header of an image, in the first page of a window that is one.
#[derive(Debug, Default)]
struct Header {
    /// Says whether the page is committed.
    committed: bool,
    /// Says whether it follows what the window holds.
    kept: bool,
    /// Its table of functions is here, and the one before was there: somebody may still read that.
    functions: [Option<Pages>; 2],
}

/// The size of a window, and its division.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Division {
    /// So many bytes: a quarter each for what only reads and what executes, half for what is written to.
    Usual(u64),
    /// So many bytes for each protection.
    Stripes([u64; 3]),
}

impl Division {
    /// The size of the window, and where the first two stripes end in it. `None` if there is no such window.
    fn bounds(self, page: u64) -> Option<(u64, [u64; 2])> {
        let (size, ends) = match self {
            Self::Usual(size) => {
                let size = size.checked_next_multiple_of(page)?;
                let quarter = size / 4 / page * page;
                (size, [quarter, 2 * quarter])
            }
            Self::Stripes([read, exec, write]) => {
                // Behind the header's page.
                let read_end = read.checked_add(page)?.checked_next_multiple_of(page)?;
                let exec_end = read_end.checked_add(exec)?.checked_next_multiple_of(page)?;
                let size = exec_end.checked_add(write)?.checked_next_multiple_of(page)?;
                (size, [read_end, exec_end])
            }
        };
        (size >= 8 * page && i64::try_from(size).is_ok()).then_some((size, ends))
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
    header: Mutex<Header>,
    /// The directory of the image's resources is here. It is not in the header, which is locked when its own pages are
    /// given back.
    resources: Mutex<Option<ExecRange>>,
    /// Nobody takes pages any more: the system gets them with the window.
    abandoned: AtomicBool,
    /// `None` only while it is dropped.
    record: Option<WindowRecord>,
    listed: Option<Listed>,
}

impl WindowMemory {
    pub(crate) fn reserve(
        memory: Arc<dyn MemoryProvider>,
        id: WindowId,
        division: Division,
        placement: Placement,
    ) -> Result<Self> {
        let page = os::page_size();
        let (size, [read_end, exec_end]) = division.bounds(page).ok_or_else(|| ExecutorError::Invalid {
            what: "size of a window: it is less than 8 pages or too large".into(),
        })?;
        let range = memory.reserve(size, placement)?;
        let record = WindowRecord::open(range).inspect_err(|_| memory.release(range))?;
        let read = range.start.0 + page;
        let [exec, write] = [read_end, exec_end].map(|offset| range.start.0 + offset);
        let stripes =
            [Stripe::new(read, exec - read), Stripe::new(exec, write - exec), Stripe::new(write, range.end.0 - write)];
        let listed = Listed::new(range, stripes.each_ref().map(|stripe| stripe.range));
        Ok(Self {
            id,
            range,
            memory,
            page,
            stripes: Mutex::new(stripes),
            header: Mutex::default(),
            resources: Mutex::default(),
            abandoned: AtomicBool::new(false),
            record: Some(record),
            listed: Some(listed),
        })
    }

    /// Takes all locks for a fork; false if another thread has one.
    pub(crate) fn hold(self: &Arc<Self>, held: &mut Held) -> bool {
        held.hold(self, |window| &window.stripes)
            && held.hold(self, |window| &window.header)
            && held.hold(self, |window| &window.resources)
    }

    /// Says that the window goes when all that is in it is gone.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// Makes the first page the header of an image; `kept` says that it is to follow what the window holds from now on.
    pub(crate) fn make_header(&self, kept: bool) -> Result<()> {
        let mut header = lock(&self.header);
        if !header.committed {
            self.memory.commit(self.header_page())?;
            header.committed = true;
        }
        header.kept |= kept;
        self.write_header(&mut header)
    }

    /// Has the header say where the image's resources are, until that memory is given back. It follows what the window
    /// holds from now on: who looks for resources reads the header.
    pub(crate) fn set_resources(&self, directory: ExecRange) -> Result<()> {
        *lock(&self.resources) = Some(directory);
        self.make_header(true)
    }

    /// Brings a header that is kept up to date.
    pub(crate) fn update_header(&self) -> Result<()> {
        let mut header = lock(&self.header);
        if header.kept { self.write_header(&mut header) } else { Ok(()) }
    }

    fn header_page(&self) -> ExecRange {
        ExecRange::new(self.range.start, self.page)
    }

    fn write_header(&self, header: &mut Header) -> Result<()> {
        let mut image = Image {
            range: self.range,
            page: u32::try_from(self.page).unwrap_or(u32::MAX),
            sections: self.stripes(),
            functions: None,
            thread_local: None,
            resources: None,
        };
        if cfg!(not(windows)) {
            return self.write(self.header_page(), &elf_header(self.range, self.page, self.committed()));
        }
        if header.kept {
            // Code that reads its sections may read all of them.
            image.sections = self.committed();
            image.functions = self.write_functions(header, &unwind::functions(self.range.start.0))?;
            image.thread_local = tls::directory(self.range.start);
            image.resources = *lock(&self.resources);
        }
        self.write(self.header_page(), &image.header())
    }

    /// Writes the table of functions where no reader of the last one is; `None` if there is no room.
    fn write_functions(&self, header: &mut Header, table: &[u8]) -> Result<Option<ExecRange>> {
        header.functions.swap(0, 1);
        let [pages, _] = &mut header.functions;
        let size = table.len() as u64;
        if pages.as_ref().is_none_or(|pages| pages.range.size() < size) {
            if let Some(pages) = pages.take() {
                self.give(&pages, true);
            }
            *pages = self.take(Protection::Read, size * 2, self.page).ok();
        }
        let Some(range) = pages.as_ref().map(|pages| pages.range).filter(|_| size > 0) else { return Ok(None) };
        self.write(range, table)?;
        Ok(Some(ExecRange::new(range.start, size)))
    }

    /// Replaces the content of committed pages, which are read-only afterwards.
    fn write(&self, pages: ExecRange, content: &[u8]) -> Result<()> {
        self.memory.protect(pages, Protection::ReadWrite)?;
        // SAFETY: the pages are committed and writable, and only written here, by who has locked the header. Code of the
        // image that reads them meanwhile sees what a program sees that is changed while it runs: old bytes or new ones.
        let bytes = unsafe { std::slice::from_raw_parts_mut(pages.start.0 as *mut u8, pages.size() as usize) };
        let (start, rest) = bytes.split_at_mut(content.len());
        start.copy_from_slice(content);
        rest.fill(0);
        self.memory.protect(pages, Protection::Read)
    }

    /// The pages of each protection that can be accessed.
    fn committed(&self) -> [ExecRange; 3] {
        let stripes = lock(&self.stripes);
        stripes.each_ref().map(|stripe| ExecRange { start: stripe.range.start, end: ExecAddr(stripe.committed) })
    }

    /// Returns where pages of each protection come from.
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
            return Err(ExecutorError::Invalid {
                what: format!("alignment {align} of a segment: it is not a power of two"),
            });
        }
        let full = || ExecutorError::WindowFull {
            window: self.range.start,
            size,
            protection: match protection {
                Protection::Read => "read-only".into(),
                Protection::ReadExec => "executable".into(),
                Protection::ReadWrite => "writable".into(),
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
        if let Some(listed) = &self.listed {
            listed.grow(protection as usize, ExecAddr(stripe.committed));
        }
        Ok(Pages { range: ExecRange::new(ExecAddr(start), bytes), protection })
    }

    /// Takes pages back. `protected` says that they have their final protection, not that of free ones.
    pub(crate) fn give(&self, pages: &Pages, protected: bool) {
        let Pages { range, protection } = *pages;
        if range.size() == 0 || self.abandoned.load(Ordering::Relaxed) {
            return;
        }
        lock(&self.resources).take_if(|directory| range.contains(directory.start));
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
        self.listed = None;
        self.memory.release(self.range);
    }
}

/// Pages in use. No two values share a page.
#[derive(Debug)]
pub(crate) struct Pages {
    pub(crate) range: ExecRange,
    pub(crate) protection: Protection,
}
