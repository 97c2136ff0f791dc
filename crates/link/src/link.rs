//! The driver: the phases of linking graphs together. Each has a type, which the next one takes:
//!
//! ```text
//! Inputs     live blocks are known, and external symbols are bound
//!   | prepare     thread-local variables have storage, indirect functions have stubs
//! Prepared
//!   | complete    targets that may be out of reach have entries in tables
//! Complete
//!   | lay_out     segments have sizes; the user gets memory for them
//! Layout
//!   | place       blocks have addresses
//! Placed
//!   | resolve     symbols have addresses, after all inputs are placed
//! Resolved
//!   | write       blocks are copied and fixed up, once, in the memory where they stay
//! ```
//!
//! Up to [`Placed`] a user goes through the phases with some of the inputs at a time: those of a window, or one graph.
//! Before that, it deals with the references that [`crate::passes::direct`] finds out of reach.

use std::ops::{Deref, DerefMut};

use linkjit_target::{ExecAddr, TlsAddress};

use crate::arch::{ArchTables, FixupContext, fix_block};
use crate::error::{LinkError, Result};
use crate::graph::{Lifetime, SymbolId};
use crate::input::{Binding, BlockRef, Input, next};
use crate::layout::{Layout, Placed};
use crate::passes::entries::{self, EntryStyle, NewEntries, SharedEntries, SharedKey};
use crate::passes::indirect::{self, Slot};

/// Graphs that are linked together, and those that the linker makes for them. What is bound to what goes by their
/// order.
#[derive(Debug, Default)]
pub struct Inputs {
    all: Vec<Input>,
    /// The slots of indirect functions, in the order of the graphs that were made for them.
    slots: Vec<Slot>,
}

impl Deref for Inputs {
    type Target = [Input];

    #[inline]
    fn deref(&self) -> &[Input] {
        &self.all
    }
}

impl DerefMut for Inputs {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Input] {
        &mut self.all
    }
}

/// Inputs that are placed together: their thread-local variables have storage, their indirect functions stubs.
#[must_use = "they have no memory yet"]
#[non_exhaustive]
#[derive(Debug)]
pub struct Prepared {
    /// The inputs, with one that was made for them if need be.
    pub members: Vec<u32>,
}

/// Inputs that are placed together, with all entries of tables that what is live of them needs.
#[must_use = "they have no memory yet"]
#[non_exhaustive]
#[derive(Debug)]
pub struct Complete {
    /// The inputs, with those that were made for them.
    pub members: Vec<u32>,
}

/// The entries that were made for some inputs.
#[derive(Debug)]
pub struct Completed {
    /// The inputs, with the entries that nobody else uses.
    pub own: Complete,
    /// Entries for targets outside.
    pub shared: Complete,
    /// These, to be added to the JITDylib's [`SharedEntries`] when the batch is finished.
    pub symbols: Vec<(SharedKey, (u32, SymbolId))>,
}

impl Completed {
    /// All of them, for who shares no entries.
    pub fn together(self) -> Complete {
        let (mut members, last) = (self.own.members, self.shared.members);
        let own = members.len().saturating_sub(1);
        members.splice(own..own, last);
        Complete { members }
    }
}

impl Inputs {
    /// Adds a graph; returns its index.
    pub fn push(&mut self, input: Input) -> u32 {
        let index = next(&self.all);
        self.all.push(input);
        index
    }

    /// Takes all graphs out, with what was done to them.
    pub fn take(&mut self) -> impl Iterator<Item = Input> + use<> {
        std::mem::take(self).all.into_iter()
    }

    /// The slots of indirect functions that stubs were made for.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Begins placing some inputs, whose thread-local storage begins at `thread_local`, if they need any: see
    /// [`Layout::thread_local_extent`].
    ///
    /// # Errors
    /// If there are too many stubs.
    pub fn prepare(&mut self, mut members: Vec<u32>, thread_local: Option<TlsAddress>) -> Result<Prepared> {
        if let Some(start) = thread_local {
            for &member in &members {
                let input = &mut self.all[member as usize];
                let lifetime = |id| input.graph.section(input.graph.block(id).section).lifetime;
                if input.unplaced().any(|id| lifetime(id) == Lifetime::ThreadLocal) {
                    input.graph.tls_block = Some(start);
                }
            }
        }
        self.slots.extend(indirect::build(&mut self.all, &mut members)?);
        Ok(Prepared { members })
    }

