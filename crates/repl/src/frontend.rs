//! The process of clang, and what it is asked (docs/repl-frontend.md).

use std::ffi::OsString;
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::headers::without_headers;
use crate::history::Input;
use crate::wire::{Fields, Frame, invalid};

/// The program.
const PROGRAM: &str = "linkjit-clang-22";
/// Names another program.
const VARIABLE: &str = "LINKJIT_CLANG";
/// The version of the protocol.
const VERSION: u32 = 1;
/// A snapshot wakes within that time.
const WAKING: Duration = Duration::from_secs(20);
/// A process whose input has ended ends within that time.
const PATIENCE: Duration = Duration::from_secs(2);

/// The way in which the front end is started.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// A file of precompiled headers, and the input that is the first to know them.
    pub(crate) headers: Option<(PathBuf, usize)>,
    /// An answer takes no longer, or the process of the front end is ended.
    pub(crate) limit: Duration,
}

/// A place in the sources.
#[derive(Debug)]
pub(crate) struct Place {
    /// The symbol of the function; empty if it is none that people know.
    pub(crate) function: String,
    /// The file, or `input N`; empty if it is not known.
    pub(crate) file: String,
    pub(crate) line: u32,
}

/// Clang, as a process that can be asked. It may be one of several, of which the others sleep.
#[derive(Debug)]
pub(crate) struct FrontEnd {
    invocation: Invocation,
    child: Child,
    /// `None` when it is to end.
    input: Option<ChildStdin>,
    frames: Receiver<io::Result<Frame>>,
    /// The inputs that it has accepted.
    inputs: usize,
    /// The process that serves.
    process: u32,
    /// The same number while it is asked, else 0: an interrupt ends that process.
    asked: Arc<AtomicU32>,
    triple: String,
}

/// The fate of an input.
#[derive(Debug)]
pub(crate) enum Answer {
    Accepted(Compiled),
    /// Why it was not.
    Rejected(String),
    /// It declares names that are declared already.
    Redefines {
        names: Vec<String>,
        diagnostics: String,
    },
}

/// An input that clang has accepted.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// Warnings.
    pub(crate) diagnostics: String,
    /// Empty if there is nothing to link.
    pub(crate) object: Vec<u8>,
    /// The function to call; empty if there is none.
    pub(crate) entry: String,
    /// The type of the value that is shown; empty if none is.
    pub(crate) type_name: String,
    /// Something of the object may be referred to when the entry has run.
    pub(crate) lasts: bool,
    /// Later inputs may need that the front end knows it.
    pub(crate) declares: bool,
    /// The function to call before the code is taken back; empty if there is none.
    pub(crate) undo: String,
}

/// An instruction of linked code.
#[derive(Debug)]
pub(crate) struct Instruction {
    /// Its distance from the beginning of the code.
    pub(crate) offset: u64,
    pub(crate) text: String,
    /// The address that it jumps to, calls, or has its operand at; 0 if there is none.
    pub(crate) target: u64,
}

/// The words that may stand in place of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completions {
    /// The word begins at this byte.
    pub start: usize,
    /// In the order in which they are offered.
    pub completions: Vec<Completion>,
}

/// A word, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The word.
    pub text: String,
    /// Its type or parameters; may be empty.
    pub detail: String,
}

/// A token to be coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Highlight {
    /// Its first byte.
    pub start: usize,
    /// The byte behind it.
    pub end: usize,
    /// Its kind.
    pub kind: TokenKind,
}

/// Kinds of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// `for`
    Keyword,
    /// `42`
    Number,
    /// `"text"`, `'c'`
    Text,
    /// `// why`
    Comment,
    /// `#include <vector>`
    Preprocessor,
    /// `size`
    Identifier,
    /// `+=`
    Punctuation,
}

/// Finds the program: beside this one, where `cargo xtask frontend` puts it, in `$PATH`.
pub(crate) fn find() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(VARIABLE) {
        return Ok(path.into());
    }
    let this = std::env::current_exe().unwrap_or_default();
    let beside = this.with_file_name(PROGRAM);
    // target/debug/linkjit, target/debug/deps/TEST
    let built = this.ancestors().skip(2).take(2).map(|directory| directory.join("frontend").join(PROGRAM));
    let searched: Vec<PathBuf> = [beside].into_iter().chain(built).collect();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|directory| directory.join(PROGRAM));
    let found = searched.iter().cloned().chain(in_path).find(|path| path.is_file());
    found.ok_or(Error::NoFrontEnd { program: PROGRAM, searched })
}

