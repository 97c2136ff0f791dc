//! The places where distributions and LLVM's own packages put its library.
//!
//! Only directories are read. Asking tools (`ldconfig`, `llvm-config`) would take processes, and trying names at the
//! loader would open whatever comes first.

use std::path::{Path, PathBuf};

/// The variable of the environment that names a library.
pub(crate) const VARIABLE: &str = "LINKJIT_LLVM";
/// The versions that are looked for.
pub(crate) const OLDEST: u32 = 17;
pub(crate) const NEWEST: u32 = 23;

/// The packages to install.
pub(crate) const PACKAGE: &str = if cfg!(windows) {
    "winget install LLVM.LLVM; its LLVM-C.dll must be in PATH"
} else if cfg!(target_vendor = "apple") {
    "brew install llvm"
} else {
    "Debian, Ubuntu: apt install libllvm19 or another version; Fedora: dnf install llvm-libs"
};

/// All libraries of versions that can be used, the newest first. A library may be there by several names.
pub(crate) fn installed() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for (directory, version) in directories() {
        // A file without a version in its name has the directory's.
        let version_of = |file: &PathBuf| version_in(file.file_name()?.to_str()?)?.or(version);
        let files = entries(&directory).filter_map(|file| Some((version_of(&file)?, file)));
        let mut files: Vec<_> = files.filter(|(version, _)| (OLDEST..=NEWEST).contains(version)).collect();
        files.sort();
        for (version, file) in files {
            let path = file.canonicalize().unwrap_or(file);
            if !found.iter().any(|(_, other)| *other == path) {
                found.push((version, path));
            }
        }
    }
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, path)| path).collect()
}

/// Tells a library of LLVM by its name; `Some(None)` if the name has no version.
fn version_in(name: &str) -> Option<Option<u32>> {
    if cfg!(windows) {
        let name = name.to_ascii_lowercase();
        return match name.strip_prefix("libllvm-") {
            _ if name == "llvm-c.dll" => Some(None),
            // MSYS2's.
            Some(rest) => Some(Some(leading_number(rest.strip_suffix(".dll")?)?)),
            None => None,
        };
    }
    // Rust's compiler has one of its own, changed and stripped.
    let rest = name.strip_prefix("libLLVM").filter(|rest| !rest.contains("-rust-"))?;
    match rest.strip_prefix('-') {
        // libLLVM-19.so.1, libLLVM-17.0.6.so
        Some(rest) if rest.contains(".so") || rest.ends_with(".dylib") => Some(Some(leading_number(rest)?)),
        Some(_) => None,
        None if rest == ".so" || rest == ".dylib" => Some(None),
        // libLLVM.so.19.1
        None => Some(leading_number(rest.strip_prefix(".so.")?).filter(|version| *version >= OLDEST)),
    }
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

/// The directories to look into, with the version that is in a directory's own path.
fn directories() -> Vec<(PathBuf, Option<u32>)> {
    let mut found = Vec::new();
    let variables: &[&str] = if cfg!(windows) { &["PATH"] } else { &["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] };
    for value in variables.iter().filter_map(std::env::var_os) {
        // A relative one would depend on where the user happens to be.
        found.extend(std::env::split_paths(&value).filter(|path| path.is_absolute()).map(|path| (path, None)));
    }
    if cfg!(windows) {
        let programs = std::env::var_os("ProgramFiles").map(PathBuf::from);
        // A library without a version in its path is taken for the oldest: any that has one comes first.
        found.extend(programs.map(|programs| (programs.join("LLVM").join("bin"), None)));
        return found.into_iter().map(|(path, _)| (path, Some(OLDEST))).collect();
    }
    let arch = std::env::consts::ARCH;
    for version in OLDEST..=NEWEST {
        let places = [
            format!("/usr/lib/llvm-{version}/lib"),
            format!("/usr/lib64/llvm{version}/lib"),
            format!("/usr/lib/llvm{version}/lib"),
            format!("/usr/lib/llvm/{version}/lib64"),
            format!("/usr/local/llvm{version}/lib"),
            format!("/opt/homebrew/opt/llvm@{version}/lib"),
            format!("/usr/local/opt/llvm@{version}/lib"),
        ];
        found.extend(places.map(|place| (place.into(), Some(version))));
    }
    let places = [
        format!("/usr/lib/{arch}-linux-gnu"),
        "/usr/lib64".into(),
        "/usr/lib".into(),
        "/usr/local/lib".into(),
        "/opt/homebrew/opt/llvm/lib".into(),
        "/usr/local/opt/llvm/lib".into(),
    ];
    found.extend(places.map(|place| {
        // Homebrew's unversioned package is its newest.
        let version = place.contains("/opt/llvm/").then_some(NEWEST);
        (place.into(), version)
    }));
    found
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}

#[cfg(all(test, not(windows)))]
mod tests {
    use super::version_in;

    #[test]
    fn names_of_libraries_tell_the_version() {
        for (name, expected) in [
            ("libLLVM-19.so.1", Some(Some(19))),
            ("libLLVM-19.so", Some(Some(19))),
            ("libLLVM-17.0.6.so", Some(Some(17))),
            ("libLLVM.so.22.1", Some(Some(22))),
            ("libLLVM.so.1", Some(None)),
            ("libLLVM.so", Some(None)),
            ("libLLVM.dylib", Some(None)),
            ("libLLVM-C.so", None),
            ("libLLVM-22-rust-1.95.0-stable.so", None),
            ("libLLVM.so.22.1-rust-1.95.0-stable", None),
            ("libLLVMCore.a", None),
            ("libLLVM-x.so", None),
            ("LLVM", None),
        ] {
            assert_eq!(version_in(name), expected, "{name}");
        }
    }
}
