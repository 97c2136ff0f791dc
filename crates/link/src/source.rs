//! The bytes that a graph was read from.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Shared, immutable bytes of one object: a whole file, or one member of an archive that stays mapped as a whole.
///
/// A clone costs two reference counts; no byte is copied. The name is the one that errors show: `foo.o`, or
/// `libz.a(inflate.o)` for a member.
#[derive(Clone)]
pub struct Source {
    name: Arc<str>,
    bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl Source {
    /// Wraps a whole buffer: a `Vec<u8>`, a mapped file, anything that lends bytes and never changes them.
    pub fn new(name: impl Into<Arc<str>>, bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        let range = 0..bytes.as_ref().len();
        Self { name: name.into(), bytes: Arc::new(bytes), range }
    }

    /// A part of this source under a name of its own, sharing the bytes. `None` if `range` is not inside.
    #[must_use]
    pub fn slice(&self, name: impl Into<Arc<str>>, range: Range<usize>) -> Option<Self> {
        self.bytes().get(range.clone())?;
        let range = self.range.start + range.start..self.range.start + range.end;
        Some(Self { name: name.into(), bytes: Arc::clone(&self.bytes), range })
    }

    /// Returns the name that errors and listings have for this source.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        (*self.bytes).as_ref().get(self.range.clone()).unwrap_or_default()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({}, {} bytes)", self.name, self.range.len())
    }
}
