//! One object that can't be linked does not spoil a session: the error says what of it is wanted without having been asked
//! for, and there are ways to go on.

mod assembly;
mod host;

use std::sync::{Arc, Mutex};

#[cfg(not(windows))]
use assembly::source;
use assembly::{Workshop, call, call_at, undefined_names};
use linkjit::Source;
use linkjit::{Error, ExecAddr, Jit, LazyFailure, RootKind};

const FLAGS: [&str; 3] = ["-O1", "-ffunction-sections", "-fdata-sections"];

/// An object with a constructor that needs what nobody defines.
const BROKEN: &str = "int missing(int); int begun;
    __attribute__((constructor)) static void begin(void) { begun = missing(1); } int broken(void) { return begun; }";

fn compile(workshop: &Workshop, name: &str, text: &str) -> Source {
    Source::new(name, std::fs::read(workshop.compile("c", text, &FLAGS)).unwrap())
}

/// A session with an object that is all right, and one that is not, which a tracker may have.
fn session(workshop: &Workshop, broken: &str, is_tracked: bool) -> (Jit, linkjit::ResourceTracker) {
    let jit = host::jit().unwrap();
    // Clang runs constructors that it can see through when it compiles: not this one.
    let good = "volatile int ready; __attribute__((constructor)) static void begin(void) { ready = 5; } int good(void) { return ready; }";
    jit.main().add_object(compile(workshop, "good.o", good)).unwrap();
    let tracker = if is_tracked { jit.create_tracker() } else { jit.main().default_tracker() }.unwrap();
    tracker.add_object(compile(workshop, "broken.o", broken)).unwrap();
    (jit, tracker)
}

/// What an error says needs the only name that is missing.
fn root(error: &Error) -> Option<(String, RootKind)> {
    let Error::Undefined { symbols, .. } = error else { panic!("{error}") };
    let [symbol] = symbols.as_slice() else { panic!("{error}") };
    assert_eq!(symbol.name, "missing");
    symbol.root.as_ref().map(|root| (root.object.clone(), root.kind))
}

fn initializer(object: &str) -> Option<(String, RootKind)> {
    Some((object.into(), RootKind::Initializer))
}

#[test]
fn the_error_says_whose_initializer_it_is_and_how_to_go_on() {
    let workshop = Workshop::new();
    let (jit, _) = session(&workshop, BROKEN, false);
    let error = jit.lookup("good").unwrap_err();
    assert_eq!(root(&error), initializer("broken.o"));
    let text = error.to_string();
    for part in [
        "needed by an initializer of broken.o (",
        "not by what was looked up",
        "define what is missing",
        "discard_object",
    ] {
        assert!(text.contains(part), "{text}");
    }
    // A name that needs it itself is to blame as before.
    let (jit, _) = session(&workshop, "int missing(void); int broken(void) { return missing(); }", false);
    let error = jit.lookup("broken").unwrap_err();
    assert_eq!(root(&error), None);
    assert!(!error.to_string().contains("to go on"), "{error}");
    assert_eq!(call(&jit, "good").unwrap(), 5);
}

/// By defining what is missing, by removing the object, with its tracker or without, and without initializers.
#[test]
fn there_are_ways_to_go_on() {
    extern "C" fn missing(x: i32) -> i32 {
        x + 6
    }
    let workshop = Workshop::new();
    let (jit, _) = session(&workshop, BROKEN, false);
    jit.lookup("good").unwrap_err();
    jit.define_ptr("missing", missing as *const ()).unwrap();
    assert_eq!((call(&jit, "good").unwrap(), call(&jit, "broken").unwrap()), (5, 7));

    let (jit, tracker) = session(&workshop, BROKEN, true);
    assert_eq!(root(&jit.lookup("good").unwrap_err()), initializer("broken.o"));
    // SAFETY: nothing of it is linked.
    unsafe { tracker.remove() }.unwrap();
    assert_eq!(call(&jit, "good").unwrap(), 5);

    for is_tracked in [false, true] {
        let (jit, _) = session(&workshop, BROKEN, is_tracked);
        jit.lookup("good").unwrap_err();
        jit.main().discard_object("broken.o").unwrap();
        assert_eq!(call(&jit, "good").unwrap(), 5);
        assert_eq!(undefined_names(jit.lookup("broken").unwrap_err()), ["broken"]);
        // Its names are free.
        jit.main().add_object(compile(&workshop, "broken.o", "int broken(void) { return 8; }")).unwrap();
        assert_eq!(call(&jit, "broken").unwrap(), 8);
    }

    let (jit, _) = session(&workshop, BROKEN, false);
    jit.lookup("good").unwrap_err();
    // Its own initializers are linked, and not run.
    let found = jit.main().link(&["good"]).unwrap();
    assert_eq!(call_at(found[0]), 0);
}

