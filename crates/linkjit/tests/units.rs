//! Units that are materialized when they are needed, rule by rule (numbers are those of docs/rules.md): what
//! they promise, deliver and discard.
#![cfg_attr(windows, allow(dead_code, unused_imports, reason = "tests of ELF use it"))]

mod assembly;
mod host;
mod recorded;

use std::sync::mpsc;
use std::thread;

use assembly::{call, caller, function, group};
use linkjit::Source;
use linkjit::{
    AbsoluteSymbols, Error, ExecAddr, FunctionUnit, MaterializationResponsibility, MaterializationUnit, Result,
    SymbolAliases, SymbolFlags, UnitInterface,
};
use recorded::{Events, Fixture, cause, promise, undefined};

#[test]
fn a_unit_is_materialized_once_and_when_it_is_needed() {
    let test = Fixture::new();
    test.jit.main().define(test.function("f", 1)).unwrap();
    test.jit.main().define(test.function("g", 2)).unwrap();
    assert!(test.events.take().is_empty());
    assert_eq!(call(&test.jit, "f").unwrap(), 1);
    assert_eq!(call(&test.jit, "f").unwrap(), 1);
    assert_eq!(test.events.take(), ["f makes f", "f is dropped"]);
    // An object that needs it is linked.
    test.jit.add_object(test.workshop.object(&caller("calls_g", "g"))).unwrap();
    assert_eq!(call(&test.jit, "calls_g").unwrap(), 2);
    assert_eq!(test.events.take(), ["g makes g", "g is dropped"]);
}

/// Rule 1.
#[test]
fn a_duplicate_strong_definition_installs_nothing_of_its_unit() {
    let test = Fixture::new();
    test.jit.add_object(test.workshop.object(&function("f", 1))).unwrap();
    let flags = SymbolFlags::FUNCTION;
    let error = test.jit.main().define(test.unit("second", &[("g", flags), ("f", flags)], &[])).unwrap_err();
    let Error::Duplicate { name, second, .. } = error else { panic!("{error}") };
    assert_eq!((name.as_str(), second.as_str()), ("f", "second"));
    assert_eq!(test.events.take(), ["second is dropped"]);
    assert!(undefined(&test.jit.lookup("g").unwrap_err()));
    // The other way round, and between two units.
    test.jit.main().define(test.function("g", 2)).unwrap();
    let object = test.workshop.object(&function("g", 3));
    assert!(matches!(test.jit.add_object(object), Err(Error::Duplicate { first, .. }) if first == "g"));
    assert!(matches!(test.jit.main().define(test.function("g", 4)), Err(Error::Duplicate { .. })));
    assert_eq!(call(&test.jit, "g").unwrap(), 2);
}

/// Rules 2, 4 and 5.
#[test]
fn a_definition_that_lost_its_name_is_discarded() {
    let test = Fixture::new();
    let weak = SymbolFlags::FUNCTION.weak();
    let weakly = |name, value| function(name, value).replace(".globl", ".weak");
    // An existing one is replaced, an incoming one yields.
    test.jit.add_object(test.workshop.object(&function("mine", 1))).unwrap();
    let symbols = [("yours", weak), ("mine", weak), ("both", weak)];
    let text = weakly("both", 2) + &weakly("mine", 2) + &weakly("yours", 2);
    test.jit.main().define(test.unit("unit", &symbols, &[&text])).unwrap();
    test.jit.add_object(test.workshop.object(&function("yours", 1))).unwrap();
    for (name, value) in [("mine", 1), ("yours", 1), ("both", 2)] {
        assert_eq!(call(&test.jit, name).unwrap(), value, "{name}");
    }
    let mut events = test.events.take();
    events[..2].sort_unstable();
    assert_eq!(events, ["unit discards mine", "unit discards yours", "unit makes both", "unit is dropped"]);
    // Nothing is left of it: no error, but no unit, either.
    test.jit.main().define(test.unit("nothing", &symbols, &[])).unwrap();
    assert_eq!(test.events.take(), ["nothing is dropped"]);
}

