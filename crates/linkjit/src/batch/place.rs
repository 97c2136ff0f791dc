//! Placing: memory for everything at once, fixups, finalization.
//!
//! Each domain (see [`super::domains`]) has an allocation. Entries for what is outside of the JITDylib have one of
//! their own, because they stay.

use std::time::Instant;

use linkjit_executor::{
    ExecAddr, ExecRange, ExecutorError, FinalizeActions, IndirectSlot, InitializerKind, PointerArray, Protection,
    RuntimeFunction, SegmentRequest, TlsBlock, TlsImage, TlsRequest, Window,
};
use linkjit_link::arch::{ArchTables, FixupContext, Image, Role};
use linkjit_link::graph::{Edge, InitializerOrder, Lifetime, LinkGraph, Request, SymbolId};
use linkjit_link::input::Input;
use linkjit_link::layout::{Layout, SEGMENTS};
use linkjit_link::link::{resolve, unplace, write};
use linkjit_link::passes::areas;
use linkjit_link::passes::entries::{self, SharedKey};
use linkjit_link::passes::indirect::{self, Slot};
use linkjit_link::passes::shared::{self, Longer};

use super::Batch;
use super::domains::Domain;
use super::uses::Used;
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::plugin::{LinkedAllocation, Stage};
use crate::session::{
    BatchTimes, DylibId, DylibState, ExecutionSession, InitializerRun, Part, State, Statistics, UnitId,
    foreign::check_function_tables,
};

/// A part of a domain with memory.
#[derive(Debug)]
pub(super) struct PlacedDomain {
    pub(super) domain: Domain,
    pub(super) part: Part,
    pub(super) layout: Layout,
    pub(super) bases: [ExecAddr; 3],
    memory: Option<Box<dyn linkjit_executor::Allocation>>,
    finalized: Option<linkjit_executor::AllocationId>,
    pub(super) tls: Option<TlsBlock>,
    slots: Vec<Slot>,
    /// Which linked code it is bound to, and its units that are.
    pub(super) uses: Vec<(Used, UnitId)>,
}

/// New entries of a JITDylib, to be shared by later batches.
type SharedSymbols = Vec<(DylibId, u32, Vec<(SharedKey, SymbolId)>)>;

/// What a batch has placed.
#[derive(Debug, Default)]
pub(super) struct Placed {
    pub(super) domains: Vec<PlacedDomain>,
    /// How many bytes of code and data these have together.
    bytes: u64,
    shared: SharedSymbols,
    /// Storage that was reserved before its domain was placed.
    tls: Vec<TlsBlock>,
    /// Whether thread-local variables of the batch need fixed offsets, once that was asked.
    uses_thread_offsets: Option<bool>,
    /// Windows that were reserved.
    pub(super) windows: Vec<(DylibId, Window)>,
}

