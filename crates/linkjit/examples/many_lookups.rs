//! Links many functions in as few or as many lookups as asked for: what `cargo xtask bench batches` measures. The time
//! and the instructions for each function must not depend on how many there are.

use std::error::Error;
use std::process::ExitCode;

use linkjit::Source;
use linkjit::graph::edge_kinds::X86_64 as Kind;
use linkjit::graph::{Arch, Content, Edge, Lifetime, LinkGraph, Linkage, Name, NamePool, Protection, Scope, Symbol};
use linkjit::{Jit, ResourceTracker};

const USAGE: &str = "usage: many_lookups SHAPE COUNT

  at-once     COUNT functions of one object, in one lookup
  one-by-one  the same, a lookup each
  tracked     the same, when a resource tracker has the object, which is removed at the end
  trackers    COUNT objects of a function each, with a resource tracker each, in one lookup; then removed one by one
";

/// Every so many functions one calls no other: no chain of calls is longer.
const CHAIN: usize = 10;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [shape, count] = arguments.as_slice() else { return Err(USAGE.into()) };
    let count: usize = count.parse()?;
    let names: Vec<String> = (0..count).map(name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let jit = Jit::host()?;
    let graph = |first: usize, end: usize| {
        let mut names = jit.session().name_pool().lock().map_err(|_| "the names are gone")?;
        functions(first, end, &mut names).map_err(Box::<dyn Error>::from)
    };
    let mut trackers: Vec<ResourceTracker> = Vec::new();
    match shape.as_str() {
        "at-once" | "one-by-one" => jit.add_graph(graph(0, count)?)?,
        "tracked" => {
            let tracker = jit.create_tracker()?;
            tracker.add_graph(graph(0, count)?)?;
            trackers.push(tracker);
        }
        "trackers" => {
            for number in 0..count {
                let tracker = jit.create_tracker()?;
                tracker.add_graph(graph(number, number + 1)?)?;
                trackers.push(tracker);
            }
        }
        _ => return Err(USAGE.into()),
    }
    if shape == "at-once" || shape == "trackers" {
        jit.link(&names)?;
    } else {
        names.iter().try_for_each(|name| jit.lookup(name).map(drop))?;
    }
    for tracker in trackers {
        // SAFETY: nothing of it was ever called. Those that call it were removed before.
        unsafe { tracker.remove()? };
    }
    println!("{} functions", jit.session().statistics().blocks);
    Ok(())
}

fn name(number: usize) -> String {
    format!("f{number}")
}

/// An object of functions, each in a section of its own, of which most call the next.
fn functions(first: usize, end: usize, names: &mut NamePool) -> linkjit::Result<LinkGraph> {
    const CODE: [u8; 6] = [0xe8, 0, 0, 0, 0, 0xc3];
    let mut graph = LinkGraph::new(Source::new(format!("functions from {first}"), []), Arch::X86_64);
    let mut symbols = Vec::new();
    let mut blocks = Vec::new();
    for number in first..end {
        let section = graph.add_section(&format!(".text.f{number}"), Protection::ReadExec, Lifetime::Standard)?;
        let block = graph.add_block(section, Content::Owned(CODE.into()), 0, 4)?;
        symbols.push(graph.add_symbol(Symbol {
            name: Name::Interned(names.intern(name(number).as_bytes())),
            scope: Scope::Default,
            callable: true,
            ..Symbol::anonymous(block, 0, CODE.len() as u64)
        })?);
        blocks.push(block);
    }
    for (at, number) in (first..end).enumerate().filter(|(_, number)| number % CHAIN != CHAIN - 1) {
        let target = match symbols.get(at + 1) {
            Some(&next) => next,
            None => graph.add_symbol(Symbol::external(names.intern(name(number + 1).as_bytes()), Linkage::Weak))?,
        };
        graph.add_edge(blocks[at], Edge { offset: 1, kind: Kind::Branch32.edge(), target, addend: -4 })?;
    }
    Ok(graph)
}
