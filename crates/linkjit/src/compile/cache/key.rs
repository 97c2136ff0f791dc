//! Names of what is in a cache.

use std::fmt;

/// The name of something in an [`ObjectCache`](super::ObjectCache): a hash of all that decides about its content.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    /// The key of what a compiler makes of an input. `compiler` says which compiler it is, of which version, and with which
    /// options: whatever changes the result is in it.
    ///
    /// ```
    /// use linkjit::CacheKey;
    /// let key = CacheKey::new("my compiler 1.2 -O2", b"the program");
    /// assert_ne!(key, CacheKey::new("my compiler 1.3 -O2", b"the program"));
    /// ```
    #[must_use]
    pub fn new(compiler: &str, input: &[u8]) -> Self {
        Self::of([compiler.as_bytes(), input])
    }

    /// The key of what is made from these parts. The places where one ends and the next begins make a difference.
    #[must_use]
    pub fn of<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            let part = part.as_ref();
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// The bytes of the hash.
    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheKey({self})")
    }
}
