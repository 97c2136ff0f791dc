//! The link graph: sections, blocks, symbols and edges of one object, without any object format.
//!
//! Everything lives in flat vectors and is named by `u32` ids. Ids are never reused and nothing is ever moved, so an
//! id stays good for the life of its graph; what is removed only loses its `live` mark.
//!
//! - A [`Block`] is a run of bytes that is placed as a whole. Its content is a range of the source, bytes of its own,
//!   or zeros.
//! - A [`Symbol`] is a name for a place: inside a block, at a fixed address, or *external*: to be found elsewhere.
//! - An [`Edge`] says that the bytes at an offset of its block depend on a symbol: a relocation.
//! - A *dependent* of a block lives and dies with it though no bytes refer to it: a function's unwind record, the
//!   associative child of a COMDAT section.

mod block;
mod edge;
mod edit;
mod prune;
mod request;
mod section;
mod section_name;
mod symbol;

pub use block::{Block, BlockId, Content};
pub use edge::{Edge, EdgeKind, KindSet};
pub use linkjit_target::Protection;
pub use prune::Reachability;
pub use request::Request;
pub use section::{Lifetime, Section, SectionId};
pub use section_name::SectionName;
pub use symbol::{Definition, Linkage, Name, Scope, Symbol, SymbolId};

use crate::error::{LinkError, Result, Site};
use crate::names::{NameId, NamePool};
use crate::source::Source;
use linkjit_target::Arch;
use linkjit_target::{ExecAddr, TlsAddress};

/// One object, ready to be pruned, placed and fixed up.
#[derive(Clone, Debug)]
pub struct LinkGraph {
    source: Source,
    arch: Arch,
    sections: Vec<Section>,
    blocks: Vec<Block>,
    /// The number of blocks that are placed.
    placed_blocks: usize,
    symbols: Vec<Symbol>,
    has_thread_local: bool,
    has_large_sections: bool,
    /// See [`LinkGraph::revision`].
    revision: u32,
    /// Edges of all blocks; those of one block are contiguous, see [`Block::edges`].
    edges: Vec<Edge>,
    /// The kinds of the edges that were added.
    kinds: KindSet,
    /// Linked lists of dependents, threaded through this vector; heads are in the blocks.
    dependents: Vec<Dependent>,
    /// The COMDAT groups.
    pub groups: Vec<Group>,
    /// The sections of initializers and terminators, in file order. Those that live and die with another block are here
    /// only, all others are retained, too: see [`LinkGraph::add_initializers`].
    pub initializers: Vec<InitializerSection>,
    /// Blocks that are wanted whenever anything of the object is, though nothing refers to them: initializers and
    /// what the compiler was told to retain.
    pub retained: Vec<BlockId>,
    /// Meanings of names that nobody defines.
    pub alternates: Vec<Alternate>,
    /// Requests that the object makes of the linker.
    pub requests: Vec<Request>,
    /// Code may refer to numbers by displacements, which are in reach only from low memory.
    pub refers_to_absolute: bool,
    /// Names may stand for numbers.
    pub defines_absolute: bool,
    /// For symbols that stand for a table entry (GOT entry, stub, ...): whose entry it is. Sorted by the first.
    entries: Vec<(SymbolId, SymbolId)>,
    /// Thread-local externals that were found elsewhere. Sorted by the symbol.
    thread_local_externals: Vec<(SymbolId, TlsAddress)>,
    /// The TLS block that the graph's own thread-local blocks are placed in.
    pub tls_block: Option<TlsAddress>,
    has_contiguous: bool,
}

#[derive(Clone, Copy, Debug)]
struct Dependent {
    block: BlockId,
    next: u32,
}

/// A COMDAT group: its sections are kept or dropped together, and of all groups with one signature in a JITDylib one is
/// kept.
#[derive(Clone, Debug)]
pub struct Group {
    /// The name that groups are compared by.
    pub signature: NameId,
    /// Which one is kept.
    pub selection: Selection,
    /// The member blocks.
    pub blocks: Vec<BlockId>,
}

impl Group {
    /// A group of which the first one is kept, as of all groups of ELF.
    #[must_use]
    pub fn any(signature: NameId, blocks: Vec<BlockId>) -> Self {
        Self { signature, selection: Selection::Any, blocks }
    }
}

