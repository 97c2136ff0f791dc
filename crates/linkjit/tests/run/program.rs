//! Compiling a case, running it both ways, comparing.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::case::{Case, SourceFile, Variant};
use crate::child;

/// How long a program may run.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// What a program did.
#[derive(PartialEq, Eq)]
struct Outcome {
    /// Exit code, or 128 and the signal.
    exit: i32,
    output: String,
    /// Not compared: messages differ.
    errors: String,
}

/// Inputs of a link, in order, by kind.
type Inputs = Vec<(&'static str, PathBuf)>;

/// Runs a variant of a case; the error says what is wrong.
pub(crate) fn check(case: &Case, variant: &Variant) -> Result<(), String> {
    let directory = work_directory(case, variant)?;
    let inputs = build(case, variant, &directory)?;
    compare(case, &inputs, &inputs, &directory)
}

/// The same with the LLVM IR that the objects are made of: compiled a function at a time, and as a whole.
pub(crate) fn check_ir(case: &Case, variant: &Variant) -> Result<(), String> {
    let directory = work_directory(case, variant)?;
    let objects = build(case, variant, &directory)?;
    for kind in [child::LAZY_IR, child::WHOLE_IR] {
        let ir_of = |(of, path): &(&'static str, PathBuf)| match path.with_extension("ll") {
            ir if ir.exists() => (kind, ir),
            _ => (*of, path.clone()),
        };
        let inputs = objects.iter().map(ir_of).collect();
        compare(case, &inputs, &objects, &directory).map_err(|error| format!("{kind}: {error}"))?;
    }
    Ok(())
}

/// Links `inputs` with linkjit, `objects` with the system's linker, and runs both.
fn compare(case: &Case, inputs: &Inputs, objects: &Inputs, directory: &Path) -> Result<(), String> {
    let jitted = run(jit_command(case, inputs)?, &directory.join("jit"))?;
    if case.values("error").next().is_some() {
        return check_error(case, &jitted);
    }
    let mut expected = Vec::new();
    if case.values("native").all(|value| value != "no") {
        let program = link_natively(case, objects, directory)?;
        let mut command = Command::new(program);
        command.arg0("program").args(case.words("run-args"));
        expected.push(("linked by the system", run(command, &directory.join("native"))?));
    } else if case.values("expect").next().is_none() {
        return Err("a case that the system can't link needs `expect`".into());
    }
    if let Some(outcome) = expectation(case)? {
        expected.push(("expected", outcome));
    }
    for (what, expected) in expected {
        if (expected.exit, &expected.output) != (jitted.exit, &jitted.output) {
            return Err(format!("{what}:\n{}\nlinked by linkjit:\n{}", show(&expected), show(&jitted)));
        }
    }
    Ok(())
}

/// A fresh directory for what is made.
fn work_directory(case: &Case, variant: &Variant) -> Result<PathBuf, String> {
    let plain = |text: String| text.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("run").join(plain(format!("{}_{variant}", case.name)));
    if directory.exists() {
        std::fs::remove_dir_all(&directory).map_err(|error| error.to_string())?;
    }
    std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
    Ok(directory)
}

/// Compiles all files.
fn build(case: &Case, variant: &Variant, directory: &Path) -> Result<Inputs, String> {
    let mut inputs = Inputs::new();
    let [mut shared, mut archived] = [vec![], vec![]];
    for file in &case.files {
        let (kind, object) = compile(file, variant, directory, std::ptr::eq(file, &raw const case.files[0]))?;
        if case.words("shared").any(|name| name == file.file_name()) {
            shared.push(object);
        } else if case.words("archive").any(|name| name == file.file_name()) {
            archived.push(object);
        } else {
            inputs.push((kind, object));
        }
    }
    if !archived.is_empty() {
        let archive = directory.join("libcase.a");
        succeed(Command::new("ar").arg("rcs").arg(&archive).args(archived))?;
        inputs.push((child::ARCHIVE, archive));
    }
    if !shared.is_empty() {
        let library = directory.join("libcase.so");
        succeed(
            Command::new("c++").arg("-shared").arg("-o").arg(&library).args(shared).args(case.words("shared-flags")),
        )?;
        inputs.push((child::LIBRARY, library));
    }
    for archive in case.words("archives") {
        inputs.push((child::ARCHIVE, find_file(archive)?));
    }
    for library in case.words("libs") {
        let file = if library == "rust-std" { rust_std()? } else { find_file(&format!("lib{library}.so"))? };
        inputs.push((child::LIBRARY, file));
    }
    Ok(inputs)
}

fn compile(
    file: &SourceFile,
    variant: &Variant,
    directory: &Path,
    is_first: bool,
) -> Result<(&'static str, PathBuf), String> {
    if file.extension() == "rs" {
        let is_object = variant.flags.contains("--emit=obj");
        let output = directory.join(file.file_name()).with_extension(if is_object { "o" } else { "a" });
        let mut command = Command::new("rustc");
        command.arg("--edition=2024").arg("--crate-name=case").args(words(&variant.flags));
        if !variant.flags.contains("--crate-type") {
            command.arg("--crate-type=staticlib");
        }
        succeed(command.arg(&file.path).arg("-o").arg(&output))?;
        return Ok((if is_object { child::OBJECT } else { child::ARCHIVE }, output));
    }
    let c_compiler = if variant.compiler == "rustc" { "cc" } else { &variant.compiler };
    let compiler = match (file.extension(), c_compiler) {
        ("f90", _) => "gfortran".into(),
        ("cpp", "gcc") => "g++".into(),
        ("cpp", "cc") => "c++".into(),
        ("cpp", clang) => clang.replacen("clang", "clang++", 1),
        (_, compiler) => compiler.into(),
    };
    let object = directory.join(format!("{}.o", file.file_name()));
    let of_variant = words(&variant.flags).filter(|_| variant.compiler != "rustc");
    let own = file.values("flags").filter(|_| !is_first).flat_map(words);
    let flags: Vec<&str> = of_variant.chain(own).collect();
    let mut command = Command::new(compiler);
    // Modules of Fortran are files, too.
    command.current_dir(directory).args(&flags);
    let ir = object.with_extension("ll");
    let is_by_ir = variant.ir && ["c", "cpp"].contains(&file.extension());
    if is_by_ir {
        succeed(command.args(["-S", "-emit-llvm"]).arg(&file.path).arg("-o").arg(&ir))?;
        command = Command::new("clang-19");
        command.args(&flags).args(["-Xclang", "-disable-llvm-passes"]);
    }
    let source = if is_by_ir { &ir } else { &file.path };
    succeed(command.arg("-c").arg(source).arg("-o").arg(&object))?;
    Ok((child::OBJECT, object))
}

/// A file that the compiler's driver knows.
fn find_file(name: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(succeed(Command::new("cc").arg(format!("-print-file-name={name}")))?.trim());
    if path.is_absolute() { Ok(path) } else { Err(format!("{name}: not found")) }
}

/// The shared library of Rust's `std`.
fn rust_std() -> Result<PathBuf, String> {
    let directory = succeed(Command::new("rustc").args(["--print", "target-libdir"]))?;
    let entries = std::fs::read_dir(directory.trim()).map_err(|error| format!("{directory}: {error}"))?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_std = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".so")
    };
    paths.find(is_std).ok_or_else(|| format!("{directory}: no libstd-*.so"))
}

