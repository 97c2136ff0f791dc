//! What can go wrong between object bytes and fixed-up bytes, and where.

use std::fmt;
use std::sync::Arc;

/// A place in an input: `libfoo.a(bar.o):.text.f+0x1c`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// The file, with the member of an archive in parentheses.
    pub file: Arc<str>,
    /// The section, if the place is inside one.
    pub section: Option<String>,
    /// Offset in bytes: in the section if there is one, else in the file.
    pub offset: Option<u64>,
}

impl Site {
    /// A file as a whole.
    pub fn file(file: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), section: None, offset: None }
    }

    /// `offset` bytes into the file.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// In a section of the file.
    #[must_use]
    pub fn section(mut self, section: impl Into<String>) -> Self {
        self.section = Some(section.into());
        self
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(section) = &self.section {
            write!(f, ":{section}")?;
        }
        match self.offset {
            Some(offset) if self.section.is_some() => write!(f, "+{offset:#x}"),
            Some(offset) => write!(f, ":{offset:#x}"),
            None => Ok(()),
        }
    }
}

/// An error of the linker. Every variant says where.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The bytes contradict the format: an offset outside the file, an index without an entry, ...
    #[error("{site}: malformed {what}")]
    Malformed {
        /// Where.
        site: Site,
        /// What is wrong: a noun phrase.
        what: String,
    },
    /// The input is valid, but it is not something to link: a shared object, another architecture, ...
    #[error("{site}: {what}")]
    NotLinkable {
        /// Where.
        site: Site,
        /// What it is, and what to do instead.
        what: String,
    },
    /// The format allows it and linkjit does not know it. Nothing is skipped in silence.
    #[error("{site}: unsupported {what}")]
    Unsupported {
        /// Where.
        site: Site,
        /// The specification's term for it.
        what: String,
    },
    /// A computed value does not fit its field.
    #[error("{site}: {relocation} to '{target}' is out of range ({value:#x} does not fit in {field}){remedy}")]
    OutOfRange {
        /// The fixup.
        site: Site,
        /// Edge kind.
        relocation: &'static str,
        /// Name of the target.
        target: String,
        /// The value that was to be written.
        value: i128,
        /// The field: `32 signed bits`.
        field: &'static str,
        /// What the user can do about it; empty, or begins with `: `.
        remedy: &'static str,
    },
    /// A relocation asks for something that its target or place can't give.
    #[error("{site}: {relocation} to '{target}': {why}")]
    BadRelocation {
        /// The fixup.
        site: Site,
        /// Edge kind.
        relocation: &'static str,
        /// Name of the target.
        target: String,
        /// Why it cannot be applied.
        why: String,
    },
    /// A count or size beyond what linkjit handles: more than 2^32 symbols, an image beyond the address space, ...
    #[error("{site}: {what} is too large")]
    TooLarge {
        /// Where.
        site: Site,
        /// The thing that is too large.
        what: String,
    },
}

impl LinkError {
    /// The same at another place.
    #[must_use]
    pub fn at(mut self, place: Site) -> Self {
        match &mut self {
            Self::Malformed { site, .. }
            | Self::NotLinkable { site, .. }
            | Self::Unsupported { site, .. }
            | Self::OutOfRange { site, .. }
            | Self::BadRelocation { site, .. }
            | Self::TooLarge { site, .. } => *site = place,
        }
        self
    }

    /// Where it happened.
    #[must_use]
    pub fn site(&self) -> &Site {
        match self {
            Self::Malformed { site, .. }
            | Self::NotLinkable { site, .. }
            | Self::Unsupported { site, .. }
            | Self::OutOfRange { site, .. }
            | Self::BadRelocation { site, .. }
            | Self::TooLarge { site, .. } => site,
        }
    }
}

/// Result of the linker's functions.
pub type Result<T, E = LinkError> = std::result::Result<T, E>;
