//! Compiling a case, running it under Wine, comparing.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::case::{Case, SourceFile, Variant};
use crate::downloads;
use crate::tools::{for_wine, linkjit, linkjit_here, root, succeed};

/// Seconds that a program may run.
const TIME_LIMIT: &str = "120";

/// What a static program of MinGW is linked with.
const MINGW_RUNTIME: [&str; 11] = [
    "libstdc++.a",
    "libmingw32.a",
    "libgcc.a",
    "libgcc_eh.a",
    "libmoldname.a",
    "libmingwex.a",
    "libmsvcrt.a",
    "libpthread.a",
    "libadvapi32.a",
    "libuser32.a",
    "libkernel32.a",
];

/// The process that links a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Linker {
    /// The one that runs it.
    UnderWine,
    /// One of this system: the other is its executor.
    Here,
}

/// Runs a variant of a case; the error says what is wrong.
pub(crate) fn check(case: &Case, variant: &Variant, linker: Linker) -> Result<(), String> {
    let mut inputs = Vec::new();
    let directory = work_directory(case, variant, linker)?;
    for file in &case.files {
        inputs.push(compile(file, variant, &directory)?);
    }
    for archive in case.words("archives") {
        let all: &[&str] = if archive == "mingw-runtime" { &MINGW_RUNTIME } else { &[archive] };
        for archive in all {
            inputs.push(find_archive(archive)?);
        }
    }
    for library in case.values("crate") {
        inputs.push(downloads::of_crate(library)?);
    }
    for library in case.values("wheel") {
        inputs.push(downloads::of_wheel(library)?);
    }
    let options: Vec<&str> = case.values("options").collect();
    let options = if options.is_empty() { vec![""] } else { options };
    match linker {
        Linker::UnderWine => options.into_iter().try_for_each(|options| {
            let mut command = under_wine(case, &directory)?;
            command.arg("run").args(options.split_whitespace()).args(inputs.iter().map(|path| for_wine(path)));
            run(case, &mut command)
        }),
        // The last way takes the most steps: functions are linked when they are called.
        Linker::Here => {
            let mut command = Command::new(linkjit_here()?);
            command.env("LINKJIT_WINE", root().join("crates/xtask/wine")).env("LINKJIT_WINDOWS", linkjit()?);
            command.arg("run").args(options.last().unwrap_or(&"").split_whitespace()).args(&inputs);
            run(case, &mut command)
        }
    }
}

/// The command under Wine.
fn under_wine(case: &Case, directory: &Path) -> Result<Command, String> {
    let mut command = Command::new(root().join("crates/xtask/wine"));
    let dlls: Vec<&str> = case.values("dlls").collect();
    if dlls.is_empty() {
        command.arg(linkjit()?);
    } else {
        // The loader looks for DLLs beside the program first.
        command.arg(beside(linkjit()?, &dlls, directory)?).env("WINEDLLOVERRIDES", overrides(&dlls));
    }
    Ok(command)
}

/// Runs a program by a command that lacks the program's arguments only.
fn run(case: &Case, command: &mut Command) -> Result<(), String> {
    command.env("WINE_TIMEOUT", TIME_LIMIT).stdin(Stdio::null());
    let output = command.arg("--").args(case.words("run-args")).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    if let Some(wrong) = compare(case, &output) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\r', "");
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        return Err(format!("{wrong}\n{command:?}\n--- output, {}\n{out}--- errors\n{err}", output.status));
    }
    Ok(())
}

/// A copy of the command that has DLLs beside it.
fn beside(command: &Path, dlls: &[&str], directory: &Path) -> Result<PathBuf, String> {
    let put = |from: &Path| {
        let to = directory.join(from.file_name().unwrap_or_default());
        std::fs::copy(from, &to).map_err(|error| format!("{}: {error}", from.display()))?;
        Ok::<_, String>(to)
    };
    for dll in dlls {
        put(&downloads::of_wheel(dll)?)?;
    }
    put(command)
}

/// Tells Wine not to use its own: the DLLs' names, without extension.
fn overrides(dlls: &[&str]) -> String {
    let stems = dlls.iter().filter_map(|dll| Path::new(dll).file_stem()?.to_str());
    stems.collect::<Vec<_>>().join(",") + "=n"
}

