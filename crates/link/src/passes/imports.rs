//! Slots for imports of COFF: code that is told that something is another image's (`__declspec(dllimport)`) finds its
//! address in a word that the linker makes, called `__imp_` and its name ("PE Format", "Import Address Table").

use crate::arch::Arch;
use crate::arch::x86_64::Kind;
use crate::error::Result;
use crate::graph::{Content, Definition, Edge, Lifetime, LinkGraph, Linkage, Name, Protection, Scope, Symbol};
use crate::names::NamePool;
use crate::source::Source;

/// What the names of slots begin with.
pub const PREFIX: &[u8] = b"__imp_";

/// What the slot of that name is for, if it is one: there are no slots for slots.
#[must_use]
pub fn target(slot: &[u8]) -> Option<&[u8]> {
    slot.strip_prefix(PREFIX).filter(|target| !target.starts_with(PREFIX))
}

/// The slot of `target`. Its name is hidden and weak: what the user defines takes precedence.
///
/// # Errors
/// See [`LinkGraph::add_section`].
pub fn slot(target: &[u8], names: &mut NamePool) -> Result<LinkGraph> {
    let text = String::from_utf8_lossy(target);
    let mut graph = LinkGraph::new(Source::new(format!("the import of {text}"), []), Arch::X86_64);
    let section = graph.add_section(".idata", Protection::Read, Lifetime::Standard)?;
    let block = graph.add_block(section, Content::Owned([0; 8].into()), 0, 3)?;
    graph.add_symbol(Symbol {
        name: Name::Interned(names.intern(&[PREFIX, target].concat())),
        definition: Definition::Defined { block, offset: 0 },
        linkage: Linkage::Weak,
        scope: Scope::Hidden,
        ..Symbol::anonymous(block, 0, 8)
    })?;
    let target = graph.add_symbol(Symbol::external(names.intern(target), Linkage::Strong))?;
    graph.add_edge(block, Edge { offset: 0, kind: Kind::ImportPointer64.edge(), target, addend: 0 })?;
    Ok(graph)
}
