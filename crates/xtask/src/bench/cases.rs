//! The transcripts of the REPL's tests, typed to clang-repl: how many of their results it shows, too.
//!
//! clang-repl gets a terminal from `script`, since its prompt says there that an input is done. Its results are compared
//! by their values, not by how types and braces are written, and any error of its own is as good as ours. An input of
//! which it dies, or that takes too long, is left out, and the others are typed again to another clang-repl. Inputs that
//! are commands or functions of linkjit are not counted.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::report;
use crate::Result;
use crate::tools::{list, read_text, workspace};

#[path = "../../../cli/tests/support/transcript.rs"]
mod transcript;

use transcript::{Input, Transcript, first_difference, fits};

/// The time that an input may take.
const LIMIT: Duration = Duration::from_secs(20);
const PROMPT: &str = "clang-repl> ";

/// Prints for each transcript of this system how many of its results are shown.
pub(super) fn run(linkjit: &Path) -> Result<()> {
    let columns = ["session", "results", "clang-repl right", "linkjit right", "clang-repl crashed at input"];
    report::head("Sessions of the REPL's tests", &columns.map(String::from));
    let mut foreign = Vec::new();
    let mut sums = [0; 4];
    for path in list(&workspace().join("crates/cli/tests/sessions"))? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let transcript = Transcript::read(&read_text(&path)?).ok_or_else(|| format!("{name} is no transcript"))?;
        if !transcript.targets.iter().any(|target| target == "host") {
            foreign.push(name);
            continue;
        }
        let counted = transcript.inputs.iter().filter(|input| is_counted(input)).count();
        let (theirs, crashes) = clang_repl(&transcript)?;
        let ours = ours(linkjit, &transcript)?;
        let list = if crashes.is_empty() { "-".to_string() } else { crashes.join(", ") };
        println!("| {name} | {counted} | {theirs} | {ours} | {list} |");
        for (sum, number) in sums.iter_mut().zip([counted, theirs, ours, crashes.len()]) {
            *sum += number;
        }
    }
    let [counted, theirs, ours, crashes] = sums;
    println!("| all | {counted} | {theirs} | {ours} | {crashes} times |");
    println!("\nNot for clang-repl, which runs no code for Windows here: {}.", foreign.join(", "));
    Ok(())
}

/// Says whether an input shows something, and is none of linkjit's own.
fn is_counted(input: &Input) -> bool {
    !input.printed.is_empty() && !is_command(input) && !input.typed.contains("linkjit::")
}

fn is_command(input: &Input) -> bool {
    input.typed.starts_with(['%', '.'])
}

/// The number of counted inputs before the first line that linkjit prints otherwise.
fn ours(linkjit: &Path, transcript: &Transcript) -> Result<usize> {
    let mut command = Command::new(linkjit);
    command.arg("repl").args(&transcript.options).env("NO_COLOR", "1").env("LINKJIT_CACHE", "off");
    // Transcripts name files of the tests.
    command.current_dir(workspace().join("crates/cli"));
    let printed =
        transcript::run(command, transcript.typed()).map_err(|error| format!("{}: {error}", linkjit.display()))?;
    let different = first_difference(&transcript.printed(), &printed).unwrap_or(usize::MAX);
    let mut lines = 0;
    let is_right = |input: &&Input| {
        lines += input.printed.lines().count();
        lines <= different && is_counted(input)
    };
    Ok(transcript.inputs.iter().filter(is_right).count())
}

/// The number of counted inputs whose results clang-repl shows, and the inputs of which it died.
fn clang_repl(transcript: &Transcript) -> Result<(usize, Vec<String>)> {
    let mut session = Session::start(&transcript.options)?;
    let (mut right, mut typed, mut crashes) = (0, Vec::new(), Vec::new());
    for (number, input) in transcript.inputs.iter().enumerate() {
        let Some(line) = spelled_for_clang_repl(&input.typed) else { continue };
        match session.answer(&line) {
            Ok(answer) => {
                right += usize::from(is_counted(input) && is_right(&input.printed, &answer));
                typed.push(line);
            }
            Err(end) => {
                crashes.push(format!("{} ({end})", number + 1));
                session = Session::start(&transcript.options)?;
                if let Some(end) = typed.iter().find_map(|line| session.answer(line).err()) {
                    crashes.push(format!("and when inputs before it were typed again ({end})"));
                    break;
                }
            }
        }
    }
    Ok((right, crashes))
}

