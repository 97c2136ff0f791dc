//! The functions that the runtime gives to linked code by name: in place of the system's, or because no library has
//! them.

#[cfg(glibc_x86_64)]
mod elf;
#[cfg(glibc_x86_64)]
pub(crate) use elf::{main_arguments, replacement, set_arguments, symbol};

#[cfg(windows_x86_64)]
mod windows;
#[cfg(windows_x86_64)]
pub(crate) use windows::{
    add_library_directories, library_function, main_arguments, replacement, set_arguments, symbol,
};

#[cfg(not(any(glibc_x86_64, windows_x86_64)))]
mod unsupported;
#[cfg(not(any(glibc_x86_64, windows_x86_64)))]
pub(crate) use unsupported::{main_arguments, replacement, set_arguments, symbol};
