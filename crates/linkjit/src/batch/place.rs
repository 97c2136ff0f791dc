//! Placing: memory for everything at once, fixups, finalization.
//!
//! Graphs of one JITDylib and one resource tracker form a *domain*: they share an allocation, because they are removed
//! together. Entries for what is outside of the JITDylib have an allocation of their own, because they stay.

use std::time::Instant;

use linkjit_executor::{
    ExecAddr, ExecRange, Executor, ExecutorError, FinalizeActions, IndirectSlot, Placement, PointerArray, Protection,
    RuntimeFunction, SegmentRequest, TlsBlock, TlsImage, TlsRequest, Window,
};
use linkjit_link::arch::x86_64::{FixupContext, Kind};
use linkjit_link::graph::{Definition, InitializerOrder, SymbolId};
use linkjit_link::layout::{Layout, SEGMENTS};
use linkjit_link::link::{Binding, Input, resolve, unplace, write};
use linkjit_link::names::NameId;
use linkjit_link::passes::entries::{self, EntryKind};
use linkjit_link::passes::indirect::{self, Slot};

use super::{Batch, Late};
use crate::error::{Error, Result};
use crate::session::{
    Allocation, BatchTimes, DylibId, InitializerRun, State, Statistics, TrackerId, UnitId, tls_address,
};

/// Inputs that share an allocation.
#[derive(Debug)]
struct Domain {
    dylib: DylibId,
    /// `None`: the JITDylib itself, for entries that outlive the batch.
    tracker: Option<TrackerId>,
    members: Vec<u32>,
}

/// A domain with memory.
#[derive(Debug)]
struct PlacedDomain {
    domain: Domain,
    layout: Layout,
    bases: [ExecAddr; 3],
    memory: Option<Box<dyn linkjit_executor::Allocation>>,
    finalized: Option<linkjit_executor::AllocationId>,
    tls: Option<TlsBlock>,
    slots: Vec<Slot>,
}

/// New entries of a JITDylib, to be shared by later batches.
type SharedSymbols = Vec<(DylibId, u32, Vec<(NameId, EntryKind, SymbolId)>)>;

/// What a batch has placed.
#[derive(Debug, Default)]
pub(super) struct Placed {
    domains: Vec<PlacedDomain>,
    shared: SharedSymbols,
    /// Storage that was reserved before its domain was placed.
    tls: Vec<TlsBlock>,
}

