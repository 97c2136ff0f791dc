//! LLVM's compiler, in this process.

use linkjit_executor::{ObjectFormat, Target};
use linkjit_link::arch::Arch;
use linkjit_link::object;
use linkjit_link::source::Source;
use linkjit_llvm::{Llvm, Options};

use crate::error::{Error, Result};

/// Compiles LLVM IR and bitcode with an LLVM library that is opened when the program runs.
///
/// A session has one that it opens when it is first given IR: the library that the environment's `LINKJIT_LLVM` names, or
/// else the newest that is installed, with the options of `-O2`. [`JitBuilder::ir_compiler`](crate::JitBuilder::ir_compiler)
/// gives it another one.
#[derive(Clone, Debug)]
pub struct IrCompiler {
    llvm: Llvm,
    options: Options,
}

impl IrCompiler {
    /// Compiles with that library and these options.
    #[must_use]
    pub fn new(llvm: Llvm, options: Options) -> Self {
        Self { llvm, options }
    }

    /// Opens the library that there is.
    ///
    /// # Errors
    /// [`Error::Llvm`] if there is none that can be used.
    pub fn open() -> Result<Self> {
        Ok(Self::new(Llvm::open()?, Options::default()))
    }

    /// Compiles a module, given as text or bitcode, to an object of the target's format: a module that names no target, or
    /// one of another system, is compiled for this one. Returns LLVM's warnings, too.
    ///
    /// # Errors
    /// [`Error::Compile`] with LLVM's messages.
    pub fn compile(&self, module: &Source, target: Target) -> Result<(Source, Vec<String>)> {
        let text = self.is_text(module).then(|| String::from_utf8_lossy(module.bytes()));
        let options = match text.as_deref().map(triple_of) {
            Some(own) => self.options_for(own, target),
            // Only LLVM can tell, and does so by the object.
            None => self.options.clone(),
        };
        let (object, warnings) = self.compile_with(module.name(), module.bytes(), &options)?;
        if object::format(object.bytes()).is_some_and(|format| format != target.format) && options.triple.is_none() {
            return self.compile_with(module.name(), module.bytes(), &self.options_for(None, target));
        }
        Ok((object, warnings))
    }

    /// Compiles with other options than usual.
    pub(crate) fn compile_with(&self, name: &str, code: &[u8], options: &Options) -> Result<(Source, Vec<String>)> {
        let compiled = self.llvm.compile(name, code, options).map_err(|error| self.failure(name, &error))?;
        Ok((Source::new(name, compiled.object), compiled.warnings))
    }

    /// Returns a module's text.
    pub(crate) fn text(&self, module: &Source) -> Result<String> {
        let name = module.name();
        if self.is_text(module)
            && let Ok(text) = std::str::from_utf8(module.bytes())
        {
            return Ok(text.to_owned());
        }
        self.llvm.text(name, module.bytes()).map_err(|error| self.failure(name, &error))
    }

    /// The options for a target, of modules whose own triple this is.
    pub(crate) fn options_for(&self, own: Option<&str>, target: Target) -> Options {
        let mut options = self.options.clone();
        if options.triple.is_none() && own.is_none_or(|own| format_of(own) != Some(target.format)) {
            options.triple = Some(self.triple(target));
        }
        options
    }

    fn is_text(&self, module: &Source) -> bool {
        // "BC" and its wrapper's magic number (LLVM Bitcode File Format, Magic Numbers and Wrapper Format).
        ![&b"BC\xc0\xde"[..], b"\xde\xc0\x17\x0b"].iter().any(|magic| module.bytes().starts_with(magic))
    }

    fn triple(&self, target: Target) -> String {
        let arch = target.arch.triple_name();
        match target.format {
            format if format == ObjectFormat::HOST && Arch::HOST == Some(target.arch) => self.llvm.default_triple(),
            ObjectFormat::Coff => format!("{arch}-w64-windows-gnu"),
            ObjectFormat::Elf => format!("{arch}-linux-gnu"),
        }
    }

    fn failure(&self, name: &str, error: &linkjit_llvm::Error) -> Error {
        let command = format!("LLVM {}", self.llvm.version().0);
        Error::Compile { file: name.into(), command, output: error.to_string() }
    }
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
