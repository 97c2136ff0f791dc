//! Requests of objects (mostly COFF) apart from their symbols: libraries, settings on which all objects must agree,
//! alternates for undefined names.

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use linkjit_link::graph::{LinkGraph, Protection, Request};
use linkjit_link::names::NameId;
use linkjit_link::passes::image_sections::ImageSections;

use super::claims::Claims;
use super::{DylibId, DylibState, Entry, ObjectId, State};
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

    fn ask_for(&mut self, library: &str, object: ObjectId) {
        if self.asked.first(library).is_none() && !self.opened.contains(library) {
            self.unopened.push(library.into());
        }
        self.asked.enter(library.into(), (), object);
    }

    fn is_wanted(&self, library: &str) -> bool {
        let is_excluded = |name: Option<String>| self.excluded.first(&name).is_some();
        self.excluded.is_empty() || !(is_excluded(None) || is_excluded(Some(library.into())))
    }

    /// An object that goes asks for nothing any more; what was opened for it stays.
    fn forget(&mut self, object: ObjectId) {
        self.asked.forget(object);
        self.excluded.forget(object);
        let (asked, required) = (&self.asked, &self.required);
        self.unopened.retain(|library| required.contains(library) || asked.first(library).is_some());
    }
}

/// The requests of objects about the image that their JITDylib is, each with who does.
#[derive(Debug, Default)]
pub(crate) struct ImageRequests {
    /// The exports under names that may be nobody's here.
    exports: Claims<NameId, NameId>,
    /// The exports under their own names.
    plain_exports: Claims<NameId, ()>,
    /// The function at which the program begins.
    entries: Vec<(NameId, ObjectId)>,
    merged: Vec<((String, String), ObjectId)>,
    protections: Vec<((String, Protection), ObjectId)>,
    /// The object that has the image's resources.
    resources: Option<ObjectId>,
}

impl ImageRequests {
    /// Notes a request; the first of its kind counts.
    fn enter(&mut self, object: ObjectId, request: &Request) {
        match request {
            Request::Export { name, target } if name != target => {
                self.exports.enter(*name, *target, object);
            }
            Request::Export { name, .. } => self.plain_exports.enter(*name, (), object),
            Request::Entry(name) => insert(&mut self.entries, *name, object),
            Request::Merge { from, to } => insert(&mut self.merged, (from.clone(), to.clone()), object),
            Request::Protect { section, protection } => {
                insert(&mut self.protections, (section.clone(), *protection), object);
            }
            Request::Resources(_) => self.resources = Some(object),
            _ => {}
        }
    }

    /// Forgets what an object has asked for.
    fn forget(&mut self, object: ObjectId) {
        self.exports.forget(object);
        self.plain_exports.forget(object);
        self.entries.retain(|(_, by)| *by != object);
        self.merged.retain(|(_, by)| *by != object);
        self.protections.retain(|(_, by)| *by != object);
        self.resources = self.resources.filter(|by| *by != object);
    }

    /// All names of requests, some more than once.
    pub(super) fn names_used(&self, used: &mut Vec<NameId>) {
        used.extend(self.exports.all().flat_map(|(&name, &target)| [name, target]));
        used.extend(self.plain_exports.all().map(|(&name, ())| name));
        used.extend(self.entries.iter().map(|&(name, _)| name));
    }

    /// Finds what a name is exported for, as the JITDylib `dylib` would define it.
    pub(crate) fn exported(&self, dylib: DylibId, name: NameId) -> Option<Entry> {
        if self.exports.is_empty() {
            return None;
        }
        let (target, _) = self.exports.first(&name)?;
        Some(Entry::alias((dylib, *target)))
    }

    /// Says whether an image has such an export.
    pub(crate) fn has_export(&self, name: NameId) -> bool {
        self.exports.first(&name).is_some() || self.plain_exports.first(&name).is_some()
    }

    /// Says whether something is exported that is called so.
    pub(crate) fn is_export_of(&self, target: NameId) -> bool {
        self.exports.iter().any(|(_, export, _)| *export == target)
    }

    /// The function at which the program begins.
    pub(crate) fn entry(&self) -> Option<NameId> {
        self.entries.first().map(|(name, _)| *name)
    }

    /// Says what becomes of sections; `None` if nobody asks for anything.
    pub(crate) fn sections(&self) -> Option<ImageSections> {
        let sections = ImageSections {
            merged: first_of_each(self.merged.iter().map(|(request, _)| request)),
            // The last one counts.
            protections: first_of_each(self.protections.iter().rev().map(|(request, _)| request)),
        };
        (!sections.is_empty()).then_some(sections)
    }
}

