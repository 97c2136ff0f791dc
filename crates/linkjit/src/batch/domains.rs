//! Domains: which graphs are placed together, and in which window of the address space.
//!
//! Graphs of one JITDylib and one resource tracker form a *domain*: they share an allocation, because they are removed
//! together. Code and data of one window reach each other directly. Parts of an object do so, hence the parts that are
//! linked later go to the window of the first. Code that holds addresses in 32 bits must be in low memory. All other
//! domains go to the newest window; code in other windows reaches them through table entries.

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use linkjit_executor::{ExecRange, ExecutorError, Placement, Window};
use linkjit_link::arch::{ArchTables, Role};
use linkjit_link::graph::{BlockId, Definition, Lifetime, LinkGraph};
use linkjit_link::passes::areas::{self, Room};
use linkjit_link::passes::direct;

use super::Batch;
use crate::error::Result;
use crate::session::{DylibId, Object, TrackerId};

/// Inputs that share an allocation.
#[derive(Clone, Debug)]
pub(super) struct Domain {
    pub(super) dylib: DylibId,
    /// `None`: the JITDylib itself, for entries that outlive the batch.
    pub(super) tracker: Option<TrackerId>,
    /// The window where earlier batches have placed parts of them.
    pub(super) home: Option<Window>,
    /// The window where they are to be placed, if there is room.
    pub(super) meant: Option<Window>,
    /// They have to be in low memory, or are to be near some that have.
    low: bool,
    pub(super) members: Vec<u32>,
}

impl Domain {
    /// The same for other inputs.
    pub(super) fn with(&self, members: Vec<u32>) -> Self {
        Self { members, ..*self }
    }

    /// One beside this for what the linker makes that stays as long as the JITDylib.
    pub(super) fn for_jitdylib(&self) -> Self {
        Self { tracker: None, ..self.with(Vec::new()) }
    }
}

