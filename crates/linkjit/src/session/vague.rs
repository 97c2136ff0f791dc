//! Vague linkage: what C++ has in every object that uses it, and a process has once: inline functions and variables,
//! template instantiations, static variables of inline functions with their guards, type information.
//!
//! Within a JITDylib weak definitions and COMDAT groups see to that. Beyond it a definition yields to one that code of its
//! JITDylib would find if it had none: in a library that is loaded, or in another JITDylib. The program's code and the
//! library's then have one variable, and compare equal what is equal. Of JITDylibs that search each other, the one whose
//! definition is linked first has it for all; if none is, the older one.
//!
//! A definition that yields to a library's does so for good: the library stays. One that yields to a JITDylib's becomes an
//! alias for it, and counts again when that goes. A JITDylib can't be closed while code of others is bound to what it shares.

use linkjit_link::graph::{LinkGraph, Linkage, Scope, Symbol, SymbolId};
use linkjit_link::names::NameId;

use super::groups::surrender;
use super::inherit::{Inheritance, Yielded};
use super::state::{Address, DefinedBy, DylibId, Entry, State, UnitId};
use crate::jitdylib::MatchScope;

/// Longer chains of aliases are not followed.
const SHORT_ALIAS_CHAIN: usize = 8;

/// Where else a definition is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Elsewhere {
    /// In another JITDylib, by that name.
    Dylib(DylibId, NameId),
    /// In a library, or wherever the user says.
    Outside(Address),
}

/// Whether a definition is one of many that are alike, so that any serves for all: exported weak data, and functions of
/// COMDAT groups. A weak function without a group is a default that its author means to be overridden by the linker's
/// rules, not by whatever library has the name.
pub(crate) fn is_vague(graph: &LinkGraph, symbol: &Symbol) -> bool {
    let is_grouped =
        || symbol.block().is_some_and(|block| graph.groups().iter().any(|group| group.blocks.contains(&block)));
    symbol.linkage == Linkage::Weak && symbol.scope == Scope::Default && (!symbol.callable || is_grouped())
}

impl State {
    /// The definition of a name that code of `dylib` finds in `searched`, another JITDylib, if that is to be the one for
    /// both.
    pub(crate) fn vague_definition(
        &self,
        dylib: DylibId,
        (searched, mut scope): (DylibId, MatchScope),
        name: NameId,
    ) -> Option<Elsewhere> {
        let mut at = (searched, name);
        for _ in 0..SHORT_ALIAS_CHAIN {
            if at.0 == dylib {
                return None;
            }
            let entry = self.dylib(at.0).ok()?.visible(at.1, scope)?;
            let searches_back =
                || self.dylib(at.0).is_ok_and(|of| of.link_order.iter().any(|&(other, _)| other == dylib));
            match entry.by {
                DefinedBy::Alias(of, target) => (at, scope) = ((of, target), MatchScope::All),
                DefinedBy::Outside | DefinedBy::Found => return entry.address.map(Elsewhere::Outside),
                DefinedBy::Unit(..) if entry.address.is_some() || at.0 < dylib || !searches_back() => {
                    return Some(Elsewhere::Dylib(at.0, at.1));
                }
                DefinedBy::Unit(..) | DefinedBy::Pending(_) => return None,
            }
        }
        None
    }

    /// Makes definitions of a unit references to what others have; `groups` are the COMDAT groups of the graph, by index,
    /// that go with them. What is returned gives back what yields to JITDylibs.
    pub(crate) fn yield_vague(
        &mut self,
        (dylib, id): (DylibId, UnitId),
        graph: &mut LinkGraph,
        symbols: &[(SymbolId, NameId, Elsewhere)],
        groups: &[usize],
    ) -> Inheritance {
        let mut left = Inheritance::default();
        let Self { dylibs, units, vague, .. } = self;
        let Some(unit) = units.get_mut(&id) else { return left };
        for &(symbol, name, elsewhere) in symbols {
            let by_dylib = matches!(elsewhere, Elsewhere::Dylib(..));
            if by_dylib {
                vague.insert((dylib, name));
                unit.yielded.push(Yielded::new(name, symbol, graph.symbol(symbol)));
                left.names.push((dylib, name, None));
            }
            graph.make_external(symbol);
            let (by, address) = match elsewhere {
                Elsewhere::Dylib(of, target) => (DefinedBy::Alias(of, target), None),
                Elsewhere::Outside(address) => (DefinedBy::Found, Some(address)),
            };
            if let Elsewhere::Dylib(of, target) = elsewhere
                && let Some(entry) = dylibs.get_mut(&of).and_then(|of| of.symbols.get_mut(&target))
            {
                entry.contested = true;
            }
            let Some(of) = dylibs.get_mut(&dylib) else { continue };
            let contested = of.symbols.get(&name).is_some_and(|old| old.contested);
            let entry = Entry { by, linkage: Linkage::Weak, scope: Scope::Default, address, contested };
            of.symbols.insert(name, entry);
            if by_dylib && let Some(yielded) = unit.yielded.last() {
                of.heirs.insert(yielded.heir(id));
            }
        }
        let lost: Vec<_> = groups.iter().map(|&group| (group, !left.names.is_empty())).collect();
        let (names, yielded) = surrender(graph, &lost);
        debug_assert!(names.is_empty(), "all names of the groups are references already");
        if let Some(of) = dylibs.get_mut(&dylib) {
            for group in &yielded {
                of.heirs.insert(group.heir(id));
                left.groups.push((dylib, group.signature));
            }
        }
        unit.yielded_groups.extend(yielded);
        left
    }

