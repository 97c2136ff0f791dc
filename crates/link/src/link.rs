//! The phases of linking a batch of graphs, in order.
//!
//! The caller (a session, a test) owns a vector of [`Input`]s and:
//!
//! 1. prunes: marks what is live, and binds every live external symbol;
//! 2. sees to what [`crate::passes::direct`] finds out of reach, then calls [`crate::passes::indirect`] and
//!    [`crate::passes::entries`], which may add an input of their own;
//! 3. makes a [`Layout`], gets memory for its segments and calls [`Layout::place`];
//! 4. calls [`resolve`]: now every symbol has an address;
//! 5. calls [`write()`]: blocks are copied and fixed up, once, in the memory where they stay.

use linkjit_target::{ExecAddr, ExecRange, TlsAddress};

use crate::arch::{Arch, FixupContext, fix_block};
use crate::error::Result;
use crate::graph::{BlockId, LinkGraph, Reachability, SymbolId};
use crate::layout::{BlockRef, Layout};
use crate::passes::indirect::Slot;
use crate::passes::shared::SharedBlocks;

/// What an external symbol was found to be.
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

/// What the external symbols of a graph are bound to. It takes room for all of its symbols, but time only for those that
/// are bound.
#[derive(Debug, Default)]
pub struct Bindings {
    /// By symbol, one more than its position in `bound`; 0, or beyond the end, if it is not there.
    positions: Vec<u32>,
    bound: Vec<(SymbolId, Binding)>,
}

impl Bindings {
    /// What `symbol` is bound to.
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
    /// What became live of it in this batch.
    pub reach: Reachability,
    /// What its external symbols are bound to.
    pub bindings: Bindings,
    /// Which JITDylib it belongs to.
    pub dylib: u32,
    /// Where it is meant to be placed, if that is known: inputs of one JITDylib and one window reach each other directly.
    pub window: ExecRange,
    /// What of it may stand for other objects' definitions, once somebody asked.
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

    /// What `symbol` is bound to.
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
        self.reach.blocks().iter().copied().filter(|&block| {
            let of = self.graph.block(block);
            of.live && !of.placed
        })
    }

    /// Forgets what was found for a batch, but for what is placed: the next batch finds it anew.
    pub fn forget_batch(&mut self) {
        self.reach.forget(&mut self.graph);
        self.bindings.clear();
    }
}

/// The architecture of a batch, which all of its graphs are of.
pub(crate) fn arch_of(inputs: &[Input]) -> Arch {
    inputs.first().map_or(Arch::HOST, |input| input.graph.arch())
}

/// Gives every bound symbol its address. All blocks of the batch must be placed.
pub fn resolve(inputs: &mut [Input]) {
    for index in 0..inputs.len() {
        let mut thread_local = Vec::new();
        let mut at = 0;
        while let Some(&(symbol, binding)) = inputs[index].bindings.bound.get(at) {
            at += 1;
            match follow(inputs, binding) {
                Binding::None => {}
                Binding::Input { input, symbol: of } => {
                    let definer = &inputs[input as usize].graph;
                    if let Some(address) = definer.thread_local_address(of) {
                        thread_local.push((symbol, address));
                    }
                    let (address, size) = (definer.address(of), definer.symbol(of).size);
                    let graph = &mut inputs[index].graph;
                    graph.resolve(symbol, address);
                    graph.symbol_mut(symbol).size = size;
                }
                Binding::Linked(address) | Binding::Outside(address) | Binding::OutsideFunction(address) => {
                    inputs[index].graph.resolve(symbol, address);
                }
                Binding::LinkedThreadLocal(address) | Binding::OutsideThreadLocal(address) => {
                    thread_local.push((symbol, address));
                }
                Binding::Missing => inputs[index].graph.resolve(symbol, ExecAddr::NULL),
            }
        }
        inputs[index].graph.resolve_thread_local(thread_local);
    }
}

/// The end of a chain of bindings. Chains are two long (an indirect function is bound to its stub); the bound keeps a
/// plugin that binds symbols in a circle from hanging the linker.
fn follow(inputs: &[Input], mut binding: Binding) -> Binding {
    for _ in 0..4 {
        let Binding::Input { input, symbol } = binding else { break };
        match inputs[input as usize].binding(symbol) {
            Binding::None => break,
            next => binding = next,
        }
    }
    binding
}

/// Undoes what placing a batch did to the graphs of `members`, so that they can be linked again: after a failure, or when
/// there is another window to try. Inputs that the passes made are the caller's to drop.
pub fn unplace(inputs: &mut [Input], members: impl IntoIterator<Item = u32>, layouts: &[Layout], slots: &[Slot]) {
    for (member, block) in layouts.iter().flat_map(Layout::placed) {
        if let Some(input) = inputs.get_mut(member as usize) {
            input.graph.unplace_block(block);
        }
    }
    for slot in slots {
        let (member, resolver) = slot.resolver;
        let input = &mut inputs[member as usize];
        input.graph.symbol_mut(slot.symbol).definition = input.graph.symbol(resolver).definition;
        input.bind(slot.symbol, Binding::None);
    }
    for member in members {
        let Some(input) = inputs.get_mut(member as usize) else { continue };
        for entry in input.graph.remove_entries(input.reach.blocks()) {
            input.bind(entry, Binding::None);
        }
    }
}

/// Writes the blocks of one segment of a layout to its memory, and applies their edges there.
///
/// # Errors
/// If an edge can't be applied; what is in the memory is then of no use.
pub fn write(
    inputs: &[Input],
    layout: &Layout,
    segment: usize,
    memory: &mut [u8],
    context: &FixupContext<'_>,
) -> Result<()> {
    for &(block, offset) in layout.blocks(segment) {
        write_block(inputs, block, offset, memory, context)?;
    }
    Ok(())
}

/// Writes one block `offset` bytes into the memory of its segment, and applies its edges there.
///
/// # Errors
/// As [`write()`].
pub fn write_block(
    inputs: &[Input],
    (input, block): BlockRef,
    offset: u64,
    segment: &mut [u8],
    context: &FixupContext<'_>,
) -> Result<()> {
    let graph = &inputs[input as usize].graph;
    // The layout made the segment as large as its blocks need.
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let size = usize::try_from(graph.block(block).size).unwrap_or(usize::MAX);
    let Some(bytes) = segment.get_mut(start..).and_then(|rest| rest.get_mut(..size)) else { return Ok(()) };
    if let Some(content) = graph.content(block) {
        bytes.copy_from_slice(content);
    }
    fix_block(graph, block, bytes, context)
}
