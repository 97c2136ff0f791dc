//! Architectures: the kinds of edges, how each is applied, and the code of stubs. Nothing here knows an object format.

pub mod aarch64;
mod fixup;
pub mod generic;
mod kinds;
mod template;
pub mod x86_64;

/// The kinds of edges by architecture, for those who make graphs.
pub mod edge_kinds {
    pub use super::aarch64::Kind as AArch64;
    pub use super::generic::Kind as Generic;
    pub use super::x86_64::Kind as X86_64;
}

pub use linkjit_target::Arch;

pub use fixup::{FixupContext, Image, fix_block};
pub use kinds::{KindInfo, Kinds, Role};
pub use template::{Code, Field, Framed, ImageCode, Template};

use crate::error::{LinkError, Result, Site};
use crate::graph::{Edge, EdgeKind};

/// The questions that linking asks of an architecture: the tables of its folder, and the questions that only it can
/// answer.
pub trait ArchTables: Copy {
    /// A word with a number, as it is in memory.
    #[must_use]
    fn word(self, number: u64) -> Box<[u8]>;

    /// The number of 32 bits with these bytes in memory.
    fn read_u32(self, bytes: [u8; 4]) -> u32;

    /// The code that linkjit has for it.
    #[must_use]
    fn code(self) -> &'static Code;

    /// The code that linkjit has for its images.
    ///
    /// # Errors
    /// If there is none: objects for images of the architecture are not linked yet.
    fn image_code(self) -> Result<&'static ImageCode>;

    /// Size of a record of a table of functions; the architecture is one that has images.
    #[must_use]
    fn function_record_size(self) -> u64;

    /// The properties of its edge kinds. Callers ask once per graph.
    #[must_use]
    fn kinds(self) -> &'static Kinds;

    /// Returns the kind that an edge to near data becomes so that its instruction loads the address from a GOT entry;
    /// `None` if the instruction, which is in `content`, can't.
    #[must_use]
    fn address_load(self, edge: &Edge, content: &[u8]) -> Option<EdgeKind>;

    /// Returns whether the instruction around an edge to a GOT entry can do without if its target is within reach.
    #[must_use]
    fn can_relax(self, edge: &Edge, content: &[u8]) -> bool;

    /// The remedy if an address does not fit a field of few bits.
    fn remedy_of_low_addresses(self) -> &'static str;

    /// Returns whether branches go past their stubs in LLVM's JITLink if their targets turn out to be in reach.
    #[must_use]
    fn bypasses_stubs(self) -> bool;

    /// The kind that an edge had before it was changed to use a table entry.
    #[must_use]
    fn without_entry(self, kind: EdgeKind) -> EdgeKind;

    /// The name of an edge kind; `?` for a number that is none.
    #[must_use]
    fn edge_kind_name(self, kind: EdgeKind) -> &'static str;
}

impl ArchTables for Arch {
    fn word(self, number: u64) -> Box<[u8]> {
        match self {
            Self::X86_64 | Self::AArch64 => number.to_le_bytes().into(),
        }
    }

    fn read_u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::X86_64 | Self::AArch64 => u32::from_le_bytes(bytes),
        }
    }

    #[inline]
    fn code(self) -> &'static Code {
        match self {
            Self::X86_64 => &x86_64::CODE,
            Self::AArch64 => &aarch64::CODE,
        }
    }

    fn image_code(self) -> Result<&'static ImageCode> {
        let what = || LinkError::Unsupported { site: Site::default(), what: format!("code for images of {self}") };
        self.code().image.ok_or_else(what)
    }

    fn function_record_size(self) -> u64 {
        match self.code().image {
            Some(image) => image.start_call.record.size,
            None => 0,
        }
    }

    #[inline]
    fn kinds(self) -> &'static Kinds {
        match self {
            Self::X86_64 => &x86_64::KINDS,
            Self::AArch64 => &aarch64::KINDS,
        }
    }

    fn address_load(self, edge: &Edge, content: &[u8]) -> Option<EdgeKind> {
        match self {
            Self::X86_64 => x86_64::can_load_address(edge, content).then(|| x86_64::Kind::AddressLoad32.edge()),
            Self::AArch64 => None,
        }
    }

    fn can_relax(self, edge: &Edge, content: &[u8]) -> bool {
        match self {
            Self::X86_64 => x86_64::can_relax(edge, content),
            Self::AArch64 => false,
        }
    }

    fn remedy_of_low_addresses(self) -> &'static str {
        match self {
            Self::X86_64 => ": compile with -fPIC or -fPIE; in assembly, use an address relative to rip",
            Self::AArch64 => ": compile with -fPIC or -fPIE",
        }
    }

    fn bypasses_stubs(self) -> bool {
        match self {
            Self::X86_64 => true,
            Self::AArch64 => false,
        }
    }

    fn without_entry(self, kind: EdgeKind) -> EdgeKind {
        match self {
            Self::X86_64 if kind == x86_64::Kind::AddressLoad32.edge() => EdgeKind::DELTA32,
            Self::X86_64 | Self::AArch64 => kind,
        }
    }

    #[inline]
    fn edge_kind_name(self, kind: EdgeKind) -> &'static str {
        self.kinds().info(kind).name
    }
}
