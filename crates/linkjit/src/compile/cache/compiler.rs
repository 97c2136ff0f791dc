//! A compiler behind a cache.
//!
//! A module's object depends on its code, on the compiler with its flags ([`Compiler::identity`]), and on files that the
//! code includes. Which files these are is known only when it was compiled once. So there are two kinds of entries: under
//! the key of code and compiler is a list of *variants*, each a list of files with their hashes; under the key of a variant
//! is its object. Files that would be included if they existed are in no list: a new header in a directory that is searched
//! earlier isn't noticed.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use linkjit_link::source::Source;

use super::{CacheKey, ObjectCache};
use crate::compile::fields::{Reader, Writer};
use crate::compile::{Code, CompiledModule, Compiler, SourceModule};
use crate::error::Result;

/// Of so many combinations of included files a list has the latest: headers are changed, and changed back.
const VARIANTS: usize = 8;
/// The times of files may be behind the clock so much: it is the longest tick of a kernel.
const TICK: Duration = Duration::from_millis(10);

/// A compiler that compiles nothing twice.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// use linkjit::{CachedCompiler, Compiler, ObjectCache, SourceModule, SystemCompiler};
///
/// let compiler = CachedCompiler::new(SystemCompiler, ObjectCache::in_memory(64 << 20));
/// let module = SourceModule::text("answer.c", "int answer(void) { return 42; }");
/// compiler.compile(&module)?;
/// // No compiler runs now.
/// let compiled = compiler.compile(&module)?;
/// assert_eq!(compiler.cache().hits(), 1);
/// let jit = linkjit::Jit::host()?;
/// jit.add_object(compiled.object)?;
/// jit.lookup("answer")?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct CachedCompiler<C> {
    compiler: C,
    cache: ObjectCache,
}

/// A file that a module includes.
#[derive(PartialEq, Eq, Debug)]
struct Included {
    path: PathBuf,
    hash: [u8; 32],
}

impl<C: Compiler> CachedCompiler<C> {
    /// Puts a cache before a compiler.
    pub fn new(compiler: C, cache: ObjectCache) -> Self {
        Self { compiler, cache }
    }

    /// Returns the cache.
    pub fn cache(&self) -> &ObjectCache {
        &self.cache
    }

    fn find(&self, module: &SourceModule, base: &CacheKey) -> Option<CompiledModule> {
        let list = self.cache.find(base)?;
        let mut hashes = HashMap::new();
        let mut is_same = |included: &Included| {
            let hash = hashes.entry(included.path.clone()).or_insert_with(|| hash_of(&included.path));
            *hash == Some(included.hash)
        };
        let variant = variants(&list)?.into_iter().find(|variant| variant.iter().all(&mut is_same))?;
        let object = self.cache.find(&object_key(base, &variant))?;
        decode(module, &object, variant)
    }

    /// Compiles, and keeps the result if it can be known when it is the same again.
    fn compile_anew(&self, module: &SourceModule, base: &CacheKey, code: &[u8]) -> Result<CompiledModule> {
        let start = SystemTime::now();
        let compiled = self.compiler.compile(module)?;
        let files = compiled.dependencies.as_deref();
        let included = files.and_then(|files| included(files, start));
        if let Some(variant) = included.filter(|_| is_constant(code) && is_still(module, code)) {
            let list = self.cache.find(base);
            self.cache.insert(&object_key(base, &variant), encode(&compiled));
            let mut all = list.as_deref().and_then(variants).unwrap_or_default();
            all.retain(|other| *other != variant);
            all.insert(0, variant);
            all.truncate(VARIANTS);
            self.cache.insert(base, encode_variants(&all));
        }
        Ok(compiled)
    }
}

impl<C: Compiler> Compiler for CachedCompiler<C> {
    fn compile(&self, module: &SourceModule) -> Result<CompiledModule> {
        // A pipe can be read only once, and that is up to the compiler.
        let is_readable = !matches!(module.code(), Code::File(path) if !path.is_file());
        let Some(identity) = self.compiler.identity(module).filter(|_| is_readable) else {
            return self.compiler.compile(module);
        };
        let code = module.read()?;
        let directory = std::env::current_dir().unwrap_or_default();
        let place = [module.name().as_os_str(), directory.as_os_str()].map(std::ffi::OsStr::as_encoded_bytes);
        let base = CacheKey::of([b"module 1", &*identity, place[0], place[1], &code]);
        let found = self.find(module, &base);
        self.cache.count(found.is_some());
        found.map_or_else(|| self.compile_anew(module, &base, &code), Ok)
    }

    fn identity(&self, module: &SourceModule) -> Option<Vec<u8>> {
        self.compiler.identity(module)
    }
}

