//! The file header, the section headers and the tables: they say what the file is, and where everything in it lies.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::Display;
use std::ops::Range;

use object::pe::{ImageRelocation, ImageSectionHeader, SectionFlags};
use object::pod::slice_from_bytes;
use object::{LittleEndian as LE, pe};

use super::machine::{MACHINES, Machine, machine_name};
use crate::error::{LinkError, Result, Site};
use crate::object::fields::{field, string, u16_at, u32_at};
use crate::source::Source;

/// Size of the `IMAGE_FILE_HEADER` structure.
const FILE_HEADER_SIZE: usize = 20;
/// Size of the `ANON_OBJECT_HEADER_BIGOBJ` structure.
const BIG_HEADER_SIZE: usize = 56;
/// The class of objects with more than 65,279 sections (`/bigobj`): D1BAA1C7-BAEE-4BA9-AF20-FAF66AA4DCB8.
const BIG_OBJECT: [u8; 16] =
    [0xc7, 0xa1, 0xba, 0xd1, 0xee, 0xba, 0xa9, 0x4b, 0xaf, 0x20, 0xfa, 0xf6, 0x6a, 0xa4, 0xdc, 0xb8];
/// The class of objects that hold the compiler's own code (`/GL`): 0CB3FE38-D9A5-4DAB-AC9B-D6B6222653C2.
const COMPILER_CODE: [u8; 16] =
    [0x38, 0xfe, 0xb3, 0x0c, 0xa5, 0xd9, 0xab, 0x4d, 0xac, 0x9b, 0xd6, 0xb6, 0x22, 0x26, 0x53, 0xc2];
/// See the reader of ELF: all names together are at most so many times longer than the file.
const NAMES_PER_FILE: usize = 16;
/// The alignment of sections that give none.
const DEFAULT_ALIGN_LOG2: u8 = 4;

/// An object whose headers are known to be sound.
pub(super) struct File<'a> {
    /// The source that it was read from.
    pub(super) source: &'a Source,
    /// Its bytes: fewer than 2^32.
    pub(super) bytes: &'a [u8],
    /// The machine that it is for.
    pub(super) machine: &'static Machine,
    /// The sections; the first is number 1.
    pub(super) sections: Vec<Section<'a>>,
    /// The records of the symbol table.
    pub(super) symbols: Records<'a>,
    /// The table of strings with the four bytes of its size, and where it begins.
    strings: &'a [u8],
    strings_start: u32,
    /// The number of bytes of names that may still be looked up.
    names_left: Cell<usize>,
}

/// The records of the symbol table, of 18 bytes, or 20 in objects with many sections.
#[derive(Clone, Copy, Default)]
pub(super) struct Records<'a> {
    bytes: &'a [u8],
    size: usize,
    /// Their offset in the file.
    start: u32,
}

impl<'a> Records<'a> {
    /// Returns their number.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.bytes.len().checked_div(self.size).unwrap_or(0)).unwrap_or(u32::MAX)
    }

    /// The record of that index.
    pub(super) fn get(&self, index: u32) -> Option<&'a [u8]> {
        let start = (index as usize).checked_mul(self.size)?;
        self.bytes.get(start..start.checked_add(self.size)?)
    }

    /// Returns whether section numbers have 32 bits.
    pub(super) fn are_big(&self) -> bool {
        self.size == pe::IMAGE_SIZEOF_SYMBOL_EX
    }
}

/// A section header, and what it refers to.
pub(super) struct Section<'a> {
    /// The name, wherever it was.
    pub(super) name: &'a [u8],
    /// `Characteristics`.
    pub(super) flags: SectionFlags,
    /// The range of its bytes in the file; empty for zeros.
    pub(super) range: Range<u32>,
    /// The bytes themselves.
    pub(super) data: &'a [u8],
    /// Its size in bytes.
    pub(super) size: u64,
    /// Its relocations.
    pub(super) relocations: &'a [ImageRelocation],
    /// The alignment as a power of two.
    pub(super) align_log2: u8,
}

impl Section<'_> {
    /// Returns whether all of `flags` are set.
    pub(super) fn has(&self, flags: SectionFlags) -> bool {
        self.flags.0 & flags.0 == flags.0
    }

    /// The name as text.
    pub(super) fn name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.name)
    }
}

/// The parts of the two kinds of file headers.
struct Header {
    machine: &'static Machine,
    section_count: usize,
    sections_start: usize,
    symbols_start: u32,
    symbol_count: u32,
    symbol_size: usize,
}

/// Returns whether a file begins as a COFF object does, be it one that can be linked or not.
#[must_use]
pub fn is_object(bytes: &[u8]) -> bool {
    let (Some(first), Some(second)) = (bytes.first_chunk::<2>(), bytes.get(2..4)) else { return false };
    let first = u16::from_le_bytes(*first);
    (first == 0 && second == [0xff, 0xff]) || (machine_name(first).is_some() && bytes.len() >= FILE_HEADER_SIZE)
}

