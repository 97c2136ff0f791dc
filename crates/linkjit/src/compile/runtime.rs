//! The libraries that compilers link into each program for what the processor can't do, or only some can: GCC's
//! `libgcc.a`, LLVM's `libclang_rt.builtins.a`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::system;

/// Where compilers of the system keep theirs, in a directory for each version.
const GCC: [&str; 2] = ["/usr/lib/gcc/x86_64-linux-gnu", "/usr/lib/gcc/x86_64-redhat-linux"];
const LLVM: &str = "/usr/lib";
const CLANG: &str = "/usr/lib/clang";

/// The libraries there are, in the order in which they are to be searched. It costs a process to find out: once.
pub(crate) fn libraries() -> &'static [PathBuf] {
    static LIBRARIES: OnceLock<Vec<PathBuf>> = OnceLock::new();
    LIBRARIES.get_or_init(|| {
        let libgcc =
            of_driver().or_else(|| GCC.iter().find_map(|directory| newest(directory, |path| file(&path, "libgcc.a"))));
        libgcc.into_iter().chain(builtins()).collect()
    })
}

/// What the compiler's driver would link.
fn of_driver() -> Option<PathBuf> {
    let command = system::c_driver();
    let (program, arguments) = command.split_first()?;
    let mut command = Command::new(program);
    // What is to serve the program, a sanitizer perhaps, is not for the compiler.
    command.env_remove("LD_PRELOAD");
    let output = command.args(arguments).arg("-print-libgcc-file-name").stdin(Stdio::null()).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
    (path.is_absolute() && path.is_file()).then_some(path)
}

/// The newest one of LLVM.
fn builtins() -> Option<PathBuf> {
    let in_resources = |resources: PathBuf| {
        let library = resources.join("lib");
        let triple = |name| library.join(name);
        file(&triple("x86_64-pc-linux-gnu"), "libclang_rt.builtins.a")
            .or_else(|| file(&triple("x86_64-unknown-linux-gnu"), "libclang_rt.builtins.a"))
            .or_else(|| file(&triple("linux"), "libclang_rt.builtins-x86_64.a"))
    };
    let of_version = |version: PathBuf| newest(version.join("lib/clang"), in_resources);
    newest(LLVM, |path| path.file_name()?.to_str()?.starts_with("llvm-").then(|| of_version(path.clone()))?)
        .or_else(|| newest(CLANG, in_resources))
}

/// What `find` finds in that entry of a directory which has the highest number in its name.
fn newest(directory: impl AsRef<Path>, find: impl Fn(PathBuf) -> Option<PathBuf>) -> Option<PathBuf> {
    let number = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits.get(..end).and_then(|digits| digits.parse::<u32>().ok())
    };
    let entries = std::fs::read_dir(directory).ok()?;
    let mut entries: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort_by_cached_key(|path| std::cmp::Reverse(number(path)));
    entries.into_iter().find_map(find)
}

fn file(directory: &Path, name: &str) -> Option<PathBuf> {
    Some(directory.join(name)).filter(|path| path.is_file())
}