/// Which of several COMDAT groups is kept (PE/COFF, "COMDAT Sections"); those of ELF are all [`Selection::Any`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Selection {
    /// The first.
    Any,
    /// None: a second one is an error.
    NoDuplicates,
    /// The first; all must be of this size in bytes.
    SameSize(u64),
    /// The first; all must have content and relocations with this hash.
    ExactMatch(u64),
    /// The largest, in bytes, of those that were added when one of them is linked.
    Largest(u64),
}

/// The meaning of a name that nobody defines: a weak external of COFF, or `/alternatename`.
#[derive(Clone, Copy, Debug)]
pub struct Alternate {
    /// The name.
    pub name: NameId,
    /// The name of what it stands for then.
    pub target: NameId,
    /// Archives and libraries are searched for a definition first.
    pub after_libraries: bool,
}

/// When the pointers of a section are to be called, relative to the other initializers of a JITDylib.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum InitializerOrder {
    /// ELF `.preinit_array`: before everything else.
    Preinit,
    /// ELF `.init_array.N` and `.ctors.(65535-N)`: ascending `N`; without a number 65536, which is last.
    Init(u32),
    /// COFF `.CRT$XL*`: called when the process attaches, and again when threads come and go.
    ThreadCallback(Suffix),
    /// COFF `.CRT$XD*`: called for each thread, to initialize its variables.
    ThreadInit(Suffix),
    /// COFF `.CRT$XI*`: functions that return zero unless they fail, in the order of their suffixes.
    CInit(Suffix),
    /// COFF `.CRT$XC*`, in the order of their suffixes.
    CxxInit(Suffix),
    /// COFF `.CRT$XP*`: run at close, in the order of their suffixes.
    PreTerm(Suffix),
    /// COFF `.CRT$XT*`: run at close after these, in the order of their suffixes.
    Term(Suffix),
    /// ELF `.fini_array.N`, `.dtors.(65535-N)`: run at close, descending `N`.
    Fini(u32),
}

impl InitializerOrder {
    /// Returns whether it is about functions that are called at the end.
    #[must_use]
    pub const fn is_at_exit(self) -> bool {
        matches!(self, Self::PreTerm(_) | Self::Term(_) | Self::Fini(_))
    }
}

/// The part of a section's name that says where in the order it is: its first 24 bytes, zeros behind.
pub type Suffix = [u8; 24];

/// A section of pointers to functions that are called when the object comes to life or goes away.
#[derive(Clone, Copy, Debug)]
pub struct InitializerSection {
    /// The block that holds the pointers.
    pub block: BlockId,
    /// Its place in the order.
    pub order: InitializerOrder,
    /// Called from the last pointer to the first (`.ctors`, unlike `.init_array`).
    pub backwards: bool,
}

impl LinkGraph {
    /// An empty graph for the contents of `source`.
    #[must_use]
    pub fn new(source: Source, arch: Arch) -> Self {
        Self {
            source,
            arch,
            sections: Vec::new(),
            blocks: Vec::new(),
            placed_blocks: 0,
            symbols: Vec::new(),
            has_thread_local: false,
            has_large_sections: false,
            revision: 0,
            edges: Vec::new(),
            kinds: KindSet::EMPTY,
            dependents: Vec::new(),
            has_contiguous: false,
            groups: Vec::new(),
            initializers: Vec::new(),
            retained: Vec::new(),
            alternates: Vec::new(),
            requests: Vec::new(),
            refers_to_absolute: false,
            defines_absolute: false,
            entries: Vec::new(),
            thread_local_externals: Vec::new(),
            tls_block: None,
        }
    }

    /// Reserves room, so that a reader that knows its counts allocates once. `dependents` are pairs of blocks.
    pub fn reserve(&mut self, sections: usize, blocks: usize, symbols: usize, edges: usize, dependents: usize) {
        self.sections.reserve(sections);
        self.blocks.reserve(blocks);
        self.symbols.reserve(symbols);
        self.edges.reserve(edges);
        self.dependents.reserve(dependents);
    }

    /// Returns the source that the graph was read from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Name of the file or member.
    #[must_use]
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// The architecture, which gives edge kinds their meaning.
    #[must_use]
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// All sections, indexed by [`SectionId`].
    #[must_use]
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// All blocks, indexed by [`BlockId`].
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Returns whether some of its blocks are placed.
    #[must_use]
    pub fn is_partly_placed(&self) -> bool {
        self.placed_blocks > 0
    }

