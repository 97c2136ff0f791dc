//! The greeting: what the two sides say before the first frame.
//!
//! The session sends [`MAGIC`], the [`VERSION`] of the protocol, and its token. The executor sends the magic and its
//! version, then the word 0 and its [`Facts`], or the word 1 and why it refuses. Texts, tokens and facts have their sizes
//! before them; all numbers have 32 bits, the lowest first.

use std::io::{self, Read, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::message::{self, Facts};
use crate::token::TOKEN_LIMIT;
use crate::{Token, Transport};

const MAGIC: [u8; 8] = *b"linkjit\0";

/// Changes with every change of the protocol: both sides must have the same.
const VERSION: u32 = 3;

/// The most bytes that facts or a reason may have.
const TEXT_LIMIT: usize = 1 << 16;

/// A peer that says nothing for so long will say nothing.
const PATIENCE: Duration = Duration::from_secs(20);

const WELCOME: u32 = 0;
const REFUSED: u32 = 1;

/// Greets an executor, which says what it is, and may take some time to start.
pub(crate) fn greet(transport: &mut Transport, token: &Token, start: Duration) -> io::Result<Facts> {
    in_time(transport, start + PATIENCE, |reader, writer| {
        let greeting = [&MAGIC[..], &VERSION.to_le_bytes(), &sized(token.bytes())].concat();
        let greeted = writer.write_all(&greeting).and_then(|()| writer.flush());
        // A peer that has gone may have said something before, by which it is known.
        match (greeted, read_version(reader)) {
            (Err(gone), Err(error)) if error.kind() != io::ErrorKind::InvalidData => return Err(gone),
            (_, version) => version?,
        }
        let status = read_word(reader)?;
        let text = read_sized(reader, TEXT_LIMIT)?;
        match status {
            WELCOME => message::decode_all(&text).map_err(invalid),
            REFUSED => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("the executor refuses: {}", String::from_utf8_lossy(&text)),
            )),
            other => Err(invalid(format!("the executor greets with the unknown word {other}"))),
        }
    })
}

/// Answers the greeting of a session, which is welcome if it has the token and `take` is content.
pub(crate) fn answer(
    transport: &mut Transport,
    token: &Token,
    facts: &Facts,
    take: &mut dyn FnMut() -> bool,
) -> io::Result<()> {
    in_time(transport, PATIENCE, |reader, writer| {
        let mut say = |status: u32, text: &[u8]| {
            writer.write_all(&[&MAGIC[..], &VERSION.to_le_bytes(), &status.to_le_bytes(), &sized(text)].concat())?;
            writer.flush()
        };
        let version = read_version(reader);
        let token_is_right = version.as_ref().is_ok_and(|&()| true).then(|| read_sized(reader, TOKEN_LIMIT));
        let refused = match (version, token_is_right) {
            (Err(error), _) | (_, Some(Err(error))) => error,
            (Ok(()), Some(Ok(theirs))) if token.is(&theirs) => {
                if take() {
                    return say(WELCOME, &message::encode(facts));
                }
                io::Error::new(io::ErrorKind::ResourceBusy, "it serves another session")
            }
            (Ok(()), _) => io::Error::new(io::ErrorKind::PermissionDenied, "the token is wrong"),
        };
        // Whoever has hung up need not be told.
        let _unheard = say(REFUSED, refused.to_string().as_bytes());
        Err(refused)
    })
}

/// Tells a session that listens for its executor, which has the token from it, that this is the one. The greeting follows.
///
/// # Errors
/// If the session is gone.
pub fn present(transport: &mut Transport, token: &Token) -> io::Result<()> {
    transport.writer.write_all(&sized(token.bytes()))?;
    transport.writer.flush()
}

/// Makes sure that it is the executor who connects.
pub(crate) fn admit(transport: &mut Transport, token: &Token) -> io::Result<()> {
    let presented = in_time(transport, PATIENCE, |reader, _| read_sized(reader, TOKEN_LIMIT))?;
    if token.is(&presented) {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "the token is wrong"))
    }
}

fn read_version(reader: &mut dyn Read) -> io::Result<()> {
    let mut magic = MAGIC;
    reader.read_exact(&mut magic)?;
    if magic != MAGIC {
        return Err(invalid("the peer does not speak linkjit's protocol"));
    }
    match read_word(reader)? {
        VERSION => Ok(()),
        other => {
            Err(invalid(format!("the peer speaks version {other} of the protocol, and this is version {VERSION}")))
        }
    }
}

fn read_word(reader: &mut dyn Read) -> io::Result<u32> {
    let mut word = [0; 4];
    reader.read_exact(&mut word)?;
    Ok(u32::from_le_bytes(word))
}

fn read_sized(reader: &mut dyn Read, limit: usize) -> io::Result<Vec<u8>> {
    let size = read_word(reader)? as usize;
    if size > limit {
        return Err(invalid(format!("{size} bytes in a greeting, where {limit} are the limit")));
    }
    let mut bytes = vec![0; size];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_le_bytes()[..], bytes].concat()
}

fn invalid(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Hangs up on a peer that does not greet in time.
fn in_time<T>(
    transport: &mut Transport,
    patience: Duration,
    greet: impl FnOnce(&mut dyn Read, &mut dyn Write) -> io::Result<T>,
) -> io::Result<T> {
    let Transport { reader, writer, hang_up } = transport;
    std::thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        let watch = scope.spawn(move || match is_done.recv_timeout(patience) {
            Err(RecvTimeoutError::Timeout) => {
                hang_up();
                true
            }
            _ => false,
        });
        let greeted = greet(reader, writer);
        drop(done);
        match (greeted, watch.join()) {
            (Err(_), Ok(true)) => Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not greet")),
            (Err(error), _) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(io::Error::new(error.kind(), "the connection was closed"))
            }
            (greeted, _) => greeted,
        }
    })
}
