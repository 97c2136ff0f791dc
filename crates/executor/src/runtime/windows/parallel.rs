//! Functions that Microsoft's C++ library links into each image for parallel algorithms (`std::execution`): the
//! system's pool of threads, and waiting for a byte to change.

use std::ffi::c_void;
use std::mem::transmute;

use windows_sys::Win32::System::Threading::{
    CloseThreadpoolWork, CreateThreadpoolWork, PTP_WORK, SubmitThreadpoolWork, WaitForThreadpoolWorkCallbacks,
};

use crate::{ExecAddr, os};

pub(super) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    let address = match name.strip_prefix(b"__std_")? {
        b"parallel_algorithms_hw_threads" => count_of_threads as *const (),
        b"create_threadpool_work" => CreateThreadpoolWork as *const (),
        b"submit_threadpool_work" => SubmitThreadpoolWork as *const (),
        b"close_threadpool_work" => CloseThreadpoolWork as *const (),
        b"wait_for_threadpool_work_callbacks" => WaitForThreadpoolWorkCallbacks as *const (),
        b"bulk_submit_threadpool_work" => submit_often as *const (),
        b"execution_wait_on_uchar" => wait as *const (),
        b"execution_wake_by_address_all" => wake as *const (),
        _ => return None,
    };
    Some(ExecAddr(address as u64))
}

extern "system" fn count_of_threads() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
}

extern "system" fn submit_often(work: PTP_WORK, times: usize) {
    for _ in 0..times {
        // SAFETY: the caller's work.
        unsafe { SubmitThreadpoolWork(work) };
    }
}

/// Returns when the byte is not `old` any more, or before.
extern "system" fn wait(address: *const c_void, old: u8) {
    type Wait = unsafe extern "system" fn(*const c_void, *const c_void, usize, u32) -> i32;
    match os::system_function(c"kernelbase.dll", c"WaitOnAddress") {
        Some(function) => {
            // SAFETY: the function has this type.
            let function = unsafe { transmute::<*const (), Wait>(function.0 as *const ()) };
            // SAFETY: the caller's byte, and ours.
            unsafe { function(address, (&raw const old).cast(), 1, u32::MAX) };
        }
        None => std::thread::yield_now(),
    }
}

extern "system" fn wake(address: *const c_void) {
    if let Some(function) = os::system_function(c"kernelbase.dll", c"WakeByAddressAll") {
        // SAFETY: the function has this type.
        let function = unsafe { transmute::<*const (), extern "system" fn(*const c_void)>(function.0 as *const ()) };
        function(address);
    }
}
