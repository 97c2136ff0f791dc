//! What a shared library needs of others (gABI, "Dynamic Linking").

use object::elf;
use object::elf::{SectionType, SymbolBind, SymbolSection, SymbolType, SymbolVisibility};

use super::file::{u16_at, u32_at, u64_at};
use crate::error::{LinkError, Result, Site};
use crate::source::Source;

const FILE_HEADER_SIZE: usize = 64;
const SECTION_HEADER_SIZE: usize = 64;
const SYMBOL_SIZE: usize = 24;

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

/// The names that a shared library refers to and does not define, and those that it defines and that others may replace.
///
/// # Errors
/// If the file is malformed.
pub fn dynamic_names(source: &Source) -> Result<Vec<DynamicName>> {
    read(source.bytes()).ok_or_else(|| LinkError::Malformed {
        site: Site::file(source.name().clone()),
        what: "table of dynamic symbols".into(),
    })
}

fn read(bytes: &[u8]) -> Option<Vec<DynamicName>> {
    let header: &[u8; FILE_HEADER_SIZE] = bytes.first_chunk()?;
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let start = usize::try_from(u64_at(header, 40)).ok()?;
    let headers = bytes.get(start..)?.as_chunks::<SECTION_HEADER_SIZE>().0.get(..usize::from(u16_at(header, 60)))?;
    let content = |header: &[u8; SECTION_HEADER_SIZE]| {
        let start = usize::try_from(u64_at(header, 24)).ok()?;
        let size = usize::try_from(u64_at(header, 32)).ok()?;
        bytes.get(start..start.checked_add(size)?)
    };
    let is_dynamic = |header: &&[u8; SECTION_HEADER_SIZE]| SectionType(u32_at(*header, 4)) == elf::SHT_DYNSYM;
    let Some(table) = headers.iter().find(is_dynamic) else { return Some(Vec::new()) };
    let strings = content(headers.get(u32_at(table, 40) as usize)?)?;
    // Names are not longer than the file all in all, but for ends that they share.
    let mut left = bytes.len();
    let mut names = Vec::new();
    for symbol in content(table)?.as_chunks::<SYMBOL_SIZE>().0.iter().skip(1) {
        let [info, other] = *symbol.get(4..)?.first_chunk()?;
        let bind = SymbolBind(info >> 4);
        let weak = matches!(bind, elf::STB_WEAK | elf::STB_GNU_UNIQUE);
        if (weak || bind == elf::STB_GLOBAL) && SymbolVisibility(other & 3) == elf::STV_DEFAULT {
            let name = strings.get(u32_at(symbol, 0) as usize..)?;
            let end = name.iter().position(|&byte| byte == 0)?;
            left = left.checked_sub(end)?;
            let name = String::from_utf8_lossy(name.get(..end)?).into_owned();
            let thread_local = SymbolType(info & 0xf) == elf::STT_TLS;
            let defined = SymbolSection(u16_at(symbol, 6)) != elf::SHN_UNDEF;
            names.push(DynamicName { name, thread_local, weak, defined });
        }
    }
    Some(names)
}
