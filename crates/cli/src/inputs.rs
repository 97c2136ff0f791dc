//! The kinds of input files. The content decides: a `.so` may be a linker script, a `.a` an object.

use std::path::{Path, PathBuf};

use ::object::{File, Object, ObjectSymbol};
use linkjit::executor::ObjectFormat;
use linkjit::{Error, SourceModule};
use linkjit_link::names::NamePool;
use linkjit_link::object;
use linkjit_link::object::archive::{Archive, MemberContent};
use linkjit_link::source::Source;

use crate::report::Failure;

/// The kinds of files that can be linked. Each takes other steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A relocatable object; or something else that only the reader of objects can explain.
    Object,
    /// A static library.
    Archive,
    /// A shared library.
    SharedLibrary,
    /// A GNU ld script, or any other text.
    Script,
}

impl Kind {
    /// Tells from a file's content.
    pub(crate) fn from_content(bytes: &[u8]) -> Self {
        if Archive::is_archive(bytes) {
            return Self::Archive;
        }
        if bytes.starts_with(b"\x7fELF") {
            // e_ident[EI_DATA] gives the byte order of e_type; ET_DYN is 3.
            let is_shared =
                matches!((bytes.get(5), bytes.get(16..18)), (Some(1), Some([3, 0])) | (Some(2), Some([0, 3])));
            return if is_shared { Self::SharedLibrary } else { Self::Object };
        }
        if bytes.starts_with(b"MZ") {
            return Self::SharedLibrary;
        }
        let start = bytes.get(..4096).unwrap_or(bytes);
        let is_text = !start.is_empty() && start.iter().all(|&byte| byte >= b' ' || byte.is_ascii_whitespace());
        if is_text { Self::Script } else { Self::Object }
    }
}

/// The format of the first input that has one: an object, or an archive with an object. What is wrong with an input is told
/// when it is added.
pub(crate) fn format<'a>(mut paths: impl Iterator<Item = &'a Path>) -> Option<ObjectFormat> {
    // A pipe can be read only once.
    let read_file = |path: &Path| if path.is_file() && !is_source(path) { read(path).ok() } else { None };
    paths.find_map(|path| read_file(path).and_then(|source| format_of(&source)))
}

fn format_of(source: &Source) -> Option<ObjectFormat> {
    match Archive::parse(source.clone()) {
        Ok(archive) => archive.members().find_map(|member| match member.ok()?.content {
            MemberContent::Inline(object) => object::format(object.bytes()),
            MemberContent::External { .. } => None,
        }),
        Err(_) => object::format(source.bytes()),
    }
}

/// Finds out whether linkjit links the objects among files, from the first one.
pub(crate) fn check<'a>(mut files: impl Iterator<Item = &'a Path>) -> Result<(), Failure> {
    let first = files.find_map(|file| read(file).ok().filter(|source| object::format(source.bytes()).is_some()));
    first.map_or(Ok(()), |source| Ok(object::read(&source, &mut NamePool::default()).map(drop)?))
}

/// Returns whether a file is an object that refers to what only the libraries of MinGW-w64 have. They are not in those DLLs of
/// Windows that other objects get.
pub(crate) fn needs_mingw(path: &Path) -> bool {
    let is_mingws = |name: &[u8]| name.starts_with(b"__mingw_") || name == b"__gxx_personality_seh0";
    let Some(source) = path.is_file().then(|| read(path).ok()).flatten() else { return false };
    let Ok(file) = File::parse(source.bytes()) else { return false };
    file.symbols().any(|symbol| symbol.is_undefined() && symbol.name_bytes().is_ok_and(is_mingws))
}

/// Returns whether a file is to be compiled.
pub(crate) fn is_source(path: &Path) -> bool {
    SourceModule::file(path).known_language().is_some()
}

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> Result<Source, Failure> {
    match linkjit_host::file::read(path) {
        Ok(bytes) => Ok(Source::new(path.to_string_lossy(), bytes)),
        Err(error) => Err(Error::File { path: path.into(), message: error.to_string() }.into()),
    }
}

/// A path as the system's loader takes it: it would search a bare name in its own directories.
pub(crate) fn for_loader(path: &Path) -> PathBuf {
    let is_bare = path.parent().is_some_and(|parent| parent.as_os_str().is_empty());
    if is_bare { Path::new(".").join(path) } else { path.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_what_a_file_is() {
        let elf = |kind: u8| {
            let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
            bytes.resize(16, 0);
            bytes.extend([kind, 0]);
            bytes
        };
        assert_eq!(Kind::from_content(&elf(1)), Kind::Object);
        assert_eq!(Kind::from_content(&elf(3)), Kind::SharedLibrary);
        assert_eq!(Kind::from_content(b"\x7fELF"), Kind::Object);
        assert_eq!(Kind::from_content(b"MZ\x90\0"), Kind::SharedLibrary);
        assert_eq!(Kind::from_content(b"!<arch>\n"), Kind::Archive);
        assert_eq!(Kind::from_content(b"!<thin>\n"), Kind::Archive);
        assert_eq!(Kind::from_content(b"/* GNU ld script */\nINPUT(libx.so.6)\n"), Kind::Script);
        assert_eq!(Kind::from_content(b"\x64\x86\x01"), Kind::Object);
        assert_eq!(Kind::from_content(b""), Kind::Object);
    }
}
