//! Registering unwind information in the form that each system needs.

mod eh_frame;
#[cfg(windows_x86_64)]
mod function_tables;
#[cfg(not(windows_x86_64))]
mod unsupported;

pub(crate) use self::eh_frame::UnwindTables;
#[cfg(windows_x86_64)]
pub(crate) use self::function_tables::{FunctionTables, WindowRecord, functions, window_at, window_range};
#[cfg(not(windows_x86_64))]
pub(crate) use self::unsupported::{FunctionTables, WindowRecord, functions};

/// Size of a `RUNTIME_FUNCTION`.
pub(crate) const FUNCTION_SIZE: u64 = 12;
