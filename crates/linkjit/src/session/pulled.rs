//! Members of archives that a batch pulls. They are forgotten, as if they had never been added, if the batch fails.

use linkjit_link::graph::{LinkGraph, Symbol, SymbolId};
use linkjit_link::names::{NameId, NamePool};

use super::{DefinedBy, DylibId, Entry, ObjectId, State, TrackerId};
use crate::error::Result;

/// A definition that lost its name to another, or a part of its scope.
#[derive(Clone, Debug)]
pub(crate) struct Replaced {
    pub(super) dylib: DylibId,
    pub(super) name: NameId,
    pub(super) entry: Entry,
    /// The symbol, as long as its object was at hand: it is a reference now.
    pub(super) symbol: Option<Symbol>,
}

/// A definition that was made a reference: its object, its symbol, and what that was.
pub(crate) type Rebound = (ObjectId, SymbolId, Symbol);

/// Objects that were pulled from archives for batches, with the entries that their definitions have replaced, and the
/// definitions of the batches' own objects that were made references.
#[derive(Debug, Default)]
pub(crate) struct Pulled {
    pub(crate) objects: Vec<ObjectId>,
    pub(super) replaced: Vec<Replaced>,
    pub(super) rebound: Vec<Rebound>,
}

impl State {
    /// Adds an object for the batch that is being linked.
    pub(crate) fn pull(
        &mut self,
        dylib: DylibId,
        tracker: TrackerId,
        graph: LinkGraph,
        names: &NamePool,
    ) -> Result<ObjectId> {
        let (object, replaced) = self.define_object(dylib, tracker, graph, names)?;
        self.pulled.objects.push(object);
        self.pulled.replaced.extend(replaced);
        Ok(object)
    }

    /// Hands over what was pulled for a batch that has to wait for something.
    pub(crate) fn hand_pulled_over(&mut self, to: &mut Pulled, rebound: &[Rebound]) {
        to.objects.append(&mut self.pulled.objects);
        to.replaced.append(&mut self.pulled.replaced);
        to.rebound.extend_from_slice(rebound);
    }

    /// Keeps what was pulled for a batch.
    pub(crate) fn keep_pulled(&mut self) {
        self.pulled = Pulled::default();
    }

    /// Removes what was pulled for a batch, and gives what it had replaced its names back. `rebound` are definitions of
    /// the batch's own objects that it had replaced.
    pub(crate) fn forget_pulled(&mut self, rebound: Vec<Rebound>) {
        let pulled = Pulled { rebound, ..std::mem::take(&mut self.pulled) };
        self.push_back(pulled);
    }

    /// The same for a lookup that had to wait after it had pulled something; others may have linked that meanwhile,
    /// then all of it stays.
    pub(crate) fn forget_unused(&mut self, pulled: Pulled) {
        // What was pulled into the tables of another executor has replaced nothing in these.
        if pulled.objects.iter().any(|&id| self.is_of_others(id)) {
            return;
        }
        if !pulled.objects.iter().any(|id| self.objects.get(id).is_some_and(|object| object.started)) {
            self.push_back(pulled);
        }
    }

    fn push_back(&mut self, pulled: Pulled) {
        self.forget(&pulled.objects, pulled.replaced);
        for (object, id, symbol) in pulled.rebound.iter().rev() {
            self.restore_symbol(*object, *id, symbol);
        }
    }

    /// Removes objects as if they had never been added; gives what they had replaced its names back.
    pub(crate) fn forget(&mut self, objects: &[ObjectId], replaced: Vec<Replaced>) {
        let left = self.remove_objects(objects);
        for replaced in replaced.into_iter().rev() {
            if let (DefinedBy::Object(object, id), Some(symbol)) = (replaced.entry.by, &replaced.symbol) {
                self.restore_symbol(object, id, symbol);
            }
            let Ok(dylib) = self.dylib_mut(replaced.dylib) else { continue };
            match dylib.symbols.get_mut(&replaced.name) {
                None => {
                    dylib.symbols.insert(replaced.name, replaced.entry);
                }
                Some(entry) if entry.by == replaced.entry.by => entry.scope = replaced.entry.scope,
                // Somebody else took the name meanwhile.
                Some(_) => {}
            }
        }
        self.inherit(left);
    }

    fn restore_symbol(&mut self, object: ObjectId, id: SymbolId, symbol: &Symbol) {
        let Self { dylibs, objects, .. } = self;
        let Some(record) = objects.get_mut(&object) else { return };
        if let Some(dylib) = dylibs.get_mut(&record.dylib) {
            for yielded in record.yielded.extract_if(.., |yielded| yielded.symbol == id) {
                dylib.heirs.remove(&yielded.heir(object));
            }
        }
        let Some(input) = &mut record.input else { return };
        input.graph.make_definition(id, symbol.definition, symbol.linkage, symbol.indirect);
    }
}
