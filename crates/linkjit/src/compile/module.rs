//! The description of what is to be compiled.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use linkjit_executor::ObjectFormat;
use linkjit_link::source::Source;

use super::language::{self, Language};
use super::{Compiler, OptLevel, SystemCompiler};
use crate::error::{Error, Result};

/// A module to compile: a file or a text, the language, the target, and options.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// use linkjit::{OptLevel, SourceModule};
///
/// let jit = linkjit::Jit::host()?;
/// let text = "int answer(void) { return ANSWER; }";
/// let module = SourceModule::text("answer.c", text).flag("-DANSWER=42").optimize(OptLevel::O1);
/// jit.add_object(module.compile()?)?;
/// // SAFETY: a function of this type.
/// let answer = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> i32>("answer")? };
/// // SAFETY: as above.
/// assert_eq!(unsafe { answer() }, 42);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct SourceModule {
    code: Code,
    language: Option<Language>,
    format: ObjectFormat,
    triple: Option<String>,
    optimization: OptLevel,
    has_sections: bool,
    has_colors: bool,
    flags: Vec<OsString>,
    own_flags: Vec<OsString>,
}

/// The place of a module's code.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Code {
    /// A file.
    File(PathBuf),
    /// Text in memory, under a name that messages and debug information use. Files that it includes in quotation marks lie
    /// in the directory that the name leads to.
    Text {
        /// The name, as of a file.
        name: PathBuf,
        /// The text.
        text: Arc<[u8]>,
    },
}

