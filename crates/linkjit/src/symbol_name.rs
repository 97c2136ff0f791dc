//! Names of symbols, which may be any bytes.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::ops::Deref;

use linkjit_link::error::Shown;

/// The name of a symbol as objects have it: any bytes, though most names are text.
///
/// It is made of text or bytes, compares with text, and is shown as text. Functions that only read a name take
/// `impl AsRef<[u8]>`: `&str`, `&[u8]`, `String` and this.
///
/// ```
/// use linkjit::SymbolName;
///
/// let name = SymbolName::from("puts");
/// assert_eq!(name, "puts");
/// assert!(name.starts_with(b"pu"));
/// assert_eq!(SymbolName::from(b"\xff".as_slice()).text(), "\u{fffd}");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SymbolName(Box<[u8]>);

impl SymbolName {
    /// The name as text, with replacement characters for what is none.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl Deref for SymbolName {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for SymbolName {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for SymbolName {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl<T: AsRef<[u8]> + ?Sized> From<&T> for SymbolName {
    fn from(name: &T) -> Self {
        Self(name.as_ref().into())
    }
}

impl From<Vec<u8>> for SymbolName {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<String> for SymbolName {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl PartialEq<str> for SymbolName {
    fn eq(&self, text: &str) -> bool {
        *self.0 == *text.as_bytes()
    }
}

impl PartialEq<&str> for SymbolName {
    fn eq(&self, text: &&str) -> bool {
        *self == **text
    }
}

impl fmt::Display for SymbolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(&self.text()).fmt(f)
    }
}

impl fmt::Debug for SymbolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}
