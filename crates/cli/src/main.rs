//! The `linkjit` command: runs objects, libraries and sources in its own process, and shows what is in them.
//!
//! It builds on the library `linkjit`, and on the linker itself to read files and to link without a session. `args`
//! parses the command line, `run`, `graph` and `jitlink` do the work, `report` tells people and programs how it went.

#![cfg_attr(not(test), no_main)]

mod args;
mod command_line;
mod crt;
mod executor;
mod graph;
mod inputs;
mod jitlink;
mod lli;
mod one_liner;
mod progress;
mod repl;
mod report;
mod run;
mod script;
mod search;
mod sources;

use std::ffi::{c_char, c_int};

use args::{Command, Invocation};
use report::Reporter;

const FAILURE: c_int = 1;

/// The process's own `main`, not one behind Rust's runtime, which changes what a program can see of its process: it
/// ignores SIGPIPE, handles SIGSEGV, and catches exceptions, so that `std::terminate` would never hear of those that
/// the program does not catch.
// SAFETY: this is the symbol, and the type, that the system's start-up code expects; no other crate defines it.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C-unwind" fn main(_argc: c_int, _argv: *const *const c_char) -> c_int {
    let invocation = match Invocation::from_process() {
        Ok(invocation) => invocation,
        Err(code) => return code,
    };
    let reporter = Reporter::new(invocation.json);
    let done = match invocation.command {
        Command::Run(options) => run::run(&options, &reporter),
        // They are those of `run` by now.
        Command::Lli { .. } => Ok(0),
        Command::Jitlink { arguments } => Ok(jitlink::main(arguments)),
        Command::Executor(options) => executor::serve(&options).map_err(|failure| vec![failure]),
        Command::Repl(options) => repl::repl(*options).map_err(|failure| vec![failure]),
        Command::Graph(options) => graph::graph(&options).map(|()| 0).map_err(|failure| vec![failure]),
    };
    done.unwrap_or_else(|failures| {
        reporter.failures(&failures);
        FAILURE
    })
}
