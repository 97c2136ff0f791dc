//! What linkjit takes from the process that it is in itself, whichever process runs the linked code: the bytes of files,
//! and private directories for what compilers write.
//!
//! Nothing here knows of linking. Bytes flow from a file through [`file::read`] to the readers of objects; a compiler's
//! output lies in a [`temporary::PrivateDirectory`] until it was read.

pub mod file;
pub mod temporary;
