//! The start-up of an installed C runtime: once for each JITDylib whose objects ask for it, in the lookup that succeeds.
#![cfg(windows)]
#![allow(missing_docs, reason = "tests are nobody's interface")]

mod compiler;
mod host;

use std::path::{Path, PathBuf};
use std::process::Command;

use linkjit::{CrtProvider, Error, ExecAddr, Jit, JitDylib};

/// A runtime that counts how often it is started.
const RUNTIME: &str = "
    int started;
    void __security_init_cookie(void) {}
    _Bool __scrt_initialize_crt(int type) { started++; return 1; }
    _Bool __scrt_dllmain_after_initialize_c(void) { return 1; }
    _Bool __scrt_uninitialize_crt(_Bool ends, _Bool exits) { return 1; }";

const OBJECT: &str = "
    __asm__(\".section .drectve,\\\"yni\\\"\\n.ascii \\\" /defaultlib:libcmt \\\"\\n.text\");
    int missing(void);
    int broken(void) { return missing(); }
    int fine(void) { return 1; }";

/// Compiles C for MSVC's ABI.
fn compile(directory: &Path, name: &str, source: &str) -> PathBuf {
    let (file, object) = (directory.join(format!("{name}.c")), directory.join(format!("{name}.obj")));
    std::fs::write(&file, source).expect("it is ours");
    let mut clang = Command::new("clang-19");
    clang
        .args(["--target=x86_64-pc-windows-msvc", "-O1", "-ffunction-sections", "-c"])
        .arg(&file)
        .arg("-o")
        .arg(&object);
    compiler::run(&mut clang);
    object
}

/// A session with such a runtime, and an object that asks for it.
fn set_up(name: &str) -> (Jit, PathBuf) {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("crt_startup").join(name);
    for part in ["crt/lib/x86_64", "sdk/lib/um/x86_64", "sdk/lib/ucrt/x86_64"] {
        std::fs::create_dir_all(directory.join(part)).expect("it is ours");
    }
    let runtime = compile(&directory, "runtime", RUNTIME);
    let library = directory.join("crt/lib/x86_64/libcmt.lib");
    _ = std::fs::remove_file(&library);
    compiler::run(compiler::tool("ar").arg("rcs").arg(&library).arg(&runtime));
    let object = compile(&directory, "object", OBJECT);
    let provider = CrtProvider::xwin(&directory).expect("a whole tree");
    (host::builder().crt(provider).build().expect("a session"), object)
}

/// The address of a name, when initializers were run.
fn look_up(dylib: &JitDylib, name: &str) -> linkjit::Result<ExecAddr> {
    let address = dylib.link_with_initializers(&[name])?;
    dylib.initialize()?;
    Ok(address[0])
}

/// How often a JITDylib's runtime was started.
fn started(dylib: &JitDylib) -> i32 {
    let address = look_up(dylib, "started").expect("the runtime has it");
    // SAFETY: a variable of this type.
    unsafe { (address.0 as *const i32).read() }
}

#[test]
fn a_lookup_that_fails_does_not_use_the_start_up_up() {
    let (jit, object) = set_up("fails");
    jit.add_object(&object).expect("an object");
    for _ in 0..2 {
        let error = jit.lookup("broken").expect_err("something is missing");
        assert!(matches!(error, Error::Undefined { .. }), "{error}");
    }
    for _ in 0..2 {
        jit.lookup("fine").expect("nothing is missing");
    }
    assert_eq!(started(jit.main()), 1);
}

#[test]
fn each_jitdylib_has_a_runtime_of_its_own() {
    let (jit, object) = set_up("dylibs");
    let other = jit.create_dylib("other").expect("another JITDylib");
    for dylib in [jit.main(), &other] {
        dylib.add_object(&object).expect("an object");
        look_up(dylib, "fine").expect("nothing is missing");
    }
    assert_eq!([started(jit.main()), started(&other)], [1, 1]);
    let address = |dylib: &JitDylib| look_up(dylib, "started").expect("the runtime has it");
    assert_ne!(address(jit.main()), address(&other));
    // Nobody asks for a runtime here.
    let third = jit.create_dylib("third").expect("another JITDylib");
    assert!(look_up(&third, "started").is_err());
}
