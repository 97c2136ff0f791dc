//! What objects of COFF ask for beside what their symbols say: which of several COMDAT sections is kept, what all objects
//! must agree on, what names mean that nobody defines.

use linkjit_link::graph::{Group, LinkGraph, Request, Selection};
use linkjit_link::names::{NameId, NamePool};

use super::state::{DefaultLibrary, DefinedBy, DylibId, DylibState, Entry, State, UnitId};
use crate::error::{Error, Result};
use crate::platform::crt;

/// What objects call the runtime that they are for, in `/failifmismatch`.
const RUNTIME_KEY: &str = "RuntimeLibrary";

impl DylibState {
    fn ask_for(&mut self, library: &str, by: Option<UnitId>) {
        match self.default_libraries.iter_mut().find(|known| known.name == library) {
            Some(known) => known.by = known.by.or(by),
            None => self.default_libraries.push(DefaultLibrary { name: library.into(), by, done: false }),
        }
    }

    /// A unit that goes asks for nothing any more; what was opened for it stays.
    pub(super) fn forget_default_libraries(&mut self, unit: UnitId) {
        self.default_libraries.retain(|library| library.done || library.by != Some(unit));
        self.default_libraries
            .iter_mut()
            .filter(|library| library.by == Some(unit))
            .for_each(|library| library.by = None);
    }
}

impl State {
    /// The default libraries of a JITDylib that are to be opened now, as far as `crt` does not know better. They are until
    /// [`State::opened_default_library`] is told.
    ///
    /// # Errors
    /// If the objects are for different runtimes, and the one that is to be linked serves not all.
    pub(crate) fn default_libraries(&mut self, dylib: DylibId) -> Result<Vec<String>> {
        let of = self.dylib(dylib)?;
        let is_wanted = |library: &&DefaultLibrary| {
            let is_it = |excluded: &Option<String>| excluded.as_ref().is_none_or(|name| *name == library.name);
            !of.no_default_libraries.iter().any(is_it)
        };
        let mut libraries = of.default_libraries.iter().filter(|library| !library.done).filter(is_wanted).peekable();
        if libraries.peek().is_some() && self.crt.is_microsofts() {
            self.check_flavours(of.default_libraries.iter().filter(is_wanted))?;
        }
        Ok(libraries.map(|library| library.name.clone()).collect())
    }

    pub(crate) fn opened_default_library(&mut self, dylib: DylibId, name: &str) {
        let Ok(of) = self.dylib_mut(dylib) else { return };
        of.default_libraries.iter_mut().filter(|library| library.name == name).for_each(|library| library.done = true);
    }

