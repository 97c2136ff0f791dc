//! Direct references to what is out of reach.
//!
//! Code that was compiled for an executable refers to everything by 32-bit displacements or addresses, even if the
//! target turns out to be in a shared library. A linker of executables then uses copy relocations for variables and
//! canonical PLT entries for functions (System V ABI, AMD64 supplement, "Function Addresses"). This pass finds such
//! references. The session has the executor move the variables, and binds them to their new addresses. It binds
//! functions as [`Binding::OutsideFunction`], for which [`super::entries`] makes a stub that stands for the function.

use linkjit_target::{ExecAddr, ExecRange};

use crate::arch::ArchTables;
use crate::graph::{BlockId, Definition, Edge};
use crate::input::{Binding, Input, arch_of};

/// The addresses outside that live, not yet placed blocks of `members` refer to directly, and that are out of reach
/// from `window`. Edges are looked at only where something is out of reach at all.
#[must_use]
pub fn find(inputs: &[Input], members: &[u32], window: ExecRange) -> Vec<ExecAddr> {
    let reach = arch_of(inputs).data_reach();
    let number = |binding| match binding {
        // There are hardly any.
        Binding::Input { input, symbol } => {
            let definer = inputs.get(input as usize).filter(|definer| definer.graph.defines_absolute)?;
            match definer.graph.symbol(symbol).definition {
                Definition::Absolute(address) => Some(address),
                _ => None,
            }
        }
        _ => None,
    };
    let far = |binding| match binding {
        Binding::Outside(address) if is_out_of_reach(window, address, reach) => Some(address),
        other => number(other).filter(|&address| is_out_of_reach(window, address, reach)),
    };
    let members = members.iter().filter_map(|&member| inputs.get(member as usize));
    let mut found: Vec<_> = members.flat_map(|input| direct(input, far)).map(|(_, _, found)| found).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Returns whether such blocks need one of these addresses, which are sorted, within reach: all their instructions do
/// but those that can load an address instead of computing it.
#[must_use]
pub fn need(input: &Input, addresses: &[ExecAddr]) -> bool {
    let wanted = |binding| match binding {
        Binding::Outside(address) => addresses.binary_search(&address).is_ok().then_some(()),
        _ => None,
    };
    let load = |block, edge| input.graph.arch().address_load(edge, input.graph.content(block).unwrap_or_default());
    direct(input, wanted).into_iter().any(|(block, edge, ())| load(block, edge).is_none())
}

/// Returns whether all is in reach from `window` that earlier batches have linked and that live, not yet placed blocks
/// of `members` refer to directly.
#[must_use]
pub fn reaches_linked(inputs: &[Input], members: &[u32], window: ExecRange) -> bool {
    let reach = arch_of(inputs).data_reach();
    let far = |binding| match binding {
        Binding::Linked(address) if is_out_of_reach(window, address, reach) => Some(address),
        _ => None,
    };
    let mut members = members.iter().filter_map(|&member| inputs.get(member as usize));
    members.all(|input| direct(input, far).is_empty())
}

/// The addresses that live, not yet placed blocks of `members` refer to directly: what range all are in, and what range
/// those of them that earlier batches have linked.
#[must_use]
pub fn targets(inputs: &[Input], members: &[u32]) -> (Option<ExecRange>, Option<ExecRange>) {
    let address = |binding| match binding {
        Binding::Outside(address) => Some((address, false)),
        Binding::Linked(address) => Some((address, true)),
        _ => None,
    };
    let add = |range: &mut Option<ExecRange>, address: ExecAddr| {
        let one = ExecRange::new(address, 1);
        let wider = |old: &ExecRange| ExecRange { start: old.start.min(one.start), end: old.end.max(one.end) };
        *range = Some(range.as_ref().map_or(one, wider));
    };
    let (mut all, mut linked) = (None, None);
    for input in members.iter().filter_map(|&member| inputs.get(member as usize)) {
        for (_, _, (address, is_linked)) in direct(input, address) {
            add(&mut all, address);
            if is_linked {
                add(&mut linked, address);
            }
        }
    }
    (all, linked)
}

/// The other inputs that live, not yet placed blocks of `members` refer to directly.
#[must_use]
pub fn inputs(inputs: &[Input], members: &[u32]) -> Vec<u32> {
    let other = |binding| match binding {
        Binding::Input { input, .. } => Some(input),
        _ => None,
    };
    let members = members.iter().filter_map(|&member| inputs.get(member as usize));
    let mut found: Vec<_> = members.flat_map(|input| direct(input, other)).map(|(_, _, found)| found).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Returns the places where an input refers to something directly, with what `pick` makes of its binding.
fn direct<T>(input: &Input, pick: impl Fn(Binding) -> Option<T>) -> Vec<(BlockId, &Edge, T)> {
    let mut found = Vec::new();
    if !input.bindings.iter().any(|(_, binding)| pick(binding).is_some()) {
        return found;
    }
    let graph = &input.graph;
    let kinds = graph.arch().kinds();
    for block in input.unplaced() {
        let edges = graph.edges(block).iter().filter(|edge| kinds.info(edge.kind).is_direct());
        found.extend(edges.filter_map(|edge| Some((block, edge, pick(input.binding(edge.target))?))));
    }
    found
}

/// Binds external symbols anew.
pub fn rebind<'a>(inputs: impl IntoIterator<Item = &'a mut Input>, from: Binding, to: Binding) {
    for (_, binding) in inputs.into_iter().flat_map(|input| input.bindings.iter_mut()) {
        if *binding == from {
            *binding = to;
        }
    }
}

/// Returns whether code anywhere in the window, which reaches so far, may not reach an address.
pub(super) fn is_out_of_reach(window: ExecRange, address: ExecAddr, reach: u64) -> bool {
    // 4 KiB of slack cover the addend and the length of the instruction.
    let reaches = |from: ExecAddr| address.0.wrapping_sub(from.0).wrapping_add(reach) < 2 * reach;
    !reaches(ExecAddr(window.start.0.saturating_sub(0x1000))) || !reaches(ExecAddr(window.end.0.saturating_add(0x1000)))
}
