//! Adding linked code to the list of loaded objects, for code that reads that list.

#[cfg(glibc_x86_64)]
mod elf;
#[cfg(glibc_x86_64)]
pub(crate) use elf::*;

#[cfg(not(glibc_x86_64))]
mod unsupported;
#[cfg(not(glibc_x86_64))]
pub(crate) use unsupported::*;
