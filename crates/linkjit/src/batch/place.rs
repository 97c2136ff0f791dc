//! Placing: memory for everything at once, fixups, finalization.
//!
//! Each domain (see [`super::domains`]) goes through the phases of [`linkjit_link::link`] until it is placed, and has
//! an allocation. Entries for targets outside of the JITDylib have an allocation of their own, because they stay. When
//! all domains are placed, the batch is resolved and written as a whole.

use std::time::Instant;

use linkjit_executor::{
    ExecAddr, ExecRange, ExecutorError, FinalizeActions, IndirectSlot, InitializerKind, PointerArray, RuntimeFunction,
    SegmentRequest, TlsBlock, TlsImage, TlsRequest, Window,
};
use linkjit_link::arch::{ArchTables, FixupContext, Image, Role};
use linkjit_link::graph::{Edge, InitializerOrder, LinkGraph, Request, SymbolId};
use linkjit_link::input::Input;
use linkjit_link::layout::{Layout, Placed, SEGMENTS};
use linkjit_link::link::{Complete, Completed, Inputs, Prepared, Resolved};
use linkjit_link::passes::areas;
use linkjit_link::passes::entries::{EntryStyle, SharedKey};
use linkjit_link::passes::shared::{self, Longer};

use super::domains::Domain;
use super::uses::Used;
use super::{Batch, special};
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::plugin::{LinkedAllocation, Stage};
use crate::session::{
    BatchTimes, DylibId, ExecutionSession, InitializerRun, ObjectId, Part, State, Statistics,
    foreign::check_function_tables,
};

/// A part of a domain with memory.
#[derive(Debug)]
pub(super) struct PlacedDomain {
    pub(super) domain: Domain,
    pub(super) part: Part,
    pub(super) layout: Placed,
    memory: Option<Box<dyn linkjit_executor::Allocation>>,
    finalized: Option<linkjit_executor::AllocationId>,
    pub(super) tls: Option<TlsBlock>,
    /// The linked code that it is bound to, and its objects that are.
    pub(super) uses: Vec<(Used, ObjectId)>,
}

/// New entries of a JITDylib, to be shared by later batches.
type SharedSymbols = Vec<(DylibId, Vec<(SharedKey, (u32, SymbolId))>)>;

