//! Linked code, as rules and `-show-...` options see it, whether this folder or a session has linked it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use linkjit::ExecAddr;
use linkjit_link::graph::{Block, BlockId, Definition, Lifetime, LinkGraph, SymbolId};
use linkjit_link::names::NamePool;
use linkjit_link::passes::entries::GOT_SECTION;

/// A graph of a file: which one it is among those of the file, and a block or symbol of it.
pub(super) type In<T> = (usize, T);

/// A linked file.
#[derive(Debug, Default)]
pub(super) struct LinkedFile<'a> {
    pub(super) name: String,
    /// Its graph, then those that the linker has made for it.
    pub(super) graphs: Vec<&'a LinkGraph>,
    /// Names of symbols of made graphs that have none themselves. Files that share these graphs share the names.
    pub(super) names: Rc<HashMap<In<SymbolId>, String>>,
    /// The addresses of initial images of thread-local blocks. The blocks' own addresses are offsets in the storage.
    pub(super) images: HashMap<In<BlockId>, u64>,
}

/// All that was linked.
#[derive(Debug)]
pub(super) struct LinkedProgram<'a> {
    pub(super) names: &'a NamePool,
    pub(super) files: Vec<LinkedFile<'a>>,
    /// Symbols without a place in a file.
    pub(super) absolutes: Vec<(String, ExecAddr)>,
    /// Memory, sorted by address.
    pub(super) memory: Vec<(u64, Cow<'a, [u8]>)>,
}

/// The name of a symbol as text.
pub(super) fn text(graph: &LinkGraph, names: &NamePool, symbol: SymbolId) -> String {
    String::from_utf8_lossy(graph.symbol_name(names, symbol)).into_owned()
}

/// The start of the GOT among graphs, if there is one.
pub(super) fn got<'a>(graphs: impl IntoIterator<Item = &'a LinkGraph>) -> Option<ExecAddr> {
    let blocks = graphs.into_iter().flat_map(|graph| graph.blocks().iter().map(move |block| (graph, block)));
    let is_got = |graph: &LinkGraph, block: &Block| block.placed && graph.section(block.section).name == GOT_SECTION;
    blocks.filter(|(graph, block)| is_got(graph, block)).map(|(_, block)| block.address).min()
}

impl LinkedFile<'_> {
    /// Returns the address of a block, as rules see it: thread-local variables are at their initial image.
    pub(super) fn place(&self, (index, id): In<BlockId>) -> Option<u64> {
        let graph = self.graphs.get(index)?;
        let block = graph.block(id);
        if !block.placed {
            None
        } else if graph.section(block.section).lifetime == Lifetime::ThreadLocal {
            self.images.get(&(index, id)).copied()
        } else {
            Some(block.address.0)
        }
    }

    /// All blocks that have a place, and where that is.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (u64, In<BlockId>)> + '_ {
        let all =
            self.graphs.iter().enumerate().flat_map(|(index, graph)| graph.block_ids().map(move |id| (index, id)));
        all.filter_map(|block| Some((self.place(block)?, block)))
    }

    /// The name of a symbol, or of what it stands for.
    pub(super) fn symbol_name(&self, names: &NamePool, (index, symbol): In<SymbolId>) -> String {
        let own = self.graphs.get(index).map(|graph| text(graph, names, symbol)).unwrap_or_default();
        self.names.get(&(index, symbol)).filter(|_| own.is_empty()).cloned().unwrap_or(own)
    }

    /// The named symbols of the file, and where they are.
    pub(super) fn symbols<'a>(&'a self, names: &'a NamePool) -> impl Iterator<Item = (u64, String)> + 'a {
        let symbols = self.graphs.first().into_iter().flat_map(|graph| graph.symbol_ids());
        symbols.filter_map(move |symbol| {
            let Definition::Defined { block, offset } = self.graphs.first()?.symbol(symbol).definition else {
                return None;
            };
            let name = self.symbol_name(names, (0, symbol));
            Some((self.place((0, block))?.wrapping_add(offset), name)).filter(|(_, name)| !name.is_empty())
        })
    }
}

impl LinkedProgram<'_> {
    /// The bytes from an address on, as far as they are known.
    pub(super) fn memory(&self, address: u64) -> &[u8] {
        let after = self.memory.partition_point(|(start, _)| *start <= address);
        let Some((start, bytes)) = after.checked_sub(1).and_then(|at| self.memory.get(at)) else { return &[] };
        usize::try_from(address - start).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default()
    }
}
