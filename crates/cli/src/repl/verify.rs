//! `-Xcc -Xclang -Xcc -verify`: diagnostics are compared with those that comments of the inputs expect, as clang does it
//! (<https://clang.llvm.org/docs/InternalsManual.html#verifying-diagnostics>).

use std::ffi::OsString;
use std::fmt::Write;

use regex_lite::Regex;

const KINDS: [&str; 4] = ["error", "warning", "note", "remark"];

/// Compares the diagnostics of a session.
#[derive(Debug)]
pub(super) struct Verifier {
    /// Directives begin so; "expected" if nothing else is wanted.
    prefixes: Vec<String>,
    has_directives: bool,
    /// Expected diagnostics that were not seen, and those that were seen and not expected, by kind.
    missing: Vec<(String, String)>,
    surplus: Vec<(String, String)>,
}

/// A diagnostic that a comment expects.
#[derive(Debug)]
struct Directive {
    prefix: String,
    kind: &'static str,
    /// `None` for any.
    line: Option<usize>,
    /// It is seen at least and at most so often.
    times: (usize, usize),
    text: String,
    /// The text as an expression.
    pattern: Option<Regex>,
}

/// A diagnostic of the compiler.
struct Seen<'a> {
    kind: &'static str,
    line: usize,
    text: &'a str,
    is_expected: bool,
}

impl Verifier {
    /// Takes the options that ask for it out of those for clang.
    pub(super) fn take_from(arguments: &mut Vec<OsString>) -> Option<Self> {
        let is_wanted = |pair: &[OsString]| pair[0] == "-Xclang" && pair[1].to_string_lossy().starts_with("-verify");
        let mut prefixes = None;
        while let Some(at) = arguments.windows(2).position(is_wanted) {
            let option = arguments.drain(at..at + 2).next_back().unwrap_or_default();
            let option = option.to_string_lossy();
            let names = option.strip_prefix("-verify=").unwrap_or("expected");
            prefixes.get_or_insert_with(Vec::new).extend(names.split(',').map(String::from));
        }
        Some(Self { prefixes: prefixes?, has_directives: false, missing: Vec::new(), surplus: Vec::new() })
    }

    /// Compares the diagnostics of an input with those that it expects.
    pub(super) fn check(&mut self, input: &str, diagnostics: &str) {
        let mut seen: Vec<Seen<'_>> = diagnostics.lines().filter_map(seen).collect();
        for directive in self.directives(input) {
            let fits = |seen: &&mut Seen<'_>| directive.fits(seen);
            let found =
                seen.iter_mut().filter(fits).take(directive.times.1).map(|seen| seen.is_expected = true).count();
            for _ in found..directive.times.0 {
                let line = directive.line.map_or_else(|| "*".into(), |line| line.to_string());
                let kind = format!("{}-{}", directive.prefix, directive.kind);
                self.missing.push((kind, format!("  Line {line}: {}", directive.text)));
            }
        }
        for seen in seen.iter().filter(|seen| !seen.is_expected) {
            let kind = format!("{}-{}", self.prefixes[0], seen.kind);
            self.surplus.push((kind, format!("  Line {}: {}", seen.line, seen.text)));
        }
    }

    /// The mistakes, as clang reports them; empty if there are none.
    pub(super) fn report(&self) -> String {
        let mut text = String::new();
        let mut count = self.missing.len() + self.surplus.len();
        if count == 0 && !self.has_directives {
            let prefix = &self.prefixes[0];
            let _ = writeln!(text, "error: no expected directives found: consider use of '{prefix}-no-diagnostics'");
            count = 1;
        }
        for (all, what) in [(&self.missing, "expected but not seen"), (&self.surplus, "seen but not expected")] {
            let mut kinds: Vec<&String> = all.iter().map(|(kind, _)| kind).collect();
            kinds.dedup();
            for kind in kinds {
                let _ = writeln!(text, "error: '{kind}' diagnostics {what}: ");
                for (_, line) in all.iter().filter(|(of, _)| of == kind) {
                    let _ = writeln!(text, "{line}");
                }
            }
        }
        if count > 0 {
            let _ = writeln!(text, "{count} error{} generated.", if count == 1 { "" } else { "s" });
        }
        text
    }

    /// The directives of an input. Those that can't be read are none, so that what they mean is not expected.
    fn directives(&mut self, input: &str) -> Vec<Directive> {
        let mut found = Vec::new();
        for (at, line) in input.lines().enumerate() {
            for prefix in &self.prefixes {
                let mut rest = line;
                while let Some((_, after)) = rest.split_once(&format!("{prefix}-")) {
                    rest = after;
                    if after.starts_with("no-diagnostics") {
                        self.has_directives = true;
                    } else if let Some((directive, after)) = directive(prefix, at + 1, after) {
                        self.has_directives = true;
                        found.push(directive);
                        rest = after;
                    }
                }
            }
        }
        found
    }
}

impl Directive {
    fn fits(&self, seen: &Seen<'_>) -> bool {
        let has_text =
            self.pattern.as_ref().map_or_else(|| seen.text.contains(&self.text), |pattern| pattern.is_match(seen.text));
        !seen.is_expected && seen.kind == self.kind && self.line.is_none_or(|line| line == seen.line) && has_text
    }
}

