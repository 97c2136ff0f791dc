//! Programming languages, and how to tell them apart.

use std::fmt;
use std::path::Path;

/// A language that there are compilers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Language {
    /// C.
    C,
    /// C++.
    Cxx,
    /// Objective-C.
    ObjectiveC,
    /// Objective-C++.
    ObjectiveCxx,
    /// Assembly as GNU's assembler takes it.
    Assembly,
    /// The same, with C's preprocessor before it.
    PreprocessedAssembly,
    /// Assembly as NASM takes it.
    Nasm,
    /// LLVM's intermediate representation: text or bitcode.
    LlvmIr,
    /// Fortran in free form.
    Fortran,
    /// Fortran in fixed form.
    FixedFortran,
    /// Rust.
    Rust,
    /// Zig.
    Zig,
    /// Swift.
    Swift,
    /// D.
    D,
}

/// The languages with their names, as messages use them; their names after `-x`; and the extensions of their files.
const LANGUAGES: &[(Language, &str, &[&str], &[&str])] = &[
    (Language::C, "C", &["c"], &["c"]),
    (Language::Cxx, "C++", &["c++"], &["cc", "cpp", "cxx", "C", "c++", "CPP", "cp"]),
    (Language::ObjectiveC, "Objective-C", &["objective-c"], &["m"]),
    (Language::ObjectiveCxx, "Objective-C++", &["objective-c++"], &["mm", "M"]),
    (Language::Assembly, "assembly", &["assembler"], &["s"]),
    (Language::PreprocessedAssembly, "assembly", &["assembler-with-cpp"], &["S", "sx"]),
    (Language::Nasm, "NASM's assembly", &["nasm", "yasm"], &["asm", "nasm"]),
    (Language::LlvmIr, "LLVM IR", &["ir"], &["ll", "bc"]),
    (
        Language::Fortran,
        "Fortran",
        &["f95", "f90", "fortran", "f95-cpp-input"],
        &["f90", "f95", "f03", "f08", "F90", "F95", "F03", "F08"],
    ),
    (Language::FixedFortran, "Fortran", &["f77", "f77-cpp-input"], &["f", "for", "ftn", "F", "FOR", "fpp"]),
    (Language::Rust, "Rust", &["rust"], &["rs"]),
    (Language::Zig, "Zig", &["zig"], &["zig"]),
    (Language::Swift, "Swift", &["swift"], &["swift"]),
    (Language::D, "D", &["d"], &["d"]),
];

/// Beginnings of lines that tell these languages from C and from each other, indentation aside.
const BEGINNINGS: &[(Language, &[&str])] = &[
    (
        Language::LlvmIr,
        &[
            "; ModuleID",
            "target triple",
            "target datalayout",
            "source_filename",
            "define i32 @",
            "define void @",
            "declare ",
        ],
    ),
    (Language::ObjectiveC, &["#import", "@interface", "@implementation", "@import", "@protocol"]),
    (Language::Cxx, &["using namespace", "template<", "template <", "namespace ", "class ", "import std;"]),
    (Language::Rust, &["fn main(", "pub fn ", "use std::", "extern crate ", "#![", "impl ", "#[no_mangle]"]),
    (Language::Fortran, &["program ", "end program", "subroutine ", "implicit none"]),
    (Language::Zig, &["const std = @import", "pub fn main(", "export fn "]),
    (Language::Swift, &["import Foundation", "import Glibc", "func "]),
    (Language::D, &["import std.", "module ", "import core."]),
    (Language::Assembly, &[".globl ", ".text", ".intel_syntax"]),
    (Language::Nasm, &["section .", "SECTION .", "global ", "bits 64", "default rel"]),
];

impl Language {
    /// The language of a file, by the extension of its name.
    #[must_use]
    pub fn from_extension(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        LANGUAGES.iter().find_map(|(language, _, _, extensions)| extensions.contains(&extension).then_some(*language))
    }

