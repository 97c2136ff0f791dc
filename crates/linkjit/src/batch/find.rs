//! Finding: from wanted names to a set of graphs in which every live symbol is bound.
//!
//! Works in waves. A wave follows all edges that were not followed yet; the externals it reaches are looked up in the
//! tables, those not found there are given to the generators of the link order, all at once. What is found may bring
//! new graphs, hence new externals: the next wave.

use std::sync::{Arc, Mutex};

use linkjit_link::graph::{Lifetime, Linkage, Reachability, Scope, SymbolId};
use linkjit_link::link::Binding;
use linkjit_link::names::{NameId, NamePool};

use super::{Batch, Late, LateSymbol};
use crate::error::{Error, Result};
use crate::generators::Wanted;
use crate::jitdylib::{JitDylib, MatchScope};
use crate::session::{Address, DefinedBy, DylibId, Entry, LinkPolicy, State, UnitId, lock};

/// An alias of an alias of ...: longer chains are taken for circles.
const LONGEST_ALIAS_CHAIN: usize = 100;

/// A name that is not in the tables.
#[derive(Clone, Copy)]
struct Unfound {
    name: NameId,
    thread_local: bool,
    weak: bool,
}

impl State {
    /// The definition of a name in the link order of a JITDylib, aliases followed, and the JITDylib that has it.
    pub(super) fn find(
        &self,
        dylib: DylibId,
        name: NameId,
        names: &Mutex<NamePool>,
    ) -> Result<Option<(DylibId, Entry)>> {
        let mut at = self.find_directly(dylib, name)?;
        for _ in 0..LONGEST_ALIAS_CHAIN {
            match at {
                Some((_, Entry { by: DefinedBy::Alias(dylib, target), .. })) => {
                    at = self.find_directly(dylib, target)?
                }
                found => return Ok(found),
            }
        }
        Err(Error::AliasCycle { name: lock(names).text(name).into_owned() })
    }

    fn find_directly(&self, dylib: DylibId, name: NameId) -> Result<Option<(DylibId, Entry)>> {
        for &(searched, scope) in &self.dylib(dylib)?.link_order {
            if let Some(entry) = self.dylib(searched)?.symbols.get(&name)
                && (scope == MatchScope::All || entry.scope == Scope::Default)
            {
                return Ok(Some((searched, *entry)));
            }
        }
        Ok(None)
    }
}

