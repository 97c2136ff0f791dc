//! `linkjit repl`: reads inputs from files, the command line, a terminal or standard input, and shows what becomes of them.

#[cfg(unix)]
mod assistant;
mod options;
#[cfg(unix)]
mod terminal;

use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Write};

use linkjit_repl::{Failure as InputFailure, Form, Options, Outcome, Repl, Shape, StartJit, needs_wine, shape};

pub(crate) use options::{HELP, ReplOptions, for_clap};

use crate::FAILURE;
use crate::args::ExecutorKind;
use crate::crt;
use crate::executor;
use crate::report::Failure;

/// Runs inputs until there are no more; returns the exit code.
pub(crate) fn repl(options: ReplOptions) -> Result<i32, Failure> {
    let is_terminal = io::stdin().is_terminal();
    let clang = Options {
        target: options.target.clone(),
        color: io::stderr().is_terminal() && has_colors(),
        mark: None,
        arguments: arguments_of(&options)?,
        front_end: None,
        cache: linkjit_repl::cache_directory(),
    };
    let (code, files, libraries) = (options.code.clone(), options.files.clone(), options.libraries.clone());
    let mut repl = Repl::start(clang, starter(options)?)?;
    #[cfg(unix)]
    end_at_interrupts(&repl, is_terminal && files.is_empty() && code.is_empty())?;
    let mut shown = Shown::default();
    for library in libraries {
        let added = repl.add_library(&format!("-l{library}"))?;
        shown.show(added)?;
    }
    if shown.has_failed {
        return Ok(FAILURE);
    }
    let files = files.iter().map(|file| format!("%load {}", file.display()));
    let given: Vec<_> = files.chain(code).collect();
    if !given.is_empty() {
        for input in given {
            if !shown.show(repl.execute(&input)?)? || shown.has_failed {
                break;
            }
        }
    } else {
        read(&mut repl, &mut shown, is_terminal)?;
    }
    finish(repl, &shown, is_terminal)
}

/// The user's, then the directories of headers that go with the C runtime.
fn arguments_of(options: &ReplOptions) -> Result<Vec<OsString>, Failure> {
    let is_microsofts = options.target.as_deref().is_some_and(|target| target.contains("msvc"));
    let headers = if is_microsofts { crt::header_flags(options.crt.as_ref())? } else { Vec::new() };
    Ok(options.clang.iter().cloned().chain(headers).collect())
}

/// Has inputs run where they are asked to.
fn starter(options: ReplOptions) -> Result<StartJit, Failure> {
    let kind = match options.executor {
        Some(ExecutorKind::InProcess) | None if needs_wine(options.target.as_deref()) => ExecutorKind::Wine,
        // A crash is not to take this process along.
        Some(ExecutorKind::InProcess) | None => ExecutorKind::Child,
        Some(kind) => kind,
    };
    let crt = options.crt.as_ref().map(|crt| crt::provider(Some(crt), false)).transpose()?;
    Ok(linkjit_repl::starter(options.target, crt, move || {
        let remote = executor::start_as(&kind).map_err(|failure| failure.to_string())?;
        Ok(remote.ok_or("inputs run in another process")?)
    }))
}

#[cfg(unix)]
fn read(repl: &mut Repl, shown: &mut Shown, is_terminal: bool) -> Result<(), Failure> {
    if is_terminal { terminal::read(repl, shown) } else { read_lines(repl, shown) }
}

#[cfg(not(unix))]
fn read(repl: &mut Repl, shown: &mut Shown, _is_terminal: bool) -> Result<(), Failure> {
    read_lines(repl, shown)
}

/// Ends the program as it would end by itself.
fn finish(repl: Repl, shown: &Shown, is_terminal: bool) -> Result<i32, Failure> {
    if let Some(code) = shown.exited {
        return Ok(code);
    }
    let code = repl.close()?.unwrap_or(0);
    let failed = if shown.has_failed && !is_terminal { FAILURE } else { 0 };
    Ok(if code == 0 { failed } else { code })
}

/// Reads inputs of one or several lines.
fn read_lines(repl: &mut Repl, shown: &mut Shown) -> Result<(), Failure> {
    let mut text = String::new();
    for line in io::stdin().lock().split(b'\n') {
        // Comments may be in any encoding.
        text += &String::from_utf8_lossy(&line.map_err(|error| Failure::Input(error.to_string()))?);
        if text.starts_with('%') || shape(&text) == Shape::Whole {
            let input = std::mem::take(&mut text);
            if !input.trim().is_empty() && !shown.show(repl.execute(&input)?)? {
                return Ok(());
            }
        } else {
            text.push('\n');
        }
    }
    if !text.trim().is_empty() {
        shown.show(repl.execute(&text)?)?;
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
    /// Shows what has become of an input; returns whether the user wants to go on.
    fn show(&mut self, outcome: Outcome) -> Result<bool, Failure> {
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
                return Ok(false);
            }
            Some(failure) => say(&format!("error: {failure}\n")),
        }
        Ok(!outcome.quits)
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
fn end_at_interrupts(repl: &Repl, stays: bool) -> Result<(), Failure> {
    /// The exit code of programs that an interrupt has ended, as shells have it.
    const INTERRUPTED: i32 = 128 + 2;

    let interrupt = repl.interrupt();
    let end = move || {
        interrupt.compiler();
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
