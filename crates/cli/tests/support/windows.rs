//! The command for Windows, and the Wine of the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const TARGET: &str = "x86_64-pc-windows-gnu";

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the repository")
}

/// Makes what Cargo makes of the command for Windows.
pub(crate) fn build() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["build", "--quiet", "--package", "linkjit-cli", "--target", TARGET]);
    assert!(cargo.arg("--target-dir").arg(target).status().expect("Cargo starts").success());
}

/// Wine, with a prefix of the tests'.
pub(crate) fn wine() -> PathBuf {
    root().join("crates/xtask/wine")
}
