//! What the runtime provides to linked code by name: in place of the system's, or because it is in no library.

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod elf;
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
pub(crate) use elf::symbol;

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
mod unsupported;
#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
pub(crate) use unsupported::symbol;
