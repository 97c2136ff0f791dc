//! Connections: the frames of all conversations over one stream.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::io::{self, IoSlice, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

use linkjit_executor::ExecutorError;

use crate::conversation::Conversation;
use crate::frame::{self, Frame, Kind};
use crate::mail::Delivered;
use crate::{Transport, Violation, disconnected};

/// More threads than any process has.
const CONVERSATION_LIMIT: usize = 1 << 12;

/// The most bytes of requests of the executor that the session has not answered yet. Such requests are names, or the
/// symbol table of a library.
const UNANSWERED_LIMIT: usize = 4 * frame::PAYLOAD_LIMIT;

/// Enough for linked code, which may be on any thread: as much as the first thread of a program has.
const STACK_SIZE: usize = 8 << 20;

/// A stream that has been hung up on ends within this.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// An executor says so often that it is alive.
const BEAT: Duration = Duration::from_secs(1);

/// An executor that says nothing for so long while it is waited for does not answer any more.
const PATIENCE: Duration = Duration::from_secs(15);

/// Large frames take longer to be read than small ones.
const STUCK_FACTOR: u32 = 4;

/// A process that crashes waits so often, and each time so long, for another thread to be done with the stream.
const CRASH_ATTEMPTS: u32 = 200;
const CRASH_PAUSE: Duration = Duration::from_millis(5);

/// The side of a connection. Conversations that the session begins have even numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Session,
    Executor,
}

/// Answers what the peer asks for.
pub(crate) trait Handler: Send + Sync {
    /// Answers a call, on the thread of its conversation.
    fn answer(&self, connection: &Arc<Connection>, call: &[u8]) -> Result<Vec<u8>, Violation>;

    /// Says what to tell those who wait when the peer has said by this that it crashes. It has not ended yet.
    fn crash(&self, _report: &[u8]) -> Result<ExecutorError, Violation> {
        Err(Violation("a session that says that it crashes".into()))
    }

    /// Says how the peer's process has ended, if that is known.
    fn peer_ended(&self) -> Option<ExecutorError> {
        None
    }

    /// Names the place of a crash. Nobody waits for an answer of the peer meanwhile.
    fn name_place(&self, crash: ExecutorError) -> ExecutorError {
        crash
    }
}

/// One side of a connection.
pub(crate) struct Connection {
    side: Side,
    /// The number of the process that has made it.
    process: u32,
    writer: Mutex<Box<dyn Write + Send>>,
    hang_up: Box<dyn Fn() + Send + Sync>,
    table: Mutex<Table>,
    handler: Box<dyn Handler>,
    /// The pieces that were written of frames.
    pieces: Arc<AtomicU64>,
    sent: AtomicU64,
    received: AtomicU64,
    /// Nothing is read any more.
    has_ended: Mutex<bool>,
    ended: Condvar,
    /// Something was read since the last look.
    heard: Arc<AtomicBool>,
    /// So many calls wait.
    waiting: AtomicUsize,
    /// So many bytes have the peer's calls that have no reply yet.
    unanswered: AtomicUsize,
    time_limit: Mutex<Option<Duration>>,
    patience: Mutex<Duration>,
}

/// A call that waits; see [`Connection::waiting`].
pub(crate) struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A call of the peer that is being answered. Its bytes are held until the answer is sent.
pub(crate) struct Answering<'a>(&'a AtomicUsize, usize);

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// Notes when something is read.
struct Listening<R> {
    reader: R,
    heard: Arc<AtomicBool>,
}

impl<R: io::Read> io::Read for Listening<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let size = self.reader.read(bytes)?;
        self.heard.store(true, Ordering::Relaxed);
        Ok(size)
    }
}

/// Counts the pieces that are written: a large frame goes slowly over a slow line.
struct Piecewise {
    writer: Box<dyn Write + Send>,
    pieces: Arc<AtomicU64>,
}

/// A piece has so many bytes at most.
const PIECE: usize = 1 << 16;