impl Batch<'_> {
    /// Places, writes and finalizes all inputs; returns how long that took.
    pub(super) fn place(&mut self) -> Result<BatchTimes> {
        let start = Instant::now();
        self.gather_arrays()?;
        let mut domains = self.domains()?;
        self.sort_late_symbols();
        self.shape_sections(&domains)?;
        self.settle_images(&domains)?;
        let first_made = self.inputs.len();
        // A domain that has moved stays there if it can: there is an end to it.
        let mut tries = 2 * domains.len();
        while !self.place_domains(&mut domains)? && tries > 0 {
            tries -= 1;
            self.take_back(first_made);
        }
        self.plugins.add_passes(&self.inputs);
        self.run_passes(Stage::PostAllocation)?;
        self.bind_late_symbols()?;
        self.find_uses();
        resolve(&mut self.inputs);
        self.run_passes(Stage::PreFixup)?;
        let placed = Instant::now();
        self.write()?;
        self.run_passes(Stage::PostFixup)?;
        let fixed = Instant::now();
        self.finalize()?;
        Ok(BatchTimes {
            place: placed - start,
            fix: fixed - placed,
            finalize: fixed.elapsed(),
            ..BatchTimes::default()
        })
    }

    /// Gives sections the protections that objects ask for.
    fn shape_sections(&mut self, domains: &[Domain]) -> Result<()> {
        let state = self.session.state();
        for domain in domains {
            if let Some(sections) = state.dylib(domain.dylib)?.image_requests.sections() {
                sections.apply(&mut self.inputs, &domain.members);
            }
        }
        Ok(())
    }

    /// Places domains where they are meant to be. `false` if one had to go so far away that those before it do not reach it
    /// the way they have been told.
    fn place_domains(&mut self, domains: &mut [Domain]) -> Result<bool> {
        for at in 0..domains.len() {
            self.choose_window(domains, at)?;
        }
        // Before anything is placed: a variable that is moved for one domain is elsewhere for all.
        for domain in &*domains {
            if let Some(&window) = self.windows(domain)?.first() {
                self.bring_near(domain.dylib, &domain.members, window)?;
            }
        }
        let mut is_right = true;
        for at in 0..domains.len() {
            let (before, rest) = domains.split_at_mut(at);
            let Some(domain) = rest.first_mut() else { break };
            let window = self.place_domain(domain.clone())?;
            let is_near =
                domain.meant.is_none_or(|meant| meant.id == window.id || self.reach_each_other(meant, window));
            is_right &= is_near || before.iter().all(|other| other.dylib != domain.dylib);
            domain.meant = Some(window);
        }
        Ok(is_right)
    }

    /// Takes back what was placed, and what was made for that from input `first_made` on, so that it can be placed
    /// otherwise.
    fn take_back(&mut self, first_made: usize) {
        let windows = std::mem::take(&mut self.placed.windows);
        std::mem::take(&mut self.placed).undo(self.session, &mut self.inputs);
        self.placed.windows = windows;
        self.inputs.truncate(first_made);
        self.units.truncate(first_made);
    }

    fn place_domain(&mut self, mut domain: Domain) -> Result<Window> {
        let tls = self.reserve_tls(&domain)?;
        self.bind_tls_base(&domain, tls);
        let next = self.next_input();
        let mut slots = Vec::new();
        if let Some((input, found)) = indirect::build(&mut self.inputs, &domain.members, next)? {
            slots = found;
            domain.members.push(self.add_input(input));
        }
        let first = self.placed.domains.len();
        let window = self.place_somewhere(&mut domain).inspect_err(|_| {
            // The names stand for their stubs: let rolling back know.
            unplace(&mut self.inputs, [], &[], &slots);
        })?;
        let tls = tls.filter(|_| self.placed.tls.pop().is_some());
        if let Some(own) = self.placed.domains.last_mut() {
            own.slots = slots;
        }
        let mut parts = self.placed.domains[first..].iter_mut();
        if let Some(part) = parts.find(|part| part.layout.tls_image(part.bases).is_some()) {
            part.tls = tls;
        }
        Ok(window)
    }

    /// Places a domain in the newest window of its JITDylib that has room, or else in one that is empty: what does not fit
    /// there fits nowhere. Returns the window.
    fn place_somewhere(&mut self, domain: &mut Domain) -> Result<Window> {
        let (originals, first_made) = (domain.members.len(), self.inputs.len());
        let first_placed = self.placed.domains.len();
        for (index, window) in self.windows(domain)?.into_iter().enumerate() {
            if index > 0 {
                self.bring_near(domain.dylib, &domain.members, window)?;
            }
            match self.place_in(window, domain) {
                Err(Error::Executor(ExecutorError::WindowFull { .. })) if !self.is_image() => {
                    self.placed.forget(&mut self.inputs, &domain.members, first_placed, first_made);
                    self.inputs.truncate(first_made);
                    self.units.truncate(first_made);
                    domain.members.truncate(originals);
                }
                result => return result.map(|()| window),
            }
        }
        let members = domain.members.clone();
        let window = self.reserve_window(domain, &members)?;
        self.bring_near(domain.dylib, &domain.members, window)?;
        self.place_in(window, domain)?;
        Ok(window)
    }

    /// Places a domain: first what others may share, if there is any and it may outlive the rest.
    fn place_in(&mut self, window: Window, domain: &mut Domain) -> Result<()> {
        self.mean_for(domain, window);
        for (part, longer) in self.longer_parts(domain) {
            if let Some(aside) = shared::set_aside(&mut self.inputs, &domain.members, longer) {
                let placed = self.place_part(window, domain, part);
                shared::bring_back(&mut self.inputs, &aside);
                placed?;
            }
        }
        self.place_part(window, domain, Part::Own)
    }

    /// The parts of a domain that may have to stay longer than the rest. The default tracker is not expected to be removed
    /// before others: its memory is not divided.
    fn longer_parts(&self, domain: &Domain) -> Vec<(Part, Longer)> {
        let state = self.session.state();
        let is_default = |dylib: &DylibState| !dylib.has_trackers || dylib.default_tracker == domain.tracker;
        if domain.tracker.is_none() || state.dylib(domain.dylib).map_or(true, is_default) {
            return Vec::new();
        }
        let mut parts = vec![(Part::Shared, Longer::Shared)];
        if self.is_updatable(&state, domain) {
            parts.push((Part::Variables, Longer::Variables));
        }
        parts
    }

    /// Whether a domain has updatable objects.
    pub(super) fn is_updatable(&self, state: &State, domain: &Domain) -> bool {
        let mut units = domain.members.iter().filter_map(|&member| self.units.get(member as usize).copied().flatten());
        units.any(|unit| state.units.get(&unit).is_some_and(|unit| unit.updatable))
    }

    /// Makes the entries that the live blocks of a domain need and places them.
    fn place_part(&mut self, window: Window, domain: &mut Domain, part: Part) -> Result<()> {
        let next = self.next_input();
        let existing = std::mem::take(&mut self.session.state().dylib_mut(domain.dylib)?.entries);
        let new = entries::build(&mut self.inputs, &domain.members, Some(window.range), &existing, next);
        self.session.state().dylib_mut(domain.dylib)?.entries = existing;
        let new = new?;
        let shared = self.add_input(new.shared);
        domain.members.push(self.add_input(new.own));
        if !new.shared_symbols.is_empty() {
            let own = domain.of_jitdylib(shared);
            self.place_members(window, own, Part::Own)?;
            self.placed.shared.push((domain.dylib, shared, new.shared_symbols));
        }
        if self.needs_area(domain) {
            let aside = areas::set_aside(&mut self.inputs, &domain.members);
            let placed = self.place_large(domain, part);
            shared::bring_back(&mut self.inputs, &aside);
            placed?;
        }
        self.place_members(window, domain.clone(), part)
    }

    /// Places the live blocks of a domain, all of them large, in an area of their own.
    fn place_large(&mut self, domain: &Domain, part: Part) -> Result<()> {
        let areas = self.session.state().dylib(domain.dylib)?.areas.clone();
        for area in areas {
            match self.place_members(area, domain.clone(), part) {
                Err(Error::Executor(ExecutorError::WindowFull { .. })) => {}
                placed => return placed,
            }
        }
        let layout = Layout::new(&self.inputs, &domain.members)?;
        let segments = layout.segments.map(|extent| extent.size.saturating_add(extent.align));
        let area = self.reserve_area(domain.dylib, segments)?;
        self.place_members(area, domain.clone(), part)
    }

    fn place_members(&mut self, window: Window, domain: Domain, part: Part) -> Result<()> {
        let mut layout = Layout::new(&self.inputs, &domain.members)?;
        let (bases, memory) = self.allocate(window, &mut layout)?;
        self.placed.bytes = self.placed.bytes.saturating_add(layout.bytes());
        self.placed.domains.push(PlacedDomain {
            domain,
            part,
            layout,
            bases,
            memory: Some(memory),
            finalized: None,
            tls: None,
            slots: Vec::new(),
            uses: Vec::new(),
        });
        Ok(())
    }

    fn allocate(
        &mut self,
        window: Window,
        layout: &mut Layout,
    ) -> Result<([ExecAddr; 3], Box<dyn linkjit_executor::Allocation>)> {
        let protections = [Protection::Read, Protection::ReadExec, Protection::ReadWrite];
        let mut requests = [SegmentRequest { protection: Protection::Read, size: 0, align: 1 }; 3];
        for ((request, extent), protection) in requests.iter_mut().zip(layout.segments).zip(protections) {
            *request = SegmentRequest { protection, size: extent.size, align: extent.align };
        }
        let more = self.placed.bytes.saturating_add(layout.bytes());
        self.session.state().check_bytes(&self.session.options().limits, more)?;
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

    /// Reserves thread-local storage for what a domain defines.
    fn reserve_tls(&mut self, domain: &Domain) -> Result<Option<TlsBlock>> {
        let extent = Layout::thread_local_extent(&self.inputs, &domain.members)?;
        if extent.size == 0 {
            return Ok(None);
        }
        let image = self.session.state().dylib(domain.dylib)?.image;
        let fixed_offset = self.uses_thread_offsets();
        let request = TlsRequest { size: extent.size, align: extent.align, fixed_offset };
        let block = self.session.executor().reserve_tls(image, request)?;
        self.placed.tls.push(block);
        for &member in &domain.members {
            let input = &mut self.inputs[member as usize];
            let lifetime = |id| input.graph.section(input.graph.block(id).section).lifetime;
            if input.unplaced().any(|id| lifetime(id) == Lifetime::ThreadLocal) {
                input.graph.set_tls_block(block.start);
            }
        }
        Ok(Some(block))
    }

    /// Whether some code that is to be placed needs offsets from the thread pointer, or other code of a graph those of its
    /// own variables: it may be linked later, and they can't be moved then.
    fn uses_thread_offsets(&mut self) -> bool {
        if let Some(known) = self.placed.uses_thread_offsets {
            return known;
        }
        let graphs = (0..self.next_input()).filter(|&member| self.may_have(member, &THREAD_OFFSETS));
        let uses = graphs.map(|member| &self.inputs[member as usize]).any(uses_thread_offsets);
        self.placed.uses_thread_offsets = Some(uses);
        uses
    }

    /// The window that a domain is placed in: the image that its code believes to be part of.
    fn window_of(&self, placed: &PlacedDomain) -> Result<Option<Window>> {
        let state = self.session.state();
        let windows = &state.dylib(placed.domain.dylib)?.windows;
        Ok(windows.iter().find(|window| placed.bases.iter().any(|&base| window.range.contains(base))).copied())
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
            let window = self.window_of(placed)?;
            let tls_module = self.session.state().dylib(placed.domain.dylib)?.image_tls;
            let image = window.as_ref().map(|window| {
                let (base, sections) = (window.range.start, window.stripes.as_slice());
                Image { base, sections, tls_module }
            });
            let (names, image) = (self.session.names_mutex(), image.unwrap_or_default());
            let context = FixupContext { names, got_base, image, tls_resolvers };
            let Some(memory) = placed.memory.as_mut() else { return Ok(()) };
            for segment in 0..SEGMENTS.len() {
                write(&self.inputs, &placed.layout, segment, memory.bytes(segment), &context)
                    .map_err(|error| self.blame(error))?;
            }
            Ok(())
        });
        self.placed.domains = domains;
        result
    }

    fn finalize(&mut self) -> Result<()> {
        if let Some(input) = self.inputs.iter().find(|input| runs_on_stack(&input.graph)) {
            self.session.executor().make_stacks_executable().map_err(|error| Error::Unsupported {
                what: format!(
                    "{}: it has code that runs on the stack (.note.GNU-stack), and {error}",
                    input.graph.name()
                ),
            })?;
        }
        if self.placed.domains.iter().any(|placed| placed.layout.function_table(placed.bases).is_some()) {
            check_function_tables(self.inputs.iter().map(|input| &input.graph), self.session.target())?;
        }
        // Resolvers of indirect functions are run when their domain is finalized, and may call what others have.
        if self.placed.domains.len() > 1 && self.placed.domains.iter().any(|placed| !placed.slots.is_empty()) {
            for memory in self.placed.domains.iter_mut().filter_map(|placed| placed.memory.as_mut()) {
                memory.make_executable()?;
            }
        }
        // Hardly any.
        let resources: Vec<ExecRange> = self.inputs.iter().flat_map(|input| resources(&input.graph)).collect();
        for placed in &mut self.placed.domains {
            let parts = placed.bases.iter().zip(placed.layout.segments);
            let parts = parts.map(|(&base, extent)| ExecRange::new(base, extent.size));
            let resources = parts.flat_map(|part| resources.iter().filter(move |of| part.contains(of.start)));
            let resources = resources.copied().next();
            let address = |(input, symbol): (u32, SymbolId)| self.inputs[input as usize].graph.address(symbol);
            let actions = FinalizeActions {
                unwind_tables: placed.layout.unwind_table(placed.bases).into_iter().collect(),
                function_tables: placed.layout.function_table(placed.bases).into_iter().collect(),
                indirect_slots: placed
                    .slots
                    .iter()
                    .map(|slot| IndirectSlot { slot: address(slot.slot), resolver: address(slot.resolver) })
                    .collect(),
                tls_image: placed
                    .tls
                    .and_then(|tls| Some(TlsImage { id: tls.id, bytes: placed.layout.tls_image(placed.bases)? })),
                resources,
            };
            if let Some(memory) = placed.memory.take() {
                placed.finalized = Some(memory.finalize(&actions)?);
            }
        }
        Ok(())
    }
}

