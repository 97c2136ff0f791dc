//! What Microsoft's C runtime links into each image because code refers to it directly: a few variables, and the check of
//! the stack's cookie, which reads one of them. The functions are the executor's.

use std::hash::{BuildHasher, Hasher, RandomState};

use linkjit_executor::ExecAddr;
use linkjit_link::arch::Arch;
use linkjit_link::arch::x86_64::{COOKIE_CHECK, Kind, WITH_TWO_MORE};
use linkjit_link::graph::{Content, Edge, Group, Lifetime, LinkGraph, Linkage, Protection, Symbol};
use linkjit_link::names::NamePool;
use linkjit_link::passes::imports;
use linkjit_link::source::Source;

use super::coff::{absolute, yielding};
use super::{charconv, guids};
use crate::error::Result;
use crate::generators::DefaultLibrary;

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
        // GNU's name for it, of -fstack-protector.
        b"__security_cookie" | b"__stack_chk_guard" => data(&cookie().to_le_bytes()),
        b"__security_check_cookie" => Piece {
            protection: Protection::ReadExec,
            content: COOKIE_CHECK.into(),
            edges: vec![(3, Kind::Delta32, b"__security_cookie", -4), (11, Kind::Branch32, b"__report_gsfailure", -4)],
        },
        // The hooks of delayed loading are variables that a program may define. The executor has the rest.
        imports::DELAY_LOAD_HELPER => Piece {
            protection: Protection::ReadExec,
            content: WITH_TWO_MORE.into(),
            edges: vec![
                (3, Kind::Delta32, imports::NOTIFY_HOOK, -4),
                (10, Kind::Delta32, imports::FAILURE_HOOK, -4),
                (15, Kind::Branch32, b"__linkjit_load_delayed", -4),
            ],
        },
        b"__guard_check_icall_fptr" | b"__guard_xfg_check_icall_fptr" => pointer(b"_guard_check_icall_nop"),
        b"__guard_dispatch_icall_fptr" => pointer(b"_guard_dispatch_icall_nop"),
        b"__guard_xfg_dispatch_icall_fptr" => pointer(b"_guard_xfg_dispatch_icall_nop"),
        b"_fltused" => data(&FLOATING_POINT_USED.to_le_bytes()),
        b"__isa_available" => data(&ISA_SSE2.to_le_bytes()),
        b"__isa_enabled" => data(&(1u32 << ISA_SSE2).to_le_bytes()),
        // What processors are good at: nothing in particular. MinGW's start-up says that a program is no DLL.
        b"__favor" | b"__avx10_version" | b"_Avx2WmemEnabled" | b"__mingw_module_is_dll" => data(&[0; 4]),
        b"__memcpy_nt_iters"
        | b"__enclave_config"
        | b"__security_cookie_complement"
        | imports::NOTIFY_HOOK
        | imports::FAILURE_HOOK => data(&[0; 8]),
        b"_load_config_used" => load_configuration(),
        // Its address is all that matters, `std::nothrow`'s too.
        b"_tls_used" => data(&[0; 40]),
        // Where `type_info::name` keeps the names that it has made.
        b"__type_info_root_node" => data(&[0; 16]),
        b"?nothrow@std@@3Unothrow_t@1@B" => data(&[0; 1]),
        _ => {
            let content = guids::find(name).or_else(|| charconv::find(name))?;
            Piece { protection: Protection::Read, content, edges: Vec::new() }
        }
    })
}

/// Offsets in the load configuration of what it has here ("PE Format", The Load Configuration Structure). There are no
/// tables for Control Flow Guard.
const LOAD_CONFIGURATION: [(u32, &[u8]); 3] =
    [(0x58, b"__security_cookie"), (0x70, b"__guard_check_icall_fptr"), (0x78, b"__guard_dispatch_icall_fptr")];

fn load_configuration() -> Piece {
    const SIZE: u32 = 0x140;
    let mut content = vec![0; SIZE as usize];
    content[..4].copy_from_slice(&SIZE.to_le_bytes());
    let edges = LOAD_CONFIGURATION.map(|(at, target)| (at, Kind::Pointer64, target, 0)).into();
    Piece { protection: Protection::Read, content, edges }
}

/// Whether a name is that of a table for Control Flow Guard, or of its size: images have none.
fn is_absent(name: &[u8]) -> bool {
    let ends = [&b"_table"[..], b"_count", b"flags"];
    let is_guards = name.strip_prefix(b"__guard_").is_some_and(|rest| ends.iter().any(|end| rest.ends_with(end)));
    is_guards || matches!(name, b"__dynamic_value_reloc_table" | b"__volatile_metadata" | b"__hybrid_code_map")
}

