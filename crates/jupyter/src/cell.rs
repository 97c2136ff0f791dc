//! The text of a cell: its inputs, and places in it.

use linkjit_repl::{Shape, shape};

/// The inputs of a cell: its lines that are commands (`%lib -lz`), and what stands between them.
pub(crate) fn inputs(cell: &str) -> Vec<String> {
    let mut inputs = Vec::new();
    let mut code = String::new();
    let mut lines = cell.split_inclusive('\n');
    while let Some(line) = lines.next() {
        if is_command(line) && shape(&code) == Shape::Whole {
            inputs.push(std::mem::take(&mut code));
            let mut command = line.to_owned();
            // Its argument is an input.
            if line.starts_with("%time") {
                command.extend(lines.by_ref());
            }
            inputs.push(command);
        } else {
            code += line;
        }
    }
    inputs.push(code);
    inputs.retain(|input| !input.trim().is_empty());
    inputs
}

/// An operator `%` at the beginning of a line is rare, and has a space behind it.
fn is_command(line: &str) -> bool {
    line.strip_prefix('%').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// The byte at which a character begins. Clients count characters.
pub(crate) fn byte_at(text: &str, characters: usize) -> usize {
    text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at)
}

/// The number of characters before a byte.
pub(crate) fn characters_before(text: &str, byte: usize) -> usize {
    text.char_indices().take_while(|(at, _)| *at < byte).count()
}

/// The name at a byte of a text, with its namespaces; may be empty.
pub(crate) fn name_at(text: &str, byte: usize) -> &str {
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let (before, behind) = text.split_at_checked(byte).unwrap_or((text, ""));
    let length = behind.find(|c| !is_of_name(c)).unwrap_or(behind.len());
    let begin =
        before.rfind(|c| !is_of_name(c)).map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    text[begin..before.len() + length].trim_matches(':')
}

/// A text without the codes with which terminals show colours.
pub(crate) fn without_colors(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain += part.split_once(|c: char| c.is_ascii_alphabetic()).map_or(part, |(_, rest)| rest);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_inputs_of_their_own() {
        let check = |cell: &str, expected: &[&str]| assert_eq!(inputs(cell), expected, "{cell}");
        check("", &[]);
        check("int x;\nx", &["int x;\nx"]);
        check("%lib -lz\n\n%include <zlib.h>\nint x;\n", &["%lib -lz\n", "%include <zlib.h>\n", "int x;\n"]);
        check("int x = 7\n% 3;", &["int x = 7\n% 3;"]);
        check("f(7\n%x);", &["f(7\n%x);"]);
        check("%time for (;;)\n{\n%y;}", &["%time for (;;)\n{\n%y;}"]);
    }

    #[test]
    fn places_are_counted_in_characters() {
        assert_eq!((byte_at("äb", 0), byte_at("äb", 1), byte_at("äb", 2), byte_at("äb", 9)), (0, 2, 3, 3));
        assert_eq!((characters_before("äb", 0), characters_before("äb", 2), characters_before("äb", 3)), (0, 1, 2));
    }

    #[test]
    fn names_have_their_namespaces() {
        let text = "ä=std::sort(x);";
        assert_eq!(name_at(text, 5), "std::sort");
        assert_eq!(name_at(text, byte_at(text, 11)), "std::sort");
        assert_eq!(name_at(text, byte_at(text, 12)), "x");
        assert_eq!(name_at(text, 1), "");
        assert_eq!(name_at(text, 99), "");
        assert_eq!(name_at("value", 5), "value");
    }

    #[test]
    fn colors_are_taken_away() {
        assert_eq!(without_colors("\x1b[1minput:\x1b[0m \x1b[0;1;31merror"), "input: error");
    }
}
