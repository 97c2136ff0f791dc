//! Functions and variables that an update removes. Stubs of functions stay, since others may call them: the error then
//! names the update.

use std::collections::BTreeSet;

use linkjit_link::graph::{LinkGraph, Symbol};
use linkjit_link::names::{NameId, NamePool};

use super::object::LOCAL;
use crate::error::Error;
use crate::session::{DylibId, Object, ObjectId, Removal, State, Updatable};

/// The name that the source has. COFF has no weak definitions: compilers for MinGW define `.weak.NAME.default.OTHER`,
/// and make `NAME` a weak external that stands for it.
fn source_name(name: &str) -> &str {
    let weak = name.strip_prefix(".weak.").and_then(|rest| rest.split_once(".default."));
    weak.map_or(name, |(name, _)| name)
}

/// A definition that an object had before an update, and has not any more.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub struct Gone {
    /// The object.
    pub object: String,
    /// Its name.
    pub name: String,
    /// It is a function; otherwise it is a variable.
    pub is_function: bool,
}

impl State {
    /// Notes what an object has lost by an update; returns it.
    pub(super) fn note_removed(
        &self,
        object: &str,
        (old, old_functions): (&Object, &Updatable),
        new: &mut Updatable,
        names: &NamePool,
    ) -> Vec<Gone> {
        let current: BTreeSet<NameId> = self.object(new.object).into_iter().flat_map(Object::names).copied().collect();
        new.removed.retain(|name, _| !current.contains(name));
        let symbols = old.graph().map(LinkGraph::symbols).unwrap_or_default();
        let functions = symbols.iter().filter(|symbol| symbol.callable).filter_map(Symbol::global_name);
        let functions: BTreeSet<NameId> = functions.collect();
        let mut gone = Vec::new();
        for &name in old.names().iter().filter(|name| !current.contains(*name)) {
            let number = old_functions.functions.get(&name);
            let shown = number.and_then(|&number| self.lazy().get(number)).map_or(name, |function| function.name);
            if number.is_some() {
                new.removed.insert(name, Removal { update: new.number, by_rollback: false });
            }
            let text = names.text(shown);
            // Others know a local function by its address only, which may just not be taken any more.
            if !text.starts_with(LOCAL) {
                let is_function = number.is_some() || functions.contains(&name);
                gone.push(Gone { object: object.into(), name: source_name(&text).into(), is_function });
            }
        }
        gone.sort_unstable();
        gone.dedup();
        gone
    }

    /// The error about a function that is implemented by a name, if an update, or going back from one, has removed that;
    /// with the name that the function has in its source.
    pub(crate) fn removed_by_update(&self, (dylib, target): (DylibId, NameId), name: &str) -> Option<(String, Error)> {
        let mut objects = self.updatables(dylib);
        let (object, removal) =
            objects.find_map(|(object, updatable)| Some((object.to_string(), *updatable.removed.get(&target)?)))?;
        let name = name.strip_prefix(&format!("{LOCAL}{object}.")).unwrap_or(name).to_owned();
        let Removal { update, by_rollback } = removal;
        Some((name.clone(), Error::RemovedByUpdate { name, object, update, by_rollback }))
    }
}

impl Updatable {
    /// The object as it was `before`, with the stubs that it has now: those of functions that it had not then lead
    /// nowhere.
    pub(super) fn gone_back(&self, before: Self, objects: &[(ObjectId, Object)]) -> Self {
        let mut updatable = Self { functions: self.functions.clone(), ..before };
        let previous: BTreeSet<_> = objects.iter().flat_map(|(_, object)| object.names()).collect();
        for name in self.functions.keys().filter(|name| !previous.contains(name)) {
            updatable.removed.entry(*name).or_insert(Removal { update: self.number, by_rollback: true });
        }
        updatable
    }
}
