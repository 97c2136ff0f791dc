//! The process that runs a program: the test binary itself, started again.

use std::process::ExitCode;

use linkjit::LinkPolicy;

/// First argument of such a process.
pub(crate) const RUN: &str = "--run-inputs";

/// What precedes an input of each kind.
pub(crate) const OBJECT: &str = "object";
pub(crate) const ARCHIVE: &str = "archive";
pub(crate) const LIBRARY: &str = "library";
pub(crate) const LAZY_IR: &str = "lazy-ir";
pub(crate) const WHOLE_IR: &str = "whole-ir";
pub(crate) const WHOLE: &str = "whole";

/// How the process ends if linking fails. The message is on standard error.
pub(crate) const LINKING_FAILED: u8 = 121;

/// Links and runs what the arguments say: `--run-inputs [whole] KIND FILE ... -- ARGS...`. `None` process is not one that
/// one that runs a program.
pub(crate) fn main() -> Option<ExitCode> {
    let mut args = std::env::args().skip(1);
    match args.next()?.as_str() {
        RUN => {}
        crate::host::SERVE => crate::host::serve(args),
        _ => return None,
    }
    match run(args) {
        // As the C runtime would: `exit` runs what is registered.
        Ok(code) => std::process::exit(code),
        Err(error) => {
            eprintln!("{error}");
            Some(ExitCode::from(LINKING_FAILED))
        }
    }
}

fn run(mut args: impl Iterator<Item = String>) -> linkjit::Result<i32> {
    let mut args = args.by_ref().peekable();
    let policy = match args.next_if(|arg| arg == WHOLE) {
        Some(_) => LinkPolicy::Whole,
        None => LinkPolicy::Demand,
    };
    let remote = crate::host::is_remote().then(crate::host::child);
    let builder = match &remote {
        Some(remote) => linkjit::Jit::builder().executor(remote.clone()),
        None => crate::host::builder(),
    };
    let jit = builder.policy(policy).build()?;
    while let (Some(kind), Some(file)) = (args.next_if(|arg| arg != "--"), args.next()) {
        match kind.as_str() {
            OBJECT => jit.add_object(&file)?,
            ARCHIVE => jit.add_archive(&file)?,
            LAZY_IR => jit.add_lazy_ir(&file)?,
            WHOLE_IR => jit.add_ir(&file)?,
            _ => jit.add_library(&file)?,
        }
    }
    let program_args: Vec<String> = std::iter::once("program".into()).chain(args).collect();
    // Threads of the program may outlive `main`: the session stays until the process ends.
    let jit = std::mem::ManuallyDrop::new(jit);
    // SAFETY: the objects are compiled from tests, whose `main` is one.
    let result = unsafe { jit.run_main("main", &program_args) };
    match (&remote, result) {
        (None, result) => result,
        // The program has ended its process, or does now.
        (Some(remote), Ok(code)) => Ok(how_it_ends(remote, code)),
        (Some(remote), Err(linkjit::Error::Executor(_))) if remote.exit_status().is_some() => {
            Ok(how_it_ends(remote, 0))
        }
        (Some(_), Err(error)) => Err(error),
    }
}

/// Returns how the process ends that runs the program, whose `main` has returned a code if it has not ended before.
fn how_it_ends(remote: &linkjit_remote::Remote, code: i32) -> i32 {
    use std::os::unix::process::ExitStatusExt;

    let exited = remote.exit(code);
    let signal = remote.exit_status().and_then(|status| status.signal());
    signal.map_or_else(|| exited.ok().flatten().unwrap_or(code), |signal| 128 + signal)
}
