//! Variables that an update keeps: those of the new object are placed where those of the old one are.
//!
//! Code refers to local variables by their section, so the variables of one section can't be told apart. Hence an
//! update keeps all variables of a section, if they agree, or none. `-fdata-sections` gives each variable a section.

use std::collections::{BTreeMap, BTreeSet};

use linkjit_executor::ExecAddr;
use linkjit_link::graph::{BlockId, Definition, Lifetime, LinkGraph, Protection, Scope, SymbolId};
use linkjit_link::names::{NameId, NamePool};

use crate::error::NotKept;

/// The variables that an update is to keep.
#[derive(Clone, Debug, Default)]
pub(super) enum Keep {
    #[default]
    Nothing,
    All,
    Named(BTreeSet<Vec<u8>>),
}

/// The variables that were kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The places of their blocks.
    pub(super) blocks: Vec<ExecAddr>,
    /// The place of thread-local ones: the module and the start of their block there.
    pub(super) thread_local: Option<(u64, u64)>,
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

/// By name.
type Variables = BTreeMap<Vec<u8>, Variable>;

/// Blocks of the new graph, and those of the old one whose places they take; or why variables can't be kept.
#[derive(Debug, Default)]
struct Plan {
    moves: Vec<(BlockId, BlockId)>,
    refused: Vec<NotKept>,
}

/// Puts variables of the new graph where the old one has them.
pub(super) fn keep(new: &mut LinkGraph, old: &LinkGraph, names: &NamePool, which: &Keep) -> Result<Kept, Vec<NotKept>> {
    let mut before = variables(old, names);
    // What was never linked has no value to keep.
    before.retain(|_, variable| old.block(variable.block).placed);
    let Plan { moves, refused } = plan(new, old, &before, &variables(new, names), which);
    if !refused.is_empty() {
        return Err(refused);
    }
    let mut kept = Kept::default();
    let places: BTreeSet<BlockId> = moves.iter().map(|&(_, place)| place).collect();
    let left = before.values().filter(|variable| !places.contains(&variable.block));
    kept.left = left.filter_map(|variable| old.symbol(variable.symbol).global_name()).collect();
    for (block, place) in moves {
        if is_thread_local(new, block)
            && let Some(start) = old.tls_block
        {
            kept.thread_local = Some((start.module, start.offset));
            new.tls_block = Some(start);
        } else {
            kept.blocks.push(old.block(place).address);
        }
        new.place_block(block, old.block(place).address);
    }
    Ok(kept)
}

fn plan(new: &LinkGraph, old: &LinkGraph, before: &Variables, now: &Variables, which: &Keep) -> Plan {
    let mut plan = Plan::default();
    if let Keep::Named(wanted) = which {
        let missing = wanted.iter().filter(|name| !now.contains_key(*name));
        plan.refused.extend(missing.map(|name| not_kept(name, "the new object has no such variable")));
    }
    let is_wanted = |name: &[u8]| match which {
        Keep::Nothing => false,
        Keep::All => before.contains_key(name),
        Keep::Named(wanted) => wanted.contains(name),
    };
    let mut by_block: BTreeMap<BlockId, Vec<(&[u8], Variable)>> = BTreeMap::new();
    for (name, variable) in now {
        by_block.entry(variable.block).or_default().push((name, *variable));
    }
    for (&block, members) in &by_block {
        let (wanted, others): (Vec<_>, Vec<_>) = members.iter().copied().partition(|(name, _)| is_wanted(name));
        let Some(&(first, _)) = wanted.first() else { continue };
        if members.iter().all(|(name, _)| !before.contains_key(*name)) {
            continue;
        }
        let first = String::from_utf8_lossy(first);
        let why = format!("it shares a section with '{first}', which the update keeps: compile with -fdata-sections");
        plan.refused.extend(others.iter().map(|(name, _)| not_kept(name, &why)));
        match place_of(new, old, block, &wanted, before) {
            Ok(place) => plan.moves.push((block, place)),
            Err(why) => plan.refused.extend(why),
        }
    }
    let kept: BTreeSet<BlockId> = plan.moves.iter().map(|&(kept, _)| kept).collect();
    if plan.moves.iter().any(|&(block, _)| is_thread_local(new, block)) {
        // They are in one block of storage.
        let left =
            now.iter().filter(|(_, variable)| is_thread_local(new, variable.block) && !kept.contains(&variable.block));
        let left: Vec<_> = left
            .map(|(name, _)| not_kept(name, "either all thread-local variables of the object are kept, or none"))
            .collect();
        plan.refused.extend(left);
    }
    plan
}

/// The block of the old graph that has the same variables at the same places.
fn place_of(
    new: &LinkGraph,
    old: &LinkGraph,
    block: BlockId,
    wanted: &[(&[u8], Variable)],
    before: &Variables,
) -> Result<BlockId, Vec<NotKept>> {
    let mut refused = Vec::new();
    let mut place = None;
    let now = new.block(block);
    for (name, variable) in wanted {
        let Some(was) = before.get(*name) else {
            refused.push(not_kept(name, "the old object did not define it, or nothing used it"));
            continue;
        };
        let then = old.block(was.block);
        let why = if variable.ambiguous || was.ambiguous {
            "several variables have that name".into()
        } else if variable.size != was.size {
            format!("it has {} bytes now, and had {} before", variable.size, was.size)
        } else if is_thread_local(new, block) != is_thread_local(old, was.block) {
            "it is thread-local in only one of the two objects".into()
        } else if variable.offset != was.offset || now.size != then.size || *place.get_or_insert(was.block) != was.block
        {
            "its section holds other variables now: compile with -fdata-sections".into()
        } else if !then.address.0.is_multiple_of(now.alignment()) {
            format!("it must be aligned to {} bytes now, but lies at {}", now.alignment(), then.address)
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

fn not_kept(name: &[u8], why: &str) -> NotKept {
    NotKept { name: String::from_utf8_lossy(name).into_owned(), why: why.into() }
}

fn is_thread_local(graph: &LinkGraph, block: BlockId) -> bool {
    graph.section(graph.block(block).section).lifetime == Lifetime::ThreadLocal
}

/// The variables of a graph that code may change, by name.
fn variables(graph: &LinkGraph, names: &NamePool) -> Variables {
    let mut found = Variables::new();
    for id in graph.symbol_ids() {
        let symbol = graph.symbol(id);
        let Definition::Defined { block, offset } = symbol.definition else { continue };
        let section = graph.section(graph.block(block).section);
        let is_mutable = match section.lifetime {
            Lifetime::Standard => section.protection == Protection::ReadWrite && !section.contiguous,
            Lifetime::ThreadLocal => true,
            Lifetime::NoAlloc => false,
        };
        let name = graph.symbol_name(names, id);
        // COFF has symbols that stand for sections, by their names.
        let is_section = symbol.scope == Scope::Local && offset == 0 && name == section.name.as_bytes();
        if is_mutable && !name.is_empty() && !is_section {
            let variable = Variable { symbol: id, block, offset, size: symbol.size, ambiguous: false };
            found.entry(name.to_vec()).and_modify(|other| other.ambiguous = true).or_insert(variable);
        }
    }
    found
}
