//! Adding an object: its COMDAT groups are chosen, then the session decides about each of its definitions, before it
//! changes anything. So it adds the object as a whole or not at all.

use std::cell::LazyCell;

use linkjit_executor::ExecRange;
use linkjit_link::graph::{BlockId, Definition, LinkGraph, Linkage, Request, Scope, Symbol, SymbolId};
use linkjit_link::input::Input;
use linkjit_link::names::{NameId, NamePool};
use linkjit_link::rules::{self, Verdict};

use super::groups::{GroupOwner, Yields};
use super::inherit::{Yielded, YieldedGroup};
use super::pending::{Promise, agrees};
use super::pulled::Replaced;
use super::{Address, DefinedBy, DylibId, Entry, Inheritance, Object, ObjectId, State, TrackerId, foreign, is_vague};
use crate::error::{Error, Result};

/// An object that is being added, with what comes of that.
pub(super) struct Addition<'a> {
    dylib: DylibId,
    tracker: TrackerId,
    names: &'a NamePool,
    graph: LinkGraph,
    /// The promise of the unit that delivers it, if one does.
    promise: Option<&'a Promise>,
    /// The names and groups of other objects that its own groups have replaced.
    replaced_groups: &'a Inheritance,
    /// Its definitions that have yielded to others.
    yielded: Vec<Yielded>,
    yielded_groups: Vec<YieldedGroup>,
    /// The entries of others that its own have replaced.
    replaced: Vec<Replaced>,
}

/// A definition of an object, with the verdict on it; no verdict if nobody else has the name.
#[derive(Clone, Copy)]
struct Judged {
    symbol: SymbolId,
    name: NameId,
    verdict: Option<Verdict>,
}

impl Addition<'_> {
    #[cold]
    fn duplicate(&self, name: NameId, first: &str) -> Error {
        let second = self.graph.name().into();
        Error::Duplicate { name: self.names.text(name).into_owned(), first: first.into(), second }
    }
}

impl State {
    /// Adds an object. Returns what it has replaced, too.
    pub(crate) fn define_object(
        &mut self,
        dylib: DylibId,
        tracker: TrackerId,
        graph: LinkGraph,
        names: &NamePool,
    ) -> Result<(ObjectId, Vec<Replaced>)> {
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
    ) -> Result<(ObjectId, Vec<Replaced>)> {
        if !self.has_tracker(tracker) {
            return Err(Error::TrackerRemoved);
        }
        foreign::check_arch(&graph, self.target)?;
        self.platform.on_object(&mut graph, names);
        let defined = graph.symbols().iter().filter(|symbol| !symbol.is_external());
        self.mend_vague(dylib, defined.filter_map(Symbol::global_name));
        self.check_requests(dylib, &graph)?;
        let Yields { names: yielded, groups: yielded_groups, replaced } =
            self.yield_groups(dylib, tracker, &mut graph, promise, names)?;
        let left = self.replace_groups(dylib, replaced);
        let (replaced_groups, replaced) = (&left, Vec::new());
        let new =
            Addition { dylib, tracker, names, graph, promise, replaced_groups, yielded, yielded_groups, replaced };
        let defined = self.add_selected(new);
        if defined.is_err() {
            self.inherit(left);
        }
        defined
    }

    /// Adds an object of whose groups it is known which are kept.
    fn add_selected(&mut self, mut new: Addition<'_>) -> Result<(ObjectId, Vec<Replaced>)> {
        let takes_over = new.promise.filter(|promise| promise.is_first).map(|promise| promise.object);
        let id = takes_over.unwrap_or_else(|| self.next_object());
        let (judged, hides) = self.judge(&new)?;
        let mut names = distinct_names(&judged).map_err(|twice| new.duplicate(twice, new.graph.name()))?;
        let fresh = judged.iter().filter(|judged| judged.verdict.is_none()).count();
        self.check_definitions(usize::from(takes_over.is_none()), fresh)?;

        // The names of its groups that yielded may become its own one day.
        names.extend(new.yielded.iter().map(|yielded| yielded.name));
        for judged in judged {
            let old = match judged.verdict {
                None if new.promise.is_none() => None,
                _ => self.entry(new.dylib, judged.name).copied(),
            };
            match judged.verdict {
                Some(Verdict::Yields) => self.give_way(&mut new, judged, old)?,
                _ => self.take_name(&mut new, id, judged, old)?,
            }
        }
        self.enter_requests(new.dylib, id, &new.graph)?;
        let groups = self.enter_groups(&new, id)?;
        let Addition { dylib, tracker, graph, yielded, yielded_groups, replaced, .. } = new;
        let includes = graph.requests.iter().any(|request| matches!(request, Request::Include(_)));
        let has_roots = includes || !graph.retained.is_empty();
        let name = graph.source().name().clone();
        let input = Some(Box::new(Input::new(graph, dylib.0, ExecRange::default())));
        let record = Object::new(name, dylib, tracker);
        let object = Object { input, has_roots, names, groups, hides, yielded, yielded_groups, ..record };
        // One that takes over keeps its place in the order in which things were added.
        self.enter_object(id, object)?;
        Ok((id, replaced))
    }

