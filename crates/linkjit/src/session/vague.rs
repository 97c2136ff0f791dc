//! Vague linkage: definitions that C++ puts into every object that uses them, and that a process must have once. These
//! are inline functions and variables, template instantiations, static variables of inline functions with their guards,
//! and type information.
//!
//! Within a JITDylib, weak definitions and COMDAT groups ensure that there is one. Beyond it, a definition yields to
//! the one that code of its JITDylib would find without it: in a library that is loaded, or in another JITDylib. The
//! program and the library then share one variable, and equal addresses compare equal. If JITDylibs search each other,
//! the one whose definition is linked first has it for all; if none is linked, the older one.
//!
//! A definition that yields to a library's does so for good, because the library stays. One that yields to a JITDylib's
//! becomes an alias for it, and counts again when that goes. A JITDylib can't be closed while code of others is bound
//! to what it shares. An update can't replace a variable that others are bound to, unless it keeps it.
//!
//! Definitions that are linked stay where they are. So a library that is opened later, or a JITDylib that is searched
//! later, may have a second one.

use std::sync::Arc;

use linkjit_link::graph::{BlockId, LinkGraph, Linkage, Scope, Symbol, SymbolId};
use linkjit_link::names::NameId;

use super::groups::surrender;
use super::inherit::Yielded;
use super::{Address, DefinedBy, DylibId, Entry, Inheritance, MatchScope, ObjectId, State, TrackerId};

/// Longer chains of aliases that users have made are not followed.
const SHORT_ALIAS_CHAIN: usize = 8;

/// The other place of a definition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Elsewhere {
    /// In another JITDylib, by that name.
    Dylib(DylibId, NameId),
    /// In a library.
    Outside(Address),
}

/// Says whether a definition is one of many that are alike, so that any serves for all: exported weak data, and functions of
/// COMDAT groups. A weak function without a group is a default that its author means to be overridden by the linker's
/// rules, not by whatever library has the name.
pub(crate) fn is_vague(symbol: &Symbol, is_grouped: impl FnOnce(BlockId) -> bool) -> bool {
    let is_alike = !symbol.callable || symbol.block().is_some_and(is_grouped);
    symbol.linkage == Linkage::Weak && symbol.scope == Scope::Default && is_alike
}

/// The definitions of a graph that are in COMDAT groups together: found out once, for a large object may be linked a function at a time.
#[derive(Debug)]
pub(crate) struct Together {
    /// The graph's revision that it is about.
    revision: u32,
    /// The blocks of COMDAT groups, in order, and which group each is in.
    group_of: Vec<(BlockId, usize)>,
    /// The named definitions of each group.
    members_of: Vec<Vec<SymbolId>>,
}

impl Together {
    fn new(graph: &LinkGraph) -> Self {
        let groups = graph.groups.iter().enumerate();
        let mut group_of: Vec<_> =
            groups.flat_map(|(index, group)| group.blocks.iter().map(move |&block| (block, index))).collect();
        group_of.sort_unstable();
        let members_of = vec![Vec::new(); graph.groups.len()];
        let mut together = Self { revision: graph.revision(), group_of, members_of };
        for (id, symbol) in graph.symbol_ids().zip(graph.symbols()) {
            let block = symbol.global_name().and(symbol.block());
            if let Some(group) = block.and_then(|block| together.group(block)) {
                together.members_of[group].push(id);
            }
        }
        together
    }

    /// The COMDAT group that a block is in, by index.
    pub(crate) fn group(&self, block: BlockId) -> Option<usize> {
        let at = self.group_of.binary_search_by_key(&block, |&(block, _)| block).ok()?;
        Some(self.group_of[at].1)
    }

    /// The named definitions that a group had when the graph was read, or since some were made anew.
    pub(crate) fn members(&self, group: usize) -> &[SymbolId] {
        self.members_of.get(group).map(Vec::as_slice).unwrap_or_default()
    }
}

impl State {
    /// The definition of a name that code of `dylib` finds in `searched`, another JITDylib, if that is to be the one
    /// for both.
    pub(crate) fn vague_definition(
        &self,
        dylib: DylibId,
        (searched, mut scope): (DylibId, MatchScope),
        name: NameId,
    ) -> Option<Elsewhere> {
        let mut at = (searched, name);
        for _ in 0..self.longest_chain() {
            let table = self.dylib(at.0).ok().filter(|_| at.0 != dylib)?;
            let entry = table.visible(at.1, scope)?;
            let searches_back = || table.link_order.iter().any(|&(other, _)| other == dylib);
            match entry.by {
                DefinedBy::Alias(other, target) => (at, scope) = ((other, target), MatchScope::All),
                DefinedBy::Found => return entry.address.map(Elsewhere::Outside),
                DefinedBy::Object(..) if entry.address.is_some() || at.0 < dylib || !searches_back() => {
                    return Some(Elsewhere::Dylib(at.0, at.1));
                }
                DefinedBy::Outside => return Some(Elsewhere::Dylib(at.0, at.1)),
                DefinedBy::Object(..) | DefinedBy::Pending(_) => return None,
            }
        }
        None
    }

