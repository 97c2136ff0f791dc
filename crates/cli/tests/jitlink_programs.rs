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
