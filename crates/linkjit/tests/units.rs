//! Units that are materialized when they are needed, rule by rule (numbers are those of the project's list of rules): what
//! they promise, deliver and discard; who waits for whom.

mod assembly;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use assembly::{Workshop, call, call_in, caller, function, source};
use linkjit::link::graph::LinkGraph;
use linkjit::link::names::NamePool;
use linkjit::link::passes::Stage;
use linkjit::link::source::Source;
use linkjit::{
    AbsoluteSymbols, Error, ExecAddr, FunctionUnit, Jit, MaterializationResponsibility, MaterializationUnit, Result,
    SymbolAliases, SymbolFlags, UnitInterface,
};

/// A unit that says what happens to it.
#[derive(Debug)]
struct Recorded {
    name: &'static str,
    symbols: Vec<(&'static str, SymbolFlags)>,
    delivers: Vec<Source>,
    initializers: bool,
    events: Events,
}

/// What happened, in order.
#[derive(Clone, Debug, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

impl Events {
    fn say(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl MaterializationUnit for Recorded {
    fn name(&self) -> String {
        self.name.into()
    }

    fn interface(&self) -> UnitInterface {
        let interface = UnitInterface::new(self.symbols.iter().copied());
        if self.initializers { interface.with_initializers() } else { interface }
    }

    fn materialize(self: Box<Self>, responsibility: MaterializationResponsibility) {
        let mut names: Vec<_> = responsibility.symbols().iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        self.events.say(format!("{} makes {}", self.name, names.join(" ")));
        responsibility.complete_with(|responsibility| {
            self.delivers.iter().try_for_each(|source| responsibility.add_object(source))
        });
    }

    fn discard(&mut self, name: &str) {
        self.events.say(format!("{} discards {name}", self.name));
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.events.say(format!("{} is dropped", self.name));
    }
}

/// What the tests share.
struct Fixture {
    workshop: Workshop,
    jit: Jit,
    events: Events,
}

impl Fixture {
    fn new() -> Self {
        Self { workshop: Workshop::new(), jit: Jit::host().unwrap(), events: Events::default() }
    }

    fn object(&self, text: &str) -> Source {
        source(&self.workshop.object(text))
    }

    fn unit(&self, name: &'static str, symbols: &[(&'static str, SymbolFlags)], delivers: &[&str]) -> Recorded {
        let delivers = delivers.iter().map(|text| self.object(text)).collect();
        Recorded { name, symbols: symbols.to_vec(), delivers, initializers: false, events: self.events.clone() }
    }

    /// A unit of one function.
    fn function(&self, name: &'static str, value: i32) -> Recorded {
        self.unit(name, &[(name, SymbolFlags::FUNCTION)], &[&function(name, value)])
    }
}

/// A unit that promises functions and is what a closure does.
fn promise<F>(names: &[&str], materialize: F) -> impl MaterializationUnit + use<F>
where
    F: FnOnce(&mut MaterializationResponsibility) -> Result<()> + Send,
{
    let name = format!("the unit of {}", names.join(" and "));
    FunctionUnit::new(name, UnitInterface::new(names.iter().map(|name| (*name, SymbolFlags::FUNCTION))), materialize)
}

fn undefined(error: &Error) -> bool {
    matches!(error, Error::Undefined { .. })
}

/// The error that a unit has failed with.
fn cause(error: Error) -> Error {
    match error {
        Error::Materialization { error, .. } => *error,
        other => panic!("{other}"),
    }
}

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
    test.jit.add_object_file(test.workshop.object(&caller("calls_g", "g"))).unwrap();
    assert_eq!(call(&test.jit, "calls_g").unwrap(), 2);
    assert_eq!(test.events.take(), ["g makes g", "g is dropped"]);
}

