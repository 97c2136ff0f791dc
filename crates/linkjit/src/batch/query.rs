//! The question that a batch is asked, and its answer if others must do something before it can link.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use linkjit_link::names::NameId;

use super::Unfound;
use crate::session::{DylibId, Generator, GeneratorId, NamesInUse, ObjectId, Pulled, Roots};

/// A lookup, from round to round.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) dylib: DylibId,
    pub(crate) names: Vec<Unfound>,
    pub(crate) goal: Goal,
    /// The names that generators of the user were asked for, and whether that was all for weak references.
    pub(crate) asked: HashMap<(GeneratorId, NameId), bool, FixedState>,
    pub(crate) pulled: Pulled,
    /// For one that outlives the function that made it.
    pub(crate) _names_in_use: Option<NamesInUse>,
}

/// The goal of a lookup.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Goal {
    /// Linking what the names need.
    #[default]
    Link,
    /// And everything that has initializers, but for objects that are linked lazily.
    LinkWithInitializers,
    /// And these, too.
    LinkWithAllInitializers,
    /// Linking what a call needs, and all initializers of JITDylibs that are used for the first time by that.
    LinkForCall,
    /// Finding who defines them: nothing is materialized or linked, and nothing missing is an error.
    Find,
}

impl Goal {
    /// Says whose initializers are linked; `None`: only those of objects that are linked anyway.
    pub(crate) fn roots(self) -> Option<Roots> {
        match self {
            Self::Link | Self::LinkForCall | Self::Find => None,
            Self::LinkWithInitializers => Some(Roots::Eager),
            Self::LinkWithAllInitializers => Some(Roots::All),
        }
    }

    /// Says whether JITDylibs that are initialized on demand are so if they are used: as a whole, as if they were opened.
    pub(crate) fn initializes_used(self) -> bool {
        !matches!(self, Self::Link | Self::Find)
    }
}

/// The work that has to be done before a batch can link.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Units to be materialized, without duplicates.
    pub(crate) objects: Vec<ObjectId>,
    /// Generators to be asked.
    pub(crate) asks: Vec<Ask>,
    /// The names that the units are wanted for, and in whose link orders.
    pub(crate) awaited: Vec<(DylibId, NameId)>,
}

/// A generator of the user that is to be asked for names.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) dylib: DylibId,
    pub(crate) generator: Generator,
    pub(crate) names: Vec<Unfound>,
}

impl Work {
    pub(crate) fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.asks.is_empty()
    }
}
