//! Names as people know them.

use msvc_demangler::DemangleFlags;

/// A symbol name in its source form, as far as its mangling is known: Itanium's and MSVC's C++, Rust. Other names come
/// back as they are.
#[must_use]
pub fn demangle(name: &str) -> String {
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return format!("{rust:#}");
    }
    // A name of absurd nesting would cost absurd time; nobody reads its demangled form.
    if name.starts_with("_Z") && name.len() < 4096 {
        let demangled = cpp_demangle::Symbol::new(name).ok().and_then(|symbol| symbol.demangle().ok());
        return demangled.unwrap_or_else(|| name.into());
    }
    if name.starts_with('?') && name.len() < 4096 {
        // What a reader looks for is the name and its arguments, not who calls it how.
        let flags = DemangleFlags::NO_MS_KEYWORDS | DemangleFlags::NO_ACCESS_SPECIFIERS;
        let flags = flags | DemangleFlags::NO_FUNCTION_RETURNS | DemangleFlags::NO_MEMBER_TYPE;
        let flags = flags | DemangleFlags::SPACE_AFTER_COMMA | DemangleFlags::NO_CLASS_TYPE;
        return msvc_demangler::demangle(name, flags).unwrap_or_else(|_| name.into());
    }
    name.into()
}

/// Those of `candidates` that a user may have meant by `name`, best first, at most three.
pub(crate) fn near_misses<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<String> {
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
        assert_eq!(demangle("printf"), "printf");
        assert_eq!(demangle("_Zgarbage"), "_Zgarbage");
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        assert_eq!(near_misses("pritnf", ["printf", "puts", "sprintf"].into_iter()), ["printf"]);
        assert_eq!(near_misses("mian", ["main", "man", "mine"].into_iter()), ["main", "man"]);
        assert_eq!(near_misses("x", ["zebra"].into_iter()), Vec::<String>::new());
    }
}
