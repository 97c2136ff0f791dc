//! `linkjit repl`: reads inputs from files, the command line, a terminal or standard input, and shows what becomes of them.

#[cfg(unix)]
mod assistant;
#[cfg(unix)]
mod editing;
mod options;
#[cfg(unix)]
mod terminal;
mod verify;

use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use linkjit_repl::{
    Failure as InputFailure, Form, Interrupt, Options, Outcome, Repl, Shape, StartJit, Wish, needs_wine, shape,
};

pub(crate) use options::{HELP, ReplOptions, for_clap};

use crate::FAILURE;
use crate::args::ExecutorKind;
use crate::crt;
use crate::executor;
use crate::report::Failure;
use verify::Verifier;

/// The target that is this system.
const HOST: &str = "host";

/// Runs inputs until there are no more; returns the exit code.
pub(crate) fn repl(options: ReplOptions) -> Result<i32, Failure> {
    let is_terminal = io::stdin().is_terminal();
    let files = options.files.iter().map(|file| format!("%load {}", file.display()));
    let given: Vec<_> = files.chain(options.code.iter().cloned()).collect();
    let mut session = Session::start(options)?;
    #[cfg(unix)]
    end_at_interrupts(&session, is_terminal && given.is_empty())?;
    if session.shown.has_failed {
        return Ok(FAILURE);
    }
    let is_interactive = is_terminal && given.is_empty();
    if let Some(file) = startup(&session.options, is_interactive) {
        session.run_unattended(&format!("%load {}", file.display()))?;
    }
    if given.is_empty() {
        read(&mut session, is_terminal)?;
    }
    for input in given {
        if !session.run_unattended(&input)? || session.shown.has_failed {
            break;
        }
    }
    session.finish(is_terminal)
}

/// The file that is run first.
fn startup(options: &ReplOptions, is_interactive: bool) -> Option<PathBuf> {
    if options.startup.is_some() || options.no_startup || !is_interactive {
        return options.startup.clone();
    }
    let configuration = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let configuration = configuration.or_else(|| Some(std::env::home_dir()?.join(".config")))?;
    let name = if is_c(options) { "linkjit/startup.c" } else { "linkjit/startup.cpp" };
    Some(configuration.join(name)).filter(|file| file.is_file())
}

/// Says whether inputs are C: as the last option wants it, or as the names of all files say.
fn is_c(options: &ReplOptions) -> bool {
    let wanted = |at: usize| match options.clang[at].to_str() {
        Some("-xc") => Some(true),
        Some("-x") => Some(options.clang.get(at + 1).is_some_and(|language| language == "c")),
        Some(text) if text.starts_with("-x") => Some(false),
        _ => None,
    };
    let is_of_c = |file: &PathBuf| file.extension() == Some("c".as_ref());
    let wanted = (0..options.clang.len()).rev().find_map(wanted);
    wanted.unwrap_or(!options.files.is_empty() && options.files.iter().all(is_of_c))
}

/// The user's, then the directories of headers that go with the C runtime.
fn arguments_of(options: &ReplOptions) -> Result<Vec<OsString>, Failure> {
    let is_microsofts = options.target.as_deref().is_some_and(|target| target.contains("msvc"));
    let headers = if is_microsofts { crt::header_flags(options.crt.as_ref())? } else { Vec::new() };
    let language = is_c(options).then(|| OsString::from("-xc"));
    Ok(options.clang.iter().cloned().chain(headers).chain(language).collect())
}

/// Has inputs run where they are asked to.
fn starter(options: &ReplOptions) -> Result<StartJit, Failure> {
    let kind = match options.executor.clone() {
        Some(ExecutorKind::InProcess) | None if needs_wine(options.target.as_deref()) => ExecutorKind::Wine,
        // A crash is not to take this process along.
        Some(ExecutorKind::InProcess) | None => ExecutorKind::Child,
        Some(kind) => kind,
    };
    let crt = options.crt.as_ref().map(|crt| crt::provider(Some(crt), false)).transpose()?;
    Ok(linkjit_repl::starter(options.target.clone(), crt, move || {
        let remote = executor::start_as(&kind).map_err(|failure| failure.to_string())?;
        Ok(remote.ok_or("inputs run in another process")?)
    }))
}