impl SourceModule {
    /// The code in a file. Its extension says which language it is, its content if it has none.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::new(Code::File(path.into()))
    }

    /// Code in memory. The language is that of the name's extension; if it has none, the text's content decides.
    pub fn text(name: impl Into<PathBuf>, text: impl AsRef<[u8]>) -> Self {
        Self::new(Code::Text { name: name.into(), text: text.as_ref().into() })
    }

    fn new(code: Code) -> Self {
        Self {
            code,
            language: None,
            format: ObjectFormat::HOST,
            triple: None,
            optimization: OptLevel::default(),
            has_sections: false,
            has_colors: false,
            flags: Vec::new(),
            own_flags: Vec::new(),
        }
    }

    /// Says which language it is, whatever its name.
    #[must_use]
    pub fn language(mut self, language: Language) -> Self {
        self.language = Some(language);
        self
    }

    /// Compiles to objects of a format, for a system that has this format and this machine's architecture. By default that
    /// is this system.
    #[must_use]
    pub fn format(mut self, format: ObjectFormat) -> Self {
        self.format = format;
        self
    }

    /// Compiles for exactly this target, such as `x86_64-pc-windows-msvc`.
    #[must_use]
    pub fn triple(mut self, triple: impl Into<String>) -> Self {
        self.triple = Some(triple.into());
        self
    }

    /// Sets the level of optimization; by default it is [`OptLevel::O2`].
    #[must_use]
    pub fn optimize(mut self, level: OptLevel) -> Self {
        self.optimization = level;
        self
    }

    /// Gives each function and each variable a section of its own, as objects need it that are to be replaced while they
    /// run ([`JitDylib::add_updatable_object`](crate::JitDylib::add_updatable_object)).
    #[must_use]
    pub fn with_sections(mut self) -> Self {
        self.has_sections = true;
        self
    }

    /// Has the compiler's messages colored, for a terminal.
    #[must_use]
    pub fn with_colors(mut self, colors: bool) -> Self {
        self.has_colors = colors;
        self
    }

    /// Adds a flag as `cc` takes it: `-DNAME=1`, `-Iinclude`, `-Wall`, `-std=c++20`. A flag and its argument may also be
    /// two flags that follow each other. Compilers with other command lines get what has a meaning for them:
    /// `docs/compilers.md` says what.
    #[must_use]
    pub fn flag(mut self, flag: impl Into<OsString>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// Adds several flags.
    #[must_use]
    pub fn flags<F: Into<OsString>>(mut self, flags: impl IntoIterator<Item = F>) -> Self {
        self.flags.extend(flags.into_iter().map(Into::into));
        self
    }

    /// Adds a flag that the compiler of the language gets whatever it is.
    #[must_use]
    pub fn own_flag(mut self, flag: impl Into<OsString>) -> Self {
        self.own_flags.push(flag.into());
        self
    }

    /// Compiles it by the [`SystemCompiler`]; warnings are dropped.
    ///
    /// # Errors
    /// As of [`SystemCompiler`].
    pub fn compile(&self) -> Result<Source> {
        Ok(SystemCompiler.compile(self)?.object)
    }

    /// Returns its name: the path of its file, or the name of its text.
    #[must_use]
    pub fn name(&self) -> &Path {
        match &self.code {
            Code::File(name) | Code::Text { name, .. } => name,
        }
    }

    /// Returns where its code is.
    #[must_use]
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// Reads its code. A first line that names an interpreter (`#!`) is empty in the result.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn read(&self) -> Result<Cow<'_, [u8]>> {
        let text = match &self.code {
            Code::Text { text, .. } => Cow::Borrowed(&**text),
            Code::File(path) => Cow::Owned(std::fs::read(path).map_err(|error| Error::file(path, &error))?),
        };
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default().len();
        Ok(if language::is_script(&text) { Cow::Owned(text.get(line..).unwrap_or_default().to_vec()) } else { text })
    }

    /// Returns whether its first line names an interpreter (`#!`).
    #[must_use]
    pub fn is_script(&self) -> bool {
        match &self.code {
            Code::Text { text, .. } => language::is_script(text),
            Code::File(path) => language::is_script(&beginning(path)),
        }
    }

    /// Returns its language: what was [set](Self::language), what its name says, or what its content says if it is in
    /// memory, a script (`#!`) or bitcode. `None` for other files.
    #[must_use]
    pub fn known_language(&self) -> Option<Language> {
        let by_content = || match &self.code {
            Code::Text { text, .. } => Some(Language::from_content(text)),
            Code::File(path) => {
                let beginning = beginning(path);
                let is_known = language::is_script(&beginning) || language::is_bitcode(&beginning);
                is_known.then(|| Language::from_content(&self.read().unwrap_or_default()))
            }
        };
        self.language.or_else(|| Language::from_extension(self.name())).or_else(by_content)
    }

    /// Returns the format of its object.
    #[must_use]
    pub fn object_format(&self) -> ObjectFormat {
        self.format
    }

    /// Returns the triple that was asked for.
    #[must_use]
    pub fn target_triple(&self) -> Option<&str> {
        self.triple.as_deref()
    }

    /// Returns its level of optimization.
    #[must_use]
    pub fn optimization(&self) -> OptLevel {
        self.optimization
    }

    /// Returns whether each function and variable gets a section of its own.
    #[must_use]
    pub fn has_sections(&self) -> bool {
        self.has_sections
    }

    /// Returns whether messages are colored.
    #[must_use]
    pub fn has_colors(&self) -> bool {
        self.has_colors
    }

    /// Returns the flags of [`flag`](Self::flag).
    #[must_use]
    pub fn cc_flags(&self) -> &[OsString] {
        &self.flags
    }

    /// Returns the flags of [`own_flag`](Self::own_flag).
    #[must_use]
    pub fn own_flags(&self) -> &[OsString] {
        &self.own_flags
    }

    /// Returns whether one of the flags is this one.
    pub(super) fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|known| known == OsStr::new(flag))
    }
}

/// The first bytes of a file, if it is one that can be read twice.
fn beginning(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    if path.is_file() {
        let read = |file| std::io::Read::read_to_end(&mut std::io::Read::take(file, 64), &mut bytes);
        let _unreadable = std::fs::File::open(path).and_then(read);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_an_interpreter_is_no_code() {
        let read = |text: &str| String::from_utf8(SourceModule::text("x", text).read().unwrap().into_owned()).unwrap();
        assert_eq!(read("#!/usr/bin/env -S linkjit run\nint x;\n"), "\nint x;\n");
        assert_eq!(read("#!/bin/linkjit"), "");
        assert_eq!(read("#![no_std]\n"), "#![no_std]\n");
        assert_eq!(read("#include <x>\n"), "#include <x>\n");
    }
}
