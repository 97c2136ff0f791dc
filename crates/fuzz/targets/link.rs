//! Objects, linked at fixed addresses and printed, as `linkjit jitlink -noexec` does it; members of archives, all of them.

#![no_main]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Mutex;

use libfuzzer_sys::fuzz_target;
use linkjit::ExecAddr;
use linkjit::executor::ExecRange;
use linkjit_fuzz::input::split;
use linkjit_link::arch::{FixupContext, Image};
use linkjit_link::graph::{LinkGraph, Linkage, SymbolId};
use linkjit_link::input::{Binding, Input};
use linkjit_link::link::Inputs;
use linkjit_link::names::{NameId, NamePool};
use linkjit_link::object;
use linkjit_link::object::archive::{Archive, MemberContent};
use linkjit_link::object::import_slots;
use linkjit_link::passes::entries::{EntryStyle, SharedEntries};
use linkjit_link::source::Source;

/// Segments of more bytes are not written.
const MOST: u64 = 16 << 20;

fuzz_target!(|bytes: &[u8]| {
    let (operations, files) = split(bytes);
    let names = Mutex::new(NamePool::new());
    let mut graphs = Vec::new();
    {
        let mut names = names.lock().expect("nobody has panicked");
        for (number, file) in files.into_iter().take(8).enumerate() {
            let source = Source::new(format!("{number}.o"), file.to_vec());
            if Archive::is_archive(file) {
                let Ok(archive) = Archive::parse(source) else { continue };
                for member in archive.members().flatten().take(8) {
                    if let MemberContent::Inline(source) = member.content {
                        graphs.extend(object::read(&source, &mut names));
                    }
                }
                continue;
            }
            match object::read(&source, &mut names) {
                Ok(graph) => graphs.push(graph),
                Err(error) => assert!(error.to_string().len() < 10_000),
            }
        }
    }
    if !graphs.is_empty() {
        link(operations.first().is_some_and(|first| first & 1 == 0), graphs, &names);
    }
});

fn link(has_window: bool, graphs: Vec<LinkGraph>, names: &Mutex<NamePool>) {
    let start = 0x7000_0000_0000;
    let window = ExecRange::new(ExecAddr(start), 1 << 30);
    let mut defined: HashMap<NameId, (u32, SymbolId)> = HashMap::new();
    let mut inputs = Inputs::default();
    for (index, mut graph) in (0u32..).zip(graphs) {
        graph.prune(&[]);
        for id in graph.symbol_ids() {
            let symbol = graph.symbol(id);
            if let Some(name) = symbol.global_name().filter(|_| !symbol.is_external()) {
                defined.entry(name).or_insert((index, id));
            }
        }
        inputs.push(Input::made(graph, 0, window));
    }
    for index in 0..inputs.len() {
        for id in inputs[index].graph.symbol_ids() {
            let symbol = inputs[index].graph.symbol(id);
            let Some(name) = symbol.global_name().filter(|_| symbol.is_external()) else { continue };
            let binding = match defined.get(&name) {
                Some(&(input, symbol)) => Binding::Input { input, symbol },
                None if symbol.linkage == Linkage::Weak => Binding::Missing,
                None => {
                    let mut names = names.lock().expect("nobody has panicked");
                    let bytes = names.bytes(name).to_vec();
                    if let Some(target) = import_slots::target(&bytes) {
                        _ = import_slots::slot(target, inputs[index].graph.arch(), &mut names);
                    }
                    match bytes.len() % 4 {
                        0 => Binding::Outside(ExecAddr(0x1234)),
                        1 => Binding::OutsideFunction(ExecAddr(0x7fff_0000_0000)),
                        2 => Binding::Linked(ExecAddr(start - 64)),
                        _ => Binding::Linked(ExecAddr(0x10)),
                    }
                }
            };
            inputs[index].bind(id, binding);
        }
    }
    let count = inputs.len();
    let members = 0..u32::try_from(count).unwrap_or(0);
    let Ok(prepared) = inputs.prepare(members.clone().collect(), None) else { return };
    let style = if has_window { EntryStyle::Session(window) } else { EntryStyle::LikeLlvm };
    let Ok(new) = inputs.complete(&prepared, style, &SharedEntries::default()) else { return };
    let Ok(layout) = inputs.lay_out(&new.together()) else { return };
    let mut bases = [ExecAddr(start); 3];
    let mut at = start;
    for (base, segment) in bases.iter_mut().zip(layout.segments()) {
        let Some(begin) = at.checked_next_multiple_of(segment.align.max(4096)) else { return };
        *base = ExecAddr(begin);
        let Some(end) = begin.checked_add(segment.size) else { return };
        at = end;
    }
    let placed = inputs.place(layout, bases);
    let resolved = inputs.resolve();
    let sections = [window];
    let context = FixupContext {
        names,
        got_base: bases[0],
        image: Image { base: ExecAddr(start), sections: &sections, tls_module: Some(1) },
        tls_resolvers: [ExecAddr(start - 32); 2],
    };
    for (index, segment) in placed.segments().iter().enumerate().filter(|(_, segment)| segment.size() <= MOST) {
        let mut memory = vec![0; usize::try_from(segment.size()).unwrap_or(0)];
        if let Err((_, error)) = resolved.write(&placed, index, &mut memory, &context) {
            assert!(error.to_string().len() < 10_000);
        }
    }
    let pool = names.lock().expect("nobody has panicked");
    let mut text = String::new();
    for input in inputs.iter() {
        write!(text, "{}", input.graph.dump(&pool, true)).expect("a string takes any text");
        for id in input.graph.symbol_ids().take(100) {
            _ = input.graph.describe_symbol(&pool, id);
        }
    }
    drop(pool);
    inputs.undo(count, members, [placed]);
}
