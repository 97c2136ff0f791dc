//! LLVM's compiler, in this process.

use std::env::consts::ARCH;

use linkjit_executor::{ObjectFormat, Target};
use linkjit_link::object;
use linkjit_link::source::Source;
use linkjit_llvm::{Llvm, Options};

use super::{CacheKey, CompiledModule, Compiler, ObjectCache, SourceModule};
use crate::error::{Error, Result};

/// Compiles LLVM IR and bitcode with an LLVM library that is opened when the program runs.
///
/// A session has one that it opens when it is first given IR: the library that the environment's `LINKJIT_LLVM` names, or
/// else the newest that is installed. It makes good code of the IR as it is, without optimizing that first, as `lli` does.
/// [`JitBuilder::ir_compiler`](crate::JitBuilder::ir_compiler) gives it another one.
#[derive(Clone, Debug)]
pub struct IrCompiler {
    llvm: Llvm,
    options: Options,
    cache: Option<Cache>,
}

/// A cache, and the library by which its entries were made.
#[derive(Clone, Debug)]
struct Cache {
    objects: ObjectCache,
    library: String,
}

impl IrCompiler {
    /// Compiles with that library and these options.
    #[must_use]
    pub fn new(llvm: Llvm, options: Options) -> Self {
        Self { llvm, options, cache: None }
    }

    /// Opens the library that there is, for a session that is given none.
    ///
    /// # Errors
    /// [`Error::Llvm`] if there is none that can be used.
    pub fn open() -> Result<Self> {
        let mut options = Options::default();
        options.passes = Some(Self::NO_OPTIMIZATION.to_owned());
        Ok(Self::new(Llvm::open()?, options))
    }

    /// The pipeline ([`Options::passes`]) of what has to be done with IR that is not optimized: the IR of a language's
    /// compiler is often optimized already, and optimizing it takes as long as making code of it.
    pub const NO_OPTIMIZATION: &str = "default<O0>";

    /// Takes objects that are in a cache from there, and puts others into it: whole modules, and the functions of lazy ones.
    #[must_use]
    pub fn with_cache(self, cache: ObjectCache) -> Self {
        let (version, path) = (self.llvm.version(), self.llvm.path());
        let file = std::fs::metadata(path).ok().map(|file| (file.len(), file.modified().ok()));
        let library = format!("{version:?} {} {file:?}", path.display());
        Self { cache: Some(Cache { objects: cache, library }), ..self }
    }

    /// Compiles a module for a target: one that names none, or another system's, is compiled for this one.
    pub(crate) fn compile_for(&self, module: &Source, target: Target) -> Result<CompiledModule> {
        self.compile_source(module, (target.arch.triple_name(), target.format))
    }

    fn compile_source(&self, module: &Source, target: (&str, ObjectFormat)) -> Result<CompiledModule> {
        let text = is_text(module).then(|| String::from_utf8_lossy(module.bytes()));
        let options = match text.as_deref().map(triple_of) {
            Some(own) => self.options(own, target),
            // Only LLVM can tell, and does so by the object.
            None => self.options.clone(),
        };
        let compiled = self.compile_with(module.name(), module.bytes(), &options)?;
        let is_foreign = object::format(compiled.object.bytes()).is_some_and(|format| format != target.1);
        if is_foreign && options.triple.is_none() {
            return self.compile_with(module.name(), module.bytes(), &self.options(None, target));
        }
        Ok(compiled)
    }

    /// Compiles with other options than usual.
    pub(crate) fn compile_with(&self, name: &str, code: &[u8], options: &Options) -> Result<CompiledModule> {
        // Code for this machine's processor is not for another's that shares the cache.
        let cache = self.cache.as_ref().filter(|_| options.cpu.as_deref() != Some("native"));
        let key = cache.map(|cache| (&cache.objects, cache.key(code, options)));
        if let Some(object) = key.as_ref().and_then(|(cache, key)| cache.get(key)) {
            return Ok(CompiledModule::new(Source::new(name, object.to_vec())));
        }
        let compiled = self.llvm.compile(name, code, options).map_err(|error| self.failure(name, &error))?;
        // Warnings are told each time.
        if let Some((cache, key)) = key.filter(|_| compiled.warnings.is_empty()) {
            cache.insert(&key, &*compiled.object);
        }
        let warnings = compiled.warnings.iter().map(|warning| format!("{name}: {warning}\n")).collect();
        Ok(CompiledModule { warnings, ..CompiledModule::new(Source::new(name, compiled.object)) })
    }

