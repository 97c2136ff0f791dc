//! The operating systems. Each has a file with the same functions.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

#[cfg(not(any(target_os = "linux", windows)))]
mod other;
#[cfg(not(any(target_os = "linux", windows)))]
pub(crate) use other::*;

#[cfg(any(target_os = "linux", windows))]
use crate::ExecutorError;

/// What the operating system says about the call that failed just now.
#[cfg(any(target_os = "linux", windows))]
pub(crate) fn system_error(call: &'static str, what: impl Into<String>) -> ExecutorError {
    let message = std::io::Error::last_os_error().to_string();
    ExecutorError::System { call: call.into(), what: what.into(), message }
}

/// There are not so many free addresses in such a place.
#[cfg(any(target_os = "linux", windows))]
pub(crate) fn no_address_space(size: u64, place: &'static str) -> ExecutorError {
    ExecutorError::NoAddressSpace { size, place: place.into(), limit: address_space_limit() }
}
