//! The command line of `linkjit run`, before clap reads it.
//!
//! clap knows no options like `-std=c++20` or `-include x.h`: they become values of hidden options. It doesn't know either
//! that the words after a script are for the program: a `--` goes before them.

use std::ffi::{OsStr, OsString};

use clap::Command;
use linkjit::SourceModule;

use crate::sources::STDIN;

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

/// Returns the line as clap takes it, if it is one of `run`, whose options clap knows.
pub(crate) fn for_clap(line: Vec<OsString>, run: Option<&Command>) -> Vec<OsString> {
    let options = line.iter().skip(1).take_while(|word| word.as_encoded_bytes().starts_with(b"-")).count();
    let (Some(run), Some("run")) = (run, line.get(options + 1).and_then(|word| word.to_str())) else { return line };
    let mut words = line.into_iter();
    let mut result: Vec<_> = words.by_ref().take(options + 2).collect();
    let mut has_code = false;
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        let is_input = word == STDIN || !word.as_encoded_bytes().starts_with(b"-");
        if text == "--" {
            result.push(word);
            break;
        } else if is_input && has_code {
            result.extend(["--".into(), word]);
            break;
        } else if is_input {
            let is_script = is_script(&word);
            result.push(word);
            if is_script {
                result.extend(arguments(words.as_slice()));
                break;
            }
        } else if WITH_ARGUMENT.contains(&text) {
            result.push(value("compiler-flag", &word));
            result.extend(words.next().map(|argument| value("compiler-flag", &argument)));
        } else if text == OWN {
            result.extend(words.next().map(|argument| value("own-compiler-flag", &argument)));
        } else if WORDS.contains(&text) || JOINED.iter().any(|beginning| text.starts_with(beginning)) {
            result.push(value("compiler-flag", &word));
        } else {
            has_code |= text.starts_with("-e");
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

/// Returns whether an input is a script: a source that names its interpreter in its first line, or standard input. It is
/// the last input then.
pub(crate) fn is_script(input: &OsStr) -> bool {
    input == STDIN || SourceModule::file(input).is_script()
}

/// The mark before the arguments that follow a script, unless it is there.
fn arguments(words: &[OsString]) -> Option<OsString> {
    words.first().filter(|word| *word != "--").map(|_| "--".into())
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
        let result = for_clap(words, command.find_subcommand("run"));
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

    #[test]
    fn what_follows_a_script_is_for_the_program() {
        check("linkjit run -O1 - a -O2 --lazy", "linkjit run !-O1 - -- a -O2 --lazy");
        check("linkjit run a.o - -- a", "linkjit run a.o - -- a");
        check("linkjit run -", "linkjit run -");
        check("linkjit run a.o -e f(); -lm -O2 -e g(); b -O2 c", "linkjit run a.o -e f(); -lm !-O2 -e g(); -- b -O2 c");
    }
}
