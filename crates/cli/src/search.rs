//! Finding libraries: those of `-l`, and those that linker scripts name.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::report::Failure;

/// Finds libraries.
#[derive(Debug)]
pub(crate) struct Search {
    directories: Vec<PathBuf>,
}

impl Search {
    /// Searches the user's directories, then the system's; on Windows, these are what `LIB` lists, as for Microsoft's
    /// linker.
    pub(crate) fn new(directories: &[PathBuf]) -> Self {
        if cfg!(windows) {
            let listed = std::env::var_os("LIB").unwrap_or_default();
            let listed = std::env::split_paths(&listed).filter(|directory| !directory.as_os_str().is_empty());
            return Self { directories: directories.iter().cloned().chain(listed).collect() };
        }
        Self { directories: directories.iter().cloned().chain(linkjit::system_library_directories()).collect() }
    }

    /// Searches another directory, before those of the system. One that is not there costs nothing afterwards: scripts
    /// may name any number of them.
    pub(crate) fn add(&mut self, directory: PathBuf) {
        if !directory.is_dir() {
            return;
        }
        let system = if cfg!(windows) { 0 } else { linkjit::system_library_directories().len() };
        self.directories.insert(self.directories.len().saturating_sub(system), directory);
    }

    /// Where it searches, in this order.
    pub(crate) fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// The file of `-l NAME`. As with ld, the first directory that has one of the names wins.
    pub(crate) fn library(&self, name: &str) -> Result<PathBuf, Failure> {
        let names = match name.strip_prefix(':') {
            Some(exact) => vec![exact.to_string()],
            // Import libraries first, as GNU's ld for Windows has it; then DLLs themselves.
            None if cfg!(windows) => ["lib{}.dll.a", "{}.dll.a", "lib{}.a", "{}.lib", "lib{}.dll", "{}.dll"]
                .map(|pattern| pattern.replace("{}", name))
                .to_vec(),
            None => vec![format!("lib{name}.so"), format!("lib{name}.a")],
        };
        let mut files = self.directories.iter().flat_map(|directory| names.iter().map(|file| directory.join(file)));
        files
            .find(|file| file.is_file())
            .or_else(|| names.iter().find_map(|file| of_compiler(file)))
            .ok_or_else(|| Failure::NoLibrary { name: name.into(), searched: self.searched() })
    }

    /// Every directory that was searched, each once.
    fn searched(&self) -> Vec<PathBuf> {
        let mut seen = HashSet::new();
        let all = self.directories.iter().cloned().chain(directories_of_compiler());
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

/// A library of the compiler's own, such as libgcc.a. Costs a process, so it is the last thing to try.
fn of_compiler(file: &str) -> Option<PathBuf> {
    let printed = ask_compiler(&format!("-print-file-name={file}"))?;
    let path = PathBuf::from(printed.trim_end());
    // The compiler prints a name that it does not know as it is.
    (path.is_absolute() && path.is_file()).then_some(path)
}

/// The directories that the compiler searches for libraries.
fn directories_of_compiler() -> Vec<PathBuf> {
    let printed = ask_compiler("-print-search-dirs").unwrap_or_default();
    let list = printed.lines().find_map(|line| line.strip_prefix("libraries: =")).unwrap_or_default();
    // They are given as detours: /usr/lib/gcc/x86_64-linux-gnu/12/../../../x86_64-linux-gnu
    let directories = std::env::split_paths(list).filter_map(|directory| std::fs::canonicalize(directory).ok());
    directories.collect()
}

/// What the compiler's driver prints when it is asked.
fn ask_compiler(question: &str) -> Option<String> {
    let compiler = std::env::var("CC").ok().filter(|command| !command.trim().is_empty()).unwrap_or_else(|| "cc".into());
    let mut words = compiler.split_whitespace();
    let mut command = Command::new(words.next()?);
    // What is to serve the program, a sanitizer perhaps, is not for the compiler.
    let output = command.args(words).arg(question).env_remove("LD_PRELOAD").output().ok()?;
    String::from_utf8(output.stdout).ok()
}
