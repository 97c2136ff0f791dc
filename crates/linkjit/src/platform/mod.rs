//! Platforms: what the loader and the C runtime would have done for a program of each object format.

mod charconv;
pub(crate) mod coff;
pub(crate) mod coff_runtime;
pub(crate) mod crt;
pub(crate) mod crt_startup;
pub(crate) mod elf;
pub(crate) mod elf_libraries;
mod guids;
pub(crate) mod image_names;
pub(crate) mod program;