    /// Returns whether some of its sections are [thread-local](Lifetime::ThreadLocal).
    #[must_use]
    pub fn has_thread_local_sections(&self) -> bool {
        self.has_thread_local
    }

    /// Returns whether some of its sections are large; see [`Section::large`].
    #[must_use]
    pub fn has_large_sections(&self) -> bool {
        self.has_large_sections
    }

    /// All symbols, indexed by [`SymbolId`].
    #[must_use]
    pub fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// The blocks, in ascending order, of groups of which other objects may have copies: what they define stands for the
    /// copies, too, however strong it is.
    #[must_use]
    pub fn shared_blocks(&self) -> Vec<BlockId> {
        let shared = self.groups.iter().filter(|group| group.selection != Selection::NoDuplicates);
        let mut blocks: Vec<_> = shared.flat_map(|group| &group.blocks).copied().collect();
        blocks.sort_unstable();
        blocks
    }

    /// Ids of all sections.
    pub fn section_ids(&self) -> impl ExactSizeIterator<Item = SectionId> + use<> {
        ids(self.sections.len()).map(SectionId)
    }

    /// Ids of all blocks.
    pub fn block_ids(&self) -> impl ExactSizeIterator<Item = BlockId> + use<> {
        ids(self.blocks.len()).map(BlockId)
    }

    /// Ids of all symbols.
    pub fn symbol_ids(&self) -> impl ExactSizeIterator<Item = SymbolId> + use<> {
        ids(self.symbols.len()).map(SymbolId)
    }

    /// The section `id`.
    ///
    /// # Panics
    /// If `id` is not of this graph, as for all accessors that take an id.
    #[must_use]
    pub fn section(&self, id: SectionId) -> &Section {
        &self.sections[id.index()]
    }

    /// The section `id`, to be changed. Blocks that are placed keep their place.
    pub fn section_mut(&mut self, id: SectionId) -> &mut Section {
        &mut self.sections[id.index()]
    }

    /// The block `id`.
    #[must_use]
    pub fn block(&self, id: BlockId) -> &Block {
        &self.blocks[id.index()]
    }

    /// The block `id`, to be changed.
    pub fn block_mut(&mut self, id: BlockId) -> &mut Block {
        &mut self.blocks[id.index()]
    }

    /// The symbol `id`.
    #[must_use]
    pub fn symbol(&self, id: SymbolId) -> &Symbol {
        &self.symbols[id.index()]
    }

    /// The symbol `id`, to be changed.
    pub fn symbol_mut(&mut self, id: SymbolId) -> &mut Symbol {
        &mut self.symbols[id.index()]
    }

    /// The edges of a block, in the order of their offsets unless somebody added some later.
    #[must_use]
    pub fn edges(&self, block: BlockId) -> &[Edge] {
        let block = &self.blocks[block.index()];
        &self.edges[block.edge_range()]
    }

    /// The edges of a block, to be changed in place.
    pub fn edges_mut(&mut self, block: BlockId) -> &mut [Edge] {
        let block = &self.blocks[block.index()];
        &mut self.edges[block.edge_range()]
    }

    /// Returns whether any section is [contiguous](Section::contiguous).
    #[must_use]
    pub fn has_contiguous_sections(&self) -> bool {
        self.has_contiguous
    }

