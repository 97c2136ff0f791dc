//! The bytes of such a shared object: headers, relocations that refer to one symbol, the slots that these fill in, symbols
//! that it exports, and the dynamic section.

use std::ffi::{CStr, CString};

use crate::ExecAddr;

/// A relocation that has the loader fill in a slot (System V ABI, AMD64 supplement, "Relocation Types").
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(crate) enum Relocation {
    /// `R_X86_64_64`: the symbol's address.
    Address = 1,
    /// `R_X86_64_DTPMOD64`: the module that has a thread-local variable.
    Module = 16,
    /// `R_X86_64_DTPOFF64`: where the variable is in the module's storage.
    ModuleOffset = 17,
    /// `R_X86_64_TPOFF64`: where it is from the thread pointer.
    ThreadOffset = 18,
}

/// A shared object.
#[derive(Debug, Default)]
pub(crate) struct Image<'a> {
    /// The symbol that the relocations refer to.
    pub(crate) symbol: &'a CStr,
    /// One for each slot.
    pub(crate) relocations: &'a [Relocation],
    /// The symbol is this object's own: a function that is to be called for its address. The loader does so when all that
    /// the object depends on is relocated and nothing is initialized yet.
    pub(crate) indirect: Option<u64>,
    /// A library that it depends on.
    pub(crate) needed: Option<&'a CStr>,
    /// What it defines for the libraries that are loaded with it: names, and where they are.
    pub(crate) exports: &'a [(CString, ExecAddr)],
    /// It asks for executable stacks.
    pub(crate) executable_stack: bool,
}

const EHDR_SIZE: u64 = 64;
const PHDR_SIZE: u64 = 56;
const SYM_SIZE: u64 = 24;
const RELA_SIZE: u64 = 24;
const DYN_SIZE: u64 = 16;

const STB_LOCAL: u64 = 0;
const STB_GLOBAL: u64 = 1;
const STT_TLS: u64 = 6;
const STT_GNU_IFUNC: u64 = 10;
const SHN_UNDEF: u64 = 0;
const SHN_ABS: u64 = 0xfff1;

/// Values of `p_flags`.
const READ_WRITE: u64 = 6;
const EXECUTE: u64 = 1;

