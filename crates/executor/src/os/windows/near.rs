//! Free addresses within reach of others. The system would choose a place that is far from all DLLs.

use std::ffi::CStr;
use std::ptr::null_mut;

use windows_sys::Win32::System::LibraryLoader::GetModuleHandleA;
use windows_sys::Win32::System::Memory::MEM_FREE;
use windows_sys::Win32::System::ProcessStatus::{K32GetModuleInformation, MODULEINFO};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::{GRANULARITY, region_at, reserve_at};
use crate::{ExecAddr, ExecRange};

/// The reach of a 32-bit displacement, less some slack for addends.
const REACH: u64 = (1 << 31) - 0x1_0000;

/// So many places are tried: what looks free may not be had, because another thread takes it, or because the system
/// below this one (Wine's) has something there.
const TRIES: usize = 64;

/// Reserves a window in reach of one of these DLLs, the first one that the process has and that has room beside it.
pub(super) fn reserve_near_library(size: u64, names: &[&CStr]) -> Option<ExecRange> {
    let libraries = names.iter().filter_map(|name| module_range(name));
    libraries.into_iter().find_map(|library| reserve_near(size, library, super::LOW_END))
}

/// Reserves a window not below `lowest` from all of which displacements reach all of `targets`: as near to them as
/// possible.
pub(super) fn reserve_near(size: u64, targets: ExecRange, lowest: u64) -> Option<ExecRange> {
    let first = targets.end.0.saturating_sub(REACH).max(lowest).max(GRANULARITY);
    let end = targets.start.0.saturating_add(REACH);
    let mut places = free_places(size, first, end);
    let middle = targets.start.0 + targets.size() / 2;
    places.sort_by_key(|place| (place + size / 2).abs_diff(middle));
    places.into_iter().take(TRIES).find_map(|place| reserve_at(place, size))
}

/// Places for `size` bytes in what is free between two addresses: both ends of each gap, and some between.
fn free_places(size: u64, first: u64, end: u64) -> Vec<u64> {
    let step = (size / 4).max(1 << 26).next_multiple_of(GRANULARITY);
    let mut places = Vec::new();
    let mut at = first.next_multiple_of(GRANULARITY);
    while at < end {
        let Some(region) = region_at(at) else { break };
        let region_end = (region.BaseAddress as u64).saturating_add(region.RegionSize as u64);
        let last = region_end.min(end).checked_sub(size).map(|last| last / GRANULARITY * GRANULARITY);
        if let Some(last) = last.filter(|last| region.State == MEM_FREE && *last >= at) {
            places.extend((at..last).step_by(usize::try_from(step).unwrap_or(usize::MAX)));
            places.push(last);
        }
        at = region_end.max(at + 1).next_multiple_of(GRANULARITY);
    }
    places
}

/// Returns where a DLL is, if the process has it.
fn module_range(name: &CStr) -> Option<ExecRange> {
    // SAFETY: a C string.
    let module = unsafe { GetModuleHandleA(name.as_ptr().cast()) };
    let mut information = MODULEINFO { lpBaseOfDll: null_mut(), SizeOfImage: 0, EntryPoint: null_mut() };
    // SAFETY: the pseudo handle has no preconditions.
    let process = unsafe { GetCurrentProcess() };
    let size = u32::try_from(size_of_val(&information)).unwrap_or(0);
    // SAFETY: the system checks the handle, which may be null, and writes to `information`, whose size is given.
    let done = unsafe { K32GetModuleInformation(process, module, &raw mut information, size) };
    let found = done != 0 && !module.is_null();
    found.then(|| ExecRange::new(ExecAddr(information.lpBaseOfDll as u64), information.SizeOfImage.into()))
}
