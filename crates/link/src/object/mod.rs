//! Readers of files: objects and what contains them.

pub mod archive;
