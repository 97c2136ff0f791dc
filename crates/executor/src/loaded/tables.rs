//! The symbol and hash tables of a loaded object.
//!
//! This relies on: System V ABI, "Hash Table" and "Symbol Table"; Linux Standard Base, "Symbol Versioning"; "GNU hash
//! ELF sections" (binutils and glibc); glibc's `do_lookup_x` and `check_match` for which of several versions `dlsym`
//! takes.

use std::ffi::CStr;

use libc::Elf64_Sym;

use super::exports;
use super::objects::{Dynamic, Object};
use crate::ExecAddr;
use crate::elf::{
    self, DT_AUXILIARY, DT_FILTER, DT_NEEDED, DT_SONAME, SHN_ABS, SHN_UNDEF, STB_GLOBAL, STB_GNU_UNIQUE, STB_WEAK,
    STT_COMMON, STT_GNU_IFUNC, STT_TLS, STV_DEFAULT, STV_PROTECTED,
};

/// A version that only those get who ask for it.
const HIDDEN_VERSION: u16 = 0x8000;
/// Versions from here on have names.
const FIRST_VERSION: u16 = 2;

/// The hashes of a name, for either kind of table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashes {
    gnu: u32,
    sysv: u32,
}

impl Hashes {
    pub(super) fn new(name: &[u8]) -> Self {
        Self { gnu: exports::hash(name), sysv: elf::hash(name) }
    }
}

/// The symbol that an object has of a name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Search {
    Absent,
    Found(Elf64_Sym),
    /// The loader does more than looking into the tables, or these are of a kind that we don't know.
    Unclear,
}

/// The tables of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables<'a> {
    object: Object<'a>,
    dynamic: Dynamic,
}

impl<'a> Tables<'a> {
    pub(super) fn new(object: Object<'a>) -> Self {
        Self { dynamic: object.dynamic(), object }
    }

    pub(super) fn base(&self) -> u64 {
        self.object.base()
    }

    pub(super) fn contains(&self, address: ExecAddr) -> bool {
        self.object.contains(address)
    }

    /// The names of what it needs, in order.
    pub(super) fn needed(&self) -> impl Iterator<Item = &CStr> {
        let entries = self.object.dynamic_entries().iter();
        entries.filter(|[tag, _]| *tag == DT_NEEDED).filter_map(|&[_, name]| self.string(name))
    }

    /// Says whether it is what others mean by a name.
    pub(super) fn has_name(&self, name: &CStr) -> bool {
        let entries = self.object.dynamic_entries();
        let own = entries.iter().find(|[tag, _]| *tag == DT_SONAME).and_then(|&[_, own]| self.string(own));
        own == Some(name) || self.object.name() == name || own.is_none() && self.object.file_name() == name.to_bytes()
    }

    /// Says whether another object is searched in its place, or besides.
    pub(super) fn is_filter(&self) -> bool {
        self.object.dynamic_entries().iter().any(|[tag, _]| matches!(*tag, DT_AUXILIARY | DT_FILTER))
    }

