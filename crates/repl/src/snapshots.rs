//! When the front end takes snapshots, and how it comes back to a state.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::frontend::{Answer, FrontEnd};
use crate::history::Accepted;

/// A snapshot costs about 15 ms: one that saves less is not worth it.
const WORTH: Duration = Duration::from_millis(50);
/// Processes that sleep.
const MOST: usize = 16;

/// What the front end remembers.
#[derive(Debug)]
pub(crate) struct Snapshots {
    /// States that it can go back to, the oldest first.
    states: Vec<usize>,
    /// The time to do again what was done since the last one.
    cost: Duration,
    worth: Duration,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self { states: Vec::new(), cost: Duration::ZERO, worth: WORTH }
    }
}

impl Snapshots {
    pub(crate) fn take(&mut self, front_end: &mut FrontEnd) -> Result<()> {
        front_end.take_snapshot()?;
        self.states.push(front_end.inputs());
        self.cost = Duration::ZERO;
        Ok(())
    }

    /// The front end has worked for that long.
    pub(crate) fn note(&mut self, time: Duration) {
        self.cost += time;
    }

    /// Brings the front end to the state that the history has, and has it take a snapshot if that is worth it.
    pub(crate) fn catch_up(&mut self, front_end: &mut FrontEnd, history: &[Accepted]) -> Result<()> {
        if front_end.inputs() > history.len() {
            front_end.rewind(history.len())?;
        }
        self.repeat(front_end, history)?;
        if self.cost < self.worth {
            return Ok(());
        }
        if self.states.len() == MOST {
            // Snapshots of a long session are farther apart: all but the first give way to one of now.
            self.worth *= 2;
            front_end.rewind(self.states.first().copied().unwrap_or(0))?;
            self.repeat(front_end, history)?;
        }
        self.take(front_end)
    }

    /// Has it parse what it does not know.
    fn repeat(&mut self, front_end: &mut FrontEnd, history: &[Accepted]) -> Result<()> {
        let inputs = front_end.inputs();
        if self.states.last().is_some_and(|&state| state > inputs) {
            self.states.retain(|&state| state <= inputs);
            self.cost = Duration::ZERO;
        }
        let begin = Instant::now();
        let unknown = history.get(inputs..).unwrap_or_default();
        for accepted in unknown {
            match front_end.input(&accepted.input, false)? {
                Answer::Accepted(_) => {}
                Answer::Rejected(diagnostics) | Answer::Redefines { diagnostics, .. } => {
                    return Err(Error::NotRepeated(diagnostics));
                }
            }
        }
        if !unknown.is_empty() {
            self.note(begin.elapsed());
        }
        Ok(())
    }
}
