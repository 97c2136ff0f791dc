//! Which linked code is bound to which, so that nothing is removed that others need.
//!
//! Told apart are allocations, not symbols. Most batches are one allocation that is bound to nothing before it: they cost
//! nothing here.

use linkjit_executor::{AllocationId, ExecAddr, ExecRange};
use linkjit_link::graph::{BlockId, Lifetime, LinkGraph, SymbolId};
use linkjit_link::link::{Binding, Input};

use super::Batch;
use super::place::PlacedDomain;
use crate::error::Result;
use crate::session::{Allocation, Allocations, Bytes, Owner, Part, State, Tls, UnitId};

/// Linked code that is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Used {
    /// Of this batch: its place among the domains.
    Placed(usize),
    /// Of a batch before.
    Linked(AllocationId),
}

impl Used {
    /// The allocation, by those of the batch.
    pub(super) fn id(self, placed: &[Option<AllocationId>]) -> Option<AllocationId> {
        match self {
            Self::Placed(at) => placed.get(at).copied().flatten(),
            Self::Linked(id) => Some(id),
        }
    }
}

impl Batch<'_> {
    /// Finds out which linked code each domain is bound to. All is placed, and all symbols are bound.
    pub(super) fn find_uses(&mut self) {
        let owned = self.placed.domains.iter().filter(|placed| placed.domain.tracker.is_some()).count();
        if owned <= 1 && !self.binds_linked && !self.session.state().has_updatable {
            return;
        }
        let mut all = Vec::with_capacity(self.placed.domains.len());
        {
            let state = self.session.state();
            for placed in &self.placed.domains {
                // Its variables may be where the last generation had them.
                let moved = self.is_updatable(&state, &placed.domain);
                let mut uses =
                    Uses { batch: self, allocations: &state.allocations, from: placed, moved, found: Vec::new() };
                if placed.domain.tracker.is_some() {
                    uses.find();
                }
                all.push(uses.found);
            }
        }
        for (placed, uses) in self.placed.domains.iter_mut().zip(all) {
            placed.uses = uses;
        }
    }
}

struct Uses<'a> {
    batch: &'a Batch<'a>,
    allocations: &'a Allocations,
    from: &'a PlacedDomain,
    /// What a graph defines may be elsewhere.
    moved: bool,
    found: Vec<(Used, UnitId)>,
}

