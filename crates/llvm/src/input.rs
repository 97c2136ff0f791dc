//! Inputs that are neither text nor bitcode, told before LLVM sees them.

use crate::error::Error;

/// Bitcode begins with one of these: itself, or a wrapper with offsets, as Apple's tools write.
const BITCODE: [[u8; 4]; 2] = [*b"BC\xc0\xde", *b"\xde\xc0\x17\x0b"];

pub(crate) fn is_bitcode(code: &[u8]) -> bool {
    BITCODE.iter().any(|magic| code.starts_with(magic))
}

/// LLVM's parser is recursive: deeper nesting could overflow the stack. Compilers' output is far from it.
const DEEPEST: usize = 10_000;

/// Refuses what can't be a module.
pub(crate) fn check(name: &str, code: &[u8]) -> Result<(), Error> {
    let refuse = |problem: String| Err(Error::Input { name: name.to_owned(), problem });
    if is_bitcode(code) {
        return Ok(());
    }
    let line = |at: usize| code.iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
    if code.trim_ascii().is_empty() {
        return refuse("it is empty: neither IR text nor bitcode".into());
    }
    if let Some(at) = code.iter().position(|byte| *byte == 0) {
        return refuse(format!("neither IR text nor bitcode: a null byte in line {}", line(at)));
    }
    if let Some(at) = too_deep(code) {
        return refuse(format!("line {}: more than {DEEPEST} brackets are open", line(at)));
    }
    match std::str::from_utf8(code) {
        Ok(_) => Ok(()),
        Err(error) => refuse(format!(
            "neither IR text nor bitcode: a byte in line {} is not UTF-8 (LLVM writes such bytes as \\xx)",
            line(error.valid_up_to())
        )),
    }
}

/// Returns the place of the bracket that is nested too deep.
fn too_deep(code: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut in_comment) = (0usize, false, false);
    code.iter().position(|byte| {
        match byte {
            b'\n' => in_comment = false,
            _ if in_comment => {}
            // A quote within a string is written as \22.
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b';' => in_comment = true,
            b'(' | b'[' | b'{' | b'<' => depth += 1,
            b')' | b']' | b'}' | b'>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEEPEST
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_and_bitcode_are_modules() {
        let problem = |code: &[u8]| check("x", code).map_err(|error| error.to_string());
        assert_eq!(problem(b"define void @f() { ret void }"), Ok(()));
        assert_eq!(problem(b"BC\xc0\xde\0\0\xff"), Ok(()));
        assert_eq!(problem(b" \n"), Err("x: it is empty: neither IR text nor bitcode".into()));
        assert_eq!(problem(b"a\nb\0"), Err("x: neither IR text nor bitcode: a null byte in line 2".into()));
        let at = "x: neither IR text nor bitcode: a byte in line 3 is not UTF-8 (LLVM writes such bytes as \\xx)";
        assert_eq!(problem(b"a\n\n\xff"), Err(at.into()));
        let nested = |open: &str| problem(format!("\n{}", open.repeat(DEEPEST + 1)).as_bytes());
        assert_eq!(nested("[1 x "), Err("x: line 2: more than 10000 brackets are open".into()));
        for balanced in ["[] ", "\"[\" ", "; [\n"] {
            assert_eq!(nested(balanced), Ok(()));
        }
    }
}
