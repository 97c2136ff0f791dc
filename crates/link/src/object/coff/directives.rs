//! Directives: linker options in the section `.drectve` ("PE Format", "The .drectve Section"). Most are link.exe's;
//! `-aligncomm` and `-exclude-symbols` are GNU's.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::file::{File, Section};
use crate::error::Result;
use crate::graph::{Alternate, LinkGraph, Linkage, Protection, Request, Symbol, SymbolId};
use crate::names::{NameId, NamePool};

/// Options that mean nothing to who links into a running process: sizes of its stack, manifests, how debuggers may edit
/// it, what is left out of an index of exports.
const HARMLESS: [&str; 14] = [
    "stack",
    "heap",
    "subsystem",
    "manifestdependency",
    "editandcontinue",
    "throwingnew",
    "guardsym",
    "exclude-symbols",
    "exclude-all-symbols",
    "functionpadmin",
    "fastfail",
    "release",
    "ignore",
    "inferasanlibs",
];

/// Reads the directives of an object.
pub(super) fn read(file: &File<'_>, graph: &mut LinkGraph, names: &mut NamePool) -> Result<()> {
    let mut symbols = Symbols::default();
    for section in file.sections.iter().filter(|section| section.name == b".drectve") {
        let text = section.data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(section.data);
        let text = String::from_utf8_lossy(text);
        for word in words(&text) {
            directive(file, section, &word, &mut symbols, graph, names)?;
        }
    }
    Ok(())
}

/// The symbols that directives are about, by name: collected when the first one is.
#[derive(Default)]
struct Symbols(Option<HashMap<NameId, SymbolId, FixedState>>);

impl Symbols {
    fn by_name(&mut self, graph: &LinkGraph) -> &mut HashMap<NameId, SymbolId, FixedState> {
        self.0.get_or_insert_with(|| {
            let shared = |id| Some((graph.symbol(id).global_name()?, id));
            graph.symbol_ids().filter_map(shared).collect()
        })
    }
}

/// The words of a text; spaces in quotation marks don't end one, and the marks vanish.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut any) = (false, false);
    for character in text.chars() {
        match character {
            '"' => (quoted, any) = (!quoted, true),
            '\0' | ' ' | '\t' | '\r' | '\n' if !quoted => {
                if any {
                    words.push(std::mem::take(&mut word));
                    any = false;
                }
            }
            _ => {
                word.push(character);
                any = true;
            }
        }
    }
    if any {
        words.push(word);
    }
    words
}

fn directive(
    file: &File<'_>,
    section: &Section<'_>,
    word: &str,
    symbols: &mut Symbols,
    graph: &mut LinkGraph,
    names: &mut NamePool,
) -> Result<()> {
    let malformed = |what: &str| file.malformed_section(section, format_args!("directive {word}: {what}"));
    let unknown = || Request::Unknown(word.to_owned());
    let Some(option) = word.strip_prefix(['/', '-']) else {
        graph.requests.push(unknown());
        return Ok(());
    };
    let (option, value) = option.split_once(':').map_or((option, None), |(option, value)| (option, Some(value)));
    let option = option.to_ascii_lowercase();
    if HARMLESS.contains(&option.as_str()) {
        return Ok(());
    }
    let value = value.filter(|value| !value.is_empty());
    let needed = || value.ok_or_else(|| malformed("it says nothing after a colon"));
    let pair = || needed()?.split_once('=').ok_or_else(|| malformed("it has no ="));
    let request = match option.as_str() {
        "defaultlib" => Request::DefaultLibrary(library(needed()?)),
        "nodefaultlib" => Request::NoDefaultLibrary(value.map(library)),
        "disallowlib" => Request::DisallowedLibrary(library(needed()?)),
        "include" => Request::Include(include(names.intern(needed()?.as_bytes()), symbols, graph)?),
        "export" => {
            let export = export(needed()?).ok_or_else(|| malformed("it names nothing, or its number is none"))?;
            let target = names.intern(export.target.as_bytes());
            let ordinal = export.ordinal.map(|ordinal| format!("#{ordinal}"));
            for name in [Some(export.name), ordinal.as_deref()].into_iter().flatten() {
                graph.requests.push(Request::Export { name: names.intern(name.as_bytes()), target });
            }
            return Ok(());
        }
        "entry" => Request::Entry(names.intern(needed()?.as_bytes())),
        "section" => {
            let (name, attributes) = needed()?.split_once(',').ok_or_else(|| malformed("it has no attributes"))?;
            let attributes = attributes.split(',').next().unwrap_or_default().to_ascii_uppercase();
            if !attributes.chars().all(|attribute| "DEKPRSW".contains(attribute)) {
                graph.requests.push(unknown());
                return Ok(());
            }
            if attributes.contains('S') {
                graph.requests.push(Request::Share(name.into()));
            }
            let protection = match (attributes.contains('E'), attributes.contains('W'), attributes.contains('R')) {
                (true, true, _) => {
                    let what = format!("directive {word}: section that is both writable and executable");
                    return Err(file.unsupported_section(section, what));
                }
                (true, ..) => Protection::ReadExec,
                (_, true, _) => Protection::ReadWrite,
                (.., true) => Protection::Read,
                _ => return Ok(()),
            };
            Request::Protect { section: name.into(), protection }
        }
        "failifmismatch" => {
            let (key, value) = pair()?;
            Request::MustMatch { key: key.into(), value: value.into() }
        }
        "merge" => {
            let (from, to) = pair()?;
            Request::Merge { from: from.into(), to: to.into() }
        }
        "alternatename" => {
            let (name, target) = pair()?;
            let (name, target) = (names.intern(name.as_bytes()), names.intern(target.as_bytes()));
            // One that stands for itself says nothing, to other linkers neither.
            if name != target {
                graph.alternates.push(Alternate { name, target, after_libraries: true });
            }
            return Ok(());
        }
        "aligncomm" => {
            let (name, log2) = needed()?.rsplit_once(',').ok_or_else(|| malformed("it gives no alignment"))?;
            let log2 = log2.parse().ok().filter(|log2| *log2 < 32).ok_or_else(|| malformed("it gives no alignment"))?;
            align_common(names.intern(name.as_bytes()), log2, symbols, graph);
            return Ok(());
        }
        _ => unknown(),
    };
    graph.requests.push(request);
    Ok(())
}

