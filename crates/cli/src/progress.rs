//! A line on the terminal while something takes long.

use std::io::{IsTerminal, Write};
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
    pub(crate) fn tick(&mut self, doing: &str, done: usize, of: usize) {
        if self.due.is_some_and(|due| Instant::now() >= due) {
            self.show(&format!("{doing} {done} of {of}"));
            self.due = Some(Instant::now() + INTERVAL);
        }
    }

    fn show(&mut self, text: &str) {
        let mut terminal = std::io::stderr().lock();
        // A terminal that is gone needs no progress.
        let _gone = write!(terminal, "\r\x1b[K{text}").and_then(|()| terminal.flush());
        self.shown = !text.is_empty();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            self.show("");
        }
    }
}
