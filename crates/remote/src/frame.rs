//! Frames: the units in which bytes travel, each with a header that says whose they are.

use std::io::{self, IoSlice, Read, Write};

/// The largest payload. Larger contents go in several frames.
pub(crate) const PAYLOAD_LIMIT: usize = 16 << 20;

const HEADER_SIZE: usize = 16;

/// The purpose of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A message that wants a reply.
    Call = 1,
    /// The reply to a call.
    Reply = 2,
    /// The conversation is over; its thread may end.
    End = 3,
    /// The session needs the executor no more.
    Goodbye = 4,
    /// The executor's process is about to end, by a crash.
    Crash = 5,
    /// The executor's process is alive.
    Beat = 6,
}

/// A frame.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    /// The conversation that it belongs to.
    pub(crate) conversation: u32,
    /// The number of the call among those of its side of the conversation.
    pub(crate) number: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// Reads one. Memory for its payload is taken as the payload arrives.
    pub(crate) fn read(reader: &mut impl Read) -> io::Result<Self> {
        let mut header = [0; HEADER_SIZE];
        reader.read_exact(&mut header)?;
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let kind = match word(4) {
            1 => Kind::Call,
            2 => Kind::Reply,
            3 => Kind::End,
            4 => Kind::Goodbye,
            5 => Kind::Crash,
            6 => Kind::Beat,
            other => return Err(invalid(format!("a frame of the unknown kind {other}"))),
        };
        let size = word(0) as usize;
        if size > PAYLOAD_LIMIT {
            return Err(invalid(format!("a frame of {size} bytes; the limit is {PAYLOAD_LIMIT}")));
        }
        let mut payload = Vec::new();
        if reader.take(size as u64).read_to_end(&mut payload)? < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self { kind, conversation: word(8), number: word(12), payload })
    }
}

/// The header of a frame whose payload has `size` bytes.
pub(crate) fn header(size: usize, kind: Kind, conversation: u32, number: u32) -> [u8; HEADER_SIZE] {
    let mut header = [0; HEADER_SIZE];
    let words = [size as u32, kind as u32, conversation, number];
    for (to, word) in header.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    header
}

/// Writes a frame whose payload is in parts.
///
/// # Errors
/// Those of the writer. The payload must be within the limit.
pub(crate) fn write(
    writer: &mut dyn Write,
    kind: Kind,
    conversation: u32,
    number: u32,
    payload: &[&[u8]],
) -> io::Result<()> {
    let size: usize = payload.iter().map(|part| part.len()).sum();
    if size > PAYLOAD_LIMIT {
        return Err(invalid(format!("a frame of {size} bytes; the limit is {PAYLOAD_LIMIT}")));
    }
    let header = header(size, kind, conversation, number);
    let mut parts: Vec<_> = std::iter::once(&header[..]).chain(payload.iter().copied()).map(IoSlice::new).collect();
    let mut rest = &mut parts[..];
    while !rest.is_empty() {
        match writer.write_vectored(rest) {
            Ok(0) if rest.iter().any(|part| !part.is_empty()) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    writer.flush()
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        write(&mut bytes, Kind::Call, 3, 7, &[b"ab", b"", b"c"]).unwrap();
        write(&mut bytes, Kind::End, 4, 0, &[]).unwrap();
        let mut bytes = &bytes[..];
        let call = Frame { kind: Kind::Call, conversation: 3, number: 7, payload: b"abc".to_vec() };
        assert_eq!(Frame::read(&mut bytes).unwrap(), call);
        let end = Frame { kind: Kind::End, conversation: 4, number: 0, payload: vec![] };
        assert_eq!(Frame::read(&mut bytes).unwrap(), end);
        assert_eq!(Frame::read(&mut bytes).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn frames_that_are_too_large_unknown_or_cut_are_refused() {
        let read = |words: [u32; 4]| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            Frame::read(&mut &bytes[..]).unwrap_err().to_string()
        };
        assert_eq!(read([u32::MAX, 1, 0, 0]), "a frame of 4294967295 bytes; the limit is 16777216");
        assert_eq!(read([0, 9, 0, 0]), "a frame of the unknown kind 9");
        assert_eq!(read([5, 1, 0, 0]), "unexpected end of file");
    }
}
