//! The `linkjit` command: runs objects, libraries and sources in its own process, and shows what is in them.
//!
//! It stands on the library `linkjit` alone. [`args`] says what can be asked for, [`run`] and [`graph`] do it,
//! [`report`] tells people and programs how it went.

mod args;
mod graph;
mod inputs;
mod progress;
mod report;
mod run;
mod script;
mod search;

use std::process::ExitCode;

use args::{Command, Invocation};
use report::Reporter;

fn main() -> ExitCode {
    let invocation = match Invocation::of_process() {
        Ok(invocation) => invocation,
        Err(code) => return code,
    };
    let reporter = Reporter::new(invocation.json);
    let done = match invocation.command {
        Command::Run(options) => run::run(&options, &reporter).map(|code| std::process::exit(code)),
        Command::Graph(options) => graph::graph(&options).map_err(|failure| vec![failure]),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failures) => {
            reporter.failures(&failures);
            ExitCode::FAILURE
        }
    }
}
