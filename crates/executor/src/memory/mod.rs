//! Memory for linked code: windows, allocations within them, and what happens when they are finalized.
//!
//! No page is ever writable and executable. Free pages are writable and zero. A batch is written in place; then its
//! executable and read-only pages change their protection once, adjacent ones in one call.

mod header;
mod kept;
mod provider;
mod window;

use std::collections::{BTreeMap, HashMap};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use self::kept::Kept;
pub use self::provider::{MemoryProvider, SystemMemory};
pub(crate) use self::window::Division;
use self::window::{Pages, WindowMemory};
use crate::fork::{Held, Participant};
use crate::unwind::{FUNCTION_SIZE, FunctionTables, UnwindTables};
use crate::{
    Allocation, AllocationId, ExecAddr, ExecRange, ExecutorError, FinalizeActions, IndirectSlot, Jump, Placement,
    Protection, Result, SegmentRequest, TlsId, Window, WindowId, instruction_cache, lock, os, tls,
};

/// All windows of an executor, and the finalized allocations in them.
#[derive(Debug)]
pub(crate) struct Memory {
    provider: Arc<dyn MemoryProvider>,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    windows: HashMap<WindowId, Arc<WindowMemory>>,
    allocations: HashMap<AllocationId, Finalized>,
    /// The segments of the allocations begin here.
    by_start: BTreeMap<ExecAddr, AllocationId>,
    last_window: u32,
    last_allocation: u64,
}

impl Tables {
    fn insert(&mut self, finalized: Finalized) -> AllocationId {
        self.last_allocation += 1;
        let id = AllocationId(self.last_allocation);
        self.by_start.extend(finalized.memory.starts().map(|start| (start, id)));
        self.allocations.insert(id, finalized);
        id
    }

    fn remove(&mut self, id: AllocationId) -> Option<Finalized> {
        let finalized = self.allocations.remove(&id)?;
        for start in finalized.memory.starts() {
            self.by_start.remove(&start);
        }
        Some(finalized)
    }

    /// The allocation that has an aligned word in a segment of that protection.
    fn with_word(&self, word: ExecAddr, protection: Protection) -> Option<&Finalized> {
        let (_, id) = self.by_start.range(..=word).next_back()?;
        let range = ExecRange { start: word, end: word.offset(8) };
        let has_it = |finalized: &&Finalized| finalized.memory.contain(range, &[protection]);
        self.allocations.get(id).filter(has_it).filter(|_| word.0.is_multiple_of(8))
    }
}

impl Tables {
    /// Changes a word of the contents that are kept of an allocation, if they are.
    fn keep_word(&mut self, word: ExecAddr, value: ExecAddr) {
        let owner = self.by_start.range(..=word).next_back().map(|(_, id)| *id);
        let finalized = owner.and_then(|id| self.allocations.get_mut(&id));
        if let Some(kept) = finalized.and_then(|finalized| finalized.kept.iter_mut().find(|kept| kept.has(word))) {
            kept.set_word(word, value.0);
        }
    }
}

/// A finalized allocation. The fields are dropped in this order: the unwinder reads the tables until they are
/// deregistered.
#[derive(Debug)]
struct Finalized {
    _unwind_tables: UnwindTables,
    _function_tables: FunctionTables,
    memory: Segments,
    tls: Option<TlsId>,
    kept: Vec<Kept>,
}

impl Memory {
    pub(crate) fn new(provider: Arc<dyn MemoryProvider>) -> Self {
        Self { provider, tables: Mutex::default() }
    }

    pub(crate) fn reserve_window(&self, division: Division, placement: Placement) -> Result<Window> {
        let mut tables = lock(&self.tables);
        let id = WindowId(tables.last_window + 1);
        let window = WindowMemory::reserve(Arc::clone(&self.provider), id, division, placement)?;
        tables.last_window = id.0;
        let (range, stripes) = (window.range, window.stripes());
        tables.windows.insert(id, Arc::new(window));
        Ok(Window { id, range, stripes })
    }