impl Batch<'_> {
    /// Places, writes and finalizes all inputs; returns how long that took.
    pub(super) fn place(&mut self) -> Result<BatchTimes> {
        let start = Instant::now();
        for domain in self.domains() {
            self.place_domain(domain)?;
        }
        self.bind_late_symbols()?;
        resolve(&mut self.inputs);
        let placed = Instant::now();
        self.write()?;
        let fixed = Instant::now();
        self.finalize()?;
        Ok(BatchTimes {
            place: placed - start,
            fix: fixed - placed,
            finalize: fixed.elapsed(),
            ..BatchTimes::default()
        })
    }

    fn domains(&self) -> Vec<Domain> {
        let state = self.session.state();
        let mut domains: Vec<Domain> = Vec::new();
        for ((index, input), unit) in (0u32..).zip(&self.inputs).zip(&self.units) {
            let dylib = DylibId(input.dylib);
            let tracker = unit.and_then(|unit| state.units.get(&unit)).map(|unit| unit.tracker);
            match domains.iter_mut().find(|domain| domain.dylib == dylib && domain.tracker == tracker) {
                Some(domain) => domain.members.push(index),
                None => domains.push(Domain { dylib, tracker, members: vec![index] }),
            }
        }
        // Archive members were found in the order in which they were wanted; initializers and sections that are walked
        // follow the order in which they were added.
        for domain in &mut domains {
            domain.members.sort_by_key(|&member| self.units[member as usize]);
        }
        domains
    }

    fn place_domain(&mut self, mut domain: Domain) -> Result<()> {
        let tls = self.reserve_tls(&domain)?;
        self.bind_tls_base(&domain, tls);
        let next = self.next_input();
        let mut slots = Vec::new();
        if let Some((input, found)) = indirect::build(&mut self.inputs, &domain.members, next)? {
            slots = found;
            domain.members.push(self.add_input(input));
        }
        let originals = domain.members.len();
        let first_made = self.inputs.len();
        let mut window = self.window(&domain, None)?;
        loop {
            match self.place_in(window, &mut domain) {
                Ok((layout, bases, memory)) => {
                    let tls_of_domain = tls.filter(|_| self.placed.tls.pop().is_some());
                    self.placed.domains.push(PlacedDomain {
                        domain,
                        layout,
                        bases,
                        memory: Some(memory),
                        finalized: None,
                        tls: tls_of_domain,
                        slots,
                    });
                    return Ok(());
                }
                Err(Error::Executor(ExecutorError::WindowFull { .. })) => {
                    // Another window, once: what does not fit into an empty one fits nowhere.
                    self.inputs.truncate(first_made);
                    self.units.truncate(first_made);
                    domain.members.truncate(originals);
                    self.placed.forget_entries(first_made);
                    unplace(&mut self.inputs, &[], &[]);
                    let full = window;
                    window = self.window(&domain, Some(full))?;
                }
                Err(error) => {
                    // The names stand for their stubs: let rolling back know.
                    unplace(&mut self.inputs, &[], &slots);
                    return Err(error);
                }
            }
        }
    }

    /// Makes the entries that a domain needs and places it with them.
    fn place_in(
        &mut self,
        window: Window,
        domain: &mut Domain,
    ) -> Result<(Layout, [ExecAddr; 3], Box<dyn linkjit_executor::Allocation>)> {
        let next = self.next_input();
        let existing = std::mem::take(&mut self.session.state().dylib_mut(domain.dylib)?.entries);
        let new = entries::build(&mut self.inputs, &domain.members, Some(window.range), &existing, next);
        self.session.state().dylib_mut(domain.dylib)?.entries = existing;
        let new = new?;
        let shared = self.add_input(new.shared);
        domain.members.push(self.add_input(new.own));
        if !new.shared_symbols.is_empty() {
            let own = Domain { dylib: domain.dylib, tracker: None, members: vec![shared] };
            let layout = Layout::new(&self.inputs, &own.members)?;
            let (bases, memory) = self.allocate(window, &layout)?;
            self.placed.domains.push(PlacedDomain {
                domain: own,
                layout,
                bases,
                memory: Some(memory),
                finalized: None,
                tls: None,
                slots: Vec::new(),
            });
            self.placed.shared.push((domain.dylib, shared, new.shared_symbols));
        }
        let layout = Layout::new(&self.inputs, &domain.members)?;
        let (bases, memory) = self.allocate(window, &layout)?;
        Ok((layout, bases, memory))
    }

    fn allocate(
        &mut self,
        window: Window,
        layout: &Layout,
    ) -> Result<([ExecAddr; 3], Box<dyn linkjit_executor::Allocation>)> {
        let protections = [Protection::Read, Protection::ReadExec, Protection::ReadWrite];
        let mut requests = [SegmentRequest { protection: Protection::Read, size: 0, align: 1 }; 3];
        for ((request, extent), protection) in requests.iter_mut().zip(layout.segments).zip(protections) {
            *request = SegmentRequest { protection, size: extent.size, align: extent.align };
        }
        let memory = self.session.executor().allocate(window.id, &requests)?;
        let bases = std::array::from_fn(|segment| memory.address(segment));
        layout.place(&mut self.inputs, bases);
        Ok((bases, memory))
    }

    fn next_input(&self) -> u32 {
        u32::try_from(self.inputs.len()).unwrap_or(u32::MAX)
    }

    fn add_input(&mut self, input: Input) -> u32 {
        let index = self.next_input();
        self.inputs.push(input);
        self.units.push(None);
        index
    }

    /// The window to place a domain in: the JITDylib's newest, or a new one if there is none or it is `full`.
    fn window(&self, domain: &Domain, full: Option<Window>) -> Result<Window> {
        let state = self.session.state();
        let newest = state.dylib(domain.dylib)?.windows.last().copied();
        drop(state);
        if let Some(window) = newest.filter(|window| full.is_none_or(|full| full.id != window.id)) {
            return Ok(window);
        }
        let low = domain.members.iter().any(|&member| has_low_fields(&self.inputs[member as usize]));
        let executor = self.session.executor();
        let mut size = self.session.options().window_size;
        let window = if low {
            // Low addresses are scarce: take less of them if need be. Code that needs none of them goes anywhere.
            loop {
                match executor.reserve_window(size, Placement::Low) {
                    Err(ExecutorError::NoAddressSpace { .. }) if size > 1 << 24 => size /= 2,
                    other => break other.or_else(|_| executor.reserve_window(size, Placement::Anywhere))?,
                }
            }
        } else {
            executor.reserve_window(size, Placement::Anywhere)?
        };
        let mut state = self.session.state();
        state.dylib_mut(domain.dylib)?.windows.push(window);
        state.statistics.windows += 1;
        Ok(window)
    }

    /// Reserves thread-local storage for what a domain defines.
    fn reserve_tls(&mut self, domain: &Domain) -> Result<Option<TlsBlock>> {
        let extent = Layout::thread_local_extent(&self.inputs, &domain.members)?;
        if extent.size == 0 {
            return Ok(None);
        }
        let image = self.session.state().dylib(domain.dylib)?.image;
        let fixed_offset = self.inputs.iter().any(uses_thread_offsets);
        let request = TlsRequest { size: extent.size, align: extent.align, fixed_offset };
        let block = self.session.executor().reserve_tls(image, request)?;
        self.placed.tls.push(block);
        for &member in &domain.members {
            let graph = &mut self.inputs[member as usize].graph;
            if graph.block_ids().any(|id| {
                let of = graph.block(id);
                of.live
                    && !of.placed
                    && graph.section(of.section).lifetime == linkjit_link::graph::Lifetime::ThreadLocal
            }) {
                graph.set_tls_block(tls_address(block.module, 0, block.thread_offset));
            }
        }
        Ok(Some(block))
    }

    /// Gives the symbol for the start of a domain's thread-local storage its place.
    fn bind_tls_base(&mut self, domain: &Domain, tls: Option<TlsBlock>) {
        let Some(tls) = tls else { return };
        let start = Binding::LinkedThreadLocal(tls_address(tls.module, 0, tls.thread_offset));
        for late in self.late.iter().filter(|late| matches!(late.what, Late::TlsBase)) {
            if domain.members.contains(&late.input) {
                self.inputs[late.input as usize].bind(late.symbol, start);
            }
        }
    }

    /// Gives the symbols that the linker defines their addresses.
    fn bind_late_symbols(&mut self) -> Result<()> {
        for late in std::mem::take(&mut self.late) {
            let dylib = DylibId(self.inputs[late.input as usize].dylib);
            let address = match &late.what {
                // Was bound when the storage was reserved, because entries depend on it.
                Late::TlsBase => continue,
                Late::GotBase => self.got_base(dylib)?,
                Late::SectionStart(name) => self.section(dylib, name)?.start,
                Late::SectionEnd(name) => self.section(dylib, name)?.end,
            };
            self.inputs[late.input as usize].bind(late.symbol, Binding::Linked(address));
        }
        Ok(())
    }

    /// Where a contiguous section is: in this batch, or else in the newest one that has it.
    fn section(&self, dylib: DylibId, name: &str) -> Result<ExecRange> {
        let here = self.placed.domains.iter().filter(|placed| placed.domain.dylib == dylib);
        let mut here = here.flat_map(|placed| placed.layout.contiguous(placed.bases));
        if let Some((_, range)) = here.find(|(section, _)| *section == name) {
            return Ok(range);
        }
        let state = self.session.state();
        Ok(state.dylib(dylib)?.sections.get(name).copied().unwrap_or_default())
    }

    /// What a JITDylib's offsets from the GOT are relative to: the start of its newest window.
    fn got_base(&self, dylib: DylibId) -> Result<ExecAddr> {
        let state = self.session.state();
        Ok(state.dylib(dylib)?.windows.last().map_or(ExecAddr::NULL, |window| window.range.start))
    }

    /// Copies and fixes up.
    fn write(&mut self) -> Result<()> {
        let executor = self.session.executor();
        let resolver = |function| executor.runtime_function(function).unwrap_or(ExecAddr::NULL);
        let tls_resolvers =
            [resolver(RuntimeFunction::TlsDescriptorFixed), resolver(RuntimeFunction::TlsDescriptorDynamic)];
        let mut domains = std::mem::take(&mut self.placed.domains);
        let result = domains.iter_mut().try_for_each(|placed| {
            let got_base = self.got_base(placed.domain.dylib)?;
            let context = FixupContext { names: self.session.name_pool(), got_base, tls_resolvers };
            let Some(memory) = placed.memory.as_mut() else { return Ok(()) };
            for segment in 0..SEGMENTS.len() {
                write(&self.inputs, &placed.layout, segment, memory.bytes(segment), &context)?;
            }
            Ok(())
        });
        self.placed.domains = domains;
        result
    }

    fn finalize(&mut self) -> Result<()> {
        for placed in &mut self.placed.domains {
            let address = |(input, symbol): (u32, SymbolId)| self.inputs[input as usize].graph.address(symbol);
            let actions = FinalizeActions {
                unwind_tables: placed.layout.unwind_table(placed.bases).into_iter().collect(),
                indirect_slots: placed
                    .slots
                    .iter()
                    .map(|slot| IndirectSlot { slot: address(slot.slot), resolver: address(slot.resolver) })
                    .collect(),
                tls_image: placed
                    .tls
                    .and_then(|tls| Some(TlsImage { id: tls.id, bytes: placed.layout.tls_image(placed.bases)? })),
            };
            if let Some(memory) = placed.memory.take() {
                placed.finalized = Some(memory.finalize(&actions)?);
            }
        }
        Ok(())
    }
}

