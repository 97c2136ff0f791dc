//! `cargo xtask`: benchmarks, comparisons, fuzzing and installation of tools.

mod bench;
mod fuzz;
mod oracle;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask bench [SECTION...] [-n RUNS] [--instructions]

Measures linkjit beside llvm-jitlink 22 and `ld.lld --threads=1 -shared` + dlopen, in one interleaved series, and
prints markdown tables. Installs with apt what is missing and builds the programs once, into target/bench-corpus.

Sections (default: e1 e3 startup):
  e1       sqlite3, one large object
  e2       a program on the 53 static archives of LLVM 19 (installs llvm-19-dev)
  e3       250 to 4000 small objects
  startup  a program that only says that it runs
  batches  thousands of functions, each looked up by itself or with a resource tracker of its own (without peers)

  -n RUNS          measured runs of each command, after one that warms up (default: 7)
  --instructions   also count user instructions with callgrind, once per command (slow)

       cargo xtask oracle [TEST...]

Puts the check tests to llvm-jitlink 22 as well, and lists where it is known to come to another verdict. TEST is a part of
a test's name.

       cargo xtask fuzz [TARGET...] [--minutes N]

Fuzzes what reads, links, drives sessions and parses, with the stable compiler, two targets at a time for N minutes each
(default: 3), and prints how many inputs were run, how many edges of the code they reach, and what was found. Inputs that
reach something new are kept in target/fuzz-corpus, and are where the next run begins.

Targets: session noexec link text archive
";

/// An error is a message: it is for the person at the terminal, and nobody else handles it.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asks_help = arguments.iter().any(|a| a == "-h" || a == "--help");
    if let Some(("oracle", rest)) = arguments.split_first().map(|(command, rest)| (command.as_str(), rest))
        && !asks_help
    {
        return done(oracle::oracle(rest));
    }
    if let Some(("fuzz", rest)) = arguments.split_first().map(|(command, rest)| (command.as_str(), rest))
        && !asks_help
    {
        return done(fuzz::fuzz(rest));
    }
    let options = match arguments.split_first() {
        Some((command, rest)) if command == "bench" && !asks_help => bench::Options::parse(rest),
        Some(_) if asks_help => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Some((command, _)) => Err(format!("there is no command '{command}'")),
        None => Err("which command?".to_string()),
    };
    let options = match options {
        Ok(options) => options,
        Err(message) => {
            eprint!("error: {message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    done(bench::run(&options))
}

fn done(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
