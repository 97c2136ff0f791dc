//! Adding an object, after its COMDAT groups were chosen. The session decides about each of the object's definitions
//! before it changes anything.

use std::cell::LazyCell;

use linkjit_executor::ExecRange;
use linkjit_link::graph::{BlockId, Definition, LinkGraph, Linkage, Request, Scope, Symbol, SymbolId};
use linkjit_link::input::Input;
use linkjit_link::names::{NameId, NamePool};
use linkjit_link::rules::{self, Verdict};

use super::define::duplicate;
use super::groups::{GroupOwner, Yields};
use super::inherit::{Inheritance, Yielded};
use super::pending::{Promise, agrees};
use super::state::{Address, DefinedBy, DylibId, Entry, Replaced, State, TrackerId, Unit, UnitId};
use super::vague::is_vague;
use crate::error::{Error, Result};

/// An object that is being added.
#[derive(Clone, Copy)]
pub(super) struct Addition<'a> {
    pub(super) dylib: DylibId,
    pub(super) tracker: TrackerId,
    pub(super) names: &'a NamePool,
    /// What the unit has promised that delivers it, if one does.
    pub(super) promise: Option<&'a Promise>,
    /// What the groups had that its own have replaced.
    pub(super) replaced_groups: &'a Inheritance,
}

/// The judgement on the names of an object.
#[derive(Default)]
struct Judgement {
    /// To each definition; nothing if nobody else has the name.
    verdicts: Vec<(SymbolId, NameId, Option<Verdict>)>,
    /// Names that it refers to as hidden.
    hides: Vec<NameId>,
}

/// A definition of an object, and who has its name.
#[derive(Clone, Copy)]
struct Contender {
    symbol: SymbolId,
    name: NameId,
    old: Option<Entry>,
}

/// The outcome for the definitions of an object, and for those of others.
struct Outcome {
    unit: UnitId,
    yielded: Vec<Yielded>,
    replaced: Vec<Replaced>,
}

impl Addition<'_> {
    fn duplicate(&self, graph: &LinkGraph, name: NameId, first: &str) -> Error {
        duplicate(graph, self.names, name, first)
    }
}

impl State {
    /// Adds an object of whose groups it is known which are kept.
    pub(super) fn add_selected(
        &mut self,
        new: Addition<'_>,
        mut graph: LinkGraph,
        yields: Yields,
    ) -> Result<(UnitId, Vec<Replaced>)> {
        let takes_over = new.promise.filter(|promise| promise.is_first).map(|promise| promise.unit);
        let id = takes_over.unwrap_or_else(|| self.next_unit());
        let Judgement { verdicts, hides } = self.judge(new, &graph)?;
        let mut defined = distinct_names(&verdicts).map_err(|twice| new.duplicate(&graph, twice, graph.name()))?;
        let fresh = verdicts.iter().filter(|(.., verdict)| verdict.is_none()).count();
        self.check_definitions(usize::from(takes_over.is_none()), fresh)?;

        // The names of its groups that yielded may become its own one day.
        defined.extend(yields.names.iter().map(|yielded| yielded.name));
        let mut outcome = Outcome { unit: id, yielded: yields.names, replaced: Vec::new() };
        self.enter_definitions(new, &mut graph, verdicts, &mut outcome)?;
        self.enter_requests(new.dylib, id, &graph)?;
        let groups = self.enter_groups(new, &graph, id)?;
        let includes = graph.requests.iter().any(|request| matches!(request, Request::Include(_)));
        let has_roots = includes || !graph.retained.is_empty();
        let name = graph.source().name().clone();
        let input = Some(Box::new(Input::new(graph, new.dylib.0, ExecRange::default())));
        let unit = Unit {
            input,
            has_roots,
            names: defined,
            groups,
            hides,
            yielded: outcome.yielded,
            yielded_groups: yields.groups,
            ..Unit::new(name, new.dylib, new.tracker)
        };
        // One that takes over keeps its place in the order in which things were added.
        self.enter_unit(id, unit)?;
        Ok((id, outcome.replaced))
    }

    /// Finds out what is to happen to each name of an object.
    fn judge(&mut self, new: Addition<'_>, graph: &LinkGraph) -> Result<Judgement> {
        let mut found = Judgement { verdicts: Vec::with_capacity(graph.symbols().len()), ..Judgement::default() };
        let grouped = LazyCell::new(|| graph.shared_blocks());
        let is_grouped = |block: BlockId| grouped.binary_search(&block).is_ok();
        for symbol in graph.symbol_ids() {
            let definition = graph.symbol(symbol);
            let Some(name) = definition.global_name() else { continue };
            if definition.is_external() {
                if definition.scope == Scope::Hidden {
                    found.hides.push(name);
                }
                continue;
            }
            let verdict = if self.allocator.has_name(name) && self.yields_to_process(new.dylib, definition) {
                Some(Verdict::Yields)
            } else {
                self.verdict_on(new, definition, name, is_grouped)?
            };
            if verdict == Some(Verdict::Conflicts) {
                return Err(new.duplicate(graph, name, &self.definer(new.dylib, name)));
            }
            found.verdicts.push((symbol, name, verdict));
        }
        Ok(found)
    }

