//! The mail of a conversation: the frame that its thread has not taken yet, and the calls of this side that are open.
//!
//! There is at most one frame for each side that nobody has taken yet, and a reply is always that to the last call.
//!
//! Calls may be *abandoned*. Then they fail, innermost first, while the peer goes on as if nothing had happened: replies to
//! them are dropped when they come. What the peer asks for meanwhile, and what else there is to tell it, are *errands*: one
//! further thread runs those of a conversation, one after the other.
//!
//! `tests/model.rs` checks this file in all interleavings, with the locks of a model checker.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use linkjit_executor::ExecutorError;

use super::Violation;
use super::frame::{Frame, Kind};
use super::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The mail of one side of a conversation.
#[derive(Debug)]
pub(crate) struct Mailbox {
    /// This side has begun the conversation.
    is_ours: bool,
    mail: Mutex<Mail>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Mail {
    frame: Option<Frame>,
    /// Why nothing arrives any more.
    closed: Option<ExecutorError>,
    /// Calls of this side's thread that have not returned to it.
    open: u32,
    /// The thread has taken the reply to the last of them, and is about to return.
    is_replied: bool,
    limit: Option<Limit>,
    /// Why these calls are abandoned, until the outermost has returned.
    abandoned: Option<ExecutorError>,
    /// Replies to abandoned calls that are yet to be dropped.
    owed: u32,
    /// Replies of ours that the peer waits for once it has replied to all but so many abandoned calls.
    held: Vec<(u32, OurReply)>,
    errands: VecDeque<Errand>,
    /// A thread runs errands.
    is_running_errands: bool,
    /// The peer was told that it is over, or is about to be.
    is_ended: bool,
}

/// When the outermost call of a conversation is to return, and how long that is.
pub(crate) type Limit = (Instant, Duration);

/// A reply to a call of the peer: its number and payload.
pub(crate) type OurReply = (u32, Vec<u8>);

/// Something to do about abandoned calls that is not their thread's.
#[derive(Debug)]
pub(crate) enum Errand {
    /// The peer asks for something within an abandoned call.
    Answer(Frame),
    /// Now the peer waits for this reply.
    Reply(OurReply),
    /// The peer is to be told that the conversation is over.
    End,
}

/// The effect of a frame that has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Delivered {
    /// Somebody sees to it.
    Attended,
    /// A thread must run [errands](Mailbox::next_errand).
    NeedsThread,
}

/// The end of a wait.
#[derive(Debug)]
pub(crate) enum Waited {
    Frame(Frame),
    /// Nothing comes that the thread would wait for.
    Over(ExecutorError),
    /// The open calls have taken longer than they may.
    Late(Duration),
}

impl Mail {
    fn deliver_abandoned(&mut self, frame: Frame, is_ours: bool) -> Result<Delivered, Violation> {
        let before = self.errands.len();
        match frame.kind {
            Kind::Reply => {
                self.owed -= 1;
                let owed = self.owed;
                let held = self.held.extract_if(.., |(level, _)| *level == owed).next();
                self.errands.extend(held.map(|(_, reply)| Errand::Reply(reply)));
                if is_ours && owed == 0 {
                    self.is_ended = true;
                    self.errands.push_back(Errand::End);
                }
            }
            Kind::Call if !self.errands.iter().any(|errand| matches!(errand, Errand::Answer(_))) => {
                self.errands.push_back(Errand::Answer(frame));
            }
            Kind::Call => return Err(Violation("two frames at once for a conversation".into())),
            _ => return Err(Violation("the end of a conversation within a call".into())),
        }
        let needs_thread = self.errands.len() > before && !self.is_running_errands;
        self.is_running_errands |= needs_thread;
        Ok(if needs_thread { Delivered::NeedsThread } else { Delivered::Attended })
    }
}

impl Mailbox {
    pub(crate) fn new(is_ours: bool) -> Self {
        Self { is_ours, mail: Mutex::new(Mail::default()), arrived: Condvar::new() }
    }

