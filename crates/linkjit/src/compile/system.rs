//! The system's compiler driver.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use linkjit_link::source::Source;

use super::Compiler;
use crate::error::{Error, Result};

/// Runs `cc` for C and assembly, `c++` for C++, `clang` for LLVM IR. The environment's `CC` and `CXX` replace the first
/// two.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemCompiler;

impl SystemCompiler {
    /// Whether it knows what to do with a file of this name.
    #[must_use]
    pub fn knows(path: &Path) -> bool {
        driver(path).is_some()
    }
}

/// The driver for a file, by its extension.
fn driver(path: &Path) -> Option<OsString> {
    let from = |variable, usual: &str| std::env::var_os(variable).unwrap_or_else(|| usual.into());
    match path.extension()?.to_str()? {
        "c" | "s" | "S" => Some(from("CC", "cc")),
        "cc" | "cpp" | "cxx" | "C" | "c++" => Some(from("CXX", "c++")),
        "ll" | "bc" => Some("clang".into()),
        _ => None,
    }
}

/// A file that goes away with its owner.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // It may not exist: the compiler failed.
        let _gone = std::fs::remove_file(&self.0);
    }
}

impl Compiler for SystemCompiler {
    fn compile(&self, source: &Path) -> Result<Source> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unknown = || Error::Unsupported {
            what: format!("{}: not a source file that linkjit knows a compiler for", source.display()),
        };
        let driver = driver(source).ok_or_else(unknown)?;
        let unique = format!("linkjit-{}-{}.o", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let object = Temporary(std::env::temp_dir().join(unique));
        // Position-independent: then a variable of a shared library is reached wherever it is.
        let mut command = Command::new(&driver);
        command.arg("-c").arg("-O2").arg("-fPIC").arg(source).arg("-o").arg(&object.0);
        let failure = |output: String| Error::Compile {
            file: source.into(),
            command: driver.to_string_lossy().into_owned(),
            output,
        };
        let output = command.output().map_err(|error| failure(format!("can't be started: {error}")))?;
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(failure(messages));
        }
        let bytes = std::fs::read(&object.0)
            .map_err(|error| Error::File { path: object.0.clone(), message: error.to_string() })?;
        Ok(Source::new(source.to_string_lossy().into_owned(), bytes))
    }
}