fn link_natively(case: &Case, inputs: &Inputs, directory: &Path) -> Result<PathBuf, String> {
    let program = directory.join("program");
    let is_cxx = case.files.iter().any(|file| file.extension() == "cpp");
    // Not position-independent: then every object can be linked, whatever it was compiled for.
    let mut command = Command::new(if is_cxx { "c++" } else { "cc" });
    command.args(["-no-pie", "-rdynamic", "-pthread", "-z", "noexecstack", "-o"]).arg(&program);
    for (kind, path) in inputs {
        command.arg(path);
        if let (&child::LIBRARY, Some(directory)) = (kind, path.parent()) {
            command.arg(format!("-Wl,-rpath,{}", directory.display()));
        }
    }
    succeed(command.args(case.words("link-flags")).args(["-lm", "-ldl"]))?;
    Ok(program)
}

fn jit_command(case: &Case, inputs: &Inputs) -> Result<Command, String> {
    let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
    command.arg(child::RUN);
    if case.values("policy").any(|policy| policy == "whole") {
        command.arg(child::WHOLE);
    }
    for (kind, path) in inputs {
        command.arg(kind).arg(path);
    }
    command.arg("--").args(case.words("run-args"));
    Ok(command)
}

/// Runs a command with a time limit. Its output goes to files, which never fill up as pipes do.
fn run(mut command: Command, files: &Path) -> Result<Outcome, String> {
    let [output, errors] = ["out", "err"].map(|extension| files.with_extension(extension));
    let create = |path: &Path| File::create(path).map_err(|error| format!("{}: {error}", path.display()));
    command.stdin(std::process::Stdio::null()).stdout(create(&output)?).stderr(create(&errors)?);
    let mut process = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let deadline = Instant::now() + TIME_LIMIT;
    let status = loop {
        match process.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
            None => {
                // It may have ended just now.
                let _ended = process.kill();
                let _status = process.wait();
                return Err(format!("{command:?}: not done after {TIME_LIMIT:?}"));
            }
        }
    };
    let read = |path: &Path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(Outcome {
        exit: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
        output: read(&output).map_err(|error| error.to_string())?,
        errors: read(&errors).map_err(|error| error.to_string())?,
    })
}

/// What the directives say that the program does.
fn expectation(case: &Case) -> Result<Option<Outcome>, String> {
    let lines: Vec<&str> = case.values("expect").collect();
    if lines.is_empty() {
        return Ok(None);
    }
    let exit = case.values("exit").next().unwrap_or("0").trim();
    let exit = exit.parse().map_err(|_| format!("exit: {exit}: not a number"))?;
    Ok(Some(Outcome { exit, output: lines.join("\n") + "\n", errors: String::new() }))
}

fn check_error(case: &Case, jitted: &Outcome) -> Result<(), String> {
    let failed = jitted.exit == i32::from(child::LINKING_FAILED);
    match case.values("error").find(|text| !failed || !jitted.errors.contains(text)) {
        Some(text) => Err(format!("expected an error with: {text}\nlinked by linkjit:\n{}", show(jitted))),
        None => Ok(()),
    }
}

fn show(outcome: &Outcome) -> String {
    format!("exit {}\n{}---- errors\n{}", outcome.exit, outcome.output, outcome.errors)
}

/// Runs a tool; returns what it prints.
fn succeed(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}