impl Batch<'_> {
    /// The inputs by JITDylib, resource tracker and window.
    pub(super) fn domains(&self) -> Result<Vec<Domain>> {
        let state = self.session.state();
        let mut domains: Vec<Domain> = Vec::new();
        let mut known = HashMap::<_, usize, FixedState>::default();
        let mut last = None;
        for ((index, input), object) in (0u32..).zip(self.inputs.iter()).zip(&self.objects) {
            let dylib = DylibId(input.dylib);
            let is_own =
                |tracker: &TrackerId| state.dylib(dylib).is_ok_and(|dylib| dylib.platform_tracker() != *tracker);
            let tracker = state.object(*object).map(Object::tracker).filter(is_own);
            let home = state.home(*object, &input.graph);
            let key = (dylib, tracker, home.map(|home| home.id));
            // Mostly that of the one before.
            let at = match last {
                Some((previous, at)) if previous == key => at,
                _ => *known.entry(key).or_insert(domains.len()),
            };
            last = Some((key, at));
            match domains.get_mut(at) {
                Some(domain) => domain.members.push(index),
                None => domains.push(Domain { dylib, tracker, home, meant: None, low: false, members: vec![index] }),
            }
        }
        self.join_walked(&mut domains)?;
        // Archive members were found in the order in which they were wanted; initializers and sections that are walked
        // follow the order in which they were added.
        for domain in &mut domains {
            domain.members.sort_by_key(|&member| self.objects[member as usize]);
        }
        let free = domains.iter().filter(|domain| domain.home.is_none());
        let low = free.filter(|domain| domain.members.iter().any(|&member| self.has_low_fields(member)));
        let low: HashSet<_, FixedState> = low.map(|domain| domain.dylib).collect();
        for domain in &mut domains {
            domain.low = domain.home.map_or_else(|| low.contains(&domain.dylib), is_low);
        }
        drop(state);
        self.spread_low(&mut domains);
        Ok(domains)
    }

    /// Makes low what low code refers to directly, if that may be low.
    fn spread_low(&self, domains: &mut [Domain]) {
        let mut pending: Vec<usize> = (0..domains.len()).filter(|&at| domains[at].low).collect();
        if pending.is_empty() || self.is_image() {
            return;
        }
        let domain_of: HashMap<u32, usize, FixedState> = domains
            .iter()
            .enumerate()
            .flat_map(|(at, domain)| domain.members.iter().map(move |&member| (member, at)))
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

    /// Sees to it that there is a window for the domain `at` of some, and notes which one is meant for its members: one
    /// from where it reaches all that it refers to directly, if there can be one. A new one has room for all domains of
    /// its JITDylib that may go there.
    pub(super) fn choose_window(&mut self, domains: &mut [Domain], at: usize) -> Result<()> {
        let domain = &domains[at];
        let windows = self.windows(domain)?;
        let is_free = domain.home.is_none() && !domain.low && !self.is_image();
        let window = match windows.first() {
            Some(&window) if !is_free || self.reaches_directly(&domain.members, window) => window,
            Some(&window) => {
                let new = self.usual_window(&domain.members, self.window_sizes(&domain.members))?;
                if self.reaches_directly(&domain.members, new) {
                    self.enter_window(domain.dylib, new)?;
                    new
                } else {
                    self.session.executor().release_window(new.id)?;
                    window
                }
            }
            None => {
                let beside = domains.iter().filter(|other| (other.dylib, other.low) == (domain.dylib, domain.low));
                let together: Vec<u32> = beside.flat_map(|other| other.members.iter().copied()).collect();
                self.reserve_window(domain, &together)?
            }
        };
        domains[at].meant = Some(window);
        self.aim_at(&domains[at].members, window);
        Ok(())
    }

    /// Notes the window that the members of a domain are meant for: others reach them as if they were there.
    pub(super) fn aim_at(&mut self, members: &[u32], window: Window) {
        for &member in members {
            self.inputs[member as usize].window = window.range;
        }
    }

    /// The windows of a JITDylib that a domain may be placed in: the one it is meant for, its own, then those in reach
    /// of that, newest first. All those last from where it reaches not all that is linked and that it refers to
    /// directly.
    pub(super) fn windows(&self, domain: &Domain) -> Result<Vec<Window>> {
        let mut windows: Vec<Window> = {
            let state = self.session.state();
            let windows = state.dylib(domain.dylib)?.windows().iter().rev().copied();
            let is_usable = |window: &Window| {
                let is_near =
                    domain.home.is_none_or(|home| home.id != window.id && self.reach_each_other(home, *window));
                is_near && (!domain.low || is_low(*window))
            };
            domain.home.into_iter().chain(windows.filter(is_usable)).collect()
        };
        if windows.len() > 1 && domain.home.is_none() {
            windows.sort_by_cached_key(|window| !direct::reaches_linked(&self.inputs, &domain.members, window.range));
        }
        if let Some(at) = windows.iter().position(|window| domain.meant.is_some_and(|meant| meant.id == window.id)) {
            windows[..=at].rotate_right(1);
        }
        Ok(windows)
    }

    /// Says whether code reaches from all of one window to all of another.
    pub(super) fn reach_each_other(&self, one: Window, other: Window) -> bool {
        let (start, end) = (one.range.start.min(other.range.start), one.range.end.max(other.range.end));
        // Some pages of slack for addends.
        end.0 - start.0 < self.session.target().arch.largest_window() - 0x4000
    }

    /// Reserves another window for a JITDylib, for a domain that is to be placed there, with room for some inputs.
    pub(super) fn reserve_window(&mut self, domain: &Domain, together: &[u32]) -> Result<Window> {
        let sizes = self.window_sizes(together);
        let window = if domain.low { self.low_window(sizes)? } else { self.usual_window(&domain.members, sizes)? };
        self.enter_window(domain.dylib, window)?;
        Ok(window)
    }

    /// Finds how large a window may be that has room for some inputs: as large as is usual, if that is enough.
    fn window_sizes(&self, members: &[u32]) -> WindowSizes {
        let window_size = self.session.options().window_size;
        // Mostly there is so little that it does not matter what is where.
        let rooms = members.iter().flat_map(|&member| {
            let holder = &self.inputs[member as usize];
            holder.reach.blocks().iter().map(|&block| holder.graph.block(block).room())
        });
        if rooms.fold(0, u64::saturating_add) < window_size / 8 {
            return WindowSizes::Usual(window_size);
        }
        let mut needed = Room::count(&self.inputs, members.iter().copied());
        if !takes_area(&needed, window_size) {
            needed.usual = std::array::from_fn(|at| needed.usual[at].saturating_add(needed.large[at]));
        }
        let usual = [window_size / 4, window_size / 4, window_size / 2];
        let has_room = |at: usize| needed.usual[at].saturating_add(needed.usual[at] / 8) < usual[at];
        if (0..usual.len()).all(has_room) {
            return WindowSizes::Usual(window_size);
        }
        // Entries that are made yet, and pages that are not full.
        let tight = needed.usual.map(|bytes| bytes.saturating_add(bytes / 32).saturating_add(ROOM_FOR_ENTRIES));
        let largest = self.session.target().arch.largest_window() - ROOM_FOR_HEADER;
        let spare = largest.saturating_sub(tight.iter().fold(0, |sum: u64, &bytes| sum.saturating_add(bytes)));
        // Later batches have use for what is left, mostly for data.
        let [read, exec, write] = tight.map(|bytes| bytes + spare / 8);
        WindowSizes::Large { tight, roomy: [read, exec, write + spare / 8 * 5] }
    }

    /// Says whether what is large of some inputs' blocks gets an area of its own: not if there is so little of it that it may lie
    /// with all else.
    pub(super) fn needs_area(&self, members: &[u32]) -> bool {
        let has_large = |&member: &u32| areas::has_large(&self.inputs[member as usize]);
        !self.is_image()
            && members.iter().any(has_large)
            && takes_area(&Room::count(&self.inputs, members.iter().copied()), self.session.options().window_size)
    }

    /// Reserves an area for large sections.
    pub(super) fn reserve_area(&mut self, dylib: DylibId, segments: [u64; 3]) -> Result<Window> {
        // Each stripe begins with a page.
        let stripes = segments.map(|bytes| bytes.saturating_add(ROOM_FOR_ENTRIES));
        let area = self.session.executor().reserve_divided_window(stripes, Placement::Anywhere)?;
        self.placed.windows.push((dylib, area));
        self.session.state().dylib_mut(dylib)?.add_area(area);
        Ok(area)
    }

    fn enter_window(&mut self, dylib: DylibId, window: Window) -> Result<()> {
        self.placed.windows.push((dylib, window));
        self.session.state().dylib_mut(dylib)?.add_window(window);
        Ok(())
    }

    /// Says whether code in a window reaches all that it refers to directly, or can have it brought near.
    fn reaches_directly(&self, members: &[u32], window: Window) -> bool {
        let is_near = is_low(window) || direct::find(&self.inputs, members, window.range).is_empty();
        is_near && (!self.binds_linked || direct::reaches_linked(&self.inputs, members, window.range))
    }

    /// Says whether a JITDylib is an image, which has one window: offsets from its base are numbers of 32 bits.
    pub(super) fn is_image(&self) -> bool {
        self.session.platform().has_images()
    }

    /// Says whether an input has to be in low memory: also for the sake of what is not live yet, which will refer to what
    /// is.
    fn has_low_fields(&self, member: u32) -> bool {
        if self.is_image() {
            return false;
        }
        let graph = &self.inputs[member as usize].graph;
        graph.refers_to_absolute || self.may_have(member, &[Role::LowAddress]) && has_low_fields(graph)
    }

    /// Says whether an input may have edges with such roles, live or not. Most have not, and need not be looked at.
    pub(super) fn may_have(&self, member: u32, roles: &[Role]) -> bool {
        let graph = &self.inputs[member as usize].graph;
        roles.iter().any(|&role| graph.may_have(graph.arch().kinds().with_role(role)))
    }

    /// A window for code that holds no addresses in 32 bits: wherever it reaches all that it refers to directly. If
    /// there is no such place, what libraries have of that can be brought near to low memory, and linked code can't.
    fn usual_window(&self, members: &[u32], sizes: WindowSizes) -> Result<Window> {
        let executor = self.session.executor();
        let tries = match sizes {
            WindowSizes::Usual(_) => vec![sizes],
            // A smaller one may reach what is beyond the reach of a large one.
            WindowSizes::Large { tight, .. } => vec![sizes, WindowSizes::Large { tight, roomy: tight }],
        };
        let last = tries.len() - 1;
        for (index, sizes) in tries.into_iter().enumerate() {
            let window = match sizes {
                // A smaller one if addresses are limited, which leaves some for the program's own use.
                WindowSizes::Usual(size) => self.smaller_window(size, 4, 1 << 26, Placement::Anywhere),
                WindowSizes::Large { roomy, .. } => executor.reserve_divided_window(roomy, Placement::Anywhere),
            };
            let window = match window {
                Err(ExecutorError::NoAddressSpace { .. }) if index < last => continue,
                window => window?,
            };
            if self.reaches_directly(members, window) {
                return Ok(window);
            }
            executor.release_window(window.id)?;
        }
        let (all, linked) = direct::targets(&self.inputs, members);
        for targets in [all, linked].into_iter().flatten() {
            let near = match sizes {
                WindowSizes::Usual(_) => self.window_near(targets)?,
                WindowSizes::Large { tight, .. } => {
                    executor.reserve_divided_window(tight, Placement::Near(targets)).ok()
                }
            };
            if let Some(window) = near {
                return Ok(window);
            }
        }
        self.low_window(sizes)
    }

    /// A window of a size; if there is no room for it, one of a `step`th of that, and so on.
    fn smaller_window(
        &self,
        mut size: u64,
        step: u64,
        least: u64,
        placement: Placement,
    ) -> Result<Window, ExecutorError> {
        loop {
            match self.session.executor().reserve_window(size, placement) {
                Err(ExecutorError::NoAddressSpace { .. }) if size > least => size /= step,
                result => return result,
            }
        }
    }

    /// A window that reaches all of a range of addresses; a smaller one if there is no room for one of the usual size.
    pub(super) fn window_near(&self, targets: ExecRange) -> Result<Option<Window>> {
        match self.smaller_window(self.session.options().window_size, 2, 1 << 26, Placement::Near(targets)) {
            Err(ExecutorError::NoAddressSpace { .. }) => Ok(None),
            found => Ok(Some(found?)),
        }
    }

    fn low_window(&self, sizes: WindowSizes) -> Result<Window> {
        let executor = self.session.executor();
        Ok(match sizes {
            // Low memory has to have room for what is moved there, too.
            WindowSizes::Large { tight, .. } => {
                let low = executor.reserve_divided_window(tight, Placement::Low);
                low.or_else(|_| executor.reserve_divided_window(tight, Placement::Anywhere))
            }
            // Low addresses are scarce: take less of them if need be. Code that needs none of them goes anywhere.
            WindowSizes::Usual(size) => {
                let low = self.smaller_window(size, 2, 1 << 24, Placement::Low);
                low.or_else(|_| executor.reserve_window(size, Placement::Anywhere))
            }
        }?)
    }
}

