//! Where libraries are: `-l`, and the names in linker scripts.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::report::Failure;

/// The system's directories, in the order in which ld searches them on Debian and Fedora.
const SYSTEM: &[&str] = &["/usr/local/lib", "/lib64", "/usr/lib64", "/lib", "/usr/lib"];

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
        let multiarch = format!("{}-linux-gnu", std::env::consts::ARCH);
        let multiarch = ["/usr/local/lib", "/lib", "/usr/lib"].map(|parent| Path::new(parent).join(&multiarch));
        let system = SYSTEM.iter().map(PathBuf::from);
        Self { directories: directories.iter().cloned().chain(multiarch).chain(system).collect() }
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
            .ok_or_else(|| Failure::NoLibrary { name: name.into(), searched: self.directories.clone() })
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
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let output = Command::new(compiler).arg(format!("-print-file-name={file}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
    // The compiler prints a name that it does not know as it is.
    (path.is_absolute() && path.is_file()).then_some(path)
}
