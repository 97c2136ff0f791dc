//! The errors of the executor.

use std::borrow::Cow;
use std::time::Duration;

use linkjit_target::ExecAddr;

/// An error of the executor: texts and numbers, which can come from another process.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ExecutorError {
    /// An operating system call failed.
    #[error("{call} ({what}): {message}")]
    System {
        /// The call.
        call: Cow<'static, str>,
        /// The purpose of the call.
        what: String,
        /// The operating system says this.
        message: String,
    },
    /// No free range of addresses for a window.
    #[error("there are no {size:#x} bytes of free address space {place}{limit}")]
    NoAddressSpace {
        /// Size of the window.
        size: u64,
        /// `below 2 GiB`, `anywhere`.
        place: Cow<'static, str>,
        /// Empty, or the limit that the process has.
        limit: String,
    },
    /// A window has no room left.
    #[error(
        "the window at {window} has no {size:#x} bytes left for {protection} segments: make windows larger \
         (JitBuilder::window_size, linkjit run --window-size)"
    )]
    WindowFull {
        /// The window begins here.
        window: ExecAddr,
        /// Bytes that were wanted.
        size: u64,
        /// `read-only`, `executable`, `writable`.
        protection: Cow<'static, str>,
    },
    /// The reserve of thread-local storage at fixed offsets is used up.
    #[error(
        "{size} bytes (aligned to {align}) of thread-local storage do not fit: {free} of {total} bytes are left for the \
         initial- and local-exec models; compile with -fPIC, or build linkjit with a larger LINKJIT_STATIC_TLS (bytes)"
    )]
    TlsReserveFull {
        /// Bytes that were wanted.
        size: u64,
        /// Their alignment.
        align: u64,
        /// Largest free run, in bytes.
        free: u64,
        /// Size of the reserve, in bytes.
        total: u64,
    },
    /// An image has no thread-local storage left.
    #[error(
        "{size} bytes (aligned to {align}) of thread-local storage do not fit: the image has {free} of {total} bytes left; \
         its total was fixed when its first thread-local variables were linked, so link more of them in that lookup"
    )]
    TlsImageFull {
        /// Bytes that were wanted.
        size: u64,
        /// Their alignment.
        align: u64,
        /// Largest free run, in bytes.
        free: u64,
        /// Size of the image's storage in each thread, in bytes.
        total: u64,
    },
    /// An initializer says that it has failed.
    #[error("the initializer at {function} failed: it returned {result}")]
    InitializerFailed {
        /// The initializer.
        function: ExecAddr,
        /// The initializer returned this.
        result: i32,
    },
    /// Thread-local storage at fixed offsets can't be had in this process.
    #[error("thread-local storage of the initial- and local-exec models is not available: {why}")]
    NoFixedTls {
        /// Why.
        why: String,
    },
    /// A program's own allocator can't take the place of the process's.
    #[error(
        "a program's own allocator can't replace the allocator of the process: {why}. Link the program with its allocator \
         before other code, or start the process with the allocator's shared library in LD_PRELOAD and link the program \
         without it"
    )]
    Allocator {
        /// Why.
        why: Cow<'static, str>,
    },
    /// Stacks can't be made executable.
    #[error("stacks can't be made executable: {why}")]
    NoExecutableStack {
        /// Why.
        why: String,
    },
    /// The loader can't open a library.
    #[error("{library}: {message}")]
    Library {
        /// The library.
        library: String,
        /// The loader says this.
        message: String,
    },
    /// The process that runs linked code is not there any more, or does not answer.
    #[error("the process that runs linked code is gone: {why}")]
    Disconnected {
        /// The reason, as far as it is known.
        why: String,
    },
    /// Linked code has crashed, and with it its process.
    #[error("the process that runs linked code is gone: {signal}{}", circumstances(*address, *at, place))]
    Crashed {
        /// The signal or exception: `SIGSEGV`.
        signal: Cow<'static, str>,
        /// The address that could not be accessed, if it was for that.
        address: Option<ExecAddr>,
        /// The instruction, or null if it is not known.
        at: ExecAddr,
        /// The function of linked code that it is in, or that has called what it is in. May be empty.
        place: String,
    },
    /// A call has taken longer than it may. It may go on, but nobody waits for it.
    #[error("the call has not returned within {} seconds: it was given up, and its code may still run", limit.as_secs_f32())]
    TimedOut {
        /// The time that it had.
        limit: Duration,
    },
    /// A call was cancelled while it ran. It may go on, but nobody waits for it.
    #[error("the call was cancelled: its code may still run")]
    Cancelled,
    /// An id that was never given out, or was given back.
    #[error("there is no such {what}")]
    NoSuch {
        /// `window`, `image`, ...
        what: Cow<'static, str>,
    },
    /// A request that makes no sense: an alignment that is no power of two, a NUL byte in an argument, ...
    #[error("invalid {what}")]
    Invalid {
        /// The invalid thing.
        what: String,
    },
    /// The operating system below has no such thing, or linkjit does not support it there.
    #[error("{what} is not supported on this system")]
    Unsupported {
        /// The thing that is not supported.
        what: Cow<'static, str>,
    },
}

/// Result of the executor's functions.
pub type Result<T, E = ExecutorError> = std::result::Result<T, E>;

/// Details of a crash, behind its signal.
fn circumstances(address: Option<ExecAddr>, at: ExecAddr, place: &str) -> String {
    let address = address.map(|address| format!(" at address {address}")).unwrap_or_default();
    let place = match place {
        "" if at.is_null() => String::new(),
        "" => format!(", by the instruction at {at}"),
        place => format!(" in {place}"),
    };
    address + &place
}