impl<'a> File<'a> {
    /// Checks that `source` is an object that can be linked here, and reads its headers.
    pub(super) fn parse(source: &'a Source) -> Result<Self> {
        let bytes = source.bytes();
        let names_left = Cell::new(bytes.len().saturating_mul(NAMES_PER_FILE));
        let symbols = Records::default();
        let [machine, ..] = MACHINES;
        let mut file =
            Self { source, bytes, machine, sections: Vec::new(), symbols, strings: &[], strings_start: 0, names_left };
        if u32::try_from(bytes.len()).is_err() {
            return Err(LinkError::TooLarge { site: file.site(), what: "a file of 4 GiB or more".into() });
        }
        let header = file.header()?;
        file.machine = header.machine;
        file.read_symbols(&header)?;
        file.read_sections(&header)?;
        Ok(file)
    }

    fn header(&self) -> Result<Header> {
        let bytes = self.bytes;
        let truncated = || self.malformed("file header: the file ends inside it");
        let not_linkable = |what: String| LinkError::NotLinkable { site: self.site(), what };
        let find_machine = |number: u16| match (Machine::find(number), machine_name(number)) {
            (Some(machine), _) => Ok(machine),
            (None, Some(other)) => Err(not_linkable(format!("a COFF object for {other}, not {}", Machine::names()))),
            (None, None) => {
                Err(not_linkable(format!("a COFF object for machine {number:#x}, not {}", Machine::names())))
            }
        };
        if bytes.starts_with(&[0, 0, 0xff, 0xff]) {
            let version = u16_at(bytes, 4);
            if version == 0 {
                return Err(not_linkable("a member of an import library, not an object".into()));
            }
            match field::<16>(bytes, 12) {
                BIG_OBJECT if version >= 2 => {}
                COMPILER_CODE => {
                    let what = "an object with intermediate code instead of machine code: compile it without /GL";
                    return Err(not_linkable(what.into()));
                }
                _ => return Err(not_linkable("an anonymous COFF object of an unknown class".into())),
            }
            let machine = find_machine(u16_at(bytes, 6))?;
            if bytes.len() < BIG_HEADER_SIZE {
                return Err(truncated());
            }
            return Ok(Header {
                machine,
                section_count: u32_at(bytes, 44) as usize,
                sections_start: BIG_HEADER_SIZE,
                symbols_start: u32_at(bytes, 48),
                symbol_count: u32_at(bytes, 52),
                symbol_size: pe::IMAGE_SIZEOF_SYMBOL_EX,
            });
        }
        if bytes.len() < FILE_HEADER_SIZE {
            return Err(truncated());
        }
        Ok(Header {
            machine: find_machine(u16_at(bytes, 0))?,
            section_count: usize::from(u16_at(bytes, 2)),
            sections_start: FILE_HEADER_SIZE + usize::from(u16_at(bytes, 16)),
            symbols_start: u32_at(bytes, 8),
            symbol_count: u32_at(bytes, 12),
            symbol_size: pe::IMAGE_SIZEOF_SYMBOL,
        })
    }

    fn read_symbols(&mut self, header: &Header) -> Result<()> {
        if header.symbols_start == 0 {
            return Ok(());
        }
        let start = header.symbols_start as usize;
        let size = (header.symbol_count as usize).checked_mul(header.symbol_size);
        let end = size.and_then(|size| start.checked_add(size));
        let Some((end, bytes)) = end.and_then(|end| Some((end, self.bytes.get(start..end)?))) else {
            return Err(self.malformed("symbol table: it reaches beyond the end of the file"));
        };
        self.symbols = Records { bytes, size: header.symbol_size, start: header.symbols_start };
        // The table of strings follows at once; objects without long names may leave it out.
        let rest = self.bytes.get(end..).unwrap_or_default();
        let size = if rest.len() < 4 { 0 } else { (u32_at(rest, 0) as usize).max(4) };
        let Some(strings) = rest.get(..size) else {
            return Err(self.malformed("string table: it reaches beyond the end of the file"));
        };
        self.strings = strings;
        // Inside the file, so below 2^32.
        self.strings_start = u32::try_from(end).unwrap_or(u32::MAX);
        Ok(())
    }

    fn read_sections(&mut self, header: &Header) -> Result<()> {
        let headers = self.bytes.get(header.sections_start..).unwrap_or_default();
        let Ok((headers, _)) = slice_from_bytes::<ImageSectionHeader>(headers, header.section_count) else {
            return Err(self.malformed("file header: the section table reaches beyond the end of the file"));
        };
        self.sections.reserve_exact(headers.len());
        // Neither contents nor relocations of sections overlap, so reading takes time in proportion to the file's size.
        let mut left = self.bytes.len().saturating_mul(2);
        for (number, header) in (1..).zip(headers) {
            let section = self.read_section(number, header)?;
            let size = section.data.len() + size_of_val(section.relocations);
            let Some(rest) = left.checked_sub(size) else {
                return Err(self.malformed("section table: sections overlap"));
            };
            left = rest;
            self.sections.push(section);
        }
        Ok(())
    }