/// A session, as the command line wants it.
struct Session {
    options: ReplOptions,
    repl: Repl,
    /// The one of the session at hand.
    interrupt: Arc<Mutex<Interrupt>>,
    verifier: Option<Verifier>,
    shown: Shown,
}

/// The things that may come after an input.
enum Next {
    Input,
    /// The user edits this text, which is the next input then.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are no terminals"))]
    Edit(String),
    End,
}

impl Session {
    fn start(mut options: ReplOptions) -> Result<Self, Failure> {
        let verifier = Verifier::take_from(&mut options.clang);
        let repl = start(&options, verifier.is_none())?;
        let interrupt = Arc::new(Mutex::new(repl.interrupt()));
        let mut this = Self { options, repl, interrupt, verifier, shown: Shown::default() };
        this.add_libraries()?;
        Ok(this)
    }

    fn add_libraries(&mut self) -> Result<(), Failure> {
        for library in &self.options.libraries {
            let added = self.repl.add_library(&format!("-l{library}"))?;
            self.shown.show(added)?;
        }
        Ok(())
    }

    /// Runs an input and shows what has become of it.
    fn run(&mut self, input: &str) -> Result<Next, Failure> {
        let mut outcome = self.repl.execute(input)?;
        if let Some(verifier) = &mut self.verifier {
            verifier.check(input, &std::mem::take(&mut outcome.diagnostics));
            if matches!(outcome.failure, Some(InputFailure::Rejected)) {
                outcome.failure = None;
            }
        }
        Ok(match self.shown.show(outcome)? {
            None => Next::Input,
            Some(Wish::Quit) => Next::End,
            Some(Wish::Edit(text)) => Next::Edit(text),
            Some(Wish::Target(target)) => {
                // One that can't be started leaves the session as it is.
                if let Err(failure) = self.change_target(&target) {
                    self.shown.fail(&failure.to_string());
                }
                Next::Input
            }
        })
    }

    /// As [`Session::run`], where no user is; returns whether to go on.
    fn run_unattended(&mut self, input: &str) -> Result<bool, Failure> {
        let next = self.run(input)?;
        if matches!(next, Next::Edit(_)) {
            self.shown.fail("%edit needs a terminal");
        }
        Ok(!matches!(next, Next::End))
    }

    /// Goes on with a new session, for which nothing was typed yet.
    fn change_target(&mut self, target: &str) -> Result<(), Failure> {
        let before = self.options.target.clone();
        self.options.target = (target != HOST).then(|| linkjit_repl::triple(target));
        let repl = start(&self.options, self.verifier.is_none()).inspect_err(|_| self.options.target = before)?;
        *self.interrupt.lock().unwrap_or_else(PoisonError::into_inner) = repl.interrupt();
        let closed = std::mem::replace(&mut self.repl, repl).close();
        self.add_libraries()?;
        Ok(closed.map(drop)?)
    }

    /// Ends the program as it would end by itself.
    fn finish(self, is_terminal: bool) -> Result<i32, Failure> {
        if let Some(code) = self.shown.exited {
            return Ok(code);
        }
        let code = self.repl.close()?.unwrap_or(0);
        let mistakes = self.verifier.map(|verifier| verifier.report()).unwrap_or_default();
        say(&mistakes);
        if !mistakes.is_empty() {
            return Ok(FAILURE);
        }
        let failed = if self.shown.has_failed && !is_terminal { FAILURE } else { 0 };
        Ok(if code == 0 { failed } else { code })
    }
}

/// Diagnostics that nobody sees have no colours.
fn start(options: &ReplOptions, is_seen: bool) -> Result<Repl, Failure> {
    let clang = Options {
        target: options.target.clone(),
        color: is_seen && io::stderr().is_terminal() && has_colors(),
        mark: None,
        arguments: arguments_of(options)?,
        front_end: None,
        cache: linkjit_repl::cache_directory(),
    };
    Ok(Repl::start(clang, starter(options)?)?)
}

