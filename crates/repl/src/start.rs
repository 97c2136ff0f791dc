//! Starts sessions for the processes that run inputs: with the C and C++ runtimes that programs of their system have.

use std::path::PathBuf;
use std::sync::Arc;

use linkjit::executor::{Executor, ObjectFormat};
use linkjit::{CrtProvider, Jit, JitBuilder, SystemCompiler, developers_directories};
use linkjit_remote::Remote;

use crate::repl::StartJit;

/// C++ needs it, and the executor's process may not have it.
const LIBRARY: &str = "libstdc++.so.6";
/// MinGW's compilers link these with each C++ program.
const ARCHIVES: [&str; 3] = ["libstdc++.a", "libgcc.a", "libgcc_eh.a"];

/// Errors of what starts an executor.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The triple that a target is short for: `mingw` and `msvc` stand for Windows.
#[must_use]
pub fn triple(target: &str) -> String {
    use std::env::consts::ARCH;
    match target {
        "mingw" => format!("{ARCH}-w64-windows-gnu"),
        "msvc" => format!("{ARCH}-pc-windows-msvc"),
        triple => triple.into(),
    }
}

/// Says whether inputs for a target run under Wine here.
#[must_use]
pub fn needs_wine(target: Option<&str>) -> bool {
    target.is_some_and(|target| target.contains("windows")) && !cfg!(windows)
}

/// Begins a session with each executor that `connect` starts. `crt` is the C runtime for Windows, if it is not to be that of the
/// target.
pub fn starter(
    target: Option<String>,
    crt: Option<CrtProvider>,
    mut connect: impl FnMut() -> Result<Arc<Remote>, Failure> + Send + 'static,
) -> StartJit {
    let target = target.unwrap_or_default();
    Box::new(move || {
        let remote = connect()?;
        let format = remote.target().format;
        let directories = developers_directories(format);
        let jit = directories.into_iter().fold(Jit::builder().executor(remote.clone()), JitBuilder::library_path);
        let archives = if needs_mingw(&target, format) { archives() } else { Vec::new() };
        let crt = match &crt {
            Some(crt) => crt.clone(),
            None if archives.is_empty() => CrtProvider::built_in(),
            None => CrtProvider::of_mingw_compiler()?,
        };
        let jit = jit.crt(crt).build()?;
        if format == ObjectFormat::Elf {
            jit.add_library(LIBRARY)?;
        }
        archives.iter().try_for_each(|archive| jit.add_archive(archive))?;
        Ok((jit, remote))
    })
}

fn needs_mingw(target: &str, format: ObjectFormat) -> bool {
    format == ObjectFormat::Coff && !target.contains("msvc")
}

fn archives() -> Vec<PathBuf> {
    let find = |name: &str| SystemCompiler::file(ObjectFormat::Coff, &format!("-print-file-name={name}"));
    ARCHIVES.iter().filter_map(|name| find(name)?.canonicalize().ok()).collect()
}
