//! Files of packages that others made, downloaded when tests run and kept in the target directory.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::tools::succeed;

/// Registries are sometimes out of reach for a moment.
const ATTEMPTS: u64 = 3;

/// A file of a crate: `NAME VERSION FILE`.
pub(crate) fn of_crate(text: &str) -> Result<PathBuf, String> {
    let [name, version, file] = words(text)?;
    let package = package(&format!("crate-{name}-{version}"), |directory| {
        write(&directory.join("lib.rs"), "")?;
        let text = format!(
            "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n\
             [dependencies]\n{name} = \"={version}\"\n[workspace]\n"
        );
        write(&directory.join("Cargo.toml"), &text)?;
        // Vendoring unpacks into a directory that we know.
        let mut cargo = Command::new(env!("CARGO"));
        succeed(cargo.current_dir(directory).args(["vendor", "--quiet", "vendor"]))
    })?;
    existing(package.join("vendor").join(name).join(file))
}

/// A file of a wheel for Windows: `NAME==VERSION FILE`.
pub(crate) fn of_wheel(text: &str) -> Result<PathBuf, String> {
    let [wheel, file] = words(text)?;
    let package = package(&format!("wheel-{}", wheel.replace('=', "-")), |directory| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--platform", "win_amd64"]);
        succeed(pip.args(["--python-version", "3.11", wheel, "-d"]).arg(directory))?;
        let mut zip = Command::new("python3");
        succeed(zip.args(["-m", "zipfile", "-e"]).arg(find(directory, ".whl")?).arg(directory.join("unpacked")))
    })?;
    existing(package.join("unpacked").join(file))
}

fn words<const N: usize>(text: &str) -> Result<[&str; N], String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.try_into().map_err(|_| format!("{text}: not {N} words"))
}

/// The directory of a package, which `fetch` fills if it is not there yet. It gets its name when it is complete.
fn package(name: &str, fetch: impl Fn(&Path) -> Result<String, String>) -> Result<PathBuf, String> {
    let downloads = Path::new(env!("CARGO_TARGET_TMPDIR")).join("downloads");
    make_directory(&downloads)?;
    // One download at a time, whichever process asks for it: the tools keep what they have.
    let lock = downloads.join("lock");
    let lock = File::create(&lock).and_then(|file| file.lock().map(|()| file)).map_err(|error| error.to_string())?;
    let directory = downloads.join(name);
    if directory.exists() {
        return Ok(directory);
    }
    let partial = downloads.join("partial");
    let attempt = || {
        _ = std::fs::remove_dir_all(&partial);
        make_directory(&partial)?;
        fetch(&partial)
    };
    let mut fetched = attempt();
    for number in 1..ATTEMPTS {
        if fetched.is_ok() {
            break;
        }
        thread::sleep(Duration::from_secs(5 * number));
        fetched = attempt();
    }
    fetched.map_err(|error| format!("{ATTEMPTS} attempts: {error}"))?;
    std::fs::rename(&partial, &directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    drop(lock);
    Ok(directory)
}

fn make_directory(path: &Path) -> Result<(), String> {
    std::fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))
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
