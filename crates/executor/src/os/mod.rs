//! The operating systems. Each has a file with the same functions.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

use crate::ExecutorError;

/// Returns what the operating system says about the call that failed just now.
pub(crate) fn system_error(call: &'static str, what: impl Into<String>) -> ExecutorError {
    let message = std::io::Error::last_os_error().to_string();
    ExecutorError::System { call: call.into(), what: what.into(), message }
}

/// There are not so many free addresses in such a place.
pub(crate) fn no_address_space(size: u64, place: &'static str) -> ExecutorError {
    ExecutorError::NoAddressSpace { size, place: place.into(), limit: address_space_limit() }
}
