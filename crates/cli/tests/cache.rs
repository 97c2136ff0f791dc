//! The cache of objects that `linkjit run` has. Compilers are scripts that note when they are called.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use support::{Fixtures, Outcome};

/// A directory with a cache, and compilers that note their calls in the file `calls`.
struct Cached(Fixtures);

impl Cached {
    fn new(test: &str) -> Self {
        let fixtures = Fixtures::new(test);
        for compiler in ["cc", "c++", "rustc"] {
            // Questions are not counted.
            let text = format!(
                "#!/bin/sh\ncase \"$*\" in -vV|--print*) ;; *) echo {compiler} >>calls;; esac\nexec {compiler} \"$@\"\n"
            );
            fixtures.write(&format!("{compiler}.sh"), text);
            fixtures.tool(&["chmod", "+x", &format!("{compiler}.sh")]);
        }
        Self(fixtures)
    }

    /// Writes a file that is old enough: what has just been changed may be changed while it is compiled.
    fn write(&self, name: &str, text: &str) {
        self.0.write(name, text);
        std::thread::sleep(Duration::from_millis(25));
    }

    fn command(&self, line: &[&str]) -> std::process::Command {
        let mut command = self.0.command(line);
        command.env("LINKJIT_CACHE", "cache");
        for (variable, name) in [("CC", "./cc.sh"), ("CXX", "./c++.sh"), ("RUSTC", "./rustc.sh")] {
            command.env(variable, name);
        }
        command
    }

    /// Runs, and returns the exit code and how many calls of compilers there were.
    #[track_caller]
    fn run(&self, line: &[&str]) -> (Option<i32>, usize) {
        let _none = fs::remove_file(self.0.path("calls"));
        let outcome = Outcome::run(&mut self.command(line));
        assert_eq!((&*outcome.out, &*outcome.err), ("", ""));
        (outcome.code, self.calls())
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.0.path("calls")).unwrap_or_default().lines().count()
    }

    /// The files in the cache.
    fn entries(&self) -> Vec<PathBuf> {
        let children =
            |path: PathBuf| fs::read_dir(path).into_iter().flatten().map(|entry| entry.expect("an entry").path());
        children(self.0.path("cache")).flat_map(children).collect()
    }
}

/// No compiler lists what assemblers include.
#[test]
fn what_an_assembler_includes_is_read_each_time() {
    let cached = Cached::new("cache-assembler");
    cached.write("a.S", ".globl main\nmain:\n.include \"a.inc\"\nret\n.section .note.GNU-stack,\"\",@progbits\n");
    for value in [3, 4] {
        cached.write("a.inc", &format!("mov ${value}, %eax\n"));
        assert_eq!(cached.run(&["run", "a.S"]), (Some(value), 1));
    }
}

