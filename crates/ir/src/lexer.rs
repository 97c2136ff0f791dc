//! The tokens of IR text. LLVM's lexer is the model (`LLLexer`); numbers and words are one kind here, for nobody reads
//! numbers, and comments and white space are skipped.

use std::borrow::Cow;

use crate::error::{Result, at};

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword, a type, a number, `...`.
    Word,
    /// A word with a colon behind it: a label, or the name of a field of metadata. The colon is a token of its own.
    Label,
    /// `@name`, `@"name"`, `@0`
    Global,
    /// `%name`, `%"name"`, `%0`: a type or a value.
    Local,
    /// `$name`, `$"name"`
    Comdat,
    /// `!0`
    Metadata,
    /// `!name`
    MetadataName,
    /// `#0`
    Attributes,
    /// `^0`
    Summary,
    /// `"..."`
    String,
    /// `(`, `[`, `{` or `<`
    Open,
    /// `)`, `]`, `}` or `>`
    Close,
    /// Any other character of IR; `#word` is a `#` and a word.
    Mark,
}

/// A token: its kind, and its place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Token {
    pub(crate) fn text<'a>(&self, all: &'a str) -> &'a str {
        all.get(self.start..self.end).unwrap_or_default()
    }

    /// Says whether it is this word, bracket or mark; names and strings are none.
    pub(crate) fn is(&self, all: &str, what: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Open | Kind::Close | Kind::Mark) && self.text(all) == what
    }
}

/// An iterator over the tokens in a part of a text.
#[derive(Debug, Clone)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    /// The text up to the end of the part.
    bytes: &'a [u8],
    offset: usize,
}

const SPACE: u8 = 1;
const WORD: u8 = 2;
const DIGIT: u8 = 4;

/// The kinds of bytes, a bit for each: a table is several times as fast as comparisons.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < classes.len() {
        let character = byte as u8;
        if character.is_ascii_whitespace() || character == 0 {
            classes[byte] |= SPACE;
        }
        if character.is_ascii_alphanumeric() || matches!(character, b'-' | b'$' | b'.' | b'_') {
            classes[byte] |= WORD;
        }
        if character.is_ascii_digit() {
            classes[byte] |= DIGIT;
        }
        byte += 1;
    }
    classes
};

fn is_of(class: u8, byte: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

impl<'a> Lexer<'a> {
    /// The tokens of `text` from `start` to `end`.
    pub(crate) fn new(text: &'a str, start: usize, end: usize) -> Self {
        let bytes = text.as_bytes();
        Self { text, bytes: bytes.get(..end).unwrap_or(bytes), offset: start }
    }

    fn byte(&self, offset: usize) -> Option<u8> {
        self.bytes.get(offset).copied()
    }

    /// The first offset from `start` on whose byte ends a run.
    fn run(&self, start: usize, is_of_run: impl Fn(u8) -> bool) -> usize {
        let mut end = start;
        while self.bytes.get(end).is_some_and(|&byte| is_of_run(byte)) {
            end += 1;
        }
        end
    }

    /// The offset behind the string that begins at `start` with its quote. A quote within is written as `\22`.
    fn string(&self, start: usize) -> Result<usize> {
        let end = self.run(start + 1, |byte| byte != b'"');
        self.byte(end).map(|_| end + 1).ok_or_else(|| at(self.text, start, "the string that begins here has no end"))
    }

    /// Skips white space and comments.
    fn skip(&mut self) -> Result<()> {
        loop {
            self.offset = self.run(self.offset, |byte| is_of(SPACE, byte));
            match self.byte(self.offset) {
                Some(b';') => self.offset = self.run(self.offset, |byte| byte != b'\n'),
                Some(b'/') if self.byte(self.offset + 1) == Some(b'*') => {
                    let rest = self.bytes.get(self.offset + 2..).unwrap_or_default();
                    let length = rest.windows(2).position(|end| end == b"*/");
                    let length =
                        length.ok_or_else(|| at(self.text, self.offset, "the comment that begins here has no end"))?;
                    self.offset += length + 4;
                }
                _ => return Ok(()),
            }
        }
    }

    /// The end of a name that begins at `start`, behind its sigil: in quotes, a word, or nothing.
    fn name(&self, start: usize) -> Result<usize> {
        if self.byte(start) == Some(b'"') { self.string(start) } else { Ok(self.run(start, |byte| is_of(WORD, byte))) }
    }

    fn token(&self, first: u8) -> Result<(Kind, usize)> {
        let start = self.offset;
        let next = start + 1;
        let named = |kind| {
            let end = self.name(next)?;
            Ok(if end == next { (Kind::Mark, next) } else { (kind, end) })
        };
        let numbered = |kind| {
            let end = self.run(next, |byte| is_of(DIGIT, byte));
            if end == next { (Kind::Mark, next) } else { (kind, end) }
        };
        match first {
            b'@' => named(Kind::Global),
            b'%' => named(Kind::Local),
            b'$' => named(Kind::Comdat),
            b'!' => {
                let end = self.run(next, |byte| is_of(WORD, byte) || byte == b'\\');
                let is_number = self.run(next, |byte| is_of(DIGIT, byte)) == end;
                let kind = if is_number { Kind::Metadata } else { Kind::MetadataName };
                Ok(if end == next { (Kind::Mark, next) } else { (kind, end) })
            }
            b'#' => Ok(numbered(Kind::Attributes)),
            b'^' => Ok(numbered(Kind::Summary)),
            b'"' => Ok((Kind::String, self.string(start)?)),
            b'(' | b'[' | b'{' | b'<' => Ok((Kind::Open, next)),
            b')' | b']' | b'}' | b'>' => Ok((Kind::Close, next)),
            b',' | b'=' | b':' | b'*' | b'|' | b'+' => Ok((Kind::Mark, next)),
            _ if is_of(WORD, first) => {
                let end = self.run(next, |byte| is_of(WORD, byte));
                Ok((if self.byte(end) == Some(b':') { Kind::Label } else { Kind::Word }, end))
            }
            _ => {
                let character = self.text.get(start..).and_then(|rest| rest.chars().next()).unwrap_or('\u{fffd}');
                Err(at(self.text, start, format!("{character:?} is no part of IR")))
            }
        }
    }

    /// The next token, or nothing at the end.
    pub(crate) fn next_token(&mut self) -> Result<Option<Token>> {
        self.skip()?;
        let Some(first) = self.byte(self.offset) else { return Ok(None) };
        let start = self.offset;
        let (kind, end) = self.token(first)?;
        self.offset = end;
        Ok(Some(Token { kind, start, end }))
    }
}

/// The tokens of a part of a text that was read before: there is nothing wrong with it.
impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.next_token().ok().flatten()
    }
}

