//! GNU ld scripts that stand in for libraries: `libc.so`, `libncurses.so`.
//!
//! Document: "Using LD", sections "Commands Dealing with Files" and "Commands Dealing with Object File Formats".

/// A thing that a script asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ScriptInput {
    /// A path or the name of a file.
    File(String),
    /// `-lNAME`.
    Library(String),
    /// `SEARCH_DIR`: a directory to be searched for libraries from now on.
    Directory(String),
    /// `EXTERN`: a name that is wanted though no object refers to it.
    Wanted(String),
    /// `ENTRY`: the function that the program begins with.
    Entry(String),
    /// `name = value`, or with `PROVIDE`.
    Definition(Definition),
}

/// A name that a script defines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) value: Value,
    /// Only if nobody else defines it.
    pub(crate) is_provided: bool,
}

/// The value that a name stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    Number(u64),
    Symbol(String),
}

/// A reason why a text is not such a script.
#[derive(Debug)]
pub(crate) struct ScriptError {
    /// The line, from 1.
    pub(crate) line: usize,
    pub(crate) what: String,
}

/// Returns what a script asks for, in its order. `None` if it does not look like a script at all; comments alone are one.
///
/// `AS_NEEDED` makes no difference: libraries are searched only for names that are missing.
pub(crate) fn parse(text: &str) -> Result<Option<Vec<ScriptInput>>, ScriptError> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok((!text.trim().is_empty()).then(Vec::new));
    }
    let mut tokens = tokens.into_iter().peekable();
    let mut inputs = Vec::new();
    let mut any = false;
    while let Some((line, command)) = tokens.next() {
        if command == ";" {
            any = true;
            continue;
        }
        if tokens.next_if(|(_, token)| *token == "(").is_none() {
            // Up to the semicolon: an assignment, if anything.
            let mut text = command.to_owned();
            let mut ended = false;
            while let Some((_, token)) = tokens.next_if(|_| !ended) {
                ended = token == ";";
                text += if ended { "" } else { " " };
                text += if ended { "" } else { token };
            }
            match definition(&text, false).filter(|_| ended) {
                Some(definition) => inputs.push(definition.map_err(|what| ScriptError { line, what })?),
                None if !any => return Ok(None),
                None => {
                    return Err(ScriptError { line, what: format!("linkjit does not know the command '{command}'") });
                }
            }
            any = true;
            continue;
        }
        match command {
            "INPUT" | "GROUP" | "STARTUP" | "SEARCH_DIR" | "EXTERN" | "ENTRY" | "PROVIDE" | "PROVIDE_HIDDEN"
            | "HIDDEN" | "OUTPUT_FORMAT" | "OUTPUT_ARCH" | "OUTPUT" | "TARGET" => {}
            _ if !any => return Ok(None),
            _ => return Err(ScriptError { line, what: format!("the command {command} is not supported") }),
        }
        any = true;
        let mut depth = 1;
        let mut arguments = Vec::new();
        while depth > 0 {
            let Some((_, token)) = tokens.next() else {
                return Err(ScriptError { line, what: format!("{command}: the closing parenthesis is missing") });
            };
            match token {
                "(" => depth += 1,
                ")" => depth -= 1,
                "AS_NEEDED" => {}
                _ => arguments.push(token),
            }
        }
        match command {
            "INPUT" | "GROUP" | "STARTUP" => inputs.extend(arguments.into_iter().map(file)),
            "SEARCH_DIR" => inputs.extend(arguments.into_iter().map(without_root).map(ScriptInput::Directory)),
            "EXTERN" => inputs.extend(arguments.into_iter().map(str::to_owned).map(ScriptInput::Wanted)),
            "ENTRY" => inputs.extend(arguments.into_iter().map(str::to_owned).map(ScriptInput::Entry)),
            "PROVIDE" | "PROVIDE_HIDDEN" | "HIDDEN" => {
                let definition = definition(&arguments.join(" "), command != "HIDDEN");
                let definition = definition.unwrap_or_else(|| Err(format!("{command}: there is no definition in it")));
                inputs.push(definition.map_err(|what| ScriptError { line, what })?);
            }
            // The format of the output is that of the process.
            _ => {}
        }
    }
    Ok(any.then_some(inputs))
}

/// A library, or the file of a path.
fn file(name: &str) -> ScriptInput {
    match name.strip_prefix("-l") {
        Some(library) => ScriptInput::Library(library.into()),
        None => ScriptInput::File(without_root(name)),
    }
}

