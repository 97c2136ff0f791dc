//! Names as people know them: demangling, similar names, hints.

use std::fmt::{self, Write};

use cpp_demangle::DemangleOptions;
use msvc_demangler::DemangleFlags;

/// A longer source form than this is not made: nobody reads it, and one of a few hundred bytes may unfold to gigabytes.
const LONGEST_DEMANGLED: usize = 4096;
/// Longer names are not demangled.
const LONGEST_MANGLED: usize = 2048;
/// Memory is taken for what is used of it.
const DEEP_STACK: usize = 128 << 20;

/// A symbol name in its source form, as far as its mangling is known: Itanium's and MSVC's C++, Rust. Other names come
/// back as they are, and so do those whose source form has more than some kilobytes.
#[must_use]
pub fn demangle(name: &str) -> String {
    source_form(name).unwrap_or_else(|| name.into())
}

fn source_form(name: &str) -> Option<String> {
    if name.len() > LONGEST_MANGLED {
        return None;
    }
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        let mut out = Bounded::default();
        return write!(out, "{rust:#}").is_ok().then_some(out.0);
    }
    if name.starts_with("_Z") {
        let symbol = cpp_demangle::Symbol::new(name).ok()?;
        let mut out = Bounded::default();
        return symbol.structured_demangle(&mut out, &DemangleOptions::default()).is_ok().then_some(out.0);
    }
    if name.starts_with('?') && unfolds_little(name) && has_whole_escapes(name) {
        // What a reader looks for is the name and its arguments, not who calls it how.
        let flags = DemangleFlags::NO_MS_KEYWORDS | DemangleFlags::NO_ACCESS_SPECIFIERS;
        let flags = flags | DemangleFlags::NO_FUNCTION_RETURNS | DemangleFlags::NO_MEMBER_TYPE;
        let flags = flags | DemangleFlags::SPACE_AFTER_COMMA | DemangleFlags::NO_CLASS_TYPE;
        let demangle = || msvc_demangler::demangle(name, flags).ok();
        // It is recursive without a bound but the length of the name.
        let on_deep_stack = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(DEEP_STACK).spawn_scoped(scope, demangle).ok()?;
            thread.join().ok().flatten()
        });
        return on_deep_stack.filter(|text| text.len() <= LONGEST_DEMANGLED);
    }
    None
}

/// Text that takes no more than [`LONGEST_DEMANGLED`] bytes: who writes more ends there.
#[derive(Default)]
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > LONGEST_DEMANGLED {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// Says whether the demangler of MSVC's names copies little for the back references of a name. A reference copies what came
/// before it in its scope, which may contain such copies: `b` references in scopes of `d` levels make up to
/// `(1 + b/d)^d` copies. Templates have scopes for names and for types, and the parameters of function types
/// (introduced by a 6 or 8) can be what the next ones refer to.
fn unfolds_little(name: &str) -> bool {
    const MOST: f64 = 262_144.0;
    let mut in_identifier = false;
    let (mut references, mut functions) = (0_u32, 0_u32);
    for byte in name.bytes() {
        // Codes of types are capitals. A reference never follows an identifier without an @.
        in_identifier = byte.is_ascii_lowercase() || in_identifier && byte.is_ascii_digit();
        let is_reference = byte.is_ascii_digit() && !in_identifier;
        references += u32::from(is_reference);
        functions += u32::from(is_reference && matches!(byte, b'6' | b'8'));
    }
    let templates = u32::try_from(name.matches("?$").count()).unwrap_or(u32::MAX);
    let levels = templates.saturating_add(1).saturating_mul(2).saturating_add(functions).min(references.max(1));
    (1.0 + f64::from(references) / f64::from(levels)).powf(levels.into()) <= MOST
}

/// Says whether bytes of string literals (`??_C@_0`) are spelled as they are to be, `?$` and two letters: the demangler does
/// not look before it calculates with them.
fn has_whole_escapes(name: &str) -> bool {
    let is_whole = |rest: &str| matches!(rest.as_bytes(), [b'A'..=b'P', b'A'..=b'P', ..]);
    let has_string = name.contains("@_0") || name.contains("@_1");
    !has_string || name.split("?$").skip(1).all(is_whole)
}

/// Names that compilers call in libraries, which their drivers link when they are told how the objects were compiled; a
/// line has names, or with a `*` the beginnings of names, and says what to do.
const HINTS: &str = include_str!("hints.txt");

/// Says what to do about a name that compilers use and nobody defines. The longest beginning that fits counts.
pub(crate) fn hint(name: &str) -> Option<&'static str> {
    // Rust's other mangling has the crate inside.
    if name.starts_with("_R") && ["3std", "4core", "5alloc"].iter().any(|part| name.contains(part)) {
        return hint("_ZN3std");
    }
    let fits = |known: &&str| known.strip_suffix('*').map_or(*known == name, |start| name.starts_with(start));
    let hints = HINTS.lines().filter_map(|line| line.split_once(": "));
    let fitting = hints.flat_map(|(names, hint)| names.split(' ').filter(fits).map(move |known| (known, hint)));
    fitting.max_by_key(|(known, _)| known.len()).map(|(_, hint)| hint)
}

