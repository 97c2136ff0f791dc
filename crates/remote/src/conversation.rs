//! Conversations: a thread here and a thread there, one of which works while the other waits.
//!
//! So there is at most one frame for each side that nobody has taken yet, and a reply is always that to the last call.
//!
//! A thread may *abandon* its calls in a conversation, because they take too long or somebody cancels them. Then they fail,
//! innermost first, while the peer goes on as if nothing had happened: replies to them are dropped when they come, and what
//! the peer asks for meanwhile is answered on another thread. Until the last such reply has come, the thread uses another
//! conversation.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

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
    /// Calls of this side's thread that have not returned to it.
    open: u32,
    /// When the outermost of them is to return, and how long that is.
    limit: Option<(Instant, Duration)>,
    /// Why these calls are abandoned, until the outermost has returned.
    abandoned: Option<ExecutorError>,
    /// Replies to abandoned calls that are yet to be dropped.
    owed: u32,
    /// Replies of ours that the peer waits for once it has replied to all but so many abandoned calls.
    held: Vec<(u32, OurReply)>,
    /// Something that the peer asks for within abandoned calls is being answered.
    is_answering: bool,
    /// The peer was told that it is over.
    is_ended: bool,
}

/// A reply to a call of the peer: its number and payload.
pub(crate) type OurReply = (u32, Vec<u8>);

/// The effect of a frame that has come.
#[derive(Debug)]
pub(crate) enum Delivered {
    /// The conversation's thread takes it.
    ToThread,
    /// It was a reply to an abandoned call. Now the peer waits for this reply, if there is one, or is to be told that the
    /// conversation is over.
    Dropped { reply: Option<OurReply>, ends: bool },
    /// The peer asks for something within an abandoned call.
    Orphan(Frame),
}

impl Mail {
    fn abandon(&mut self, why: ExecutorError) {
        if self.open > 0 && self.abandoned.is_none() && self.owed == 0 {
            self.abandoned = Some(why);
            self.owed = self.open;
        }
    }

    /// The thread has its result, or gets none.
    fn return_from_call(&mut self) {
        self.open -= 1;
        if self.open == 0 {
            self.abandoned = None;
        }
    }

    fn is_usable(&self) -> bool {
        self.abandoned.is_none() && self.owed == 0 && !self.is_ended
    }
}

impl Conversation {
    pub(crate) fn new(id: u32) -> Self {
        Self { id, mail: Mutex::default(), arrived: Condvar::new(), calls: AtomicU32::new(0) }
    }

    /// Delivers a frame of the peer. `is_ours` says that this side has begun the conversation.
    pub(crate) fn deliver(&self, frame: Frame, is_ours: bool) -> Result<Delivered, Violation> {
        let mut mail = lock(&self.mail);
        if mail.owed > 0 {
            return Self::deliver_abandoned(&mut mail, frame, is_ours);
        }
        if mail.frame.replace(frame).is_some() {
            return Err(Violation("two frames at once for a conversation".into()));
        }
        self.arrived.notify_one();
        Ok(Delivered::ToThread)
    }

    fn deliver_abandoned(mail: &mut Mail, frame: Frame, is_ours: bool) -> Result<Delivered, Violation> {
        match frame.kind {
            Kind::Reply => {
                mail.owed -= 1;
                let owed = mail.owed;
                let held = mail.held.extract_if(.., |(level, _)| *level == owed).next();
                let ends = is_ours && owed == 0;
                mail.is_ended |= ends;
                Ok(Delivered::Dropped { reply: held.map(|(_, reply)| reply), ends })
            }
            Kind::Call if !mail.is_answering => {
                mail.is_answering = true;
                Ok(Delivered::Orphan(frame))
            }
            Kind::Call => Err(Violation("two frames at once for a conversation".into())),
            _ => Err(Violation("the end of a conversation within a call".into())),
        }
    }

