//! Libraries that objects ask for (COFF `/defaultlib`, ELF `.deplibs`) without the user adding them; and the C
//! runtime's.

use std::path::PathBuf;

use linkjit_link::object::archive::Archive;

use super::{Batch, Goal};
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::session::{DylibId, Platform, read_file};

impl Batch<'_> {
    /// Opens libraries that objects have asked for since, behind all others.
    pub(super) fn open_default_libraries(&mut self, dylib: DylibId) -> Result<()> {
        let dependents = self.session.state().take_dependent_libraries(dylib)?;
        let dylib = JitDylib::new(self.session.clone(), dylib);
        dependents.iter().for_each(|name| self.open_dependent_library(&dylib, name));
        self.session.platform().open_default_libraries(&dylib)?;
        if self.query.goal == Goal::Find { Ok(()) } else { self.start_crt(&dylib) }
    }

    /// Opens the libraries that archives of a JITDylib say they need, if that was not done. Returns whether there are
    /// any.
    pub(super) fn open_dependencies(&mut self, dylib: DylibId) -> Result<bool> {
        let archives = self.session.state().dylib_mut(dylib)?.take_unread_dependencies();
        let mut libraries = Vec::new();
        for archive in &archives {
            // One that is damaged tells nothing, and whoever needs a member of it is told.
            if let Ok(Some(options)) = archive.dependencies() {
                libraries.extend(libraries_of(&options, self.session.platform()));
            }
        }
        let any = !libraries.is_empty();
        for library in libraries {
            self.session.state().dylib_mut(dylib)?.require_library(library);
        }
        if any {
            self.open_default_libraries(dylib)?;
        }
        Ok(any)
    }

    /// Opens a library that an object or archive of ELF asks for. If that fails, it is missing only as far as names
    /// are.
    fn open_dependent_library(&self, dylib: &JitDylib, name: &str) {
        let platform = self.session.platform();
        let Some(path) = platform.find_library(name, &self.session.options().library_paths) else {
            self.session.warn(format!("an object or archive asks for library '{name}', which was not found"));
            return;
        };
        let opened = read_file(&path).and_then(|source| match source.bytes() {
            bytes if Archive::is_archive(bytes) => dylib.add_archive_source(source),
            bytes if bytes.starts_with(b"\x7fELF") => dylib.open_library(&path),
            _ => Err(Error::unsupported(format!(
                "{} is neither an archive nor a shared library: add what it stands for yourself",
                path.display()
            ))),
        });
        if let Err(error) = opened {
            self.session.warn(format!("an object or archive asks for library '{name}', which can't be added: {error}"));
        }
    }

    /// Has the C runtime started that was opened for a JITDylib, where its code can run. It is not if the batch fails.
    fn start_crt(&mut self, dylib: &JitDylib) -> Result<()> {
        let Some(object) = self.session.platform().crt_startup(dylib)? else { return Ok(()) };
        if self.session.state().is_to_be_linked(object) {
            self.adopt(object)?;
        }
        Ok(())
    }
}

/// The libraries that options of a linker name: files, where they are found in the directories of these, else names.
fn libraries_of(options: &str, platform: &dyn Platform) -> Vec<String> {
    let (mut directories, mut libraries) = (Vec::new(), Vec::new());
    let mut words = options.split_whitespace();
    while let Some(word) = words.next() {
        let mut value = |rest: &str| if rest.is_empty() { words.next().map(str::to_owned) } else { Some(rest.into()) };
        if let Some(rest) = word.strip_prefix("-L") {
            // One that is not there would be asked for each library, and there may be any number of both.
            directories.extend(value(rest).map(PathBuf::from).filter(|directory| directory.is_dir()));
        } else if let Some(rest) = word.strip_prefix("-l") {
            libraries.extend(value(rest));
        }
    }
    let file = |name: String| match platform.find_library(&name, &directories) {
        Some(path) => path.to_string_lossy().into_owned(),
        None => name,
    };
    libraries.into_iter().map(file).collect()
}
