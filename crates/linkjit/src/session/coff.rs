//! Requests of objects (mostly COFF) apart from their symbols: libraries, settings on which all objects must agree,
//! alternates for undefined names.

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use linkjit_link::graph::{LinkGraph, Protection, Request};
use linkjit_link::names::NameId;
use linkjit_link::passes::image_sections::ImageSections;

use super::claims::Claims;
use super::{DylibId, DylibState, Entry, State, UnitId};
use crate::error::{Error, Result};

/// Libraries that objects ask for; those of COFF (`/defaultlib`) in small letters and with their extension.
#[derive(Debug, Default)]
pub(crate) struct DefaultLibraries {
    asked: Claims<String, ()>,
    /// Those that objects do not want on account of others; `None` for all.
    excluded: Claims<Option<String>, ()>,
    /// Those that were not opened when they were asked for first, in that order.
    unopened: Vec<String>,
    opened: HashSet<String, FixedState>,
    /// Those that archives ask for, which stay.
    required: HashSet<String, FixedState>,
}

impl DefaultLibraries {
    /// Notes a library that an archive asks for.
    pub(crate) fn require(&mut self, library: String) {
        if !self.opened.contains(&library) && self.required.insert(library.clone()) {
            self.unopened.push(library);
        }
    }

    fn ask_for(&mut self, library: &str, unit: UnitId) {
        if self.asked.first(library).is_none() && !self.opened.contains(library) {
            self.unopened.push(library.into());
        }
        self.asked.enter(library.into(), (), unit);
    }

    fn is_wanted(&self, library: &str) -> bool {
        let is_excluded = |name: Option<String>| self.excluded.first(&name).is_some();
        self.excluded.is_empty() || !(is_excluded(None) || is_excluded(Some(library.into())))
    }

    /// A unit that goes asks for nothing any more; what was opened for it stays.
    fn forget(&mut self, unit: UnitId) {
        self.asked.forget(unit);
        self.excluded.forget(unit);
        let (asked, required) = (&self.asked, &self.required);
        self.unopened.retain(|library| required.contains(library) || asked.first(library).is_some());
    }
}

/// What objects ask for about the image that their JITDylib is, each with who does.
#[derive(Debug, Default)]
pub(crate) struct ImageRequests {
    /// What others find under names that may be nobody's here.
    exports: Claims<NameId, NameId>,
    /// What is exported under its own name.
    plain_exports: Claims<NameId, ()>,
    /// Where the program begins.
    entries: Vec<(NameId, UnitId)>,
    merged: Vec<((String, String), UnitId)>,
    protections: Vec<((String, Protection), UnitId)>,
    /// Who has the image's resources.
    resources: Option<UnitId>,
}

impl ImageRequests {
    /// Notes a request; the first of its kind counts.
    fn enter(&mut self, unit: UnitId, request: &Request) {
        match request {
            Request::Export { name, target } if name != target => {
                self.exports.enter(*name, *target, unit);
            }
            Request::Export { name, .. } => self.plain_exports.enter(*name, (), unit),
            Request::Entry(name) => insert(&mut self.entries, *name, unit),
            Request::Merge { from, to } => insert(&mut self.merged, (from.clone(), to.clone()), unit),
            Request::Protect { section, protection } => {
                insert(&mut self.protections, (section.clone(), *protection), unit);
            }
            Request::Resources(_) => self.resources = Some(unit),
            _ => {}
        }
    }

    /// Forgets what a unit has asked for.
    fn forget(&mut self, unit: UnitId) {
        self.exports.forget(unit);
        self.plain_exports.forget(unit);
        self.entries.retain(|(_, by)| *by != unit);
        self.merged.retain(|(_, by)| *by != unit);
        self.protections.retain(|(_, by)| *by != unit);
        self.resources = self.resources.filter(|by| *by != unit);
    }

    /// All names of requests, some more than once.
    pub(super) fn names_used(&self, used: &mut Vec<NameId>) {
        used.extend(self.exports.all().flat_map(|(&name, &target)| [name, target]));
        used.extend(self.plain_exports.all().map(|(&name, ())| name));
        used.extend(self.entries.iter().map(|&(name, _)| name));
    }

