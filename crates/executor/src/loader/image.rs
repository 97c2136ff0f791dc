//! The bytes of such a shared object: headers, relocations that refer to one symbol, the slots that these fill in,
//! symbols that it exports, and the dynamic section.

use std::ffi::{CStr, CString};

use crate::ExecAddr;
use crate::elf::{
    DT_HASH, DT_NEEDED, DT_NULL, DT_RELA, DT_RELAENT, DT_RELASZ, DT_STRSZ, DT_STRTAB, DT_SYMENT, DT_SYMTAB, SHN_ABS,
    SHN_UNDEF, STB_GLOBAL, STB_LOCAL, STT_GNU_IFUNC, STT_TLS, hash,
};
use crate::elf_header::{HEADER_SIZE, SEGMENT_HEADER_SIZE, header, segment};

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
    /// The symbol is this object's own: a function that is to be called for its address. The loader does so when all
    /// that the object depends on is relocated and nothing is initialized yet.
    pub(crate) indirect: Option<u64>,
    /// A library that it depends on.
    pub(crate) needed: Option<&'a CStr>,
    /// It defines these for the libraries that are loaded with it: names and addresses.
    pub(crate) exports: &'a [(CString, ExecAddr)],
    /// It asks for executable stacks.
    pub(crate) executable_stack: bool,
}

const SYM_SIZE: u64 = 24;
const RELA_SIZE: u64 = 24;
const DYN_SIZE: u64 = 16;

/// Values of `p_flags`.
const READ_WRITE: u32 = 6;
const EXECUTE: u32 = 1;

impl Image<'_> {
    /// Its bytes, and where the slots are in it.
    pub(crate) fn bytes(&self) -> (Vec<u8>, u64) {
        let count = self.relocations.len() as u64;
        let symbols = HEADER_SIZE + 3 * SEGMENT_HEADER_SIZE;
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
            tags.push((DT_NEEDED, strings.len() as u64));
            strings.extend_from_slice(library.to_bytes_with_nul());
        }
        let mut names = Vec::new();
        for (name, _) in self.exports {
            names.push(strings.len() as u64);
            strings.extend_from_slice(name.to_bytes_with_nul());
        }
        let dynamic_size = (tags.len() as u64 + 9) * DYN_SIZE;
        let string_table = dynamic + dynamic_size;
        let size = string_table + strings.len() as u64;
        tags.extend([
            (DT_STRTAB, string_table),
            (DT_STRSZ, strings.len() as u64),
            (DT_SYMTAB, symbols),
            (DT_SYMENT, SYM_SIZE),
            (DT_HASH, hash),
            (DT_RELA, relas),
            (DT_RELASZ, count * RELA_SIZE),
            (DT_RELAENT, RELA_SIZE),
            (DT_NULL, 0),
        ]);

        let mut words = header(3).to_vec();
        words.extend(segment(libc::PT_LOAD, READ_WRITE, 0, size, 4096));
        words.extend(segment(libc::PT_DYNAMIC, READ_WRITE, dynamic, dynamic_size, 8));
        // Without this one the loader would make all stacks executable, too.
        let stack = if self.executable_stack { READ_WRITE | EXECUTE } else { READ_WRITE };
        words.extend(segment(libc::PT_GNU_STACK, stack, 0, 0, 16));
        // The null symbol; then st_name, st_info and st_shndx; st_value, st_size.
        let (info, section) = match self.indirect {
            None => (STB_GLOBAL << 4 | STT_TLS, SHN_UNDEF),
            Some(_) => (STB_LOCAL << 4 | STT_GNU_IFUNC, SHN_ABS),
        };
        words.extend([0, 0, 0, 1 | u64::from(info) << 32 | u64::from(section) << 48, self.indirect.unwrap_or(0), 0]);
        for (name, (_, address)) in names.into_iter().zip(self.exports) {
            words.extend([name | u64::from(STB_GLOBAL << 4) << 32 | u64::from(SHN_ABS) << 48, address.0, 0]);
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