    pub(crate) fn release_window(&self, id: WindowId) -> Result<()> {
        let mut tables = lock(&self.tables);
        let window = tables.windows.remove(&id).ok_or(ExecutorError::NoSuch { what: "window".into() })?;
        let is_within = |(allocation, finalized): (&AllocationId, &Finalized)| {
            (finalized.memory.window.id == id).then_some(*allocation)
        };
        let within: Vec<_> = tables.allocations.iter().filter_map(is_within).collect();
        let within =
            within.into_iter().filter_map(|allocation| Some((allocation, tables.remove(allocation)?))).collect();
        // The operating system and the unwinder are called without the lock.
        drop(tables);
        window.abandon();
        release_last_first(within);
        Ok(())
    }

    /// Gives back everything but allocations that are still being filled; those keep their window.
    pub(crate) fn release_all(&self) {
        let mut tables = lock(&self.tables);
        let windows = std::mem::take(&mut tables.windows);
        let allocations = std::mem::take(&mut tables.allocations);
        tables.by_start.clear();
        drop(tables);
        windows.values().for_each(|window| window.abandon());
        release_last_first(allocations.into_iter().collect());
    }

    /// Returns where a window is.
    pub(crate) fn window_range(&self, window: WindowId) -> Option<ExecRange> {
        lock(&self.tables).windows.get(&window).map(|window| window.range)
    }

    /// Returns where its windows are.
    pub(crate) fn window_ranges(&self) -> Vec<ExecRange> {
        lock(&self.tables).windows.values().map(|window| window.range).collect()
    }

    pub(crate) fn allocate(self: &Arc<Self>, window: WindowId, requests: &[SegmentRequest]) -> Result<InProcessMemory> {
        let window = lock(&self.tables).windows.get(&window).cloned();
        let window = window.ok_or(ExecutorError::NoSuch { what: "window".into() })?;
        let mut segments = Segments { window, pages: Vec::with_capacity(requests.len()), protected: false };
        for request in requests {
            segments.pages.push(segments.window.take(request.protection, request.size, request.align)?);
        }
        let sizes = requests.iter().map(|request| request.size as usize).collect();
        Ok(InProcessMemory { memory: Arc::clone(self), segments, sizes, executable: false })
    }

    pub(crate) fn deallocate(&self, id: AllocationId) -> Result<()> {
        let finalized = lock(&self.tables).remove(id);
        let finalized = finalized.ok_or(ExecutorError::NoSuch { what: "allocation".into() })?;
        let window = Arc::clone(&finalized.memory.window);
        drop(finalized);
        window.update_header()
    }

    pub(crate) fn make_image_header(&self, window: WindowId, kept: bool) -> Result<()> {
        let window = lock(&self.tables).windows.get(&window).cloned();
        window.ok_or(ExecutorError::NoSuch { what: "window".into() })?.make_header(kept)
    }

    /// Returns where finalized allocations lie.
    pub(crate) fn ranges(&self, allocations: &[AllocationId]) -> Result<Vec<ExecRange>> {
        let tables = lock(&self.tables);
        let mut ranges = Vec::new();
        for id in allocations {
            let finalized = tables.allocations.get(id).ok_or(ExecutorError::NoSuch { what: "allocation".into() })?;
            ranges.extend(finalized.memory.pages.iter().map(|pages| pages.range));
        }
        Ok(ranges)
    }

    /// The thread-local storage of finalized allocations.
    pub(crate) fn thread_local_blocks(&self, allocations: &[AllocationId]) -> Vec<TlsId> {
        let tables = lock(&self.tables);
        allocations.iter().filter_map(|id| tables.allocations.get(id)?.tls).collect()
    }

