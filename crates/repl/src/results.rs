//! The results of an input, as records in the target's memory.

use std::io;

use crate::wire::invalid;

/// The value of an input's last expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Its type, as people write it.
    pub type_name: String,
    /// Its contents.
    pub text: String,
}

/// Something to show that is not text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Display {
    /// Its MIME type.
    pub mime: String,
    /// Its contents.
    pub data: Vec<u8>,
}

/// The records of one input.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) value: Option<String>,
    /// Why the input did not return.
    pub(crate) reason: Option<String>,
    pub(crate) displays: Vec<Display>,
}

impl Results {
    /// Reads records. Memory of the target is not to be trusted.
    pub(crate) fn parse(mut bytes: &[u8]) -> io::Result<Self> {
        let mut results = Self::default();
        while let Some((&kind, rest)) = bytes.split_first() {
            let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
            let (content, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
            let text = || String::from_utf8_lossy(content).into_owned();
            match kind {
                b'v' => results.value = Some(text()),
                b'e' => results.reason = Some(text()),
                b'd' => {
                    let end = content.iter().position(|&byte| byte == 0).ok_or_else(damaged)?;
                    let (mime, data) = content.split_at(end);
                    let mime = String::from_utf8_lossy(mime).into_owned();
                    results.displays.push(Display { mime, data: data[1..].to_vec() });
                }
                _ => return Err(damaged()),
            }
            bytes = rest;
        }
        Ok(results)
    }
}

fn damaged() -> io::Error {
    invalid("the input has damaged its results")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read() {
        let results = Results::parse(b"v\x02\x00\x00\x0042d\x0b\0\0\0text/html\0x").expect("records");
        assert_eq!(results.value.as_deref(), Some("42"));
        assert_eq!(results.displays, [Display { mime: "text/html".into(), data: b"x".to_vec() }]);
        assert_eq!(results.reason, None);
    }

    #[test]
    fn damaged_records_are_errors() {
        for bytes in [&b"v"[..], b"v\x02\0\0\0x", b"?\0\0\0\0", b"d\x01\0\0\0x"] {
            assert!(Results::parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