    /// Says whether an entry of a name is an alias that was made for a definition which has yielded.
    pub(super) fn is_vague_alias(&self, dylib: DylibId, name: NameId, entry: &Entry) -> bool {
        matches!(entry.by, DefinedBy::Alias(..)) && self.vague.contains(&(dylib, name))
    }

    /// The number of aliases that a name may lead along: those that were made here, and some of the user's.
    fn longest_chain(&self) -> usize {
        SHORT_ALIAS_CHAIN.saturating_add(self.vague.len())
    }

    /// Finds what belongs together of the graph of an object, which a batch has.
    pub(crate) fn together(&mut self, object: ObjectId, graph: &LinkGraph) -> Option<Arc<Together>> {
        let known = &mut self.objects.get_mut(&object)?.together;
        if known.as_ref().is_none_or(|together| together.revision != graph.revision()) {
            *known = Some(Arc::new(Together::new(graph)));
        }
        known.clone()
    }

    /// Makes definitions of an object references to what others have; `groups` are the COMDAT groups of the graph, by
    /// index, that go with them, and whether to a JITDylib. What is returned gives back what yields to JITDylibs.
    pub(crate) fn yield_vague(
        &mut self,
        (dylib, id): (DylibId, ObjectId),
        graph: &mut LinkGraph,
        symbols: &[(SymbolId, NameId, Elsewhere)],
        groups: &[(usize, bool)],
    ) -> Inheritance {
        let mut left = Inheritance::default();
        let Self { dylibs, objects, vague, .. } = self;
        let Some(object) = objects.get_mut(&id) else { return left };
        for &(symbol, name, elsewhere) in symbols {
            let by_dylib = matches!(elsewhere, Elsewhere::Dylib(..));
            if by_dylib {
                vague.insert((dylib, name));
                object.yielded.push(Yielded::new(name, symbol, graph.symbol(symbol)));
                left.names.push((dylib, name, None));
            }
            graph.make_external(symbol);
            let (by, address) = match elsewhere {
                Elsewhere::Dylib(other, target) => {
                    let entry = dylibs.get_mut(&other).and_then(|table| table.symbols.get_mut(&target));
                    entry.into_iter().for_each(|entry| entry.contested = true);
                    (DefinedBy::Alias(other, target), None)
                }
                Elsewhere::Outside(address) => (DefinedBy::Found, Some(address)),
            };
            let Some(table) = dylibs.get_mut(&dylib) else { continue };
            let contested = table.symbols.get(&name).is_some_and(|old| old.contested);
            let entry = Entry { by, linkage: Linkage::Weak, scope: Scope::Default, address, contested };
            table.symbols.insert(name, entry);
            if by_dylib && let Some(yielded) = object.yielded.last() {
                table.heirs.insert(yielded.heir(id));
            }
        }
        let (names, yielded) = surrender(graph, groups);
        debug_assert!(names.is_empty(), "all names of the groups are references already");
        if let Some(table) = dylibs.get_mut(&dylib) {
            for group in &yielded {
                table.heirs.insert(group.heir(id));
                left.groups.push((dylib, group.signature));
            }
        }
        object.yielded_groups.extend(yielded);
        left
    }

    /// Gives back what yielded to definitions of JITDylibs. What these were linked to may be memory of `withdrawn`.
    pub(crate) fn take_back_vague(&mut self, left: Inheritance, withdrawn: Option<TrackerId>) {
        for &(dylib, name, _) in &left.names {
            self.remove_vague_alias(dylib, name);
        }
        // Only groups that have yielded have heirs who may have them back.
        for &(dylib, signature) in &left.groups {
            let Some(table) = self.dylibs.get_mut(&dylib) else { continue };
            let owner = table.groups.get(&signature).and_then(|owner| self.objects.get(&owner.object));
            if owner.is_some_and(|owner| owner.yielded_groups.iter().any(|group| group.signature == signature)) {
                table.groups.remove(&signature);
            }
        }
        self.inherit_from(left, withdrawn);
    }

