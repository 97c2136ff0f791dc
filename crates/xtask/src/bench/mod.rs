//! `cargo xtask bench`: linkjit beside its peers.
//!
//! Every command of a section runs in one interleaved series (A B C A B C ...), so that what else the machine does
//! meets all of them alike: compare inside a table, by medians and ratios. Each run's output is compared with what the
//! same program prints when it is linked natively.

mod corpus;
mod many_objects;
mod measure;
mod report;

use std::path::{Path, PathBuf};

use crate::{Result, tools};
use corpus::Corpus;
use measure::{Job, Measured, Series};

/// How the three tools are named in the tables.
const LINKJIT: &str = "linkjit";
const JITLINK: &str = "llvm-jitlink 22";
const LLD: &str = "ld.lld 22 + dlopen";

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Section {
    E1,
    E2,
    E3,
    Startup,
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Options {
    sections: Vec<Section>,
    runs: usize,
    instructions: bool,
}

impl Options {
    /// Reads the arguments after `bench`.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self { sections: Vec::new(), runs: 7, instructions: false };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let section = match argument.as_str() {
                "e1" => Section::E1,
                "e2" => Section::E2,
                "e3" => Section::E3,
                "startup" => Section::Startup,
                "-n" => {
                    let runs = arguments.next().and_then(|runs| runs.parse().ok()).filter(|&runs| runs > 0);
                    options.runs = runs.ok_or("-n needs a number of runs, at least 1")?;
                    continue;
                }
                "--instructions" => {
                    options.instructions = true;
                    continue;
                }
                other => return Err(format!("there is no section or option '{other}'")),
            };
            options.sections.push(section);
        }
        if options.sections.is_empty() {
            options.sections = vec![Section::E1, Section::E3, Section::Startup];
        }
        Ok(options)
    }
}

/// Measures the sections and prints their tables; an error if linkjit failed in one.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut packages = vec!["gcc", "libc6-dev", "clang-22", "lld-22", "llvm-22"];
    if options.sections.contains(&Section::E2) {
        packages.extend(["g++", "llvm-19-dev", "zlib1g-dev", "libzstd-dev", "libxml2-dev"]);
    }
    if options.instructions {
        packages.push("valgrind");
    }
    tools::install(&packages)?;

    let target = target_folder()?;
    let linkjit = build_linkjit(&target)?;
    let corpus = Corpus::new(target.join("bench-corpus"))?;
    let series = Series::new(&corpus, options);

    println!("# linkjit beside its peers\n");
    println!("Medians of {} interleaved runs of the whole process, linking and running. A ratio is", options.runs);
    println!("this tool / the peer: below 1 is better than the peer.");

    let mut failures = Vec::new();
    let mut verdicts = Vec::new();
    for section in &options.sections {
        let measured = match section {
            Section::E1 => {
                let program = corpus.e1()?;
                let measured = series.measure(&jobs(&linkjit, &corpus, &program));
                report::table("E1: sqlite3, one large object", &measured);
                verdicts.extend(report::verdict("E1", &measured));
                measured
            }
            Section::E2 => {
                let program = corpus.e2()?;
                let measured = series.measure(&jobs(&linkjit, &corpus, &program));
                report::table("E2: a program on 53 static archives of LLVM", &measured);
                measured
            }
            Section::E3 => {
                let programs = corpus.e3()?;
                let jobs: Vec<Job> = programs.iter().flat_map(|program| jobs(&linkjit, &corpus, program)).collect();
                let measured = series.measure(&jobs);
                let by_count: Vec<(usize, &[Measured])> =
                    many_objects::COUNTS.into_iter().zip(measured.chunks(jobs.len() / programs.len())).collect();
                for (count, measured) in &by_count {
                    if *count == 2000 {
                        report::table("E3-2000: 2000 small objects", measured);
                        verdicts.extend(report::verdict("E3-2000", measured));
                    }
                }
                report::scaling(&by_count);
                measured
            }
            Section::Startup => {
                let program = corpus.startup()?;
                let mut jobs = jobs(&linkjit, &corpus, &program);
                jobs.push(Job::new("native executable", &program, vec![vec![program.native.clone().into()]]));
                let measured = series.measure(&jobs);
                report::table("Start-up: a program that only says that it runs", &measured);
                measured
            }
        };
        let failed = measured.iter().filter(|m| m.tool == LINKJIT).filter_map(|m| m.result.as_ref().err());
        failures.extend(failed.map(|why| format!("linkjit, {section:?}: {why}")));
    }
    if !verdicts.is_empty() {
        println!("\nLess CPU than {LLD} + run: {}.", verdicts.join("; "));
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\nerror: ")) }
}

/// The three ways to link and run `program`.
fn jobs(linkjit: &Path, corpus: &Corpus, program: &corpus::Program) -> Vec<Job> {
    let words = |words: &[&str]| words.iter().map(Into::into).collect::<Vec<std::ffi::OsString>>();
    let library = corpus.scratch_library();

    let mut by_linkjit = vec![linkjit.into(), "run".into()];
    by_linkjit.extend(program.inputs.iter().cloned());
    for flag in &program.libraries {
        by_linkjit.push(flag.into());
    }

    let mut by_jitlink = words(&["llvm-jitlink-22"]);
    by_jitlink.extend(program.shared_library_extras.iter().cloned());
    by_jitlink.extend(program.inputs.iter().cloned());

    let mut by_lld = words(&["ld.lld-22", "--threads=1", "-shared", "-o"]);
    by_lld.push(library.clone().into());
    by_lld.extend(program.shared_library_extras.iter().cloned());
    by_lld.push("--start-group".into());
    by_lld.extend(program.inputs.iter().cloned());
    by_lld.push("--end-group".into());
    for flag in &program.libraries {
        by_lld.push(flag.into());
    }
    let load = vec![corpus.dlopen().into(), library.into()];

    vec![
        Job::new(LINKJIT, program, vec![by_linkjit]),
        Job::new(JITLINK, program, vec![by_jitlink]),
        Job::new(LLD, program, vec![by_lld, load]),
    ]
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
