//! Lookups of sets of names, as futures, by generators and from within each other; rules by the numbers of
//! docs/rules.md.
#![cfg_attr(windows, allow(dead_code, unused_imports, reason = "tests of ELF use it"))]

mod assembly;
mod host;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use assembly::{Workshop, call, caller, function, source, undefined_names};
use linkjit::{
    Error, ExecAddr, FunctionGenerator, FunctionUnit, Jit, LookupKind, ReexportsGenerator, Result, SymbolFlags,
    SymbolLookupSet, UnitInterface, Wanted,
};

/// Adds a unit that makes functions of an assembly text, when `ready` lets it.
fn define(
    jit: &Jit,
    workshop: &Workshop,
    names: &[&str],
    text: &str,
    ready: impl FnOnce() -> Result<()> + Send + 'static,
) {
    let object = source(&workshop.object(text));
    let interface = UnitInterface::new(names.iter().map(|name| (*name, SymbolFlags::FUNCTION)));
    let unit = FunctionUnit::new(names.join(" and "), interface, move |responsibility| {
        ready()?;
        responsibility.add_object(&object)
    });
    jit.main().define(unit).unwrap();
}

fn text(wanted: &Wanted<'_>) -> String {
    String::from_utf8_lossy(wanted.name).into_owned()
}

/// Rules 15, 37 and 44: the result has the names that were asked for, in their order.
#[test]
fn names_that_may_be_missing_are_found_or_not() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.add_object(workshop.object(&function("f", 1))).unwrap();
    let found = jit.main().lookup_set(&SymbolLookupSet::new(["f"]).weak(["missing", "f"])).unwrap();
    assert_eq!(found, [found[0], None, found[0]]);
    assert!(found[0].is_some());
    // A name that is required once is required.
    let error = jit.main().lookup_set(&SymbolLookupSet::new(["g"]).weak(["g", "h"])).unwrap_err();
    assert_eq!(undefined_names(error), ["g"]);
}

/// Rule 36.
#[cfg(not(windows))]
#[test]
fn a_running_program_finds_what_is_there_and_exported() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.add_archive(workshop.archive("rcs", &[&function("member", 1)])).unwrap();
    jit.add_object(workshop.object(&(function("hidden", 2) + ".hidden hidden\n" + &function("f", 3)))).unwrap();
    let dlsym = |name: &str| {
        let set = SymbolLookupSet::default().weak([name]).kind(LookupKind::Dlsym);
        jit.main().lookup_set(&set).unwrap()[0]
    };
    assert_eq!(dlsym("member"), None);
    assert_eq!(dlsym("hidden"), None);
    assert!(dlsym("f").is_some());
    assert!(dlsym("abs").is_some());
    jit.lookup("member").unwrap();
    jit.lookup("hidden").unwrap();
    assert!(dlsym("member").is_some());
    assert_eq!(dlsym("hidden"), None);
    // What the names need is linked as ever.
    jit.add_object(workshop.object(&caller("calls", "another"))).unwrap();
    jit.add_archive(workshop.archive("rcs", &[&function("another", 4)])).unwrap();
    assert!(dlsym("calls").is_some());
    // A required name.
    let error = jit.main().lookup_set(&SymbolLookupSet::new(["nowhere"]).kind(LookupKind::Dlsym)).unwrap_err();
    assert_eq!(undefined_names(error), ["nowhere"]);
}

/// Rule 43.
#[test]
fn a_lookup_that_fails_starts_nothing_and_names_all_that_is_missing() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    define(&jit, &workshop, &["f"], &function("f", 1), || panic!("nobody can use it"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let generator = FunctionGenerator::new("the generator", {
        let asked = asked.clone();
        move |_: &_, names: &[Wanted<'_>]| {
            asked.lock().unwrap().extend(names.iter().map(text));
            Ok(())
        }
    });
    jit.main().add_generator(Arc::new(generator)).unwrap();
    assert_eq!(undefined_names(jit.main().link(&["one", "f", "two"]).unwrap_err()), ["one", "two"]);
    assert_eq!(*asked.lock().unwrap(), ["one", "two"]);
}

#[test]
fn flags_are_known_without_materializing() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    define(&jit, &workshop, &["f"], &function("f", 1), || panic!("it was materialized"));
    jit.add_object(workshop.object(&caller("calls", "missing"))).unwrap();
    jit.add_archive(workshop.archive("rcs", &[&function("member", 1)])).unwrap();
    jit.main().define_alias("alias", "f").unwrap();
    let set = SymbolLookupSet::new(["f", "calls", "member", "nothing", "alias"]);
    let function = Some(SymbolFlags::FUNCTION);
    assert_eq!(jit.main().lookup_flags(&set).unwrap(), [function, function, function, None, function]);
    assert_eq!(jit.session().statistics().batches, 0);
}

