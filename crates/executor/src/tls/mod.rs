//! Thread-local storage of linked code.

#[cfg(glibc_x86_64)]
mod elf;
#[cfg(glibc_x86_64)]
pub(crate) use elf::*;

#[cfg(windows_x86_64)]
mod windows;
#[cfg(windows_x86_64)]
pub(crate) use windows::*;

#[cfg(not(any(glibc_x86_64, windows_x86_64)))]
mod unsupported;
#[cfg(not(any(glibc_x86_64, windows_x86_64)))]
pub(crate) use unsupported::*;

#[cfg(not(windows_x86_64))]
mod no_callbacks;
#[cfg(not(windows_x86_64))]
pub(crate) use no_callbacks::*;
