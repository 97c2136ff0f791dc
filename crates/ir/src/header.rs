//! The parts of a global value before its body or initializer, which its declaration in other slices is made of.

use std::ops::Range;

use crate::entity::Linkage;
use crate::lexer::{Kind, Lexer, Token};

/// The header of a function, a variable, an alias or an ifunc. Ranges and tokens are places in the module's text.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    /// `@name`
    pub(crate) name: Token,
    /// `define`, `declare`, `global`, `constant`, `alias` or `ifunc`
    pub(crate) keyword: Token,
    /// The words about linkage begin here, behind `define` or `=`.
    pub(crate) start: usize,
    pub(crate) linkage: Option<Token>,
    /// `dso_local`, `dso_preemptable`
    pub(crate) dso: Option<Token>,
    pub(crate) visibility: Option<Token>,
    /// `dllimport`, `dllexport`
    pub(crate) dll: Option<Token>,
    pub(crate) is_unnamed_addr: bool,
    pub(crate) is_thread_local: bool,
    /// The model of a thread-local variable, in parentheses, if it has another than the usual one.
    pub(crate) model: Option<Range<usize>>,
    /// The type of a variable, or the one that a function behind an alias returns.
    pub(crate) value_type: Range<usize>,
    /// The parameters of a function, in parentheses. Variables have none.
    pub(crate) parameters: Option<Range<usize>>,
    /// The end of what a declaration of a function needs: behind it are section, COMDAT group, personality, metadata.
    pub(crate) tail: usize,
    /// The parts of a variable behind its initializer, which commas separate, such as `align 4`.
    pub(crate) clauses: Vec<Range<usize>>,
    /// `comdat`, with the group that it names, or with none if the group has the name of the value.
    pub(crate) comdat: Option<Option<Token>>,
    pub(crate) has_section: bool,
    /// Something lies before the code, and is found by the address of the code.
    pub(crate) has_prefix: bool,
}

impl Header {
    /// Reads the header of a function between two offsets; nothing if it is none.
    pub(crate) fn of_function(text: &str, start: usize, end: usize) -> Option<Self> {
        let mut tokens = Lexer::new(text, start, end);
        let keyword = tokens.next()?;
        let mut header = Self::new(keyword);
        header.start = keyword.end;
        header.name = header.adjectives(text, &mut tokens, |token| token.kind == Kind::Global)?;
        let open = tokens.next().filter(|token| token.is(text, "("))?;
        let close = group_end(&mut tokens)?;
        header.parameters = Some(open.start..close);
        header.tail = close;
        let mut is_in_tail = false;
        let mut has_data = false;
        while let Some(token) = tokens.next() {
            const CLAUSES: [&str; 8] =
                ["section", "partition", "comdat", "align", "gc", "prefix", "prologue", "personality"];
            let is_clause = token.kind == Kind::Word && CLAUSES.contains(&token.text(text));
            is_in_tail |= is_clause || token.kind == Kind::MetadataName;
            has_data |= token.is(text, "prefix") || token.is(text, "prologue");
            if token.is(text, "{") && !has_data {
                return None;
            }
            header.note(text, token, &tokens);
            let end = if token.kind == Kind::Open { group_end(&mut tokens)? } else { token.end };
            if !is_in_tail {
                header.tail = end;
            }
        }
        Some(header)
    }

    /// Reads the header of a variable, an alias or an ifunc between two offsets; nothing if it is none.
    pub(crate) fn of_variable(text: &str, start: usize, end: usize) -> Option<Self> {
        let mut tokens = Lexer::new(text, start, end);
        let mut header = Self::new(tokens.next()?);
        header.start = tokens.next()?.end;
        header.keyword = header.adjectives(text, &mut tokens, |token| {
            token.kind == Kind::Word && ["global", "constant", "alias", "ifunc"].contains(&token.text(text))
        })?;
        let next_type = header.type_of(text, &mut tokens)?;
        let mut next = next_type;
        let mut clause = None;
        let mut last = header.value_type.end;
        while let Some(token) = next {
            if token.is(text, ",") {
                header.clauses.extend(clause.take().map(|start| start..last));
                clause = Some(token.end);
            } else {
                header.note(text, token, &tokens);
            }
            last = if token.kind == Kind::Open { group_end(&mut tokens)? } else { token.end };
            next = tokens.next();
        }
        header.clauses.extend(clause.map(|start| start..last));
        Some(header)
    }