    /// Makes the entries that live blocks need which are not placed yet: see [`entries`].
    ///
    /// # Errors
    /// If there are too many.
    pub fn complete(&mut self, prepared: &Prepared, style: EntryStyle, existing: &SharedEntries) -> Result<Completed> {
        let NewEntries { shared, own, symbols } = entries::build(&mut self.all, &prepared.members, style, existing)?;
        let mut members = Vec::with_capacity(prepared.members.len() + 1);
        members.extend_from_slice(&prepared.members);
        members.push(own);
        Ok(Completed { own: Complete { members }, shared: Complete { members: vec![shared] }, symbols })
    }

    /// Gives the live blocks that are not placed yet a place in segments.
    ///
    /// # Errors
    /// If they do not fit into an address space.
    pub fn lay_out(&self, complete: &Complete) -> Result<Layout> {
        Layout::new(self, &complete.members)
    }

    /// Gives blocks their addresses, the segments beginning at `bases`.
    pub fn place(&mut self, layout: Layout, bases: [ExecAddr; 3]) -> Placed {
        layout.place(self, bases)
    }

    /// Undoes what was done since there were only so many inputs: the blocks of `placed` have no addresses any more,
    /// and `members` refer to what they referred to before entries were made.
    pub fn undo(
        &mut self,
        count: usize,
        members: impl IntoIterator<Item = u32>,
        placed: impl IntoIterator<Item = Placed>,
    ) {
        self.all.truncate(count);
        for placed in placed {
            for (member, block) in placed.blocks() {
                if let Some(input) = self.all.get_mut(member as usize) {
                    input.graph.unplace_block(block);
                }
            }
        }
        let first = self.slots.partition_point(|slot| (slot.slot.0 as usize) < count);
        for slot in self.slots.drain(first..) {
            let (member, resolver) = slot.resolver;
            let input = &mut self.all[member as usize];
            input.graph.symbol_mut(slot.symbol).definition = input.graph.symbol(resolver).definition;
            input.bind(slot.symbol, Binding::None);
        }
        for member in members {
            let Some(input) = self.all.get_mut(member as usize) else { continue };
            let arch = input.graph.arch();
            for entry in input.graph.remove_entries(input.reach.blocks(), |kind| arch.without_entry(kind)) {
                input.bind(entry, Binding::None);
            }
        }
    }

    /// Gives every bound symbol its address.
    pub fn resolve(&mut self) -> Resolved<'_> {
        for index in 0..self.all.len() {
            resolve_input(&mut self.all, index);
        }
        Resolved { inputs: &mut self.all }
    }
}

/// Gives every bound symbol of an input its address.
fn resolve_input(inputs: &mut [Input], index: usize) {
    let mut thread_local = Vec::new();
    let mut at = 0;
    while let Some(&(symbol, binding)) = inputs[index].bindings.bound.get(at) {
        at += 1;
        match follow(inputs, binding) {
            Binding::None => {}
            Binding::Input { input, symbol: target } => {
                let definer = &inputs[input as usize].graph;
                if let Some(address) = definer.thread_local_address(target) {
                    thread_local.push((symbol, address));
                }
                let (address, size) = (definer.address(target), definer.symbol(target).size);
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

/// Inputs whose symbols have addresses.
#[non_exhaustive]
#[derive(Debug)]
pub struct Resolved<'a> {
    /// The inputs. Their edges may still be changed.
    pub inputs: &'a mut [Input],
}

impl Resolved<'_> {
    /// Writes the blocks of one segment to its memory, and applies their edges there.
    ///
    /// # Errors
    /// The block of which an edge can't be applied, and why; what is in the memory is then of no use.
    pub fn write(
        &self,
        placed: &Placed,
        segment: usize,
        memory: &mut [u8],
        context: &FixupContext<'_>,
    ) -> Result<(), (BlockRef, LinkError)> {
        for &(block, offset) in placed.written(segment) {
            self.write_block(block, offset, memory, context).map_err(|error| (block, error))?;
        }
        Ok(())
    }

    /// Writes one block `offset` bytes into the memory of its segment.
    fn write_block(
        &self,
        (input, block): BlockRef,
        offset: u64,
        segment: &mut [u8],
        context: &FixupContext<'_>,
    ) -> Result<()> {
        let graph = &self.inputs[input as usize].graph;
        // The layout made the segment as large as its blocks need.
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let size = usize::try_from(graph.block(block).size).unwrap_or(usize::MAX);
        let Some(bytes) = segment.get_mut(start..).and_then(|rest| rest.get_mut(..size)) else { return Ok(()) };
        if let Some(content) = graph.content(block) {
            bytes.copy_from_slice(content);
        }
        fix_block(graph, block, bytes, context)
    }
}
