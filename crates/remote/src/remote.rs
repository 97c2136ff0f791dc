//! [`Remote`]: the session's end.

use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitStatus;
#[cfg(unix)]
use std::sync::OnceLock;
#[cfg(unix)]
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use linkjit_executor::{
    Allocation, AllocationId, AskDylibs, DylibReply, ExecAddr, ExecRange, Executor, ExecutorError, FindExport, ImageId,
    Jump, LibraryId, MainForm, Nearby, Placement, PointerArray, ProvideNeeded, ReentryId, Resolve, Result,
    RuntimeFunction, SegmentRequest, SymbolAddress, SymbolRequest, Symbolize, Target, TlsBlock, TlsId, TlsRequest,
    Window, WindowId,
};
use serde::de::DeserializeOwned;

use crate::allocation::RemoteAllocation;
use crate::child::{self, Child};
use crate::connection::{self, Connection, Handler, Side, lock};
use crate::message::{self, Callback, CrashReport, Facts, PendingId, Reply, Request};
use crate::shared::Lent;
#[cfg(unix)]
use crate::shared::Staging;
use crate::{Token, Transport, Violation, conversation, crash_report, disconnected, greeting};

/// The functions of the runtime that facts have the addresses of.
pub(crate) const RUNTIME_FUNCTIONS: [RuntimeFunction; 3] =
    [RuntimeFunction::TlsDescriptorFixed, RuntimeFunction::TlsDescriptorDynamic, RuntimeFunction::Reenter];

/// The most bytes of names that one request has.
const NAMES_LIMIT: usize = 4 << 20;

/// Frames of a crash among which that of a linked function is searched.
const MOST_FRAMES: usize = 64;

/// The most bytes of a reply beyond those of the results for each of many things. Most have much less; errors are texts.
const REPLY_LIMIT: usize = 1 << 20;

/// The most bytes of the result for one of many things.
const RESULT_LIMIT: usize = 64;

/// Contents that are read go in pieces of this size.
const READ_CHUNK: u64 = 4 << 20;

/// An executor in another process, to which there is a connection.
///
/// Dropping it ends the executor's process, if that serves this session alone: nothing is run. So close what has
/// terminators before.
#[derive(Debug)]
pub struct Remote {
    link: Arc<Link>,
    facts: Facts,
    child: Option<Arc<Child>>,
    translate_path: Option<TranslatePath>,
}

/// The way that requests go.
#[derive(Debug)]
pub(crate) struct Link {
    connection: Arc<Connection>,
    callbacks: Arc<Callbacks>,
    /// Memory that the executor shares; none if it is on another machine. Made when it is needed.
    #[cfg(unix)]
    staging: OnceLock<Arc<Staging>>,
    #[cfg(unix)]
    has_asked: AtomicBool,
}

/// Makes a path of this process's file system one of the executor's.
pub type TranslatePath = fn(&[u8]) -> Vec<u8>;

/// The numbers of frames that went over a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Traffic {
    /// From the session to the executor.
    pub sent: u64,
    /// From the executor to the session.
    pub received: u64,
}

/// Functions of the session that linked code asks.
#[derive(Default)]
struct Callbacks {
    reentries: Mutex<HashMap<ReentryId, Arc<Resolve>>>,
    exports: Mutex<HashMap<ImageId, Arc<FindExport>>>,
    needed: Mutex<Option<Arc<ProvideNeeded>>>,
    symbolize: Mutex<Option<Arc<Symbolize>>>,
    /// The frames of a crash whose place has no name yet.
    frames: Mutex<Vec<ExecAddr>>,
    dylibs: Mutex<Option<Arc<AskDylibs>>>,
}

impl std::fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callbacks").finish_non_exhaustive()
    }
}

impl Callbacks {
    fn answer(&self, call: &[u8]) -> Result<Vec<u8>, Violation> {
        let (callback, rest) = message::decode(call)?;
        if !rest.is_empty() && !matches!(callback, Callback::ProvideNeeded) {
            return Err(Violation("a request with bytes behind it".into()));
        }
        Ok(match callback {
            Callback::Resolve { reentry, number } => {
                let resolve = lock(&self.reentries).get(&reentry).cloned();
                reply(&resolve.map_or(ExecAddr::NULL, |resolve| resolve(number)))
            }
            Callback::FindExport { image, key } => {
                let find = lock(&self.exports).get(&image).cloned();
                reply(&find.and_then(|find| find(key)))
            }
            Callback::ProvideNeeded => {
                let provide = lock(&self.needed).clone();
                reply(&provide.map(|provide| provide(rest)).unwrap_or_default())
            }
            Callback::Dylib { request } => {
                let ask = lock(&self.dylibs).clone();
                reply(&ask.map_or(DylibReply::NotHere, |ask| ask(request)))
            }
        })
    }
}

