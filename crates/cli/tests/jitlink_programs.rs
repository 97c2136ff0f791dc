//! `linkjit jitlink` with compiled programs: what runs, and what must not.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    dead_code,
    reason = "tests are nobody's interface"
)]

mod support;

use support::{Fixtures, Outcome};

fn jitlink(fixtures: &Fixtures, arguments: &[&str]) -> Outcome {
    fixtures.linkjit(&[&["jitlink"], arguments].concat())
}

/// The exit code of a C++ program that has `override_result`.
#[track_caller]
fn result(name: &str, source: &str) -> Option<i32> {
    let fixtures = Fixtures::new(name);
    let declarations = "#include <cstdlib>\nextern \"C\" void llvm_jitlink_setTestResultOverride(long);
                        struct At { long result; ~At() { llvm_jitlink_setTestResultOverride(result); } };\n";
    fixtures.cpp("program.o", &(declarations.to_owned() + source));
    let outcome = jitlink(&fixtures, &["program.o"]);
    assert_eq!(outcome.err, "");
    outcome.code
}

#[test]
fn what_runs_at_exit_has_the_last_word_about_the_result() {
    let set = "llvm_jitlink_setTestResultOverride";
    let main = format!("int main() {{ {set}(9); return 3; }}");
    let check = |name: &str, source: &str, code| assert_eq!(result(name, source), Some(code), "{source}");
    check("exit_main", &main, 9);
    check("exit_local", &format!("int main() {{ static At at{{0}}; {set}(9); return 3; }}"), 0);
    check("exit_global", &format!("At at{{5}}; {main}"), 5);
    check("exit_order", &format!("At last{{6}}, first{{5}}; {main}"), 6);
    check("exit_thread", &format!("thread_local At at{{7}}; int main() {{ {set}(at.result + 1); return 3; }}"), 7);
    let function = format!("void leave() {{ {set}(4); }}");
    check("exit_atexit", &format!("{function} int main() {{ atexit(leave); return 3; }}"), 4);
    check("exit_array", &format!("__attribute__((destructor)) {function} {main}"), 4);
    check("exit_nested", &format!("{function} struct G {{ ~G() {{ atexit(leave); {set}(8); }} }} g; {main}"), 4);
    // As with LLVM and the system, of what does not fit the lowest bits count.
    check("exit_bits", &format!("At at{{(1l << 40) + 3}}; {main}"), 3);
    check("exit_negative", &format!("At at{{-1}}; {main}"), 255);
}

#[test]
fn a_program_that_ends_itself_has_its_own_exit_code() {
    let set = "llvm_jitlink_setTestResultOverride";
    assert_eq!(result("exit_call", &format!("At at{{5}}; int main() {{ {set}(9); exit(3); }}")), Some(3));
    assert_eq!(result("exit_quick", &format!("At at{{5}}; int main() {{ {set}(9); quick_exit(4); }}")), Some(4));
}

/// A program, a function that needs what is nowhere, functions that are called, data beside a function.
fn lazy(name: &str) -> Fixtures {
    let fixtures = Fixtures::new(name);
    fixtures.c("unlikely.o", "int absent(void); int main(int c, char **v) { return c > 5 ? absent() : 7; }");
    fixtures.c("absent.o", "int nowhere(void); int absent(void) { return nowhere(); }");
    fixtures.c(
        "main.o",
        "int called(void), beside(void); extern int data;
         int main(void) { return called() + data + beside(); }",
    );
    fixtures.c("called.o", "int deeper(void); int called(void) { return deeper() + 1; }");
    fixtures.c("deeper.o", "int deeper(void) { return 10; }");
    fixtures.c("data.o", "int data = 20; int beside(void) { return 3; }");
    fixtures.archive("absent.a", &["absent.o"]);
    fixtures.archive("rest.a", &["called.o", "deeper.o", "data.o"]);
    fixtures
}

