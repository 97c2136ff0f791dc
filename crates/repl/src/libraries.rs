//! `%lib`: objects, static and shared libraries, and modules of LLVM IR that inputs may use.

use std::path::{Path, PathBuf};

use linkjit::{Jit, system_library_directories};

/// Adds a file, or the library that `-lNAME` stands for.
pub(crate) fn add(jit: &Jit, library: &str) -> linkjit::Result<()> {
    let path = match library.strip_prefix("-l") {
        Some(name) => find(name.trim()),
        None => library.into(),
    };
    match std::fs::read(&path) {
        Ok(bytes) if bytes.starts_with(b"!<arch>\n") || bytes.starts_with(b"!<thin>\n") => jit.add_archive(&path),
        Ok(bytes) if is_shared(&bytes) => jit.add_library(path.canonicalize().unwrap_or(path)),
        Ok(_) if is_ir(library) => jit.add_ir(&path),
        Ok(_) => jit.add_object(&path),
        // The executor's system finds libraries by their names.
        Err(_) => jit.add_library(&path),
    }
}

/// Says whether a file has LLVM IR, by its name.
pub(crate) fn is_ir(path: &str) -> bool {
    [".ll", ".bc"].iter().any(|end| path.ends_with(end))
}

fn is_shared(bytes: &[u8]) -> bool {
    bytes.starts_with(b"MZ") || bytes.starts_with(b"\x7fELF") && bytes.get(16..18) == Some(&[3, 0])
}

/// A library of this system. Text files of that name are for linkers.
fn find(name: &str) -> PathBuf {
    let named = |end: &str| format!("lib{name}.{end}");
    let is_library = |path: &PathBuf| std::fs::read(path).is_ok_and(|bytes| !bytes.starts_with(b"/*"));
    let files = system_library_directories()
        .into_iter()
        .flat_map(|directory| [directory.join(named("so")), directory.join(named("a"))]);
    files.into_iter().find(is_library).unwrap_or_else(|| Path::new(&named("so")).into())
}