impl Placed {
    /// Enters what was placed into the tables.
    pub(super) fn publish(self, inputs: &[Input], units: &[Option<UnitId>], state: &mut State) -> Result<()> {
        for (dylib, input, symbols) in self.shared {
            let graph = &inputs[input as usize].graph;
            let entries = &mut state.dylib_mut(dylib)?.entries;
            entries.extend(symbols.into_iter().map(|(name, kind, symbol)| ((name, kind), graph.address(symbol))));
        }
        for placed in self.domains {
            state.statistics.add(&placed, inputs);
            let arrays = initializers(&placed, inputs, units, state);
            let dylib = state.dylib_mut(placed.domain.dylib)?;
            let sections = placed.layout.contiguous(placed.bases).map(|(name, range)| (name.to_owned(), range));
            dylib.sections.extend(sections);
            for (order, unit, array) in arrays {
                let run = InitializerRun { order, unit, array };
                match order {
                    InitializerOrder::Fini(_) => {
                        dylib.terminators.push(run);
                        dylib.new_terminators = true;
                    }
                    InitializerOrder::Preinit | InitializerOrder::Init(_) => dylib.pending_initializers.push(run),
                }
            }
            let Some(id) = placed.finalized else { continue };
            let allocation = Allocation { id, tls: placed.tls.map(|tls| tls.id) };
            match placed.domain.tracker.and_then(|tracker| state.trackers.get_mut(&tracker)) {
                Some(tracker) => tracker.allocations.push(allocation),
                None => state.dylib_mut(placed.domain.dylib)?.own_allocations.push(allocation),
            }
        }
        Ok(())
    }

