//! Starts the processes that run inputs.

use std::path::PathBuf;

use linkjit::executor::{Executor, ObjectFormat};
use linkjit::{Jit, JitBuilder, SystemCompiler};
use linkjit_repl::StartJit;

use super::ReplOptions;
use crate::args::ExecutorKind;
use crate::crt;
use crate::executor;
use crate::search::developers_directories;

/// C++ needs it, and the executor's process may not have it.
const LIBRARY: &str = "libstdc++.so.6";
/// MinGW's compilers link these with each C++ program.
const ARCHIVES: [&str; 3] = ["libstdc++.a", "libgcc.a", "libgcc_eh.a"];

/// Starts an executor for the target, and a session with it.
pub(super) fn starter(options: ReplOptions) -> StartJit {
    let is_windows = options.target.as_deref().is_some_and(|target| target.contains("windows"));
    let kind = match options.executor {
        Some(ExecutorKind::InProcess) | None if is_windows && !cfg!(windows) => ExecutorKind::Wine,
        // A crash is not to take this process along.
        Some(ExecutorKind::InProcess) | None => ExecutorKind::Child,
        Some(kind) => kind,
    };
    let (target, asked_for) = (options.target.unwrap_or_default(), options.crt);
    Box::new(move || {
        let remote = executor::start_as(&kind).map_err(|failure| failure.to_string())?;
        let remote = remote.ok_or("inputs run in another process")?;
        let format = remote.target().format;
        let directories = developers_directories(format);
        let jit = directories.into_iter().fold(Jit::builder().executor(remote.clone()), JitBuilder::library_path);
        let archives = if needs_mingw(&target, format) { archives() } else { Vec::new() };
        let crt = crt::provider(asked_for.as_ref(), !archives.is_empty())?;
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
