//! The symbol table. The symbol whose record has index `i` in the file is symbol `i` of the graph; auxiliary records
//! are anonymous symbols there.

use linkjit_target::ExecAddr;
use object::pe;
use object::pe::{ComdatSelection, SymbolClass, WeakExternSearch};

use super::comdat::{Comdats, Description};
use super::file::File;
use super::sections::Blocks;
use crate::error::{LinkError, Result};
use crate::graph::{
    Alternate, Content, Definition, Lifetime, LinkGraph, Linkage, Name, Protection, Scope, SectionId, Symbol, SymbolId,
};
use crate::names::{NameId, NamePool};
use crate::object::fields::{field, u16_at, u32_at};
use crate::object::{SLIM_LTO, SLIM_LTO_HINT};

/// Common symbols are aligned to their size, but to no more than this (link.exe does so, and nobody documents it).
const COMMON_ALIGN_LOG2: u32 = 5;

/// A symbol as it is in the file.
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    /// The offset of the name in the file.
    name_start: u32,
    value: u32,
    /// Its section's number; 0 for none, -1 for an absolute symbol, -2 for one of the debugger.
    section: i32,
    is_function: bool,
    class: SymbolClass,
    /// The number of records behind it that describe it.
    described_by: u8,
}

impl<'a> Entry<'a> {
    /// The symbol of a record.
    fn parse(file: &File<'a>, index: u32) -> Result<Self> {
        let record = file.symbols.get(index).unwrap_or_default();
        let named = file.symbol_name(index, record);
        let (name, name_start) =
            named.ok_or_else(|| file.malformed(format_args!("symbol table: symbol {index} has no valid name")))?;
        let (section, rest) = if file.symbols.are_big() {
            (i32::from_le_bytes(field(record, 12)), 16)
        } else {
            (i32::from(i16::from_le_bytes(field(record, 12))), 14)
        };
        // Numbers up to 0xfeff are those of sections.
        let section = match section {
            -0x100..=-1 => section,
            _ if !file.symbols.are_big() => section & 0xffff,
            _ => section,
        };
        let [class, described_by] = field(record, rest + 2);
        Ok(Self {
            name,
            name_start,
            value: u32_at(record, 8),
            section,
            is_function: (u16_at(record, rest) >> 4) & 3 == pe::IMAGE_SYM_DTYPE_FUNCTION.0,
            class: SymbolClass(class),
            described_by,
        })
    }
}

/// Adds all symbols to the graph; returns what they say about COMDAT sections.
pub(super) fn read(file: &File<'_>, blocks: &Blocks, graph: &mut LinkGraph, names: &mut NamePool) -> Result<Comdats> {
    let comdats = Comdats::new(file);
    let mut reader = Reader { file, blocks, graph, names, comdats, common: None, weak: Vec::new() };
    let mut index = 0;
    while index < file.symbols.len() {
        let entry = Entry::parse(file, index)?;
        let symbol = reader.symbol(index, &entry)?;
        reader.graph.add_symbol(symbol)?;
        for _ in 0..entry.described_by {
            reader.graph.add_symbol(anonymous(0))?;
        }
        index = index.saturating_add(1).saturating_add(u32::from(entry.described_by));
    }
    if index > file.symbols.len() {
        return Err(file.malformed("symbol table: records are missing at its end"));
    }
    reader.define_weak_externals()?;
    let comdats = reader.comdats;
    measure(graph);
    Ok(comdats)
}

pub(super) fn weak_externals_without_search(file: &File<'_>) -> Result<Vec<SymbolId>> {
    let mut found = Vec::new();
    let mut index: u32 = 0;
    while index < file.symbols.len() {
        let entry = Entry::parse(file, index)?;
        let record = file.symbols.get(index.saturating_add(1)).filter(|_| entry.described_by > 0);
        if let Some(record) = record.filter(|_| entry.class == pe::IMAGE_SYM_CLASS_WEAK_EXTERNAL)
            && WeakExternSearch(u32_at(record, 4)) == pe::IMAGE_WEAK_EXTERN_SEARCH_NOLIBRARY
        {
            found.push(SymbolId(index));
        }
        index = index.saturating_add(1).saturating_add(u32::from(entry.described_by));
    }
    Ok(found)
}

