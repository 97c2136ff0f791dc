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
    /// The same in other forms.
    pub forms: Vec<Form>,
}

/// Something that an input displays before it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Display {
    /// Its contents; empty if it has no text.
    pub text: String,
    /// The same in other forms.
    pub forms: Vec<Form>,
}

/// A picture, HTML, or what else is more than text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Its MIME type.
    pub mime: String,
    /// Its contents.
    pub data: Vec<u8>,
}

/// Stands in the program's output before what it displays. A program can't know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(pub [u64; 2]);

/// The bytes of output behind a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marked {
    /// The mark is followed by this, in so many bytes.
    Displays(Vec<Display>, usize),
    /// More bytes must come.
    Unfinished,
    /// It has not come to its end.
    Damaged,
}

impl Mark {
    /// Its bytes.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        let Self([high, low]) = self;
        format!("\0{high:016x}{low:016x}").into_bytes()
    }

    /// A mark with nothing behind it.
    #[must_use]
    pub fn empty(self) -> Vec<u8> {
        [self.bytes(), vec![b'0'; LENGTH]].concat()
    }

    /// Reads what is behind a mark.
    #[must_use]
    pub fn read(output: &[u8]) -> Marked {
        let Some((length, rest)) = output.split_at_checked(LENGTH) else {
            return if output.iter().all(u8::is_ascii_hexdigit) { Marked::Unfinished } else { Marked::Damaged };
        };
        let length = std::str::from_utf8(length).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let Some(length) = length.filter(|&length| length <= MOST).map(|length| 2 * length) else {
            return Marked::Damaged;
        };
        let digits = &rest[..length.min(rest.len())];
        let digit = |digit: &u8| u8::try_from(char::from(*digit).to_digit(16)?).ok();
        let Some(halves) = digits.iter().map(digit).collect::<Option<Vec<u8>>>() else { return Marked::Damaged };
        if halves.len() < length {
            return Marked::Unfinished;
        }
        let bytes: Vec<u8> = halves.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        Results::parse(&bytes).map_or(Marked::Damaged, |results| Marked::Displays(results.displays, LENGTH + length))
    }
}

/// The digits of a length, and the most that it may be.
const LENGTH: usize = 16;
const MOST: usize = 64 << 20;

/// The records of one input.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) value: Option<Display>,
    /// Why the input did not return.
    pub(crate) reason: Option<String>,
    /// The instruction where it was ended, if there is one, and where calls return to, the innermost first.
    pub(crate) places: Vec<u64>,
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
                b'v' => results.value = Some(Display { text: text(), forms: Vec::new() }),
                b'b' => results.displays.push(Display { text: text(), forms: Vec::new() }),
                b'e' => results.reason = Some(text()),
                b'a' => results.places = content.as_chunks().0.iter().copied().map(u64::from_le_bytes).collect(),
                b'd' => results.forms().push(Form::parse(content)?),
                _ => return Err(damaged()),
            }
            bytes = rest;
        }
        Ok(results)
    }

    /// The forms of what was shown last: nothing comes behind the value.
    fn forms(&mut self) -> &mut Vec<Form> {
        if let Some(value) = &mut self.value {
            return &mut value.forms;
        }
        if self.displays.is_empty() {
            self.displays.push(Display::default());
        }
        let last = self.displays.len() - 1;
        &mut self.displays[last].forms
    }
}

impl Form {
    fn parse(content: &[u8]) -> io::Result<Self> {
        let end = content.iter().position(|&byte| byte == 0).ok_or_else(damaged)?;
        let (mime, data) = content.split_at(end);
        Ok(Self { mime: String::from_utf8_lossy(mime).into_owned(), data: data[1..].to_vec() })
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
        let html = || Form { mime: "text/html".into(), data: b"x".to_vec() };
        let shown = |text: &str| Display { text: text.into(), forms: vec![html()] };
        let record = b"d\x0b\0\0\0text/html\0x";
        let all = [&b"b\x01\0\0\x001"[..], record, b"b\0\0\0\0", record, b"v\x02\0\0\x0042", record].concat();
        let results = Results::parse(&all).expect("records");
        assert_eq!(results.value, Some(shown("42")));
        assert_eq!(results.displays, [shown("1"), shown("")]);
        assert_eq!(results.reason, None);
        assert_eq!(Results::parse(record).expect("records").displays, [shown("")]);
    }

    #[test]
    fn displays_are_read_behind_marks() {
        let record = "62010000 0031".replace(' ', "");
        let output = format!("{:016x}{record}more", record.len() / 2);
        let display = Display { text: "1".into(), forms: Vec::new() };
        assert_eq!(Mark::read(output.as_bytes()), Marked::Displays(vec![display], 16 + record.len()));
        for end in 0..16 + record.len() {
            assert_eq!(Mark::read(&output.as_bytes()[..end]), Marked::Unfinished, "{end}");
        }
        for damaged in ["ffffffffffffffff", "x", "0000000000000001\0", "000000000000000162"] {
            assert_eq!(Mark::read(damaged.as_bytes()), Marked::Damaged, "{damaged}");
        }
        let mark = Mark([1, 2]);
        let behind = mark.empty().split_off(mark.bytes().len());
        assert_eq!(Mark::read(&behind), Marked::Displays(Vec::new(), 16));
    }

    #[test]
    fn damaged_records_are_errors() {
        for bytes in [&b"v"[..], b"v\x02\0\0\0x", b"?\0\0\0\0", b"d\x01\0\0\0x"] {
            assert!(Results::parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