impl Write for Piecewise {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(bytes.get(..PIECE).unwrap_or(bytes))?;
        self.pieces.fetch_add(1, Ordering::Relaxed);
        Ok(written)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut room = PIECE;
        let fits = |part: &&IoSlice<'_>| room.checked_sub(part.len()).map(|left| room = left).is_some();
        let count = parts.iter().take_while(fits).count();
        if count == 0 {
            return self.write(parts.first().map_or(&[], |part| part));
        }
        let written = self.writer.write_vectored(&parts[..count])?;
        self.pieces.fetch_add(1, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The session's knowledge of its executor's process.
#[derive(Debug, Default)]
struct Watch {
    silent: Duration,
    /// So many pieces were written at the last look, and so long no more.
    pieces: u64,
    stuck: Duration,
    has_ended: bool,
}

#[derive(Debug, Default)]
struct Table {
    conversations: HashMap<u32, Arc<Conversation>>,
    newest: u32,
    /// Why there is no connection any more.
    closed: Option<ExecutorError>,
    /// This side has hung up: the peer has broken the protocol, or does not answer.
    has_given_up: bool,
    /// The session has said that it is the end.
    is_over: bool,
}

/// Has a thread attend to a conversation that the peer has begun.
pub(crate) type Accept = dyn FnMut(&Arc<Connection>, Arc<Conversation>) -> io::Result<()> + Send;

/// Has a new thread attend to it.
pub(crate) fn attend_on_thread(connection: &Arc<Connection>, conversation: Arc<Conversation>) -> io::Result<()> {
    let connection = connection.clone();
    spawn(move || conversation.attend(&connection))
}

/// Starts a thread that may run linked code.
fn spawn(run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("linkjit".into()).stack_size(STACK_SIZE).spawn(run).map(drop)
}

#[allow(clippy::needless_pass_by_value, reason = "it maps errors")]
fn no_thread(error: io::Error) -> Violation {
    Violation(format!("no thread for a conversation: {error}"))
}

impl Connection {
    /// Begins to read. `when_closed` is told why there is no connection any more, before anybody else is, and may know
    /// better.
    pub(crate) fn start(
        side: Side,
        transport: Transport,
        handler: Box<dyn Handler>,
        mut accept: Box<Accept>,
        when_closed: Box<dyn FnOnce(ExecutorError, bool) -> ExecutorError + Send>,
    ) -> io::Result<Arc<Self>> {
        let Transport { reader, writer, hang_up } = transport;
        let pieces = Arc::<AtomicU64>::default();
        let connection = Arc::new(Self {
            side,
            process: std::process::id(),
            writer: Mutex::new(Box::new(Piecewise { writer, pieces: pieces.clone() })),
            pieces,
            hang_up,
            table: Mutex::new(Table { newest: u32::from(side == Side::Executor), ..Table::default() }),
            handler,
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            has_ended: Mutex::new(false),
            ended: Condvar::new(),
            heard: Arc::default(),
            waiting: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
            time_limit: Mutex::default(),
            patience: Mutex::new(PATIENCE),
        });
        let reading = connection.clone();
        let mut reader = Listening { reader, heard: connection.heard.clone() };
        thread::Builder::new().name("linkjit reader".into()).spawn(move || {
            let why = reading.read_frames(&mut reader, &mut *accept);
            let (is_over, known) = {
                let table = lock(&reading.table);
                (table.is_over, table.closed.clone())
            };
            // Whoever has hung up knows why.
            reading.close(when_closed(known.unwrap_or(why), is_over), false);
            (reading.hang_up)();
            *lock(&reading.has_ended) = true;
            reading.ended.notify_all();
        })?;
        let pulse = connection.clone();
        let keep_pulse = thread::Builder::new().name("linkjit pulse".into()).spawn(move || pulse.keep_pulse());
        if let Err(error) = keep_pulse {
            // Then the thread ends that reads.
            (connection.hang_up)();
            return Err(error);
        }
        Ok(connection)
    }

    /// Reads frames as long as there are some; returns why there are no more.
    fn read_frames(self: &Arc<Self>, reader: &mut impl io::Read, accept: &mut Accept) -> ExecutorError {
        loop {
            let frame = match Frame::read(reader) {
                Ok(frame) => frame,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return disconnected("the connection was closed");
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return self.refuse(&Violation(error.to_string()));
                }
                Err(error) => return disconnected(error.to_string()),
            };
            if frame.kind != Kind::Beat {
                self.received.fetch_add(1, Ordering::Relaxed);
            }
            let received = match frame.kind {
                Kind::Goodbye if self.side == Side::Session => Err(Violation("an executor that says goodbye".into())),
                Kind::Goodbye => {
                    lock(&self.table).is_over = true;
                    return disconnected("the session is over");
                }
                Kind::Beat => Ok(()),
                Kind::Crash => self.receive_crash(&frame.payload),
                _ => self.receive(frame, accept),
            };
            if let Err(violation) = received {
                return self.refuse(&violation);
            }
        }
    }

    /// Gives a frame to its conversation.
    fn receive(self: &Arc<Self>, frame: Frame, accept: &mut Accept) -> Result<(), Violation> {
        if frame.kind == Kind::Call {
            self.count_unanswered(&frame)?;
        }
        let known = {
            let mut table = lock(&self.table);
            match table.conversations.get(&frame.conversation) {
                Some(known) => Ok(known.clone()),
                None if frame.kind != Kind::Call || self.is_ours(frame.conversation) => {
                    return Err(Violation("a frame for a conversation that there is not".into()));
                }
                None => {
                    if table.conversations.len() >= CONVERSATION_LIMIT {
                        return Err(Violation("too many conversations".into()));
                    }
                    let new = Arc::new(Conversation::new(frame.conversation, false));
                    table.conversations.insert(new.id, new.clone());
                    Err(new)
                }
            }
        };
        match known {
            Ok(known) => {
                let delivered = known.mail.deliver(frame)?;
                self.follow_up(&known, delivered)
            }
            Err(new) => {
                new.mail.deliver(frame)?;
                accept(self, new).map_err(no_thread)
            }
        }
    }

    /// Counts the bytes of a call until it is [answered](Self::answering). To wait until there is room would not do: to answer
    /// those that are here may take replies that come later.
    fn count_unanswered(&self, call: &Frame) -> Result<(), Violation> {
        let size = call.payload.len();
        let before = self.unanswered.fetch_add(size, Ordering::Relaxed);
        if self.side == Side::Session && before + size > UNANSWERED_LIMIT {
            return Err(Violation(format!("requests of more than {} MiB at once", UNANSWERED_LIMIT >> 20)));
        }
        Ok(())
    }

    /// Somebody answers a call as long as the result lives.
    pub(crate) fn answering(&self, call: &Frame) -> Answering<'_> {
        Answering(&self.unanswered, call.payload.len())
    }

