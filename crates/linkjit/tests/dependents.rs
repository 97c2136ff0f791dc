//! Nothing dangles when something is removed: who is bound to it is named, or keeps what it needs. Rules 2, 9, 12 and
//! 86 to 90 of docs/rules.md, and LLVM's bugs about trackers.
#![cfg_attr(windows, allow(dead_code, unused_imports, reason = "tests of ELF use it"))]

mod assembly;
mod host;

use std::ffi::c_int;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};

use assembly::{Workshop, call, call_at, caller, function, group, mappings, resident, source};
use linkjit::Source;
use linkjit::{Error, ExecAddr, Jit, JitDylib, MatchScope, ResourceTracker};

fn remove(tracker: &ResourceTracker) -> linkjit::Result<()> {
    // SAFETY: no thread is in its code, and what was looked up is not called any more.
    unsafe { tracker.remove() }
}

/// Adds an object with a tracker of its own.
fn add(jit: &Jit, object: &std::path::Path) -> ResourceTracker {
    let tracker = jit.create_tracker().unwrap();
    tracker.add_object(source(object)).unwrap();
    tracker
}

/// The objects that keep something from being removed.
fn dependents(result: linkjit::Result<()>) -> Vec<String> {
    match result {
        Err(Error::InUse { dependents }) => dependents.into_iter().map(|dependent| dependent.object).collect(),
        other => panic!("{other:?}"),
    }
}

fn weak(name: &str, value: i32) -> String {
    function(name, value).replace(".globl", ".weak")
}

#[test]
fn what_others_are_bound_to_is_not_removed_before_them() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let first = add(&jit, &workshop.object(&function("f", 3)));
    let user = workshop.object(&caller("calls_f", "f"));
    let second = add(&jit, &user);
    let third = add(&jit, &workshop.object(&caller("calls_calls_f", "calls_f")));
    // Nothing is linked yet: nobody is bound to anything.
    assert!(first.dependents().unwrap().is_empty());
    assert_eq!(call(&jit, "calls_calls_f").unwrap(), 3);

    for _ in 0..2 {
        assert_eq!(dependents(remove(&first)), [user.to_string_lossy()]);
        assert_eq!(call(&jit, "calls_calls_f").unwrap(), 3);
    }
    assert_eq!(first.dependents().unwrap().len(), 1);
    // SAFETY: nobody calls any of it any more.
    let removed = unsafe { first.remove_with_dependents() }.unwrap();
    assert_eq!(removed.len(), 2);
    for gone in [&first, &second, &third] {
        assert!(matches!(remove(gone), Err(Error::TrackerRemoved)));
        assert!(matches!(gone.dependents(), Err(Error::TrackerRemoved)));
    }
    assert!(matches!(jit.lookup("f"), Err(Error::Undefined { .. })));
}

#[cfg(not(windows))]
#[test]
fn objects_that_call_one_another_are_removed_together() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    // In one batch, and in two.
    for first_alone in [false, true] {
        let even = ".globl even\neven: test %edi,%edi\n jz 1f\n dec %edi\n jmp odd\n1: mov $1,%eax\n ret\n";
        let odd = ".globl odd\nodd: test %edi,%edi\n jz 1f\n dec %edi\n jmp even\n1: xor %eax,%eax\n ret\n";
        let [even, odd] = [even, odd].map(|text| add(&jit, &workshop.object(text)));
        if first_alone {
            jit.lookup("even").unwrap();
        }
        // SAFETY: its type.
        let is_even = unsafe { jit.lookup_fn::<extern "C" fn(c_int) -> c_int>("even") }.unwrap();
        assert_eq!((is_even(10), is_even(7)), (1, 0));
        assert_eq!(dependents(remove(&even)).len(), 1);
        assert_eq!(dependents(remove(&odd)).len(), 1);
        // SAFETY: nobody calls them any more.
        unsafe { ResourceTracker::remove_all(&[even.clone(), odd, even]) }.unwrap();
        assert!(matches!(jit.lookup("odd"), Err(Error::Undefined { .. })));
    }
}

