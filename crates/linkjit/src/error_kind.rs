//! Kinds of errors, in one word each: for programs that act on them, for error codes of other languages, for logs.

use std::fmt;

use linkjit_executor::ExecutorError;
use linkjit_link::error::LinkError;

use crate::error::Error;

/// The kind of an [`Error`]: [`Error::kind`] returns it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes of an input contradict their format.
    Malformed,
    /// An input can't be linked at all: it is a program, a text, ...
    NotLinkable,
    /// An input, or a request, is right, but linkjit does not do it.
    Unsupported,
    /// Something is out of reach of code that refers to it.
    OutOfRange,
    /// A relocation that its place does not allow.
    BadRelocation,
    /// More than linkjit, or the session's limits, allow.
    TooLarge,
    /// Names that nobody defines.
    UndefinedSymbols,
    /// A name that two define.
    DuplicateDefinition,
    /// Objects that must not be linked together.
    Disagreement,
    /// A file that can't be read, or is not there.
    File,
    /// A library that can't be opened, or is not there.
    Library,
    /// The compiler does not like a source, or there is none.
    Compile,
    /// Something is in use by linked code.
    InUse,
    /// A unit, tracker, generation or JITDylib that was removed, replaced or closed.
    Gone,
    /// A unit could not be materialized.
    Materialization,
    /// A caller would wait for itself: for what it is called by, say.
    Reentrant,
    /// A name or object is used as something that it is not.
    Misused,
    /// The process that runs linked code is gone.
    Disconnected,
    /// That process refuses: no memory, no thread-local storage, ...
    Executor,
    /// An error of the user's own, of a unit, a generator or a plugin.
    Other,
}

impl ErrorKind {
    /// The kind as a word that stays as it is: `undefined-symbols`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NotLinkable => "not-linkable",
            Self::Unsupported => "unsupported",
            Self::OutOfRange => "out-of-range",
            Self::BadRelocation => "bad-relocation",
            Self::TooLarge => "too-large",
            Self::UndefinedSymbols => "undefined-symbols",
            Self::DuplicateDefinition => "duplicate-definition",
            Self::Disagreement => "disagreement",
            Self::File => "file",
            Self::Library => "library",
            Self::Compile => "compile",
            Self::InUse => "in-use",
            Self::Gone => "gone",
            Self::Materialization => "materialization",
            Self::Reentrant => "reentrant",
            Self::Misused => "misused",
            Self::Disconnected => "disconnected",
            Self::Executor => "executor",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error {
    /// Says what the error is about.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// use linkjit::{ErrorKind, Jit, Source};
    ///
    /// let jit = Jit::host()?;
    /// assert_eq!(jit.lookup("nobody_defines_it").unwrap_err().kind(), ErrorKind::UndefinedSymbols);
    /// assert_eq!(jit.add_object(Source::new("text.o", "text")).unwrap_err().kind(), ErrorKind::NotLinkable);
    /// assert_eq!(ErrorKind::NotLinkable.as_str(), "not-linkable");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Link(LinkError::Malformed { .. }) => ErrorKind::Malformed,
            Self::Link(LinkError::NotLinkable { .. }) => ErrorKind::NotLinkable,
            Self::Link(LinkError::OutOfRange { .. }) => ErrorKind::OutOfRange,
            Self::Link(LinkError::BadRelocation { .. }) => ErrorKind::BadRelocation,
            Self::Link(LinkError::TooLarge { .. }) | Self::Limit { .. } => ErrorKind::TooLarge,
            Self::Link(_) | Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::Executor(ExecutorError::Library { .. })
            | Self::LibraryNeedsProgram { .. }
            | Self::NoRuntime { .. } => ErrorKind::Library,
            Self::Executor(ExecutorError::Disconnected { .. } | ExecutorError::Crashed { .. }) => {
                ErrorKind::Disconnected
            }
            Self::Executor(_) | Self::Allocator { .. } | Self::ServesProcess { .. } => ErrorKind::Executor,
            Self::Undefined { .. } => ErrorKind::UndefinedSymbols,
            Self::Duplicate { .. } | Self::DuplicateDylib { .. } => ErrorKind::DuplicateDefinition,
            Self::GroupMismatch { .. } | Self::Disallowed { .. } | Self::Mismatch { .. } => ErrorKind::Disagreement,
            Self::File { .. } => ErrorKind::File,
            Self::NoCompiler { .. } | Self::Compile { .. } | Self::Llvm(_) => ErrorKind::Compile,
            Self::InUse { .. } | Self::NotDiscarded { is_there: true, .. } => ErrorKind::InUse,
            Self::Closed | Self::TrackerRemoved | Self::Superseded { .. } | Self::RemovedByUpdate { .. } => {
                ErrorKind::Gone
            }
            Self::Materialization { .. } | Self::Promise { .. } | Self::Abandoned => ErrorKind::Materialization,
            Self::Reentrant | Self::WaitsForItself { .. } => ErrorKind::Reentrant,
            Self::ThreadLocal { .. }
            | Self::Elsewhere { .. }
            | Self::AliasCycle { .. }
            | Self::Foreign { .. }
            | Self::Updatable { .. }
            | Self::NotKept { .. }
            | Self::NotReplaceable { .. }
            | Self::NotDiscarded { .. }
            | Self::UpdatableAllocator { .. } => ErrorKind::Misused,
            Self::Other(_) => ErrorKind::Other,
        }
    }
}
