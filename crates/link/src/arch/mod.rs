//! Architectures: the kinds of edges, how each is applied, the code of stubs. Nothing here knows an object format.

pub mod x86_64;

use std::fmt;

use crate::graph::EdgeKind;

/// An architecture that graphs can be of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Arch {
    /// AMD64, 64-bit addresses, little endian.
    X86_64,
}

impl Arch {
    /// Size of an address in bytes.
    #[must_use]
    pub const fn pointer_size(self) -> u64 {
        match self {
            Self::X86_64 => 8,
        }
    }

    /// The kind of the edge from an unwind record to the common record (CIE) that it begins with:
    /// `Fixup <- Fixup - Target + Addend`, 32 bits.
    #[must_use]
    pub const fn cie_pointer(self) -> EdgeKind {
        match self {
            Self::X86_64 => x86_64::Kind::NegDelta32.edge(),
        }
    }

    /// The kind that an edge had before it was changed to use a table entry.
    #[must_use]
    pub(crate) fn without_entry(self, kind: EdgeKind) -> EdgeKind {
        match self {
            Self::X86_64 if kind == x86_64::Kind::AddressLoad32.edge() => x86_64::Kind::Delta32.edge(),
            Self::X86_64 => kind,
        }
    }

    /// The name of an edge kind; `?` for a number that is none.
    #[must_use]
    pub fn edge_kind_name(self, kind: EdgeKind) -> &'static str {
        match self {
            Self::X86_64 => x86_64::Kind::from_edge(kind).map_or("?", x86_64::Kind::name),
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86-64",
        })
    }
}
