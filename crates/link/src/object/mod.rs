//! Readers: object bytes to link graphs, one folder per format, and archives of objects. This folder also makes graphs
//! for the symbols that import libraries describe.

pub mod archive;
pub mod coff;
mod eh_frame;
pub mod elf;
mod fields;
pub mod import;
pub mod import_slots;

use linkjit_target::ObjectFormat;

use crate::error::{LinkError, Result, Site};
use crate::graph::LinkGraph;
use crate::names::NamePool;
use crate::source::Source;

/// The common symbol of GCC's objects that have no machine code.
const SLIM_LTO: &[u8] = b"__gnu_lto_slim";
/// The reason why these are not linkable.
const SLIM_LTO_HINT: &str =
    "GCC LTO bytecode without machine code: compile it without -flto, or with -ffat-lto-objects";

/// The format of an object, by how its bytes begin; `None` if linkjit has no reader for them.
#[must_use]
pub fn format(bytes: &[u8]) -> Option<ObjectFormat> {
    if bytes.starts_with(b"\x7fELF") {
        return Some(ObjectFormat::Elf);
    }
    coff::is_object(bytes).then_some(ObjectFormat::Coff)
}

/// Reads a relocatable object of any format that linkjit knows. Names that other objects can see are interned in
/// `names`; no content is copied.
///
/// # Errors
/// If the bytes are not such an object, or malformed, or use something that linkjit does not support.
pub fn read(source: &Source, names: &mut NamePool) -> Result<LinkGraph> {
    match format(source.bytes()) {
        Some(ObjectFormat::Elf) => return elf::read(source, names),
        Some(ObjectFormat::Coff) => return coff::read(source, names),
        None => {}
    }
    let what = match source.bytes() {
        [] => "the file is empty",
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xfe, 0xed, 0xfa, 0xcf | 0xce, ..] => {
            "a Mach-O object, which linkjit can't link yet"
        }
        [b'M', b'Z', ..] => "a Windows executable or DLL, not an object",
        [b'B', b'C', 0xc0, 0xde, ..] | [0xde, 0xc0, 0x17, 0x0b, ..] => {
            "LLVM bitcode, not machine code: compile it to an object file first (clang -c)"
        }
        // An empty resource comes first: its sizes, type 0, name 0.
        [0, 0, 0, 0, 0x20, 0, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, ..] => {
            "compiled resources, not an object file: convert them to one (llvm-cvtres /machine:x64, windres)"
        }
        [b'!', b'<', b'a' | b't', ..] => "an archive, not an object file: add it as an archive",
        _ => "not an object file: linkjit does not know its format",
    };
    Err(LinkError::NotLinkable { site: Site::file(source.name().clone()), what: what.into() })
}
