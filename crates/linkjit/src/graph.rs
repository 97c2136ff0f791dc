//! Link graphs: passes of a [`Plugin`](crate::Plugin) see and change them; units and
//! [`JitDylib::add_graph`](crate::JitDylib::add_graph) take graphs that were not read from an object.
//!
//! ```
//! # #[cfg(target_arch = "x86_64")]
//! # fn main() -> linkjit::Result<()> {
//! use linkjit::Source;
//! use linkjit::graph::{Content, Lifetime, LinkGraph, Name, Protection, Scope, Symbol};
//!
//! let jit = linkjit::Jit::host()?;
//! // int answer(void) { return 42; }
//! const CODE: [u8; 6] = [0xb8, 42, 0, 0, 0, 0xc3];
//! let target = jit.session().executor().target();
//! let mut graph = LinkGraph::new(Source::new("made by hand", []), target.arch);
//! let text = graph.add_section(".text", Protection::ReadExec, Lifetime::Standard)?;
//! let block = graph.add_block(text, Content::Owned(CODE.into()), 0, 4)?;
//! let name = jit.session().name_pool().lock().unwrap().intern(b"answer");
//! graph.add_symbol(Symbol {
//!     name: Name::Interned(name),
//!     scope: Scope::Default,
//!     callable: true,
//!     ..Symbol::anonymous(block, 0, 6)
//! })?;
//! jit.add_graph(graph)?;
//! // SAFETY: its type.
//! let answer = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> i32>("answer")? };
//! // SAFETY: as above.
//! assert_eq!(unsafe { answer() }, 42);
//! # Ok(()) }
//! # #[cfg(not(target_arch = "x86_64"))]
//! # fn main() {}
//! ```

pub use linkjit_link::arch::{Arch, KindInfo, Kinds, Role, edge_kinds};
pub use linkjit_link::graph::{
    Alternate, Block, BlockId, Content, Definition, Edge, EdgeKind, Group, InitializerOrder, InitializerSection,
    KindSet, Lifetime, LinkGraph, Linkage, Name, Protection, Reachability, Request, Scope, Section, SectionId,
    SectionName, Selection, Suffix, Symbol, SymbolId,
};
pub use linkjit_link::names::{NameId, NamePool};
