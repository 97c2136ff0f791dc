//! Plugins: what their passes see of graphs and can change, and what they are told.

mod host;
mod support;

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use linkjit::executor::AllocationId;
use linkjit::{Error, Jit, LinkedAllocation, PassLists, Plugin, Result, Source, Stage};
use linkjit_link::graph::{Content, Edge, EdgeKind, Lifetime, LinkGraph, Linkage, Protection, Symbol, SymbolId};
use linkjit_link::names::NamePool;
use support::compile;

const STAGES: [Stage; 5] =
    [Stage::PrePrune, Stage::PostPrune, Stage::PostAllocation, Stage::PreFixup, Stage::PostFixup];

/// Calls the function `name`, which takes nothing and returns an int.
fn call(jit: &Jit, name: &str) -> c_int {
    // SAFETY: every function that the tests look up with this is of that type.
    let function = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> c_int>(name) }.unwrap();
    // SAFETY: as above, and its code is alive as long as `jit`.
    unsafe { function() }
}

/// Adds a pass for the object `object`.
fn add_pass(
    jit: &Jit,
    object: &'static str,
    stage: Stage,
    pass: impl Fn(&mut LinkGraph, &Mutex<NamePool>) -> Result<()> + Send + Sync + 'static,
) {
    let pass = Arc::new(pass);
    jit.session().add_plugin(Arc::new(move |graph: &LinkGraph, passes: &mut PassLists| {
        if graph.name() == object {
            let pass = pass.clone();
            passes.add(stage, move |graph, names| pass(graph, names));
        }
    }));
}

fn find(graph: &LinkGraph, names: &Mutex<NamePool>, name: &str) -> Option<SymbolId> {
    let names = names.lock().unwrap();
    graph.symbol_ids().find(|&id| graph.symbol_name(&names, id) == name.as_bytes())
}

/// What a plugin was told, in order; and it can be made to fail.
#[derive(Default)]
struct Witness {
    told: Mutex<Vec<String>>,
    ids: Mutex<Vec<AllocationId>>,
    refuses: AtomicBool,
}

impl Witness {
    fn add(jit: &Jit) -> Arc<Self> {
        let witness = Arc::new(Self::default());
        jit.session().add_plugin(witness.clone());
        witness
    }

