//! The tables of symbols: which definition of a name counts. [`linkjit_link::rules`] decides which one counts when a name is defined more than once. Any
//! definition replaces what was found in a library, except one with vague linkage, of which a process has one (see
//! [`super::vague`]).

use linkjit_executor::ExecAddr;
use linkjit_link::graph::{Definition, Linkage, Scope, Symbol, SymbolId};
use linkjit_link::names::{NameId, NamePool};
use linkjit_link::rules::{self, Candidate, Verdict};

use super::{Address, DefinedBy, DylibId, Entry, ObjectId, State, SymbolFlags};
use crate::error::{Error, Result};

impl State {
    /// Notes that somebody else has a definition of a name, too.
    pub(super) fn contest(&mut self, dylib: DylibId, name: NameId) -> Result<()> {
        if let Some(entry) = self.dylib_mut(dylib)?.symbols.get_mut(&name) {
            entry.contested = true;
        }
        Ok(())
    }

    /// Adds a definition by address. An object's strong definition conflicts with it.
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

    /// Says what happens to a new definition without a size; nothing if nobody else has the name.
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
        let DefinedBy::Object(object, symbol) = old.by else { return };
        match self.objects.get_mut(&object).and_then(|object| object.input.as_mut()) {
            Some(input) => input.graph.make_external(symbol),
            // A batch has it: the batch will see to it.
            None => self.overridden.push((object, symbol)),
        }
    }

    /// Describes the definer of a name for errors.
    pub(crate) fn definer(&self, dylib: DylibId, name: NameId) -> String {
        match self.entry(dylib, name).map(|entry| entry.by) {
            Some(DefinedBy::Object(object, _) | DefinedBy::Pending(object)) => {
                self.objects.get(&object).map_or_else(|| "a removed object".into(), |object| object.name.to_string())
            }
            Some(DefinedBy::Alias(..)) => "an alias".into(),
            Some(DefinedBy::Outside) | None => "an address".into(),
            Some(DefinedBy::Found) => "a library".into(),
        }
    }

    /// Says whether a definition may be in use. An absolute one has its address from the beginning.
    pub(super) fn is_linked(&self, entry: &Entry) -> bool {
        let absolute = |symbol: Symbol| matches!(symbol.definition, Definition::Absolute(_));
        let object = |object| self.objects.get(&object);
        match entry.by {
            DefinedBy::Object(id, _) if entry.address.is_some() => {
                object(id).is_some_and(|object| object.started) || !self.symbol_of(entry).is_some_and(absolute)
            }
            // A batch that has found everything is as good as linked.
            DefinedBy::Object(id, _) => {
                self.batch.is_some_and(|batch| batch.is_placing)
                    && object(id).is_some_and(|object| object.input.is_none())
            }
            DefinedBy::Pending(id) => {
                object(id).and_then(|object| object.pending.as_ref()).is_some_and(|pending| pending.is_taken())
            }
            DefinedBy::Outside | DefinedBy::Found | DefinedBy::Alias(..) => entry.address.is_some(),
        }
    }

    pub(super) fn candidate(&self, entry: &Entry) -> Candidate {
        let size = self.symbol_of(entry).map_or(0, |symbol| symbol.size);
        Candidate { linkage: entry.linkage, size, value: entry.plain_address() }
    }

    /// The symbol of a definition, if its object is at hand.
    pub(super) fn symbol_of(&self, entry: &Entry) -> Option<Symbol> {
        let DefinedBy::Object(object, symbol) = entry.by else { return None };
        Some(self.input(object)?.graph.symbol(symbol).clone())
    }

    /// The definitions of objects that a batch has out of the tables which others have replaced: it sees to them.
    pub(crate) fn take_overridden(&mut self) -> Vec<(ObjectId, SymbolId)> {
        std::mem::take(&mut self.overridden)
    }
}