    /// Forgets that a name is an alias for what another JITDylib has if nobody has yielded it any more.
    pub(super) fn drop_vague_alias(&mut self, dylib: DylibId, name: NameId) {
        if self.heirs(dylib, name).next().is_none() {
            self.remove_vague_alias(dylib, name);
        }
    }

    fn remove_vague_alias(&mut self, dylib: DylibId, name: NameId) {
        if self.vague.remove(&(dylib, name))
            && let Some(table) = self.dylibs.get_mut(&dylib)
            && table.symbols.get(&name).is_some_and(|entry| matches!(entry.by, DefinedBy::Alias(..)))
        {
            table.symbols.remove(&name);
        }
    }

    /// Forgets what a JITDylib had of that.
    pub(super) fn forget_vague(&mut self, dylib: DylibId) {
        let names = (dylib, NameId(0))..=(dylib, NameId(u32::MAX));
        let here: Vec<_> = self.vague.range(names).copied().collect();
        for name in here {
            self.vague.remove(&name);
        }
    }

    /// Takes back that definitions have yielded to some that are not there any more, if that is so: their JITDylibs may
    /// have lost them to an update, or in whatever way.
    #[inline]
    pub(crate) fn mend_vague(&mut self, dylib: DylibId, names: impl IntoIterator<Item = NameId>) {
        if self.vague.is_empty() {
            return;
        }
        for name in names {
            if self.leads_nowhere(dylib, name) {
                self.take_back_vague(self.yielded_here(dylib, name, None), None);
            }
        }
    }

    /// Says whether a name is an alias that was made for vague linkage, and what it stands for is gone.
    fn leads_nowhere(&self, dylib: DylibId, name: NameId) -> bool {
        let mut at = (dylib, name);
        for followed in 0..self.longest_chain() {
            match self.entry(at.0, at.1).map(|entry| entry.by) {
                Some(DefinedBy::Alias(other, target)) if self.vague.contains(&at) => at = (other, target),
                Some(_) => return false,
                None => return followed > 0,
            }
        }
        true
    }

    /// Finds the objects in other JITDylibs whose code is bound to a definition of `dylib`, to which theirs have yielded.
    pub(crate) fn bound_elsewhere(&self, dylib: DylibId, name: NameId, address: Address) -> Vec<ObjectId> {
        if self.vague.is_empty() {
            return Vec::new();
        }
        let allocation = match address {
            Address::At(address) => self.allocations.at(address),
            Address::ThreadLocal(address) => self.allocations.at_thread_local(address.module, address.offset),
        };
        let users = allocation.and_then(|id| self.allocations.get(id)).map(|allocation| allocation.users.as_slice());
        let has_yielded = |user| {
            let elsewhere =
                self.allocations.get(user).map(|allocation| allocation.dylib).filter(|other| *other != dylib);
            elsewhere.is_some_and(|other| self.vague.contains(&(other, name)))
        };
        users.unwrap_or_default().iter().filter(|(user, _)| has_yielded(*user)).map(|&(_, object)| object).collect()
    }

    /// The inheritance of a JITDylib that gets a name back which is an alias.
    fn yielded_here(&self, dylib: DylibId, name: NameId, address: Option<Address>) -> Inheritance {
        let has_group = self.dylib(dylib).is_ok_and(|table| table.groups.contains_key(&name));
        let groups = has_group.then_some((dylib, name)).into_iter().collect();
        Inheritance { names: vec![(dylib, name, address)], groups }
    }

    /// Gives back what yielded in other JITDylibs to a definition of `dylib`: all, if nobody has taken its place there,
    /// or else what code is bound to and stays. `address` is where it was linked, in memory of `withdrawn` perhaps.
    pub(super) fn restore_vague(
        &mut self,
        dylib: DylibId,
        name: NameId,
        address: Option<Address>,
        withdrawn: Option<TrackerId>,
    ) {
        // One that is linked is what they are bound to.
        let successor = self.entry(dylib, name);
        if successor.is_some_and(|entry| entry.address.is_some()) {
            return;
        }
        // The next generation of an updated object is one for all, or the update is refused.
        let has_successor = successor.is_some();
        let mut left = Inheritance::default();
        for (&other, table) in &self.dylibs {
            let is_alias = |entry: &Entry| entry.by == DefinedBy::Alias(dylib, name);
            if self.vague.contains(&(other, name))
                && table.symbols.get(&name).is_some_and(is_alias)
                && (!has_successor || withdrawn.is_none() && self.is_bound(other, name, address))
            {
                left.append(self.yielded_here(other, name, address));
            }
        }
        if !left.names.is_empty() {
            self.take_back_vague(left, withdrawn);
        }
    }
}
