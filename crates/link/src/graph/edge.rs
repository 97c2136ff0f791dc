//! Edges: the bytes of a block that depend on a symbol.

use super::symbol::SymbolId;

/// What is to be written at an edge. The numbers are the architecture's: see the `Kind` enumerations in
/// [`crate::arch`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EdgeKind(pub u8);

impl EdgeKind {
    /// Its bit in a set of kinds; kinds may share one.
    pub(super) fn bit(self) -> u64 {
        1 << (self.0 & 63)
    }
}

/// A fixup to be made: write `kind` of (`target`, `addend`) at `offset` of the block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// Bytes from the start of the block.
    pub offset: u32,
    /// What to write.
    pub kind: EdgeKind,
    /// The symbol it depends on.
    pub target: SymbolId,
    /// Added to the symbol's address.
    pub addend: i64,
}
