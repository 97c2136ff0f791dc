//! Sessions of `linkjit repl` beside clang-repl's: their time and memory.
//!
//! The front end's processes come and go without anyone waiting for them, so the system adds their time to nobody's:
//! `perf stat` counts all that a session starts.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Options, report};
use crate::Result;
use crate::tools::{make_folder, output_of, read_text, write};

/// Inputs, with the line that the last of them prints.
struct Session {
    name: &'static str,
    inputs: String,
    printed: &'static str,
}

/// The columns of the table.
const TOOLS: [&str; 3] = ["linkjit", "linkjit, headers cached", "clang-repl 22"];
/// The variable of the environment by which a session's processes are known.
const MARK: &str = "LINKJIT_BENCH_SESSION";

/// Measures all sessions and prints their table.
pub(super) fn run(linkjit: &Path, target: &Path, options: &Options) -> Result<()> {
    let folder = target.join("bench-corpus/repl");
    let cache = folder.join("cache");
    make_folder(&cache)?;
    let tools = [command(linkjit, Path::new("off")), command(linkjit, &cache), vec!["clang-repl-22".into()]];
    let sessions = [
        Session { name: "one input", inputs: count_to("", 0), printed: "x is 0" },
        Session { name: "`x++;` 1,000 times", inputs: count_to("x++;", 1000), printed: "x is 1000" },
        Session { name: "`x++`, shown, 1,000 times", inputs: count_to("x++", 1000), printed: "x is 1000" },
        Session {
            name: "`<map>`, `<string>`, `<vector>`, `<iostream>`",
            inputs: with_headers(["map", "string", "vector", "iostream"]),
            printed: "5 entries",
        },
        Session {
            name: "`<iostream>`, `<map>`, `<string>`, `<vector>`",
            inputs: with_headers(["iostream", "map", "string", "vector"]),
            printed: "5 entries",
        },
        Session { name: "210 mixed inputs, 4 of them headers", inputs: mixed(210), printed: "205 inputs" },
        Session { name: "3,000 mixed inputs, 4 of them headers", inputs: mixed(3000), printed: "2995 inputs" },
    ];
    report::head(
        "Sessions of the REPL",
        &["session", "linkjit / clang-repl", "with headers cached / clang-repl", TOOLS[0], TOOLS[1], TOOLS[2]]
            .map(String::from),
    );
    for session in &sessions {
        let input = folder.join("inputs");
        write(&input, &session.inputs)?;
        let mut costs = [const { Vec::new() }; 3];
        for round in 0..=options.runs.get() {
            for (tool, costs) in tools.iter().zip(&mut costs) {
                let cost = cost(tool, session, &input, &folder.join("counts"))?;
                // The first round warms up, and has headers compiled.
                costs.extend((round > 0).then_some(cost));
            }
        }
        row(&format!("{}: CPU ms", session.name), &costs, |(cpu, _)| cpu);
        row(&format!("{}: elapsed ms", session.name), &costs, |(_, elapsed)| elapsed);
    }
    for (count, name) in [(1000, "1,000"), (10_000, "10,000")] {
        let memory = |tool| memory(tool, count).map(|megabytes| vec![megabytes]);
        let [a, b, c] = &tools;
        row(&format!("after {name} inputs: MB"), &[memory(a)?, memory(b)?, memory(c)?], |megabytes| megabytes);
    }
    Ok(())
}

fn command(linkjit: &Path, cache: &Path) -> Vec<PathBuf> {
    let cache = format!("LINKJIT_CACHE={}", cache.display());
    vec!["env".into(), cache.into(), linkjit.into(), "repl".into()]
}

/// A session in which an input is repeated.
fn count_to(input: &str, count: usize) -> String {
    let repeated = format!("{input}\n").repeat(count);
    let declared = "extern \"C\" { int printf(const char *, ...); int fflush(void *); }\nint x = 0;\n";
    format!("{declared}{repeated}printf(\"x is %d\\n\", x); fflush(nullptr);\n")
}

