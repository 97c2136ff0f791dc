//! Runs a C++ program, and shows where it throws: a pass lets calls of the function that throws go to a trampoline, which
//! is a block that it adds to the graph. The trampoline calls back into this program, then goes on to the real function.
//!
//! ```sh
//! cargo run -p linkjit --example exception_tracer -- throws.cpp
//! exception_tracer.exe throws.obj
//! ```

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter};
use linkjit::graph::edge_kinds::X86_64 as Kind;
use linkjit::graph::{Content, Edge, Lifetime, LinkGraph, Linkage, NamePool, Protection, Symbol};
use linkjit::{Jit, PassLists, Result, Stage, demangle};

/// Address of the functions that were linked, where their blocks end, and their names.
static FUNCTIONS: Mutex<Vec<(u64, u64, String)>> = Mutex::new(Vec::new());

/// What saves the arguments of the function that throws, calls the tracer with the address that the call returns to, and
/// jumps on: it has no frame any more when the stack is unwound.
struct Trampoline {
    throws: &'static str,
    code: &'static [u8],
    /// Where the targets of its call and its jump are.
    call: u32,
    jump: u32,
}

#[cfg(not(windows))]
const TRAMPOLINE: Trampoline = Trampoline {
    throws: "__cxa_throw",
    code: &[
        0x57, 0x56, 0x52, // push %rdi; push %rsi; push %rdx: now the stack is aligned for a call
        0x48, 0x8b, 0x7c, 0x24, 24, // mov 24(%rsp), %rdi
        0xe8, 0, 0, 0, 0, // call trace
        0x5a, 0x5e, 0x5f, // pop %rdx; pop %rsi; pop %rdi
        0xe9, 0, 0, 0, 0, // jmp __cxa_throw
    ],
    call: 9,
    jump: 17,
};

#[cfg(windows)]
const TRAMPOLINE: Trampoline = Trampoline {
    throws: "_CxxThrowException",
    code: &[
        0x51, 0x52, // push %rcx; push %rdx
        0x48, 0x83, 0xec, 40, // sub $40, %rsp: the 32 bytes that a callee may use, and alignment
        0x48, 0x8b, 0x4c, 0x24, 56, // mov 56(%rsp), %rcx
        0xe8, 0, 0, 0, 0, // call trace
        0x48, 0x83, 0xc4, 40, // add $40, %rsp
        0x5a, 0x59, // pop %rdx; pop %rcx
        0xe9, 0, 0, 0, 0, // jmp _CxxThrowException
    ],
    call: 12,
    jump: 23,
};

/// Adds the trampoline to a graph that throws.
fn redirect(graph: &mut LinkGraph, names: &Mutex<NamePool>) -> Result<()> {
    let (throw, trace) = {
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        (names.intern(TRAMPOLINE.throws.as_bytes()), names.intern(b"trace"))
    };
    let is_throw = |symbol: &Symbol| symbol.global_name() == Some(throw) && symbol.is_external() && symbol.live;
    let Some(throw) = graph.symbol_ids().find(|&id| is_throw(graph.symbol(id))) else { return Ok(()) };
    let section = graph.add_section(".exception_tracer", Protection::ReadExec, Lifetime::Standard)?;
    let block = graph.add_block(section, Content::Owned(TRAMPOLINE.code.into()), 0, 4)?;
    let trampoline = graph.add_symbol(Symbol::anonymous(block, 0, TRAMPOLINE.code.len() as u64))?;
    graph.retarget(throw, trampoline);
    let trace = graph.add_symbol(Symbol::external(trace, Linkage::Strong))?;
    for (offset, target) in [(TRAMPOLINE.call, trace), (TRAMPOLINE.jump, throw)] {
        graph.add_edge(block, Edge { offset, kind: Kind::Branch32.edge(), target, addend: -4 })?;
    }
    Ok(())
}

/// Notes where the functions of a graph are.
fn note_functions(graph: &mut LinkGraph, names: &Mutex<NamePool>) -> Result<()> {
    let names = names.lock().unwrap_or_else(PoisonError::into_inner);
    let mut functions = FUNCTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    for id in graph.symbol_ids() {
        let symbol = graph.symbol(id);
        let Some(block) = symbol.block().map(|block| graph.block(block)) else { continue };
        // COFF does not tell functions from labels that compilers make, but by their names.
        let is_function = symbol.callable && !graph.symbol_name(&names, id).is_empty();
        if is_function && block.placed && graph.section(block.section).protection == Protection::ReadExec {
            let end = block.address.0 + block.size;
            functions.push((graph.address(id).0, end, graph.describe_symbol(&names, id)));
        }
    }
    functions.sort();
    Ok(())
}

/// Called by the trampoline.
extern "C" fn trace(returns_to: u64) {
    let functions = FUNCTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    // The call may be the last instruction of its function.
    let next = functions.partition_point(|&(start, ..)| start < returns_to);
    let found = next.checked_sub(1).map(|at| &functions[at]).filter(|(_, end, _)| returns_to <= *end);
    let Some(&(start, end, ref name)) = found else {
        return println!("throw by code that was not linked here");
    };
    let end = functions.get(next).map_or(end, |&(next, ..)| next.min(end));
    println!("throw by {}:", demangle(name));
    let size = usize::try_from(end - start).unwrap_or(0);
    // SAFETY: the function was linked there, and is running.
    let code = unsafe { std::slice::from_raw_parts(start as *const u8, size) };
    let mut formatter = GasFormatter::new();
    for instruction in Decoder::with_ip(64, code, start, DecoderOptions::NONE) {
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        let mark = if instruction.next_ip() == returns_to { "=>" } else { "  " };
        println!("{mark} {:#x}: {text}", instruction.ip());
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let source = std::env::args().nth(1).ok_or("usage: exception_tracer SOURCE")?;
    let jit = Jit::host()?;
    jit.define_ptr("trace", trace as *const ())?;
    jit.session().add_plugin(Arc::new(|_: &LinkGraph, passes: &mut PassLists| {
        passes.add(Stage::PostPrune, redirect);
        passes.add(Stage::PostFixup, note_functions);
    }));
    if Path::new(&source).extension().is_some_and(|extension| extension == "o" || extension == "obj") {
        jit.add_object(&source)?;
    } else {
        jit.add_source_file(&source)?;
    }
    // SAFETY: whoever names the file vouches for its `main`.
    let code = unsafe { jit.run_main("main", &[source])? };
    std::process::exit(code);
}