/// Reads what follows `expected-`: `error@-1 2 {{text}}`, `warning-re@* 0-1 {{text{{.*}}}}`; and what follows that.
fn directive<'a>(prefix: &str, line: usize, text: &'a str) -> Option<(Directive, &'a str)> {
    let kind = *KINDS.iter().find(|kind| text.starts_with(**kind))?;
    let text = &text[kind.len()..];
    let (is_pattern, text) = text.strip_prefix("-re").map_or((false, text), |text| (true, text));
    let (head, rest) = text.split_once("{{")?;
    let (place, times) = match head.strip_prefix('@') {
        Some(head) => head.split_once(char::is_whitespace).unwrap_or((head, "")),
        None => ("", head),
    };
    let end = end_of(rest)?;
    let (text, rest) = (&rest[..end], &rest[end + 2..]);
    let pattern = if is_pattern { Some(pattern_of(text)?) } else { None };
    let (line, times) = (line_of(place, line)?, times_of(times.trim())?);
    Some((Directive { prefix: prefix.into(), kind, line, times, text: text.into(), pattern }, rest))
}

/// The line that a directive is about; `None` within if it may be any.
fn line_of(place: &str, here: usize) -> Option<Option<usize>> {
    let place = place.rsplit(':').next().unwrap_or(place);
    let number = |text: &str| text.parse::<usize>().ok();
    match place.as_bytes().first() {
        None => Some(Some(here)),
        Some(b'*') => Some(None),
        Some(b'+') => here.checked_add(number(&place[1..])?).map(Some),
        Some(b'-') => here.checked_sub(number(&place[1..])?).map(Some),
        Some(_) => number(place).map(Some),
    }
}

/// `2`, `2+`, `0-1`, `+`, `*`, or nothing for once.
fn times_of(text: &str) -> Option<(usize, usize)> {
    match text {
        "" => Some((1, 1)),
        "+" => Some((1, usize::MAX)),
        "*" => Some((0, usize::MAX)),
        text => match (text.strip_suffix('+'), text.split_once('-')) {
            (Some(least), _) => Some((least.parse().ok()?, usize::MAX)),
            (_, Some((least, most))) => Some((least.parse().ok()?, most.parse().ok()?)),
            _ => text.parse().ok().map(|times| (times, times)),
        },
    }
}

/// The place of the `}}` that fits.
fn end_of(text: &str) -> Option<usize> {
    let (mut depth, mut at) = (1, 0);
    loop {
        let next = at + text[at..].find(['{', '}'])?;
        let rest = &text[next..];
        if rest.starts_with("{{") {
            depth += 1;
        } else if rest.starts_with("}}") {
            depth -= 1;
            if depth == 0 {
                return Some(next);
            }
        } else {
            at = next + 1;
            continue;
        }
        at = next + 2;
    }
}

/// A text with expressions in double braces.
fn pattern_of(text: &str) -> Option<Regex> {
    let mut pattern = String::new();
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once("{{") {
        let end = end_of(after)?;
        let _ = write!(pattern, "{}({})", regex_lite::escape(plain), &after[..end]);
        rest = &after[end + 2..];
    }
    Regex::new(&(pattern + &regex_lite::escape(rest))).ok()
}

/// `input 3:1:5: error: text`
fn seen(line: &str) -> Option<Seen<'_>> {
    KINDS.iter().find_map(|kind| {
        let (place, text) = line.split_once(&format!(": {kind}: "))?;
        let mut numbers = place.rsplit(':');
        numbers.next()?.parse::<usize>().ok()?;
        let line = numbers.next()?.parse().ok()?;
        Some(Seen { kind, line, text, is_expected: false })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verifier() -> Verifier {
        let mut arguments = ["-xc++", "-Xclang", "-verify", "-g"].map(OsString::from).to_vec();
        let verifier = Verifier::take_from(&mut arguments).unwrap();
        assert_eq!(arguments, ["-xc++", "-g"]);
        verifier
    }

    fn report(input: &str, diagnostics: &str) -> String {
        let mut verifier = verifier();
        verifier.check(input, diagnostics);
        verifier.report()
    }

    #[test]
    fn what_is_expected_is_compared_with_what_is_seen() {
        let error = "input 1:1:1: error: use of undeclared identifier 'x'\n    1 | x\n";
        assert_eq!(report("x // expected-error {{undeclared identifier}}", error), "");
        assert_eq!(report("x // expected-error-re {{use of {{[a-z]+}} identifier}}", error), "");
        assert_eq!(report("x\n// expected-error@-1 1+ {{undeclared}}", error), "");
        assert_eq!(report("x // expected-error@* 0-2 {{undeclared}}", error), "");
        assert_eq!(report("// expected-no-diagnostics", ""), "");
        assert_eq!(
            report("x // expected-error {{something else}}", error),
            "error: 'expected-error' diagnostics expected but not seen: \n  Line 1: something else\n\
             error: 'expected-error' diagnostics seen but not expected: \n  Line 1: use of undeclared identifier 'x'\n\
             2 errors generated.\n"
        );
        let none =
            "error: no expected directives found: consider use of 'expected-no-diagnostics'\n1 error generated.\n";
        assert_eq!(report("x;", ""), none);
        // Directives that are none.
        for broken in ["expected-error", "expected-error {{", "expected-error@+ {{a}}", "expected-error-re {{{{(}}}}"] {
            assert_eq!(report(broken, ""), none, "{broken}");
        }
    }
}
