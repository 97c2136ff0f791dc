//! Files as bytes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use memmap2::Mmap;

/// Below this size reading costs less than mapping and its page faults.
const MAP_FROM: u64 = 256 << 10;

/// A pipe or device that delivers more is taken for endless.
const PIPE_LIMIT: u64 = 1 << 30;

/// The bytes of a file: read, or mapped if it is large.
#[derive(Debug)]
pub enum FileBytes {
    /// Read into memory.
    Read(Vec<u8>),
    /// Mapped.
    Mapped(Mmap),
}

impl AsRef<[u8]> for FileBytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            Self::Mapped(map) => map,
        }
    }
}

/// Opens a file. A large one must not be truncated while its bytes are in use: the process would be killed, as it would
/// if a library that it has loaded were truncated.
///
/// # Errors
/// The error says what the operating system says.
pub fn read(path: &Path) -> std::io::Result<FileBytes> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() && metadata.len() >= MAP_FROM {
        // SAFETY: the mapping is private and read-only. That nobody truncates or rewrites the file meanwhile is what
        // every program that maps its inputs relies on, linkers and loaders first of all.
        return Ok(FileBytes::Mapped(unsafe { Mmap::map(&file)? }));
    }
    // As many bytes as it has now, in one call; or all of what has no size, a pipe say.
    let is_sized = metadata.is_file() && metadata.len() != 0;
    let limit = if is_sized { metadata.len() } else { PIPE_LIMIT };
    let mut bytes = Vec::with_capacity(if is_sized { usize::try_from(limit).unwrap_or(0) } else { 0 });
    let read = file.take(limit).read_to_end(&mut bytes)? as u64;
    if read == PIPE_LIMIT && !is_sized {
        return Err(std::io::Error::other("it is not a regular file, and reading it does not end"));
    }
    Ok(FileBytes::Read(bytes))
}

/// Returns whether only the user of this process, and the system's administrator, can write into a directory. On Windows
/// nothing is checked: directories of users are their own there.
///
/// # Errors
/// If the directory can't be looked at.
#[cfg(unix)]
pub fn is_own(directory: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(directory)?;
    // SAFETY: a call that can't fail.
    let user = unsafe { libc::geteuid() };
    Ok([user, 0].contains(&metadata.uid()) && metadata.mode() & 0o022 == 0)
}

/// Returns whether only the user of this process, and the system's administrator, can write into a directory. On Windows
/// nothing is checked: directories of users are their own there.
///
/// # Errors
/// If the directory can't be looked at.
#[cfg(not(unix))]
pub fn is_own(directory: &Path) -> std::io::Result<bool> {
    std::fs::metadata(directory).map(|_| true)
}