/// What it prints about linked files, in order.
fn linked(outcome: &Outcome) -> Vec<&str> {
    outcome.out.lines().filter_map(|line| line.strip_prefix("Linking ")).collect()
}

#[test]
fn lazy_files_are_linked_when_they_are_called_and_not_before() {
    let fixtures = lazy("lazy_run");
    for inputs in [["unlikely.o", "-lazy", "absent.o"], ["-lazy", "absent.o", "unlikely.o"]] {
        let outcome = jitlink(&fixtures, &[&["-show-linked-files"], &inputs[..]].concat());
        assert_eq!((outcome.code, linked(&outcome)), (Some(7), vec!["unlikely.o", "<indirect stubs graph #1>"]));
    }
    let outcome = jitlink(
        &fixtures,
        &["-show-linked-files", "-lazy", "deeper.o", "-lazy", "data.o", "main.o", "-lazy", "called.o"],
    );
    assert_eq!(outcome.code, Some(34), "{}", outcome.err);
    let files = linked(&outcome);
    let mut before = files[..4].to_vec();
    before.sort_unstable();
    assert_eq!(before, ["<indirect stubs graph #1>", "<indirect stubs graph #2>", "data.o", "main.o"]);
    // What is called brings the stubs of what that calls.
    assert_eq!(files[4..], ["called.o", "<indirect stubs graph #3>", "deeper.o"]);
    let graphs = jitlink(&fixtures, &["-show-graphs=called", "main.o", "-lazy", "called.o", "deeper.o", "data.o"]);
    assert!(graphs.out.contains("LinkGraph \"called.o\""), "{}", graphs.out);
}

#[test]
fn without_running_nothing_lazy_is_called() {
    let fixtures = lazy("lazy_noexec");
    for inputs in [["unlikely.o", "-lazy", "absent.o"], ["-lazy", "absent.o", "unlikely.o"]] {
        let outcome = jitlink(&fixtures, &[&["-noexec", "-show-linked-files"], &inputs[..]].concat());
        assert_eq!((outcome.code, linked(&outcome)), (Some(0), vec!["unlikely.o", "<indirect stubs graph #1>"]));
    }
    let eager = jitlink(&fixtures, &["-noexec", "unlikely.o", "absent.o"]);
    assert_eq!(eager.headline(), "llvm-jitlink error: Symbols not found: [ nowhere ]");
    let all = ["-lazy", "main.o", "-lazy", "called.o", "-lazy", "deeper.o", "-lazy", "data.o"];
    let outcome = jitlink(&fixtures, &[&["-noexec", "-show-linked-files"], &all[..]].concat());
    assert_eq!((outcome.code, linked(&outcome)), (Some(0), vec!["<indirect stubs graph #1>"]));
    // Data is needed at once, and with it the file that has it.
    let outcome = jitlink(&fixtures, &[&["-noexec", "-show-linked-files"], &all[1..]].concat());
    let mut files = linked(&outcome);
    files.sort_unstable();
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    assert_eq!(files, ["<indirect stubs graph #1>", "<indirect stubs graph #3>", "data.o", "main.o"]);
}

#[test]
fn members_of_lazy_archives_are_lazy() {
    let fixtures = lazy("lazy_archives");
    for options in [&["-noexec", "-show-linked-files"][..], &["-show-linked-files"]] {
        let outcome = jitlink(&fixtures, &[options, &["-lazy", "absent.a", "unlikely.o"]].concat());
        assert_eq!(linked(&outcome), ["unlikely.o", "<indirect stubs graph #1>"], "{}", outcome.err);
    }
    let outcome = jitlink(&fixtures, &["-show-linked-files", "main.o", "-lazy", "rest.a"]);
    assert_eq!(outcome.code, Some(34), "{}", outcome.err);
    assert_eq!(linked(&outcome).last(), Some(&"rest.a[1](deeper.o)"));
    let whole = jitlink(&fixtures, &["-all_load", "main.o", "-lazy", "rest.a"]);
    assert_eq!(whole.code, Some(34), "{}", whole.err);
}