    /// What a name is exported for, as the JITDylib `dylib` would define it.
    pub(crate) fn exported(&self, dylib: DylibId, name: NameId) -> Option<Entry> {
        if self.exports.is_empty() {
            return None;
        }
        let (target, _) = self.exports.first(&name)?;
        Some(Entry::alias((dylib, *target)))
    }

    /// Whether an image has such an export.
    pub(crate) fn has_export(&self, name: NameId) -> bool {
        self.exports.first(&name).is_some() || self.plain_exports.first(&name).is_some()
    }

    /// Whether something is exported that is called so.
    pub(crate) fn is_export_of(&self, target: NameId) -> bool {
        self.exports.iter().any(|(_, export, _)| *export == target)
    }

    /// Where the program begins.
    pub(crate) fn entry(&self) -> Option<NameId> {
        self.entries.first().map(|(name, _)| *name)
    }

    /// What becomes of sections; `None` if nobody asks for anything.
    pub(crate) fn sections(&self) -> Option<ImageSections> {
        let sections = ImageSections {
            merged: first_of_each(self.merged.iter().map(|(request, _)| request)),
            // The last one counts.
            protections: first_of_each(self.protections.iter().rev().map(|(request, _)| request)),
        };
        (!sections.is_empty()).then_some(sections)
    }
}

/// Notes what a unit says behind what those say that were added before: it may have been withdrawn and come back.
fn insert<T>(said: &mut Vec<(T, UnitId)>, what: T, unit: UnitId) {
    said.insert(said.partition_point(|&(_, by)| by <= unit), (what, unit));
}

/// What is said of each section first: a header may make all objects say the same.
fn first_of_each<'a, V: Clone + 'a>(said: impl Iterator<Item = &'a (String, V)>) -> Vec<(String, V)> {
    let mut known: HashSet<&str, FixedState> = HashSet::default();
    said.filter(|(section, _)| known.insert(section)).cloned().collect()
}

impl DylibState {
    /// The default libraries that objects ask for and others do not exclude, and who does first; in no order.
    pub(crate) fn default_libraries_asked_for(&self) -> impl Iterator<Item = (&str, UnitId)> {
        let libraries = &self.default_libraries;
        let asked = libraries.asked.iter().map(|(library, (), unit)| (library.as_str(), unit));
        asked.filter(|(library, _)| libraries.is_wanted(library))
    }

    /// Whether such a default library was opened.
    pub(crate) fn has_opened(&self, matches: impl Fn(&str) -> bool) -> bool {
        self.default_libraries.opened.iter().any(|library| matches(library))
    }

    /// Forgets what a unit asks for.
    pub(super) fn forget_requests(&mut self, unit: UnitId) {
        self.alternates.forget(unit);
        self.image_requests.forget(unit);
        self.agreed.forget(unit);
        self.default_libraries.forget(unit);
        self.dependent_libraries.forget(unit);
    }
}

impl State {
    /// The default libraries of a JITDylib that are to be opened now. They are until [`State::opened_default_library`] is
    /// told.
    pub(crate) fn default_libraries(&mut self, dylib: DylibId) -> Result<Vec<String>> {
        let libraries = &mut self.dylib_mut(dylib)?.default_libraries;
        libraries.unopened.retain(|library| !libraries.opened.contains(library));
        Ok(libraries.unopened.iter().filter(|library| libraries.is_wanted(library)).cloned().collect())
    }

    /// The libraries that objects and archives of ELF ask for and that are to be opened now: they are not asked for
    /// again.
    pub(crate) fn take_dependent_libraries(&mut self, dylib: DylibId) -> Result<Vec<String>> {
        let libraries = &mut self.dylib_mut(dylib)?.dependent_libraries;
        let wanted = std::mem::take(&mut libraries.unopened);
        libraries.opened.extend(wanted.iter().cloned());
        Ok(wanted)
    }

