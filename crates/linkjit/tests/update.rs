//! Objects that are replaced while they are in use.
#![cfg_attr(windows, allow(dead_code, unused_imports, reason = "tests of ELF use it"))]

mod assembly;
mod host;

use std::ffi::c_int;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use assembly::{Workshop, call, call_at, handles, mappings, resident};
use linkjit::Source;
use linkjit::{Error, ExecAddr, Generation, Jit, MatchScope};

/// A compiled text that goes by a name.
fn compile(workshop: &Workshop, name: &str, extension: &str, text: &str) -> Source {
    compile_with(workshop, name, extension, text, &["-O1", "-fPIC", "-ffunction-sections", "-fdata-sections"])
}

fn compile_with(workshop: &Workshop, name: &str, extension: &str, text: &str, flags: &[&str]) -> Source {
    Source::new(name, std::fs::read(workshop.compile(extension, text, flags)).unwrap())
}

/// Replaces an object of `main` and keeps its variables.
fn update(jit: &Jit, object: &Source) -> linkjit::Result<Generation> {
    // SAFETY: who is in the code has a guard.
    unsafe { jit.main().update().replace(object).keep_variables().commit() }
}

fn rollback(generation: Generation) -> linkjit::Result<()> {
    // SAFETY: as above.
    unsafe { generation.rollback() }
}

#[test]
fn callers_and_pointers_that_were_taken_before_reach_the_new_code() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let text = |value: i32| {
        format!(
            "static int local(void) {{ return {value} * 10; }} int f(void) {{ return {value}; }}
             int (*table[])(void) = {{ f, local }}; int (*get(void))(void) {{ return local; }}
             __attribute__((noinline)) int inner(void) {{ return {value} * 100; }} int outer(void) {{ return inner(); }}"
        )
    };
    jit.main().add_updatable_object(compile(&workshop, "a.o", "c", &text(1))).unwrap();
    let user = "int f(void); int (*get(void))(void); extern int (*table[])(void); int outer(void);
                static int (*pointer)(void) = f; static int (*taken)(void);
                int user(void) { if (!taken) taken = get(); return f() + pointer() + table[0]() + taken() + table[1]() + outer(); }";
    jit.main().add_object(compile(&workshop, "user.o", "c", user)).unwrap();
    let sum = |value: i32| value * 123;
    assert_eq!(call(&jit, "user").unwrap(), sum(1));
    let f = jit.lookup("f").unwrap();
    for value in 2..5 {
        let generation = update(&jit, &compile(&workshop, "a.o", "c", &text(value))).unwrap();
        assert_eq!(generation.numbers(), [("a.o", u64::try_from(value - 1).unwrap())]);
        assert_eq!((call(&jit, "user").unwrap(), call_at(f)), (sum(value), value));
        assert_eq!(jit.lookup("f").unwrap(), f);
    }
    // The last one is reclaimed, and all still works.
    assert_eq!(jit.session().reclaim().unwrap(), 0);
    assert_eq!(call(&jit, "user").unwrap(), sum(4));
}

#[test]
fn functions_come_and_go() {
    static HANDLED: AtomicI32 = AtomicI32::new(0);
    extern "C" fn gone() -> c_int {
        -1
    }
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.session().set_lazy_failure_handler(std::sync::Arc::new(|failure| {
        let by = match &failure.error {
            Error::RemovedByUpdate { name, object, update: 1, by_rollback }
                if *name == failure.name && object == "a.o" =>
            {
                *by_rollback
            }
            error => panic!("{error}"),
        };
        // `f` went with the update, `g` when that was rolled back.
        assert_eq!(failure.name, if by { "g" } else { "f" });
        let text = failure.to_string();
        assert!(!text.contains("$__") && text.contains("update 1 of a.o has removed"), "{text}");
        HANDLED.fetch_add(1, Ordering::Relaxed);
        Some(ExecAddr::from_ptr(gone as *const ()))
    }));
    let object = |text: &str| compile(&workshop, "a.o", "c", text);
    jit.main().add_updatable_object(object("int f(void) { return 1; }")).unwrap();
    let f = jit.lookup("f").unwrap();
    assert_eq!(call_at(f), 1);
    let generation = update(&jit, &object("int g(void) { return 2; }")).unwrap();
    let gone: Vec<_> = generation.gone().map(|gone| (&*gone.object, &*gone.name, gone.is_function)).collect();
    assert_eq!(gone, [("a.o", "f", true)]);
    assert_eq!((call(&jit, "g").unwrap(), call_at(f)), (2, -1));
    let g = jit.lookup("g").unwrap();
    rollback(generation).unwrap();
    assert_eq!((call_at(g), call_at(f)), (-1, 1));
    drop(update(&jit, &object("int f(void) { return 3; } int g(void) { return 4; }")).unwrap());
    assert_eq!((call_at(g), call_at(f), jit.lookup("g").unwrap()), (4, 3, g));
    assert_eq!(HANDLED.load(Ordering::Relaxed), 2);
}