#[test]
fn a_variable_is_in_use_as_much_as_a_function() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    for text in ["int v = 7;", "_Thread_local int v = 7;"] {
        let owner = add(&jit, &workshop.compile("c", text, &["-fPIC"]));
        let declaration = text.replace(" = 7", "");
        let user = format!("extern {declaration} int get(void) {{ return v++; }}");
        let user = add(&jit, &workshop.compile("c", &user, &["-fPIC"]));
        assert_eq!(call(&jit, "get").unwrap(), 7);
        assert_eq!(dependents(remove(&owner)).len(), 1);
        assert_eq!(call(&jit, "get").unwrap(), 8);
        remove(&user).unwrap();
        remove(&owner).unwrap();
    }
}

#[test]
fn code_of_another_jitdylib_is_a_dependent_too() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let library = jit.create_dylib("library").unwrap();
    jit.main().add_to_link_order(&library, MatchScope::Exported).unwrap();
    library.add_object(source(&workshop.object(&function("f", 3)))).unwrap();
    let user = workshop.object(&caller("calls_f", "f"));
    let tracker = add(&jit, &user);
    assert_eq!(call(&jit, "calls_f").unwrap(), 3);
    assert_eq!(dependents(remove(&library.default_tracker().unwrap())), [user.to_string_lossy()]);
    // SAFETY: nobody calls it any more.
    assert_eq!(dependents(unsafe { library.clone().close() }), [user.to_string_lossy()]);
    assert_eq!(call(&jit, "calls_f").unwrap(), 3);
    remove(&tracker).unwrap();
    // SAFETY: as above.
    unsafe { library.clone().close() }.unwrap();
    assert!(matches!(jit.lookup("f"), Err(Error::Undefined { .. })));
}

/// Both have it; the first one's is linked. A loser that is not linked yet defines the name when the winner goes.
#[test]
fn what_had_yielded_is_a_definition_again() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    type Text = fn(&str, i32) -> String;
    let kinds: [(Text, Text, bool); 4] =
        [(weak, weak, true), (group, group, true), (function, weak, true), (weak, function, false)];
    for (first, second, may_be_linked) in kinds {
        for linked in [false, true] {
            let winner = add(&jit, &workshop.object(&first("f", 1)));
            let loser = workshop.object(&(second("f", 2) + &caller("calls_f", "f")));
            // A strong definition beside a weak one that is linked is an error.
            if linked && may_be_linked {
                assert_eq!(call(&jit, "f").unwrap(), 1);
            }
            let loser = add(&jit, &loser);
            remove(&winner).unwrap();
            assert_eq!(call(&jit, "f").unwrap(), 2);
            assert_eq!(call(&jit, "calls_f").unwrap(), 2);
            remove(&loser).unwrap();
            assert!(matches!(jit.lookup("f"), Err(Error::Undefined { .. })));
        }
    }
}

/// LLVM forgets that the name has changed hands: removing the old owner deletes the new one's definition.
#[test]
fn the_removal_of_what_was_replaced_leaves_what_has_replaced_it() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let replaced = add(&jit, &workshop.object(&weak("f", 1)));
    add(&jit, &workshop.object(&function("f", 2)));
    remove(&replaced).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 2);
}

#[test]
fn the_strongest_of_those_that_had_yielded_wins() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let winner = add(&jit, &workshop.object(".globl v\n.data\nv: .long 1\n"));
    let [weakling, common] =
        [".weak v\n.data\nv: .long 2\n", ".comm v,4,4\n"].map(|text| add(&jit, &workshop.object(text)));
    let user = add(&jit, &workshop.object(&assembly::getter("get", "v")));
    remove(&winner).unwrap();
    assert_eq!(call(&jit, "get").unwrap(), 0);
    remove(&common).unwrap();
    assert_eq!(call(&jit, "get").unwrap(), 0);
    remove(&user).unwrap();
    let user = add(&jit, &workshop.object(&assembly::getter("get", "v")));
    assert_eq!(call(&jit, "get").unwrap(), 2);
    remove(&user).unwrap();
    remove(&weakling).unwrap();
}

