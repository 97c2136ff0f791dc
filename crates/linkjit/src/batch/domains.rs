//! Domains: what is placed together, and in which window of the address space.
//!
//! Graphs of one JITDylib and one resource tracker form a *domain*: they share an allocation, because they are removed
//! together. Code and data of one window reach each other directly. Parts of an object refer to each other so, hence
//! what is linked of it later goes where it began. Code that holds addresses in 32 bits has to be in low memory. All
//! else goes to the newest window, and is reached through table entries from others.

use std::collections::HashMap;

use linkjit_executor::{ExecRange, ExecutorError, ObjectFormat, Placement, Window};
use linkjit_link::arch::x86_64::Kind;
use linkjit_link::graph::{BlockId, Definition, Lifetime, LinkGraph};
use linkjit_link::passes::direct;

use super::Batch;
use crate::error::Result;
use crate::session::{DylibId, State, TrackerId};

/// Inputs that share an allocation.
#[derive(Clone, Debug)]
pub(super) struct Domain {
    pub(super) dylib: DylibId,
    /// `None`: the JITDylib itself, for entries that outlive the batch.
    pub(super) tracker: Option<TrackerId>,
    /// Where earlier batches have placed parts of them.
    home: Option<Window>,
    /// Where they are to be placed, if there is room.
    pub(super) meant: Option<Window>,
    /// They have to be in low memory, or are to be near some that have.
    low: bool,
    pub(super) members: Vec<u32>,
}

impl Domain {
    /// One beside this for an input of the linker's that stays as long as the JITDylib.
    pub(super) fn of_jitdylib(&self, member: u32) -> Self {
        Self { tracker: None, members: vec![member], ..*self }
    }
}

