//! The graphs that are linked together, and what their external symbols are bound to.

use linkjit_target::{ExecAddr, ExecRange, TlsAddress};

use crate::arch::Arch;
use crate::graph::{BlockId, LinkGraph, Reachability, SectionId, SymbolId};

/// A block of a batch: the index of its input, and its id there.
pub type BlockRef = (u32, BlockId);

/// The thing that an external symbol was found to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Binding {
    /// It isn't external, or nobody needs it.
    #[default]
    None,
    /// A symbol of another input of the batch.
    Input {
        /// Index of the input.
        input: u32,
        /// The symbol there.
        symbol: SymbolId,
    },
    /// Defined by linked code of a batch before this one, in whichever JITDylib.
    Linked(ExecAddr),
    /// Defined by no linked code: by the process, a library, the user.
    Outside(ExecAddr),
    /// As [`Binding::Outside`], and known to be a function: where it is out of reach, a stub may stand for it.
    OutsideFunction(ExecAddr),
    /// As [`Binding::Linked`], a thread-local variable.
    LinkedThreadLocal(TlsAddress),
    /// As [`Binding::Outside`], a thread-local variable.
    OutsideThreadLocal(TlsAddress),
    /// A weak reference to what nobody defines: address zero.
    Missing,
}

/// The bindings of the external symbols of a graph. It takes room for all of its symbols, but time only for those that
/// are bound.
#[derive(Debug, Default)]
pub struct Bindings {
    /// By symbol, one more than its position in `bound`; 0, or beyond the end, if it is not there.
    positions: Vec<u32>,
    pub(crate) bound: Vec<(SymbolId, Binding)>,
}

impl Bindings {
    /// Returns the binding of `symbol`.
    #[must_use]
    #[inline]
    pub fn get(&self, symbol: SymbolId) -> Binding {
        let position = self.positions.get(symbol.index()).copied().unwrap_or_default();
        self.bound.get((position as usize).wrapping_sub(1)).map(|&(_, binding)| binding).unwrap_or_default()
    }

    /// Binds one of the symbols of a graph that has `symbols` of them.
    #[inline]
    pub fn set(&mut self, symbol: SymbolId, binding: Binding, symbols: usize) {
        if self.positions.len() <= symbol.index() {
            self.make_room(symbols.max(symbol.index() + 1));
        }
        let position = &mut self.positions[symbol.index()];
        if let Some((_, old)) = self.bound.get_mut((*position as usize).wrapping_sub(1)) {
            *old = binding;
        } else {
            self.bound.push((symbol, binding));
            // A graph has fewer than 2^32 symbols.
            *position = u32::try_from(self.bound.len()).unwrap_or(0);
        }
    }

    fn make_room(&mut self, symbols: usize) {
        if self.positions.is_empty() {
            self.positions = vec![0; symbols];
            // Enough for most small graphs.
            self.bound = Vec::with_capacity(symbols.min(32));
        } else {
            self.positions.resize(symbols, 0);
        }
    }

    /// The symbols that were bound, each once.
    pub fn iter(&self) -> impl Iterator<Item = (SymbolId, Binding)> + '_ {
        self.bound.iter().copied()
    }

    /// The same, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (SymbolId, &mut Binding)> {
        self.bound.iter_mut().map(|(symbol, binding)| (*symbol, binding))
    }

    /// Forgets all of them.
    fn clear(&mut self) {
        for (symbol, _) in self.bound.drain(..) {
            self.positions[symbol.index()] = 0;
        }
    }
}

/// One graph of a batch.
#[derive(Debug)]
pub struct Input {
    /// The graph.
    pub graph: LinkGraph,
    /// The blocks and symbols of it that became live in this batch.
    pub reach: Reachability,
    /// The bindings of its external symbols.
    pub bindings: Bindings,
    /// Which JITDylib it belongs to.
    pub dylib: u32,
    /// The window that it is meant for, if that is known: inputs of one JITDylib and one window reach each other
    /// directly.
    pub window: ExecRange,
    /// The blocks that may stand for other objects' definitions, once somebody asked.
    pub(crate) shared: Option<Box<SharedBlocks>>,
    /// It is among those whose blocks are being divided into what stays longer and the rest.
    pub(crate) is_divided: bool,
}

impl Input {
    /// A graph of which nothing is live.
    #[must_use]
    pub fn new(graph: LinkGraph, dylib: u32, window: ExecRange) -> Self {
        let (reach, bindings) = (Reachability::new(), Bindings::default());
        Self { graph, reach, bindings, dylib, window, shared: None, is_divided: false }
    }

    /// A graph that the linker has made, of which all that is to be placed is live already.
    #[must_use]
    pub fn made(mut graph: LinkGraph, dylib: u32, window: ExecRange) -> Self {
        let mut reach = Reachability::new();
        reach.start_anew(&mut graph);
        Self { reach, ..Self::new(graph, dylib, window) }
    }

    /// Returns the binding of `symbol`.
    #[must_use]
    #[inline]
    pub fn binding(&self, symbol: SymbolId) -> Binding {
        self.bindings.get(symbol)
    }

    /// Binds an external symbol.
    pub fn bind(&mut self, symbol: SymbolId, binding: Binding) {
        self.bindings.set(symbol, binding, self.graph.symbols().len());
    }

    /// The blocks that are to be placed: those that are live and not placed yet, in the order of their creation.
    pub fn unplaced(&self) -> impl Iterator<Item = BlockId> + Clone + '_ {
        self.reach.blocks().iter().copied().filter(|&id| {
            let block = self.graph.block(id);
            block.live && !block.placed
        })
    }

    /// Forgets what was found for a batch, but for what is placed: the next batch finds it anew.
    pub fn forget_batch(&mut self) {
        self.reach.forget(&mut self.graph);
        self.bindings.clear();
    }
}

/// Which blocks of a graph may stand for those of other objects, live or not, with the constants that these refer to.
/// Found once for all batches that link parts of the graph.
#[derive(Debug)]
pub(crate) struct SharedBlocks {
    /// Which state of the graph's definitions that is.
    pub(crate) revision: u32,
    /// By block; empty if there are none.
    pub(crate) is_shared: Vec<bool>,
    /// Their sections that must stay in one piece, and those of thread-local storage.
    pub(crate) undivided: Vec<SectionId>,
}

/// The index of the input that is added next.
pub(crate) fn next(inputs: &[Input]) -> u32 {
    u32::try_from(inputs.len()).unwrap_or(u32::MAX)
}

/// The architecture of a batch, which all of its graphs are of.
pub(crate) fn arch_of(inputs: &[Input]) -> Arch {
    inputs.first().map_or(Arch::ALL[0], |input| input.graph.arch())
}