    fn tell(&self, what: impl Into<String>) {
        self.told.lock().unwrap().push(what.into());
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

impl Plugin for Witness {
    fn add_passes(&self, graph: &LinkGraph, _: &mut PassLists) {
        if graph.name().ends_with(".o") {
            self.tell(graph.name());
        }
    }

    fn linked(&self, allocations: &[LinkedAllocation<'_>], _: &Mutex<NamePool>) -> Result<()> {
        for allocation in allocations {
            for (graph, block) in &allocation.blocks {
                let block = graph.block(*block);
                assert!(block.placed && allocation.segments.iter().any(|of| of.contains(block.address)));
            }
            assert_eq!(allocation.dylib.name(), "main");
            self.ids.lock().unwrap().push(allocation.id);
        }
        self.tell("linked");
        if self.refuses.load(Ordering::Relaxed) {
            return Err(Error::other("not this"));
        }
        Ok(())
    }

    fn failed(&self) {
        self.tell("failed");
    }

    fn removed(&self, allocation: AllocationId) {
        if self.ids.lock().unwrap().contains(&allocation) {
            self.tell("removed");
        }
    }
}

#[test]
fn passes_run_in_the_order_of_their_stages_and_plugins() {
    let jit = host::jit().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    for plugin in 0..2 {
        for stage in STAGES.into_iter().rev() {
            let seen = seen.clone();
            add_pass(&jit, "f.o", stage, move |graph, _| {
                seen.lock().unwrap().push((stage, graph.blocks().iter().any(|block| block.placed), plugin));
                Ok(())
            });
        }
    }
    jit.add_object(Source::new("f.o", compile("-O1", "int f(void) { return 1; }"))).unwrap();
    assert_eq!(call(&jit, "f"), 1);
    let placed = |stage| !matches!(stage, Stage::PrePrune | Stage::PostPrune);
    let expected: Vec<_> = STAGES.iter().flat_map(|&stage| [0, 1].map(|of| (stage, placed(stage), of))).collect();
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// Makes calls of `old` calls of code that the pass adds: `mov $7, %eax; ret`.
fn replace_old(graph: &mut LinkGraph, names: &Mutex<NamePool>) -> Result<()> {
    let Some(old) = find(graph, names, "old") else { return Ok(()) };
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
        let jit = host::jit().unwrap();
        add_pass(&jit, "f.o", stage, replace_old);
        // Nobody defines `old`, and nobody has to.
        jit.add_object(Source::new("f.o", compile("-O1", "int old(void); int f(void) { return old() + 1; }"))).unwrap();
        assert_eq!(call(&jit, "f"), 8, "{stage:?}");
    }
}

#[test]
fn externals_that_a_pass_adds_are_found() {
    for stage in [Stage::PrePrune, Stage::PostPrune] {
        let jit = host::jit().unwrap();
        add_pass(&jit, "f.o", stage, |graph, names| {
            let two = names.lock().unwrap().intern(b"two");
            let one = find(graph, names, "one").expect("f calls it");
            let two = graph.add_symbol(Symbol::external(two, Linkage::Strong))?;
            graph.retarget(one, two);
            Ok(())
        });
        jit.add_object(Source::new("f.o", compile("-O1", "int one(void); int f(void) { return one() * 10; }")))
            .unwrap();
        jit.add_object(Source::new("g.o", compile("-O1", "int one(void) { return 1; } int two(void) { return 2; }")))
            .unwrap();
        assert_eq!(call(&jit, "f"), 20, "{stage:?}");
    }
}

#[test]
fn a_block_that_a_pass_adds_may_have_edges_of_its_own_and_nothing_that_refers_to_it() {
    for stage in [Stage::PrePrune, Stage::PostPrune] {
        let jit = host::jit().unwrap();
        let at = Arc::new(Mutex::new(None));
        add_pass(&jit, "f.o", stage, {
            let at = at.clone();
            move |graph, names| {
                let abs = names.lock().unwrap().intern(b"abs");
                let section = graph.add_section("pointers", Protection::ReadWrite, Lifetime::Standard)?;
                let block = graph.add_block(section, Content::Owned(Box::new([0; 8])), 0, 3)?;
                let target = graph.add_symbol(Symbol::external(abs, Linkage::Strong))?;
                graph.add_edge(block, Edge { offset: 0, kind: EdgeKind::POINTER, target, addend: 0 })?;
                // Before pruning, being retained is what keeps it; afterwards it has to say itself that it is live.
                match stage {
                    Stage::PrePrune => graph.retained.push(block),
                    _ => graph.block_mut(block).live = true,
                }
                *at.lock().unwrap() = Some(block);
                Ok(())
            }
        });
        let found = Arc::new(Mutex::new(None));
        add_pass(&jit, "f.o", Stage::PostFixup, {
            let found = found.clone();
            move |graph, _| {
                *found.lock().unwrap() = at.lock().unwrap().map(|block| graph.block(block).address);
                Ok(())
            }
        });
        jit.add_object(Source::new("f.o", compile("-O1", "int f(void) { return 1; }"))).unwrap();
        assert_eq!(call(&jit, "f"), 1);
        let pointer = found.lock().unwrap().expect("it was placed").0 as *const u64;
        // SAFETY: the block holds eight bytes, aligned, and is alive as long as `jit`.
        assert_eq!(unsafe { pointer.read() }, jit.lookup("abs").unwrap().0, "{stage:?}");
    }
}

#[test]
fn contents_and_targets_may_change_until_they_are_written() {
    let source = "extern int a(void), b(void); int fa(void) { return a(); } int fb(void) { return b(); }
        __attribute__((section(\".mine\"))) const int value = 5;
        int f(void) { return fa() * 100 + fb() * 10 + *(const volatile int *)&value; }";
    for stage in &STAGES[..4] {
        let jit = host::jit().unwrap();
        add_pass(&jit, "f.o", *stage, move |graph, names| {
            let value = find(graph, names, "value").and_then(|id| graph.symbol(id).block()).expect("a variable");
            graph.content_mut(value).expect("it is initialized").copy_from_slice(&6i32.to_le_bytes());
            let [a, b] = ["fa", "fb"].map(|name| find(graph, names, name).expect("a function"));
            // Exchanges the two.
            for block in graph.block_ids() {
                for edge in graph.edges_mut(block) {
                    edge.target = match edge.target {
                        of if of == a => b,
                        of if of == b => a,
                        of => of,
                    };
                }
            }
            Ok(())
        });
        jit.add_object(Source::new("f.o", compile("-O0 -fPIC -fno-asynchronous-unwind-tables", source))).unwrap();
        jit.add_object(Source::new("g.o", compile("-O1", "int a(void) { return 1; } int b(void) { return 2; }")))
            .unwrap();
        assert_eq!(call(&jit, "f"), 216, "{stage:?}");
    }
}

#[test]
fn a_plugin_that_fails_fails_the_lookup_and_leaves_no_trace() {
    for stage in STAGES {
        let jit = host::jit().unwrap();
        let (failing, runs) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        add_pass(&jit, "f.o", Stage::PrePrune, replace_old);
        add_pass(&jit, "f.o", stage, {
            let (failing, runs) = (failing.clone(), runs.clone());
            move |_, _| {
                runs.fetch_add(1, Ordering::Relaxed);
                match failing.load(Ordering::Relaxed) {
                    true => Err(Error::other("not now")),
                    false => Ok(()),
                }
            }
        });
        jit.add_object(Source::new("f.o", compile("-O1", "int old(void); int f(void) { return old() + 1; }"))).unwrap();
        match jit.lookup("f") {
            Err(Error::Other(error)) => assert_eq!(error.to_string(), "not now"),
            other => panic!("{stage:?}: {other:?}"),
        }
        assert_eq!(jit.session().statistics().batches, 0);
        failing.store(false, Ordering::Relaxed);
        assert_eq!(call(&jit, "f"), 8, "{stage:?}");
        assert_eq!(runs.load(Ordering::Relaxed), 2, "{stage:?}");
    }
}

/// Rule 85, on every path: what LLVM forgets is a plugin that fails when all is written.
#[test]
fn every_plugin_is_told_that_a_batch_has_failed() {
    type Break = fn(&Jit);
    let undefined: Break =
        |jit| jit.add_object(Source::new("g.o", compile("-O1", "int h(void); int g(void) { return h(); }"))).unwrap();
    let far: Break = |jit| {
        let source = ".data; x: .long y; .text; .globl g; g: mov x(%rip), %eax; ret";
        jit.define_ptr("y", 0x12_3456_789a as *const ()).unwrap();
        jit.add_object(Source::new("g.o", compile("-x assembler", &source.replace("; ", "\n")))).unwrap();
    };
    let huge: Break = |jit| {
        // Windows of images are as large as they were said to be, others as large as they have to be.
        let size = if cfg!(windows) { "0x400000" } else { "0x7ff000000000" };
        let source = format!("static volatile char x[{size}]; int g(void) {{ return x[5]; }}");
        jit.add_object(Source::new("g.o", compile("-O1", &source))).unwrap();
    };
    let pass: Break = |jit| {
        jit.add_object(Source::new("g.o", compile("-O1", "int g(void) { return 1; }"))).unwrap();
        add_pass(jit, "g.o", Stage::PreFixup, |_, _| Err(Error::other("no")));
    };
    let panics: Break = |jit| {
        jit.add_object(Source::new("g.o", compile("-O1", "int g(void) { return 1; }"))).unwrap();
        add_pass(jit, "g.o", Stage::PostAllocation, |_, _| panic!("a pass of the test"));
    };
    let refuses: Break = |jit| {
        jit.add_object(Source::new("g.o", compile("-O1", "int g(void) { return 1; }"))).unwrap();
        Witness::add(jit).refuses.store(true, Ordering::Relaxed);
    };
    for (what, break_it) in [
        ("undefined", undefined),
        ("far", far),
        ("huge", huge),
        ("pass", pass),
        ("panics", panics),
        ("refuses", refuses),
    ] {
        let jit = host::builder().window_size(1 << 21).build().unwrap();
        let first = Witness::add(&jit);
        break_it(&jit);
        let last = Witness::add(&jit);
        jit.add_object(Source::new("f.o", compile("-O1", "int g(void); int f(void) { return g(); }"))).unwrap();
        let looked_up = catch_unwind(AssertUnwindSafe(|| jit.lookup("f")));
        match looked_up {
            Ok(found) => _ = found.expect_err(what),
            Err(_) => assert_eq!(what, "panics"),
        }
        assert_eq!(jit.session().statistics().batches, 0, "{what}");
        let linked = if what == "refuses" { vec!["linked"] } else { vec![] };
        assert_eq!(first.told(), [vec!["f.o", "g.o"], linked, vec!["failed"]].concat(), "{what}");
        assert_eq!(last.told(), ["f.o", "g.o", "failed"], "{what}");
    }
}

#[test]
fn plugins_are_told_what_is_linked_and_what_is_removed() {
    let jit = host::jit().unwrap();
    let witness = Witness::add(&jit);
    let tracker = jit.create_tracker().unwrap();
    let source = linkjit::Source::new(
        "f.o",
        compile("-O1 -ffunction-sections", "int f(void) { return 1; } int g(void) { return 2; }"),
    );
    tracker.add_object(&source).unwrap();
    assert_eq!(witness.told(), [""; 0]);
    call(&jit, "f");
    assert_eq!(witness.told(), ["f.o", "linked"]);
    call(&jit, "f");
    assert_eq!(witness.told(), [""; 0]);
    // The rest of the object.
    call(&jit, "g");
    assert_eq!(witness.told(), ["f.o", "linked"]);
    // SAFETY: nobody uses it any more.
    unsafe { tracker.remove().unwrap() };
    assert_eq!(witness.told(), ["removed"; 2]);
    jit.add_object(Source::new("h.o", compile("-O1", "int h(void) { return 3; }"))).unwrap();
    call(&jit, "h");
    assert_eq!(witness.told(), ["h.o", "linked"]);
    // SAFETY: as above.
    unsafe { jit.close().unwrap() };
    assert_eq!(witness.told(), ["removed"]);
}

#[test]
fn a_removed_plugin_is_called_no_more() {
    let jit = host::jit().unwrap();
    let (first, second) = (Arc::new(Witness::default()), Arc::new(Witness::default()));
    let id = jit.session().add_plugin(first.clone());
    jit.session().add_plugin(second.clone());
    jit.add_object(Source::new("f.o", compile("-O1", "int f(void) { return 1; }"))).unwrap();
    jit.add_object(Source::new("g.o", compile("-O1", "int g(void) { return 2; }"))).unwrap();
    call(&jit, "f");
    jit.session().remove_plugin(id).unwrap();
    assert_eq!(Arc::strong_count(&first), 1);
    call(&jit, "g");
    // A second time it does nothing.
    jit.session().remove_plugin(id).unwrap();
    assert_eq!((first.told().len(), second.told().len()), (2, 4));
    // From within a plugin it is refused.
    let session = jit.session().clone();
    add_pass(&jit, "h.o", Stage::PrePrune, move |_, _| session.remove_plugin(id));
    jit.add_object(Source::new("h.o", compile("-O1", "int h(void) { return 3; }"))).unwrap();
    assert!(matches!(jit.lookup("h"), Err(Error::Reentrant)));
}

/// While several threads link and remove.
#[test]
fn plugins_come_and_go_while_others_link() {
    let jit = host::jit().unwrap();
    let object = compile("-O1", "int f(void) { return 1; }");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (jit, object) = (&jit, &object);
            scope.spawn(move || {
                let dylib = jit.create_dylib(&format!("dylib {thread}")).unwrap();
                for _ in 0..50 {
                    let plugin = Arc::new(|_: &LinkGraph, _: &mut PassLists| {});
                    let id = jit.session().add_plugin(plugin.clone());
                    let tracker = dylib.create_tracker().unwrap();
                    let source = linkjit::Source::new("f.o", object.clone());
                    tracker.add_object(&source).unwrap();
                    dylib.link(&["f"]).unwrap();
                    // SAFETY: nobody calls it.
                    unsafe { tracker.remove().unwrap() };
                    jit.session().remove_plugin(id).unwrap();
                    assert_eq!(Arc::strong_count(&plugin), 1);
                }
            });
        }
    });
}

#[test]
fn a_plugin_must_not_look_up() {
    let jit = host::jit().unwrap();
    let main = jit.main().clone();
    add_pass(&jit, "f.o", Stage::PostPrune, move |_, _| main.link(&["abs"]).map(|_| ()));
    jit.add_object(Source::new("f.o", compile("-O1", "int f(void) { return 1; }"))).unwrap();
    assert!(matches!(jit.lookup("f"), Err(Error::Reentrant)));
}
