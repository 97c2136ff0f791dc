//! What linkjit needs from its own process, whichever process runs the linked code: the bytes of files, and private
//! directories for the output of compilers.
//!
//! Nothing here knows about linking. Bytes flow from a file through [`file::read`] to the readers of objects. A
//! compiler's output stays in a [`temporary::PrivateDirectory`] until it was read.

pub mod file;
pub mod temporary;
