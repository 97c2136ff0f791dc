//! Adding definitions: who wins when a name is defined more than once.
//!
//! | new \ old | strong    | common       | weak      |
//! |-----------|-----------|--------------|-----------|
//! | strong    | error     | replaces it  | replaces  |
//! | common    | yields    | larger wins  | replaces  |
//! | weak      | yields    | yields       | yields    |
//!
//! A definition that is linked already is not replaced: a strong one beside it is an error, and so is a larger common.
//! All is checked before anything is changed, so that a unit is added whole or not at all.

use linkjit_link::graph::{Definition, LinkGraph, Linkage, Scope, SymbolId};
use linkjit_link::link::Input;
use linkjit_link::names::{NameId, NamePool};

use super::state::{Address, DefinedBy, DylibId, Entry, State, TrackerId, Unit, UnitId};
use crate::error::{Error, Result};

/// What happens to a definition of the new unit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    New,
    Replaces,
    Yields,
    Conflicts,
}

fn verdict(new: Linkage, new_size: u64, old: &Entry, old_size: u64) -> Verdict {
    match (new, old.linkage) {
        (Linkage::Strong, Linkage::Strong) => Verdict::Conflicts,
        (Linkage::Weak, _) | (Linkage::Common, Linkage::Strong) => Verdict::Yields,
        (Linkage::Common, Linkage::Common) if new_size <= old_size => Verdict::Yields,
        _ if old.address.is_some() => match new {
            // A linked weak definition serves a tentative one of no more than its size as well.
            Linkage::Common if new_size <= old_size => Verdict::Yields,
            _ => Verdict::Conflicts,
        },
        _ => Verdict::Replaces,
    }
}

#[cold]
fn duplicate(graph: &LinkGraph, names: &NamePool, name: NameId, first: &str) -> Error {
    Error::Duplicate { name: names.text(name).into_owned(), first: first.into(), second: graph.name().into() }
}