/// Rule 39: units are materialized with nothing locked, and not one within the other.
#[test]
fn a_chain_of_units_is_followed_to_its_end() {
    const LENGTH: usize = 200;
    for threads in [0, 2] {
        let (workshop, jit) = (Workshop::new(), host::builder().threads(threads).build().unwrap());
        for index in 0..LENGTH {
            let (name, next) = (format!("f{index}"), format!("f{}", index + 1));
            define(&jit, &workshop, &[&name], &caller(&name, &next), || Ok(()));
        }
        define(&jit, &workshop, &[&format!("f{LENGTH}")], &function(&format!("f{LENGTH}"), 7), || Ok(()));
        assert_eq!(call(&jit, "f0").unwrap(), 7);
    }
}

/// The same, with a stack that would not hold thousands of calls.
#[test]
fn a_long_chain_of_units_needs_no_stack() {
    const LENGTH: u64 = 1500;
    let jit = host::builder().threads(0).build().unwrap();
    for index in 0..LENGTH {
        let interface = UnitInterface::new([(format!("a{index}"), SymbolFlags::DATA)]);
        let unit = FunctionUnit::new(format!("unit {index}"), interface, move |responsibility| {
            let dylib = responsibility.dylib().clone();
            responsibility.define_alias(format!("a{index}"), &dylib, format!("a{}", index + 1))
        });
        jit.main().define(unit).unwrap();
    }
    jit.main().define_absolute(format!("a{LENGTH}"), ExecAddr(LENGTH)).unwrap();
    let thread = std::thread::Builder::new().stack_size(256 << 10);
    let found = thread.spawn(move || jit.main().link(&["a0"])).unwrap().join().unwrap();
    assert_eq!(found.unwrap(), [ExecAddr(LENGTH)]);
}

#[test]
fn a_failure_forgets_what_was_pulled_for_the_lookup() {
    let weakly = function("weak", 1).replace(".globl", ".weak");
    for panics in [false, true] {
        let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
        let text = weakly.clone() + &caller("start", "member") + &caller("calls", "weak");
        jit.add_object(workshop.object(&text)).unwrap();
        jit.add_archive(workshop.archive("rcs", &[&(caller("member", "f") + &function("weak", 2))])).unwrap();
        define(&jit, &workshop, &["f"], &function("f", 3), move || {
            assert!(!panics, "on purpose");
            Err(Error::Unsupported { what: "not now".into() })
        });
        let failed = catch_unwind(AssertUnwindSafe(|| jit.lookup("start").unwrap_err()));
        assert_eq!(failed.is_err(), panics);
        // The member is not there, and the weak definition is one again.
        jit.add_object(workshop.object(&function("member", 4))).unwrap();
        assert_eq!(call(&jit, "calls").unwrap(), 1);
        assert_eq!(call(&jit, "start").unwrap(), 4);
    }
}

#[test]
fn what_was_pulled_before_a_unit_was_made_is_pulled_once() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let weakly = function("weak", 1).replace(".globl", ".weak");
    jit.add_object(workshop.object(&(weakly + &caller("start", "member") + &caller("calls", "weak")))).unwrap();
    let member = caller("member", "f") + &function("weak", 2);
    jit.add_archive(workshop.archive("rcs", &[&member])).unwrap();
    define(&jit, &workshop, &["f"], &function("f", 3), || Ok(()));
    assert_eq!(call(&jit, "start").unwrap(), 3);
    assert_eq!(call(&jit, "calls").unwrap(), 2);
}

/// Told when a future can go on.
#[derive(Default)]
struct Told(Mutex<Option<mpsc::Sender<()>>>);

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        if let Some(told) = self.0.lock().unwrap().take() {
            told.send(()).unwrap();
        }
    }
}

#[test]
fn a_future_tells_who_polls_it() {
    let (workshop, jit) = (Workshop::new(), host::builder().threads(1).build().unwrap());
    let (go, may_go) = mpsc::channel::<()>();
    define(&jit, &workshop, &["f"], &function("f", 1), move || {
        may_go.recv().unwrap();
        Ok(())
    });
    let mut future = jit.main().lookup_future(&SymbolLookupSet::new(["f"]));
    let (sender, told) = mpsc::channel();
    let waker = Waker::from(Arc::new(Told(Mutex::new(Some(sender)))));
    assert!(Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_pending());
    go.send(()).unwrap();
    told.recv().unwrap();
    let Poll::Ready(found) = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) else { panic!("not ready") };
    assert_eq!(found.unwrap(), [Some(jit.lookup("f").unwrap())]);
}

