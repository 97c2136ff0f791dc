//! Units that are not materialized yet: their promises, and how they keep them.

use std::fmt;
use std::sync::Arc;

use linkjit_executor::ExecAddr;
use linkjit_link::graph::{LinkGraph, Linkage, Scope};
use linkjit_link::names::{NameId, NamePool};
use linkjit_link::rules::Verdict;

use super::{Address, DefinedBy, DylibId, Entry, ExecutionSession, Job, Object, ObjectId, State, TrackerId};
use crate::error::{Error, Result};

/// The promise of a unit that is added.
#[derive(Debug)]
pub(crate) struct Promised {
    /// The name of the unit in messages.
    pub(crate) name: Arc<str>,
    pub(crate) symbols: Vec<(NameId, SymbolFlags)>,
    /// It has initializers, too.
    pub(crate) has_roots: bool,
}

/// The properties of a symbol that are known before it is materialized.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SymbolFlags {
    /// The linkage says what happens if something else defines the name, too.
    pub linkage: Linkage,
    /// The scope says who sees it: everybody, or its own JITDylib only ([`Scope::Hidden`]).
    pub scope: Scope,
    /// It is a function.
    pub callable: bool,
}

impl SymbolFlags {
    /// A variable that everybody sees, and the only definition of its name.
    pub const DATA: Self = Self { linkage: Linkage::Strong, scope: Scope::Default, callable: false };
    /// A function that everybody sees, and the only definition of its name.
    pub const FUNCTION: Self = Self { callable: true, ..Self::DATA };

    /// The same, which yields to other definitions.
    #[must_use]
    pub const fn weak(self) -> Self {
        Self { linkage: Linkage::Weak, ..self }
    }

    /// The same, seen by its own JITDylib only.
    #[must_use]
    pub const fn hidden(self) -> Self {
        Self { scope: Scope::Hidden, ..self }
    }
}

/// A maker makes the definitions of a unit when they are wanted.
pub(crate) trait Maker: fmt::Debug + Send {
    /// Has the unit make its definitions, and hand them to [`ExecutionSession::deliver`] sooner or later.
    fn make(self: Box<Self>, session: &ExecutionSession, taken: Taken);
}

/// The part of a unit's record that it has until it is materialized.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Until somebody takes it to materialize it.
    maker: Option<Box<dyn Maker>>,
    /// The flags of the unit's names, in their order.
    flags: Vec<SymbolFlags>,
    /// Names that lookups want.
    requested: Vec<NameId>,
}

impl Pending {
    /// Says whether it is being materialized, so that its definitions are fixed.
    pub(super) fn is_taken(&self) -> bool {
        self.maker.is_none()
    }

    /// The flags that are promised for the unit's names, in their order.
    pub(super) fn flags(&self) -> &[SymbolFlags] {
        &self.flags
    }
}

/// A unit that is to be materialized now.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) object: ObjectId,
    pub(crate) name: Arc<str>,
    pub(crate) dylib: DylibId,
    /// The names that it is to define.
    pub(crate) symbols: Vec<(NameId, SymbolFlags)>,
    /// The names that others define by now.
    pub(crate) discarded: Vec<NameId>,
    pub(crate) requested: Vec<NameId>,
}

/// The promise of a unit that is being materialized.
#[derive(Debug)]
pub(super) struct Promise {
    pub(super) object: ObjectId,
    /// Sorted by name.
    symbols: Vec<(NameId, SymbolFlags)>,
    /// Says whether the next graph becomes the unit itself.
    pub(super) is_first: bool,
}

impl Promise {
    /// The flags that were promised for a name.
    pub(super) fn flags(&self, name: NameId) -> Option<SymbolFlags> {
        let at = self.symbols.binary_search_by_key(&name, |&(name, _)| name).ok()?;
        Some(self.symbols.get(at)?.1)
    }
}

/// A definition that needs no linking.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direct {
    Absolute(ExecAddr),
    Alias(DylibId, NameId),
}

/// Says whether a definition is what was promised. A tentative one may have become a weak one.
pub(super) fn agrees(promised: SymbolFlags, linkage: Linkage, scope: Scope) -> bool {
    let linkage = linkage == promised.linkage || (promised.linkage == Linkage::Common && linkage == Linkage::Weak);
    linkage && scope == promised.scope
}

