//! Objects built by hand, for what no assembler makes.

/// Types and flags of sections (gABI, "Sections").
pub(crate) const PROGBITS: u32 = 1;
pub(crate) const SYMTAB: u32 = 2;
pub(crate) const STRTAB: u32 = 3;
pub(crate) const RELA: u32 = 4;
pub(crate) const NOBITS: u32 = 8;
pub(crate) const REL: u32 = 9;
pub(crate) const GROUP: u32 = 17;
pub(crate) const CREL: u32 = 0x4000_0014;
pub(crate) const WRITE: u64 = 1;
pub(crate) const ALLOC: u64 = 2;

/// A section to be written.
#[derive(Clone, Default)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) data: Vec<u8>,
    /// For sections without data.
    pub(crate) size: u64,
    pub(crate) link: u32,
    pub(crate) info: u32,
    pub(crate) alignment: u64,
    pub(crate) entry_size: u64,
}

/// A symbol to be written.
#[derive(Clone, Copy, Default)]
pub(crate) struct Symbol {
    pub(crate) name: &'static str,
    pub(crate) binding: u8,
    pub(crate) kind: u8,
    pub(crate) section: u16,
    pub(crate) value: u64,
    pub(crate) size: u64,
}

/// Number of the symbol table in what [`object`] makes; the sections of the caller follow those that it adds.
pub(crate) const SYMBOL_TABLE: u32 = 2;
/// Number of the first section of the caller.
pub(crate) const FIRST: u32 = 3;

/// An object of these symbols and sections.
pub(crate) fn object(symbols: &[Symbol], sections: &[Section]) -> Vec<u8> {
    let mut strings = vec![0];
    let mut table = vec![0; 24];
    for symbol in symbols {
        table.extend(offset_of(&mut strings, symbol.name).to_le_bytes());
        table.extend([symbol.binding << 4 | symbol.kind, 0]);
        table.extend(symbol.section.to_le_bytes());
        table.extend(symbol.value.to_le_bytes());
        table.extend(symbol.size.to_le_bytes());
    }
    let locals = symbols.iter().take_while(|symbol| symbol.binding == 0).count() as u32 + 1;
    let table = Section { kind: SYMTAB, data: table, link: 1, info: locals, entry_size: 24, ..Section::default() };
    let mut all = vec![Section::default(), Section { kind: STRTAB, ..Section::default() }, table];
    all.extend_from_slice(sections);
    let names: Vec<u32> = all.iter().map(|section| offset_of(&mut strings, section.name)).collect();
    all[1].data = strings;

    let mut bytes = vec![0; 64];
    let mut headers = Vec::new();
    for (section, name) in all.iter().zip(names) {
        let size = if section.data.is_empty() { section.size } else { section.data.len() as u64 };
        headers.extend(name.to_le_bytes());
        headers.extend(section.kind.to_le_bytes());
        headers.extend(section.flags.to_le_bytes());
        headers.extend(0u64.to_le_bytes());
        headers.extend((bytes.len() as u64).to_le_bytes());
        headers.extend(size.to_le_bytes());
        headers.extend(section.link.to_le_bytes());
        headers.extend(section.info.to_le_bytes());
        headers.extend(section.alignment.to_le_bytes());
        headers.extend(section.entry_size.to_le_bytes());
        bytes.extend_from_slice(&section.data);
    }
    let start = bytes.len() as u64;
    bytes.extend(headers);
    bytes[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\x3e\0");
    bytes[40..48].copy_from_slice(&start.to_le_bytes());
    bytes[58..60].copy_from_slice(&64u16.to_le_bytes());
    bytes[60..62].copy_from_slice(&(all.len() as u16).to_le_bytes());
    bytes[62..64].copy_from_slice(&1u16.to_le_bytes());
    bytes
}

fn offset_of(strings: &mut Vec<u8>, name: &str) -> u32 {
    if name.is_empty() {
        return 0;
    }
    let at = strings.len() as u32;
    strings.extend(name.as_bytes());
    strings.push(0);
    at
}

/// A section of data with these bytes.
pub(crate) fn data(name: &'static str, bytes: &[u8]) -> Section {
    Section { name, kind: PROGBITS, flags: ALLOC | WRITE, data: bytes.to_vec(), ..Section::default() }
}

/// A global symbol at the start of a section; undefined if that is 0.
pub(crate) fn global(name: &'static str, section: u32) -> Symbol {
    Symbol { name, binding: 1, section: section as u16, ..Symbol::default() }
}

/// Relocations with addends for a section: offset, symbol, type, addend.
pub(crate) fn rela(section: u32, entries: &[(u64, u32, u32, i64)]) -> Section {
    let mut data = Vec::new();
    for &(offset, symbol, kind, addend) in entries {
        data.extend(offset.to_le_bytes());
        data.extend(kind.to_le_bytes());
        data.extend(symbol.to_le_bytes());
        data.extend(addend.to_le_bytes());
    }
    let (kind, link) = (RELA, SYMBOL_TABLE);
    Section { name: ".rela", kind, data, link, info: section, entry_size: 24, ..Section::default() }
}

/// Relocations without addends for a section: offset, symbol, type.
pub(crate) fn rel(section: u32, entries: &[(u64, u32, u32)]) -> Section {
    let mut data = Vec::new();
    for &(offset, symbol, kind) in entries {
        data.extend(offset.to_le_bytes());
        data.extend(kind.to_le_bytes());
        data.extend(symbol.to_le_bytes());
    }
    let (kind, link) = (REL, SYMBOL_TABLE);
    Section { name: ".rel", kind, data, link, info: section, entry_size: 16, ..Section::default() }
}

/// Compact relocations for a section.
pub(crate) fn crel(section: u32, data: &[u8]) -> Section {
    let data = data.to_vec();
    Section { name: ".crel", kind: CREL, data, link: SYMBOL_TABLE, info: section, entry_size: 1, ..Section::default() }
}
