//! The system's compiler driver.

use std::env::consts::ARCH;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use linkjit_executor::ObjectFormat;
use linkjit_host::temporary::PrivateDirectory;
use linkjit_link::source::Source;

use super::Compiler;
use crate::error::{Error, Result};

/// Runs `cc` for C and assembly, `c++` for C++, any `clang` for LLVM IR. The environment's `CC` and `CXX`, which may hold
/// arguments, too, replace the first two.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemCompiler;

/// Compiles for processes of this system as [`SystemCompiler`] does. For Windows on another system, it runs MinGW-w64's
/// compilers (`x86_64-w64-mingw32-gcc`), or else any `clang`.
#[derive(Clone, Copy, Debug)]
pub struct TargetCompiler {
    format: ObjectFormat,
}

impl SystemCompiler {
    const FOR_HOST: TargetCompiler = TargetCompiler { format: ObjectFormat::HOST };

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
        Self::FOR_HOST.compile_with_warnings(source)
    }

    /// Returns what the driver of the C compiler prints when it is asked with an option (`-print-search-dirs`). This
    /// takes a process.
    #[must_use]
    pub fn ask(&self, option: &str) -> Option<String> {
        Self::FOR_HOST.ask(option)
    }

    /// Returns a file of the compiler's own, such as libgcc.a, for which it is asked with an option
    /// (`-print-file-name=libgcc.a`). This takes a process.
    #[must_use]
    pub fn file(&self, option: &str) -> Option<PathBuf> {
        Self::FOR_HOST.file(option)
    }
}

impl TargetCompiler {
    /// The compilers that make objects of a format.
    #[must_use]
    pub fn new(format: ObjectFormat) -> Self {
        Self { format }
    }

    /// As [`SystemCompiler::compile_with_warnings`].
    ///
    /// # Errors
    /// If the compiler is missing, or rejects the file.
    pub fn compile_with_warnings(&self, source: &Path) -> Result<(Source, String)> {
        let unknown =
            || Error::unsupported(format!("{}: linkjit knows no compiler for this kind of file", source.display()));
        let driver = self.driver(Language::from_extension(source).ok_or_else(unknown)?);
        let file_error =
            |path: &Path, error: std::io::Error| Error::File { path: path.into(), message: error.to_string() };
        // The compiler says it, too, in many words.
        std::fs::metadata(source).map_err(|error| file_error(source, error))?;
        let directory = PrivateDirectory::new().map_err(|error| file_error(&std::env::temp_dir(), error))?;
        let object = directory.file();
        let (program, arguments) = driver.split_first().ok_or_else(unknown)?;
        let mut command = Command::new(program);
        // What is to serve the program, a sanitizer perhaps, is not for the compiler.
        command.env_remove("LD_PRELOAD");
        command.args(arguments).arg("-c").arg("-O2");
        if self.format == ObjectFormat::Elf {
            // Position-independent: then a variable of a shared library is reached wherever it is.
            command.arg("-fPIC");
        }
        command.arg(not_an_option(source)).arg("-o").arg(&object);
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

    /// As [`SystemCompiler::ask`].
    #[must_use]
    pub fn ask(&self, option: &str) -> Option<String> {
        let driver = self.driver(Language::C);
        let (program, arguments) = driver.split_first()?;
        let mut command = Command::new(program);
        // What is to serve the program, a sanitizer perhaps, is not for the compiler.
        command.env_remove("LD_PRELOAD");
        let output = command.args(arguments).arg(option).stdin(Stdio::null()).output().ok()?;
        String::from_utf8(output.stdout).ok()
    }

    /// As [`SystemCompiler::file`].
    #[must_use]
    pub fn file(&self, option: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.ask(option)?.trim_end());
        // The compiler prints a name that it does not know as it is.
        (path.is_absolute() && path.is_file()).then_some(path)
    }

    /// The compiler's command with its first arguments.
    fn driver(self, language: Language) -> Vec<OsString> {
        let from = |variable, usual: &str| match std::env::var(variable) {
            Ok(command) if !command.trim().is_empty() => command.split_whitespace().map(OsString::from).collect(),
            _ => vec![usual.into()],
        };
        let clang = || OsString::from(find_clang().unwrap_or_else(|| "clang".into()));
        let is_for_host = self.format == ObjectFormat::HOST;
        let mingw = match language {
            Language::C if is_for_host => return from("CC", "cc"),
            Language::Cxx if is_for_host => return from("CXX", "c++"),
            Language::LlvmIr if is_for_host => return vec![clang()],
            Language::C => format!("{ARCH}-w64-mingw32-gcc"),
            Language::Cxx => format!("{ARCH}-w64-mingw32-g++"),
            Language::LlvmIr => String::new(),
        };
        let has_mingw = is_in_path(&mingw) || language != Language::LlvmIr && find_clang().is_none();
        match self.format {
            ObjectFormat::Coff if has_mingw => vec![mingw.into()],
            ObjectFormat::Coff => vec![clang(), format!("--target={ARCH}-w64-windows-gnu").into()],
            ObjectFormat::Elf => vec![clang(), format!("--target={ARCH}-linux-gnu").into()],
        }
    }
}

/// The languages that compilers are told apart by.
#[derive(Clone, Copy, PartialEq, Eq)]
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
}

/// A clang of the search path: the one without a version, or else the newest. Distributions have both habits.
fn find_clang() -> Option<String> {
    let mut names =
        std::iter::once("clang".to_owned()).chain((11..100).rev().map(|version| format!("clang-{version}")));
    names.find(|name| is_in_path(name))
}

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
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
        Self::FOR_HOST.compile(source)
    }
}

impl Compiler for TargetCompiler {
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