    fn new(first: Token) -> Self {
        Self {
            name: first,
            keyword: first,
            start: first.end,
            linkage: None,
            dso: None,
            visibility: None,
            dll: None,
            is_unnamed_addr: false,
            is_thread_local: false,
            model: None,
            value_type: 0..0,
            parameters: None,
            tail: first.end,
            clauses: Vec::new(),
            comdat: None,
            has_section: false,
            has_prefix: false,
        }
    }

    /// Reads words up to the token that is wanted, which is outside of all brackets.
    fn adjectives(&mut self, text: &str, tokens: &mut Lexer<'_>, is_last: impl Fn(&Token) -> bool) -> Option<Token> {
        loop {
            let token = tokens.next()?;
            if is_last(&token) {
                return Some(token);
            }
            if token.kind == Kind::Open {
                group_end(tokens)?;
            }
            if token.kind == Kind::Word {
                let word = token.text(text);
                let place = match word {
                    "dso_local" | "dso_preemptable" => &mut self.dso,
                    "default" | "hidden" | "protected" => &mut self.visibility,
                    "dllimport" | "dllexport" => &mut self.dll,
                    _ if Linkage::of(word).is_some() => &mut self.linkage,
                    _ => {
                        self.note(text, token, tokens);
                        continue;
                    }
                };
                place.get_or_insert(token);
            }
        }
    }

    /// Reads the type of a variable or an alias; returns the token behind it.
    fn type_of(&mut self, text: &str, tokens: &mut Lexer<'_>) -> Option<Option<Token>> {
        let is_of_type = |token: &Token| matches!(token.kind, Kind::Word | Kind::Local | Kind::Open);
        let first = tokens.next().filter(is_of_type)?;
        let mut end = if first.kind == Kind::Open { group_end(tokens)? } else { first.end };
        let mut next = tokens.next();
        if let Some(open) = next.filter(|token| first.is(text, "target") && token.is(text, "(")) {
            debug_assert!(open.kind == Kind::Open);
            end = group_end(tokens)?;
            next = tokens.next();
        }
        while let Some(token) = next.filter(|token| token.is(text, "addrspace") || token.is(text, "*")) {
            end = token.end;
            if token.kind == Kind::Word {
                tokens.next().filter(|open| open.is(text, "("))?;
                end = group_end(tokens)?;
            }
            next = tokens.next();
        }
        self.value_type = first.start..end;
        if let Some(open) = next.filter(|token| token.is(text, "(")) {
            self.parameters = Some(open.start..group_end(tokens)?);
            next = tokens.next();
        }
        Some(next)
    }

    /// Notes what matters of a token outside of all brackets; `rest` are the tokens behind it.
    fn note(&mut self, text: &str, token: Token, rest: &Lexer<'_>) {
        match token.text(text) {
            // Hashes of types that callers compare.
            "!kcfi_type" | "!func_sanitize" => self.has_prefix = true,
            _ if token.kind != Kind::Word => {}
            "prefix" => self.has_prefix = true,
            "unnamed_addr" => self.is_unnamed_addr = true,
            "thread_local" => {
                self.is_thread_local = true;
                let mut rest = rest.clone();
                let open = rest.next().filter(|open| open.is(text, "("));
                self.model = open.and_then(|open| Some(open.start..group_end(&mut rest)?));
            }
            "section" => self.has_section = true,
            "comdat" => {
                let mut rest = rest.clone();
                let named = rest.next().filter(|open| open.is(text, "(")).and_then(|_| rest.next());
                self.comdat = Some(named.filter(|name| name.kind == Kind::Comdat));
            }
            _ => {}
        }
    }
}

/// Reads up to the end of a bracket that was opened, which is returned.
fn group_end(tokens: &mut Lexer<'_>) -> Option<usize> {
    let mut depth = 1_usize;
    loop {
        let token = tokens.next()?;
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(token.end);
        }
    }
}