static TRACE: Mutex<Vec<i32>> = Mutex::new(Vec::new());

extern "C" fn trace(value: c_int) {
    TRACE.lock().unwrap().push(value);
}

/// Inline functions with all that they may have, in two objects.
const SHARED: &str = "#include <stdexcept>
    extern \"C\" void trace(int);
    struct Noisy { int value; explicit Noisy(int v) : value(v) { trace(v); } ~Noisy() { trace(-value); } };
    struct Base { virtual ~Base() {} virtual int get() { return 5; } };
    template <typename T> struct Derived : Base { int get() override { return static_cast<int>(sizeof(T)); } };
    inline Noisy &noisy() { static Noisy noisy(7); return noisy; }
    inline int counter() { static int count; return ++count; }
    inline int throws(int v) { if (v > 2) throw std::runtime_error(\"big\"); return v; }
    inline const char *text() { return \"some text that is not in the group\"; }
    inline int all() {
        Derived<short> derived; Base *base = &derived;
        int sum = base->get() + (text()[0] == 's');
        try { throws(3); } catch (const std::runtime_error &) { sum += 10; }
        return sum;
    }
";

#[test]
fn inline_code_stays_for_others_and_so_do_its_static_variables() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.define_ptr("trace", trace as *const ()).unwrap();
    for (flags, together) in [("-O0", false), ("-O0", true), ("-O1", false)] {
        if cfg!(windows) && flags == "-O1" {
            // What calls the destructor is no part of the inline function, into whose callers the function is inlined.
            continue;
        }
        TRACE.lock().unwrap().clear();
        let [one, two, three] = ["one", "two", "three"].map(|name| {
            let text = format!(
                "{SHARED} static Noisy own(NUMBER); extern \"C\" int {name}() {{ return counter() * 1000 + all() * 10 + noisy().value; }}"
            );
            let number = name.len().to_string() + if name == "two" { "1" } else { "0" };
            add(&jit, &workshop.compile("cpp", &text.replace("NUMBER", &number), &[flags, "-fPIC", "-ffunction-sections"]))
        });
        if together {
            jit.main().initialize().unwrap();
        }
        // 2 for the virtual function, 1 for the text, 10 for the exception.
        assert_eq!(call(&jit, "one").unwrap(), 1137);
        assert_eq!(call(&jit, "two").unwrap(), 2137);
        // Only what is its own ends with it.
        TRACE.lock().unwrap().clear();
        remove(&one).unwrap();
        assert_eq!(*TRACE.lock().unwrap(), [-30]);
        assert_eq!(call(&jit, "two").unwrap(), 3137);
        // The name has gone to one that is bound to the same variable.
        assert_eq!(call(&jit, "three").unwrap(), 4137);
        TRACE.lock().unwrap().clear();
        remove(&two).unwrap();
        assert_eq!(*TRACE.lock().unwrap(), [-31]);
        assert_eq!(call(&jit, "three").unwrap(), 5137);
        TRACE.lock().unwrap().clear();
        remove(&three).unwrap();
        let mut ended = TRACE.lock().unwrap().clone();
        ended.sort_unstable();
        assert_eq!(ended, [-50, -7]);
    }
}

/// What weak code of a removed object calls strongly is kept with it; what others call strongly is not.
/// Functions of one object have a common record of how to unwind, and string literals in one block.
#[cfg(not(windows))]
#[test]
fn constants_of_inline_code_that_is_linked_later_are_no_reason_to_keep_the_rest() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let inline = "static inline const char *more(int i) { return \"two\" + i; }
                  __attribute__((noinline)) inline int k() { volatile int zero = 0; return more(zero)[0]; } extern \"C\" int";
    let flags = ["-O1", "-fPIC", "-ffunction-sections", "-fasynchronous-unwind-tables"];
    let object = |text: &str| workshop.compile("cpp", &format!("{inline} {text}"), &flags);
    let text = "f(int i) { volatile int zero = i - i; return \"one\"[zero]; } extern \"C\" int g() { return k(); }";
    let first = add(&jit, &object(text));
    let address = jit.lookup("f").unwrap();
    let user = add(&jit, &object("user() { return k(); }"));
    assert_eq!(call(&jit, "user").unwrap(), i32::from(b't'));
    remove(&first).unwrap();
    assert!(!assembly::is_mapped_executable(address));
    assert_eq!(call(&jit, "user").unwrap(), i32::from(b't'));
    remove(&user).unwrap();
    assert_eq!(jit.main().memory().unwrap().code, 0);
}

#[test]
fn what_inline_code_needs_stays_with_it() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let inline = group("g", 0).replace("mov $0,%eax", "sub $8,%rsp\n call strong\n add $8,%rsp");
    let first = jit.create_tracker().unwrap();
    for text in [inline.clone(), function("strong", 11) + &function("unrelated", 12)] {
        first.add_object(source(&workshop.object(&text))).unwrap();
    }
    let second = add(&jit, &workshop.object(&(inline + &caller("user", "g"))));
    assert_eq!(call(&jit, "user").unwrap(), 11);
    remove(&first).unwrap();
    assert_eq!(call(&jit, "user").unwrap(), 11);
    // The name is free though the code is there.
    let third = add(&jit, &workshop.object(&function("strong", 22)));
    assert_eq!((call(&jit, "strong").unwrap(), call(&jit, "user").unwrap()), (22, 11));
    remove(&second).unwrap();
    remove(&third).unwrap();
}