fn reply<T: serde::Serialize>(result: &T) -> Vec<u8> {
    message::encode(&Reply::Ok(result))
}

struct Answers(Arc<Callbacks>, Option<Arc<Child>>);

impl Handler for Answers {
    fn answer(&self, _connection: &Arc<Connection>, call: &[u8]) -> Result<Vec<u8>, Violation> {
        // A panic of the user's goes no further: what the executor does without an answer is its business.
        let answer = catch_unwind(AssertUnwindSafe(|| self.0.answer(call)));
        let panicked = |_| {
            let error = ExecutorError::Invalid { what: "request: the session has panicked".into() };
            Ok(message::encode(&Reply::<()>::Err(error)))
        };
        answer.unwrap_or_else(panicked)
    }

    fn crash(&self, report: &[u8]) -> Result<ExecutorError, Violation> {
        if report.len() > crash_report::MOST_BYTES {
            return Err(Violation(format!("a report of a crash of {} bytes", report.len())));
        }
        let (report, rest): (CrashReport<'_>, _) = message::decode(report)?;
        if !rest.is_empty() {
            return Err(Violation("a report of a crash with bytes behind it".into()));
        }
        let frames: Vec<_> = report.frames.iter().copied().take(MOST_FRAMES).collect();
        let at = frames.first().copied().unwrap_or(ExecAddr::NULL);
        let signal = report.signal.chars().filter(char::is_ascii_graphic).take(64).collect::<String>().into();
        *lock(&self.0.frames) = frames;
        Ok(ExecutorError::Crashed { signal, address: report.address, at, place: String::new() })
    }

    fn peer_ended(&self) -> Option<ExecutorError> {
        Some(disconnected(self.1.as_ref()?.has_ended()?))
    }

    fn name_place(&self, mut crash: ExecutorError) -> ExecutorError {
        let symbolize = lock(&self.0.symbolize).clone();
        if let (Some(symbolize), ExecutorError::Crashed { place, .. }) = (symbolize, &mut crash) {
            let frames = std::mem::take(&mut *lock(&self.0.frames));
            let name = |(depth, frame): (usize, ExecAddr)| match depth {
                0 => symbolize(frame),
                // A call that does not return may be the last thing in its function.
                _ => Some(format!("a call from {}", symbolize(ExecAddr(frame.0.wrapping_sub(1)))?)),
            };
            *place = frames.into_iter().enumerate().find_map(name).unwrap_or_default();
        }
        crash
    }
}

impl Link {
    /// Asks for something.
    pub(crate) fn ask<T: DeserializeOwned>(&self, request: &Request<'_>) -> Result<T> {
        self.ask_with(request, &[])
    }

    /// Asks for something for each of `count` things.
    fn ask_for_all<T: DeserializeOwned>(&self, request: &Request<'_>, count: usize) -> Result<Vec<T>> {
        let (results, rest): (Vec<T>, _) = self.ask_for_bytes(request, &[], count.saturating_mul(RESULT_LIMIT))?;
        if results.len() == count && rest.is_empty() {
            Ok(results)
        } else {
            Err(self.refuse("a result with another number of things than was asked for"))
        }
    }

    /// Asks for something, with bytes behind the request.
    pub(crate) fn ask_with<T: DeserializeOwned>(&self, request: &Request<'_>, bytes: &[&[u8]]) -> Result<T> {
        let (result, rest) = self.ask_for_bytes(request, bytes, 0)?;
        if rest.is_empty() { Ok(result) } else { Err(self.refuse("a reply with bytes behind it")) }
    }

    /// Asks for something whose results, or the bytes behind them, have `size` bytes at most.
    fn ask_for_bytes<T: DeserializeOwned>(
        &self,
        request: &Request<'_>,
        bytes: &[&[u8]],
        size: usize,
    ) -> Result<(T, Vec<u8>)> {
        let request = message::encode(request);
        let parts: Vec<_> = std::iter::once(&request[..]).chain(bytes.iter().copied()).collect();
        let mut reply = conversation::call(&self.connection, &parts)?;
        // Results take more memory than their bytes.
        if reply.len() > size.saturating_add(REPLY_LIMIT) {
            return Err(self.refuse("a reply that is larger than what was asked for"));
        }
        let (result, rest): (Reply<T>, _) =
            message::decode(&reply).map_err(|violation| self.connection.refuse(&violation))?;
        let rest = reply.len() - rest.len()..;
        let rest = reply.drain(rest).collect();
        Ok((result?, rest))
    }

