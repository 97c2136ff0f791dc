//! Linking a program's own allocator: a batch links it even if the program does not call it, because the libraries do.

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use linkjit_executor::{ExecAddr, ExecutorError, Jump};
use linkjit_link::graph::SymbolId;
use linkjit_link::input::Binding;
use linkjit_link::names::NameId;

use super::find::Unfound;
use super::{Batch, Goal};
use crate::error::{Error, Result};
use crate::session::{Address, DefinedBy, DylibId, LazyCallee, LazyJump, ObjectId, StandIns, State};

/// A definition of the batch that is to serve the process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Serving {
    name: NameId,
    input: u32,
    symbol: SymbolId,
}

impl Batch<'_> {
    /// Has the allocator linked as a whole, if the batch links anything that uses its JITDylib. Returns whether that
    /// brought something.
    pub(super) fn find_allocator(&mut self) -> Result<bool> {
        if self.query.goal == Goal::Find || !self.work.is_empty() {
            return Ok(false);
        }
        Ok(self.find_wanted_allocator()? || self.find_definitions()? || self.find_lazy_callees()?)
    }

    /// Finds what lazy objects refer to, though nothing that refers to it is linked yet: when it is, libraries would
    /// have allocated memory that an archive's allocator does not know.
    fn find_wanted_allocator(&mut self) -> Result<bool> {
        let mut wanted = self.session.state().wanted_of_allocator().to_vec();
        wanted.retain(|name| !self.found.contains_key(name));
        for &(dylib, name) in &wanted {
            self.find_names(dylib, &[Unfound::required(name)])?;
        }
        Ok(wanted.iter().any(|name| self.found.contains_key(name)))
    }

    fn find_definitions(&mut self) -> Result<bool> {
        let (dylib, names) = {
            let state = self.session.state();
            let Some(dylib) = state.allocator_dylib() else { return Ok(false) };
            let is_linked = self.inputs.iter().any(|input| input.dylib == dylib.0);
            if !is_linked && !state.dependency_order([self.query.dylib]).contains(&dylib) {
                return Ok(false);
            }
            let new = |&(name, is_linked): &(NameId, bool)| !is_linked && !self.found.contains_key(&(dylib, name));
            let names: Vec<_> =
                state.allocator_definitions(dylib).into_iter().filter(new).map(|(name, _)| name).collect();
            (dylib, names)
        };
        let wanted: Vec<_> = names.iter().map(|&name| Unfound::required(name)).collect();
        self.find_names(dylib, &wanted)?;
        Ok(names.iter().any(|&name| self.found.contains_key(&(dylib, name))))
    }

    /// Links the lazy functions that the allocator may call: the libraries call it while something is being linked,
    /// too.
    fn find_lazy_callees(&mut self) -> Result<bool> {
        let new: Vec<LazyCallee> = {
            let state = self.session.state();
            let Some(dylib) = state.allocator_dylib().filter(|_| state.lazy().has_any()) else { return Ok(false) };
            let definitions = state.allocator_definitions(dylib);
            let roots =
                definitions.iter().filter_map(|(name, _)| self.found.get(&(dylib, *name))).map(|found| found.binding);
            let mut callees = self.lazy_callees(&state, roots.collect());
            callees.retain(|callee| !self.lazy_callees.iter().any(|known| known.number == callee.number));
            callees
        };
        for callee in &new {
            self.find_names(callee.target.0, &[Unfound::required(callee.target.1)])?;
        }
        self.lazy_callees.extend(&new);
        Ok(!new.is_empty())
    }

    /// The lazy functions of the batch that are reached from `roots`, directly or by way of others.
    fn lazy_callees(&self, state: &State, roots: Vec<Binding>) -> Vec<LazyCallee> {
        let mut callees = Vec::new();
        let mut seen: HashSet<(u32, SymbolId), FixedState> = HashSet::default();
        let mut pending = roots;
        while let Some(binding) = pending.pop() {
            let Binding::Input { input, symbol } = binding else { continue };
            if !seen.insert((input, symbol)) {
                continue;
            }
            let Some(holder) = self.inputs.get(input as usize) else { continue };
            let found = holder.graph.symbol(symbol);
            if found.is_external() {
                pending.push(holder.binding(symbol));
                continue;
            }
            let stub = self.objects.get(input as usize).copied().zip(found.global_name());
            if let Some(callee) = stub.and_then(|(object, name)| state.lazy().callee(object, name)) {
                pending.extend(self.found.get(&callee.target).map(|found| found.binding));
                callees.push(callee);
            } else if let Some(block) = found.block() {
                let edges = holder.graph.edges(block).iter();
                pending.extend(edges.map(|edge| Binding::Input { input, symbol: edge.target }));
            }
        }
        callees
    }

    /// If the batch has definitions that are to serve the process: binds what is found in the process to what knows
    /// both allocators.
    pub(super) fn prepare_allocator(&mut self) -> Result<()> {
        let Some(dylib) = self.session.state().allocator_dylib() else { return Ok(()) };
        let definitions = self.session.state().allocator_definitions(dylib);
        let serving = |&(name, _): &(NameId, bool)| match self.found.get(&(dylib, name))?.binding {
            Binding::Input { input, symbol } => Some(Serving { name, input, symbol }),
            _ => None,
        };
        self.serving = definitions.iter().filter_map(serving).collect();
        let Some(&first) = self.serving.first() else { return Ok(()) };
        let prepared = self.session.executor().prepare_allocator();
        let stand_ins = prepared.map_err(|error| self.refused(first, error))?;
        let names = self.session.names();
        let id = |(name, new): (String, ExecAddr)| Some((names.find(name.as_bytes())?, new));
        let stand_ins: Vec<_> = stand_ins.into_iter().filter_map(id).collect();
        let stand_ins = self.session.state().replace_found(&stand_ins);
        drop(names);
        self.rebind(&stand_ins);
        Ok(())
    }

    #[cold]
    fn refused(&self, definition: Serving, error: ExecutorError) -> Error {
        let object =
            self.inputs.get(definition.input as usize).map(|input| input.graph.name().to_owned()).unwrap_or_default();
        Error::Allocator { object, name: self.session.names().text(definition.name).into_owned(), error }
    }

    /// Binds references to what linked code is to get in place of what was found.
    fn rebind(&mut self, stand_ins: &StandIns) {
        let by_address: HashMap<ExecAddr, ExecAddr, FixedState> = stand_ins.values().copied().collect();
        let new = |name: Option<NameId>, old: ExecAddr| {
            let by_name = name.and_then(|name| stand_ins.get(&name)).filter(|(found, _)| *found == old);
            by_name.map(|(_, new)| *new).or_else(|| by_address.get(&old).copied())
        };
        for input in self.inputs.iter_mut() {
            for (symbol, binding) in input.bindings.iter_mut() {
                if let Binding::Outside(old) | Binding::OutsideFunction(old) = *binding
                    && let Some(new) = new(input.graph.symbol(symbol).global_name(), old)
                {
                    *binding = Binding::OutsideFunction(new);
                }
            }
        }
        for ((_, name), found) in &mut self.found {
            if let Binding::Outside(old) = found.binding
                && let Some(new) = new(Some(*name), old)
            {
                found.binding = Binding::Outside(new);
            }
        }
    }

    /// The definitions that are to serve the process, where they are now.
    fn serving(&self) -> Vec<(NameId, ObjectId, ExecAddr)> {
        let placed = |definition: &Serving| {
            let object = *self.objects.get(definition.input as usize)?;
            Some((
                definition.name,
                object,
                self.inputs.get(definition.input as usize)?.graph.address(definition.symbol),
            ))
        };
        self.serving.iter().filter_map(placed).collect()
    }

    /// Has the process use the allocator that was placed. From then on it stays, so this is the last thing that may
    /// fail before the batch is published.
    pub(super) fn replace_allocator(&self) -> Result<Serves> {
        let serving = self.serving();
        if serving.is_empty() {
            return Ok(Serves::default());
        }
        let executor = self.session.executor();
        let jumps: Vec<LazyJump> = {
            let state = self.session.state();
            let jump = |callee: &LazyCallee| {
                let (dylib, target) = callee.target;
                state.lazy_jump_to(callee.number, target, |name| self.address_of(&state, dylib, name))
            };
            self.lazy_callees.iter().filter_map(jump).collect()
        };
        let slots: Vec<_> = jumps.iter().map(|lazy| lazy.jump).collect();
        let before = executor.redirect(&slots)?;
        let texts: Vec<_> = {
            let names = self.session.names();
            serving.iter().map(|&(name, _, address)| (names.text(name).into_owned(), address)).collect()
        };
        let definitions: Vec<_> = texts.iter().map(|(name, address)| (name.as_str(), *address)).collect();
        if let Err(error) = executor.replace_allocator(&definitions) {
            let back = slots.iter().zip(&before).map(|(jump, &before)| Jump { to: before, ..*jump });
            executor.redirect(&back.collect::<Vec<_>>())?;
            return Err(error.into());
        }
        let definitions = serving.into_iter().map(|(name, object, _)| (name, object)).collect();
        Ok(Serves { definitions, jumps: jumps.into_iter().zip(before).collect() })
    }

    /// Finds where a definition of a JITDylib is: in the tables, or placed by this batch.
    pub(super) fn address_of(&self, state: &State, dylib: DylibId, name: NameId) -> Option<ExecAddr> {
        let entry = state.entry(dylib, name)?;
        match (entry.address, entry.by) {
            (Some(Address::At(address)), _) => Some(address),
            (None, DefinedBy::Object(object, symbol)) => {
                let graph = &self.inputs.get(*self.input_of.get(&object)? as usize)?.graph;
                let is_placed = graph.symbol(symbol).block().is_some_and(|block| graph.block(block).placed);
                is_placed.then(|| graph.address(symbol))
            }
            _ => None,
        }
    }
}

/// The definitions that serve the process from now on, to be noted when it is published.
#[derive(Debug, Default)]
pub(super) struct Serves {
    definitions: Vec<(NameId, ObjectId)>,
    /// Slots that were changed, and what they held before.
    jumps: Vec<(LazyJump, ExecAddr)>,
}

impl Serves {
    pub(super) fn note(self, state: &mut State) {
        state.note_lazy(self.jumps);
        state.serve_process(self.definitions);
    }
}
