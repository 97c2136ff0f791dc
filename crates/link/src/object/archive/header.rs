//! The 60-byte text header of a member, and the three ways to write its name.

use std::ops::Range;
use std::sync::Arc;

use crate::error::{LinkError, Result, Site};
use crate::source::Source;

pub(super) const MAGIC: &[u8] = b"!<arch>\n";
pub(super) const THIN_MAGIC: &[u8] = b"!<thin>\n";
pub(super) const AIX_MAGIC: &[u8] = b"<bigaf>\n";
pub(super) const MAGIC_SIZE: usize = MAGIC.len();
pub(super) const HEADER_SIZE: usize = 60;

/// No file system has longer paths (Windows: 32,767 characters), and without a limit many members could share one
/// name of megabytes, each to be searched for its end.
const MAX_NAME: usize = 32_768;

/// The purpose of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Ordinary,
    /// `//`
    LongNames,
    /// `/`: the index of GNU, and both linker members of COFF.
    Index32,
    /// `/SYM64/`
    Index64,
    /// `__.SYMDEF`, `__.SYMDEF SORTED`
    Bsd32,
    /// `__.SYMDEF_64`, `__.SYMDEF_64 SORTED`
    Bsd64,
    /// `/<ECSYMBOLS>/`, `/CXXMODWEAKSYM/` and other tables of Microsoft's that repeat the index for a purpose of their own.
    Ignored,
}

/// A member's header, read.
#[derive(Debug)]
pub(super) struct Header<'a> {
    /// Its offset in the archive.
    pub(super) offset: u64,
    pub(super) kind: Kind,
    /// The content without a BSD name; empty for an ordinary member of a thin archive.
    pub(super) content: Range<usize>,
    /// The offset of the next header; at or behind the end of the file for the last member.
    pub(super) next: usize,
    /// The name without padding. The field of the header, or the bytes that a `#1/20` in it announces.
    name: &'a [u8],
    bsd_name: bool,
}

impl<'a> Header<'a> {
    /// The header at `offset`, `None` at the end of the file. In a thin archive only members that are not ordinary have
    /// content.
    pub(super) fn read(source: &'a Source, offset: usize, thin: bool) -> Result<Option<Self>> {
        let error = |what| malformed(source, offset as u64, what);
        let bytes = source.bytes();
        if offset >= bytes.len() {
            return Ok(None);
        }
        let raw = bytes.get(offset..).and_then(|rest| rest.first_chunk::<HEADER_SIZE>());
        let raw = raw.ok_or_else(|| error("archive member: its header is truncated"))?;
        let [header @ .., b'`', b'\n'] = raw else {
            return Err(error("archive member: it has no header"));
        };
        // Name, date, user, group and mode are before the size.
        let (field, rest) = header.split_at(16);
        let (_, size) = rest.split_at(32);
        let size = decimal(trim_end(size, b' ')).ok_or_else(|| error("archive member: its size is not a number"))?;

        let mut name = trim_end(field, b' ');
        let start = offset + HEADER_SIZE;
        let bsd_length = name.strip_prefix(b"#1/");
        let kind = if bsd_length.is_some() { Kind::Ordinary } else { classify(name, source, offset)? };
        if thin && kind == Kind::Ordinary {
            if bsd_length.is_some() {
                return Err(error("archive member: a BSD name in a thin archive"));
            }
            let content = start..start;
            return Ok(Some(Self { offset: offset as u64, kind, content, next: start, name, bsd_name: false }));
        }

        let end = usize::try_from(size).ok().and_then(|size| start.checked_add(size));
        let end =
            end.filter(|&end| end <= bytes.len()).ok_or_else(|| error("archive member: its content is truncated"))?;
        let mut header = Self {
            offset: offset as u64,
            kind,
            content: start..end,
            next: end + (end & 1),
            name,
            bsd_name: bsd_length.is_some(),
        };
        if let Some(length) = bsd_length {
            let length = decimal(length).and_then(|length| usize::try_from(length).ok());
            let names_end = length.and_then(|length| start.checked_add(length)).filter(|&names_end| names_end <= end);
            let names_end = names_end.ok_or_else(|| error("archive member: its name is longer than the member"))?;
            name = trim_end(bytes.get(start..names_end).unwrap_or_default(), 0);
            header.content.start = names_end;
            header.name = name;
            header.kind = classify_bsd(name);
        }
        Ok(Some(header))
    }

