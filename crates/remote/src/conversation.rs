//! Conversations: a thread here and a thread there, one of which works while the other waits.
//!
//! A thread may *abandon* its calls in a conversation, because they take too long or somebody cancels them: `mail.rs` says
//! what becomes of it. Until the last reply to such a call has come, the thread uses another conversation.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use linkjit_executor::ExecutorError;

use crate::Violation;
use crate::connection::Connection;
use crate::frame::{Frame, Kind, PAYLOAD_LIMIT};
use crate::mail::{Errand, Mailbox, Waited};
use crate::message::{self, Reply};

/// The most calls of one side that are open in a conversation.
const DEEPEST: u32 = 100;

/// One side of a conversation.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) id: u32,
    pub(crate) mail: Mailbox,
    /// The number of the last call that was made from here.
    calls: AtomicU32,
}

impl Conversation {
    /// `is_ours` says that this side begins it.
    pub(crate) fn new(id: u32, is_ours: bool) -> Self {
        Self { id, mail: Mailbox::new(is_ours), calls: AtomicU32::new(0) }
    }

    /// Takes the next frame.
    fn wait(&self, connection: &Arc<Connection>) -> Result<Frame, ExecutorError> {
        loop {
            match self.mail.wait() {
                Waited::Frame(frame) => return Ok(frame),
                Waited::Over(why) => return Err(why),
                Waited::Late(limit) => connection.abandon(self, ExecutorError::TimedOut { limit }),
            }
        }
    }

    /// Makes a call, and answers those that the peer makes from within it.
    pub(crate) fn call(&self, connection: &Arc<Connection>, payload: &[&[u8]]) -> Result<Vec<u8>, ExecutorError> {
        // Each level takes some of both threads' stacks, and a peer may ask within each answer.
        if self.mail.level() >= DEEPEST {
            let what = format!("request: calls that are nested more than {DEEPEST} deep are not supported");
            return Err(ExecutorError::Invalid { what });
        }
        self.mail
            .open_call(|| connection.time_limit().and_then(|limit| Some((Instant::now().checked_add(limit)?, limit))));
        let _waiting = connection.waiting();
        let result = self.call_and_answer(connection, payload);
        self.mail.return_from_call();
        result
    }

    fn call_and_answer(&self, connection: &Arc<Connection>, payload: &[&[u8]]) -> Result<Vec<u8>, ExecutorError> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        connection.send(Kind::Call, self.id, number, payload)?;
        loop {
            let frame = self.wait(connection)?;
            match frame.kind {
                Kind::Reply if frame.number == number => return Ok(frame.payload),
                Kind::Call => self.answer(connection, &frame)?,
                _ => return Err(connection.refuse(&Violation("a reply to nothing that was asked".into()))),
            }
        }
    }

    /// Answers what the peer asks for, until it ends the conversation or hangs up.
    pub(crate) fn attend(self: &Arc<Self>, connection: &Arc<Connection>) {
        let _current = Current::enter(connection, self);
        while let Ok(frame) = self.wait(connection) {
            let answered = match frame.kind {
                Kind::Call => self.answer(connection, &frame),
                Kind::End => break,
                _ => Err(connection.refuse(&Violation("a reply to nothing that was asked".into()))),
            };
            if answered.is_err() {
                break;
            }
        }
        connection.forget(self.id);
    }

    fn answer(&self, connection: &Arc<Connection>, call: &Frame) -> Result<(), ExecutorError> {
        let level = self.mail.level();
        let _answering = connection.answering(call);
        let reply = Self::reply(connection, call)?;
        match self.mail.hold(level, (call.number, reply)) {
            Some((number, reply)) => connection.send(Kind::Reply, self.id, number, &[&reply]),
            None => Ok(()),
        }
    }

    /// Runs the errands of abandoned calls until there is none.
    pub(crate) fn run_errands(&self, connection: &Arc<Connection>) {
        while let Some(errand) = self.mail.next_errand() {
            // Whoever is gone need not be told.
            let _gone = match errand {
                Errand::Answer(call) => {
                    let _answering = connection.answering(&call);
                    Self::reply(connection, &call)
                        .and_then(|reply| connection.send(Kind::Reply, self.id, call.number, &[&reply]))
                }
                Errand::Reply((number, reply)) => connection.send(Kind::Reply, self.id, number, &[&reply]),
                Errand::End => {
                    connection.forget(self.id);
                    connection.send(Kind::End, self.id, 0, &[])
                }
            };
        }
    }

    fn reply(connection: &Arc<Connection>, call: &Frame) -> Result<Vec<u8>, ExecutorError> {
        match connection.answer(&call.payload) {
            Ok(reply) if reply.len() > PAYLOAD_LIMIT => {
                let error = ExecutorError::Invalid { what: "request: its result is too large for one frame".into() };
                Ok(message::encode(&Reply::<()>::Err(error)))
            }
            Ok(reply) => Ok(reply),
            Err(violation) => Err(connection.refuse(&violation)),
        }
    }
}

thread_local! {
    /// The conversations of this thread, one for each connection that it uses.
    static CURRENT: RefCell<Vec<Current>> = const { RefCell::new(Vec::new()) };
}

/// The conversation of this thread over a connection.
#[derive(Debug)]
struct Current {
    connection: Weak<Connection>,
    conversation: Arc<Conversation>,
    /// This thread has begun it, and so ends it.
    is_mine: bool,
}

/// Makes the thread forget a conversation that it attends to.
struct Entered<'a>(&'a Arc<Conversation>);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let _gone = CURRENT.try_with(|current| {
            current.borrow_mut().retain(|entry| !Arc::ptr_eq(&entry.conversation, self.0));
        });
    }
}

impl Current {
    fn enter<'a>(connection: &Arc<Connection>, conversation: &'a Arc<Conversation>) -> Entered<'a> {
        let entry = Self { connection: Arc::downgrade(connection), conversation: conversation.clone(), is_mine: false };
        let _gone = CURRENT.try_with(|current| current.borrow_mut().push(entry));
        Entered(conversation)
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.upgrade().filter(|_| self.is_mine) {
            connection.end(&self.conversation);
        }
    }
}

/// Makes a call in the conversation of this thread; begins one if there is none.
pub(crate) fn call(connection: &Arc<Connection>, payload: &[&[u8]]) -> Result<Vec<u8>, ExecutorError> {
    // A thread that this process does not have may hold a lock.
    connection.check_process()?;
    let is_it = |entry: &Current| std::ptr::eq(entry.connection.as_ptr(), Arc::as_ptr(connection));
    let find = |current: &RefCell<Vec<Current>>| {
        let current = current.borrow();
        current
            .iter()
            .find(|entry| is_it(entry) && entry.conversation.mail.is_usable())
            .map(|entry| entry.conversation.clone())
    };
    if let Some(conversation) = CURRENT.try_with(find).ok().flatten() {
        return conversation.call(connection, payload);
    }
    let conversation = connection.begin()?;
    let mut entry =
        Some(Current { connection: Arc::downgrade(connection), conversation: conversation.clone(), is_mine: true });
    // A thread that is about to end has no place for it; then it ends with the call.
    let _gone = CURRENT.try_with(|current| {
        let is_of_use = |entry: &Current| {
            entry.connection.strong_count() > 0 && (!entry.is_mine || entry.conversation.mail.is_usable())
        };
        let (kept, dropped) = current.take().into_iter().partition(is_of_use);
        *current.borrow_mut() = kept;
        current.borrow_mut().extend(entry.take());
        // This may tell the peer.
        drop::<Vec<_>>(dropped);
    });
    conversation.call(connection, payload)
}
