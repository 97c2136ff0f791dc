//! The mail of a conversation, in all interleavings of the threads that use it: the one that reads the stream, the one that
//! makes the call, another that abandons it, and those that run errands.
#![cfg(not(windows))]

#[path = "../src/frame.rs"]
#[allow(dead_code, reason = "only frames are needed, not how they travel")]
mod frame;
#[path = "../src/mail.rs"]
#[allow(dead_code, reason = "the test makes no nested calls")]
mod mail;

mod sync {
    pub(crate) use std::sync::PoisonError;

    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
}

/// As in the crate.
#[derive(Clone, Debug)]
struct Violation(#[allow(dead_code, reason = "for messages of failed tests")] String);

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

use linkjit_executor::ExecutorError;
use loom::sync::{Condvar, Mutex};
use loom::thread::{self, JoinHandle};

use frame::{Frame, Kind};
use mail::{Delivered, Errand, Mailbox, Waited};

/// A conversation, and what was done about its frames.
struct Program {
    mail: Mailbox,
    answers: Mutex<usize>,
    answered: Condvar,
    /// Nothing is decided by these: the model needs not know them.
    ends: AtomicUsize,
    is_running: AtomicBool,
}

fn frame(kind: Kind) -> Frame {
    Frame { kind, conversation: 2, number: 1, payload: vec![] }
}

impl Program {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            mail: Mailbox::new(true),
            answers: Mutex::new(0),
            answered: Condvar::new(),
            ends: AtomicUsize::new(0),
            is_running: AtomicBool::new(false),
        })
    }

    fn answer(&self) {
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.answered.notify_one();
    }

    /// Takes frames until there is a reply or the call fails. Returns whether there is one.
    fn wait_for_reply(&self) -> bool {
        let is_replied = loop {
            match self.mail.wait() {
                Waited::Frame(frame) if frame.kind == Kind::Reply => break true,
                Waited::Frame(_) => self.answer(),
                Waited::Over(_) => break false,
                Waited::Late(_) => panic!("there is no limit"),
            }
        };
        self.mail.return_from_call();
        is_replied
    }

    /// Runs errands on another thread, if they need one.
    fn follow_up(self: &Arc<Self>, delivered: Delivered) -> Option<JoinHandle<()>> {
        let program = self.clone();
        (delivered == Delivered::NeedsThread).then(|| {
            thread::spawn(move || {
                while let Some(errand) = program.mail.next_errand() {
                    assert!(!program.is_running.swap(true, Ordering::Relaxed), "two errands at once");
                    match errand {
                        Errand::Answer(_) => program.answer(),
                        Errand::End => _ = program.ends.fetch_add(1, Ordering::Relaxed),
                        Errand::Reply(_) => panic!("no reply is held"),
                    }
                    program.is_running.store(false, Ordering::Relaxed);
                }
            })
        })
    }

    /// Delivers what a peer says: it asks for something, and replies when it has the answer.
    fn read(self: &Arc<Self>) {
        let asked = self.mail.deliver(frame(Kind::Call)).expect("it may ask");
        let first = self.follow_up(asked);
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        while *answers == 0 {
            answers = self.answered.wait(answers).unwrap_or_else(PoisonError::into_inner);
        }
        drop(answers);
        let replied = self.mail.deliver(frame(Kind::Reply)).expect("it may reply");
        let second = self.follow_up(replied);
        [first, second].into_iter().flatten().for_each(|thread| thread.join().unwrap());
    }

    fn abandon(self: &Arc<Self>) {
        let delivered = self.mail.abandon(ExecutorError::Cancelled).expect("what has come is in order");
        self.follow_up(delivered).into_iter().for_each(|thread| thread.join().unwrap());
    }
}

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(run);
}

fn spawn(program: &Arc<Program>, run: impl FnOnce(&Arc<Program>) + 'static) -> JoinHandle<()> {
    let program = program.clone();
    thread::spawn(move || run(&program))
}

/// Whatever comes first, the peer gets its answer, and the conversation ends once if its calls were abandoned.
#[test]
fn abandoned_calls_end_their_conversation() {
    model(|| {
        let program = Program::new();
        program.mail.open_call(|| None);
        let reader = spawn(&program, Program::read);
        let other = spawn(&program, Program::abandon);
        let is_replied = program.wait_for_reply();
        reader.join().unwrap();
        other.join().unwrap();
        assert_eq!(*program.answers.lock().unwrap(), 1);
        assert!(!program.mail.is_abandoned(), "its reply has come");
        assert_eq!(program.mail.is_usable(), is_replied);
        assert_eq!(program.mail.may_end(), is_replied, "it is yet to end if it was not abandoned");
        assert_eq!(program.ends.load(Ordering::Relaxed), usize::from(!is_replied));
    });
}

/// Whoever waits learns that the connection is gone, also while calls are abandoned.
#[test]
fn nobody_waits_for_a_connection_that_is_gone() {
    model(|| {
        let program = Program::new();
        program.mail.open_call(|| None);
        let reader = spawn(&program, |program| {
            let asked = program.mail.deliver(frame(Kind::Call)).expect("it may ask");
            let thread = program.follow_up(asked);
            program.mail.close(&ExecutorError::Disconnected { why: "it was closed".into() });
            thread.into_iter().for_each(|thread| thread.join().unwrap());
        });
        let other = spawn(&program, Program::abandon);
        assert!(!program.wait_for_reply(), "there is none");
        reader.join().unwrap();
        other.join().unwrap();
        assert!(program.mail.next_errand().is_none());
    });
}