    /// Gives all memory back.
    pub(super) fn undo(self, executor: &dyn Executor, inputs: &mut [Input]) {
        for placed in self.domains.into_iter().rev() {
            unplace(inputs, std::slice::from_ref(&placed.layout), &placed.slots);
            // Errors here would only hide the one that brought us here.
            if let Some(id) = placed.finalized {
                let _gone = executor.deallocate(id);
            }
            if let Some(tls) = placed.tls {
                let _gone = executor.release_tls(tls.id);
            }
        }
        for tls in self.tls {
            let _gone = executor.release_tls(tls.id);
        }
    }

    /// Forgets entries that were made at or after an input.
    fn forget_entries(&mut self, first_made: usize) {
        self.shared.retain(|&(_, input, _)| (input as usize) < first_made);
        self.domains.retain(|placed| {
            placed.domain.tracker.is_some()
                || placed.domain.members.iter().all(|&member| (member as usize) < first_made)
        });
    }
}

impl Statistics {
    fn add(&mut self, placed: &PlacedDomain, inputs: &[Input]) {
        let [read, code, write] = placed.layout.segments;
        self.read_only_bytes += read.size;
        self.code_bytes += code.size;
        self.writable_bytes += write.size;
        for (input, block) in placed.layout.placed() {
            self.blocks += 1;
            self.edges += inputs[input as usize].graph.edges(block).len() as u64;
        }
    }

