//! When the front end takes snapshots, how it comes back to a state, and what it forgets.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::frontend::{Answer, FrontEnd};
use crate::history::Accepted;

/// A snapshot costs about 15 ms, and most inputs are right. To do again what they took so long to compile takes half of that.
const WORTH: Duration = Duration::from_millis(200);
/// A front end knows no more inputs that matter to nobody: each takes some KiB of its memory.
const MOST_IDLE: usize = 400;

/// The cost of going back. The front end itself ends snapshots if there are many.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    /// The time to do again what was done since the last one.
    cost: Duration,
    /// The inputs since the last one that need not be done again.
    idle: usize,
}

impl Snapshots {
    pub(crate) fn take(&mut self, front_end: &mut FrontEnd) -> Result<()> {
        front_end.take_snapshot()?;
        self.cost = Duration::ZERO;
        Ok(())
    }

    /// The front end has worked for that long on an input. One that reads files is not repeated, for these may change.
    pub(crate) fn note(&mut self, accepted: &Accepted, time: Duration) {
        if !accepted.declares {
            self.idle += 1;
        } else if accepted.input.text.contains("#include") {
            self.cost += WORTH.max(time);
        } else {
            self.cost += time;
        }
    }

    /// Brings the front end to the state that the history has, and has it take a snapshot if that is worth it.
    pub(crate) fn catch_up(&mut self, front_end: &mut FrontEnd, history: &[Accepted]) -> Result<()> {
        let is_ahead = front_end.inputs() > history.len();
        if is_ahead || self.idle > MOST_IDLE {
            front_end.rewind(if is_ahead { history.len() } else { history.len() - 1 })?;
        }
        // After a rewind, all since the snapshot is done again; a new front end has none.
        if front_end.inputs() < history.len() {
            self.cost = if front_end.inputs() == 0 { WORTH } else { Duration::ZERO };
            self.idle = 0;
        }
        self.repeat(front_end, history)?;
        if self.cost < WORTH { Ok(()) } else { self.take(front_end) }
    }

    /// Has it parse what it does not know and later inputs may need.
    fn repeat(&mut self, front_end: &mut FrontEnd, history: &[Accepted]) -> Result<()> {
        let begin = Instant::now();
        let unknown = history.get(front_end.inputs()..).unwrap_or_default();
        let mut idle = 0;
        for (accepted, is_needed) in unknown.iter().zip(needed(unknown)) {
            if !is_needed {
                idle += 1;
                continue;
            }
            if idle > 0 {
                front_end.pass_over(idle)?;
                idle = 0;
            }
            match front_end.input(&accepted.input, false)? {
                Answer::Accepted(_) => {}
                Answer::Rejected(diagnostics) | Answer::Redefines { diagnostics, .. } => {
                    return Err(Error::NotRepeated(diagnostics));
                }
            }
        }
        if idle > 0 {
            front_end.pass_over(idle)?;
        }
        if !unknown.is_empty() {
            self.cost += begin.elapsed();
        }
        Ok(())
    }
}

/// Says of each input whether it matters to later ones: by what it declares, or as the last whose value is shown, which may be
/// used as `_`.
fn needed(inputs: &[Accepted]) -> Vec<bool> {
    let mut needs_value = true;
    let mut needed: Vec<bool> = inputs
        .iter()
        .rev()
        .map(|accepted| {
            let is_needed = accepted.declares || (accepted.shows && needs_value);
            if is_needed {
                needs_value = (needs_value && !accepted.shows) || accepted.input.mentions_last();
            }
            is_needed
        })
        .collect();
    needed.reverse();
    needed
}

#[cfg(test)]
mod tests {
    use crate::history::{Accepted, Input};

    #[test]
    fn inputs_are_needed_for_what_they_declare_and_for_the_last_value() {
        fn needed<'a>(texts: &[&'a str]) -> Vec<&'a str> {
            let accepted = |text: &&str| Accepted {
                input: Input::new(text),
                shows: !text.ends_with(';'),
                declares: text.starts_with("auto"),
                ..Accepted::default()
            };
            let inputs: Vec<_> = texts.iter().map(accepted).collect();
            let needed = super::needed(&inputs);
            texts.iter().zip(needed).filter_map(|(text, is_needed)| is_needed.then_some(*text)).collect()
        }
        assert_eq!(needed(&["x++;", "x", "y", "x++;"]), ["y"]);
        assert_eq!(needed(&["x", "_ + 1", "f();"]), ["x", "_ + 1"]);
        assert_eq!(needed(&["x", "auto y = _;", "z", "w_"]), ["x", "auto y = _;", "w_"]);
        assert_eq!(needed(&["x", "auto y = x;", "f(_);"]), ["x", "auto y = x;"]);
    }
}
