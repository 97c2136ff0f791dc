//! Blocks: runs of bytes that are placed as a whole.

use std::ops::Range;

use linkjit_target::ExecAddr;

use super::section::SectionId;

/// A block of a graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BlockId(pub u32);

impl BlockId {
    /// Position in [`super::LinkGraph::blocks`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The source of a block's bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// A range of the source's bytes, checked when the block was made.
    Source(Range<u32>),
    /// Bytes of its own.
    Owned(Box<[u8]>),
    /// Zeros, as many as the block's size.
    Zeros,
}

/// A run of bytes that is placed as a whole.
#[derive(Clone, Debug)]
pub struct Block {
    /// The section it belongs to.
    pub section: SectionId,
    /// Its bytes.
    pub content: Content,
    /// Size in bytes.
    pub size: u64,
    /// Alignment as a power of two: the address is `alignment_offset` modulo `1 << align_log2`.
    pub align_log2: u8,
    /// See `align_log2`; non-zero only for the later parts of a split block.
    pub alignment_offset: u64,
    /// The offset at which it began in its section of the input, for messages.
    pub section_offset: u64,
    /// Address in the target once `placed`; in a thread-local section, the offset in the TLS block.
    pub address: ExecAddr,
    /// Reached from a root: it will be placed.
    pub live: bool,
    /// It has an address that will not change, and its bytes are or are about to be in the process.
    pub placed: bool,
    /// Set while [`crate::passes::shared`] searches what is to be placed apart from the rest.
    pub(crate) stays_longer: bool,
    pub(super) first_edge: u32,
    pub(super) edge_count: u32,
    pub(super) first_dependent: u32,
}

impl Block {
    /// Alignment in bytes.
    #[must_use]
    pub const fn alignment(&self) -> u64 {
        1 << (self.align_log2 & 63)
    }

    /// Returns the number of bytes that it takes at most, wherever it begins.
    #[must_use]
    pub const fn room(&self) -> u64 {
        self.size.saturating_add(self.alignment() - 1)
    }

    /// Returns whether it has no content but zeros.
    #[must_use]
    pub const fn is_zeros(&self) -> bool {
        matches!(self.content, Content::Zeros)
    }

    /// Returns the range of its edges in the graph's vector.
    pub(super) const fn edge_range(&self) -> Range<usize> {
        self.first_edge as usize..self.first_edge as usize + self.edge_count as usize
    }
}
