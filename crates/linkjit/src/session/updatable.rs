//! The table of objects that can be replaced.

use std::collections::BTreeMap;

use linkjit_link::names::NameId;

use super::state::{State, TrackerId, UnitId};

/// An object that can be replaced.
#[derive(Clone, Debug)]
pub(crate) struct Updatable {
    /// Owns the stubs of all generations. The session has this: no handle, which would keep the session.
    pub(crate) stubs: TrackerId,
    /// By the name of their implementations: the numbers of their trampolines.
    pub(crate) functions: BTreeMap<NameId, u32>,
    /// Those of them that the present generation has not, by the same name.
    pub(crate) removed: BTreeMap<NameId, Removal>,
    /// Owns the present generation.
    pub(crate) current: TrackerId,
    pub(crate) unit: UnitId,
    /// How often it was replaced.
    pub(crate) number: u64,
}

/// How a function was taken away that still has a stub.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Removal {
    /// By which update of its object, counted from 1.
    pub(crate) update: u64,
    /// By going back from it.
    pub(crate) by_rollback: bool,
}

impl State {
    /// Notes that an object can be replaced: it is asked where its variables are.
    pub(crate) fn make_updatable(&mut self, unit: UnitId) {
        self.has_updatable = true;
        if let Some(unit) = self.units.get_mut(&unit) {
            unit.updatable = true;
        }
    }

    /// Whether there have been updatable objects.
    pub(crate) fn has_updatable(&self) -> bool {
        self.has_updatable
    }
}