/// What is gone is said at once, and only what is: what was there before the last generation is not told again.
#[test]
fn what_an_update_removes_is_listed() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let object = |name: &str, text: &str| compile(&workshop, name, "c", text);
    let first = "int used = 1, unused = 2; static int own = 3; __attribute__((weak)) int shared(void) { return 4; }
                 int f(void) { return used + own++; } int g(void) { return unused; }";
    jit.main().add_updatable_object(object("a.o", first)).unwrap();
    jit.main().add_updatable_object(object("b.o", "int h(void) { return 5; } int table[3];")).unwrap();
    for name in ["f", "g", "h", "shared"] {
        call(&jit, name).unwrap();
    }
    let listed = |generation: &Generation| -> Vec<(String, String, bool)> {
        generation.gone().map(|gone| (gone.object.clone(), gone.name.clone(), gone.is_function)).collect()
    };
    let [a, b] =
        [object("a.o", "int used = 1; int f(void) { return used; }"), object("b.o", "int i(void) { return 6; }")];
    // SAFETY: nobody is in the code.
    let generation = unsafe { jit.main().update().replace(&a).replace(&b).commit() }.unwrap();
    let gone = [
        ("a.o", "g", true),
        ("a.o", "shared", true),
        ("a.o", "unused", false),
        ("b.o", "h", true),
        ("b.o", "table", false),
    ];
    let gone: Vec<_> = gone.map(|(object, name, function)| (object.to_owned(), name.to_owned(), function)).into();
    assert_eq!(listed(&generation), gone);
    drop(generation);
    let again = update(&jit, &a).unwrap();
    assert_eq!(listed(&again), []);
}

/// What had no handler is said on the way to the end of the process, by its own name, C++'s and that of a local function.
#[cfg(not(windows))]
#[test]
fn a_call_of_what_was_removed_names_it() {
    static TEXTS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    extern "C" fn gone() -> c_int {
        -1
    }
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.session().set_lazy_failure_handler(std::sync::Arc::new(|failure| {
        TEXTS.lock().unwrap().push(failure.to_string());
        Some(ExecAddr::from_ptr(gone as *const ()))
    }));
    let before = "static int local(void) { return 1; } int step(int) { return 2; }
                  extern \"C\" { int (*get(void))(void) { return local; } int (*table[1])(int) = { step }; }";
    let after = "int other(void) { return 3; }";
    jit.main().add_updatable_object(compile(&workshop, "a.o", "cpp", before)).unwrap();
    let get = jit.lookup("get").unwrap();
    let step = jit.lookup("_Z4stepi").unwrap();
    // SAFETY: its type.
    let local = unsafe { std::mem::transmute::<usize, extern "C" fn() -> usize>(usize::try_from(get.0).unwrap()) }();
    assert_eq!((call_at(ExecAddr(local as u64)), call_at(step)), (1, 2));
    for _ in 0..2 {
        // SAFETY: nobody is in the code.
        drop(unsafe { jit.main().update().replace(compile(&workshop, "a.o", "cpp", after)).commit() }.unwrap());
        assert_eq!((call_at(ExecAddr(local as u64)), call_at(step)), (-1, -1));
        let texts = std::mem::take(&mut *TEXTS.lock().unwrap());
        // That it was the first update is said after the second, too.
        assert!(texts[0].starts_with("'local()' was called, but can't be linked: update 1 of a.o"), "{texts:?}");
        assert!(texts[1].starts_with("'step(int)' was called, but can't be linked: update 1 of a.o"), "{texts:?}");
    }
}

