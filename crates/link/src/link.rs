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

use linkjit_target::ExecAddr;

use crate::arch::{FixupContext, fix_block};
use crate::error::Result;
use crate::input::{Binding, BlockRef, Input};
use crate::layout::Layout;
use crate::passes::indirect::Slot;

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