    /// Lends memory for contents that the executor shares, if it shares some.
    #[cfg(unix)]
    pub(crate) fn lend(&self, size: usize) -> Option<Lent> {
        // Whoever comes first asks. Nobody waits for that: the executor could ask for something else meanwhile.
        if !self.has_asked.swap(true, Ordering::Relaxed)
            && let Ok(staging) = Staging::new()
        {
            let request = Request::Share { path: staging.path().into(), mark: staging.mark() };
            if self.ask(&request).unwrap_or(false) {
                let _first = self.staging.set(Arc::new(staging));
            }
        }
        self.staging.get()?.lend(size)
    }

    #[cfg(not(unix))]
    #[allow(clippy::unused_self, reason = "there is none on this system")]
    pub(crate) fn lend(&self, _size: usize) -> Option<Lent> {
        None
    }

    /// Hangs up on an executor whose answer makes no sense.
    fn refuse(&self, what: &str) -> ExecutorError {
        self.connection.refuse(&Violation(what.into()))
    }

    /// Asks for something for each of many things, some at a time, so that each request fits into a frame.
    fn ask_for_each<'a, T: Copy, R: DeserializeOwned>(
        &self,
        things: &'a [T],
        size: impl Fn(&T) -> usize,
        request: impl Fn(&'a [T]) -> Request<'a>,
    ) -> Result<Vec<R>> {
        let mut results = Vec::with_capacity(things.len());
        let mut rest = things;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |thing: &T| {
                bytes += size(thing) + 16;
                bytes <= NAMES_LIMIT
            };
            let count = rest.iter().copied().take_while({
                let mut fits = fits;
                move |thing| fits(thing)
            });
            let (now, later) = rest.split_at(count.count().max(1));
            results.extend(self.ask_for_all::<R>(&request(now), now.len())?);
            rest = later;
        }
        Ok(results)
    }

    /// A window as the executor gives it, if it makes sense.
    fn window(&self, request: &Request<'_>) -> Result<Window> {
        let window: Window = self.ask(request)?;
        let is_range = |range: &ExecRange| range.start <= range.end;
        let is_within =
            |range: &ExecRange| window.range.start <= range.start && is_range(range) && range.end <= window.range.end;
        if is_range(&window.range) && window.stripes.iter().all(is_within) {
            Ok(window)
        } else {
            Err(self.refuse("a window whose parts are not in it"))
        }
    }
}

impl Remote {
    /// Greets the executor at the other end of a stream.
    ///
    /// # Errors
    /// If it is none, of another version, or does not know the token.
    pub fn connect(transport: Transport, token: &Token) -> Result<Self> {
        Self::connect_to(transport, token, None)
    }

    pub(crate) fn connect_to(mut transport: Transport, token: &Token, child: Option<Child>) -> Result<Self> {
        use std::io::ErrorKind::{InvalidData, PermissionDenied, TimedOut};

        let child = child.map(Arc::new);
        let start = if child.is_some() { child::START_PATIENCE } else { Duration::ZERO };
        let facts = greeting::greet(&mut transport, token, start).map_err(|error| {
            // Now a child ends that waits for more.
            (transport.hang_up)();
            let ended = child.as_ref().and_then(|child| child.how_it_ended());
            // Then its end says less than what was wrong before.
            let is_known = matches!(error.kind(), InvalidData | PermissionDenied | TimedOut);
            disconnected(ended.filter(|_| !is_known).unwrap_or_else(|| error.to_string()))
        })?;
        let callbacks = Arc::<Callbacks>::default();
        let watched = child.clone();
        let connection = Connection::start(
            Side::Session,
            transport,
            Box::new(Answers(callbacks.clone(), child.clone())),
            Box::new(connection::attend_on_thread),
            Box::new(move |why, _| match (&why, watched) {
                (ExecutorError::Disconnected { .. }, Some(child)) => child.how_it_ended().map_or(why, disconnected),
                _ => why,
            }),
        );
        let connection = connection.map_err(|error| disconnected(error.to_string()))?;
        let link = Link {
            connection,
            callbacks,
            #[cfg(unix)]
            staging: OnceLock::new(),
            #[cfg(unix)]
            has_asked: AtomicBool::new(false),
        };
        Ok(Self { link: Arc::new(link), facts, child, translate_path: None })
    }

