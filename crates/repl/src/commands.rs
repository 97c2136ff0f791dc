//! Commands: inputs that begin with `%`, and those of cling that begin with a dot.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use linkjit::Linkage;

use crate::error::Result;
use crate::libraries;
use crate::names::{INPUT, as_written, is_body};
use crate::outcome::{Failure, Outcome, Wish};
use crate::repl::Repl;

/// The text of `%help`.
const HELP: &str = "\
Type C++ or C: declarations, statements, expressions. Without a semicolon at its end, an expression is shown; _ is the value
that was shown last. What inputs have declared at file scope may be declared again. A line that ends with a backslash
or has open brackets goes on.

  %help             this text
  %undo             take the last input back
  %load FILE        run a file as one input (cling: .x FILE, .L FILE); it is looked for as headers are
  %lib FILE         use an object, a library or LLVM IR; %lib -lNAME searches one
  %include HEADER   #include it: <vector>, or a file
  %type EXPRESSION  its type; nothing is run
  %doc NAME         its declarations and their comments
  %time INPUT       run it, and say how long that took
  %ir FUNCTION      LLVM IR of a function that was compiled lately
  %disasm FUNCTION  its machine code, as it is linked
  %who              functions and variables that inputs have defined
  %edit             edit the last input, and run the result; %edit NAME takes the input that declares a name
  %save FILE        write the inputs into a file, which %load takes
  %exec COMMAND     run a command of this system's shell
  %rerun            run the inputs again that were lost with their process
  %reset            forget everything
  %target           the target that inputs are compiled for; %target mingw begins anew for another one
  %quit             leave (cling: .q)
";

impl Repl {
    /// Carries out a command, or evaluates an input that is none. Errors are as those of [`Repl::evaluate`].
    pub(crate) fn carry_out(&mut self, text: &str) -> Result<Outcome> {
        let line = text.trim();
        let Some((command, argument)) = command_of(line) else { return self.evaluate(text) };
        let said = |text: String| Ok(Outcome { text, ..Outcome::default() });
        match command {
            "help" => said(HELP.into()),
            "undo" => self.undo(),
            // Cling's takes files of both kinds.
            "L" if is_library(argument) => self.add_library(argument),
            "load" | "L" => self.load(argument),
            "lib" => self.add_library(argument),
            "include" => {
                let quoted = argument.starts_with(['<', '"']);
                self.evaluate(&if quoted { format!("#include {argument}") } else { format!("#include \"{argument}\"") })
            }
            "type" => Ok(match self.front_end()?.type_of(argument)? {
                Ok(text) => Outcome { text: text + "\n", ..Outcome::default() },
                Err(diagnostics) => Outcome { diagnostics, failure: Some(Failure::Rejected), ..Outcome::default() },
            }),
            "doc" => {
                let text = self.documentation(argument)?;
                found(text, || format!("nothing is called '{argument}'"))
            }
            "ir" => {
                let text = self.front_end()?.listing(argument)?;
                found(text, || format!("no function '{argument}' was compiled lately"))
            }
            "time" => {
                let begin = Instant::now();
                let outcome = self.evaluate(argument)?;
                let text = format!("{:.1} ms\n", begin.elapsed().as_secs_f64() * 1e3);
                Ok(Outcome { text: outcome.text.clone() + &text, ..outcome })
            }
            "disasm" => {
                let text = self.disassembly(argument)?;
                found(text, || format!("no function is called '{argument}'"))
            }
            "edit" => Ok(match self.input_of(argument)? {
                Some(text) => wish(Wish::Edit(text)),
                None if argument.is_empty() => failed("there is no input yet to edit".into()),
                None => failed(format!("no input declares '{argument}'")),
            }),
            "exec" => Ok(run_command(argument)),
            "who" => said(self.definitions()?),
            "save" => self.save(argument),
            "rerun" => self.rerun_all(),
            "reset" => self.reset().map(|()| Outcome::default()),
            "target" if argument.is_empty() => said(format!("{}\n", self.target())),
            "target" => Ok(wish(Wish::Target(argument.into()))),
            "quit" => Ok(wish(Wish::Quit)),
            _ => Ok(failed(format!("there is no command '%{command}': %help lists them"))),
        }
    }

    fn load(&mut self, path: &str) -> Result<Outcome> {
        let found = self.find_file(path);
        if libraries::is_ir(path) {
            return self.add_library(&found.to_string_lossy());
        }
        match std::fs::read(found) {
            Ok(bytes) => {
                // Comments may be in any encoding.
                let text = String::from_utf8_lossy(&bytes);
                // A script's first line is for the system.
                self.evaluate(&if text.starts_with("#!") { format!("//{text}") } else { text.into_owned() })
            }
            Err(error) => Ok(failed(format!("{path}: {error}"))),
        }
    }