    /// Changes words of finalized read-only data to what `update` makes of them. Their page is writable meanwhile.
    pub(crate) fn update_words(&self, words: &[ExecAddr], update: impl Fn(ExecAddr) -> ExecAddr) -> Result<()> {
        let tables = lock(&self.tables);
        for &address in words {
            let Some(owner) = tables.with_word(address, Protection::Read) else {
                return Err(ExecutorError::NoSuch { what: "word of read-only data".into() });
            };
            let memory = &owner.memory.window.memory;
            // SAFETY: an aligned word of a finalized allocation, which the locked table keeps; all that code does with
            // it is to read it.
            let word = unsafe { AtomicU64::from_ptr(address.0 as *mut u64) };
            let old = ExecAddr(word.load(Ordering::Relaxed));
            let new = update(old);
            if new != old {
                let page = ExecRange::new(ExecAddr(address.0 & !(os::page_size() - 1)), os::page_size());
                memory.protect(page, Protection::ReadWrite)?;
                word.store(new.0, Ordering::Release);
                memory.protect(page, Protection::Read)?;
            }
        }
        Ok(())
    }

    /// Makes jumps through words of writable data go elsewhere.
    pub(crate) fn redirect(&self, jumps: &[Jump]) -> Result<Vec<ExecAddr>> {
        let mut tables = lock(&self.tables);
        let redirected = jumps.iter().map(|&Jump { slot, to }| {
            if to.is_null() {
                return Err(ExecutorError::Invalid { what: "target of a redirection: null".into() });
            }
            if tables.with_word(slot, Protection::ReadWrite).is_none() {
                return Err(ExecutorError::NoSuch { what: "word of writable data".into() });
            }
            tables.keep_word(slot, to);
            // SAFETY: an aligned word of a finalized allocation, which the locked table keeps; code that jumps through
            // it reads it at once.
            let slot = unsafe { AtomicU64::from_ptr(slot.0 as *mut u64) };
            // What is at `to` was written before.
            Ok(ExecAddr(slot.swap(to.0, Ordering::AcqRel)))
        });
        redirected.collect()
    }

    /// See [`crate::Executor::restore_contents`].
    ///
    /// # Safety
    /// As there.
    pub(crate) unsafe fn restore(&self, allocations: &[AllocationId]) -> Result<()> {
        let tables = lock(&self.tables);
        for id in allocations {
            let finalized = tables.allocations.get(id).ok_or(ExecutorError::NoSuch { what: "allocation".into() })?;
            // SAFETY: the allocation's own writable segments, which the locked table keeps; the caller promises that
            // nobody uses them.
            finalized.kept.iter().for_each(|kept| unsafe { kept.restore() });
        }
        Ok(())
    }

    /// The bytes of finalized memory.
    pub(crate) fn read(&self, range: ExecRange) -> Result<Vec<u8>> {
        const ALL: [Protection; 3] = [Protection::Read, Protection::ReadExec, Protection::ReadWrite];
        let tables = lock(&self.tables);
        let start = tables.by_start.range(..=range.start).next_back();
        let owner = start.and_then(|(_, id)| tables.allocations.get(id));
        if !owner.is_some_and(|owner| owner.memory.contain(range, &ALL)) {
            return Err(ExecutorError::NoSuch { what: "memory of linked code".into() });
        }
        let byte = |address: u64| {
            // SAFETY: a byte of a finalized allocation, which the locked table keeps. Code may write to it meanwhile,
            // hence an atomic read.
            unsafe { AtomicU8::from_ptr(address as *mut u8) }.load(Ordering::Relaxed)
        };
        Ok((range.start.0..range.end.0).map(byte).collect())
    }

    fn insert(&self, finalized: Finalized) -> Result<AllocationId> {
        let mut tables = lock(&self.tables);
        if !tables.windows.contains_key(&finalized.memory.window.id) {
            drop(tables);
            return Err(ExecutorError::NoSuch { what: "window".into() });
        }
        Ok(tables.insert(finalized))
    }
}

impl Participant for Memory {
    fn hold(self: Arc<Self>, held: &mut Held) -> bool {
        let windows: Vec<_> = match self.tables.try_lock() {
            Ok(tables) => tables.windows.values().cloned().collect(),
            Err(_) => return false,
        };
        // A window that comes in between is empty, and nobody else's.
        held.hold(&self, |memory| &memory.tables) && windows.iter().all(|window| window.hold(held))
    }
}