/// The object's symbol of that name, made if it has none.
fn include(name: NameId, symbols: &mut Symbols, graph: &mut LinkGraph) -> Result<SymbolId> {
    if let Some(&symbol) = symbols.by_name(graph).get(&name) {
        return Ok(symbol);
    }
    let symbol = graph.add_symbol(Symbol::external(name, Linkage::Strong))?;
    symbols.by_name(graph).insert(name, symbol);
    Ok(symbol)
}

/// The name of a library as it is compared: libraries have an extension, and case does not matter.
fn library(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let has_extension = name.rsplit(['/', '\\']).next().is_some_and(|file| file.contains('.'));
    if has_extension { name } else { name + ".lib" }
}

/// An export.
#[derive(PartialEq, Eq, Debug)]
struct Export<'a> {
    name: &'a str,
    target: &'a str,
    ordinal: Option<u16>,
}

/// `name[=target][,@ordinal[,NONAME]][,DATA][,PRIVATE]` or `target,EXPORTAS,name`. What is exported by its number alone
/// has its name, too, as it has in import libraries.
fn export(text: &str) -> Option<Export<'_>> {
    let mut parts = text.split(',');
    let first = parts.next().filter(|name| !name.is_empty())?;
    let (name, target) = first.split_once('=').unwrap_or((first, first));
    let mut export = Export { name, target, ordinal: None };
    while let Some(part) = parts.next() {
        if let Some(ordinal) = part.strip_prefix('@') {
            export.ordinal = Some(ordinal.parse().ok()?);
        } else if part.eq_ignore_ascii_case("exportas") {
            export.name = parts.next()?;
        }
    }
    (!export.name.is_empty() && !export.target.is_empty()).then_some(export)
}

/// Raises the alignment of a common symbol.
fn align_common(name: NameId, log2: u8, symbols: &mut Symbols, graph: &mut LinkGraph) {
    let symbol = symbols.by_name(graph).get(&name).map(|&symbol| graph.symbol(symbol));
    if let Some(block) = symbol.filter(|symbol| symbol.linkage == Linkage::Common).and_then(Symbol::block) {
        let block = graph.block_mut(block);
        block.align_log2 = block.align_log2.max(log2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_at_spaces_outside_of_quotation_marks() {
        assert_eq!(words(" /a:b\0 -c:\"d e\"f  \"/g h\" "), ["/a:b", "-c:d ef", "/g h"]);
        assert_eq!(words(""), [""; 0]);
    }

    #[test]
    fn exports_have_aliases_ordinals_and_kinds() {
        let export_of = |name, target, ordinal| Some(Export { name, target, ordinal });
        assert_eq!(export("f=g,@3,NONAME,DATA"), export_of("f", "g", Some(3)));
        assert_eq!(export("f,PRIVATE"), export_of("f", "f", None));
        assert_eq!(export("f=library.#7"), export_of("f", "library.#7", None));
        assert_eq!(export("f,EXPORTAS,g"), export_of("g", "f", None));
        assert_eq!(["", "f,@x", "f=", "=f", "f,EXPORTAS"].map(export), [None, None, None, None, None]);
    }

    #[test]
    fn libraries_are_compared_without_case_and_with_an_extension() {
        assert_eq!(library("LIBCMT"), "libcmt.lib");
        assert_eq!(library("C:\\dir.x\\Foo"), "c:\\dir.x\\foo.lib");
        assert_eq!(library("foo.dll"), "foo.dll");
    }
}