/// Rule 1.
#[test]
fn a_duplicate_strong_definition_installs_nothing_of_its_unit() {
    let test = Fixture::new();
    test.jit.add_object_file(test.workshop.object(&function("f", 1))).unwrap();
    let flags = SymbolFlags::FUNCTION;
    let error = test.jit.main().define(test.unit("second", &[("g", flags), ("f", flags)], &[])).unwrap_err();
    let Error::Duplicate { name, second, .. } = error else { panic!("{error}") };
    assert_eq!((name.as_str(), second.as_str()), ("f", "second"));
    assert_eq!(test.events.take(), ["second is dropped"]);
    assert!(undefined(&test.jit.lookup("g").unwrap_err()));
    // The other way round, and between two units.
    test.jit.main().define(test.function("g", 2)).unwrap();
    let object = test.workshop.object(&function("g", 3));
    assert!(matches!(test.jit.add_object_file(object), Err(Error::Duplicate { first, .. }) if first == "g"));
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
    test.jit.add_object_file(test.workshop.object(&function("mine", 1))).unwrap();
    let symbols = [("yours", weak), ("mine", weak), ("both", weak)];
    let text = weakly("both", 2) + &weakly("mine", 2) + &weakly("yours", 2);
    test.jit.main().define(test.unit("unit", &symbols, &[&text])).unwrap();
    test.jit.add_object_file(test.workshop.object(&function("yours", 1))).unwrap();
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
        assert!(matches!(test.jit.add_object_file(&strong), Err(Error::Duplicate { .. })));
        go.send(()).unwrap();
        assert_eq!(lookup.join().unwrap(), 1);
        assert!(matches!(test.jit.add_object_file(&strong), Err(Error::Duplicate { .. })));
    });
}

/// Rules 6 and 9: what is delivered beyond the promise competes like anything else.
#[test]
fn what_was_not_promised_competes_as_in_any_object() {
    let test = Fixture::new();
    let weakly = |name, value| function(name, value).replace(".globl", ".weak");
    test.jit.add_object_file(test.workshop.object(&function("there", 1))).unwrap();
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
        let error = test.jit.main().lookup(&["x"]).unwrap_err();
        assert!(matches!(cause(error), Error::Promise { unexpected, .. } if unexpected == ["x"]), "{flags:?}");
    }
    // A tentative definition may turn out weak.
    let common = SymbolFlags { linkage: linkjit::link::graph::Linkage::Common, ..SymbolFlags::DATA };
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
    test.jit.add_object_file(test.workshop.object(&caller("calls", "f"))).unwrap();
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
    test.jit.main().lookup(&["f", "h"]).unwrap();
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
    test.jit.main().define_to(&tracker, test.function("f", 1)).unwrap();
    // SAFETY: nothing of it was linked.
    unsafe { tracker.remove().unwrap() };
    assert_eq!(test.events.take(), ["f is dropped"]);
    assert!(undefined(&test.jit.lookup("f").unwrap_err()));
    assert!(matches!(test.jit.main().define_to(&tracker, test.function("f", 1)), Err(Error::TrackerRemoved)));

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
    test.jit.main().define_to(&tracker, Slow(begun, may_go, ended)).unwrap();
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
    test.jit.main().define_to(&tracker, test.unit("unit", &[("f", SymbolFlags::FUNCTION)], &[&text])).unwrap();
    test.jit.main().define_to(&tracker, AbsoluteSymbols::new([("absolute", ExecAddr(1), flags)])).unwrap();
    test.jit.main().define_to(&tracker, SymbolAliases::new(test.jit.main(), [("alias", "f", flags)])).unwrap();
    let names = ["f", "not_promised", "absolute", "alias"];
    test.jit.main().lookup(&["f", "absolute", "alias"]).unwrap();
    test.jit.main().lookup(&names).unwrap();
    // SAFETY: nobody uses it.
    unsafe { tracker.remove().unwrap() };
    for name in names {
        assert!(undefined(&test.jit.lookup(name).unwrap_err()), "{name}");
    }
    for name in names {
        test.jit.add_object_file(test.workshop.object(&function(name, 3))).unwrap();
        assert_eq!(call(&test.jit, name).unwrap(), 3);
    }
}