/// Gives allocations back. The unwinder keeps its tables in a list that begins with the last: in any other order, each
/// would be a search among all.
fn release_last_first(mut allocations: Vec<(AllocationId, Finalized)>) {
    allocations.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(id.0));
    allocations.into_iter().for_each(drop);
}

/// The pages of one allocation; dropping them gives them back.
#[derive(Debug)]
struct Segments {
    window: Arc<WindowMemory>,
    pages: Vec<Pages>,
    /// Says whether pages may have their final protection already.
    protected: bool,
}

impl Segments {
    /// Gives the pages of `protection` that protection, neighbours in one call.
    fn protect(&mut self, protection: Protection) -> Result<()> {
        self.protected = true;
        let mut ranges: Vec<ExecRange> = self
            .pages
            .iter()
            .filter(|pages| pages.protection == protection && pages.range.size() > 0)
            .map(|pages| pages.range)
            .collect();
        ranges.sort_unstable_by_key(|range| range.start);
        for run in ranges.chunk_by(|one, next| one.end == next.start) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            self.window.memory.protect(ExecRange { start: first.start, end: last.end }, protection)?;
        }
        Ok(())
    }

    /// Returns where its segments begin that are not empty.
    fn starts(&self) -> impl Iterator<Item = ExecAddr> {
        let ranges = self.pages.iter().map(|pages| pages.range);
        ranges.filter(|range| range.size() > 0).map(|range| range.start)
    }

    /// Says whether `range` lies in a segment with one of `protections`.
    fn contain(&self, range: ExecRange, protections: &[Protection]) -> bool {
        range.start <= range.end
            && self.pages.iter().any(|pages| {
                protections.contains(&pages.protection)
                    && pages.range.start <= range.start
                    && range.end <= pages.range.end
            })
    }
}

impl Drop for Segments {
    fn drop(&mut self) {
        for pages in self.pages.drain(..) {
            self.window.give(&pages, self.protected);
        }
    }
}

/// Memory of this process that is being filled.
#[derive(Debug)]
pub(crate) struct InProcessMemory {
    memory: Arc<Memory>,
    segments: Segments,
    /// Requested size of each segment, in bytes: at most that of its pages.
    sizes: Vec<usize>,
    /// Code is executable, hence can't be written any more.
    executable: bool,
}

impl Allocation for InProcessMemory {
    fn address(&self, index: usize) -> ExecAddr {
        self.segments.pages[index].range.start
    }

    fn bytes(&mut self, index: usize) -> &mut [u8] {
        let (size, pages) = (self.sizes[index], &self.segments.pages[index]);
        if size == 0 || self.executable && pages.protection == Protection::ReadExec {
            return &mut [];
        }
        let start = pages.range.start.0 as *mut u8;
        // SAFETY: the pages are committed, writable and initialized; they belong to this segment alone (no two `Pages`
        // overlap) until `self` is gone, and `self` is borrowed for as long as the slice lives.
        unsafe { std::slice::from_raw_parts_mut(start, size) }
    }

    fn make_executable(&mut self) -> Result<()> {
        if !self.executable {
            let code = self.segments.pages.iter().filter(|pages| pages.protection == Protection::ReadExec);
            code.for_each(|pages| instruction_cache::synchronize(pages.range));
            self.segments.protect(Protection::ReadExec)?;
            self.executable = true;
        }
        Ok(())
    }

    fn finalize(mut self: Box<Self>, actions: &FinalizeActions) -> Result<AllocationId> {
        check(&self.segments, actions)?;
        self.make_executable()?;
        let Self { memory, mut segments, .. } = *self;
        for slot in &actions.indirect_slots {
            resolve(*slot);
        }
        segments.protect(Protection::Read)?;
        let unwind_tables = UnwindTables::register(&actions.unwind_tables)?;
        let function_tables = register_functions(&segments, &actions.function_tables)?;
        if let Some(image) = &actions.tls_image {
            tls::publish(image.id, bytes_at(&segments, image.bytes))?;
        }
        let tls = actions.tls_image.map(|image| image.id);
        let writable = segments.pages.iter().filter(|pages| pages.protection == Protection::ReadWrite);
        let writable = writable.filter(|_| actions.keep_contents).map(|pages| pages.range);
        let kept = writable.map(|range| Kept::new(range, bytes_at(&segments, range))).collect();
        match actions.resources {
            Some(directory) => segments.window.set_resources(directory)?,
            None => segments.window.update_header()?,
        }
        memory.insert(Finalized {
            _unwind_tables: unwind_tables,
            _function_tables: function_tables,
            memory: segments,
            tls,
            kept,
        })
    }
}

