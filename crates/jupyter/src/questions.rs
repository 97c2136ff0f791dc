//! Asks the user for what the program reads from standard input.
//!
//! The program may read in any way there is: `std::cin`, `scanf`, `read`, a library. That it waits for input can be seen from outside
//! only: on Linux, the system says in which call a thread of another process is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::message::{Channel, Request};
use crate::sink::Sink;
use crate::streams::Streams;

/// The program waits at most that long before its user is asked.
const INTERVAL: Duration = Duration::from_millis(20);

/// The user's lines.
#[derive(Debug)]
pub(crate) struct Answers(pub(crate) Mutex<Receiver<Arc<Request>>>);

/// Watches the program while an input runs.
pub(crate) struct Watch<'a> {
    pub(crate) sink: &'a Sink,
    pub(crate) streams: &'a Streams,
    pub(crate) answers: &'a Answers,
    pub(crate) request: &'a Arc<Request>,
    /// The process of the program; 0 if there is none.
    pub(crate) process: &'a (dyn Fn() -> u32 + Sync),
    pub(crate) may_ask: bool,
    /// Ends the input, if nobody can be asked.
    pub(crate) end: &'a (dyn Fn() + Sync),
}

impl Watch<'_> {
    /// Runs an input, and asks the user meanwhile. Returns what `run` does, and whether it was ended because nobody could be asked.
    pub(crate) fn over<T>(&self, run: impl FnOnce() -> T) -> (T, bool) {
        let runs = AtomicBool::new(true);
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| self.until_ended(&runs));
            let result = run();
            runs.store(false, Ordering::SeqCst);
            watcher.thread().unpark();
            (result, watcher.join().unwrap_or(false))
        })
    }

    fn until_ended(&self, runs: &AtomicBool) -> bool {
        let input = self.streams.input();
        while runs.load(Ordering::SeqCst) {
            std::thread::park_timeout(INTERVAL);
            let process = (self.process)();
            if !runs.load(Ordering::SeqCst) || process == 0 || !system::waits(process, &input) {
                continue;
            }
            if !self.may_ask {
                (self.end)();
                return true;
            }
            if let Some(line) = self.ask(runs) {
                input.write_line(&line);
                // It takes a moment until the program reads on.
                std::thread::sleep(INTERVAL);
            }
        }
        false
    }

    /// The user's line; `None` if the input has ended meanwhile.
    fn ask(&self, runs: &AtomicBool) -> Option<String> {
        let answers = self.answers.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Answers to questions of inputs that have ended.
        while answers.try_recv().is_ok() {}
        // The question is what the program has written.
        self.streams.catch_up();
        self.sink.reply(Channel::Stdin, self.request, "input_request", json!({"prompt": "", "password": false}));
        while runs.load(Ordering::SeqCst) {
            match answers.recv_timeout(INTERVAL) {
                Ok(answer) => return Some(answer.content.get("value").and_then(Value::as_str).unwrap_or("").into()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        None
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs;
    use std::path::Path;

    use crate::streams::Input;

    /// The number of `read`.
    const READ: &str = if cfg!(target_arch = "x86_64") { "0" } else { "63" };

    /// Says whether a thread of a process waits for input, or one of a process that this one has started.
    pub(super) fn waits(process: u32, input: &Input) -> bool {
        let Some(pipe) = input.number() else { return false };
        let pipe = format!("pipe:[{pipe}]");
        let mut processes = vec![process.to_string()];
        while let Some(process) = processes.pop() {
            let process = Path::new("/proc").join(process);
            for task in fs::read_dir(process.join("task")).into_iter().flatten().flatten() {
                if reads(&process, &task.path(), &pipe) {
                    return true;
                }
                let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                processes.extend(children.split_whitespace().map(String::from));
            }
        }
        false
    }

    /// Says whether a thread is in a call that reads from a pipe.
    fn reads(process: &Path, task: &Path, pipe: &str) -> bool {
        let call = fs::read_to_string(task.join("syscall")).unwrap_or_default();
        let mut words = call.split(' ');
        let file = (words.next() == Some(READ)).then(|| words.next()).flatten();
        let file = file.and_then(|file| u64::from_str_radix(file.strip_prefix("0x")?, 16).ok());
        let link = file.and_then(|file| fs::read_link(process.join("fd").join(file.to_string())).ok());
        link.is_some_and(|link| link == Path::new(pipe))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use crate::streams::Input;

    /// Nobody can tell here.
    pub(super) fn waits(_process: u32, _input: &Input) -> bool {
        false
    }
}
