//! The front end of the REPL, which is no part of what Cargo builds.

use std::path::Path;
use std::process::Command;

/// Makes it; `None` if what it is built with is not there, which is said.
pub(crate) fn build() -> Option<()> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root).args(["run", "--quiet", "--package", "xtask", "--target-dir"]).arg(target);
    let output = cargo.args(["--", "frontend"]).output().expect("Cargo starts");
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("linkjit-clang-22 is built with") {
        eprintln!("no session is run: {said}");
        return None;
    }
    assert!(output.status.success(), "{said}");
    Some(())
}