impl State {
    /// Adds a unit that is to be materialized when one of its names is wanted: takes it out of `maker`, unless other
    /// definitions have all of its names already. All or nothing of it is added.
    pub(crate) fn define_pending(
        &mut self,
        dylib: DylibId,
        tracker: TrackerId,
        maker: &mut Option<Box<dyn Maker>>,
        promised: Promised,
        pool: &NamePool,
    ) -> Result<Option<ObjectId>> {
        if !self.trackers.contains_key(&tracker) {
            return Err(Error::TrackerRemoved);
        }
        let Promised { name: unit, mut symbols, has_roots } = promised;
        symbols.sort_unstable_by_key(|&(name, _)| name);
        let duplicate =
            |name, first| Error::Duplicate { name: pool.text(name).into_owned(), first, second: unit.to_string() };
        if let Some(twice) = symbols.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(duplicate(twice[0].0, unit.to_string()));
        }
        let (mut kept, mut yielded) = (Vec::with_capacity(symbols.len()), Vec::new());
        for &(symbol, flags) in &symbols {
            match self.verdict(dylib, symbol, flags.linkage)? {
                None | Some(Verdict::Replaces) => kept.push((symbol, flags)),
                Some(Verdict::Yields) => yielded.push(symbol),
                Some(Verdict::Conflicts) => return Err(duplicate(symbol, self.definer(dylib, symbol))),
            }
        }
        if kept.is_empty() && !has_roots {
            return Ok(None);
        }
        self.check_definitions(1, kept.len())?;
        let id = self.next_object();
        for symbol in yielded {
            let old = self.dylib(dylib)?.symbols.get(&symbol).map(|entry| entry.by);
            if old.is_some_and(|old| self.is_of_another(tracker, old)) {
                self.contest(dylib, symbol)?;
            }
        }
        for &(symbol, flags) in &kept {
            let old = self.dylib(dylib)?.symbols.get(&symbol).copied();
            let contested = old.is_some_and(|old| self.yield_to(tracker, symbol, &old));
            self.install(dylib, symbol, Entry { contested, ..promised_entry(id, flags) })?;
        }
        self.enter_pending(id, (dylib, tracker), Promised { name: unit, symbols, has_roots }, maker.take())?;
        Ok(Some(id))
    }

    /// Hands names that a unit has promised to another unit, which takes over from here.
    pub(crate) fn delegate(
        &mut self,
        from: ObjectId,
        maker: Box<dyn Maker>,
        mut promised: Promised,
    ) -> Result<ObjectId, (Error, Box<dyn Maker>)> {
        let Some(object) = self.objects.get(&from).filter(|object| object.pending.is_some()) else {
            return Err((Error::TrackerRemoved, maker));
        };
        let (dylib, tracker) = (object.dylib, object.tracker);
        promised.symbols.sort_unstable_by_key(|&(name, _)| name);
        promised.symbols.dedup_by_key(|&mut (name, _)| name);
        if !promised.symbols.iter().all(|&(name, _)| self.is_promised(dylib, name, from)) {
            return Err((Error::Foreign { what: "the unit is not responsible for a name that it delegates" }, maker));
        }
        let id = self.next_object();
        for &(symbol, flags) in &promised.symbols {
            // The JITDylib is there, and all names are.
            let _there = self.install(dylib, symbol, promised_entry(id, flags));
        }
        let _there = self.enter_pending(id, (dylib, tracker), promised, Some(maker));
        Ok(id)
    }

    fn enter_pending(
        &mut self,
        id: ObjectId,
        (dylib, tracker): (DylibId, TrackerId),
        Promised { name, symbols, has_roots }: Promised,
        maker: Option<Box<dyn Maker>>,
    ) -> Result<()> {
        let (names, flags) = symbols.into_iter().unzip();
        let pending = Some(Box::new(Pending { maker, flags, requested: Vec::new() }));
        self.enter_object(id, Object { has_roots, names, pending, ..Object::new(name, dylib, tracker) })
    }

    /// Says whether a unit has promised the definition of a name that counts, and has not delivered it.
    fn is_promised(&self, dylib: DylibId, name: NameId, by: ObjectId) -> bool {
        self.entry(dylib, name).is_some_and(|entry| entry.by == DefinedBy::Pending(by))
    }

    /// Says whether a unit is yet to be materialized.
    pub(crate) fn is_pending(&self, object: ObjectId) -> bool {
        self.objects.get(&object).is_some_and(|object| object.pending.is_some())
    }

    /// Finds the flags of a definition.
    pub(crate) fn flags(&self, name: NameId, entry: &Entry) -> SymbolFlags {
        let callable = match entry.by {
            DefinedBy::Pending(object) => {
                let object = self.objects.get(&object);
                let flags = object.and_then(|object| object.pending.as_ref()).map_or(&[][..], |pending| &pending.flags);
                let names = object.map_or(&[][..], |object| &object.names);
                names.iter().zip(flags).any(|(promised, flags)| *promised == name && flags.callable)
            }
            DefinedBy::Object(object, symbol) => {
                self.input(object).is_some_and(|input| input.graph.symbol(symbol).callable)
            }
            DefinedBy::Outside | DefinedBy::Found | DefinedBy::Alias(..) => false,
        };
        SymbolFlags { linkage: entry.linkage, scope: entry.scope, callable }
    }

    /// Notes that a lookup wants a name of a unit.
    pub(crate) fn request(&mut self, object: ObjectId, name: NameId) {
        if let Some(pending) = self.objects.get_mut(&object).and_then(|object| object.pending.as_mut())
            && !pending.requested.contains(&name)
        {
            pending.requested.push(name);
        }
    }

    /// Units that are being materialized.
    pub(super) fn units_begun(&self) -> impl Iterator<Item = ObjectId> {
        let is_begun = |object: &Object| object.pending.as_ref().is_some_and(|pending| pending.is_taken());
        self.objects.iter().filter(move |(_, object)| is_begun(object)).map(|(&id, _)| id)
    }

    /// The jobs of units that are not materialized yet.
    pub(super) fn pending_units(&self) -> impl Iterator<Item = Job> {
        self.objects.iter().filter(|(_, object)| object.pending.is_some()).map(|(&id, _)| Job::Unit(id))
    }

    /// The units of a JITDylib that nobody has begun with, in the order in which they were added.
    pub(crate) fn units_waiting(&self, dylib: DylibId) -> Vec<ObjectId> {
        let is_waiting = |object: &Object| object.pending.as_ref().is_some_and(|pending| !pending.is_taken());
        let objects = self.objects.iter().filter(|(_, object)| object.dylib == dylib && is_waiting(object));
        let mut units: Vec<_> = objects.map(|(&id, _)| id).collect();
        units.sort_unstable();
        units
    }

    /// Takes the maker of a unit, for other tables, with its promise.
    pub(super) fn take_maker(&mut self, unit: ObjectId) -> Option<(Option<Box<dyn Maker>>, Promised)> {
        let object = self.objects.get_mut(&unit)?;
        let pending = object.pending.as_mut()?;
        let symbols = object.names.iter().copied().zip(pending.flags.iter().copied()).collect();
        let promised = Promised { name: object.name.clone(), symbols, has_roots: object.has_roots };
        Some((pending.maker.take(), promised))
    }

    /// Gives a unit its maker back.
    pub(super) fn put_maker_back(&mut self, unit: ObjectId, maker: Option<Box<dyn Maker>>) {
        if let Some(pending) = self.objects.get_mut(&unit).and_then(|object| object.pending.as_mut()) {
            pending.maker = maker;
        }
    }

    /// Takes a unit out of the tables to be materialized. Its definitions are fixed from here on.
    pub(crate) fn take_pending(&mut self, id: ObjectId) -> Option<(Box<dyn Maker>, Taken)> {
        let object = self.objects.get_mut(&id)?;
        let pending = object.pending.as_mut()?;
        let maker = pending.maker.take()?;
        let requested = std::mem::take(&mut pending.requested);
        let (name, dylib) = (object.name.clone(), object.dylib);
        let object = self.objects.get(&id)?;
        let symbols =
            object.names.iter().copied().zip(object.pending.iter().flat_map(|pending| &pending.flags).copied());
        let (symbols, discarded): (Vec<_>, Vec<_>) = symbols.partition(|&(name, _)| self.is_promised(dylib, name, id));
        let discarded = discarded.into_iter().map(|(name, _)| name).collect();
        Some((maker, Taken { object: id, name, dylib, symbols, discarded, requested }))
    }

    /// Puts what a unit has delivered into its place: all, or nothing if that is an error, and the unit is still
    /// pending.
    pub(crate) fn deliver(
        &mut self,
        id: ObjectId,
        graphs: Vec<LinkGraph>,
        direct: &[(NameId, Direct)],
        pool: &NamePool,
    ) -> Result<()> {
        let Some(object) = self.objects.get_mut(&id) else { return Err(Error::TrackerRemoved) };
        let Some(pending) = object.pending.take() else { return Err(Error::TrackerRemoved) };
        let (dylib, tracker) = (object.dylib, object.tracker);
        let symbols = object.names.iter().copied().zip(pending.flags.iter().copied()).collect();
        let mut promise = Promise { object: id, symbols, is_first: true };
        let (mut made, mut replaced) = (Vec::new(), Vec::new());
        let defined = graphs.into_iter().try_for_each(|graph| {
            let (object, gone) = self.define_graph(dylib, tracker, graph, pool, Some(&promise))?;
            made.push(object);
            replaced.extend(gone);
            promise.is_first = false;
            Ok(())
        });
        let delivered = defined
            .and_then(|()| self.deliver_direct(dylib, &promise, direct, pool))
            .and_then(|()| self.check_promise(dylib, &promise, pool));
        if delivered.is_err() {
            self.forget(&made, replaced);
            let names = promise.symbols.iter().map(|&(name, _)| name).collect();
            let object = Object { names, pending: Some(pending), ..Object::new(Arc::default(), dylib, tracker) };
            self.objects.insert(id, object);
        } else if let Some(object) = self.objects.get_mut(&id) {
            self.statistics.units += 1;
            // Without a graph it stays as the owner of its names.
            if promise.is_first {
                object.names.clear();
                object.has_roots = false;
            }
            object.names.extend(direct.iter().map(|&(name, _)| name));
            if promise.is_first && object.names.is_empty() {
                // It has delegated everything.
                let left = self.remove_objects(&[id]);
                self.inherit(left);
            }
        }
        delivered
    }

    fn deliver_direct(
        &mut self,
        dylib: DylibId,
        promise: &Promise,
        direct: &[(NameId, Direct)],
        pool: &NamePool,
    ) -> Result<()> {
        for &(name, definition) in direct {
            let entry = self.dylib(dylib)?.symbols.get(&name);
            let ours = entry.is_some_and(|entry| entry.by == DefinedBy::Pending(promise.object));
            let Some(flags) = promise.flags(name).filter(|_| ours) else {
                let name = pool.text(name).into_owned();
                return Err(Error::Promise { missing: Vec::new(), unexpected: vec![name] });
            };
            let (by, address) = match definition {
                Direct::Absolute(address) => (DefinedBy::Outside, Some(Address::At(address))),
                Direct::Alias(other, target) => (DefinedBy::Alias(other, target), None),
            };
            let SymbolFlags { linkage, scope, .. } = flags;
            let contested = entry.is_some_and(|entry| entry.contested);
            let entry = Entry { by, linkage, scope, address, contested };
            self.dylib_mut(dylib)?.symbols.insert(name, entry);
            self.direct.entry(promise.object).or_default().push((name, by, linkage));
        }
        Ok(())
    }

    /// An error if something was promised and not delivered.
    fn check_promise(&self, dylib: DylibId, promise: &Promise, pool: &NamePool) -> Result<()> {
        self.dylib(dylib)?;
        let missing = promise.symbols.iter().filter(|&&(name, _)| self.is_promised(dylib, name, promise.object));
        let missing: Vec<_> = missing.map(|&(name, _)| pool.text(name).into_owned()).collect();
        if missing.is_empty() { Ok(()) } else { Err(Error::Promise { missing, unexpected: Vec::new() }) }
    }

    /// Gives up a unit that is being materialized: its names are free again.
    pub(crate) fn fail_pending(&mut self, id: ObjectId) {
        if self.objects.get_mut(&id).is_some_and(|object| object.pending.take().is_some()) {
            let left = self.remove_objects(&[id]);
            self.inherit(left);
        }
    }
}

/// The entry of a name that a unit has promised.
pub(super) fn promised_entry(object: ObjectId, flags: SymbolFlags) -> Entry {
    Entry {
        by: DefinedBy::Pending(object),
        linkage: flags.linkage,
        scope: flags.scope,
        address: None,
        contested: false,
    }
}
