//! The structures of ELF files, as types for both classes and byte orders: readers are compiled for each that we
//! support.
//!
//! Their peculiarity: the two classes order the members of symbols and program headers differently.

use std::marker::PhantomData;

use object::elf::{SectionFlags, SectionType, SymbolBind, SymbolSection, SymbolType, SymbolVisibility};

use super::relocations::Relocation;
use crate::endian::Endian;
use crate::object::fields::field;

/// A class and a byte order.
pub(super) trait Encoding {
    /// The byte order.
    type Order: Endian;
    /// Whether addresses have 64 bits (`ELFCLASS64`).
    const IS_64: bool;
    /// The bytes of an `Elf64_Sym` or `Elf32_Sym`: where lengths are known, fields need no checks.
    type Symbol: AsRef<[u8]>;
    /// The same of an `Elf64_Rela` or `Elf32_Rela`.
    type Rela: AsRef<[u8]>;

    const FILE_HEADER_SIZE: usize = if Self::IS_64 { 64 } else { 52 };
    const SECTION_HEADER_SIZE: usize = if Self::IS_64 { 64 } else { 40 };
    const SYMBOL_SIZE: usize = size_of::<Self::Symbol>();
    const RELA_SIZE: usize = size_of::<Self::Rela>();
    const REL_SIZE: usize = if Self::IS_64 { 16 } else { 8 };

    /// The symbols of a table, of whole ones.
    fn symbols(data: &[u8]) -> &[Self::Symbol];

    /// The relocations of a section, of whole ones.
    fn relas(data: &[u8]) -> &[Self::Rela];

    /// The number of `N` bytes at a place of a structure that is long enough.
    #[inline]
    fn number<const N: usize>(raw: &[u8], at: usize) -> u64 {
        Self::Order::get::<N>(field(raw, at))
    }

    #[inline]
    fn u16(raw: &[u8], at: usize) -> u16 {
        Self::number::<2>(raw, at) as u16
    }

    #[inline]
    fn u32(raw: &[u8], at: usize) -> u32 {
        Self::number::<4>(raw, at) as u32
    }

    /// A number as wide as addresses, at a place in 64-bit files and at one in 32-bit files.
    #[inline]
    fn word(raw: &[u8], wide: usize, narrow: usize) -> u64 {
        if Self::IS_64 { Self::number::<8>(raw, wide) } else { Self::number::<4>(raw, narrow) }
    }

    /// Reads an `Elf64_Ehdr` or `Elf32_Ehdr`.
    fn file_header(raw: &[u8]) -> FileHeader {
        let sizes = if Self::IS_64 { 58 } else { 46 };
        FileHeader {
            sections: Self::word(raw, 40, 32),
            section_header_size: Self::u16(raw, sizes),
            section_count: Self::u16(raw, sizes + 2),
            section_names: Self::u16(raw, sizes + 4),
        }
    }

    /// Reads an `Elf64_Shdr` or `Elf32_Shdr`.
    #[inline]
    fn section_header(raw: &[u8]) -> SectionHeader {
        let link = if Self::IS_64 { 40 } else { 24 };
        SectionHeader {
            name: Self::u32(raw, 0),
            kind: SectionType(Self::u32(raw, 4)),
            flags: SectionFlags(Self::word(raw, 8, 8)),
            offset: Self::word(raw, 24, 16),
            size: Self::word(raw, 32, 20),
            link: Self::u32(raw, link),
            info: Self::u32(raw, link + 4),
            alignment: Self::word(raw, 48, 32),
            entry_size: Self::word(raw, 56, 36),
        }
    }

    /// Reads an `Elf64_Sym` or `Elf32_Sym`.
    #[inline]
    fn symbol(raw: &[u8]) -> Entry {
        let info_at = if Self::IS_64 { 4 } else { 12 };
        let [info, other] = field(raw, info_at);
        Entry {
            name: Self::u32(raw, 0),
            kind: SymbolType(info & 0xf),
            binding: SymbolBind(info >> 4),
            visibility: SymbolVisibility(other & 3),
            section: SymbolSection(Self::u16(raw, info_at + 2)),
            value: Self::word(raw, 8, 4),
            size: Self::word(raw, 16, 8),
        }
    }

    /// Reads an `Elf64_Rel` or `Elf32_Rel`.
    #[inline]
    fn rel(raw: &[u8]) -> Relocation {
        let info = Self::word(raw, 8, 4);
        let (symbol, kind) = if Self::IS_64 { (info >> 32, info) } else { (info >> 8, info & 0xff) };
        Relocation { offset: Self::word(raw, 0, 0), symbol: symbol as u32, kind: kind as u32, addend: None }
    }

    /// Reads an `Elf64_Rela` or `Elf32_Rela`.
    #[inline]
    fn rela(raw: &[u8]) -> Relocation {
        let addend = Self::word(raw, 16, 8);
        let addend = if Self::IS_64 { addend.cast_signed() } else { i64::from((addend as u32).cast_signed()) };
        Relocation { addend: Some(addend), ..Self::rel(raw) }
    }
}

/// Files with 64-bit addresses.
pub(super) struct Elf64<E>(PhantomData<E>);

