//! The examples do what they say.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

#[path = "windows/tools.rs"]
#[allow(dead_code, reason = "the rest is for other tests")]
mod tools;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Writes a source file, and runs an example with it; returns what it prints.
fn run(example: &str, file: &str, source: &str, environment: &[(&str, &str)], args: &[&str]) -> String {
    let directory =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("example-{example}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join(file);
    std::fs::write(&path, source).unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "-q", "-p", "linkjit", "--example", example, "--"]).arg(&path).args(args);
    command.envs(environment.iter().copied());
    let output = command.output().unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    printed
}

const TWO: &str = "static int helper(int n) { return n + 1; }
    __attribute__((noinline)) int used(int n) { return helper(n); }
    int unused_array[1000] = { 1 };";

#[test]
fn dump_graph_prints_what_is_needed() {
    let printed = run("dump_graph", "two.c", TWO, &[], &["used"]);
    assert!(printed.contains("section .text") && printed.contains("used"), "{printed}");
    assert!(!printed.contains("unused_array"), "{printed}");
}

#[test]
fn count_bytes_tells_what_is_linked() {
    let printed = run("count_bytes", "two.c", TWO, &[], &["used"]);
    let data = printed.lines().find(|line| line.ends_with(" .data")).unwrap_or_else(|| panic!("{printed}"));
    assert_eq!(data.split_whitespace().take(2).collect::<Vec<_>>(), ["4000", "0"], "{printed}");
}

#[test]
fn exception_tracer_shows_who_throws_and_the_exception_is_caught() {
    let source = r#"
        #include <cstdio>
        #include <stdexcept>
        struct Shape { virtual ~Shape() = default; virtual int corners(int n) const; };
        [[gnu::noinline]] int Shape::corners(int n) const { if (n < 3) throw std::runtime_error("too few"); return n; }
        namespace deep { [[noreturn, gnu::noinline]] void thrower() { throw 42; } }
        int main() {
            try { Shape().corners(2); } catch (const std::exception &e) { std::printf("caught %s\n", e.what()); }
            try { deep::thrower(); } catch (int n) { std::printf("caught %d\n", n); }
        }"#;
    let clang = (15..30).rev().map(|version| format!("clang++-{version}"));
    let clang = clang.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    for compiler in ["c++".to_owned(), clang.expect("./test installs clang")] {
        let printed = run("exception_tracer", "throws.cpp", source, &[("CXX", &compiler)], &[]);
        for expected in [
            "throw by Shape::corners(int) const",
            "throw by deep::thrower()",
            "=> 0x",
            "call",
            "caught too few",
            "caught 42",
        ] {
            assert!(printed.contains(expected), "{compiler}: no '{expected}' in\n{printed}");
        }
    }
}

#[test]
fn functions_of_a_toy_language_are_compiled_when_they_are_called() {
    let program = "square = x x *\nnever = x never\ncall = x square 1 +\nmain = x call 3 -\n";
    let printed = run("toy_language", "program.toy", program, &[], &[]);
    assert_eq!(printed, "compiling main\ncompiling call\ncompiling square\n23\n");
}

#[test]
fn ir_executor_runs_a_program() {
    let program = "declare i32 @puts(ptr)\n@text = constant [6 x i8] c\"hello\\00\"\n\
        define i32 @main() {\n  %r = call i32 @puts(ptr @text)\n  ret i32 0\n}\n";
    assert_eq!(run("ir_executor", "program.ll", program, &[], &[]), "hello\n");
}

#[test]
fn exception_tracer_works_on_windows() {
    let object = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("throws.obj");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/windows/throws.cpp");
    let mut clang = Command::new("clang-19");
    clang.args(["--target=x86_64-pc-windows-msvc", "-std=c++17", "-fexceptions", "-fcxx-exceptions", "-O1", "-I"]);
    clang.arg(source.with_file_name("include")).arg("-c").arg(&source).arg("-o").arg(&object);
    tools::succeed(&mut clang).unwrap();
    let mut wine = Command::new(tools::root().join("crates/xtask/wine"));
    wine.arg(tools::example("exception_tracer").unwrap()).arg(tools::for_wine(&object));
    let printed = tools::succeed(&mut wine).unwrap();
    for expected in
        ["throw by Shape::corners(int)", "throw by deep::thrower(void)", "=> 0x", "caught too few", "caught 42"]
    {
        assert!(printed.contains(expected), "{expected}:\n{printed}");
    }
}
