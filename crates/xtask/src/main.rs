//! `cargo xtask`: benchmarks, comparisons, fuzzing and installation of tools.

mod bench;
mod frontend;
mod fuzz;
mod oracle;
mod tools;

use std::process::ExitCode;

use clap::Parser;

/// linkjit's chores.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
enum Command {
    /// Measure linkjit beside its peers
    ///
    /// The peers are llvm-jitlink 22 and `ld.lld --threads=1 -shared` + dlopen. All run in one interleaved series.
    /// Prints markdown tables. Installs with apt what is missing and builds the programs once, into
    /// target/bench-corpus.
    Bench(bench::Options),
    /// Put the check tests to llvm-jitlink 22 as well, and list where it is known to come to another verdict
    Oracle {
        /// A part of a test's name
        #[arg(value_name = "TEST", trailing_var_arg = true, allow_hyphen_values = true)]
        tests: Vec<String>,
    },
    /// Fuzz what reads, links, drives sessions and parses, with the stable compiler, two targets at a time
    ///
    /// Prints how many inputs were run, how many edges of the code they reach, and what was found. Inputs that reach
    /// something new are kept in target/fuzz-corpus, and are where the next run begins.
    Fuzz(fuzz::Options),
    /// Build the front end of the REPL, target/frontend/linkjit-clang-22: clang 22 as a library
    Frontend,
}

/// An error is a message: it is for the person at the terminal, and nobody else handles it.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Bench(options) => bench::run(&options),
        Command::Oracle { tests } => oracle::oracle(&tests),
        Command::Frontend => frontend::frontend(),
        Command::Fuzz(options) => fuzz::fuzz(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
