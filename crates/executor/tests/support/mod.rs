//! What the tests share: hand-made machine code, and a look at the process's mappings.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(unused_imports, reason = "as above")]

#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(windows), path = "linux.rs")]
mod process;

#[cfg(windows)]
pub(crate) use process::place;
pub(crate) use process::{handles, mappings, resident};

use linkjit_executor::{
    AllocationId, ExecAddr, Executor, FinalizeActions, InProcess, Placement, Protection, SegmentRequest, Window,
};

/// `mov eax, value; ret`.
pub(crate) fn returns(value: u32) -> Vec<u8> {
    let mut code = vec![0xb8];
    code.extend(value.to_le_bytes());
    code.push(0xc3);
    code
}

/// An executor with one window.
pub(crate) fn with_window() -> (InProcess, Window) {
    let executor = InProcess::new().unwrap();
    let window = executor.reserve_window(64 << 20, Placement::Anywhere).unwrap();
    (executor, window)
}

/// A segment request for `size` bytes.
pub(crate) fn segment(protection: Protection, size: usize) -> SegmentRequest {
    SegmentRequest { protection, size: size as u64, contents: size as u64, align: 16 }
}

/// Allocates a segment for each of `contents`, copies these, and finalizes.
pub(crate) fn load(
    executor: &dyn Executor,
    window: &Window,
    contents: &[(Protection, &[u8])],
    actions: impl FnOnce(&[ExecAddr]) -> FinalizeActions,
) -> (AllocationId, Vec<ExecAddr>) {
    let requests: Vec<_> = contents.iter().map(|(protection, bytes)| segment(*protection, bytes.len())).collect();
    let mut allocation = executor.allocate(window.id, &requests).unwrap();
    let addresses: Vec<_> = (0..contents.len()).map(|index| allocation.address(index)).collect();
    for (index, (_, bytes)) in contents.iter().enumerate() {
        allocation.bytes(index).copy_from_slice(bytes);
    }
    let actions = actions(&addresses);
    (allocation.finalize(&actions).unwrap(), addresses)
}

/// Loads code alone.
pub(crate) fn load_code(executor: &dyn Executor, window: &Window, code: &[u8]) -> (AllocationId, ExecAddr) {
    let (id, addresses) = load(executor, window, &[(Protection::ReadExec, code)], |_| FinalizeActions::default());
    (id, addresses[0])
}

/// Calls a function without arguments.
pub(crate) fn call(function: ExecAddr) -> u64 {
    // SAFETY: the tests pass addresses of such functions.
    let function: extern "C-unwind" fn() -> u64 = unsafe { std::mem::transmute(function.0 as *const ()) };
    function()
}

/// Calls a function with one argument.
pub(crate) fn call_with(function: ExecAddr, argument: u64) -> u64 {
    // SAFETY: the tests pass addresses of such functions.
    let function: extern "C-unwind" fn(u64) -> u64 = unsafe { std::mem::transmute(function.0 as *const ()) };
    function(argument)
}

/// Reads eight bytes of loaded data.
pub(crate) fn read(address: ExecAddr) -> u64 {
    // SAFETY: the tests pass addresses of readable data.
    unsafe { (address.0 as *const u64).read_unaligned() }
}

/// Permissions of the page at `address`, as in `r-xp`.
pub(crate) fn permissions(address: ExecAddr) -> String {
    let mappings = mappings();
    mappings.iter().find(|(range, _)| range.contains(&address.0)).map(|(_, permissions)| permissions.clone()).unwrap()
}
