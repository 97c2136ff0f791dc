//! Adding definitions. Which one counts when a name is defined more than once is a matter of [`linkjit_link::rules`].
//! What was found in a library is replaced by all but what has vague linkage, of which a process has one (see
//! [`super::vague`]).
//!
//! All is checked before anything is changed, so that a unit is added whole or not at all.

use std::cell::LazyCell;

use linkjit_executor::ExecRange;
use linkjit_link::arch::Arch;
use linkjit_link::graph::{BlockId, Definition, LinkGraph, Linkage, Request, Scope, Symbol, SymbolId};
use linkjit_link::link::Input;
use linkjit_link::names::{NameId, NamePool};
use linkjit_link::rules::{self, Candidate, Verdict};
use linkjit_link::{LinkError, Site};

use super::groups::{GroupOwner, Yields};
use super::inherit::{Inheritance, Yielded};
use super::pending::{Promise, agrees};
use super::state::{Address, DefinedBy, DylibId, Entry, Pulled, Replaced, State, TrackerId, Unit, UnitId};
use super::vague::is_vague;
use crate::error::{Error, Result};

#[cold]
fn duplicate(graph: &LinkGraph, names: &NamePool, name: NameId, first: &str) -> Error {
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
        // Nothing here can run it.
        if graph.arch() != Arch::HOST {
            let what = format!("an object for {}, not for {}", graph.arch(), Arch::HOST);
            return Err(LinkError::NotLinkable { site: Site::file(graph.source().name().clone()), what }.into());
        }
        self.platform.on_object(&mut graph, names);
        let defined = graph.symbols().iter().filter(|symbol| !symbol.is_external());
        self.mend_vague(dylib, defined.filter_map(Symbol::shared_name));
        self.check_requests(dylib, &graph)?;
        let mut yields = self.yield_groups(dylib, tracker, &mut graph, promise, names)?;
        let replaced_groups = self.replace_groups(dylib, std::mem::take(&mut yields.replaced));
        let defined = self.define_selected(dylib, tracker, (graph, yields, &replaced_groups), names, promise);
        if defined.is_err() {
            self.inherit(replaced_groups);
        }
        defined
    }

    /// Adds an object of whose groups it is known which are kept.
    fn define_selected(
        &mut self,
        dylib: DylibId,
        tracker: TrackerId,
        (mut graph, yields, replaced_groups): (LinkGraph, Yields, &Inheritance),
        names: &NamePool,
        promise: Option<&Promise>,
    ) -> Result<(UnitId, Vec<Replaced>)> {
        let takes_over = promise.filter(|promise| promise.is_first).map(|promise| promise.unit);
        let id = takes_over.unwrap_or_else(|| self.next_unit());
        let Yields { names: mut yielded, groups: yielded_groups, .. } = yields;
        let is_of_replaced_group =
            |name: NameId| replaced_groups.names.binary_search_by_key(&name, |&(_, replaced, _)| replaced).is_ok();
        // What happens to each definition; nothing if nobody else has the name.
        let mut verdicts: Vec<(SymbolId, NameId, Option<Verdict>)> = Vec::with_capacity(graph.symbols().len());
        let mut hides = Vec::new();
        let grouped = LazyCell::new(|| graph.shared_blocks());
        for symbol in graph.symbol_ids() {
            let of = graph.symbol(symbol);
            let Some(name) = of.shared_name() else { continue };
            let is_grouped = |block: BlockId| grouped.binary_search(&block).is_ok();
            if of.is_external() {
                if of.scope == Scope::Hidden {
                    hides.push(name);
                }
                continue;
            }
            if self.allocator.has_name(name) && self.yields_to_process(dylib, of) {
                verdicts.push((symbol, name, Some(Verdict::Yields)));
                continue;
            }
            let verdict = match self.dylib(dylib)?.symbols.get(&name) {
                None => None,
                Some(old) if promise.is_some_and(|promise| old.by == DefinedBy::Pending(promise.unit)) => {
                    let promised = promise.and_then(|promise| promise.flags(name));
                    if !promised.is_some_and(|promised| agrees(promised, of.linkage, of.scope)) {
                        let unexpected = vec![names.text(name).into_owned()];
                        return Err(Error::Promise { missing: Vec::new(), unexpected });
                    }
                    None
                }
                Some(old) if old.by == DefinedBy::Found && is_vague(of, is_grouped) => Some(Verdict::Yields),
                Some(old) if old.by == DefinedBy::Found => Some(Verdict::Replaces),
                Some(old) => Some(rules::compare(&of.into(), &self.candidate(old), self.is_linked(old))),
            };
            if verdict == Some(Verdict::Conflicts) {
                return Err(duplicate(&graph, names, name, &self.definer(dylib, name)));
            }
            verdicts.push((symbol, name, verdict));
        }
        // Two definitions of one name within a unit: the reader of the object did not object, we do.
        let mut defined: Vec<NameId> = verdicts.iter().map(|&(_, name, _)| name).collect();
        defined.sort_unstable();
        if let Some(twice) = defined.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(duplicate(&graph, names, twice[0], graph.name()));
        }

        let new = verdicts.iter().filter(|(.., verdict)| verdict.is_none()).count();
        self.check_definitions(usize::from(takes_over.is_none()), new)?;

        // The names of its groups that yielded may become its own one day.
        defined.extend(yielded.iter().map(|yielded| yielded.name));

        let has_trackers = self.dylib(dylib)?.has_trackers;
        let mut replaced = Vec::new();
        for &name in &hides {
            *self.dylib_mut(dylib)?.hidden.entry(name).or_default() += 1;
        }
        for (symbol, name, verdict) in verdicts {
            let of = graph.symbol(symbol);
            let (linkage, scope, definition) = (of.linkage, of.scope, of.definition);
            let old = match verdict {
                None if promise.is_none() => None,
                _ => self.dylib(dylib)?.symbols.get(&name).copied(),
            };
            if verdict == Some(Verdict::Yields) {
                if linkage == Linkage::Common
                    && let Some(old) = old
                {
                    self.raise_alignment(&old, &graph, symbol);
                }
                // An alias that was made for vague linkage stands for its definition, too.
                let is_others = |old: Entry| {
                    self.is_vague_alias(dylib, name, &old) || has_trackers && self.is_of_another(tracker, old.by)
                };
                if old.is_some_and(is_others) {
                    yielded.push(Yielded::new(name, symbol, graph.symbol(symbol)));
                    self.contest(dylib, name)?;
                }
                graph.make_external(symbol);
                if let Some(entry) = old.filter(|old| old.scope < scope) {
                    self.narrow_scope(dylib, name, scope)?;
                    replaced.push(Replaced { dylib, name, entry, symbol: None });
                }
                continue;
            }
            if let Some(old) = old {
                replaced.push(Replaced { dylib, name, entry: old, symbol: self.symbol_of(&old) });
                if let (Linkage::Common, DefinedBy::Unit(unit, winner)) = (old.linkage, old.by)
                    && linkage == Linkage::Common
                {
                    self.copy_alignment(unit, winner, &mut graph, symbol);
                }
            }
            let address = match definition {
                Definition::Absolute(address) => Some(Address::At(address)),
                _ => None,
            };
            let scope = old.map_or(scope, |old| old.scope.max(scope));
            let contested = old.is_some_and(|old| {
                self.is_vague_alias(dylib, name, &old) || has_trackers && self.yield_to(tracker, name, &old)
            });
            let contested = contested || is_of_replaced_group(name);
            if let Some(old) = old {
                self.override_definition(&old);
            }
            let entry = Entry { by: DefinedBy::Unit(id, symbol), linkage, scope, address, contested };
            self.dylib_mut(dylib)?.symbols.insert(name, entry);
        }

        self.enter_requests(dylib, id, &graph)?;
        let groups: Vec<_> = graph.groups().iter().map(|group| group.signature).collect();
        let of = self.dylib_mut(dylib)?;
        for group in graph.groups() {
            let contested = replaced_groups.groups.binary_search(&(dylib, group.signature)).is_ok();
            let owner = GroupOwner { unit: id, selection: group.selection, contested };
            of.groups.entry(group.signature).or_insert(owner);
        }
        let includes = graph.requests().iter().any(|request| matches!(request, Request::Include(_)));
        let has_roots = includes || !graph.retained().is_empty();
        let name = graph.source().name().clone();
        let input = Some(Box::new(Input::new(graph, dylib.0, ExecRange::default())));
        let unit = Unit {
            input,
            has_roots,
            names: defined,
            groups,
            hides,
            yielded,
            yielded_groups,
            ..Unit::new(name, dylib, tracker)
        };
        match takes_over {
            // It keeps its place in the order in which things were added.
            Some(id) => {
                let dylib = self.dylib_mut(dylib)?;
                dylib.heirs.extend(unit.heirs(id));
                if has_roots {
                    dylib.roots.insert(id);
                }
                self.units.insert(id, unit);
            }
            None => self.add_unit(id, unit)?,
        }
        Ok((id, replaced))
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
        address: Address,
        linkage: Linkage,
        names: &NamePool,
    ) -> Result<()> {
        self.define_other(dylib, name, DefinedBy::Outside, Some(address), linkage, names)
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
        self.define_other(dylib, name, DefinedBy::Alias(target.0, target.1), None, Linkage::Strong, names)
    }

    fn define_other(
        &mut self,
        dylib: DylibId,
        name: NameId,
        by: DefinedBy,
        address: Option<Address>,
        linkage: Linkage,
        names: &NamePool,
    ) -> Result<()> {
        match self.verdict(dylib, name, linkage)? {
            Some(Verdict::Yields) => Ok(()),
            Some(Verdict::Conflicts) => Err(Error::Duplicate {
                name: names.text(name).into_owned(),
                first: self.definer(dylib, name),
                second: if by == DefinedBy::Outside { "an address".into() } else { "an alias".into() },
            }),
            verdict => {
                if verdict.is_none() && linkage == Linkage::Strong {
                    self.check_definitions(0, 1)?;
                }
                let entry = Entry { by, linkage, scope: Scope::Default, address, contested: false };
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
        match self.dylib(dylib).ok().and_then(|dylib| dylib.symbols.get(&name)).map(|entry| entry.by) {
            Some(DefinedBy::Unit(unit, _) | DefinedBy::Pending(unit)) => {
                self.units.get(&unit).map_or_else(|| "a removed object".into(), |unit| unit.name.to_string())
            }
            Some(DefinedBy::Alias(..)) => "an alias".into(),
            Some(DefinedBy::Outside) | None => "an address".into(),
            Some(DefinedBy::Found) => "a library".into(),
        }
    }

    /// Whether a definition may be in use. An absolute one has its address from the beginning.
    fn is_linked(&self, entry: &Entry) -> bool {
        let absolute = |symbol: Symbol| matches!(symbol.definition, Definition::Absolute(_));
        let unit = |unit| self.units.get(&unit);
        match entry.by {
            DefinedBy::Unit(of, _) if entry.address.is_some() => {
                unit(of).is_some_and(|unit| unit.started) || !self.symbol_of(entry).is_some_and(absolute)
            }
            // A batch that has found everything is as good as linked.
            DefinedBy::Unit(of, _) => {
                self.batch.is_some_and(|batch| batch.is_placing) && unit(of).is_some_and(|unit| unit.input.is_none())
            }
            DefinedBy::Pending(of) => unit(of).and_then(|unit| unit.pending.as_ref()).is_some_and(|of| of.is_taken()),
            DefinedBy::Outside | DefinedBy::Found | DefinedBy::Alias(..) => entry.address.is_some(),
        }
    }

    fn candidate(&self, entry: &Entry) -> Candidate {
        let value = match entry.address {
            Some(Address::At(address)) => Some(address),
            _ => None,
        };
        Candidate { linkage: entry.linkage, size: self.symbol_of(entry).map_or(0, |symbol| symbol.size), value }
    }

    /// The symbol of a definition, if its unit is at hand.
    fn symbol_of(&self, entry: &Entry) -> Option<Symbol> {
        let DefinedBy::Unit(unit, symbol) = entry.by else { return None };
        let input = self.units.get(&unit).and_then(|unit| unit.input.as_ref())?;
        Some(input.graph.symbol(symbol).clone())
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

    /// The same for a lookup that had to wait after it had pulled something; others may have linked that meanwhile, then
    /// all of it stays.
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
        let Some(of) = units.get_mut(&unit) else { return };
        if let Some(dylib) = dylibs.get_mut(&of.dylib) {
            for yielded in of.yielded.extract_if(.., |yielded| yielded.symbol == id) {
                dylib.heirs.remove(&yielded.heir(unit));
            }
        }
        let Some(input) = &mut of.input else { return };
        input.graph.make_definition(id, symbol.definition, symbol.linkage, symbol.indirect);
    }

    /// A tentative definition that yields to a larger one still has a say in its alignment.
    fn raise_alignment(&mut self, winner: &Entry, graph: &LinkGraph, loser: SymbolId) {
        let DefinedBy::Unit(unit, symbol) = winner.by else { return };
        let Some(align) = graph.symbol(loser).block().map(|block| graph.block(block).align_log2) else { return };
        let Some(input) = self.units.get_mut(&unit).and_then(|unit| unit.input.as_mut()) else { return };
        if winner.linkage == Linkage::Common
            && let Some(block) = input.graph.symbol(symbol).block()
        {
            let block = input.graph.block_mut(block);
            block.align_log2 = block.align_log2.max(align);
        }
    }

    fn copy_alignment(&self, unit: UnitId, loser: SymbolId, graph: &mut LinkGraph, winner: SymbolId) {
        let Some(input) = self.units.get(&unit).and_then(|unit| unit.input.as_ref()) else { return };
        let Some(align) = input.graph.symbol(loser).block().map(|block| input.graph.block(block).align_log2) else {
            return;
        };
        if let Some(block) = graph.symbol(winner).block() {
            let block = graph.block_mut(block);
            block.align_log2 = block.align_log2.max(align);
        }
    }

    /// The most constraining visibility of all definitions counts.
    fn narrow_scope(&mut self, dylib: DylibId, name: NameId, scope: Scope) -> Result<()> {
        if let Some(entry) = self.dylib_mut(dylib)?.symbols.get_mut(&name) {
            entry.scope = entry.scope.max(scope);
        }
        Ok(())
    }
}
