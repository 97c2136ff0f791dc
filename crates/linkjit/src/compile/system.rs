//! The system's compiler driver.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use linkjit_host::temporary::PrivateDirectory;
use linkjit_link::source::Source;

use super::Compiler;
use crate::error::{Error, Result};

/// Runs `cc` for C and assembly, `c++` for C++, any `clang` for LLVM IR. The environment's `CC` and `CXX`, which may hold
/// arguments, too, replace the first two.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemCompiler;

impl SystemCompiler {
    /// Says whether it knows what to do with a file of this name.
    #[must_use]
    pub fn knows(path: &Path) -> bool {
        Language::from_extension(path).is_some()
    }

    /// As [`Compiler::compile`]; also returns what the compiler has to say about a file that it accepts: warnings.
    ///
    /// # Errors
    /// If the compiler is missing, or rejects the file.
    pub fn compile_with_warnings(&self, source: &Path) -> Result<(Source, String)> {
        let unknown =
            || Error::unsupported(format!("{}: linkjit knows no compiler for this kind of file", source.display()));
        let driver = Language::from_extension(source).ok_or_else(unknown)?.driver();
        let file_error =
            |path: &Path, error: std::io::Error| Error::File { path: path.into(), message: error.to_string() };
        // The compiler says it, too, in many words.
        std::fs::metadata(source).map_err(|error| file_error(source, error))?;
        let directory = PrivateDirectory::new().map_err(|error| file_error(&std::env::temp_dir(), error))?;
        let object = directory.file();
        // Position-independent: then a variable of a shared library is reached wherever it is.
        let (program, arguments) = driver.split_first().ok_or_else(unknown)?;
        let mut command = Command::new(program);
        // What is to serve the program, a sanitizer perhaps, is not for the compiler.
        command.env_remove("LD_PRELOAD");
        command.args(arguments).arg("-c").arg("-O2").arg("-fPIC").arg(not_an_option(source)).arg("-o").arg(&object);
        let failure = |output: String| Error::Compile {
            file: source.into(),
            command: program.to_string_lossy().into_owned(),
            output,
        };
        let output = command.output().map_err(|error| failure(format!("can't be started: {error}")))?;
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(failure(messages));
        }
        let bytes = std::fs::read(&object).map_err(|error| file_error(&object, error))?;
        Ok((Source::new(source.to_string_lossy(), bytes), messages))
    }
}

impl SystemCompiler {
    /// Returns what the driver of the C compiler prints when it is asked with an option (`-print-search-dirs`). This
    /// takes a process.
    #[must_use]
    pub fn ask(&self, option: &str) -> Option<String> {
        let driver = Language::C.driver();
        let (program, arguments) = driver.split_first()?;
        let mut command = Command::new(program);
        // What is to serve the program, a sanitizer perhaps, is not for the compiler.
        command.env_remove("LD_PRELOAD");
        let output = command.args(arguments).arg(option).stdin(Stdio::null()).output().ok()?;
        String::from_utf8(output.stdout).ok()
    }

    /// Returns a file of the compiler's own, such as libgcc.a, for which it is asked with an option
    /// (`-print-file-name=libgcc.a`). This takes a process.
    #[must_use]
    pub fn file(&self, option: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.ask(option)?.trim_end());
        // The compiler prints a name that it does not know as it is.
        (path.is_absolute() && path.is_file()).then_some(path)
    }
}

/// The languages that compilers are told apart by.
#[derive(Clone, Copy)]
enum Language {
    /// Assembly, too.
    C,
    Cxx,
    LlvmIr,
}

impl Language {
    /// The language of a file, by its extension.
    fn from_extension(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "c" | "s" | "S" => Some(Self::C),
            "cc" | "cpp" | "cxx" | "C" | "c++" => Some(Self::Cxx),
            "ll" | "bc" => Some(Self::LlvmIr),
            _ => None,
        }
    }

    /// The compiler's command with its first arguments.
    fn driver(self) -> Vec<OsString> {
        let from = |variable, usual: &str| match std::env::var(variable) {
            Ok(command) if !command.trim().is_empty() => command.split_whitespace().map(OsString::from).collect(),
            _ => vec![usual.into()],
        };
        match self {
            Self::C => from("CC", "cc"),
            Self::Cxx => from("CXX", "c++"),
            Self::LlvmIr => vec![clang().into()],
        }
    }
}

/// A clang of the search path: the one without a version, or else the newest. Distributions have both habits.
fn clang() -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &String| std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    let mut names =
        std::iter::once("clang".to_owned()).chain((11..100).rev().map(|version| format!("clang-{version}")));
    names.find(is_there).unwrap_or_else(|| "clang".into())
}

/// A path that no compiler takes for an option (`-x.c`) or a file of options (`@x.c`).
fn not_an_option(path: &Path) -> PathBuf {
    match path.as_os_str().as_encoded_bytes() {
        [b'-' | b'@', ..] => Path::new(".").join(path),
        _ => path.into(),
    }
}

impl Compiler for SystemCompiler {
    fn compile(&self, source: &Path) -> Result<Source> {
        Ok(self.compile_with_warnings(source)?.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sources_are_no_options() {
        for (name, expected) in [("-x.c", "./-x.c"), ("@x.c", "./@x.c"), ("a/-x.c", "a/-x.c"), ("x.c", "x.c")] {
            assert_eq!(not_an_option(Path::new(name)), Path::new(expected));
        }
    }
}