#[test]
fn the_last_one_of_a_name_counts() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let object = |value: i32| compile(&workshop, "a.o", "c", &format!("int f(void) {{ return {value}; }}"));
    jit.main().add_updatable_object(object(1)).unwrap();
    // SAFETY: nobody is in the code.
    let generation = unsafe { jit.main().update().replace(object(2)).replace(object(3)).commit() }.unwrap();
    assert_eq!((generation.numbers(), call(&jit, "f").unwrap()), (vec![("a.o", 1)], 3));
    rollback(generation).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
}

/// Not even those that show what they hide have what was taken out here.
#[test]
fn a_function_that_went_is_not_another_jitdylibs() {
    extern "C" fn gone() -> c_int {
        -1
    }
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.session().set_lazy_failure_handler(std::sync::Arc::new(|_| Some(ExecAddr::from_ptr(gone as *const ()))));
    let other = jit.create_dylib("other").unwrap();
    jit.main().add_to_link_order(&other, MatchScope::All).unwrap();
    let object = |text: &str| compile(&workshop, "a.o", "c", text);
    other.add_updatable_object(object("int f(void) { return 2; }")).unwrap();
    jit.main().add_updatable_object(object("int f(void) { return 1; }")).unwrap();
    let f = jit.lookup("f").unwrap();
    assert_eq!(call_at(f), 1);
    drop(update(&jit, &object("int g(void) { return 3; }")).unwrap());
    assert_eq!(call_at(f), -1);
}

#[test]
fn an_object_goes_whole_with_what_it_depends_on_and_can_be_added_again() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let callee = jit.create_tracker().unwrap();
    callee.add_object(compile(&workshop, "g.o", "c", "int g(void) { return 1; }")).unwrap();
    let object = |text: &str| compile(&workshop, "a.o", "c", text);
    jit.main().add_updatable_object(object("int g(void); int f(void) { return g(); }")).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
    let generation = update(&jit, &object("int g(void); int f(void) { return 10 + g(); }")).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 11);
    // Two generations, and the stubs.
    // SAFETY: nobody is in the code.
    let removed = unsafe { callee.remove_with_dependents() }.unwrap();
    assert_eq!(removed.len(), 3);
    assert!(matches!(rollback(generation), Err(Error::Superseded { .. })));
    assert!(matches!(jit.lookup("f"), Err(Error::Undefined { .. })));
    let again = object("int f(void) { return 3; }");
    assert!(matches!(update(&jit, &again), Err(Error::Updatable { is_there: false, .. })));
    jit.main().add_updatable_object(&again).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 3);
}

/// What a session has of an object that can be replaced does not keep the session.
#[test]
fn a_session_goes_with_its_last_handle() {
    let workshop = Workshop::new();
    let jit = host::jit().unwrap();
    jit.main().add_updatable_object(compile(&workshop, "a.o", "c", "int f(void) { return 1; }")).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
    drop(update(&jit, &compile(&workshop, "a.o", "c", "int f(void) { return 2; }")).unwrap());
    let main = jit.main().downgrade();
    drop(jit);
    assert!(main.upgrade().is_none());
}

const STATE: &str = "
    int exported = 1; static int local = 10; static int zero; _Thread_local int per_thread = 100;
    static _Thread_local int per_thread_local; static int *pointer = &local;
    int step(void) {
        static int count;
        exported++; local++; zero++; per_thread++; per_thread_local++; count++;
        return (exported + *pointer + zero + per_thread + per_thread_local + count) * FACTOR;
    }";