/// The sizes of a window.
#[derive(Clone, Copy, Debug)]
enum WindowSizes {
    /// Of so many bytes.
    Usual(u64),
    /// With so many bytes for each protection: as few as will do, and as many as are of use.
    Large { tight: [u64; 3], roomy: [u64; 3] },
}

/// The room that the largest window has for addends and for the header.
const ROOM_FOR_HEADER: u64 = 1 << 20;

/// The room that a window has for each protection beside the blocks that it was made for.
const ROOM_FOR_ENTRIES: u64 = 1 << 20;

/// Large sections get an area if they take more than this part of a window.
const AREA_PART: u64 = 64;

/// Says whether large sections are to have an area of their own.
fn takes_area(room: &Room, window_size: u64) -> bool {
    room.large.iter().any(|&bytes| bytes > window_size / AREA_PART)
}

/// Says whether all addresses of a window fit into 32 bits, signed ones too.
fn is_low(window: Window) -> bool {
    window.range.end.0 <= 1 << 31
}

/// Says whether some field holds an address in 32 bits: then the window must be low.
fn has_low_fields(graph: &LinkGraph) -> bool {
    let is_linked = |&block: &BlockId| graph.section(graph.block(block).section).lifetime != Lifetime::NoAlloc;
    let kinds = graph.arch().kinds();
    let mut edges = graph.block_ids().filter(is_linked).flat_map(|block| graph.edges(block));
    edges.any(|edge| {
        let absolute = matches!(graph.symbol(edge.target).definition, Definition::Absolute(_));
        kinds.info(edge.kind).role == Role::LowAddress && !absolute
    })
}
