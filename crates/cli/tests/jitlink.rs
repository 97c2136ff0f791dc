//! Check tests: assembly files that are linked at fixed addresses, with rules about the result beside the code.
//!
//! Each file of `tests/cases/jitlink` is one object, or several: a line `#--- name.s` begins the next. The first is
//! called as the file is. Those called `.yaml` are for yaml2obj, those called `.def` become import libraries; assembly is
//! for ELF of x86-64, COFF in files called `coff-*`, and ELF of AArch64 in files called `aarch64-*`. Lines that begin with `#!` say what to do with them; each is a test:
//!
//! - `#! check [OPTIONS]`: links with `-noexec`; the rules of the file (`# jitlink-check:`) hold.
//! - `#! error [OPTIONS] => TEXT`: as `check`, but it fails, and says TEXT.
//! - `#! run [OPTIONS] => CODE`: runs the program, which ends with this exit code.
//!
//! A line `#! prints => TEXT` after one of these: there is TEXT in a line that it prints, too.
//!
//! `{at 0x...}` among the options stands for a slab at that address, `{here}` for the file. All objects are linked,
//! unless the options name the inputs. A line `#! assemble OPTIONS` has options for the assembler. A line
//! `#! archive NAME.a PART...` before makes an archive of objects, which are then inputs only by name;
//! `#! library NAME.so PART...` a shared library.
//!
//! With `LINKJIT_ORACLE` in the environment, which is the path of an llvm-jitlink, every test that `linkjit` passes is
//! put to it as well: it must come to the same verdict, unless the line before the test says `#! llvm REASON`; then it
//! must not. After `#! alone REASON` it is not asked. `cargo xtask oracle` does that.
//!
//! Objects are assembled once per content, below the target directory.
#![cfg_attr(not(all(target_os = "linux", target_arch = "x86_64")), allow(dead_code, reason = "tests of Linux"))]

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};

/// The objects of a fixture.
struct Fixture {
    file: PathBuf,
    directory: PathBuf,
    /// Names of its parts, as objects and as sources, and their texts.
    parts: Vec<Part>,
    /// Names and members of its archives and shared libraries.
    archives: Vec<(String, Vec<String>)>,
    /// Options of the assembler.
    assembler: Vec<String>,
    built: OnceLock<Result<(), String>>,
}

struct Part {
    object: String,
    source: String,
    text: String,
}

impl Part {
    fn new(source: &str) -> Result<Self, String> {
        let object = match source.rsplit_once('.') {
            Some((stem, "s" | "yaml")) => format!("{stem}.o"),
            Some((stem, "def")) => format!("{stem}.lib"),
            _ => return Err("parts are called NAME.s, NAME.yaml or NAME.def".into()),
        };
        Ok(Self { object, source: source.into(), text: String::new() })
    }
}

/// The thing that a line asks for.
enum Verb {
    Check,
    Error(String),
    Run(i32),
}