/// The parts of domains that a batch has placed.
#[derive(Debug, Default)]
pub(super) struct PlacedBatch {
    pub(super) domains: Vec<PlacedDomain>,
    /// The number of bytes of code and data that these have together.
    bytes: u64,
    shared: SharedSymbols,
    /// Storage that was reserved before its domain was placed.
    tls: Vec<TlsBlock>,
    /// Says whether thread-local variables of the batch need fixed offsets, once that was asked.
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
        // A domain that has moved stays there if it can, so this ends.
        let mut tries = 2 * domains.len();
        while !self.place_domains(&mut domains)? && tries > 0 {
            tries -= 1;
            self.take_back();
        }
        self.plugins.add_passes(&self.inputs);
        self.run_passes(Stage::PostAllocation)?;
        self.bind_late_symbols()?;
        self.find_uses();
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
            if let Some(sections) = state.dylib(domain.dylib)?.image_requests().sections() {
                sections.apply(&mut self.inputs, &domain.members);
            }
        }
        Ok(())
    }

    /// Places domains where they are meant to be. `false` if one had to go so far away that those before it do not
    /// reach it the way they have been told.
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
        let mut is_settled = true;
        for at in 0..domains.len() {
            let (before, rest) = domains.split_at_mut(at);
            let Some(domain) = rest.first_mut() else { break };
            let window = self.place_domain(domain)?;
            let is_near =
                domain.meant.is_none_or(|meant| meant.id == window.id || self.reach_each_other(meant, window));
            is_settled &= is_near || before.iter().all(|other| other.dylib != domain.dylib);
            domain.meant = Some(window);
        }
        Ok(is_settled)
    }

    /// Takes back what was placed, and what was made for that, so that it can be placed otherwise.
    fn take_back(&mut self) {
        let windows = std::mem::take(&mut self.placed.windows);
        std::mem::take(&mut self.placed).undo(self.session, &mut self.inputs, self.objects.len());
        self.placed.windows = windows;
    }

    fn place_domain(&mut self, domain: &Domain) -> Result<Window> {
        let tls = self.reserve_tls(domain)?;
        self.bind_tls_base(domain, tls);
        let prepared = self.inputs.prepare(domain.members.clone(), tls.map(|tls| tls.start))?;
        let first = self.placed.domains.len();
        let window = self.place_somewhere(domain, &prepared)?;
        let tls = tls.filter(|_| self.placed.tls.pop().is_some());
        let mut parts = self.placed.domains[first..].iter_mut();
        if let Some(part) = parts.find(|part| part.layout.tls_image().is_some()) {
            part.tls = tls;
        }
        Ok(window)
    }

    /// Places a domain in the newest window of its JITDylib that has room, or else in one that is empty: what does not
    /// fit there fits nowhere. Returns the window.
    fn place_somewhere(&mut self, domain: &Domain, prepared: &Prepared) -> Result<Window> {
        let before = (self.inputs.len(), self.placed.domains.len(), self.placed.shared.len(), self.placed.bytes);
        for (index, window) in self.windows(domain)?.into_iter().enumerate() {
            if index > 0 {
                self.bring_near(domain.dylib, &prepared.members, window)?;
            }
            match self.place_in(window, domain, prepared) {
                Err(Error::Executor(ExecutorError::WindowFull { .. })) if !self.is_image() => {
                    self.placed.forget(&mut self.inputs, &prepared.members, before);
                }
                result => return result.map(|()| window),
            }
        }
        let window = self.reserve_window(domain, &prepared.members)?;
        self.bring_near(domain.dylib, &prepared.members, window)?;
        self.place_in(window, domain, prepared)?;
        Ok(window)
    }

    /// Places a domain: first what others may share, if there is any and it may outlive the rest.
    fn place_in(&mut self, window: Window, domain: &Domain, prepared: &Prepared) -> Result<()> {
        self.aim_at(&prepared.members, window);
        for (part, longer) in self.longer_parts(domain) {
            if let Some(aside) = shared::set_aside(&mut self.inputs, &prepared.members, longer) {
                let placed = self.place_part(window, domain, prepared, part);
                shared::bring_back(&mut self.inputs, aside);
                placed?;
            }
        }
        self.place_part(window, domain, prepared, Part::Own)
    }

    /// The parts of a domain that may have to stay longer than the rest. The default tracker is not expected to be
    /// removed before others: its memory is not divided.
    fn longer_parts(&self, domain: &Domain) -> Vec<(Part, Longer)> {
        let state = self.session.state();
        let Some(tracker) = domain.tracker else { return Vec::new() };
        if state.dylib(domain.dylib).map_or(true, |dylib| dylib.is_undivided(tracker)) {
            return Vec::new();
        }
        let mut parts = vec![(Part::Shared, Longer::Shared)];
        if self.is_updatable(&state, domain) {
            parts.push((Part::Variables, Longer::Variables));
        }
        parts
    }

    /// Says whether a domain has updatable objects.
    pub(super) fn is_updatable(&self, state: &State, domain: &Domain) -> bool {
        let mut objects = domain.members.iter().filter_map(|&member| self.objects.get(member as usize));
        objects.any(|&object| state.is_updatable(object))
    }

    /// Makes the entries that the live blocks of a domain need and places them.
    fn place_part(&mut self, window: Window, domain: &Domain, prepared: &Prepared, part: Part) -> Result<()> {
        let existing = self.session.state().dylib_mut(domain.dylib)?.lend_entries();
        let new = self.inputs.complete(prepared, EntryStyle::Session(window.range), &existing);
        self.session.state().dylib_mut(domain.dylib)?.return_entries(existing);
        let Completed { own, shared, symbols } = new?;
        if !symbols.is_empty() {
            self.place_members(window, &domain.for_jitdylib(), &shared, Part::Own)?;
            self.placed.shared.push((domain.dylib, symbols));
        }
        if self.needs_area(&own.members) {
            let aside = areas::set_aside(&mut self.inputs, &own.members);
            let placed = self.place_large(domain, &own, part);
            shared::bring_back(&mut self.inputs, aside);
            placed?;
        }
        self.place_members(window, domain, &own, part)
    }

    /// Places the live blocks of a domain, all of them large, in an area of their own.
    fn place_large(&mut self, domain: &Domain, own: &Complete, part: Part) -> Result<()> {
        let areas = self.session.state().dylib(domain.dylib)?.areas().to_vec();
        for area in areas {
            match self.place_members(area, domain, own, part) {
                Err(Error::Executor(ExecutorError::WindowFull { .. })) => {}
                placed => return placed,
            }
        }
        let layout = self.inputs.lay_out(own)?;
        let segments = layout.segments().map(|extent| extent.size.saturating_add(extent.align));
        let area = self.reserve_area(domain.dylib, segments)?;
        self.place_members(area, domain, own, part)
    }

    fn place_members(&mut self, window: Window, domain: &Domain, complete: &Complete, part: Part) -> Result<()> {
        let layout = self.inputs.lay_out(complete)?;
        let bytes = self.placed.bytes.saturating_add(layout.bytes());
        self.session.state().check_bytes(&self.session.options().limits, bytes)?;
        let memory = self.session.executor().allocate(window.id, &segment_requests(&layout))?;
        let layout = self.inputs.place(layout, std::array::from_fn(|segment| memory.address(segment)));
        self.placed.bytes = bytes;
        self.placed.domains.push(PlacedDomain {
            domain: domain.with(complete.members.clone()),
            part,
            layout,
            memory: Some(memory),
            finalized: None,
            tls: None,
            uses: Vec::new(),
        });
        Ok(())
    }

    /// Reserves thread-local storage for what a domain defines.
    fn reserve_tls(&mut self, domain: &Domain) -> Result<Option<TlsBlock>> {
        let extent = Layout::thread_local_extent(&self.inputs, &domain.members)?;
        let Some(extent) = extent.filter(|extent| extent.size > 0) else { return Ok(None) };
        let image = self.session.state().dylib(domain.dylib)?.image();
        let fixed_offset = self.uses_thread_offsets();
        let request = TlsRequest { size: extent.size, align: extent.align, fixed_offset };
        let block = self.session.executor().reserve_tls(image, request)?;
        self.placed.tls.push(block);
        Ok(Some(block))
    }

    /// Says whether some code that is to be placed needs offsets from the thread pointer, or other code of a graph those of
    /// its own variables: it may be linked later, and they can't be moved then.
    fn uses_thread_offsets(&mut self) -> bool {
        if let Some(known) = self.placed.uses_thread_offsets {
            return known;
        }
        let graphs = (0u32..).zip(self.inputs.iter()).filter(|&(member, _)| self.may_have(member, &THREAD_OFFSETS));
        let uses = graphs.map(|(_, input)| input).any(uses_thread_offsets);
        self.placed.uses_thread_offsets = Some(uses);
        uses
    }

    /// Gives symbols their addresses, copies blocks and fixes them up.
    fn write(&mut self) -> Result<()> {
        let Self { session, inputs, plugins, placed, .. } = self;
        let resolved = inputs.resolve();
        plugins.run_all(Stage::PreFixup, resolved.inputs, session.names_mutex())?;
        let executor = session.executor();
        let resolver = |function| executor.runtime_function(function).unwrap_or(ExecAddr::NULL);
        let tls_resolvers =
            [resolver(RuntimeFunction::TlsDescriptorFixed), resolver(RuntimeFunction::TlsDescriptorDynamic)];
        for domain in &mut placed.domains {
            match domain.write(&resolved, session, tls_resolvers) {
                Err(Error::Link(error)) => return Err(self.blame(error).into()),
                written => written?,
            }
        }
        Ok(())
    }

    fn finalize(&mut self) -> Result<()> {
        if let Some(input) = self.inputs.iter().find(|input| runs_on_stack(&input.graph)) {
            let object = input.graph.name();
            self.session.executor().make_stacks_executable().map_err(|error| {
                Error::unsupported(format!(
                    "{object}: the object needs executable stacks (.note.GNU-stack), but {error}"
                ))
            })?;
        }
        if self.placed.domains.iter().any(|placed| placed.layout.function_table().is_some()) {
            check_function_tables(self.inputs.iter().map(|input| &input.graph), self.session.target())?;
        }
        let address = |(input, symbol): (u32, SymbolId)| self.inputs[input as usize].graph.address(symbol);
        let slots = self.inputs.slots().iter();
        let slots: Vec<_> =
            slots.map(|slot| IndirectSlot { slot: address(slot.slot), resolver: address(slot.resolver) }).collect();
        // Resolvers of indirect functions are run when their domain is finalized, and may call what others have.
        if self.placed.domains.len() > 1 && !slots.is_empty() {
            for memory in self.placed.domains.iter_mut().filter_map(|placed| placed.memory.as_mut()) {
                memory.make_executable()?;
            }
        }
        // Hardly any.
        let resources: Vec<ExecRange> = self.inputs.iter().flat_map(|input| resources(&input.graph)).collect();
        for placed in &mut self.placed.domains {
            let layout = &placed.layout;
            let actions = FinalizeActions {
                unwind_tables: layout.unwind_table().into_iter().collect(),
                function_tables: layout.function_table().into_iter().collect(),
                indirect_slots: slots.iter().copied().filter(|slot| placed.has(slot.slot)).collect(),
                tls_image: placed.tls.and_then(|tls| Some(TlsImage { id: tls.id, bytes: layout.tls_image()? })),
                resources: resources.iter().copied().find(|directory| placed.has(directory.start)),
                keep_contents: self.session.state().is_kept(placed.domain.dylib),
            };
            if let Some(memory) = placed.memory.take() {
                placed.finalized = Some(memory.finalize(&actions)?);
            }
        }
        Ok(())
    }
}

