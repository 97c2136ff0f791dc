//! Programs that are compiled, linked into a process and run, and must do what they do when the system links them.
//!
//! A test case is a source file of `tests/cases/run`: `name.c`, `.cpp`, `.s`, `.f90` or `.rs`, with its companions
//! `name.1.c`, `name.2.cpp`, ..., which are linked behind it in that order; headers are `name.h`. It is compiled by every
//! compiler with every line of
//! flags. The objects are linked by the system's linker and run; then the same objects are linked by linkjit and run, in
//! a process of their own with a time limit. Standard output and the way the program ends must be the same.
//!
//! Directives are comment lines (`// key: value`; `# key: value` in assembly, `! key: value` in Fortran) of the first file:
//!
//! | directive          | meaning                                                                                  |
//! |--------------------|------------------------------------------------------------------------------------------|
//! | `flags: F...`      | compile with these flags; each such line is a variant of its own. Without one: `-O2`      |
//! | `flags[C]: F...`   | a variant for the compiler `C` only                                                       |
//! | `compilers: C...`  | `gcc` and `clang-19` are usual; C++ takes their C++ drivers. Rust files take `rustc`      |
//! | `run-args: A...`   | arguments of the program                                                                  |
//! | `libs: L...`       | shared libraries, as after `-l`; `rust-std` is that of Rust                               |
//! | `archives: A...`   | static archives, as file names that the compiler's driver finds                           |
//! | `shared: F...`     | companions that are made a shared library first                                           |
//! | `shared-flags: F...` | more flags for linking that library                                                     |
//! | `archive: F...`    | companions that are put into a static archive                                             |
//! | `policy: whole`    | link everything that an object defines                                                    |
//! | `link-flags: F...` | more flags for the system's linker                                                        |
//! | `expect: text`     | a line of standard output; all such lines are the whole of it                             |
//! | `exit: N`          | exit code; 128 + N for a signal                                                           |
//! | `native: no`       | do not compare with the system's linker, which can't do this; needs `expect`              |
//! | `error: text`      | linking fails, and the message contains this; several lines: all of them                  |
//!
//! Cases of C and C++ are also compiled to LLVM IR by clang, without and with optimization, and what linkjit makes of that,
//! a function at a time and as a whole, is compared with what clang and the system's linker make of it. `run/ir.rs` has the
//! cases of which this is always done; `--ignored` does it with the others.
//!
//! A companion may have a line `flags: F...`, too: flags for it alone, behind those of the variant.

#[cfg(unix)]
#[path = "run/case.rs"]
mod case;
#[cfg(unix)]
#[path = "run/child.rs"]
mod child;
mod host;
#[cfg(unix)]
#[path = "run/ir.rs"]
mod ir;
#[cfg(unix)]
#[path = "run/program.rs"]
mod program;

/// What `tests/windows.rs` runs is for Windows.
#[cfg(windows)]
fn main() {}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use libtest_mimic::{Arguments, Trial};

    if let Some(code) = child::main() {
        return code;
    }
    // Allocators count what the process allocates, threads included, and some programs want to be on its first thread. So
    // they run in this process or in another, which is more than another thread.
    let is_told = !host::is_elsewhere() || host::is_remote();
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/run");
    let mut cases = if is_told { case::Case::all(&directory) } else { vec![] };
    // The first thread of an executor can't end before its session.
    cases.retain(|case| !host::is_remote() || case.name != "main_thread_exit.c");
    // One test for each compiler and line of flags.
    let trials = cases.into_iter().flat_map(|case| {
        // IR has to be compiled by this process whoever runs the program.
        let ir = if host::is_elsewhere() { vec![] } else { ir::variants(&case) };
        let variants: Vec<_> = case.variants().into_iter().chain(ir).collect();
        let case = std::sync::Arc::new(case);
        variants.into_iter().map(move |variant| {
            let case = case.clone();
            let is_ignored = variant.ir && !ir::CASES.contains(&&*case.name);
            let check = if variant.ir { program::check_ir } else { program::check };
            Trial::test(format!("{} [{variant}]", case.name), move || Ok(check(&case, &variant)?))
                .with_ignored_flag(is_ignored)
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
