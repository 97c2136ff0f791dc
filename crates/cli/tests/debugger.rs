//! Programs under a debugger, which looks at all that the loader loads.
#![cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]

mod support;

use std::process::{Command, Stdio};

use support::{Fixtures, Outcome};

/// Returns what GDB and the program print; GDB is ended if it waits for something that does not come.
fn under_gdb(fixtures: &Fixtures, arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command.args(["-k", "1", "200", "gdb", "-nx", "-q", "-batch", "-iex", "set auto-load off"]);
    command.args(["-ex", "set debuginfod enabled off", "-ex", "run", "--args", env!("CARGO_BIN_EXE_linkjit")]);
    command.args(arguments).current_dir(fixtures.path("")).stdin(Stdio::null());
    let outcome = Outcome::run(&mut command);
    assert_eq!(outcome.code, Some(0), "{outcome:?}: ./test installs gdb");
    outcome.out
}

#[test]
fn thread_local_variables_of_libraries_do_not_stop_it() {
    let fixtures = Fixtures::new("debugger-tls");
    fixtures.shared("library.so", "__thread int variable = 7; int get(void) { return variable; }");
    let program = "extern __thread int variable; int get(void), printf(const char *, ...);
                   int main(void) { variable++; return printf(\"sum %d\\n\", variable + get()) == 0; }";
    fixtures.c("program.o", program);
    let out = under_gdb(&fixtures, &["run", "program.o", "./library.so"]);
    assert!(out.contains("sum 16") && out.contains("exited normally"), "{out}");
}

#[test]
fn executable_stacks_do_not_stop_it() {
    let fixtures = Fixtures::new("debugger-stack");
    let program = "int printf(const char *, ...); static int call(int (*f)(int)) { return f(1); }
                   int main(int argc, char **argv) {
                       int add(int x) { return x + argc; }
                       return printf(\"sum %d\\n\", call(add)) == 0;
                   }";
    fixtures.write("program.c", program);
    fixtures.tool(&["gcc", "-c", "-O0", "program.c"]);
    let out = under_gdb(&fixtures, &["run", "program.o"]);
    assert!(out.contains("sum 2") && out.contains("exited normally"), "{out}");
}
