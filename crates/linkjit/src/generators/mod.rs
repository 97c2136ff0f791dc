//! Definition generators: where definitions come from that nobody added beforehand.

mod archive;
mod library;

pub(crate) use archive::{ArchiveGenerator, with_index as archive_with_index};
pub(crate) use library::{DefaultLibraries, LibraryGenerator, RuntimeGenerator};

use std::fmt;

use crate::error::Result;
use crate::jitdylib::JitDylib;

/// A name that a lookup wants and has not found yet.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The name as the linker knows it.
    pub name: &'a [u8],
    /// Code refers to it as a thread-local variable.
    pub thread_local: bool,
    /// It may stay missing. Static archives are not searched for such names, as with other linkers.
    pub weak: bool,
}

/// Adds definitions to a JITDylib when a lookup wants them.
///
/// Generators are asked in the order in which they were added, for the names that were not found before, without any
/// lock held. Not knowing a name is no error: the search goes on. An error ends the lookup.
pub trait DefinitionGenerator: fmt::Debug + Send + Sync {
    /// Defines those of `names` that it knows in `dylib`. It may define more.
    ///
    /// # Errors
    /// If a definition exists and can't be had.
    fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<()>;

    /// What messages call it: `libfoo.so`, `archives liba.a, libb.a`.
    fn describe(&self) -> String;
}
