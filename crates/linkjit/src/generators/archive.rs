//! Members of static archives, on demand.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use linkjit_link::object;
use linkjit_link::object::archive::{Archive, ArchiveIndex, MemberContent, MemberRef};
use linkjit_link::source::Source;

use super::{DefinitionGenerator, Wanted};
use crate::error::Result;
use crate::jitdylib::JitDylib;
use crate::lookup::LookupKind;
use crate::session::{UnitId, lock, read_file};

/// Archives of a JITDylib that were added without another generator between them, with one index. Of several members
/// that define a name the first is taken, in the order of the archives.
#[derive(Debug, Default)]
pub(crate) struct ArchiveGenerator {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    index: ArchiveIndex,
    /// Members that became units. A unit may be gone again: if the lookup that pulled it failed.
    pulled: HashMap<MemberRef, UnitId, FixedState>,
}

impl ArchiveGenerator {
    /// Adds an archive behind the others.
    pub(crate) fn add(&self, archive: Archive) -> Result<()> {
        lock(&self.state).index.add(archive)?;
        Ok(())
    }
}

impl DefinitionGenerator for ArchiveGenerator {
    fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<()> {
        let mut state = lock(&self.state);
        let is_pulled =
            |wanted: &&Wanted<'_>| !wanted.weak && wanted.kind == LookupKind::Static && !is_unwinders(wanted.name);
        for wanted in names.iter().filter(is_pulled) {
            let Some(member) = state.index.find(wanted.name) else { continue };
            if state.pulled.get(&member).is_some_and(|&unit| dylib.has_unit(unit)) {
                continue;
            }
            let Some(archive) = state.index.archive(member.archive) else { continue };
            let source = member_source(archive, member.offset)?;
            let graph = object::read(&source, &mut dylib.session().names())?;
            let unit = dylib.define_pulled(graph)?;
            state.pulled.insert(member, unit);
        }
        Ok(())
    }

    fn describe(&self) -> String {
        let state = lock(&self.state);
        let names: Vec<&str> = state.index.archives().iter().map(|archive| &**archive.source().name()).collect();
        match names.as_slice() {
            [one] => (*one).into(),
            [first, rest @ ..] => format!("{first} and {} more archives", rest.len()),
            [] => "no archive".into(),
        }
    }
}

/// Whether a name is of the unwinder (`libgcc_eh.a`, `libunwind.a`). It keeps the list of what it can unwind to itself:
/// only the process's own knows linked code, and a second one, out of an archive, would end the program at a throw.
fn is_unwinders(name: &[u8]) -> bool {
    name.starts_with(b"_Unwind_")
}

/// The bytes of a member, wherever they are.
fn member_source(archive: &Archive, offset: u64) -> Result<Source> {
    let member = archive.member_at(offset)?;
    match member.content {
        MemberContent::Inline(source) => Ok(source),
        MemberContent::External { path, nested } => {
            let file = external_path(archive, path);
            let source = read_file(&file)?;
            match nested {
                None => Ok(source),
                Some(offset) => member_source(&Archive::parse(source)?, offset),
            }
        }
    }
}

/// The file of a thin archive's member: relative paths are relative to the archive.
fn external_path(archive: &Archive, path: &[u8]) -> PathBuf {
    let path = PathBuf::from(String::from_utf8_lossy(path).into_owned());
    let directory = Path::new(&**archive.source().name()).parent().unwrap_or(Path::new(""));
    directory.join(path)
}

/// An archive with an index: its own, or one made from its members.
pub(crate) fn with_index(archive: Archive, dylib: &JitDylib) -> Result<Archive> {
    if archive.has_index() {
        return Ok(archive);
    }
    let mut symbols = Vec::new();
    for member in archive.members() {
        let offset = member?.offset;
        let source = member_source(&archive, offset)?;
        let mut names = dylib.session().names();
        let graph = object::read(&source, &mut names)?;
        for symbol in graph.symbols().iter().filter(|symbol| !symbol.is_external()) {
            if let Some(name) = symbol.shared_name() {
                symbols.push((names.bytes(name).to_vec(), offset));
            }
        }
    }
    Ok(archive.with_index(symbols.iter().map(|(name, offset)| (name.as_slice(), *offset)))?)
}
