//! Definition generators: they find definitions that nobody added beforehand.

mod adapters;
mod archive;
mod library;

pub use adapters::{FilteredGenerator, FunctionGenerator, ReexportsGenerator};
pub(crate) use archive::{ArchiveGenerator, objects as archive_objects};
pub use archive::{member_source, with_index};
pub(crate) use library::{DefaultLibraries, DefaultLibrary, LibraryGenerator, RuntimeGenerator, find_symbol};
