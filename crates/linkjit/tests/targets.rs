//! Objects for another processor or another system than that of the process that is to run them.
#![cfg(not(windows))]

mod host;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use host::elsewhere::Elsewhere;
use linkjit::executor::{Arch, InProcess};
use linkjit::{Error, Jit, Source};

/// Compiles C for a target.
fn compile(target: &str, text: &str) -> Vec<u8> {
    let path = |extension: &str| {
        let unique = format!("targets_{}_{:?}.{extension}", std::process::id(), std::thread::current().id());
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique)
    };
    let (source, object) = (path("c"), path("o"));
    std::fs::write(&source, text).unwrap();
    let mut command = Command::new("clang-19");
    command.args(["-O1", "-ffunction-sections", "-c", "-target"]).arg(target).arg(&source).arg("-o").arg(&object);
    assert!(command.status().expect("clang is installed").success(), "{text}");
    let bytes = std::fs::read(&object).unwrap();
    for file in [source, object] {
        std::fs::remove_file(file).unwrap();
    }
    bytes
}

fn refused(jit: &Jit, target: &str, text: &str) -> String {
    jit.add_object(Source::new("f.o", compile(target, text))).map_err(|error| error.to_string()).unwrap_err()
}

const CALLS: &str = "int g(int); int f(int x) { return g(x) + 1; }";

#[test]
fn objects_for_another_processor_are_refused_with_the_remedy() {
    assert_eq!(
        refused(&host::jit().unwrap(), "aarch64-linux-gnu", CALLS),
        "f.o: an object for AArch64, but linked code runs on x86-64: compile it for that target (--target=x86_64-linux-gnu)"
    );
}

/// What needs nothing of its system is linked all the same.
#[test]
fn unwind_tables_of_another_system_are_refused_with_the_remedy() {
    let jit = host::jit().unwrap();
    let text = "int g(int x) { return x; } int f(int (*h)(int)) { return h(1) + 1; } int number = 5;";
    jit.add_object(Source::new("f.o", compile("x86_64-pc-windows-msvc", text))).unwrap();
    jit.main().link(&["g", "number"]).unwrap();
    assert_eq!(
        jit.lookup("f").unwrap_err().to_string(),
        "f.o: an object with Windows unwind tables (.pdata), but linked code runs in a process that uses ELF objects: \
         compile it for that target (--target=x86_64-linux-gnu)"
    );
}

/// The host's processor is not asked: the executor's is what counts.
#[test]
fn the_executor_says_for_which_processor_code_is_linked() {
    let executor = Elsewhere::of_arch(InProcess::new().unwrap(), Arch::AArch64);
    let jit = Jit::builder().executor(Arc::new(executor)).build().unwrap();
    assert!(
        refused(&jit, "x86_64-linux-gnu", CALLS)
            .starts_with("f.o: an object for x86-64, but linked code runs on AArch64")
    );
    let text = "int g(int x) { return x; } int f(int x) { return g(x) + 1; }";
    jit.add_object(Source::new("f.o", compile("aarch64-linux-gnu", text))).unwrap();
    let found = jit.main().link(&["f", "g"]).unwrap();
    assert_ne!(found[0], found[1]);
    assert!(matches!(jit.lookup("h"), Err(Error::Undefined { .. })));
}
