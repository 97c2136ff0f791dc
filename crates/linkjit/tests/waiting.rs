//! Who waits for whom: units that are materialized by several threads, and look things up themselves; definitions that come
//! while others link. Nobody waits for ever.

mod assembly;
mod host;
mod recorded;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use assembly::{Workshop, call, call_in, caller, function, source};
use linkjit::Source;
use linkjit::{
    Error, Jit, MaterializationResponsibility, MaterializationUnit, PassLists, Result, Stage, SymbolFlags,
    UnitInterface,
};
use linkjit_link::graph::LinkGraph;
use recorded::{Fixture, cause, promise};

/// Rule 40, and deadlocks in general.
#[test]
fn lookups_that_need_each_others_units_do_not_wait_for_each_other() {
    for threads in [0, 2] {
        let workshop = Workshop::new();
        let jit = host::builder().threads(threads).build().unwrap();
        let meet = Arc::new(Barrier::new(2));
        for (name, callee) in [("f", "g"), ("g", "f")] {
            let text = caller(name, callee) + &function(&format!("{name}_"), 1);
            let (object, meet) = (source(&workshop.object(&text)), meet.clone());
            jit.main()
                .define(promise(&[name], move |responsibility| {
                    // Both are being materialized, each for another lookup.
                    meet.wait();
                    responsibility.add_object(&object)
                }))
                .unwrap();
        }
        thread::scope(|scope| {
            let lookups = ["f", "g"].map(|name| {
                let jit = &jit;
                scope.spawn(move || jit.lookup(name).unwrap())
            });
            for lookup in lookups {
                lookup.join().unwrap();
            }
        });
    }
}

#[test]
fn units_are_materialized_by_several_threads_at_once() {
    let workshop = Workshop::new();
    let jit = host::builder().threads(3).build().unwrap();
    let meet = Arc::new(Barrier::new(4));
    let names = ["a", "b", "c", "d"];
    for name in names {
        let (object, meet) = (source(&workshop.object(&function(name, 1))), meet.clone());
        jit.main()
            .define(promise(&[name], move |responsibility| {
                // None gets beyond this if they are made one after the other.
                meet.wait();
                responsibility.add_object(&object)
            }))
            .unwrap();
    }
    jit.main().link(&names).unwrap();
}

#[test]
fn a_materialization_may_look_up_names_and_use_them() {
    for threads in [0, 2] {
        let workshop = Workshop::new();
        let jit = host::builder().threads(threads).build().unwrap();
        let object = source(&workshop.object(&function("base", 5)));
        jit.main().define(promise(&["base"], move |responsibility| responsibility.add_object(&object))).unwrap();
        let dylib = jit.main().clone();
        let (two, directory) = (function("g", 0), Workshop::new());
        jit.main()
            .define(promise(&["g"], move |responsibility| {
                let base = call_in(&dylib, "base")?;
                responsibility.add_object(source(&directory.object(&two.replace("$0", &format!("${}", base * 2)))))
            }))
            .unwrap();
        assert_eq!(call(&jit, "g").unwrap(), 10);
    }
}

#[test]
fn a_unit_that_waits_for_itself_is_an_error() {
    let test = Fixture::new();
    let dylib = test.jit.main().clone();
    test.jit.main().define(promise(&["f"], move |_| dylib.link(&["f"]).map(drop))).unwrap();
    let error = cause(test.jit.lookup("f").unwrap_err());
    assert!(matches!(&error, Error::WaitsForItself { jobs } if jobs.len() == 1), "{error}");
    assert_eq!(error.to_string(), "the unit of f waits for itself");
    // Over others.
    for (name, needs) in [("a", "b"), ("b", "c"), ("c", "a")] {
        let dylib = test.jit.main().clone();
        test.jit.main().define(promise(&[name], move |_| dylib.link(&[needs]).map(drop))).unwrap();
    }
    let text = test.jit.lookup("b").unwrap_err().to_string();
    let circle = "waits for itself";
    assert!(text.contains(circle) && text.contains("the unit of a, which waits for the unit of b"), "{text}");
}