#[test]
fn a_thousand_futures_are_done_by_any_number_of_threads() {
    for threads in [0, 1, 3] {
        let (workshop, jit) = (Workshop::new(), host::builder().threads(threads).build().unwrap());
        let names: Vec<_> = (0..50).map(|index| format!("f{index}")).collect();
        for (index, name) in names.iter().enumerate() {
            // Each needs the next one; the last one the first.
            let next = &names[(index + 1) % names.len()];
            define(&jit, &workshop, &[name], &(caller(&format!("{name}_"), next) + &function(name, 1)), || Ok(()));
        }
        let futures: Vec<_> =
            (0..1000).map(|index| jit.main().lookup_future(&SymbolLookupSet::new([&names[index % 50]]))).collect();
        let found: Vec<_> = futures.into_iter().map(|future| future.wait().unwrap()[0].unwrap()).collect();
        for (index, address) in found.into_iter().enumerate() {
            assert_eq!(address, jit.lookup(&names[index % 50]).unwrap());
        }
    }
}

#[test]
fn a_failed_future_says_why() {
    let jit = host::jit().unwrap();
    let error = jit.main().lookup_future(&SymbolLookupSet::new(["missing"])).wait().unwrap_err();
    assert_eq!(undefined_names(error), ["missing"]);
}

#[test]
fn a_panic_ends_the_future_it_happens_in() {
    let (workshop, jit) = (Workshop::new(), host::builder().threads(1).build().unwrap());
    define(&jit, &workshop, &["f"], &function("f", 1), || panic!("on purpose"));
    let mut future = jit.main().lookup_future(&SymbolLookupSet::new(["f"]));
    let (sender, told) = mpsc::channel();
    let waker = Waker::from(Arc::new(Told(Mutex::new(Some(sender)))));
    // Polled, not waited for: a thread of the session does it.
    if Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_pending() {
        told.recv().unwrap();
    }
    assert!(matches!(future.wait(), Err(Error::Abandoned)));
    define(&jit, &workshop, &["f"], &function("f", 2), || Ok(()));
    assert_eq!(call(&jit, "f").unwrap(), 2);
}

#[test]
fn a_dropped_future_disturbs_nobody_and_leaks_nothing() {
    let alive = Arc::new(());
    {
        let (workshop, jit) = (Workshop::new(), host::builder().threads(2).build().unwrap());
        let (begun, has_begun) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let kept = alive.clone();
        define(&jit, &workshop, &["slow"], &function("slow", 1), move || {
            begun.send(()).unwrap();
            may_go.recv().unwrap();
            drop(kept);
            Ok(())
        });
        let set = SymbolLookupSet::new(["slow"]);
        let materializes = jit.main().lookup_future(&set);
        has_begun.recv().unwrap();
        // One that waits for it, many that never get that far, and one that stays.
        let cancelled: Vec<_> = (0..100).map(|_| jit.main().lookup_future(&set)).collect();
        let stays = jit.main().lookup_future(&set);
        drop(cancelled);
        drop(materializes);
        thread::scope(|scope| {
            let blocked = scope.spawn(|| jit.lookup("slow").unwrap());
            go.send(()).unwrap();
            assert_eq!(stays.wait().unwrap()[0], Some(blocked.join().unwrap()));
        });
        // Never materialized: it goes with the session.
        let kept = alive.clone();
        define(&jit, &workshop, &["never"], &function("never", 1), move || {
            drop(kept);
            Ok(())
        });
    }
    // Threads of the session may be at their last job.
    while Arc::strong_count(&alive) > 1 {
        thread::yield_now();
    }
}

/// Rules 33 to 35.
#[test]
fn a_generator_may_look_up_names_and_define_units() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.add_object(workshop.object(&function("base", 20))).unwrap();
    let twice = Workshop::new();
    let generator = FunctionGenerator::new("twice", move |dylib: &linkjit::JitDylib, names: &[Wanted<'_>]| {
        for name in names.iter().map(text).filter(|name| name.starts_with("twice_")) {
            let base = dylib.link(&[&name["twice_".len()..]])?;
            let value = assembly::call_at(base[0]) * 2;
            let object = source(&twice.object(&function(&name, value)));
            let interface = UnitInterface::new([(name.clone(), SymbolFlags::FUNCTION)]);
            dylib.define(FunctionUnit::new(name, interface, move |unit| unit.add_object(&object)))?;
        }
        Ok(())
    });
    jit.main().add_generator(Arc::new(generator)).unwrap();
    assert_eq!(call(&jit, "twice_base").unwrap(), 40);
    // It is asked because of its own lookup.
    assert_eq!(call(&jit, "twice_twice_base").unwrap(), 80);
    assert_eq!(undefined_names(jit.lookup("twice_nothing").unwrap_err()), ["nothing"]);
}