    /// Judges a definition; `None` if nobody else has the name.
    fn verdict_on(
        &self,
        new: Addition<'_>,
        definition: &Symbol,
        name: NameId,
        is_grouped: impl Fn(BlockId) -> bool,
    ) -> Result<Option<Verdict>> {
        let Some(old) = self.dylib(new.dylib)?.symbols.get(&name) else { return Ok(None) };
        if let Some(promise) = new.promise.filter(|promise| old.by == DefinedBy::Pending(promise.unit)) {
            let promised = promise.flags(name);
            if !promised.is_some_and(|promised| agrees(promised, definition.linkage, definition.scope)) {
                let unexpected = vec![new.names.text(name).into_owned()];
                return Err(Error::Promise { missing: Vec::new(), unexpected });
            }
            return Ok(None);
        }
        Ok(Some(match old.by {
            DefinedBy::Found if is_vague(definition, is_grouped) => Verdict::Yields,
            DefinedBy::Found => Verdict::Replaces,
            _ => rules::compare(&definition.into(), &self.candidate(old), self.is_linked(old)),
        }))
    }

    /// Does what was found to be right with each definition.
    fn enter_definitions(
        &mut self,
        new: Addition<'_>,
        graph: &mut LinkGraph,
        verdicts: Vec<(SymbolId, NameId, Option<Verdict>)>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        for (symbol, name, verdict) in verdicts {
            let old = match verdict {
                None if new.promise.is_none() => None,
                _ => self.dylib(new.dylib)?.symbols.get(&name).copied(),
            };
            let contender = Contender { symbol, name, old };
            if verdict == Some(Verdict::Yields) {
                self.give_way(new, graph, contender, outcome)?;
            } else {
                self.take_name(new, graph, contender, outcome)?;
            }
        }
        Ok(())
    }

    /// Makes a definition a reference to the one that has its name.
    fn give_way(
        &mut self,
        new: Addition<'_>,
        graph: &mut LinkGraph,
        Contender { symbol, name, old }: Contender,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let Symbol { linkage, scope, .. } = *graph.symbol(symbol);
        if linkage == Linkage::Common
            && let Some(old) = old
        {
            self.share_alignment(&old, graph, symbol);
        }
        // An alias that was made for vague linkage stands for its definition, too.
        let is_others = |old: Entry| {
            self.is_vague_alias(new.dylib, name, &old)
                || self.has_trackers(new.dylib) && self.is_of_another(new.tracker, old.by)
        };
        if old.is_some_and(is_others) {
            outcome.yielded.push(Yielded::new(name, symbol, graph.symbol(symbol)));
            self.contest(new.dylib, name)?;
        }
        graph.make_external(symbol);
        if let Some(entry) = old.filter(|old| old.scope < scope) {
            self.narrow_scope(new.dylib, name, scope)?;
            outcome.replaced.push(Replaced { dylib: new.dylib, name, entry, symbol: None });
        }
        Ok(())
    }

    fn has_trackers(&self, dylib: DylibId) -> bool {
        self.dylib(dylib).is_ok_and(|dylib| dylib.has_trackers)
    }

    /// Gives a definition its name, which is free or whose owner it replaces.
    #[inline]
    fn take_name(
        &mut self,
        new: Addition<'_>,
        graph: &mut LinkGraph,
        Contender { symbol, name, old }: Contender,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let Symbol { linkage, mut scope, definition, .. } = *graph.symbol(symbol);
        let mut contested = new.replaced_groups.names.binary_search_by_key(&name, |&(_, replaced, _)| replaced).is_ok();
        if let Some(old) = old {
            outcome.replaced.push(Replaced { dylib: new.dylib, name, entry: old, symbol: self.symbol_of(&old) });
            if linkage == Linkage::Common {
                self.share_alignment(&old, graph, symbol);
            }
            scope = old.scope.max(scope);
            contested |= self.is_vague_alias(new.dylib, name, &old)
                || self.has_trackers(new.dylib) && self.yield_to(new.tracker, name, &old);
            self.override_definition(&old);
        }
        let address = match definition {
            Definition::Absolute(address) => Some(Address::At(address)),
            _ => None,
        };
        let entry = Entry { by: DefinedBy::Unit(outcome.unit, symbol), linkage, scope, address, contested };
        self.dylib_mut(new.dylib)?.symbols.insert(name, entry);
        Ok(())
    }

    /// Makes a unit the owner of the groups of its graph that nobody has; returns the signatures of all.
    fn enter_groups(&mut self, new: Addition<'_>, graph: &LinkGraph, unit: UnitId) -> Result<Vec<NameId>> {
        let owned = &mut self.dylib_mut(new.dylib)?.groups;
        for group in &graph.groups {
            let contested = new.replaced_groups.groups.binary_search(&(new.dylib, group.signature)).is_ok();
            let owner = GroupOwner { unit, selection: group.selection, contested };
            owned.entry(group.signature).or_insert(owner);
        }
        Ok(graph.groups.iter().map(|group| group.signature).collect())
    }

    /// Tentative definitions have a say in the alignment of the one that counts.
    fn share_alignment(&mut self, old: &Entry, graph: &mut LinkGraph, symbol: SymbolId) {
        let (Linkage::Common, DefinedBy::Unit(unit, other)) = (old.linkage, old.by) else { return };
        if let Some(input) = self.units.get_mut(&unit).and_then(|unit| unit.input.as_mut()) {
            rules::share_alignment((graph, symbol), (&mut input.graph, other));
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

/// The names of definitions, sorted; the one that a unit defines twice is an error. The reader of the object did not
/// object, we do.
fn distinct_names(verdicts: &[(SymbolId, NameId, Option<Verdict>)]) -> Result<Vec<NameId>, NameId> {
    let mut names: Vec<NameId> = verdicts.iter().map(|&(_, name, _)| name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(twice) => Err(twice[0]),
        None => Ok(names),
    }
}
