//! JITDylibs as the shared libraries that linked code opens, searches and closes: the session's answers.
//!
//! An agent that opens or closes has the right to run initializers meanwhile, as with the loader's lock: so initializers
//! and terminators run once, one after the other, and may themselves open and close.

use linkjit_executor::{AddressOf, DylibReply, DylibRequest, ExecAddr, ImageId, OpenFlags, SearchFrom, SymbolAddress};
use linkjit_link::names::NameId;

use crate::batch::Goal;
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::lookup::{look_up, look_up_running};
use crate::session::job::{self, Job};
use crate::session::{Address, DefinedBy, DylibId, DylibState, ExecutionSession, MatchScope, Owned, State};

impl ExecutionSession {
    /// Answers linked code that takes JITDylibs for libraries.
    pub(crate) fn answer(&self, request: DylibRequest<'_>) -> DylibReply {
        match request {
            DylibRequest::Open { name, flags, caller } => self.answer_open(name, flags, caller),
            DylibRequest::OpenAgain { image, keep } => self.answer_open_again(image, keep),
            DylibRequest::Close { image } => {
                let (id, tables) = {
                    let state = self.state();
                    (state.dylib_of_image(image), state.number())
                };
                let Some(id) = id else { return DylibReply::NotHere };
                match self.close_opened(id, tables) {
                    Ok(true) => DylibReply::Closed,
                    Ok(false) => DylibReply::NotHere,
                    Err(error) => self.failure(id, &error.to_string()),
                }
            }
            DylibRequest::Find { from, name } => self.answer_find(from, name),
            DylibRequest::Describe { address } => {
                self.describe_address(address).map_or(DylibReply::NotHere, DylibReply::Described)
            }
            DylibRequest::Update { image } => self.answer_update(image),
        }
    }

    fn failure(&self, id: DylibId, why: &str) -> DylibReply {
        DylibReply::Failed(format!("{}: {}", JitDylib::new(self.clone(), id).name(), why.trim_end()))
    }

    fn answer_open(&self, name: &[u8], flags: OpenFlags, caller: ExecAddr) -> DylibReply {
        let caller_dylib = self.state().dylib_at(caller);
        let named = match (caller_dylib, std::str::from_utf8(name)) {
            (None, _) if !caller.is_null() => return DylibReply::NotHere,
            (_, Ok(name)) => self.dylib_opened_by(name),
            (_, Err(_)) => None,
        };
        let Some(dylib) = named else { return nothing(caller_dylib) };
        let id = dylib.id();
        {
            let mut state = self.state();
            caller_dylib.into_iter().for_each(|caller| state.note_running(caller));
            if flags.only_open && !state.is_open(id) {
                return DylibReply::NotOpen;
            }
        }
        match self.open(&dylib, flags) {
            Ok(opened) => opened,
            Err(error) => self.failure(id, &error.to_string()),
        }
    }

    /// The JITDylib that linked code means by the name of a library.
    fn dylib_opened_by(&self, name: &str) -> Option<JitDylib> {
        let is_meant = |dylib: &JitDylib| self.platform().is_library_of(name, &dylib.name());
        self.dylib(name).or_else(|| self.dylibs().into_iter().find(is_meant))
    }

    fn answer_open_again(&self, image: ImageId, keep: bool) -> DylibReply {
        let mut state = self.state();
        let Some(id) = state.dylib_of_image(image) else { return DylibReply::NotHere };
        if !state.is_open(id) {
            return DylibReply::NotOpen;
        }
        let opened = state.open(id, OpenFlags { keep, ..OpenFlags::default() });
        opened.map_or(DylibReply::NotOpen, DylibReply::Opened)
    }

    fn open(&self, dylib: &JitDylib, flags: OpenFlags) -> Result<DylibReply> {
        let id = dylib.id();
        let _names = self.use_names();
        let (tables, names) = {
            let mut state = self.state();
            state.prepare_opening(id);
            (state.number(), if flags.now { own_names(&state, id) } else { Vec::new() })
        };
        look_up(self, id, &names, Goal::LinkWithAllInitializers)?;
        let opening = self.begin_opening_in(tables)?;
        let image = self.state().open(id, flags)?;
        if let Err(error) = dylib.run_pending_initializers() {
            self.close_opened(id, tables)?;
            return Err(error);
        }
        drop(opening);
        self.wait_until_initialized(id)?;
        Ok(DylibReply::Opened(image))
    }

