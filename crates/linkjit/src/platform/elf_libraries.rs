//! Shared libraries on ELF systems: where they are, and which ones programs get by default.

use std::path::{Path, PathBuf};

use linkjit_executor::ExecAddr;
use linkjit_link::graph::{Linkage, Scope};
use linkjit_link::object::elf::{DynamicName, dynamic_names};

use crate::batch::Goal;
use crate::jitdylib::JitDylib;
use crate::session::{DefinedBy, ExecutionSession};

/// The directories that the system's linker searches for libraries, in its order on Debian and Fedora.
#[must_use]
pub fn system_library_directories() -> Vec<PathBuf> {
    let multiarch = format!("{}-linux-gnu", std::env::consts::ARCH);
    let multiarch = ["/usr/local/lib", "/lib", "/usr/lib"].map(|parent| Path::new(parent).join(&multiarch));
    let usual = ["/usr/local/lib", "/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(PathBuf::from);
    multiarch.into_iter().chain(usual).collect()
}

/// The file that an object or archive means by the name of a library: `z` is libz.so or libz.a in the first directory
/// that has one, or what has that very name, in a directory or as a path.
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

/// Finds what a session's JITDylibs have for a library that linked code opens, each name of the first that shows it: what the
/// library needs, and inline functions and variables that both have. What was not linked is linked now. Those that are not open,
/// or that linked code has opened for itself, show nothing.
pub(crate) fn provide(session: &ExecutionSession, library: &[u8]) -> Vec<(Vec<u8>, ExecAddr)> {
    let names = dynamic_names(library).unwrap_or_default();
    let mut provided = Vec::new();
    let mut left: Vec<_> =
        names.into_iter().filter(|wanted| !wanted.thread_local && (wanted.weak || !wanted.defined)).collect();
    let shown_to_all = session.state().open_to_libraries();
    for dylib in shown_to_all.into_iter().map(|id| JitDylib::new(session.clone(), id)) {
        let is_shown = |wanted: &mut DynamicName| {
            let Some(id) = session.names().find(wanted.name.as_bytes()) else { return false };
            let state = session.state();
            let entry = state.dylib(dylib.id()).ok().and_then(|dylib| dylib.entry(id));
            entry.is_some_and(|entry| {
                let is_shown = entry.scope == Scope::Default && entry.by != DefinedBy::Found;
                is_shown && (!wanted.defined || entry.linkage == Linkage::Weak)
            })
        };
        let shown: Vec<String> = left.extract_if(.., is_shown).map(|wanted| wanted.name).collect();
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        if shown.is_empty() {
            continue;
        }
        let addresses = match dylib.link_for(&shown, Goal::LinkWithInitializers) {
            Ok(addresses) => addresses.into_iter().map(Some).collect(),
            // Each that can be had; the loader says that the others are missing.
            Err(_) => {
                let one = |name: &&str| dylib.link_for(&[*name], Goal::LinkWithInitializers).ok()?.first().copied();
                shown.iter().map(one).collect::<Vec<_>>()
            }
        };
        // Nobody asks here why an initializer of the program has failed.
        let _failed = dylib.run_initializers();
        provided.extend(
            shown.iter().zip(addresses).filter_map(|(name, address)| Some((name.as_bytes().to_vec(), address?))),
        );
    }
    provided
}
