//! Names of sections. They are not copied from an object, which may have a section for each function.

use std::fmt;
use std::ops::Deref;

use crate::source::Source;

/// The name of a section: text.
#[derive(Clone)]
pub struct SectionName(Text);

#[derive(Clone)]
enum Text {
    /// ASCII in an object: where it begins, and how long it is.
    InSource(Source, u32, u32),
    Own(Box<str>),
}

impl SectionName {
    /// A name that is a part of `source`. Bytes that are no text are replaced.
    pub(super) fn in_source(source: &Source, name: &[u8]) -> Self {
        let bytes = source.bytes();
        // Beyond the end, if it is not a part.
        let start = name.as_ptr().addr().wrapping_sub(bytes.as_ptr().addr());
        let is_part = start.checked_add(name.len()).is_some_and(|end| end <= bytes.len());
        match (u32::try_from(start), u32::try_from(name.len())) {
            (Ok(start), Ok(len)) if is_part && name.is_ascii() => Self(Text::InSource(source.clone(), start, len)),
            _ => Self(Text::Own(String::from_utf8_lossy(name).into())),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::InSource(..) => std::str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Text::Own(name) => name,
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::InSource(source, start, len) => {
                let from_start = source.bytes().get(*start as usize..);
                from_start.and_then(|rest| rest.get(..*len as usize)).unwrap_or_default()
            }
            Text::Own(name) => name.as_bytes(),
        }
    }
}

impl From<&str> for SectionName {
    fn from(name: &str) -> Self {
        Self(Text::Own(name.into()))
    }
}

impl Deref for SectionName {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<str> for SectionName {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for SectionName {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Display for SectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for SectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
