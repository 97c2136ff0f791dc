//! The libraries that a shared library needs (gABI, "Dynamic Linking").

use object::elf;

use super::encoding::{Elf64, Encoding, SectionHeader};
use crate::endian::Little;

/// A name that a shared library binds to a definition of its own or of others.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DynamicName {
    /// The name.
    pub name: String,
    /// It is that of a thread-local variable.
    pub thread_local: bool,
    /// It may stay missing; or its definition yields to another one, as those of inline functions and variables do.
    pub weak: bool,
    /// The library defines it.
    pub defined: bool,
}

/// Libraries of this system are all of one encoding.
type Native = Elf64<Little>;

/// The names that a shared library refers to and does not define, and those that it defines and that others may
/// replace; `None` if its file, which has these bytes, is malformed.
#[must_use]
pub fn dynamic_names(bytes: &[u8]) -> Option<Vec<DynamicName>> {
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let header = Native::file_header(bytes.get(..Native::FILE_HEADER_SIZE)?);
    let start = usize::try_from(header.sections).ok()?;
    let size = usize::from(header.section_count).checked_mul(Native::SECTION_HEADER_SIZE)?;
    let headers =
        bytes.get(start..)?.get(..size)?.chunks_exact(Native::SECTION_HEADER_SIZE).map(Native::section_header);
    let content = |header: &SectionHeader| {
        let start = usize::try_from(header.offset).ok()?;
        let size = usize::try_from(header.size).ok()?;
        bytes.get(start..start.checked_add(size)?)
    };
    let Some(table) = headers.clone().find(|header| header.kind == elf::SHT_DYNSYM) else { return Some(Vec::new()) };
    let strings = content(&headers.clone().nth(table.link as usize)?)?;
    // Names are not longer than the file all in all, but for ends that they share.
    let mut left = bytes.len();
    let mut names = Vec::new();
    for symbol in content(&table)?.chunks_exact(Native::SYMBOL_SIZE).map(Native::symbol).skip(1) {
        let weak = matches!(symbol.binding, elf::STB_WEAK | elf::STB_GNU_UNIQUE);
        if (weak || symbol.binding == elf::STB_GLOBAL) && symbol.visibility == elf::STV_DEFAULT {
            let name = strings.get(symbol.name as usize..)?;
            let end = name.iter().position(|&byte| byte == 0)?;
            left = left.checked_sub(end)?;
            let name = String::from_utf8_lossy(name.get(..end)?).into_owned();
            let thread_local = symbol.kind == elf::STT_TLS;
            let defined = symbol.section != elf::SHN_UNDEF;
            names.push(DynamicName { name, thread_local, weak, defined });
        }
    }
    Some(names)
}
