//! What a shared library needs of others (gABI, "Dynamic Linking").

use object::elf;

use super::encoding::{Elf64, Encoding, SectionHeader};
use crate::endian::Little;
use crate::error::{LinkError, Result, Site};
use crate::source::Source;

/// The names that a shared library refers to and does not define, but for those that may stay missing.
///
/// # Errors
/// If the file is malformed.
pub fn needed_names(source: &Source) -> Result<Vec<String>> {
    read(source.bytes()).ok_or_else(|| LinkError::Malformed {
        site: Site::file(source.name().clone()),
        what: "table of dynamic symbols".into(),
    })
}

/// Libraries of this system are all of one encoding.
type Native = Elf64<Little>;

fn read(bytes: &[u8]) -> Option<Vec<String>> {
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
        if symbol.binding == elf::STB_GLOBAL && symbol.section == elf::SHN_UNDEF {
            let name = strings.get(symbol.name as usize..)?;
            let end = name.iter().position(|&byte| byte == 0)?;
            left = left.checked_sub(end)?;
            names.push(String::from_utf8_lossy(name.get(..end)?).into_owned());
        }
    }
    Some(names)
}