#[test]
fn variables_are_kept_by_name() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    // In sections of their own, and in common ones that do not change.
    for (name, flags) in [("a.o", ["-O1", "-fPIC", "-fdata-sections"]), ("b.o", ["-O1", "-fPIC", "-fcommon"])] {
        let object = |factor: i32| {
            let text =
                STATE.replace("FACTOR", &factor.to_string()).replace("exported", &format!("exported_{}", &name[..1]));
            let text = text
                .replace("step", &format!("step_{}", &name[..1]))
                .replace("per_thread", &format!("per_thread_{}", &name[..1]));
            compile_with(&workshop, name, "c", &text, &flags)
        };
        let (step, exported) = (format!("step_{}", &name[..1]), format!("exported_{}", &name[..1]));
        jit.main().add_updatable_object(object(1)).unwrap();
        let mut expected = 1 + 10 + 100;
        let mut step_is = |factor: i32| {
            expected += 6;
            assert_eq!(call(&jit, &step).unwrap(), expected * factor, "{name}");
        };
        step_is(1);
        let place = jit.lookup(&exported).unwrap();
        let mut generations = Vec::new();
        for factor in 2..6 {
            generations.push(update(&jit, &object(factor)).unwrap());
            step_is(factor);
            assert_eq!(jit.lookup(&exported).unwrap(), place);
            if factor == 3 {
                generations.clear();
                assert_eq!(jit.session().reclaim().unwrap(), 0);
                step_is(factor);
            }
        }
        for factor in [4, 3] {
            rollback(generations.pop().unwrap()).unwrap();
            step_is(factor);
        }
        assert_eq!(jit.session().reclaim().unwrap(), 0);
        step_is(3);
        drop(update(&jit, &object(7)).unwrap());
        step_is(7);
    }
}

#[test]
fn without_being_told_so_variables_are_new() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let object = |factor: i32| {
        compile(
            &workshop,
            "a.o",
            "c",
            &format!("static int n, other = 5; int next(void) {{ return ++n * {factor} + ++other; }}"),
        )
    };
    jit.main().add_updatable_object(object(1)).unwrap();
    assert_eq!((call(&jit, "next").unwrap(), call(&jit, "next").unwrap()), (1 + 6, 2 + 7));
    // SAFETY: nobody is in the code.
    let generation = unsafe { jit.main().update().replace(object(10)).commit() }.unwrap();
    assert_eq!(call(&jit, "next").unwrap(), 10 + 6);
    rollback(generation).unwrap();
    assert_eq!(call(&jit, "next").unwrap(), 3 + 8);
    // SAFETY: as above.
    let generation = unsafe { jit.main().update().replace(object(10)).keep_only(&["n"]).commit() }.unwrap();
    assert_eq!(call(&jit, "next").unwrap(), 40 + 6);
    drop(generation);
}

/// Why the variables of an update can't be kept.
fn refused(result: linkjit::Result<Generation>) -> Vec<(String, String)> {
    match result {
        Err(Error::NotKept { variables, .. }) => variables.into_iter().map(|it| (it.name, it.why)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn variables_that_can_not_be_kept_are_named_with_the_reason() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let object = |text: &str| compile(&workshop, "a.o", "c", text);
    let first = "int v[2] = {1, 2}; static int w = 3; _Thread_local int t = 4; int f(void) { return v[0] + w++ + t; }";
    jit.main().add_updatable_object(object(first)).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 8);
    let cases = [
        ("int v[3] = {1}; int f(void) { return v[0]; }", "v", "it has 12 bytes now, and had 8 before"),
        ("_Thread_local int v[2]; int f(void) { return v[0]; }", "v", "thread-local"),
        ("__attribute__((aligned(4096))) int v[2] = {1}; int f(void) { return v[0]; }", "v", "aligned to 4096"),
        (
            "_Thread_local int t = 4, u = 5; int f(void) { return t + u; }",
            "u",
            "either all thread-local variables of the object are kept, or none",
        ),
    ];
    for (text, name, why) in cases {
        if cfg!(windows) && why.contains("aligned") {
            // It has pages of its own, and is.
            continue;
        }
        let variables = refused(update(&jit, &object(text)));
        assert!(variables.iter().any(|(of, because)| of == name && because.contains(why)), "{variables:?}");
        assert_eq!(call(&jit, "f").unwrap() - 8, jit_calls());
    }
    // Without sections for each, nothing can be added.
    let together = |text: &str| compile_with(&workshop, "b.o", "c", text, &["-O1", "-fPIC"]);
    jit.main().add_updatable_object(together("static int a = 1; int g(void) { return a++; }")).unwrap();
    assert_eq!(call(&jit, "g").unwrap(), 1);
    let more = together("static int a = 1, b = 5; int g(void) { return a++ + b++; }");
    let variables = refused(update(&jit, &more));
    assert!(variables[0].0 == "b" && variables[0].1.contains("-fdata-sections"), "{variables:?}");
    // SAFETY: nobody is in the code.
    let variables = refused(unsafe { jit.main().update().replace(&more).keep_only(&["a", "c"]).commit() });
    assert!(variables.iter().any(|(name, why)| name == "c" && why.contains("no such variable")), "{variables:?}");
    assert_eq!(call(&jit, "g").unwrap(), 2);
}

/// How often the function of the test above was called again.
fn jit_calls() -> i32 {
    static CALLS: AtomicI32 = AtomicI32::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed) + 1
}

