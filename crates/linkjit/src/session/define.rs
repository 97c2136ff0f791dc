//! Adding definitions. [`linkjit_link::rules`] decides which one counts when a name is defined more than once. Any
//! definition replaces what was found in a library, except one with vague linkage, of which a process has one (see
//! [`super::vague`]).
//!
//! The session checks everything before it changes anything, so that it adds a unit as a whole or not at all.

use linkjit_executor::ExecAddr;
use linkjit_link::graph::{Definition, LinkGraph, Linkage, Scope, Symbol, SymbolId};
use linkjit_link::names::{NameId, NamePool};
use linkjit_link::rules::{self, Candidate, Verdict};

use super::addition::Addition;
use super::foreign;
use super::pending::{Promise, SymbolFlags};
use super::state::{Address, DefinedBy, DylibId, Entry, Pulled, Replaced, State, TrackerId, UnitId};
use crate::error::{Error, Result};

#[cold]
pub(super) fn duplicate(graph: &LinkGraph, names: &NamePool, name: NameId, first: &str) -> Error {
    Error::Duplicate { name: names.text(name).into_owned(), first: first.into(), second: graph.name().into() }
}

impl State {
    /// Adds an object. Returns what it has replaced, too.
    pub(crate) fn define_unit(
        &mut self,
        dylib: DylibId,
        tracker: TrackerId,
        graph: LinkGraph,
        names: &NamePool,
    ) -> Result<(UnitId, Vec<Replaced>)> {
        self.define_graph(dylib, tracker, graph, names, None)
    }

    /// Adds an object, which may be what a unit has promised.
    pub(super) fn define_graph(
        &mut self,
        dylib: DylibId,
        tracker: TrackerId,
        mut graph: LinkGraph,
        names: &NamePool,
        promise: Option<&Promise>,
    ) -> Result<(UnitId, Vec<Replaced>)> {
        if !self.trackers.contains_key(&tracker) {
            return Err(Error::TrackerRemoved);
        }
        foreign::check_arch(&graph, self.target)?;
        self.platform.on_object(&mut graph, names);
        let defined = graph.symbols().iter().filter(|symbol| !symbol.is_external());
        self.mend_vague(dylib, defined.filter_map(Symbol::global_name));
        self.check_requests(dylib, &graph)?;
        let mut yields = self.yield_groups(dylib, tracker, &mut graph, promise, names)?;
        let replaced_groups = self.replace_groups(dylib, std::mem::take(&mut yields.replaced));
        let new = Addition { dylib, tracker, names, promise, replaced_groups: &replaced_groups };
        let defined = self.add_selected(new, graph, yields);
        if defined.is_err() {
            self.inherit(replaced_groups);
        }
        defined
    }

    /// Notes that somebody else has a definition of a name, too.
    pub(super) fn contest(&mut self, dylib: DylibId, name: NameId) -> Result<()> {
        if let Some(entry) = self.dylib_mut(dylib)?.symbols.get_mut(&name) {
            entry.contested = true;
        }
        Ok(())
    }

    /// Adds a definition by address. A unit's strong definition conflicts with it.
    pub(crate) fn define_address(
        &mut self,
        dylib: DylibId,
        name: NameId,
        address: ExecAddr,
        SymbolFlags { linkage, scope, .. }: SymbolFlags,
        names: &NamePool,
    ) -> Result<()> {
        let (by, address) = (DefinedBy::Outside, Some(Address::At(address)));
        self.define_other(dylib, name, Entry { by, linkage, scope, address, contested: false }, names)
    }

    /// Adds what a library or the runtime was found to have, unless something else defines the name.
    pub(crate) fn define_found(&mut self, dylib: DylibId, name: NameId, address: Address) -> Result<()> {
        if self.dylib(dylib)?.symbols.contains_key(&name) {
            return Ok(());
        }
        let (by, linkage, scope) = (DefinedBy::Found, Linkage::Weak, Scope::Default);
        self.install(dylib, name, Entry { by, linkage, scope, address: Some(address), contested: false })
    }

