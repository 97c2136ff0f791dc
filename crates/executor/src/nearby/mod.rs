//! Moving variables of shared libraries into the reach of code that refers to them directly.

#[cfg(glibc_x86_64)]
mod elf;
#[cfg(glibc_x86_64)]
pub(crate) use elf::*;

#[cfg(not(glibc_x86_64))]
mod stubs_only;
#[cfg(not(glibc_x86_64))]
pub(crate) use stubs_only::*;
