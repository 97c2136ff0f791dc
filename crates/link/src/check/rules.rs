//! Finding the rules in a text.

/// A rule, with its continuation lines joined.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Its text, without the prefix.
    pub text: String,
    /// The line of the text it begins on, from 1.
    pub line: usize,
}

/// The rules of a text: what follows `# <name>:` on lines that begin with that, after white space. A rule that ends in
/// `\` goes on in the next such line.
#[must_use]
pub fn rules(text: &str, name: &str) -> Vec<Rule> {
    let mut found: Vec<Rule> = Vec::new();
    let mut continues = false;
    for (number, line) in (1..).zip(text.lines()) {
        let after = line.trim_start().strip_prefix("# ").and_then(|line| line.strip_prefix(name));
        let Some(part) = after.and_then(|line| line.strip_prefix(':')) else { continue };
        let part = part.trim();
        let (part, goes_on) = part.strip_suffix('\\').map_or((part, false), |part| (part, true));
        match found.last_mut().filter(|_| continues) {
            Some(rule) => rule.text.push_str(part),
            None => found.push(Rule { text: part.into(), line: number }),
        }
        continues = goes_on;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, name: &str, expected: &[(&str, usize)]) {
        let expected: Vec<_> = expected.iter().map(|&(text, line)| Rule { text: text.into(), line }).collect();
        assert_eq!(rules(text, name), expected);
    }

    #[test]
    fn only_the_exact_prefix_counts() {
        let text = "# jitlink-check: a = b\n  \t# jitlink-check:c=d\n#jitlink-check: x\n## jitlink-check: x\n\
                    # jitlink-checks: x\n# rtdyld-check: e\nmov # jitlink-check: x\n";
        check(text, "jitlink-check", &[("a = b", 1), ("c=d", 2)]);
        check(text, "rtdyld-check", &[("e", 6)]);
        check(text, "other", &[]);
    }

    #[test]
    fn a_backslash_continues_in_the_next_rule_line() {
        let text = "# jitlink-check: a \\\nnop\n# jitlink-check:   = b \\\n# jitlink-check: + c\n# jitlink-check: d";
        check(text, "jitlink-check", &[("a = b + c", 1), ("d", 5)]);
        check("# jitlink-check: a = \\", "jitlink-check", &[("a = ", 1)]);
    }
}
