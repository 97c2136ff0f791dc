//! The tables' part in a batch: lending graphs to it, entering addresses when it is published, taking the graphs back
//! that later batches may need.

use linkjit_executor::{Agent, ExecAddr, Window};
use linkjit_link::graph::{Block, BlockId, Lifetime, LinkGraph, Section, SymbolId};
use linkjit_link::input::Input;
use linkjit_link::names::NameId;

use super::{Address, DefinedBy, DylibId, ObjectId, State};
use crate::error::{Error, Result};

/// The batch that has graphs out of the tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchInFlight {
    pub(super) agent: Agent,
    /// It has found all that it needs, so that definitions can't change any more.
    pub(super) is_placing: bool,
}

/// The part that is yet to be placed of a graph of which batches have placed something. A large object may be linked a function at a
/// time: what is found out about all of it is kept.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// The graph's revision that it is about.
    revision: u32,
    /// The definitions that others may know and that were not placed, by block; from the second batch on.
    names: Option<Vec<(BlockId, SymbolId)>>,
    /// All symbols before this one, and all blocks before this one, are placed as far as anybody may ask for them.
    next_symbol: u32,
    next_block: u32,
}

impl Rest {
    /// Says whether other graphs can still ask for something that is not placed: for a name, or what lies between boundaries
    /// (`__start_x`).
    #[inline]
    fn is_any(&mut self, graph: &LinkGraph) -> bool {
        // A graph has fewer than 2^32 of either.
        let advance = |next: u32, by: usize| next.saturating_add(u32::try_from(by).unwrap_or(u32::MAX));
        let unseen_symbols = graph.symbols().get(self.next_symbol as usize..).unwrap_or_default();
        let is_placed = |block: BlockId| graph.block(block).placed;
        let wanted = unseen_symbols
            .iter()
            .position(|symbol| symbol.global_name().and(symbol.block()).is_some_and(|block| !is_placed(block)));
        self.next_symbol = advance(self.next_symbol, wanted.unwrap_or(unseen_symbols.len()));
        if wanted.is_some() {
            return true;
        }
        let unseen_blocks = graph.blocks().get(self.next_block as usize..).unwrap_or_default();
        let is_list = |block: &Block| is_list(graph.section(block.section));
        let listed = unseen_blocks.iter().position(|block| !block.placed && is_list(block));
        self.next_block = advance(self.next_block, listed.unwrap_or(unseen_blocks.len()));
        listed.is_some()
    }
}

impl State {
    /// Makes the addresses known that a batch has given to definitions of an object. Returns whether there is more to
    /// place.
    pub(crate) fn publish_names(&mut self, object: ObjectId, input: &Input) -> Result<bool> {
        let Self { dylibs, objects, .. } = self;
        let Some(record) = objects.get_mut(&object) else { return Ok(false) };
        let dylib = dylibs.get_mut(&DylibId(input.dylib)).ok_or(Error::Closed)?;
        let graph = &input.graph;
        let mut publish = |name: NameId, id: SymbolId| {
            let entry = dylib.symbols.get_mut(&name).filter(|entry| entry.by == DefinedBy::Object(object, id));
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

    /// Begins a batch of this agent.
    pub(crate) fn begin_batch(&mut self) {
        self.batch = Some(BatchInFlight { agent: Agent::current(), is_placing: false });
    }

    /// Notes that the batch has found all that it needs.
    pub(crate) fn begin_placing(&mut self) {
        self.batch = Some(BatchInFlight { agent: Agent::current(), is_placing: true });
    }

    /// Ends the batch, which has no graphs any more.
    pub(crate) fn end_batch(&mut self) {
        self.batch = None;
    }

    /// Lends the graph of an object to a batch, if something of it may still be linked; says whether nothing of it was linked.
    /// Only a batch takes a graph out for good, and it publishes all addresses when it does.
    pub(crate) fn lend(&mut self, object: ObjectId) -> Option<(Input, bool)> {
        let record = self.objects.get_mut(&object)?;
        Some((*record.input.take()?, !record.started))
    }

    /// Takes a graph back that a batch has not linked.
    pub(crate) fn take_back(&mut self, object: ObjectId, mut input: Input) {
        if let Some(record) = self.objects.get_mut(&object) {
            input.forget_batch();
            record.input = Some(Box::new(input));
        }
    }

    /// Takes a graph back that a batch has linked, if it is `unfinished` or others need it; says whether it is the first
    /// batch that has linked something of the object.
    pub(crate) fn take_back_linked(&mut self, object: ObjectId, mut input: Input, unfinished: bool) -> bool {
        let Some(record) = self.objects.get_mut(&object) else { return false };
        let is_first = !std::mem::replace(&mut record.started, true);
        if unfinished || record.has_yielded() || record.updatable {
            record.home = record.home.or_else(|| home(&input.graph, input.reach.blocks().iter().copied()));
            // What was found is looked up again when the rest is linked: it may be elsewhere then.
            input.forget_batch();
            input.graph.release_placed();
            record.input = Some(Box::new(input));
        } else {
            (record.rest, record.together) = (None, None);
        }
        is_first
    }

    /// The window that earlier batches have placed parts of an object in; an update places variables that are kept.
    pub(crate) fn home(&self, object: ObjectId, graph: &LinkGraph) -> Option<Window> {
        let object = self.objects.get(&object)?;
        let kept = || (object.updatable && !object.started).then(|| home(graph, graph.block_ids())).flatten();
        let home = object.home.or_else(kept)?;
        self.dylib(object.dylib).ok()?.window_at(home)
    }

    /// Says whether earlier batches have placed a part of an object, and what others may share of it by itself.
    pub(crate) fn was_divided(&self, object: ObjectId) -> bool {
        let Some(object) = self.objects.get(&object).filter(|object| object.started) else { return false };
        self.dylib(object.dylib).is_ok_and(|dylib| !dylib.is_undivided(object.tracker))
    }
}

/// The definitions of a block among those of a graph.
fn names_of(names: &[(BlockId, SymbolId)], block: BlockId) -> &[(BlockId, SymbolId)] {
    let names = &names[names.partition_point(|&(other, _)| other < block)..];
    &names[..names.partition_point(|&(other, _)| other == block)]
}

/// Finds where a part of what was placed is, that may stand for where all of the graph is to be.
fn home(graph: &LinkGraph, blocks: impl IntoIterator<Item = BlockId>) -> Option<ExecAddr> {
    let is_home = |block: &&Block| {
        let section = graph.section(block.section);
        block.placed && section.lifetime == Lifetime::Standard && !section.large
    };
    blocks.into_iter().map(|id| graph.block(id)).find(is_home).map(|block| block.address)
}

/// Says whether a boundary symbol (`__start_x`) of another graph may make the blocks of a section live.
fn is_list(section: &Section) -> bool {
    section.lifetime == Lifetime::Standard && is_c_identifier(section.name.as_bytes())
}

/// Says whether boundary symbols may refer to a section of that name.
pub(crate) fn is_c_identifier(name: &[u8]) -> bool {
    !name.first().is_some_and(u8::is_ascii_digit)
        && name.iter().all(|&byte| byte == b'_' || byte.is_ascii_alphanumeric())
}
