//! Sessions of `linkjit repl`: transcripts of what users type and see.
//!
//! Each file in `tests/sessions` is one. Lines that begin with `>>> ` are typed, as are those with `... `, which go on; all
//! others are what the session prints, standard output and error alike, where `*` stands for any text. The first line
//! says for which targets: `// host mingw msvc`. Further options may follow a `|`.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Once;

use libtest_mimic::{Arguments, Failed, Trial};

#[path = "support/front_end.rs"]
mod front_end;
#[path = "support/windows.rs"]
#[allow(dead_code, reason = "what Windows programs are built for is asked by others")]
mod windows;

fn main() -> ExitCode {
    let is_missing = front_end::build().is_none();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    let mut sessions: Vec<PathBuf> =
        std::fs::read_dir(directory).expect("sessions").map(|entry| entry.expect("a file").path()).collect();
    sessions.sort();
    // Those that can't run are listed as ignored.
    let trials =
        sessions.iter().flat_map(|path| trials(path)).map(|trial| trial.with_ignored_flag(is_missing)).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trials(path: &Path) -> Vec<Trial> {
    let text = std::fs::read_to_string(path).expect("UTF-8");
    let (header, transcript) = text.split_once('\n').expect("a header");
    let (targets, options) = header.split_once('|').unwrap_or((header, ""));
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let targets = targets.trim_start_matches('/').split_whitespace();
    targets
        .map(|target| {
            let target = target.to_owned();
            let options: Vec<String> = options.split_whitespace().map(String::from).collect();
            let transcript = transcript.to_owned();
            Trial::test(format!("{name} [{target}]"), move || check(&target, &options, &transcript))
        })
        .collect()
}

fn check(target: &str, options: &[String], transcript: &str) -> Result<(), Failed> {
    let mut typed = String::new();
    let mut expected = String::new();
    for line in transcript.lines() {
        let input = line.strip_prefix(">>> ").or_else(|| line.strip_prefix("... "));
        let (text, line) = input.map_or((&mut expected, line), |input| (&mut typed, input));
        text.push_str(line);
        text.push('\n');
    }
    let printed = run(target, options, &typed)?;
    match first_difference(&expected, &printed) {
        None => Ok(()),
        Some(at) => {
            let line = |text: &str| text.lines().nth(at).unwrap_or("(the end)").to_owned();
            let (expected, found) = (line(&expected), line(&printed));
            Err(format!(
                "line {} of its output\nexpected: {expected}\nfound:    {found}\nall of it:\n{printed}",
                at + 1
            )
            .into())
        }
    }
}

/// The output of a session.
fn run(target: &str, options: &[String], typed: &str) -> Result<String, Failed> {
    let (mut reader, writer) = std::io::pipe()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_linkjit"));
    command.arg("repl").args(options).env("NO_COLOR", "1").env("LINKJIT_CACHE", "off");
    if target != "host" {
        static BUILT: Once = Once::new();
        BUILT.call_once(windows::build);
        command.args(["--target", target]).env("LINKJIT_WINE", windows::wine());
    }
    command.stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer);
    let mut session = command.spawn()?;
    // It has the other ends of the pipe.
    drop(command);
    let mut input = session.stdin.take().ok_or("no standard input")?;
    let typed = typed.to_owned();
    let types = std::thread::spawn(move || input.write_all(typed.as_bytes()));
    let mut printed = Vec::new();
    reader.read_to_end(&mut printed)?;
    // A session may end before it has read everything.
    let _rest = types.join();
    session.wait()?;
    Ok(String::from_utf8_lossy(&printed).replace('\r', ""))
}

/// The number of the first line that is not as expected.
fn first_difference(expected: &str, printed: &str) -> Option<usize> {
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
fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    let rest = middle.iter().try_fold(rest, |rest, part| rest.split_once(part).map(|(_, rest)| rest));
    rest.is_some_and(|rest| rest.ends_with(last))
}
