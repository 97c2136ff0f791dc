//! The lists of files that compilers have read, which they write as rules for `make`.

use std::path::PathBuf;

/// Returns the files that a list names. `None` if something else mattered, too: variables of the environment, which
/// `rustc` notes there.
pub(super) fn parse(list: &str) -> Option<Vec<PathBuf>> {
    if list.lines().any(|line| line.starts_with("# env-dep")) {
        return None;
    }
    // A line that ends with a backslash goes on.
    let list = list.replace("\\\r\n", " ").replace("\\\n", " ");
    let mut files = Vec::new();
    for rule in list.lines().filter(|line| !line.starts_with('#')) {
        // A colon may also follow the letter of a drive.
        let Some(end) = rule.find(": ") else { continue };
        files.extend(words(rule.get(end + 1..).unwrap_or_default()).into_iter().map(PathBuf::from));
    }
    files.sort();
    files.dedup();
    Some(files)
}

/// The names in a rule. A backslash is before a space, a tab, a `#` or a colon that is part of a name; a dollar sign is doubled.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let next = chars.peek().copied();
        let is_escape =
            char == '\\' && next.is_some_and(|next| " #\t:".contains(next)) || char == '$' && next == Some('$');
        match words.last_mut() {
            Some(word) if is_escape => word.extend(chars.next()),
            Some(word) if !char.is_whitespace() => word.push(char),
            _ => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_rules() {
        let read =
            |list| parse(list).map(|files| files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>());
        assert_eq!(read("x.o: b.c \\\n a.h a.h\n\na.h:\n"), Some(vec!["a.h".into(), "b.c".into()]));
        assert_eq!(
            read("x.o: a\\ b.c C:\\d\\e.h f$$g.h\n"),
            Some(vec!["C:\\d\\e.h".into(), "a b.c".into(), "f$g.h".into()])
        );
        assert_eq!(read("x.d: x.rs\n\nx.rs:\n\n# env-dep:HOME=/\n"), None);
        assert_eq!(read(""), Some(vec![]));
    }
}
