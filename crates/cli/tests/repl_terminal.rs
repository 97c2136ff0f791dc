//! The REPL at a terminal: completion, several lines, Ctrl-C, the editor, history. A script in Python is the user.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::Command;

#[path = "support/front_end.rs"]
mod front_end;

#[test]
fn a_terminal_has_completion_interrupts_and_history() {
    if front_end::build().is_none() {
        return;
    }
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("repl-terminal");
    let _of_an_earlier_run = fs::remove_dir_all(&home);
    fs::create_dir_all(&home).expect("a directory");
    let configuration = home.join(".config/linkjit");
    fs::create_dir_all(&configuration).expect("a directory");
    fs::write(configuration.join("startup.cpp"), "int of_startup = 11;\n").expect("a file");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/repl_terminal.py");
    let mut command = Command::new("python3");
    let output = command.arg(script).arg(env!("CARGO_BIN_EXE_linkjit")).arg(home).output().expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