impl<E: Endian> Encoding for Elf64<E> {
    type Order = E;
    const IS_64: bool = true;
    type Symbol = [u8; 24];
    type Rela = [u8; 24];

    fn symbols(data: &[u8]) -> &[Self::Symbol] {
        data.as_chunks().0
    }

    fn relas(data: &[u8]) -> &[Self::Rela] {
        data.as_chunks().0
    }
}

/// What the file header says about the section headers.
#[derive(Debug)]
pub(super) struct FileHeader {
    /// `e_shoff`.
    pub(super) sections: u64,
    /// `e_shentsize`.
    pub(super) section_header_size: u16,
    /// `e_shnum`.
    pub(super) section_count: u16,
    /// `e_shstrndx`.
    pub(super) section_names: u16,
}

/// A section header as it is in the file, but for the address.
#[derive(PartialEq, Debug)]
pub(super) struct SectionHeader {
    pub(super) name: u32,
    pub(super) kind: SectionType,
    pub(super) flags: SectionFlags,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) link: u32,
    pub(super) info: u32,
    pub(super) alignment: u64,
    pub(super) entry_size: u64,
}

/// A symbol as it is in the file.
#[derive(PartialEq, Debug)]
pub(super) struct Entry {
    pub(super) name: u32,
    pub(super) kind: SymbolType,
    pub(super) binding: SymbolBind,
    pub(super) visibility: SymbolVisibility,
    pub(super) section: SymbolSection,
    pub(super) value: u64,
    pub(super) size: u64,
}

#[cfg(test)]
mod tests {
    use object::elf;

    use super::*;
    use crate::endian::{Big, Little};

    struct Elf32<E>(PhantomData<E>);

    impl<E: Endian> Encoding for Elf32<E> {
        type Order = E;
        const IS_64: bool = false;
        type Symbol = [u8; 16];
        type Rela = [u8; 12];

        fn symbols(data: &[u8]) -> &[Self::Symbol] {
            data.as_chunks().0
        }

        fn relas(data: &[u8]) -> &[Self::Rela] {
            data.as_chunks().0
        }
    }

    /// A structure of numbers with these widths.
    fn structure<E: Endian>(members: &[(usize, u64)]) -> Vec<u8> {
        let member = |&(width, value): &(usize, u64)| match width {
            1 => E::put::<1>(value).to_vec(),
            2 => E::put::<2>(value).to_vec(),
            4 => E::put::<4>(value).to_vec(),
            _ => E::put::<8>(value).to_vec(),
        };
        members.iter().flat_map(member).collect()
    }

    fn check<E: Endian>() {
        let section = SectionHeader {
            name: 1,
            kind: elf::SHT_RELA,
            flags: SectionFlags(3),
            offset: 5,
            size: 6,
            link: 7,
            info: 8,
            alignment: 9,
            entry_size: 10,
        };
        let header =
            |word| [(4, 1), (4, 4), (word, 3), (word, 4), (word, 5), (word, 6), (4, 7), (4, 8), (word, 9), (word, 10)];
        let (wide, narrow) = (structure::<E>(&header(8)), structure::<E>(&header(4)));
        assert_eq!((wide.len(), narrow.len()), (Elf64::<E>::SECTION_HEADER_SIZE, Elf32::<E>::SECTION_HEADER_SIZE));
        assert_eq!(Elf64::<E>::section_header(&wide), section);
        assert_eq!(Elf32::<E>::section_header(&narrow), section);

        let symbol = Entry {
            name: 1,
            kind: elf::STT_FUNC,
            binding: elf::STB_WEAK,
            visibility: elf::STV_HIDDEN,
            section: SymbolSection(0x102),
            value: 0x304,
            size: 0x506,
        };
        let wide = structure::<E>(&[(4, 1), (1, 0x22), (1, 2), (2, 0x102), (8, 0x304), (8, 0x506)]);
        let narrow = structure::<E>(&[(4, 1), (4, 0x304), (4, 0x506), (1, 0x22), (1, 2), (2, 0x102)]);
        assert_eq!((wide.len(), narrow.len()), (Elf64::<E>::SYMBOL_SIZE, Elf32::<E>::SYMBOL_SIZE));
        assert_eq!(Elf64::<E>::symbol(&wide), symbol);
        assert_eq!(Elf32::<E>::symbol(&narrow), symbol);

        let wide = structure::<E>(&[(8, 0x1234), (8, 0x77 << 32 | 0x203), (8, (-5i64).cast_unsigned())]);
        let narrow = structure::<E>(&[(4, 0x1234), (4, 0x77 << 8 | 0x3), (4, (-5i64).cast_unsigned())]);
        assert_eq!((wide.len(), narrow.len()), (Elf64::<E>::RELA_SIZE, Elf32::<E>::RELA_SIZE));
        for (found, kind) in [(Elf64::<E>::rela(&wide), 0x203), (Elf32::<E>::rela(&narrow), 3)] {
            assert_eq!((found.offset, found.symbol, found.kind, found.addend), (0x1234, 0x77, kind, Some(-5)));
        }
    }

    #[test]
    fn structures_mean_the_same_in_all_encodings() {
        check::<Little>();
        check::<Big>();
    }
}
