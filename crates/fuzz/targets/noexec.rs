//! `linkjit jitlink -noexec`: the command's own tables, placement and reports, for objects, archives and shared libraries.

#![no_main]

use std::fs;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use linkjit_fuzz::input::split;
use linkjit_host::temporary::PrivateDirectory;
use linkjit_link::object::archive::Archive;

// The command is no library; this part of it needs these others.
#[path = "../../cli/src/inputs.rs"]
#[allow(dead_code, reason = "only the part without executing is of interest")]
mod inputs;
#[path = "../../cli/src/jitlink/mod.rs"]
#[allow(dead_code, reason = "only the part without executing is of interest")]
mod jitlink;
#[path = "../../cli/src/report.rs"]
#[allow(dead_code, reason = "only the part without executing is of interest")]
mod report;
#[path = "../../cli/src/search.rs"]
#[allow(dead_code, reason = "only the part without executing is of interest")]
mod search;

/// The exit code of a command that fails.
const FAILURE: i32 = 1;

/// Executors of other processes, as far as the command names them.
mod args {
    use std::path::PathBuf;

    #[allow(dead_code, reason = "nothing is run")]
    pub(crate) enum ExecutorKind {
        Child,
        Program(PathBuf),
        At(Place),
        Wine,
    }

    #[allow(dead_code, reason = "nothing is run")]
    pub(crate) enum Place {
        Tcp(String),
    }
}

/// There are none here.
mod executor {
    use std::path::Path;
    use std::sync::Arc;

    use linkjit_remote::Remote;

    use crate::args::ExecutorKind;
    use crate::report::Failure;

    #[allow(dead_code, reason = "nothing is run")]
    pub(crate) enum Ended {
        AsWanted(i32),
        Crashed(i32),
    }

    pub(crate) fn need_wine<'a>(_: impl Iterator<Item = &'a Path>) -> bool {
        false
    }

    pub(crate) fn start_as(_: &ExecutorKind) -> Result<Option<Arc<Remote>>, Failure> {
        Ok(None)
    }

    pub(crate) fn pass_signals_on(_: &Remote) -> Option<()> {
        None
    }

    pub(crate) fn finish(_: &Remote, code: i32) -> linkjit::Result<i32> {
        Ok(code)
    }

    pub(crate) fn fail(_: Option<&Remote>, _: Option<&Path>) -> ! {
        std::process::exit(1)
    }

    pub(crate) fn ended(_: &Remote, _: &linkjit::Error) -> Option<Ended> {
        None
    }
}

/// Options that the bits of the first byte stand for.
const OPTIONS: [&[&str]; 8] = [
    &["-phony-externals"],
    &["-slab-allocate=64Mb", "-slab-address=0x10000000", "-slab-page-size=4096"],
    &["-show-graphs=."],
    &["-show-init-es", "-show-entry-es"],
    &["-show-addrs", "-show-linked-files"],
    &["-all_load"],
    &["-add-self-relocations"],
    &["-pre-prune-total-block-size", "-post-fixup-total-block-size"],
];

/// How each file is added, by the byte for it.
const WAYS: [&[&str]; 8] = [
    &[],
    &["-jd", "main"],
    &["-jd", "other"],
    &["-lazy"],
    &["-jd", "other", "-lazy"],
    &["-load_hidden"],
    &["-weak_library"],
    &["-preload"],
];

fuzz_target!(|bytes: &[u8]| {
    let (operations, files) = split(bytes);
    let directory = directory();
    let (first, ways) = operations.split_first().unwrap_or((&0, &[]));
    // To look into the process's libraries takes most of the time.
    let mut line = vec!["-noexec".to_owned(), "-no-process-syms".into()];
    let add = |line: &mut Vec<String>, words: &[&str]| line.extend(words.iter().map(|word| (*word).to_owned()));
    for (_, words) in OPTIONS.iter().enumerate().filter(|(bit, _)| first >> bit & 1 != 0) {
        add(&mut line, words);
    }
    for (number, file) in files.into_iter().take(8).enumerate() {
        let path = directory.path().join(format!("{number}.{}", if Archive::is_archive(file) { "a" } else { "o" }));
        fs::write(&path, file).expect("the directory is ours");
        let way = ways.get(number).copied().unwrap_or(0);
        add(&mut line, WAYS[usize::from(way) % WAYS.len()]);
        line.push(path.to_string_lossy().into_owned());
    }
    add(&mut line, &["-jd", "main", "-l", "other"]);
    let code = jitlink::main(line);
    assert!(matches!(code, 0 | 1), "{code}");
});

/// Where the files are. The next run that needs such a directory removes what an ended one leaves.
fn directory() -> &'static PrivateDirectory {
    static DIRECTORY: OnceLock<PrivateDirectory> = OnceLock::new();
    DIRECTORY.get_or_init(|| PrivateDirectory::new().expect("a directory for temporary files"))
}