    /// Has errands run on another thread, if they need one: whoever reads must not wait for a write.
    fn follow_up(self: &Arc<Self>, conversation: &Arc<Conversation>, delivered: Delivered) -> Result<(), Violation> {
        if delivered == Delivered::Attended {
            return Ok(());
        }
        let (connection, conversation) = (self.clone(), conversation.clone());
        spawn(move || conversation.run_errands(&connection)).map_err(no_thread)
    }

    /// Lets the calls that wait in a conversation fail.
    pub(crate) fn abandon(self: &Arc<Self>, conversation: &Conversation, why: ExecutorError) {
        let Some(known) = lock(&self.table).conversations.get(&conversation.id).cloned() else { return };
        let done = known.mail.abandon(why).and_then(|delivered| self.follow_up(&known, delivered));
        if let Err(violation) = done {
            self.refuse(&violation);
        }
    }

    /// Lets all calls that wait fail.
    pub(crate) fn abandon_all(self: &Arc<Self>, why: &ExecutorError) {
        let all: Vec<_> = lock(&self.table).conversations.values().cloned().collect();
        all.iter().for_each(|conversation| self.abandon(conversation, why.clone()));
    }

    /// The time that a call may take.
    pub(crate) fn time_limit(&self) -> Option<Duration> {
        *lock(&self.time_limit)
    }

    pub(crate) fn set_time_limit(&self, limit: Option<Duration>) {
        *lock(&self.time_limit) = limit;
    }

    pub(crate) fn set_patience(&self, patience: Duration) {
        *lock(&self.patience) = patience;
    }