/// Says whether a graph of which something was placed wants stacks to be executable.
fn runs_on_stack(graph: &LinkGraph) -> bool {
    graph.requests.contains(&Request::ExecutableStack) && graph.is_partly_placed()
}

/// The directories of resources of a graph that were placed.
fn resources(graph: &LinkGraph) -> impl Iterator<Item = ExecRange> {
    graph.requests.iter().filter_map(|request| match request {
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
            let graph = |(member, block)| Some((&self.inputs.get(member as usize)?.graph, block));
            Some(LinkedAllocation {
                id: placed.finalized?,
                dylib: JitDylib::new(self.session.clone(), placed.domain.dylib),
                segments: placed.layout.segments(),
                blocks: placed.layout.blocks().filter_map(graph).collect(),
            })
        };
        let allocations: Vec<_> = self.placed.domains.iter().filter_map(allocation).collect();
        self.plugins.linked(&allocations, self.session.names_mutex())
    }
}

impl PlacedDomain {
    /// Writes its blocks to its memory.
    fn write(
        &mut self,
        resolved: &Resolved<'_>,
        session: &ExecutionSession,
        tls_resolvers: [ExecAddr; 2],
    ) -> Result<()> {
        let Some(memory) = self.memory.as_mut() else { return Ok(()) };
        let segments = self.layout.segments();
        let (window, got_base, tls_module) = {
            let state = session.state();
            let dylib = state.dylib(self.domain.dylib)?;
            let has_segment = |window: &&Window| segments.iter().any(|segment| window.range.contains(segment.start));
            // The image that its code believes to be part of.
            (dylib.windows().iter().find(has_segment).copied(), special::got_base(dylib), dylib.image_tls())
        };
        let image = window.as_ref().map(|window| {
            let (base, sections) = (window.range.start, window.stripes.as_slice());
            Image { base, sections, tls_module }
        });
        let (names, image) = (session.names_mutex(), image.unwrap_or_default());
        let context = FixupContext { names, got_base, image, tls_resolvers };
        for segment in 0..SEGMENTS.len() {
            let written = resolved.write(&self.layout, segment, memory.bytes(segment), &context);
            written.map_err(|(_, error)| error)?;
        }
        Ok(())
    }
}