/// A session with headers in an order, of which each is an input.
fn with_headers(names: [&str; 4]) -> String {
    let headers: String = names.iter().map(|name| format!("#include <{name}>\n")).collect();
    headers
        + "std::vector<int> numbers{3, 1, 2};
std::map<std::string, int> entries{{\"a\", 1}, {\"b\", 2}};
for (int number : numbers) entries[std::to_string(number)] = number;
std::cout << entries.size() << \" entries\" << std::endl;
"
}

/// A session of so many inputs of many kinds: after headers, each declares, runs or shows something new.
fn mixed(count: usize) -> String {
    let headers = ["map", "string", "vector", "iostream"];
    let last = count - headers.len() - 1;
    let mut inputs: String = headers.iter().map(|name| format!("#include <{name}>\n")).collect();
    for n in 0..last {
        // Inputs refer to those of the same group of ten.
        let group = n / 10;
        inputs += &match n % 10 {
            0 => format!("int count{group} = {n};\n"),
            1 => format!("count{group}++;\n"),
            2 => format!("int twice{group}(int n) {{ return 2 * n; }}\n"),
            3 => format!("twice{group}(count{group})\n"),
            4 => format!("std::vector<int> list{group}{{1, 2, count{group}}};\n"),
            5 => format!("for (int one : list{group}) count{group} += one;\n"),
            6 => format!("struct Point{group} {{ int x, y; int sum() const {{ return x + y; }} }};\n"),
            7 => format!("Point{group} point{group}{{count{group}, 1}};\n"),
            8 => format!("point{group}.sum() * 0.5\n"),
            _ => format!("std::string name{group} = std::to_string(count{group});\n"),
        };
    }
    inputs + &format!("std::cout << {last} << \" inputs\" << std::endl;\n")
}

/// Milliseconds of CPU and elapsed ones, of a whole session.
fn cost(tool: &[PathBuf], session: &Session, input: &Path, counts: &Path) -> Result<(f64, f64)> {
    let mut command = Command::new("perf");
    command.args(["stat", "-x,", "-e", "task-clock", "-o"]).arg(counts);
    command.args(["sh", "-c", "exec \"$@\" < \"$0\""]).arg(input).args(tool);
    let start = Instant::now();
    let printed = output_of(&mut command)?;
    let elapsed = start.elapsed();
    if !printed.lines().any(|line| line.ends_with(session.printed)) {
        return Err(format!("{}: {:?} does not print '{}': {printed}", session.name, tool, session.printed));
    }
    let counts = read_text(counts)?;
    let line = counts.lines().find(|line| line.contains("task-clock"));
    let cpu = line.and_then(|line| line.split(',').next()?.parse().ok());
    Ok((cpu.ok_or_else(|| format!("perf counted no time: {counts}"))?, milliseconds(elapsed)))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The memory of all processes of a session after so many inputs, in MB. Pages that they share count once.
fn memory(tool: &[PathBuf], inputs: usize) -> Result<f64> {
    let (program, arguments) = tool.split_first().ok_or("no tool")?;
    let failure = |error: std::io::Error| format!("{}: {error}", program.display());
    let mark = format!("{}.{inputs}", std::process::id());
    let mut command = Command::new(program);
    command.args(arguments).env(MARK, &mark).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut session = command.spawn().map_err(failure)?;
    let mut input = session.stdin.take().ok_or("no standard input")?;
    let output = session.stdout.take().ok_or("no standard output")?;
    // Nothing is printed before the last input, so no pipe is full on both sides.
    input.write_all(count_to("x++;", inputs).as_bytes()).map_err(failure)?;
    let last = format!("x is {inputs}");
    let is_done = BufReader::new(output).lines().map_while(std::result::Result::ok).any(|line| line.ends_with(&last));
    let memory = if is_done { memory_of(&format!("{MARK}={mark}")) } else { 0 };
    drop(input);
    session.wait().map_err(failure)?;
    if memory == 0 {
        Err(format!("{}: no memory of it was found", program.display()))
    } else {
        Ok(memory as f64 / 1024.0)
    }
}

/// The proportional set size of all processes that have a variable in their environment, in KiB.
fn memory_of(variable: &str) -> u64 {
    let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let is_marked = |process: &PathBuf| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == variable.as_bytes())
    };
    let size = |process: PathBuf| {
        let rollup = fs::read_to_string(process.join("smaps_rollup")).ok()?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    processes.filter(is_marked).filter_map(size).sum()
}

/// Prints the medians of three tools, ratios first.
fn row<T: Copy>(name: &str, costs: &[Vec<T>; 3], value: impl Fn(T) -> f64) {
    let [ours, cached, theirs] = costs.each_ref().map(|costs| {
        let mut values: Vec<f64> = costs.iter().map(|cost| value(*cost)).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    });
    let cells = [ours / theirs, cached / theirs, ours, cached, theirs].map(report::digits);
    println!("| {name} | {} |", cells.join(" | "));
}
