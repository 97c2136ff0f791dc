//! [`Repl`]: the session, which knows what was accepted, and goes back when something was not.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use linkjit::executor::ExecutorError;
use linkjit::{Jit, ResourceTracker, Source};
use linkjit_remote::Remote;

use crate::error::{Error, Result};
use crate::frontend::{self, Answer, Compiled, Completions, FrontEnd, Highlight, Invocation};
use crate::headers::Headers;
use crate::history::{Accepted, Input};
use crate::interrupt::Interrupt;
use crate::libraries;
use crate::names::{INPUT, NAMESPACE, as_written};
use crate::outcome::{Failure, Outcome};
use crate::prelude::{DECLARATIONS, Prelude};
use crate::results::{Display, Mark, Value};
use crate::runner::{Runner, Way};
use crate::snapshots::Snapshots;

/// Clang may take long for templates, but not for ever.
const COMPILE_LIMIT: Duration = Duration::from_secs(120);

/// The way in which a session is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The target's triple; `None` for that of this system.
    pub target: Option<String>,
    /// Diagnostics with colours, as terminals show them.
    pub color: bool,
    /// If there is a mark, the program's output is written a line at a time, as at a terminal, and what it displays goes between.
    pub mark: Option<Mark>,
    /// Arguments of clang.
    pub arguments: Vec<OsString>,
    /// The program of the front end, if it is not to be searched.
    pub front_end: Option<PathBuf>,
    /// The directory of a cache, where precompiled headers are kept; `None` if they are not.
    pub cache: Option<PathBuf>,
}

/// Starts an executor and a session with it, anew each time when the last one has ended.
pub type StartJit = Box<dyn FnMut() -> Result<(Jit, Arc<Remote>), Box<dyn std::error::Error + Send + Sync>> + Send>;

/// An interactive session.
pub struct Repl {
    front_end: FrontEnd,
    snapshots: Snapshots,
    headers: Headers,
    runner: Option<Runner>,
    start: StartJit,
    mark: Option<Mark>,
    /// For the next executor.
    prelude: Prelude,
    history: Vec<Accepted>,
    /// Inputs whose effects went with an executor.
    lost: Vec<String>,
    /// The files that `%lib` has added.
    libraries: Vec<String>,
    /// Warnings about those that a further executor could not have. The next outcome has them.
    missing: String,
    /// The serial of the last input, and the number of the last namespace of one that declares something again.
    serial: u32,
    interrupt: Interrupt,
}

/// An input that is linked.
struct Linked {
    tracker: Option<ResourceTracker>,
    object: Option<Source>,
    entry: linkjit::ExecAddr,
}

impl Repl {
    /// Starts the front end, and an executor by `start`.
    ///
    /// # Errors
    /// If one of them can't be started, or the front end does not accept what values are printed with.
    pub fn start(options: Options, mut start: StartJit) -> Result<Self> {
        let program = options.front_end.map_or_else(frontend::find, Ok)?;
        let mut arguments: Vec<OsString> = Vec::new();
        if let Some(target) = options.target {
            arguments.extend(["--target".into(), target.into()]);
        }
        arguments.extend(options.color.then(|| "--color".into()));
        arguments.extend(options.arguments);
        let asked = Arc::new(AtomicU32::new(0));
        let headers = Headers::new(options.cache, &program, &arguments);
        let invocation = Invocation { program, arguments, headers: None, limit: COMPILE_LIMIT };
        // The executor starts meanwhile.
        let (front_end, executor) = std::thread::scope(|scope| {
            let executor = scope.spawn(&mut start);
            let front_end = FrontEnd::start(invocation, asked.clone()).and_then(|mut front_end| {
                let prelude = Prelude::compile(&mut front_end, &headers)?;
                Ok((front_end, prelude))
            });
            (front_end, executor.join())
        });
        let (front_end, prelude) = front_end?;
        let executor = executor.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (jit, remote) = executor.map_err(Error::NoExecutor)?;
        let interrupt = Interrupt::new(asked);
        interrupt.is_for(Some(&remote));
        let mut this = Self {
            front_end,
            snapshots: Snapshots::default(),
            headers,
            runner: Some(Runner::new(jit, remote, &prelude, options.mark)?),
            start,
            mark: options.mark,
            prelude,
            history: vec![Accepted { input: Input::new(DECLARATIONS), declares: true, ..Accepted::default() }],
            lost: Vec::new(),
            libraries: Vec::new(),
            missing: String::new(),
            serial: 0,
            interrupt,
        };
        this.snapshots.take(&mut this.front_end)?;
        Ok(this)
    }

