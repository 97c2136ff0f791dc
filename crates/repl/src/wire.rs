//! Frames between the session and its front end, and their fields (docs/repl-frontend.md).

use std::io::{self, Read, Write};

/// Bytes that a payload may have.
const LIMIT: u32 = 256 << 20;

/// A message of one side, with its fields.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(kind: u8) -> Self {
        Self { kind, payload: Vec::new() }
    }

    pub(crate) fn number(mut self, number: u32) -> Self {
        self.payload.extend(number.to_le_bytes());
        self
    }

    pub(crate) fn flag(mut self, flag: bool) -> Self {
        self.payload.push(u8::from(flag));
        self
    }

    /// Two numbers: the lower half comes first.
    pub(crate) fn address(mut self, address: u64) -> Self {
        self.payload.extend(address.to_le_bytes());
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// More bytes than a frame may have are refused when the frame is sent.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        let mut frame = self.number(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        frame.payload.extend(bytes);
        frame
    }

    pub(crate) fn texts(self, texts: &[String]) -> Self {
        let frame = self.number(u32::try_from(texts.len()).unwrap_or(u32::MAX));
        texts.iter().fold(frame, |frame, text| frame.text(text))
    }

    pub(crate) fn write_to(&self, stream: &mut impl Write) -> io::Result<()> {
        let length = u32::try_from(self.payload.len()).ok().filter(|&length| length <= LIMIT);
        let length = length.ok_or_else(|| invalid("the input is too long"))?;
        let header = [&[self.kind][..], &length.to_le_bytes()].concat();
        stream.write_all(&header)?;
        stream.write_all(&self.payload)?;
        stream.flush()
    }

    /// Reads a frame; `None` if the stream has ended before it.
    pub(crate) fn read_from(stream: &mut impl Read) -> io::Result<Option<Self>> {
        let mut kind = [0];
        if stream.read(&mut kind)? == 0 {
            return Ok(None);
        }
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length > LIMIT {
            return Err(invalid(format!("a frame of {length} bytes is too long")));
        }
        let mut payload = Vec::new();
        // No more memory is taken than bytes come.
        stream.take(length.into()).read_to_end(&mut payload)?;
        if payload.len() < length as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(Self { kind: kind[0], payload }))
    }

    pub(crate) fn fields(&self) -> Fields<'_> {
        Fields { bytes: &self.payload }
    }
}

/// The fields of a frame that are yet to be read.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
}

impl Fields<'_> {
    pub(crate) fn byte(&mut self) -> io::Result<u8> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn number(&mut self) -> io::Result<u32> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub(crate) fn address(&mut self) -> io::Result<u64> {
        let low = self.number()?;
        Ok(u64::from(self.number()?) << 32 | u64::from(low))
    }

    pub(crate) fn bytes(&mut self) -> io::Result<&[u8]> {
        let length = self.number()?;
        self.take(length as usize)
    }

    /// Clang may print bytes of a source that are no UTF-8.
    pub(crate) fn text(&mut self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(self.bytes()?).into_owned())
    }

    pub(crate) fn texts(&mut self) -> io::Result<Vec<String>> {
        self.list(Self::text)
    }

    pub(crate) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> io::Result<T>) -> io::Result<Vec<T>> {
        let count = self.number()?;
        // No item is so short that this takes more memory than the frame.
        (0..count).map(|_| item(self)).collect()
    }

    fn take(&mut self, length: usize) -> io::Result<&[u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or_else(|| invalid("a frame is too short"))?;
        self.bytes = rest;
        Ok(taken)
    }
}

pub(crate) fn invalid(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_were_written() {
        let frame =
            Frame::new(b'I').flag(true).number(7).address(1 << 33 | 5).text("ä").texts(&["a".into(), String::new()]);
        let mut stream = Vec::new();
        frame.write_to(&mut stream).expect("memory");
        let read = Frame::read_from(&mut &*stream).expect("whole").expect("a frame");
        let mut fields = read.fields();
        assert_eq!(read.kind, b'I');
        assert_eq!((fields.byte().unwrap(), fields.number().unwrap()), (1, 7));
        assert_eq!(fields.address().unwrap(), 1 << 33 | 5);
        assert_eq!((fields.text().unwrap(), fields.texts().unwrap()), ("ä".into(), vec!["a".into(), String::new()]));
        assert!(fields.byte().is_err());
    }

    #[test]
    fn damaged_frames_are_errors() {
        assert!(Frame::read_from(&mut &b""[..]).expect("the end").is_none());
        for bytes in [&b"A"[..], b"A\x02\0\0\0x", b"A\xff\xff\xff\xff"] {
            assert!(Frame::read_from(&mut &*bytes).is_err(), "{bytes:?}");
        }
        let frame = Frame::new(b'A').number(u32::MAX);
        assert!(frame.fields().text().is_err() && frame.fields().texts().is_err());
    }
}