    /// The blocks that live as long as `block` does.
    pub fn dependents(&self, block: BlockId) -> impl Iterator<Item = BlockId> + '_ {
        let mut next = self.blocks[block.index()].first_dependent;
        std::iter::from_fn(move || {
            let dependent = self.dependents.get(next as usize)?;
            next = dependent.next;
            Some(dependent.block)
        })
    }

    /// The content of a block; `None` for zeros.
    #[must_use]
    pub fn content(&self, block: BlockId) -> Option<&[u8]> {
        match &self.blocks[block.index()].content {
            Content::Source(range) => {
                Some(self.source.bytes().get(range.start as usize..range.end as usize).unwrap_or_default())
            }
            Content::Owned(bytes) => Some(bytes),
            Content::Zeros => None,
        }
    }

    /// The content of a block, to be changed; it is copied out of the source first. `None` for zeros.
    pub fn content_mut(&mut self, block: BlockId) -> Option<&mut [u8]> {
        if let Content::Source(_) = self.blocks[block.index()].content {
            let copy = self.content(block).unwrap_or_default().into();
            self.blocks[block.index()].content = Content::Owned(copy);
        }
        match &mut self.blocks[block.index()].content {
            Content::Owned(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The address of a symbol, once its block is placed or, for an external, once it is resolved.
    #[must_use]
    pub fn address(&self, symbol: SymbolId) -> ExecAddr {
        let symbol = &self.symbols[symbol.index()];
        match symbol.definition {
            Definition::Defined { block, offset } => self.blocks[block.index()].address.offset(offset),
            Definition::Absolute(address) => address,
            Definition::External => symbol.resolved,
        }
    }

    /// Returns the place of a thread-local variable, once it is placed or resolved; `None` if it is no such variable.
    #[must_use]
    pub fn thread_local_address(&self, symbol: SymbolId) -> Option<TlsAddress> {
        match self.symbols[symbol.index()].definition {
            Definition::Defined { block, .. } => {
                let section = self.blocks[block.index()].section;
                let in_tls_block = self.sections[section.index()].lifetime == Lifetime::ThreadLocal;
                self.tls_block.filter(|_| in_tls_block).map(|start| start.plus(self.address(symbol).0))
            }
            Definition::Absolute(_) => None,
            Definition::External => {
                let found = self.thread_local_externals.binary_search_by_key(&symbol, |&(symbol, _)| symbol).ok()?;
                self.thread_local_externals.get(found).map(|&(_, address)| address)
            }
        }
    }

    /// If `symbol` stands for a table entry that was made for another symbol: that one.
    #[must_use]
    pub fn entry_target(&self, symbol: SymbolId) -> Option<SymbolId> {
        let found = self.entries.binary_search_by_key(&symbol, |&(entry, _)| entry).ok()?;
        self.entries.get(found).map(|&(_, target)| target)
    }

    /// The bytes of a symbol's name; empty for an anonymous one.
    #[must_use]
    pub fn symbol_name<'a>(&'a self, names: &'a NamePool, symbol: SymbolId) -> &'a [u8] {
        match self.symbols[symbol.index()].name {
            Name::None => &[],
            Name::Local { start, len } => {
                let start = start as usize;
                self.source.bytes().get(start..start + len as usize).unwrap_or_default()
            }
            Name::Interned(id) => names.bytes(id),
        }
    }

    /// A name for messages: the symbol's own, or that of its section and offset.
    #[must_use]
    pub fn describe_symbol(&self, names: &NamePool, symbol: SymbolId) -> String {
        let name = self.symbol_name(names, symbol);
        if !name.is_empty() {
            return String::from_utf8_lossy(name).into_owned();
        }
        match self.symbols[symbol.index()].definition {
            Definition::Defined { block, offset } => {
                let block = &self.blocks[block.index()];
                let section = &self.sections[block.section.index()].name;
                format!("{section}+{:#x}", block.section_offset.wrapping_add(offset))
            }
            Definition::Absolute(address) => format!("{address}"),
            Definition::External => "<anonymous external>".into(),
        }
    }

    /// The place of `offset` bytes into `block`, for errors.
    #[must_use]
    pub fn site(&self, block: BlockId, offset: u64) -> Site {
        let block = &self.blocks[block.index()];
        Site::file(self.source.name().clone())
            .section(self.sections[block.section.index()].name.as_str())
            .at(block.section_offset.wrapping_add(offset))
    }

    #[cold]
    fn too_large(&self, what: &str) -> LinkError {
        LinkError::TooLarge { site: Site::file(self.source.name().clone()), what: what.into() }
    }

    /// `len` as an id, unless there are already 2^32 - 1 of them.
    #[inline]
    fn next_id(&self, len: usize, what: &str) -> Result<u32> {
        match u32::try_from(len) {
            Ok(id) if id != u32::MAX => Ok(id),
            _ => Err(self.too_large(what)),
        }
    }
}

/// `0..len`; ids were checked to fit when they were made.
fn ids(len: usize) -> std::ops::Range<u32> {
    0..u32::try_from(len).unwrap_or(u32::MAX)
}