/// The memory that a layout needs.
fn segment_requests(layout: &Layout) -> [SegmentRequest; SEGMENTS.len()] {
    let (extents, contents) = (layout.segments(), layout.contents());
    std::array::from_fn(|at| SegmentRequest {
        protection: SEGMENTS[at],
        size: extents[at].size,
        contents: contents[at],
        align: extents[at].align,
    })
}

impl PlacedBatch {
    /// Enters what was placed into the tables, and counts it.
    pub(super) fn publish(self, inputs: &[Input], objects: &[ObjectId], state: &mut State) -> Result<Statistics> {
        for (dylib, symbols) in self.shared {
            let address = |(input, symbol): (u32, SymbolId)| inputs[input as usize].graph.address(symbol);
            let entries = symbols.into_iter().map(|(key, symbol)| (key, address(symbol)));
            state.dylib_mut(dylib)?.share_entries(entries);
        }
        let mut linked = Statistics { windows: self.windows.len() as u64, ..Statistics::default() };
        let ids: Vec<_> = self.domains.iter().map(|placed| placed.finalized).collect();
        let mut uses = Vec::new();
        for placed in self.domains {
            linked.add(&placed, inputs);
            let arrays = initializers(&placed, inputs, objects);
            let dylib = state.dylib_mut(placed.domain.dylib)?;
            dylib.note_linked(placed.domain.tracker, placed.layout.contiguous());
            for (order, object, array) in arrays {
                dylib.run_later(InitializerRun { order, object, array });
            }
            if let Some(id) = placed.finalized {
                placed.enter(id, inputs, objects, state);
                uses.push((id, placed.uses));
            }
        }
        for (id, uses) in uses {
            state.bind_allocation(id, uses.into_iter().filter_map(|(used, object)| Some((used.id(&ids)?, object))));
        }
        Ok(linked)
    }

