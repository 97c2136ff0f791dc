//! Imports: symbols of DLLs, as members of import libraries describe them.
//!
//! A short member describes its symbol in a few bytes ("PE Format", "Import Library Format"). GNU's tools write objects
//! instead, from which a linker would make tables for the loader; the reader finds the symbol in these parts of tables.

use crate::error::{LinkError, Result, Site};
use crate::graph::{BlockId, LinkGraph, Symbol, SymbolId};
use crate::names::NamePool;
use crate::object::coff;
use crate::object::fields::{string, u16_at, u32_at};
use crate::object::import_slots::{DELAY_LOAD_HELPER, PREFIX as SLOT_PREFIX};
use crate::source::Source;

/// Size of the header of a short member.
const HEADER_SIZE: usize = 20;

/// Members that a member of GNU's kind refers to are at most so many: each is read for what it may say.
const MOST_PARTS: usize = 8;

/// A symbol of a DLL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Import {
    /// The name by which objects refer to it; to its slot with `__imp_` in front.
    pub name: Vec<u8>,
    /// The DLL's file name.
    pub library: Vec<u8>,
    /// The key that it is found by there.
    pub key: ImportKey,
    /// The function is looked up when it is first called: what is missing then is the program's business.
    pub is_delayed: bool,
}

/// The key by which a symbol of a DLL is found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ImportKey {
    /// Its name among the exports.
    Name(Vec<u8>),
    /// Its number among them.
    Ordinal(u16),
}

impl Import {
    /// Reads a short member; `None` if the bytes are none.
    ///
    /// # Errors
    /// If it is malformed, or for another machine than linkjit links for.
    pub fn parse(source: &Source) -> Result<Option<Self>> {
        let bytes = source.bytes();
        if !bytes.starts_with(&[0, 0, 0xff, 0xff, 0, 0]) {
            return Ok(None);
        }
        let site = || Site::file(source.name().clone());
        let malformed =
            |what: &str| LinkError::Malformed { site: site(), what: format!("import library member: {what}") };
        if bytes.len() < HEADER_SIZE {
            return Err(malformed("it is truncated"));
        }
        if coff::Machine::find(u16_at(bytes, 6)).is_none() {
            let what =
                format!("an import library member for machine {:#x}, not {}", u16_at(bytes, 6), coff::Machine::names());
            return Err(LinkError::NotLinkable { site: site(), what });
        }
        let (number, kinds) = (u16_at(bytes, 16), u16_at(bytes, 18));
        let data = bytes.get(HEADER_SIZE..).and_then(|data| data.get(..u32_at(bytes, 12) as usize));
        let data = data.ok_or_else(|| malformed("it is truncated"))?;
        let text = |at: usize| u32::try_from(at).ok().and_then(|at| string(data, at)).filter(|text| !text.is_empty());
        let name = text(0).ok_or_else(|| malformed("it has no name"))?;
        let library = text(name.len() + 1).ok_or_else(|| malformed("it names no library"))?;
        let key = match (kinds >> 2) & 7 {
            0 => ImportKey::Ordinal(number),
            1 => ImportKey::Name(name.into()),
            2 => ImportKey::Name(without_prefix(name).into()),
            3 => {
                let name = without_prefix(name);
                let end = name.iter().position(|&byte| byte == b'@').unwrap_or(name.len());
                ImportKey::Name(name.get(..end).unwrap_or_default().into())
            }
            4 => {
                let export = text(name.len() + library.len() + 2);
                ImportKey::Name(export.ok_or_else(|| malformed("it does not name the export that it imports"))?.into())
            }
            other => return Err(malformed(&format!("its name type {other} is undefined"))),
        };
        Ok(Some(Self { name: name.into(), library: library.into(), key, is_delayed: false }))
    }

