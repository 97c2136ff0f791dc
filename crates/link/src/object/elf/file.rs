//! The ELF header and the section headers: they say what the file is, and where everything in it lies.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::Display;
use std::ops::Range;

use object::elf;
use object::elf::{SectionFlags, SectionType};
use object::pod::{from_bytes, slice_from_bytes};
use object::read::elf::{FileHeader, SectionHeader as _};

use super::machine::Machine;
use crate::error::{LinkError, Result, Site};
use crate::object::fields::string;
use crate::source::Source;

/// All names together are at most so many times longer than the file. They share bytes if one is another's tail, or
/// symbols have one name; but each has a header or a symbol of its own, so without malice they don't get far.
const NAMES_PER_FILE: usize = 16;

/// An object whose section headers are known to be sound.
pub(super) struct File<'a> {
    /// The source that it was read from.
    pub(super) source: &'a Source,
    /// Its bytes: fewer than 2^32.
    pub(super) bytes: &'a [u8],
    /// The machine that it is for.
    pub(super) machine: &'static Machine,
    /// All sections, the null section included.
    pub(super) sections: Vec<Section<'a>>,
    /// The number of bytes of names that may still be looked up: many could share one of megabytes.
    names_left: Cell<usize>,
}

/// A section header, and what it refers to.
pub(super) struct Section<'a> {
    /// `sh_name`, looked up.
    pub(super) name: &'a [u8],
    /// `sh_type`.
    pub(super) kind: SectionType,
    /// `sh_flags`.
    pub(super) flags: SectionFlags,
    /// The range of its bytes in the file; empty for sections that have none there.
    pub(super) range: Range<u32>,
    /// The bytes themselves.
    pub(super) data: &'a [u8],
    /// `sh_size`.
    pub(super) size: u64,
    /// `sh_link`.
    pub(super) link: u32,
    /// `sh_info`.
    pub(super) info: u32,
    /// `sh_addralign` as a power of two.
    pub(super) align_log2: u8,
    /// `sh_entsize`.
    pub(super) entry_size: u64,
}

impl Section<'_> {
    /// Returns whether all of `flags` are set.
    pub(super) fn has(&self, flags: SectionFlags) -> bool {
        self.flags.0 & flags.0 == flags.0
    }

    /// The name as text.
    pub(super) fn name(&self) -> Cow<'_, str> {
        // Names are ASCII nearly always, which is found out quickly here.
        std::str::from_utf8(self.name).map_or_else(|_| String::from_utf8_lossy(self.name), Cow::Borrowed)
    }
}

impl<'a> File<'a> {
    /// Reads the section headers of an object for a machine.
    pub(super) fn parse<E: FileHeader>(source: &'a Source, machine: &'static Machine) -> Result<Self> {
        let bytes = source.bytes();
        let names_left = Cell::new(bytes.len().saturating_mul(NAMES_PER_FILE));
        let mut file = Self { source, bytes, machine, sections: Vec::new(), names_left };
        file.read_sections::<E>()?;
        Ok(file)
    }