#[test]
fn units_that_wait_for_each_other_on_several_threads_are_an_error() {
    let test = Fixture::new();
    let meet = Arc::new(Barrier::new(2));
    for (name, needs) in [("a", "b"), ("b", "a")] {
        let (dylib, meet) = (test.jit.main().clone(), meet.clone());
        let object = test.object(&function(name, 1));
        test.jit
            .main()
            .define(promise(&[name], move |responsibility| {
                meet.wait();
                dylib.link(&[needs])?;
                responsibility.add_object(&object)
            }))
            .unwrap();
    }
    thread::scope(|scope| {
        let lookups = ["a", "b"].map(|name| {
            let jit = &test.jit;
            scope.spawn(move || jit.lookup(name).unwrap_err().to_string())
        });
        let errors = lookups.map(|lookup| lookup.join().unwrap());
        assert!(errors.iter().any(|error| error.contains("waits for itself")), "{errors:?}");
    });
}

#[test]
fn a_materialization_may_end_on_another_thread() {
    #[derive(Debug)]
    struct Remote(Source, Arc<AtomicUsize>);
    impl MaterializationUnit for Remote {
        fn name(&self) -> String {
            "remote".into()
        }
        fn interface(&self) -> UnitInterface {
            UnitInterface::new([("f", SymbolFlags::FUNCTION)])
        }
        fn materialize(self: Box<Self>, mut responsibility: MaterializationResponsibility) {
            thread::spawn(move || {
                let set = linkjit::SymbolLookupSet::new(["base"]);
                responsibility.lookup(&responsibility.dylib().clone(), &set).unwrap();
                let set = linkjit::SymbolLookupSet::new(["f"]);
                let error = responsibility.lookup(&responsibility.dylib().clone(), &set).unwrap_err();
                assert!(matches!(error, Error::WaitsForItself { .. }), "{error}");
                responsibility.add_object(&self.0).unwrap();
                self.1.fetch_add(1, Ordering::Relaxed);
                responsibility.complete().unwrap();
            });
        }
    }
    let test = Fixture::new();
    let made = Arc::new(AtomicUsize::new(0));
    test.jit.main().define(test.function("base", 1)).unwrap();
    test.jit.main().define(Remote(test.object(&function("f", 4)), made.clone())).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(call(&test.jit, "f").unwrap(), 4));
        }
    });
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

/// A pass that is run on one graph, once.
fn pass_on(jit: &Jit, stage: Stage, name: &Path, run: impl FnOnce() + Send + 'static) {
    let (name, run) = (name.to_string_lossy().into_owned(), Arc::new(Mutex::new(Some(run))));
    jit.session().add_plugin(Arc::new(move |graph: &LinkGraph, passes: &mut PassLists| {
        let run = run.clone();
        if graph.name() == name {
            passes.add(stage, move |_, _| {
                if let Some(run) = run.lock().unwrap().take() {
                    run();
                }
                Ok(())
            });
        }
    }));
}

/// Whether a weak definition is used, a definition that would replace it learns when the batch that has it is done.
#[test]
fn a_definition_waits_for_the_batch_that_has_the_weak_one() {
    for fails in [false, true] {
        let test = Fixture::new();
        let text = function("f", 1).replace(".globl", ".weak") + &caller("calls", "f");
        let text = text
            + ".section .text.fails,\"ax\"\n"
            + &if fails { caller("fails", "missing") } else { function("fails", 0) };
        let weak = test.workshop.object(&text);
        let strong = test.object(&function("f", 2));
        test.jit.add_object(&weak).unwrap();
        let (begun, has_begun) = mpsc::channel();
        let (defines, will_define) = mpsc::channel();
        pass_on(&test.jit, Stage::PostPrune, &weak, move || {
            begun.send(()).unwrap();
            will_define.recv().unwrap();
            // Most probably the other thread is waiting by then.
            thread::sleep(std::time::Duration::from_millis(20));
        });
        thread::scope(|scope| {
            let (dylib, strong) = (test.jit.main(), &strong);
            let defined = scope.spawn(move || {
                has_begun.recv().unwrap();
                defines.send(()).unwrap();
                dylib.add_object(strong)
            });
            let linked = test.jit.main().link(&["calls", "fails"]);
            assert_eq!(linked.is_err(), fails);
            let defined = defined.join().unwrap();
            assert_eq!(matches!(defined, Err(Error::Duplicate { .. })), !fails, "{defined:?}");
        });
        assert_eq!(call(&test.jit, "calls").unwrap(), if fails { 2 } else { 1 });
    }
}