    /// Somebody waits for the peer as long as the result lives.
    pub(crate) fn waiting(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.waiting)
    }

    /// Says that the executor's process is alive, or finds out whether it is, until the connection ends.
    fn keep_pulse(&self) {
        let mut watch = Watch::default();
        loop {
            let has_ended = lock(&self.has_ended);
            let waited = self.ended.wait_timeout_while(has_ended, BEAT, |has_ended| !*has_ended);
            if *waited.unwrap_or_else(PoisonError::into_inner).0 {
                return;
            }
            if self.side == Side::Executor {
                // If there is no telling, a frame is just being written, which says as much.
                if let Ok(mut writer) = self.writer.try_lock() {
                    // The reader finds out that the session is gone.
                    let _gone = writer.write_all(&frame::header(0, Kind::Beat, 0, 0)).and_then(|()| writer.flush());
                }
            } else if self.look_after_peer(&mut watch) {
                return;
            }
        }
    }

    /// Hangs up if the executor's process has ended or does not answer; returns whether it did. This is done once a beat.
    fn look_after_peer(&self, watch: &mut Watch) -> bool {
        let is_heard = self.heard.swap(false, Ordering::Relaxed);
        let has_ended = self.handler.peer_ended();
        let had_ended = std::mem::replace(&mut watch.has_ended, has_ended.is_some());
        // Processes that it has started may hold the stream open. A beat later, all that it has said has been read.
        if let Some(how) = has_ended.filter(|_| had_ended && !is_heard) {
            self.close(how, false);
            (self.hang_up)();
            return true;
        }
        // Times in which this process does not run do not count, so nobody looks at a clock.
        let is_silent = !is_heard && self.waiting.load(Ordering::Relaxed) > 0;
        watch.silent = if is_silent { watch.silent + BEAT } else { Duration::ZERO };
        let pieces = self.pieces.load(Ordering::Relaxed);
        let is_stuck = pieces == watch.pieces && matches!(self.writer.try_lock(), Err(TryLockError::WouldBlock));
        watch.pieces = pieces;
        watch.stuck = if is_stuck { watch.stuck + BEAT } else { Duration::ZERO };
        let patience = *lock(&self.patience);
        let why = if watch.silent >= patience {
            format!("its process has said nothing for {} seconds", watch.silent.as_secs())
        } else if watch.stuck >= patience.saturating_mul(STUCK_FACTOR) {
            format!("its process has read nothing for {} seconds", watch.stuck.as_secs())
        } else {
            return false;
        };
        self.give_up(why);
        true
    }

    /// Notes that the peer crashes. Those who wait are told when it has ended: it may say more.
    fn receive_crash(&self, report: &[u8]) -> Result<(), Violation> {
        let crash = self.handler.crash(report)?;
        // To name the place may drop what asks the peer for something: from now on this is an error.
        lock(&self.table).closed = Some(crash.clone());
        let named = self.handler.name_place(crash);
        lock(&self.table).closed = Some(named);
        Ok(())
    }

    fn is_ours(&self, conversation: u32) -> bool {
        conversation.is_multiple_of(2) == (self.side == Side::Session)
    }

    /// Begins a conversation.
    pub(crate) fn begin(&self) -> Result<Arc<Conversation>, ExecutorError> {
        let mut table = lock(&self.table);
        if let Some(why) = &table.closed {
            return Err(why.clone());
        }
        if table.conversations.len() >= CONVERSATION_LIMIT {
            return Err(ExecutorError::Invalid { what: "request: too many threads use the executor".into() });
        }
        // One of so many numbers is free.
        loop {
            table.newest = table.newest.wrapping_add(2);
            let id = table.newest;
            if let Entry::Vacant(free) = table.conversations.entry(id) {
                return Ok(free.insert(Arc::new(Conversation::new(id, true))).clone());
            }
        }
    }

    /// Ends a conversation that was begun here, unless replies to abandoned calls are yet to come: with the last, it ends.
    pub(crate) fn end(&self, conversation: &Conversation) {
        if conversation.mail.may_end() {
            self.forget(conversation.id);
            // Whoever is gone need not be told.
            let _gone = self.send(Kind::End, conversation.id, 0, &[]);
        }
    }

    /// Returns whether this is the child of a fork. It has no thread that reads, and its parent uses the stream.
    pub(crate) fn is_forked(&self) -> bool {
        std::process::id() != self.process
    }

    /// An error if this is the child of a fork.
    pub(crate) fn check_process(&self) -> Result<(), ExecutorError> {
        if self.is_forked() {
            return Err(disconnected("its connection belongs to the process that has forked this one"));
        }
        Ok(())
    }

    pub(crate) fn forget(&self, conversation: u32) {
        lock(&self.table).conversations.remove(&conversation);
    }

    pub(crate) fn send(
        &self,
        kind: Kind,
        conversation: u32,
        number: u32,
        payload: &[&[u8]],
    ) -> Result<(), ExecutorError> {
        if payload.iter().map(|part| part.len()).sum::<usize>() > frame::PAYLOAD_LIMIT {
            return Err(ExecutorError::Invalid { what: "request: it is too large for one frame".into() });
        }
        self.check_process()?;
        if let Some(why) = &lock(&self.table).closed {
            return Err(why.clone());
        }
        let written = {
            let mut writer = lock(&self.writer);
            self.sent.fetch_add(1, Ordering::Relaxed);
            frame::write(&mut **writer, kind, conversation, number, payload)
        };
        written.map_err(|error| self.fail(&error))
    }

    /// Hangs up after a write that went wrong: a part of a frame may have been sent.
    fn fail(&self, error: &io::Error) -> ExecutorError {
        (self.hang_up)();
        // The reader knows more: it reads what the peer has said last, and the end of the stream.
        let has_ended = lock(&self.has_ended);
        let waited = self.ended.wait_timeout_while(has_ended, END_PATIENCE, |has_ended| !*has_ended);
        drop(waited);
        lock(&self.table).closed.get_or_insert_with(|| disconnected(error.to_string())).clone()
    }

    /// Sends the report of a crash, if the stream can be had. For signal handlers: takes no memory and does not wait for
    /// long.
    pub(crate) fn report_crash(&self, report: &[u8]) {
        if self.is_forked() {
            return;
        }
        for _ in 0..CRASH_ATTEMPTS {
            let mut writer = match self.writer.try_lock() {
                Ok(writer) => writer,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    thread::sleep(CRASH_PAUSE);
                    continue;
                }
            };
            let header = frame::header(report.len(), Kind::Crash, 0, 0);
            // Nobody is left to tell if this fails.
            let _gone = writer.write_all(&header).and_then(|()| writer.write_all(report));
            return;
        }
    }

    pub(crate) fn answer(self: &Arc<Self>, call: &[u8]) -> Result<Vec<u8>, Violation> {
        self.handler.answer(self, call)
    }

    /// Hangs up on a peer that broke the rules.
    pub(crate) fn refuse(&self, violation: &Violation) -> ExecutorError {
        self.give_up(format!("the peer broke the protocol: {violation}"))
    }

    /// Hangs up on a peer that can't be spoken with.
    fn give_up(&self, why: String) -> ExecutorError {
        let why = self.close(disconnected(why), true);
        (self.hang_up)();
        why
    }

    /// Wakes all who wait; returns why there is no connection any more.
    pub(crate) fn close(&self, why: ExecutorError, gives_up: bool) -> ExecutorError {
        let mut table = lock(&self.table);
        table.has_given_up |= gives_up && table.closed.is_none();
        let why = table.closed.get_or_insert(why).clone();
        for conversation in table.conversations.values() {
            conversation.mail.close(&why);
        }
        why
    }

    /// Returns whether this side has hung up on the peer.
    pub(crate) fn has_given_up(&self) -> bool {
        lock(&self.table).has_given_up
    }

    /// Returns whether the peer may be in linked code that nobody waits for.
    pub(crate) fn has_abandoned(&self) -> bool {
        lock(&self.table).conversations.values().any(|conversation| conversation.mail.is_abandoned())
    }

    /// Says that it is the end.
    pub(crate) fn say_goodbye(&self) {
        lock(&self.table).is_over = true;
        // Whoever is gone need not be told.
        let _gone = self.send(Kind::Goodbye, 0, 0, &[]);
    }

    pub(crate) fn hang_up(&self) {
        (self.hang_up)();
    }

    /// Returns how many frames have been sent and received.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("side", &self.side).finish_non_exhaustive()
    }
}

/// Locks a mutex of ours. No code that may panic halfway through a change runs under one, so poison means nothing.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
