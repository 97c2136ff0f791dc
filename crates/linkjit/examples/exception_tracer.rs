//! Runs a C++ program, and shows where it throws: a pass lets calls of `__cxa_throw` go to a trampoline, which is a block
//! that it adds to the graph. The trampoline calls back into this program, then goes on to the real `__cxa_throw`.
//!
//! ```sh
//! cargo run -p linkjit --example exception_tracer -- throws.cpp
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter};
use linkjit::link::arch::x86_64::Kind;
use linkjit::link::graph::{Content, Edge, Lifetime, LinkGraph, Linkage, Protection, Symbol};
use linkjit::link::names::NamePool;
use linkjit::{Jit, PassLists, Result, Stage, demangle};

/// Address, size and name of the functions that were linked.
static FUNCTIONS: Mutex<Vec<(u64, u64, String)>> = Mutex::new(Vec::new());

/// System V x86-64: saves the arguments of `__cxa_throw`, calls the tracer with the address that the call returns to,
/// and jumps on. It has no frame any more when the stack is unwound.
const TRAMPOLINE: &[u8] = &[
    0x57, 0x56, 0x52, // push %rdi; push %rsi; push %rdx: now the stack is aligned for a call
    0x48, 0x8b, 0x7c, 0x24, 24, // mov 24(%rsp), %rdi
    0xe8, 0, 0, 0, 0, // call trace
    0x5a, 0x5e, 0x5f, // pop %rdx; pop %rsi; pop %rdi
    0xe9, 0, 0, 0, 0, // jmp __cxa_throw
];
const CALL: u32 = 9;
const JUMP: u32 = 17;

/// Adds the trampoline to a graph that throws.
fn redirect(graph: &mut LinkGraph, names: &Mutex<NamePool>) -> Result<()> {
    let (throw, trace) = {
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        (names.intern(b"__cxa_throw"), names.intern(b"trace"))
    };
    let is_throw = |symbol: &Symbol| symbol.shared_name() == Some(throw) && symbol.is_external() && symbol.live;
    let Some(throw) = graph.symbol_ids().find(|&id| is_throw(graph.symbol(id))) else { return Ok(()) };
    let section = graph.add_section(".exception_tracer", Protection::ReadExec, Lifetime::Standard)?;
    let block = graph.add_block(section, Content::Owned(TRAMPOLINE.into()), 0, 4)?;
    let trampoline = graph.add_symbol(Symbol::anonymous(block, 0, TRAMPOLINE.len() as u64))?;
    graph.retarget(throw, trampoline);
    let trace = graph.add_symbol(Symbol::external(trace, Linkage::Strong))?;
    for (offset, target) in [(CALL, trace), (JUMP, throw)] {
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
        if block.placed && graph.section(block.section).protection == Protection::ReadExec {
            functions.push((graph.address(id).0, symbol.size, graph.describe_symbol(&names, id)));
        }
    }
    Ok(())
}

/// Called by the trampoline.
extern "C" fn trace(returns_to: u64) {
    let functions = FUNCTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    // The call may be the last instruction of its function.
    let around = |&&(start, size, _): &&(u64, u64, String)| (start..start + size).contains(&(returns_to - 1));
    let Some(&(start, size, ref name)) = functions.iter().find(around) else {
        return println!("throw by code that was not linked here");
    };
    println!("throw by {}:", demangle(name));
    let size = usize::try_from(size).unwrap_or(0);
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
    jit.define_absolute("trace", trace as *const ())?;
    jit.session().add_plugin(Arc::new(|_: &LinkGraph, passes: &mut PassLists| {
        passes.add(Stage::PostPrune, redirect);
        passes.add(Stage::PostFixup, note_functions);
    }));
    jit.add_source_file(&source)?;
    // SAFETY: whoever names the file vouches for its `main`.
    let code = unsafe { jit.run_main("main", &[source])? };
    std::process::exit(code);
}