    /// The path of a file: it is looked for as headers are.
    fn find_file(&mut self, path: &str) -> PathBuf {
        let here = PathBuf::from(path);
        let directories = if here.exists() { Vec::new() } else { self.include_directories() };
        directories.into_iter().map(|directory| directory.join(path)).find(|path| path.is_file()).unwrap_or(here)
    }

    /// Adds an object or a library, now and whenever a new executor is started.
    ///
    /// # Errors
    /// As [`Repl::execute`].
    pub fn add_library(&mut self, library: &str) -> Result<Outcome> {
        Ok(match libraries::add(self.jit()?, library) {
            Ok(()) => {
                self.note_library(library);
                Outcome::default()
            }
            Err(error) => failed(error.to_string()),
        })
    }

    fn definitions(&mut self) -> Result<String> {
        let mut names = Vec::new();
        for symbol in self.jit()?.main().symbols()? {
            let shown = as_written(&linkjit::demangle(&symbol.name.text()));
            // Inline functions and templates are mostly of headers.
            let is_inline = symbol.flags.linkage != Linkage::Strong;
            let is_of_input = symbol.object.starts_with(INPUT) && !is_body(&symbol.name.text());
            if is_of_input && !is_inline && !is_reserved(&shown) {
                names.push(shown + "\n");
            }
        }
        names.sort_unstable();
        // Names that were declared again.
        names.dedup();
        Ok(names.concat())
    }

    fn save(&mut self, path: &str) -> Result<Outcome> {
        let text: String = self.history().map(|input| format!("{}\n", input.trim_end())).collect();
        Ok(match std::fs::write(path, text) {
            Ok(()) => Outcome::default(),
            Err(error) => failed(format!("{path}: {error}")),
        })
    }

    fn rerun_all(&mut self) -> Result<Outcome> {
        let mut all = Outcome::default();
        for outcome in self.rerun()? {
            all.diagnostics += &outcome.diagnostics;
            all.displays.extend(outcome.displays);
            all.failure = outcome.failure;
        }
        Ok(all)
    }
}

/// The command of a line, and what follows it.
fn command_of(line: &str) -> Option<(&str, &str)> {
    if let Some(command) = line.strip_prefix(".!") {
        return Some(("exec", command.trim()));
    }
    if let Some(rest) = line.strip_prefix('%') {
        let (command, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        return Some((command, argument.trim()));
    }
    let (command, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let command = match command {
        ".x" => "load",
        ".L" => "L",
        ".q" => "quit",
        ".undo" => "undo",
        ".help" | ".?" => "help",
        _ => return None,
    };
    Some((command, argument.trim()))
}

/// Says whether a name is the compiler's or a library's: the language leaves such to them.
fn is_reserved(name: &str) -> bool {
    let is_upper = |name: &str| name.starts_with(|c: char| c.is_ascii_uppercase());
    name.contains("__") || name.starts_with(['.', '?', '`']) || name.strip_prefix('_').is_some_and(is_upper)
}

fn is_library(path: &str) -> bool {
    [".so", ".a", ".o", ".dll", ".lib", ".obj"].iter().any(|end| path.ends_with(end)) || path.contains(".so.")
}

fn found(text: String, missing: impl FnOnce() -> String) -> Result<Outcome> {
    Ok(if text.is_empty() { failed(missing()) } else { Outcome { text, ..Outcome::default() } })
}

fn wish(wish: Wish) -> Outcome {
    Outcome { wish: Some(wish), ..Outcome::default() }
}

fn run_command(command: &str) -> Outcome {
    match output_of(command) {
        Ok((output, status)) => {
            let mut text = String::from_utf8_lossy(&output).into_owned();
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            let failure = (!status.success()).then(|| Failure::Command(format!("the command has ended: {status}")));
            Outcome { text, failure, ..Outcome::default() }
        }
        Err(error) => failed(format!("the shell can't be started: {error}")),
    }
}

/// Runs a command of the shell to its end. It has nothing to read: input is for the session.
fn output_of(command: &str) -> std::io::Result<(Vec<u8>, ExitStatus)> {
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let (mut reader, writer) = std::io::pipe()?;
    let mut shell = Command::new(shell);
    shell.args([flag, command]).stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = shell.spawn()?;
    // It has the other ends of the pipe.
    drop(shell);
    let mut output = Vec::new();
    reader.read_to_end(&mut output)?;
    Ok((output, child.wait()?))
}

fn failed(why: String) -> Outcome {
    Outcome { failure: Some(Failure::Command(why)), ..Outcome::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_inputs() {
        assert_eq!(command_of("%lib  -lz "), Some(("lib", "-lz")));
        assert_eq!(command_of(".q"), Some(("quit", "")));
        assert_eq!(command_of(".! ls -l"), Some(("exec", "ls -l")));
        assert_eq!(command_of(".5 + x"), None);
        assert_eq!(command_of("x % 3"), None);
    }
}
