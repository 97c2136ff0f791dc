//! Finding libraries: those of `-l`, and those that linker scripts name.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use linkjit::executor::ObjectFormat;
use linkjit::{SystemCompiler, developers_directories};

use crate::report::Failure;

/// Finds libraries.
#[derive(Debug)]
pub(crate) struct Search {
    directories: Vec<PathBuf>,
    /// Of the objects that libraries are for.
    format: ObjectFormat,
}

impl Search {
    /// Searches the user's directories, then the system's; for Windows, these are what `LIB` lists, as for Microsoft's
    /// linker.
    pub(crate) fn new(directories: &[PathBuf], format: ObjectFormat) -> Self {
        let system = system_directories(format);
        Self { directories: directories.iter().cloned().chain(system).collect(), format }
    }

    /// Searches the directories of this system.
    pub(crate) fn for_host() -> Self {
        Self::new(&[], ObjectFormat::HOST)
    }

    /// Returns whether libraries for Windows are searched.
    pub(crate) fn is_for_windows(&self) -> bool {
        self.format == ObjectFormat::Coff
    }

    /// Searches another directory, before those of the system. One that is not there costs nothing afterwards: scripts
    /// may name any number of them.
    pub(crate) fn add(&mut self, directory: PathBuf) {
        if !directory.is_dir() {
            return;
        }
        let system = system_directories(self.format).len();
        self.directories.insert(self.directories.len().saturating_sub(system), directory);
    }

    /// Returns the directories that it searches, in this order.
    pub(crate) fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// The file of `-l NAME`. As with ld, the first directory that has one of the names wins.
    pub(crate) fn library(&self, name: &str) -> Result<PathBuf, Failure> {
        let names = match name.strip_prefix(':') {
            Some(exact) => vec![exact.to_string()],
            // Import libraries first, as GNU's ld for Windows has it; then DLLs themselves.
            None if self.is_for_windows() => ["lib{}.dll.a", "{}.dll.a", "lib{}.a", "{}.lib", "lib{}.dll", "{}.dll"]
                .map(|pattern| pattern.replace("{}", name))
                .to_vec(),
            None => vec![format!("lib{name}.so"), format!("lib{name}.a")],
        };
        let mut files = self.directories.iter().flat_map(|directory| names.iter().map(|file| directory.join(file)));
        files
            .find(|file| file.is_file())
            .or_else(|| {
                names.iter().find_map(|file| SystemCompiler::file(self.format, &format!("-print-file-name={file}")))
            })
            .ok_or_else(|| Failure::NoLibrary { name: name.into(), searched: self.searched() })
    }

    /// Every directory that was searched, each once.
    fn searched(&self) -> Vec<PathBuf> {
        let mut seen = HashSet::new();
        let all = self.directories.iter().cloned().chain(compilers_directories(self.format));
        all.filter(|directory| seen.insert(directory.clone())).collect()
    }

    /// The file that a script in `directory` means by `name`: beside the script, here, or a library.
    pub(crate) fn script_file(&self, directory: &Path, name: &str) -> Result<PathBuf, Failure> {
        // An absolute name stays what it is.
        let beside = directory.join(name);
        if beside.is_file() || beside.is_absolute() && Path::new(name).is_absolute() {
            return Ok(beside);
        }
        let here = PathBuf::from(name);
        if here.is_file() { Ok(here) } else { self.library(&format!(":{name}")) }
    }
}

fn system_directories(format: ObjectFormat) -> Vec<PathBuf> {
    match format {
        ObjectFormat::Elf => linkjit::system_library_directories(),
        ObjectFormat::Coff => developers_directories(format),
    }
}

/// The directories that the compiler searches for libraries.
fn compilers_directories(format: ObjectFormat) -> Vec<PathBuf> {
    let printed = SystemCompiler::ask(format, "-print-search-dirs").unwrap_or_default();
    let list = printed.lines().find_map(|line| line.strip_prefix("libraries: =")).unwrap_or_default();
    // They are given as detours: /usr/lib/gcc/x86_64-linux-gnu/12/../../../x86_64-linux-gnu
    let directories = std::env::split_paths(list).filter_map(|directory| std::fs::canonicalize(directory).ok());
    directories.collect()
}
