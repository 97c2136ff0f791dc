//! Which JITDylibs linked code has opened as shared libraries, and which of these nobody needs any more.
//!
//! A JITDylib stays open as long as linked code has it open, another one that is open needs it, linked code is bound to
//! it, or the host has initialized it. Otherwise its terminators are run, and it begins anew when it is opened again.

use std::collections::BTreeSet;

use linkjit_executor::{AllocationId, ExecAddr, ImageId, OpenFlags, PointerArray};

use super::removal::in_order;
use super::{Address, DylibId, DylibState, InitializerRun, State};
use crate::error::Result;

/// The record of a JITDylib as a library that linked code opens.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// The number of times it was opened and not closed.
    count: u64,
    /// It was initialized because it, or what needs it, was opened.
    is_initialized: bool,
    /// Its terminators are being run.
    is_ending: bool,
    /// The host has initialized it, or it is not to be closed.
    stays: bool,
    /// Code finds its symbols without a handle, after those that have lower numbers.
    global: Option<u64>,
    /// It is initialized when it is opened or used, not because it is in a link order.
    pub(super) on_demand: bool,
    /// It can begin anew.
    pub(super) is_kept: bool,
    /// JITDylibs in which its code has found symbols without a handle.
    found: BTreeSet<DylibId>,
    /// Initializers that were run, to be run again, and terminators.
    pub(super) ran: Vec<InitializerRun>,
    pub(super) ended: Vec<InitializerRun>,
}

impl Opening {
    /// The record of a JITDylib that nobody has opened or initialized yet.
    pub(super) fn renewed(&self) -> Self {
        Self { on_demand: self.on_demand, is_kept: self.on_demand, ..Self::default() }
    }
}

/// A JITDylib whose terminators are to be run.
#[derive(Debug)]
pub(crate) struct Finishing {
    pub(crate) image: ImageId,
    pub(crate) allocations: Vec<AllocationId>,
    pub(crate) terminators: Vec<PointerArray>,
}

impl State {
    /// The JITDylib that has an address.
    pub(crate) fn dylib_at(&self, address: ExecAddr) -> Option<DylibId> {
        Some(self.allocations.get(self.allocations.at(address)?)?.dylib)
    }

    /// The JITDylib that the executor knows by this id.
    pub(crate) fn dylib_of_image(&self, image: ImageId) -> Option<DylibId> {
        self.dylibs.iter().find(|(_, dylib)| dylib.image == image).map(|(&id, _)| id)
    }

    /// Notes that the host has a JITDylib initialized, or uses it: it is open for good.
    pub(crate) fn keep_open(&mut self, dylib: DylibId) -> Result<()> {
        self.dylib_mut(dylib)?.opening.stays = true;
        Ok(())
    }

    /// Leaves the initializers of a JITDylib until it is opened or used.
    pub(crate) fn initialize_on_demand(&mut self, dylib: DylibId) -> Result<()> {
        let opening = &mut self.dylib_mut(dylib)?.opening;
        (opening.on_demand, opening.is_kept) = (true, true);
        Ok(())
    }

    /// JITDylibs that are initialized when they are opened or used, and were not.
    pub(crate) fn on_demand_dylibs(&self) -> impl Iterator<Item = DylibId> {
        let is_waiting = |dylib: &DylibState| dylib.opening.on_demand && !dylib.opening.stays;
        self.dylibs.iter().filter(move |(_, dylib)| is_waiting(dylib)).map(|(&id, _)| id)
    }

    /// Notes that the host gets addresses: the JITDylibs that have them are open for good.
    pub(crate) fn keep_definers_open(&mut self, addresses: impl IntoIterator<Item = Address>) {
        for address in addresses {
            if let Some(dylib) = self.dylib_with(address).and_then(|id| self.dylibs.get_mut(&id)) {
                dylib.opening.stays = true;
            }
        }
    }

    /// The JITDylib whose code or variable is at an address.
    pub(crate) fn dylib_with(&self, address: Address) -> Option<DylibId> {
        let allocation = match address {
            Address::At(address) => self.allocations.at(address),
            Address::ThreadLocal(address) => self.allocations.at_thread_local(address.module, address.offset),
        };
        Some(self.allocations.get(allocation?)?.dylib)
    }

