//! Telling the user what is missing, all of it, and who wants it. Runs only on the way to an error.

use std::collections::BTreeMap;

use linkjit_link::Site;
use linkjit_link::graph::SymbolId;
use linkjit_link::link::Binding;
use linkjit_link::names::NameId;

use super::Batch;
use crate::error::{Error, Result, UndefinedSymbol};
use crate::names::{demangle, near_misses};
use crate::session::DylibId;

/// How many places that refer to a missing symbol are listed.
const PLACES: usize = 3;

impl Batch<'_> {
    /// An error if a live symbol is unbound, or one of `names` was not found.
    pub(super) fn report_missing(&self, dylib: DylibId, names: &[NameId]) -> Result<()> {
        let mut missing: BTreeMap<NameId, Vec<(u32, SymbolId)>> = BTreeMap::new();
        for &name in names.iter().filter(|&&name| !self.found.contains_key(&(dylib, name))) {
            missing.entry(self.alias_end((dylib, name))?.1).or_default();
        }
        for (index, input) in (0u32..).zip(&self.inputs) {
            for id in input.graph.symbol_ids() {
                let symbol = input.graph.symbol(id);
                let unbound = symbol.live && symbol.is_external() && input.binding(id) == Binding::None;
                let Some(name) = symbol.shared_name().filter(|_| unbound) else { continue };
                if !self.late.iter().any(|late| (late.input, late.symbol) == (index, id)) {
                    let name = self.alias_end((DylibId(input.dylib), name))?.1;
                    missing.entry(name).or_default().push((index, id));
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let known = self.known_names();
        let symbols = missing.into_iter().map(|(name, wanted_by)| self.describe(name, &wanted_by, &known)).collect();
        Err(Error::Undefined { symbols, searched: self.searched(dylib) })
    }

    fn describe(&self, name: NameId, wanted_by: &[(u32, SymbolId)], known: &[String]) -> UndefinedSymbol {
        let name = self.session.names().text(name).into_owned();
        let demangled = Some(demangle(&name)).filter(|demangled| *demangled != name);
        let places: Vec<Site> =
            wanted_by.iter().take(PLACES).map(|&(input, symbol)| self.referrer(input, symbol)).collect();
        let more_places = wanted_by.len() - places.len();
        let similar = near_misses(&name, known.iter().map(String::as_str));
        UndefinedSymbol { name, demangled, wanted_by: places, more_places, similar }
    }

    /// The first live edge of an input to a symbol.
    fn referrer(&self, input: u32, symbol: SymbolId) -> Site {
        let graph = &self.inputs[input as usize].graph;
        let live = graph.block_ids().filter(|&block| graph.block(block).live);
        let mut edges = live.flat_map(|block| graph.edges(block).iter().map(move |edge| (block, edge)));
        match edges.find(|(_, edge)| edge.target == symbol) {
            Some((block, edge)) => graph.site(block, u64::from(edge.offset)),
            None => Site::file(graph.source().name().clone()),
        }
    }

    /// Names that are defined somewhere in the session.
    fn known_names(&self) -> Vec<String> {
        let names = self.session.names();
        let state = self.session.state();
        let ids = state.dylibs.iter().flatten().flat_map(|dylib| dylib.symbols.keys());
        ids.map(|&id| names.text(id).into_owned()).collect()
    }
}