    fn read_section(&self, number: u32, header: &'a ImageSectionHeader) -> Result<Section<'a>> {
        let name = self
            .section_name(header)
            .ok_or_else(|| self.malformed(format_args!("section table: section {number} has no valid name")))?;
        let malformed = |what: &str| {
            let site = self.site().section(String::from_utf8_lossy(name));
            LinkError::Malformed { site, what: what.into() }
        };
        let flags = header.characteristics.get(LE);
        let (size, start) = (header.size_of_raw_data.get(LE), header.pointer_to_raw_data.get(LE));
        let is_zeros = flags.contains(pe::IMAGE_SCN_CNT_UNINITIALIZED_DATA) || start == 0;
        let (range, data) = if is_zeros || size == 0 {
            (0..0, &[][..])
        } else {
            let range = start.checked_add(size).map(|end| start..end);
            let data = range.clone().and_then(|range| self.bytes.get(range.start as usize..range.end as usize));
            range.zip(data).ok_or_else(|| malformed("section: it reaches beyond the end of the file"))?
        };
        let align = flags.align().0 >> 20;
        let align_log2 = match align {
            0 => DEFAULT_ALIGN_LOG2,
            1..=14 => u8::try_from(align - 1).unwrap_or(DEFAULT_ALIGN_LOG2),
            _ => return Err(malformed("section: its alignment is invalid")),
        };
        let relocations = match header.number_of_relocations.get(LE) {
            0 => &[],
            _ => header
                .coff_relocations(self.bytes)
                .map_err(|_| malformed("relocations: they reach beyond the end of the file"))?,
        };
        Ok(Section { name, flags, range, data, size: u64::from(size), relocations, align_log2 })
    }

    /// The name of a section: in the header, or in the table of strings at a decimal number after a slash, or at one in
    /// base 64 after two.
    fn section_name(&self, header: &'a ImageSectionHeader) -> Option<&'a [u8]> {
        match header.name_offset() {
            Ok(Some(offset)) => self.string(offset),
            Err(_) if header.name.starts_with(b"//") => None,
            _ => Some(header.raw_name()),
        }
    }

    /// The string at `offset` of the table of strings.
    fn string(&self, offset: u32) -> Option<&'a [u8]> {
        let name = if offset < 4 { None } else { string(self.strings, offset) }?;
        self.names_left.set(self.names_left.get().checked_sub(name.len())?);
        Some(name)
    }

    /// The name of a symbol's record, and where it is in the file.
    pub(super) fn symbol_name(&self, index: u32, record: &'a [u8]) -> Option<(&'a [u8], u32)> {
        if u32_at(record, 0) == 0 {
            let offset = u32_at(record, 4);
            // Eight zeros are the empty name.
            if offset == 0 {
                return Some((&[], 0));
            }
            return Some((self.string(offset)?, self.strings_start.checked_add(offset)?));
        }
        let name = record.get(..8)?;
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(8);
        let start = u32::try_from(self.symbols.size).ok()?.checked_mul(index)?.checked_add(self.symbols.start)?;
        Some((name.get(..end)?, start))
    }

    /// The sections with their numbers.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (u32, &Section<'a>)> {
        (1u32..).zip(&self.sections)
    }

    /// The section of that number.
    pub(super) fn section(&self, number: u32) -> Option<&Section<'a>> {
        self.sections.get((number as usize).checked_sub(1)?)
    }

    /// The file as a place.
    pub(super) fn site(&self) -> Site {
        Site::file(self.source.name().clone())
    }

    /// An error about the file as a whole.
    #[cold]
    pub(super) fn malformed(&self, what: impl Display) -> LinkError {
        LinkError::Malformed { site: self.site(), what: what.to_string() }
    }

    /// An error about a section.
    #[cold]
    pub(super) fn malformed_section(&self, section: &Section<'_>, what: impl Display) -> LinkError {
        LinkError::Malformed { site: self.site().section(section.name()), what: what.to_string() }
    }

    /// Something in a section that linkjit can't link.
    #[cold]
    pub(super) fn unsupported_section(&self, section: &Section<'_>, what: impl Display) -> LinkError {
        LinkError::Unsupported { site: self.site().section(section.name()), what: what.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_is_too_short_to_be_refused() {
        for len in 2..FILE_HEADER_SIZE {
            let mut bytes = vec![0x64, 0x86];
            bytes.resize(len, 0);
            let source = Source::new("short.o", bytes);
            let error = File::parse(&source).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), Some("short.o: malformed file header: the file ends inside it"));
        }
    }
}
