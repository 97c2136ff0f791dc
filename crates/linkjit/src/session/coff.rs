//! What objects of COFF ask for beside what their symbols say: which of several COMDAT sections is kept, what all objects
//! must agree on, what names mean that nobody defines.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use linkjit_link::graph::{Group, LinkGraph, Linkage, Protection, Request, Scope, Selection};
use linkjit_link::names::{NameId, NamePool};
use linkjit_link::passes::image_sections::ImageSections;

use super::state::{DefinedBy, DylibId, Entry, State, UnitId};
use crate::error::{Error, Result};

/// What the runtime's own default libraries are called: their DLLs are searched in any case, and what is in none of them
/// is the executor's (`libcmt`, `msvcrt` and so on), or they hold nothing to link against.
const RUNTIME_LIBRARIES: [&str; 9] =
    ["libcmt", "msvcrt", "libcpmt", "msvcprt", "libvcruntime", "vcruntime", "libucrt", "ucrt", "oldnames"];

/// Whether a default library is the runtime's, maybe that for debugging (`libcmtd.lib`).
fn is_runtime(library: &str) -> bool {
    let name = library.strip_suffix(".lib").unwrap_or(library);
    RUNTIME_LIBRARIES.iter().any(|known| name == *known || name.strip_suffix('d') == Some(*known)) || name == "uuid"
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
    /// The default libraries of a JITDylib that are to be opened now.
    pub(crate) fn take_default_libraries(&mut self, dylib: DylibId) -> Vec<String> {
        let Ok(of) = self.dylib_mut(dylib) else { return Vec::new() };
        let excluded = std::mem::take(&mut of.no_default_libraries);
        let mut wanted = Vec::new();
        for (name, done) in &mut of.default_libraries {
            let is_excluded = excluded.iter().any(|of| of.as_ref().is_none_or(|of| of == name));
            if !std::mem::replace(done, true) && !is_excluded && !is_runtime(name) {
                wanted.push(name.clone());
            }
        }
        of.no_default_libraries = excluded;
        wanted
    }

    /// Whether an object agrees with those before it.
    pub(super) fn check_requests(&self, dylib: DylibId, graph: &LinkGraph) -> Result<()> {
        let agreed = &self.dylib(dylib)?.agreed;
        for request in graph.requests() {
            let (key, value) = match request {
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
        self.dylib(dylib).is_ok_and(|of| of.default_libraries.iter().any(|(known, _)| known == library))
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
        let of = self.dylib_mut(dylib)?;
        for alternate in graph.alternates() {
            of.alternates.entry(alternate.name).or_insert((alternate.target, unit));
        }
        for request in graph.requests() {
            match request {
                Request::MustMatch { key, value } => {
                    of.agreed.entry(key.clone()).or_insert_with(|| (value.clone(), unit));
                }
                Request::DefaultLibrary(name) if of.default_libraries.iter().all(|(known, _)| known != name) => {
                    of.default_libraries.push((name.clone(), false));
                }
                Request::NoDefaultLibrary(name) => of.no_default_libraries.push(name.clone()),
                other => of.image_requests.enter(unit, other),
            }
        }
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