/// Whether a graph of which something was placed wants stacks to be executable.
fn runs_on_stack(graph: &LinkGraph) -> bool {
    graph.requests().contains(&Request::ExecutableStack) && graph.is_partly_placed()
}

/// The directories of resources of a graph that were placed.
fn resources(graph: &LinkGraph) -> impl Iterator<Item = ExecRange> {
    graph.requests().iter().filter_map(|request| match request {
        Request::Resources(block) => {
            let block = graph.block(*block);
            block.placed.then(|| ExecRange::new(block.address, block.size))
        }
        _ => None,
    })
}

impl Batch<'_> {
    /// Tells plugins what was placed where.
    pub(super) fn tell_linked(&self) -> Result<()> {
        if self.plugins.is_empty() {
            return Ok(());
        }
        let allocation = |placed: &PlacedDomain| {
            let extents = placed.layout.segments;
            let graph = |(member, block)| Some((&self.inputs.get(member as usize)?.graph, block));
            Some(LinkedAllocation {
                id: placed.finalized?,
                dylib: JitDylib::new(self.session.clone(), placed.domain.dylib),
                segments: std::array::from_fn(|at| ExecRange::new(placed.bases[at], extents[at].size)),
                blocks: placed.layout.placed().filter_map(graph).collect(),
            })
        };
        let allocations: Vec<_> = self.placed.domains.iter().filter_map(allocation).collect();
        self.plugins.linked(&allocations, self.session.names_mutex())
    }
}

