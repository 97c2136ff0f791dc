//! Just enough of Rust's lexical structure to tell code from comments and strings.

use std::collections::BTreeSet;

/// The parts of a source text that are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keep {
    /// Neither comments nor the contents of strings.
    CodeOnly,
    /// No comments.
    CodeAndStrings,
}

/// `source` with a space in place of every comment, and of every literal's contents unless they are kept.
pub(crate) fn code_of(source: &str, keep: Keep) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let after_word = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let (length, is_literal) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with("/*") {
            (block_comment(rest), false)
        } else if let Some(length) = literal(rest, after_word) {
            (length, true)
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.push_str(if is_literal && keep == Keep::CodeAndStrings { &rest[..length] } else { " " });
        rest = &rest[length..];
    }
    code
}

/// The length of the comment, with those nested in it, that `text` begins with.
fn block_comment(text: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(text.len())
}

/// The length of the string or character literal that `text` begins with, if it does.
fn literal(text: &str, after_word: bool) -> Option<usize> {
    if let Some(inner) = text.strip_prefix('\'') {
        // What isn't closed after one character is a lifetime.
        let character = inner.chars().next()?;
        let closed = if character == '\\' {
            quoted(inner, '\'')
        } else {
            inner[character.len_utf8()..].find('\'').filter(|&at| at == 0).map(|_| character.len_utf8() + 1)
        };
        return closed.map(|length| length + 1);
    }
    if let Some(inner) = text.strip_prefix('"') {
        return quoted(inner, '"').map(|length| length + 1);
    }
    // r"..", br#".."#: only where the prefix isn't the end of a longer word.
    let prefix = text.find(|c: char| !c.is_ascii_lowercase()).filter(|_| !after_word)?;
    if !["r", "br", "cr"].contains(&&text[..prefix]) {
        return None;
    }
    let hashes = text[prefix..].find(|c| c != '#')?;
    let inner = text[prefix + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(prefix + hashes + 1 + inner.find(&end)? + end.len())
}

/// The length of a quoted text up to and with its closing quote; a backslash quotes the next character.
fn quoted(inner: &str, quote: char) -> Option<usize> {
    let mut characters = inner.char_indices();
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == quote {
            return Some(at + 1);
        }
    }
    None
}

/// The identifiers, keywords and numbers of some code.
pub(crate) fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// The parts of a name, in lower case and without digits: `GotEntry`, `got_entry` and `GOT64_ENTRY` have the same.
pub(crate) fn parts(word: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before = '_';
    for character in word.chars() {
        if character == '_' || (character.is_uppercase() && before.is_lowercase()) {
            parts.push(String::new());
        }
        if character != '_'
            && !character.is_numeric()
            && let Some(part) = parts.last_mut()
        {
            part.extend(character.to_lowercase());
        }
        before = character;
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Returns whether `code` calls the macro `name`.
pub(crate) fn calls_of_macro(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let is_whole = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        is_whole && code[at + name.len()..].trim_start().starts_with('!')
    })
}

/// The modules of the standard library that `code` names: `std::fs::read`, `use std::{fs, io::Read}`.
pub(crate) fn standard_modules(code: &str) -> BTreeSet<String> {
    modules_of("std::", code)
}

/// The modules that `code` names by paths that begin with `root`, say `crate::`.
pub(crate) fn modules_of(root: &str, code: &str) -> BTreeSet<String> {
    let squeezed: String =
        code.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ::", "::").replace(":: ", "::");
    let mut modules = BTreeSet::new();
    for (at, prefix) in squeezed.match_indices(root) {
        if squeezed[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &squeezed[at + prefix.len()..];
        let items = rest.strip_prefix('{').map_or_else(|| vec![rest], top_items);
        modules.extend(items.into_iter().filter_map(|item| words(item).next()).map(str::to_string));
    }
    modules
}

/// The items of a list in braces, without the nested ones.
fn top_items(inside: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (at, character) in inside.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                items.push(&inside[start..at]);
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    items
}

/// Returns what stands in the parentheses of every `cfg(..)`, `cfg!(..)` and `cfg_attr(..)`.
pub(crate) fn conditions(code: &str) -> impl Iterator<Item = &str> {
    ["cfg(", "cfg!(", "cfg_attr("].into_iter().flat_map(move |head| {
        code.match_indices(head).map(move |(at, _)| {
            let inside = &code[at + head.len()..];
            let mut depth = 1usize;
            let end = inside.find(|c| {
                match c {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                depth == 0
            });
            &inside[..end.unwrap_or(inside.len())]
        })
    })
}

#[test]
fn comments_and_strings_are_no_code() {
    let source = "a /* b /* c */ d */ \"e \\\" f\" // g\nh r#\"i \" j\"# 'k' '\\'' br\"l\" 'static for\"m\"";
    let code = code_of(source, Keep::CodeOnly);
    assert_eq!(words(&code).collect::<Vec<_>>(), ["a", "h", "static", "for"]);
    let with_strings = code_of(source, Keep::CodeAndStrings);
    assert!(with_strings.contains("i \" j") && with_strings.contains("f\"") && !with_strings.contains('g'));
}

#[test]
fn names_fall_into_parts() {
    assert_eq!(parts("ElfReader"), ["elf", "reader"]);
    assert_eq!(parts("R_COFF_x"), ["r", "coff", "x"]);
    assert_eq!(parts("myself_elf64"), ["myself", "elf"]);
}

#[test]
fn modules_of_the_standard_library_are_found() {
    let code =
        "use std::{fs, io::{self, net}, sync::Arc}; std :: process::exit(1); mystd::os::x; use std::os::unix as u;";
    assert_eq!(standard_modules(code), ["fs", "io", "sync", "process", "os"].map(String::from).into());
}

#[test]
fn conditions_are_found() {
    let code = "#[cfg(any(unix, test))] fn f() { if cfg!(windows) {} a.windows(2) }";
    assert_eq!(conditions(code).collect::<Vec<_>>(), ["any(unix, test)", "windows"]);
}
