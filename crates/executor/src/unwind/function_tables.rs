//! Function tables of Windows ("x64 exception handling", Microsoft Learn): one callback per window, which finds the
//! function by two binary searches. The system's own lists of tables are searched one by one.
//!
//! The records belong to the process, because running code has no executor at hand. The callback runs wherever an
//! exception is thrown, so nothing may panic, allocate much or call out under the lock.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use windows_sys::Win32::System::Diagnostics::Debug::{
    IMAGE_RUNTIME_FUNCTION_ENTRY, RtlDeleteFunctionTable, RtlInstallFunctionTableCallback,
};

use super::FUNCTION_SIZE;
use crate::{ExecAddr, ExecRange, ExecutorError, Result};

static WINDOWS: RwLock<BTreeMap<u64, Functions>> = RwLock::new(BTreeMap::new());

/// The functions that are registered for a window.
#[derive(Debug)]
struct Functions {
    end: u64,
    /// By the offset in the window of the code that they describe, each of one allocation.
    runs: BTreeMap<u32, Run>,
}

#[derive(Debug)]
struct Run {
    end: u32,
    functions: Box<[Function]>,
}

/// A `RUNTIME_FUNCTION`; all are offsets in the window.
#[derive(Clone, Copy, Debug)]
struct Function {
    begin: u32,
    end: u32,
    /// The record itself is here.
    entry: u32,
}

fn read() -> RwLockReadGuard<'static, BTreeMap<u64, Functions>> {
    WINDOWS.read().unwrap_or_else(PoisonError::into_inner)
}

fn write() -> RwLockWriteGuard<'static, BTreeMap<u64, Functions>> {
    WINDOWS.write().unwrap_or_else(PoisonError::into_inner)
}

/// Start of the window that has this address.
pub(crate) fn window_at(address: u64) -> Option<u64> {
    window_range(address).map(|window| window.start.0)
}

/// The window that has this address.
pub(crate) fn window_range(address: u64) -> Option<ExecRange> {
    let windows = read();
    let (&start, functions) = windows.range(..=address).next_back()?;
    (address < functions.end).then_some(ExecRange { start: ExecAddr(start), end: ExecAddr(functions.end) })
}

/// The records of all functions of the window at `base`, as one table.
pub(crate) fn functions(base: u64) -> Vec<u8> {
    let windows = read();
    let runs = windows.get(&base).map(|functions| &functions.runs);
    let functions = runs.into_iter().flat_map(BTreeMap::values).flat_map(|run| &run.functions);
    let mut table = Vec::new();
    for function in functions {
        let entry = (base + u64::from(function.entry)) as *const [u8; FUNCTION_SIZE as usize];
        // SAFETY: what is registered stays where it is until it is deregistered, for which nobody has the lock now.
        table.extend_from_slice(&unsafe { entry.read() });
    }
    table
}

/// Identifies the callback of the window at `base`: the low bits say that it is one.
fn identifier(base: u64) -> u64 {
    base | 3
}

/// A window that the system knows; dropping it makes the system forget it.
#[derive(Debug)]
pub(crate) struct WindowRecord {
    base: u64,
}

impl WindowRecord {
    pub(crate) fn open(range: ExecRange) -> Result<Self> {
        let base = range.start.0;
        write().insert(base, Functions { end: range.end.0, runs: BTreeMap::new() });
        // What is further away no function table could describe.
        let size = u32::try_from(range.size()).unwrap_or(u32::MAX);
        let context = base as *const c_void;
        // SAFETY: the callback serves any address of the window until the record is dropped.
        let done = unsafe {
            RtlInstallFunctionTableCallback(identifier(base), base, size, Some(find), context, std::ptr::null())
        };
        let record = Self { base };
        if !done {
            return Err(ExecutorError::System {
                call: "RtlInstallFunctionTableCallback".into(),
                what: format!("{size:#x} bytes at {}", range.start),
                message: "refused".into(),
            });
        }
        Ok(record)
    }
}

impl Drop for WindowRecord {
    fn drop(&mut self) {
        // SAFETY: a table is known by its identifier only; one that is not installed is not found.
        unsafe { RtlDeleteFunctionTable(identifier(self.base) as *const IMAGE_RUNTIME_FUNCTION_ENTRY) };
        write().remove(&self.base);
    }
}