    /// Nothing arrives any more.
    pub(crate) fn close(&self, why: &ExecutorError) {
        lock(&self.mail).closed.get_or_insert_with(|| why.clone());
        self.arrived.notify_one();
    }

    /// Lets calls that wait fail. A frame that nobody has taken yet counts as if it came now.
    pub(crate) fn abandon(&self, why: ExecutorError, is_ours: bool) -> Option<Result<Delivered, Violation>> {
        let mut mail = lock(&self.mail);
        mail.abandon(why);
        let frame = if mail.owed > 0 { mail.frame.take() } else { None };
        self.arrived.notify_one();
        frame.map(|frame| Self::deliver_abandoned(&mut mail, frame, is_ours))
    }

    /// This side is the one to tell the peer that it is over.
    pub(crate) fn may_end(&self) -> bool {
        let mut mail = lock(&self.mail);
        let may = mail.owed == 0 && !mail.is_ended;
        mail.is_ended |= may;
        may
    }

    fn is_usable(&self) -> bool {
        lock(&self.mail).is_usable()
    }

    /// Takes the next frame.
    fn wait(&self, connection: &Arc<Connection>) -> Result<Frame, ExecutorError> {
        let mut mail = lock(&self.mail);
        loop {
            if let Some(why) = &mail.abandoned {
                return Err(why.clone());
            }
            if let Some(frame) = mail.frame.take() {
                return Ok(frame);
            }
            if let Some(why) = &mail.closed {
                return Err(why.clone());
            }
            let Some((end, limit)) = mail.limit.filter(|_| mail.open > 0) else {
                mail = self.arrived.wait(mail).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(mail);
                connection.abandon(self, ExecutorError::TimedOut { limit });
                mail = lock(&self.mail);
            } else {
                mail = self.arrived.wait_timeout(mail, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    /// Makes a call, and answers those that the peer makes from within it.
    pub(crate) fn call(&self, connection: &Arc<Connection>, payload: &[&[u8]]) -> Result<Vec<u8>, ExecutorError> {
        {
            let mut mail = lock(&self.mail);
            if mail.open == 0 {
                mail.limit =
                    connection.time_limit().and_then(|limit| Some((Instant::now().checked_add(limit)?, limit)));
            }
            mail.open += 1;
        }
        let _waiting = connection.waiting();
        let result = self.call_and_answer(connection, payload);
        lock(&self.mail).return_from_call();
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
        let level = lock(&self.mail).open;
        let reply = Self::reply(connection, call)?;
        {
            let mut mail = lock(&self.mail);
            // The peer is within a call that was made from within the answer.
            if mail.owed > level {
                mail.held.push((level, (call.number, reply)));
                return Ok(());
            }
        }
        connection.send(Kind::Reply, self.id, call.number, &[&reply])
    }

    /// Answers what the peer asks for within an abandoned call.
    pub(crate) fn answer_orphan(&self, connection: &Arc<Connection>, call: &Frame) {
        // Whoever is gone need not be told.
        let Ok(reply) = Self::reply(connection, call) else { return };
        lock(&self.mail).is_answering = false;
        let _gone = connection.send(Kind::Reply, self.id, call.number, &[&reply]);
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
    let is_it = |entry: &Current| std::ptr::eq(entry.connection.as_ptr(), Arc::as_ptr(connection));
    let find = |current: &RefCell<Vec<Current>>| {
        let current = current.borrow();
        current
            .iter()
            .find(|entry| is_it(entry) && entry.conversation.is_usable())
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
        let is_of_use =
            |entry: &Current| entry.connection.strong_count() > 0 && (!entry.is_mine || entry.conversation.is_usable());
        let (kept, dropped) = current.take().into_iter().partition(is_of_use);
        *current.borrow_mut() = kept;
        current.borrow_mut().extend(entry.take());
        // This may tell the peer.
        drop::<Vec<_>>(dropped);
    });
    conversation.call(connection, payload)
}
