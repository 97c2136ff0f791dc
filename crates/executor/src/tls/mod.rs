//! Thread-local storage of linked code.

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod elf;
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
pub(crate) use elf::*;

#[cfg(all(windows, target_arch = "x86_64"))]
mod windows;
#[cfg(all(windows, target_arch = "x86_64"))]
pub(crate) use windows::*;

#[cfg(not(any(
    all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"),
    all(windows, target_arch = "x86_64")
)))]
mod unsupported;
#[cfg(not(any(
    all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"),
    all(windows, target_arch = "x86_64")
)))]
pub(crate) use unsupported::*;