/// Both trackers own something that the other one is bound to, and that outlives them.
#[test]
fn memory_that_only_removed_code_needs_is_given_back() {
    if std::env::var_os("DEPENDENTS_CHILD").is_none() {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "memory_that_only_removed_code_needs_is_given_back"]).env("DEPENDENTS_CHILD", "1");
        let output = child.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.define_ptr("trace", trace as *const ()).unwrap();
    let inline_calls = |name: &str, callee: &str| {
        group(name, 0).replace("mov $0,%eax", &format!("sub $8,%rsp\n call {callee}\n add $8,%rsp"))
    };
    // a1 calls b2, which is the second's, and b1 calls a2, which is the first's.
    let one = group("a2", 4) + &inline_calls("a1", "b2") + &caller("one", "a1") + &group("b1", 5);
    let two = group("b2", 6) + &inline_calls("b1", "a2") + &caller("two", "b1") + &group("a1", 7);
    let objects = [source(&workshop.object(&one)), source(&workshop.object(&two))];
    let texts = ["left", "right"].map(|name| {
        let text = format!("{SHARED} extern \"C\" int {name}() {{ return all() + noisy().value; }}");
        source(&workshop.compile("cpp", &text, &["-fPIC"]))
    });
    let round = |turn: usize| {
        let trackers: Vec<_> = objects
            .iter()
            .chain(&texts)
            .map(|object| {
                let tracker = jit.create_tracker().unwrap();
                tracker.add_object(object).unwrap();
                tracker
            })
            .collect();
        for (name, value) in [("one", 6), ("two", 5), ("left", 20), ("right", 20)] {
            assert_eq!(call(&jit, name).unwrap(), value, "{name}");
        }
        for at in 0..4 {
            remove(&trackers[(at + turn) % 4]).unwrap();
        }
        TRACE.lock().unwrap().clear();
    };
    (0..50).for_each(round);
    let before = (mappings(), resident());
    (0..1000).for_each(round);
    let after = (mappings(), resident());
    assert!(after.0 <= before.0 + 4, "mappings: {} -> {}", before.0, after.0);
    assert!(after.1 < before.1 + (2 << 20), "resident: {} -> {}", before.1, after.1);
}

