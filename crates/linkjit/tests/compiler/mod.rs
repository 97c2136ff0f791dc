//! Compilers and binutils for the system that the tests run on. On Windows that is clang, for MinGW's ABI if it is C (it
//! has headers) and for MSVC's if it is C++, and MinGW's binutils; they run on the system that Wine runs on.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::process::Command;

/// The compiler for C or C++.
pub(crate) fn compiler(is_cxx: bool) -> Command {
    let mut compiler = Command::new(match (cfg!(windows), is_cxx) {
        (true, _) => "clang-19",
        (false, true) => "g++",
        (false, false) => "gcc",
    });
    if cfg!(windows) && is_cxx {
        // There are no headers of MSVC here.
        let include = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/windows/include");
        compiler.args(["--target=x86_64-pc-windows-msvc", "-fexceptions", "-fcxx-exceptions", "-I", include]);
    } else if cfg!(windows) {
        compiler.arg("--target=x86_64-w64-windows-gnu");
    }
    compiler
}

/// The binary utility of that name (`as`, `ar`, ...).
pub(crate) fn tool(name: &str) -> Command {
    Command::new(if cfg!(windows) { format!("x86_64-w64-mingw32-{name}") } else { name.into() })
}

/// Runs a tool, which must succeed.
pub(crate) fn run(command: &mut Command) {
    let (success, messages) = output(command);
    assert!(success, "{command:?}: {messages}");
}

/// Whether a tool succeeds, and what it says.
#[cfg(not(windows))]
fn output(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Whether a tool succeeds, and what it says. Wine starts programs of the system below it, but can't wait for them: the
/// shell writes down when one is done, and how.
#[cfg(windows)]
#[allow(clippy::zombie_processes, reason = "see above")]
fn output(command: &mut Command) -> (bool, String) {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{Duration, Instant};
    use std::{fs, thread};

    static COUNT: AtomicU32 = AtomicU32::new(0);
    let report = format!("tool-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let report = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(report);
    let script = r#"report=$1; shift; "$@" >"$report.log" 2>&1; echo $? >>"$report.log"; mv "$report.log" "$report""#;
    // All code for Windows is what these flags ask for; clang refuses them.
    let arguments = command.get_args().filter(|argument| *argument != "-fPIC" && *argument != "-fPIE");
    // Paths are the same for both, in the current drive, but for the separators.
    let words = [report.as_os_str(), command.get_program()].into_iter().chain(arguments);
    let words: Vec<String> = words.map(|word| word.to_string_lossy().replace('\\', "/")).collect();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script, "sh"]).args(words).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let deadline = Instant::now() + Duration::from_secs(100);
    while !report.exists() {
        assert!(Instant::now() < deadline, "{command:?}: not done");
        thread::sleep(Duration::from_millis(2));
    }
    let text = fs::read_to_string(&report).expect("the shell has written it");
    let _gone = fs::remove_file(&report);
    (text.lines().last() == Some("0"), text)
}