impl Placed {
    /// Enters what was placed into the tables.
    pub(super) fn publish(self, inputs: &[Input], units: &[Option<UnitId>], state: &mut State) -> Result<()> {
        for (dylib, input, symbols) in self.shared {
            let graph = &inputs[input as usize].graph;
            let entries = &mut state.dylib_mut(dylib)?.entries;
            entries.extend(symbols.into_iter().map(|(key, symbol)| (key, graph.address(symbol))));
        }
        state.statistics.windows += self.windows.len() as u64;
        let ids: Vec<_> = self.domains.iter().map(|placed| placed.finalized).collect();
        let mut uses = Vec::new();
        for placed in self.domains {
            state.statistics.add(&placed, inputs);
            let arrays = initializers(&placed, inputs, units);
            let dylib = state.dylib_mut(placed.domain.dylib)?;
            dylib.windows_in_use = true;
            let tracker = placed.domain.tracker;
            let sections = placed.layout.contiguous(placed.bases);
            let sections = sections.map(|(name, range)| (name.to_owned(), (range, tracker)));
            dylib.sections.extend(sections);
            for (order, unit, array) in arrays {
                let run = InitializerRun { order, unit, array };
                let runs =
                    if order.is_at_exit() { &mut dylib.pending_terminators } else { &mut dylib.pending_initializers };
                runs.push(run);
            }
            if let Some(id) = placed.finalized {
                placed.enter(id, inputs, units, state)?;
                uses.push((id, placed.uses));
            }
        }
        for (id, uses) in uses {
            state.allocations.connect(id, uses.into_iter().filter_map(|(used, unit)| Some((used.id(&ids)?, unit))));
        }
        Ok(())
    }