    /// A handle that ends an input that takes too long, from another thread.
    #[must_use]
    pub fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }

    /// The target that inputs are compiled for.
    #[must_use]
    pub fn target(&self) -> &str {
        self.front_end.triple()
    }

    pub(crate) fn front_end(&mut self) -> Result<&mut FrontEnd> {
        self.catch_up()?;
        Ok(&mut self.front_end)
    }

    /// Carries out a command, or compiles, links and runs an input.
    ///
    /// # Errors
    /// If the session itself is in trouble: a front end or an executor can't be started any more.
    pub fn execute(&mut self, text: &str) -> Result<Outcome> {
        let mut outcome = self.execute_unless_stuck(text)?;
        outcome.diagnostics.insert_str(0, &std::mem::take(&mut self.missing));
        Ok(outcome)
    }

    fn execute_unless_stuck(&mut self, text: &str) -> Result<Outcome> {
        let failure = match self.carry_out(text) {
            Err(error @ (Error::CompilerCrashed | Error::Hangs { .. } | Error::TooLong)) => Failure::Compiler(error),
            Err(error @ Error::NotRepeated(_)) => {
                self.lose_history()?;
                self.start_runner()?;
                Failure::NotRepeated { error, inputs: self.lost.len() }
            }
            other => return other,
        };
        Ok(Outcome { failure: Some(failure), ..Outcome::default() })
    }

    /// Compiles, links and runs an input. Errors are as those of [`Repl::execute`], or say that the compiler has failed.
    pub(crate) fn evaluate(&mut self, text: &str) -> Result<Outcome> {
        let before = self.headers.clone();
        if !self.headers.take(text) {
            return self.evaluate_input(text);
        }
        let (inputs, begin) = (self.history.len(), Instant::now());
        let without = self.front_end.invocation().headers.clone();
        let file = self.headers.find();
        if let Some(file) = &file
            && !self.front_end.begin_with(Some((file.clone(), inputs)))?
        {
            Headers::discard(file);
        }
        let outcome = self.evaluate_input(text);
        if self.history.len() == inputs {
            // It was not accepted: nothing of it stays.
            self.headers = before;
            self.front_end.begin_with(without)?;
            return outcome;
        }
        if file.is_none() {
            let Invocation { program, arguments, .. } = self.front_end.invocation();
            self.headers.make(program, arguments, begin.elapsed());
        }
        // A file of these headers and more would define again what is linked now.
        if self.history.last().is_some_and(|accepted| accepted.tracker.is_some()) {
            self.headers.close();
        }
        outcome
    }

    fn evaluate_input(&mut self, text: &str) -> Result<Outcome> {
        self.catch_up()?;
        let mut input = Input::new(text);
        let mut outcome = Outcome::default();
        let (linked, compiled, time) = loop {
            let begin = Instant::now();
            let Some(mut compiled) = self.compile(&mut input, &mut outcome)? else { return Ok(outcome) };
            let time = begin.elapsed();
            outcome.diagnostics += &compiled.diagnostics;
            self.runner()?;
            match self.link(std::mem::take(&mut compiled.object), &compiled.entry) {
                Ok(linked) => break (linked, compiled, time),
                // An input that was undone or has failed may still be defined.
                Err(linkjit::Error::Duplicate { .. }) if input.namespace.is_empty() => {
                    input.namespace = self.new_namespace();
                    outcome.diagnostics.clear();
                    self.catch_up()?;
                }
                Err(error) => {
                    outcome.failure = Some(self.not_linked(error)?);
                    return Ok(outcome);
                }
            }
        };
        let Linked { tracker, object, entry } = linked;
        let Compiled { type_name, lasts, declares, undo, .. } = compiled;
        let (shows, declares) = (!type_name.is_empty(), declares || lasts);
        let accepted = Accepted { input, tracker, object, undo, shows, declares };
        self.snapshots.note(&accepted, time);
        self.history.push(accepted);
        if !entry.is_null() {
            self.run(entry, type_name, &mut outcome)?;
        }
        if !lasts {
            self.give_back()?;
        }
        Ok(outcome)
    }

    /// Compiles an input, if need be by hiding what it declares again; `None` if it has failed.
    fn compile(&mut self, input: &mut Input, outcome: &mut Outcome) -> Result<Option<Compiled>> {
        loop {
            self.serial += 1;
            input.serial = self.serial;
            let answer = self.front_end.input(input, true);
            let failure = match answer {
                Ok(Answer::Accepted(compiled)) => return Ok(Some(compiled)),
                Ok(Answer::Redefines { names, diagnostics }) => {
                    let hidden = input.hidden.len();
                    input.hidden.extend(names);
                    input.hidden.sort_unstable();
                    input.hidden.dedup();
                    if input.hidden.len() > hidden {
                        input.namespace = self.new_namespace();
                        self.catch_up()?;
                        continue;
                    }
                    outcome.diagnostics += &diagnostics;
                    Failure::Rejected
                }
                Ok(Answer::Rejected(diagnostics)) => {
                    outcome.diagnostics += &diagnostics;
                    Failure::Rejected
                }
                Err(error) => return Err(error),
            };
            outcome.failure = Some(failure);
            return Ok(None);
        }
    }

    /// A namespace that no input has been in.
    fn new_namespace(&self) -> String {
        format!("{NAMESPACE}{}", self.serial)
    }

    fn link(&mut self, object: Vec<u8>, entry: &str) -> linkjit::Result<Linked> {
        if object.is_empty() {
            return Ok(Linked { tracker: None, object: None, entry: linkjit::ExecAddr::NULL });
        }
        let object = Source::new(format!("{INPUT}{}", self.history.len()), object);
        let Some(runner) = &self.runner else { return Err(linkjit::Error::Closed) };
        let tracker = runner.add(&object)?;
        let entry = if entry.is_empty() { Ok(linkjit::ExecAddr::NULL) } else { runner.link(entry) };
        match entry {
            Ok(entry) => Ok(Linked { tracker: Some(tracker), object: Some(object), entry }),
            Err(error) => {
                Runner::remove(&tracker)?;
                Err(error)
            }
        }
    }

    /// The front end still has the input; it goes back when it is needed.
    fn not_linked(&mut self, error: linkjit::Error) -> Result<Failure> {
        match error {
            // All inputs are searched in the same places.
            linkjit::Error::Undefined { mut symbols, .. } => {
                symbols.iter_mut().for_each(|symbol| symbol.searched.clear());
                Ok(Failure::NotLinked(linkjit::Error::Undefined { symbols, searched: Vec::new() }))
            }
            error if is_gone(&error) => self.forget(error),
            error => Ok(Failure::NotLinked(error)),
        }
    }

    fn run(&mut self, entry: linkjit::ExecAddr, type_name: String, outcome: &mut Outcome) -> Result<()> {
        match self.runner()?.run(entry) {
            Ok((way, results)) => {
                outcome.value = results.value.map(|Display { text, forms }| Value { type_name, text, forms });
                outcome.displays = results.displays;
                if way == Way::Ended {
                    let reason = results.reason.unwrap_or_else(|| "the input has ended".into());
                    let place = none_if_crashed(self.place(&results.places), None)?;
                    let place = place.map(|place| as_written(&place));
                    outcome.failure = Some(Failure::Ended { reason: as_written(&reason), place });
                }
            }
            Err(Error::Jit(error)) if is_gone(&error) => {
                self.history.pop();
                outcome.failure = Some(self.forget(error)?);
            }
            // The program may write anything anywhere.
            Err(error @ Error::Target(_)) => {
                outcome.failure = Some(Failure::Ended { reason: error.to_string(), place: None });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Gives back the code of the last input, to which nobody can refer.
    fn give_back(&mut self) -> Result<()> {
        // The first is the prelude.
        let last = self.history.get_mut(1..).and_then(<[Accepted]>::last_mut);
        let tracker = last.and_then(|accepted| {
            accepted.object = None;
            accepted.tracker.take()
        });
        match tracker.map(|tracker| Runner::remove(&tracker)) {
            Some(Err(error)) if !matches!(error, linkjit::Error::InUse { .. }) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The executor is gone: the next input has a new one, in which nothing is declared.
    fn forget(&mut self, error: linkjit::Error) -> Result<Failure> {
        self.lose_history()?;
        let status = self.runner.as_ref().and_then(|runner| runner.remote().exit_status());
        let code = status.and_then(|status| status.code());
        self.start_runner()?;
        let is_crash = matches!(error, linkjit::Error::Executor(ExecutorError::Crashed { .. }));
        Ok(match code {
            Some(code) if !is_crash => Failure::Exited(code),
            _ => Failure::Died { error, inputs: self.lost.len() },
        })
    }

    fn lose_history(&mut self) -> Result<()> {
        self.lost.extend(self.history.drain(1..).map(|accepted| accepted.input.text));
        self.headers.reopen();
        self.front_end.begin_with(None).map(drop)
    }

    fn start_runner(&mut self) -> Result<()> {
        // The last process must end before another one begins.
        self.runner = None;
        self.interrupt.is_for(None);
        let (jit, remote) = (self.start)().map_err(Error::NoExecutor)?;
        self.interrupt.is_for(Some(&remote));
        for library in std::mem::take(&mut self.libraries) {
            match libraries::add(&jit, &library) {
                Ok(()) => self.libraries.push(library),
                Err(error) if is_gone(&error) => return Err(error.into()),
                // A file may have gone since; the session can do without it.
                Err(error) => {
                    let error = error.to_string();
                    let why = error.lines().next().unwrap_or_default();
                    self.missing += &format!("warning: '{library}' could not be added again: {why}\n");
                }
            }
        }
        self.runner = Some(Runner::new(jit, remote, &self.prelude, self.mark)?);
        Ok(())
    }

    /// The library is added again to each further executor.
    pub(crate) fn note_library(&mut self, library: &str) {
        self.libraries.push(library.into());
    }

    fn runner(&mut self) -> Result<&Runner> {
        if self.runner.is_none() {
            self.start_runner()?;
        }
        self.runner.as_ref().ok_or_else(|| linkjit::Error::Closed.into())
    }

    /// Brings the front end to the state that the history has.
    fn catch_up(&mut self) -> Result<()> {
        self.snapshots.catch_up(&mut self.front_end, &self.history)
    }

    /// Takes the last input back, and runs the destructors of its variables. What else it has done stays.
    pub(crate) fn undo(&mut self) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        if self.history.len() < 2 {
            outcome.failure = Some(Failure::Command("there is nothing to undo".into()));
            return Ok(outcome);
        }
        let Some(undone) = self.history.pop() else { return Ok(outcome) };
        match self.take_back(undone) {
            // Later inputs were undone, but their code may still be bound to it.
            Ok(()) | Err(Error::Jit(linkjit::Error::InUse { .. })) => {}
            Err(Error::Jit(error)) => outcome.failure = Some(self.not_linked(error)?),
            Err(error) => return Err(error),
        }
        let headers = self.front_end.invocation().headers.as_ref();
        if headers.is_some_and(|(_, input)| self.history.len() <= *input) {
            self.headers.close();
            self.front_end.begin_with(None)?;
        }
        self.catch_up()?;
        Ok(outcome)
    }

    fn take_back(&mut self, undone: Accepted) -> Result<()> {
        let runner = self.runner()?;
        if !undone.undo.is_empty() {
            runner.run(runner.link(&undone.undo)?)?;
        }
        if let Some(tracker) = undone.tracker {
            Runner::remove(&tracker)?;
        }
        // The output of destructors is to be seen.
        runner.flush()
    }

    /// Forgets everything: a new executor is started.
    pub(crate) fn reset(&mut self) -> Result<()> {
        self.close_runner()?;
        self.lose_history()?;
        self.lost.clear();
        self.libraries.clear();
        self.start_runner()
    }

    /// Runs the inputs again whose effects went with an executor; returns what became of each. One that can't be compiled or
    /// linked any more is the last, and is kept for the next time with those behind it.
    pub(crate) fn rerun(&mut self) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        let mut texts = std::mem::take(&mut self.lost).into_iter();
        for text in texts.by_ref() {
            let outcome = self.evaluate(&text);
            // Some have ended early before, too.
            let failure = outcome.as_ref().map(|outcome| &outcome.failure);
            let goes_on = matches!(failure, Ok(None | Some(Failure::Ended { .. })));
            // One that ends the process would do so again.
            if !goes_on && !matches!(failure, Ok(Some(Failure::Died { .. } | Failure::Exited(_)))) {
                self.lost.push(text);
            }
            outcomes.push(outcome?);
            if !goes_on {
                break;
            }
        }
        self.lost.extend(texts);
        Ok(outcomes)
    }

    /// Completes the word before a byte of a text.
    ///
    /// # Errors
    /// As [`Repl::execute`]. If the compiler crashes, it offers nothing.
    pub fn complete(&mut self, text: &str, offset: usize) -> Result<Completions> {
        let none = Completions { start: offset, completions: Vec::new() };
        none_if_crashed(self.front_end()?.complete(text, offset), none)
    }

    /// The tokens of a text that are to be coloured.
    ///
    /// # Errors
    /// As [`Repl::complete`].
    pub fn highlight(&mut self, text: &str) -> Result<Vec<Highlight>> {
        none_if_crashed(self.front_end()?.highlight(text), Vec::new())
    }

    /// The declarations of a name, with their comments; empty if nothing is called so.
    ///
    /// # Errors
    /// As [`Repl::complete`].
    pub fn documentation(&mut self, name: &str) -> Result<String> {
        none_if_crashed(self.front_end()?.documentation(name), (String::new(), 0)).map(|(text, _)| text)
    }

    /// The last input, or the last one that declares a name.
    pub(crate) fn input_of(&mut self, name: &str) -> Result<Option<String>> {
        let at = if name.is_empty() { self.history.len() - 1 } else { self.front_end()?.documentation(name)?.1 };
        // The first is the prelude.
        let input = self.history.get(at).filter(|_| at > 0);
        Ok(input.map(|accepted| accepted.input.text.clone()))
    }

    /// The directories that the options name for headers.
    pub(crate) fn include_directories(&self) -> Vec<PathBuf> {
        let arguments = &self.front_end.invocation().arguments;
        let texts = || arguments.iter().map(|argument| argument.to_string_lossy());
        let joined = texts().filter_map(|text| text.strip_prefix("-I").map(PathBuf::from));
        let separate = texts().zip(texts().skip(1)).filter(|(flag, _)| flag == "-I");
        joined.chain(separate.map(|(_, path)| (&*path).into())).filter(|path| path.is_dir()).collect()
    }

    /// The inputs that were accepted, in their order.
    pub fn history(&self) -> impl Iterator<Item = &str> {
        self.history.iter().skip(1).map(|accepted| &*accepted.input.text)
    }

    /// The object of an input.
    pub(crate) fn object_of(&self, input: usize) -> Option<Source> {
        self.history.get(input)?.object.clone()
    }

    pub(crate) fn jit(&mut self) -> Result<&Jit> {
        Ok(self.runner()?.jit())
    }

    fn close_runner(&mut self) -> Result<Option<i32>> {
        // Code that was taken back with its terminators is not closed again.
        self.history.iter_mut().for_each(|accepted| accepted.tracker = None);
        match self.runner.take().map(Runner::close) {
            None => Ok(None),
            Some(Err(Error::Jit(error))) if is_gone(&error) => Ok(None),
            Some(closed) => closed,
        }
    }

    /// Runs destructors and whatever is registered for the end of the program; returns its exit code, if it has one.
    ///
    /// # Errors
    /// If the program does not end as it should.
    pub fn close(mut self) -> Result<Option<i32>> {
        self.close_runner()
    }
}

impl std::fmt::Debug for Repl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repl")
            .field("front_end", &self.front_end)
            .field("history", &self.history)
            .finish_non_exhaustive()
    }
}

/// For what users can do without.
fn none_if_crashed<T>(result: Result<T>, none: T) -> Result<T> {
    match result {
        Err(Error::CompilerCrashed | Error::Hangs { .. }) => Ok(none),
        other => other,
    }
}

/// Says whether the executor is gone.
fn is_gone(error: &linkjit::Error) -> bool {
    use ExecutorError::{Crashed, Disconnected};
    matches!(error, linkjit::Error::Executor(Crashed { .. } | Disconnected { .. }))
}
