//! Members of archives, by LLVM's names: `libx.a[0](m.o)`.

use std::collections::HashMap;

use linkjit_link::object::archive::{Archive, ArchiveIndex, Member};
use linkjit_link::object::import::Import;
use linkjit_link::source::Source;

use super::failure::Result;
use super::load::Way;

/// An archive whose members are added when they are wanted.
#[derive(Debug)]
pub(super) struct Members {
    archive: Archive,
    index: ArchiveIndex,
    pub(super) way: Way,
    /// The numbers of the members that were not taken, by offset.
    numbers: HashMap<u64, usize>,
}

impl Members {
    pub(super) fn new(archive: Archive, way: Way) -> Result<Self> {
        let mut numbers = HashMap::new();
        for (number, member) in archive.members().enumerate() {
            numbers.insert(member?.offset, number);
        }
        let archive = linkjit::object::with_index(archive)?;
        let mut index = ArchiveIndex::new();
        index.add(archive.clone())?;
        Ok(Self { archive, index, way, numbers })
    }

    /// The member that defines a name, unless it was taken before.
    pub(super) fn take(&mut self, name: &[u8]) -> Result<Option<Source>> {
        let Some(found) = self.index.find(name) else { return Ok(None) };
        let Some(number) = self.numbers.remove(&found.offset) else { return Ok(None) };
        object(&self.archive, number, &self.archive.member_at(found.offset)?)
    }
}

/// All objects of an archive.
pub(super) fn objects(archive: &Archive) -> Result<Vec<Source>> {
    let mut objects = Vec::new();
    for (number, member) in archive.members().enumerate() {
        objects.extend(object(archive, number, &member?)?);
    }
    Ok(objects)
}

/// The name by which check rules know a member.
pub(super) fn member_name(archive: &Archive, number: usize, member: &Member<'_>) -> String {
    format!("{}[{number}]({})", archive.source().name(), String::from_utf8_lossy(member.name))
}

/// The bytes of a member, under that name. `None` if it says that a DLL has a name: without a process there are no DLLs,
/// and others have to define it.
fn object(archive: &Archive, number: usize, member: &Member<'_>) -> Result<Option<Source>> {
    if member.is_dependencies() {
        return Ok(None);
    }
    let whole = linkjit::object::member_source(archive, member.offset)?;
    let len = whole.bytes().len();
    let source = whole.slice(member_name(archive, number, member), 0..len).unwrap_or(whole);
    Ok(if Import::parse(&source)?.is_some() { None } else { Some(source) })
}