    /// Has paths translated, of libraries and of the program: the executor's process may know the files of this one by other
    /// names, as programs under Wine do.
    #[must_use]
    pub fn with_paths(mut self, translate: TranslatePath) -> Self {
        self.translate_path = Some(translate);
        self
    }

    /// A path as the executor's process knows it.
    fn path<'a>(&self, path: &'a [u8]) -> Cow<'a, [u8]> {
        self.translate_path.map_or(Cow::Borrowed(path), |translate| Cow::Owned(translate(path)))
    }

    /// The number of the executor's process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.facts.process
    }

    /// Returns how many frames have gone over the connection so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let (sent, received) = self.link.connection.traffic();
        Traffic { sent, received }
    }

    /// Has the executor's process exit, as a program does whose `main` returns `code`: what is registered with `atexit`
    /// runs, and terminators do. Functions that this calls are linked, still. Returns the exit code of the process, if it
    /// is a [`Child`] and was not killed.
    ///
    /// # Errors
    /// If it was gone before, or killed.
    pub fn exit(&self, code: i32) -> Result<Option<i32>> {
        let gone = self.link.ask::<()>(&Request::Exit { code });
        match (&self.child, gone) {
            (Some(child), Err(ExecutorError::Disconnected { .. })) => child.wait().map(Some),
            (None, Err(ExecutorError::Disconnected { .. })) => Ok(None),
            (_, Err(error)) => Err(error),
            (_, Ok(())) => Err(self.link.refuse("a reply to a request for the end")),
        }
    }

    /// Has calls fail that take longer than `limit`, with [`ExecutorError::TimedOut`]; at first there is no limit. It holds
    /// for calls that are made from now on, and includes the time of what they have the session do. Code that was called
    /// may go on, so its memory must not be given back, but nobody waits for it. Other calls can be made.
    pub fn set_time_limit(&self, limit: Option<Duration>) {
        self.link.connection.set_time_limit(limit);
    }

    /// Has all calls fail that threads wait for now, with [`ExecutorError::Cancelled`]. As for
    /// [`Remote::set_time_limit`], their code may go on.
    pub fn cancel_calls(&self) {
        self.link.connection.abandon_all(&ExecutorError::Cancelled);
    }

    /// Sets how long the executor's process may say nothing at all while calls wait for it, at first 15 seconds. Then it is
    /// taken for stopped or cut off, and calls fail with [`ExecutorError::Disconnected`]. A process that works says each
    /// second that it does.
    pub fn set_patience(&self, patience: Duration) {
        self.link.connection.set_patience(patience);
    }

    /// Returns whether this side has hung up: the executor broke the protocol, or did not answer. Then its process did not end
    /// by itself.
    #[must_use]
    pub fn has_given_up(&self) -> bool {
        self.link.connection.has_given_up()
    }

    /// Returns how the executor's process has ended, if it is a [`Child`] and has ended, or does in a moment.
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child.as_ref()?.exit_status()
    }

    /// The child process that it is, if [`Child`] has started it.
    #[must_use]
    pub fn child(&self) -> Option<&Child> {
        self.child.as_deref()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if self.link.connection.is_forked() {
            return;
        }
        // A process whose first thread is in linked code that nobody waits for would not end after a goodbye.
        if self.link.connection.has_abandoned() {
            self.link.connection.hang_up();
        } else {
            self.link.connection.say_goodbye();
        }
        if let Some(child) = &self.child {
            child.end();
        }
        self.link.connection.hang_up();
    }
}

impl Executor for Remote {
    fn target(&self) -> Target {
        self.facts.target
    }

    fn shut_down(&self) {
        if self.link.connection.is_forked() {
            return;
        }
        self.link.connection.close(disconnected("it was shut down"), false);
        self.link.connection.hang_up();
        if let Some(child) = &self.child {
            // It may have ended before.
            let _ended = child.kill();
        }
    }

    fn reserve_window(&self, size: u64, placement: Placement) -> Result<Window> {
        self.link.window(&Request::ReserveWindow { size, placement })
    }

    fn reserve_divided_window(&self, stripes: [u64; 3], placement: Placement) -> Result<Window> {
        self.link.window(&Request::ReserveDividedWindow { stripes, placement })
    }

