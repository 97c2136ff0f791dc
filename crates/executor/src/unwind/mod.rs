//! Registration of unwind information, in the forms that the systems have for it.

mod eh_frame;
#[cfg(all(windows, target_arch = "x86_64"))]
mod function_tables;
#[cfg(not(all(windows, target_arch = "x86_64")))]
mod unsupported;

pub(crate) use self::eh_frame::UnwindTables;
#[cfg(all(windows, target_arch = "x86_64"))]
pub(crate) use self::function_tables::{FunctionTables, WindowRecord, functions, window_at, window_range};
#[cfg(not(all(windows, target_arch = "x86_64")))]
pub(crate) use self::unsupported::{FunctionTables, WindowRecord, functions};

/// Size of a `RUNTIME_FUNCTION`.
pub(crate) const FUNCTION_SIZE: u64 = 12;