impl FrontEnd {
    pub(crate) fn start(invocation: Invocation, asked: Arc<AtomicU32>) -> Result<Self> {
        let failed = |why: &dyn std::fmt::Display| Error::NotStarted {
            program: invocation.program.clone(),
            why: why.to_string(),
        };
        let mut command = Command::new(&invocation.program);
        if let Some((file, input)) = &invocation.headers {
            command.arg("--headers").arg(file).args(["--headers-at", &input.to_string()]);
        }
        command.args(&invocation.arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        // The keys that interrupt the program are not for the compiler.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| failed(&error))?;
        let ends = child.stdin.take().zip(child.stdout.take());
        let (input, output) = ends.ok_or_else(|| failed(&"it has no pipes"))?;
        let frames = receive(BufReader::new(output)).map_err(|error| failed(&error))?;
        let process = child.id();
        let mut this =
            Self { invocation, child, input: Some(input), frames, inputs: 0, process, asked, triple: String::new() };
        this.greet()?;
        Ok(this)
    }

    fn greet(&mut self) -> Result<()> {
        let Some(greeting) = self.next(self.invocation.limit)? else {
            let status = self.child.wait().map_err(|error| Error::Protocol(error.to_string()))?;
            let why = format!("it has ended ({status})");
            return Err(Error::NotStarted { program: self.invocation.program.clone(), why });
        };
        let mut fields = expect(&greeting, b'G')?;
        let version = fields.number().map_err(protocol)?;
        if version != VERSION {
            return Err(Error::Protocol(format!("its version is {version}, not {VERSION}")));
        }
        let _clang = fields.text().map_err(protocol)?;
        self.triple = fields.text().map_err(protocol)?;
        match self.next(self.invocation.limit)? {
            Some(frame) => self.note_state(&frame),
            None => Err(Error::CompilerCrashed),
        }
    }

    /// The number of inputs that it has accepted.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// The target that it compiles for.
    pub(crate) fn triple(&self) -> &str {
        &self.triple
    }

    /// Has it parse an input, and compile it if it is to be run. If it is not accepted, or on errors, the state may be one
    /// of before.
    pub(crate) fn input(&mut self, input: &Input, run: bool) -> Result<Answer> {
        // Precompiled headers are those of the first inputs behind the prelude.
        let is_precompiled =
            self.invocation.headers.as_ref().is_some_and(|(_, last)| (1..=*last).contains(&self.inputs));
        let text = if is_precompiled { without_headers(&input.text) } else { input.text.clone() };
        let frame =
            Frame::new(b'I').flag(run).number(input.serial).texts(&input.hidden).text(&input.namespace).text(&text);
        let answer = self.ask(&frame, b'A')?;
        let (status, names, compiled) = read_answer(&answer).map_err(protocol)?;
        if status == 0 {
            self.inputs += 1;
            return Ok(Answer::Accepted(compiled));
        }
        self.wait_for_snapshot()?;
        let diagnostics = compiled.diagnostics;
        Ok(if status == 2 { Answer::Redefines { names, diagnostics } } else { Answer::Rejected(diagnostics) })
    }

    /// Has it remember its state, in which it may be again later.
    pub(crate) fn take_snapshot(&mut self) -> Result<()> {
        let state = self.ask(&Frame::new(b'P'), b'S')?;
        self.note_state(&state)
    }

    /// Goes back to the newest snapshot with at most that many inputs.
    pub(crate) fn rewind(&mut self, inputs: usize) -> Result<()> {
        self.send(&Frame::new(b'R').number(u32::try_from(inputs).unwrap_or(u32::MAX)))?;
        self.wait_for_snapshot()
    }

    /// Has it count inputs that it need not know.
    pub(crate) fn pass_over(&mut self, inputs: usize) -> Result<()> {
        let frame = Frame::new(b'N').number(u32::try_from(inputs).unwrap_or(u32::MAX));
        let state = self.ask(&frame, b'S')?;
        self.note_state(&state)
    }

    pub(crate) fn complete(&mut self, text: &str, offset: usize) -> Result<Completions> {
        let frame = Frame::new(b'C').text(text).number(u32::try_from(offset).unwrap_or(u32::MAX));
        let reply = self.ask(&frame, b'C')?;
        let mut fields = reply.fields();
        let start = fields.number().map_err(protocol)? as usize;
        let completion = |fields: &mut Fields<'_>| Ok(Completion { text: fields.text()?, detail: fields.text()? });
        Ok(Completions { start, completions: fields.list(completion).map_err(protocol)? })
    }

    /// The type of an expression, or what is wrong with it.
    pub(crate) fn type_of(&mut self, expression: &str) -> Result<Result<String, String>> {
        let reply = self.ask(&Frame::new(b'T').text(expression), b'T')?;
        let mut fields = reply.fields();
        let (type_name, diagnostics) = fields.text().and_then(|name| Ok((name, fields.text()?))).map_err(protocol)?;
        Ok(if type_name.is_empty() { Err(diagnostics) } else { Ok(type_name) })
    }

    pub(crate) fn highlight(&mut self, text: &str) -> Result<Vec<Highlight>> {
        let reply = self.ask(&Frame::new(b'H').text(text), b'H')?;
        let token = |fields: &mut Fields<'_>| {
            let (start, end) = (fields.number()? as usize, fields.number()? as usize);
            let kind = match fields.byte()? {
                1 => TokenKind::Keyword,
                2 => TokenKind::Number,
                3 => TokenKind::Text,
                4 => TokenKind::Comment,
                5 => TokenKind::Preprocessor,
                6 => TokenKind::Identifier,
                _ => TokenKind::Punctuation,
            };
            Ok(Highlight { start, end, kind })
        };
        reply.fields().list(token).map_err(protocol)
    }