    /// Adds another name for a definition.
    pub(crate) fn define_alias(
        &mut self,
        dylib: DylibId,
        name: NameId,
        target: (DylibId, NameId),
        names: &NamePool,
    ) -> Result<()> {
        if (dylib, name) == target {
            return Err(Error::AliasCycle { name: names.text(name).into_owned() });
        }
        self.define_other(dylib, name, Entry::alias(target), names)
    }

    fn define_other(&mut self, dylib: DylibId, name: NameId, entry: Entry, names: &NamePool) -> Result<()> {
        match self.verdict(dylib, name, entry.linkage)? {
            Some(Verdict::Yields) => Ok(()),
            Some(Verdict::Conflicts) => Err(Error::Duplicate {
                name: names.text(name).into_owned(),
                first: self.definer(dylib, name),
                second: if entry.by == DefinedBy::Outside { "an address".into() } else { "an alias".into() },
            }),
            verdict => {
                if verdict.is_none() && entry.linkage == Linkage::Strong {
                    self.check_definitions(0, 1)?;
                }
                self.install(dylib, name, entry)
            }
        }
    }

    /// What happens to a new definition without a size; nothing if nobody else has the name.
    pub(super) fn verdict(&self, dylib: DylibId, name: NameId, linkage: Linkage) -> Result<Option<Verdict>> {
        let new = Candidate { linkage, size: 0, value: None };
        let old = self.dylib(dylib)?.symbols.get(&name);
        Ok(old.map(|old| match old.by {
            DefinedBy::Found if linkage == Linkage::Strong => Verdict::Replaces,
            _ => rules::compare(&new, &self.candidate(old), self.is_linked(old)),
        }))
    }

    /// Enters a definition in place of one that it replaces, if there is one.
    pub(super) fn install(&mut self, dylib: DylibId, name: NameId, mut entry: Entry) -> Result<()> {
        // Whoever has yielded to what the alias stood for yields to this one.
        entry.contested |= self.vague.remove(&(dylib, name));
        if let Some(old) = self.dylib_mut(dylib)?.symbols.insert(name, entry) {
            self.override_definition(&old);
        }
        Ok(())
    }

    /// Makes the symbol of a definition that lost a reference to the one that won.
    pub(super) fn override_definition(&mut self, old: &Entry) {
        let DefinedBy::Unit(unit, symbol) = old.by else { return };
        match self.units.get_mut(&unit).and_then(|unit| unit.input.as_mut()) {
            Some(input) => input.graph.make_external(symbol),
            // A batch has it: the batch will see to it.
            None => self.overridden.push((unit, symbol)),
        }
    }

    /// What an error calls the one who defines a name.
    pub(crate) fn definer(&self, dylib: DylibId, name: NameId) -> String {
        match self.entry(dylib, name).map(|entry| entry.by) {
            Some(DefinedBy::Unit(unit, _) | DefinedBy::Pending(unit)) => {
                self.units.get(&unit).map_or_else(|| "a removed object".into(), |unit| unit.name.to_string())
            }
            Some(DefinedBy::Alias(..)) => "an alias".into(),
            Some(DefinedBy::Outside) | None => "an address".into(),
            Some(DefinedBy::Found) => "a library".into(),
        }
    }

    /// Whether a definition may be in use. An absolute one has its address from the beginning.
    pub(super) fn is_linked(&self, entry: &Entry) -> bool {
        let absolute = |symbol: Symbol| matches!(symbol.definition, Definition::Absolute(_));
        let unit = |unit| self.units.get(&unit);
        match entry.by {
            DefinedBy::Unit(id, _) if entry.address.is_some() => {
                unit(id).is_some_and(|unit| unit.started) || !self.symbol_of(entry).is_some_and(absolute)
            }
            // A batch that has found everything is as good as linked.
            DefinedBy::Unit(id, _) => {
                self.batch.is_some_and(|batch| batch.is_placing) && unit(id).is_some_and(|unit| unit.input.is_none())
            }
            DefinedBy::Pending(id) => {
                unit(id).and_then(|unit| unit.pending.as_ref()).is_some_and(|pending| pending.is_taken())
            }
            DefinedBy::Outside | DefinedBy::Found | DefinedBy::Alias(..) => entry.address.is_some(),
        }
    }

