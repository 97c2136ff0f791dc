//! The symbol table. Symbol `i` of the file is symbol `i` of the graph.

use linkjit_target::ExecAddr;
use object::elf::SymbolBind;
use object::pod::slice_from_all_bytes;
use object::read::elf::{FileHeader, Sym as _};
use object::{Endian as _, elf};

use super::file::{File, Section};
use super::sections::{Blocks, Placed};
use crate::error::{LinkError, Result};
use crate::graph::{
    Content, Definition, Lifetime, LinkGraph, Linkage, Name, Protection, Scope, SectionId, Symbol, SymbolId,
};
use crate::names::NamePool;
use crate::object::{SLIM_LTO, SLIM_LTO_HINT};

/// The one symbol table of an object, with the tables that belong to it. Without one, it is empty.
pub(super) struct SymbolTable<'a, E: FileHeader> {
    /// Its section's number; 0 if there is none.
    pub(super) section: u32,
    /// The symbols, the null symbol included.
    entries: &'a [E::Sym],
    /// Their names.
    strings: &'a [u8],
    /// The offset of `strings` in the file.
    strings_start: u32,
    /// Section numbers of the symbols with `SHN_XINDEX`.
    extended: &'a [[u8; 4]],
}

impl<'a, E: FileHeader> SymbolTable<'a, E> {
    /// Looks for the symbol table among the sections.
    pub(super) fn find(file: &File<'a>) -> Result<Self> {
        let mut tables = file.numbered().filter(|(_, section)| section.kind == elf::SHT_SYMTAB);
        let Some((number, section)) = tables.next() else {
            return Ok(Self { section: 0, entries: &[], strings: &[], strings_start: 0, extended: &[] });
        };
        if let Some((_, second)) = tables.next() {
            return Err(file.unsupported_section(second, "second symbol table (SHT_SYMTAB)"));
        }
        let entries = slice_from_all_bytes::<E::Sym>(section.data).unwrap_or_default();
        if section.entry_size != size_of::<E::Sym>() as u64 || entries.is_empty() {
            return Err(file.malformed_section(section, "symbol table: its size or the size of its entries is wrong"));
        }
        if section.info as usize > entries.len() {
            return Err(
                file.malformed_section(section, "symbol table: it says that it has more local symbols than symbols")
            );
        }
        let strings = file.section(section.link).filter(|strings| strings.kind == elf::SHT_STRTAB);
        let strings = strings.ok_or_else(|| file.malformed_section(section, "symbol table: it has no string table"))?;
        let is_extension = |other: &&Section<'_>| other.kind == elf::SHT_SYMTAB_SHNDX && other.link == number;
        let extended = file.sections.iter().rfind(is_extension).map_or(&[][..], |section| section.data.as_chunks().0);
        Ok(Self { section: number, entries, strings: strings.data, strings_start: strings.range.start, extended })
    }

