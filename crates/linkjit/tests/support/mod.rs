//! Objects for tests, compiled when they run.

#[path = "../compiler/mod.rs"]
mod compiler;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

#[allow(unused_imports, reason = "some tests use them")]
pub(crate) use compiler::{run, tool};

/// Compiles C (or what `-x` in `flags` says) to an object; returns its bytes.
pub(crate) fn compile(flags: &str, source: &str) -> Vec<u8> {
    let object = compile_file(flags, source);
    std::fs::read(&object).expect("the compiler has written it")
}

/// The same, as a file.
pub(crate) fn compile_file(flags: &str, source: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let stem = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("api");
    std::fs::create_dir_all(&directory).expect("cargo made its parent");
    let [text, object] = ["txt", "o"].map(|extension| directory.join(&stem).with_extension(extension));
    std::fs::write(&text, source).expect("a new file");
    let mut command = compiler::compiler(flags.contains("-x c++"));
    command.args(if flags.contains("-x ") { [].as_slice() } else { &["-x", "c"] });
    command.args(flags.split_whitespace()).arg("-c").arg(&text).arg("-o").arg(&object);
    compiler::run(&mut command);
    object
}
