//! Sessions of `linkjit repl`: each file in `tests/sessions` is a transcript of what users type and see
//! (`support/transcript.rs`).

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Once;

use libtest_mimic::{Arguments, Failed, Trial};

#[path = "support/front_end.rs"]
mod front_end;
#[path = "support/transcript.rs"]
mod transcript;
#[path = "support/windows.rs"]
#[allow(dead_code, reason = "what Windows programs are built for is asked by others")]
mod windows;

use transcript::{Transcript, first_difference};

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
    let transcript = Transcript::read(&text).expect("a header, and inputs");
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let trial = |target: &String| {
        let (target, transcript) = (target.clone(), transcript.clone());
        Trial::test(format!("{name} [{target}]"), move || check(&target, &transcript))
    };
    transcript.targets.iter().map(trial).collect()
}

fn check(target: &str, transcript: &Transcript) -> Result<(), Failed> {
    let expected = transcript.printed();
    let printed = run(target, transcript)?;
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
fn run(target: &str, transcript: &Transcript) -> Result<String, Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_linkjit"));
    command.arg("repl").args(&transcript.options).env("NO_COLOR", "1").env("LINKJIT_CACHE", "off");
    if target != "host" {
        static BUILT: Once = Once::new();
        BUILT.call_once(windows::build);
        command.args(["--target", target]).env("LINKJIT_WINE", windows::wine());
    }
    Ok(transcript::run(command, transcript.typed())?)
}