    fn mail(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers a frame of the peer.
    pub(crate) fn deliver(&self, frame: Frame) -> Result<Delivered, Violation> {
        let mut mail = self.mail();
        if mail.owed > 0 {
            return mail.deliver_abandoned(frame, self.is_ours);
        }
        if self.is_ours && mail.open == 0 {
            // The thread may never come back to take it.
            return Err(Violation("a frame for a conversation in which nobody waits".into()));
        }
        if mail.frame.replace(frame).is_some() {
            return Err(Violation("two frames at once for a conversation".into()));
        }
        self.arrived.notify_one();
        Ok(Delivered::Attended)
    }

    /// Nothing arrives any more.
    pub(crate) fn close(&self, why: &ExecutorError) {
        self.mail().closed.get_or_insert_with(|| why.clone());
        self.arrived.notify_one();
    }

    /// Lets calls that wait fail. A frame that nobody has taken yet counts as if it came now.
    pub(crate) fn abandon(&self, why: ExecutorError) -> Result<Delivered, Violation> {
        let mut mail = self.mail();
        let waiting = mail.open - u32::from(mail.is_replied);
        if waiting > 0 && mail.abandoned.is_none() && mail.owed == 0 {
            mail.abandoned = Some(why);
            mail.owed = waiting;
        }
        let frame = if mail.owed > 0 { mail.frame.take() } else { None };
        self.arrived.notify_one();
        frame.map_or(Ok(Delivered::Attended), |frame| mail.deliver_abandoned(frame, self.is_ours))
    }

    /// Waits for the next frame.
    pub(crate) fn wait(&self) -> Waited {
        let mut mail = self.mail();
        loop {
            if let Some(why) = &mail.abandoned {
                return Waited::Over(why.clone());
            }
            if let Some(frame) = mail.frame.take() {
                mail.is_replied = frame.kind == Kind::Reply && mail.open > 0;
                return Waited::Frame(frame);
            }
            if let Some(why) = &mail.closed {
                return Waited::Over(why.clone());
            }
            let Some((end, limit)) = mail.limit.filter(|_| mail.open > 0) else {
                mail = self.arrived.wait(mail).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Waited::Late(limit);
            }
            mail = self.arrived.wait_timeout(mail, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The thread makes a call; `limit` holds if it is the outermost.
    pub(crate) fn open_call(&self, limit: impl FnOnce() -> Option<Limit>) {
        let mut mail = self.mail();
        if mail.open == 0 {
            mail.limit = limit();
        }
        mail.open += 1;
    }

    /// The thread has the result of its last call, or gets none.
    pub(crate) fn return_from_call(&self) {
        let mut mail = self.mail();
        mail.open -= 1;
        mail.is_replied = false;
        if mail.open == 0 {
            mail.abandoned = None;
        }
    }

    /// Returns how many calls are open.
    pub(crate) fn level(&self) -> u32 {
        self.mail().open
    }

    /// Returns a reply to what the peer has asked for with so many calls open, if it is to be sent now. If the peer is within
    /// an abandoned call that was made for the answer, an errand sends the reply later.
    pub(crate) fn hold(&self, level: u32, reply: OurReply) -> Option<OurReply> {
        let mut mail = self.mail();
        if mail.owed > level {
            mail.held.push((level, reply));
            return None;
        }
        Some(reply)
    }

    /// The next errand; the thread that asks ends if there is none.
    pub(crate) fn next_errand(&self) -> Option<Errand> {
        let mut mail = self.mail();
        let errand = mail.errands.pop_front().filter(|_| mail.closed.is_none());
        mail.is_running_errands = errand.is_some();
        errand
    }

    /// Returns whether replies to abandoned calls are yet to come: the peer may be in linked code.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.mail().owed > 0
    }

    /// Returns whether calls can be made.
    pub(crate) fn is_usable(&self) -> bool {
        let mail = self.mail();
        mail.abandoned.is_none() && mail.owed == 0 && !mail.is_ended
    }

    /// This side is the one to tell the peer that the conversation is over, and does so now.
    pub(crate) fn may_end(&self) -> bool {
        let mut mail = self.mail();
        let may = mail.owed == 0 && !mail.is_ended;
        mail.is_ended |= may;
        may
    }
}