    /// Whether libraries that objects ask for are for one runtime.
    fn check_flavours<'a>(&self, libraries: impl Iterator<Item = &'a DefaultLibrary>) -> Result<()> {
        let asked = |library: &'a DefaultLibrary| Some((library, library.by?, crt::flavour(&library.name)?));
        let mut flavoured = libraries.filter_map(asked);
        let Some(first) = flavoured.next() else { return Ok(()) };
        let Some(second) = flavoured.find(|second| second.2 != first.2) else { return Ok(()) };
        let describe = |(library, unit, flavour): (&DefaultLibrary, UnitId, &str)| {
            format!("{} ({flavour}) in {}", library.name, self.units.get(&unit).map_or("", |unit| &unit.name))
        };
        Err(Error::Mismatch { key: RUNTIME_KEY.into(), first: describe(first), second: describe(second) })
    }

    /// Whether an object agrees with those before it.
    pub(super) fn check_requests(&self, dylib: DylibId, graph: &LinkGraph) -> Result<()> {
        let agreed = &self.dylib(dylib)?.agreed;
        for request in graph.requests() {
            let (key, value) = match request {
                // One that serves all does not care.
                Request::MustMatch { key, .. } if key == RUNTIME_KEY && !self.crt.is_microsofts() => continue,
                Request::MustMatch { key, value } => (key, value),
                Request::DisallowedLibrary(name) if self.asks_for(dylib, name) => {
                    return Err(Error::Disallowed { library: name.clone(), object: graph.name().into() });
                }
                _ => continue,
            };
            let Some((known, unit)) = agreed.get(key).filter(|(known, _)| known != value) else { continue };
            let unit = self.units.get(unit).map_or_else(String::new, |unit| unit.name.to_string());
            return Err(Error::Mismatch {
                key: key.clone(),
                first: format!("{known} in {unit}"),
                second: format!("{value} in {}", graph.name()),
            });
        }
        Ok(())
    }

    fn asks_for(&self, dylib: DylibId, library: &str) -> bool {
        self.dylib(dylib).is_ok_and(|of| of.default_libraries.iter().any(|known| known.name == library))
    }

    /// Notes what a new unit asks for.
    pub(super) fn enter_requests(&mut self, dylib: DylibId, unit: UnitId, graph: &LinkGraph) -> Result<()> {
        for request in graph.requests() {
            if let Request::Unknown(directive) = request {
                self.warnings.push(format!("{}: unknown directive '{directive}'", graph.name()));
            }
        }
        let implied = self.crt.implied_libraries();
        let of = self.dylib_mut(dylib)?;
        for alternate in graph.alternates() {
            of.alternates.entry(alternate.name).or_insert((alternate.target, unit));
        }
        for request in graph.requests() {
            match request {
                Request::MustMatch { key, value } => {
                    of.agreed.entry(key.clone()).or_insert_with(|| (value.clone(), unit));
                }
                Request::DefaultLibrary(name) => of.ask_for(name, Some(unit)),
                Request::NoDefaultLibrary(name) => of.no_default_libraries.push(name.clone()),
                _ => {}
            }
        }
        implied.iter().for_each(|name| of.ask_for(name, None));
        Ok(())
    }

    /// Compares the groups of a new object with those that are there. A larger one takes the place of another of its name
    /// if nothing of that is linked yet.
    pub(super) fn select_groups(&mut self, dylib: DylibId, graph: &LinkGraph, names: &NamePool) -> Result<()> {
        let mut replaced = Vec::new();
        for group in graph.groups() {
            if group.selection == Selection::Any {
                continue;
            }
            let Some(&(owner, _)) = self.dylib(dylib)?.groups.get(&group.signature) else { continue };
            let Some(unit) = self.units.get(&owner) else { continue };
            let known = unit.groups.iter().find(|(signature, _)| *signature == group.signature);
            let Some(&(_, known)) = known else { continue };
            let what = match (group.selection, known) {
                (Selection::NoDuplicates, _) | (_, Selection::NoDuplicates) => {
                    return Err(Error::Duplicate {
                        name: names.text(group.signature).into_owned(),
                        first: unit.name.to_string(),
                        second: graph.name().into(),
                    });
                }
                (Selection::SameSize(new), Selection::SameSize(old)) if new != old => "of another size",
                (Selection::ExactMatch(new), Selection::ExactMatch(old)) if new != old => "different",
                (Selection::Largest(new), Selection::Largest(old)) if new > old && !unit.started => {
                    replaced.push((owner, group.signature));
                    continue;
                }
                _ => continue,
            };
            return Err(Error::GroupMismatch {
                name: names.text(group.signature).into_owned(),
                what,
                first: unit.name.to_string(),
                second: graph.name().into(),
            });
        }
        for (owner, signature) in replaced {
            self.drop_group(dylib, owner, signature)?;
        }
        Ok(())
    }

    /// Makes the names of a unit's group references, to what will take their place.
    fn drop_group(&mut self, dylib: DylibId, owner: UnitId, signature: NameId) -> Result<()> {
        let Some(input) = self.units.get_mut(&owner).and_then(|unit| unit.input.as_mut()) else { return Ok(()) };
        let graph = &mut input.graph;
        let groups = graph.dissolve_groups(|of| of == signature);
        let mut blocks: Vec<_> = groups.iter().flat_map(|group: &Group| &group.blocks).copied().collect();
        blocks.sort_unstable();
        graph.discard_blocks(&blocks);
        let mut names = Vec::new();
        for symbol in graph.symbol_ids() {
            let of = graph.symbol(symbol);
            let (Some(name), Some(block)) = (of.shared_name(), of.block()) else { continue };
            if blocks.binary_search(&block).is_ok() {
                graph.make_external(symbol);
                names.push((name, symbol));
            }
        }
        let of = self.dylib_mut(dylib)?;
        of.groups.remove(&signature);
        for (name, symbol) in names {
            let is_its = |entry: &Entry| entry.by == DefinedBy::Unit(owner, symbol);
            if of.symbols.get(&name).is_some_and(is_its) {
                of.symbols.remove(&name);
            }
        }
        Ok(())
    }
}
