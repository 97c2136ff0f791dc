//! Edges: the bytes of a block that depend on a symbol.

use super::symbol::SymbolId;

/// The value to be written at an edge. The numbers are the architecture's, and those that all have: see the
/// `Kind` enumerations in [`crate::arch`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EdgeKind(pub u8);

/// Kinds of edges. Which of them a graph may have is noted when edges are added, for most have few.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KindSet(u64);

impl KindSet {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// The same and one more; kinds whose numbers are 64 apart are not told apart.
    #[must_use]
    #[inline]
    pub const fn with(self, kind: EdgeKind) -> Self {
        Self(self.0 | 1 << (kind.0 & 63))
    }

    /// Returns whether they have some in common.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A fixup to be made: write `kind` of (`target`, `addend`) at `offset` of the block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// Bytes from the start of the block.
    pub offset: u32,
    /// The value to be written.
    pub kind: EdgeKind,
    /// The symbol it depends on.
    pub target: SymbolId,
    /// Added to the symbol's address.
    pub addend: i64,
}
