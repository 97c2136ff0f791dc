//! Splitting an input into several files, such that mutations of one part do not change the others.

/// Between files.
const SEPARATOR: &[u8] = b"\n--next file--\n";

/// The operations of a session, a letter each, and the files that they are about.
#[must_use]
pub fn split(input: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let mut parts = Vec::new();
    let mut rest = input;
    while let Some(at) = rest.windows(SEPARATOR.len()).position(|window| window == SEPARATOR) {
        let (part, after) = rest.split_at(at);
        parts.push(part);
        rest = after.get(SEPARATOR.len()..).unwrap_or_default();
    }
    parts.push(rest);
    let operations = parts.remove(0);
    (operations.get(..64).unwrap_or(operations), parts)
}
