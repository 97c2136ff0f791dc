//! Adding definitions while another agent may be linking.
//!
//! A definition replaces a weak one as long as nobody has used the weak one. While another agent's batch has the graph
//! of the weak one, nobody knows yet whether it will be used. So the new definition waits until that batch is done.

use linkjit_executor::Agent;
use linkjit_link::graph::{LinkGraph, Symbol};
use linkjit_link::names::{NameId, NamePool};

use super::{DefinedBy, Direct, DylibId, ExecutionSession, ObjectId, State};
use crate::error::{Error, Result};

impl State {
    /// Says whether another agent has a batch in flight.
    fn is_lending(&self) -> bool {
        self.batch.is_some_and(|batch| batch.agent != Agent::current())
    }

    /// Says whether a batch has the definition of a name and may use it.
    fn has_lent(&self, dylib: DylibId, name: NameId) -> bool {
        match self.entry(dylib, name).filter(|entry| entry.address.is_none()).map(|entry| entry.by) {
            Some(DefinedBy::Object(object, _)) => {
                self.objects.get(&object).is_some_and(|object| object.input.is_none())
            }
            _ => false,
        }
    }
}

/// The names that a graph defines.
pub(crate) fn defined_names(graph: &LinkGraph) -> Vec<NameId> {
    graph.symbols().iter().filter(|symbol| !symbol.is_external()).filter_map(Symbol::global_name).collect()
}

impl ExecutionSession {
    /// Has `define` add definitions of a subject to a JITDylib, with names and tables locked; `defined` tells which names
    /// the subject defines.
    pub(crate) fn define_with<S, T>(
        &self,
        dylib: DylibId,
        subject: S,
        defined: impl FnOnce(&S) -> Vec<NameId>,
        define: impl FnOnce(&mut State, &NamePool, S) -> Result<T>,
    ) -> Result<T> {
        {
            let (names, mut state) = (self.names(), self.state());
            if !state.is_lending() || !defined(&subject).into_iter().any(|name| state.has_lent(dylib, name)) {
                return define(&mut state, &names, subject);
            }
        }
        let _linking = self.begin_linking()?;
        let (names, mut state) = (self.names(), self.state());
        define(&mut state, &names, subject)
    }

    /// Has `define` add a graph to a JITDylib, with names and tables locked.
    pub(crate) fn define_graph_with<T>(
        &self,
        dylib: DylibId,
        graph: LinkGraph,
        define: impl FnOnce(&mut State, &NamePool, LinkGraph) -> Result<T>,
    ) -> Result<T> {
        self.define_with(dylib, graph, defined_names, define)
    }

    /// Puts what a unit has delivered into its place.
    pub(crate) fn deliver(&self, object: ObjectId, graphs: Vec<LinkGraph>, direct: &[(NameId, Direct)]) -> Result<()> {
        let dylib = self.state().objects.get(&object).map(|object| object.dylib).ok_or(Error::TrackerRemoved)?;
        let defined = |graphs: &Vec<LinkGraph>| graphs.iter().flat_map(defined_names).collect();
        let kept = self.is_replaceable().then(|| graphs.clone());
        self.define_with(dylib, graphs, defined, |state, names, graphs| {
            state.deliver(object, graphs, direct, names)?;
            if let Some(graphs) = kept {
                self.note_delivered(object, graphs, direct);
            }
            Ok(())
        })
    }
}
