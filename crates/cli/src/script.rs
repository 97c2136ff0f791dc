//! GNU ld scripts, as far as they stand in for libraries: `libc.so`, `libncurses.so`.
//!
//! Document: "Using LD", sections "Commands Dealing with Files" and "Commands Dealing with Object File Formats".

/// A file that a script names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ScriptInput {
    /// A path or the name of a file.
    File(String),
    /// `-lNAME`.
    Library(String),
}

/// Why a text is not such a script.
#[derive(Debug)]
pub(crate) struct ScriptError {
    /// The line, from 1.
    pub(crate) line: usize,
    pub(crate) what: String,
}

/// The files that a script names, in its order. `None` if it does not look like a script at all.
///
/// `AS_NEEDED` makes no difference: libraries are searched only for names that are missing.
pub(crate) fn parse(text: &str) -> Result<Option<Vec<ScriptInput>>, ScriptError> {
    let tokens = tokens(text)?;
    let mut tokens = tokens.into_iter().peekable();
    let mut inputs = Vec::new();
    let mut any = false;
    while let Some((line, command)) = tokens.next() {
        if command == ";" {
            continue;
        }
        if tokens.next_if(|(_, token)| *token == "(").is_none() {
            if !any {
                return Ok(None);
            }
            return Err(ScriptError { line, what: format!("'{command}' is no command that linkjit knows") });
        }
        let names_files = match command {
            "INPUT" | "GROUP" => true,
            "OUTPUT_FORMAT" | "OUTPUT_ARCH" | "TARGET" => false,
            _ if !any => return Ok(None),
            _ => return Err(ScriptError { line, what: format!("the command {command} is not supported") }),
        };
        any = true;
        let mut depth = 1;
        while depth > 0 {
            let Some((_, token)) = tokens.next() else {
                return Err(ScriptError { line, what: format!("{command}: no closing parenthesis") });
            };
            match token {
                "(" => depth += 1,
                ")" => depth -= 1,
                "AS_NEEDED" => {}
                _ if names_files => inputs.push(match token.strip_prefix("-l") {
                    Some(library) => ScriptInput::Library(library.into()),
                    None => ScriptInput::File(token.into()),
                }),
                _ => {}
            }
        }
    }
    Ok(any.then_some(inputs))
}

/// Words, parentheses and semicolons, each with its line.
fn tokens(text: &str) -> Result<Vec<(usize, &str)>, ScriptError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let (token, end) = if first.is_whitespace() || first == ',' {
            (None, first.len_utf8())
        } else if let Some(comment) = rest.strip_prefix("/*") {
            let Some(len) = comment.find("*/") else {
                return Err(ScriptError { line, what: "a comment without an end".into() });
            };
            (None, len + 4)
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let Some(len) = quoted.find('"') else {
                return Err(ScriptError { line, what: "a quoted name without an end".into() });
            };
            (quoted.get(..len), len + 2)
        } else if matches!(first, '(' | ')' | ';') {
            (rest.get(..1), 1)
        } else {
            let len = rest.find(|c: char| c.is_whitespace() || "(),;\"".contains(c)).unwrap_or(rest.len());
            (rest.get(..len), len)
        };
        tokens.extend(token.map(|token| (line, token)));
        let (passed, after) = rest.split_at(end);
        line += passed.matches('\n').count();
        rest = after;
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Option<Vec<String>> {
        let inputs = parse(text).map_err(|error| format!("{}: {}", error.line, error.what)).expect("a script");
        inputs.map(|inputs| inputs.iter().map(|input| format!("{input:?}")).collect())
    }

    #[test]
    fn the_files_of_libc_are_found() {
        let libc = "/* GNU ld script\n   Use the shared library */\nOUTPUT_FORMAT(elf64-x86-64)\n\
                    GROUP ( /lib/libc.so.6 /usr/lib/libc_nonshared.a  AS_NEEDED ( /lib64/ld-linux-x86-64.so.2 ) )\n";
        assert_eq!(
            names(libc).unwrap_or_default(),
            [
                r#"File("/lib/libc.so.6")"#,
                r#"File("/usr/lib/libc_nonshared.a")"#,
                r#"File("/lib64/ld-linux-x86-64.so.2")"#
            ]
        );
    }

    #[test]
    fn libraries_and_quoted_names_are_inputs() {
        let found = names("INPUT(libncurses.so.6, -ltinfo \"a b.so\")").unwrap_or_default();
        assert_eq!(found, [r#"File("libncurses.so.6")"#, r#"Library("tinfo")"#, r#"File("a b.so")"#]);
    }

    #[test]
    fn other_text_is_no_script() {
        assert_eq!(names("int main(void) { return 0; }"), None);
        assert_eq!(names("hello"), None);
        assert_eq!(names(""), None);
    }

    #[test]
    fn errors_say_where() {
        let error = |text| parse(text).map_err(|error| (error.line, error.what)).expect_err("an error");
        assert_eq!(error("\n\nGROUP ( a"), (3, "GROUP: no closing parenthesis".into()));
        assert_eq!(error("/* x"), (1, "a comment without an end".into()));
        assert_eq!(error("INPUT(a)\nSECTIONS(b)"), (2, "the command SECTIONS is not supported".into()));
    }
}