/// What is not as the case expects it.
fn compare(case: &Case, output: &Output) -> Option<String> {
    let printed = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let mut errors = case.values("error").peekable();
    if errors.peek().is_some() {
        let said = String::from_utf8_lossy(&output.stderr);
        return errors.find(|error| !said.contains(error)).map(|error| format!("no error with: {error}"));
    }
    let expected: Vec<&str> = case.values("expect").collect();
    let exit = case.values("exit").next().unwrap_or("0").trim();
    if printed.lines().collect::<Vec<_>>() != expected {
        return Some(format!("expected:\n{}", expected.join("\n")));
    }
    (output.status.code().map(|code| code.to_string()).as_deref() != Some(exit))
        .then(|| format!("expected exit {exit}"))
}

/// A fresh directory for what is made.
fn work_directory(case: &Case, variant: &Variant, linker: Linker) -> Result<PathBuf, String> {
    let plain = |text: String| text.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let name = plain(format!("{}_{variant}_{linker:?}", case.name));
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("windows").join(name);
    std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
    Ok(directory)
}

fn compile(file: &SourceFile, variant: &Variant, directory: &Path) -> Result<PathBuf, String> {
    if file.extension() == "def" {
        let library = directory.join(format!("{}.lib", file.file_name()));
        if file.file_name().ends_with(".delay.def") {
            let mut dlltool = Command::new("x86_64-w64-mingw32-dlltool");
            dlltool.arg("-d").arg(&file.path).arg("--output-delaylib").arg(&library);
            return succeed(&mut dlltool).map(|_| library);
        }
        let mut dlltool = Command::new("llvm-dlltool-19");
        dlltool.args(["-m", "i386:x86-64", "-d"]).arg(&file.path).arg("-l").arg(&library);
        return succeed(&mut dlltool).map(|_| library);
    }
    if file.extension() == "rc" {
        return compile_resources(file, variant, directory);
    }
    let is_cxx = file.extension() == "cpp";
    let clang = |target: &str| {
        let mut clang = Command::new("clang-19");
        clang.arg(format!("--target={target}"));
        clang
    };
    let mut command = match variant.compiler.as_str() {
        "mingw" => Command::new(if is_cxx { "x86_64-w64-mingw32-g++-posix" } else { "x86_64-w64-mingw32-gcc-posix" }),
        "clang-gnu" => clang("x86_64-w64-windows-gnu"),
        "msvc" => {
            let mut clang = clang("x86_64-pc-windows-msvc");
            if is_cxx {
                clang.args(["-fexceptions", "-fcxx-exceptions"]);
            }
            clang
        }
        other => return Err(format!("'{other}' is no compiler that the cases know")),
    };
    if is_cxx {
        command.arg("-std=c++17");
    }
    let object = directory.join(format!("{}.obj", file.file_name()));
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/windows/include");
    command.args(variant.flags.split_whitespace());
    // GNU's compilers have headers of their own, which come first.
    succeed(command.arg("-idirafter").arg(include).arg("-c").arg(&file.path).arg("-o").arg(&object))?;
    Ok(object)
}

/// Makes an object of resources.
fn compile_resources(file: &SourceFile, variant: &Variant, directory: &Path) -> Result<PathBuf, String> {
    let object = directory.join(format!("{}.obj", file.file_name()));
    if variant.compiler == "mingw" {
        let mut windres = Command::new("x86_64-w64-mingw32-windres");
        succeed(windres.arg(&file.path).args(["-O", "coff", "-o"]).arg(&object))?;
        return Ok(object);
    }
    let compiled = object.with_extension("res");
    succeed(Command::new("llvm-rc-19").arg("/no-preprocess").arg("/fo").arg(&compiled).arg("--").arg(&file.path))?;
    let mut cvtres = Command::new("llvm-cvtres-19");
    succeed(cvtres.arg("/machine:x64").arg(format!("/out:{}", object.display())).arg(&compiled))?;
    Ok(object)
}

/// An archive of MinGW's.
fn find_archive(name: &str) -> Result<PathBuf, String> {
    let mut driver = Command::new("x86_64-w64-mingw32-g++-posix");
    let path = PathBuf::from(succeed(driver.arg(format!("-print-file-name={name}")))?.trim());
    let path = path.canonicalize().map_err(|error| format!("{name}: {error}"))?;
    if path.is_absolute() { Ok(path) } else { Err(format!("{name}: not found")) }
}
