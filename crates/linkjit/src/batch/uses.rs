//! Records which linked code is bound to which, so that nothing is removed that others need.
//!
//! The record is by allocation, not by symbol. Most batches are one allocation that is bound to nothing before it: they
//! cost nothing here.

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use linkjit_executor::{AllocationId, ExecAddr};
use linkjit_link::graph::{BlockId, Lifetime, LinkGraph, SymbolId};
use linkjit_link::input::{Binding, Input};

use super::Batch;
use super::place::PlacedDomain;
use crate::session::{Allocation, Bytes, ObjectId, Owner, Part, State, Tls, TrackerId};

/// Linked code that is used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
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
        if owned <= 1 && !self.binds_linked && !self.may_use_earlier_parts() {
            return;
        }
        let mut all = Vec::with_capacity(self.placed.domains.len());
        {
            let state = self.session.state();
            let places = Places::new(&self.placed.domains);
            for placed in &self.placed.domains {
                // Its variables may be where the last generation had them.
                let moved = self.is_updatable(&state, &placed.domain);
                let mut uses = Uses {
                    batch: self,
                    places: &places,
                    state: &state,
                    from: placed,
                    moved,
                    found: Vec::new(),
                    known: HashSet::default(),
                };
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

    /// Says whether what is placed may need what earlier batches have placed of the same graphs, and what may go at another
    /// time: no binding says so.
    fn may_use_earlier_parts(&self) -> bool {
        let state = self.session.state();
        state.has_updatable() || self.objects.iter().any(|&object| state.was_divided(object))
    }
}

/// The places of the domains of a batch: there may be many, and each may refer to all others.
struct Places {
    /// Start and end of each segment, and whose it is; sorted.
    segments: Vec<(ExecAddr, ExecAddr, usize)>,
    /// By module and start of thread-local storage.
    thread_local: HashMap<(u64, u64), usize, FixedState>,
    /// The trackers whose domains are in more than one part.
    divided: HashSet<Option<TrackerId>, FixedState>,
}

impl Places {
    fn new(domains: &[PlacedDomain]) -> Self {
        let segments =
            domains.iter().enumerate().flat_map(|(at, placed)| placed.layout.segments().map(|segment| (at, segment)));
        let segments = segments.filter(|(_, segment)| segment.size() > 0);
        let mut segments: Vec<_> = segments.map(|(at, segment)| (segment.start, segment.end, at)).collect();
        segments.sort_unstable();
        let mut places = Self { segments, thread_local: HashMap::default(), divided: HashSet::default() };
        let mut parts = HashMap::<_, _, FixedState>::default();
        for (at, placed) in domains.iter().enumerate() {
            if let Some(tls) = placed.tls {
                places.thread_local.entry((tls.start.module, tls.start.offset)).or_insert(at);
            }
            if *parts.entry(placed.domain.tracker).or_insert(placed.part) != placed.part {
                places.divided.insert(placed.domain.tracker);
            }
        }
        places
    }

    fn at(&self, address: ExecAddr) -> Option<Used> {
        let behind = self.segments.partition_point(|&(start, ..)| start <= address);
        let &(_, end, at) = self.segments.get(behind.checked_sub(1)?)?;
        (address < end).then_some(Used::Placed(at))
    }
}

struct Uses<'a> {
    batch: &'a Batch<'a>,
    places: &'a Places,
    state: &'a State,
    from: &'a PlacedDomain,
    /// The definitions of a graph may be elsewhere.
    moved: bool,
    found: Vec<(Used, ObjectId)>,
    /// The same, without who needs it.
    known: HashSet<Used, FixedState>,
}

