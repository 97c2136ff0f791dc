//! Objects and libraries of a test's own, and a run of `linkjit.exe` with them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::tools::{linkjit, root, succeed};

/// A fresh directory.
pub(crate) fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("windows_built").join(name);
    _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("it is ours");
    directory
}

/// Compiles C with this compiler.
pub(crate) fn compile(compiler: &[&str], source: &str, object: &Path) {
    compile_file(compiler, source, &object.with_extension("c"), object);
}

/// Compiles C++ for MSVC's ABI.
#[allow(dead_code, reason = "not for all tests")]
pub(crate) fn compile_cxx(source: &str, object: &Path) {
    let options = ["-std=c++17", "-fexceptions", "-fcxx-exceptions"];
    compile_file(&[&MSVC[..], &options].concat(), source, &object.with_extension("cpp"), object);
}

/// Compiles a file with this compiler and these options.
pub(crate) fn compile_file(compiler: &[&str], source: &str, file: &Path, object: &Path) {
    std::fs::write(file, source).expect("it is ours");
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/windows/include");
    let mut command = Command::new(compiler[0]);
    command.args(&compiler[1..]).args(["-O1", "-c", "-idirafter"]).arg(include).arg(file).arg("-o").arg(object);
    succeed(&mut command).unwrap();
}

/// The compiler for MSVC's ABI.
pub(crate) const MSVC: [&str; 2] = ["clang-19", "--target=x86_64-pc-windows-msvc"];
/// MinGW's.
#[allow(dead_code, reason = "not for all tests")]
pub(crate) const GNU: [&str; 1] = ["x86_64-w64-mingw32-gcc-posix"];

/// Makes a static library with a member of each source.
pub(crate) fn library(sources: &[&str], output: &Path) {
    let mut command = Command::new("llvm-lib-19");
    command.arg(format!("/out:{}", output.display()));
    for (number, source) in sources.iter().enumerate() {
        let object = output.with_extension(format!("{number}.obj"));
        compile(&MSVC, source, &object);
        command.arg(object);
    }
    succeed(&mut command).unwrap();
}

/// Makes an import library of a DLL with these lines of exports.
#[allow(dead_code, reason = "not for all tests")]
pub(crate) fn import_library(dll: &str, exports: &[&str], output: &Path) {
    let definition = output.with_extension("def");
    std::fs::write(&definition, format!("LIBRARY {dll}\nEXPORTS\n{}\n", exports.join("\n"))).expect("it is ours");
    let mut command = Command::new("llvm-dlltool-19");
    command.args(["-m", "i386:x86-64", "-d"]).arg(definition).arg("-l").arg(output);
    succeed(&mut command).unwrap();
}

/// What a run did.
pub(crate) struct Outcome {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: Option<i32>,
}

/// `linkjit.exe run` under Wine.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let mut command = Command::new(root().join("crates/xtask/wine"));
    command.arg(linkjit().unwrap()).arg("run").args(arguments).stdin(Stdio::null());
    let output = command.output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\r', "");
    Outcome { out: text(&output.stdout), err: text(&output.stderr), code: output.status.code() }
}
