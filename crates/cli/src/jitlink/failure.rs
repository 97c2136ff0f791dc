//! Errors, in the words that LLVM's tests look for.

use std::fmt;

use linkjit_link::error::Shown;

/// Why a run fails. The exit code is 1 for all of them.
#[derive(Debug)]
pub(super) enum Failure {
    /// In options, files or checks.
    Usage(String),
    /// In a lookup or a link.
    Link(String),
    /// Everything was said already.
    Reported,
}

pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    pub(super) fn link(message: impl Into<String>) -> Self {
        Self::Link(message.into())
    }
}

impl Failure {
    /// In a lookup: names that nobody defines. LLVM tells them all.
    pub(super) fn missing(names: &[&str]) -> Self {
        const SHOWN: usize = 100;
        let mut shown: Vec<_> = names.iter().take(SHOWN).map(|name| Shown(name).to_string()).collect();
        if let Some(more @ 1..) = names.len().checked_sub(SHOWN) {
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
        Self::Link(error.to_string())
    }
}

impl From<linkjit::Error> for Failure {
    fn from(error: linkjit::Error) -> Self {
        match error {
            linkjit::Error::Undefined { symbols, .. } => {
                let names: Vec<_> = symbols.iter().map(|symbol| symbol.name.as_str()).collect();
                Self::missing(&names)
            }
            linkjit::Error::Duplicate { name, second, .. } => {
                Self::Usage(format!("In {second}, duplicate definition of symbol '{name}'"))
            }
            linkjit::Error::Link(_) | linkjit::Error::Executor(_) => Self::Link(error.to_string()),
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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) => {
                let program = std::env::args().next().unwrap_or_else(|| "linkjit".into());
                write!(f, "{program}: {message}")
            }
            Self::Link(message) => write!(f, "llvm-jitlink error: {message}"),
            Self::Reported => Ok(()),
        }
    }
}