#[test]
fn a_failed_update_leaves_everything_as_it_was() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let object = |name: &str, text: &str| compile(&workshop, name, "c", text);
    jit.main().add_updatable_object(object("a.o", "int n; int f(void) { return ++n; }")).unwrap();
    jit.main().add_updatable_object(object("b.o", "int m; int f(void); int g(void) { return f() + ++m; }")).unwrap();
    jit.main().add_object(object("c.o", "int taken(void) { return 0; }")).unwrap();
    assert_eq!(call(&jit, "g").unwrap(), 2);
    let mut calls = 1;
    let good = object("a.o", "int n; int f(void) { return ++n + 100; }");
    let before = jit.session().statistics().windows;
    for _ in 0..3 {
        let bad = [
            object("b.o", "int missing(void); int g(void) { return missing(); }"),
            object("b.o", "int g(void) { return 0; } int taken(void) { return 1; }"),
            object("b.o", "int m[2]; int g(void) { return m[0]; }"),
            object("nobody.o", "int h(void) { return 0; }"),
        ];
        for (index, bad) in bad.into_iter().enumerate() {
            // SAFETY: nobody is in the code.
            let error =
                unsafe { jit.main().update().replace(&good).replace(&bad).keep_variables().commit() }.unwrap_err();
            let expected = match index {
                0 => matches!(error, Error::Undefined { .. }),
                1 => matches!(error, Error::Duplicate { .. }),
                2 => matches!(error, Error::NotKept { .. }),
                _ => matches!(error, Error::Updatable { is_there: false, .. }),
            };
            assert!(expected, "{error}");
            calls += 1;
            assert_eq!(call(&jit, "g").unwrap(), 2 * calls);
        }
        let malformed = Source::new("b.o", b"\x7fELF is not enough".to_vec());
        // SAFETY: as above.
        assert!(unsafe { jit.main().update().replace(&good).replace(&malformed).commit() }.is_err());
    }
    assert_eq!(jit.session().statistics().windows, before);
    let generation = update(&jit, &good).unwrap();
    calls += 1;
    assert_eq!(call(&jit, "g").unwrap(), 2 * calls + 100);
    rollback(generation).unwrap();
    calls += 1;
    assert_eq!(call(&jit, "g").unwrap(), 2 * calls);
    assert!(matches!(jit.main().add_updatable_object(&good), Err(Error::Updatable { is_there: true, .. })));
}

#[test]
fn only_the_newest_generation_is_left_for_the_one_before() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let object = |value: i32| compile(&workshop, "a.o", "c", &format!("int f(void) {{ return {value}; }}"));
    jit.main().add_updatable_object(object(0)).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 0);
    let [one, two, three] = [1, 2, 3].map(|value| update(&jit, &object(value)).unwrap());
    assert!(matches!(rollback(two), Err(Error::Superseded { .. })));
    assert_eq!(call(&jit, "f").unwrap(), 3);
    rollback(three).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 2);
    // The handle of the second was used up.
    assert!(matches!(rollback(one), Err(Error::Superseded { .. })));
    assert_eq!(jit.session().reclaim().unwrap(), 0);
    assert_eq!(call(&jit, "f").unwrap(), 2);
}

