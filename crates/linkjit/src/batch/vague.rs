//! Definitions with vague linkage that yield to what libraries and other JITDylibs have; `session/vague.rs` has the
//! rules.
//!
//! The batch asks for the definitions that it is about to link. Definitions that belong together yield together or not
//! at all: the members of a COMDAT group; a variable with its guard, or it would be initialized twice, or never.

use std::collections::{BTreeMap, BTreeSet};

use linkjit_executor::{LibraryId, SymbolKey, SymbolRequest};
use linkjit_link::arch::ArchTables;
use linkjit_link::graph::{LinkGraph, Scope, SymbolId};
use linkjit_link::input::Binding;
use linkjit_link::names::{NameId, NamePool};

use super::Batch;
use super::find::Unfound;
use super::place::THREAD_OFFSETS;
use crate::error::Result;
use crate::session::{Address, DefinedBy, DylibId, Elsewhere, ObjectId, State, Together, is_vague};

/// A definition that may yield.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    input: u32,
    symbol: SymbolId,
    name: NameId,
    thread_local: bool,
}

/// The definitions that others have of the names of a JITDylib.
type Found = BTreeMap<NameId, Elsewhere>;

impl Batch<'_> {
    /// Has definitions that became live yield to those that others have.
    pub(super) fn yield_vague(&mut self) -> Result<()> {
        let weak = std::mem::take(&mut self.weak);
        // Each image of Windows has its own: the system's linker and loader do not make them one, either.
        if !self.session.platform().shares_vague_linkage() {
            return Ok(());
        }
        let mut by_dylib: BTreeMap<DylibId, Vec<Candidate>> = BTreeMap::new();
        for (input, symbol) in weak {
            let holder = &self.inputs[input as usize];
            if let Some(candidate) = candidate(&holder.graph, input, symbol) {
                by_dylib.entry(DylibId(holder.dylib)).or_default().push(candidate);
            }
        }
        for (dylib, candidates) in by_dylib {
            let found = self.find_elsewhere(dylib, &candidates)?;
            if found.is_empty() {
                continue;
            }
            for in_input in candidates.chunk_by(|one, other| one.input == other.input) {
                let first: Vec<_> =
                    in_input.iter().copied().filter(|candidate| found.contains_key(&candidate.name)).collect();
                if let Some(&Candidate { input, .. }) = first.first() {
                    self.yield_sets(dylib, input, &first, &found)?;
                }
            }
        }
        Ok(())
    }

    /// Has definitions of an input yield that were found elsewhere, if all can that belong to them.
    fn yield_sets(&mut self, dylib: DylibId, input: u32, first: &[Candidate], found: &Found) -> Result<()> {
        let object = self.objects[input as usize];
        let graph = &self.inputs[input as usize].graph;
        let sets = {
            let names = self.session.names();
            let mut state = self.session.state();
            let Some(together) = state.together(object, graph) else { return Ok(()) };
            let table = state.dylib(dylib)?;
            let defined = |name: NameId| match table.entry(name)?.by {
                DefinedBy::Object(other, symbol) if other == object => Some(symbol),
                _ => None,
            };
            sets((graph, input), first, &together, &names, &defined)
        };
        // Those that are not live yet.
        let members = sets.iter().flat_map(|set| &set.members);
        let more: Vec<_> = members.filter(|member| !found.contains_key(&member.name)).copied().collect();
        let mut found = found.clone();
        found.extend(self.find_elsewhere(dylib, &more)?);
        let (mut symbols, mut groups) = (Vec::new(), Vec::new());
        for set in sets {
            let place = |member: &Candidate| {
                found.get(&member.name).filter(|place| is_reached(graph, member.symbol, place)).copied()
            };
            let places: Option<Vec<_>> = set.members.iter().map(place).collect();
            let Some(places) = places.filter(|all| set.is_whole && all.windows(2).all(|two| agree(two[0], two[1])))
            else {
                continue;
            };
            let to_dylib = places.iter().any(|place| matches!(place, Elsewhere::Dylib(..)));
            symbols.extend(set.members.iter().zip(places).map(|(member, place)| (member.symbol, member.name, place)));
            groups.extend(set.groups.into_iter().map(|group| (group, to_dylib)));
        }
        if symbols.is_empty() { Ok(()) } else { self.give_up((dylib, object), input, &symbols, &groups) }
    }

    /// Makes definitions references, and has all that was bound to them bound anew.
    fn give_up(
        &mut self,
        definer: (DylibId, ObjectId),
        input: u32,
        symbols: &[(SymbolId, NameId, Elsewhere)],
        groups: &[(usize, bool)],
    ) -> Result<()> {
        let graph = &mut self.inputs[input as usize].graph;
        let blocks = groups.iter().filter_map(|&(group, _)| graph.groups.get(group)).flat_map(|group| &group.blocks);
        let blocks: Vec<_> = blocks.copied().collect();
        graph.unmark_blocks(&blocks);
        let left = self.session.state().yield_vague(definer, graph, symbols, groups);
        self.yielded.append(left);
        let given_up: BTreeSet<_> = symbols.iter().map(|&(symbol, ..)| symbol).collect();
        let is_given_up = |binding: Binding| match binding {
            Binding::Input { input: other, symbol } => other == input && given_up.contains(&symbol),
            _ => false,
        };
        self.wanted.extend(given_up.iter().filter(|symbol| graph.symbol(**symbol).live).map(|&symbol| (input, symbol)));
        for (index, holder) in (0u32..).zip(self.inputs.iter_mut()) {
            for (symbol, binding) in holder.bindings.iter_mut() {
                if is_given_up(*binding) {
                    *binding = Binding::None;
                    self.wanted.push((index, symbol));
                }
            }
        }
        let again: Vec<_> =
            self.found.extract_if(|_, found| is_given_up(found.binding)).map(|(name, _)| name).collect();
        for (dylib, name) in again {
            self.find_names(dylib, &[Unfound::required(name)])?;
        }
        Ok(())
    }

    /// Finds where code of a JITDylib would find names if the JITDylib itself did not define them.
    fn find_elsewhere(&self, dylib: DylibId, candidates: &[Candidate]) -> Result<Found> {
        let mut found = Found::new();
        let order = self.session.state().dylib(dylib)?.link_order().to_vec();
        let exported = self.exported(candidates)?;
        for &(searched, scope) in &order {
            let libraries: Vec<LibraryId> = {
                let state = self.session.state();
                let table = state.dylib(searched)?;
                if searched != dylib && table.names().len() > 0 {
                    for &Candidate { name, thread_local, .. } in candidates {
                        if !found.contains_key(&name)
                            && let Some(elsewhere) = state.vague_definition(dylib, (searched, scope), name)
                            && self.is_thread_local(&state, elsewhere).is_none_or(|other| other == thread_local)
                        {
                            found.insert(name, elsewhere);
                        }
                    }
                }
                if exported.is_empty() {
                    continue;
                }
                table.generators().iter().flat_map(|generator| generator.definitions.libraries()).collect()
            };
            for library in libraries {
                let open: Vec<_> =
                    exported.iter().filter(|(candidate, _)| !found.contains_key(&candidate.name)).collect();
                let requests = open.iter().map(|(candidate, name)| (SymbolKey::Vague(name), candidate.thread_local));
                let requests = requests.map(|(key, thread_local)| SymbolRequest { key, thread_local });
                let requests: Vec<_> = requests.collect();
                for ((candidate, _), address) in
                    open.iter().zip(self.session.executor().find_symbols(library, &requests)?)
                {
                    let address = address.map(|address| Elsewhere::Outside(address.into()));
                    found.extend(address.map(|address| (candidate.name, address)));
                }
            }
        }
        Ok(found)
    }

    /// Says whether a definition is a thread-local one, as far as that is known: no other takes its place, nor the reverse.
    fn is_thread_local(&self, state: &State, elsewhere: Elsewhere) -> Option<bool> {
        let is_variable_of_threads = |address| matches!(address, Address::ThreadLocal(_));
        let (dylib, name) = match elsewhere {
            Elsewhere::Outside(address) => return Some(is_variable_of_threads(address)),
            Elsewhere::Dylib(dylib, name) => (dylib, name),
        };
        let entry = state.dylib(dylib).ok()?.entry(name)?;
        if let Some(address) = entry.address {
            return Some(is_variable_of_threads(address));
        }
        let DefinedBy::Object(object, symbol) = entry.by else { return None };
        let graph = match self.input_of.get(&object) {
            Some(&input) => &self.inputs.get(input as usize)?.graph,
            None => &state.input(object)?.graph,
        };
        Some(graph.symbol(symbol).thread_local)
    }

    /// Those whose names some library may export.
    fn exported(&self, candidates: &[Candidate]) -> Result<Vec<(Candidate, Vec<u8>)>> {
        let executor = self.session.executor();
        let names = self.session.names();
        let texts: Vec<_> = candidates.iter().map(|candidate| names.bytes(candidate.name)).collect();
        let exported = executor.may_export(&texts);
        let exported = candidates.iter().zip(texts).zip(exported).filter(|&(_, exported)| exported);
        let exported: Vec<_> = exported.map(|((candidate, text), _)| (*candidate, text.to_vec())).collect();
        drop(names);
        // What the runtime does in a library's place is not the library's.
        let texts: Vec<_> = exported.iter().map(|(_, text)| text.as_slice()).collect();
        let runtimes = executor.runtime_symbols(&texts)?;
        let others = exported.into_iter().zip(runtimes).filter(|(_, answer)| answer.is_none());
        Ok(others.map(|(candidate, _)| candidate).collect())
    }
}

