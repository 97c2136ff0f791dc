//! The ELF header and the section headers: what the file is, and where everything in it lies.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::Display;
use std::ops::Range;

use object::elf;
use object::elf::{SectionFlags, SectionType};

use crate::error::{LinkError, Result, Site};
use crate::object::fields::string;
pub(super) use crate::object::fields::{field, u16_at, u32_at, u64_at};
use crate::source::Source;

/// Size of the `Elf64_Ehdr` structure.
const FILE_HEADER_SIZE: usize = 64;
/// Size of the `Elf64_Shdr` structure.
const SECTION_HEADER_SIZE: usize = 64;
/// All names together are at most so many times longer than the file. They share bytes if one is another's tail, or
/// symbols have one name; but each has a header or a symbol of its own, so without malice they don't get far.
const NAMES_PER_FILE: usize = 16;

/// An object whose section headers are known to be sound.
pub(super) struct File<'a> {
    /// Where it came from.
    pub(super) source: &'a Source,
    /// Its bytes: fewer than 2^32.
    pub(super) bytes: &'a [u8],
    /// All sections, the null section included.
    pub(super) sections: Vec<Section<'a>>,
    /// How many bytes of names may still be looked up: many could share one of megabytes.
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
    /// Where its bytes are in the file; empty for sections that have none there.
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
    /// Whether all of `flags` are set.
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
    /// Checks that `source` is an object that can be linked here, and reads its section headers.
    pub(super) fn parse(source: &'a Source) -> Result<Self> {
        let bytes = source.bytes();
        let names_left = Cell::new(bytes.len().saturating_mul(NAMES_PER_FILE));
        let mut file = Self { source, bytes, sections: Vec::new(), names_left };
        if u32::try_from(bytes.len()).is_err() {
            return Err(LinkError::TooLarge { site: file.site(), what: "the file, with 4 GiB or more,".into() });
        }
        let Some(header) = bytes.first_chunk() else {
            return Err(file.malformed("ELF header: the file ends inside it"));
        };
        if let Some(what) = why_not_linkable(header) {
            return Err(LinkError::NotLinkable { site: file.site(), what });
        }
        file.read_sections(header)?;
        Ok(file)
    }

    fn read_sections(&mut self, header: &[u8; FILE_HEADER_SIZE]) -> Result<()> {
        let offset = u64_at(header, 40);
        let (entry_size, count, names) = (u16_at(header, 58), u16_at(header, 60), u16_at(header, 62));
        if offset == 0 {
            return Ok(());
        }
        let headers = usize::try_from(offset).ok().and_then(|offset| self.bytes.get(offset..));
        let Some((headers, null)) = headers.and_then(|headers| {
            let (headers, _) = headers.as_chunks::<SECTION_HEADER_SIZE>();
            Some((headers, headers.first()?))
        }) else {
            return Err(self.malformed("ELF header: the section header table lies outside the file"));
        };
        if usize::from(entry_size) != SECTION_HEADER_SIZE {
            return Err(self.malformed(format_args!("ELF header: section headers of {entry_size} bytes")));
        }
        // Numbers that do not fit the header's fields are in the null section (gABI, "ELF Header").
        let count = if count == 0 { u64_at(null, 32) } else { u64::from(count) };
        let names = if names == elf::SHN_XINDEX.0 { u32_at(null, 40) } else { u32::from(names) };
        let Some(headers) = usize::try_from(count).ok().and_then(|count| headers.get(..count)) else {
            return Err(self.malformed("ELF header: the section header table reaches beyond the end of the file"));
        };
        let names = match headers.get(names as usize) {
            // Without a table of names, all names are the empty one.
            Some(_) if names == 0 => &[0],
            Some(header) => self.range(header).ok_or_else(|| self.malformed("table of section names"))?.1,
            None => return Err(self.malformed(format_args!("ELF header: section {names} of names does not exist"))),
        };
        self.sections.reserve_exact(headers.len());
        // Sections don't overlap, so reading them takes time in proportion to the size of the file.
        let mut left = self.bytes.len();
        for (index, header) in headers.iter().enumerate() {
            let section = self.read_section(index, header, names)?;
            let Some(rest) = left.checked_sub(section.data.len()) else {
                return Err(self.malformed("section headers: sections overlap"));
            };
            left = rest;
            self.sections.push(section);
        }
        Ok(())
    }

    fn read_section(&self, index: usize, header: &[u8; SECTION_HEADER_SIZE], names: &'a [u8]) -> Result<Section<'a>> {
        // Of the null section nothing but the extended numbers is to be looked at.
        let kind = if index == 0 { elf::SHT_NULL } else { SectionType(u32_at(header, 4)) };
        let Some(name) = (if kind == elf::SHT_NULL { Some(&b""[..]) } else { self.name(names, u32_at(header, 0)) })
        else {
            return Err(self.malformed(format_args!("name of section {index}")));
        };
        let malformed = |what: &str| {
            let site = self.site().section(String::from_utf8_lossy(name));
            LinkError::Malformed { site, what: what.into() }
        };
        let (range, data) = if kind == elf::SHT_NULL || kind == elf::SHT_NOBITS {
            (0..0, &[][..])
        } else {
            self.range(header).ok_or_else(|| malformed("section: it reaches beyond the end of the file"))?
        };
        let alignment = u64_at(header, 48).max(1);
        if !alignment.is_power_of_two() && kind != elf::SHT_NULL {
            return Err(malformed("section: its alignment is not a power of two"));
        }
        Ok(Section {
            name,
            kind,
            flags: SectionFlags(u64_at(header, 8)),
            range,
            data,
            size: u64_at(header, 32),
            link: u32_at(header, 40),
            info: u32_at(header, 44),
            // At most 63.
            align_log2: alignment.trailing_zeros() as u8,
            entry_size: u64_at(header, 56),
        })
    }

    /// The part of the file that a section header refers to.
    fn range(&self, header: &[u8; SECTION_HEADER_SIZE]) -> Option<(Range<u32>, &'a [u8])> {
        let start = u32::try_from(u64_at(header, 24)).ok()?;
        let end = start.checked_add(u32::try_from(u64_at(header, 32)).ok()?)?;
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

/// What a file is if it is no relocatable object for x86-64.
fn why_not_linkable(header: &[u8; FILE_HEADER_SIZE]) -> Option<String> {
    let [_, _, _, _, class, data, ..] = *header;
    let big_endian = data == elf::ELFDATA2MSB.0;
    let half = |at| if big_endian { u16::from_be_bytes(field(header, at)) } else { u16_at(header, at) };
    let (kind, machine) = (half(16), half(18));
    let machine_name = machine_name(machine).map_or_else(|| format!("machine {machine}"), str::to_string);
    if class != elf::ELFCLASS64.0 && machine == elf::EM_X86_64.0 {
        Some("an object for the x32 ABI, not for x86-64 with 64-bit addresses".into())
    } else if class != elf::ELFCLASS64.0 {
        Some(format!("an object for a 32-bit target ({machine_name}), not for x86-64"))
    } else if big_endian {
        Some(format!("a big-endian object ({machine_name}), not for x86-64"))
    } else if machine != elf::EM_X86_64.0 {
        Some(format!("an object for {machine_name}, not for x86-64"))
    } else {
        match elf::FileType(kind) {
            elf::ET_REL => None,
            elf::ET_DYN => {
                Some("a shared object: give it as a library (-l NAME or add_library), not as an object".into())
            }
            elf::ET_EXEC => Some("an executable, not an object: link the objects that it was made of".into()),
            elf::ET_CORE => Some("a core dump, not an object".into()),
            _ => Some(format!("an ELF file of type {kind}, not an object")),
        }
    }
}

/// What people call the machines that are met most.
fn machine_name(machine: u16) -> Option<&'static str> {
    Some(match elf::Machine(machine) {
        elf::EM_386 => "i386",
        elf::EM_68K => "m68k",
        elf::EM_AARCH64 => "AArch64",
        elf::EM_AMDGPU => "AMDGPU",
        elf::EM_ARM => "ARM",
        elf::EM_AVR => "AVR",
        elf::EM_BPF => "BPF",
        elf::EM_CUDA => "CUDA",
        elf::EM_HEXAGON => "Hexagon",
        elf::EM_LOONGARCH => "LoongArch",
        elf::EM_MIPS => "MIPS",
        elf::EM_MSP430 => "MSP430",
        elf::EM_PPC => "PowerPC",
        elf::EM_PPC64 => "PowerPC 64",
        elf::EM_RISCV => "RISC-V",
        elf::EM_S390 => "S/390",
        elf::EM_SPARC => "SPARC",
        elf::EM_SPARCV9 => "SPARC V9",
        elf::EM_X86_64 => "x86-64",
        elf::EM_XTENSA => "Xtensa",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_is_too_short_to_be_refused() {
        for len in 0..64 {
            let source = Source::new("short.o", vec![0x7f; len]);
            let error = File::parse(&source).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), Some("short.o: malformed ELF header: the file ends inside it"));
        }
    }
}