#[test]
fn others_that_use_more_than_functions_and_kept_variables_are_in_the_way() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let object = |value: i32| {
        let text = format!(
            "const int constant[4] = {{{value}}}; int variable = 1; int f(void) {{ return variable++ * {value}; }}"
        );
        compile(&workshop, "a.o", "c", &text)
    };
    jit.main().add_updatable_object(object(1)).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
    let user = |text: &str| {
        let tracker = jit.create_tracker().unwrap();
        tracker.add_object(compile(&workshop, "user.o", "c", text)).unwrap();
        tracker
    };
    let in_use = |result: linkjit::Result<Generation>| match result {
        Err(Error::InUse { dependents }) => assert_eq!(dependents[0].object, "user.o"),
        other => panic!("{other:?}"),
    };
    let tracker = user("extern const int constant[4]; int get(void) { return constant[0]; }");
    assert_eq!(call(&jit, "get").unwrap(), 1);
    in_use(update(&jit, &object(2)));
    // SAFETY: nobody is in it.
    unsafe { tracker.remove() }.unwrap();

    let tracker = user("extern int variable; int get(void) { return variable; }");
    assert_eq!(call(&jit, "get").unwrap(), 2);
    // SAFETY: as above.
    in_use(unsafe { jit.main().update().replace(object(2)).commit() });
    drop(update(&jit, &object(2)).unwrap());
    assert_eq!((call(&jit, "f").unwrap(), call(&jit, "get").unwrap()), (4, 3));
    assert_eq!(jit.session().reclaim().unwrap(), 0);
    assert_eq!(call(&jit, "get").unwrap(), 3);
    // SAFETY: as above.
    unsafe { tracker.remove() }.unwrap();
    // SAFETY: as above.
    unsafe { jit.main().remove_updatable_object("a.o") }.unwrap();
    assert!(matches!(jit.lookup("f"), Err(Error::Undefined { .. })));
    // SAFETY: as above.
    assert!(matches!(unsafe { jit.main().remove_updatable_object("a.o") }, Err(Error::Updatable { .. })));
    jit.main().add_updatable_object(object(5)).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 5);
}

static TRACE: Mutex<Vec<c_int>> = Mutex::new(Vec::new());

extern "C" fn trace(value: c_int) {
    TRACE.lock().unwrap().push(value);
}

fn traced() -> Vec<c_int> {
    std::mem::take(&mut TRACE.lock().unwrap())
}

#[test]
fn initializers_of_new_code_run_and_terminators_of_old_code_when_it_is_reclaimed() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.define_ptr("trace", trace as *const ()).unwrap();
    let object = |value: i32| {
        let text = "extern \"C\" void trace(int); extern \"C\" int f() { return N; }
            namespace { struct S { int v; S() : v(N) { trace(v + f()); } ~S() { trace(-v); } }; } static S s;
            __attribute__((destructor)) static void end() { trace(-10 * N); }";
        compile(&workshop, "a.o", "cpp", &text.replace('N', &value.to_string()))
    };
    jit.main().add_updatable_object(object(1)).unwrap();
    assert_eq!((call(&jit, "f").unwrap(), traced()), (1, vec![2]));
    // An initializer calls new functions.
    // SAFETY: nobody is in the code.
    let commit = |value| unsafe { jit.main().update().replace(object(value)).commit() }.unwrap();
    let second = commit(2);
    assert_eq!((call(&jit, "f").unwrap(), traced()), (2, vec![4]));
    drop(second);
    assert_eq!(jit.session().reclaim().unwrap(), 0);
    assert_eq!(traced(), [-1, -10]);
    let third = commit(3);
    assert_eq!(traced(), [6]);
    rollback(third).unwrap();
    assert_eq!((call(&jit, "f").unwrap(), traced()), (2, vec![-3, -30]));
    // What is kept is not destroyed with the code that has made it.
    drop(update(&jit, &object(4)).unwrap());
    assert_eq!(jit.session().reclaim().unwrap(), 0);
    assert_eq!((call(&jit, "f").unwrap(), traced()), (4, vec![8, -20]));
    // SAFETY: as above.
    unsafe { jit.close() }.unwrap();
    assert_eq!(traced(), [-4, -40]);
}

