//! The command line of `linkjit repl`, and of clang-repl.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::Args;

use crate::args::{Crt, ExecutorKind};

pub(crate) const HELP: &str = "\
Inputs are C++, or C with -xc, and are compiled, linked and run one by one: see %help. They come from the files, then
from -e, and if there are none of these, from standard input.

Compilers' flags are clang's: -x -std= -D -I -U -O -f -W -m -include -isystem, and ARG of -Xcc ARG, whatever it is.
Command lines of clang-repl are accepted; what it needs for other processes (-oop-executor, -orc-runtime) is not
needed here, for inputs always run in another one.

For --target msvc, headers are those of --crt xwin=DIR and of $INCLUDE, then Wine's of C and Windows, and a few of C++.

At a terminal, linkjit/startup.cpp (for C, startup.c) in the user's configuration, $XDG_CONFIG_HOME or ~/.config, is run
first, if it is there.

The exit code is that of the program, if it exits; 1 if an input failed and nobody was at a terminal.

Examples:
  linkjit repl
  linkjit repl -std=c++17 -Iinclude -lz
  linkjit repl -xc
  linkjit repl script.cpp
  echo '1 + 2' | linkjit repl
  linkjit repl --target mingw               for Windows, under Wine";

/// The options of a REPL.
#[derive(Debug, Args)]
pub(crate) struct ReplOptions {
    /// Run these files, each as one input
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Run this input
    #[arg(short = 'e', value_name = "INPUT", allow_hyphen_values = true)]
    pub(crate) code: Vec<String>,
    /// Compile for this target: a triple, or mingw or msvc for Windows
    #[arg(long, value_name = "TARGET", value_parser = target)]
    pub(crate) target: Option<String>,
    /// Run inputs there, as with 'linkjit run': child, unix:PATH, tcp:ADDRESS, exec:COMMAND or wine
    #[arg(long, value_name = "WHERE", value_parser = ExecutorKind::parse)]
    pub(crate) executor: Option<ExecutorKind>,
    /// Use this library
    #[arg(short = 'l', value_name = "LIB")]
    pub(crate) libraries: Vec<String>,
    /// The C runtime for Windows, as with 'linkjit run'; xwin=DIR gives its headers, too
    #[arg(long, value_name = "CRT", value_parser = Crt::parse)]
    pub(crate) crt: Option<Crt>,
    /// Run this file first, instead of the user's
    #[arg(long, value_name = "FILE")]
    pub(crate) startup: Option<PathBuf>,
    /// Do not run the user's file
    #[arg(long)]
    pub(crate) no_startup: bool,
    /// Pass ARG on to clang
    #[arg(long = "Xcc", value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) clang: Vec<OsString>,
    /// Options of clang-repl that say how another process is started.
    #[arg(long = "oop-executor", hide = true, num_args = 0..=1, require_equals = true)]
    _oop_executor: Option<Option<String>>,
    #[arg(long = "orc-runtime", hide = true, num_args = 0..=1, require_equals = true)]
    _orc_runtime: Option<Option<String>>,
    #[arg(long = "use-shared-memory", hide = true)]
    _use_shared_memory: bool,
}

#[expect(clippy::unnecessary_wraps, reason = "clap wants it")]
fn target(name: &str) -> Result<String, String> {
    Ok(linkjit_repl::triple(name))
}

/// Beginnings of clang's flags that are one word.
const JOINED: [&str; 12] =
    ["-x", "-std=", "-D", "-I", "-U", "-O", "-f", "-W", "-m", "-isystem", "-include", "--sysroot="];
/// Those whose argument is a word of its own.
const SEPARATE: [&str; 7] = ["-x", "-D", "-I", "-U", "-isystem", "-include", "-idirafter"];
/// Clang-repl's long options have one hyphen.
const LONG: [&str; 4] = ["-Xcc", "-oop-executor", "-orc-runtime", "-use-shared-memory"];

/// Returns the words behind `repl` as clap takes them.
pub(crate) fn for_clap(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut result = Vec::new();
    let mut words = words.into_iter();
    let pass_on = |word: OsString| ["--Xcc".into(), word];
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        let name = text.split_once('=').map_or(text, |(name, _)| name);
        if text == "-e" {
            result.push(word);
            result.extend(words.next());
        } else if LONG.contains(&name) {
            let mut long = OsString::from("-");
            long.push(OsStr::new(text));
            result.push(long);
            // The next word is for clang, though it may look like an option of ours.
            result.extend(if text == "-Xcc" { words.next() } else { None });
        } else if SEPARATE.contains(&text) {
            result.extend(pass_on(word));
            result.extend(words.next().into_iter().flat_map(pass_on));
        } else if JOINED.iter().any(|beginning| text.starts_with(beginning)) {
            result.extend(pass_on(word));
        } else {
            result.push(word);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_clang_and_clang_repl_are_understood() {
        let line = |text: &str| for_clap(text.split(' ').map(OsString::from)).join(OsStr::new(" "));
        assert_eq!(line("-std=c++17 -I include -Xcc -v"), "--Xcc -std=c++17 --Xcc -I --Xcc include --Xcc -v");
        assert_eq!(line("-oop-executor=/x -orc-runtime a.cpp"), "--oop-executor=/x --orc-runtime a.cpp");
        assert_eq!(line("-Xcc=-g -e -x -lz"), "--Xcc=-g -e -x -lz");
    }
}
