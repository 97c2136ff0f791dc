//! Tokens: secrets by which an executor knows its session.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

/// The longest token in bytes.
pub(crate) const TOKEN_LIMIT: usize = 1024;

/// A secret that both sides have from elsewhere: the environment, or a file that only their user can read. Never from a
/// command line, which everybody can read.
#[derive(Clone, Default)]
pub struct Token(Vec<u8>);

impl Token {
    /// The variable of the environment that has a token.
    pub const VARIABLE: &str = "LINKJIT_TOKEN";

    /// A token of these bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// No token: for streams that nobody else can connect to.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The token in the environment, if there is one.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let token = std::env::var_os(Self::VARIABLE).filter(|token| !token.is_empty())?;
        Some(Self(token.into_encoded_bytes()))
    }

    /// The token in a file, without white space around it.
    ///
    /// # Errors
    /// If the file can't be read or has no token or a longer one than tokens are.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(TOKEN_LIMIT as u64 + 1).read_to_end(&mut bytes)?;
        let token = bytes.trim_ascii();
        if token.is_empty() || token.len() > TOKEN_LIMIT {
            let what = format!("a token has 1 to {TOKEN_LIMIT} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(Self(token.to_vec()))
    }

    /// A token that nobody can guess.
    pub(crate) fn random() -> io::Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self(bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()))
    }

    /// A random token, for an environment.
    pub(crate) fn as_text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns whether another token is the same. The time that this takes says nothing about where they differ.
    pub(crate) fn is(&self, other: &[u8]) -> bool {
        let differences = self.0.iter().zip(other).fold(0, |found, (a, b)| std::hint::black_box(found | (a ^ b)));
        self.0.len() == other.len() && std::hint::black_box(differences) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}
