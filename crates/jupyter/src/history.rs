//! The cells that were run, for clients that offer them again.

use serde_json::{Value, json};

/// There is one session: each kernel's history begins with it.
const SESSION: i64 = 1;

/// The cells of this session.
#[derive(Debug, Default)]
pub(crate) struct History {
    cells: Vec<Cell>,
}

#[derive(Debug)]
struct Cell {
    number: u32,
    input: String,
    output: String,
}

impl History {
    pub(crate) fn add(&mut self, number: u32, input: &str) {
        self.cells.push(Cell { number, input: input.into(), output: String::new() });
    }

    /// The last cell has this value.
    pub(crate) fn note_output(&mut self, text: &str) {
        if let Some(cell) = self.cells.last_mut() {
            cell.output = text.into();
        }
    }

    /// The answer to a `history_request`. What it does not say is as if it wanted no limit.
    pub(crate) fn find(&self, request: &Value) -> Value {
        let number = |name: &str| request.get(name).and_then(Value::as_i64);
        let mut found: Vec<&Cell> = match request.get("hist_access_type").and_then(Value::as_str) {
            Some("range") if number("session").is_none_or(|session| session == 0 || session == SESSION) => {
                let (start, stop) = (number("start").unwrap_or(0), number("stop").unwrap_or(i64::MAX));
                self.cells.iter().filter(|cell| (start..stop).contains(&i64::from(cell.number))).collect()
            }
            Some("tail") => self.cells.iter().collect(),
            Some("search") => {
                let pattern = request.get("pattern").and_then(Value::as_str).unwrap_or("*");
                self.cells.iter().filter(|cell| fits(pattern.as_bytes(), cell.input.as_bytes())).collect()
            }
            _ => Vec::new(),
        };
        if request.get("unique").and_then(Value::as_bool) == Some(true) {
            let all = std::mem::take(&mut found);
            let is_last = |at: usize| !all[at + 1..].iter().any(|later| later.input == all[at].input);
            found = (0..all.len()).filter(|&at| is_last(at)).map(|at| all[at]).collect();
        }
        if let Some(count) = number("n").and_then(|count| usize::try_from(count).ok()) {
            found.drain(..found.len().saturating_sub(count));
        }
        let with_output = request.get("output").and_then(Value::as_bool) == Some(true);
        let entry = |cell: &&Cell| {
            let Cell { number, input, output } = cell;
            if with_output { json!([SESSION, number, [input, output]]) } else { json!([SESSION, number, input]) }
        };
        found.iter().map(entry).collect()
    }
}

/// Says whether a text fits a pattern, in which `*` is any text and `?` any byte.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut in_text) = (0, 0);
    // The place behind the last `*`, and the end of what that stands for.
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                star = Some((at, in_text));
            }
            Some(&byte) if byte == b'?' || byte == text[in_text] => {
                at += 1;
                in_text += 1;
            }
            _ => {
                let Some((behind, end)) = star else { return false };
                star = Some((behind, end + 1));
                (at, in_text) = (behind, end + 1);
            }
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_shells() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abcbc", true),
            ("a*c", "ab", false),
            ("?b", "ab", true),
            ("*x*", "axb", true),
            ("", "a", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn cells_are_found() {
        let mut history = History::default();
        for (number, input) in [(1, "int x;"), (2, "x"), (3, "x")] {
            history.add(number, input);
        }
        history.note_output("0");
        let find = |request: Value| history.find(&request);
        assert_eq!(find(json!({"hist_access_type": "tail", "n": 1})), json!([[1, 3, "x"]]));
        assert_eq!(find(json!({"hist_access_type": "tail", "n": 1, "output": true})), json!([[1, 3, ["x", "0"]]]));
        assert_eq!(
            find(json!({"hist_access_type": "range", "session": 0, "start": 1, "stop": 2})),
            json!([[1, 1, "int x;"]])
        );
        let unique = json!({"hist_access_type": "search", "pattern": "x*", "unique": true});
        assert_eq!(find(unique), json!([[1, 3, "x"]]));
        assert_eq!(find(json!({})), json!([]));
    }
}
