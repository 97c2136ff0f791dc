//! Links and calls small things in another process, and says how long each takes: what `cargo xtask bench remote` prints.
//! The arguments are the command of an executor, as `linkjit executor`.

use std::error::Error;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use linkjit::executor::{ExecAddr, Executor};
use linkjit::graph::edge_kinds::Generic as Kind;
use linkjit::graph::{Content, Edge, Lifetime, LinkGraph, Name, Protection, Scope, Symbol};
use linkjit::{Jit, Source};
use linkjit_remote::Child;

const ROUNDS: u32 = 2000;

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
    let mut arguments = std::env::args_os().skip(1);
    let mut command = Command::new(arguments.next().ok_or("usage: remote_latency COMMAND [ARGUMENT...]")?);
    command.args(arguments);
    let remote = Arc::new(Child::start(command)?);
    let jit = Jit::builder().executor(remote.clone()).build()?;
    let (mut calls, mut links, mut frames) = (Vec::new(), Vec::new(), 0);
    for round in 0..ROUNDS {
        let graph = function(&jit, round)?;
        let before = remote.traffic();
        let start = Instant::now();
        jit.add_graph(graph)?;
        let address = jit.lookup(format!("f{round}"))?;
        links.push(start.elapsed());
        let after = remote.traffic();
        frames = after.sent - before.sent + after.received - before.received;
        let start = Instant::now();
        // SAFETY: it takes an integer and returns one.
        let result = unsafe { remote.call(address, &[7])? };
        calls.push(start.elapsed());
        assert_eq!(result as u32, 7 + round);
    }
    report("a call", &mut calls);
    report(&format!("an object ({frames} frames)"), &mut links);
    Ok(())
}

/// `unsigned f<number>(unsigned x) { return x + <number>; }`
fn function(jit: &Jit, number: u32) -> Result<LinkGraph, Box<dyn Error>> {
    let mut graph = LinkGraph::new(Source::new(format!("f{number}.o"), []), jit.session().executor().target().arch);
    let text = graph.add_section(".text", Protection::ReadExec, Lifetime::Standard)?;
    // lea eax, [rdi + number]; ret
    let code = [0x8d, 0x87, 0, 0, 0, 0, 0xc3];
    let block = graph.add_block(text, Content::Owned(code.into()), 0, 4)?;
    let constant = graph.add_symbol(Symbol::absolute(ExecAddr(number.into())))?;
    graph.add_edge(block, Edge { offset: 2, kind: Kind::Pointer32.edge(), target: constant, addend: 0 })?;
    let name =
        jit.session().name_pool().lock().map_err(|_| "the names are gone")?.intern(format!("f{number}").as_bytes());
    let function = Symbol::anonymous(block, 0, code.len() as u64);
    graph.add_symbol(Symbol { name: Name::Interned(name), scope: Scope::Default, callable: true, ..function })?;
    Ok(graph)
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e6;
    println!("| {what} | {:.0} | {:.0} |", at(50), at(99));
}
