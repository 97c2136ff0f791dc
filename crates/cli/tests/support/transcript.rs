//! Transcripts of sessions: what users type and see.
//!
//! Lines that begin with `>>> ` are typed, as are those with `... `, which go on; all others are what the session prints,
//! standard output and error alike, where `*` stands for any text. The first line says for which targets:
//! `// host mingw msvc`. Further options may follow a `|`.

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

/// A session.
#[derive(Clone)]
pub(crate) struct Transcript {
    pub(crate) targets: Vec<String>,
    pub(crate) options: Vec<String>,
    pub(crate) inputs: Vec<Input>,
}

/// Lines that are typed, and those that are printed before the next ones are.
#[derive(Clone, Default)]
pub(crate) struct Input {
    pub(crate) typed: String,
    pub(crate) printed: String,
}

impl Transcript {
    /// Reads a transcript; none if it has no header, or prints something before anything is typed.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (header, lines) = text.split_once('\n')?;
        let (targets, options) = header.split_once('|').unwrap_or((header, ""));
        let words = |text: &str| text.split_whitespace().map(String::from).collect();
        let mut inputs: Vec<Input> = Vec::new();
        for line in lines.lines() {
            let first = line.strip_prefix(">>> ");
            if first.is_some() {
                inputs.push(Input::default());
            }
            let input = inputs.last_mut()?;
            let typed = first.or_else(|| line.strip_prefix("... "));
            let (text, line) = typed.map_or((&mut input.printed, line), |typed| (&mut input.typed, typed));
            text.push_str(line);
            text.push('\n');
        }
        Some(Self { targets: words(targets.trim_start_matches('/')), options: words(options), inputs })
    }

    /// Everything that is typed.
    pub(crate) fn typed(&self) -> String {
        self.inputs.iter().map(|input| input.typed.as_str()).collect()
    }

    /// Everything that is printed.
    pub(crate) fn printed(&self) -> String {
        self.inputs.iter().map(|input| input.printed.as_str()).collect()
    }
}

/// The output of a session to which all is typed at once.
pub(crate) fn run(mut command: Command, typed: String) -> io::Result<String> {
    let (mut reader, writer) = io::pipe()?;
    command.stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer);
    let mut session = command.spawn()?;
    // It has the other ends of the pipe.
    drop(command);
    let mut input = session.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let types = std::thread::spawn(move || input.write_all(typed.as_bytes()));
    let mut printed = Vec::new();
    reader.read_to_end(&mut printed)?;
    // A session may end before it has read everything.
    let _rest = types.join();
    session.wait()?;
    Ok(String::from_utf8_lossy(&printed).replace('\r', ""))
}

/// The number of the first line that is not as expected.
pub(crate) fn first_difference(expected: &str, printed: &str) -> Option<usize> {
    let (mut expected, mut printed) = (expected.lines(), printed.lines());
    for at in 0.. {
        match (expected.next(), printed.next()) {
            (None, None) => return None,
            (Some(pattern), Some(line)) if fits(pattern, line) => {}
            _ => return Some(at),
        }
    }
    None
}

/// Says whether a line fits a pattern, in which `*` is any text.
pub(crate) fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    let rest = middle.iter().try_fold(rest, |rest, part| rest.split_once(part).map(|(_, rest)| rest));
    rest.is_some_and(|rest| rest.ends_with(last))
}
