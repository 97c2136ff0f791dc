//! Wine, the command for Windows, other programs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const TARGET: &str = "x86_64-pc-windows-gnu";

/// The repository.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest)
}

/// The command for Windows, built once.
pub(crate) fn linkjit() -> Result<&'static Path, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| build(&["--target", TARGET], &format!("{TARGET}/debug/linkjit.exe")))
        .as_deref()
        .map_err(Clone::clone)
}

/// The command for this system, built once.
#[allow(dead_code, reason = "few tests link from here")]
pub(crate) fn linkjit_here() -> Result<&'static Path, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| build(&[], "debug/linkjit")).as_deref().map_err(Clone::clone)
}

/// Builds the command; returns where it is in the target directory.
fn build(options: &[&str], program: &str) -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().ok_or("no target directory")?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["build", "--quiet", "--package", "linkjit-cli"]).args(options);
    succeed(cargo.arg("--target-dir").arg(target))?;
    Ok(target.join(program))
}

/// An example of this crate for Windows.
#[allow(dead_code, reason = "few tests run examples")]
pub(crate) fn example(name: &str) -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().ok_or("no target directory")?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["build", "--quiet", "--package", "linkjit", "--target", TARGET, "--example", name]);
    succeed(cargo.arg("--target-dir").arg(target))?;
    Ok(target.join(TARGET).join("debug/examples").join(format!("{name}.exe")))
}

/// A path as Wine's programs know it.
pub(crate) fn for_wine(path: &Path) -> String {
    format!("Z:{}", path.display())
}

/// What a command prints, if it succeeds.
pub(crate) fn succeed(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
