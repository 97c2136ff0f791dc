//! The parts of Microsoft's C runtime that are linked into each image because code refers to them directly: a few
//! variables, and the check of the stack's cookie, which reads one of them. The executor has the functions.

use std::hash::{BuildHasher, Hasher, RandomState};

use linkjit_executor::ExecAddr;
use linkjit_link::arch::{Arch, ArchTables, Template};
use linkjit_link::graph::{Content, Edge, EdgeKind, Group, Lifetime, LinkGraph, Linkage, Protection, Symbol};
use linkjit_link::names::NamePool;
use linkjit_link::object::import_slots;
use linkjit_link::source::Source;

use super::{charconv, define_yielding, guids};
use crate::error::Result;
use crate::generators::DefaultLibrary;

/// `__isa_available`: SSE2, which every processor that has this name has; code that looks for more does without.
const ISA_SSE2: u32 = 1;
/// `_fltused`, whose value nobody reads.
const FLOATING_POINT_USED: u32 = 0x9875;

/// One of them.
enum Piece {
    /// A variable, or a constant, of which some words are the addresses of what these names stand for.
    Data(Protection, Box<[u8]>, Vec<(u32, &'static [u8])>),
    /// Code, and the names of what it needs.
    Code(&'static Template, &'static [&'static [u8]]),
}

fn piece(name: &[u8], arch: Arch) -> Option<Piece> {
    let data = |content: &[u8]| Piece::Data(Protection::ReadWrite, content.into(), Vec::new());
    let pointer = |target| Piece::Data(Protection::Read, arch.word(0), vec![(0, target)]);
    Some(match name {
        // GNU's name for it, of -fstack-protector.
        b"__security_cookie" | b"__stack_chk_guard" => data(&cookie().to_le_bytes()),
        b"__security_check_cookie" => {
            Piece::Code(&arch.code().image?.cookie_check, &[b"__security_cookie", b"__report_gsfailure"])
        }
        // The hooks of delayed loading are variables that a program may define. The executor has the rest.
        import_slots::DELAY_LOAD_HELPER => Piece::Code(
            &arch.code().image?.with_two_more,
            &[import_slots::NOTIFY_HOOK, import_slots::FAILURE_HOOK, b"__linkjit_load_delayed"],
        ),
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
        | import_slots::NOTIFY_HOOK
        | import_slots::FAILURE_HOOK => data(&[0; 8]),
        b"_load_config_used" => load_configuration(),
        // Its address is all that matters, `std::nothrow`'s too.
        b"_tls_used" => data(&[0; 40]),
        // Where `type_info::name` keeps the names that it has made.
        b"__type_info_root_node" => data(&[0; 16]),
        b"?nothrow@std@@3Unothrow_t@1@B" => data(&[0; 1]),
        _ => {
            let content = guids::find(name).or_else(|| charconv::find(name))?;
            Piece::Data(Protection::Read, content.into(), Vec::new())
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
    Piece::Data(Protection::Read, content.into(), LOAD_CONFIGURATION.into())
}

/// Says whether a name is that of a table for Control Flow Guard, or of its size: images have none.
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
        LEGACY_WIDE.iter().find(|(prefix, _)| function.starts_with(prefix)).map(|(_, options)| *options)
    };
    let variable = |group: &Group| Some((*group.blocks.first()?, options(group.signature)?));
    let variables: Vec<_> = graph.groups.iter().filter_map(variable).collect();
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
pub(super) fn graph(name: &[u8], arch: Arch, names: &mut NamePool) -> Result<Option<LinkGraph>> {
    let mut graph = LinkGraph::new(Source::new("the image's C runtime", []), arch);
    if is_absent(name) {
        let symbol = graph.add_symbol(Symbol::absolute(ExecAddr::NULL))?;
        define_yielding(&mut graph, symbol, name, names);
        return Ok(Some(graph));
    }
    let Some(piece) = piece(name, arch) else { return Ok(None) };
    let mut external =
        |graph: &mut LinkGraph, target| graph.add_symbol(Symbol::external(names.intern(target), Linkage::Strong));
    let symbol = match piece {
        Piece::Data(protection, content, pointers) => {
            let section = graph.add_section(".crt", protection, Lifetime::Standard)?;
            let (block, symbol) = graph.add_data(section, content, 4)?;
            for (offset, target) in pointers {
                let target = external(&mut graph, target)?;
                graph.add_edge(block, Edge { offset, kind: EdgeKind::POINTER, target, addend: 0 })?;
            }
            symbol
        }
        Piece::Code(template, operands) => {
            let section = graph.add_section(".crt", Protection::ReadExec, Lifetime::Standard)?;
            let operands: Vec<_> = operands.iter().map(|name| external(&mut graph, name)).collect::<Result<_, _>>()?;
            let (_, symbol) = graph.add_code(section, template, &operands)?;
            graph.symbol_mut(symbol).callable = true;
            symbol
        }
    };
    define_yielding(&mut graph, symbol, name, names);
    Ok(Some(graph))
}