impl Batch<'_> {
    /// The inputs by JITDylib, resource tracker and window.
    pub(super) fn domains(&self) -> Vec<Domain> {
        let state = self.session.state();
        let mut domains: Vec<Domain> = Vec::new();
        for ((index, input), unit) in (0u32..).zip(&self.inputs).zip(&self.units) {
            let dylib = DylibId(input.dylib);
            let unit = unit.and_then(|unit| state.units.get(&unit));
            let is_own = |tracker: &TrackerId| state.dylib(dylib).is_ok_and(|dylib| dylib.platform_tracker != *tracker);
            let tracker = unit.map(|unit| unit.tracker).filter(is_own);
            let home = unit.filter(|unit| unit.started || unit.updatable);
            let home = home.and_then(|_| home_of(&state, dylib, &input.graph));
            let is_its = |domain: &&mut Domain| {
                (domain.dylib, domain.tracker) == (dylib, tracker)
                    && domain.home.map(|home| home.id) == home.map(|home| home.id)
            };
            match domains.iter_mut().find(is_its) {
                Some(domain) => domain.members.push(index),
                None => domains.push(Domain { dylib, tracker, home, meant: None, low: false, members: vec![index] }),
            }
        }
        // Archive members were found in the order in which they were wanted; initializers and sections that are walked
        // follow the order in which they were added.
        for domain in &mut domains {
            domain.members.sort_by_key(|&member| self.units[member as usize]);
        }
        let free = domains.iter().filter(|domain| domain.home.is_none());
        let low = free.filter(|domain| domain.members.iter().any(|&member| self.has_low_fields(member)));
        let low: Vec<_> = low.map(|domain| domain.dylib).collect();
        for domain in &mut domains {
            domain.low = domain.home.map_or_else(|| low.contains(&domain.dylib), is_low);
        }
        drop(state);
        self.spread_low(&mut domains);
        domains
    }

    /// What low code refers to directly has to be low, too, if it may.
    fn spread_low(&self, domains: &mut [Domain]) {
        let mut pending: Vec<usize> = (0..domains.len()).filter(|&at| domains[at].low).collect();
        if pending.is_empty() || self.is_image() {
            return;
        }
        let domain_of: HashMap<u32, usize> = domains
            .iter()
            .enumerate()
            .flat_map(|(at, domain)| domain.members.iter().map(move |&of| (of, at)))
            .collect();
        while let Some(at) = pending.pop() {
            for other in direct::inputs(&self.inputs, &domains[at].members) {
                let Some(&other) = domain_of.get(&other) else { continue };
                if !domains[other].low && domains[other].home.is_none() {
                    domains[other].low = true;
                    pending.push(other);
                }
            }
        }
    }

    /// Sees to it that there is a window for a domain, and notes which one is meant for its members: one from where it
    /// reaches all that it refers to directly, if there can be one.
    pub(super) fn choose_window(&mut self, domain: &mut Domain) -> Result<()> {
        let windows = self.windows(domain)?;
        let is_free = domain.home.is_none() && !domain.low && !self.is_image();
        let window = match windows.first() {
            Some(&window) if !is_free || self.reaches_directly(&domain.members, window) => window,
            Some(&window) => {
                let new = self.usual_window(&domain.members)?;
                if self.reaches_directly(&domain.members, new) {
                    self.enter_window(domain.dylib, new)?;
                    new
                } else {
                    self.session.executor().release_window(new.id)?;
                    window
                }
            }
            None => self.reserve_window(domain)?,
        };
        domain.meant = Some(window);
        self.mean_for(domain, window);
        Ok(())
    }

    /// Notes the window that the members of a domain are meant for: others reach them as if they were there.
    pub(super) fn mean_for(&mut self, domain: &Domain, window: Window) {
        for &member in &domain.members {
            self.inputs[member as usize].window = window.range;
        }
    }

    /// The windows of a JITDylib that a domain may be placed in: the one it is meant for, its own, then those in reach of
    /// that, newest first. All those last from where it reaches not all that is linked and that it refers to directly.
    pub(super) fn windows(&self, domain: &Domain) -> Result<Vec<Window>> {
        let mut windows: Vec<Window> = {
            let state = self.session.state();
            let windows = state.dylib(domain.dylib)?.windows.iter().rev().copied();
            let may = |window: &Window| {
                let is_near = domain.home.is_none_or(|home| home.id != window.id && reach_each_other(home, *window));
                is_near && (!domain.low || is_low(*window))
            };
            domain.home.into_iter().chain(windows.filter(may)).collect()
        };
        if windows.len() > 1 && domain.home.is_none() {
            windows.sort_by_cached_key(|window| !direct::reaches_linked(&self.inputs, &domain.members, window.range));
        }
        if let Some(at) = windows.iter().position(|window| domain.meant.is_some_and(|meant| meant.id == window.id)) {
            windows[..=at].rotate_right(1);
        }
        Ok(windows)
    }

    /// Reserves another window for a JITDylib, with a domain that is to be placed there.
    pub(super) fn reserve_window(&mut self, domain: &Domain) -> Result<Window> {
        let window = if domain.low { self.low_window()? } else { self.usual_window(&domain.members)? };
        self.enter_window(domain.dylib, window)?;
        Ok(window)
    }

    fn enter_window(&mut self, dylib: DylibId, window: Window) -> Result<()> {
        self.placed.windows.push((dylib, window));
        self.session.state().dylib_mut(dylib)?.windows.push(window);
        Ok(())
    }

    /// Whether code in a window reaches all that it refers to directly, or can have it brought near.
    fn reaches_directly(&self, members: &[u32], window: Window) -> bool {
        let is_near = is_low(window) || direct::find(&self.inputs, members, window.range).is_empty();
        is_near && direct::reaches_linked(&self.inputs, members, window.range)
    }

    /// Whether a JITDylib is an image, which has one window: offsets from its base are numbers of 32 bits.
    pub(super) fn is_image(&self) -> bool {
        self.session.executor().object_format() == ObjectFormat::Coff
    }

    /// Whether an input has to be in low memory: also for the sake of what is not live yet, which will refer to what is.
    fn has_low_fields(&self, member: u32) -> bool {
        let may = !self.is_image() && self.may_have(member, &LOW_FIELDS);
        may && has_low_fields(&self.inputs[member as usize].graph)
    }

    /// Whether an input may have edges of such kinds, live or not. Most have not, and need not be looked at.
    pub(super) fn may_have(&self, member: u32, kinds: &[Kind]) -> bool {
        let graph = &self.inputs[member as usize].graph;
        // A pass may have changed kinds.
        let is_met = |kind| self.reach.get(member as usize).is_some_and(|reach| reach.may_have_met(kind));
        kinds.iter().any(|kind| graph.may_have(kind.edge()) || is_met(kind.edge()))
    }

    /// A window for code that holds no addresses in 32 bits: wherever it reaches all that it refers to directly. If
    /// there is no such place, what libraries have of that can be brought near to low memory, and linked code can't.
    fn usual_window(&self, members: &[u32]) -> Result<Window> {
        let executor = self.session.executor();
        let window = executor.reserve_window(self.session.options().window_size, Placement::Anywhere)?;
        if self.reaches_directly(members, window) {
            return Ok(window);
        }
        executor.release_window(window.id)?;
        let (all, linked) = direct::targets(&self.inputs, members);
        for targets in [all, linked].into_iter().flatten() {
            if let Some(window) = self.window_near(targets)? {
                return Ok(window);
            }
        }
        self.low_window()
    }

    /// A window that reaches all of a range of addresses; a smaller one if there is no room for one of the usual size.
    pub(super) fn window_near(&self, targets: ExecRange) -> Result<Option<Window>> {
        const LEAST: u64 = 1 << 26;
        let mut size = self.session.options().window_size;
        loop {
            match self.session.executor().reserve_window(size, Placement::Near(targets)) {
                Err(ExecutorError::NoAddressSpace { .. }) if size > LEAST => size /= 2,
                Err(ExecutorError::NoAddressSpace { .. }) => return Ok(None),
                found => return Ok(Some(found?)),
            }
        }
    }

    fn low_window(&self) -> Result<Window> {
        let executor = self.session.executor();
        let mut size = self.session.options().window_size;
        // Low addresses are scarce: take less of them if need be. Code that needs none of them goes anywhere.
        loop {
            match executor.reserve_window(size, Placement::Low) {
                Err(ExecutorError::NoAddressSpace { .. }) if size > 1 << 24 => size /= 2,
                other => {
                    let anywhere = |_| executor.reserve_window(size, Placement::Anywhere);
                    return Ok(other.or_else(anywhere)?);
                }
            }
        }
    }
}