    /// Returns whether a JITDylib is initialized when it is opened or used, and was not.
    pub(crate) fn is_on_demand(&self, dylib: DylibId) -> bool {
        self.dylib(dylib).is_ok_and(|dylib| dylib.opening.on_demand && !dylib.opening.stays)
    }

    /// Notes that linked code runs: if nobody has opened its JITDylib, the host has. One that is being closed is not open.
    pub(crate) fn note_running(&mut self, dylib: DylibId) {
        if let Some(opening) = self.dylibs.get_mut(&dylib).map(|dylib| &mut dylib.opening) {
            opening.stays |= !opening.is_initialized && !opening.is_ending;
        }
    }

    /// Returns whether a JITDylib is open, by whomever.
    pub(crate) fn is_open(&self, id: DylibId) -> bool {
        let is_opened = |opening: &Opening| opening.count > 0 || opening.is_initialized || opening.stays;
        self.dylib(id).is_ok_and(|dylib| is_opened(&dylib.opening)) || self.needed().contains(&id)
    }

    /// The other JITDylibs whose code is bound to this one.
    fn users_of_dylib(&self, id: DylibId) -> impl Iterator<Item = DylibId> {
        let users = self.allocations.in_dylib(id).flat_map(|(_, allocation)| &allocation.users);
        users.filter_map(move |(user, _)| Some(self.allocations.get(*user)?.dylib).filter(|user| *user != id))
    }

    /// The JITDylibs that one depends on.
    pub(super) fn dependencies(&self, id: DylibId) -> Vec<DylibId> {
        let Ok(dylib) = self.dylib(id) else { return Vec::new() };
        let searched = dylib.link_order.iter().map(|&(next, _)| next);
        let mut found: Vec<_> = searched.filter(|&next| self.is_dependency(id, next)).collect();
        // Code of one that was opened may be bound to those that were open to all. When it is opened next, they may not be.
        if dylib.opening.is_kept {
            let used = self.allocations.in_dylib(id).flat_map(|(_, allocation)| &allocation.uses);
            for other in used.filter_map(|used| Some(self.allocations.get(*used)?.dylib)) {
                if !found.contains(&other) {
                    found.push(other);
                }
            }
        }
        found
    }

    /// Returns whether a JITDylib depends on one in its link order: if that is initialized on demand, code is bound to it,
    /// but not such that is closed itself.
    pub(super) fn is_dependency(&self, by: DylibId, id: DylibId) -> bool {
        let is_closed = |user: DylibId| {
            let is_opened = |opening: &Opening| opening.count > 0 || opening.is_initialized || opening.is_ending;
            self.is_on_demand(user) && !self.dylib(user).is_ok_and(|user| is_opened(&user.opening))
        };
        let mut users = self.users_of_dylib(id);
        self.dylib(id).is_ok() && (!self.is_on_demand(id) || users.any(|user| user == by || !is_closed(user)))
    }

    /// Returns whether the contents of what is linked for a JITDylib are to be kept.
    pub(crate) fn is_kept(&self, id: DylibId) -> bool {
        self.dylib(id).is_ok_and(|dylib| dylib.opening.is_kept)
    }

    /// Says that a JITDylib is about to be opened: it and what it needs may have to begin anew, once they are closed.
    pub(crate) fn prepare_opening(&mut self, id: DylibId) {
        for id in self.dependency_order([id]) {
            if let Some(dylib) = self.dylibs.get_mut(&id) {
                dylib.opening.is_kept |= !dylib.opening.stays;
            }
        }
    }

    /// The same for one for which linked code has more linked, if it was opened.
    pub(crate) fn prepare_linking(&mut self, id: DylibId) {
        if self.dylib(id).is_ok_and(|dylib| dylib.opening.is_initialized) {
            self.prepare_opening(id);
        }
    }

    /// Opens a JITDylib once more. What it needs is open with it.
    pub(crate) fn open(&mut self, id: DylibId, flags: OpenFlags) -> Result<ImageId> {
        self.openings += 1;
        let place = self.openings;
        let dylib = self.dylib_mut(id)?;
        dylib.opening.count += 1;
        if flags.global {
            dylib.opening.global.get_or_insert(place);
        }
        dylib.opening.stays |= flags.keep;
        let image = dylib.image;
        self.open_needed(id, |_| true);
        Ok(image)
    }