#[test]
fn nothing_is_compiled_twice() {
    let cached = Cached::new("cache");
    cached.write("a.h", "#define A 1\n");
    cached.write("a.c", "#include \"a.h\"\nint f(void); int main(void) { return A + f(); }");
    cached.write("b.cpp", "#include <string>\nextern \"C\" int f() { return std::string(\"abc\").size(); }");
    cached.write("c.rs", "#[unsafe(no_mangle)] pub extern \"C\" fn g() -> i32 { println!(\"{}\", 1); 2 }");
    let line = ["run", "a.c", "b.cpp", "c.rs"];
    assert_eq!(cached.run(&line), (Some(4), 3));
    assert_eq!(cached.run(&line), (Some(4), 0));
    assert_eq!(cached.run(&["run", "-O1", "a.c", "b.cpp"]), (Some(4), 2));
    assert_eq!(cached.run(&["run", "-O1", "a.c", "b.cpp"]), (Some(4), 0));
    assert_eq!(cached.run(&["run", "--no-cache", "a.c", "b.cpp"]), (Some(4), 2));
    for calls in [2, 0] {
        assert_eq!(cached.run(&["run", "-march=native", "a.c", "b.cpp"]), (Some(4), calls));
    }
    // A header that is changed, and changed back.
    cached.write("a.h", "#define A 10\n");
    assert_eq!(cached.run(&line), (Some(13), 1));
    cached.write("a.h", "#define A 1\n");
    assert_eq!(cached.run(&line), (Some(4), 0));
    cached.write("a.c", "#include \"a.h\"\nint f(void); int main(void) { return A + f() + 1; }");
    assert_eq!(cached.run(&line), (Some(5), 1));
    // Another compiler.
    cached.write("cc.sh", "#!/bin/sh\necho cc >>calls\nexec cc -DB \"$@\"\n");
    assert_eq!(cached.run(&line), (Some(5), 1));
    let mode = fs::metadata(cached.0.path("cache")).expect("it was made").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn statements_scripts_and_ir_are_kept_too() {
    let cached = Cached::new("cache_text");
    cached.write("a.h", "#define A 6\n");
    cached.write("a", "#!/usr/bin/env -S linkjit run\n#include \"a.h\"\nint main(void) { return A; }\n");
    for line in [&["run", "a"][..], &["run", "-e", "return 6"]] {
        assert_eq!((cached.run(line), cached.run(line)), ((Some(6), 1), (Some(6), 0)));
    }
    cached.write("a.h", "#define A 7\n");
    assert_eq!(cached.run(&["run", "a"]), (Some(7), 1));
    let before = cached.entries().len();
    cached.write("a.ll", "define i32 @main() {\n  ret i32 8\n}\n");
    assert_eq!(cached.run(&["run", "a.ll"]), (Some(8), 0));
    assert_eq!(cached.entries().len(), before + 1);
    assert_eq!(cached.run(&["run", "a.ll"]), (Some(8), 0));
}

#[test]
fn warnings_are_shown_each_time_and_errors_are_not_kept() {
    let cached = Cached::new("cache_warnings");
    cached.write("a.c", "#warning look here\nint main(void) { return 0; }");
    let run = || Outcome::run(&mut cached.command(&["run", "a.c"]));
    let (first, second) = (run(), run());
    assert!(first.err.contains("look here") && first.err == second.err, "{second:?}");
    assert_eq!(cached.calls(), 1);
    cached.write("a.c", "int main(void) { return missing; }");
    assert!([run(), run()].iter().all(|outcome| outcome.err.contains("missing")));
    assert_eq!(cached.calls(), 3);
}

#[test]
fn what_depends_on_more_is_not_kept() {
    let cached = Cached::new("cache_time");
    cached.write("a.c", "int main(void) { return sizeof __TIME__ - 9; }");
    assert_eq!(cached.run(&["run", "a.c"]), (Some(0), 1));
    assert_eq!(cached.run(&["run", "a.c"]), (Some(0), 1));
    cached.write("flags", "-DA=3");
    cached.write("b.c", "int main(void) { return A; }");
    assert_eq!(cached.run(&["run", "b.c", "-Xcompiler", "@flags"]), (Some(3), 1));
    cached.write("flags", "-DA=4");
    assert_eq!(cached.run(&["run", "b.c", "-Xcompiler", "@flags"]), (Some(4), 1));
    assert!(cached.entries().is_empty());
}

#[test]
fn damaged_entries_are_made_again() {
    let cached = Cached::new("cache_damaged");
    cached.write("a.c", "int main(void) { return 4; }");
    assert_eq!(cached.run(&["run", "a.c"]), (Some(4), 1));
    let entries = cached.entries();
    assert_eq!(entries.len(), 2, "{entries:?}");
    for entry in &entries {
        let whole = fs::read(entry).expect("an entry");
        let mut changed = whole.clone();
        changed[whole.len() / 2 + 20] ^= 1;
        for damaged in [&changed[..], &whole[..whole.len() - 1], &whole[..20], &[]] {
            fs::write(entry, damaged).expect("it can be written");
            assert_eq!(cached.run(&["run", "a.c"]), (Some(4), 1));
            assert_eq!(cached.run(&["run", "a.c"]), (Some(4), 0));
        }
        assert_eq!(fs::read(entry).expect("an entry").len(), whole.len());
    }
}

#[test]
fn processes_share_a_cache() {
    let cached = Cached::new("cache_processes");
    for n in 0..4 {
        cached.write(&format!("{n}.c"), &format!("int f{n}(void) {{ return {n}; }}"));
    }
    let line = ["run", "0.c", "1.c", "2.c", "3.c", "-e", "int f3(void); return f3();"];
    let start = |_| cached.command(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let processes: Vec<Child> = (0..4).map(start).collect();
    for process in processes {
        let output = process.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), output.stderr), (Some(3), vec![]));
    }
    assert_eq!(cached.run(&line), (Some(3), 0));
    assert!(cached.entries().iter().all(|path| !path.to_string_lossy().contains("new-")));
}

#[test]
fn a_directory_that_others_may_write_into_is_no_cache() {
    let cached = Cached::new("cache_open");
    cached.write("a.c", "int main(void) { return 4; }");
    fs::create_dir(cached.0.path("cache")).expect("a new directory");
    fs::set_permissions(cached.0.path("cache"), fs::Permissions::from_mode(0o777)).expect("it is ours");
    let outcome = Outcome::run(&mut cached.command(&["run", "a.c"]));
    assert!(
        outcome.code == Some(1) && outcome.err.contains("cache: others may write into this directory"),
        "{outcome:?}"
    );
    // The usual one is just not used.
    let mut command = cached.command(&["run", "a.c"]);
    let outcome = Outcome::run(command.env_remove("LINKJIT_CACHE").env("XDG_CACHE_HOME", "/proc/nowhere"));
    assert_eq!((outcome.code, &*outcome.err), (Some(4), ""));
}
