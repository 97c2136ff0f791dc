//! What Microsoft's C runtime links into each image because code refers to it directly: a few variables, and the check of
//! the stack's cookie, which reads one of them. The functions are the executor's.

use std::hash::{BuildHasher, Hasher, RandomState};

use linkjit_link::arch::Arch;
use linkjit_link::arch::x86_64::{COOKIE_CHECK, Kind};
use linkjit_link::graph::{Content, Definition, Edge, Lifetime, LinkGraph, Linkage, Name, Protection, Scope, Symbol};
use linkjit_link::names::NamePool;
use linkjit_link::source::Source;

use crate::error::Result;

/// `__isa_available`: SSE2, which every x86-64 processor has; code that looks for more does without.
const ISA_SSE2: u32 = 1;
/// `_fltused`, whose value nobody reads.
const FLOATING_POINT_USED: u32 = 0x9875;

/// One of them.
struct Piece {
    protection: Protection,
    content: Vec<u8>,
    /// Offsets, kinds, targets and addends of its edges.
    edges: Vec<(u32, Kind, &'static [u8], i64)>,
}

fn piece(name: &[u8]) -> Option<Piece> {
    let data = |content: &[u8]| Piece { protection: Protection::ReadWrite, content: content.into(), edges: Vec::new() };
    let pointer = |target| Piece {
        protection: Protection::Read,
        content: vec![0; 8],
        edges: vec![(0, Kind::Pointer64, target, 0)],
    };
    Some(match name {
        b"__security_cookie" => data(&cookie().to_le_bytes()),
        b"__security_check_cookie" => Piece {
            protection: Protection::ReadExec,
            content: COOKIE_CHECK.into(),
            edges: vec![(3, Kind::Delta32, b"__security_cookie", -4), (11, Kind::Branch32, b"__report_gsfailure", -4)],
        },
        b"__guard_check_icall_fptr" | b"__guard_xfg_check_icall_fptr" => pointer(b"_guard_check_icall_nop"),
        b"__guard_dispatch_icall_fptr" => pointer(b"_guard_dispatch_icall_nop"),
        b"__guard_xfg_dispatch_icall_fptr" => pointer(b"_guard_xfg_dispatch_icall_nop"),
        b"_fltused" => data(&FLOATING_POINT_USED.to_le_bytes()),
        b"__isa_available" => data(&ISA_SSE2.to_le_bytes()),
        // Its address is all that matters, `std::nothrow`'s too.
        b"_tls_used" => data(&[0; 40]),
        // Where `type_info::name` keeps the names that it has made.
        b"__type_info_root_node" => data(&[0; 16]),
        b"?nothrow@std@@3Unothrow_t@1@B" => data(&[0; 1]),
        _ => return None,
    })
}

/// A value that an attacker does not know. Its upper two bytes are zero, which ends strings.
fn cookie() -> u64 {
    RandomState::new().build_hasher().finish() & 0x0000_ffff_ffff_ffff
}

/// A graph that defines `name`; `None` if the runtime has no such thing.
pub(super) fn graph(name: &[u8], names: &mut NamePool) -> Result<Option<LinkGraph>> {
    let Some(Piece { protection, content, edges }) = piece(name) else { return Ok(None) };
    let mut graph = LinkGraph::new(Source::new("the image's C runtime", []), Arch::X86_64);
    let section = graph.add_section(".crt", protection, Lifetime::Standard)?;
    let size = content.len() as u64;
    let block = graph.add_block(section, Content::Owned(content.into()), 0, 4)?;
    // Whatever the user defines takes precedence.
    graph.add_symbol(Symbol {
        name: Name::Interned(names.intern(name)),
        definition: Definition::Defined { block, offset: 0 },
        linkage: Linkage::Weak,
        scope: Scope::Hidden,
        callable: protection == Protection::ReadExec,
        ..Symbol::anonymous(block, 0, size)
    })?;
    for (offset, kind, target, addend) in edges {
        let target = graph.add_symbol(Symbol::external(names.intern(target), Linkage::Strong))?;
        graph.add_edge(block, Edge { offset, kind: kind.edge(), target, addend })?;
    }
    Ok(Some(graph))
}