#[test]
fn a_pass_may_define_what_replaces_something_as_long_as_nothing_is_placed() {
    for (stage, replaces) in [(Stage::PrePrune, true), (Stage::PostPrune, true), (Stage::PostAllocation, false)] {
        let test = Fixture::new();
        let weak = test.workshop.object(&(function("f", 1).replace(".globl", ".weak") + &caller("calls", "f")));
        let (dylib, strong) = (test.jit.main().clone(), test.object(&function("f", 2)));
        test.jit.add_object(&weak).unwrap();
        pass_on(&test.jit, stage, &weak, move || {
            let defined = dylib.add_object(&strong);
            assert_eq!(defined.is_ok(), replaces, "{defined:?}");
        });
        assert_eq!(call(&test.jit, "calls").unwrap(), if replaces { 2 } else { 1 }, "{stage:?}");
    }
}

/// What linked code of the tests calls: runs what a test has put there.
static CALLBACK: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

extern "C" fn callback() {
    let run = CALLBACK.lock().unwrap().take();
    if let Some(run) = run {
        run();
    }
}

/// Who removes something holds the right to link while terminators run; they wait for a unit that waits for that right.
#[test]
fn a_terminator_and_a_unit_that_wait_for_each_other_end() {
    let _alone = alone();
    let test = Fixture::new();
    test.jit.define_ptr("callback", callback as *const ()).unwrap();
    let text = ".section .fini_array,\"aw\"\n.quad ends\n.text\n".to_owned() + &caller("ends", "callback");
    let tracker = test.jit.create_tracker().unwrap();
    tracker.add_object(test.object(&text)).unwrap();
    test.jit.main().initialize().unwrap();
    test.jit.add_object(test.workshop.object(&function("another", 1))).unwrap();
    wait_for_each_other(
        &test,
        |dylib| dylib.link(&["another"]).map(drop),
        || {
            // SAFETY: nobody uses it.
            unsafe { tracker.remove().unwrap() };
        },
    );
}

/// Likewise with initializers, which one thread runs at a time.
/// B7.48 of docs/coff-cases.md.
#[test]
fn an_initializer_and_a_unit_that_wait_for_each_other_end() {
    let _alone = alone();
    let test = Fixture::new();
    test.jit.define_ptr("callback", callback as *const ()).unwrap();
    let text = ".section .init_array,\"aw\"\n.quad begins\n.text\n".to_owned() + &caller("begins", "callback");
    test.jit.add_object(test.workshop.object(&text)).unwrap();
    wait_for_each_other(&test, linkjit::JitDylib::initialize, || {
        test.jit.main().initialize().unwrap();
    });
}

/// Runs a unit that calls `waits` in a thread, and `calls_back` in this one, which calls back; when both are inside, the
/// callback looks up what the unit defines. One of them must get an error.
fn wait_for_each_other(
    test: &Fixture,
    waits: impl Fn(&linkjit::JitDylib) -> Result<()> + Send + 'static,
    calls_back: impl FnOnce(),
) {
    let (meet, dylib) = (Arc::new(Barrier::new(2)), test.jit.main().clone());
    let (begun, has_begun) = mpsc::channel();
    let object = test.object(&function("f", 1));
    let unit = {
        let (meet, dylib) = (meet.clone(), dylib.clone());
        promise(&["f"], move |responsibility| {
            begun.send(()).unwrap();
            meet.wait();
            waits(&dylib)?;
            responsibility.add_object(&object)
        })
    };
    dylib.define(unit).unwrap();
    let called = Arc::new(Mutex::new(None));
    *CALLBACK.lock().unwrap() = Some({
        let called = called.clone();
        Box::new(move || {
            meet.wait();
            *called.lock().unwrap() = Some(dylib.link(&["f"]).map(drop));
        })
    });
    thread::scope(|scope| {
        let unit = scope.spawn(|| test.jit.main().link(&["f"]).map(drop));
        has_begun.recv().unwrap();
        calls_back();
        let outcomes = [unit.join().unwrap(), called.lock().unwrap().take().unwrap()];
        let is_told =
            |outcome: &Result<()>| outcome.as_ref().is_err_and(|error| error.to_string().contains("waits for itself"));
        assert!(outcomes.iter().any(is_told), "{outcomes:?}");
    });
}

/// The tests with the callback run one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
