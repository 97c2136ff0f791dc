//! Sessions whose executor is at the other end of a connection. `LINKJIT_TEST_EXECUTOR=remote` has all other tests run over
//! one, too.
#![cfg(unix)]

mod support;

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use linkjit::executor::{ExecRange, Executor, InProcess};
use linkjit::graph::{Content, Edge, Lifetime, LinkGraph, Linkage, Name, Protection, Scope, Symbol, edge_kinds};
use linkjit::{Error, ExecAddr, Jit, Source};
use linkjit_remote::{Outcome, Remote, Token, Transport};
use support::compile;

/// A session over a connection to a thread of this process.
fn connected() -> (Arc<Remote>, Jit, thread::JoinHandle<Outcome>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let theirs = Transport::unix(theirs).unwrap();
    let serving =
        thread::spawn(|| linkjit_remote::serve(theirs, &Token::none(), Arc::new(InProcess::new().unwrap())).unwrap());
    let remote = Arc::new(Remote::connect(Transport::unix(ours).unwrap(), &Token::none()).unwrap());
    let jit = Jit::builder().executor(remote.clone()).build().unwrap();
    (remote, jit, serving)
}

fn call(remote: &Remote, function: ExecAddr, argument: u64) -> u64 {
    // SAFETY: the functions of these tests take an integer or nothing, and return one.
    unsafe { remote.call(function, &[argument]).unwrap() }
}

/// A variable that holds the address of the one before it, the first a number.
fn link_of_a_chain(jit: &Jit, number: u32) -> LinkGraph {
    let mut graph = LinkGraph::new(Source::new(format!("v{number}.o"), []), jit.session().executor().target().arch);
    let data = graph.add_section(".data.rel.ro", Protection::Read, Lifetime::Standard).unwrap();
    let block = graph.add_block(data, Content::Owned(42u64.to_le_bytes().into()), 0, 8).unwrap();
    let name = |number: u32| jit.session().name_pool().lock().unwrap().intern(format!("v{number}").as_bytes());
    let variable = Symbol::anonymous(block, 0, 8);
    graph.add_symbol(Symbol { name: Name::Interned(name(number)), scope: Scope::Default, ..variable }).unwrap();
    if let Some(before) = number.checked_sub(1) {
        let target = graph.add_symbol(Symbol::external(name(before), Linkage::Strong)).unwrap();
        let kind = edge_kinds::Generic::Pointer64.edge();
        graph.add_edge(block, Edge { offset: 0, kind, target, addend: 0 }).unwrap();
    }
    graph
}

fn read_word(remote: &Remote, address: u64) -> u64 {
    let bytes = remote.read(ExecRange::new(ExecAddr(address), 8)).unwrap();
    u64::from_le_bytes(bytes.try_into().unwrap())
}

/// Frames that linking a chain takes, in both directions.
fn frames_of_a_chain(length: u32) -> u64 {
    let (remote, jit, _serving) = connected();
    for number in 0..length {
        jit.add_graph(link_of_a_chain(&jit, number)).unwrap();
    }
    let before = remote.traffic();
    let mut address = jit.lookup(format!("v{}", length - 1)).unwrap().0;
    let after = remote.traffic();
    for _ in 1..length.min(20) {
        address = read_word(&remote, address);
    }
    assert!(length > 20 || read_word(&remote, address) == 42);
    (after.sent - before.sent) + (after.received - before.received)
}

#[test]
fn a_batch_takes_as_many_frames_whatever_its_size() {
    let [small, large] = [10, 2000].map(frames_of_a_chain);
    // One call more tells the executor of shared memory, once.
    assert!(small <= large && large <= small + 2, "{small}, {large}");
    assert!(large <= 30, "{large} frames for a batch");
}

#[test]
fn calls_nest_in_both_directions() {
    let (remote, jit, serving) = connected();
    // The lookup of `start` runs its initializer, which calls a function that is not linked yet. That has an initializer of
    // its own, which calls another such function.
    let outer = "int middle(int); static int known; int start(int x) { return known + x; }
                 __attribute__((constructor)) static void initialize(void) { known = middle(1); }";
    let middle = "int inner(int); static int known; int middle(int x) { return known + x; }
                  __attribute__((constructor)) static void initialize(void) { known = inner(10); }";
    jit.add_object(Source::new("outer.o", compile("-fPIC", outer))).unwrap();
    jit.add_lazy_object(Source::new("middle.o", compile("-fPIC", middle))).unwrap();
    let inner = "int inner(int x) { return x + 100; }";
    jit.add_lazy_object(Source::new("inner.o", compile("-fPIC", inner))).unwrap();
    let start = jit.lookup("start").unwrap();
    assert_eq!(call(&remote, start, 1000), 1111);
    // SAFETY: nobody is in the code.
    unsafe { jit.close().unwrap() };
    drop(remote);
    assert_eq!(serving.join().unwrap(), Outcome::Over);
}

#[test]
fn what_means_something_only_in_one_process_is_an_error() {
    let (_remote, jit, _serving) = connected();
    assert!(matches!(jit.define_fn("f", |x: u32| x), Err(Error::Elsewhere { .. })));
    assert!(matches!(jit.define_ptr("p", &raw const jit), Err(Error::Elsewhere { .. })));
    assert!(matches!(jit.lookup_ptr::<u8>("abs"), Err(Error::Elsewhere { .. })));
    // SAFETY: there will be none.
    let function = unsafe { jit.lookup_fn::<unsafe extern "C" fn(i32) -> i32>("abs") };
    assert!(matches!(function, Err(Error::Elsewhere { .. })));
}

#[test]
fn many_threads_link_and_call_over_one_connection() {
    const THREADS: u64 = 64;
    let (remote, jit, _serving) = connected();
    let source = "static __thread int calls; int count(int x) { return x * 1000 + ++calls; }";
    jit.add_object(Source::new("count.o", compile("-fPIC", source))).unwrap();
    for number in 0..THREADS {
        let source = format!("int count(int); int f{number}(int x) {{ return count(x); }}");
        jit.add_lazy_object(Source::new(format!("f{number}.o"), compile("-fPIC", &source))).unwrap();
    }
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (remote, jit) = (&remote, &jit);
            scope.spawn(move || {
                let function = jit.lookup(format!("f{number}")).unwrap();
                for call_of_thread in 1..=5 {
                    // A thread of the session has a thread of the executor, and so its variables.
                    assert_eq!(call(remote, function, number), number * 1000 + call_of_thread);
                }
            });
        }
    });
}