impl Image<'_> {
    /// Its bytes, and where the slots are in it.
    pub(crate) fn bytes(&self) -> (Vec<u8>, u64) {
        let count = self.relocations.len() as u64;
        let symbols = EHDR_SIZE + 3 * PHDR_SIZE;
        let symbol_count = 2 + self.exports.len() as u64;
        let hash = symbols + symbol_count * SYM_SIZE;
        let hash_words = self.hash_table();
        let relas = hash + hash_words.len() as u64 * 8;
        let slots = relas + count * RELA_SIZE;
        let dynamic = slots + count * 8;

        let mut strings = vec![0];
        strings.extend_from_slice(self.symbol.to_bytes_with_nul());
        let mut tags = Vec::new();
        if let Some(library) = self.needed {
            tags.push((tag::NEEDED, strings.len() as u64));
            strings.extend_from_slice(library.to_bytes_with_nul());
        }
        let names: Vec<u64> = self
            .exports
            .iter()
            .map(|(name, _)| {
                let at = strings.len() as u64;
                strings.extend_from_slice(name.to_bytes_with_nul());
                at
            })
            .collect();
        let dynamic_size = (tags.len() as u64 + 9) * DYN_SIZE;
        let string_table = dynamic + dynamic_size;
        let size = string_table + strings.len() as u64;
        tags.extend([
            (tag::STRTAB, string_table),
            (tag::STRSZ, strings.len() as u64),
            (tag::SYMTAB, symbols),
            (tag::SYMENT, SYM_SIZE),
            (tag::HASH, hash),
            (tag::RELA, relas),
            (tag::RELASZ, count * RELA_SIZE),
            (tag::RELAENT, RELA_SIZE),
            (tag::NULL, 0),
        ]);

        let mut words = vec![
            u64::from_le_bytes(*b"\x7fELF\x02\x01\x01\0"),
            0,
            // ET_DYN, EM_X86_64, EV_CURRENT; entry, e_phoff, e_shoff; e_flags, e_ehsize, e_phentsize; e_phnum.
            3 | 62 << 16 | 1 << 32,
            0,
            EHDR_SIZE,
            0,
            EHDR_SIZE << 32 | PHDR_SIZE << 48,
            3,
        ];
        // p_type and p_flags, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align.
        words.extend([u64::from(libc::PT_LOAD) | READ_WRITE << 32, 0, 0, 0, size, size, 4096]);
        let (start, length) = (dynamic, dynamic_size);
        words.extend([u64::from(libc::PT_DYNAMIC) | READ_WRITE << 32, start, start, start, length, length, 8]);
        // Without this one the loader would make all stacks executable, too.
        let stack = if self.executable_stack { READ_WRITE | EXECUTE } else { READ_WRITE };
        words.extend([u64::from(libc::PT_GNU_STACK) | stack << 32, 0, 0, 0, 0, 0, 16]);
        // The null symbol; then st_name, st_info and st_shndx; st_value, st_size.
        let (info, section) = match self.indirect {
            None => (STB_GLOBAL << 4 | STT_TLS, SHN_UNDEF),
            Some(_) => (STB_LOCAL << 4 | STT_GNU_IFUNC, SHN_ABS),
        };
        words.extend([0, 0, 0, 1 | info << 32 | section << 48, self.indirect.unwrap_or(0), 0]);
        for (name, (_, address)) in names.into_iter().zip(self.exports) {
            words.extend([name | (STB_GLOBAL << 4) << 32 | SHN_ABS << 48, address.0, 0]);
        }
        words.extend(hash_words);
        for (slot, &relocation) in (0..).zip(self.relocations) {
            words.extend([slots + slot * 8, 1 << 32 | relocation as u64, 0]);
        }
        words.extend(self.relocations.iter().map(|_| 0));
        words.extend(tags.into_iter().flat_map(|(tag, value)| [tag, value]));
        let mut image: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
        image.extend(strings);
        (image, slots)
    }
}

impl Image<'_> {
    /// The table by which the loader finds what the object exports (gABI, "Hash Table"): pairs of its words.
    fn hash_table(&self) -> Vec<u64> {
        let count = self.exports.len() as u32;
        let buckets = count.max(1);
        let mut table = vec![0; (2 + buckets + 2 + count) as usize];
        table[..2].copy_from_slice(&[buckets, 2 + count]);
        let (heads, chains) = table[2..].split_at_mut(buckets as usize);
        for (symbol, (name, _)) in (2..).zip(self.exports) {
            let head = &mut heads[(hash(name.to_bytes()) % buckets) as usize];
            chains[symbol as usize] = std::mem::replace(head, symbol);
        }
        table.resize(table.len().next_multiple_of(2), 0);
        let pairs = table.as_chunks::<2>().0.iter();
        pairs.map(|&[low, high]| u64::from(low) | u64::from(high) << 32).collect()
    }
}

/// The hash of a name (gABI, "Hash Table").
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0u32, |hash, &byte| {
        let hash = (hash << 4).wrapping_add(u32::from(byte));
        let high = hash & 0xf000_0000;
        (hash ^ (high >> 24)) & !high
    })
}

/// Tags of the dynamic section.
mod tag {
    pub(super) const NULL: u64 = 0;
    pub(super) const NEEDED: u64 = 1;
    pub(super) const HASH: u64 = 4;
    pub(super) const STRTAB: u64 = 5;
    pub(super) const SYMTAB: u64 = 6;
    pub(super) const RELA: u64 = 7;
    pub(super) const RELASZ: u64 = 8;
    pub(super) const RELAENT: u64 = 9;
    pub(super) const STRSZ: u64 = 10;
    pub(super) const SYMENT: u64 = 11;
}
