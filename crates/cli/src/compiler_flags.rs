//! Flags for compilers on the command line of `linkjit run`: clap knows no options like `-std=c++20` or `-include x.h`,
//! so they become values of hidden options before it reads the line.

use std::ffi::{OsStr, OsString};

use clap::Command;

/// Flags whose argument may be a word of its own.
const WITH_ARGUMENT: &[&str] =
    &["-D", "-I", "-U", "-include", "-imacros", "-isystem", "-iquote", "-idirafter", "-isysroot"];
/// Beginnings of flags that are one word.
const JOINED: &[&str] = &[
    "-D",
    "-I",
    "-U",
    "-O",
    "-g",
    "-std=",
    "-stdlib=",
    "--std=",
    "-W",
    "-f",
    "-m",
    "-isystem",
    "-iquote",
    "--sysroot=",
];
/// Other flags.
const WORDS: &[&str] =
    &["-ansi", "-pedantic", "-pedantic-errors", "-pthread", "-w", "-undef", "-nostdinc", "-nostdinc++"];
/// The next word is for the compiler, whatever it is.
const OWN: &str = "-Xcompiler";

/// Turns flags for compilers into values of hidden options, if the line is one of `run`, whose options clap knows.
pub(crate) fn hidden(line: Vec<OsString>, run: Option<&Command>) -> Vec<OsString> {
    let options = line.iter().skip(1).take_while(|word| word.as_encoded_bytes().starts_with(b"-")).count();
    let (Some(run), Some("run")) = (run, line.get(options + 1).and_then(|word| word.to_str())) else { return line };
    let mut words = line.into_iter();
    let mut result: Vec<_> = words.by_ref().take(options + 2).collect();
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        if text == "--" {
            result.push(word);
            break;
        } else if WITH_ARGUMENT.contains(&text) {
            result.push(value("compiler-flag", &word));
            result.extend(words.next().map(|argument| value("compiler-flag", &argument)));
        } else if text == OWN {
            result.extend(words.next().map(|argument| value("own-compiler-flag", &argument)));
        } else if WORDS.contains(&text) || JOINED.iter().any(|beginning| text.starts_with(beginning)) {
            result.push(value("compiler-flag", &word));
        } else {
            let takes_next = takes_next(text, run);
            result.push(word);
            if takes_next {
                result.extend(words.next());
            }
        }
    }
    result.extend(words);
    result
}

fn value(option: &str, argument: &OsStr) -> OsString {
    let mut word = OsString::from(format!("--{option}="));
    word.push(argument);
    word
}

/// Returns whether the word after an option is its value.
fn takes_next(option: &str, run: &Command) -> bool {
    run.get_arguments().any(|known| {
        let is_long = || known.get_long().is_some_and(|long| option.strip_prefix("--") == Some(long));
        let is_short = || known.get_short().is_some_and(|short| option == format!("-{short}"));
        known.get_action().takes_values()
            && known.get_num_args().is_none_or(|count| count.min_values() > 0)
            && (is_long() || is_short())
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Invocation;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let mut command = Invocation::command();
        command.build();
        let words = line.split(' ').map(OsString::from).collect();
        let result = hidden(words, command.find_subcommand("run"));
        let shown: Vec<_> = result.iter().map(|word| word.to_string_lossy()).collect();
        assert_eq!(shown.join(" ").replace("--compiler-flag=", "!").replace("--own-compiler-flag=", "!!"), expected);
    }

    #[test]
    fn flags_for_compilers_are_told_from_others() {
        check("linkjit run -O3 -DX a.c -I b -std=c++20", "linkjit run !-O3 !-DX a.c !-I !b !-std=c++20");
        check("linkjit --json run -include x.h -g a.c", "linkjit --json run !-include !x.h !-g a.c");
        check("linkjit run -L -O a.c -l m --entry -g -Xcompiler -l", "linkjit run -L -O a.c -l m --entry -g !!-l");
        check("linkjit run --lazy -Wall a.c -x c++ -- -O2", "linkjit run --lazy !-Wall a.c -x c++ -- -O2");
        check("linkjit graph -O3", "linkjit graph -O3");
        check("linkjit run a.c -D", "linkjit run a.c !-D");
    }
}
