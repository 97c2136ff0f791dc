//! `cargo xtask bench`: linkjit beside its peers.
//!
//! Every command of a section runs in one interleaved series (A B C A B C ...), so that other load of the machine
//! affects all of them alike: compare inside a table, by medians and ratios. Each run's output is compared with that of
//! the same program when it is linked natively.

mod batches;
mod cases;
mod corpus;
mod many_functions;
mod many_objects;
mod measure;
mod repl;
mod report;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};

use crate::{Result, frontend, tools};
use corpus::{Corpus, Program};
use measure::{Job, Measured};

/// The name of a tool in the tables.
type Tool = &'static str;

const LINKJIT: &str = "linkjit";
const JITLINK: &str = "llvm-jitlink 22";
const CHILD: &str = "linkjit, child";
const JITLINK_CHILD: &str = "llvm-jitlink 22, executor";
const LLD: &str = "ld.lld 22 + dlopen";
const LAZY: &str = "linkjit, lazy";
const LLI: &str = "lli 22, orc";
const LLI_LAZY: &str = "lli 22, orc-lazy";

/// The peers that link objects.
const LINKERS: [Tool; 2] = [JITLINK, LLD];

/// Something to measure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Section {
    /// sqlite3, one large object
    E1,
    /// a program on the 53 static archives of LLVM 19 (installs llvm-19-dev)
    E2,
    /// 250 to 4000 small objects
    E3,
    /// a program that only says that it runs
    Startup,
    /// E1 and E3-2000 in another process, and how long calls to it take
    Remote,
    /// LLVM IR: a program that only says that it runs, and 2000 functions, of which a hundredth, a tenth or all are called
    Ir,
    /// the REPL beside clang-repl: starting, many inputs, values, headers, memory
    Repl,
    /// the transcripts of the REPL's tests, typed to clang-repl: the results that it shows, too, and its crashes
    ReplCases,
    /// thousands of functions, each looked up by itself or with a resource tracker of its own (without peers)
    Batches,
}

/// The measurements that are wanted.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The programs to measure
    #[arg(value_name = "SECTION", value_enum, default_values_t = [Section::E1, Section::E3, Section::Startup])]
    sections: Vec<Section>,
    /// Measured runs of each command, after one that warms up
    #[arg(short = 'n', value_name = "RUNS", default_value = "7")]
    runs: NonZeroUsize,
    /// Also count user instructions with callgrind, once per command (slow)
    #[arg(long)]
    instructions: bool,
}

/// Measures the sections and prints their tables; an error if linkjit failed in one.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.sections == [Section::Batches] {
        let packages: &[&str] = if options.instructions { &["valgrind"] } else { &[] };
        tools::install(packages)?;
        return batches::run(&target_folder()?, options);
    }
    let mut packages = vec!["gcc", "libc6-dev", "clang-22", "lld-22", "llvm-22"];
    if options.sections.contains(&Section::E2) {
        packages.extend(["g++", "llvm-19-dev", "zlib1g-dev", "libzstd-dev", "libxml2-dev"]);
    }
    if options.sections.contains(&Section::Repl) || options.sections.contains(&Section::ReplCases) {
        packages.extend(["clang-tools-22", "linux-perf"]);
    }
    if options.instructions {
        packages.push("valgrind");
    }
    tools::install(&packages)?;

    let target = target_folder()?;
    let linkjit = build_linkjit(&target)?;
    let corpus = Corpus::new(target.join("bench-corpus"))?;

    println!("# linkjit beside its peers\n");
    println!("Medians of {} interleaved runs of the whole process, linking and running. A ratio is", options.runs);
    println!("this tool / the peer: below 1 is better than the peer.");

    let mut bench = Bench { linkjit, corpus, options, verdicts: Vec::new(), failures: Vec::new() };
    for section in &options.sections {
        match section {
            Section::E1 => bench.e1()?,
            Section::E2 => bench.e2()?,
            Section::E3 => bench.e3()?,
            Section::Startup => bench.startup()?,
            Section::Remote => bench.remote(&target)?,
            Section::Ir => bench.ir()?,
            Section::Repl => {
                frontend::frontend()?;
                repl::run(&bench.linkjit, &target, options)?;
            }
            Section::ReplCases => {
                frontend::frontend()?;
                cases::run(&bench.linkjit)?;
            }
            Section::Batches => batches::run(&target, options)?,
        }
    }
    if !bench.verdicts.is_empty() {
        println!("\nLess CPU than {LLD} + run: {}.", bench.verdicts.join("; "));
    }
    if bench.failures.is_empty() { Ok(()) } else { Err(bench.failures.join("\nerror: ")) }
}