    fn read_sections<E: FileHeader>(&mut self) -> Result<()> {
        let endian = E::Endian::default();
        let Ok((header, _)) = from_bytes::<E>(self.bytes) else {
            return Err(self.malformed("ELF header: the file ends inside it"));
        };
        let start: u64 = header.e_shoff(endian).into();
        if start == 0 {
            return Ok(());
        }
        let headers = usize::try_from(start).ok().and_then(|start| self.bytes.get(start..)).unwrap_or_default();
        let Ok((null, _)) = from_bytes::<E::SectionHeader>(headers) else {
            return Err(self.malformed("ELF header: the section header table lies outside the file"));
        };
        let size = header.e_shentsize(endian);
        if usize::from(size) != size_of::<E::SectionHeader>() {
            return Err(self.malformed(format_args!("ELF header: section headers can't have {size} bytes")));
        }
        // Numbers that do not fit the header's fields are in the null section (gABI, "ELF Header").
        let count = match header.e_shnum(endian) {
            0 => null.sh_size(endian).into(),
            count => count.into(),
        };
        let names = match header.e_shstrndx(endian) {
            elf::SHN_XINDEX => null.sh_link(endian),
            names => names.0.into(),
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let Ok((headers, _)) = slice_from_bytes::<E::SectionHeader>(headers, count) else {
            return Err(self.malformed("ELF header: the section header table reaches beyond the end of the file"));
        };
        let names = match headers.get(names as usize) {
            // Without a table of names, all names are the empty one.
            Some(_) if names == 0 => &[0],
            Some(header) => {
                let range = self.range::<E>(header);
                range.ok_or_else(|| self.malformed("table of section names: it lies outside the file"))?.1
            }
            None => {
                return Err(self.malformed(format_args!(
                    "ELF header: section {names}, which should have the section names, does not exist"
                )));
            }
        };
        self.sections.reserve_exact(headers.len());
        // Sections don't overlap, so reading them takes time in proportion to the size of the file.
        let mut left = self.bytes.len();
        for (index, header) in headers.iter().enumerate() {
            let section = self.read_section::<E>(index, header, names)?;
            let Some(rest) = left.checked_sub(section.data.len()) else {
                return Err(self.malformed("section headers: sections overlap"));
            };
            left = rest;
            self.sections.push(section);
        }
        Ok(())
    }

    fn read_section<E: FileHeader>(
        &self,
        index: usize,
        header: &E::SectionHeader,
        names: &'a [u8],
    ) -> Result<Section<'a>> {
        let endian = E::Endian::default();
        // Of the null section nothing but the extended numbers is to be looked at.
        let kind = if index == 0 { elf::SHT_NULL } else { header.sh_type(endian) };
        let name = if kind == elf::SHT_NULL { Some(&b""[..]) } else { self.name(names, header.sh_name(endian)) };
        let Some(name) = name else {
            return Err(self.malformed(format_args!("section {index}: it has no valid name")));
        };
        let malformed = |what: &str| {
            let site = self.site().section(String::from_utf8_lossy(name));
            LinkError::Malformed { site, what: what.into() }
        };
        let (range, data) = if kind == elf::SHT_NULL || kind == elf::SHT_NOBITS {
            (0..0, &[][..])
        } else {
            self.range::<E>(header).ok_or_else(|| malformed("section: it reaches beyond the end of the file"))?
        };
        let alignment = header.sh_addralign(endian).into().max(1);
        if !alignment.is_power_of_two() && kind != elf::SHT_NULL {
            return Err(malformed("section: its alignment is not a power of two"));
        }
        Ok(Section {
            name,
            kind,
            flags: header.sh_flags(endian),
            range,
            data,
            size: header.sh_size(endian).into(),
            link: header.sh_link(endian),
            info: header.sh_info(endian),
            // At most 63.
            align_log2: alignment.trailing_zeros() as u8,
            entry_size: header.sh_entsize(endian).into(),
        })
    }

    /// The part of the file that a section header refers to.
    fn range<E: FileHeader>(&self, header: &E::SectionHeader) -> Option<(Range<u32>, &'a [u8])> {
        let endian = E::Endian::default();
        let start = u32::try_from(header.sh_offset(endian).into()).ok()?;
        let end = start.checked_add(u32::try_from(header.sh_size(endian).into()).ok()?)?;
        Some((start..end, self.bytes.get(start as usize..end as usize)?))
    }

    /// The name at `offset` of a string table; `None` if it does not end inside, or names are longer than they can be.
    #[inline]
    pub(super) fn name<'t>(&self, table: &'t [u8], offset: u32) -> Option<&'t [u8]> {
        let name = string(table, offset)?;
        self.names_left.set(self.names_left.get().checked_sub(name.len())?);
        Some(name)
    }

    /// The sections with their numbers.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (u32, &Section<'a>)> {
        // There are fewer than 2^32 bytes, so fewer headers.
        (0u32..).zip(&self.sections)
    }

    /// The section of that number.
    pub(super) fn section(&self, index: u32) -> Option<&Section<'a>> {
        self.sections.get(index as usize)
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

    /// A section that uses something that linkjit does not know.
    #[cold]
    pub(super) fn unsupported_section(&self, section: &Section<'_>, what: impl Display) -> LinkError {
        LinkError::Unsupported { site: self.site().section(section.name()), what: what.to_string() }
    }
}
