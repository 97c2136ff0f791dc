//! The symbol index of one archive, in any of its five layouts.

use std::slice::ChunksExact;

use super::header::{HEADER_SIZE, MAGIC_SIZE, malformed};
use super::name_hash::hash_name;
use crate::error::{LinkError, Result};
use crate::source::Source;

/// The layout of an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Layout {
    /// `count: u32, member: [u32; count], names`, big-endian, names in the order of `member`.
    Gnu32,
    /// As [`Layout::Gnu32`] with `u64`.
    Gnu64,
    /// `bytes: u32, { name: u32, member: u32 }[bytes / 8], size: u32, names`, little-endian.
    Bsd32,
    /// As [`Layout::Bsd32`] with `u64`.
    Bsd64,
    /// `members: u32, member: [u32; members], count: u32, index: [u16; count], names`, little-endian. An `index`
    /// counts members from 1; names are in its order.
    Coff,
}

/// The index of an archive.
#[derive(Clone, Debug)]
pub(super) struct SymbolTable {
    layout: Layout,
    /// The whole content of the index member.
    content: Source,
    /// The part of it with the names, each ended by NUL.
    names: Source,
    count: usize,
    /// The offset of the index in the archive, for errors.
    offset: u64,
}

/// A name that an archive's index knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Symbol<'a> {
    /// The name.
    pub name: &'a [u8],
    /// The offset of the member that defines it.
    pub member: u64,
    /// The offset of the name among the names of the index.
    pub(super) name_offset: usize,
    /// Its hash, as [`hash_name`] computes it.
    pub(super) hash: u32,
}

/// The symbols of an archive's index, in its order. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Symbols<'a> {
    layout: Layout,
    entries: ChunksExact<'a, u8>,
    /// COFF: the offsets of members.
    members: &'a [u8],
    names: &'a [u8],
    /// The offset of the next name, for layouts that write no offsets of names.
    next_name: usize,
    /// The number of bytes of names that may still be returned.
    budget: usize,
    /// The largest offset that a member can have.
    last_member: u64,
    archive: &'a Source,
    offset: u64,
}

/// The tables of an index.
struct Tables<'a> {
    entries: &'a [u8],
    entry_size: usize,
    members: &'a [u8],
    names: &'a [u8],
    names_offset: usize,
}

impl SymbolTable {
    /// Finds the tables of an index and checks that they are inside `content`.
    pub(super) fn parse(layout: Layout, content: Source, offset: u64, archive: &Source) -> Result<Self> {
        let error = || malformed(archive, offset, "archive index: its tables are larger than the member");
        let tables = Tables::split(layout, content.bytes()).ok_or_else(error)?;
        let count = tables.entries.len() / tables.entry_size;
        if !tables.entries.len().is_multiple_of(tables.entry_size) {
            return Err(malformed(
                archive,
                offset,
                "archive index: its size is not a multiple of the size of an entry",
            ));
        }
        let names = tables.names_offset..tables.names_offset + tables.names.len();
        let names = content.slice(archive.name().clone(), names);
        Ok(Self { layout, names: names.ok_or_else(error)?, content, count, offset })
    }

    /// An index of these symbols, laid out as GNU's 64-bit one.
    pub(super) fn build<'a>(symbols: impl IntoIterator<Item = (&'a [u8], u64)>, archive: &Source) -> Result<Self> {
        let (mut members, mut names) = (Vec::new(), Vec::new());
        for (name, member) in symbols {
            if name.contains(&0) {
                return Err(malformed(archive, member, "symbol name: it contains a NUL"));
            }
            members.extend_from_slice(&member.to_be_bytes());
            names.extend_from_slice(name);
            names.push(0);
        }
        let mut content = ((members.len() / 8) as u64).to_be_bytes().to_vec();
        content.append(&mut members);
        content.append(&mut names);
        Self::parse(Layout::Gnu64, Source::new(archive.name().clone(), content), 0, archive)
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The names, each ended by NUL.
    pub(super) fn names(&self) -> &[u8] {
        self.names.bytes()
    }

    pub(super) fn iter<'a>(&'a self, archive: &'a Source) -> Symbols<'a> {
        let Some(tables) = Tables::split(self.layout, self.content.bytes()) else { return Symbols::empty(archive) };
        Symbols {
            layout: self.layout,
            entries: tables.entries.chunks_exact(tables.entry_size),
            members: tables.members,
            names: tables.names,
            next_name: 0,
            // Where entries say where their names are, all of them could share one name of megabytes. But a name of
            // the index is also one of a member, so all together can't be much longer than the archive. The factor
            // is for string tables of members in which one name is the tail of another.
            budget: archive.bytes().len().saturating_mul(4).max(tables.names.len()),
            last_member: archive.bytes().len().saturating_sub(HEADER_SIZE) as u64,
            archive,
            offset: self.offset,
        }
    }
}