    pub(super) fn candidate(&self, entry: &Entry) -> Candidate {
        let value = match entry.address {
            Some(Address::At(address)) => Some(address),
            _ => None,
        };
        Candidate { linkage: entry.linkage, size: self.symbol_of(entry).map_or(0, |symbol| symbol.size), value }
    }

    /// The symbol of a definition, if its unit is at hand.
    pub(super) fn symbol_of(&self, entry: &Entry) -> Option<Symbol> {
        let DefinedBy::Unit(unit, symbol) = entry.by else { return None };
        Some(self.input(unit)?.graph.symbol(symbol).clone())
    }

    /// Adds an object for the batch that is being linked.
    pub(crate) fn pull(
        &mut self,
        dylib: DylibId,
        tracker: TrackerId,
        graph: LinkGraph,
        names: &NamePool,
    ) -> Result<UnitId> {
        let (unit, replaced) = self.define_unit(dylib, tracker, graph, names)?;
        self.pulled.push(unit);
        self.replaced.extend(replaced);
        Ok(unit)
    }

    /// Hands over what was pulled for a batch that has to wait for something.
    pub(crate) fn hand_pulled_over(&mut self, to: &mut Pulled) {
        to.units.append(&mut self.pulled);
        to.replaced.append(&mut self.replaced);
    }

    /// The definitions of objects that a batch has out of the tables which others have replaced: it sees to them.
    pub(crate) fn take_overridden(&mut self) -> Vec<(UnitId, SymbolId)> {
        std::mem::take(&mut self.overridden)
    }

    /// Keeps what was pulled for a batch.
    pub(crate) fn keep_pulled(&mut self) {
        self.pulled.clear();
        self.replaced.clear();
    }

    /// Removes what was pulled for a batch, and gives what it had replaced its names back. `rebound` are definitions of
    /// the batch's own units that it had replaced.
    pub(crate) fn forget_pulled(&mut self, rebound: &[(UnitId, SymbolId, Symbol)]) {
        let (pulled, replaced) = (std::mem::take(&mut self.pulled), std::mem::take(&mut self.replaced));
        self.forget(&pulled, replaced);
        for (unit, id, symbol) in rebound.iter().rev() {
            self.restore_symbol(*unit, *id, symbol);
        }
    }

    /// The same for a lookup that had to wait after it had pulled something; others may have linked that meanwhile,
    /// then all of it stays.
    pub(crate) fn forget_unused(&mut self, pulled: Pulled) {
        if !pulled.units.iter().any(|id| self.units.get(id).is_some_and(|unit| unit.started)) {
            self.forget(&pulled.units, pulled.replaced);
            for (unit, id, symbol) in pulled.rebound.iter().rev() {
                self.restore_symbol(*unit, *id, symbol);
            }
        }
    }

    /// Removes units as if they had never been added; gives what they had replaced its names back.
    pub(crate) fn forget(&mut self, units: &[UnitId], replaced: Vec<Replaced>) {
        let left = self.remove_units(units);
        for replaced in replaced.into_iter().rev() {
            if let (DefinedBy::Unit(unit, id), Some(symbol)) = (replaced.entry.by, &replaced.symbol) {
                self.restore_symbol(unit, id, symbol);
            }
            let Ok(dylib) = self.dylib_mut(replaced.dylib) else { continue };
            match dylib.symbols.get_mut(&replaced.name) {
                None => {
                    dylib.symbols.insert(replaced.name, replaced.entry);
                }
                Some(entry) if entry.by == replaced.entry.by => entry.scope = replaced.entry.scope,
                // Somebody else took the name meanwhile.
                Some(_) => {}
            }
        }
        self.inherit(left);
    }

    fn restore_symbol(&mut self, unit: UnitId, id: SymbolId, symbol: &Symbol) {
        let Self { dylibs, units, .. } = self;
        let Some(record) = units.get_mut(&unit) else { return };
        if let Some(dylib) = dylibs.get_mut(&record.dylib) {
            for yielded in record.yielded.extract_if(.., |yielded| yielded.symbol == id) {
                dylib.heirs.remove(&yielded.heir(unit));
            }
        }
        let Some(input) = &mut record.input else { return };
        input.graph.make_definition(id, symbol.definition, symbol.linkage, symbol.indirect);
    }
}
