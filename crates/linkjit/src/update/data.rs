//! Variables that an update keeps: the new object's are where the old one's were.
//!
//! Variables of one section can't be told apart where code refers to them by the section, as it does to local ones. So
//! they are kept a section at a time, if all of it agrees. `-fdata-sections` gives each variable a section.

use std::collections::{BTreeMap, BTreeSet};

use linkjit_executor::ExecAddr;
use linkjit_link::graph::{BlockId, Definition, Lifetime, LinkGraph, Protection, SymbolId};
use linkjit_link::names::{NameId, NamePool};

use crate::error::NotKept;

/// Which variables to keep.
#[derive(Clone, Debug, Default)]
pub(super) enum Keep {
    #[default]
    Nothing,
    All,
    Named(BTreeSet<Vec<u8>>),
}

/// What was kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Where.
    pub(super) blocks: Vec<ExecAddr>,
    /// The module of thread-local ones.
    pub(super) module: Option<u64>,
    /// Variables that others may know, linked, and not kept.
    pub(super) left: Vec<NameId>,
}

/// A variable by its symbol.
#[derive(Clone, Copy, Debug)]
struct Variable {
    symbol: SymbolId,
    block: BlockId,
    offset: u64,
    size: u64,
    /// There are several of its name.
    ambiguous: bool,
}

/// Puts variables of the new graph where the old one has them.
pub(super) fn keep(new: &mut LinkGraph, old: &LinkGraph, names: &NamePool, which: &Keep) -> Result<Kept, Vec<NotKept>> {
    let is_linked = |variable: &Variable| old.block(variable.block).placed;
    let before: BTreeMap<_, _> = variables(old, names).into_iter().filter(|(_, it)| is_linked(it)).collect();
    let now = variables(new, names);
    let mut refused = Vec::new();
    if let Keep::Named(wanted) = which {
        let missing = wanted.iter().filter(|name| !now.contains_key(*name));
        refused.extend(missing.map(|name| not_kept(name, "the new object has no such variable")));
    }
    let mut by_block: BTreeMap<BlockId, Vec<(&[u8], Variable)>> = BTreeMap::new();
    for (name, variable) in &now {
        by_block.entry(variable.block).or_default().push((name, *variable));
    }
    let mut moves = Vec::new();
    for (&block, of) in &by_block {
        let is_wanted = |name: &[u8]| match which {
            Keep::Nothing => false,
            Keep::All => before.contains_key(name),
            Keep::Named(wanted) => wanted.contains(name),
        };
        let (wanted, others): (Vec<_>, Vec<_>) = of.iter().partition(|(name, _)| is_wanted(name));
        let Some(&&(first, _)) = wanted.first() else { continue };
        // What was never linked has no value to keep.
        if !of.iter().any(|(name, _)| before.contains_key(*name)) {
            continue;
        }
        let with_first = String::from_utf8_lossy(first);
        refused.extend(others.into_iter().map(|(name, _)| {
            let why =
                format!("it shares a section with '{with_first}', which is to be kept: compile with -fdata-sections");
            not_kept(name, &why)
        }));
        match place_of(new, old, block, &wanted, &before) {
            Ok(place) => moves.push((block, place)),
            Err(why) => refused.extend(why),
        }
    }
    let kept = Kept {
        blocks: moves
            .iter()
            .filter(|(block, _)| !is_thread_local(new, *block))
            .map(|&(_, at)| old.block(at).address)
            .collect(),
        module: None,
        left: Vec::new(),
    };
    finish(new, old, (&before, &now), moves, kept, refused)
}