/// The bytes of a string without its quotes, or of a name without its sigil and quotes.
pub(crate) fn decode(text: &str) -> Cow<'_, [u8]> {
    let text = text.strip_prefix(['@', '%', '$']).unwrap_or(text);
    let inner = text.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(text).as_bytes();
    if !inner.contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'\\', [b'\\', ..]) => Some((b'\\', 1)),
            (b'\\', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| (high * 16 + low, 2)),
            _ => None,
        };
        let (byte, more) = escaped.unwrap_or((*first, 0));
        bytes.push(byte);
        rest = tail.get(more..).unwrap_or_default();
    }
    Cow::Owned(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(Kind, &str)]) {
        let mut lexer = Lexer::new(text, 0, text.len());
        let mut found = Vec::new();
        while let Some(token) = lexer.next_token().unwrap() {
            found.push((token.kind, token.text(text)));
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn names_may_be_words_numbers_or_quoted() {
        check(
            "@a.b-$_1 @\"a \\22}b\" @0 %x %\"y z\" $\"?f@@\" $f",
            &[
                (Kind::Global, "@a.b-$_1"),
                (Kind::Global, "@\"a \\22}b\""),
                (Kind::Global, "@0"),
                (Kind::Local, "%x"),
                (Kind::Local, "%\"y z\""),
                (Kind::Comdat, "$\"?f@@\""),
                (Kind::Comdat, "$f"),
            ],
        );
    }

    #[test]
    fn comments_hide_anything_and_strings_hide_comments() {
        check("a ; { \" @x\nb", &[(Kind::Word, "a"), (Kind::Word, "b")]);
        check("c\"; no comment\"x", &[(Kind::Word, "c"), (Kind::String, "\"; no comment\""), (Kind::Word, "x")]);
        check("a/* { \n */b", &[(Kind::Word, "a"), (Kind::Word, "b")]);
    }

    #[test]
    fn metadata_attributes_and_debug_records_are_told_apart() {
        check(
            "!0 !dbg !{!\"s\"} #12 #dbg_value ^3",
            &[
                (Kind::Metadata, "!0"),
                (Kind::MetadataName, "!dbg"),
                (Kind::Mark, "!"),
                (Kind::Open, "{"),
                (Kind::Mark, "!"),
                (Kind::String, "\"s\""),
                (Kind::Close, "}"),
                (Kind::Attributes, "#12"),
                (Kind::Mark, "#"),
                (Kind::Word, "dbg_value"),
                (Kind::Summary, "^3"),
            ],
        );
    }

    #[test]
    fn a_word_with_a_colon_is_a_label() {
        check("define: x", &[(Kind::Label, "define"), (Kind::Mark, ":"), (Kind::Word, "x")]);
    }

    #[test]
    fn what_has_no_end_is_an_error_with_its_line() {
        for (text, reason) in [
            ("a\n\"b", "line 2: the string that begins here has no end"),
            ("\n\n@\"b\n", "line 3: the string that begins here has no end"),
            ("/* *", "line 1: the comment that begins here has no end"),
            ("a\n\u{e4}", "line 2: 'ä' is no part of IR"),
        ] {
            let mut lexer = Lexer::new(text, 0, text.len());
            let error = loop {
                match lexer.next_token() {
                    Ok(token) => assert!(token.is_some(), "{text:?} has no error"),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.to_string(), reason);
        }
    }

    #[test]
    fn escapes_are_bytes() {
        assert_eq!(&*decode("@\"a\\22\\5C\\\\b\\C3\\A4\\zz\""), b"a\"\\\\b\xc3\xa4\\zz");
        assert_eq!(&*decode("@plain"), b"plain");
        assert_eq!(&*decode("@\"plain\""), b"plain");
    }
}
