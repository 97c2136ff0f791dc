//! A progress line on the terminal while something takes long.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Before that nobody has begun to wonder.
const PATIENCE: Duration = Duration::from_millis(500);
const INTERVAL: Duration = Duration::from_millis(100);

/// The line. It is erased when this goes away: what follows on the terminal is the program's.
#[derive(Debug)]
pub(crate) struct Progress {
    /// When to show the next state; never if nobody is watching.
    due: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// Shows nothing yet, and nothing at all unless standard error is a terminal and `wanted`.
    pub(crate) fn new(wanted: bool) -> Self {
        let due = (wanted && std::io::stderr().is_terminal()).then(|| Instant::now() + PATIENCE);
        Self { due, shown: false }
    }

    /// Says what is going on: `reading 12 of 4000`.
    pub(crate) fn tick(&mut self, doing: &str, done: usize, total: usize) {
        if self.due.is_some_and(|due| Instant::now() >= due) {
            self.show(&format!("{doing} {done} of {total}"));
            self.due = Some(Instant::now() + INTERVAL);
        }
    }

    /// Leaves text on the terminal, or wherever standard error goes.
    pub(crate) fn say(&mut self, text: &str) {
        if self.shown {
            self.show("");
        }
        // Without standard error there is nobody to tell.
        let _gone = std::io::stderr().lock().write_all(text.as_bytes());
    }

    fn show(&mut self, text: &str) {
        let mut terminal = std::io::stderr().lock();
        // A terminal that is gone needs no progress.
        let _gone = write!(terminal, "\r\x1b[K{text}").and_then(|()| terminal.flush());
        self.shown = !text.is_empty();
    }
}

/// The line for one long step that does not say how far it is. A thread writes it, and is gone when this is.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Nothing is ever sent: that it is dropped ends the thread.
    writer: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Watch {
    /// As [`Progress::new`]. There is no thread if there would be nothing to write.
    pub(crate) fn new(doing: &'static str, wanted: bool) -> Self {
        let mut progress = Progress::new(wanted);
        let writer = progress.due.map(|_| {
            let (end, ended) = channel();
            let write = move || {
                let start = Instant::now();
                let mut pause = PATIENCE;
                while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                    progress.show(&format!("{doing}, {:.1} s", start.elapsed().as_secs_f32()));
                    pause = INTERVAL;
                }
            };
            (end, std::thread::spawn(write))
        });
        Self { writer }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.writer.take() {
            drop(end);
            // If it panicked it has said so.
            let _ended = thread.join();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            self.show("");
        }
    }
}
