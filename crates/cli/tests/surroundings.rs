//! Programs in processes that are not as usual: with libraries that were loaded before all others, few addresses, memory
//! that must not be executed once it was written.
#![cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]

mod support;

use std::process::Command;

use support::{Fixtures, Outcome};

/// A program that throws through frames with destructors, and needs no header.
const THROWS: &str = "extern \"C\" int printf(const char *, ...), fflush(void *);
    struct Noisy { int n; ~Noisy() { printf(\"%d \", n); } };
    __attribute__((noinline)) int throws(int n) { Noisy noisy{n}; if (n == 0) throw 5; return throws(n - 1) + 1; }
    int main() { try { throws(3); } catch (int x) { printf(\"caught %d\\n\", x); fflush(nullptr); return x + 2; } return 1; }";

/// Returns where the compiler finds a library.
fn library(compiler: &str, name: &str) -> String {
    let output = Command::new(compiler).arg(format!("-print-file-name={name}")).output().expect("a compiler");
    let path = String::from_utf8(output.stdout).expect("a path").trim().to_owned();
    assert!(path.starts_with('/'), "{name} is not there: ./test installs it");
    path
}

#[test]
fn exceptions_pass_with_another_unwinder_than_libgccs() {
    let fixtures = Fixtures::new("surroundings-unwinder");
    fixtures.cpp("throws.o", THROWS);
    let abi = library("clang-19", "libc++abi.so.1");
    let unwinder = library("clang-19", "libunwind.so.1");
    let lines: [&[&str]; 5] = [
        &["run", "throws.o"],
        &["jitlink", "throws.o"],
        &["run", "throws.o", &abi],
        &["run", "throws.o", &unwinder, &abi],
        &["run", "--lazy", "throws.o"],
    ];
    for line in lines {
        for preloaded in ["", &unwinder] {
            let outcome = Outcome::run(fixtures.command(line).env("LD_PRELOAD", preloaded));
            assert_eq!(
                (outcome.code, &*outcome.out),
                (Some(7), "0 1 2 3 caught 5\n"),
                "{line:?} {preloaded}: {outcome:?}"
            );
        }
    }
}

#[test]
fn preloaded_sanitizers_see_no_leaks_and_serve_no_compiler() {
    let fixtures = Fixtures::new("surroundings-sanitizer");
    let program = "#include <stdlib.h>\n#include <stdio.h>\n
        int main(void) { char *p = malloc(10); p[9] = 'x'; printf(\"%c\\n\", p[9]); fflush(stdout); free(p); return 0; }";
    fixtures.write("program.c", program);
    fixtures.tool(&["gcc", "-c", "-fsanitize=address", "-g", "program.c"]);
    fixtures.write("new.cpp", "#include <vector>\n#include <thread>\n#include <cstdio>
        int main() { std::vector<int> v(10); std::thread t([&] { v.push_back(1); }); t.join(); printf(\"x\\n\"); return v.size() - 11; }");
    fixtures.tool(&["g++", "-c", "-fsanitize=address", "-g", "new.cpp"]);
    let sanitizer = library("gcc", "libasan.so");
    let lines: [&[&str]; 6] = [
        &["run", "program.o"],
        &["run", "program.o", "-l", "asan"],
        &["run", "program.c"],
        &["jitlink", "program.o"],
        &["run", "new.o"],
        &["run", "new.o", "-l", "stdc++"],
    ];
    for line in lines {
        let outcome = Outcome::run(fixtures.command(line).env("LD_PRELOAD", &sanitizer));
        assert_eq!((outcome.code, &*outcome.out), (Some(0), "x\n"), "{line:?}: {outcome:?}");
    }
}

#[test]
fn leak_checkers_find_what_linked_code_keeps() {
    let fixtures = Fixtures::new("surroundings-leaks");
    fixtures.write(
        "keeps.c",
        "#include <stdlib.h>\n
         static void *kept; void **deep; struct { long words[100]; void *last; } table = {{1}, 0};
         __attribute__((noinline)) static void run(void) {
             kept = malloc(100); deep = malloc(8); *deep = malloc(50); table.last = malloc(77);
             void *volatile lost = malloc(1234); lost = 0;
         }
         __attribute__((noinline)) static void clear(void) {
             volatile char bytes[4000]; for (int i = 0; i < 4000; i++) bytes[i] = 0;
         }
         int main(void) { run(); clear(); return 0; }",
    );
    for (library_name, flags) in [("libasan.so", &["-fsanitize=address", "-fPIC"][..]), ("liblsan.so", &["-fno-pic"])] {
        fixtures.tool(&[&["gcc", "-c", "-O0", "-g", "keeps.c"], flags].concat());
        for line in [&["run", "keeps.o"][..], &["run", "--lazy", "keeps.o"]] {
            let outcome = Outcome::run(fixtures.command(line).env("LD_PRELOAD", library("gcc", library_name)));
            let is_right = outcome.code != Some(0) && outcome.err.contains("1234 byte(s) leaked in 1 allocation(s)");
            assert!(is_right, "{library_name}, {line:?}: {outcome:?}");
        }
    }
}

/// Runs `linkjit` after a command of the shell.
fn after(fixtures: &Fixtures, command: &str, arguments: &[&str]) -> Outcome {
    let script = format!("{command} && exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_linkjit")]).args(arguments).current_dir(fixtures.path(""));
    Outcome::run(&mut shell)
}

#[test]
fn few_addresses_are_enough_or_the_limit_is_named() {
    let fixtures = Fixtures::new("surroundings-addresses");
    fixtures.cpp("throws.o", THROWS);
    fixtures.write("direct.cpp", THROWS);
    fixtures.tool(&["g++", "-c", "-fno-pic", "direct.cpp"]);
    for kibibytes in [1_500_000, 1_000_000, 400_000] {
        for object in ["throws.o", "direct.o"] {
            let outcome = after(&fixtures, &format!("ulimit -v {kibibytes}"), &["run", object]);
            assert_eq!((outcome.code, &*outcome.out), (Some(7), "0 1 2 3 caught 5\n"), "{kibibytes}: {outcome:?}");
        }
    }
    fixtures.write("large.c", "char large[1500u << 20]; int main(void) { return large[7]; }");
    fixtures.tool(&["gcc", "-c", "large.c"]);
    let outcome = after(&fixtures, "ulimit -v 1000000", &["run", "large.o"]);
    assert!(outcome.code != Some(0) && outcome.err.contains("only 0x3d090000 bytes of address space"), "{outcome:?}");
}

#[test]
fn libraries_with_much_static_thread_local_storage_are_told_what_to_do() {
    let fixtures = Fixtures::new("surroundings-static-tls");
    fixtures.write("large.c", "__thread char large[100000]; char *get(int i) { return &large[i]; }");
    fixtures.tool(&["gcc", "-shared", "-fPIC", "-ftls-model=initial-exec", "large.c", "-o", "liblarge.so"]);
    fixtures.c("program.o", "char *get(int); int main(void) { *get(99999) = 7; return *get(99999); }");
    let line = ["run", "program.o", "-L", ".", "-l", "large"];
    let refused = fixtures.linkjit(&line);
    assert!(
        refused.code != Some(7) && refused.err.contains("LD_PRELOAD") && refused.err.contains("large"),
        "{refused:?}"
    );
    for (variable, value) in
        [("LD_PRELOAD", "./liblarge.so"), ("GLIBC_TUNABLES", "glibc.rtld.optional_static_tls=200000")]
    {
        let outcome = Outcome::run(fixtures.command(&line).env(variable, value));
        assert_eq!(outcome.code, Some(7), "{variable}: {outcome:?}");
    }
}

/// Runs `linkjit` where the system refuses to make executable what was writable; `None` if it does not know that.
fn refusing(fixtures: &Fixtures, arguments: &[&str]) -> Option<Outcome> {
    let source = "#include <sys/prctl.h>\n#include <unistd.h>\n
        /* PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN (Linux 6.3) */
        int main(int argc, char **argv) { if (prctl(65, 1, 0, 0, 0)) return 99; execv(argv[1], argv + 1); return 98; }";
    fixtures.write("refuse.c", source);
    fixtures.tool(&["gcc", "refuse.c", "-o", "refuse"]);
    let mut command = Command::new(fixtures.path("refuse"));
    command.arg(env!("CARGO_BIN_EXE_linkjit")).args(arguments).current_dir(fixtures.path(""));
    Some(Outcome::run(&mut command)).filter(|outcome| outcome.code != Some(99))
}

#[test]
fn code_is_mapped_as_a_file_where_written_memory_must_not_be_executed() {
    let fixtures = Fixtures::new("surroundings-refusing");
    fixtures.cpp("throws.o", THROWS);
    fixtures.write(
        "nested.c",
        "int call(int (*f)(int)) { return f(1); }
        int main(int argc, char **argv) { int add(int x) { return x + argc; } return call(add); }",
    );
    fixtures.tool(&["gcc", "-c", "-O0", "nested.c"]);
    for line in [&["run", "throws.o"][..], &["run", "--lazy", "throws.o"], &["jitlink", "throws.o"]] {
        let Some(outcome) = refusing(&fixtures, line) else { return };
        assert_eq!((outcome.code, &*outcome.out), (Some(7), "0 1 2 3 caught 5\n"), "{line:?}: {outcome:?}");
    }
    let Some(outcome) = refusing(&fixtures, &["run", "nested.o"]) else { return };
    assert!(outcome.code != Some(2) && outcome.err.contains("stacks can't be made executable"), "{outcome:?}");
    assert!(outcome.err.contains("nested.o"), "{outcome:?}");
}