    fn release_window(&self, window: WindowId) -> Result<()> {
        self.link.ask(&Request::ReleaseWindow { window })
    }

    fn allocate(&self, window: WindowId, segments: &[SegmentRequest]) -> Result<Box<dyn Allocation>> {
        let request = Request::Allocate { window, segments: segments.into() };
        let (pending, addresses): (PendingId, Vec<ExecAddr>) = self.link.ask(&request)?;
        if addresses.len() != segments.len() {
            return Err(self.link.refuse("an allocation of another number of segments than was asked for"));
        }
        Ok(Box::new(RemoteAllocation::new(self.link.clone(), pending, segments, addresses)?))
    }

    fn deallocate(&self, allocation: AllocationId) -> Result<()> {
        self.link.ask(&Request::Deallocate { allocation })
    }

    fn make_image_header(&self, window: WindowId, kept: bool) -> Result<()> {
        self.link.ask(&Request::MakeImageHeader { window, kept })
    }

    fn make_stacks_executable(&self) -> Result<()> {
        self.link.ask(&Request::MakeStacksExecutable)
    }

    fn open_image(&self, name: &str) -> Result<ImageId> {
        self.link.ask(&Request::OpenImage { name: name.into() })
    }

    fn set_dso_handle(&self, image: ImageId, handle: ExecAddr) -> Result<()> {
        self.link.ask(&Request::SetDsoHandle { image, handle })
    }

    fn set_exports(&self, image: ImageId, find: Arc<FindExport>) -> Result<()> {
        lock(&self.link.callbacks.exports).insert(image, find);
        self.link.ask(&Request::SetExports { image })
    }

    fn provide_needed(&self, provide: Arc<ProvideNeeded>) {
        *lock(&self.link.callbacks.needed) = Some(provide);
        // The next request says so, if the executor is gone.
        let _gone = self.link.ask::<()>(&Request::ProvideNeeded);
    }

    fn set_symbolizer(&self, symbolize: Arc<Symbolize>) {
        *lock(&self.link.callbacks.symbolize) = Some(symbolize);
    }

    fn serve_dylibs(&self, ask: Arc<AskDylibs>) {
        *lock(&self.link.callbacks.dylibs) = Some(ask);
        // As above.
        let _gone = self.link.ask::<()>(&Request::ServeDylibs);
    }

    unsafe fn restore_contents(&self, allocations: &[AllocationId]) -> Result<()> {
        self.link.ask(&Request::RestoreContents { allocations: allocations.into() })
    }

    unsafe fn run_initializers(
        &self,
        image: ImageId,
        initializers: &[PointerArray],
        terminators: &[PointerArray],
    ) -> Result<()> {
        let (initializers, terminators) = (initializers.into(), terminators.into());
        self.link.ask(&Request::RunInitializers { image, initializers, terminators })
    }

    unsafe fn close_image(&self, image: ImageId) -> Result<()> {
        let closed = self.link.ask(&Request::CloseImage { image });
        lock(&self.link.callbacks.exports).remove(&image);
        closed
    }

    unsafe fn close_part(
        &self,
        image: ImageId,
        allocations: &[AllocationId],
        ended: &[PointerArray],
        terminators: &[PointerArray],
    ) -> Result<()> {
        let (allocations, ended, terminators) = (allocations.into(), ended.into(), terminators.into());
        self.link.ask(&Request::ClosePart { image, allocations, ended, terminators })
    }

    fn forget_registered(&self, image: ImageId, functions: &[AllocationId], arguments: &[AllocationId]) -> Result<()> {
        let (functions, arguments) = (functions.into(), arguments.into());
        self.link.ask(&Request::ForgetRegistered { image, functions, arguments })
    }

    fn reserve_tls(&self, image: ImageId, request: TlsRequest) -> Result<TlsBlock> {
        self.link.ask(&Request::ReserveTls { image, request })
    }

    fn release_tls(&self, block: TlsId) -> Result<()> {
        self.link.ask(&Request::ReleaseTls { block })
    }

    fn open_library(&self, path: &[u8], global: bool) -> Result<LibraryId> {
        self.link.ask(&Request::OpenLibrary { path: self.path(path), global })
    }

    fn set_library_directories(&self, directories: &[Vec<u8>]) {
        let directories = directories.iter().map(|directory| self.path(directory).into_owned()).collect();
        // The next request says so, if the executor is gone.
        let _gone = self.link.ask::<()>(&Request::SetLibraryDirectories { directories });
    }