/// The files that a module includes, if nobody has changed one of them since the compiler began.
fn included(files: &[PathBuf], start: SystemTime) -> Option<Vec<Included>> {
    let of_file = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        let content = read(path)?;
        let is_old = changed(&metadata)? + TICK <= start;
        let hash = *blake3::hash(&content).as_bytes();
        (is_old && is_constant(&content)).then(|| Included { path: path.clone(), hash })
    };
    files.iter().map(of_file).collect()
}

/// Returns whether a module still has the code that its key is for: the compiler has read it once more.
fn is_still(module: &SourceModule, code: &[u8]) -> bool {
    module.read().is_ok_and(|now| *now == *code)
}

/// The time when a file was last changed, or another file took its name.
fn changed(metadata: &Metadata) -> Option<SystemTime> {
    let modified = metadata.modified().ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let seconds = Duration::from_secs(u64::try_from(metadata.ctime()).ok()?);
        let nanoseconds = Duration::from_nanos(u64::try_from(metadata.ctime_nsec()).ok()?);
        Some(modified.max(SystemTime::UNIX_EPOCH + seconds + nanoseconds))
    }
    #[cfg(not(unix))]
    Some(modified)
}

/// Returns whether code means the same at all times, and names no file that compilers read without saying so.
fn is_constant(code: &[u8]) -> bool {
    // The times of C's preprocessor and of NASM's, files that assemblers read, and NASM's names of the environment.
    const ELSEWHERE: [&[u8]; 8] =
        [b"__DATE__", b"__TIME__", b"__TIMESTAMP__", b"__POSIX_TIME__", b"__UTC_", b".include", b"incbin", b"%!"];
    let is_of_elsewhere = |at: usize| {
        let rest = code.get(at..).unwrap_or_default();
        rest.first().is_some_and(|first| b"_.i%".contains(first)) && ELSEWHERE.iter().any(|word| rest.starts_with(word))
    };
    !(0..code.len()).any(is_of_elsewhere)
}

fn hash_of(path: &Path) -> Option<[u8; 32]> {
    read(path).map(|content| *blake3::hash(&content).as_bytes())
}

/// Reads a file, unless it is a pipe or a terminal, which would be waited for.
fn read(path: &Path) -> Option<Vec<u8>> {
    if path.is_file() { std::fs::read(path).ok() } else { None }
}

fn object_key(base: &CacheKey, variant: &[Included]) -> CacheKey {
    let files = variant.iter().flat_map(|file| [file.path.as_os_str().as_encoded_bytes(), &file.hash]);
    CacheKey::of([&b"object"[..], base.as_bytes()].into_iter().chain(files))
}

fn encode_variants(variants: &[Vec<Included>]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.number(variants.len());
    for variant in variants {
        writer.number(variant.len());
        for file in variant {
            writer.path(&file.path);
            writer.bytes(&file.hash);
        }
    }
    writer.finish()
}

/// Reads a list of variants; nothing if the bytes are no such list.
fn variants(list: &[u8]) -> Option<Vec<Vec<Included>>> {
    let mut reader = Reader::new(list);
    let count = reader.number()?;
    let included =
        |reader: &mut Reader<'_>| Some(Included { path: reader.path()?, hash: reader.bytes()?.try_into().ok()? });
    let variant = |reader: &mut Reader<'_>| (0..reader.number()?).map(|_| included(reader)).collect::<Option<Vec<_>>>();
    (0..count).map(|_| variant(&mut reader)).collect()
}

fn encode(compiled: &CompiledModule) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.bytes(compiled.warnings.as_bytes());
    writer.number(compiled.libraries.len());
    compiled.libraries.iter().for_each(|library| writer.path(library));
    writer.bytes(compiled.object.bytes());
    writer.finish()
}

/// The result of compiling, unless libraries that it needs are gone: then the compiler is another.
fn decode(module: &SourceModule, object: &[u8], variant: Vec<Included>) -> Option<CompiledModule> {
    let mut reader = Reader::new(object);
    let warnings = String::from_utf8(reader.bytes()?.to_vec()).ok()?;
    let libraries = (0..reader.number()?).map(|_| reader.path()).collect::<Option<Vec<_>>>()?;
    let object = Source::new(module.name().to_string_lossy(), reader.bytes()?.to_vec());
    let dependencies = Some(variant.into_iter().map(|file| file.path).collect());
    let is_whole = libraries.iter().all(|library| library.is_file());
    is_whole.then_some(CompiledModule { object, warnings, libraries, dependencies })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_of_variants_is_none() {
        let included = |name: &str| Included { path: name.into(), hash: [7; 32] };
        let all = [vec![included("a.h"), included("b.h")], vec![], vec![included("c.h")]];
        let list = encode_variants(&all);
        assert_eq!(variants(&list).unwrap(), all);
        for end in 0..list.len() {
            assert_eq!(variants(&list[..end]), None);
        }
        assert_eq!(variants(&[0xff; 64]), None);
    }
}