/// ORC removes the strong definition with the tracker of the weak one that it has replaced.
#[test]
fn a_replaced_promise_does_not_take_its_successor_along() {
    let test = Fixture::new();
    let tracker = test.jit.create_tracker().unwrap();
    let weak = test.unit("weak", &[("f", SymbolFlags::FUNCTION.weak())], &[]);
    test.jit.main().define_to(&tracker, weak).unwrap();
    test.jit.add_object_file(test.workshop.object(&function("f", 2))).unwrap();
    // SAFETY: nothing of it was linked.
    unsafe { tracker.remove().unwrap() };
    assert_eq!(call(&test.jit, "f").unwrap(), 2);
}

/// Rule 12, with a group that somebody else has taken meanwhile.
#[test]
fn a_promised_member_of_a_group_is_delivered_though_others_have_the_group() {
    let test = Fixture::new();
    let group = |value| {
        format!(".section .text.f,\"axG\",@progbits,f,comdat\n{}", function("f", value).replace(".globl", ".weak"))
    };
    let unit = test.unit("unit", &[("f", SymbolFlags::FUNCTION.weak())], &[&group(1)]);
    test.jit.main().define(unit).unwrap();
    test.jit.add_object_file(test.workshop.object(&(group(2) + ".text\n" + &caller("calls", "f")))).unwrap();
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
    test.jit.add_object_file(test.workshop.object(&(variable + &function("f", 0)))).unwrap();
    for (name, value) in [("one", 1), ("two", 2), ("three", 3)] {
        let mut unit = test.unit(name, &[], &[&first(value)]);
        unit.initializers = true;
        test.jit.main().define(unit).unwrap();
        if value == 2 {
            test.jit.add_object_file(test.workshop.object(&first(9))).unwrap();
        }
    }
    let order = test.jit.lookup("order").unwrap();
    // SAFETY: a variable of the object.
    let order = unsafe { *(order.0 as *const i32) };
    // As if all had been objects: in the order in which they were added, whoever is materialized first.
    assert_eq!(order, 1293);
}

