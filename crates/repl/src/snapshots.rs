//! When the front end takes snapshots, and how it comes back to a state.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::frontend::{Answer, FrontEnd};
use crate::history::Accepted;

/// A snapshot costs about 15 ms, and most inputs are right. To do again what they took so long to compile takes half of that.
const WORTH: Duration = Duration::from_millis(200);

/// The cost of going back. The front end itself ends snapshots if there are many.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    /// The time to do again what was done since the last one.
    cost: Duration,
}

impl Snapshots {
    pub(crate) fn take(&mut self, front_end: &mut FrontEnd) -> Result<()> {
        front_end.take_snapshot()?;
        self.cost = Duration::ZERO;
        Ok(())
    }

    /// The front end has worked for that long on an input. One that reads files is not repeated, for these may change.
    pub(crate) fn note(&mut self, text: &str, time: Duration) {
        self.cost += if text.contains("#include") { WORTH.max(time) } else { time };
    }

    /// Brings the front end to the state that the history has, and has it take a snapshot if that is worth it.
    pub(crate) fn catch_up(&mut self, front_end: &mut FrontEnd, history: &[Accepted]) -> Result<()> {
        if front_end.inputs() > history.len() {
            front_end.rewind(history.len())?;
        }
        // After a rewind, all since the snapshot is done again; a new front end has none.
        if front_end.inputs() < history.len() {
            self.cost = if front_end.inputs() == 0 { WORTH } else { Duration::ZERO };
        }
        self.repeat(front_end, history)?;
        if self.cost < WORTH { Ok(()) } else { self.take(front_end) }
    }

    /// Has it parse what it does not know.
    fn repeat(&mut self, front_end: &mut FrontEnd, history: &[Accepted]) -> Result<()> {
        let inputs = front_end.inputs();
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
            self.cost += begin.elapsed();
        }
        Ok(())
    }
}
