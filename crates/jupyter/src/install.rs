//! Writes kernel specifications, by which Jupyter knows a kernel.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::session::Setup;

/// The place of a kernel's specification.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// For this user.
    User,
    /// In the Python environment that is active.
    Environment,
    /// Below this directory.
    Prefix(PathBuf),
}

impl Place {
    /// The directory of Jupyter's data.
    fn data(&self) -> Result<PathBuf> {
        match self {
            Self::User => user_data(),
            Self::Environment => Ok(environment()?.join("share/jupyter")),
            Self::Prefix(directory) => Ok(directory.join("share/jupyter")),
        }
    }
}

/// Writes the specification of a kernel; returns the directory.
pub(crate) fn install(place: &Place, name: &str, title: &str, setup: &Setup) -> Result<PathBuf> {
    let directory = place.data()?.join("kernels").join(name);
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |error| Error::File { path, error }
    };
    std::fs::create_dir_all(&directory).map_err(failed(&directory))?;
    let file = directory.join("kernel.json");
    let program = std::env::current_exe()?;
    let text = format!("{:#}\n", specification(&program, title, setup));
    std::fs::write(&file, text).map_err(failed(&file))?;
    Ok(directory)
}

/// The name and the title of the kernel for a target.
pub(crate) fn names(target: Option<&str>) -> (String, String) {
    let (name, title) = match target {
        None => return ("linkjit-cpp".into(), "C++ (linkjit)".into()),
        Some(target) if target.contains("windows-gnu") => ("mingw", "Windows, MinGW"),
        Some(target) if target.contains("windows-msvc") => ("msvc", "Windows, MSVC"),
        Some(target) => (target, target),
    };
    (format!("linkjit-cpp-{name}"), format!("C++ for {title} (linkjit)"))
}

fn specification(program: &Path, title: &str, setup: &Setup) -> Value {
    let mut arguments: Vec<OsString> = vec![program.into(), "run".into(), "-f".into(), "{connection_file}".into()];
    if let Some(target) = &setup.target {
        arguments.extend(["--target".into(), target.into()]);
    }
    arguments.extend(setup.libraries.iter().map(|library| format!("-l{library}").into()));
    if !setup.clang.is_empty() {
        arguments.push("--".into());
        arguments.extend(setup.clang.iter().cloned());
    }
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    json!({
        "argv": arguments, "display_name": title, "language": "c++", "interrupt_mode": "message",
        "metadata": {"debugger": false},
    })
}

/// The directory in which Jupyter looks first.
fn user_data() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = variable("JUPYTER_DATA_DIR").or_else(|| {
        if cfg!(windows) {
            Some(variable("APPDATA")?.join("jupyter"))
        } else if cfg!(target_os = "macos") {
            Some(std::env::home_dir()?.join("Library/Jupyter"))
        } else {
            let data = variable("XDG_DATA_HOME").or_else(|| Some(std::env::home_dir()?.join(".local/share")))?;
            Some(data.join("jupyter"))
        }
    });
    directory.ok_or(Error::NoPlace("there is no home directory: name one with --prefix"))
}

/// The directory of the Python environment that is active, or of Python itself.
fn environment() -> Result<PathBuf> {
    let active = ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().find_map(std::env::var_os).map(PathBuf::from);
    let of_python = || {
        let output = Command::new("python3").args(["-c", "import sys; print(sys.prefix)"]).output().ok()?;
        let prefix = String::from_utf8(output.stdout).ok()?;
        (!prefix.trim().is_empty()).then(|| PathBuf::from(prefix.trim()))
    };
    active.or_else(of_python).ok_or(Error::NoPlace("there is no Python here: name a directory with --prefix"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifications_have_the_command_line() {
        let target = "x86_64-pc-windows-msvc";
        let setup =
            Setup { target: Some(target.into()), libraries: vec!["z".into()], clang: vec!["-std=c++23".into()] };
        let (name, title) = names(setup.target.as_deref());
        assert_eq!((&*name, &*title), ("linkjit-cpp-msvc", "C++ for Windows, MSVC (linkjit)"));
        let specification = specification(Path::new("/bin/linkjit-jupyter"), &title, &setup);
        let expected =
            ["/bin/linkjit-jupyter", "run", "-f", "{connection_file}", "--target", target, "-lz", "--", "-std=c++23"];
        assert_eq!(specification["argv"], json!(expected));
    }
}