    /// Notes that linked code has had more linked for a JITDylib: what that needs now is open with it. If the host keeps it
    /// open, so is all that the host has initialized with it.
    pub(crate) fn open_newly_needed(&mut self, id: DylibId) {
        let is_opened = self.dylib(id).is_ok_and(|dylib| dylib.opening.is_initialized);
        self.open_needed(id, |opening| !opening.is_ending && (is_opened || opening.on_demand));
    }

    /// Notes that code of `by` calls a function, which was searched in the link order of `from`.
    pub(crate) fn note_call(&mut self, by: DylibId, from: DylibId, function: ExecAddr) {
        self.open_newly_needed(from);
        if let Some(definer) = self.dylib_at(function).filter(|definer| *definer != by) {
            self.note_found(by, definer);
        }
    }

    fn open_needed(&mut self, id: DylibId, matches: impl Fn(&Opening) -> bool) {
        for id in self.dependency_order([id]) {
            if let Some(opening) = self.dylibs.get_mut(&id).map(|dylib| &mut dylib.opening) {
                opening.is_initialized |= !opening.stays && matches(opening);
            }
        }
    }

    /// Takes back one opening of a JITDylib; false if there is none.
    pub(crate) fn close(&mut self, id: DylibId) -> bool {
        let opening = self.dylibs.get_mut(&id).map(|dylib| &mut dylib.opening);
        let left = opening.as_ref().and_then(|opening| opening.count.checked_sub(1));
        if let (Some(opening), Some(left)) = (opening, left) {
            opening.count = left;
        }
        left.is_some()
    }

    /// Takes those out that were opened and that nobody needs any more, in the order in which they are to be finished.
    pub(crate) fn take_unneeded(&mut self) -> Vec<DylibId> {
        let needed = self.needed();
        let is_over = |(id, dylib): (&DylibId, &DylibState)| {
            (dylib.opening.is_initialized && !needed.contains(id)).then_some(*id)
        };
        let over: Vec<DylibId> = self.dylibs.iter().filter_map(is_over).collect();
        let mut order = self.dependency_order(over.iter().copied());
        order.retain(|id| over.contains(id));
        order.reverse();
        for id in &order {
            if let Some(dylib) = self.dylibs.get_mut(id) {
                let opening = &mut dylib.opening;
                (opening.is_initialized, opening.global, opening.is_ending) = (false, None, true);
                opening.found.clear();
            }
        }
        order
    }

    /// The JITDylibs that somebody has open, and what these need.
    fn needed(&self) -> BTreeSet<DylibId> {
        self.needed_by(|opening| opening.count > 0 || opening.stays)
    }

    /// The JITDylibs whose symbols libraries get that linked code opens: those that the host has open, or linked code for all,
    /// and what these need; in the order in which they are searched.
    pub(crate) fn open_to_libraries(&self) -> Vec<DylibId> {
        let shown = self.needed_by(|opening| opening.stays || opening.global.is_some());
        let mut order = self.global_search_order(None);
        order.retain(|id| shown.contains(id));
        let others: Vec<_> = shown.into_iter().filter(|id| !order.contains(id)).collect();
        order.extend(others);
        order
    }

    fn needed_by(&self, is_root: impl Fn(&Opening) -> bool) -> BTreeSet<DylibId> {
        let mut needed = BTreeSet::new();
        let roots = self.dylibs.iter().filter(|(_, dylib)| is_root(&dylib.opening));
        let mut pending: Vec<DylibId> = roots.map(|(&id, _)| id).collect();
        // By who is bound to whom, too: that need not be in a link order.
        let bound: Vec<(DylibId, DylibId)> =
            self.dylibs.keys().flat_map(|&id| self.users_of_dylib(id).map(move |user| (user, id))).collect();
        while let Some(id) = pending.pop() {
            let Some(dylib) = self.dylibs.get(&id).filter(|_| needed.insert(id)) else { continue };
            let is_on_demand = |id: &DylibId| self.dylib(*id).is_ok_and(|dylib| dylib.opening.on_demand);
            pending.extend(dylib.link_order.iter().map(|(id, _)| *id).filter(|id| !is_on_demand(id)));
            pending.extend(bound.iter().filter(|(user, _)| *user == id).map(|(_, used)| *used));
            pending.extend(&dylib.opening.found);
        }
        needed
    }