    /// Gives all memory back, and makes inputs what they were before they were placed: the first `found` of them, for
    /// the others were made for that.
    pub(super) fn undo(self, session: &ExecutionSession, inputs: &mut Inputs, found: usize) {
        let executor = session.executor();
        let mut layouts = Vec::new();
        for placed in self.domains.into_iter().rev() {
            layouts.push(placed.layout);
            // Errors here would only hide the one that brought us here.
            if let Some(id) = placed.finalized {
                let _gone = executor.deallocate(id);
            }
            if let Some(tls) = placed.tls {
                let _gone = executor.release_tls(tls.id);
            }
        }
        let all = 0..u32::try_from(found).unwrap_or(u32::MAX);
        inputs.undo(found, all, layouts);
        for tls in self.tls {
            let _gone = executor.release_tls(tls.id);
        }
        for (dylib, window) in self.windows {
            if let Ok(dylib) = session.state().dylib_mut(dylib) {
                dylib.remove_window(window.id);
            }
            let _gone = executor.release_window(window.id);
        }
    }

    /// Forgets what was placed of some inputs, and made for that, since there were so many inputs, domains, sets of
    /// shared entries, and bytes.
    fn forget(&mut self, inputs: &mut Inputs, members: &[u32], before: (usize, usize, usize, u64)) {
        let (made, placed, shared, bytes) = before;
        self.shared.truncate(shared);
        self.bytes = bytes;
        let layouts = self.domains.drain(placed..).map(|placed| placed.layout);
        inputs.undo(made, members.iter().copied(), layouts);
    }
}

impl Statistics {
    fn add(&mut self, placed: &PlacedDomain, inputs: &[Input]) {
        let [read, code, write] = placed.layout.segments();
        self.read_only_bytes += read.size();
        self.code_bytes += code.size();
        self.writable_bytes += write.size();
        for (input, block) in placed.layout.blocks() {
            self.blocks += 1;
            self.edges += inputs[input as usize].graph.edges(block).len() as u64;
        }
    }
}

/// The initializer and terminator arrays of a domain, in link order. An object's own are placed when anything of it is,
/// those that go with a COMDAT section when that is, which may be in a later batch.
fn initializers(
    placed: &PlacedDomain,
    inputs: &[Input],
    objects: &[ObjectId],
) -> Vec<(InitializerOrder, ObjectId, PointerArray)> {
    let mut arrays = Vec::new();
    for &member in &placed.domain.members {
        let Some(&object) = objects.get(member as usize) else { continue };
        let graph = &inputs[member as usize].graph;
        for run in &graph.initializers {
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
            arrays.push((run.order, object, array));
        }
    }
    arrays
}

/// The roles of fields of the initial- and local-exec models.
pub(super) const THREAD_OFFSETS: [Role; 2] = [Role::ThreadOffset, Role::ThreadOffsetEntry];

fn uses_thread_offsets(input: &Input) -> bool {
    let graph = &input.graph;
    let kinds = graph.arch().kinds();
    let has_offset = |edge: &&Edge| THREAD_OFFSETS.contains(&kinds.info(edge.kind).role);
    let edges = |block| graph.edges(block).iter().filter(has_offset);
    // Its own variables are where they are if a batch before has placed them; one that failed has placed nothing.
    let has_placed_own = graph.is_partly_placed() && graph.tls_block.is_some();
    let all = graph.block_ids().filter(|_| !has_placed_own);
    input.unplaced().flat_map(edges).next().is_some()
        || all.flat_map(edges).any(|edge| !graph.symbol(edge.target).is_external())
}
