//! What the runtime provides to linked code by name: in place of the system's, or because it is in no library.

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod elf;
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
pub(crate) use elf::{main_arguments, replacement, set_arguments, symbol};

#[cfg(all(windows, target_arch = "x86_64"))]
mod windows;
#[cfg(all(windows, target_arch = "x86_64"))]
pub(crate) use windows::{
    add_library_directories, library_function, main_arguments, replacement, set_arguments, symbol,
};

#[cfg(not(any(
    all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"),
    all(windows, target_arch = "x86_64")
)))]
mod unsupported;
#[cfg(not(any(
    all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"),
    all(windows, target_arch = "x86_64")
)))]
pub(crate) use unsupported::{main_arguments, replacement, set_arguments, symbol};