/// Those of `candidates` that a user may have meant by `name`, best first, at most three.
pub(crate) fn near_misses<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<String> {
    // Comparing takes time in proportion to the product of lengths, and nobody mistypes what a compiler has mangled.
    const LONGEST: usize = 256;
    if name.len() > LONGEST {
        return Vec::new();
    }
    let limit = (name.len() / 4).clamp(1, 3);
    let mut near: Vec<(usize, &str)> = candidates
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= limit)
        .filter_map(|candidate| {
            let distance = distance(name.as_bytes(), candidate.as_bytes());
            (distance <= limit && distance > 0).then_some((distance, candidate))
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(3).map(|(_, name)| name.into()).collect()
}

/// Edit distance; two letters swapped count once (optimal string alignment).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let mut least = (row[j] + usize::from(x != y)).min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && x == &b[j - 1] && y == &a[i - 1] {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_they_were_written() {
        assert_eq!(demangle("_ZN3foo3barEi"), "foo::bar(int)");
        assert_eq!(demangle("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE"), "core::fmt::Write::write_fmt");
        assert_eq!(demangle("?bar@foo@@YAXHPEBD@Z"), "foo::bar(int, char const *)");
        assert_eq!(demangle("?garbage"), "?garbage");
        assert_eq!(demangle("??_C@_03PLMADFJE@a?$AAb?$AA?$AA@"), "`string'");
        for escape in ["?$@A", "?$0A", "?$A!", "?$"] {
            let broken = format!("??_C@_02PLMADFJE@{escape}@");
            assert_eq!(demangle(&broken), broken);
        }
        assert_eq!(demangle("printf"), "printf");
        assert_eq!(demangle("_Zgarbage"), "_Zgarbage");
        let map = "?insert@?$_Tree@V?$_Tmap_traits@HHU?$less@H@std@@V?$allocator@U?$pair@$$CBHH@std@@@2@$0A@@std@@@std@@\
                   QEAA?AU?$pair@V?$_Tree_iterator@HU_Iterator_base0@std@@@std@@_N@2@AEBU?$pair@$$CBHH@2@@Z";
        assert!(demangle(map).starts_with("std::_Tree<"), "{}", demangle(map));
    }

    /// The number of a substitution: its digits have base 36, and the first has none.
    fn substitution(number: usize) -> String {
        let Some(number) = number.checked_sub(1) else { return "S_".into() };
        let digit = |digit: usize| char::from(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[digit % 36]);
        if number < 36 { format!("S{}_", digit(number)) } else { format!("S{}{}_", digit(number / 36), digit(number)) }
    }

    /// Each would print terabytes, or never end.
    #[test]
    fn names_that_unfold_are_shown_as_they_are() {
        let mut names = Vec::new();
        // Templates of two of what came before.
        let doubles = (2..62).map(|n| format!("S_I{0}{0}E", substitution(n - 1))).collect::<String>();
        names.push(format!("_Z1f1AI1B1BE{doubles}"));
        // Nested pairs as arguments, each of two of the one before.
        let nested = (0..40).fold("1AIiiE".to_owned(), |inner, _| format!("1AI{inner}T_E"));
        names.push(format!("_Z1fI{nested}EvT_"));
        // Rust: back references to back references.
        let mut rust = "_RIC1a".to_owned();
        let mut before = rust.len() - 2;
        rust += "TjjE";
        for _ in 0..50 {
            let at = rust.len() - 2;
            let number = |mut number: usize| {
                let mut digits = Vec::new();
                loop {
                    digits.insert(0, b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[number % 62]);
                    number /= 62;
                    if number == 0 {
                        return String::from_utf8(digits).unwrap();
                    }
                }
            };
            let reference = format!("B{}_", number(before - 1));
            rust += &format!("T{reference}{reference}E");
            before = at;
        }
        names.push(rust + "E");
        // MSVC: functions whose parameters are all the function before.
        let functions: String =
            (0..10).map(|n: u32| format!("P6AX{}@Z", n.saturating_sub(1).to_string().repeat(30))).collect();
        names.push(format!("?f@@YAXPEAVlong_name@@{functions}@Z"));
        let templates = (0..60).fold("V?$a@H@@".to_owned(), |inner, _| format!("V?$a@{inner}0000@@"));
        names.push(format!("?f@@YAX{templates}@Z"));
        names.push(format!("?x@@3{}HA", "PEA".repeat(600)));
        names.push(format!("_Z1f{}i", "P".repeat(2000)));
        names.push(format!("_ZN{}E", "1a".repeat(3000)));
        names.push(format!("_R{}", "Nv".repeat(1000)));
        for name in &names {
            let shown = demangle(name);
            assert!(shown.len() <= LONGEST_DEMANGLED || shown == *name, "{} bytes", shown.len());
        }
        for name in &names[..5] {
            assert_eq!(demangle(name), *name);
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        assert_eq!(near_misses("pritnf", ["printf", "puts", "sprintf"].into_iter()), ["printf"]);
        assert_eq!(near_misses("mian", ["main", "man", "mine"].into_iter()), ["main", "man"]);
        assert_eq!(near_misses("x", ["zebra"].into_iter()), Vec::<String>::new());
    }
}
