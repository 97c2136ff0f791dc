//! The errors.

use std::path::PathBuf;

/// The reason why there is no LLVM, or no object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No library of LLVM is installed, or none can be used.
    #[error(
        "no LLVM that can be used is installed: install LLVM {} to {} ({}), or set {} to the path of its library{}",
        crate::find::OLDEST, crate::find::NEWEST, crate::find::PACKAGE, crate::find::VARIABLE, list(.refused)
    )]
    NotFound {
        /// The reason for each library that was found.
        refused: Vec<String>,
    },
    /// The system's loader can't open a library.
    #[error("{}: not a library that can be opened: {message}", path.display())]
    Open {
        /// The library's path.
        path: PathBuf,
        /// The loader's message.
        message: String,
    },
    /// A library has not all of LLVM's C API that is needed: another library, or an older LLVM.
    #[error("{}: it has no function {function}: LLVM {} or later is needed", path.display(), crate::find::OLDEST)]
    MissingFunction {
        /// The library's path.
        path: PathBuf,
        /// The function.
        function: &'static str,
    },
    /// A library is an older LLVM.
    #[error("{}: it is LLVM {version}, but {} or later is needed", path.display(), crate::find::OLDEST)]
    TooOld {
        /// The library's path.
        path: PathBuf,
        /// Its major version.
        version: u32,
    },
    /// An input is neither IR text nor bitcode.
    #[error("{name}: {problem}")]
    Input {
        /// The input's name.
        name: String,
        /// The reason.
        problem: String,
    },
    /// An input can't be parsed.
    #[error("{message}")]
    Parse {
        /// LLVM's message, which has the input's name, line, column and the line with a caret.
        message: String,
    },
    /// A module breaks a rule of LLVM IR.
    #[error("{name}: the module is invalid: {message}")]
    Invalid {
        /// The input's name.
        name: String,
        /// The verifier's message.
        message: String,
    },
    /// LLVM makes no code for a target.
    #[error("LLVM makes no objects for the target '{triple}': {message}")]
    Target {
        /// The target's triple.
        triple: String,
        /// LLVM's message.
        message: String,
    },
    /// A pipeline of passes is not one that LLVM knows.
    #[error("passes '{passes}': {message}")]
    Passes {
        /// The pipeline.
        passes: String,
        /// LLVM's message.
        message: String,
    },
    /// LLVM can't make code of a valid module: impossible inline assembly, for example.
    #[error("{name}: {}", .messages.join("\n"))]
    Backend {
        /// The input's name.
        name: String,
        /// LLVM's messages.
        messages: Vec<String>,
    },
    /// LLVM met an error that it would end the process with. A thread that compiles is lost by it, with its memory.
    #[error("{name}: LLVM gave up: {message}")]
    Fatal {
        /// The input's name.
        name: String,
        /// LLVM's reason.
        message: String,
    },
    /// The system gives no thread to compile in.
    #[error("{name}: no thread to compile in: {message}")]
    Thread {
        /// The input's name.
        name: String,
        /// The system's message.
        message: String,
    },
}

fn list(refused: &[String]) -> String {
    refused.iter().map(|reason| format!("\n  {reason}")).collect()
}