    /// The declarations of a name, with their comments, and the number of the last input that declares it.
    pub(crate) fn documentation(&mut self, name: &str) -> Result<(String, usize)> {
        let reply = self.ask(&Frame::new(b'D').text(name), b'D')?;
        let mut fields = reply.fields();
        fields.text().and_then(|text| Ok((text, fields.number()? as usize))).map_err(protocol)
    }

    /// LLVM IR of a function; empty if there is none.
    pub(crate) fn listing(&mut self, function: &str) -> Result<String> {
        self.ask(&Frame::new(b'L').text(function), b'L')?.fields().text().map_err(protocol)
    }

    /// The place in the sources of the code that is so many bytes behind a symbol of an object.
    pub(crate) fn place(&mut self, object: &[u8], symbol: &str, offset: u32) -> Result<Place> {
        let reply = self.ask(&Frame::new(b'W').bytes(object).text(symbol).number(offset), b'W')?;
        let mut fields = reply.fields();
        let place = |fields: &mut Fields<'_>| {
            Ok(Place { function: fields.text()?, file: fields.text()?, line: fields.number()? })
        };
        place(&mut fields).map_err(protocol)
    }

    /// The instructions of code that is at an address.
    pub(crate) fn disassemble(&mut self, address: u64, code: &[u8]) -> Result<Vec<Instruction>> {
        let reply = self.ask(&Frame::new(b'M').address(address).bytes(code), b'M')?;
        let instruction = |fields: &mut Fields<'_>| {
            let offset = u64::from(fields.number()?);
            Ok(Instruction { offset, text: fields.text()?, target: fields.address()? })
        };
        reply.fields().list(instruction).map_err(protocol)
    }

    /// Asks, and waits for the reply. After an error a new front end is asked, which knows no inputs: one of whose processes
    /// one has crashed, or was ended, may still have frames under way that are replies to nothing.
    fn ask(&mut self, frame: &Frame, reply: u8) -> Result<Frame> {
        self.send(frame)?;
        self.asked.store(self.process, Ordering::SeqCst);
        let received = self.next(self.invocation.limit);
        self.asked.store(0, Ordering::SeqCst);
        let error = match received {
            Ok(Some(frame)) if frame.kind == reply => return Ok(frame),
            Err(error @ Error::Hangs { .. }) => error,
            Ok(_) | Err(_) => Error::CompilerCrashed,
        };
        self.restart()?;
        Err(error)
    }

    /// Sends a request. If the front end is gone, the reply is the end of its output.
    fn send(&mut self, frame: &Frame) -> Result<()> {
        match self.input.as_mut().map(|input| frame.write_to(input)) {
            Some(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Err(Error::TooLong),
            _ => Ok(()),
        }
    }

    /// The next frame, or `None` if there is none any more.
    fn next(&self, limit: Duration) -> Result<Option<Frame>> {
        match self.frames.recv_timeout(limit) {
            Ok(frame) => frame.map(Some).map_err(protocol),
            Err(RecvTimeoutError::Timeout) => Err(Error::Hangs { limit }),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
        }
    }

    fn wait_for_snapshot(&mut self) -> Result<()> {
        match self.next(WAKING) {
            Ok(Some(frame)) if frame.kind == b'S' => self.note_state(&frame),
            _ => self.restart(),
        }
    }

    fn note_state(&mut self, frame: &Frame) -> Result<()> {
        let mut fields = expect(frame, b'S')?;
        self.inputs = fields.number().map_err(protocol)? as usize;
        self.process = fields.number().map_err(protocol)?;
        Ok(())
    }

    /// Waits for the first process, which ends when all others have.
    fn ends_within(&mut self, patience: Duration) -> bool {
        let begin = Instant::now();
        while begin.elapsed() < patience {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        false
    }

    /// The way in which it was started.
    pub(crate) fn invocation(&self) -> &Invocation {
        &self.invocation
    }

    /// Starts it anew with a file of precompiled headers, or without one; knows no inputs then. Nothing happens if it has
    /// the same already, or does not take the file: false then.
    pub(crate) fn begin_with(&mut self, headers: Option<(PathBuf, usize)>) -> Result<bool> {
        if self.invocation.headers == headers {
            return Ok(true);
        }
        let invocation = Invocation { headers, ..self.invocation.clone() };
        match Self::start(invocation, self.asked.clone()) {
            Ok(started) => *self = started,
            Err(Error::NotStarted { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Starts another front end in place of this one.
    fn restart(&mut self) -> Result<()> {
        let with_headers = self.invocation.headers.is_some();
        match Self::start(self.invocation.clone(), self.asked.clone()) {
            Ok(started) => *self = started,
            // One of them has changed since.
            Err(Error::NotStarted { .. }) if with_headers => drop(self.begin_with(None)?),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl Drop for FrontEnd {
    fn drop(&mut self) {
        // It ends when its input does, and tells those that sleep.
        drop(self.input.take());
        if !self.ends_within(PATIENCE) {
            // It hangs. The snapshot that wakes finds no input.
            kill(self.process);
            if !self.ends_within(PATIENCE) {
                let _killed = self.child.kill();
            }
        }
        let _status = self.child.wait();
    }
}

/// Ends a process of the front end.
pub(crate) fn kill(process: u32) {
    #[cfg(unix)]
    if let Some(process) = i32::try_from(process).ok().filter(|&process| process > 1) {
        use nix::sys::signal::{Signal, kill};
        // It may have ended.
        let _gone = kill(nix::unistd::Pid::from_raw(process), Signal::SIGKILL);
    }
    #[cfg(not(unix))]
    let _has_no_snapshots = process;
}

/// Receives frames in a thread, so that it can be given up to wait for them.
fn receive(mut output: impl io::Read + Send + 'static) -> io::Result<Receiver<io::Result<Frame>>> {
    let (sender, frames) = mpsc::channel();
    let receive = move || {
        while let Some(frame) = Frame::read_from(&mut output).transpose() {
            let is_last = frame.is_err();
            if sender.send(frame).is_err() || is_last {
                break;
            }
        }
    };
    thread::Builder::new().name("linkjit front end".into()).spawn(receive)?;
    Ok(frames)
}

fn read_answer(frame: &Frame) -> io::Result<(u8, Vec<String>, Compiled)> {
    let mut fields = frame.fields();
    let status = fields.byte()?;
    let (diagnostics, names) = (fields.text()?, fields.texts()?);
    let object = fields.bytes()?.to_vec();
    let (entry, type_name) = (fields.text()?, fields.text()?);
    let (lasts, declares) = (fields.byte()? != 0, fields.byte()? != 0);
    let undo = fields.text()?;
    if status > 2 {
        return Err(invalid(format!("no answer has status {status}")));
    }
    Ok((status, names, Compiled { diagnostics, object, entry, type_name, lasts, declares, undo }))
}

fn expect(frame: &Frame, kind: u8) -> Result<Fields<'_>> {
    if frame.kind == kind { Ok(frame.fields()) } else { Err(unexpected(frame)) }
}

fn unexpected(frame: &Frame) -> Error {
    Error::Protocol(format!("a frame '{}' came out of turn", frame.kind.escape_ascii()))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn protocol(error: io::Error) -> Error {
    Error::Protocol(error.to_string())
}
