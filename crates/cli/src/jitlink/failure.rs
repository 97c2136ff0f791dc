//! Errors, in the words that LLVM's tests look for.

use std::io::Write;

use linkjit_link::error::Shown;

use crate::report::bounded;

/// A reason why a run fails. The exit code is 1 for all of them.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// It is in options, files or checks.
    #[error("{program}: {0}", program = std::env::args().next().unwrap_or_else(|| "linkjit".into()))]
    Usage(String),
    /// It is in a lookup or a link.
    #[error("llvm-jitlink error: {0}")]
    Link(String),
    /// It is in the process that runs linked code.
    #[error("llvm-jitlink error: {0}")]
    Executor(linkjit::Error),
}

pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    pub(super) fn link(message: impl Into<String>) -> Self {
        Self::Link(message.into())
    }

    /// Tells the user.
    pub(super) fn say(&self) {
        // Nobody is left to tell if that fails.
        let _closed = writeln!(std::io::stderr(), "{}", bounded(&self.to_string()));
    }

    /// An error of a lookup: names that nobody defines. LLVM tells them all.
    pub(super) fn missing<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Self {
        const SHOWN: usize = 100;
        let more = names.len().saturating_sub(SHOWN);
        let mut shown: Vec<_> = names.take(SHOWN).map(|name| Shown(name).to_string()).collect();
        if more > 0 {
            shown.push(format!("and {more} more"));
        }
        Self::Link(format!("Symbols not found: [ {} ]", shown.join(", ")))
    }
}

impl From<linkjit_link::LinkError> for Failure {
    fn from(error: linkjit_link::LinkError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<linkjit::executor::ExecutorError> for Failure {
    fn from(error: linkjit::executor::ExecutorError) -> Self {
        Self::Executor(error.into())
    }
}

impl From<linkjit::Error> for Failure {
    fn from(error: linkjit::Error) -> Self {
        match error {
            linkjit::Error::Undefined { symbols, .. } => {
                Self::missing(symbols.iter().map(|symbol| symbol.name.as_str()))
            }
            linkjit::Error::Duplicate { name, second, .. } => {
                Self::Usage(format!("In {second}, duplicate definition of symbol '{name}'"))
            }
            linkjit::Error::Link(_) => Self::Link(error.to_string()),
            linkjit::Error::Executor(_) => Self::Executor(error),
            _ => Self::Usage(error.to_string()),
        }
    }
}

impl From<crate::report::Failure> for Failure {
    fn from(failure: crate::report::Failure) -> Self {
        Self::Usage(failure.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Usage(format!("standard output: {error}"))
    }
}
