//! Messages: what the two sides ask each other for. Replies are the results of the same requests to an executor of one's
//! own.

use std::borrow::Cow;

use linkjit_executor::{
    AllocationId, DylibRequest, ExecAddr, ExecRange, ExecutorError, FinalizeActions, ImageId, Jump, LibraryId,
    MainForm, Placement, PointerArray, ReentryId, SegmentRequest, SymbolKey, SymbolRequest, Target, TlsId, TlsRequest,
    WindowId,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Violation;
use crate::shared::Mark;

/// Number of an allocation that is being filled.
pub(crate) type PendingId = u64;

/// A part of the contents of a pending allocation.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Piece {
    pub(crate) segment: u32,
    pub(crate) offset: u64,
    pub(crate) size: u64,
    /// The place of the bytes in the shared file; those of other pieces follow the message, one after the other.
    pub(crate) shared: Option<u64>,
}

/// A request of the session. What is not said here, [`Executor`](linkjit_executor::Executor) says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request<'a> {
    ReserveWindow {
        size: u64,
        placement: Placement,
    },
    ReserveDividedWindow {
        stripes: [u64; 3],
        placement: Placement,
    },
    ReleaseWindow {
        window: WindowId,
    },
    /// The reply has the number of the pending allocation and the address of each segment.
    Allocate {
        window: WindowId,
        segments: Cow<'a, [SegmentRequest]>,
    },
    /// Fills a pending allocation; bytes follow.
    Write {
        pending: PendingId,
        pieces: Cow<'a, [Piece]>,
    },
    /// Fills the rest and makes code executable; bytes follow.
    MakeExecutable {
        pending: PendingId,
        pieces: Cow<'a, [Piece]>,
    },
    /// Fills the rest, if there is any, and finalizes; bytes follow.
    Finalize {
        pending: PendingId,
        pieces: Cow<'a, [Piece]>,
        actions: Cow<'a, FinalizeActions>,
    },
    /// Has the executor open a file that the session has made, which begins with the mark. The reply says whether it is there.
    Share {
        path: Cow<'a, str>,
        mark: Mark,
    },
    /// Gives a pending allocation back.
    Discard {
        pending: PendingId,
    },
    Deallocate {
        allocation: AllocationId,
    },
    MakeImageHeader {
        window: WindowId,
        kept: bool,
    },
    MakeStacksExecutable,
    OpenImage {
        name: Cow<'a, str>,
    },
    SetDsoHandle {
        image: ImageId,
        handle: ExecAddr,
    },
    SetExports {
        image: ImageId,
    },
    ProvideNeeded,
    ServeDylibs,
    RestoreContents {
        allocations: Cow<'a, [AllocationId]>,
    },
    RunInitializers {
        image: ImageId,
        initializers: Cow<'a, [PointerArray]>,
        terminators: Cow<'a, [PointerArray]>,
    },
    CloseImage {
        image: ImageId,
    },
    ClosePart {
        image: ImageId,
        allocations: Cow<'a, [AllocationId]>,
        ended: Cow<'a, [PointerArray]>,
        terminators: Cow<'a, [PointerArray]>,
    },
    ForgetRegistered {
        image: ImageId,
        functions: Cow<'a, [AllocationId]>,
        arguments: Cow<'a, [AllocationId]>,
    },
    ReserveTls {
        image: ImageId,
        request: TlsRequest,
    },
    ReleaseTls {
        block: TlsId,
    },
    OpenLibrary {
        path: Cow<'a, [u8]>,
        global: bool,
    },
    SetLibraryDirectories {
        directories: Cow<'a, [Vec<u8>]>,
    },
    FindSymbols {
        library: LibraryId,
        #[serde(borrow)]
        requests: Cow<'a, [SymbolRequest<'a>]>,
    },
    MayExport {
        #[serde(borrow)]
        names: Cow<'a, [&'a [u8]]>,
    },
    BringNear {
        near: ExecRange,
        addresses: Cow<'a, [ExecAddr]>,
        slots: Cow<'a, [ExecAddr]>,
    },
    HasAllocatorOfAnother,
    PrepareAllocator,
    ReplaceAllocator {
        #[serde(borrow)]
        definitions: Cow<'a, [(&'a str, ExecAddr)]>,
    },
    OpenReentry,
    CloseReentry {
        reentry: ReentryId,
    },
    Redirect {
        jumps: Cow<'a, [Jump]>,
    },
    RuntimeSymbols {
        #[serde(borrow)]
        names: Cow<'a, [&'a [u8]]>,
    },
    SetArguments {
        args: Cow<'a, [Vec<u8>]>,
    },
    CallMain {
        main: ExecAddr,
        form: MainForm,
    },
    Call {
        function: ExecAddr,
        arguments: Cow<'a, [u64]>,
    },
    /// The bytes follow the reply.
    Read {
        range: ExecRange,
    },
    /// Has the process exit, as a program does whose `main` returns. There is no reply.
    Exit {
        code: i32,
    },
}

/// A request of the executor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Callback<'a> {
    /// Asks where the call of a trampoline goes on. The reply is an address.
    Resolve { reentry: ReentryId, number: u32 },
    /// Finds an export. The reply is an address, if there is one.
    FindExport {
        image: ImageId,
        #[serde(borrow)]
        key: SymbolKey<'a>,
    },
    /// Finds what a library needs whose dynamic symbols follow, as a file. The reply has names and addresses.
    ProvideNeeded,
    /// Opens, searches or closes what may be a JITDylib. The reply is a [`DylibReply`](linkjit_executor::DylibReply).
    Dylib {
        #[serde(borrow)]
        request: DylibRequest<'a>,
    },
}

/// The report of a process that crashes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CrashReport<'a> {
    /// The name of the signal or exception.
    pub(crate) signal: Cow<'a, str>,
    /// The address that could not be accessed.
    pub(crate) address: Option<ExecAddr>,
    /// The address where the thread was, then those that its calls return to, as far as they are known.
    pub(crate) frames: Cow<'a, [ExecAddr]>,
}

/// Facts about an executor that do not change.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) target: Target,
    /// The number of its process.
    pub(crate) process: u32,
    /// In the order of [`RUNTIME_FUNCTIONS`].
    pub(crate) runtime_functions: Vec<Option<ExecAddr>>,
    pub(crate) runtime_thread_locals: Vec<(String, u64)>,
    pub(crate) allocator_names: Vec<String>,
}

/// A message as bytes.
pub(crate) fn encode(message: &impl Serialize) -> Vec<u8> {
    // Sequences of our messages know their lengths, so nothing can fail.
    postcard::to_allocvec(message).unwrap_or_default()
}

/// A message, and what follows it.
pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), Violation> {
    postcard::take_from_bytes(bytes).map_err(|error| Violation(format!("a malformed message: {error}")))
}

/// A message that nothing follows.
pub(crate) fn decode_all<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Violation> {
    match decode(bytes)? {
        (message, []) => Ok(message),
        _ => Err(Violation("a message with bytes behind it".into())),
    }
}

/// A result of an executor.
pub(crate) type Reply<T> = Result<T, ExecutorError>;