    fn find_symbols(&self, library: LibraryId, requests: &[SymbolRequest<'_>]) -> Result<Vec<Option<SymbolAddress>>> {
        let size = |request: &SymbolRequest<'_>| match request.key {
            linkjit_executor::SymbolKey::Name(name) | linkjit_executor::SymbolKey::Vague(name) => name.len(),
            linkjit_executor::SymbolKey::Ordinal(_) => 0,
        };
        let request = |requests| Request::FindSymbols { library, requests: std::borrow::Cow::Borrowed(requests) };
        self.link.ask_for_each(requests, size, request)
    }

    fn may_export(&self, names: &[&[u8]]) -> Vec<bool> {
        let request = |names| Request::MayExport { names: std::borrow::Cow::Borrowed(names) };
        let answer = self.link.ask_for_each(names, |name| name.len(), request);
        // Nobody knows whether an executor that is gone has them; the next request says that it is gone.
        answer.unwrap_or_else(|_| vec![true; names.len()])
    }

    fn bring_near(&self, near: ExecRange, addresses: &[ExecAddr], slots: &[ExecAddr]) -> Result<Vec<Option<Nearby>>> {
        let request = Request::BringNear { near, addresses: addresses.into(), slots: slots.into() };
        self.link.ask_for_all(&request, addresses.len())
    }

    fn allocator_names(&self) -> Vec<String> {
        self.facts.allocator_names.clone()
    }

    fn has_allocator_of_another(&self) -> bool {
        // The next request says so, if the executor is gone.
        self.link.ask(&Request::HasAllocatorOfAnother).unwrap_or(false)
    }

    fn prepare_allocator(&self) -> Result<Vec<(String, ExecAddr)>> {
        self.link.ask(&Request::PrepareAllocator)
    }

    fn replace_allocator(&self, definitions: &[(&str, ExecAddr)]) -> Result<()> {
        self.link.ask(&Request::ReplaceAllocator { definitions: definitions.into() })
    }

    fn open_reentry(&self, resolve: Arc<Resolve>) -> Result<ReentryId> {
        let reentry = self.link.ask(&Request::OpenReentry)?;
        lock(&self.link.callbacks.reentries).insert(reentry, resolve);
        Ok(reentry)
    }

    fn close_reentry(&self, reentry: ReentryId) -> Result<()> {
        lock(&self.link.callbacks.reentries).remove(&reentry);
        self.link.ask(&Request::CloseReentry { reentry })
    }

    fn redirect(&self, jumps: &[Jump]) -> Result<Vec<ExecAddr>> {
        self.link.ask_for_all(&Request::Redirect { jumps: jumps.into() }, jumps.len())
    }

    fn runtime_function(&self, function: RuntimeFunction) -> Option<ExecAddr> {
        let known = RUNTIME_FUNCTIONS.iter().zip(&self.facts.runtime_functions);
        known.filter(|(known, _)| **known == function).find_map(|(_, address)| *address)
    }

    fn runtime_symbols(&self, names: &[&[u8]]) -> Result<Vec<Option<ExecAddr>>> {
        let request = |names| Request::RuntimeSymbols { names: std::borrow::Cow::Borrowed(names) };
        self.link.ask_for_each(names, |name| name.len(), request)
    }

    fn runtime_thread_locals(&self) -> Vec<(String, u64)> {
        self.facts.runtime_thread_locals.clone()
    }

    fn set_arguments(&self, args: &[Vec<u8>]) -> Result<()> {
        let mut args = args.to_vec();
        if let Some(program) = args.first_mut() {
            *program = self.path(program).into_owned();
        }
        self.link.ask(&Request::SetArguments { args: args.into() })
    }

    unsafe fn call_main(&self, main: ExecAddr, form: MainForm) -> Result<i32> {
        self.link.ask(&Request::CallMain { main, form })
    }

    unsafe fn call(&self, function: ExecAddr, arguments: &[u64]) -> Result<u64> {
        self.link.ask(&Request::Call { function, arguments: arguments.into() })
    }

    fn read(&self, range: ExecRange) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let size = range.end.0.wrapping_sub(at.0).min(READ_CHUNK);
            let request = Request::Read { range: ExecRange::new(at, size) };
            let ((), read) = self.link.ask_for_bytes(&request, &[], size as usize)?;
            if read.len() as u64 != size {
                return Err(self.link.refuse("other bytes than were to be read"));
            }
            bytes.extend(read);
            at = at.offset(size);
        }
        Ok(bytes)
    }
}