#[test]
fn a_generator_that_looks_up_what_it_is_asked_for_is_not_asked_again() {
    let jit = host::jit().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let generator = FunctionGenerator::new("narcissus", {
        let asked = asked.clone();
        move |dylib: &linkjit::JitDylib, names: &[Wanted<'_>]| {
            asked.fetch_add(1, Ordering::Relaxed);
            dylib.link(&[&text(&names[0])]).map(drop)
        }
    });
    jit.main().add_generator(Arc::new(generator)).unwrap();
    assert_eq!(undefined_names(jit.lookup("f").unwrap_err()), ["f"]);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

/// Rule 34.
#[test]
fn a_generator_is_asked_by_one_lookup_at_a_time() {
    let jit = host::jit().unwrap();
    let (inside, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let generator = FunctionGenerator::new("slow", {
        let (inside, asked) = (inside.clone(), asked.clone());
        move |dylib: &linkjit::JitDylib, names: &[Wanted<'_>]| {
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
            thread::yield_now();
            for wanted in names {
                // A second definition would be an error.
                dylib.define_absolute(text(wanted), ExecAddr(4096))?;
            }
            asked.fetch_add(names.len(), Ordering::Relaxed);
            inside.fetch_sub(1, Ordering::Relaxed);
            Ok(())
        }
    });
    jit.main().add_generator(Arc::new(generator)).unwrap();
    let meet = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                meet.wait();
                for index in 0..20 {
                    jit.lookup(format!("name{index}")).unwrap();
                }
            });
        }
    });
    assert_eq!(asked.load(Ordering::Relaxed), 20);
}

#[test]
fn generators_that_wait_for_each_other_end() {
    let jit = host::jit().unwrap();
    let dylibs = ["one", "two"].map(|name| jit.create_dylib(name).unwrap());
    let meet = Arc::new(Barrier::new(2));
    for (index, dylib) in dylibs.iter().enumerate() {
        let (other, meet, first) = (dylibs[1 - index].clone(), meet.clone(), AtomicUsize::new(0));
        let generate = move |dylib: &linkjit::JitDylib, names: &[Wanted<'_>]| {
            if names.iter().any(|wanted| wanted.name == b"f") && first.fetch_add(1, Ordering::Relaxed) == 0 {
                meet.wait();
                // The other one is asked, and asks this one, for other names.
                other.link(&["g"])?;
            }
            names.iter().try_for_each(|wanted| dylib.define_absolute(text(wanted), ExecAddr(4096)))
        };
        dylib.add_generator(Arc::new(FunctionGenerator::new(format!("generator {index}"), generate))).unwrap();
    }
    let errors: Vec<_> = thread::scope(|scope| {
        let lookups = dylibs.each_ref().map(|dylib| scope.spawn(|| dylib.link(&["f"]).err()));
        lookups.into_iter().filter_map(|lookup| lookup.join().unwrap()).collect()
    });
    assert!(errors.iter().all(|error| matches!(error, Error::WaitsForItself { .. })), "{errors:?}");
    assert!(!errors.is_empty());
}

#[test]
fn a_generator_of_reexports_leaves_the_rest_to_others() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let library = jit.create_dylib("library").unwrap();
    library.add_archive(workshop.archive("rcs", &[&function("impl_f", 1), &function("impl_weak", 2)])).unwrap();
    let renamed = |name: &[u8]| Some([b"impl_", name].concat().into());
    jit.main().add_generator(Arc::new(ReexportsGenerator::new(&library, renamed))).unwrap();
    jit.main()
        .add_generator(Arc::new(FunctionGenerator::new(
            "the last",
            |dylib: &linkjit::JitDylib, names: &[Wanted<'_>]| {
                let absolute = names.iter().filter(|wanted| wanted.name == b"other");
                absolute.into_iter().try_for_each(|wanted| dylib.define_absolute(text(wanted), ExecAddr(4096)))
            },
        )))
        .unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
    assert_eq!(jit.lookup("other").unwrap(), ExecAddr(4096));
    // A name that may be missing pulls no member there, either.
    assert_eq!(jit.main().lookup_set(&SymbolLookupSet::default().weak(["weak"])).unwrap(), [None]);
    assert_eq!(call(&jit, "weak").unwrap(), 2);
}
