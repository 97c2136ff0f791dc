//! The process as Windows shows it.

use std::ffi::c_void;
use std::ops::Range;

use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_FREE, MEMORY_BASIC_INFORMATION, PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE, PAGE_READONLY,
    PAGE_READWRITE, VirtualQuery,
};
use windows_sys::Win32::System::ProcessStatus::{GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessHandleCount};

/// The mappings of the process: addresses and permissions, in Linux's terms.
pub(crate) fn mappings() -> Vec<(Range<u64>, String)> {
    let mut mappings = Vec::new();
    let mut at = 0u64;
    loop {
        let mut region = MEMORY_BASIC_INFORMATION::default();
        // SAFETY: the result is written to `region`, whose size is given.
        let written = unsafe { VirtualQuery(at as *const c_void, &raw mut region, size_of_val(&region)) };
        if written == 0 {
            return mappings;
        }
        let start = region.BaseAddress as u64;
        at = start + region.RegionSize as u64;
        let permissions = match (region.State, region.Protect) {
            (MEM_FREE, _) => continue,
            (MEM_COMMIT, PAGE_READONLY) => "r--p",
            (MEM_COMMIT, PAGE_READWRITE) => "rw-p",
            (MEM_COMMIT, PAGE_EXECUTE_READ) => "r-xp",
            (MEM_COMMIT, PAGE_EXECUTE_READWRITE) => "rwxp",
            _ => "---p",
        };
        mappings.push((start..at, permissions.into()));
    }
}

/// Resident memory of the process in bytes.
pub(crate) fn resident() -> u64 {
    let mut counters = PROCESS_MEMORY_COUNTERS::default();
    let size = u32::try_from(size_of_val(&counters)).unwrap();
    // SAFETY: has no preconditions.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: the result is written to `counters`, whose size is given.
    assert_ne!(unsafe { GetProcessMemoryInfo(process, &raw mut counters, size) }, 0);
    counters.WorkingSetSize as u64
}

/// Open handles of the process.
pub(crate) fn handles() -> usize {
    let mut count = 0;
    // SAFETY: has no preconditions.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: the result is written to `count`.
    assert_ne!(unsafe { GetProcessHandleCount(process, &raw mut count) }, 0);
    count as usize
}

/// Returns where the calling thread has `offset` of a module's storage, as generated code finds it.
pub(crate) fn place(module: u64, offset: u64) -> *mut u64 {
    let storage: u64;
    // SAFETY: reads what code for thread-local variables reads.
    unsafe {
        std::arch::asm!("mov {0}, gs:[0x58]", "mov {0}, [{0} + {1} * 8]", out(reg) storage, in(reg) module);
    }
    (storage + offset) as *mut u64
}
