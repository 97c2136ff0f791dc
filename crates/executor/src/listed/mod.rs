//! Linked code among the objects that the loader has loaded, for code that lists those.

#[cfg(glibc_x86_64)]
mod elf;
#[cfg(glibc_x86_64)]
pub(crate) use elf::*;

#[cfg(not(glibc_x86_64))]
mod unsupported;
#[cfg(not(glibc_x86_64))]
pub(crate) use unsupported::*;
