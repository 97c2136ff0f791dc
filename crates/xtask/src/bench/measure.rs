//! Running jobs in an interleaved series.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Options;
use super::corpus::{Corpus, Program};
use crate::Result;
use crate::tools::{output_of, read};

/// Commands that together link and run a program.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) tool: &'static str,
    pub(crate) program: &'a Program,
    /// These are run one after the other.
    pub(crate) steps: Vec<Command>,
}

/// The cost of one job, or why it failed.
#[derive(Debug)]
pub(crate) struct Measured {
    /// The job's tool.
    pub(crate) tool: &'static str,
    /// Its cost.
    pub(crate) result: Result<Cost>,
}

/// The cost of linking and running a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Elapsed time.
    pub(crate) wall: Duration,
    /// User and system time of all processes.
    pub(crate) cpu: Duration,
    /// The largest resident memory of any process, in KiB.
    pub(crate) peak_rss: u64,
    /// User instructions, if they were asked for and could be counted.
    pub(crate) instructions: Option<u64>,
}

/// Measures `jobs` in turns, after a round that warms up. A job that fails once isn't run again.
pub(crate) fn measure(corpus: &Corpus, options: &Options, jobs: &[Job<'_>]) -> Vec<Measured> {
    let mut costs: Vec<Result<Vec<Cost>>> = jobs.iter().map(|_| Ok(Vec::new())).collect();
    for round in 0..=options.runs.get() {
        for (job, costs) in jobs.iter().zip(&mut costs) {
            let Ok(so_far) = costs else { continue };
            match run(corpus, job) {
                Ok(_) if round == 0 => {}
                Ok(cost) => so_far.push(cost),
                Err(why) => *costs = Err(why),
            }
        }
    }
    let measured = jobs.iter().zip(costs).map(|(job, costs)| {
        let result = costs.map(|costs| {
            let instructions = options.instructions.then(|| count_instructions(job)).and_then(|count| {
                // Not every program runs under callgrind; its times are good all the same.
                count.inspect_err(|why| eprintln!("{} is not counted: {why}", job.tool)).ok()
            });
            Cost { instructions, ..median(&costs) }
        });
        Measured { tool: job.tool, result }
    });
    let measured = measured.collect();
    // Only the file linker's jobs make the library, and a job may have failed before it did.
    _ = fs::remove_file(corpus.scratch_library());
    measured
}

/// Runs a job once, by the launcher.
fn run(corpus: &Corpus, job: &Job<'_>) -> Result<Cost> {
    let output = corpus.tool("output");
    let mut command = Command::new(corpus.tool("launch"));
    command.current_dir(&job.program.folder).arg(&output);
    for (number, step) in job.steps.iter().enumerate() {
        command.args((number > 0).then_some(";")).args(words(step));
    }
    let line = output_of(&mut command)?;
    let printed = read(&output)?;
    let printed = String::from_utf8_lossy(&printed);
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let &[wall, user, sys, peak_rss, exit_code, signal] = numbers.as_slice() else {
        return Err(format!("the launcher printed {line:?}"));
    };
    match (exit_code, signal) {
        (0, 0) if printed == job.program.expected => {}
        (0, 0) => return Err(format!("wrong output: {}", summary(&printed))),
        (_, 0) => return Err(format!("exit code {exit_code}: {}", summary(&printed))),
        _ => return Err(format!("killed by signal {signal}: {}", summary(&printed))),
    }
    let micros = Duration::from_micros;
    Ok(Cost { wall: micros(wall), cpu: micros(user) + micros(sys), peak_rss, instructions: None })
}

/// A command and its arguments.
fn words(step: &Command) -> impl Iterator<Item = &OsStr> {
    std::iter::once(step.get_program()).chain(step.get_args())
}

/// User instructions of all steps together: unlike time, the same in every run to a part in thousands.
fn count_instructions(job: &Job<'_>) -> Result<u64> {
    let mut total = 0;
    let mut printed = String::new();
    for step in &job.steps {
        let (count, output) = instructions_of(step, &job.program.folder)?;
        printed += &output;
        total += count;
    }
    if printed != job.program.expected {
        return Err(format!("wrong output under callgrind: {}", summary(&printed)));
    }
    Ok(total)
}

/// User instructions of a command, and what it has printed.
pub(crate) fn instructions_of(step: &Command, folder: &Path) -> Result<(u64, String)> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    let output = command.args(words(step)).current_dir(folder).stdin(Stdio::null()).output();
    let output = output.map_err(|e| format!("valgrind: {e}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("under callgrind, {}: {}", output.status, summary(&errors)));
    }
    let count = errors.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse::<u64>().ok());
    Ok((count.ok_or("callgrind printed no count")?, String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// The line of a tool's output that says what went wrong.
fn summary(printed: &str) -> String {
    let line = printed.lines().find(|line| line.contains("error: ")).or_else(|| printed.lines().next());
    line.unwrap_or("no output").chars().take(150).collect()
}

fn median(costs: &[Cost]) -> Cost {
    fn middle<T: Copy + Ord>(costs: &[Cost], value: impl Fn(&Cost) -> T) -> Option<T> {
        let mut values: Vec<T> = costs.iter().map(value).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied()
    }
    Cost {
        wall: middle(costs, |cost| cost.wall).unwrap_or_default(),
        cpu: middle(costs, |cost| cost.cpu).unwrap_or_default(),
        peak_rss: middle(costs, |cost| cost.peak_rss).unwrap_or_default(),
        instructions: None,
    }
}
