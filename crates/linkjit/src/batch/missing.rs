//! Finds out for an error message all names that are missing, and what refers to them. It runs only before an error.

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use linkjit_link::graph::{Definition, Edge, LinkGraph, SymbolId};
use linkjit_link::input::Binding;
use linkjit_link::names::NameId;
use linkjit_link::{LinkError, Site};

use super::Batch;
use crate::error::{Error, Result, UndefinedSymbol};
use crate::names::{demangle, near_misses};
use crate::session::{DylibId, DylibState, Generator, State};

/// A name that nobody defines.
#[derive(Default)]
struct Missing {
    /// In whose link orders it was searched.
    from: Vec<DylibId>,
    wanted_by: Vec<(u32, SymbolId)>,
}

impl State {
    /// The JITDylibs of several link orders, each once.
    fn searched_from(&self, from: &[DylibId]) -> Vec<DylibId> {
        let mut searched = Vec::new();
        for &(dylib, _) in from.iter().filter_map(|&dylib| self.dylib(dylib).ok()).flat_map(DylibState::link_order) {
            if !searched.contains(&dylib) {
                searched.push(dylib);
            }
        }
        searched
    }
}

/// The number of places that are listed for a missing symbol.
const PLACES: usize = 3;
/// For how many missing symbols names like theirs are looked for: that compares each with all that are defined.
const COMPARED: usize = 20;

