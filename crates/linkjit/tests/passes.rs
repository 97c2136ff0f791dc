//! Passes of users: what they see and what they can change.

mod support;

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use linkjit::link::graph::{Content, Lifetime, LinkGraph, Linkage, Protection, Symbol};
use linkjit::link::names::NamePool;
use linkjit::link::passes::Stage;
use linkjit::link::{LinkError, Result, Site};
use linkjit::{Error, Jit};
use support::compile;

/// Calls the function `name`, which takes nothing and returns an int.
fn call(jit: &Jit, name: &str) -> c_int {
    // SAFETY: every function that the tests look up with this is of that type.
    let function = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> c_int>(name) }.unwrap();
    // SAFETY: as above, and its code is alive as long as `jit`.
    unsafe { function() }
}

#[test]
fn passes_run_in_the_order_of_their_stages() {
    let jit = Jit::host().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    for stage in
        [Stage::PostFixup, Stage::PreFixup, Stage::PostAllocation, Stage::PostPrune, Stage::PrePrune, Stage::PrePrune]
    {
        let seen = seen.clone();
        jit.session().add_pass(
            stage,
            Arc::new(move |graph: &mut LinkGraph, _: &Mutex<NamePool>| {
                if graph.name() == "f.o" {
                    seen.lock().unwrap().push((stage, graph.blocks().iter().any(|block| block.placed)));
                }
                Ok(())
            }),
        );
    }
    jit.add_object("f.o", compile("-O1", "int f(void) { return 1; }")).unwrap();
    assert_eq!(call(&jit, "f"), 1);
    let expected = [
        (Stage::PrePrune, false),
        (Stage::PrePrune, false),
        (Stage::PostPrune, false),
        (Stage::PostAllocation, true),
        (Stage::PreFixup, true),
        (Stage::PostFixup, true),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// Makes calls of `old` calls of code that the pass adds: `mov $7, %eax; ret`.
fn replace_old(graph: &mut LinkGraph, names: &Mutex<NamePool>) -> Result<()> {
    let old = {
        let names = names.lock().unwrap();
        graph.symbol_ids().find(|&id| graph.symbol_name(&names, id) == b"old")
    };
    let Some(old) = old else { return Ok(()) };
    let section = graph.add_section("replaced", Protection::ReadExec, Lifetime::Standard)?;
    let code = [0xb8, 7, 0, 0, 0, 0xc3];
    let block = graph.add_block(section, Content::Owned(Box::new(code)), 0, 4)?;
    let new = graph.add_symbol(Symbol::anonymous(block, 0, code.len() as u64))?;
    graph.retarget(old, new);
    Ok(())
}

#[test]
fn a_pass_can_replace_what_code_calls() {
    for stage in [Stage::PrePrune, Stage::PostPrune] {
        let jit = Jit::host().unwrap();
        jit.session().add_pass(stage, Arc::new(replace_old));
        // Nobody defines `old`, and nobody has to.
        jit.add_object("f.o", compile("-O1", "int old(void); int f(void) { return old() + 1; }")).unwrap();
        assert_eq!(call(&jit, "f"), 8, "{stage:?}");
    }
}

#[test]
fn externals_that_a_pass_adds_are_found() {
    let jit = Jit::host().unwrap();
    jit.session().add_pass(
        Stage::PostPrune,
        Arc::new(|graph: &mut LinkGraph, names: &Mutex<NamePool>| {
            let (from, to) = {
                let mut names = names.lock().unwrap();
                (names.intern(b"one"), names.intern(b"two"))
            };
            if let Some(one) = graph.symbol_ids().find(|&id| graph.symbol(id).shared_name() == Some(from))
                && graph.symbol(one).is_external()
            {
                let two = graph.add_symbol(Symbol::external(to, Linkage::Strong))?;
                graph.retarget(one, two);
            }
            Ok(())
        }),
    );
    jit.add_object("f.o", compile("-O1", "int one(void); int f(void) { return one() * 10; }")).unwrap();
    jit.add_object("g.o", compile("-O1", "int one(void) { return 1; } int two(void) { return 2; }")).unwrap();
    assert_eq!(call(&jit, "f"), 20);
}

#[test]
fn a_pass_that_fails_fails_the_lookup_and_leaves_no_trace() {
    for stage in [Stage::PrePrune, Stage::PostPrune, Stage::PostAllocation, Stage::PreFixup, Stage::PostFixup] {
        let jit = Jit::host().unwrap();
        let (failing, runs) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        jit.session().add_pass(Stage::PrePrune, Arc::new(replace_old));
        jit.session().add_pass(stage, {
            let (failing, runs) = (failing.clone(), runs.clone());
            Arc::new(move |graph: &mut LinkGraph, _: &Mutex<NamePool>| {
                runs.fetch_add(usize::from(graph.name() == "f.o"), Ordering::Relaxed);
                if graph.name() == "f.o" && failing.load(Ordering::Relaxed) {
                    let site = Site::file(graph.source().name().clone());
                    return Err(LinkError::Unsupported { site, what: "this, says the pass".into() });
                }
                Ok(())
            })
        });
        jit.add_object("f.o", compile("-O1", "int old(void); int f(void) { return old() + 1; }")).unwrap();
        match jit.lookup("f") {
            Err(Error::Link(error)) => assert_eq!(error.to_string(), "f.o: unsupported this, says the pass"),
            other => panic!("{stage:?}: {other:?}"),
        }
        assert_eq!(jit.statistics().batches, 0);
        failing.store(false, Ordering::Relaxed);
        assert_eq!(call(&jit, "f"), 8, "{stage:?}");
        assert_eq!(runs.load(Ordering::Relaxed), 2, "{stage:?}");
    }
}
