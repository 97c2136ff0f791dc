//! `cargo xtask fuzz`: coverage-guided fuzzing with the stable compiler.
//!
//! The compiler's own passes count which edges of the code are taken (`-C passes=sancov-module`, what cargo-fuzz asks for,
//! without the sanitizers that only nightly has): there is little unsafe code to find faults in, and arithmetic and bounds
//! are checked. Seeds are compiled when they are wanted; what the fuzzer keeps is in `target/fuzz-corpus`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;

use crate::Result;
use crate::tools::{cargo, list, make_folder, output_of, run, workspace};

mod seeds;

/// The targets, the slowest to explore first.
const TARGETS: [&str; 7] = ["session", "noexec", "link", "ir", "remote", "text", "archive"];

/// The number of targets that run at a time.
const AT_A_TIME: usize = 2;

const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "--cfg=fuzzing",
];

/// The result of fuzzing a target.
struct Outcome {
    target: String,
    executions: String,
    edges: String,
    corpus: usize,
    findings: Vec<PathBuf>,
    tail: String,
}

/// The targets that are wanted, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The targets to run
    #[arg(value_name = "TARGET", value_parser = TARGETS, default_values = TARGETS)]
    targets: Vec<String>,
    /// The minutes that each target runs
    #[arg(long, value_name = "N", default_value = "3", value_parser = minutes)]
    minutes: f64,
}

fn minutes(text: &str) -> Result<f64> {
    text.parse().ok().filter(|minutes| *minutes > 0.0).ok_or_else(|| "it must be a number greater than 0".into())
}

/// Runs the targets for some minutes each; an error if one finds something.
pub(crate) fn fuzz(options: &Options) -> Result<()> {
    let Options { targets, minutes } = options;
    let root = workspace();
    let binaries = build(&root)?;
    let corpus = root.join("target/fuzz-corpus");
    for target in targets {
        make_folder(&corpus.join(target))?;
    }
    seeds::write_all(&corpus)?;
    let mut outcomes = Vec::new();
    for targets in targets.chunks(AT_A_TIME) {
        let running =
            targets.iter().map(|target| start(&binaries, &corpus, target, *minutes)).collect::<Result<Vec<_>>>()?;
        // All are read at once: one that nobody reads stops when its pipe is full.
        let read = |child: std::process::Child| std::thread::spawn(move || child.wait_with_output());
        let reading: Vec<_> = running.into_iter().map(read).collect();
        for (target, reading) in targets.iter().zip(reading) {
            let output = reading.join().map_err(|_| format!("{target}: its reader panicked"))?;
            let output = output.map_err(|error| format!("{target}: {error}"))?;
            outcomes.push(outcome(target, &corpus, &String::from_utf8_lossy(&output.stderr), output.status.success())?);
        }
    }
    report(&outcomes)
}

/// Builds the targets; returns where they are.
fn build(root: &Path) -> Result<PathBuf> {
    let version = output_of(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc does not say its host")?;
    let target = root.join("target/fuzz");
    let mut command = cargo();
    // With a target given, the flags are not for build scripts.
    command.args(["build", "--locked", "--release", "--quiet", "--target", host]);
    command.arg("--manifest-path").arg(root.join("crates/fuzz/Cargo.toml")).arg("--target-dir").arg(&target);
    command.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    run(&mut command)?;
    Ok(target.join(host).join("release"))
}

/// Starts a target. What it finds, and what is slow, it writes to a directory of its own.
fn start(binaries: &Path, corpus: &Path, target: &str, minutes: f64) -> Result<std::process::Child> {
    let found = findings_of(corpus, target);
    make_folder(&found)?;
    // At least a second.
    let seconds = (minutes * 60.0).ceil();
    let mut command = Command::new(binaries.join(target));
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}/", found.display()));
    // Shorter inputs say more, and run faster. No input takes more than a second or much memory.
    command.args(["-max_len=65536", "-timeout=10", "-rss_limit_mb=1500", "-print_final_stats=1"]);
    // The command has one piece of memory for all that an object has, which is not touched where it is zero, and says
    // what is wrong.
    let for_command = ["-malloc_limit_mb=4500", "-close_fd_mask=3"];
    command.args(if target == "noexec" { &for_command[..] } else { &["-malloc_limit_mb=500"] });
    command.args(["-len_control=20", "-use_value_profile=0"]).arg(corpus.join(target));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().map_err(|error| format!("{target}: {error}"))
}

fn findings_of(corpus: &Path, target: &str) -> PathBuf {
    corpus.join("findings").join(target)
}

fn outcome(target: &str, corpus: &Path, text: &str, is_success: bool) -> Result<Outcome> {
    // The word after the last mark of a kind.
    let after = |mark: &str| {
        let word = text.lines().rev().find_map(|line| line.split_once(mark)?.1.split_whitespace().next());
        word.unwrap_or("?").to_owned()
    };
    let findings = list(&findings_of(corpus, target))?;
    let tail: Vec<&str> = text.lines().rev().take(if is_success { 0 } else { 40 }).collect();
    Ok(Outcome {
        target: target.into(),
        executions: after("stat::number_of_executed_units:"),
        edges: after(" cov: "),
        corpus: list(&corpus.join(target))?.len(),
        findings,
        tail: tail.into_iter().rev().collect::<Vec<_>>().join("\n"),
    })
}

fn report(outcomes: &[Outcome]) -> Result<()> {
    println!("| target | executions | edges | inputs kept | findings |\n|---|---:|---:|---:|---:|");
    for Outcome { target, executions, edges, corpus, findings, .. } in outcomes {
        println!("| {target} | {executions} | {edges} | {corpus} | {} |", findings.len());
    }
    let mut found = String::new();
    for outcome in outcomes {
        for finding in &outcome.findings {
            found += &format!("\n  {}", finding.display());
        }
        if !outcome.tail.is_empty() {
            found += &format!("\n{} says:\n{}", outcome.target, outcome.tail);
        }
    }
    if found.is_empty() { Ok(()) } else { Err(format!("the fuzzer has found something:{found}")) }
}