/// The sections, and what they found.
struct Bench<'a> {
    linkjit: PathBuf,
    corpus: Corpus,
    options: &'a Options,
    verdicts: Vec<String>,
    failures: Vec<String>,
}

impl Bench<'_> {
    fn e1(&mut self) -> Result<()> {
        let program = self.corpus.e1()?;
        let measured = self.measure("E1", "E1: sqlite3, one large object", &self.jobs(&program));
        self.verdicts.extend(report::verdict("E1", &measured));
        Ok(())
    }

    fn e2(&mut self) -> Result<()> {
        let program = self.corpus.e2()?;
        self.measure("E2", "E2: a program on the static archives of LLVM", &self.jobs(&program));
        Ok(())
    }

    fn e3(&mut self) -> Result<()> {
        let programs = self.corpus.e3()?;
        let jobs: Vec<Job<'_>> = programs.iter().flat_map(|program| self.jobs(program)).collect();
        let measured = measure::measure(&self.corpus, self.options, &jobs);
        let by_program = measured.chunks(jobs.len() / programs.len());
        let by_count: Vec<(usize, &[Measured])> = many_objects::COUNTS.into_iter().zip(by_program).collect();
        for (count, measured) in &by_count {
            if *count == 2000 {
                report::table("E3-2000: 2000 small objects", measured, &LINKERS);
                self.verdicts.extend(report::verdict("E3-2000", measured));
            }
            self.note_failure(&format!("E3-{count}"), measured);
        }
        report::scaling(&by_count);
        Ok(())
    }

    fn startup(&mut self) -> Result<()> {
        let program = self.corpus.startup()?;
        let mut jobs = self.jobs(&program);
        let steps = vec![Command::new(&program.native)];
        jobs.push(Job { tool: "native executable", program: &program, steps });
        self.measure("start-up", "Start-up: a program that only says that it runs", &jobs);
        Ok(())
    }

    /// Programs in a process of their own, and small things.
    fn remote(&mut self, target: &Path) -> Result<()> {
        let programs = self.corpus.e3()?.into_iter().zip(many_objects::COUNTS);
        let e3 = programs.filter(|(_, count)| *count == 2000).map(|(program, _)| ("E3-2000", program));
        for (name, program) in [("E1", self.corpus.e1()?)].into_iter().chain(e3) {
            let mut jobs = self.jobs(&program);
            jobs.truncate(2);
            for (at, tool, option) in [(1, CHILD, "--executor=child"), (3, JITLINK_CHILD, "--oop-executor")] {
                let mut steps = self.jobs(&program).swap_remove(at / 2).steps;
                let command = &mut steps[0];
                let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
                // An option of ours belongs behind the subcommand.
                let (before, behind) = arguments.split_at(usize::from(tool == CHILD));
                let mut with = Command::new(command.get_program());
                with.args(before).arg(option).args(behind);
                jobs.insert(at, Job { tool, program: &program, steps: vec![with] });
            }
            self.measure(name, &format!("{name} in another process"), &jobs);
        }
        let mut build = tools::cargo();
        build.args(["build", "--quiet", "--release", "--package", "linkjit", "--example", "remote_latency"]);
        tools::run(build.arg("--target-dir").arg(target))?;
        report::head("Small things in another process (us)", &["what", "median", "99 of 100"].map(String::from));
        let mut latency = Command::new(target.join("release/examples/remote_latency"));
        print!("{}", tools::output_of(latency.arg(&self.linkjit).arg("executor"))?);
        Ok(())
    }

    /// LLVM IR, compiled as a whole or function by function.
    fn ir(&mut self) -> Result<()> {
        let program = self.corpus.startup_ir()?;
        let measured = measure::measure(&self.corpus, self.options, &self.ir_jobs(&program));
        report::table("LLVM IR of a program that only says that it runs", &measured, &[LLI_LAZY, LLI]);
        self.note_failure("IR, start-up", &measured);
        for (program, step) in self.corpus.ir()?.iter().zip(many_functions::STEPS) {
            let measured = measure::measure(&self.corpus, self.options, &self.ir_jobs(program));
            let title = format!("LLVM IR with 2000 functions, one of {step} called");
            report::table(&title, &measured, &[LLI_LAZY, LLI]);
            self.note_failure(&format!("IR, one of {step}"), &measured);
            println!("\n{LAZY}, has compiled {} functions, and the variables.", self.compiled_functions(program)?);
        }
        Ok(())
    }

    /// The number of functions of a program of IR that `run --lazy` compiles.
    fn compiled_functions(&self, program: &Program) -> Result<u64> {
        let mut command = Command::new(&self.linkjit);
        command.args(["run", "--no-cache", "--lazy", "--stats"]).args(&program.inputs).current_dir(&program.folder);
        let output = command.output().map_err(|e| format!("linkjit: {e}"))?;
        let printed = String::from_utf8_lossy(&output.stderr);
        // Each is a unit of the session.
        let units = printed.lines().find_map(|line| line.trim().strip_prefix("units")?.trim().parse().ok());
        units.ok_or_else(|| format!("linkjit's statistics have no units: {printed}"))
    }

    /// The ways to run a program of LLVM IR.
    fn ir_jobs<'p>(&self, program: &'p Program) -> [Job<'p>; 4] {
        let job = |tool, program_of_tool: &Path, arguments: &[&str]| {
            let mut command = Command::new(program_of_tool);
            command.args(arguments).args(&program.inputs);
            Job { tool, program, steps: vec![command] }
        };
        let (ours, lli) = (self.linkjit.as_path(), Path::new("lli-22"));
        [
            job(LAZY, ours, &["run", "--no-cache", "--lazy"]),
            job(LINKJIT, ours, &["run", "--no-cache"]),
            job(LLI_LAZY, lli, &["-jit-kind=orc-lazy"]),
            job(LLI, lli, &["-jit-kind=orc"]),
        ]
    }

    /// Measures the ways to run a program, and prints their table.
    fn measure(&mut self, program: &str, title: &str, jobs: &[Job<'_>]) -> Vec<Measured> {
        let measured = measure::measure(&self.corpus, self.options, jobs);
        report::table(title, &measured, &LINKERS);
        self.note_failure(program, &measured);
        measured
    }

    /// The three ways to link and run `program`.
    fn jobs<'p>(&self, program: &'p Program) -> Vec<Job<'p>> {
        let mut linkjit = Command::new(&self.linkjit);
        linkjit.arg("run").args(&program.inputs).args(&program.libraries);

        let mut jitlink = Command::new("llvm-jitlink-22");
        jitlink.args(&program.peer_inputs).args(&program.inputs);

        let library = self.corpus.scratch_library();
        let mut lld = Command::new("ld.lld-22");
        lld.args(["--threads=1", "-shared", "-o"]).arg(&library).args(&program.peer_inputs);
        lld.arg("--start-group").args(&program.inputs).arg("--end-group").args(&program.libraries);
        let mut dlopen = Command::new(self.corpus.tool("dlopen"));
        dlopen.arg(&library);

        let job = |tool, steps| Job { tool, program, steps };
        vec![job(LINKJIT, vec![linkjit]), job(JITLINK, vec![jitlink]), job(LLD, vec![lld, dlopen])]
    }

    /// A peer may fail; we may not.
    fn note_failure(&mut self, program: &str, measured: &[Measured]) {
        let ours = measured.iter().filter(|m| m.tool.starts_with(LINKJIT));
        let why = ours.filter_map(|m| m.result.as_ref().err());
        self.failures.extend(why.map(|why| format!("{program}: linkjit fails: {why}")));
    }
}

/// Cargo's target folder: this program lies in TARGET/PROFILE.
fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().map_err(|e| format!("the path of this program: {e}"))?;
    let target = program.parent().and_then(Path::parent);
    target.map(Path::to_path_buf).ok_or_else(|| format!("{} is not in a target folder", program.display()))
}

fn build_linkjit(target: &Path) -> Result<PathBuf> {
    let mut build = tools::cargo();
    build.args(["build", "--quiet", "--release", "--package", "linkjit-cli"]);
    tools::run(build.arg("--target-dir").arg(target))?;
    Ok(target.join("release/linkjit"))
}
