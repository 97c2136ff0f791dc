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
