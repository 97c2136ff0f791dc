//! Programs for Windows on another system: an executor in the Windows build of linkjit's command, which Wine runs.

mod random_bytes;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use linkjit_executor::ExecutorError;
use linkjit_host::temporary::{self, PrivateDirectory};

use crate::{Child, Remote};

/// Says where the Windows build is.
const PROGRAM_VARIABLE: &str = "LINKJIT_WINDOWS";
/// Says what runs Windows programs, if it is not `wine`.
const WINE_VARIABLE: &str = "LINKJIT_WINE";
/// Wine has the whole file system there.
const DRIVE: &str = "Z:";
const TARGET: &str = "x86_64-pc-windows-gnu";
/// Wine looks there for DLLs that it does not have, beside where all programs do; directories are separated by `;`.
const PATH_VARIABLE: &str = "WINEPATH";
/// Says which DLLs and programs of its own Wine does without, separated by `;`.
const OVERRIDES_VARIABLE: &str = "WINEDLLOVERRIDES";
const NO_DEBUGGER: &str = "winedbg.exe=d";
/// The lower eight bits of what the system ends a program with that it can't start: a DLL is missing, or something in one,
/// or one is damaged (STATUS_DLL_NOT_FOUND, STATUS_ENTRYPOINT_NOT_FOUND, STATUS_INVALID_IMAGE_FORMAT).
const NOT_STARTED: [i32; 3] = [0x35, 0x39, 0x7b];

/// Reasons why there is no executor under Wine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WineError {
    /// The Windows build of the command is not there.
    #[error(
        "programs for Windows need the Windows build of linkjit: make it with `cargo build -p linkjit-cli --target {target}`, or set {variable} to its path\nsearched {}",
        places(searched)
    )]
    NoWindowsBuild {
        /// The target to build it for.
        target: &'static str,
        /// The variable of the environment that says where it is.
        variable: &'static str,
        /// The paths where it could be.
        searched: Vec<PathBuf>,
    },
    /// Wine can't be started, or can't run it.
    #[error("programs for Windows need Wine: {0}")]
    NoWine(String),
}

fn places(searched: &[PathBuf]) -> String {
    searched.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Starts the executor in this program; without one, in the Windows build of linkjit's command, which is beside this program, where
/// Cargo puts it, or where `$LINKJIT_WINDOWS` says. `prepare` may change the command: its standard streams, say.
///
/// # Errors
/// If one of the two is not there, or does not start.
pub fn start_under_wine(given: Option<&Path>, prepare: impl FnOnce(&mut Command)) -> Result<Remote, WineError> {
    let program = given.map_or_else(program, |path| Ok(path.into()))?;
    let wine = std::env::var_os(WINE_VARIABLE).unwrap_or_else(|| "wine".into());
    let _removed = temporary::remove_at_signals();
    // Nobody needs them once the executor has started.
    let dlls = PrivateDirectory::new().and_then(|directory| {
        random_bytes::write(directory.path())?;
        Ok(directory)
    });
    let dlls = dlls.map_err(|error| WineError::NoWine(format!("the DLLs that it lacks can't be written: {error}")))?;
    let start = || {
        let mut command = Command::new(&wine);
        let mut on_drive = OsString::from(DRIVE);
        on_drive.push(dlls.path());
        let path: Vec<_> = std::env::var_os(PATH_VARIABLE).into_iter().chain([on_drive]).collect();
        command.env(PATH_VARIABLE, path.join(OsStr::new(";"))).arg(&program);
        command
    };
    let mut command = start();
    command.arg("executor");
    // It would say at length how a program has crashed, and hide the exit code that says so.
    let overrides: Vec<_> = std::env::var_os(OVERRIDES_VARIABLE).into_iter().chain([NO_DEBUGGER.into()]).collect();
    command.env(OVERRIDES_VARIABLE, overrides.join(OsStr::new(";")));
    if std::env::var_os("WINEDEBUG").is_none() {
        // Its own diagnostics would be among those of the program.
        command.env("WINEDEBUG", "-all");
    }
    prepare(&mut command);
    match Child::start_over_tcp(command) {
        Ok(remote) => Ok(remote.with_paths(for_wine)),
        Err(error) => Err(WineError::NoWine(why_not_started(start()).unwrap_or_else(|| match error {
            ExecutorError::Disconnected { why } => why,
            error => error.to_string(),
        }))),
    }
}

/// Returns why the Windows build does not start; `None` if it does.
fn why_not_started(mut command: Command) -> Option<String> {
    let output = command.arg("--version").env("WINEDEBUG", "err+module").stdin(Stdio::null()).output().ok()?;
    let code = output.status.code().filter(|code| NOT_STARTED.contains(code))?;
    let said = String::from_utf8_lossy(&output.stderr);
    // `err:module:import_dll Library X.dll (which is needed by L"...") not found`
    let missing = said.lines().find_map(|line| line.split_once("Library ")?.1.split_once(" (which"));
    Some(match missing {
        Some((dll, _)) => format!("this version has no {dll}, which linkjit.exe needs: try a newer one"),
        None => format!("linkjit.exe does not start (exit code {code}): set WINEDEBUG=err+all to see why"),
    })
}

/// The Windows build: beside this one, or where Cargo puts it.
fn program() -> Result<PathBuf, WineError> {
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
        None => Err(WineError::NoWindowsBuild { target: TARGET, variable: PROGRAM_VARIABLE, searched }),
    }
}

/// The name by which Wine's programs know a file; they are started in the same directory.
fn for_wine(path: &[u8]) -> Vec<u8> {
    let drive = if path.starts_with(b"/") { DRIVE.as_bytes() } else { &[] };
    drive.iter().chain(path).map(|&byte| if byte == b'/' { b'\\' } else { byte }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_on_a_drive_of_wine() {
        let known = |path: &str| String::from_utf8(for_wine(path.as_bytes())).expect("UTF-8");
        assert_eq!(known("/a/b.dll"), r"Z:\a\b.dll");
        assert_eq!(known("./a/b.dll"), r".\a\b.dll");
        assert_eq!(known("kernel32.dll"), "kernel32.dll");
    }
}
