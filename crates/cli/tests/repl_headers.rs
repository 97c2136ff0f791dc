//! Headers that sessions include first are compiled once, in the background, and used by later sessions until one changes.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[path = "support/front_end.rs"]
mod front_end;

const SCRIPT: &str = "#include <iostream>\n#include <map>\n#include <regex>\n#include <mine.h>\n\
                      int shown = (std::cout << mine() << std::regex_match(\"aa\", std::regex(\"a+\")) << \"\\n\", 0);\n";

fn session(directory: &Path, script: &str) -> String {
    session_of(directory, &[script])
}

fn session_of(directory: &Path, inputs: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_linkjit"));
    command.arg("repl").args(inputs.iter().flat_map(|input| ["-e", input])).arg("-I").arg(directory);
    command.env("LINKJIT_CACHE", directory).env("NO_COLOR", "1").stdin(Stdio::null());
    let output = command.output().expect("a session");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The file of precompiled headers, once it is there.
fn precompiled(directory: &Path) -> PathBuf {
    let begin = Instant::now();
    loop {
        let entries = fs::read_dir(directory.join("headers")).expect("a directory");
        let mut paths = entries.map(|entry| entry.expect("a file").path());
        if let Some(path) = paths.find(|path| path.extension().is_some_and(|extension| extension == "pch")) {
            return path;
        }
        assert!(begin.elapsed() < Duration::from_secs(120), "no headers were compiled");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn headers_are_compiled_once_until_they_change() {
    if front_end::build().is_none() {
        return;
    }
    let directory = &Path::new(env!("CARGO_TARGET_TMPDIR")).join("repl-headers");
    let _of_an_earlier_run = fs::remove_dir_all(directory);
    fs::create_dir_all(directory).expect("a directory");
    let header = directory.join("mine.h");
    let define = |value: u32| fs::write(&header, format!("inline int mine() {{ return {value}; }}")).expect("a header");
    define(4);
    assert_eq!(session(directory, SCRIPT), "41\n");
    let file = precompiled(directory);
    // Sessions that use it note the time.
    let used = || fs::metadata(&file).and_then(|metadata| metadata.modified()).expect("a time");
    let made = used();
    assert_eq!(session(directory, SCRIPT), "41\n");
    assert!(used() > made, "it was not used");
    // The first input has a variable of <iostream>, which is not to be defined again.
    let headers = "#include <map>\n#include <regex>\n#include <mine.h>";
    assert_eq!(session_of(directory, &["#include <iostream>", headers, "std::cout << mine() << '\\n';"]), "4\n");
    // Nothing of an input that is rejected stays, precompiled headers included.
    let rejected = SCRIPT.to_owned() + "no_such_thing;";
    let output = session(directory, &rejected);
    assert!(output.contains("no_such_thing"), "{output}");
    define(5);
    assert_eq!(session(directory, SCRIPT), "51\n");
}