    /// Returns a module's text.
    pub(crate) fn text(&self, module: &Source) -> Result<String> {
        let name = module.name();
        if is_text(module)
            && let Ok(text) = std::str::from_utf8(module.bytes())
        {
            return Ok(text.to_owned());
        }
        self.llvm.text(name, module.bytes()).map_err(|error| self.failure(name, &error))
    }

    /// The options for a target, of modules whose own triple this is.
    pub(crate) fn options_for(&self, own: Option<&str>, target: Target) -> Options {
        self.options(own, (target.arch.triple_name(), target.format))
    }

    fn options(&self, own: Option<&str>, target: (&str, ObjectFormat)) -> Options {
        let mut options = self.options.clone();
        if options.triple.is_none() && own.is_none_or(|own| format_of(own) != Some(target.1)) {
            options.triple = Some(self.triple(target));
        }
        options
    }

    fn triple(&self, (arch, format): (&str, ObjectFormat)) -> String {
        match format {
            ObjectFormat::HOST if arch == ARCH => self.llvm.default_triple(),
            ObjectFormat::Coff => format!("{arch}-w64-windows-gnu"),
            ObjectFormat::Elf => format!("{arch}-linux-gnu"),
        }
    }

    fn failure(&self, name: &str, error: &linkjit_llvm::Error) -> Error {
        let command = format!("LLVM {}", self.llvm.version().0);
        Error::Compile { file: name.into(), command, output: error.to_string() }
    }
}

impl Cache {
    fn key(&self, code: &[u8], options: &Options) -> CacheKey {
        CacheKey::new(&format!("{} {} {options:?}", env!("CARGO_PKG_VERSION"), self.library), code)
    }
}

/// The module's level of optimization and its triple, if it has one, take the place of the compiler's own.
impl Compiler for IrCompiler {
    fn compile(&self, module: &SourceModule) -> Result<CompiledModule> {
        let mut own = self.clone();
        own.options.optimization = module.optimization();
        own.options.triple = module.target_triple().map(str::to_owned).or(own.options.triple);
        let source = Source::new(module.name().to_string_lossy(), module.read()?.into_owned());
        own.compile_source(&source, (ARCH, module.object_format()))
    }
}

fn is_text(module: &Source) -> bool {
    // "BC" and its wrapper's magic number (LLVM Bitcode File Format, Magic Numbers and Wrapper Format).
    ![&b"BC\xc0\xde"[..], b"\xde\xc0\x17\x0b"].iter().any(|magic| module.bytes().starts_with(magic))
}

/// The triple that the text of a module names.
pub(crate) fn triple_of(text: &str) -> Option<&str> {
    let of_line = |line: &'_ str| -> Option<(usize, usize)> {
        let rest = line.trim_start().strip_prefix("target")?.trim_start().strip_prefix("triple")?;
        let rest = rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
        let start = line.len() - rest.len();
        Some((start, start + rest.find('"')?))
    };
    text.lines().find_map(|line| of_line(line).and_then(|(start, end)| line.get(start..end)))
}

/// The format of a target's objects; nothing if linkjit doesn't know it.
fn format_of(triple: &str) -> Option<ObjectFormat> {
    let has = |words: &[&str]| words.iter().any(|word| triple.contains(word));
    match triple {
        _ if triple.ends_with("-elf") => Some(ObjectFormat::Elf),
        _ if has(&["windows", "win32", "mingw", "cygwin", "uefi"]) => Some(ObjectFormat::Coff),
        _ if has(&["apple", "darwin", "macos", "macho", "wasm"]) => None,
        _ => Some(ObjectFormat::Elf),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triples_are_found_and_tell_the_format() {
        let text = "; target triple = \"no\"\n target  triple=\"x86_64-pc-windows-msvc19\"\n@x = global i32 0";
        assert_eq!(triple_of(text), Some("x86_64-pc-windows-msvc19"));
        assert_eq!(triple_of("target triple = \"unfinished\n"), None);
        let formats = ["x86_64-linux-gnu", "x86_64-w64-mingw32", "x86_64-pc-windows-elf", "arm64-apple-macosx14"];
        let expected = [Some(ObjectFormat::Elf), Some(ObjectFormat::Coff), Some(ObjectFormat::Elf), None];
        assert_eq!(formats.map(format_of), expected);
    }
}
