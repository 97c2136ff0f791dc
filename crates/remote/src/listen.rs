//! Executors that many can connect to, of whom one is their session.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use linkjit_executor::Executor;

use crate::greeting;
use crate::message::Facts;
use crate::serve::{self, Outcome};
use crate::{Token, Transport};

/// So many may be about to greet at once. More than one are strangers already.
const MOST_GREETING: usize = 64;

/// Serves, as [`serve_with`](crate::serve_with) does, the first session with the right token among those whom `accept`
/// returns. Nobody waits for others to greet, for a stranger who says nothing, say. `refused` is told of those who are no
/// session, on other threads. Those who come later are told that there is another session, as long as the process lives.
///
/// # Errors
/// If there is no session and `accept` has an error.
pub fn serve_first(
    accept: impl FnMut() -> io::Result<Transport> + Send + 'static,
    token: &Token,
    executor: Arc<dyn Executor>,
    refused: impl Fn(&io::Error) + Send + Sync + 'static,
    when_lost: impl FnOnce(&str) + Send + 'static,
) -> io::Result<Outcome> {
    let (sessions, first) = mpsc::channel();
    let door = Door {
        token: token.clone(),
        facts: serve::facts(&*executor),
        is_taken: AtomicBool::new(false),
        greeting: AtomicUsize::new(0),
        refused: Box::new(refused),
        sessions,
    };
    thread::Builder::new().name("linkjit door".into()).spawn(move || Arc::new(door).keep(accept))?;
    let gone = |_| io::Error::other("nobody listens any more");
    serve::serve_greeted(first.recv().map_err(gone)??, executor, when_lost)
}

/// The place where those who connect have to greet.
struct Door {
    token: Token,
    facts: Facts,
    /// There is a session.
    is_taken: AtomicBool,
    /// So many are greeting.
    greeting: AtomicUsize,
    refused: Box<dyn Fn(&io::Error) + Send + Sync>,
    sessions: mpsc::Sender<io::Result<Transport>>,
}

impl Door {
    fn keep(self: Arc<Self>, mut accept: impl FnMut() -> io::Result<Transport>) {
        loop {
            let transport = match accept() {
                Ok(transport) => transport,
                // The one who came has gone already.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) =>
                {
                    self.refuse(&error);
                    continue;
                }
                Err(error) => {
                    // A server of a session listens no more.
                    let _served = self.sessions.send(Err(error));
                    return;
                }
            };
            if self.greeting.fetch_add(1, Ordering::Relaxed) >= MOST_GREETING {
                self.greeting.fetch_sub(1, Ordering::Relaxed);
                self.refuse(&io::Error::new(io::ErrorKind::ResourceBusy, "too many others are greeting"));
                continue;
            }
            let door = self.clone();
            let greets = move || {
                door.greet(transport);
                door.greeting.fetch_sub(1, Ordering::Relaxed);
            };
            if let Err(error) = thread::Builder::new().name("linkjit greeting".into()).spawn(greets) {
                self.greeting.fetch_sub(1, Ordering::Relaxed);
                self.refuse(&error);
            }
        }
    }

    fn greet(&self, mut transport: Transport) {
        let mut is_ours = false;
        let mut take = || {
            is_ours = !self.is_taken.swap(true, Ordering::Relaxed);
            is_ours
        };
        match greeting::answer(&mut transport, &self.token, &self.facts, &mut take) {
            Ok(()) => _ = self.sessions.send(Ok(transport)),
            Err(error) => {
                // A session that is gone before it is welcome.
                if is_ours {
                    self.is_taken.store(false, Ordering::Relaxed);
                }
                self.refuse(&error);
            }
        }
    }

    fn refuse(&self, why: &io::Error) {
        // A program has other things to say than who else has come.
        if !self.is_taken.load(Ordering::Relaxed) {
            (self.refused)(why);
        }
    }
}