/// Notes what an object says behind what those say that were added before: it may have been withdrawn and come back.
fn insert<T>(said: &mut Vec<(T, ObjectId)>, what: T, object: ObjectId) {
    said.insert(said.partition_point(|&(_, by)| by <= object), (what, object));
}

/// Picks what is said of each section first: a header may make all objects say the same.
fn first_of_each<'a, V: Clone + 'a>(said: impl Iterator<Item = &'a (String, V)>) -> Vec<(String, V)> {
    let mut known: HashSet<&str, FixedState> = HashSet::default();
    said.filter(|(section, _)| known.insert(section)).cloned().collect()
}

impl DylibState {
    /// The default libraries that objects ask for and others do not exclude, and who does first; in no order.
    pub(crate) fn default_libraries_asked_for(&self) -> impl Iterator<Item = (&str, ObjectId)> {
        let libraries = &self.default_libraries;
        let asked = libraries.asked.iter().map(|(library, (), object)| (library.as_str(), object));
        asked.filter(|(library, _)| libraries.is_wanted(library))
    }

    /// Says whether such a default library was opened.
    pub(crate) fn has_opened(&self, matches: impl Fn(&str) -> bool) -> bool {
        self.default_libraries.opened.iter().any(|library| matches(library))
    }

    /// Forgets what an object asks for.
    pub(super) fn forget_requests(&mut self, object: ObjectId) {
        self.alternates.forget(object);
        self.image_requests.forget(object);
        self.agreed.forget(object);
        self.default_libraries.forget(object);
        self.dependent_libraries.forget(object);
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

    /// The object that starts the C runtime that was opened for a JITDylib, if it was made already.
    pub(crate) fn crt_startup(&self, dylib: DylibId) -> Option<ObjectId> {
        self.dylib(dylib).ok()?.crt_startup.filter(|object| self.objects.contains_key(object))
    }

    /// Says whether something of an object is yet to be linked.
    pub(crate) fn is_to_be_linked(&self, object: ObjectId) -> bool {
        self.objects.get(&object).is_some_and(|object| object.input.is_some())
    }

    /// Says whether an object agrees with those before it.
    pub(super) fn check_requests(&self, dylib: DylibId, graph: &LinkGraph) -> Result<()> {
        let agreed = &self.dylib(dylib)?.agreed;
        let resources = self.dylib(dylib)?.image_requests.resources;
        for request in &graph.requests {
            let (key, value) = match request {
                Request::MustMatch { key, value } if self.crt.must_agree(key) => (key, value),
                Request::Resources(_) if let Some(object) = resources => {
                    let (first, second) = (self.object_name(object), graph.name());
                    return Err(Error::unsupported(format!(
                        "{second}: the object has resources, but {first} has some already: compile them together"
                    )));
                }
                Request::DisallowedLibrary(name) if self.asks_for(dylib, name) => {
                    return Err(Error::Disallowed { library: name.clone(), object: graph.name().into() });
                }
                _ => continue,
            };
            let Some((known, object)) = agreed.first(key).filter(|(known, _)| *known != value) else { continue };
            let first = format!("{known} in {}", self.object_name(object));
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

    /// Notes what a new object asks for.
    pub(super) fn enter_requests(&mut self, dylib: DylibId, object: ObjectId, graph: &LinkGraph) -> Result<()> {
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
        self.reenter_requests(dylib, object, graph)
    }

    /// Notes what an object asks for that has come back.
    pub(super) fn reenter_requests(&mut self, dylib: DylibId, object: ObjectId, graph: &LinkGraph) -> Result<()> {
        let implied = self.crt.implied_libraries();
        let table = self.dylib_mut(dylib)?;
        for alternate in &graph.alternates {
            table.alternates.enter(alternate.name, *alternate, object);
        }
        for request in &graph.requests {
            match request {
                Request::MustMatch { key, value } => table.agreed.enter(key.clone(), value.clone(), object),
                Request::DefaultLibrary(name) => table.default_libraries.ask_for(name, object),
                Request::DependentLibrary(name) => table.dependent_libraries.ask_for(name, object),
                Request::NoDefaultLibrary(name) => table.default_libraries.excluded.enter(name.clone(), (), object),
                other => table.image_requests.enter(object, other),
            }
        }
        implied.iter().for_each(|name| table.default_libraries.ask_for(name, object));
        Ok(())
    }
}
