//! The memory that linked code takes, and limits on it.

use linkjit_executor::ExecRange;

use super::{Allocation, ExecutionSession, ResourceTracker, State};
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;

/// Memory of linked code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct MemoryUse {
    /// Bytes of code, stubs included.
    pub code: u64,
    /// Bytes of read-only data, unwind tables and table entries included.
    pub read_only: u64,
    /// Bytes of writable data.
    pub writable: u64,
    /// Of the read-only bytes: those of unwind tables.
    pub unwind: u64,
    /// Of the code and the read-only bytes: stubs and table entries that the linker has made.
    pub stubs: u64,
    /// Bytes of thread-local storage that each thread may have to have.
    pub thread_local: u64,
    /// Bytes of the pages that all but the last are in.
    pub pages: u64,
    /// Runs of pages with one protection. Neighbours may be one mapping of the operating system.
    pub mappings: u64,
}

impl MemoryUse {
    /// Code and data in all.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.code + self.read_only + self.writable
    }

    fn total<'a>(allocations: impl Iterator<Item = &'a Allocation>, page: u64) -> Self {
        let mut memory = Self::default();
        allocations.for_each(|allocation| memory.add(allocation, page));
        memory
    }

    fn add(&mut self, allocation: &Allocation, page: u64) {
        let bytes = &allocation.bytes;
        let [read_only, code, writable] = allocation.segments.map(ExecRange::size);
        self.code += code;
        self.read_only += read_only;
        self.writable += writable;
        self.unwind += bytes.unwind;
        self.stubs += bytes.stubs;
        self.thread_local += bytes.thread_local;
        for size in [read_only, code, writable].into_iter().filter(|&size| size > 0) {
            self.pages += size.next_multiple_of(page);
            self.mappings += 1;
        }
    }
}

/// The limits of a session. `None`: as much as there is room for.
///
/// What would exceed a limit fails with [`Error::Limit`], and leaves the session as it was.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// use linkjit::{Error, Jit, Limits};
///
/// let jit = Jit::builder().limits(Limits { symbols: Some(100), ..Limits::default() }).build()?;
/// let mut names = (0..1000).map(|number| format!("name{number}"));
/// let error = names.find_map(|name| jit.define_ptr(&name, &raw const jit).err());
/// assert!(matches!(error, Some(Error::Limit { limit: 100, .. })));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Bytes of linked code and data, as counted by [`MemoryUse::bytes`].
    pub bytes: Option<u64>,
    /// Names that are defined, hidden ones included. Those that were found in libraries count, but do not fail.
    pub symbols: Option<u64>,
    /// Objects that were added or pulled from archives, and other units of definitions.
    pub objects: Option<u64>,
}

impl State {
    /// An error if there would be too much with `more` bytes of linked code and data.
    pub(crate) fn check_bytes(&self, limits: &Limits, more: u64) -> Result<()> {
        check("bytes of linked code and data", limits.bytes, || self.allocations.bytes(), more)
    }

    /// An error if there would be too many with so many more units and names.
    pub(crate) fn check_definitions(&self, objects: usize, more: usize) -> Result<()> {
        let symbols = || self.dylibs.values().map(|dylib| dylib.symbols.len() as u64).sum();
        check("objects", self.limits.objects, || self.objects.len() as u64, objects as u64)?;
        check("symbols", self.limits.symbols, symbols, more as u64)
    }
}

fn check(what: &'static str, limit: Option<u64>, now: impl Fn() -> u64, more: u64) -> Result<()> {
    match limit {
        Some(limit) if now().saturating_add(more) > limit => {
            Err(Error::Limit { what, limit, wanted: now().saturating_add(more) })
        }
        _ => Ok(()),
    }
}

impl ExecutionSession {
    /// The memory of all linked code of the session.
    #[must_use]
    pub fn memory(&self) -> MemoryUse {
        let page = self.target().page_size;
        MemoryUse::total(self.state().allocations.iter().map(|(_, allocation)| allocation), page)
    }
}

impl JitDylib {
    /// The memory of its linked code, entries for what is outside of it and code that was retired included.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("linkjit-doc-memory-{}.c", std::process::id()));
    /// # std::fs::write(&path, "int table[100]; int get(int i) { return table[i]; }").unwrap();
    /// let jit = linkjit::Jit::host()?;
    /// jit.add_source_file(&path)?;
    /// # std::fs::remove_file(&path).unwrap();
    /// assert_eq!(jit.memory()?.bytes(), 0);
    /// jit.lookup("get")?;
    /// let memory = jit.memory()?;
    /// // The table, and what segments begin with.
    /// assert!((400..500).contains(&memory.writable));
    /// assert!(memory.code > 0 && memory.pages >= memory.bytes());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If it is closed.
    pub fn memory(&self) -> Result<MemoryUse> {
        let page = self.session().target().page_size;
        let state = self.session().state();
        state.dylib(self.id())?;
        Ok(MemoryUse::total(state.allocations.in_dylib(self.id()).map(|(_, allocation)| allocation), page))
    }
}

impl ResourceTracker {
    /// The memory of the linked code that it owns.
    ///
    /// # Errors
    /// If it was removed.
    pub fn memory(&self) -> Result<MemoryUse> {
        let page = self.session().target().page_size;
        let state = self.session().state();
        state.trackers.get(&self.id()).ok_or(Error::TrackerRemoved)?;
        let trackers = state.with_updatable(&[self.id()]);
        let owned = trackers.iter().filter_map(|id| state.trackers.get(id)).flat_map(|tracker| &tracker.allocations);
        Ok(MemoryUse::total(owned.filter_map(|&id| state.allocations.get(id)), page))
    }
}