/// Rule 3.
#[test]
fn a_weak_promise_is_fixed_when_it_is_first_searched_for() {
    let test = Fixture::new();
    let (begun, has_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let object = test.object(&function("f", 1).replace(".globl", ".weak"));
    let interface = UnitInterface::new([("f", SymbolFlags::FUNCTION.weak())]);
    let unit = FunctionUnit::new("slow", interface, move |responsibility| {
        begun.send(()).unwrap();
        may_go.recv().unwrap();
        responsibility.add_object(&object)
    });
    test.jit.main().define(unit).unwrap();
    thread::scope(|scope| {
        let lookup = scope.spawn(|| call(&test.jit, "f").unwrap());
        has_begun.recv().unwrap();
        let strong = test.workshop.object(&function("f", 2));
        assert!(matches!(test.jit.add_object(&strong), Err(Error::Duplicate { .. })));
        go.send(()).unwrap();
        assert_eq!(lookup.join().unwrap(), 1);
        assert!(matches!(test.jit.add_object(&strong), Err(Error::Duplicate { .. })));
    });
}

/// Rules 6, 9 and 10: what is delivered beyond the promise competes like anything else.
#[test]
fn what_was_not_promised_competes_as_in_any_object() {
    let test = Fixture::new();
    let weakly = |name, value| function(name, value).replace(".globl", ".weak");
    test.jit.add_object(test.workshop.object(&function("there", 1))).unwrap();
    let text = function("f", 2) + &weakly("there", 2) + &weakly("more", 2) + &caller("calls", "there");
    test.jit.main().define(test.unit("unit", &[("f", SymbolFlags::FUNCTION)], &[&text])).unwrap();
    assert!(undefined(&test.jit.lookup("more").unwrap_err()));
    for (name, value) in [("f", 2), ("more", 2), ("there", 1), ("calls", 1)] {
        assert_eq!(call(&test.jit, name).unwrap(), value, "{name}");
    }
    // A strong one is a duplicate, and the unit fails whole.
    let text = function("g", 3) + &function("there", 3);
    test.jit.main().define(test.unit("second", &[("g", SymbolFlags::FUNCTION)], &[&text])).unwrap();
    let error = test.jit.lookup("g").unwrap_err();
    assert!(matches!(cause(error), Error::Duplicate { name, .. } if name == "there"));
    assert!(undefined(&test.jit.lookup("g").unwrap_err()));
}

/// Rules 8 and 27.
#[cfg(not(windows))]
#[test]
fn a_broken_promise_is_an_error_that_names_unit_and_symbols() {
    let test = Fixture::new();
    let names = ["f", "g", "h"].map(|name| (name, SymbolFlags::FUNCTION));
    test.jit.main().define(test.unit("forgetful", &names, &[&function("g", 1)])).unwrap();
    let error = test.jit.lookup("g").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("forgetful") && text.contains("'f', 'h'"), "{text}");
    assert!(matches!(cause(error), Error::Promise { missing, .. } if missing == ["f", "h"]));
    // Other linkage or visibility than promised.
    for (object, flags) in [
        (function("x", 1), SymbolFlags::FUNCTION.weak()),
        (function("x", 1).replace(".globl", ".weak"), SymbolFlags::FUNCTION),
        (function("x", 1) + ".hidden x\n", SymbolFlags::FUNCTION),
        (function("x", 1), SymbolFlags::FUNCTION.hidden()),
    ] {
        test.jit.main().define(test.unit("other", &[("x", flags)], &[&object])).unwrap();
        let error = test.jit.main().link(&["x"]).unwrap_err();
        assert!(matches!(cause(error), Error::Promise { unexpected, .. } if unexpected == ["x"]), "{flags:?}");
    }
    // A tentative definition may turn out weak.
    let common = SymbolFlags { linkage: linkjit_link::graph::Linkage::Common, ..SymbolFlags::DATA };
    test.jit.main().define(test.unit("common", &[("v", common)], &[".weak v\n.data\nv: .quad 1\n"])).unwrap();
    test.jit.lookup("v").unwrap();
    // Addresses were not promised, either.
    test.jit
        .main()
        .define(promise(&["y"], |responsibility| {
            responsibility.define_absolute("y", ExecAddr(1));
            responsibility.define_absolute("z", ExecAddr(2));
            Ok(())
        }))
        .unwrap();
    let error = test.jit.lookup("y").unwrap_err();
    assert!(matches!(cause(error), Error::Promise { unexpected, .. } if unexpected == ["z"]));
}

