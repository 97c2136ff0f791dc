//! Errors that end a session, or keep it from starting.

use std::path::PathBuf;
use std::time::Duration;

/// The results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Reasons why a session can't go on. Inputs that fail are no such reason: see [`Failure`](crate::Failure).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The front end is not installed.
    #[error(
        "{program} is not installed: it was searched {}. 'cargo xtask frontend' builds it, with libclang-22-dev and llvm-22-dev",
        places(searched)
    )]
    NoFrontEnd {
        /// The name of the program.
        program: &'static str,
        /// The paths where it could be.
        searched: Vec<PathBuf>,
    },
    /// The front end can't be started, or ends as soon as it is.
    #[error("{program} can't be started: {why}", program = program.display())]
    NotStarted {
        /// The program.
        program: PathBuf,
        /// The reason.
        why: String,
    },
    /// The front end does not say what it should.
    #[error("the front end breaks the protocol: {0}")]
    Protocol(String),
    /// The front end did not accept what it had accepted before.
    #[error("the compiler no longer accepts an input of before:\n{0}")]
    NotRepeated(String),
    /// The front end did not answer in time, and was ended.
    #[error("the compiler has not answered within {} seconds", limit.as_secs())]
    Hangs {
        /// The time that it had.
        limit: Duration,
    },
    /// An input is longer than a frame may be.
    #[error("the input is too long: it may have 256 MiB")]
    TooLong,
    /// The front end has crashed.
    #[error("the compiler has crashed")]
    CompilerCrashed,
    /// There is no process to run inputs.
    #[error("{0}")]
    NoExecutor(Box<dyn std::error::Error + Send + Sync>),
    /// Memory of the process that runs inputs is not as the session has left it.
    #[error("{0}")]
    Target(String),
    /// Something can't be linked, or the process that runs the code is gone.
    #[error(transparent)]
    Jit(#[from] linkjit::Error),
}

fn places(searched: &[PathBuf]) -> String {
    let places: Vec<_> = searched.iter().map(|path| path.display().to_string()).collect();
    format!("at {} and in $PATH", places.join(", "))
}
