//! Variables of shared libraries within the reach of code that refers to them directly.

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod elf;
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
pub(crate) use elf::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

#[cfg(not(any(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"), windows)))]
mod unsupported;
#[cfg(not(any(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"), windows)))]
pub(crate) use unsupported::*;