    /// The content, sharing the bytes of the archive.
    pub(super) fn content_of(&self, source: &Source, title: impl Into<Arc<str>>) -> Result<Source> {
        let content = source.slice(title, self.content.clone());
        content.ok_or_else(|| malformed(source, self.offset, "archive member: its content is truncated"))
    }

    /// The name, and the offset in the archive of that name if the member is in there (`/123:456`).
    pub(super) fn name(&self, source: &Source, long_names: &'a [u8]) -> Result<(&'a [u8], Option<u64>)> {
        let error = |what| malformed(source, self.offset, what);
        if self.bsd_name {
            return Ok((self.name, None));
        }
        let Some(reference) = self.name.strip_prefix(b"/") else {
            // GNU and COFF end the name by a slash, so that it may have blanks at its end; BSD does not.
            return Ok((self.name.strip_suffix(b"/").unwrap_or(self.name), None));
        };
        let mut parts = reference.splitn(2, |&byte| byte == b':');
        let offset = parts.next().and_then(decimal).and_then(|offset| usize::try_from(offset).ok());
        let nested = parts
            .next()
            .map(|text| decimal(text).ok_or_else(|| error("archive member: the offset in its name is not a number")));
        let tail = offset.and_then(|offset| long_names.get(offset..)).filter(|tail| !tail.is_empty());
        let tail = tail.ok_or_else(|| error("archive member: its name lies outside the table of long names"))?;
        // The last name of a table may lack its end.
        let name = match tail.iter().take(MAX_NAME).position(|&byte| byte == b'\n' || byte == 0) {
            Some(end) => tail.get(..end).unwrap_or_default(),
            None if tail.len() < MAX_NAME => tail,
            None => return Err(error("archive member: its name has no end")),
        };
        Ok((name.strip_suffix(b"/").unwrap_or(name), nested.transpose()?))
    }
}

/// Returns the purpose of a member by the name field of its header.
fn classify(name: &[u8], source: &Source, offset: usize) -> Result<Kind> {
    Ok(match name {
        b"/" => Kind::Index32,
        b"//" => Kind::LongNames,
        b"/SYM64/" => Kind::Index64,
        [b'/', digit, ..] if digit.is_ascii_digit() => Kind::Ordinary,
        // No other member's name begins with a slash, and each version of Microsoft's tools may bring more of them.
        [b'/', b'<' | b'A'..=b'Z', ..] => Kind::Ignored,
        [b'/', ..] => {
            let site = Site::file(source.name().clone()).at(offset as u64);
            let what = format!("archive member '{}'", String::from_utf8_lossy(name));
            return Err(LinkError::Unsupported { site, what });
        }
        _ => classify_bsd(name),
    })
}

/// The index of BSD and Darwin goes by its name alone.
fn classify_bsd(name: &[u8]) -> Kind {
    match name {
        b"__.SYMDEF" | b"__.SYMDEF SORTED" => Kind::Bsd32,
        b"__.SYMDEF_64" | b"__.SYMDEF_64 SORTED" => Kind::Bsd64,
        _ => Kind::Ordinary,
    }
}

/// A number in decimal digits and nothing else.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

fn trim_end(text: &[u8], padding: u8) -> &[u8] {
    let length = text.iter().rposition(|&byte| byte != padding).map_or(0, |last| last + 1);
    text.get(..length).unwrap_or_default()
}

/// The error for bytes at `offset` of the archive that contradict the format.
pub(super) fn malformed(source: &Source, offset: u64, what: impl Into<String>) -> LinkError {
    LinkError::Malformed { site: Site::file(source.name().clone()).at(offset), what: what.into() }
}
