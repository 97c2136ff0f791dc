//! What objects of COFF ask for beside what their symbols say: libraries, what all objects must agree on, what names mean
//! that nobody defines.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use linkjit_link::graph::{LinkGraph, Linkage, Protection, Request, Scope};
use linkjit_link::names::NameId;
use linkjit_link::passes::image_sections::ImageSections;

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

/// What objects ask for about the image that their JITDylib is, each with who does.
#[derive(Debug, Default)]
pub(crate) struct ImageRequests {
    /// What others find under names that may be nobody's here.
    exports: HashMap<NameId, (NameId, UnitId), FixedState>,
    /// Where the program begins.
    entries: Vec<(NameId, UnitId)>,
    merged: Vec<((String, String), UnitId)>,
    protections: Vec<((String, Protection), UnitId)>,
}

impl ImageRequests {
    /// Notes a request; the first of its kind counts.
    fn enter(&mut self, unit: UnitId, request: &Request) {
        match request {
            Request::Export { name, target } if name != target => {
                self.exports.entry(*name).or_insert((*target, unit));
            }
            Request::Entry(name) => self.entries.push((*name, unit)),
            Request::Merge { from, to } => self.merged.push(((from.clone(), to.clone()), unit)),
            Request::Protect { section, protection } => {
                self.protections.push(((section.clone(), *protection), unit));
            }
            _ => {}
        }
    }

    /// Forgets what a unit has asked for.
    pub(super) fn forget(&mut self, unit: UnitId) {
        self.exports.retain(|_, (_, of)| *of != unit);
        self.entries.retain(|(_, of)| *of != unit);
        self.merged.retain(|(_, of)| *of != unit);
        self.protections.retain(|(_, of)| *of != unit);
    }

    /// What a name is exported for, as the JITDylib `dylib` would define it.
    pub(crate) fn exported(&self, dylib: DylibId, name: NameId) -> Option<Entry> {
        if self.exports.is_empty() {
            return None;
        }
        let &(target, _) = self.exports.get(&name)?;
        let by = DefinedBy::Alias(dylib, target);
        Some(Entry { by, linkage: Linkage::Strong, scope: Scope::Default, address: None, contested: false })
    }

    /// Whether something is exported that is called so.
    pub(crate) fn is_export_of(&self, target: NameId) -> bool {
        self.exports.values().any(|(of, _)| *of == target)
    }

    /// Where the program begins.
    pub(crate) fn entry(&self) -> Option<NameId> {
        self.entries.first().map(|(name, _)| *name)
    }

    /// What becomes of sections; `None` if nobody asks for anything.
    pub(crate) fn sections(&self) -> Option<ImageSections> {
        let sections = ImageSections {
            merged: self.merged.iter().map(|(of, _)| of.clone()).collect(),
            protections: self.protections.iter().map(|(of, _)| of.clone()).collect(),
        };
        (!sections.is_empty()).then_some(sections)
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

    /// Whether the C runtime of an installation was opened for a JITDylib.
    pub(crate) fn has_installed_crt(&self, dylib: DylibId) -> bool {
        let Ok(of) = self.dylib(dylib) else { return false };
        of.default_libraries.iter().any(|library| library.done && self.crt.has_startup(&library.name))
    }

    /// Whether that is Microsoft's, which has the pieces that each image needs of its own.
    pub(crate) fn has_microsofts_crt(&self, dylib: DylibId) -> bool {
        self.crt.is_microsofts() && self.has_installed_crt(dylib)
    }

    /// What starts that runtime, if it was made already.
    pub(crate) fn crt_startup(&self, dylib: DylibId) -> Option<UnitId> {
        self.dylib(dylib).ok()?.crt_startup.filter(|unit| self.units.contains_key(unit))
    }

    /// Whether something of a unit is yet to be linked.
    pub(crate) fn is_to_be_linked(&self, unit: UnitId) -> bool {
        self.units.get(&unit).is_some_and(|unit| unit.input.is_some())
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
            match request {
                Request::Unknown(directive) => {
                    self.warnings.push(format!("{}: unknown directive '{directive}'", graph.name()));
                }
                Request::Share(section) => {
                    self.warnings.push(format!("{}: other processes do not share section '{section}'", graph.name()));
                }
                _ => {}
            }
        }
        let implied = self.crt.implied_libraries();
        let of = self.dylib_mut(dylib)?;
        for alternate in graph.alternates() {
            of.alternates.entry(alternate.name).or_insert((*alternate, unit));
        }
        for request in graph.requests() {
            match request {
                Request::MustMatch { key, value } => {
                    of.agreed.entry(key.clone()).or_insert_with(|| (value.clone(), unit));
                }
                Request::DefaultLibrary(name) => of.ask_for(name, Some(unit)),
                Request::NoDefaultLibrary(name) => of.no_default_libraries.push(name.clone()),
                other => of.image_requests.enter(unit, other),
            }
        }
        implied.iter().for_each(|name| of.ask_for(name, None));
        Ok(())
    }
}