#[cfg(unix)]
fn read(session: &mut Session, is_terminal: bool) -> Result<(), Failure> {
    if is_terminal { terminal::read(session) } else { read_lines(session) }
}

#[cfg(not(unix))]
fn read(session: &mut Session, _is_terminal: bool) -> Result<(), Failure> {
    read_lines(session)
}

/// Reads inputs of one or several lines.
fn read_lines(session: &mut Session) -> Result<(), Failure> {
    let mut text = String::new();
    for line in io::stdin().lock().split(b'\n') {
        // Comments may be in any encoding.
        text += &String::from_utf8_lossy(&line.map_err(|error| Failure::Input(error.to_string()))?);
        if text.starts_with('%') || shape(&text) == Shape::Whole {
            let input = std::mem::take(&mut text);
            if !input.trim().is_empty() && !session.run_unattended(&input)? {
                return Ok(());
            }
        } else {
            text.push('\n');
        }
    }
    if !text.trim().is_empty() {
        session.run_unattended(&text)?;
    }
    Ok(())
}

/// The outcomes that were shown so far.
#[derive(Debug, Default)]
struct Shown {
    has_failed: bool,
    /// The program has ended itself with this code.
    exited: Option<i32>,
}

impl Shown {
    fn fail(&mut self, why: &str) {
        self.has_failed = true;
        say(&format!("error: {why}\n"));
    }

    /// Shows what has become of an input; returns what the user wants, if that is not another input.
    fn show(&mut self, outcome: Outcome) -> Result<Option<Wish>, Failure> {
        let mut out = io::stdout().lock();
        // The program has written to both, too.
        say(&outcome.diagnostics);
        write!(out, "{}", outcome.text)?;
        for display in &outcome.displays {
            if !display.text.is_empty() {
                writeln!(out, "{}", display.text)?;
            }
            show_forms(&mut out, &display.forms)?;
        }
        if let Some(value) = &outcome.value {
            show_forms(&mut out, &value.forms)?;
            writeln!(out, "({}) {}", value.type_name, value.text)?;
        }
        out.flush()?;
        self.has_failed |= outcome.failure.is_some();
        match outcome.failure {
            // The compiler has said it.
            None | Some(InputFailure::Rejected) => {}
            Some(InputFailure::Exited(code)) => {
                self.exited = Some(code);
                return Ok(Some(Wish::Quit));
            }
            Some(failure) => self.fail(&failure.to_string()),
        }
        Ok(outcome.wish)
    }
}

/// Says something on standard error, if somebody reads that.
fn say(text: &str) {
    let _unheard = io::stderr().write_all(text.as_bytes());
}

/// Says whether the user wants colours (<https://no-color.org>).
fn has_colors() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Has Ctrl-C end an input that is being compiled, and without a terminal the session, too. The terminal tells a process that
/// runs an input itself.
#[cfg(unix)]
fn end_at_interrupts(session: &Session, stays: bool) -> Result<(), Failure> {
    /// The exit code of programs that an interrupt has ended, as shells have it.
    const INTERRUPTED: i32 = 128 + 2;

    let interrupt = session.interrupt.clone();
    let end = move || {
        interrupt.lock().unwrap_or_else(PoisonError::into_inner).compiler();
        if !stays {
            std::process::exit(INTERRUPTED);
        }
    };
    ctrlc::set_handler(end).map_err(|error| Failure::Input(error.to_string()))
}

/// Shows text; of others there is only a kind and a size to show.
fn show_forms(out: &mut impl Write, forms: &[Form]) -> io::Result<()> {
    for Form { mime, data } in forms {
        if mime.starts_with("text/") {
            out.write_all(data)?;
            writeln!(out)?;
        } else {
            writeln!(out, "[{mime}, {} bytes]", data.len())?;
        }
    }
    Ok(())
}
