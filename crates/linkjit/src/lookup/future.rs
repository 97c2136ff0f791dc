//! Lookups as futures: their callers do not wait for them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use linkjit_executor::ExecAddr;

use super::{Advance, Query, SymbolLookupSet, Unfinished, addresses};
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::session::job::Job;
use crate::session::lock;
use crate::session::progress::Wait;

/// A lookup that the session's threads do: see [`JitDylib::lookup_future`].
///
/// It needs no runtime: it goes on by itself, polled or not. Dropping it ends the lookup as soon as possible; what was
/// materialized by then stays materialized, and nobody else's lookup is disturbed.
///
/// In a session without threads it is done when it is polled, or waited for.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// use linkjit::{ExecAddr, FunctionUnit, SymbolFlags, SymbolLookupSet, UnitInterface};
///
/// let jit = linkjit::Jit::builder().threads(0).build()?;
/// let interface = UnitInterface::new([("answer", SymbolFlags::DATA)]);
/// jit.define(FunctionUnit::new("the answer", interface, |responsibility| {
///     responsibility.define_absolute("answer", ExecAddr(42));
///     Ok(())
/// }))?;
/// // Cancelled before anybody did anything for it: it is as if there had been no lookup.
/// drop(jit.lookup_future(&SymbolLookupSet::new(["answer"])));
/// // Any number may be on their way at once. What may be missing is `None`.
/// let wanted = SymbolLookupSet::new(["answer"]).weak(["question"]);
/// let lookups = [jit.main().lookup_future(&wanted), jit.lookup_future(&wanted)];
/// for lookup in lookups {
///     assert_eq!(lookup.wait()?, [Some(ExecAddr(42)), None]);
/// }
/// # Ok(()) }
/// ```
#[must_use]
pub struct LookupFuture {
    task: Arc<Task>,
}

struct Task {
    dylib: JitDylib,
    set: SymbolLookupSet,
    state: Mutex<State>,
    /// Told when the lookup has ended or rests.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The lookup, while no thread is at it.
    query: Option<Query>,
    /// The wait for others, if it waits.
    wait: Option<Wait<Job, Error>>,
    result: Option<Result<Vec<Option<ExecAddr>>>>,
    waker: Option<Waker>,
    is_cancelled: bool,
}

impl LookupFuture {
    pub(crate) fn new(dylib: &JitDylib, set: &SymbolLookupSet) -> Self {
        let state = State { query: Some(set.query(dylib)), ..State::default() };
        let (dylib, set) = (dylib.clone(), set.clone());
        let task = Arc::new(Task { dylib, set, state: Mutex::new(state), changed: Condvar::new() });
        task.schedule();
        Self { task }
    }

    /// Waits for the end of it on this thread, which does it as far as no other thread does.
    ///
    /// # Errors
    /// As for [`JitDylib::lookup_set`].
    pub fn wait(self) -> Result<Vec<Option<ExecAddr>>> {
        loop {
            self.task.go_on(true);
            let mut state = lock(&self.task.state);
            if let Some(result) = state.result.take() {
                return result;
            }
            if state.query.is_none() {
                drop(self.task.changed.wait(state).unwrap_or_else(PoisonError::into_inner));
            }
        }
    }
}

impl Future for LookupFuture {
    type Output = Result<Vec<Option<ExecAddr>>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.task.dylib.session().pool().has_threads() {
            self.task.go_on(true);
        }
        let mut state = lock(&self.task.state);
        match state.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for LookupFuture {
    fn drop(&mut self) {
        let mut state = lock(&self.task.state);
        state.is_cancelled = true;
        let (query, wait, waker) = (state.query.take(), state.wait.take(), state.waker.take());
        drop(state);
        drop((wait, waker));
        if let Some(mut query) = query {
            query.abandon(self.task.dylib.session());
        }
    }
}

impl Task {
    /// Has a thread of the session go on with it.
    fn schedule(self: &Arc<Self>) {
        let task = self.clone();
        // Without threads, whoever waits for it goes on with it.
        let _none = self.dylib.session().pool().spawn(move || task.go_on(false));
    }

    /// Goes on with it on this thread, unless another is at it, to its end or until others have to do something; may
    /// wait for these.
    fn go_on(self: &Arc<Self>, may_wait: bool) {
        let mut state = lock(&self.state);
        let wait = state.wait.take();
        let Some(mut query) = state.query.take() else { return };
        drop(state);
        // A panic of the user's code ends the lookup.
        let ending = Ending(self);
        let session = self.dylib.session();
        let unfinished = Unfinished { query: &mut query, session };
        let mut blocked = wait;
        let result = loop {
            if let Some(wait) = blocked.take() {
                let outcome = match wait.outcome() {
                    None if may_wait => wait.block(),
                    None => {
                        std::mem::forget((ending, unfinished));
                        self.put_aside(query, wait);
                        return;
                    }
                    Some(outcome) => outcome,
                };
                if let Err(error) = outcome {
                    break Err(error);
                }
            }
            match unfinished.query.advance(session) {
                Ok(Advance::Blocked(wait)) => blocked = Some(wait),
                Ok(Advance::Done(found)) => break self.set.addresses(session, addresses(found)),
                Err(error) => break Err(error),
            }
        };
        drop(unfinished);
        std::mem::forget(ending);
        self.finish(result);
    }

    /// Lets the lookup rest until a wait is over.
    fn put_aside(self: &Arc<Self>, mut query: Query, wait: Wait<Job, Error>) {
        let task = self.clone();
        let mut state = lock(&self.state);
        if state.is_cancelled {
            drop(state);
            query.abandon(self.dylib.session());
            return;
        }
        // Called on whatever thread ends the job: nothing but handing it on may be done there.
        wait.on_end(Box::new(move || task.schedule()));
        state.query = Some(query);
        state.wait = Some(wait);
        drop(state);
        self.changed.notify_all();
    }

    fn finish(&self, result: Result<Vec<Option<ExecAddr>>>) {
        let mut state = lock(&self.state);
        state.result = Some(result);
        let waker = state.waker.take();
        drop(state);
        self.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

struct Ending<'a>(&'a Task);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.finish(Err(Error::Abandoned));
    }
}

impl fmt::Debug for LookupFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookupFuture").field("set", &self.task.set).finish_non_exhaustive()
    }
}