impl Batch<'_> {
    /// An error if a name that the lookup requires was not found, or, if everything is materialized, a live symbol is
    /// unbound.
    pub(super) fn report_missing(&self, is_complete: bool) -> Result<()> {
        let dylib = self.query.dylib;
        let mut missing: BTreeMap<NameId, Missing> = BTreeMap::new();
        let required = self.query.names.iter().filter(|unfound| !unfound.weak).map(|unfound| unfound.name);
        for name in required.filter(|&name| !self.found.contains_key(&(dylib, name))) {
            let end = self.alias_end((dylib, name))?;
            if !self.awaited.contains(&end) {
                missing.entry(end.1).or_default().from.push(end.0);
            }
        }
        for &(input, symbol) in if is_complete { self.unbound.as_slice() } else { &[] } {
            let holder = &self.inputs[input as usize];
            let is_wanted = holder.graph.symbol(symbol).live && holder.binding(symbol) == Binding::None;
            if let Some(name) = holder.graph.symbol(symbol).global_name().filter(|_| is_wanted) {
                let end = self.alias_end((DylibId(holder.dylib), name))?;
                let missing = missing.entry(end.1).or_default();
                missing.from.push(end.0);
                missing.wanted_by.push((input, symbol));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        for absent in missing.values_mut() {
            absent.wanted_by.sort_unstable();
            absent.wanted_by.dedup();
        }
        let known = self.known_names();
        let roots = self.needed_by_roots();
        let listed = missing.values().flat_map(|absent| absent.wanted_by.iter().take(PLACES)).copied();
        let places = self.referrers(listed);
        let mut searched_from: HashMap<Vec<DylibId>, Vec<String>, FixedState> = HashMap::default();
        let mut searched: Vec<String> = Vec::new();
        let mut symbols = Vec::with_capacity(missing.len());
        for (name, Missing { mut from, wanted_by }) in missing {
            from.sort_unstable();
            from.dedup();
            let by_roots = wanted_by.iter().map_while(|reference| roots.get(reference));
            let root = by_roots.clone().next().filter(|_| by_roots.count() == wanted_by.len());
            let mut symbol = self.describe(name, &from);
            if symbols.len() < COMPARED {
                symbol.similar = near_misses(&symbol.name, known.iter().map(String::as_str));
            }
            symbol.root = root.cloned();
            symbol.wanted_by = wanted_by.iter().take(PLACES).filter_map(|place| places.get(place).cloned()).collect();
            symbol.more_places = wanted_by.len() - symbol.wanted_by.len();
            let places_searched = searched_from.entry(from).or_insert_with_key(|from| {
                let places = self.searched(from);
                let new: Vec<_> = places.iter().filter(|place| !searched.contains(place)).cloned().collect();
                searched.extend(new);
                places
            });
            symbol.searched.clone_from(places_searched);
            symbols.push(symbol);
        }
        Err(Error::Undefined { symbols, searched })
    }

    /// A name that is missing, without what is found for many at once.
    fn describe(&self, id: NameId, from: &[DylibId]) -> UndefinedSymbol {
        let elsewhere = self.elsewhere(from, id);
        let name = self.session.names().text(id).into_owned();
        let demangled = Some(demangle(&name)).filter(|demangled| *demangled != name);
        let (wanted_by, similar, searched) = (Vec::new(), Vec::new(), Vec::new());
        UndefinedSymbol { name, demangled, wanted_by, more_places: 0, root: None, similar, searched, elsewhere }
    }

    /// Describes what is searched from JITDylibs: those of their link orders, and the generators of these.
    fn searched(&self, from: &[DylibId]) -> Vec<String> {
        let state = self.session.state();
        let mut searched = Vec::new();
        let mut generators: Vec<Generator> = Vec::new();
        for dylib in state.searched_from(from) {
            let Ok(dylib) = state.dylib(dylib) else { continue };
            searched.push(format!("JITDylib '{}'", dylib.name()));
            generators.extend(dylib.generators().iter().cloned());
        }
        let compilers = from.iter().filter_map(|&dylib| state.dylib(dylib).ok()?.compiler_runtime().cloned());
        let compilers: Vec<_> = compilers.collect();
        // Generators of the user are asked with nothing locked.
        drop(state);
        // JITDylibs have generators of the same kind each.
        for place in generators.iter().map(|generator| generator.definitions.describe()) {
            if !searched.contains(&place) {
                searched.push(place);
            }
        }
        searched.extend(compilers.first().filter(|runtime| !runtime.is_empty()).map(|runtime| runtime.describe()));
        searched
    }

    /// Describes who defines a name all the same, or was to.
    fn elsewhere(&self, from: &[DylibId], name: NameId) -> Vec<String> {
        let state = self.session.state();
        let searched = state.searched_from(from);
        let defining = state.dylibs().filter(|(_, dylib)| dylib.defines(name));
        let describe = |(id, dylib): (DylibId, &DylibState)| match searched.contains(&id) {
            true => format!("JITDylib '{}' hides it", dylib.name()),
            false => format!("JITDylib '{}' defines it, but is not searched", dylib.name()),
        };
        let tables = searched.iter().filter_map(|&dylib| state.dylib(dylib).ok());
        let missing = tables.filter_map(|dylib| dylib.missing_import(name).cloned());
        let is_closed = from.iter().any(|&dylib| state.dylib(dylib).is_err());
        let closed = is_closed.then(|| "an alias for it refers to a JITDylib that is closed".to_owned());
        defining.map(describe).chain(missing).chain(closed).collect()
    }

    /// For symbols of inputs, the first live edge to each: one pass over the edges finds them all.
    fn referrers(&self, symbols: impl Iterator<Item = (u32, SymbolId)>) -> HashMap<(u32, SymbolId), Site, FixedState> {
        let mut by_input: BTreeMap<u32, HashMap<SymbolId, Option<Site>, FixedState>> = BTreeMap::new();
        for (input, symbol) in symbols {
            by_input.entry(input).or_default().insert(symbol, None);
        }
        let mut found = HashMap::default();
        for (input, mut symbols) in by_input {
            let graph = &self.inputs[input as usize].graph;
            for block in graph.block_ids().filter(|&block| graph.block(block).live) {
                for edge in graph.edges(block) {
                    if let Some(site @ None) = symbols.get_mut(&edge.target) {
                        *site = Some(graph.site(block, u64::from(edge.offset)));
                    }
                }
            }
            found.extend(symbols.into_iter().map(|(symbol, site)| {
                ((input, symbol), site.unwrap_or_else(|| Site::file(graph.source().name().clone())))
            }));
        }
        found
    }

    /// An error in a table entry is one of the code that wants the entry.
    pub(super) fn blame(&self, error: LinkError) -> LinkError {
        let site = error.site();
        let tables = (0u32..).zip(self.inputs.iter()).skip(self.objects.len());
        let wanted: Vec<Binding> = tables
            .filter(|(_, input)| *input.graph.name() == *site.file)
            .flat_map(|(index, input)| {
                let entries = entries_at(&input.graph, site);
                entries.into_iter().map(move |symbol| Binding::Input { input: index, symbol })
            })
            .collect();
        let objects = (0u32..).zip(self.inputs.iter()).take(self.objects.len());
        let mut symbols = objects.flat_map(|(index, input)| input.graph.symbol_ids().map(move |id| (index, input, id)));
        match symbols.find(|(_, input, id)| wanted.contains(&input.binding(*id))) {
            Some((index, _, id)) => match self.referrers([(index, id)].into_iter()).remove(&(index, id)) {
                Some(site) => error.at(site),
                None => error,
            },
            None => error,
        }
    }

    /// Names that are defined somewhere in the session.
    fn known_names(&self) -> Vec<String> {
        let names = self.session.names();
        let state = self.session.state();
        let ids = state.dylibs().flat_map(|(_, dylib)| dylib.names());
        let texts = ids.map(|id| names.text(id).into_owned());
        // Nobody means names that the session has made up.
        texts.filter(|name| !name.starts_with("$__")).collect()
    }
}

/// The entries of a table that have a place in them, and those that refer to these: stubs to words, descriptors to
/// pairs.
fn entries_at(table: &LinkGraph, site: &Site) -> Vec<SymbolId> {
    let place = |id| match table.symbol(id).definition {
        Definition::Defined { block, offset } => Some((block, offset..offset + table.symbol(id).size)),
        _ => None,
    };
    let covers = |id: &SymbolId| {
        place(*id).is_some_and(|(block, range)| {
            let start = table.site(block, 0);
            let offset = site.offset.zip(start.offset).and_then(|(offset, start)| offset.checked_sub(start));
            start.section == site.section && offset.is_some_and(|offset| range.contains(&offset))
        })
    };
    let direct: Vec<SymbolId> = table.symbol_ids().filter(covers).collect();
    let refers = |id: &SymbolId| {
        place(*id).is_some_and(|(block, range)| {
            let within = |edge: &&Edge| range.contains(&u64::from(edge.offset));
            table.edges(block).iter().filter(within).any(|edge| direct.contains(&edge.target))
        })
    };
    table.symbol_ids().filter(|id| direct.contains(id) || refers(id)).collect()
}