/// Tells the system which function an address lies in.
unsafe extern "system" fn find(address: u64, context: *const c_void) -> *mut IMAGE_RUNTIME_FUNCTION_ENTRY {
    let base = context as u64;
    let windows = read();
    let entry = windows.get(&base).and_then(|functions| functions.entry_of(u32::try_from(address - base).ok()?));
    entry.map_or(null_mut(), |entry| (base + u64::from(entry)) as *mut _)
}

impl Functions {
    fn entry_of(&self, offset: u32) -> Option<u32> {
        let (_, run) = self.runs.range(..=offset).next_back()?;
        if offset >= run.end {
            return None;
        }
        let after = run.functions.partition_point(|function| function.begin <= offset);
        let function = run.functions.get(after.checked_sub(1)?)?;
        (offset < function.end).then_some(function.entry)
    }
}

/// The functions of one allocation; dropping it deregisters them.
#[derive(Debug)]
pub(crate) struct FunctionTables {
    base: u64,
    /// Keys of the runs.
    runs: Vec<u32>,
}

impl FunctionTables {
    /// Registers `tables`, given by place and content, which describe functions in the allocation's `code`, for the
    /// window at `base`.
    pub(crate) fn register(
        base: u64,
        code: impl Iterator<Item = ExecRange>,
        tables: &[(ExecRange, &[u8])],
    ) -> Result<Self> {
        let mut registered = Self { base, runs: Vec::new() };
        if tables.is_empty() {
            return Ok(registered);
        }
        let mut functions = Vec::new();
        for (place, bytes) in tables {
            functions.extend(functions_of(base, *place, bytes)?);
        }
        if !functions.is_sorted_by_key(|function| function.begin) {
            functions.sort_unstable_by_key(|function| function.begin);
        }
        let mut runs = Vec::new();
        let mut taken = 0;
        for range in code.filter(|range| range.size() > 0) {
            let (Some(start), Some(end)) = (offset_of(base, range.start), offset_of(base, range.end)) else { continue };
            let first = functions.partition_point(|function| function.begin < start);
            let last = functions.partition_point(|function| function.begin < end);
            let Some(within) = functions.get(first..last).filter(|within| !within.is_empty()) else { continue };
            if within.iter().any(|function| function.end <= function.begin || function.end > end) {
                return Err(malformed(base));
            }
            taken += within.len();
            runs.push((start, Run { end, functions: within.into() }));
        }
        if taken != functions.len() {
            return Err(malformed(base));
        }
        registered.runs = runs.iter().map(|(start, _)| *start).collect();
        if let Some(window) = write().get_mut(&base) {
            window.runs.extend(runs);
        }
        Ok(registered)
    }
}

impl Drop for FunctionTables {
    fn drop(&mut self) {
        if self.runs.is_empty() {
            return;
        }
        if let Some(window) = write().get_mut(&self.base) {
            for start in &self.runs {
                window.runs.remove(start);
            }
        }
    }
}

fn offset_of(base: u64, address: ExecAddr) -> Option<u32> {
    u32::try_from(address.0.checked_sub(base)?).ok()
}

fn malformed(base: u64) -> ExecutorError {
    ExecutorError::Invalid { what: format!("function table: it lists functions outside its window ({base:#x})") }
}

/// The entries of one table. Zeros pad tables that sections of several objects make up.
fn functions_of(base: u64, place: ExecRange, bytes: &[u8]) -> Result<Vec<Function>> {
    let start = offset_of(base, place.start).ok_or_else(|| malformed(base))?;
    let (entries, _) = bytes.as_chunks::<{ FUNCTION_SIZE as usize }>();
    let entries = (start..).step_by(FUNCTION_SIZE as usize).zip(entries).filter(|(_, bytes)| **bytes != [0; _]);
    Ok(entries
        .map(|(entry, &[a, b, c, d, e, f, g, h, ..])| Function {
            begin: u32::from_le_bytes([a, b, c, d]),
            end: u32::from_le_bytes([e, f, g, h]),
            entry,
        })
        .collect())
}
