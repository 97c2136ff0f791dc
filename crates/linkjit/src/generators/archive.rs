//! Members of static archives, on demand.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use linkjit_executor::fork::Held;
use linkjit_executor::{LibraryId, SymbolKey};
use linkjit_link::graph::{LinkGraph, Linkage};
use linkjit_link::names::NamePool;
use linkjit_link::object;
use linkjit_link::object::archive::{Archive, ArchiveId, ArchiveIndex, MemberContent, MemberRef};
use linkjit_link::object::import::{Import, ImportKey};
use linkjit_link::object::import_slots;
use linkjit_link::source::Source;

use super::library::find_symbol;
use crate::error::Result;
use crate::jitdylib::JitDylib;
use crate::session::{Address, Archives, DefinitionGenerator, LookupKind, ObjectId, Wanted, bytes_of, lock, read_file};

/// Archives of a JITDylib that were added without another generator between them, with one index. Of several members
/// that define a name the first is taken, in the order of the archives.
#[derive(Debug)]
pub(crate) struct ArchiveGenerator {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    index: ArchiveIndex,
    has_imports: bool,
    /// The DLLs that import libraries among them name, or why they can't be loaded.
    libraries: HashMap<Vec<u8>, Result<LibraryId, String>, FixedState>,
    /// Members that became objects. An object may be gone again: if the lookup that pulled it failed.
    pulled: HashMap<MemberRef, ObjectId, FixedState>,
}

impl ArchiveGenerator {
    /// No archives yet; `has_imports` says that there may be import libraries of DLLs among them.
    pub(crate) fn new(has_imports: bool) -> Self {
        Self { state: Mutex::new(State { has_imports, ..State::default() }) }
    }
}

/// Says whether a program has a hook that is told before a library is loaded for it, and may choose another one.
fn is_delayed_loading_watched(dylib: &JitDylib) -> Result<bool> {
    let session = dylib.session();
    let Some(hook) = session.names().find(import_slots::NOTIFY_HOOK) else { return Ok(false) };
    let state = session.state();
    // The image's own, which is null, is weak.
    let entry = state.dylib(dylib.id())?.entry(hook);
    Ok(entry.is_some_and(|entry| entry.linkage == Linkage::Strong))
}

impl Archives for ArchiveGenerator {
    fn add(&self, archive: Archive) -> Result<()> {
        lock(&self.state).index.add(archive)?;
        Ok(())
    }

    fn is_empty(&self) -> bool {
        lock(&self.state).index.archives().is_empty()
    }

    fn hold(self: Arc<Self>, held: &mut Held) -> bool {
        held.hold(&self, |archives| &archives.state)
    }
}

impl State {
    /// The member that defines a name; an import library says of variables only where their slots are. If it is GNU's, it
    /// has them nevertheless: before a static library behind it, whose copy nobody would initialize.
    fn find(&self, name: &[u8]) -> Option<MemberRef> {
        let named = self.index.find(name);
        if !self.has_imports || named.is_some_and(|named| named.archive == ArchiveId(0)) {
            return named;
        }
        let slot = self.index.find(&[import_slots::PREFIX, name].concat());
        let is_first = |slot: &MemberRef| match named {
            None => true,
            Some(named) => slot.archive < named.archive && self.is_gnus(slot.archive),
        };
        slot.filter(is_first).or(named)
    }

    /// Says whether a library has a name of GNU's.
    fn is_gnus(&self, archive: ArchiveId) -> bool {
        let archive = self.index.archive(archive);
        archive.is_some_and(|archive| {
            Path::new(&**archive.source().name()).extension().is_some_and(|extension| extension == "a")
        })
    }

    /// Defines a symbol of a DLL. If the DLL does not have it, or can't be loaded, others may; what is delayed is looked up
    /// again when it is called. If the program wants to be told of that, it is looked up no sooner.
    fn import(&mut self, dylib: &JitDylib, import: &Import, member: MemberRef) -> Result<()> {
        let is_watched = import.is_delayed && is_delayed_loading_watched(dylib)?;
        if !is_watched && (self.import_now(dylib, import, member)? || !import.is_delayed) {
            return Ok(());
        }
        let graph = import_slots::delayed(import, dylib.session().target().arch, &mut dylib.session().names())?;
        let object = dylib.define_pulled(graph)?;
        self.pulled.insert(member, object);
        Ok(())
    }

    /// Defines a symbol of a DLL as its address. Returns whether the DLL has it; if not, it is noted why.
    fn import_now(&mut self, dylib: &JitDylib, import: &Import, member: MemberRef) -> Result<bool> {
        let executor = dylib.session().executor();
        let name = String::from_utf8_lossy(&import.library);
        let library = match self.libraries.get(&import.library) {
            Some(library) => library,
            None => {
                // Where the system looks; then where libraries are, beside the import library first.
                let archive = self.index.archive(member.archive);
                let beside = archive.and_then(|archive| Path::new(&**archive.source().name()).parent());
                let directories = &dylib.session().options().library_paths;
                let directories = beside.into_iter().chain(directories.iter().map(PathBuf::as_path));
                let mut files = directories.map(|directory| directory.join(&*name)).filter(|file| file.is_file());
                let opened = executor.open_library(&import.library, true).or_else(|error| {
                    files.next().map_or(Err(error), |file| executor.open_library(bytes_of(&file), true))
                });
                let opened =
                    opened.map_err(|error| format!("the import library says that {name} exports it, but {error}"));
                self.libraries.entry(import.library.clone()).or_insert(opened)
            }
        };
        let library = match library {
            Ok(library) => *library,
            Err(why) => {
                dylib.note_missing_import(&import.name, why);
                return Ok(false);
            }
        };
        let key = match &import.key {
            ImportKey::Name(name) => SymbolKey::Name(name),
            ImportKey::Ordinal(number) => SymbolKey::Ordinal(*number),
        };
        if let Some(address) = find_symbol(dylib.session(), library, key)? {
            dylib.define_found(&import.name, Address::At(address));
            return Ok(true);
        }
        dylib.note_missing_import(
            &import.name,
            &format!("the import library says that {name} exports it, but it does not"),
        );
        Ok(false)
    }