/// The block of the old graph that has the same variables at the same places.
fn place_of(
    new: &LinkGraph,
    old: &LinkGraph,
    block: BlockId,
    wanted: &[&(&[u8], Variable)],
    before: &BTreeMap<Vec<u8>, Variable>,
) -> Result<BlockId, Vec<NotKept>> {
    let mut refused = Vec::new();
    let mut place = None;
    let of = new.block(block);
    for (name, variable) in wanted {
        let Some(was) = before.get(*name) else {
            refused.push(not_kept(name, "it was not there, or not in use, before"));
            continue;
        };
        let then = old.block(was.block);
        let why = if variable.ambiguous || was.ambiguous {
            "there are several of that name".into()
        } else if variable.size != was.size {
            format!("it has {} bytes, and had {}", variable.size, was.size)
        } else if is_thread_local(new, block) != is_thread_local(old, was.block) {
            "it has become thread-local, or is no more".into()
        } else if variable.offset != was.offset || of.size != then.size || *place.get_or_insert(was.block) != was.block
        {
            "its section has other variables now: compile with -fdata-sections".into()
        } else if !then.address.0.is_multiple_of(of.alignment()) {
            format!("it is to be aligned to {} bytes, and is at {}", of.alignment(), then.address)
        } else {
            continue;
        };
        refused.push(not_kept(name, &why));
    }
    match place {
        Some(place) if refused.is_empty() => Ok(place),
        _ => Err(refused),
    }
}

fn finish(
    new: &mut LinkGraph,
    old: &LinkGraph,
    (before, now): (&BTreeMap<Vec<u8>, Variable>, &BTreeMap<Vec<u8>, Variable>),
    moves: Vec<(BlockId, BlockId)>,
    mut kept: Kept,
    mut refused: Vec<NotKept>,
) -> Result<Kept, Vec<NotKept>> {
    let is_kept = |block: BlockId| moves.iter().any(|&(kept, _)| kept == block);
    if moves.iter().any(|&(block, _)| is_thread_local(new, block)) {
        // They are in one block of storage.
        let left = now.iter().filter(|(_, it)| is_thread_local(new, it.block) && !is_kept(it.block));
        refused.extend(left.map(|(name, _)| not_kept(name, "thread-local variables are kept all or none")));
        kept.module = old.tls_block().map(|start| start.module);
    }
    let was_kept = |variable: &Variable| moves.iter().any(|&(_, place)| place == variable.block);
    let left = before.values().filter(|variable| !was_kept(variable));
    kept.left = left.filter_map(|variable| old.symbol(variable.symbol).shared_name()).collect();
    if !refused.is_empty() {
        return Err(refused);
    }
    if kept.module.is_some()
        && let Some(start) = old.tls_block()
    {
        new.set_tls_block(start);
    }
    for (block, place) in moves {
        let address = old.block(place).address;
        let block = new.block_mut(block);
        (block.address, block.live, block.placed) = (address, true, true);
    }
    Ok(kept)
}

fn not_kept(name: &[u8], why: &str) -> NotKept {
    NotKept { name: String::from_utf8_lossy(name).into_owned(), why: why.into() }
}

fn is_thread_local(graph: &LinkGraph, block: BlockId) -> bool {
    graph.section(graph.block(block).section).lifetime == Lifetime::ThreadLocal
}

/// The variables of a graph that code may change, by name.
fn variables(graph: &LinkGraph, names: &NamePool) -> BTreeMap<Vec<u8>, Variable> {
    let mut found: BTreeMap<Vec<u8>, Variable> = BTreeMap::new();
    for symbol in graph.symbol_ids() {
        let of = graph.symbol(symbol);
        let Definition::Defined { block, offset } = of.definition else { continue };
        let section = graph.section(graph.block(block).section);
        let is_mutable = match section.lifetime {
            Lifetime::Standard => section.protection == Protection::ReadWrite && !section.contiguous,
            Lifetime::ThreadLocal => true,
            Lifetime::NoAlloc => false,
        };
        let name = graph.symbol_name(names, symbol);
        if is_mutable && !name.is_empty() {
            let variable = Variable { symbol, block, offset, size: of.size, ambiguous: false };
            found.entry(name.to_vec()).and_modify(|other| other.ambiguous = true).or_insert(variable);
        }
    }
    found
}