impl State {
    /// Adds an object.
    pub(crate) fn define_unit(
        &mut self,
        dylib: DylibId,
        tracker: TrackerId,
        mut graph: LinkGraph,
        names: &NamePool,
    ) -> Result<UnitId> {
        if !self.trackers.contains_key(&tracker) {
            return Err(Error::TrackerRemoved);
        }
        let id = self.next_unit();
        self.yield_groups(dylib, &mut graph)?;

        let mut verdicts: Vec<(SymbolId, NameId, Verdict)> = Vec::new();
        for symbol in graph.symbol_ids() {
            let of = graph.symbol(symbol);
            let (Some(name), false) = (of.shared_name(), of.is_external()) else { continue };
            let verdict = match self.dylib(dylib)?.symbols.get(&name) {
                None => Verdict::New,
                Some(old) => verdict(of.linkage, of.size, old, self.size_of(old)),
            };
            if verdict == Verdict::Conflicts {
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

        for (symbol, name, verdict) in verdicts {
            let of = graph.symbol(symbol);
            let (linkage, scope, definition) = (of.linkage, of.scope, of.definition);
            let old = self.dylib(dylib)?.symbols.get(&name).copied();
            if verdict == Verdict::Yields {
                if linkage == Linkage::Common
                    && let Some(old) = old
                {
                    self.raise_alignment(&old, &graph, symbol);
                }
                graph.make_external(symbol);
                self.narrow_scope(dylib, name, scope)?;
                continue;
            }
            if let Some(old) = old {
                if let (Linkage::Common, DefinedBy::Unit(unit, winner)) = (old.linkage, old.by)
                    && linkage == Linkage::Common
                {
                    self.copy_alignment(unit, winner, &mut graph, symbol);
                }
                self.override_definition(&old);
            }
            let address = match definition {
                Definition::Absolute(address) => Some(Address::At(address)),
                _ => None,
            };
            let scope = old.map_or(scope, |old| old.scope.max(scope));
            let entry = Entry { by: DefinedBy::Unit(id, symbol), linkage, scope, address };
            self.dylib_mut(dylib)?.symbols.insert(name, entry);
        }

        for group in graph.groups() {
            self.dylib_mut(dylib)?.groups.entry(group.signature).or_insert(id);
        }
        let has_roots = !graph.retained().is_empty();
        let name = graph.source().name().clone();
        let input = Some(Box::new(Input { graph, bindings: Vec::new(), dylib: dylib.0 }));
        self.units.insert(id, Unit { name, dylib, tracker, input, started: false, has_roots, names: defined });
        self.dylib_mut(dylib)?.units.push(id);
        if let Some(tracker) = self.trackers.get_mut(&tracker) {
            tracker.units.push(id);
        }
        Ok(id)
    }

    /// Drops the COMDAT groups of a graph that another unit has already: their names become references.
    fn yield_groups(&self, dylib: DylibId, graph: &mut LinkGraph) -> Result<()> {
        let groups = &self.dylib(dylib)?.groups;
        let mut dropped = vec![];
        for group in graph.groups() {
            if groups.get(&group.signature).is_some_and(|owner| self.units.contains_key(owner)) {
                dropped.extend_from_slice(&group.blocks);
            }
        }
        if dropped.is_empty() {
            return Ok(());
        }
        dropped.sort_unstable();
        graph.discard_blocks(&dropped);
        for symbol in graph.symbol_ids() {
            let of = graph.symbol(symbol);
            if of.shared_name().is_some() && of.block().is_some_and(|block| dropped.binary_search(&block).is_ok()) {
                graph.make_external(symbol);
            }
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
        if let Some(old) = self.dylib(dylib)?.symbols.get(&name).copied() {
            match verdict(linkage, 0, &old, self.size_of(&old)) {
                Verdict::Yields => return Ok(()),
                Verdict::Conflicts => {
                    return Err(Error::Duplicate {
                        name: names.text(name).into_owned(),
                        first: self.definer(dylib, name),
                        second: if by == DefinedBy::Outside { "an address".into() } else { "an alias".into() },
                    });
                }
                Verdict::New | Verdict::Replaces => self.override_definition(&old),
            }
        }
        self.dylib_mut(dylib)?.symbols.insert(name, Entry { by, linkage, scope: Scope::Default, address });
        Ok(())
    }

    /// Makes the symbol of a definition that lost a reference to the one that won.
    fn override_definition(&mut self, old: &Entry) {
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
            Some(DefinedBy::Unit(unit, _)) => {
                self.units.get(&unit).map_or_else(|| "a removed object".into(), |unit| unit.name.to_string())
            }
            Some(DefinedBy::Alias(..)) => "an alias".into(),
            Some(DefinedBy::Outside) | None => "an address".into(),
        }
    }

    fn size_of(&self, entry: &Entry) -> u64 {
        let DefinedBy::Unit(unit, symbol) = entry.by else { return 0 };
        let input = self.units.get(&unit).and_then(|unit| unit.input.as_ref());
        input.map_or(0, |input| input.graph.symbol(symbol).size)
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

    /// Forgets units: their names, groups and pending initializers. The memory is the caller's business.
    pub(crate) fn remove_units(&mut self, remove: &[UnitId]) {
        for id in remove {
            let Some(unit) = self.units.remove(id) else { continue };
            let Ok(dylib) = self.dylib_mut(unit.dylib) else { continue };
            for name in unit.names {
                if dylib.symbols.get(&name).is_some_and(|entry| matches!(entry.by, DefinedBy::Unit(by, _) if by == *id))
                {
                    dylib.symbols.remove(&name);
                }
            }
            // The last ones added are the likeliest to go.
            if let Some(at) = dylib.units.iter().rposition(|unit| unit == id) {
                dylib.units.remove(at);
            }
            dylib.groups.retain(|_, owner| owner != id);
            dylib.pending_initializers.retain(|run| run.unit != *id);
            dylib.terminators.retain(|run| run.unit != *id);
        }
    }
}