/// The window that earlier batches have placed parts of a graph in.
fn home_of(state: &State, dylib: DylibId, graph: &LinkGraph) -> Option<Window> {
    let is_in_window = |block: &BlockId| {
        let of = graph.block(*block);
        of.placed && graph.section(of.section).lifetime == Lifetime::Standard
    };
    let placed = graph.block(graph.block_ids().find(is_in_window)?).address;
    state.dylib(dylib).ok()?.windows.iter().copied().find(|window| window.range.contains(placed))
}

/// Whether displacements of 32 bits reach from all of one window to all of another.
pub(super) fn reach_each_other(one: Window, other: Window) -> bool {
    let (start, end) = (one.range.start.min(other.range.start), one.range.end.max(other.range.end));
    // Some pages of slack for addends.
    end.0 - start.0 < (1 << 31) - 0x4000
}

/// Whether all addresses of a window fit into 32 bits, signed ones too.
fn is_low(window: Window) -> bool {
    window.range.end.0 <= 1 << 31
}

/// Kinds of fields that hold an address in 32 bits.
const LOW_FIELDS: [Kind; 2] = [Kind::Pointer32, Kind::Pointer32Signed];

/// Whether some field holds an address in 32 bits: then the window must be low.
fn has_low_fields(graph: &LinkGraph) -> bool {
    let is_linked = |&block: &BlockId| graph.section(graph.block(block).section).lifetime != Lifetime::NoAlloc;
    let mut edges = graph.block_ids().filter(is_linked).flat_map(|block| graph.edges(block));
    edges.any(|edge| {
        let absolute = matches!(graph.symbol(edge.target).definition, Definition::Absolute(_));
        matches!(Kind::from_edge(edge.kind), Some(kind) if LOW_FIELDS.contains(&kind)) && !absolute
    })
}
