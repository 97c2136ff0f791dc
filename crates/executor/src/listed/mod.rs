//! Linked code among the objects that the loader has loaded, for code that lists those.

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod elf;
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
pub(crate) use elf::*;

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
mod unsupported;
#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
pub(crate) use unsupported::*;
