//! The archives of a JITDylib, whose members are added when they are wanted.

use std::collections::HashMap;
use std::path::Path;

use linkjit::link::graph::LinkGraph;
use linkjit::link::names::NamePool;
use linkjit::link::object;
use linkjit::link::object::archive::{Archive, Member, MemberContent};
use linkjit::link::object::import::Import;
use linkjit::link::source::Source;

use super::failure::{Failure, Result};
use super::read;

/// The archives, in the order of the command line.
#[derive(Debug, Default)]
pub(super) struct Archives {
    archives: Vec<Opened>,
}

#[derive(Debug)]
struct Opened {
    archive: Archive,
    way: Way,
    /// Names and the offsets of the members that define them.
    index: HashMap<Vec<u8>, u64>,
    /// The numbers of the members that were not taken, by offset; not of those that are imports.
    numbers: HashMap<u64, usize>,
}

/// How an object is added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// As usual.
    Usual,
    /// Its definitions are for its own JITDylib only.
    Hidden,
    /// Its functions are linked when they are called.
    Lazy,
}

/// A member to be added.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) source: Source,
    pub(super) way: Way,
}

impl Archives {
    /// Opens an archive. With `all`, returns all members, as nobody will ask for them.
    pub(super) fn add(&mut self, path: &Path, way: Way, all: bool) -> Result<Vec<Taken>> {
        let archive = Archive::parse(read(path)?)?;
        let (mut index, mut numbers) = (HashMap::new(), HashMap::new());
        for symbol in archive.symbols() {
            let symbol = symbol?;
            index.entry(symbol.name.to_vec()).or_insert(symbol.member);
        }
        let mut every = Vec::new();
        for (number, member) in archive.members().enumerate() {
            let member = member?;
            let source = source(&archive, number, &member)?;
            if is_import(&source)? {
                continue;
            }
            numbers.insert(member.offset, number);
            if !archive.has_index() {
                for name in definitions(&source)? {
                    index.entry(name).or_insert(member.offset);
                }
            }
            if all {
                every.push(Taken { source, way });
            }
        }
        if !all {
            self.archives.push(Opened { archive, way, index, numbers });
        }
        Ok(every)
    }

    /// The member that defines a name, unless it was taken before.
    pub(super) fn take(&mut self, name: &[u8]) -> Result<Option<Taken>> {
        for opened in &mut self.archives {
            let Some(&offset) = opened.index.get(name) else { continue };
            let Some(number) = opened.numbers.remove(&offset) else { continue };
            let source = source(&opened.archive, number, &opened.archive.member_at(offset)?)?;
            return Ok(Some(Taken { source, way: opened.way }));
        }
        Ok(None)
    }
}

/// Whether a member says that a DLL has a name. Without a process there are no DLLs: then others have to define it.
fn is_import(source: &Source) -> Result<bool> {
    Ok(Import::parse(source)?.is_some())
}

/// The name by which check rules know a member: `libx.a[0](m.o)`.
pub(super) fn member_name(archive: &Archive, number: usize, member: &Member<'_>) -> String {
    format!("{}[{number}]({})", archive.source().name(), String::from_utf8_lossy(member.name))
}

/// The bytes of a member, under that name.
fn source(archive: &Archive, number: usize, member: &Member<'_>) -> Result<Source> {
    let path = archive.source().name();
    let whole = match &member.content {
        MemberContent::Inline(source) => source.clone(),
        MemberContent::External { path: beside, nested: None } => {
            let directory = Path::new(&**path).parent().unwrap_or(Path::new(""));
            read(&directory.join(&*String::from_utf8_lossy(beside)))?
        }
        MemberContent::External { nested: Some(_), .. } => {
            return Err(Failure::usage(format!("{path}: members of archives in thin archives are not supported")));
        }
    };
    let name = member_name(archive, number, member);
    let len = whole.bytes().len();
    whole.slice(name, 0..len).ok_or(Failure::Reported)
}

/// The names that an object defines for others.
fn definitions(source: &Source) -> Result<Vec<Vec<u8>>> {
    let mut names = NamePool::new();
    let graph: LinkGraph = object::read(source, &mut names)?;
    let defined = graph.symbols().iter().filter(|symbol| !symbol.is_external());
    Ok(defined.filter_map(|symbol| Some(names.bytes(symbol.shared_name()?).to_vec())).collect())
}