    pub(crate) fn opened_default_library(&mut self, dylib: DylibId, name: &str) {
        if let Ok(table) = self.dylib_mut(dylib) {
            table.default_libraries.opened.insert(name.into());
        }
    }

    /// What starts the C runtime that was opened for a JITDylib, if it was made already.
    pub(crate) fn crt_startup(&self, dylib: DylibId) -> Option<UnitId> {
        self.dylib(dylib).ok()?.crt_startup.filter(|unit| self.units.contains_key(unit))
    }

    /// Whether something of a unit is yet to be linked.
    pub(crate) fn is_to_be_linked(&self, unit: UnitId) -> bool {
        self.units.get(&unit).is_some_and(|unit| unit.input.is_some())
    }

    /// Whether an object agrees with those before it.
    pub(super) fn check_requests(&self, dylib: DylibId, graph: &LinkGraph) -> Result<()> {
        let agreed = &self.dylib(dylib)?.agreed;
        let resources = self.dylib(dylib)?.image_requests.resources;
        for request in &graph.requests {
            let (key, value) = match request {
                Request::MustMatch { key, value } if self.crt.must_agree(key) => (key, value),
                Request::Resources(_) if let Some(unit) = resources => {
                    let (first, second) = (self.unit_name(unit), graph.name());
                    return Err(Error::unsupported(format!(
                        "{second}: the object has resources, but {first} has some already: compile them together"
                    )));
                }
                Request::DisallowedLibrary(name) if self.asks_for(dylib, name) => {
                    return Err(Error::Disallowed { library: name.clone(), object: graph.name().into() });
                }
                _ => continue,
            };
            let Some((known, unit)) = agreed.first(key).filter(|(known, _)| *known != value) else { continue };
            let first = format!("{known} in {}", self.unit_name(unit));
            return Err(Error::Mismatch { key: key.clone(), first, second: format!("{value} in {}", graph.name()) });
        }
        Ok(())
    }

    fn asks_for(&self, dylib: DylibId, library: &str) -> bool {
        self.dylib(dylib).is_ok_and(|dylib| dylib.default_libraries.asked.first(library).is_some())
    }

    /// Keeps a warning, unless nobody has taken those of a long time.
    fn warn(&mut self, warning: impl FnOnce() -> String) {
        const MOST: usize = 1000;
        if self.warnings.len() < MOST {
            self.warnings.push(warning());
        }
    }

    /// Notes what a new unit asks for.
    pub(super) fn enter_requests(&mut self, dylib: DylibId, unit: UnitId, graph: &LinkGraph) -> Result<()> {
        for request in &graph.requests {
            match request {
                Request::Unknown(directive) => {
                    self.warn(|| format!("{}: unknown directive '{directive}'", graph.name()));
                }
                Request::Share(section) => {
                    self.warn(|| format!("{}: section '{section}' is not shared with other processes, though the object asks for that", graph.name()));
                }
                _ => {}
            }
        }
        self.reenter_requests(dylib, unit, graph)
    }

    /// Notes what a unit asks for that has come back.
    pub(super) fn reenter_requests(&mut self, dylib: DylibId, unit: UnitId, graph: &LinkGraph) -> Result<()> {
        let implied = self.crt.implied_libraries();
        let table = self.dylib_mut(dylib)?;
        for alternate in &graph.alternates {
            table.alternates.enter(alternate.name, *alternate, unit);
        }
        for request in &graph.requests {
            match request {
                Request::MustMatch { key, value } => table.agreed.enter(key.clone(), value.clone(), unit),
                Request::DefaultLibrary(name) => table.default_libraries.ask_for(name, unit),
                Request::DependentLibrary(name) => table.dependent_libraries.ask_for(name, unit),
                Request::NoDefaultLibrary(name) => table.default_libraries.excluded.enter(name.clone(), (), unit),
                other => table.image_requests.enter(unit, other),
            }
        }
        implied.iter().for_each(|name| table.default_libraries.ask_for(name, unit));
        Ok(())
    }
}
