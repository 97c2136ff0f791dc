//! One index over all archives of a JITDylib.
//!
//! Libraries have hundreds of thousands of symbols, of which a link needs a few. So their names are neither interned
//! nor copied: an entry has 32 bits of the name's hash, and the position of the name in the archive's own index.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::Archive;
use super::name_hash::hash_name;
use super::symbols::SymbolTable;
use crate::error::{LinkError, Result, Site};

/// An archive of an [`ArchiveIndex`]; dense from 0 in the order of [`ArchiveIndex::add`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ArchiveId(pub u32);

impl ArchiveId {
    /// Position in tables that are indexed by archive.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A member of one of the archives of an [`ArchiveIndex`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MemberRef {
    /// The archive.
    pub archive: ArchiveId,
    /// The offset of the member, for [`Archive::member_at`].
    pub offset: u64,
}

/// Names to members, over several archives in the order in which they are searched.
#[derive(Debug, Default)]
pub struct ArchiveIndex {
    archives: Vec<Archive>,
    /// Members that names refer to; one that defines many names is here about once, as indexes list them in a row.
    members: Vec<MemberRef>,
    names: HashTable<Name>,
}

/// A name in the table.
#[derive(Clone, Copy, Debug)]
struct Name {
    /// Spares the table a look at the names when it grows or has different names in one place.
    hash: u32,
    /// Position in `members`.
    member: u32,
    /// The offset of the name among the names of the archive's index.
    offset: u32,
}

impl Name {
    /// Returns whether this entry stands for `name`.
    fn is(self, name: &[u8], archives: &[Archive], members: &[MemberRef]) -> bool {
        let member = members.get(self.member as usize);
        let archive = member.and_then(|member| archives.get(member.archive.index()));
        let names = archive.and_then(|archive| archive.symbols.as_ref()).map(SymbolTable::names).unwrap_or_default();
        let tail = names.get(self.offset as usize..).and_then(|tail| tail.strip_prefix(name));
        tail.is_some_and(|tail| tail.first() == Some(&0))
    }
}

impl ArchiveIndex {
    /// An index over nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an archive behind those that are there: names that one of them has still lead to it, and of several
    /// members of one archive that define a name the first in its index counts. After an error nothing was added.
    ///
    /// An archive without an index is accepted, and nothing is found in it: see [`Archive::has_index`].
    pub fn add(&mut self, archive: Archive) -> Result<ArchiveId> {
        let id = u32::try_from(self.archives.len()).map_err(|_| too_large(&archive))?;
        self.archives.push(archive);
        let members = self.members.len();
        if let Err(error) = self.add_names(ArchiveId(id)) {
            self.names.retain(|name| (name.member as usize) < members);
            self.members.truncate(members);
            self.archives.pop();
            return Err(error);
        }
        Ok(ArchiveId(id))
    }

    fn add_names(&mut self, id: ArchiveId) -> Result<()> {
        let Self { archives, members, names } = self;
        let Some(archive) = archives.get(id.index()) else { return Ok(()) };
        let mut symbols = archive.symbols();
        while let Some(symbol) = symbols.step() {
            let symbol = symbol.map_err(|what| symbols.error(what))?;
            let member = MemberRef { archive: id, offset: symbol.member };
            if members.last() != Some(&member) {
                members.push(member);
            }
            let hash = symbol.hash;
            let is_same = |other: &Name| other.hash == hash && other.is(symbol.name, archives, members);
            if let Entry::Vacant(place) = names.entry(spread(hash), is_same, |name| spread(name.hash)) {
                let member = u32::try_from(members.len() - 1).map_err(|_| too_large(archive))?;
                let offset = u32::try_from(symbol.name_offset).map_err(|_| too_large(archive))?;
                place.insert(Name { hash, member, offset });
            }
        }
        Ok(())
    }

    /// The member to pull in for `name`.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<MemberRef> {
        let (length, hash) = hash_name(&[name, &[0]].concat())?;
        if length != name.len() {
            return None;
        }
        let is_same = |other: &Name| other.hash == hash && other.is(name, &self.archives, &self.members);
        let found = self.names.find(spread(hash), is_same)?;
        self.members.get(found.member as usize).copied()
    }

    /// An archive of this index.
    #[must_use]
    pub fn archive(&self, id: ArchiveId) -> Option<&Archive> {
        self.archives.get(id.index())
    }

    /// The archives in the order in which they were added.
    #[must_use]
    pub fn archives(&self) -> &[Archive] {
        &self.archives
    }

    /// Returns the number of different names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Returns whether no name can be found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// The table takes a place from the low bits of a hash and a tag from the high ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

fn too_large(archive: &Archive) -> LinkError {
    LinkError::TooLarge { site: Site::file(archive.source().name().clone()), what: "archive index".into() }
}