impl Uses<'_> {
    /// Looks at the edges if the blocks of a graph are divided, else it is enough to look at the symbols.
    fn find(&mut self) {
        let domains = &self.batch.placed.domains;
        let is_other_part =
            |placed: &PlacedDomain| placed.domain.tracker == self.from.domain.tracker && placed.part != self.from.part;
        let divided = self.moved || domains.iter().any(is_other_part);
        // Entries are their own graphs, which are bound to what a unit is bound to that precedes them.
        let mut unit = None;
        for &member in &self.from.domain.members {
            let Some(input) = self.batch.inputs.get(member as usize) else { continue };
            unit = self.batch.units.get(member as usize).copied().flatten().or(unit);
            let Some(unit) = unit else { continue };
            if divided {
                for block in input.graph.block_ids() {
                    if self.is_here(&input.graph, block) {
                        input.graph.edges(block).iter().for_each(|edge| self.add(input, edge.target, unit));
                    }
                }
            } else {
                for symbol in input.graph.symbol_ids() {
                    if input.binding(symbol) != Binding::None {
                        self.add(input, symbol, unit);
                    }
                }
            }
        }
    }

    fn is_here(&self, graph: &LinkGraph, block: BlockId) -> bool {
        let of = graph.block(block);
        of.placed && self.from.has(of.address)
    }

    fn add(&mut self, input: &Input, symbol: SymbolId, unit: UnitId) {
        let used = match input.binding(symbol) {
            Binding::Input { input, symbol } => {
                let Some(definer) = self.batch.inputs.get(input as usize) else { return };
                match definer.binding(symbol) {
                    Binding::Input { input, symbol } => {
                        self.batch.inputs.get(input as usize).and_then(|stub| self.defined_in(&stub.graph, symbol))
                    }
                    _ => self.defined_in(&definer.graph, symbol),
                }
            }
            Binding::Linked(address) => self.placed_at(address).or_else(|| self.linked(Binding::Linked(address))),
            Binding::None => self.defined_in(&input.graph, symbol),
            binding => self.linked(binding),
        };
        if let Some(used) = used
            && !self.is_own(used)
            && !self.found.iter().any(|&(found, _)| found == used)
        {
            self.found.push((used, unit));
        }
    }

    /// Where a symbol of a graph of the batch is, which may have been placed before.
    fn defined_in(&self, graph: &LinkGraph, symbol: SymbolId) -> Option<Used> {
        let block = graph.block(graph.symbol(symbol).block()?);
        if graph.section(block.section).lifetime == Lifetime::ThreadLocal {
            let start = graph.tls_block()?;
            let has = |placed: &PlacedDomain| {
                placed.tls.is_some_and(|tls| (tls.module, tls.module_offset) == (start.module, start.offset))
            };
            let here = self.batch.placed.domains.iter().position(has).map(Used::Placed);
            return here.or_else(|| self.linked(Binding::LinkedThreadLocal(start)));
        }
        self.placed_at(block.address).or_else(|| self.linked(Binding::Linked(block.address)))
    }

    fn placed_at(&self, address: ExecAddr) -> Option<Used> {
        self.batch.placed.domains.iter().position(|placed| placed.has(address)).map(Used::Placed)
    }

    fn linked(&self, binding: Binding) -> Option<Used> {
        self.allocations.of_binding(binding).map(Used::Linked)
    }

    /// Whether what is used needs no record: what a tracker owns goes together, but for what others may share, and what
    /// a JITDylib owns goes last.
    fn is_own(&self, used: Used) -> bool {
        let tracker = self.from.domain.tracker;
        match used {
            Used::Placed(at) => self.batch.placed.domains.get(at).is_none_or(|used| {
                let of = used.domain.tracker;
                of.is_none() || of == tracker && used.part == self.from.part
            }),
            Used::Linked(id) => self.allocations.get(id).is_none_or(|used| match used.owner {
                Owner::Dylib => true,
                Owner::Tracker(of) => Some(of) == tracker && used.part == Part::Own && self.from.part == Part::Own,
                Owner::Users | Owner::Retired => false,
            }),
        }
    }
}

impl PlacedDomain {
    /// Where its segments are.
    fn segments(&self) -> [ExecRange; 3] {
        std::array::from_fn(|index| ExecRange::new(self.bases[index], self.layout.segments[index].size))
    }

    /// Whether an address is in its memory.
    pub(super) fn has(&self, address: ExecAddr) -> bool {
        self.segments().iter().any(|segment| segment.size() > 0 && segment.start <= address && address < segment.end)
    }

    /// Enters it into the tables.
    pub(super) fn enter(
        &self,
        id: AllocationId,
        inputs: &[Input],
        units: &[Option<UnitId>],
        state: &mut State,
    ) -> Result<()> {
        let owner = state.owner(self.domain.tracker);
        let allocation = Allocation {
            dylib: self.domain.dylib,
            owner,
            part: self.part,
            segments: self.segments(),
            tls: self.tls.map(|tls| Tls {
                id: tls.id,
                module: tls.module,
                start: tls.module_offset,
                end: tls.module_offset.saturating_add(self.layout.tls.size),
            }),
            bytes: self.bytes(inputs, units),
            uses: Vec::new(),
            users: Vec::new(),
        };
        state.allocations.insert(id, allocation);
        match owner.tracker().and_then(|tracker| state.trackers.get_mut(&tracker)) {
            Some(tracker) => tracker.allocations.push(id),
            None => state.dylib_mut(self.domain.dylib)?.own_allocations.push(id),
        }
        Ok(())
    }

    fn bytes(&self, inputs: &[Input], units: &[Option<UnitId>]) -> Bytes {
        // The graphs that the linker makes itself are placed as a whole.
        let made = self.domain.members.iter().filter(|&&member| units.get(member as usize) == Some(&None));
        let blocks = made.filter_map(|&member| inputs.get(member as usize)).flat_map(|input| input.graph.blocks());
        let placed = blocks.filter(|block| block.placed && self.has(block.address));
        Bytes {
            unwind: self.layout.unwind_table(self.bases).unwrap_or_default().size(),
            stubs: placed.map(|block| block.size).sum(),
            thread_local: self.layout.tls.size,
        }
    }
}
