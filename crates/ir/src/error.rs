//! The errors of reading and cutting IR.

use std::fmt;

/// The reason why a text is no module of IR, or why a slice can't be made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The text is not IR as LLVM prints it.
    Syntax {
        /// The line of the text, from 1 on.
        line: usize,
        /// The reason.
        reason: String,
    },
    /// The text has 4 GiB or more.
    TooLong,
    /// The suffix for local names has characters that names of IR have only in quotes, or none.
    Suffix(String),
    /// An entity that a slice shall define is none that can be defined: it is declared, or it is no symbol.
    NotDefined(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, reason } => write!(f, "line {line}: {reason}"),
            Self::TooLong => f.write_str("the IR has 4 GiB or more: split it into modules"),
            Self::Suffix(suffix) => {
                write!(f, "'{suffix}' can't end local names: use letters, digits, '.', '_', '-' and '$'")
            }
            Self::NotDefined(name) => write!(f, "the module does not define '{name}', so no slice of it can"),
        }
    }
}

impl std::error::Error for Error {}

/// The result of reading or cutting IR.
pub type Result<T> = std::result::Result<T, Error>;

/// An error at an offset of a text. Lines are counted only when something is wrong.
pub(crate) fn at(text: &str, offset: usize, reason: impl Into<String>) -> Error {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    Error::Syntax { line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(), reason: reason.into() }
}
