//! Symbols: names for places.

use linkjit_target::ExecAddr;

use super::block::BlockId;
use crate::names::NameId;

/// A symbol of a graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SymbolId(pub u32);

impl SymbolId {
    /// Position in [`super::LinkGraph::symbols`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A symbol's name. Only names that other graphs can see are worth interning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    /// Anonymous.
    None,
    /// A range of the source's bytes.
    Local {
        /// The offset at which it begins.
        start: u32,
        /// Its length in bytes.
        len: u32,
    },
    /// A name of the session's pool.
    Interned(NameId),
}

/// The place or value that a symbol stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Definition {
    /// A place in a block (its end included).
    Defined {
        /// The block.
        block: BlockId,
        /// Bytes from the block's start.
        offset: u64,
    },
    /// A fixed address or value.
    Absolute(ExecAddr),
    /// Defined elsewhere; see [`Symbol::resolved`].
    External,
}

/// The rule for names that are defined more than once. For an external: whether it has to be found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Linkage {
    /// The one definition; a second is an error. External: missing is an error.
    Strong,
    /// Yields to a strong definition; of several the first wins. External: missing means address zero.
    Weak,
    /// A tentative definition (`int x;` in C): yields to a strong definition; of several the largest wins.
    Common,
    /// Counts only if there is no other definition, be it in an archive or a library (COFF weak externals).
    Fallback,
}

/// The graphs that can see a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Scope {
    /// Everybody.
    Default,
    /// The graphs of its JITDylib.
    Hidden,
    /// Its graph.
    Local,
}

/// A name for a place.
#[derive(Clone, Debug)]
pub struct Symbol {
    /// Its name.
    pub name: Name,
    /// The place or value that it stands for.
    pub definition: Definition,
    /// Size in bytes of what it names; 0 if not known.
    pub size: u64,
    /// The address of an external, once it is resolved; null for a weak one that nobody defines.
    pub resolved: ExecAddr,
    /// See [`Linkage`].
    pub linkage: Linkage,
    /// See [`Scope`].
    pub scope: Scope,
    /// Reached from a root.
    pub live: bool,
    /// It is code.
    pub callable: bool,
    /// It is a thread-local variable: its address is an offset in a TLS block.
    pub thread_local: bool,
    /// It is a resolver (ELF `STT_GNU_IFUNC`): the function to be called is what it returns.
    pub indirect: bool,
}

impl Symbol {
    /// A strong definition of `size` bytes at `offset` of `block`, visible to its graph only and without a name.
    #[must_use]
    pub fn anonymous(block: BlockId, offset: u64, size: u64) -> Self {
        Self {
            name: Name::None,
            definition: Definition::Defined { block, offset },
            size,
            resolved: ExecAddr::NULL,
            linkage: Linkage::Strong,
            scope: Scope::Local,
            live: false,
            callable: false,
            thread_local: false,
            indirect: false,
        }
    }

    /// A number, or a fixed address, visible to its graph only and without a name.
    #[must_use]
    pub fn absolute(value: ExecAddr) -> Self {
        Self { definition: Definition::Absolute(value), ..Self::anonymous(BlockId(0), 0, 0) }
    }

    /// A reference to a name that is defined elsewhere.
    #[must_use]
    pub fn external(name: NameId, linkage: Linkage) -> Self {
        Self {
            name: Name::Interned(name),
            definition: Definition::External,
            scope: Scope::Default,
            linkage,
            ..Self::anonymous(BlockId(0), 0, 0)
        }
    }

    /// Returns whether it is to be found elsewhere.
    #[must_use]
    pub const fn is_external(&self) -> bool {
        matches!(self.definition, Definition::External)
    }

    /// The block it is defined in.
    #[must_use]
    pub const fn block(&self) -> Option<BlockId> {
        match self.definition {
            Definition::Defined { block, .. } => Some(block),
            _ => None,
        }
    }

    /// The name if other graphs may know it by that: it is interned, and the symbol is not local.
    #[must_use]
    pub fn global_name(&self) -> Option<NameId> {
        match self.name {
            Name::Interned(name) if self.scope != Scope::Local => Some(name),
            _ => None,
        }
    }
}