    /// Begins to finish JITDylibs; false if this agent, which has the right to initialize, is at it. What is closed
    /// meanwhile is finished after that.
    pub(crate) fn begin_finishing(&mut self) -> bool {
        !std::mem::replace(&mut self.is_finishing, true)
    }

    pub(crate) fn end_finishing(&mut self) {
        self.is_finishing = false;
    }

    /// Notes that code of a JITDylib has found a symbol in another one, without a handle: it needs that from now on.
    pub(crate) fn note_found(&mut self, by: DylibId, definer: DylibId) {
        if let Some(dylib) = self.dylibs.get_mut(&by) {
            dylib.opening.found.insert(definer);
        }
    }

    /// Returns what is to be run to finish a JITDylib, and the memory that is concerned.
    pub(crate) fn finishing(&mut self, id: DylibId) -> Result<Finishing> {
        let allocations = self.allocations.in_dylib(id).map(|(id, _)| id).collect();
        let dylib = self.dylib_mut(id)?;
        let ended = std::mem::take(&mut dylib.terminators);
        dylib.opening.ended.extend(&ended);
        Ok(Finishing { image: dylib.image, allocations, terminators: in_order(ended) })
    }

    /// A JITDylib is finished: the next time that it is opened, all of its initializers are run.
    pub(crate) fn begin_anew(&mut self, id: DylibId) -> Result<()> {
        let dylib = self.dylib_mut(id)?;
        dylib.opening.is_ending = false;
        // Its terminators are not to keep what they have found.
        dylib.opening.found.clear();
        dylib.pending_initializers.append(&mut dylib.opening.ran);
        dylib.pending_terminators.append(&mut dylib.opening.ended);
        Ok(())
    }

    /// The JITDylibs in which symbols are found with the handle of one: it and what it needs, level by level. The program
    /// is not among what others need, though they refer to it.
    pub(crate) fn search_order(&self, root: DylibId) -> Vec<DylibId> {
        let mut order = vec![root];
        let mut at = 0;
        while let Some(&id) = order.get(at) {
            at += 1;
            let links = self.dylib(id).map(DylibState::link_order).unwrap_or_default();
            for &(next, _) in links {
                if !order.contains(&next) && Some(next) != self.program && self.is_dependency(id, next) {
                    order.push(next);
                }
            }
        }
        order
    }

    /// Those that were opened for all, in the order of that.
    fn global_dylibs(&self) -> impl Iterator<Item = DylibId> {
        let place = |(&id, dylib): (&DylibId, &DylibState)| Some((dylib.opening.global?, id));
        let in_order: BTreeSet<_> = self.dylibs.iter().filter_map(place).collect();
        in_order.into_iter().map(|(_, id)| id)
    }

    /// The JITDylibs that are searched for what code refers to and its own link order has not: those that were opened for all,
    /// with what they need.
    pub(crate) fn open_to_all(&self) -> Vec<DylibId> {
        let mut order: Vec<DylibId> = Vec::new();
        for id in self.global_dylibs().flat_map(|root| self.search_order(root)) {
            if !order.contains(&id) {
                order.push(id);
            }
        }
        order
    }

    /// The JITDylibs in which code of `caller` finds symbols without a handle: the program's, those that were opened for
    /// all, its own.
    pub(crate) fn global_search_order(&self, caller: Option<DylibId>) -> Vec<DylibId> {
        let program = self.program.filter(|program| self.dylibs.contains_key(program));
        let mut order: Vec<DylibId> = Vec::new();
        for root in program.into_iter().chain(self.global_dylibs()).chain(caller) {
            for id in self.search_order(root) {
                if !order.contains(&id) {
                    order.push(id);
                }
            }
        }
        order
    }

    /// Notes whose `main` is about to run.
    pub(crate) fn set_program(&mut self, dylib: DylibId) {
        self.program = Some(dylib);
    }
}
