//! Where libraries are on systems of ELF.

use std::path::{Path, PathBuf};

/// The directories that the system's linker searches for libraries, in its order on Debian and Fedora.
#[must_use]
pub fn system_library_directories() -> Vec<PathBuf> {
    let multiarch = format!("{}-linux-gnu", std::env::consts::ARCH);
    let multiarch = ["/usr/local/lib", "/lib", "/usr/lib"].map(|parent| Path::new(parent).join(&multiarch));
    let usual = ["/usr/local/lib", "/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(PathBuf::from);
    multiarch.into_iter().chain(usual).collect()
}

/// The file that an object or archive means by the name of a library: `z` is libz.so or libz.a in the first directory that
/// has one, or what has that very name, in a directory or as a path.
pub(crate) fn find(name: &str, directories: &[PathBuf]) -> Option<PathBuf> {
    let names = match name.strip_prefix(':') {
        Some(exact) => vec![exact.to_owned()],
        None => vec![format!("lib{name}.so"), format!("lib{name}.a"), name.to_owned()],
    };
    let system = system_library_directories();
    let directories = || directories.iter().chain(&system);
    let mut files = directories().flat_map(|directory| names.iter().map(|file| directory.join(file)));
    files.find(|file| file.is_file()).or_else(|| Some(PathBuf::from(name)).filter(|path| path.is_file()))
}