/// Gives symbols sizes, which COFF does not tell: each reaches to the next place of its section that has a symbol.
fn measure(graph: &mut LinkGraph) {
    let place = |id| match graph.symbol(id).definition {
        Definition::Defined { block, offset } => Some((block, offset, id)),
        _ => None,
    };
    let mut places: Vec<_> = graph.symbol_ids().filter_map(place).collect();
    places.sort_unstable();
    let mut end = None;
    let mut before = None;
    for &(block, offset, id) in places.iter().rev() {
        let next = before.replace((block, offset));
        end = match next {
            Some(next) if next == (block, offset) => end,
            Some((other, start)) if other == block => Some(start),
            _ => Some(graph.block(block).size),
        };
        graph.symbol_mut(id).size = end.unwrap_or(offset).saturating_sub(offset);
    }
}

struct Reader<'a, 'f> {
    file: &'a File<'f>,
    blocks: &'a Blocks,
    graph: &'a mut LinkGraph,
    names: &'a mut NamePool,
    comdats: Comdats,
    /// The section of the blocks that were made for common symbols.
    common: Option<SectionId>,
    /// Weak externals, to be defined when all other symbols are: by index, that of what they stand for, and how.
    weak: Vec<(u32, u32, WeakExternSearch)>,
}

impl Reader<'_, '_> {
    fn symbol(&mut self, index: u32, entry: &Entry<'_>) -> Result<Symbol> {
        match entry.class {
            pe::IMAGE_SYM_CLASS_EXTERNAL | pe::IMAGE_SYM_CLASS_EXTERNAL_DEF => self.external(index, entry),
            pe::IMAGE_SYM_CLASS_WEAK_EXTERNAL => {
                self.describe_weak(index, entry)?;
                self.reference(entry)
            }
            // The name of a section stands for it, or for that of another object.
            pe::IMAGE_SYM_CLASS_SECTION if entry.section == 0 => self.reference(entry),
            pe::IMAGE_SYM_CLASS_STATIC | pe::IMAGE_SYM_CLASS_LABEL | pe::IMAGE_SYM_CLASS_SECTION => {
                self.local(index, entry)
            }
            // What only debuggers look at: lines and ends of functions, files, types, tokens of managed code.
            _ => Ok(anonymous(0)),
        }
    }

    fn external(&mut self, index: u32, entry: &Entry<'_>) -> Result<Symbol> {
        if entry.name.is_empty() {
            return Err(self.file.malformed(format_args!("symbol {index}: it is external, but has no name")));
        }
        match entry.section {
            0 if entry.value == 0 => self.reference(entry),
            0 => {
                let definition = self.common(entry)?;
                Ok(Symbol { size: u64::from(entry.value), linkage: Linkage::Common, ..self.global(entry, definition) })
            }
            -1 => Ok(self.global(entry, Definition::Absolute(ExecAddr(u64::from(entry.value))))),
            number => {
                let section = self.section(entry, number)?;
                self.comdats.lead(section, entry.name, self.names);
                match self.defined(entry, section)? {
                    Some(definition) => {
                        Ok(Symbol { thread_local: self.is_thread_local(section), ..self.global(entry, definition) })
                    }
                    None => Ok(anonymous(entry.value)),
                }
            }
        }
    }

