//! The text of a rule, token by token.

/// Reads a rule from left to right. Positions are in bytes, on boundaries of characters.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// A fault of a rule, and the byte at which it is.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) what: String,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Returns the position of the next token.
    pub(super) fn position(&mut self) -> usize {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        self.at
    }

    pub(super) fn is_at_end(&mut self) -> bool {
        self.position() == self.text.len()
    }

    /// The character that the next token begins with.
    pub(super) fn peek(&mut self) -> Option<char> {
        self.position();
        self.rest().chars().next()
    }

    /// Passes over `token` if it is next.
    pub(super) fn take(&mut self, token: &str) -> bool {
        self.position();
        let is_next = self.rest().starts_with(token);
        if is_next {
            self.at += token.len();
        }
        is_next
    }

    /// Passes over `token`, which must be next.
    pub(super) fn expect(&mut self, token: &str) -> Result<(), Fault> {
        if self.take(token) { Ok(()) } else { Err(self.unexpected(&format!("'{token}'"))) }
    }

    /// Passes over the longest run of characters that are all `wanted`.
    fn run(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        self.position();
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    pub(super) fn symbol(&mut self) -> Result<&'a str, Fault> {
        let name = self.run(|c| c.is_ascii_alphanumeric() || ":_.$".contains(c));
        if name.is_empty() { Err(self.unexpected("a symbol")) } else { Ok(name) }
    }

    /// Everything up to one of `ends`, without white space around it: names of files and sections hold nearly anything.
    pub(super) fn until(&mut self, ends: &str, what: &str) -> Result<&'a str, Fault> {
        let name = self.run(|c| !ends.contains(c)).trim_end();
        if name.is_empty() { Err(self.unexpected(what)) } else { Ok(name) }
    }

    pub(super) fn number(&mut self) -> Result<u64, Fault> {
        let at = self.position();
        let parsed = if self.take("0x") {
            let digits = self.run(|c| c.is_ascii_hexdigit());
            u64::from_str_radix(digits, 16)
        } else {
            let digits = self.run(|c| c.is_ascii_digit());
            match digits.strip_prefix('0') {
                _ if digits.is_empty() => return Err(self.unexpected("a number")),
                Some(octal) if !octal.is_empty() => u64::from_str_radix(octal, 8),
                _ => digits.parse(),
            }
        };
        parsed.map_err(|error| Fault { at, what: format!("expected a 64-bit number: {error}") })
    }

    /// A fault at the next token.
    pub(super) fn unexpected(&mut self, expected: &str) -> Fault {
        let at = self.position();
        let found = match self.peek() {
            Some(found) => format!("'{found}'"),
            None => "the end of the rule".into(),
        };
        Fault { at, what: format!("expected {expected}, found {found}") }
    }
}