impl<'a> Tables<'a> {
    /// Takes an index apart; `None` if a table is not inside it.
    fn split(layout: Layout, mut content: &'a [u8]) -> Option<Self> {
        let size = content.len();
        let rest = &mut content;
        let (entries, entry_size, members) = match layout {
            Layout::Gnu32 => {
                let count = u32::from_be_bytes(take_array(rest)?);
                (take(rest, u64::from(count) * 4)?, 4, [].as_slice())
            }
            Layout::Gnu64 => {
                let count = u64::from_be_bytes(take_array(rest)?);
                (take(rest, count.checked_mul(8)?)?, 8, [].as_slice())
            }
            Layout::Bsd32 => {
                let size = u32::from_le_bytes(take_array(rest)?);
                (take(rest, u64::from(size))?, 8, [].as_slice())
            }
            Layout::Bsd64 => {
                let size = u64::from_le_bytes(take_array(rest)?);
                (take(rest, size)?, 16, [].as_slice())
            }
            Layout::Coff => {
                let count = u32::from_le_bytes(take_array(rest)?);
                let members = take(rest, u64::from(count) * 4)?;
                let count = u32::from_le_bytes(take_array(rest)?);
                (take(rest, u64::from(count) * 2)?, 2, members)
            }
        };
        let names_size = match layout {
            Layout::Bsd32 => u64::from(u32::from_le_bytes(take_array(rest)?)),
            Layout::Bsd64 => u64::from_le_bytes(take_array(rest)?),
            Layout::Gnu32 | Layout::Gnu64 | Layout::Coff => rest.len() as u64,
        };
        let names_offset = size - rest.len();
        Some(Self { entries, entry_size, members, names: take(rest, names_size)?, names_offset })
    }
}

impl<'a> Symbols<'a> {
    /// No symbols.
    pub(super) fn empty(archive: &'a Source) -> Self {
        let entries = [].chunks_exact(1);
        Self {
            layout: Layout::Gnu32,
            entries,
            members: &[],
            names: &[],
            next_name: 0,
            budget: 0,
            last_member: 0,
            archive,
            offset: 0,
        }
    }

    /// The offset of the member and, if the entry says it, of the name. `None` if the entry contradicts the tables.
    #[inline]
    fn decode(&self, entry: &[u8]) -> Option<(u64, Option<u64>)> {
        let mut entry = entry;
        let rest = &mut entry;
        Some(match self.layout {
            Layout::Gnu32 => (u64::from(u32::from_be_bytes(take_array(rest)?)), None),
            Layout::Gnu64 => (u64::from_be_bytes(take_array(rest)?), None),
            Layout::Bsd32 => {
                let name = u32::from_le_bytes(take_array(rest)?);
                (u64::from(u32::from_le_bytes(take_array(rest)?)), Some(u64::from(name)))
            }
            Layout::Bsd64 => {
                let name = u64::from_le_bytes(take_array(rest)?);
                (u64::from_le_bytes(take_array(rest)?), Some(name))
            }
            Layout::Coff => {
                let index = usize::from(u16::from_le_bytes(take_array(rest)?)).checked_sub(1)?;
                let member = self.members.get(index * 4..)?.first_chunk()?;
                (u64::from(u32::from_le_bytes(*member)), None)
            }
        })
    }

    /// The next symbol, or what is wrong with it. The error of [`Symbols::error`] is too large for the merged index to
    /// carry it around with each of its many symbols.
    #[inline]
    pub(super) fn step(&mut self) -> Option<Result<Symbol<'a>, &'static str>> {
        let entry = self.entries.next()?;
        let symbol = self.symbol(entry);
        if symbol.is_err() {
            self.entries = [].chunks_exact(1);
        }
        Some(symbol)
    }

    #[inline]
    fn symbol(&mut self, entry: &[u8]) -> Result<Symbol<'a>, &'static str> {
        let (member, name) = self.decode(entry).ok_or("archive index: an entry refers to no member")?;
        if member < MAGIC_SIZE as u64 || member > self.last_member {
            return Err("archive index: it refers to a member outside the file");
        }
        let name_offset = name.map_or(Some(self.next_name), |name| usize::try_from(name).ok());
        let name = name_offset.and_then(|start| {
            let tail = self.names.get(start..)?;
            let (length, hash) = hash_name(tail)?;
            Some((start, tail.get(..length)?, hash))
        });
        let (name_offset, name, hash) = name.ok_or("archive index: a name lies outside the table of names")?;
        self.next_name = name_offset + name.len() + 1;
        self.budget = self.budget.checked_sub(name.len()).ok_or("archive index: names are longer than the archive")?;
        Ok(Symbol { name, member, name_offset, hash })
    }

    /// The error that says what is wrong with this index.
    #[cold]
    pub(super) fn error(&self, what: &'static str) -> LinkError {
        malformed(self.archive, self.offset, what)
    }
}

impl<'a> Iterator for Symbols<'a> {
    type Item = Result<Symbol<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().map(|symbol| symbol.map_err(|what| self.error(what)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.entries.len()))
    }
}

fn take<'a>(bytes: &mut &'a [u8], size: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(size).ok()?)?;
    *bytes = rest;
    Some(taken)
}

fn take_array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}
