//! `cargo xtask oracle`: runs the check tests with llvm-jitlink, too, and compares the results.

use std::fs;
use std::path::Path;

use crate::Result;
use crate::tools::{cargo, install, run};

/// Where the fixtures are.
const CASES: &str = "crates/cli/tests/cases/jitlink";

/// Runs the tests, with `arguments` for them; each must have one verdict here and there, but for those that say why
/// not. Lists these.
pub(crate) fn oracle(arguments: &[String]) -> Result<()> {
    install(&["llvm-19", "llvm-22"])?;
    let mut tests = cargo();
    tests.args(["test", "--quiet", "--package", "linkjit-cli", "--test", "jitlink", "--"]).args(arguments);
    run(tests.env("LINKJIT_ORACLE", "llvm-jitlink-22"))?;
    println!("The verdicts of linkjit and llvm-jitlink 22 are the same, but for these, where LLVM is wrong or can't:");
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(CASES);
    let failure = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mut files: Vec<_> = Vec::new();
    for entry in fs::read_dir(&directory).map_err(failure)? {
        files.push(entry.map_err(failure)?.path());
    }
    files.sort();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(reason) = line.strip_prefix("#! llvm ") {
                println!("  {name}:{number}: it {reason}");
            } else if let Some(reason) = line.strip_prefix("#! alone ") {
                println!("  {name}:{number}: not asked: {reason}");
            }
        }
    }
    Ok(())
}
