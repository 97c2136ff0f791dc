//! The names of libraries that are linked weakly, as if they were missing when the program runs: all of them are null.

use std::collections::HashSet;
use std::path::Path;

use object::Endianness;
use object::elf::{FileHeader64, SHN_UNDEF, SHT_DYNSYM, STB_LOCAL};
use object::read::elf::{FileHeader, Sym};

use super::failure::{Failure, Result};
use super::read;
use crate::inputs::Kind;

/// All names together are at most so many times longer than the file, unless somebody
/// is up to something: they may share bytes.
const NAMES_PER_FILE: usize = 16;

/// What a shared library defines for others.
pub(super) fn interface(path: &Path) -> Result<HashSet<Vec<u8>>> {
    let source = read(path)?;
    let bytes = source.bytes();
    let unsuitable = |what: &str| Failure::usage(format!("Cannot get interface for {}: {what}", path.display()));
    if bytes.starts_with(b"--- !tapi-tbd") {
        return Err(unsuitable("TextAPI files describe Mach-O libraries, which linkjit does not link yet"));
    }
    if Kind::of(bytes) != Kind::SharedLibrary {
        return Err(unsuitable("it is no shared library"));
    }
    defined(bytes).map_err(|error| unsuitable(&error.to_string()))
}

fn defined(bytes: &[u8]) -> object::read::Result<HashSet<Vec<u8>>> {
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    let symbols = header.sections(endian, bytes)?.symbols(endian, bytes, SHT_DYNSYM)?;
    let mut names = HashSet::new();
    let mut left = bytes.len().saturating_mul(NAMES_PER_FILE);
    for symbol in symbols.iter() {
        if symbol.st_bind() != STB_LOCAL && symbol.st_shndx(endian) != SHN_UNDEF {
            let name = symbol.name(endian, symbols.strings())?;
            let Some(rest) = left.checked_sub(name.len()) else { break };
            left = rest;
            names.insert(name.to_vec());
        }
    }
    Ok(names)
}
