//! Functions that Microsoft's C++ library links into each image for parallel algorithms (`std::execution`): the
//! system's pool of threads, and waiting for a byte to change.

use std::ffi::c_void;

use windows_sys::Win32::System::Threading::{
    CloseThreadpoolWork, CreateThreadpoolWork, INFINITE, PTP_WORK, SubmitThreadpoolWork,
    WaitForThreadpoolWorkCallbacks, WaitOnAddress, WakeByAddressAll,
};

use crate::ExecAddr;

functions! {
    symbol(b"__std_"):
    b"parallel_algorithms_hw_threads" => count_of_threads;
    b"create_threadpool_work" => CreateThreadpoolWork;
    b"submit_threadpool_work" => SubmitThreadpoolWork;
    b"close_threadpool_work" => CloseThreadpoolWork;
    b"wait_for_threadpool_work_callbacks" => WaitForThreadpoolWorkCallbacks;
    b"bulk_submit_threadpool_work" => submit_often;
    b"execution_wait_on_uchar" => wait;
    b"execution_wake_by_address_all" => WakeByAddressAll;
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
unsafe extern "system" fn wait(address: *const c_void, old: u8) {
    // SAFETY: the caller's byte, and ours.
    unsafe { WaitOnAddress(address, (&raw const old).cast(), 1, INFINITE) };
}