/// The definition if it may be one of many that are alike. That functions have a COMDAT group is found out later.
fn candidate(graph: &LinkGraph, input: u32, symbol: SymbolId) -> Option<Candidate> {
    let definition = graph.symbol(symbol);
    let name = definition.global_name().filter(|_| definition.scope == Scope::Default && !definition.indirect)?;
    let is_new = definition.block().is_some_and(|block| !graph.block(block).placed);
    is_new.then_some(Candidate { input, symbol, name, thread_local: definition.thread_local })
}

/// Says whether code of a graph reaches a thread-local variable where it is: at a fixed offset from the thread pointer if it
/// was compiled for that.
fn is_reached(graph: &LinkGraph, symbol: SymbolId, place: &Elsewhere) -> bool {
    let Elsewhere::Outside(address) = place else { return true };
    match address {
        Address::At(_) => !graph.symbol(symbol).thread_local,
        Address::ThreadLocal(address) => {
            let may_have = |role| graph.may_have(graph.arch().kinds().with_role(role));
            address.thread_offset.is_some() || !THREAD_OFFSETS.into_iter().any(may_have)
        }
    }
}

/// Says whether two members of a set are in one place: libraries, or one JITDylib.
fn agree(one: Elsewhere, other: Elsewhere) -> bool {
    match (one, other) {
        (Elsewhere::Outside(_), Elsewhere::Outside(_)) => true,
        (Elsewhere::Dylib(one, _), Elsewhere::Dylib(other, _)) => one == other,
        _ => false,
    }
}