    /// Waits for the right to open and close. An error if the code that asks for it is of a process that the session does
    /// not have any more.
    fn begin_opening_in(&self, tables: u32) -> Result<Option<Owned<'_>>> {
        let opening = self.begin_opening()?;
        if self.state().number() == tables { Ok(opening) } else { Err(Error::Closed) }
    }

    /// Links and initializes what was added to an open JITDylib, and to those that it needs, since it was opened.
    fn answer_update(&self, image: ImageId) -> DylibReply {
        let id = {
            let state = self.state();
            state.dylib_of_image(image).filter(|&id| state.is_open(id))
        };
        let Some(id) = id else { return DylibReply::NotHere };
        match self.link_and_initialize(id, &[], Goal::LinkWithAllInitializers) {
            Ok(_) => DylibReply::Opened(image),
            Err(error) => self.failure(id, &error.to_string()),
        }
    }

    /// Takes back one opening; false if there is none.
    fn close_opened(&self, id: DylibId, tables: u32) -> Result<bool> {
        let _opening = self.begin_opening_in(tables)?;
        if !self.state().close(id) {
            return Ok(false);
        }
        if self.state().begin_finishing() {
            let _finishing = Finishing(self);
            loop {
                let over = self.state().take_unneeded();
                if over.is_empty() {
                    break;
                }
                over.into_iter().try_for_each(|id| self.finish(id))?;
            }
        }
        Ok(true)
    }

    /// Runs the terminators of a JITDylib and has it begin anew when it is opened next.
    fn finish(&self, id: DylibId) -> Result<()> {
        let _at_job = job::begin(self, Job::Initializing, Vec::new())?;
        let mut finished = Vec::new();
        // What is called in the end may be linked for that, which may bring more to be called.
        loop {
            let finishing = self.state().finishing(id)?;
            if finishing.terminators.is_empty() && finishing.allocations == finished {
                break;
            }
            finished = finishing.allocations;
            let terminators = &finishing.terminators[..];
            let (first, second) = if self.platform().terminates_before_exit_functions() {
                ((&[][..], terminators), (&finished[..], &[][..]))
            } else {
                ((&finished[..], terminators), (&[][..], &[][..]))
            };
            for (allocations, terminators) in [first, second] {
                // SAFETY: its code is there; linked code vouches for what it closes.
                unsafe { self.executor().close_part(finishing.image, allocations, terminators, &[])? };
            }
        }
        // SAFETY: as above; what is closed is not used.
        unsafe { self.executor().restore_contents(&finished)? };
        self.state().begin_anew(id)
    }

    fn answer_find(&self, from: SearchFrom, name: &[u8]) -> DylibReply {
        match self.find_for_program(from, name) {
            Ok(Some(Address::At(address))) => DylibReply::Found(SymbolAddress::Address(address)),
            Ok(Some(Address::ThreadLocal(address))) => DylibReply::Found(SymbolAddress::ThreadLocal(address)),
            found => {
                let image = match from {
                    SearchFrom::Image(image) => image,
                    SearchFrom::Program { caller, .. } | SearchFrom::Behind { caller } => {
                        let caller = self.state().dylib_at(caller);
                        return found.map_or_else(|error| DylibReply::Failed(error.to_string()), |_| nothing(caller));
                    }
                };
                let state = self.state();
                let Some(id) = state.dylib_of_image(image).filter(|&id| state.is_open(id)) else {
                    return DylibReply::NotHere;
                };
                drop(state);
                let undefined = || format!("undefined symbol: {}", String::from_utf8_lossy(name));
                self.failure(id, &found.map_or_else(|error| error.to_string(), |_| undefined()))
            }
        }
    }

    /// The address of a symbol that a running program asks for, if it is there. What it needs is linked and initialized.
    fn find_for_program(&self, from: SearchFrom, name: &[u8]) -> Result<Option<Address>> {
        let _names = self.use_names();
        let name = self.names().intern(name);
        let (definer, root) = {
            let mut state = self.state();
            let by = match from {
                SearchFrom::Program { caller, .. } | SearchFrom::Behind { caller } => state.dylib_at(caller),
                SearchFrom::Image(_) => None,
            };
            let (order, root) = match from {
                SearchFrom::Image(image) => {
                    let root = state.dylib_of_image(image).filter(|&id| state.is_open(id));
                    (root.map(|root| state.search_order(root)).unwrap_or_default(), root)
                }
                SearchFrom::Program { caller, with_own } => {
                    if by.is_none() && !caller.is_null() {
                        return Ok(None);
                    }
                    let order = state.global_search_order(by.filter(|_| with_own));
                    let root = order.first().copied();
                    (order, root)
                }
                SearchFrom::Behind { .. } => {
                    let Some(by) = by else { return Ok(None) };
                    let order = state.global_search_order(Some(by));
                    (order.into_iter().skip_while(|id| *id != by).skip(1).collect(), None)
                }
            };
            let definer = order.iter().copied().find(|&id| defines(&state, id, name));
            if let (Some(by), Some(definer)) = (by, definer) {
                state.note_found(by, definer);
            }
            if let Some(address) = definer.and_then(|definer| state.find_linked(definer, name)) {
                return Ok(Some(address));
            }
            // Those that it searches and that are not open to the program have not got it.
            let is_elsewhere = |root: &DylibId| {
                let searched = state.dylib(*root).map(DylibState::link_order).unwrap_or_default();
                searched.iter().any(|&(id, _)| !order.contains(&id) && defines(&state, id, name))
            };
            (definer, root.filter(|root| !is_elsewhere(root)))
        };
        match (definer, root) {
            (Some(definer), _) => self.link_for_program(definer, name),
            (None, Some(root)) => look_up_running(&JitDylib::new(self.clone(), root), name),
            (None, None) => Ok(None),
        }
    }

    /// Links what a running program asks for by a name that a JITDylib itself defines, and runs new initializers.
    pub(crate) fn link_for_program(&self, definer: DylibId, name: NameId) -> Result<Option<Address>> {
        Ok(self.link_and_initialize(definer, &[name], Goal::LinkWithInitializers)?.first().copied())
    }

    /// Links names of a JITDylib for a running program, and runs new initializers.
    fn link_and_initialize(&self, id: DylibId, names: &[NameId], goal: Goal) -> Result<Vec<Address>> {
        self.state().prepare_linking(id);
        let found = look_up(self, id, names, goal)?;
        let opening = self.begin_opening()?;
        self.state().open_newly_needed(id);
        JitDylib::new(self.clone(), id).run_pending_initializers()?;
        drop(opening);
        self.wait_until_initialized(id)?;
        Ok(found)
    }

    fn describe_address(&self, address: ExecAddr) -> Option<AddressOf> {
        let (dylib, base) = {
            let state = self.state();
            let dylib = state.dylib(state.dylib_at(address)?).ok()?;
            (dylib.name().to_owned(), dylib.windows().first().map_or(ExecAddr::NULL, |window| window.range.start))
        };
        let symbol = self.symbolize(address);
        let symbol = symbol.map(|at| (at.name.as_ref().to_vec(), ExecAddr(address.0 - at.offset)));
        Some(AddressOf { dylib, base, symbol })
    }
}

/// JITDylibs are being finished, until it is dropped.
struct Finishing<'a>(&'a ExecutionSession);

impl Drop for Finishing<'_> {
    fn drop(&mut self) {
        self.0.state().end_finishing();
    }
}

/// Returns the answer about what there is not, to code of a JITDylib or of nobody knows whom.
fn nothing(caller: Option<DylibId>) -> DylibReply {
    if caller.is_some() { DylibReply::LeftToSystem } else { DylibReply::NotHere }
}

/// Returns whether a JITDylib itself defines a name for others.
fn defines(state: &State, id: DylibId, name: NameId) -> bool {
    let entry = state.dylib(id).ok().and_then(|dylib| dylib.visible(name, MatchScope::Exported));
    entry.is_some_and(|entry| entry.by != DefinedBy::Found)
}

/// Returns what a JITDylib defines for others.
fn own_names(state: &State, id: DylibId) -> Vec<NameId> {
    let names = state.dylib(id).map(|dylib| dylib.names().collect::<Vec<_>>()).unwrap_or_default();
    names.into_iter().filter(|&name| defines(state, id, name)).collect()
}
