//! Messages: frames of a socket, with a signature that tells those of Jupyter from those of strangers.
//!
//! The frames are identities (whom to answer), a delimiter, the signature, and four objects: the header, the header of the message
//! that is answered, metadata, and the content ("Messaging in Jupyter", "The Wire Protocol").

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

/// The version of the protocol.
pub(crate) const VERSION: &str = "5.3";
const DELIMITER: &[u8] = b"<IDS|MSG>";

/// A message of a client.
#[derive(Debug)]
pub(crate) struct Request {
    identities: Vec<Vec<u8>>,
    header: Value,
    pub(crate) kind: String,
    pub(crate) content: Value,
}

/// The sockets that a kernel sends messages over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Shell,
    Control,
    Stdin,
    /// To all clients.
    Iopub,
}

/// A message to clients.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) channel: Channel,
    /// The message that it answers, or that it is due to.
    pub(crate) request: Option<Arc<Request>>,
    pub(crate) kind: &'static str,
    pub(crate) content: Value,
}

/// Reads and writes the frames of a session.
#[derive(Debug)]
pub(crate) struct Wire {
    /// `None` if nothing is signed.
    key: Option<Hmac<Sha256>>,
    session: String,
}

impl Wire {
    pub(crate) fn new(key: &str) -> Self {
        // Keys of any length are keys.
        let key = if key.is_empty() { None } else { Hmac::new_from_slice(key.as_bytes()).ok() };
        Self { key, session: Uuid::new_v4().to_string() }
    }

    /// Reads a message; `None` if it is none, or not from Jupyter.
    pub(crate) fn read(&self, frames: &[impl AsRef<[u8]>]) -> Option<Request> {
        let frames: Vec<&[u8]> = frames.iter().map(AsRef::as_ref).collect();
        let delimiter = frames.iter().position(|frame| *frame == DELIMITER)?;
        let (identities, rest) = frames.split_at(delimiter);
        let &[_, signature, header, parent, metadata, content, ..] = rest else { return None };
        if let Some(key) = &self.key {
            let mut mac = key.clone();
            [header, parent, metadata, content].iter().for_each(|part| mac.update(part));
            mac.verify_slice(&from_hex(signature)?).ok()?;
        }
        let header: Value = serde_json::from_slice(header).ok()?;
        Some(Request {
            identities: identities.iter().map(|frame| frame.to_vec()).collect(),
            kind: header.get("msg_type")?.as_str()?.to_owned(),
            header,
            content: serde_json::from_slice(content).ok()?,
        })
    }

    /// The frames of a message.
    pub(crate) fn write(&self, reply: &Reply) -> Vec<Vec<u8>> {
        let request = reply.request.as_deref();
        let header = json!({
            "msg_id": Uuid::new_v4().to_string(), "session": self.session, "username": "linkjit", "date": now(),
            "msg_type": reply.kind, "version": VERSION,
        });
        let parent = request.map_or_else(|| json!({}), |request| request.header.clone());
        let parts = [&header, &parent, &json!({}), &reply.content].map(|part| part.to_string().into_bytes());
        let signature = self.key.as_ref().map_or_else(String::new, |key| {
            let mut mac = key.clone();
            parts.iter().for_each(|part| mac.update(part));
            to_hex(&mac.finalize().into_bytes())
        });
        let mut frames = match (reply.channel, request) {
            // Clients may ask for some kinds only.
            (Channel::Iopub, _) => vec![reply.kind.as_bytes().to_vec()],
            (_, request) => request.map_or_else(Vec::new, |request| request.identities.clone()),
        };
        frames.extend([DELIMITER.to_vec(), signature.into_bytes()]);
        frames.extend(parts);
        frames
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16)?).ok();
    text.chunks(2).map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// The time, as ISO 8601 has it.
fn now() -> String {
    timestamp(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn timestamp(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // Eras of 400 years begin on the first of March of the year 0, so that leap days are last.
    let days = seconds / 86400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 { (month + 3, year) } else { (month - 9, year + 1) };
    let (year, micros) = (era * 400 + year, since_1970.subsec_micros());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates() {
        let check = |seconds, text| assert_eq!(timestamp(Duration::from_secs(seconds)), text);
        check(0, "1970-01-01T00:00:00.000000Z");
        check(951_782_400, "2000-02-29T00:00:00.000000Z");
        check(1_735_689_599, "2024-12-31T23:59:59.000000Z");
        check(4_107_542_400, "2100-03-01T00:00:00.000000Z");
    }

    /// A request as a client would write it: like a reply, but from the other side.
    fn frames(wire: &Wire) -> Vec<Vec<u8>> {
        let content = json!({"code": "1"});
        let reply = Reply { channel: Channel::Shell, request: None, kind: "execute_request", content };
        let mut frames = wire.write(&reply);
        frames.insert(0, b"client".to_vec());
        frames
    }

    #[test]
    fn what_is_written_can_be_read() {
        for key in ["", "secret"] {
            let wire = Wire::new(key);
            let request = wire.read(&frames(&wire)).expect("a message");
            assert_eq!((&*request.kind, &request.content["code"]), ("execute_request", &json!("1")));
            let reply = Reply {
                channel: Channel::Shell,
                request: Some(Arc::new(request)),
                kind: "execute_reply",
                content: json!({}),
            };
            let answer = wire.write(&reply);
            assert_eq!(answer[0], b"client");
            assert_eq!(serde_json::from_slice::<Value>(&answer[4]).expect("JSON")["msg_type"], "execute_request");
        }
    }

    #[test]
    fn messages_of_strangers_are_none() {
        let wire = Wire::new("secret");
        let good = frames(&wire);
        assert!(Wire::new("other").read(&good).is_none());
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad.truncate(at);
            assert!(wire.read(&bad).is_none(), "{at} frames");
            if at > 0 {
                let mut bad = good.clone();
                bad[at].push(b'0');
                assert!(wire.read(&bad).is_none(), "frame {at} has changed");
            }
        }
        assert!(wire.read(&[b""; 9]).is_none());
    }
}