    /// Reads a member of GNU's kind; `None` if the object is none. `find` is to find the member of the same library
    /// that defines a name.
    ///
    /// # Errors
    /// If it is malformed, or what `find` says.
    pub fn from_object<E: From<LinkError>>(
        graph: &LinkGraph,
        names: &mut NamePool,
        mut find: impl FnMut(&[u8], &mut NamePool) -> Result<Option<LinkGraph>, E>,
    ) -> Result<Option<Self>, E> {
        let Some(address) = block_of(graph, ".idata$5") else { return Ok(None) };
        let slot = graph.symbol_ids().find_map(|id| {
            let name = graph.symbol_name(names, id).strip_prefix(SLOT_PREFIX)?;
            graph.symbol(id).block().map(|_| name.to_vec())
        });
        let heads = externals(graph, names);
        let Some(name) = slot.filter(|_| !heads.is_empty()) else { return Ok(None) };
        let malformed = |what: &str| LinkError::Malformed {
            site: Site::file(graph.source().name().clone()),
            what: format!("import library member: {what}"),
        };
        // The member with the head of the library's tables refers to that with its name.
        let mut head = None;
        for name in heads.iter().take(MOST_PARTS) {
            head = find(name, names)?;
            if head.is_some() {
                break;
            }
        }
        let head = head.ok_or_else(|| malformed("its library has no member with the import directory entry"))?;
        // The head of a library for delayed loading has the code that does that, and refers to the routine for it.
        let (helper, tails): (Vec<_>, Vec<_>) =
            externals(&head, names).into_iter().partition(|name| name == DELAY_LOAD_HELPER);
        let mut library = None;
        for tail in tails.iter().take(MOST_PARTS) {
            let Some(tail) = find(tail, names)? else { continue };
            let text = block_of(&tail, ".idata$7").and_then(|block| tail.content(block)).and_then(|it| string(it, 0));
            library = text.filter(|text| !text.is_empty()).map(<[u8]>::to_vec);
            if library.is_some() {
                break;
            }
        }
        let library = library.ok_or_else(|| malformed("its library has no member with the name of the DLL"))?;
        // Variables can't wait for a call.
        let is_delayed = !helper.is_empty() && defines(graph, names, &name);
        let by_name = block_of(graph, ".idata$6").and_then(|block| graph.content(block));
        let key = match by_name.and_then(|it| string(it, 2)).filter(|name| !name.is_empty()) {
            Some(name) => ImportKey::Name(name.into()),
            // The highest bit of the word says that it holds a number.
            None => {
                let table = block_of(graph, ".idata$4").unwrap_or(address);
                ImportKey::Ordinal(graph.content(table).map_or(0, |content| u16_at(content, 0)))
            }
        };
        Ok(Some(Self { name, library, key, is_delayed }))
    }
}

/// The first block of a section.
fn block_of(graph: &LinkGraph, section: &str) -> Option<BlockId> {
    let section = graph.find_section(section)?;
    graph.block_ids().find(|&block| graph.block(block).section == section)
}

/// The names of the symbols that are defined elsewhere.
fn externals(graph: &LinkGraph, names: &NamePool) -> Vec<Vec<u8>> {
    let external = |&id: &SymbolId| graph.symbol(id).is_external();
    graph.symbol_ids().filter(external).map(|id| graph.symbol_name(names, id).to_vec()).collect()
}

/// Returns whether a graph defines a name for others.
fn defines(graph: &LinkGraph, names: &NamePool, name: &[u8]) -> bool {
    let is_it =
        |symbol: &Symbol| !symbol.is_external() && symbol.global_name().is_some_and(|id| names.bytes(id) == name);
    graph.symbols().iter().any(is_it)
}

/// A name without the character that decorates it in front.
fn without_prefix(name: &[u8]) -> &[u8] {
    match name {
        [b'?' | b'@' | b'_', rest @ ..] => rest,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: u16, kinds: u16, strings: &[u8]) -> Source {
        let mut bytes = vec![0, 0, 0xff, 0xff, 0, 0, 0x64, 0x86, 0, 0, 0, 0];
        bytes.extend(u32::try_from(strings.len()).unwrap().to_le_bytes());
        bytes.extend(number.to_le_bytes());
        bytes.extend(kinds.to_le_bytes());
        bytes.extend(strings);
        Source::new("a.lib(a.dll)", bytes)
    }

    /// B7.42 of docs/coff-cases.md.
    #[test]
    fn every_kind_of_name_is_read() {
        let key = |kinds, strings: &[u8]| Import::parse(&member(7, kinds, strings)).unwrap().unwrap().key;
        let name = |name: &[u8]| ImportKey::Name(name.into());
        assert_eq!(key(0, b"f\0a.dll\0"), ImportKey::Ordinal(7));
        assert_eq!(key(1 << 2, b"_f@8\0a.dll\0"), name(b"_f@8"));
        assert_eq!(key(2 << 2, b"_f@8\0a.dll\0"), name(b"f@8"));
        assert_eq!(key(3 << 2, b"_f@8\0a.dll\0"), name(b"f"));
        assert_eq!(key(4 << 2 | 1, b"f\0a.dll\0g\0"), name(b"g"));
    }

    #[test]
    fn what_is_missing_is_malformed() {
        for (kinds, strings) in
            [(4, &b"f\0a.dll"[..]), (4, b"f"), (4, b"\0a.dll\0"), (16, b"f\0a.dll\0"), (20, b"f\0a\0")]
        {
            let error = Import::parse(&member(0, kinds, strings)).unwrap_err().to_string();
            assert!(error.starts_with("a.lib(a.dll): malformed import library member: "), "{error}");
        }
        let whole = member(7, 4, b"f\0a.dll\0");
        for len in 6..whole.bytes().len() {
            let source = Source::new("a.lib", whole.bytes()[..len].to_vec());
            assert!(Import::parse(&source).is_err(), "{len}");
        }
        assert_eq!(Import::parse(&Source::new("a.o", vec![0x64, 0x86])).unwrap(), None);
    }
}