/// Rule 84, and what ORC does not: a failure leaves no symbols in the table that are in the way of others.
#[test]
fn a_unit_that_fails_frees_its_names() {
    let test = Fixture::new();
    let reason = || Error::Unsupported { what: "a reason".into() };
    test.jit.main().define(promise(&["f", "g"], move |_| Err(reason()))).unwrap();
    test.jit.add_object(test.workshop.object(&caller("calls", "f"))).unwrap();
    let error = test.jit.lookup("calls").unwrap_err();
    assert_eq!(error.to_string(), "can't materialize the unit of f and g, which defines 'f', 'g': a reason");
    assert!(undefined(&test.jit.lookup("f").unwrap_err()));
    test.jit.main().define(test.function("f", 7)).unwrap();
    assert_eq!(call(&test.jit, "calls").unwrap(), 7);
}

#[test]
fn a_unit_that_is_given_up_fails() {
    #[derive(Debug)]
    struct GivesUp;
    impl MaterializationUnit for GivesUp {
        fn name(&self) -> String {
            "lazybones".into()
        }
        fn interface(&self) -> UnitInterface {
            UnitInterface::new([("f", SymbolFlags::FUNCTION)])
        }
        fn materialize(self: Box<Self>, responsibility: MaterializationResponsibility) {
            drop(responsibility);
        }
    }
    let test = Fixture::new();
    test.jit.main().define(GivesUp).unwrap();
    assert!(matches!(cause(test.jit.lookup("f").unwrap_err()), Error::Abandoned));
    // A panic is the panicking lookup's own; the session goes on.
    test.jit.main().define(promise(&["f"], |_| panic!("on purpose"))).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test.jit.lookup("f")));
    assert!(panicked.is_err());
    test.jit.main().define(test.function("f", 7)).unwrap();
    assert_eq!(call(&test.jit, "f").unwrap(), 7);
}