    fn local(&mut self, index: u32, entry: &Entry<'_>) -> Result<Symbol> {
        if entry.section <= 0 {
            return Ok(Symbol { name: local_name(entry), ..anonymous(entry.value) });
        }
        let section = self.section(entry, entry.section)?;
        let describes = entry.class == pe::IMAGE_SYM_CLASS_STATIC && entry.described_by > 0 && entry.value == 0;
        if !(describes && self.describe_section(index, section)?) {
            self.comdats.lead_locally(section);
        }
        let Some(definition) = self.defined(entry, section)? else { return Ok(anonymous(entry.value)) };
        Ok(Symbol {
            name: local_name(entry),
            definition,
            callable: entry.is_function,
            thread_local: self.is_thread_local(section),
            ..anonymous(0)
        })
    }

    /// A definition that others can see.
    fn global(&mut self, entry: &Entry<'_>, definition: Definition) -> Symbol {
        Symbol {
            name: Name::Interned(self.names.intern(entry.name)),
            definition,
            scope: Scope::Default,
            callable: entry.is_function,
            ..anonymous(0)
        }
    }

    /// A name that is defined elsewhere.
    fn reference(&mut self, entry: &Entry<'_>) -> Result<Symbol> {
        if entry.name.is_empty() {
            return Err(self.file.malformed("symbol table: an undefined symbol has no name"));
        }
        Ok(Symbol { callable: entry.is_function, ..Symbol::external(self.names.intern(entry.name), Linkage::Strong) })
    }

    /// The number of a symbol's section, which exists.
    fn section(&self, entry: &Entry<'_>, number: i32) -> Result<u32> {
        let number = u32::try_from(number).ok().filter(|&number| self.file.section(number).is_some());
        number.ok_or_else(|| self.malformed(entry, format_args!("its section {} does not exist", entry.section)))
    }

    /// Returns the place of a symbol of a section; `None` if the section is not linked.
    fn defined(&self, entry: &Entry<'_>, number: u32) -> Result<Option<Definition>> {
        let (Some(block), Some(section)) = (self.blocks.block(number), self.file.section(number)) else {
            return Ok(None);
        };
        let offset = u64::from(entry.value);
        if offset > section.size {
            let what = format_args!("it lies beyond the end of section {}", section.name());
            return Err(self.malformed(entry, what));
        }
        Ok(Some(Definition::Defined { block, offset }))
    }

    fn is_thread_local(&self, section: u32) -> bool {
        let section = self.blocks.block(section).map(|block| self.graph.section(self.graph.block(block).section));
        section.is_some_and(|section| section.lifetime == Lifetime::ThreadLocal)
    }

    /// Makes a block for a common symbol, whose value is its size.
    fn common(&mut self, entry: &Entry<'_>) -> Result<Definition> {
        if entry.name == SLIM_LTO {
            return Err(LinkError::NotLinkable { site: self.file.site(), what: SLIM_LTO_HINT.into() });
        }
        let section = match self.common {
            Some(section) => section,
            None => *self.common.insert(self.graph.add_section("COMMON", Protection::ReadWrite, Lifetime::Standard)?),
        };
        let align_log2 = entry.value.checked_next_power_of_two().map_or(31, u32::trailing_zeros);
        let align_log2 = u8::try_from(align_log2.min(COMMON_ALIGN_LOG2)).unwrap_or(0);
        let block = self.graph.add_block(section, Content::Zeros, u64::from(entry.value), align_log2)?;
        Ok(Definition::Defined { block, offset: 0 })
    }

    /// Reads the record behind a symbol that stands for its section. Only the first symbol of a section does.
    fn describe_section(&mut self, index: u32, section: u32) -> Result<bool> {
        let record = self.file.symbols.get(index.saturating_add(1));
        let record = record.ok_or_else(|| self.file.malformed("symbol table: records are missing at its end"))?;
        let high = if self.file.symbols.are_big() { u32::from(u16_at(record, 16)) << 16 } else { 0 };
        let [selection] = field(record, 14);
        let description =
            Description { selection: ComdatSelection(selection), parent: u32::from(u16_at(record, 12)) | high };
        Ok(self.comdats.describe(section, description))
    }

