//! Errors between object bytes and fixed-up bytes, and their places.

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

/// A name or text of an input as messages show it: files may have names of megabytes, of which the start is enough.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl Shown<'_> {
    const LONGEST: usize = 1024;

    /// Returns whether all of it is shown.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.0.len() <= Self::LONGEST
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_whole() {
            return f.write_str(self.0);
        }
        let start = self.0.get(..self.0.floor_char_boundary(Self::LONGEST)).unwrap_or_default();
        write!(f, "{start}... ({} bytes)", self.0.len())
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Shown(&self.file))?;
        if let Some(section) = &self.section {
            write!(f, ":{}", Shown(section))?;
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
    #[error("{site}: malformed {}", Shown(what))]
    Malformed {
        /// Where.
        site: Site,
        /// The thing that is wrong: a noun phrase.
        what: String,
    },
    /// The input is valid, but it is not something to link: a shared object, another architecture, ...
    #[error("{site}: {}", Shown(what))]
    NotLinkable {
        /// Where.
        site: Site,
        /// A description of the input, and of what to do instead.
        what: String,
    },
    /// The format allows it and linkjit does not know it. Nothing is skipped in silence.
    #[error("{site}: unsupported {}", Shown(what))]
    Unsupported {
        /// Where.
        site: Site,
        /// The specification's term for it.
        what: String,
    },
    /// A computed value does not fit its field.
    #[error("{site}: {relocation} to '{}' is out of range ({value:#x} does not fit in {field}){remedy}", Shown(target))]
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
        /// The remedy for the user; empty, or begins with `: `.
        remedy: &'static str,
    },
    /// A relocation asks for something that its target or place can't give.
    #[error("{site}: {relocation} to '{}': {}", Shown(target), Shown(why))]
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
    #[error("{site}: {} is too large", Shown(what))]
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

    /// Returns the place where it happened.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_short_whatever_names_are() {
        let long = "ä".repeat(1 << 20);
        let site = Site::file(&*long).section(long.clone()).at(1);
        let errors = [
            LinkError::Malformed { site: site.clone(), what: long.clone() },
            LinkError::BadRelocation { site, relocation: "Pointer64", target: long.clone(), why: long.clone() },
        ];
        for error in errors {
            let text = error.to_string();
            assert!(text.len() < 5000 && text.contains("ä... (2097152 bytes):ä"), "{}", text.len());
        }
        assert_eq!(Shown("short").to_string(), "short");
    }
}