    /// Returns the number of symbols.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The name of a symbol; that of its section for one without a name of its own. `None` if there is no such symbol,
    /// or it has neither.
    pub(super) fn name_or_section(&self, file: &File<'a>, index: u32) -> Option<&'a [u8]> {
        let entry = self.entries.get(index as usize)?;
        let name = file.name(self.strings, entry.st_name(E::Endian::default()))?;
        if name.is_empty() && entry.st_type() == elf::STT_SECTION {
            return Some(file.section(self.section_of(index as usize, entry)?)?.name);
        }
        Some(name).filter(|name| !name.is_empty())
    }

    /// The number of the section that a symbol is defined in; `None` if it is in none.
    fn section_of(&self, index: usize, entry: &E::Sym) -> Option<u32> {
        let endian = E::Endian::default();
        match entry.st_shndx(endian) {
            elf::SHN_XINDEX => Some(endian.read_u32(*self.extended.get(index)?)),
            section => Some(u32::from(section.0)).filter(|&section| section < u32::from(elf::SHN_LORESERVE)),
        }
    }
}

/// Adds all symbols to the graph.
pub(super) fn read<E: FileHeader>(
    file: &File<'_>,
    table: &SymbolTable<'_, E>,
    blocks: &Blocks,
    graph: &mut LinkGraph,
    names: &mut NamePool,
) -> Result<Unusual> {
    // Relocations without a symbol have the null symbol: their target is the addend.
    graph.add_symbol(Symbol::absolute(ExecAddr::NULL))?;
    let mut reader = Reader {
        file,
        table,
        blocks,
        graph,
        names,
        unusual: Unusual::default(),
        common: None,
        common_thread_local: None,
        large_common: None,
    };
    for (index, entry) in table.entries.iter().enumerate().skip(1) {
        let symbol = reader.symbol(index, entry)?;
        reader.graph.add_symbol(symbol)?;
    }
    let unusual = reader.unusual;
    // Few objects have versions.
    if memchr::memchr(b'@', table.strings).is_some() {
        name_default_versions(graph, names);
    }
    Ok(unusual)
}

/// `name@@version` is what `name` means, unless the object defines that, too: assemblers keep both. (GNU as manual,
/// ".symver"; other versions, `name@version`, are for those who ask for them.)
fn name_default_versions(graph: &mut LinkGraph, names: &mut NamePool) {
    let mut defined: Vec<_> =
        graph.symbols().iter().filter(|symbol| !symbol.is_external()).map(Symbol::global_name).collect();
    defined.sort_unstable();
    for id in graph.symbol_ids() {
        let symbol = graph.symbol(id);
        let Some(full) = symbol.global_name().filter(|_| !symbol.is_external()) else { continue };
        let bytes = names.bytes(full);
        let Some(at) = memchr::memmem::find(bytes, b"@@") else { continue };
        let base = bytes.get(..at).unwrap_or_default().to_vec();
        let base = names.intern(&base);
        if defined.binary_search(&Some(base)).is_err() {
            graph.symbol_mut(id).name = Name::Interned(base);
        }
    }
}

/// The symbols that few objects have.
#[derive(Debug, Default)]
pub(super) struct Unusual {
    /// Numbers: names for addresses that are known.
    pub(super) absolute: bool,
    /// Local ones that are not defined. Linkers that drop sections of relocatable output leave them (`ld -r --gc-sections`);
    /// nothing may refer to them.
    pub(super) undefined_locals: Vec<SymbolId>,
}

struct Reader<'a, 'f, E: FileHeader> {
    file: &'a File<'f>,
    table: &'a SymbolTable<'f, E>,
    blocks: &'a Blocks,
    graph: &'a mut LinkGraph,
    names: &'a mut NamePool,
    unusual: Unusual,
    /// The section of the blocks that were made for common symbols.
    common: Option<SectionId>,
    /// The same for thread-local ones.
    common_thread_local: Option<SectionId>,
    /// The same for those of the medium and large code models.
    large_common: Option<SectionId>,
}

impl<E: FileHeader> Reader<'_, '_, E> {
    fn symbol(&mut self, index: usize, entry: &E::Sym) -> Result<Symbol> {
        let endian = E::Endian::default();
        let (kind, value) = (entry.st_type(), entry.st_value(endian).into());
        let Some(name) = self.file.name(self.table.strings, entry.st_name(endian)) else {
            return Err(self.file.malformed(format_args!("symbol {index}: its name lies outside the file")));
        };
        if kind == elf::STT_FILE {
            return Ok(Symbol::absolute(ExecAddr::NULL));
        }
        if !matches!(kind.0, 0..=3 | 5 | 6 | 10) {
            return Err(self.unsupported(name, format_args!("symbol type {}", kind.0)));
        }
        let is_variable = kind == elf::STT_TLS;
        let (definition, linkage, thread_local) = match entry.st_shndx(endian) {
            elf::SHN_UNDEF => (Definition::External, Linkage::Strong, is_variable),
            elf::SHN_ABS => {
                self.unusual.absolute = true;
                (Definition::Absolute(ExecAddr(value)), Linkage::Strong, false)
            }
            elf::SHN_COMMON => (self.common(name, entry)?, Linkage::Common, is_variable),
            section if Some(section) == self.file.machine.large_common => {
                (self.common(name, entry)?, Linkage::Common, is_variable)
            }
            section => match self.table.section_of(index, entry) {
                Some(number) => match self.defined(name, entry, number)? {
                    Some(placed) => {
                        let definition = Definition::Defined { block: placed.block, offset: value };
                        (definition, Linkage::Strong, placed.lifetime == Lifetime::ThreadLocal)
                    }
                    None => return Ok(Symbol::absolute(ExecAddr(value))),
                },
                None if section == elf::SHN_XINDEX => {
                    return Err(self.malformed(name, "its section number is missing (SHT_SYMTAB_SHNDX)"));
                }
                None => return Err(self.unsupported(name, format_args!("section index {:#x}", section.0))),
            },
        };
        let external = definition == Definition::External;
        let local = entry.st_bind() == elf::STB_LOCAL;
        if local && external {
            let id = u32::try_from(index).unwrap_or(u32::MAX);
            self.unusual.undefined_locals.push(SymbolId(id));
            return Ok(Symbol::absolute(ExecAddr::NULL));
        }
        if !local && name.is_empty() {
            return Err(self.file.malformed(format_args!("symbol {index}: it is not local, but has no name")));
        }
        let linkage = match entry.st_bind() {
            elf::STB_LOCAL => Linkage::Strong,
            elf::STB_GLOBAL => linkage,
            elf::STB_WEAK | elf::STB_GNU_UNIQUE => Linkage::Weak,
            SymbolBind(other) => return Err(self.unsupported(name, format_args!("symbol binding {other}"))),
        };
        let indirect = kind == elf::STT_GNU_IFUNC;
        Ok(Symbol {
            name: self.name(entry, name, local)?,
            definition,
            size: entry.st_size(endian).into(),
            resolved: ExecAddr::NULL,
            linkage,
            scope: match entry.st_visibility() {
                _ if local => Scope::Local,
                elf::STV_HIDDEN | elf::STV_INTERNAL => Scope::Hidden,
                _ => Scope::Default,
            },
            live: false,
            callable: indirect || kind == elf::STT_FUNC,
            thread_local,
            indirect: indirect && !external,
        })
    }

