//! Alternates: what a name means if nobody defines it (COFF's weak externals and `/alternatename`).
//!
//! For some, libraries are searched before the alternate counts. For others they are not; but a member that is pulled
//! for another reason may still define the name. So references to such names wait until everything else is found.

use linkjit_link::graph::Linkage;
use linkjit_link::names::NameId;

use super::Batch;
use super::find::Unfound;
use crate::error::Result;
use crate::session::MatchScope;
use crate::session::{DylibId, DylibState, State};

impl State {
    /// Finds who says what a name means to code of a JITDylib without a search of libraries.
    fn early_alternate(&self, dylib: DylibId, name: NameId) -> Option<(DylibId, NameId)> {
        self.dylib(dylib).ok()?.link_order().iter().find_map(|&(searched, _)| {
            let alternate = self.dylib(searched).ok()?.alternate(name)?;
            (!alternate.after_libraries).then_some((searched, alternate.target))
        })
    }
}

impl Batch<'_> {
    /// Takes for names that no object of a JITDylib defines what stands for them, if libraries are not to be searched
    /// before. Returns the names that these are to be searched for.
    pub(super) fn take_alternates(
        &mut self,
        dylib: DylibId,
        searched: DylibId,
        unfound: Vec<Unfound>,
    ) -> Result<Vec<Unfound>> {
        let state = self.session.state();
        let table = state.dylib(searched)?;
        if !table.has_alternates() {
            return Ok(unfound);
        }
        let mut left = Vec::new();
        let mut found = Vec::new();
        for name in unfound {
            match table.alternate(name.name).filter(|alternate| !alternate.after_libraries) {
                Some(alternate) => found.extend(Some((name, alternate.target)).filter(|_| !name.is_from_code)),
                None => left.push(name),
            }
        }
        drop(state);
        found.into_iter().for_each(|(name, target)| self.enter_alias(dylib, name, (searched, target)));
        Ok(left)
    }

    /// Binds references to what stands for names that nobody has defined, now that nothing else is to be found. Returns
    /// whether any were bound.
    pub(super) fn bind_alternates(&mut self) -> Result<bool> {
        let mut names = Vec::new();
        for &(input, symbol) in &self.unbound {
            let holder = &self.inputs[input as usize];
            let Some(name) = holder.graph.symbol(symbol).global_name() else { continue };
            names.push(self.alias_end((DylibId(holder.dylib), name))?);
        }
        let state = self.session.state();
        names.retain(|&(dylib, name)| state.early_alternate(dylib, name).is_some());
        drop(state);
        names.sort_unstable();
        names.dedup();
        for &(dylib, name) in &names {
            self.look_up(dylib, &[Unfound::required(name)])?;
        }
        Ok(!names.is_empty() && self.bind_unbound()?)
    }

    /// Takes for names that nobody defines what stands for them then, if anything does.
    pub(super) fn fall_back(
        &mut self,
        dylib: DylibId,
        order: &[(DylibId, MatchScope)],
        unfound: Vec<Unfound>,
    ) -> Result<()> {
        for name in unfound {
            let state = self.session.state();
            let tables =
                || order.iter().filter_map(|&(searched, scope)| Some((searched, scope, state.dylib(searched).ok()?)));
            let fallback = |(searched, scope, table): (DylibId, MatchScope, &DylibState)| {
                let entry = table.definition(name.name, name.scope(scope))?;
                (entry.linkage == Linkage::Fallback).then_some((searched, *entry))
            };
            let definition = tables().find_map(fallback);
            let alternate =
                tables().find_map(|(searched, _, table)| Some((searched, table.alternate(name.name)?.target)));
            drop(state);
            if let Some((searched, entry)) = definition {
                self.enter(dylib, searched, name, &entry)?;
            } else if let Some(alternate) = alternate {
                self.enter_alias(dylib, name, alternate);
            }
        }
        Ok(())
    }
}