#[test]
fn transfer_takes_everything_along() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.define_ptr("trace", trace as *const ()).unwrap();
    let text = "extern \"C\" void trace(int); struct S { ~S() { trace(100); } }; static S s;
                __attribute__((destructor)) static void end() { trace(101); }
                static thread_local int t = 3; extern \"C\" int NAME() { return t; }";
    let [source_of, target] = [(); 2].map(|()| jit.create_tracker().unwrap());
    for (name, tracker) in [("moved", &source_of), ("stays", &target)] {
        tracker.add_object(source(&workshop.compile("cpp", &text.replace("NAME", name), &["-fPIC"]))).unwrap();
    }
    source_of.add_object(source(&workshop.object(&function("not_linked", 9)))).unwrap();
    source_of.add_lazy_object(source(&workshop.object(&function("lazy", 10)))).unwrap();
    assert_eq!((call(&jit, "moved").unwrap(), call(&jit, "lazy").unwrap()), (3, 10));
    TRACE.lock().unwrap().retain(|value| *value < 100);

    let other = jit.create_dylib("other").unwrap();
    let foreign = other.create_tracker().unwrap();
    assert!(matches!(source_of.transfer_to(&foreign), Err(Error::Foreign { .. })));
    source_of.transfer_to(&source_of).unwrap();
    source_of.transfer_to(&target).unwrap();
    assert!(matches!(source_of.transfer_to(&target), Err(Error::TrackerRemoved)));
    assert!(matches!(target.transfer_to(&source_of), Err(Error::TrackerRemoved)));
    assert!(matches!(remove(&source_of), Err(Error::TrackerRemoved)));
    let object = source(&workshop.object(&function("new", 1)));
    assert!(matches!(source_of.add_object(&object), Err(Error::TrackerRemoved)));
    assert_eq!(
        (call(&jit, "moved").unwrap(), call(&jit, "not_linked").unwrap(), call(&jit, "lazy").unwrap()),
        (3, 9, 10)
    );

    remove(&target).unwrap();
    let ended: Vec<_> = TRACE.lock().unwrap().iter().copied().filter(|value| *value >= 100).collect();
    assert_eq!(ended, [100, 100, 101, 101]);
    for name in ["moved", "stays", "not_linked", "lazy"] {
        assert!(matches!(jit.lookup(name), Err(Error::Undefined { .. })), "{name}");
    }
}

#[test]
fn the_default_tracker_may_give_and_take() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.add_object(workshop.object(&function("f", 1))).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
    let tracker = jit.create_tracker().unwrap();
    jit.main().default_tracker().unwrap().transfer_to(&tracker).unwrap();
    jit.add_object(workshop.object(&function("g", 2))).unwrap();
    assert_eq!(call(&jit, "g").unwrap(), 2);
    remove(&tracker).unwrap();
    assert!(matches!(jit.lookup("f"), Err(Error::Undefined { .. })));
    assert_eq!(call(&jit, "g").unwrap(), 2);
    // What was added with a handle that is dropped stays.
    drop(add(&jit, &workshop.object(&function("h", 3))));
    assert_eq!(call(&jit, "h").unwrap(), 3);
}