/// Definitions that belong together.
#[derive(Debug, Default)]
struct Set {
    members: Vec<Candidate>,
    /// The COMDAT groups that they are in, by index.
    groups: Vec<usize>,
    /// All members are such that they may yield.
    is_whole: bool,
}

/// The sets that definitions of a graph are in; `defined` gives the object's definition of a name, if that counts.
fn sets(
    (graph, input): (&LinkGraph, u32),
    first: &[Candidate],
    together: &Together,
    names: &NamePool,
    defined: &dyn Fn(NameId) -> Option<SymbolId>,
) -> Vec<Set> {
    let mut seen = BTreeSet::new();
    let mut sets = Vec::new();
    for start in first {
        let mut set = Set { is_whole: true, ..Set::default() };
        let mut pending = vec![start.symbol];
        while let Some(symbol) = pending.pop() {
            if !seen.insert(symbol) {
                continue;
            }
            let definition = graph.symbol(symbol);
            let member = candidate(graph, input, symbol).filter(|candidate| defined(candidate.name) == Some(symbol));
            let Some(member) = member.filter(|_| is_vague(definition, |block| together.group(block).is_some())) else {
                set.is_whole = false;
                continue;
            };
            set.members.push(member);
            let partners = partners(names.bytes(member.name));
            pending.extend(partners.iter().filter_map(|name| names.find(name)).filter_map(defined));
            if let Some(group) = definition.block().and_then(|block| together.group(block))
                && !set.groups.contains(&group)
            {
                set.groups.push(group);
                // A definition that has lost its name to another's is none of them any more.
                pending.extend(together.members(group).iter().filter(|member| !graph.symbol(**member).is_external()));
            }
        }
        sets.push(set);
    }
    sets.retain(|set| !set.members.is_empty());
    sets
}

/// The names that the guard of a variable may have, or the variable of a guard (Itanium C++ ABI, "Guard Variables"): a
/// variable of the global namespace is not mangled, but its guard has its mangled name.
fn partners(name: &[u8]) -> Vec<Vec<u8>> {
    let join = |start: &[u8], rest: &[u8]| [start, rest].concat();
    if let Some(rest) = name.strip_prefix(b"_ZGV") {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let plain = rest.get(digits..).filter(|_| digits > 0).map(<[u8]>::to_vec);
        return std::iter::once(join(b"_Z", rest)).chain(plain).collect();
    }
    match name.strip_prefix(b"_Z") {
        Some(rest) => vec![join(b"_ZGV", rest)],
        None => vec![join(format!("_ZGV{}", name.len()).as_bytes(), name)],
    }
}