    fn describe_weak(&mut self, index: u32, entry: &Entry<'_>) -> Result<()> {
        let record = self.file.symbols.get(index.saturating_add(1)).filter(|_| entry.described_by > 0);
        let record = record
            .ok_or_else(|| self.malformed(entry, "it is a weak external, but no auxiliary record names its default"))?;
        self.weak.push((index, u32_at(record, 0), WeakExternSearch(u32_at(record, 4))));
        Ok(())
    }

    /// Gives weak externals what they stand for. It is a definition that yields to others; with a search of libraries,
    /// also to theirs. An anti-dependency (of code for ARM64EC) yields to whatever there is. What may turn out to be
    /// somebody else's is found by name.
    fn define_weak_externals(&mut self) -> Result<()> {
        for (index, target, search) in std::mem::take(&mut self.weak) {
            let entry = Entry::parse(self.file, index)?;
            let linkage = match search {
                pe::IMAGE_WEAK_EXTERN_SEARCH_NOLIBRARY | pe::IMAGE_WEAK_EXTERN_SEARCH_ALIAS => Linkage::Weak,
                pe::IMAGE_WEAK_EXTERN_SEARCH_LIBRARY | pe::IMAGE_WEAK_EXTERN_ANTI_DEPENDENCY => Linkage::Fallback,
                WeakExternSearch(other) => {
                    return Err(
                        self.malformed(&entry, format_args!("its search characteristics {other} are undefined"))
                    );
                }
            };
            let Some(symbol) = self.graph.symbols().get(target as usize) else {
                return Err(
                    self.malformed(&entry, format_args!("its default is symbol {target}, which does not exist"))
                );
            };
            let symbol = symbol.clone();
            let id = SymbolId(index);
            // What is searched for first, or may be elsewhere, stays a reference.
            if let (Some(target), Some(name)) =
                (self.shared_target(target, &symbol, linkage)?, self.graph.symbol(id).global_name())
            {
                if target == name {
                    return Err(self.malformed(&entry, "its default is itself"));
                }
                let after_libraries = linkage == Linkage::Fallback;
                self.graph.alternates.push(Alternate { name, target, after_libraries });
                continue;
            }
            let external = self.graph.symbol_mut(id);
            external.definition = symbol.definition;
            external.linkage = linkage;
            external.callable |= symbol.callable;
            external.thread_local = symbol.thread_local;
        }
        Ok(())
    }

    /// The name of what a weak external stands for, if libraries are searched first, or if that may be another
    /// object's: of a COMDAT section there may be another copy. An absolute value is what compilers write for weak references,
    /// which only stay null if nothing that is found for other reasons defines them.
    fn shared_target(&self, index: u32, symbol: &Symbol, linkage: Linkage) -> Result<Option<NameId>> {
        let Some(name) = symbol.global_name() else { return Ok(None) };
        if linkage == Linkage::Fallback {
            return Ok(Some(name));
        }
        let section = Entry::parse(self.file, index)?.section;
        let section = u32::try_from(section).ok().and_then(|number| self.file.section(number));
        let is_comdat = section.is_some_and(|section| section.has(pe::IMAGE_SCN_LNK_COMDAT));
        let is_absolute = matches!(symbol.definition, Definition::Absolute(_));
        let is_of_others = is_comdat || is_absolute || symbol.is_external() || symbol.linkage != Linkage::Strong;
        Ok(is_of_others.then_some(name))
    }

    #[cold]
    fn malformed(&self, entry: &Entry<'_>, what: impl std::fmt::Display) -> LinkError {
        self.file.malformed(format_args!("symbol '{}': {what}", String::from_utf8_lossy(entry.name)))
    }
}

fn local_name(entry: &Entry<'_>) -> Name {
    match u32::try_from(entry.name.len()) {
        Ok(len) if len > 0 => Name::Local { start: entry.name_start, len },
        _ => Name::None,
    }
}

fn anonymous(value: u32) -> Symbol {
    Symbol::absolute(ExecAddr(u64::from(value)))
}
