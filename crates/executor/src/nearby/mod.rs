//! Moving variables of shared libraries into the reach of code that refers to them directly.

#[cfg(glibc_x86_64)]
mod elf;
#[cfg(glibc_x86_64)]
pub(crate) use elf::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

#[cfg(not(any(glibc_x86_64, windows)))]
mod unsupported;
#[cfg(not(any(glibc_x86_64, windows)))]
pub(crate) use unsupported::*;