#[test]
fn inline_code_and_exceptions_of_a_new_generation_are_its_own() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let object = |value: i32| {
        let text = "#include <stdexcept>
            template <int K> struct Shape { virtual int area() { return K * N; } virtual ~Shape() {} };
            inline int shared() { return N; } inline int &counter() { static int count; return ++count, count; }
            extern \"C\" int f() {
                Shape<2> shape; Shape<2> *volatile pointer = &shape;
                try { throw std::runtime_error(\"x\"); }
                catch (const std::exception &) { return pointer->area() * 10000 + shared() * 100 + counter(); }
            }";
        compile(&workshop, "a.o", "cpp", &text.replace('N', &value.to_string()))
    };
    jit.main().add_updatable_object(object(1)).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 20101);
    let generation = update(&jit, &object(2)).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 40202);
    rollback(generation).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 20103);
    drop(update(&jit, &object(3)).unwrap());
    assert_eq!(jit.session().reclaim().unwrap(), 0);
    assert_eq!(call(&jit, "f").unwrap(), 60304);
}

/// A function of a C++ text of which a counter is inline, which other objects have, too.
fn counts(workshop: &Workshop, name: &str, text: &str) -> Source {
    let counter = "inline int counter() { static int count; return ++count; } extern \"C\" int missing(), g();";
    compile(workshop, name, "cpp", &format!("{counter} extern \"C\" int {text}"))
}

/// An object that can be replaced, linked, and another one that has the same counter.
fn with_counter(workshop: &Workshop) -> Jit {
    let jit = host::jit().unwrap();
    jit.main().add_updatable_object(counts(workshop, "a.o", "f() { return counter(); }")).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
    let other = counts(workshop, "g.o", "g() { return 10 + counter(); }");
    jit.create_tracker().unwrap().add_object(&other).unwrap();
    jit
}

#[test]
fn inline_code_that_an_object_has_no_more_is_the_next_ones() {
    let workshop = Workshop::new();
    let jit = with_counter(&workshop);
    // The second generation has it instead of the first one.
    drop(update(&jit, &counts(&workshop, "a.o", "f() { return 100 + counter(); }")).unwrap());
    // The third one has it not, and what is linked for it needs it.
    drop(update(&jit, &counts(&workshop, "a.o", "f() { return g(); }")).unwrap());
    assert_eq!((call(&jit, "f").unwrap(), call(&jit, "g").unwrap()), (11, 12));
}

#[test]
fn inline_code_is_whose_it_was_after_a_failed_update() {
    let workshop = Workshop::new();
    let jit = with_counter(&workshop);
    let result = update(&jit, &counts(&workshop, "a.o", "f() { return g() + missing(); }"));
    assert!(matches!(result, Err(Error::Undefined { .. })));
    assert_eq!((call(&jit, "g").unwrap(), call(&jit, "f").unwrap()), (12, 3));
}

#[test]
fn what_comes_back_has_its_inline_code_if_nobody_else_has_it_any_more() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let tracker = jit.create_tracker().unwrap();
    tracker.add_object(counts(&workshop, "g.o", "g() { return 10 + counter(); }")).unwrap();
    jit.main().add_updatable_object(counts(&workshop, "a.o", "f() { return counter(); }")).unwrap();
    let generation = update(&jit, &counts(&workshop, "a.o", "f() { return 100; }")).unwrap();
    // SAFETY: nobody is in its code.
    unsafe { tracker.remove() }.unwrap();
    rollback(generation).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
}

