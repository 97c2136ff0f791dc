//! Conversations: a thread here and a thread there, one of which works while the other waits.
//!
//! So there is at most one frame for each side that nobody has taken yet, and a reply is always that to the last call.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};

use linkjit_executor::ExecutorError;

use crate::Violation;
use crate::connection::{Connection, lock};
use crate::frame::{Frame, Kind, PAYLOAD_LIMIT};
use crate::message::{self, Reply};

/// One side of a conversation.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) id: u32,
    mail: Mutex<Mail>,
    arrived: Condvar,
    /// The number of the last call that was made from here.
    calls: AtomicU32,
}

#[derive(Debug, Default)]
struct Mail {
    frame: Option<Frame>,
    /// Why nothing arrives any more.
    closed: Option<ExecutorError>,
}

impl Conversation {
    pub(crate) fn new(id: u32) -> Self {
        Self { id, mail: Mutex::default(), arrived: Condvar::new(), calls: AtomicU32::new(0) }
    }

    /// Delivers a frame of the peer.
    pub(crate) fn deliver(&self, frame: Frame) -> Result<(), Violation> {
        let mut mail = lock(&self.mail);
        if mail.frame.replace(frame).is_some() {
            return Err(Violation("two frames at once for a conversation".into()));
        }
        self.arrived.notify_one();
        Ok(())
    }

    /// Nothing arrives any more.
    pub(crate) fn close(&self, why: &ExecutorError) {
        lock(&self.mail).closed.get_or_insert_with(|| why.clone());
        self.arrived.notify_one();
    }

    fn wait(&self) -> Result<Frame, ExecutorError> {
        let mut mail = lock(&self.mail);
        loop {
            if let Some(frame) = mail.frame.take() {
                return Ok(frame);
            }
            if let Some(why) = &mail.closed {
                return Err(why.clone());
            }
            mail = self.arrived.wait(mail).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// Makes a call, and answers those that the peer makes from within it.
    pub(crate) fn call(&self, connection: &Arc<Connection>, payload: &[&[u8]]) -> Result<Vec<u8>, ExecutorError> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        connection.send(Kind::Call, self.id, number, payload)?;
        loop {
            let frame = self.wait()?;
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
        while let Ok(frame) = self.wait() {
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
        match connection.answer(&call.payload) {
            Ok(reply) if reply.len() > PAYLOAD_LIMIT => {
                let error = ExecutorError::Invalid { what: "request: its result is too large for one frame".into() };
                let reply = message::encode(&Reply::<()>::Err(error));
                connection.send(Kind::Reply, self.id, call.number, &[&reply])
            }
            Ok(reply) => connection.send(Kind::Reply, self.id, call.number, &[&reply]),
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
    /// Whether this thread has begun it, and so ends it.
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
            connection.end(self.conversation.id);
        }
    }
}

/// Makes a call in the conversation of this thread; begins one if there is none.
pub(crate) fn call(connection: &Arc<Connection>, payload: &[&[u8]]) -> Result<Vec<u8>, ExecutorError> {
    let is_it = |entry: &Current| std::ptr::eq(entry.connection.as_ptr(), Arc::as_ptr(connection));
    let find = |current: &RefCell<Vec<Current>>| {
        let current = current.borrow();
        current.iter().find(|entry| is_it(entry)).map(|entry| entry.conversation.clone())
    };
    if let Some(conversation) = CURRENT.try_with(find).ok().flatten() {
        return conversation.call(connection, payload);
    }
    let conversation = connection.begin()?;
    let mut entry =
        Some(Current { connection: Arc::downgrade(connection), conversation: conversation.clone(), is_mine: true });
    // A thread that is about to end has no place for it; then it ends with the call.
    let _gone = CURRENT.try_with(|current| {
        let mut current = current.borrow_mut();
        current.retain(|entry| entry.connection.strong_count() > 0);
        current.extend(entry.take());
    });
    conversation.call(connection, payload)
}
