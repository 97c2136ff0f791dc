//! The target: which objects a process can run.

use core::fmt;

use crate::Arch;

/// A format of objects, with all that its system's loader does for programs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ObjectFormat {
    /// That of Linux and its like.
    Elf,
    /// That of Windows.
    Coff,
}

impl ObjectFormat {
    /// The format of this process's system.
    pub const HOST: Self = if cfg!(windows) { Self::Coff } else { Self::Elf };
}

impl fmt::Display for ObjectFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elf => "ELF",
            Self::Coff => "COFF",
        })
    }
}

/// The objects that a process can run, as its executor says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Target {
    /// Its processor executes code of this architecture.
    pub arch: Arch,
    /// The format of the objects that its system's compilers make.
    pub format: ObjectFormat,
    /// Page size in bytes.
    pub page_size: u64,
}

impl fmt::Display for Target {
    /// As compilers have it behind `--target=`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let system = match self.format {
            ObjectFormat::Elf => "linux-gnu",
            ObjectFormat::Coff => "windows-msvc",
        };
        write!(f, "{}-{system}", self.arch.triple_name())
    }
}