/// Checks that `actions` concern the allocation's own memory.
fn check(segments: &Segments, actions: &FinalizeActions) -> Result<()> {
    const DATA: &[Protection] = &[Protection::Read, Protection::ReadWrite];
    let invalid = |what: &str, at: ExecAddr| Err(ExecutorError::Invalid { what: format!("{what} at {at}") });
    for slot in &actions.indirect_slots {
        if !segments.contain(ExecRange::new(slot.slot, 8), DATA) || !slot.slot.0.is_multiple_of(8) {
            return invalid("slot of an indirect function", slot.slot);
        }
    }
    for table in &actions.unwind_tables {
        if !segments.contain(*table, DATA) {
            return invalid("unwind table", table.start);
        }
        if !is_well_formed(bytes_at(segments, *table)) {
            return invalid("unwind table (its records do not end with four zero bytes)", table.start);
        }
    }
    for table in &actions.function_tables {
        let whole = table.start.0.is_multiple_of(4) && table.size().is_multiple_of(FUNCTION_SIZE);
        if !whole || !segments.contain(*table, DATA) {
            return invalid("function table", table.start);
        }
    }
    if let Some(directory) = actions.resources.filter(|directory| !segments.contain(*directory, DATA)) {
        return invalid("directory of resources", directory.start);
    }
    match &actions.tls_image {
        Some(image) if image.bytes.size() > 0 && !segments.contain(image.bytes, DATA) => {
            invalid("thread-local image", image.bytes.start)
        }
        _ => Ok(()),
    }
}

/// Says whether the records of an `.eh_frame` table follow one another up to a length of zero at its very end: the
/// unwinder trusts the lengths, and sees nothing beyond the first zero.
fn is_well_formed(mut table: &[u8]) -> bool {
    while let Some((length, rest)) = table.split_first_chunk() {
        match u32::from_le_bytes(*length) {
            0 => return rest.is_empty(),
            length => match rest.get(length as usize..) {
                Some(rest) => table = rest,
                None => return false,
            },
        }
    }
    false
}

fn register_functions(segments: &Segments, tables: &[ExecRange]) -> Result<FunctionTables> {
    let tables: Vec<_> = tables.iter().map(|table| (*table, bytes_at(segments, *table))).collect();
    let code = segments.pages.iter().filter(|pages| pages.protection == Protection::ReadExec);
    FunctionTables::register(segments.window.range.start.0, code.map(|pages| pages.range), &tables)
}

/// Calls a resolver and stores what it returns.
fn resolve(slot: IndirectSlot) {
    let Some(resolver) = NonNull::new(slot.resolver.0 as *mut ()) else { return };
    // SAFETY: the linker vouches that this is the address of a resolver, which takes no arguments and returns an
    // address; the code of this allocation is executable by now.
    let resolver: extern "C" fn() -> u64 = unsafe { std::mem::transmute(resolver.as_ptr()) };
    let address = resolver();
    // SAFETY: `check` found the slot aligned and inside a segment that is still writable.
    unsafe { (slot.slot.0 as *mut u64).write(address) };
}

/// The bytes of `range`, which `check` found in `segments`.
fn bytes_at(_segments: &Segments, range: ExecRange) -> &[u8] {
    if range.size() == 0 {
        return &[];
    }
    // SAFETY: the range lies in readable pages of the borrowed segments; nobody writes to them before finalization is
    // complete.
    unsafe { std::slice::from_raw_parts(range.start.0 as *const u8, range.size() as usize) }
}