    pub(super) fn add_times(&mut self, times: &BatchTimes) {
        self.times.find += times.find;
        self.times.place += times.place;
        self.times.fix += times.fix;
        self.times.finalize += times.finalize;
    }
}

/// The initializer and terminator arrays of a domain, in link order. All of a unit's are placed when anything of it is.
fn initializers(
    placed: &PlacedDomain,
    inputs: &[Input],
    units: &[Option<UnitId>],
    state: &State,
) -> Vec<(InitializerOrder, UnitId, PointerArray)> {
    let mut arrays = Vec::new();
    for &member in &placed.domain.members {
        let Some(unit) = units[member as usize] else { continue };
        if state.units.get(&unit).is_none_or(|unit| unit.started) {
            continue;
        }
        let graph = &inputs[member as usize].graph;
        for run in graph.initializers() {
            let block = graph.block(run.block);
            let count = block.size / graph.arch().pointer_size();
            arrays.push((run.order, unit, PointerArray { address: block.address, count, backwards: run.backwards }));
        }
    }
    arrays
}

/// Whether some live field holds an address in 32 bits: then the window must be low.
fn has_low_fields(input: &Input) -> bool {
    let graph = &input.graph;
    let live = graph.block_ids().filter(|&block| graph.block(block).live && !graph.block(block).placed);
    let mut edges = live.flat_map(|block| graph.edges(block));
    edges.any(|edge| {
        let absolute = matches!(graph.symbol(edge.target).definition, Definition::Absolute(_));
        matches!(Kind::from_edge(edge.kind), Some(Kind::Pointer32 | Kind::Pointer32Signed)) && !absolute
    })
}

/// Whether some live code uses the initial- or local-exec model.
fn uses_thread_offsets(input: &Input) -> bool {
    let graph = &input.graph;
    let live = graph.block_ids().filter(|&block| graph.block(block).live && !graph.block(block).placed);
    let mut edges = live.flat_map(|block| graph.edges(block));
    edges.any(|edge| {
        matches!(
            Kind::from_edge(edge.kind),
            Some(Kind::ThreadOffset32 | Kind::ThreadOffset64 | Kind::ThreadOffsetDelta32)
        )
    })
}