/// A lazy function is not bound to what it was linked to: it can be linked again.
#[test]
fn a_lazy_function_whose_implementation_is_removed_is_looked_up_again() {
    static HANDLED: AtomicI32 = AtomicI32::new(0);
    extern "C" fn substitute() -> c_int {
        -1
    }
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.session().set_lazy_failure_handler(Arc::new(|failure| {
        assert!(matches!(failure.error, Error::Undefined { .. } | Error::Closed), "{failure}");
        HANDLED.fetch_add(1, Ordering::Relaxed);
        Some(ExecAddr::from_ptr(substitute as *const ()))
    }));
    let library: JitDylib = jit.create_dylib("library").unwrap();
    jit.main().lazy_reexports(&library, &[("lazy", "f")]).unwrap();
    let lazy = jit.lookup("lazy").unwrap();
    for value in 1..4 {
        let tracker = library.create_tracker().unwrap();
        tracker.add_object(source(&workshop.object(&function("f", value)))).unwrap();
        assert_eq!((call_at(lazy), call_at(lazy)), (value, value));
        remove(&tracker).unwrap();
        assert_eq!(call_at(lazy), -1);
        assert_eq!(HANDLED.load(Ordering::Relaxed), value);
    }
    library.add_object(source(&workshop.object(&function("f", 9)))).unwrap();
    assert_eq!(call_at(lazy), 9);
    // SAFETY: nobody calls it any more, but through the lazy function.
    unsafe { library.clone().close() }.unwrap();
    assert_eq!(call_at(lazy), -1);
}

/// The linker keeps a name that was found weak; who comes later yields to the heir as to the first.
#[test]
fn a_newcomer_yields_to_the_heir() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let [one, two, three] =
        ["one", "two", "three"].map(|name| workshop.object(&(group("f", name.len() as i32) + &caller(name, "f"))));
    let first = add(&jit, &one);
    let second = add(&jit, &two);
    assert_eq!((call(&jit, "one").unwrap(), call(&jit, "two").unwrap()), (3, 3));
    let address = jit.lookup("f").unwrap();
    remove(&first).unwrap();
    assert_eq!(jit.lookup("f").unwrap(), address);
    let third = add(&jit, &three);
    assert_eq!((call(&jit, "two").unwrap(), call(&jit, "three").unwrap()), (3, 3));
    remove(&second).unwrap();
    assert_eq!((jit.lookup("f").unwrap(), call(&jit, "three").unwrap()), (address, 3));
    remove(&third).unwrap();
    assert!(matches!(jit.lookup("f"), Err(Error::Undefined { .. })));
}

/// As those of one header do.
#[test]
fn a_thousand_objects_that_share_a_function_go_in_any_order() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let object = source(&workshop.object(&(group("f", 3) + &caller("user0000", "f"))));
    let named = |number: usize| {
        let mut bytes = object.bytes().to_vec();
        let name = bytes.windows(8).position(|name| name == b"user0000").unwrap();
        bytes[name + 4..name + 8].copy_from_slice(format!("{number:04}").as_bytes());
        Source::new(format!("{number}.o"), bytes)
    };
    let mut numbers: Vec<usize> = (0..1000).collect();
    let mut trackers: Vec<_> = numbers.iter().map(|_| Some(jit.create_tracker().unwrap())).collect();
    let add = |number: usize, tracker: &ResourceTracker| {
        tracker.add_object(named(number)).unwrap();
        assert_eq!(call(&jit, &format!("user{number:04}")).unwrap(), 3);
    };
    trackers.iter().flatten().enumerate().for_each(|(number, tracker)| add(number, tracker));
    let address = jit.lookup("f").unwrap();
    // The first ones, the last ones, and every third of the rest.
    numbers.sort_by_key(|number| (number % 3 == 1, (200..800).contains(number)));
    let last = numbers.pop().unwrap();
    for number in numbers {
        remove(&trackers[number].take().unwrap()).unwrap();
        assert_eq!(jit.lookup("f").unwrap(), address);
    }
    assert_eq!(call(&jit, &format!("user{last:04}")).unwrap(), 3);
    remove(&trackers[last].take().unwrap()).unwrap();
    assert!(matches!(jit.lookup("f"), Err(Error::Undefined { .. })));
    let tracker = jit.create_tracker().unwrap();
    add(7, &tracker);
}
