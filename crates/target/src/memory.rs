//! Memory.

use core::fmt;

/// The things that the running program may do with memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Protection {
    /// Read only, once it is fixed up.
    Read,
    /// Read and execute.
    ReadExec,
    /// Read and write.
    ReadWrite,
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "r--",
            Self::ReadExec => "r-x",
            Self::ReadWrite => "rw-",
        })
    }
}
