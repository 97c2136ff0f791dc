//! Directives: what `.drectve` says, in the words of the linker's command line ("PE Format", "The .drectve Section";
//! the options are link.exe's, `-aligncomm` and `-exclude-symbols` GNU's).

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::file::{File, Section};
use crate::error::Result;
use crate::graph::{Alternate, Export, LinkGraph, Linkage, Request, Symbol, SymbolId};
use crate::names::{NameId, NamePool};

/// Options that mean nothing to who links into a running process: sizes of its stack, manifests, how debuggers may edit
/// it, what is left out of an index of exports.
const HARMLESS: [&str; 16] = [
    "stack",
    "heap",
    "entry",
    "subsystem",
    "manifestdependency",
    "editandcontinue",
    "throwingnew",
    "guardsym",
    "section",
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
            let shared = |id| Some((graph.symbol(id).shared_name()?, id));
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
        graph.add_request(unknown());
        return Ok(());
    };
    let (option, value) = option.split_once(':').map_or((option, None), |(option, value)| (option, Some(value)));
    let option = option.to_ascii_lowercase();
    if HARMLESS.contains(&option.as_str()) {
        return Ok(());
    }
    let value = value.filter(|value| !value.is_empty());
    let needed = || value.ok_or_else(|| malformed("it says nothing after a colon"));
    let request = match option.as_str() {
        "defaultlib" => Request::DefaultLibrary(library(needed()?)),
        "nodefaultlib" => Request::NoDefaultLibrary(value.map(library)),
        "disallowlib" => Request::DisallowedLibrary(library(needed()?)),
        "include" => Request::Include(include(names.intern(needed()?.as_bytes()), symbols, graph)?),
        "export" => Request::Export(export(needed()?).ok_or_else(|| malformed("it names nothing"))?),
        "failifmismatch" => {
            let (key, value) = needed()?.split_once('=').ok_or_else(|| malformed("it has no ="))?;
            Request::MustMatch { key: key.into(), value: value.into() }
        }
        "merge" => {
            let (from, to) = needed()?.split_once('=').ok_or_else(|| malformed("it has no ="))?;
            Request::Merge { from: from.into(), to: to.into() }
        }
        "alternatename" => {
            let (name, target) = needed()?.split_once('=').ok_or_else(|| malformed("it has no ="))?;
            let (name, target) = (names.intern(name.as_bytes()), names.intern(target.as_bytes()));
            if name == target {
                return Err(malformed("a name can't stand for itself"));
            }
            graph.add_alternate(Alternate { name, target, after_libraries: true });
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
    graph.add_request(request);
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

/// `name[=target][,@ordinal[,NONAME]][,DATA][,PRIVATE]`.
fn export(text: &str) -> Option<Export> {
    let mut parts = text.split(',');
    let first = parts.next().filter(|name| !name.is_empty())?;
    let (name, target) = first.split_once('=').map_or((first, None), |(name, target)| (name, Some(target)));
    let mut export = Export { name: name.into(), target: target.map(Into::into), ordinal: None, data: false };
    for part in parts {
        if let Some(ordinal) = part.strip_prefix('@') {
            export.ordinal = Some(ordinal.parse().ok()?);
        } else if part.eq_ignore_ascii_case("data") {
            export.data = true;
        }
    }
    Some(export)
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
        let expected = Export { name: "f".into(), target: Some("g".into()), ordinal: Some(3), data: true };
        assert_eq!(export("f=g,@3,NONAME,DATA"), Some(expected));
        assert_eq!(export("f").map(|export| export.name), Some("f".into()));
        assert_eq!(export(""), None);
        assert_eq!(export("f,@x"), None);
    }

    #[test]
    fn libraries_are_compared_without_case_and_with_an_extension() {
        assert_eq!(library("LIBCMT"), "libcmt.lib");
        assert_eq!(library("C:\\dir.x\\Foo"), "c:\\dir.x\\foo.lib");
        assert_eq!(library("foo.dll"), "foo.dll");
    }
}
