//! `cargo xtask oracle`: runs the check tests with llvm-jitlink, too, and compares the results.

use crate::Result;
use crate::tools::{cargo, install, list, read_text, run, workspace};

/// The folder of the fixtures.
const CASES: &str = "crates/cli/tests/cases/jitlink";

/// Runs the tests, with `arguments` for them; each must have one verdict here and there, but for those that say why
/// not. Lists these.
pub(crate) fn oracle(arguments: &[String]) -> Result<()> {
    install(&["llvm-19", "llvm-22"])?;
    let mut tests = cargo();
    tests.args(["test", "--quiet", "--package", "linkjit-cli", "--test", "jitlink", "--"]).args(arguments);
    run(tests.env("LINKJIT_ORACLE", "llvm-jitlink-22"))?;
    println!("The verdicts of linkjit and llvm-jitlink 22 are the same, but for these, where LLVM is wrong or can't:");
    let directory = workspace().join(CASES);
    for file in list(&directory)? {
        let text = read_text(&file)?;
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
