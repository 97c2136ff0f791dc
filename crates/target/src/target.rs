//! The target: what a process can run.

/// A format of objects, with all that its system's loader does for programs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ObjectFormat {
    /// That of Linux and its like.
    Elf,
    /// That of Windows.
    Coff,
}

/// What a process can run, as its executor says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Target {
    /// The format of the objects that its system's compilers make.
    pub format: ObjectFormat,
    /// Page size in bytes.
    pub page_size: u64,
}