#[test]
fn only_what_is_not_linked_is_discarded() {
    let workshop = Workshop::new();
    let (jit, _) = session(&workshop, "int broken(void) { return 1; }", false);
    let refused = |name: &str| match jit.main().discard_object(name).unwrap_err() {
        Error::NotDiscarded { object, is_there } => (object, is_there),
        error => panic!("{error}"),
    };
    assert_eq!(refused("other.o"), ("other.o".into(), false));
    assert_eq!(call(&jit, "good").unwrap(), 5);
    assert_eq!(refused("good.o"), ("good.o".into(), true));
    jit.main().discard_object("broken.o").unwrap();
    assert_eq!(refused("broken.o"), ("broken.o".into(), false));
    jit.main().add_lazy_object(compile(&workshop, "lazy.o", "int f(void) { return 2; }")).unwrap();
    jit.main().discard_object("lazy.o").unwrap();
    assert_eq!(undefined_names(jit.lookup("f").unwrap_err()), ["f"]);
    jit.main().add_updatable_object(compile(&workshop, "updatable.o", "int f(void) { return 3; }")).unwrap();
    assert_eq!(refused("updatable.o"), ("updatable.o".into(), true));
    assert_eq!(call(&jit, "f").unwrap(), 3);
}

/// Whatever is linked without being asked for, and by way of others.
#[test]
fn terminators_and_retained_sections_are_named_and_what_leads_to_them() {
    let workshop = Workshop::new();
    let ends = "int missing(void); __attribute__((destructor)) static void end(void) { missing(); }";
    let (jit, _) = session(&workshop, ends, false);
    let expected = Some(("broken.o".into(), RootKind::Terminator));
    assert_eq!(root(&jit.lookup("good").unwrap_err()), expected);

    let (jit, _) = session(
        &workshop,
        "int middle(void); __attribute__((constructor)) static void begin(void) { middle(); }",
        false,
    );
    let middle = compile(&workshop, "middle.o", "int missing(void); int middle(void) { return missing(); }");
    jit.main().add_object(&middle).unwrap();
    let error = jit.lookup("good").unwrap_err();
    assert_eq!(root(&error), initializer("broken.o"));
    assert!(error.to_string().contains("referenced by middle.o"), "{error}");
    // Who asks for what needs it is told so.
    assert_eq!(root(&jit.lookup("middle").unwrap_err()), None);
}

#[cfg(not(windows))]
#[test]
fn retained_sections_are_named() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let text = ".section keep,\"aR\",@progbits\n.quad missing\n";
    jit.main().add_object(source(&workshop.object(&assembly::function("f", 3)))).unwrap();
    let kept = std::fs::read(workshop.object(text)).unwrap();
    jit.main().add_object(Source::new("kept.o", kept)).unwrap();
    let error = jit.lookup("f").unwrap_err();
    assert_eq!(root(&error), Some(("kept.o".into(), RootKind::Retained)));
    assert!(
        error.to_string().contains("needed by section keep of kept.o, which the compiler was told to retain"),
        "{error}"
    );
    jit.main().discard_object("kept.o").unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 3);
}

/// An object that is linked lazily has its initializers linked with the first function that is called.
#[test]
fn lazy_objects_spoil_nothing_but_calls_of_their_own() {
    extern "C" fn instead() -> i32 {
        -1
    }
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let failures = Arc::new(Mutex::new(Vec::new()));
    let noted = failures.clone();
    jit.session().set_lazy_failure_handler(Arc::new(move |failure: &LazyFailure| {
        noted.lock().unwrap().push((failure.name.clone(), root(&failure.error)));
        Some(ExecAddr::from_ptr(instead as *const ()))
    }));
    jit.main().add_lazy_object(compile(&workshop, "broken.o", BROKEN)).unwrap();
    jit.main().add_object(compile(&workshop, "good.o", "int good(void) { return 5; }")).unwrap();
    assert_eq!((call(&jit, "good").unwrap(), call(&jit, "broken").unwrap()), (5, -1));
    assert_eq!(*failures.lock().unwrap(), [("broken".into(), initializer("broken.o"))]);
}

/// An update to an object that can't be linked changes nothing.
#[test]
fn an_update_says_whose_initializer_it_is_and_changes_nothing() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.main().add_updatable_object(compile(&workshop, "a.o", "int broken(void) { return 1; }")).unwrap();
    assert_eq!(call(&jit, "broken").unwrap(), 1);
    for _ in 0..3 {
        // SAFETY: nobody is in the code.
        let updated = unsafe { jit.main().update().replace(compile(&workshop, "a.o", BROKEN)).commit() };
        assert_eq!(root(&updated.unwrap_err()), initializer("a.o"));
        assert_eq!(call(&jit, "broken").unwrap(), 1);
    }
}
