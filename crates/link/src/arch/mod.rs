//! Architectures: the kinds of edges, how each is applied, the code of stubs. Nothing here knows an object format.

pub mod aarch64;
mod fixup;
pub mod generic;
mod kinds;
mod template;
pub mod x86_64;

use std::fmt;

pub use fixup::{FixupContext, Image, fix_block};
pub use kinds::{KindInfo, Kinds, Role};
pub use template::{Code, Field, Framed, ImageCode, Template};

use crate::error::{LinkError, Result, Site};
use crate::graph::{Edge, EdgeKind};

/// An architecture that graphs can be of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Arch {
    /// AMD64, 64-bit addresses, little endian.
    X86_64,
    /// 64-bit Arm, 64-bit addresses, little endian.
    AArch64,
}

impl Arch {
    /// That of this process, as far as linkjit knows it.
    pub const HOST: Self = if cfg!(target_arch = "aarch64") { Self::AArch64 } else { Self::X86_64 };

    /// All of them.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::AArch64];

    /// Size of an address in bytes.
    #[must_use]
    pub const fn pointer_size(self) -> u64 {
        match self {
            Self::X86_64 | Self::AArch64 => 8,
        }
    }

    /// The alignment of an address as a power of two.
    #[must_use]
    pub const fn pointer_align_log2(self) -> u8 {
        self.pointer_size().trailing_zeros() as u8
    }

    /// How far code reaches data that it refers to directly, in both directions.
    #[must_use]
    pub const fn data_reach(self) -> u64 {
        match self {
            Self::X86_64 | Self::AArch64 => 1 << 31,
        }
    }

    /// How far a call or jump reaches, in both directions.
    #[must_use]
    pub const fn branch_reach(self) -> u64 {
        match self {
            Self::X86_64 => 1 << 31,
            Self::AArch64 => 1 << 27,
        }
    }

    /// The size of the largest window all of which code reaches from everywhere there; a quarter of it is for code.
    #[must_use]
    pub const fn largest_window(self) -> u64 {
        let for_branches = 4 * self.branch_reach();
        if for_branches < self.data_reach() { for_branches } else { self.data_reach() }
    }

    /// The beginning of target triples.
    #[must_use]
    pub const fn triple_name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::AArch64 => "aarch64",
        }
    }

    /// A word with a number, as it is in memory.
    #[must_use]
    pub fn word(self, number: u64) -> Box<[u8]> {
        match self {
            Self::X86_64 | Self::AArch64 => number.to_le_bytes().into(),
        }
    }

    /// The number of 32 bits with these bytes in memory.
    pub(crate) const fn read_u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::X86_64 | Self::AArch64 => u32::from_le_bytes(bytes),
        }
    }

    /// The code that linkjit has for it.
    #[must_use]
    pub const fn code(self) -> &'static Code {
        match self {
            Self::X86_64 => &x86_64::CODE,
            Self::AArch64 => &aarch64::CODE,
        }
    }

    /// The code that linkjit has for its images.
    ///
    /// # Errors
    /// If there is none: objects for images of the architecture are not linked yet.
    pub fn image_code(self) -> Result<&'static ImageCode> {
        let what = || LinkError::Unsupported { site: Site::default(), what: format!("code for images of {self}") };
        self.code().image.ok_or_else(what)
    }

    /// Size of a record of a table of functions; the architecture is one that has images.
    #[must_use]
    pub const fn function_record_size(self) -> u64 {
        match self.code().image {
            Some(image) => image.start_call.record.size,
            None => 0,
        }
    }

    /// The properties of its edge kinds. Callers ask once per graph.
    #[must_use]
    #[inline]
    pub const fn kinds(self) -> &'static Kinds {
        match self {
            Self::X86_64 => &x86_64::KINDS,
            Self::AArch64 => &aarch64::KINDS,
        }
    }

    /// What an edge to near data becomes so that its instruction loads the address from a GOT entry; `None` if the
    /// instruction, which is in `content`, can't.
    #[must_use]
    pub fn address_load(self, edge: &Edge, content: &[u8]) -> Option<EdgeKind> {
        match self {
            Self::X86_64 => x86_64::can_load_address(edge, content).then(|| x86_64::Kind::AddressLoad32.edge()),
            Self::AArch64 => None,
        }
    }

    /// Whether the instruction around an edge to a GOT entry can do without if its target is within reach.
    #[must_use]
    pub fn can_relax(self, edge: &Edge, content: &[u8]) -> bool {
        match self {
            Self::X86_64 => x86_64::can_relax(edge, content),
            Self::AArch64 => false,
        }
    }

    /// The remedy if an address does not fit a field of few bits.
    const fn remedy_of_low_addresses(self) -> &'static str {
        match self {
            Self::X86_64 => ": compile with -fPIC or -fPIE; in assembly, address it relative to rip",
            Self::AArch64 => ": compile with -fPIC or -fPIE",
        }
    }

    /// Whether branches go past their stubs in LLVM's JITLink if their targets turn out to be in reach.
    #[must_use]
    pub const fn bypasses_stubs(self) -> bool {
        match self {
            Self::X86_64 => true,
            Self::AArch64 => false,
        }
    }

    /// The kind that an edge had before it was changed to use a table entry.
    #[must_use]
    pub(crate) fn without_entry(self, kind: EdgeKind) -> EdgeKind {
        match self {
            Self::X86_64 if kind == x86_64::Kind::AddressLoad32.edge() => EdgeKind::DELTA32,
            Self::X86_64 | Self::AArch64 => kind,
        }
    }

    /// The name of an edge kind; `?` for a number that is none.
    #[must_use]
    pub fn edge_kind_name(self, kind: EdgeKind) -> &'static str {
        self.kinds().of(kind).name
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86-64",
            Self::AArch64 => "AArch64",
        })
    }
}