impl Batch<'_> {
    /// Finds `names` and all that they need; returns what the names are bound to.
    pub(super) fn find(&mut self, dylib: DylibId, names: &[NameId], roots: bool) -> Result<Vec<Binding>> {
        if roots {
            self.adopt_roots(dylib)?;
        }
        let unfound: Vec<_> = names.iter().map(|&name| Unfound { name, thread_local: false, weak: false }).collect();
        self.look_up(dylib, &unfound)?;
        let bindings: Vec<_> =
            names.iter().map(|&name| self.found.get(&(dylib, name)).copied().unwrap_or_default()).collect();
        for &binding in &bindings {
            self.reach(binding);
        }
        self.follow()?;
        self.report_missing(dylib, names)?;
        Ok(bindings)
    }

    /// Takes all units into the batch that are to be initialized and were not linked yet.
    fn adopt_roots(&mut self, dylib: DylibId) -> Result<()> {
        let state = self.session.state();
        let order = state.dependency_order(dylib);
        let units: Vec<_> = order.into_iter().flat_map(|dylib| state.unlinked_roots(dylib)).collect();
        drop(state);
        for unit in units {
            self.adopt(unit)?;
        }
        Ok(())
    }

    /// Takes a unit into the batch; returns its input. Marks what is wanted of any object that is linked at all.
    fn adopt(&mut self, unit: UnitId) -> Result<u32> {
        if let Some(&input) = self.input_of.get(&unit) {
            return Ok(input);
        }
        let taken = self.session.state().units.get_mut(&unit).and_then(|unit| unit.input.take());
        // Only a batch takes a graph out for good, and it publishes all addresses when it does.
        let mut input = *taken.ok_or(Error::Closed)?;
        let index = u32::try_from(self.inputs.len()).unwrap_or(u32::MAX);
        input.bindings = vec![Binding::None; input.graph.symbols().len()];
        let graph = &mut input.graph;
        let mut reach = Reachability::new();
        match self.session.options().policy {
            LinkPolicy::Whole => reach.mark_all(graph),
            LinkPolicy::Demand => {
                for block in graph.retained().to_vec() {
                    reach.mark_block(graph, block);
                }
                // All thread-local variables of an object are in one block of storage: local-dynamic code relies on it.
                if graph.sections().iter().any(|section| section.lifetime == Lifetime::ThreadLocal) {
                    for block in graph.block_ids() {
                        if graph.section(graph.block(block).section).lifetime == Lifetime::ThreadLocal {
                            reach.mark_block(graph, block);
                        }
                    }
                }
            }
        }
        self.inputs.push(input);
        self.units.push(Some(unit));
        self.reach.push(reach);
        self.unfollowed.push(index);
        self.input_of.insert(unit, index);
        Ok(index)
    }

    /// Makes live what a symbol was bound to.
    fn reach(&mut self, binding: Binding) {
        let Binding::Input { input, symbol } = binding else { return };
        let index = input as usize;
        if self.reach[index].mark_symbol(&mut self.inputs[index].graph, symbol) {
            self.wanted.push((input, symbol));
        }
        self.unfollowed.push(input);
    }

    /// Follows edges and binds externals until nothing is left to do, or to be found.
    fn follow(&mut self) -> Result<()> {
        loop {
            while let Some(input) = self.unfollowed.pop() {
                let wanted = &mut self.wanted;
                let graph = &mut self.inputs[input as usize].graph;
                self.reach[input as usize].follow(graph, |symbol| wanted.push((input, symbol)));
            }
            if self.wanted.is_empty() {
                return Ok(());
            }
            self.bind_wanted()?;
        }
    }

    /// Binds the externals of a wave.
    fn bind_wanted(&mut self) -> Result<()> {
        let wave = std::mem::take(&mut self.wanted);
        let mut unfound: Vec<(DylibId, Vec<Unfound>)> = Vec::new();
        for &(input, symbol) in &wave {
            let of = &self.inputs[input as usize];
            let (dylib, symbol) = (DylibId(of.dylib), of.graph.symbol(symbol));
            let Some(name) = symbol.shared_name() else { continue };
            if self.found.contains_key(&(dylib, name)) {
                continue;
            }
            let unfound_name =
                Unfound { name, thread_local: symbol.thread_local, weak: symbol.linkage == Linkage::Weak };
            match unfound.iter_mut().find(|(of, _)| *of == dylib) {
                Some((_, names)) => names.push(unfound_name),
                None => unfound.push((dylib, vec![unfound_name])),
            }
        }
        for (dylib, names) in unfound {
            self.look_up(dylib, &names)?;
        }
        for (input, symbol) in wave {
            let of = &self.inputs[input as usize];
            let (dylib, from) = (DylibId(of.dylib), of.graph.symbol(symbol));
            let Some(name) = from.shared_name() else { continue };
            let missing = if from.linkage == Linkage::Weak { Binding::Missing } else { Binding::None };
            let binding = match self.found.get(&(dylib, name)).copied() {
                Some(binding) => binding,
                None if self.bind_special(input, symbol, name)? => continue,
                None => missing,
            };
            self.inputs[input as usize].bind(symbol, binding);
            self.reach(binding);
        }
        Ok(())
    }

    /// Looks names up in the link order of a JITDylib and enters what is found into `found`.
    fn look_up(&mut self, dylib: DylibId, names: &[Unfound]) -> Result<()> {
        let mut unfound = Vec::new();
        for &name in names {
            if !self.look_up_in_tables(dylib, name.name)? && !self.found.contains_key(&(dylib, name.name)) {
                unfound.push(name);
            }
        }
        if unfound.is_empty() {
            return Ok(());
        }
        unfound.sort_by_key(|unfound| (unfound.name, unfound.weak));
        unfound.dedup_by_key(|unfound| unfound.name);
        self.generate(dylib, unfound)
    }

    /// Whether the tables have a definition; then it is entered into `found`.
    fn look_up_in_tables(&mut self, dylib: DylibId, name: NameId) -> Result<bool> {
        let Some((definer, entry)) = self.session.state().find(dylib, name, self.session.name_pool())? else {
            return Ok(false);
        };
        let binding = match (entry.address, entry.by) {
            (Some(Address::ThreadLocal(address)), DefinedBy::Unit(..)) if definer == dylib => {
                Binding::LinkedThreadLocal(address)
            }
            (Some(Address::ThreadLocal(address)), _) => Binding::OutsideThreadLocal(address),
            (Some(Address::At(address)), DefinedBy::Unit(..)) if definer == dylib => Binding::Linked(address),
            (Some(Address::At(address)), _) => Binding::Outside(address),
            (None, DefinedBy::Unit(unit, symbol)) => Binding::Input { input: self.adopt(unit)?, symbol },
            (None, _) => return Ok(false),
        };
        self.found.insert((dylib, name), binding);
        Ok(true)
    }

    /// Asks the generators of the link order for names, one JITDylib after the other.
    fn generate(&mut self, dylib: DylibId, mut unfound: Vec<Unfound>) -> Result<()> {
        let order = self.session.state().dylib(dylib)?.link_order.clone();
        for (searched, _) in order {
            let generators = self.session.state().dylib(searched)?.generators.clone();
            let searched = JitDylib::new(self.session.clone(), searched);
            for generator in generators {
                if unfound.is_empty() {
                    return Ok(());
                }
                let bytes: Vec<Vec<u8>> = {
                    let names = self.session.names();
                    unfound.iter().map(|unfound| names.bytes(unfound.name).to_vec()).collect()
                };
                let wanted: Vec<_> = unfound
                    .iter()
                    .zip(&bytes)
                    .map(|(unfound, name)| Wanted { name, thread_local: unfound.thread_local, weak: unfound.weak })
                    .collect();
                generator.generate(&searched, &wanted)?;
                self.rebind_overridden();
                let mut still_unfound = Vec::with_capacity(unfound.len());
                for name in unfound {
                    if !self.look_up_in_tables(dylib, name.name)? {
                        still_unfound.push(name);
                    }
                }
                unfound = still_unfound;
            }
        }
        Ok(())
    }

    /// A pulled member may define strongly what an object of this batch defines weakly.
    fn rebind_overridden(&mut self) {
        let overridden = std::mem::take(&mut self.session.state().overridden);
        for (unit, symbol) in overridden {
            let Some(&input) = self.input_of.get(&unit) else { continue };
            let of = &mut self.inputs[input as usize];
            of.graph.make_external(symbol);
            let name = of.graph.symbol(symbol).shared_name();
            if let Some(name) = name {
                self.found.remove(&(DylibId(of.dylib), name));
            }
            if of.graph.symbol(symbol).live {
                self.wanted.push((input, symbol));
            }
        }
    }

    /// Names that the linker itself defines. Their addresses are known when everything is placed.
    fn bind_special(&mut self, input: u32, symbol: SymbolId, name: NameId) -> Result<bool> {
        let text = self.session.names().text(name).into_owned();
        let what = if text == "_GLOBAL_OFFSET_TABLE_" {
            Late::GotBase
        } else if text == "_TLS_MODULE_BASE_" {
            Late::TlsBase
        } else if let Some(section) = text.strip_prefix("__start_") {
            if !self.reach_section(input, section)? {
                return Ok(false);
            }
            Late::SectionStart(section.into())
        } else if let Some(section) = text.strip_prefix("__stop_") {
            if !self.reach_section(input, section)? {
                return Ok(false);
            }
            Late::SectionEnd(section.into())
        } else {
            return Ok(false);
        };
        self.late.push(LateSymbol { input, symbol, what });
        Ok(true)
    }

    /// Makes the blocks of all sections of that name live, in all objects of the JITDylib of `input`. Returns whether
    /// there are any, or were in an earlier batch.
    fn reach_section(&mut self, input: u32, section: &str) -> Result<bool> {
        let dylib = DylibId(self.inputs[input as usize].dylib);
        let (units, known) = {
            let state = self.session.state();
            let of = state.dylib(dylib)?;
            let with_section = |unit: &&UnitId| {
                let input = state.units.get(*unit).and_then(|unit| unit.input.as_ref());
                input.is_some_and(|input| input.graph.find_section(section).is_some())
            };
            let units: Vec<_> = of.units.iter().filter(with_section).copied().collect();
            (units, of.sections.contains_key(section))
        };
        for unit in units {
            self.adopt(unit)?;
        }
        let mut any = known;
        for (index, input) in (0u32..).zip(&mut self.inputs) {
            let graph = &mut input.graph;
            if DylibId(input.dylib) != dylib || graph.find_section(section).is_none() {
                continue;
            }
            any = true;
            for block in graph.block_ids() {
                if graph.section(graph.block(block).section).name == section {
                    self.reach[index as usize].mark_block(graph, block);
                }
            }
            self.unfollowed.push(index);
        }
        Ok(any)
    }

    /// The generators that a lookup in `dylib` asks, for messages.
    pub(super) fn searched(&self, dylib: DylibId) -> Vec<String> {
        let state = self.session.state();
        let Ok(order) = state.dylib(dylib).map(|dylib| dylib.link_order.clone()) else { return Vec::new() };
        let mut searched = Vec::new();
        let mut generators: Vec<Arc<dyn crate::generators::DefinitionGenerator>> = Vec::new();
        for (dylib, _) in order {
            let Ok(dylib) = state.dylib(dylib) else { continue };
            searched.push(format!("JITDylib '{}'", dylib.name));
            generators.extend(dylib.generators.iter().cloned());
        }
        drop(state);
        searched.extend(generators.iter().map(|generator| generator.describe()));
        searched
    }
}
