//! Finds out whether a text is whole, or its user has yet to type more of it.

/// The shape of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// It can be compiled, whether it is right or wrong.
    Whole,
    /// A bracket, a comment, a raw string or a condition (`#if`) is open, or it ends with a backslash.
    Unfinished {
        /// The number of brackets that are open.
        depth: usize,
    },
}

/// Looks at brackets, comments, strings and conditions only. Brackets that do not fit make a text whole: the compiler says what is
/// wrong.
#[must_use]
pub fn shape(text: &str) -> Shape {
    let bytes = text.as_bytes();
    let mut open = Vec::new();
    // The brackets that were open before each condition, and whether its other branch has begun.
    let mut conditions: Vec<(Vec<u8>, bool)> = Vec::new();
    let mut at = 0;
    let mut begins_line = true;
    let unfinished = |open: &[u8]| Shape::Unfinished { depth: open.len() };
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        at += match byte {
            b'\\' if is_blank(&rest[1..]) => return unfinished(&open),
            b'\\' => 2,
            b'/' if rest.starts_with(b"//") => rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"/*") => match find(&rest[2..], b"*/") {
                Some(end) => end + 4,
                None => return unfinished(&open),
            },
            b'"' if is_raw(&bytes[..at]) => match raw_string(rest) {
                Some(length) => length,
                None => return unfinished(&open),
            },
            // 1'000'000
            b'\'' if at > 0 && bytes[at - 1].is_ascii_alphanumeric() && !is_prefix(&bytes[..at]) => 1,
            b'"' | b'\'' => match quoted(rest) {
                Some(length) => length,
                None => return Shape::Whole,
            },
            b'#' if begins_line => {
                match directive(&rest[1..]) {
                    b"if" | b"ifdef" | b"ifndef" => conditions.push((open.clone(), false)),
                    b"else" | b"elif" | b"elifdef" | b"elifndef" => {
                        if let Some((before, has_other)) = conditions.last_mut() {
                            open.clone_from(before);
                            *has_other = true;
                        }
                    }
                    b"endif" => {
                        // A condition alone may be false.
                        if let Some((before, false)) = conditions.pop() {
                            open = before;
                        }
                    }
                    _ => {}
                }
                1
            }
            b'(' | b'[' | b'{' => {
                open.push(byte);
                1
            }
            b')' | b']' | b'}' => {
                let fits = matches!((open.pop(), byte), (Some(b'('), b')') | (Some(b'['), b']') | (Some(b'{'), b'}'));
                if !fits {
                    return Shape::Whole;
                }
                1
            }
            _ => 1,
        };
        begins_line = byte == b'\n' || begins_line && byte.is_ascii_whitespace();
    }
    if open.is_empty() && conditions.is_empty() { Shape::Whole } else { unfinished(&open) }
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_whitespace)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The last word of what stands before a quotation mark.
fn last_word(before: &[u8]) -> &[u8] {
    let begin = before.iter().rposition(|&byte| !byte.is_ascii_alphanumeric() && byte != b'_').map_or(0, |at| at + 1);
    &before[begin..]
}

fn is_raw(before: &[u8]) -> bool {
    matches!(last_word(before), b"R" | b"LR" | b"uR" | b"UR" | b"u8R")
}

fn is_prefix(before: &[u8]) -> bool {
    matches!(last_word(before), b"L" | b"u" | b"U" | b"u8")
}

/// The length of `"x(...)x"`.
fn raw_string(text: &[u8]) -> Option<usize> {
    let open = text.iter().position(|&byte| byte == b'(')?;
    let end = [b")", &text[1..open], b"\""].concat();
    Some(open + find(&text[open..], &end)? + end.len())
}

/// The length of a string or character; `None` if it is not closed in its line.
fn quoted(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += match text.get(at)? {
            b'\\' => 2,
            b'\n' => return None,
            &byte if byte == text[0] => return Some(at + 1),
            _ => 1,
        };
    }
}

fn directive(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_start();
    let end = text.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_texts_can_be_compiled() {
        for text in [
            "",
            "int x = 5;",
            "f(\"(\", '(', '\\'', \"\\\"{\"); // (",
            "auto s = R\"x({(\")x\";",
            "int n = 1'000'000;",
            "#if 1\nint x;\n#endif",
            "#if 0\n{\n#endif",
            "#if 0\nint x = {\n#else\nint x;\n#endif",
            "/* ( */ int x[3]{1, 2};",
            // Clang says what is wrong.
            "int x = 5);",
            "f(\"abc\n",
            "auto c = L'(';",
        ] {
            assert_eq!(shape(text), Shape::Whole, "{text}");
        }
    }

    #[test]
    fn unfinished_texts_go_on() {
        for (text, depth) in [
            ("void f() {", 1),
            ("f(1, [&] {", 2),
            ("/* comment", 0),
            ("auto s = R\"x()y\"", 0),
            ("#ifdef A\nint x;", 0),
            ("#ifdef A\nint f() {\n#else\nint f(int) {\n#endif", 1),
            ("#define TWICE(x) \\", 0),
            ("int x = \\\n", 0),
        ] {
            assert_eq!(shape(text), Shape::Unfinished { depth }, "{text}");
        }
    }

    #[test]
    fn no_text_is_too_strange() {
        for text in ["\\", "\"", "'", "R\"", "R\"(", "R\"x", "#", "'\\", "ä\"ö", "u8'"] {
            let _shape = shape(text);
        }
    }
}