struct Case {
    verb: Verb,
    options: String,
    /// The reason why LLVM comes to another verdict.
    llvm_differs: Option<String>,
    /// LLVM is better not asked.
    alone: bool,
    /// Parts of lines that it prints.
    prints: Vec<String>,
}

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/jitlink");
        let mut files: Vec<_> =
            fs::read_dir(&cases).expect("the cases").map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        for file in files {
            trials.extend(trials_of(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn trials_of(file: &Path) -> Result<Vec<Trial>, String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut parts = vec![Part::new(&file.file_name().unwrap_or_default().to_string_lossy())?];
    let mut archives = Vec::new();
    let mut assembler = Vec::new();
    let mut cases: Vec<(usize, Case)> = Vec::new();
    let mut llvm_differs = None;
    let mut alone = false;
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(name) = line.strip_prefix("#--- ") {
            parts.push(Part::new(name.trim())?);
        } else if let Some(part) = parts.last_mut() {
            part.text.push_str(line);
            part.text.push('\n');
        }
        let Some(directive) = line.strip_prefix("#! ") else { continue };
        let (verb, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        let (options, expected) = rest.split_once("=> ").unwrap_or((rest, ""));
        let verb = match verb {
            "check" => Verb::Check,
            "error" if !expected.is_empty() => Verb::Error(expected.into()),
            "run" => Verb::Run(expected.trim().parse().map_err(|error| format!("line {number}: {error}"))?),
            "archive" | "library" => {
                let mut words = rest.split_whitespace();
                let name = words.next().ok_or("an archive has a name")?;
                archives
                    .push((name.into(), words.map(|word| word.replace(".s", ".o").replace(".yaml", ".o")).collect()));
                continue;
            }
            "assemble" => {
                assembler.extend(rest.split_whitespace().map(String::from));
                continue;
            }
            "prints" => {
                let (_, case) = cases.last_mut().ok_or("there is nothing before that prints")?;
                case.prints.push(rest.strip_prefix("=> ").ok_or("it prints '=> TEXT'")?.into());
                continue;
            }
            "llvm" => {
                llvm_differs = Some(rest.to_string());
                continue;
            }
            "alone" => {
                alone = true;
                continue;
            }
            _ => return Err(format!("line {number}: what is '{directive}'?")),
        };
        let (llvm_differs, alone) = (llvm_differs.take(), std::mem::take(&mut alone));
        cases.push((number, Case { verb, options: options.trim().into(), llvm_differs, alone, prints: Vec::new() }));
    }
    if cases.is_empty() {
        return Err("there is no '#!' line".into());
    }
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("jitlink-{stem}-{:x}", hasher.finish()));
    let fixture =
        Arc::new(Fixture { file: file.into(), directory, parts, archives, assembler, built: OnceLock::new() });
    let trial = |(number, case): (usize, Case)| {
        let fixture = Arc::clone(&fixture);
        Trial::test(format!("{stem}:{number}"), move || run(&fixture, &case).map_err(Failed::from))
    };
    Ok(cases.into_iter().map(trial).collect())
}

impl Fixture {
    /// Assembles what is not there yet.
    fn build(&self) -> Result<(), String> {
        if self.directory.is_dir() {
            return Ok(());
        }
        let temporary = self.directory.with_extension(std::process::id().to_string());
        fs::create_dir_all(&temporary).map_err(|error| error.to_string())?;
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let triple = match name.split_once('-') {
            Some(("coff", _)) => "--triple=x86_64-windows-msvc",
            Some(("aarch64", _)) => "--triple=aarch64-linux-gnu",
            _ => "--triple=x86_64-linux-gnu",
        };
        for part in &self.parts {
            let source = temporary.join(&part.source);
            fs::write(&source, &part.text).map_err(|error| error.to_string())?;
            let (program, arguments): (_, &[&str]) = match part.source.rsplit_once('.') {
                Some((_, "s")) => ("llvm-mc-19", &[triple, "--filetype=obj", "-o"]),
                Some((_, "def")) => ("llvm-dlltool-19", &["-m", "i386:x86-64", "-l"]),
                _ => ("yaml2obj-19", &["-o"]),
            };
            let mut command = Command::new(program);
            command.args(arguments).arg(temporary.join(&part.object));
            match program {
                "llvm-mc-19" => command.args(&self.assembler).arg(&source),
                "llvm-dlltool-19" => command.arg("-d").arg(&source),
                _ => command.arg(&source),
            };
            tool(&mut command)?;
        }
        for (name, members) in &self.archives {
            let mut command = if name.ends_with(".so") { Command::new("cc") } else { Command::new("llvm-ar-19") };
            let how: &[&str] = if name.ends_with(".so") { &["-shared", "-nostdlib", "-o"] } else { &["rcs"] };
            tool(command.args(how).arg(name).args(members).current_dir(&temporary))?;
        }
        // A run beside this one may have been faster; what it has made is the same.
        let _exists = fs::rename(&temporary, &self.directory);
        Ok(())
    }

    /// The command line for a case.
    fn arguments(&self, case: &Case) -> Vec<String> {
        let mut options = case.options.replace("{here}", &self.file.display().to_string());
        while let Some((before, rest)) = options.split_once("{at ") {
            let (address, after) = rest.split_once('}').unwrap_or((rest, ""));
            let slab = format!("-slab-allocate 1Mb -slab-page-size 4096 -slab-address {address}");
            options = format!("{before}{slab}{after}");
        }
        let mut arguments: Vec<_> = options.split_whitespace().map(String::from).collect();
        if !matches!(case.verb, Verb::Run(_)) {
            arguments.splice(0..0, ["-noexec".into(), "-check".into(), self.file.display().to_string()]);
        }
        let is_input = |name: &String| name.ends_with(".o") || name.ends_with(".a");
        if !arguments.iter().any(is_input) {
            let in_archives: Vec<_> = self.archives.iter().flat_map(|(_, members)| members).collect();
            let objects = self.parts.iter().map(|part| &part.object).filter(|name| !in_archives.contains(name));
            arguments.extend(objects.cloned());
        }
        arguments
    }
}

fn run(fixture: &Fixture, case: &Case) -> Result<(), String> {
    fixture.built.get_or_init(|| fixture.build()).clone()?;
    let arguments = fixture.arguments(case);
    let ours =
        Command::new(env!("CARGO_BIN_EXE_linkjit")).arg("jitlink").args(&arguments).run_in(&fixture.directory)?;
    verdict(case, &ours).map_err(|why| format!("linkjit jitlink {}\n{why}", arguments.join(" ")))?;
    let Some(oracle) = std::env::var_os("LINKJIT_ORACLE").filter(|_| !case.alone) else { return Ok(()) };
    let theirs = Command::new("timeout").arg("20").arg(oracle).args(&arguments).run_in(&fixture.directory)?;
    let agrees = match (&case.verb, theirs.status.code()) {
        // What it says is in its own words; that it refuses is what counts.
        (Verb::Error(_), Some(1)) => Ok(()),
        _ => verdict(case, &theirs),
    };
    match (agrees, &case.llvm_differs) {
        (Ok(()), None) | (Err(_), Some(_)) => Ok(()),
        (Err(why), None) => Err(format!("llvm-jitlink {}\n{why}", arguments.join(" "))),
        (Ok(()), Some(reason)) => Err(format!("llvm-jitlink agrees, though the case says: {reason}")),
    }
}

/// Checks that a command did what the case expects.
fn verdict(case: &Case, output: &Output) -> Result<(), String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let is_expected = match (&case.verb, output.status.code()) {
        (Verb::Check, code) => code == Some(0),
        (Verb::Error(text), code) => code == Some(1) && said.contains(text.as_str()),
        (Verb::Run(expected), code) => code == Some(*expected),
    };
    let printed = String::from_utf8_lossy(&output.stdout) + &*said;
    if !is_expected {
        return Err(format!("{}\n{said}", output.status));
    }
    match case.prints.iter().find(|text| !printed.lines().any(|line| line.contains(text.as_str()))) {
        Some(missing) => Err(format!("does not print '{missing}' but\n{printed}")),
        None => Ok(()),
    }
}

fn tool(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}: ./test installs it"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

trait RunIn {
    fn run_in(&mut self, directory: &Path) -> Result<Output, String>;
}

impl RunIn for Command {
    fn run_in(&mut self, directory: &Path) -> Result<Output, String> {
        self.current_dir(directory).stdin(Stdio::null()).output().map_err(|error| error.to_string())
    }
}
