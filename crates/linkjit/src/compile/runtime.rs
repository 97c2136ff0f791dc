//! The libraries that compilers link into each program for what the processor can't do, or only some can: GCC's
//! `libgcc.a`, LLVM's `libclang_rt.builtins.a`.

use std::env::consts::ARCH;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use linkjit_executor::ObjectFormat;

use super::SystemCompiler;

/// The directories where compilers of the system keep theirs, in a directory for each version: GCC in one for each of these systems.
const GCC: &str = "/usr/lib/gcc";
const GCC_SYSTEMS: [&str; 2] = ["linux-gnu", "redhat-linux"];
const LLVM: &str = "/usr/lib";
const CLANG: &str = "/usr/lib/clang";

/// The libraries there are, in the order in which they are to be searched. It costs a process to find out: once.
pub(crate) fn libraries() -> &'static [PathBuf] {
    static LIBRARIES: OnceLock<Vec<PathBuf>> = OnceLock::new();
    LIBRARIES.get_or_init(|| {
        let gccs = |system: &&str| newest(format!("{GCC}/{ARCH}-{system}"), |path| file(&path, "libgcc.a"));
        let libgcc = SystemCompiler::file(ObjectFormat::HOST, "-print-libgcc-file-name")
            .or_else(|| GCC_SYSTEMS.iter().find_map(gccs));
        libgcc.into_iter().chain(builtins()).collect()
    })
}

/// The newest one of LLVM.
fn builtins() -> Option<PathBuf> {
    let in_resources = |resources: PathBuf| {
        let library = resources.join("lib");
        let triple = |name: &str| library.join(name);
        file(&triple(&format!("{ARCH}-pc-linux-gnu")), "libclang_rt.builtins.a")
            .or_else(|| file(&triple(&format!("{ARCH}-unknown-linux-gnu")), "libclang_rt.builtins.a"))
            .or_else(|| file(&triple("linux"), &format!("libclang_rt.builtins-{ARCH}.a")))
    };
    let in_version = |version: PathBuf| newest(version.join("lib/clang"), in_resources);
    newest(LLVM, |path| path.file_name()?.to_str()?.starts_with("llvm-").then(|| in_version(path.clone()))?)
        .or_else(|| newest(CLANG, in_resources))
}

/// Returns what `find` finds in that entry of a directory which has the highest number in its name.
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