    /// Finds out what is to happen to each name of an object; and the names that it refers to as hidden.
    fn judge(&mut self, new: &Addition<'_>) -> Result<(Vec<Judged>, Vec<NameId>)> {
        let graph = &new.graph;
        let (mut found, mut hides) = (Vec::with_capacity(graph.symbols().len()), Vec::new());
        let grouped = LazyCell::new(|| graph.shared_blocks());
        let is_grouped = |block: BlockId| grouped.binary_search(&block).is_ok();
        for symbol in graph.symbol_ids() {
            let definition = graph.symbol(symbol);
            let Some(name) = definition.global_name() else { continue };
            if definition.is_external() {
                hides.extend(Some(name).filter(|_| definition.scope == Scope::Hidden));
                continue;
            }
            let verdict = if self.allocator.has_name(name) && self.yields_to_process(new.dylib, definition) {
                Some(Verdict::Yields)
            } else {
                self.verdict_on(new, definition, name, is_grouped)?
            };
            if verdict == Some(Verdict::Conflicts) {
                return Err(new.duplicate(name, &self.definer(new.dylib, name)));
            }
            found.push(Judged { symbol, name, verdict });
        }
        Ok((found, hides))
    }

    /// Judges a definition; `None` if nobody else has the name.
    fn verdict_on(
        &self,
        new: &Addition<'_>,
        definition: &Symbol,
        name: NameId,
        is_grouped: impl Fn(BlockId) -> bool,
    ) -> Result<Option<Verdict>> {
        let Some(old) = self.dylib(new.dylib)?.symbols.get(&name) else { return Ok(None) };
        if let Some(promise) = new.promise.filter(|promise| old.by == DefinedBy::Pending(promise.object)) {
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

    /// Makes a definition a reference to the one that has its name.
    fn give_way(&mut self, new: &mut Addition<'_>, judged: Judged, old: Option<Entry>) -> Result<()> {
        let Judged { symbol, name, .. } = judged;
        let Symbol { linkage, scope, .. } = *new.graph.symbol(symbol);
        if linkage == Linkage::Common
            && let Some(old) = old
        {
            self.share_alignment(&old, &mut new.graph, symbol);
        }
        // An alias that was made for vague linkage stands for its definition, too.
        let is_others = |old: Entry| {
            self.is_vague_alias(new.dylib, name, &old)
                || self.has_trackers(new.dylib) && self.is_of_another(new.tracker, old.by)
        };
        if old.is_some_and(is_others) {
            new.yielded.push(Yielded::new(name, symbol, new.graph.symbol(symbol)));
            self.contest(new.dylib, name)?;
        }
        new.graph.make_external(symbol);
        if let Some(entry) = old.filter(|old| old.scope < scope) {
            self.narrow_scope(new.dylib, name, scope)?;
            new.replaced.push(Replaced { dylib: new.dylib, name, entry, symbol: None });
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
        new: &mut Addition<'_>,
        object: ObjectId,
        Judged { symbol, name, .. }: Judged,
        old: Option<Entry>,
    ) -> Result<()> {
        let Symbol { linkage, mut scope, definition, .. } = *new.graph.symbol(symbol);
        let mut contested = new.replaced_groups.names.binary_search_by_key(&name, |&(_, replaced, _)| replaced).is_ok();
        if let Some(old) = old {
            new.replaced.push(Replaced { dylib: new.dylib, name, entry: old, symbol: self.symbol_of(&old) });
            if linkage == Linkage::Common {
                self.share_alignment(&old, &mut new.graph, symbol);
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
        let entry = Entry { by: DefinedBy::Object(object, symbol), linkage, scope, address, contested };
        self.dylib_mut(new.dylib)?.symbols.insert(name, entry);
        Ok(())
    }

    /// Makes an object the owner of the groups of its graph that nobody has; returns the signatures of all.
    fn enter_groups(&mut self, new: &Addition<'_>, object: ObjectId) -> Result<Vec<NameId>> {
        let owned = &mut self.dylib_mut(new.dylib)?.groups;
        for group in &new.graph.groups {
            let contested = new.replaced_groups.groups.binary_search(&(new.dylib, group.signature)).is_ok();
            let owner = GroupOwner { object, selection: group.selection, contested };
            owned.entry(group.signature).or_insert(owner);
        }
        Ok(new.graph.groups.iter().map(|group| group.signature).collect())
    }

    /// Tentative definitions have a say in the alignment of the one that counts.
    fn share_alignment(&mut self, old: &Entry, graph: &mut LinkGraph, symbol: SymbolId) {
        let (Linkage::Common, DefinedBy::Object(object, other)) = (old.linkage, old.by) else { return };
        if let Some(input) = self.objects.get_mut(&object).and_then(|object| object.input.as_mut()) {
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

/// The names of definitions, sorted; the one that an object defines twice is an error. The reader of the object did not
/// object, we do.
fn distinct_names(judged: &[Judged]) -> Result<Vec<NameId>, NameId> {
    let mut names: Vec<NameId> = judged.iter().map(|judged| judged.name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(twice) => Err(twice[0]),
        None => Ok(names),
    }
}