    /// Reads what an object says about an import, if it is a member of an import library of GNU's tools.
    fn import_of_object(&self, dylib: &JitDylib, graph: &LinkGraph, member: MemberRef) -> Result<Option<Import>> {
        if !self.has_imports {
            return Ok(None);
        }
        let find = |name: &[u8], names: &mut NamePool| -> Result<Option<LinkGraph>> {
            // The names of head and tail tell libraries apart.
            let Some(found) = self.index.find(name).filter(|found| found.archive == member.archive) else {
                return Ok(None);
            };
            let Some(archive) = self.index.archive(found.archive) else { return Ok(None) };
            Ok(Some(object::read(&member_source(archive, found.offset)?, names)?))
        };
        Import::from_object(graph, &mut dylib.session().names(), find)
    }
}

impl DefinitionGenerator for ArchiveGenerator {
    fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<()> {
        let mut state = lock(&self.state);
        // A DLL that could not be loaded may be there by now.
        state.libraries.retain(|_, library| library.is_ok());
        let platform = dylib.session().platform();
        let is_elsewhere = platform.is_never_in_archives();
        let is_pulled =
            |wanted: &&Wanted<'_>| !wanted.weak && wanted.kind == LookupKind::Static && !is_elsewhere(wanted.name);
        for wanted in names.iter().filter(is_pulled) {
            let Some(member) = state.find(wanted.name) else { continue };
            if state.pulled.get(&member).is_some_and(|&object| dylib.has_object(object)) {
                continue;
            }
            let Some(archive) = state.index.archive(member.archive) else { continue };
            let source = member_source(archive, member.offset)?;
            if let Some(import) = Import::parse(&source)? {
                state.import(dylib, &import, member)?;
                continue;
            }
            let mut graph = object::read(&source, &mut dylib.session().names())?;
            if let Some(import) = state.import_of_object(dylib, &graph, member)? {
                state.import(dylib, &import, member)?;
                continue;
            }
            platform.on_member(&mut graph, &dylib.session().options().crt, &dylib.session().names());
            let object = dylib.define_pulled(graph)?;
            state.pulled.insert(member, object);
        }
        Ok(())
    }

    fn describe(&self) -> String {
        let state = lock(&self.state);
        let names: Vec<&str> = state.index.archives().iter().map(|archive| &**archive.source().name()).collect();
        match names.as_slice() {
            [one] => (*one).into(),
            [first, _] => format!("{first} and 1 more archive"),
            [first, rest @ ..] => format!("{first} and {} more archives", rest.len()),
            [] => "no archive".into(),
        }
    }
}

/// The bytes of the member at `offset` of an archive, wherever they are: those of a thin archive's members are in files
/// beside it.
///
/// # Errors
/// If there is no such member, or its file can't be read.
pub fn member_source(archive: &Archive, offset: u64) -> Result<Source> {
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

/// The members of an archive but for its list of libraries: where each is, and its bytes.
fn sources(archive: &Archive) -> impl Iterator<Item = Result<(u64, Source)>> {
    let offsets = archive
        .members()
        .filter_map(|member| member.map(|member| (!member.is_dependencies()).then_some(member.offset)).transpose());
    offsets.map(|offset| offset.map_err(Into::into).and_then(|offset| Ok((offset, member_source(archive, offset)?))))
}

/// An archive with an index: its own, or one made from its members.
///
/// # Errors
/// If there is none, and a member is malformed or its file can't be read.
pub fn with_index(archive: Archive) -> Result<Archive> {
    if archive.has_index() {
        return Ok(archive);
    }
    let mut names = NamePool::new();
    let mut symbols = Vec::new();
    for member in sources(&archive) {
        let (offset, source) = member?;
        let graph = object::read(&source, &mut names)?;
        let defined = graph.symbols().iter().filter(|symbol| !symbol.is_external());
        symbols.extend(defined.filter_map(|symbol| Some((symbol.global_name()?, offset))));
    }
    Ok(archive.with_index(symbols.iter().map(|&(name, offset)| (names.bytes(name), offset)))?)
}

/// The depth to which archives within archives are looked into.
const NESTING: usize = 4;

/// The objects of an archive, in its order, those of archives in it among them.
pub(crate) fn objects(archive: &Archive) -> Result<Vec<Source>> {
    fn collect(archive: &Archive, depth: usize, objects: &mut Vec<Source>) -> Result<()> {
        for member in sources(archive) {
            let (_, source) = member?;
            if Archive::is_archive(source.bytes()) && depth < NESTING {
                collect(&Archive::parse(source)?, depth + 1, objects)?;
            } else {
                objects.push(source);
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    collect(archive, 0, &mut found)?;
    Ok(found)
}
