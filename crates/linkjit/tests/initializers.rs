//! The order of initializers and terminators over many objects and several JITDylibs, against a reference that knows
//! nothing of linkers. Rules 30 and 90.
#![cfg(target_arch = "x86_64")]

mod host;

use std::collections::HashSet;
use std::sync::Mutex;

use linkjit::Source;
use linkjit::{JitDylib, MatchScope, Result};
use linkjit_link::arch::Arch;
use linkjit_link::arch::x86_64::Kind;
use linkjit_link::graph::{
    Content, Edge, EdgeKind, InitializerOrder, InitializerSection, Lifetime, LinkGraph, Linkage, Protection, Symbol,
};

const DYLIBS: usize = 4;
const OBJECTS: u32 = 1000;
/// What initializers without a priority have.
const LAST: u32 = 65536;

static RAN: Mutex<Vec<u32>> = Mutex::new(Vec::new());

extern "C" fn ran(what: u32) {
    RAN.lock().unwrap().push(what);
}

fn take_ran() -> Vec<u32> {
    std::mem::take(&mut RAN.lock().unwrap())
}

/// An object of the test.
#[derive(Clone, Copy)]
struct Object {
    number: u32,
    dylib: usize,
    priority: u32,
    /// Beside its initializer; they are called by the number with the highest bit set.
    has_terminator: bool,
}

/// As it may be: deterministic, without a pattern.
fn objects() -> Vec<Object> {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    (0..OBJECTS)
        .map(|number| Object {
            number,
            dylib: usize::try_from(next(DYLIBS as u64)).unwrap(),
            priority: [LAST, LAST, 101, 200, 65535][usize::try_from(next(5)).unwrap()],
            has_terminator: next(3) > 0,
        })
        .collect()
}

/// Adds an object whose initializer is `ran(number)`.
fn add(dylib: &JitDylib, object: Object) -> Result<()> {
    let names = dylib.session().name_pool();
    let ran = names.lock().unwrap().intern(b"ran");
    let mut graph = LinkGraph::new(Source::new(format!("{}.o", object.number), []), Arch::X86_64);
    let ran = graph.add_symbol(Symbol::external(ran, Linkage::Strong))?;
    let code = graph.add_section(".text", Protection::ReadExec, Lifetime::Standard)?;
    let arrays = graph.add_section(".arrays", Protection::ReadWrite, Lifetime::Standard)?;
    let initializer = (InitializerOrder::Init(object.priority), object.number);
    let terminator = (InitializerOrder::Fini(object.priority), object.number | 1 << 31);
    for (order, what) in [initializer, terminator].into_iter().take(1 + usize::from(object.has_terminator)) {
        // mov $what, %edi (Windows: %ecx); jmp ran
        let mut bytes = vec![if cfg!(windows) { 0xb9 } else { 0xbf }];
        bytes.extend(what.to_le_bytes());
        bytes.extend([0xe9, 0, 0, 0, 0]);
        let function = graph.add_block(code, Content::Owned(bytes.into()), 0, 4)?;
        graph.add_edge(function, Edge { offset: 6, kind: Kind::Branch32.edge(), target: ran, addend: -4 })?;
        let function = graph.add_symbol(Symbol::anonymous(function, 0, 10))?;
        let block = graph.add_block(arrays, Content::Owned(Box::new([0; 8])), 0, 3)?;
        graph.add_edge(block, Edge { offset: 0, kind: EdgeKind::POINTER, target: function, addend: 0 })?;
        graph.add_initializers(InitializerSection { block, order, backwards: false });
    }
    dylib.add_graph(graph)
}

/// What JITDylib `from` needs, itself last: what a loader would do, written down recursively.
fn dependencies(links: &[Vec<usize>], from: usize, seen: &mut HashSet<usize>, order: &mut Vec<usize>) {
    if seen.insert(from) {
        for &to in &links[from] {
            dependencies(links, to, seen, order);
        }
        order.push(from);
    }
}

#[test]
fn a_thousand_objects_of_four_jitdylibs_come_and_go_in_order() {
    let jit = host::jit().unwrap();
    jit.process().define_absolute("ran", linkjit::ExecAddr::from_ptr(ran as *const ())).unwrap();
    let dylibs: Vec<_> = (0..DYLIBS).map(|at| jit.create_dylib(&format!("dylib {at}")).unwrap()).collect();
    // 0 needs 2 and 3, which need each other; 1 needs 0 and 3. Whoever is created first is not initialized first.
    let links = vec![vec![2, 3], vec![3, 0], vec![3], vec![2]];
    for (from, to) in links.iter().enumerate().flat_map(|(from, to)| to.iter().map(move |to| (from, *to))) {
        dylibs[from].add_to_link_order(&dylibs[to], MatchScope::Exported).unwrap();
    }
    let objects = objects();
    let (first, second) = objects.split_at(700);
    let mut reference = Vec::new();
    // By JITDylib: terminators as they came to be.
    let mut terminators = vec![Vec::new(); DYLIBS];
    let mut pending: Vec<Object> = Vec::new();
    let mut initialize = |root: usize, pending: &mut Vec<Object>| {
        let (mut seen, mut order) = (HashSet::new(), Vec::new());
        dependencies(&links, root, &mut seen, &mut order);
        for dylib in order {
            let mut here: Vec<_> = pending.extract_if(.., |object| object.dylib == dylib).collect();
            here.sort_by_key(|object| (object.priority, object.number));
            reference.extend(here.iter().map(|object| object.number));
            terminators[dylib].extend(here.into_iter().filter(|object| object.has_terminator));
        }
    };

    for &object in first {
        add(&dylibs[object.dylib], object).unwrap();
    }
    pending.extend(first);
    dylibs[0].initialize().unwrap();
    initialize(0, &mut pending);
    // A second time there is nothing to do.
    dylibs[0].initialize().unwrap();
    for &object in second {
        add(&dylibs[object.dylib], object).unwrap();
    }
    pending.extend(second);
    for root in [2, 1] {
        dylibs[root].initialize().unwrap();
        initialize(root, &mut pending);
    }
    assert!(pending.is_empty());
    assert_eq!(take_ran(), reference);

    // SAFETY: nobody is in the code or uses it afterwards.
    unsafe { jit.close().unwrap() };
    let (mut seen, mut order) = (HashSet::new(), Vec::new());
    (0..DYLIBS).for_each(|root| dependencies(&links, root, &mut seen, &mut order));
    let mut reference = Vec::new();
    for dylib in order.into_iter().rev() {
        let mut here = std::mem::take(&mut terminators[dylib]);
        here.reverse();
        here.sort_by_key(|object| std::cmp::Reverse(object.priority));
        reference.extend(here.iter().map(|object| object.number | 1 << 31));
    }
    assert_eq!(take_ran(), reference);
}
