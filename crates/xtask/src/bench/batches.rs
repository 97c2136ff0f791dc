//! Sessions of many lookups: does the cost of a function depend on how many there are? There is no peer, because LLVM
//! links whole objects.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Options, measure, report};
use crate::{Result, tools};

/// The shapes of `examples/many_lookups.rs`, by its names.
const SHAPES: [&str; 4] = ["at-once", "one-by-one", "tracked", "trackers"];
const COUNTS: [usize; 4] = [1000, 2000, 4000, 8000];

/// Measures all shapes and prints their table.
pub(super) fn run(target: &Path, options: &Options) -> Result<()> {
    let mut build = tools::cargo();
    build.args(["build", "--quiet", "--release", "--package", "linkjit", "--example", "many_lookups"]);
    tools::run(build.arg("--target-dir").arg(target))?;
    let program = target.join("release/examples/many_lookups");
    let unit = if options.instructions { "thousand instructions" } else { "us" };
    let title = format!("{unit} of the whole process per function (last doubling: ratio of the whole, 2 is linear)");
    let counts = COUNTS.map(|count| count.to_string());
    report::head(
        &format!("Many lookups: {title}"),
        &[&["shape".into()], &counts[..], &["last doubling".into()]].concat(),
    );
    for shape in SHAPES {
        let costs = COUNTS.iter().map(|&count| cost(&program, shape, count, options)).collect::<Result<Vec<f64>>>()?;
        let cells: Vec<_> =
            costs.iter().zip(COUNTS).map(|(cost, count)| format!("{:.1}", cost / count as f64)).collect();
        let doubling = match costs.as_slice() {
            [.., before, last] => last / before,
            _ => 0.0,
        };
        println!("| {shape} | {} | {doubling:.2} |", cells.join(" | "));
    }
    Ok(())
}

/// Thousands of instructions, or microseconds: the fewest of all runs.
fn cost(program: &Path, shape: &str, count: usize, options: &Options) -> Result<f64> {
    let mut command = Command::new(program);
    command.args([shape, &count.to_string()]);
    if options.instructions {
        return Ok(measure::instructions_of(&command, Path::new("."))?.0 as f64 / 1e3);
    }
    let mut least = Duration::MAX;
    for _ in 0..options.runs.get() {
        let start = Instant::now();
        tools::output_of(&mut command)?;
        least = least.min(start.elapsed());
    }
    Ok(least.as_secs_f64() * 1e6)
}