#[test]
fn inline_code_of_what_has_come_back_is_the_next_ones_when_it_goes_again() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let without = counts(&workshop, "a.o", "f() { return 100; }");
    jit.main().add_updatable_object(counts(&workshop, "a.o", "f() { return counter(); }")).unwrap();
    let generation = update(&jit, &without).unwrap();
    let tracker = jit.create_tracker().unwrap();
    tracker.add_object(counts(&workshop, "g.o", "g() { return 10 + counter(); }")).unwrap();
    rollback(generation).unwrap();
    drop(update(&jit, &without).unwrap());
    assert_eq!(call(&jit, "g").unwrap(), 11);
}

#[test]
fn a_running_loop_goes_on_with_the_new_code_and_its_state() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let object = |value: i32| {
        compile(
            &workshop,
            "a.o",
            "c",
            &format!(
                "static long long count; int which(void) {{ count++; return {value}; }} int total(void) {{ return count; }}"
            ),
        )
    };
    let objects: Vec<_> = (0..4).map(object).collect();
    jit.main().add_updatable_object(&objects[0]).unwrap();
    let [which, total] = ["which", "total"].map(|name| jit.lookup(name).unwrap());
    // What was never called has no state to keep.
    assert_eq!(call_at(which), 0);
    let (done, calls) = (AtomicBool::new(false), AtomicI32::new(1));
    let seen: [AtomicI32; 4] = [const { AtomicI32::new(0) }; 4];
    std::thread::scope(|scope| {
        let runner = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let guard = jit.session().enter();
                seen[call_at(which) as usize].fetch_add(1, Ordering::Relaxed);
                drop(guard);
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
        let wait_for = |value: usize| {
            let before = seen[value].load(Ordering::Relaxed);
            while seen[value].load(Ordering::Relaxed) < before + 3 {
                assert!(!runner.is_finished());
                std::thread::yield_now();
            }
        };
        for turn in 0..60 {
            let generation = update(&jit, &objects[1 + turn % 3]).unwrap();
            wait_for(1 + turn % 3);
            if turn % 5 == 0 {
                rollback(generation).unwrap();
                wait_for(if turn == 0 { 0 } else { 1 + (turn - 1) % 3 });
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(call_at(total), calls.load(Ordering::Relaxed));
}

#[test]
fn ten_thousand_generations_take_no_more_memory_than_ten() {
    if std::env::var_os("UPDATE_CHILD").is_none() {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "ten_thousand_generations_take_no_more_memory_than_ten"]).env("UPDATE_CHILD", "1");
        let output = child.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    const COUNT: &str = if cfg!(windows) { "count" } else { "_ZL5count" };
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let objects: Vec<_> = (0..2)
        .map(|value| {
            let text = "extern \"C\" int abs(int); static int count; thread_local int t = 5; static int fresh = N;
                struct S { int v; S() : v(N) {} ~S() { v = 0; } }; static S s;
                inline int thrown() { try { throw 1; } catch (int i) { return i; } }
                int helper() { return s.v; } static int local() { return helper(); } int (*table)() = local;
                extern \"C\" int f() { t++; return ++count * 100 + (table() + thrown() + abs(-4) + fresh) * 10; }";
            compile(&workshop, "a.o", "cpp", &text.replace('N', &value.to_string()))
        })
        .collect();
    jit.main().add_updatable_object(&objects[0]).unwrap();
    let f = jit.lookup("f").unwrap();
    let mut count = 0;
    let mut run = |turns: usize| {
        for turn in 0..turns {
            // SAFETY: nobody is in the code.
            let update = unsafe { jit.main().update().replace(&objects[turn % 2]).keep_only(&[COUNT]).commit() };
            let generation = update.unwrap();
            count += 1;
            let own = i32::try_from(turn % 2).unwrap();
            assert_eq!(call_at(f), count * 100 + (own * 2 + 5) * 10);
            if turn % 10 == 9 {
                rollback(generation).unwrap();
            }
        }
    };
    run(100);
    let before = (mappings(), handles(), resident());
    run(10_000);
    let after = (mappings(), handles(), resident());
    assert!(after.0 <= before.0 + 4, "mappings: {} -> {}", before.0, after.0);
    assert_eq!(after.1, before.1, "files");
    assert!(after.2 < before.2 + (4 << 20), "resident: {} -> {}", before.2, after.2);
}
