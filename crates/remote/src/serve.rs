//! [`serve`]: the executor's end.

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak, mpsc};

use linkjit_executor::{
    Allocation, AskDylibs, DylibReply, DylibRequest, ExecAddr, Executor, ExecutorError, FindExport, ProvideNeeded,
    Resolve, Result, SymbolKey,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::connection::{self, Connection, Handler, Side, lock};
use crate::conversation::{self, Conversation};
use crate::crash_report;
use crate::message::{self, Callback, Facts, PendingId, Piece, Reply, Request};
use crate::remote::RUNTIME_FUNCTIONS;
use crate::shared::Shared;
use crate::{Token, Transport, Violation, disconnected, greeting};

/// The end of serving a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The session needs this process no more.
    Over,
    /// The session is gone, for this reason. Linked code may still run on other threads.
    Lost(String),
}

/// Serves one session, with an executor of this process, until one of them goes. What the session's first thread asks
/// for, and with that usually `main`, runs on the thread that calls this.
///
/// The session can do whatever this process can: be sure of who is at the other end.
///
/// # Errors
/// If the peer is no session, or does not know the token.
pub fn serve(transport: Transport, token: &Token, executor: Arc<dyn Executor>) -> io::Result<Outcome> {
    serve_with(transport, token, executor, |_| ())
}

/// As [`serve`], and calls `when_lost` with the reason as soon as the session is gone, on another thread: this one may be in
/// linked code. A process that is there for this session alone ends then.
///
/// # Errors
/// As [`serve`].
pub fn serve_with(
    mut transport: Transport,
    token: &Token,
    executor: Arc<dyn Executor>,
    when_lost: impl FnOnce(&str) + Send + 'static,
) -> io::Result<Outcome> {
    greeting::answer(&mut transport, token, &facts(&*executor), &mut || true)?;
    serve_greeted(transport, executor, when_lost)
}

/// The facts that a session learns from the greeting.
pub(crate) fn facts(executor: &dyn Executor) -> Facts {
    Facts {
        target: executor.target(),
        process: std::process::id(),
        runtime_functions: RUNTIME_FUNCTIONS.iter().map(|&function| executor.runtime_function(function)).collect(),
        runtime_thread_locals: executor.runtime_thread_locals(),
        allocator_names: executor.allocator_names(),
    }
}

/// Serves a session that was welcomed.
pub(crate) fn serve_greeted(
    transport: Transport,
    executor: Arc<dyn Executor>,
    when_lost: impl FnOnce(&str) + Send + 'static,
) -> io::Result<Outcome> {
    let server = Server { executor, pending: Mutex::default(), newest: AtomicU64::new(0), shared: OnceLock::new() };
    let (to_this_thread, conversations) = mpsc::channel::<(Arc<Connection>, Arc<Conversation>)>();
    let mut to_this_thread = Some(to_this_thread);
    let outcome = Arc::new(OnceLock::new());
    let accept = move |connection: &Arc<Connection>, conversation: Arc<Conversation>| match to_this_thread.take() {
        // The receiver waits for it.
        Some(sender) => sender.send((connection.clone(), conversation)).map_err(io::Error::other),
        None => connection::attend_on_thread(connection, conversation),
    };
    let (done, is_done) = mpsc::channel::<()>();
    let known = outcome.clone();
    let when_closed = move |why: ExecutorError, is_over: bool| {
        let outcome = match &why {
            _ if is_over => Outcome::Over,
            ExecutorError::Disconnected { why } => Outcome::Lost(why.clone()),
            other => Outcome::Lost(other.to_string()),
        };
        if let Outcome::Lost(why) = &outcome {
            when_lost(why);
        }
        // There is one end.
        let _first = known.set(outcome);
        drop(done);
        why
    };
    let connection =
        Connection::start(Side::Executor, transport, Box::new(server), Box::new(accept), Box::new(when_closed))?;
    crash_report::register(&connection);
    drop(connection);
    if let Ok((connection, conversation)) = conversations.recv() {
        conversation.attend(&connection);
    }
    // The first thread of the session may end before the session.
    let _closed = is_done.recv();
    Ok(outcome.get().cloned().unwrap_or(Outcome::Over))
}

/// Does what the session asks for.
struct Server {
    executor: Arc<dyn Executor>,
    pending: Mutex<HashMap<PendingId, Box<dyn Allocation>>>,
    newest: AtomicU64,
    shared: OnceLock<Shared>,
}

/// The result of a request, as bytes.
type Done = Result<Vec<u8>, ExecutorError>;

fn done<T: Serialize>(result: Result<T>) -> Done {
    result.map(|value| message::encode(&Reply::Ok(value)))
}

