//! What linkjit needs from its own process, whichever process runs the linked code: the bytes of files, and private
//! directories for the output of compilers; signals that are for another process.
//!
//! Nothing here knows about linking. Bytes flow from a file through [`file::read`] to the readers of objects. A
//! compiler's output stays in a [`temporary::PrivateDirectory`] until it was read.

pub mod file;
#[cfg(unix)]
pub mod signals;
pub mod temporary;
