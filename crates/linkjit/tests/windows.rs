//! Programs for Windows, which `linkjit.exe` links and runs under Wine.
//!
//! Cases and their directives are as those of `run.rs`, in `tests/cases/windows`, but compilers are `msvc` (clang for
//! MSVC's ABI; there are no headers of MSVC here, so cases include `crt.h`), `clang-gnu` and `mingw`. Nothing is linked
//! natively: every case says what it prints. Companions that end in `.def` become import libraries,
//! those that end in `.delay.def` libraries for delayed loading,
//! those that end in `.rc` objects with resources. `archives` are found by the compiler's driver; `mingw-runtime` stands for all
//! those of a static MinGW program. `crate: NAME VERSION FILE` and `wheel: NAME==VERSION FILE` are libraries that MSVC
//! made, out of packages of crates.io and PyPI, which are downloaded. `dlls`, given as wheels are, take the place of Wine's.
//! With several lines of `options` for `linkjit run`, the program runs with each.
//!
//! Some cases are also linked by a session on this system, whose executor is `linkjit.exe`: one for each thing that Windows does
//! in its own way.

#[path = "run/case.rs"]
mod case;
#[path = "windows/downloads.rs"]
mod downloads;
#[path = "windows/program.rs"]
mod program;
#[path = "windows/tools.rs"]
mod tools;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use case::Case;
use program::Linker;

fn main() -> ExitCode {
    if cfg!(windows) {
        // The cases are compiled on the system that Wine runs on.
        return ExitCode::SUCCESS;
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/windows");
    let trials = Case::all(&directory).into_iter().flat_map(trials).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The cases that are linked from here, too.
const FROM_HERE: [&str; 20] = [
    "comdat.cpp",
    "delay_import.c",
    "exceptions.cpp",
    "exit.c",
    "fh4.cpp",
    "filesystem.cpp",
    "identity.c",
    "image.c",
    "imports.c",
    "init_seg.cpp",
    "lazy_initializers.c",
    "longjmp.c",
    "mingw_cxx.cpp",
    "resources.c",
    "rtti.cpp",
    "seh.c",
    "static_in_threads.cpp",
    "statics.cpp",
    "tls.cpp",
    "uncaught.cpp",
];

/// One test for each compiler and line of flags, and maybe one from here.
fn trials(case: Case) -> Vec<Trial> {
    let variants = case.variants();
    let case = Arc::new(case);
    let trial = |variant: case::Variant, linker: Linker| {
        let (case, place) = (case.clone(), if linker == Linker::Here { " from here" } else { "" });
        Trial::test(format!("{} [{variant}]{place}", case.name), move || Ok(program::check(&case, &variant, linker)?))
    };
    let from_here = variants.first().filter(|_| FROM_HERE.contains(&&*case.name)).cloned();
    let from_here = from_here.map(|variant| trial(variant, Linker::Here));
    variants.into_iter().map(|variant| trial(variant, Linker::UnderWine)).chain(from_here).collect()
}
