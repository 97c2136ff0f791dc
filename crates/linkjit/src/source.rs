//! Sources of objects and archives: memory or files.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use linkjit_link::source::Source;

use crate::error::Result;
use crate::session::read_file;

/// The bytes of an object or an archive: a [`Source`], or the path of a file that has them.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// use linkjit::{IntoSource, Source};
///
/// # let path = std::env::temp_dir().join(format!("linkjit-doc-source-{}.bin", std::process::id()));
/// # std::fs::write(&path, b"bytes").unwrap();
/// let in_memory = Source::new("what messages call it", b"bytes".as_slice());
/// let in_a_file = path.into_source()?;
/// assert_eq!(in_memory.bytes(), in_a_file.bytes());
/// # std::fs::remove_file(&*in_a_file.name().as_ref()).unwrap();
/// # Ok(()) }
/// ```
pub trait IntoSource {
    /// The bytes, with the name that messages call them by. A large file is mapped, not read.
    ///
    /// # Errors
    /// If the file can't be read.
    fn into_source(self) -> Result<Source>;
}

impl IntoSource for Source {
    fn into_source(self) -> Result<Source> {
        Ok(self)
    }
}

impl IntoSource for &Source {
    fn into_source(self) -> Result<Source> {
        Ok(self.clone())
    }
}

/// Types that are paths. One implementation for all `AsRef<Path>` would overlap with that for `Source`.
macro_rules! paths {
    ($($path:ty)*) => {
        $(impl IntoSource for $path {
            fn into_source(self) -> Result<Source> {
                read_file(self.as_ref())
            }
        })*
    };
}

paths!(&str &String String &OsStr &OsString OsString &Path &PathBuf PathBuf);