    /// Gives all memory back.
    pub(super) fn undo(self, session: &ExecutionSession, inputs: &mut [Input]) {
        let executor = session.executor().as_ref();
        let (mut layouts, mut slots) = (Vec::new(), Vec::new());
        for placed in self.domains.into_iter().rev() {
            layouts.push(placed.layout);
            slots.extend(placed.slots);
            // Errors here would only hide the one that brought us here.
            if let Some(id) = placed.finalized {
                let _gone = executor.deallocate(id);
            }
            if let Some(tls) = placed.tls {
                let _gone = executor.release_tls(tls.id);
            }
        }
        let all = 0..u32::try_from(inputs.len()).unwrap_or(u32::MAX);
        unplace(inputs, all, &layouts, &slots);
        for tls in self.tls {
            let _gone = executor.release_tls(tls.id);
        }
        for (dylib, window) in self.windows {
            if let Ok(dylib) = session.state().dylib_mut(dylib) {
                dylib.windows.retain(|other| other.id != window.id);
                dylib.areas.retain(|other| other.id != window.id);
            }
            let _gone = executor.release_window(window.id);
        }
    }

    /// Forgets what was placed last, with entries that were made for it.
    fn forget(&mut self, inputs: &mut [Input], members: &[u32], first_placed: usize, first_made: usize) {
        let made_before = self.shared.partition_point(|&(_, input, _)| (input as usize) < first_made);
        self.shared.truncate(made_before);
        let layouts: Vec<_> = self.domains.drain(first_placed..).map(|placed| placed.layout).collect();
        self.bytes = layouts.iter().fold(self.bytes, |bytes, layout| bytes.saturating_sub(layout.bytes()));
        unplace(inputs, members.iter().copied(), &layouts, &[]);
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

/// The initializer and terminator arrays of a domain, in link order. A unit's own are placed when anything of it is, those
/// that go with a COMDAT section when that is, which may be in a later batch.
fn initializers(
    placed: &PlacedDomain,
    inputs: &[Input],
    units: &[Option<UnitId>],
) -> Vec<(InitializerOrder, UnitId, PointerArray)> {
    let mut arrays = Vec::new();
    for &member in &placed.domain.members {
        let Some(unit) = units[member as usize] else { continue };
        let graph = &inputs[member as usize].graph;
        for run in graph.initializers() {
            let block = graph.block(run.block);
            if !placed.has(block.address) {
                continue;
            }
            let count = block.size / graph.arch().pointer_size();
            let kind = match run.order {
                InitializerOrder::CInit(_) => InitializerKind::Fallible,
                InitializerOrder::ThreadCallback(_) => InitializerKind::ThreadCallback,
                InitializerOrder::ThreadInit(_) => InitializerKind::ThreadInitializer,
                _ => InitializerKind::Plain,
            };
            let array = PointerArray { address: block.address, count, backwards: run.backwards, kind };
            arrays.push((run.order, unit, array));
        }
    }
    arrays
}

/// What fields of the initial- and local-exec models are.
pub(super) const THREAD_OFFSETS: [Role; 2] = [Role::ThreadOffset, Role::ThreadOffsetEntry];

fn uses_thread_offsets(input: &Input) -> bool {
    let graph = &input.graph;
    let kinds = graph.arch().kinds();
    let has_offset = |edge: &&Edge| THREAD_OFFSETS.contains(&kinds.of(edge.kind).role);
    let edges = |block| graph.edges(block).iter().filter(has_offset);
    // Its own variables are where they are if a batch before has placed them; one that failed has placed nothing.
    let has_placed_own = graph.is_partly_placed() && graph.tls_block().is_some();
    let all = graph.block_ids().filter(|_| !has_placed_own);
    input.unplaced().flat_map(edges).next().is_some()
        || all.flat_map(edges).any(|edge| !graph.symbol(edge.target).is_external())
}
