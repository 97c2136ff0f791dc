//! The prelude, in programs that compare what it says of their values and of the ways in which their entries end.
//!
//! The fixtures are in tests/prelude/; the prelude comes before them, as it comes before inputs. They are compiled by clang 22,
//! which is the front end, or by the clang that all tests have: only the former shows fields.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/prelude");

fn tool(line: &[&str]) -> Output {
    let output = Command::new(line[0]).args(&line[1..]).output();
    output.unwrap_or_else(|error| panic!("{}: {error}: ./test installs it", line[0]))
}

fn succeed(line: &[&str]) {
    let output = tool(line);
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{line:?}: {}\n{}", output.status, String::from_utf8_lossy(&said));
}

fn clang(language: &str) -> String {
    let newest = format!("{language}-22");
    let exists = Command::new(&newest).arg("--version").output().is_ok();
    if exists { newest } else { format!("{language}-19") }
}

/// A directory of one test, with the prelude.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("linkjit-prelude-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        std::fs::write(path.join("prelude.h"), linkjit_repl::PRELUDE).expect("the prelude is written");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Compiles a fixture to an object.
    fn compile(&self, source: &str, target: &str) -> String {
        let object = self.path(&format!("{source}.o"));
        let (language, standard) =
            if source.ends_with(".c") { ("clang", "-std=c17") } else { ("clang++", "-std=c++20") };
        let (target, source) = (format!("--target={target}"), format!("{SOURCES}/{source}"));
        // An entry may run into an endless recursion, and a function that can't throw may throw.
        let flags =
            ["-Wall", "-Wextra", "-Werror", "-Wno-infinite-recursion", "-Wno-exceptions", "-Wno-unused-function"];
        let prelude = self.path("prelude.h");
        let files = [standard, "-include", &prelude, "-c", &source, "-o", &object];
        succeed(&[&[&*clang(language), &*target], &flags[..], &files[..]].concat());
        object
    }

    fn links_and_runs_here(&self, source: &str) {
        let (object, program) = (self.compile(source, "x86_64-linux-gnu"), self.path("program"));
        succeed(&["g++", &object, "-o", &program]);
        succeed(&[&program]);
    }

    fn links_and_runs_under_wine(&self, source: &str) {
        let (object, program) = (self.compile(source, "x86_64-w64-windows-gnu"), self.path("program.exe"));
        succeed(&["x86_64-w64-mingw32-g++-posix", "-static", &object, "-o", &program]);
        let wine = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xtask/wine");
        succeed(&[&wine.display().to_string(), &program]);
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A directory that stays is no failure.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn values_are_shown() {
    Directory::new("values").links_and_runs_here("values.cpp");
}

#[test]
fn values_are_shown_on_windows() {
    Directory::new("values-windows").links_and_runs_under_wine("values.cpp");
}

#[test]
fn entries_end_by_exceptions_and_signals() {
    Directory::new("run").links_and_runs_here("run.cpp");
}

#[test]
fn entries_end_by_exceptions_and_interrupts_on_windows() {
    Directory::new("run-windows").links_and_runs_under_wine("run.cpp");
}

#[test]
fn c_has_a_function_for_each_kind_of_value() {
    Directory::new("c").links_and_runs_here("c.c");
}

#[test]
fn microsofts_abi_needs_no_headers() {
    let directory = Directory::new("msvc");
    let prelude = directory.path("prelude.h");
    for (compiler, language) in [("clang++", "c++"), ("clang", "c")] {
        let object = directory.path("prelude.o");
        let target = "--target=x86_64-pc-windows-msvc";
        succeed(&[
            &*clang(compiler),
            target,
            "-Wall",
            "-Wextra",
            "-Werror",
            "-x",
            language,
            &prelude,
            "-c",
            "-o",
            &object,
        ]);
    }
}
