//! Publishing: the batch enters the addresses of what it placed into the tables, and returns the graphs that later
//! batches may need.

use std::collections::BTreeSet;

use linkjit_executor::ExecAddr;
use linkjit_link::graph::{Block, BlockId, Lifetime, LinkGraph, SymbolId};
use linkjit_link::input::Input;
use linkjit_link::names::NameId;

use super::{Batch, special};
use crate::error::{Error, Result};
use crate::session::{Address, DSO_HANDLE, DefinedBy, DylibId, Inheritance, Rest, State, UnitId};

impl Rest {
    /// Whether other graphs can still ask for something that is not placed: for a name, or what lies between boundaries
    /// (`__start_x`).
    #[inline]
    fn is_any(&mut self, graph: &LinkGraph) -> bool {
        // A graph has fewer than 2^32 of either.
        let advance = |next: u32, by: usize| next.saturating_add(u32::try_from(by).unwrap_or(u32::MAX));
        let of_names = graph.symbols().get(self.next_symbol as usize..).unwrap_or_default();
        let is_placed = |block: BlockId| graph.block(block).placed;
        let wanted = of_names
            .iter()
            .position(|symbol| symbol.global_name().and(symbol.block()).is_some_and(|block| !is_placed(block)));
        self.next_symbol = advance(self.next_symbol, wanted.unwrap_or(of_names.len()));
        if wanted.is_some() {
            return true;
        }
        let of_lists = graph.blocks().get(self.next_block as usize..).unwrap_or_default();
        let is_list = |block: &Block| special::is_list(graph.section(block.section));
        let listed = of_lists.iter().position(|block| !block.placed && is_list(block));
        self.next_block = advance(self.next_block, listed.unwrap_or(of_lists.len()));
        listed.is_some()
    }
}

impl State {
    /// Makes the addresses known that a batch has given to definitions of a unit. Returns whether there is more to
    /// place.
    fn publish_names(&mut self, unit: UnitId, input: &Input) -> Result<bool> {
        let Self { dylibs, units, .. } = self;
        let Some(record) = units.get_mut(&unit) else { return Ok(false) };
        let dylib = dylibs.get_mut(&DylibId(input.dylib)).ok_or(Error::Closed)?;
        let graph = &input.graph;
        let mut publish = |name: NameId, id: SymbolId| {
            let entry = dylib.entry_mut(name).filter(|entry| entry.by == DefinedBy::Unit(unit, id));
            let Some(entry) = entry else { return };
            let address = Address::At(graph.address(id));
            entry.address = Some(graph.thread_local_address(id).map_or(address, Address::ThreadLocal));
        };
        if let Some(rest) = record.rest.as_mut().filter(|rest| rest.revision == graph.revision())
            && let Some(names) = &rest.names
        {
            let placed = input.reach.blocks().iter().filter(|&&block| graph.block(block).placed);
            for &block in placed {
                for &(_, id) in names_of(names, block) {
                    let symbol = graph.symbol(id);
                    // It may be a reference since: to what has replaced it, or to the stub that it stands for.
                    let is_placed = symbol.block() == Some(block) || symbol.block().is_none() && symbol.indirect;
                    symbol.global_name().filter(|_| is_placed).into_iter().for_each(|name| publish(name, id));
                }
            }
            return Ok(rest.is_any(graph));
        }
        let mut rest = Rest { revision: graph.revision(), ..Rest::default() };
        let mut unplaced = Vec::new();
        let mut first_unplaced = None;
        for (id, symbol) in graph.symbol_ids().zip(graph.symbols()) {
            let Some(name) = symbol.global_name() else { continue };
            match symbol.block() {
                Some(block) if !graph.block(block).placed => {
                    first_unplaced.get_or_insert(id);
                    // Most graphs are not asked for more a second time.
                    if record.started {
                        unplaced.push((block, id));
                    }
                }
                None if !symbol.indirect => {}
                _ => publish(name, id),
            }
        }
        unplaced.sort_unstable();
        rest.next_symbol = first_unplaced.map_or(u32::MAX, |first| first.0);
        rest.names = record.started.then_some(unplaced);
        Ok(record.rest.insert(rest).is_any(graph))
    }
}

/// The definitions of a block among those of a graph.
fn names_of(names: &[(BlockId, SymbolId)], block: BlockId) -> &[(BlockId, SymbolId)] {
    let names = &names[names.partition_point(|&(other, _)| other < block)..];
    &names[..names.partition_point(|&(other, _)| other == block)]
}

/// Where a part of what was placed is, that may stand for where all of the graph is to be.
pub(super) fn home(graph: &LinkGraph, blocks: impl IntoIterator<Item = BlockId>) -> Option<ExecAddr> {
    let is_home = |block: &&Block| {
        let section = graph.section(block.section);
        block.placed && section.lifetime == Lifetime::Standard && !section.large
    };
    blocks.into_iter().map(|id| graph.block(id)).find(is_home).map(|block| block.address)
}

impl Batch<'_> {
    /// Makes the addresses of what was placed known, and hands the graphs back.
    pub(super) fn publish(&mut self) -> Result<()> {
        // Publishing can't be undone, so all that may fail comes first.
        let handles = self.set_dso_handles()?;
        let serves = self.replace_allocator()?;
        let mut state = self.session.state();
        let mut unfinished = Vec::with_capacity(self.units.len());
        for (input, &unit) in self.inputs.iter().zip(&self.units) {
            unfinished.push(state.publish_names(unit, input)?);
        }
        let placed = std::mem::take(&mut self.placed);
        placed.publish(&self.inputs, &self.units, &mut state)?;
        state.keep_pulled();
        self.rebound.clear();
        self.yielded = Inheritance::default();
        self.plugins.keep();
        state.forget_wanted_of_allocator();
        state.statistics.batches += 1;

        serves.note(&mut state);
        for dylib in handles {
            state.dylib_mut(dylib)?.note_dso_handle();
        }

        let mut objects = 0;
        for ((mut input, unit), unfinished) in self.inputs.take().zip(self.units.drain(..)).zip(unfinished) {
            let Some(record) = state.units.get_mut(&unit) else { continue };
            objects += u64::from(!std::mem::replace(&mut record.started, true));
            if unfinished || record.has_yielded() || record.updatable {
                record.home = record.home.or_else(|| home(&input.graph, input.reach.blocks().iter().copied()));
                // What was found is looked up again when the rest is linked: it may be elsewhere then.
                input.forget_batch();
                input.graph.release_placed();
                record.input = Some(Box::new(input));
            } else {
                (record.rest, record.together) = (None, None);
            }
        }
        state.statistics.objects += objects;
        Ok(())
    }

    /// Tells images their handles that the batch has placed; returns the JITDylibs.
    fn set_dso_handles(&self) -> Result<Vec<DylibId>> {
        let dylibs: BTreeSet<_> = self.inputs.iter().map(|input| DylibId(input.dylib)).collect();
        let name = self.session.names().find(DSO_HANDLE);
        let Some(name) = name else { return Ok(Vec::new()) };
        let handles: Vec<_> = {
            let state = self.session.state();
            let handle = |&id: &DylibId| {
                let dylib = state.dylib(id).ok().filter(|dylib| !dylib.is_dso_handle_known())?;
                Some((id, dylib.image(), self.address_of(&state, id, name)?))
            };
            dylibs.iter().filter_map(handle).collect()
        };
        for &(_, image, address) in &handles {
            self.session.executor().set_dso_handle(image, address)?;
        }
        Ok(handles.into_iter().map(|(id, ..)| id).collect())
    }
}
