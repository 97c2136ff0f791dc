//! The functions that the runtime gives to linked code by name: in place of the system's, or because no library has
//! them.

#[cfg(glibc_x86_64)]
mod elf;
#[cfg(glibc_x86_64)]
pub(crate) use elf::{dylibs, symbol};

#[cfg(windows_x86_64)]
mod windows;
#[cfg(windows_x86_64)]
pub(crate) use windows::{
    add_library_directories, library_function, main_arguments, replacement, set_arguments, symbol,
};

#[cfg(not(windows_x86_64))]
mod usual;
#[cfg(not(windows_x86_64))]
pub(crate) use usual::{main_arguments, replacement, set_arguments};

/// This system has no runtime.
#[cfg(not(any(glibc_x86_64, windows_x86_64)))]
pub(crate) fn symbol(_name: &[u8]) -> Option<crate::ExecAddr> {
    None
}
