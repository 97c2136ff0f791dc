//! The kernel with Jupyter's own clients: its tests of kernels (`kernel_test.py`), a notebook (`notebook_test.py`), and the kernels for
//! Windows (`windows_test.py`).
//!
//! They are packages of Python, which are installed into an environment in Cargo's target directory. Without these, without the front
//! end of the REPL, or where the REPL has none, the tests are listed as ignored.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

#[path = "../../cli/tests/support/front_end.rs"]
mod front_end;
#[path = "../../cli/tests/support/windows.rs"]
#[allow(dead_code, reason = "what Windows programs are built for is asked by others")]
mod windows;

const PACKAGES: [&str; 2] = ["jupyter_kernel_test==0.7.0", "nbclient==0.11.0"];

fn main() -> ExitCode {
    let python = if cfg!(unix) { python() } else { None };
    let is_ready = python.is_some() && front_end::build().is_some();
    let python = python.unwrap_or_default();
    if is_ready {
        prepare();
    }
    let trial = |script: &'static str| {
        let python = python.clone();
        Trial::test(script, move || check(&python, script)).with_ignored_flag(!is_ready)
    };
    let trials = ["kernel_test.py", "notebook_test.py", "windows_test.py"].map(trial);
    let mut arguments = Arguments::from_args();
    // Jupyter's tests expect answers soon.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory")
}

/// Jupyter's directory of data, in which the kernel is installed.
fn data() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("jupyter")
}

/// Python with Jupyter's packages; `None` if these can't be had, which is said.
fn python() -> Option<PathBuf> {
    let environment = target().join("python");
    let python = environment.join("bin/python");
    let installed = environment.join("installed");
    let wanted = PACKAGES.join(" ");
    if std::fs::read_to_string(&installed).is_ok_and(|packages| packages == wanted) {
        return Some(python);
    }
    let run = |command: &mut Command| match command.output() {
        Ok(output) if output.status.success() => Some(()),
        Ok(output) => {
            eprintln!("no kernel is tested: {command:?}: {}", String::from_utf8_lossy(&output.stderr));
            None
        }
        Err(error) => {
            eprintln!("no kernel is tested: {command:?}: {error}");
            None
        }
    };
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
    std::fs::write(installed, wanted).ok()?;
    Some(python)
}

/// Makes the commands that run inputs, and tells Jupyter of the kernels.
fn prepare() {
    let kernel = Path::new(env!("CARGO_BIN_EXE_linkjit-jupyter"));
    if !kernel.with_file_name("linkjit").is_file() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "-p", "linkjit-cli", "--target-dir"])
            .arg(target())
            .status();
        assert!(built.expect("Cargo starts").success());
    }
    windows::build();
    for options in [&["install"][..], &["install", "--target", "mingw"], &["install", "--target", "msvc"]] {
        let install = Command::new(kernel).args(options).env("JUPYTER_DATA_DIR", data()).output().expect("it starts");
        assert!(install.status.success(), "{}", String::from_utf8_lossy(&install.stderr));
    }
}

fn check(python: &Path, script: &str) -> Result<(), Failed> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    // Sockets that clients leave open are theirs.
    let mut command = Command::new(python);
    command.args(["-B", "-W", "ignore"]).arg(script).env("JUPYTER_DATA_DIR", data());
    let output = command.env("LINKJIT_WINE", windows::wine()).env("LINKJIT_CACHE", "off").output()?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned().into()) }
}
