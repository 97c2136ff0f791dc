//! Sections: what blocks have in common.

use std::fmt;

/// A section of a graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SectionId(pub u32);

impl SectionId {
    /// Position in [`super::LinkGraph::sections`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What the running program may do with memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
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

/// How long, and where, the content of a section is needed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lifetime {
    /// In the process as long as the code is.
    Standard,
    /// Never in the process: debug information, notes. Available in the graph.
    NoAlloc,
    /// The initial image of thread-local variables. Addresses of its blocks are offsets in the TLS block.
    ThreadLocal,
}

/// A section: a name and what holds for all of its blocks.
#[derive(Clone, Debug)]
pub struct Section {
    /// Name as in the file; unique only together with the protection.
    pub name: String,
    /// Protection once linked.
    pub protection: Protection,
    /// Lifetime.
    pub lifetime: Lifetime,
    /// Keep the blocks of all sections of this name in a JITDylib side by side, in link order: somebody may walk from
    /// its start to its end.
    pub contiguous: bool,
    /// The blocks are records of an unwind table: packed, and ended by a terminator.
    pub unwind_records: bool,
}