    /// Gives back what yielded to definitions of JITDylibs.
    pub(crate) fn take_back_vague(&mut self, left: Inheritance) {
        for &(dylib, name, _) in &left.names {
            let Some(of) = self.dylibs.get_mut(&dylib) else { continue };
            let is_alias = self.vague.remove(&(dylib, name));
            if is_alias && of.symbols.get(&name).is_some_and(|entry| matches!(entry.by, DefinedBy::Alias(..))) {
                of.symbols.remove(&name);
            }
        }
        // Only groups that have yielded have heirs who may have them back.
        for &(dylib, signature) in &left.groups {
            let Some(of) = self.dylibs.get_mut(&dylib) else { continue };
            let owner = of.groups.get(&signature).and_then(|owner| self.units.get(&owner.unit));
            if owner.is_some_and(|owner| owner.yielded_groups.iter().any(|group| group.signature == signature)) {
                of.groups.remove(&signature);
            }
        }
        self.inherit(left);
    }

    /// Takes back that definitions have yielded to some that are not there any more, if that is so: their JITDylibs may have
    /// lost them to an update, or in whatever way.
    #[inline]
    pub(crate) fn mend_vague(&mut self, dylib: DylibId, names: impl IntoIterator<Item = NameId>) {
        if self.vague.is_empty() {
            return;
        }
        for name in names {
            if self.leads_nowhere(dylib, name) {
                self.take_back_vague(self.yielded_here(dylib, name, None));
            }
        }
    }

    /// Whether a name is an alias that was made for vague linkage, and what it stands for is gone.
    fn leads_nowhere(&self, dylib: DylibId, name: NameId) -> bool {
        let mut at = (dylib, name);
        for followed in 0..SHORT_ALIAS_CHAIN {
            match self.dylib(at.0).ok().and_then(|of| of.symbols.get(&at.1)).map(|entry| entry.by) {
                Some(DefinedBy::Alias(of, target)) if self.vague.contains(&at) => at = (of, target),
                Some(_) => return false,
                None => return followed > 0,
            }
        }
        true
    }

    /// What a JITDylib gets back of a name that is an alias.
    fn yielded_here(&self, dylib: DylibId, name: NameId, address: Option<Address>) -> Inheritance {
        let has_group = self.dylib(dylib).is_ok_and(|of| of.groups.contains_key(&name));
        let groups = has_group.then_some((dylib, name)).into_iter().collect();
        Inheritance { names: vec![(dylib, name, address)], groups }
    }

    /// Gives back what yielded in other JITDylibs to a definition of `dylib`, if nobody has taken its place there.
    /// `address` is where it was linked.
    pub(super) fn restore_vague(&mut self, dylib: DylibId, name: NameId, address: Option<Address>) {
        if self.dylib(dylib).is_ok_and(|of| of.symbols.contains_key(&name)) {
            return;
        }
        let mut left = Inheritance::default();
        for (&other, of) in &self.dylibs {
            let is_alias = |entry: &Entry| entry.by == DefinedBy::Alias(dylib, name);
            if self.vague.contains(&(other, name)) && of.symbols.get(&name).is_some_and(is_alias) {
                left.append(self.yielded_here(other, name, address));
            }
        }
        if !left.names.is_empty() {
            self.take_back_vague(left);
        }
    }
}