    fn string(&self, offset: u64) -> Option<&'a CStr> {
        self.object.string(self.dynamic.strings.checked_add(offset)?)
    }

    fn symbol(&self, index: u32) -> Option<Elf64_Sym> {
        let address = self.dynamic.symbols.checked_add(u64::from(index) * size_of::<Elf64_Sym>() as u64)?;
        self.object.table(address, 1)?.first().copied()
    }

    /// The version of a symbol; `None` if the object knows no versions.
    fn version(&self, index: u32) -> Option<u16> {
        let table = Some(self.dynamic.versions).filter(|table| *table != 0)?;
        self.object.table(table.checked_add(u64::from(index) * 2)?, 1)?.first().copied()
    }

    /// Returns what the object has of a name that is asked for without a version.
    pub(super) fn search(&self, name: &[u8], hashes: Hashes) -> Search {
        let mut chosen = Chosen::default();
        if let Some(table) = exports::Table::new(&self.object, self.dynamic.gnu_hash) {
            if !table.may_have(hashes.gnu) {
                return Search::Absent;
            }
            let Some(indices) = table.indices(hashes.gnu) else { return Search::Unclear };
            for index in indices {
                if self.offer(&mut chosen, name, index) {
                    break;
                }
            }
            return chosen.result();
        }
        if self.dynamic.hash == 0 {
            return if self.dynamic.gnu_hash == 0 { Search::Absent } else { Search::Unclear };
        }
        let Some((buckets, chains)) = self.old_table() else { return Search::Unclear };
        let bucket = buckets.get(hashes.sysv as usize % buckets.len().max(1)).copied();
        let mut next = bucket.unwrap_or(0);
        // A chain is no longer than the table.
        for _ in 0..chains.len() {
            if next == 0 || self.offer(&mut chosen, name, next) {
                break;
            }
            next = chains.get(next as usize).copied().unwrap_or(0);
        }
        chosen.result()
    }

    /// Buckets and chains of the table that all systems know; there is a chain for each symbol.
    fn old_table(&self) -> Option<(&[u32], &[u32])> {
        let table = self.dynamic.hash;
        let &[bucket_count, chain_count] = self.object.table::<u32>(table, 2)? else { return None };
        let buckets = table.checked_add(8)?;
        let chains = buckets.checked_add(u64::from(bucket_count) * 4)?;
        Some((self.object.table(buckets, bucket_count.into())?, self.object.table(chains, chain_count.into())?))
    }

    /// Considers a symbol with the right hash. Returns whether it is the one.
    fn offer(&self, chosen: &mut Chosen, name: &[u8], index: u32) -> bool {
        let Some(symbol) = self.symbol(index) else { return false };
        let kind = symbol.st_info & 0xf;
        let is_value = symbol.st_value != 0 || symbol.st_shndx == SHN_ABS || kind == STT_TLS;
        let is_kind = matches!(kind, 0..=2 | STT_COMMON | STT_TLS | STT_GNU_IFUNC);
        let is_global = matches!(symbol.st_info >> 4, STB_GLOBAL | STB_WEAK | STB_GNU_UNIQUE);
        let is_visible = matches!(symbol.st_other & 3, STV_DEFAULT | STV_PROTECTED);
        if !is_value || !is_kind || !is_global || !is_visible {
            return false;
        }
        if self.string(symbol.st_name.into()).is_none_or(|text| text.to_bytes() != name) {
            return false;
        }
        match self.version(index) {
            Some(version) if version & !HIDDEN_VERSION >= FIRST_VERSION => {
                if version & HIDDEN_VERSION == 0 {
                    chosen.versions += 1;
                    chosen.versioned.get_or_insert(symbol);
                }
                false
            }
            _ => {
                chosen.plain = Some(symbol);
                true
            }
        }
    }

    /// The address of a symbol, as others get it.
    pub(super) fn address(&self, symbol: &Elf64_Sym) -> Option<ExecAddr> {
        let base = if symbol.st_shndx == SHN_ABS { 0 } else { self.base() };
        let address = base.wrapping_add(symbol.st_value);
        match symbol.st_info & 0xf {
            STT_TLS => None,
            STT_GNU_IFUNC if symbol.st_shndx != SHN_UNDEF => {
                if !self.contains(ExecAddr(address)) {
                    return None;
                }
                // SAFETY: a resolver takes nothing (System V ABI, AMD64 supplement: `STT_GNU_IFUNC`).
                let resolver = unsafe { std::mem::transmute::<u64, extern "C" fn() -> u64>(address) };
                Some(ExecAddr(resolver()))
            }
            _ => Some(ExecAddr(address)),
        }
    }

    /// The symbol that begins at an address; one with a size if there is one.
    pub(super) fn symbol_at(&self, address: ExecAddr) -> Option<Elf64_Sym> {
        let gnu = || exports::Table::new(&self.object, self.dynamic.gnu_hash)?.symbol_count();
        let old = self.old_table().and_then(|(_, chains)| u32::try_from(chains.len()).ok());
        let value = address.0.wrapping_sub(self.base());
        let is_there = |symbol: &Elf64_Sym| {
            let (binding, kind) = (symbol.st_info >> 4, symbol.st_info & 0xf);
            let is_global = matches!(binding, STB_GLOBAL | STB_WEAK | STB_GNU_UNIQUE);
            let is_value = kind != STT_TLS && symbol.st_shndx != SHN_ABS && symbol.st_value != 0;
            symbol.st_value == value && is_value && is_global
        };
        let count = old.or_else(gnu)?;
        let mut found = None;
        for symbol in (0..count).map_while(|index| self.symbol(index)).filter(is_there) {
            if symbol.st_size > 0 {
                return Some(symbol);
            }
            found.get_or_insert(symbol);
        }
        found
    }
}

/// Says which of the symbols of a name counts.
#[derive(Default)]
struct Chosen {
    plain: Option<Elf64_Sym>,
    /// The first of a version, and how many there are.
    versioned: Option<Elf64_Sym>,
    versions: u32,
}

impl Chosen {
    fn result(self) -> Search {
        match self.plain.or(self.versioned.filter(|_| self.versions == 1)) {
            None => Search::Absent,
            Some(symbol) if symbol.st_info >> 4 == STB_GNU_UNIQUE => Search::Unclear,
            Some(symbol) => Search::Found(symbol),
        }
    }
}
