//! Programs that crash tell their users where.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::os::unix::process::ExitStatusExt;

use support::Fixtures;

const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;

/// Runs `main`, which calls `function`, of a program that is to be killed; returns the names in its backtrace.
fn names_after(test: &str, source: &str, signal: i32) -> String {
    let fixtures = Fixtures::new(test);
    fixtures.c("crash.o", source);
    let run = fixtures.command(&["jitlink", "-write-symtab", "symbols.txt", "crash.o"]).output().expect("it runs");
    assert_eq!(run.status.signal(), Some(signal), "{}", String::from_utf8_lossy(&run.stderr));
    fixtures.write("backtrace.txt", run.stderr);
    fixtures.linkjit(&["jitlink", "-symbolicate-with", "symbols.txt", "backtrace.txt"]).out
}

#[test]
fn the_functions_that_were_running_are_named() {
    let source = "__attribute__((noinline)) int reads(volatile int *p) { return *p + 1; }
                  int main(void) { return reads((int *)16) + 1; }";
    let names = names_after("crash-segv", source, SIGSEGV);
    assert!(names.contains(" reads") && names.contains(" main + "), "{names}");
    assert!(names.contains("(crash.o)"), "{names}");
}

#[test]
fn aborted_programs_still_end_by_their_signal() {
    let source = "int raise(int); __attribute__((noinline)) int gives_up(void) { return raise(6) + 1; }
                  int main(void) { return gives_up() + 1; }";
    let names = names_after("crash-abort", source, SIGABRT);
    assert!(names.contains(" gives_up + "), "{names}");
}

#[test]
fn a_used_up_stack_is_shown_in_part() {
    let source = "__attribute__((noinline)) int deeper(volatile int *p) { volatile int x[64]; x[0] = *p; return deeper(x) + x[1]; }
                  int main(void) { int x = 0; return deeper(&x); }";
    let names = names_after("crash-stack", source, SIGSEGV);
    let lines = names.lines().filter(|line| line.contains(" deeper")).count();
    assert!((100..300).contains(&lines), "{names}");
}