impl Uses<'_> {
    /// Looks at the edges if the blocks of a graph are divided, or were by earlier batches, else it is enough to look
    /// at the symbols.
    fn find(&mut self) {
        let divided = self.moved || self.places.divided.contains(&self.from.domain.tracker);
        // Entries are their own graphs, which are bound to what an object is bound to that precedes them.
        let mut object = None;
        for &member in &self.from.domain.members {
            let Some(input) = self.batch.inputs.get(member as usize) else { continue };
            let own = self.batch.objects.get(member as usize).copied();
            object = own.or(object);
            let Some(object) = object else { continue };
            if divided || own.is_some_and(|own| self.state.was_divided(own)) {
                for &block in input.reach.blocks() {
                    if self.is_here(&input.graph, block) {
                        input.graph.edges(block).iter().for_each(|edge| self.add(input, edge.target, object));
                    }
                }
            } else {
                for (symbol, binding) in input.bindings.iter() {
                    if binding != Binding::None {
                        self.add(input, symbol, object);
                    }
                }
            }
        }
    }

    fn is_here(&self, graph: &LinkGraph, block: BlockId) -> bool {
        let block = graph.block(block);
        block.placed && self.from.has(block.address)
    }

    fn add(&mut self, input: &Input, symbol: SymbolId, object: ObjectId) {
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
            Binding::Linked(address) => self.places.at(address).or_else(|| self.linked(Binding::Linked(address))),
            Binding::None => self.defined_in(&input.graph, symbol),
            binding => self.linked(binding),
        };
        if let Some(used) = used
            && !self.is_own(used)
            && self.known.insert(used)
        {
            self.found.push((used, object));
        }
    }

    /// Finds where a symbol of a graph of the batch is, which may have been placed before.
    fn defined_in(&self, graph: &LinkGraph, symbol: SymbolId) -> Option<Used> {
        let block = graph.block(graph.symbol(symbol).block()?);
        if graph.section(block.section).lifetime == Lifetime::ThreadLocal {
            let start = graph.tls_block?;
            let here = self.places.thread_local.get(&(start.module, start.offset)).copied().map(Used::Placed);
            return here.or_else(|| self.linked(Binding::LinkedThreadLocal(start)));
        }
        self.places.at(block.address).or_else(|| self.linked(Binding::Linked(block.address)))
    }

    fn linked(&self, binding: Binding) -> Option<Used> {
        self.state.allocations().bound(binding).map(Used::Linked)
    }

    /// Says whether what is used needs no record: what a tracker owns goes together, but for what others may share, and what
    /// a JITDylib owns goes last.
    fn is_own(&self, used: Used) -> bool {
        let tracker = self.from.domain.tracker;
        match used {
            Used::Placed(at) => self.batch.placed.domains.get(at).is_none_or(|used| {
                let owner = used.domain.tracker;
                owner.is_none() || owner == tracker && used.part == self.from.part
            }),
            Used::Linked(id) => self.state.allocations().get(id).is_none_or(|used| match used.owner {
                Owner::Dylib => true,
                Owner::Tracker(owner) => {
                    Some(owner) == tracker && used.part == Part::Own && self.from.part == Part::Own
                }
                Owner::Users | Owner::Retired => false,
            }),
        }
    }
}

impl PlacedDomain {
    /// Says whether an address is in its memory.
    pub(super) fn has(&self, address: ExecAddr) -> bool {
        self.layout
            .segments()
            .iter()
            .any(|segment| segment.size() > 0 && segment.start <= address && address < segment.end)
    }

    /// Enters it into the tables.
    pub(super) fn enter(&self, id: AllocationId, inputs: &[Input], objects: &[ObjectId], state: &mut State) {
        let allocation = Allocation {
            dylib: self.domain.dylib,
            owner: state.owner(self.domain.tracker),
            part: self.part,
            segments: self.layout.segments(),
            tls: self.tls.map(|tls| Tls {
                id: tls.id,
                module: tls.start.module,
                start: tls.start.offset,
                end: tls.start.offset.saturating_add(self.layout.tls().size),
            }),
            bytes: self.bytes(inputs, objects),
            uses: Vec::new(),
            users: Vec::new(),
            keeps: Vec::new(),
        };
        state.enter_allocation(id, allocation);
    }

    fn bytes(&self, inputs: &[Input], objects: &[ObjectId]) -> Bytes {
        // The graphs that the linker makes itself are placed as a whole.
        let made = self.domain.members.iter().filter(|&&member| member as usize >= objects.len());
        let blocks = made.filter_map(|&member| inputs.get(member as usize)).flat_map(|input| input.graph.blocks());
        let placed = blocks.filter(|block| block.placed && self.has(block.address));
        Bytes {
            unwind: self.layout.unwind_table().unwrap_or_default().size(),
            stubs: placed.map(|block| block.size).sum(),
            thread_local: self.layout.tls().size,
        }
    }
}
