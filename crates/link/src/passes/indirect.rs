//! Indirect functions (ELF `STT_GNU_IFUNC`): a symbol whose address is chosen at run time by a resolver.
//!
//! All uses of such a symbol, calls and addresses alike, get the same stub, so that the function has one address. The
//! stub jumps through a slot. The executor fills the slot with what the resolver returns, before any other code runs.

use crate::arch::ArchTables;
use crate::error::Result;
use crate::graph::{Definition, Lifetime, LinkGraph, Protection, Symbol, SymbolId};
use crate::input::{Binding, Input, next};
use crate::source::Source;

/// A slot to be filled, and the resolver that knows with what; both as symbols of inputs.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// The slot: a word.
    pub slot: (u32, SymbolId),
    /// The resolver.
    pub resolver: (u32, SymbolId),
    /// The symbol of the resolver's graph that now stands for the stub.
    pub symbol: SymbolId,
}

/// Makes a stub and a slot for each live indirect symbol that `members` define in blocks that are not yet placed, in an
/// input that becomes one of them.
///
/// # Errors
/// If there are too many.
pub(crate) fn build(inputs: &mut Vec<Input>, members: &mut Vec<u32>) -> Result<Vec<Slot>> {
    let mut found = Vec::new();
    for &member in &*members {
        let Input { graph, reach, .. } = &inputs[member as usize];
        let first = found.len();
        found.extend(reach.symbols().iter().filter_map(|&id| {
            let symbol = graph.symbol(id);
            let block = symbol.block().filter(|_| symbol.indirect && symbol.live)?;
            (!graph.block(block).placed).then_some((member, id))
        }));
        found[first..].sort_unstable();
    }
    let Some(&(first, _)) = found.first() else { return Ok(Vec::new()) };
    let next_input = next(inputs);
    let (dylib, arch) = (inputs[first as usize].dylib, inputs[first as usize].graph.arch());
    let (window, pointer_size) = (inputs[first as usize].window, arch.pointer_size() as usize);
    let mut graph = LinkGraph::new(Source::new("indirect functions", []), arch);
    let got = graph.add_section(super::entries::GOT_SECTION, Protection::Read, Lifetime::Standard)?;
    let stubs = graph.add_section(super::entries::STUBS_SECTION, Protection::ReadExec, Lifetime::Standard)?;
    let mut slots = Vec::with_capacity(found.len());
    for (member, symbol) in found {
        let (slot_block, slot) = graph.add_data(got, vec![0; pointer_size], arch.pointer_align_log2())?;
        let (stub_block, stub) = graph.add_code(stubs, &arch.code().stub, &[slot])?;
        for block in [slot_block, stub_block] {
            graph.block_mut(block).live = true;
        }

        // The name now stands for the stub; the resolver goes on without one.
        let input = &mut inputs[member as usize];
        let Definition::Defined { block, offset } = input.graph.symbol(symbol).definition else { continue };
        let size = input.graph.symbol(symbol).size;
        let resolver = input.graph.add_symbol(Symbol::anonymous(block, offset, size))?;
        input.graph.symbol_mut(symbol).definition = Definition::External;
        input.bind(symbol, Binding::Input { input: next_input, symbol: stub });
        slots.push(Slot { slot: (next_input, slot), resolver: (member, resolver), symbol });
    }
    inputs.push(Input::made(graph, dylib, window));
    members.push(next_input);
    Ok(slots)
}