/// Sets the options of `printf` and `scanf`, which the runtime's headers keep in a variable of each image, to what the
/// runtime's start-up code would: `%s` of their wide forms is a wide string.
pub(super) fn set_stdio_options(graph: &mut LinkGraph, names: &NamePool) {
    const LEGACY_WIDE: [(&[u8], u64); 2] = [(b"printf_", 1 << 2), (b"scanf_", 1 << 1)];
    let options = |signature| {
        let function = names.bytes(signature).strip_prefix(b"?_OptionsStorage@?1??__local_stdio_")?;
        LEGACY_WIDE.iter().find(|(of, _)| function.starts_with(of)).map(|(_, options)| *options)
    };
    let of_group = |group: &Group| Some((*group.blocks.first()?, options(group.signature)?));
    let variables: Vec<_> = graph.groups().iter().filter_map(of_group).collect();
    for (block, options) in variables {
        let block = graph.block_mut(block);
        if block.is_zeros() && block.size == 8 {
            block.content = Content::Owned(options.to_le_bytes().into());
        }
    }
}

/// The DLLs of Microsoft's C++ runtime, which serve objects for the static one as well.
pub(super) fn libraries() -> Vec<DefaultLibrary> {
    // Mangled names, and functions that the compiler or the C++ runtime call.
    let is_runtime = |name: &[u8]| {
        let starts = [&b"?"[..], b"_", b"mem", b"str", b"wcs", b"longjmp"];
        starts.iter().any(|start| name.starts_with(start))
    };
    let is_cxx = |name: &[u8]| name.starts_with(b"?") || name.starts_with(b"_");
    // C's threads.
    let is_thread = |name: &[u8]| {
        let starts = [&b"thrd_"[..], b"mtx_", b"cnd_", b"tss_", b"call_once", b"_thrd_", b"_mtx_", b"_cnd_"];
        starts.iter().any(|start| name.starts_with(start))
    };
    vec![
        DefaultLibrary::new("vcruntime140.dll", is_runtime),
        DefaultLibrary::new("vcruntime140_1.dll", |name| name.starts_with(b"__")),
        DefaultLibrary::new("msvcp140.dll", is_cxx),
        // Has functions of the first one as well, for those who don't have it: they handle other exceptions.
        DefaultLibrary::new("ucrtbase.dll", |_| true),
        DefaultLibrary::new("msvcp140_1.dll", |name| name.ends_with(b"_resource")),
        DefaultLibrary::new("msvcp140_2.dll", |name| name.starts_with(b"__std_smf_")),
        DefaultLibrary::new("msvcp140_atomic_wait.dll", |name| name.starts_with(b"__std_")),
        DefaultLibrary::new("msvcp140_codecvt_ids.dll", |name| name.starts_with(b"?id@?$codecvt@")),
        DefaultLibrary::new("vcruntime140_threads.dll", is_thread),
    ]
}

/// A value that an attacker does not know. Its upper two bytes are zero, which ends strings.
fn cookie() -> u64 {
    RandomState::new().build_hasher().finish() & 0x0000_ffff_ffff_ffff
}

/// A graph that defines `name`; `None` if the runtime has no such thing.
pub(super) fn graph(name: &[u8], names: &mut NamePool) -> Result<Option<LinkGraph>> {
    let mut graph = LinkGraph::new(Source::new("the image's C runtime", []), Arch::X86_64);
    if is_absent(name) {
        graph.add_symbol(yielding(name, absolute(ExecAddr::NULL), names))?;
        return Ok(Some(graph));
    }
    let Some(Piece { protection, content, edges }) = piece(name) else { return Ok(None) };
    let section = graph.add_section(".crt", protection, Lifetime::Standard)?;
    let size = content.len() as u64;
    let block = graph.add_block(section, Content::Owned(content.into()), 0, 4)?;
    let symbol = Symbol { callable: protection == Protection::ReadExec, ..Symbol::anonymous(block, 0, size) };
    graph.add_symbol(yielding(name, symbol, names))?;
    for (offset, kind, target, addend) in edges {
        let target = graph.add_symbol(Symbol::external(names.intern(target), Linkage::Strong))?;
        graph.add_edge(block, Edge { offset, kind: kind.edge(), target, addend })?;
    }
    Ok(Some(graph))
}