/// An input for clang-repl; none for commands that it does not have. A line that another one follows ends in a backslash.
fn spelled_for_clang_repl(typed: &str) -> Option<String> {
    if let Some(header) = typed.strip_prefix("%include ") {
        return Some(format!("#include {header}"));
    }
    if typed.starts_with(['%', '.']) && typed != "%undo\n" {
        return None;
    }
    // It makes one line of all, in which a comment would go on to the end.
    let lines: Vec<_> = typed.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    Some(lines.join(" \\\n") + "\n")
}

/// Says whether clang-repl's answer has what is expected, among other lines.
fn is_right(expected: &str, answer: &str) -> bool {
    if expected.contains("error: ") {
        return answer.contains("error: ") || answer.contains("Symbols not found");
    }
    let mut lines = answer.lines();
    expected.lines().all(|pattern| lines.any(|line| has_value(pattern, line)))
}

/// Says whether a line has the value of another one, in which `*` is any text.
fn has_value(pattern: &str, line: &str) -> bool {
    fits(pattern, line) || value(pattern).zip(value(line)).is_some_and(|(pattern, value)| fits(&pattern, &value))
}

/// The value in a line `(type) value`, without spaces.
fn value(line: &str) -> Option<String> {
    let mut depth = 0;
    let end = line.find(|character| {
        depth += i32::from(character == '(') - i32::from(character == ')');
        depth == 0
    })?;
    let value = line.starts_with('(').then(|| line.get(end + 1..))??.trim();
    let value = value.strip_prefix("Function @").unwrap_or(value);
    // An enumerator is `(name) : unsigned int 0`.
    let enumerator = value.split_once(") : ").and_then(|(name, _)| name.strip_prefix('('));
    let number = value.trim_end_matches(['f', 'F']).parse::<f64>().ok().map(|number| number.to_string());
    number.or_else(|| Some(enumerator.unwrap_or(value).split_whitespace().collect()))
}

/// A clang-repl with a terminal.
struct Session {
    process: Child,
    input: ChildStdin,
    output: Receiver<Vec<u8>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        // Its terminal ends, too, and with it clang-repl.
        let _ended = self.process.kill();
        let _status = self.process.wait();
    }
}

impl Session {
    fn start(options: &[String]) -> Result<Self> {
        // Those that are clang-repl's own need no other form.
        let is_own = options.iter().any(|option| option == "-Xcc");
        let before = if is_own { " " } else { " -Xcc " };
        let options: String = options.iter().map(|option| before.to_owned() + option).collect();
        // Wide enough for any input, since the line editor would break it.
        let shell = format!("stty cols 5000; exec clang-repl-22 -Xcc -fno-color-diagnostics{options}");
        let mut command = Command::new("script");
        command.args(["-qefc", &shell, "/dev/null"]).env("TERM", "dumb").env("LLVM_DISABLE_SYMBOLIZATION", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().map_err(|error| format!("script: {error}"))?;
        let input = process.stdin.take().ok_or("no standard input")?;
        let mut stdout = process.stdout.take().ok_or("no standard output")?;
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let mut session = Self { process, input, output };
        session.until_prompt().map_err(|end| format!("clang-repl-22 does not start: {end}"))?;
        Ok(session)
    }

    /// Types an input, and waits for the next prompt; the error says how clang-repl ended.
    fn answer(&mut self, input: &str) -> std::result::Result<String, String> {
        // It shows the prompt before it tells the terminal to show nothing itself.
        std::thread::sleep(Duration::from_millis(10));
        // If it ended meanwhile, its output did, too.
        let _ended = self.input.write_all(input.as_bytes());
        let printed = self.until_prompt()?;
        // The terminal shows what is typed.
        let answer = printed.lines().skip(input.lines().count());
        Ok(answer.map(|line| format!("{line}\n")).collect())
    }

    fn until_prompt(&mut self) -> std::result::Result<String, String> {
        let end = Instant::now() + LIMIT;
        let mut printed = Vec::new();
        while !printed.ends_with(PROMPT.as_bytes()) {
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(more) => printed.extend(more),
                Err(RecvTimeoutError::Timeout) => return Err("hangs".into()),
                Err(RecvTimeoutError::Disconnected) => return Err(self.end()),
            }
        }
        Ok(String::from_utf8_lossy(&printed).replace('\r', ""))
    }

    fn end(&mut self) -> String {
        let Ok(status) = self.process.wait() else { return "ended".into() };
        // `script` ends as shells do.
        let signal = status.code().filter(|code| *code > 128).map(|code| code - 128);
        let name = match signal {
            Some(4) => "SIGILL",
            Some(6) => "SIGABRT",
            Some(8) => "SIGFPE",
            Some(9) => "SIGKILL",
            Some(11) => "SIGSEGV",
            Some(other) => return format!("signal {other}"),
            None => return status.to_string(),
        };
        name.into()
    }
}
