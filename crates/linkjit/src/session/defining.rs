//! Adding definitions while another thread may be linking.
//!
//! A definition replaces a weak one as long as nobody has used that. While another thread's batch has the graph of the
//! weak one, nobody knows yet whether it will be used: then the new definition waits until that batch is done.

use std::sync::{Arc, MutexGuard};

use linkjit_link::graph::LinkGraph;
use linkjit_link::names::{NameId, NamePool};

use super::pending::Direct;
use super::state::{DefinedBy, DylibId, State, TrackerId, UnitId};
use super::{ExecutionSession, Linking, Tables};
use crate::error::{Error, Result};
use crate::materialization::job::Job;
use crate::materialization::{MaterializationUnit, SymbolFlags, UnitInterface};

/// Names and tables, locked to add definitions.
#[derive(Debug)]
pub(crate) struct Defining<'a> {
    pub(crate) state: Tables<'a>,
    pub(crate) names: MutexGuard<'a, NamePool>,
    _linking: Option<Linking<'a>>,
}

impl State {
    /// Whether another thread's batch has the definition of one of these names and may use it.
    fn has_lent(&self, dylib: DylibId, mut names: impl Iterator<Item = NameId>) -> bool {
        let is_others = self.batch.is_some_and(|batch| batch.thread != std::thread::current().id());
        let Ok(dylib) = self.dylib(dylib) else { return false };
        let is_lent = |name| match dylib.symbols.get(&name) {
            Some(entry) if entry.address.is_none() => match entry.by {
                DefinedBy::Unit(unit, _) => self.units.get(&unit).is_some_and(|unit| unit.input.is_none()),
                _ => false,
            },
            _ => false,
        };
        is_others && names.any(is_lent)
    }
}

/// The names that a graph defines.
pub(crate) fn defined_names(graph: &LinkGraph) -> impl Iterator<Item = NameId> {
    let defined = graph.symbols().iter().filter(|symbol| !symbol.is_external());
    defined.filter_map(linkjit_link::graph::Symbol::shared_name)
}

impl ExecutionSession {
    /// Locks everything to add definitions of `names` to a JITDylib.
    pub(crate) fn begin_defining<I>(&self, dylib: DylibId, names: impl Fn() -> I) -> Result<Defining<'_>>
    where
        I: Iterator<Item = NameId>,
    {
        let mut linking = None;
        loop {
            let (pool, state) = (self.names(), self.state());
            if linking.is_some() || !state.has_lent(dylib, names()) {
                return Ok(Defining { state, names: pool, _linking: linking });
            }
            drop((state, pool));
            linking = Some(self.begin_linking()?);
        }
    }

    /// Adds a unit that is materialized when it is needed.
    pub(crate) fn define(&self, dylib: DylibId, tracker: TrackerId, unit: Box<dyn MaterializationUnit>) -> Result<()> {
        let symbols = self.interned(&unit.interface());
        let (name, names): (Arc<str>, Vec<_>) = (unit.name().into(), symbols.0.iter().map(|&(name, _)| name).collect());
        // Dropped with everything unlocked, if it is not taken.
        let mut unit = Some(unit);
        let mut defining = self.begin_defining(dylib, || names.iter().copied())?;
        let promise = (name, symbols.0, symbols.1);
        let added = defining.state.define_pending(dylib, tracker, &mut unit, promise, &defining.names)?;
        if let Some(added) = added {
            self.progress().add(Job::Unit(added));
        }
        Ok(())
    }

    /// Hands names that a unit has promised to another unit.
    pub(crate) fn delegate(
        &self,
        from: UnitId,
        unit: Box<dyn MaterializationUnit>,
        interface: &UnitInterface,
    ) -> Result<()> {
        let (symbols, has_roots) = self.interned(interface);
        let name = unit.name().into();
        let mut state = self.state();
        let delegated = state.delegate(from, unit, (name, symbols, has_roots));
        if let Ok(added) = delegated {
            self.progress().add(Job::Unit(added));
        }
        drop(state);
        delegated.map(drop).map_err(|(error, _)| error)
    }

    /// Puts what a unit has delivered into its place.
    pub(crate) fn deliver(&self, unit: UnitId, graphs: Vec<LinkGraph>, direct: &[(NameId, Direct)]) -> Result<()> {
        let dylib = self.state().units.get(&unit).map(|unit| unit.dylib).ok_or(Error::TrackerRemoved)?;
        let names = || graphs.iter().flat_map(defined_names);
        let mut defining = self.begin_defining(dylib, names)?;
        defining.state.deliver(unit, graphs, direct, &defining.names)
    }

    fn interned(&self, interface: &UnitInterface) -> (Vec<(NameId, SymbolFlags)>, bool) {
        let mut pool = self.names();
        let symbols = interface.symbols.iter().map(|(name, flags)| (pool.intern(name.as_bytes()), *flags)).collect();
        (symbols, interface.initializers)
    }
}