    /// The language that `-x` names, as `cc` names it: `c`, `c++`, `assembler-with-cpp`, `f95`, `rust`, ...
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        LANGUAGES.iter().find_map(|(language, _, names, _)| names.contains(&name).then_some(*language))
    }

    /// The names that [`Language::from_name`] knows, the usual one of each language.
    pub fn names() -> impl Iterator<Item = &'static str> {
        LANGUAGES.iter().filter_map(|(_, _, names, _)| names.first().copied())
    }

    /// Guesses from the content of a file; C, if nothing speaks for another language.
    #[must_use]
    pub fn from_content(code: &[u8]) -> Self {
        if is_bitcode(code) {
            return Self::LlvmIr;
        }
        let text = String::from_utf8_lossy(code);
        let lines =
            text.lines().map(str::trim_start).filter(|line| !["//", "/*", "*"].iter().any(|c| line.starts_with(c)));
        lines.take(1000).find_map(Self::from_line).unwrap_or(Self::C)
    }

    fn from_line(line: &str) -> Option<Self> {
        let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| line.starts_with(beginning));
        let by_beginning = BEGINNINGS.iter().find(|(_, beginnings)| begins(beginnings)).map(|(language, _)| *language);
        by_beginning.or_else(|| (is_cxx_include(line) || line.contains("std::")).then_some(Self::Cxx))
    }

    /// The name after `-x` that `cc` has for it, if it has one.
    pub(super) fn name(self) -> &'static str {
        let entry = LANGUAGES.iter().find(|(language, ..)| *language == self);
        entry.and_then(|(_, _, names, _)| names.first()).copied().unwrap_or_default()
    }

    /// The usual extension of its files.
    pub(super) fn extension(self) -> &'static str {
        let entry = LANGUAGES.iter().find(|(language, ..)| *language == self);
        entry.and_then(|(.., extensions)| extensions.first()).copied().unwrap_or_default()
    }

    /// Returns whether C's preprocessor reads it.
    pub(super) fn is_preprocessed(self) -> bool {
        self.is_c_family() || self == Self::PreprocessedAssembly
    }

    /// Returns whether it is C or one of its descendants that the same compilers take.
    #[must_use]
    pub fn is_c_family(self) -> bool {
        matches!(self, Self::C | Self::Cxx | Self::ObjectiveC | Self::ObjectiveCxx)
    }
}

/// Returns whether a line includes a header of C++'s library: these have no extension.
fn is_cxx_include(line: &str) -> bool {
    let name = line.strip_prefix('#').map(str::trim_start).and_then(|line| line.strip_prefix("include"));
    let name = name.and_then(|name| name.trim_start().strip_prefix('<')?.split_once('>'));
    name.is_some_and(|(name, _)| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'/'))
}

/// Returns whether code begins as LLVM's bitcode does: bare, or in the wrapper that some systems put around it.
pub(super) fn is_bitcode(code: &[u8]) -> bool {
    code.starts_with(b"BC\xc0\xde") || code.starts_with(&[0xde, 0xc0, 0x17, 0x0b])
}

/// Returns whether code begins with a line that names its interpreter. `#![...]` is an attribute of Rust.
pub(super) fn is_script(code: &[u8]) -> bool {
    let rest = code.strip_prefix(b"#!").map(<[u8]>::trim_ascii_start);
    rest.is_some_and(|rest| !rest.starts_with(b"["))
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = LANGUAGES.iter().find(|(language, ..)| language == self);
        f.write_str(entry.map_or("", |(_, name, ..)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_the_language() {
        for (code, expected) in [
            ("int main(void) { return 0; }", Language::C),
            ("#include <stdio.h>\nstruct s { int class; };\n", Language::C),
            ("#include <sys/types.h>\n// using namespace std;\n", Language::C),
            ("#include <iostream>\nint main() {}\n", Language::Cxx),
            ("int main() { std::abort(); }", Language::Cxx),
            ("; ModuleID = 'x'\n", Language::LlvmIr),
            ("BC\u{0}", Language::C),
            ("#import <objc/Object.h>\n", Language::ObjectiveC),
            ("use std::fmt;\nfn main() {}\n", Language::Rust),
            ("fn main() { std::process::exit(1) }\n", Language::Rust),
            ("program hello\n  print *, 1\nend program\n", Language::Fortran),
            ("import std.stdio;\nvoid main() {}\n", Language::D),
        ] {
            assert_eq!(Language::from_content(code.as_bytes()), expected, "{code}");
        }
        assert_eq!(Language::from_content(b"BC\xc0\xde5\x14\0\0"), Language::LlvmIr);
    }

    #[test]
    fn every_language_has_names() {
        for (language, _, names, extensions) in LANGUAGES {
            assert!(names.iter().all(|name| Language::from_name(name) == Some(*language)));
            let file = |extension: &&str| Language::from_extension(Path::new(&format!("x.{extension}")));
            assert!(extensions.iter().all(|extension| file(extension) == Some(*language)), "{language}");
        }
    }
}