impl Handler for Server {
    fn answer(&self, connection: &Arc<Connection>, call: &[u8]) -> Result<Vec<u8>, Violation> {
        let (request, bytes) = message::decode(call)?;
        // A panic of linked Rust code goes no further than the process it is in.
        let done = catch_unwind(AssertUnwindSafe(|| self.execute(connection, request, bytes)));
        let panicked = |_| Err(ExecutorError::Invalid { what: "call: linked code has panicked".into() });
        Ok(done.unwrap_or_else(panicked).unwrap_or_else(|error| message::encode(&Reply::<()>::Err(error))))
    }
}

impl Server {
    fn execute(&self, connection: &Arc<Connection>, request: Request<'_>, bytes: &[u8]) -> Done {
        let executor = &*self.executor;
        match request {
            Request::ReserveWindow { size, placement } => done(executor.reserve_window(size, placement)),
            Request::ReserveDividedWindow { stripes, placement } => {
                done(executor.reserve_divided_window(stripes, placement))
            }
            Request::ReleaseWindow { window } => done(executor.release_window(window)),
            Request::Allocate { window, segments } => {
                let allocation = executor.allocate(window, &segments)?;
                let addresses: Vec<_> = (0..segments.len()).map(|segment| allocation.address(segment)).collect();
                let pending = self.newest.fetch_add(1, Ordering::Relaxed);
                lock(&self.pending).insert(pending, allocation);
                done(Ok((pending, addresses)))
            }
            Request::Write { pending, pieces } => {
                let mut allocation = self.take(pending)?;
                let written = self.write(&mut *allocation, &pieces, bytes);
                lock(&self.pending).insert(pending, allocation);
                done(written)
            }
            Request::MakeExecutable { pending, pieces } => {
                let mut allocation = self.take(pending)?;
                let made = self.write(&mut *allocation, &pieces, bytes).and_then(|()| allocation.make_executable());
                lock(&self.pending).insert(pending, allocation);
                done(made)
            }
            Request::Finalize { pending, pieces, actions } => {
                let mut allocation = self.take(pending)?;
                self.write(&mut *allocation, &pieces, bytes)?;
                done(allocation.finalize(&actions))
            }
            Request::Share { path, mark } => {
                let is_shared = Shared::open(&path, mark).is_some_and(|shared| self.shared.set(shared).is_ok());
                done(Ok(is_shared))
            }
            Request::Discard { pending } => {
                drop(self.take(pending)?);
                done(Ok(()))
            }
            Request::Deallocate { allocation } => done(executor.deallocate(allocation)),
            Request::MakeImageHeader { window, kept } => done(executor.make_image_header(window, kept)),
            Request::MakeStacksExecutable => done(executor.make_stacks_executable()),
            Request::OpenImage { name } => done(executor.open_image(&name)),
            Request::SetDsoHandle { image, handle } => done(executor.set_dso_handle(image, handle)),
            Request::SetExports { image } => {
                let connection = Arc::downgrade(connection);
                let find: Arc<FindExport> = Arc::new(move |key: SymbolKey<'_>| {
                    ask(&connection, &Callback::FindExport { image, key }, &[]).ok().flatten()
                });
                done(executor.set_exports(image, find))
            }
            Request::ProvideNeeded => {
                let connection = Arc::downgrade(connection);
                let provide: Arc<ProvideNeeded> = Arc::new(move |library: &[u8]| {
                    ask(&connection, &Callback::ProvideNeeded, library).unwrap_or_default()
                });
                executor.provide_needed(provide);
                done(Ok(()))
            }
            Request::ServeDylibs => {
                let connection = Arc::downgrade(connection);
                let ask_session: Arc<AskDylibs> = Arc::new(move |request: DylibRequest<'_>| {
                    let reply = ask(&connection, &Callback::Dylib { request }, &[]);
                    reply.unwrap_or_else(|error| DylibReply::Failed(error.to_string()))
                });
                executor.serve_dylibs(ask_session);
                done(Ok(()))
            }
            // SAFETY: the session vouches for it that nobody uses them.
            Request::RestoreContents { allocations } => done(unsafe { executor.restore_contents(&allocations) }),
            Request::RunInitializers { image, initializers, terminators } => {
                // SAFETY: the session vouches for the arrays.
                done(unsafe { executor.run_initializers(image, &initializers, &terminators) })
            }
            // SAFETY: the session vouches for what is registered.
            Request::CloseImage { image } => done(unsafe { executor.close_image(image) }),
            Request::ClosePart { image, allocations, ended, terminators } => {
                // SAFETY: as above.
                done(unsafe { executor.close_part(image, &allocations, &ended, &terminators) })
            }
            Request::ForgetRegistered { image, functions, arguments } => {
                done(executor.forget_registered(image, &functions, &arguments))
            }
            Request::ReserveTls { image, request } => done(executor.reserve_tls(image, request)),
            Request::ReleaseTls { block } => done(executor.release_tls(block)),
            Request::OpenLibrary { path, global } => done(executor.open_library(&path, global)),
            Request::SetLibraryDirectories { directories } => {
                executor.set_library_directories(&directories);
                done(Ok(()))
            }
            Request::FindSymbols { library, requests } => done(executor.find_symbols(library, &requests)),
            Request::MayExport { names } => done(Ok(executor.may_export(&names))),
            Request::BringNear { near, addresses, slots } => done(executor.bring_near(near, &addresses, &slots)),
            Request::HasAllocatorOfAnother => done(Ok(executor.has_allocator_of_another())),
            Request::PrepareAllocator => done(executor.prepare_allocator()),
            Request::ReplaceAllocator { definitions } => done(executor.replace_allocator(&definitions)),
            Request::OpenReentry => done(self.open_reentry(connection)),
            Request::CloseReentry { reentry } => done(executor.close_reentry(reentry)),
            Request::Redirect { jumps } => done(executor.redirect(&jumps)),
            Request::RuntimeSymbols { names } => done(executor.runtime_symbols(&names)),
            Request::SetArguments { args } => done(executor.set_arguments(&args)),
            // SAFETY: the session vouches for the function.
            Request::CallMain { main, form } => done(unsafe { executor.call_main(main, form) }),
            // SAFETY: as above.
            Request::Call { function, arguments } => done(unsafe { executor.call(function, &arguments) }),
            Request::Read { range } => {
                let bytes = executor.read(range)?;
                let mut reply = message::encode(&Reply::Ok(()));
                reply.extend(bytes);
                Ok(reply)
            }
            // The process of a fuzzer has other inputs to try.
            #[cfg(fuzzing)]
            Request::Exit { .. } => Err(ExecutorError::Unsupported { what: "to exit".into() }),
            #[cfg(not(fuzzing))]
            Request::Exit { code } => linkjit_executor::exit_code::exit(code),
        }
    }

    /// Writes pieces to an allocation. The bytes of those that were sent follow each other.
    fn write(&self, allocation: &mut dyn Allocation, pieces: &[Piece], mut bytes: &[u8]) -> Result<()> {
        for piece in pieces {
            let size = usize::try_from(piece.size).ok();
            let from = match piece.shared {
                Some(offset) => self.shared.get().and_then(|shared| shared.get(offset, piece.size)),
                None => size.and_then(|size| bytes.split_off(..size)),
            };
            let start = usize::try_from(piece.offset).ok();
            let end = start.zip(size).and_then(|(start, size)| start.checked_add(size));
            let to =
                start.zip(end).and_then(|(start, end)| allocation.bytes(piece.segment as usize).get_mut(start..end));
            let (Some(from), Some(to)) = (from, to) else {
                return Err(ExecutorError::Invalid { what: "contents: they are not within the allocation".into() });
            };
            to.copy_from_slice(from);
        }
        Ok(())
    }

    fn take(&self, pending: PendingId) -> Result<Box<dyn Allocation>> {
        let missing = || ExecutorError::NoSuch { what: "allocation".into() };
        lock(&self.pending).remove(&pending).ok_or_else(missing)
    }

    /// Has the session asked when trampolines are called. Which of its functions, it knows by the id that it gets.
    fn open_reentry(&self, connection: &Arc<Connection>) -> Result<linkjit_executor::ReentryId> {
        let (connection, id) = (Arc::downgrade(connection), Arc::new(OnceLock::new()));
        let known = id.clone();
        let resolve: Arc<Resolve> = Arc::new(move |number| {
            let Some(&reentry) = known.get() else { return ExecAddr::NULL };
            ask(&connection, &Callback::Resolve { reentry, number }, &[]).unwrap_or(ExecAddr::NULL)
        });
        let reentry = self.executor.open_reentry(resolve)?;
        Ok(*id.get_or_init(|| reentry))
    }
}

/// Asks the session for something, with bytes behind the request.
fn ask<T: DeserializeOwned>(connection: &Weak<Connection>, callback: &Callback<'_>, bytes: &[u8]) -> Result<T> {
    let connection = &connection.upgrade().ok_or_else(|| disconnected("the session is over"))?;
    let reply = conversation::call(connection, &[&message::encode(callback), bytes])?;
    message::decode_all::<Reply<T>>(&reply).map_err(|violation| connection.refuse(&violation))?
}
