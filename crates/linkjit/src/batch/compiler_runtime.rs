//! The libraries that are searched last: those that archives say they need, and the compilers' own. As with the
//! compilers' drivers, each JITDylib gets its own copy of what it needs from the latter, because most of it is hidden.

use std::sync::Arc;

use linkjit_link::linker_names::{LinkerName, is_of_image};
use linkjit_link::object::archive::Archive;

use super::Batch;
use super::find::Unfound;
use crate::compile::runtime;
use crate::error::Result;
use crate::generators::ArchiveGenerator;
use crate::jitdylib::JitDylib;
use crate::session::{Archives, DylibId, MatchScope, read_file};

/// Says whether compilers may have a function or variable of this name in their library.
fn may_be_compilers(name: &[u8]) -> bool {
    name.starts_with(b"__") && !is_linkers(name)
}

/// Says whether a name is the linker's own, if nobody else defines it.
fn is_linkers(name: &[u8]) -> bool {
    is_of_image(name) || LinkerName::parse(name).is_some()
}

impl Batch<'_> {
    /// Opens what archives of a link order say they need, if a name is missing that is not the linker's own. Returns
    /// whether there is something more to be searched now.
    pub(super) fn has_dependencies(&mut self, order: &[(DylibId, MatchScope)], unfound: &[Unfound]) -> Result<bool> {
        let is_missing = {
            let names = self.session.names();
            unfound.iter().any(|wanted| !wanted.weak && !is_linkers(names.bytes(wanted.name)))
        };
        if !is_missing || self.is_image() {
            return Ok(false);
        }
        order.iter().try_fold(false, |any, &(dylib, _)| Ok(self.open_dependencies(dylib)? || any))
    }

    /// Searches the compilers' library for what nobody else defines. Returns what is still not found.
    pub(super) fn ask_compiler_runtime(&mut self, dylib: DylibId, unfound: Vec<Unfound>) -> Result<Vec<Unfound>> {
        // Windows has libraries of its own for that.
        if self.is_image() || unfound.iter().all(|name| name.weak) {
            return Ok(unfound);
        }
        let is_compilers = {
            let names = self.session.names();
            let is_compilers = |wanted: &Unfound| !wanted.weak && may_be_compilers(names.bytes(wanted.name));
            unfound.iter().map(is_compilers).collect::<Vec<_>>()
        };
        let asked: Vec<_> = unfound.iter().zip(is_compilers).filter(|(_, is)| *is).map(|(name, _)| *name).collect();
        if asked.is_empty() {
            return Ok(unfound);
        }
        let runtime = self.compiler_runtime(dylib)?;
        let place = JitDylib::new(self.session.clone(), dylib);
        self.generate(&place, runtime.as_ref(), &asked)?;
        self.look_up_in(dylib, (dylib, MatchScope::All), unfound)
    }

    /// The archives of the compilers that are there, for a JITDylib. One that can't be read is as good as none: then
    /// its names are undefined.
    fn compiler_runtime(&self, dylib: DylibId) -> Result<Arc<dyn Archives>> {
        let known = self.session.state().dylib(dylib)?.compiler_runtime().cloned();
        if let Some(runtime) = known {
            return Ok(runtime);
        }
        let runtime = ArchiveGenerator::new(false);
        for path in runtime::libraries() {
            if let Ok(archive) = read_file(path).and_then(|source| Ok(Archive::parse(source)?)) {
                runtime.add(archive)?;
            }
        }
        let runtime: Arc<dyn Archives> = Arc::new(runtime);
        self.session.state().dylib_mut(dylib)?.set_compiler_runtime(runtime.clone());
        Ok(runtime)
    }
}