/// Rule 40, and deadlocks in general.
#[test]
fn lookups_that_need_each_others_units_do_not_wait_for_each_other() {
    for threads in [0, 2] {
        let workshop = Workshop::new();
        let jit = Jit::builder().threads(threads).build().unwrap();
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
    let jit = Jit::builder().threads(3).build().unwrap();
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
    jit.main().lookup(&names).unwrap();
}

#[test]
fn a_materialization_may_look_up_names_and_use_them() {
    for threads in [0, 2] {
        let workshop = Workshop::new();
        let jit = Jit::builder().threads(threads).build().unwrap();
        let object = source(&workshop.object(&function("base", 5)));
        jit.main().define(promise(&["base"], move |responsibility| responsibility.add_object(&object))).unwrap();
        let dylib = jit.main().clone();
        let (two, directory) = (function("g", 0), Workshop::new());
        jit.main()
            .define(promise(&["g"], move |responsibility| {
                let base = call_in(&dylib, "base")?;
                responsibility.add_object(&source(&directory.object(&two.replace("$0", &format!("${}", base * 2)))))
            }))
            .unwrap();
        assert_eq!(call(&jit, "g").unwrap(), 10);
    }
}

#[test]
fn a_unit_that_waits_for_itself_is_an_error() {
    let test = Fixture::new();
    let dylib = test.jit.main().clone();
    test.jit.main().define(promise(&["f"], move |_| dylib.lookup(&["f"]).map(drop))).unwrap();
    let error = cause(test.jit.lookup("f").unwrap_err());
    assert!(matches!(&error, Error::WaitsForItself { jobs } if jobs.len() == 1), "{error}");
    assert_eq!(error.to_string(), "the unit of f waits for itself");
    // Over others.
    for (name, needs) in [("a", "b"), ("b", "c"), ("c", "a")] {
        let dylib = test.jit.main().clone();
        test.jit.main().define(promise(&[name], move |_| dylib.lookup(&[needs]).map(drop))).unwrap();
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
                dylib.lookup(&[needs])?;
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

/// The seam for compilers: a function is compiled when it is first called.
#[test]
fn a_lazy_function_is_materialized_by_its_first_call() {
    let test = Fixture::new();
    let implementations = test.jit.create_dylib("implementations").unwrap();
    implementations.define(test.function("f_impl", 3)).unwrap();
    test.jit.main().lazy_reexports(&implementations, &[("f", "f_impl")]).unwrap();
    test.jit.add_object_file(test.workshop.object(&caller("calls", "f"))).unwrap();
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
    test.jit.main().add_object_to(&first, &object(&function("f", 1).replace(".globl", ".weak"))).unwrap();
    let text = function("f", 2).replace(".globl", ".weak") + &function("g", 2).replace(".globl", ".weak");
    test.jit.main().define_to(&mine, test.unit("unit", &[weak("f"), weak("g")], &[&text])).unwrap();
    test.jit.main().add_object_to(&second, &object(&function("g", 1))).unwrap();
    // One it had yielded to, one that has replaced it.
    for tracker in [&first, &second] {
        // SAFETY: nothing of it was linked.
        unsafe { tracker.remove().unwrap() };
    }
    assert_eq!((call(&test.jit, "f").unwrap(), call(&test.jit, "g").unwrap()), (2, 2));
    assert_eq!(test.events.take(), ["unit makes f g", "unit is dropped"]);
}

/// A pass that is run on one graph, once.
fn pass_on(jit: &Jit, stage: Stage, name: &Path, run: impl FnOnce() + Send + 'static) {
    let (name, run) = (name.to_string_lossy().into_owned(), Mutex::new(Some(run)));
    jit.session().add_pass(
        stage,
        Arc::new(move |graph: &mut LinkGraph, _: &Mutex<NamePool>| {
            if graph.name() == name
                && let Some(run) = run.lock().unwrap().take()
            {
                run();
            }
            Ok(())
        }),
    );
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
        test.jit.add_object_file(&weak).unwrap();
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
            let linked = test.jit.main().lookup(&["calls", "fails"]);
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
        test.jit.add_object_file(&weak).unwrap();
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
    test.jit.define_absolute("callback", callback as *const ()).unwrap();
    let text = ".section .fini_array,\"aw\"\n.quad ends\n.text\n".to_owned() + &caller("ends", "callback");
    let tracker = test.jit.create_tracker().unwrap();
    test.jit.main().add_object_to(&tracker, &test.object(&text)).unwrap();
    test.jit.main().initialize().unwrap();
    test.jit.add_object_file(test.workshop.object(&function("another", 1))).unwrap();
    wait_for_each_other(
        &test,
        |dylib| dylib.lookup(&["another"]).map(drop),
        || {
            // SAFETY: nobody uses it.
            unsafe { tracker.remove().unwrap() };
        },
    );
}

/// Likewise with initializers, which one thread runs at a time.
#[test]
fn an_initializer_and_a_unit_that_wait_for_each_other_end() {
    let _alone = alone();
    let test = Fixture::new();
    test.jit.define_absolute("callback", callback as *const ()).unwrap();
    let text = ".section .init_array,\"aw\"\n.quad begins\n.text\n".to_owned() + &caller("begins", "callback");
    test.jit.add_object_file(test.workshop.object(&text)).unwrap();
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
            *called.lock().unwrap() = Some(dylib.lookup(&["f"]).map(drop));
        })
    });
    thread::scope(|scope| {
        let unit = scope.spawn(|| test.jit.main().lookup(&["f"]).map(drop));
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
