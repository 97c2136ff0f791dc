//! `linkjit run --executor wine`: programs for Windows, run from another system by the Windows build of this command.

mod random_bytes;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use linkjit_host::temporary::{self, PrivateDirectory};

use crate::args::{Crt, Item, RunOptions};
use crate::inputs;
use crate::report::Failure;

/// Says where the Windows build is.
const PROGRAM_VARIABLE: &str = "LINKJIT_WINDOWS";
/// Says what runs Windows programs, if it is not `wine`.
const WINE_VARIABLE: &str = "LINKJIT_WINE";
const TARGET: &str = "x86_64-pc-windows-gnu";
/// Wine looks there for DLLs that it does not have, beside where all programs do; directories are separated by `;`.
const PATH_VARIABLE: &str = "WINEPATH";
/// The lower eight bits of what the system ends a program with that it can't start: a DLL is missing, or something in one,
/// or one is damaged (STATUS_DLL_NOT_FOUND, STATUS_ENTRYPOINT_NOT_FOUND, STATUS_INVALID_IMAGE_FORMAT).
const NOT_STARTED: [i32; 3] = [0x35, 0x39, 0x7b];

/// Has the program run; returns its exit code, of which Wine passes the lower eight bits.
pub(crate) fn run(options: &RunOptions, json: bool) -> Result<i32, Vec<Failure>> {
    let sources = options.items.iter().filter_map(|item| match item {
        Item::Input(path) if inputs::is_source(path) => Some(Failure::SourceForWine { file: path.clone() }),
        _ => None,
    });
    let sources: Vec<_> = sources.collect();
    if !sources.is_empty() {
        return Err(sources);
    }
    let program = program().map_err(|failure| vec![failure])?;
    let wine = std::env::var_os(WINE_VARIABLE).unwrap_or_else(|| "wine".into());
    let no_wine = |message: String| vec![Failure::NoWine { command: wine.to_string_lossy().into_owned(), message }];
    let _removed = temporary::remove_at_signals();
    let dlls = PrivateDirectory::new().and_then(|directory| {
        random_bytes::write(directory.path())?;
        Ok(directory)
    });
    let dlls = dlls.map_err(|error| no_wine(format!("the DLLs that Wine lacks can't be written: {error}")))?;
    let start = || {
        let mut command = Command::new(&wine);
        let path: Vec<_> = std::env::var_os(PATH_VARIABLE).into_iter().chain([for_wine(dlls.path())]).collect();
        command.env(PATH_VARIABLE, path.join(OsStr::new(";"))).arg(for_wine(&program));
        command
    };
    let mut command = start();
    command.args(arguments(options, json));
    if std::env::var_os("WINEDEBUG").is_none() {
        // Its own diagnostics would be among those of the program.
        command.env("WINEDEBUG", "-all");
    }
    let code = exit_code(command.status().map_err(|error| no_wine(error.to_string()))?);
    match NOT_STARTED.contains(&code).then(|| why_not_started(start())).flatten() {
        Some(why) => Err(no_wine(why)),
        None => Ok(code),
    }
}

/// Returns why the Windows build does not start; `None` if it does, and the code was the program's.
fn why_not_started(mut command: Command) -> Option<String> {
    let output = command.arg("--version").env("WINEDEBUG", "err+module").stdin(Stdio::null()).output().ok()?;
    let code = exit_code(output.status);
    if !NOT_STARTED.contains(&code) {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stderr);
    // `err:module:import_dll Library X.dll (which is needed by L"...") not found`
    let missing = said.lines().find_map(|line| line.split_once("Library ")?.1.split_once(" (which"));
    Some(match missing {
        Some((dll, _)) => format!("this version of Wine has no {dll}, which linkjit.exe needs: try a newer one"),
        None => format!("linkjit.exe does not start (exit code {code}): set WINEDEBUG=err+all to see why"),
    })
}

/// The Windows build: beside this one, or where Cargo puts it.
fn program() -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os(PROGRAM_VARIABLE) {
        return Ok(path.into());
    }
    let this = std::env::current_exe().unwrap_or_default();
    let directory = this.parent().unwrap_or(Path::new(""));
    let cargos = directory.parent().zip(directory.file_name());
    let cargos = cargos.map(|(target, profile)| target.join(TARGET).join(profile));
    let searched: Vec<_> = [directory.into()].into_iter().chain(cargos).map(|path| path.join("linkjit.exe")).collect();
    match searched.iter().find(|path| path.is_file()) {
        Some(found) => Ok(found.clone()),
        None => Err(Failure::NoWindowsBuild { target: TARGET, variable: PROGRAM_VARIABLE, searched }),
    }
}

/// The command line that says the same there.
fn arguments(options: &RunOptions, json: bool) -> Vec<OsString> {
    // Values are joined to their options: some may begin with a dash.
    let mut line: Vec<OsString> = vec!["run".into(), joined("--entry=", options.entry.as_ref())];
    let flags = [("--json", json), ("--lazy", options.lazy), ("--time", options.time), ("--stats", options.stats)];
    line.extend(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag.into()));
    for directory in &options.directories {
        line.push(joined("-L", &for_wine(directory)));
    }
    if let Some(size) = options.window_size {
        line.push(format!("--window-size={size}").into());
    }
    match &options.crt {
        Crt::BuiltIn => {}
        Crt::VisualStudio => line.push("--crt=visual-studio".into()),
        Crt::Xwin(directory) => line.push(joined("--crt=xwin=", &for_wine(directory))),
        Crt::MinGw(directory) => line.push(joined("--crt=mingw=", &for_wine(directory))),
    }
    for item in &options.items {
        match item {
            Item::Input(path) => line.push(for_wine(path)),
            Item::Library(name) => line.push(joined("-l", name.as_ref())),
            Item::Dylib(name) => line.push(joined("--jd=", name.as_ref())),
            Item::Whole(true) => line.push("--whole-archive".into()),
            Item::Whole(false) => line.push("--no-whole-archive".into()),
        }
    }
    line.push("--".into());
    line.extend(options.arguments.iter().skip(1).cloned());
    line
}

/// A path as Wine's programs know it; they are started in the same directory.
fn for_wine(path: &Path) -> OsString {
    match path.as_os_str().as_encoded_bytes() {
        [b'/', ..] => joined("Z:", path.as_os_str()),
        [b'-', ..] => joined("./", path.as_os_str()),
        _ => path.into(),
    }
}

fn joined(prefix: &str, rest: &OsStr) -> OsString {
    let mut joined = OsString::from(prefix);
    joined.push(rest);
    joined
}

/// Returns the exit code. If a signal ended the program, it is what shells have for that.
fn exit_code(status: ExitStatus) -> i32 {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal);
    #[cfg(not(unix))]
    let signal = None;
    status.code().or(signal).unwrap_or(crate::FAILURE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Command, Invocation};

    #[test]
    fn the_command_line_says_the_same_there() {
        let line = "linkjit run --executor wine --crt mingw=/usr/m -L /l -L m --lazy a.obj -lz --jd p /b.obj ./-c.obj -- -x /y";
        let invocation = Invocation::parse(line.split(' ').map(OsString::from)).expect("a command line");
        let Command::Run(options) = invocation.command else { panic!("{invocation:?}") };
        let there: Vec<_> =
            arguments(&options, true).into_iter().map(|word| word.into_string().expect("ASCII")).collect();
        let expected = "run --entry=main --json --lazy -LZ:/l -Lm --crt=mingw=Z:/usr/m a.obj -lz --jd=p Z:/b.obj ./-c.obj -- -x /y";
        assert_eq!(there.join(" "), expected);
    }
}