/// A path without the sign for the root of the system that programs are linked for, which is this one.
fn without_root(path: &str) -> String {
    path.strip_prefix("$SYSROOT").or_else(|| path.strip_prefix('=')).unwrap_or(path).into()
}

/// The definition `name=value`; `None` if it is none, an error if its value can't be had.
fn definition(text: &str, is_provided: bool) -> Option<Result<ScriptInput, String>> {
    let (name, value) = text.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = |text: &str| {
        !text.starts_with(|first: char| first.is_ascii_digit())
            && !text.is_empty()
            && text.chars().all(|c| c.is_alphanumeric() || "_.$".contains(c))
    };
    if !is_name(name) {
        return None;
    }
    let hexadecimal = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X"));
    let number = hexadecimal.map_or_else(|| value.parse(), |digits| u64::from_str_radix(digits, 16));
    let value = match number {
        Ok(number) => Value::Number(number),
        Err(_) if is_name(value) && value != "." => Value::Symbol(value.into()),
        Err(_) => return Some(Err(format!("'{name} = {value}': only numbers and names are supported as values"))),
    };
    Some(Ok(ScriptInput::Definition(Definition { name: name.into(), value, is_provided })))
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
                return Err(ScriptError { line, what: "a comment does not end".into() });
            };
            (None, len + 4)
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let Some(len) = quoted.find('"') else {
                return Err(ScriptError { line, what: "a quoted name does not end".into() });
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
        let found =
            names("SEARCH_DIR(\"=/lib\") GROUP(=/lib/a.so \"$SYSROOT/lib/b.so\" $SYSROOT/c.a)").unwrap_or_default();
        assert_eq!(found, [r#"Directory("/lib")"#, r#"File("/lib/a.so")"#, r#"File("/lib/b.so")"#, r#"File("/c.a")"#]);
    }

    #[test]
    fn directories_names_and_definitions_are_asked_for() {
        let text = "OUTPUT_FORMAT(elf64-x86-64) SEARCH_DIR(\"/opt/lib\"); EXTERN(a b) ENTRY(start)\n\
                    PROVIDE(c = 0x10); PROVIDE_HIDDEN(d=e); f = 7;\ng=h ; INPUT(x.o)";
        let definition = |name: &str, value, is_provided| {
            let definition = Definition { name: name.into(), value, is_provided };
            format!("{:?}", ScriptInput::Definition(definition))
        };
        let expected = [
            r#"Directory("/opt/lib")"#.to_owned(),
            r#"Wanted("a")"#.to_owned(),
            r#"Wanted("b")"#.to_owned(),
            r#"Entry("start")"#.to_owned(),
            definition("c", Value::Number(16), true),
            definition("d", Value::Symbol("e".into()), true),
            definition("f", Value::Number(7), false),
            definition("g", Value::Symbol("h".into()), false),
            r#"File("x.o")"#.to_owned(),
        ];
        assert_eq!(names(text).unwrap_or_default(), expected);
    }

    #[test]
    fn comments_alone_are_a_script() {
        assert_eq!(names("/* GNU ld script: nothing is left of it */\n"), Some(vec![]));
        assert_eq!(names(";"), Some(vec![]));
    }

    #[test]
    fn other_text_is_no_script() {
        assert_eq!(names("int main(void) { return 0; }"), None);
        assert_eq!(names("hello"), None);
        assert_eq!(names("x = 1 + 2"), None);
        assert_eq!(names("a b = 3;"), None);
        assert_eq!(names(""), None);
    }

    #[test]
    fn errors_say_where() {
        let error = |text| parse(text).map_err(|error| (error.line, error.what)).expect_err("an error");
        assert_eq!(error("\n\nGROUP ( a"), (3, "GROUP: the closing parenthesis is missing".into()));
        assert_eq!(error("/* x"), (1, "a comment does not end".into()));
        assert_eq!(error("INPUT(a)\nSECTIONS(b)"), (2, "the command SECTIONS is not supported".into()));
        let expression = "'a = b + 1': only numbers and names are supported as values";
        assert_eq!(error("INPUT(a)\nPROVIDE(a = b + 1)"), (2, expression.into()));
        assert_eq!(error("PROVIDE(a)"), (1, "PROVIDE: there is no definition in it".into()));
    }
}
