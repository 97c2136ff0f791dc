//! Running other programs, and installing those that are missing.

use std::process::{Command, Stdio};

use crate::Result;

/// Runs `command` and returns what it wrote to its standard output; a failure says what it wrote to standard error.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{}: {e}", name_of(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let tail: Vec<&str> = errors.lines().rev().take(20).collect();
    let tail: String = tail.iter().rev().map(|line| format!("\n  {line}")).collect();
    Err(format!("{} ended with {}{tail}", name_of(command), output.status))
}

/// Runs `command` with this program's own output.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().map_err(|e| format!("{}: {e}", name_of(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", name_of(command))) }
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Installs the Debian packages among `packages` that are missing; touches nothing when there are none.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("installing {}", missing.join(" "));
    run(apt_get().args(["update", "-qq"]))?;
    run(apt_get().args(["install", "-y", "-qq", "--no-install-recommends"]).args(missing))
}

fn is_installed(package: &str) -> bool {
    let query = output_of(Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", package]));
    query.is_ok_and(|status| status == "installed")
}

/// apt-get as root: itself, or by way of sudo. Its output goes to standard error, for tables go to standard output.
fn apt_get() -> Command {
    let is_root = output_of(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let mut command = Command::new("sh");
    let script = if is_root { "apt-get \"$@\" >&2" } else { "sudo DEBIAN_FRONTEND=noninteractive apt-get \"$@\" >&2" };
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-c", script, "apt-get"]);
    command
}

fn name_of(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}
