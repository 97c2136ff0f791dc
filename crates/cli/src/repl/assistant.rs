//! Helps the user who types: completion, colours, several lines.

use std::borrow::Cow;
use std::cell::{RefCell, RefMut};

use linkjit_repl::{Highlight, Shape, TokenKind, shape};
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use super::{Session, has_colors};

/// The session, as the editor asks it.
pub(super) struct Assistant<'a> {
    session: RefCell<&'a mut Session>,
    has_colors: bool,
}

impl<'a> Assistant<'a> {
    pub(super) fn new(session: &'a mut Session) -> Self {
        Self { session: RefCell::new(session), has_colors: has_colors() }
    }

    pub(super) fn session(&self) -> RefMut<'_, &'a mut Session> {
        self.session.borrow_mut()
    }
}

impl Helper for Assistant<'_> {}

impl Hinter for Assistant<'_> {
    type Hint = String;
}

impl Completer for Assistant<'_> {
    type Candidate = Pair;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        // A user who types should not be interrupted: the next input says what is wrong.
        let Ok(found) = self.session.borrow_mut().repl.complete(line, position) else {
            return Ok((position, Vec::new()));
        };
        let pair = |completion: linkjit_repl::Completion| {
            let linkjit_repl::Completion { text, detail } = completion;
            let display = if detail.is_empty() { text.clone() } else { format!("{text}  {detail}") };
            Pair { display, replacement: text }
        };
        let start = if line.is_char_boundary(found.start) { found.start.min(position) } else { position };
        Ok((start, found.completions.into_iter().map(pair).collect()))
    }
}

impl Validator for Assistant<'_> {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match shape(context.input()) {
            Shape::Unfinished { .. } if !context.input().starts_with('%') => ValidationResult::Incomplete,
            _ => ValidationResult::Valid(None),
        })
    }
}

impl Highlighter for Assistant<'_> {
    fn highlight<'l>(&self, line: &'l str, _position: usize) -> Cow<'l, str> {
        if !self.has_colors {
            return Cow::Borrowed(line);
        }
        let tokens = self.session.borrow_mut().repl.highlight(line);
        tokens.map_or(Cow::Borrowed(line), |tokens| Cow::Owned(colored(line, &tokens)))
    }

    fn highlight_char(&self, line: &str, _position: usize, _kind: CmdKind) -> bool {
        self.has_colors && !line.is_empty()
    }
}

/// A text with the codes of terminals for colours.
fn colored(text: &str, tokens: &[Highlight]) -> String {
    let mut result = String::new();
    let mut done = 0;
    for token in tokens {
        let color = match token.kind {
            TokenKind::Keyword => "1;34",
            TokenKind::Number => "36",
            TokenKind::Text => "32",
            TokenKind::Comment => "90",
            TokenKind::Preprocessor => "35",
            TokenKind::Identifier | TokenKind::Punctuation => continue,
        };
        let (Some(before), Some(word)) = (text.get(done..token.start), text.get(token.start..token.end)) else {
            continue;
        };
        result += &format!("{before}\x1b[{color}m{word}\x1b[0m");
        done = token.end;
    }
    result + text.get(done..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_colored() {
        let token = |start, end, kind| Highlight { start, end, kind };
        let tokens =
            [token(0, 3, TokenKind::Keyword), token(4, 5, TokenKind::Identifier), token(8, 9, TokenKind::Number)];
        assert_eq!(colored("int x = 5;", &tokens), "\x1b[1;34mint\x1b[0m x = \x1b[36m5\x1b[0m;");
        // Places that are none change nothing.
        assert_eq!(colored("ä", &[token(1, 2, TokenKind::Text), token(7, 9, TokenKind::Text)]), "ä");
    }
}
