//! `linkjit run` of LLVM IR, by LLVM's library in the process of the command.
#![cfg(target_os = "linux")]

mod support;

use support::{Fixtures, Outcome};

/// A program with a constructor, an argument, output and an exit code; its runtime is the C library's.
const PROGRAM: &str = r#"
@format = private unnamed_addr constant [21 x i8] c"%d arguments, %s %d\0A\00"
@base = internal global i32 0
@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @begin, ptr null }]
declare i32 @printf(ptr, ...)
define internal void @begin() {
  store i32 40, ptr @base
  ret void
}
define i32 @main(i32 %argc, ptr %argv) {
  %place = getelementptr ptr, ptr %argv, i64 1
  %first = load ptr, ptr %place
  %base = load i32, ptr @base
  %sum = add i32 %base, 2
  %printed = call i32 (ptr, ...) @printf(ptr @format, i32 %argc, ptr %first, i32 %sum)
  ret i32 %sum
}
"#;

fn check_runs(outcome: &Outcome) {
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(42), "2 arguments, x 42\n"), "{}", outcome.err);
}

#[test]
fn ir_and_bitcode_run_without_a_compiler() {
    let fixtures = Fixtures::new("ir");
    fixtures.write("x.ll", PROGRAM);
    fixtures.tool(&["llvm-as-19", "x.ll"]);
    for file in ["x.ll", "x.bc"] {
        // Nothing of the search path is needed.
        check_runs(&Outcome::run(fixtures.command(&["run", file, "--", "x"]).env("PATH", "")));
        check_runs(&fixtures.linkjit(&["run", "--lazy", file, "--", "x"]));
    }
    // As by clang, a module for another system is compiled for this one.
    fixtures.write("other.ll", format!("target triple = \"x86_64-pc-windows-msvc\"\n{PROGRAM}"));
    check_runs(&fixtures.linkjit(&["run", "other.ll", "--", "x"]));
    let graph = fixtures.linkjit(&["graph", "x.ll"]);
    assert!(graph.out.contains(".text.main"), "{graph:?}");
}

/// The options of lli, before the program; what follows it is the program's.
#[test]
fn the_command_line_of_lli_is_understood() {
    let fixtures = Fixtures::new("ir-lli");
    fixtures.write("x.ll", PROGRAM);
    check_runs(&fixtures.linkjit(&["lli", "-jit-kind=orc-lazy", "x.ll", "x"]));
    fixtures.write("extra.ll", "define i32 @extra() {\n  ret i32 40\n}\n");
    fixtures.write(
        "calls.ll",
        "declare i32 @extra()\ndeclare i32 @puts(ptr)\ndeclare double @cos(double)\n\
         define i32 @begin(i32 %argc, ptr %argv) {\n  %name = load ptr, ptr %argv\n  %said = call i32 @puts(ptr %name)\n\
         %c = call double @cos(double 0.0)\n  %one = fptosi double %c to i32\n  %e = call i32 @extra()\n\
         %sum = add i32 %e, %one\n  %all = add i32 %sum, %argc\n  ret i32 %all\n}\n",
    );
    let words = ["lli", "--jd=library", "-extra-module=extra.ll", "-entry-function=begin", "-dlopen=libm.so.6"];
    let outcome = fixtures.linkjit(&[&words[..], &["-fake-argv0=name", "-O1", "calls.ll"]].concat());
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(42), "name\n"), "{}", outcome.err);
    let outcome = fixtures.linkjit(&["lli", "-mcpu=nothing", "x.ll"]);
    assert!(outcome.code == Some(2) && outcome.err.contains("-mcpu"), "{outcome:?}");
}

#[test]
fn errors_have_the_place() {
    let fixtures = Fixtures::new("ir-errors");
    fixtures.write("x.ll", "define i32 @main() {\n  ret i32 %x\n}\n");
    let outcome = fixtures.linkjit(&["run", "x.ll"]);
    let expected = "x.ll:2:11: error: use of undefined value '%x'\n      ret i32 %x\n              ^\n";
    assert!(outcome.code == Some(1) && outcome.err.contains(expected), "{outcome:?}");
    assert!(outcome.headline().starts_with("linkjit: error: x.ll: LLVM "), "{outcome:?}");
}

#[test]
fn the_environment_names_the_library() {
    let fixtures = Fixtures::new("ir-library");
    fixtures.write("x.ll", PROGRAM);
    for (library, expected) in
        [("/nowhere/libLLVM.so", "/nowhere/libLLVM.so: not a library"), ("libc.so.6", "no function LLVMGetVersion")]
    {
        let outcome = Outcome::run(fixtures.command(&["run", "x.ll"]).env("LINKJIT_LLVM", library));
        assert!(outcome.code == Some(1) && outcome.err.contains(expected), "{outcome:?}");
    }
}