    /// Returns the block of the section of a symbol; `None` if it is not linked.
    #[inline]
    fn defined(&self, name: &[u8], entry: &E::Sym, index: u32) -> Result<Option<Placed>> {
        let Some(section) = self.file.section(index) else {
            return Err(self.malformed(name, format_args!("its section {index} does not exist")));
        };
        let Some(placed) = self.blocks.placed(index) else { return Ok(None) };
        if entry.st_value(E::Endian::default()).into() > section.size {
            return Err(self.malformed(name, format_args!("it lies beyond the end of section {}", section.name())));
        }
        if entry.st_type() == elf::STT_TLS && placed.lifetime != Lifetime::ThreadLocal {
            return Err(self.malformed(name, format_args!("it is thread-local, but section {} is not", section.name())));
        }
        Ok(Some(placed))
    }

    /// Makes a block for a common symbol, whose value is its alignment.
    fn common(&mut self, name: &[u8], entry: &E::Sym) -> Result<Definition> {
        let endian = E::Endian::default();
        if name == SLIM_LTO {
            return Err(LinkError::NotLinkable { site: self.file.site(), what: SLIM_LTO_HINT.into() });
        }
        let alignment = entry.st_value(endian).into().max(1);
        if !alignment.is_power_of_two() {
            return Err(self.malformed(name, "its alignment is not a power of two"));
        }
        let is_large = !entry.is_common(endian);
        let (section, lifetime) = if entry.st_type() == elf::STT_TLS {
            (&mut self.common_thread_local, Lifetime::ThreadLocal)
        } else if is_large {
            (&mut self.large_common, Lifetime::Standard)
        } else {
            (&mut self.common, Lifetime::Standard)
        };
        let section = match *section {
            Some(section) => section,
            None => {
                let added = *section.insert(self.graph.add_section("COMMON", Protection::ReadWrite, lifetime)?);
                if is_large && lifetime == Lifetime::Standard {
                    self.graph.set_large(added);
                }
                added
            }
        };
        // At most 63.
        let align_log2 = alignment.trailing_zeros() as u8;
        let block = self.graph.add_block(section, Content::Zeros, entry.st_size(endian).into(), align_log2)?;
        Ok(Definition::Defined { block, offset: 0 })
    }

    fn name(&mut self, entry: &E::Sym, name: &[u8], local: bool) -> Result<Name> {
        if !local {
            return Ok(Name::Interned(self.names.intern(name)));
        }
        if name.is_empty() {
            return Ok(Name::None);
        }
        // Both lie in the file, so neither is 2^32 or more.
        let start = self.table.strings_start.checked_add(entry.st_name(E::Endian::default()));
        match (start, u32::try_from(name.len())) {
            (Some(start), Ok(len)) => Ok(Name::Local { start, len }),
            _ => Err(self.malformed(name, "its name lies outside the file")),
        }
    }

    #[cold]
    fn malformed(&self, name: &[u8], what: impl std::fmt::Display) -> LinkError {
        self.file.malformed(format_args!("symbol '{}': {what}", String::from_utf8_lossy(name)))
    }

    #[cold]
    fn unsupported(&self, name: &[u8], what: impl std::fmt::Display) -> LinkError {
        let what = format!("{what} of symbol '{}'", String::from_utf8_lossy(name));
        LinkError::Unsupported { site: self.file.site(), what }
    }
}
