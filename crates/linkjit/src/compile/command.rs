//! Commands: their words, and where their programs are.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The words of a command or of a list of flags, as a shell would split them: quotation marks and backslashes hold
/// words together.
pub(super) fn words(text: &str) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (char, quote) {
            (_, Some(mark)) if char == mark => quote = None,
            ('"' | '\'', None) => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            ('\\', None | Some('"')) if !cfg!(windows) => word.get_or_insert_default().extend(chars.next()),
            (_, None) if char.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    words.into_iter().map(OsString::from).collect()
}

/// The words of an environment variable; none if it isn't set.
pub(super) fn words_of(variable: &str) -> Vec<OsString> {
    std::env::var(variable).map(|text| words(&text)).unwrap_or_default()
}

/// The path of a program: as it is, if it has a directory, or in the search path.
pub(super) fn find(program: &OsStr) -> Option<PathBuf> {
    let with_suffix = |path: PathBuf| {
        let exe = Some(path.with_extension("exe")).filter(|_| cfg!(windows));
        [Some(path), exe].into_iter().flatten().find(|path| path.is_file())
    };
    if Path::new(program).components().count() > 1 {
        return with_suffix(program.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).find_map(|directory| with_suffix(directory.join(program)))
}

/// A clang of the search path: the one without a version, or else the newest. Distributions have both habits.
pub(super) fn find_clang() -> Option<String> {
    let mut names =
        std::iter::once("clang".to_owned()).chain((11..100).rev().map(|version| format!("clang-{version}")));
    names.find(|name| find(OsStr::new(name)).is_some())
}

/// A path that no compiler takes for an option (`-x.c`) or a file of options (`@x.c`).
pub(super) fn not_an_option(path: &Path) -> PathBuf {
    match path.as_os_str().as_encoded_bytes() {
        [b'-' | b'@', ..] => Path::new(".").join(path),
        _ => path.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sources_are_no_options() {
        for (name, expected) in [("-x.c", "./-x.c"), ("@x.c", "./@x.c"), ("a/-x.c", "a/-x.c"), ("x.c", "x.c")] {
            assert_eq!(not_an_option(Path::new(name)), Path::new(expected));
        }
    }

    #[test]
    fn quotation_marks_hold_words_together() {
        for (text, expected) in [
            ("  -O1  -g ", &["-O1", "-g"][..]),
            ("-DX='a b' \"-I c\"", &["-DX=a b", "-I c"]),
            ("'' \"", &["", ""]),
            ("", &[]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
        #[cfg(unix)]
        assert_eq!(words(r#"-DX=\"a\" "\"b""#), [r#"-DX="a""#, r#""b"#]);
    }
}
