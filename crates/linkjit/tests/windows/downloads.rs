//! Files of packages that others made, downloaded when tests run and kept in the target directory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::tools::succeed;

/// One download at a time: the tools keep what they have.
static DOWNLOADING: Mutex<()> = Mutex::new(());

/// A file of a crate: `NAME VERSION FILE`.
pub(crate) fn of_crate(text: &str) -> Result<PathBuf, String> {
    let [name, version, file] = words(text)?;
    let directory = directory(&format!("crate-{name}-{version}"))?;
    let _downloading = DOWNLOADING.lock().unwrap_or_else(PoisonError::into_inner);
    let manifest = directory.join("Cargo.toml");
    if !manifest.exists() {
        write(&directory.join("lib.rs"), "")?;
        let text = format!(
            "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n\
             [dependencies]\n{name} = \"={version}\"\n[workspace]\n"
        );
        write(&manifest, &text)?;
    }
    // Vendoring unpacks into a directory that we know.
    let vendor = directory.join("vendor");
    if !vendor.join(name).exists() {
        let mut cargo = Command::new(env!("CARGO"));
        succeed(cargo.current_dir(&directory).args(["vendor", "--quiet"]).arg(&vendor))?;
    }
    existing(vendor.join(name).join(file))
}

/// A file of a wheel for Windows: `NAME==VERSION FILE`.
pub(crate) fn of_wheel(text: &str) -> Result<PathBuf, String> {
    let [package, file] = words(text)?;
    let directory = directory(&format!("wheel-{}", package.replace('=', "-")))?;
    let _downloading = DOWNLOADING.lock().unwrap_or_else(PoisonError::into_inner);
    let unpacked = directory.join("unpacked");
    if !unpacked.exists() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--platform", "win_amd64"]);
        succeed(pip.args(["--python-version", "3.11", package, "-d"]).arg(&directory))?;
        let wheel = find(&directory, ".whl")?;
        let mut zip = Command::new("python3");
        succeed(zip.args(["-m", "zipfile", "-e"]).arg(wheel).arg(&unpacked))?;
    }
    existing(unpacked.join(file))
}

fn words<const N: usize>(text: &str) -> Result<[&str; N], String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.try_into().map_err(|_| format!("{text}: not {N} words"))
}

fn directory(name: &str) -> Result<PathBuf, String> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("downloads").join(name);
    std::fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    Ok(directory)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn find(directory: &Path, end: &str) -> Result<PathBuf, String> {
    let entries = std::fs::read_dir(directory).map_err(|error| error.to_string())?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let found = paths.find(|path| path.to_string_lossy().ends_with(end));
    found.ok_or_else(|| format!("{}: nothing that ends with {end}", directory.display()))
}

fn existing(path: PathBuf) -> Result<PathBuf, String> {
    if path.exists() { Ok(path) } else { Err(format!("{}: not in the package", path.display())) }
}