/// Rules 27 and 38.
#[test]
fn a_unit_delegates_what_nobody_wants_yet() {
    let test = Fixture::new();
    let requested = Events::default();
    let functions = ["f", "g", "h"].map(|name| (name, test.object(&function(name, 1))));
    // Makes what is wanted, and leaves the rest to another of its kind.
    #[derive(Debug)]
    struct Module(Vec<(&'static str, Source)>, Events);
    impl MaterializationUnit for Module {
        fn name(&self) -> String {
            "module".into()
        }
        fn interface(&self) -> UnitInterface {
            UnitInterface::new(self.0.iter().map(|(name, _)| (*name, SymbolFlags::FUNCTION)))
        }
        fn materialize(self: Box<Self>, responsibility: MaterializationResponsibility) {
            responsibility.complete_with(|responsibility| {
                let is_wanted = |(name, _): &(&str, Source)| responsibility.requested().iter().any(|of| of == name);
                let (now, later): (Vec<_>, Vec<_>) = self.0.into_iter().partition(is_wanted);
                self.1.say(now.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" "));
                if !later.is_empty() {
                    responsibility.delegate(Box::new(Module(later, self.1.clone())))?;
                }
                now.iter().try_for_each(|(_, source)| responsibility.add_object(source))
            });
        }
    }
    test.jit.main().define(Module(functions.to_vec(), requested.clone())).unwrap();
    assert_eq!(call(&test.jit, "g").unwrap(), 1);
    assert_eq!(requested.take(), ["g"]);
    test.jit.main().link(&["f", "h"]).unwrap();
    assert_eq!(requested.take(), ["f h"]);
    // What is not one's own can't be delegated.
    let foreign = test.function("foreign", 1);
    test.jit.main().define(promise(&["x"], move |responsibility| responsibility.delegate(Box::new(foreign)))).unwrap();
    assert!(matches!(cause(test.jit.lookup("x").unwrap_err()), Error::Foreign { .. }));
}

#[test]
fn a_unit_may_replace_itself() {
    let test = Fixture::new();
    let (first, second) = (test.function("f", 1), test.function("g", 2));
    test.jit
        .main()
        .define(promise(&["f", "g"], move |responsibility| {
            responsibility.delegate(Box::new(first))?;
            responsibility.delegate(Box::new(second))
        }))
        .unwrap();
    assert_eq!(call(&test.jit, "f").unwrap(), 1);
    assert_eq!(test.events.take(), ["f makes f", "f is dropped"]);
    assert_eq!(call(&test.jit, "g").unwrap(), 2);
}

/// Rules 86 and 87.
#[test]
fn what_a_removed_tracker_owns_is_not_materialized() {
    let test = Fixture::new();
    let tracker = test.jit.create_tracker().unwrap();
    tracker.define(test.function("f", 1)).unwrap();
    // SAFETY: nothing of it was linked.
    unsafe { tracker.remove().unwrap() };
    assert_eq!(test.events.take(), ["f is dropped"]);
    assert!(undefined(&test.jit.lookup("f").unwrap_err()));
    assert!(matches!(tracker.define(test.function("f", 1)), Err(Error::TrackerRemoved)));

    // While it is being materialized: who waits gets an error, and so does who delivers.
    let tracker = test.jit.create_tracker().unwrap();
    let (begun, has_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let (ended, end) = mpsc::channel();
    #[derive(Debug)]
    struct Slow(mpsc::Sender<()>, mpsc::Receiver<()>, mpsc::Sender<Result<()>>);
    impl MaterializationUnit for Slow {
        fn name(&self) -> String {
            "slow".into()
        }
        fn interface(&self) -> UnitInterface {
            UnitInterface::new([("g", SymbolFlags::FUNCTION)])
        }
        fn materialize(self: Box<Self>, mut responsibility: MaterializationResponsibility) {
            self.0.send(()).unwrap();
            self.1.recv().unwrap();
            responsibility.define_absolute("g", ExecAddr(1));
            self.2.send(responsibility.complete()).unwrap();
        }
    }
    tracker.define(Slow(begun, may_go, ended)).unwrap();
    thread::scope(|scope| {
        let makes = scope.spawn(|| test.jit.lookup("g").unwrap_err());
        has_begun.recv().unwrap();
        let waits = scope.spawn(|| test.jit.lookup("g").unwrap_err());
        // SAFETY: nothing of it was linked.
        unsafe { tracker.remove().unwrap() };
        let error = waits.join().unwrap();
        // It may not have begun to wait before the name was gone.
        assert!(matches!(error, Error::TrackerRemoved | Error::Undefined { .. }), "{error}");
        go.send(()).unwrap();
        assert!(matches!(end.recv().unwrap(), Err(Error::TrackerRemoved)));
        assert!(matches!(makes.join().unwrap(), Error::TrackerRemoved));
    });
    test.jit.main().define(test.function("g", 2)).unwrap();
    assert_eq!(call(&test.jit, "g").unwrap(), 2);
}

/// ORC forgets names that were claimed while a unit was materialized: they stay when their tracker goes.
#[test]
fn all_that_a_unit_has_made_goes_with_its_tracker() {
    let test = Fixture::new();
    let tracker = test.jit.create_tracker().unwrap();
    let text = function("f", 1) + &function("not_promised", 2);
    let flags = SymbolFlags::DATA;
    tracker.define(test.unit("unit", &[("f", SymbolFlags::FUNCTION)], &[&text])).unwrap();
    tracker.define(AbsoluteSymbols::new([("absolute", ExecAddr(1), flags)])).unwrap();
    tracker.define(SymbolAliases::new(test.jit.main(), [("alias", "f", flags)])).unwrap();
    let names = ["f", "not_promised", "absolute", "alias"];
    test.jit.main().link(&["f", "absolute", "alias"]).unwrap();
    test.jit.main().link(&names).unwrap();
    // SAFETY: nobody uses it.
    unsafe { tracker.remove().unwrap() };
    for name in names {
        assert!(undefined(&test.jit.lookup(name).unwrap_err()), "{name}");
    }
    for name in names {
        test.jit.add_object(test.workshop.object(&function(name, 3))).unwrap();
        assert_eq!(call(&test.jit, name).unwrap(), 3);
    }
}

/// ORC removes the strong definition with the tracker of the weak one that it has replaced.
#[test]
fn a_replaced_promise_does_not_take_its_successor_along() {
    let test = Fixture::new();
    let tracker = test.jit.create_tracker().unwrap();
    let weak = test.unit("weak", &[("f", SymbolFlags::FUNCTION.weak())], &[]);
    tracker.define(weak).unwrap();
    test.jit.add_object(test.workshop.object(&function("f", 2))).unwrap();
    // SAFETY: nothing of it was linked.
    unsafe { tracker.remove().unwrap() };
    assert_eq!(call(&test.jit, "f").unwrap(), 2);
}

/// Rule 12, with a group that somebody else has taken meanwhile.
#[cfg(not(windows))]
#[test]
fn a_promised_member_of_a_group_is_delivered_though_others_have_the_group() {
    let test = Fixture::new();
    let group = |value| group("f", value);
    let unit = test.unit("unit", &[("f", SymbolFlags::FUNCTION.weak())], &[&group(1)]);
    test.jit.main().define(unit).unwrap();
    test.jit.add_object(test.workshop.object(&(group(2) + ".text\n" + &caller("calls", "f")))).unwrap();
    assert_eq!(call(&test.jit, "calls").unwrap(), 1);
}

/// Rules 25 to 30.
#[test]
fn a_unit_with_initializers_is_materialized_to_be_initialized() {
    let test = Fixture::new();
    let first = |value: i32| {
        format!(
            ".section .init_array,\"aw\"\n.quad init{value}\n.text\ninit{value}: imul $10,order(%rip),%eax\n \
             add ${value},%eax\n mov %eax,order(%rip)\n ret\n"
        )
    };
    let variable = ".globl order\n.hidden order\n.bss\norder: .long 0\n.text\n";
    let variable = variable.replace(".hidden order\n", "");
    test.jit.add_object(test.workshop.object(&(variable + &function("f", 0)))).unwrap();
    for (name, value) in [("one", 1), ("two", 2), ("three", 3)] {
        let mut unit = test.unit(name, &[], &[&first(value)]);
        unit.initializers = true;
        test.jit.main().define(unit).unwrap();
        if value == 2 {
            test.jit.add_object(test.workshop.object(&first(9))).unwrap();
        }
    }
    let order = test.jit.lookup("order").unwrap();
    // SAFETY: a variable of the object.
    let order = unsafe { *(order.0 as *const i32) };
    // As if all had been objects: in the order in which they were added, whoever is materialized first.
    assert_eq!(order, 1293);
}

/// The seam for compilers: a function is compiled when it is first called.
#[test]
fn a_lazy_function_is_materialized_by_its_first_call() {
    let test = Fixture::new();
    let implementations = test.jit.create_dylib("implementations").unwrap();
    implementations.define(test.function("f_impl", 3)).unwrap();
    test.jit.main().lazy_reexports(&implementations, &[("f", "f_impl")]).unwrap();
    test.jit.add_object(test.workshop.object(&caller("calls", "f"))).unwrap();
    test.jit.lookup("calls").unwrap();
    assert!(test.events.take().is_empty());
    assert_eq!(call(&test.jit, "calls").unwrap(), 3);
    assert_eq!(test.events.take(), ["f_impl makes f_impl", "f_impl is dropped"]);
}

#[test]
fn a_promise_counts_again_when_what_it_had_yielded_to_is_removed() {
    let test = Fixture::new();
    let weak = |name| (name, SymbolFlags::FUNCTION.weak());
    let [first, second, mine] = [0; 3].map(|_| test.jit.create_tracker().unwrap());
    let object = |text: &str| test.object(text);
    first.add_object(object(&function("f", 1).replace(".globl", ".weak"))).unwrap();
    let text = function("f", 2).replace(".globl", ".weak") + &function("g", 2).replace(".globl", ".weak");
    mine.define(test.unit("unit", &[weak("f"), weak("g")], &[&text])).unwrap();
    second.add_object(object(&function("g", 1))).unwrap();
    // One it had yielded to, one that has replaced it.
    for tracker in [&first, &second] {
        // SAFETY: nothing of it was linked.
        unsafe { tracker.remove().unwrap() };
    }
    assert_eq!((call(&test.jit, "f").unwrap(), call(&test.jit, "g").unwrap()), (2, 2));
    assert_eq!(test.events.take(), ["unit makes f g", "unit is dropped"]);
}
