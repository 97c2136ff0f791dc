//! Definitions with vague linkage when what they have yielded to comes, goes or changes: JITDylibs, addresses, aliases,
//! updates, and lookups that fail.
#![cfg(target_os = "linux")]

mod assembly;
mod host;

use assembly::Workshop;
use linkjit::Source;
use linkjit::{JitDylib, MatchScope};

/// An object with an inline variable, a static one and its guard, a template's; and `NAME_place`, which gives the
/// address of the first.
fn uses(name: &str) -> String {
    format!(
        "int opaque_{name}() {{ static volatile int n = 1; return n; }}
         inline int shared = 1;
         inline int &local() {{ static int local = 10; return local; }}
         extern \"C\" int *{name}_place() {{ return &shared; }}
         extern \"C\" int *{name}_local() {{ return &local(); }}"
    )
}

fn compile(workshop: &Workshop, name: &str, text: &str) -> Source {
    let flags = ["-std=c++17", "-O1", "-fPIC", "-ffunction-sections", "-fdata-sections"];
    let path = workshop.compile("cpp", text, &flags);
    Source::new(name, std::fs::read(path).unwrap())
}

fn try_place(dylib: &JitDylib, name: &str) -> linkjit::Result<u64> {
    let function = dylib.link(&[&format!("{name}_place")])?[0];
    // SAFETY: a function of `uses`, which is linked and stays.
    let function = unsafe { std::mem::transmute::<usize, extern "C" fn() -> u64>(function.0 as usize) };
    Ok(function())
}

fn place(dylib: &JitDylib, name: &str) -> u64 {
    try_place(dylib, name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn add(workshop: &Workshop, dylib: &JitDylib, name: &str) {
    dylib.add_object(compile(workshop, name, &uses(name))).unwrap();
}

/// Each searches the next one.
#[test]
fn a_long_chain_of_jitdylibs_shares_one() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let dylibs: Vec<_> = (0..20).map(|at| jit.create_dylib(&format!("d{at}")).unwrap()).collect();
    for (at, pair) in dylibs.windows(2).enumerate() {
        pair[0].add_to_link_order(&pair[1], MatchScope::Exported).unwrap();
        add(&workshop, &pair[0], &format!("n{at}"));
    }
    add(&workshop, &dylibs[19], "n19");
    let first = place(&dylibs[0], "n0");
    for (at, dylib) in dylibs.iter().enumerate() {
        assert_eq!(place(dylib, &format!("n{at}")), first, "{at}");
    }
    for (at, dylib) in dylibs.iter().enumerate() {
        add(&workshop, dylib, &format!("m{at}"));
        assert_eq!(place(dylib, &format!("m{at}")), first, "{at} again");
        assert_eq!(dylib.link(&["shared"]).unwrap()[0].0, first, "{at} by name");
    }
}

/// A name that was an address of the user's is the JITDylib's own again when that goes.
#[test]
fn what_yielded_to_an_address_counts_again_when_that_goes() {
    static OUTSIDE: i32 = 5;
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let (one, other) = (jit.create_dylib("one").unwrap(), jit.create_dylib("other").unwrap());
    one.add_to_link_order(&other, MatchScope::Exported).unwrap();
    let address = linkjit::ExecAddr(std::ptr::from_ref(&OUTSIDE) as u64);
    other.define_absolute("shared", address).unwrap();
    add(&workshop, &one, "a");
    assert_eq!(place(&one, "a"), address.0);
    // SAFETY: nobody uses it.
    unsafe { other.close().unwrap() };
    add(&workshop, &one, "b");
    assert_ne!(place(&one, "b"), address.0);
}

/// The object that had yielded goes: its JITDylib has no such name any more.
#[test]
fn a_name_goes_with_the_object_that_had_yielded() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let [one, other, user] = ["one", "other", "user"].map(|name| jit.create_dylib(name).unwrap());
    one.add_to_link_order(&other, MatchScope::Exported).unwrap();
    user.add_to_link_order(&one, MatchScope::Exported).unwrap();
    add(&workshop, &other, "b");
    let tracker = one.create_tracker().unwrap();
    tracker.add_object(compile(&workshop, "a", &uses("a"))).unwrap();
    assert_eq!(place(&one, "a"), place(&other, "b"));
    assert!(user.link(&["shared"]).is_ok());
    // SAFETY: nobody is in its code.
    unsafe { tracker.remove().unwrap() };
    assert!(one.link(&["shared"]).is_ok());
    assert!(user.link(&["shared"]).is_err());
}

/// A strong definition takes the place of an alias; when it goes, the one that had yielded is there still.
#[test]
fn a_strong_definition_in_the_place_of_one_that_had_yielded() {
    for closes in [false, true] {
        let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
        let [one, other] = ["one", "other"].map(|name| jit.create_dylib(name).unwrap());
        one.add_to_link_order(&other, MatchScope::Exported).unwrap();
        add(&workshop, &other, "b");
        add(&workshop, &one, "a");
        let tracker = one.create_tracker().unwrap();
        if closes {
            // Nothing of the other one is linked.
            one.lookup_flags(&linkjit::SymbolLookupSet::new(["a_place"])).unwrap();
        } else {
            assert_eq!(place(&one, "a"), place(&other, "b"));
        }
        tracker.add_object(compile(&workshop, "strong", "int shared = 7;")).unwrap();
        let strong = one.link(&["shared"]).unwrap()[0].0;
        // SAFETY: nobody is in its code.
        unsafe { tracker.remove().unwrap() };
        let now = one.link(&["shared"]).unwrap()[0].0;
        if !closes {
            assert_ne!(now, strong);
            assert_eq!(now, place(&other, "b"));
        }
    }
}

/// The JITDylib with the one for all drops it in an update: who is bound to it goes on with it.
#[test]
fn a_variable_that_an_update_of_another_jitdylib_drops_stays_one() {
    for keep in [false, true] {
        for rollback in [false, true] {
            let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
            let [one, other] = ["one", "other"].map(|name| jit.create_dylib(name).unwrap());
            one.add_to_link_order(&other, MatchScope::Exported).unwrap();
            other.add_updatable_object(compile(&workshop, "b.o", &uses("b"))).unwrap();
            add(&workshop, &one, "a");
            let first = place(&one, "a");
            assert_eq!(place(&other, "b"), first);
            let without = compile(&workshop, "b.o", "extern \"C\" int *b_place() { return 0; }");
            let update = other.update().replace(&without);
            let update = if keep { update.keep_variables() } else { update };
            // SAFETY: nobody is in the code.
            let generation = unsafe { update.commit() }.unwrap();
            add(&workshop, &one, "c");
            assert_eq!(place(&one, "c"), first, "{keep} {rollback}");
            if rollback {
                // SAFETY: nobody is in the code.
                unsafe { generation.rollback() }.unwrap();
                assert_eq!(place(&other, "b"), first, "{keep} {rollback}");
            } else {
                drop(generation);
                jit.session().reclaim().unwrap();
                add(&workshop, &other, "e");
                let _other = place(&other, "e");
            }
            add(&workshop, &one, "d");
            assert_eq!(place(&one, "d"), first, "{keep} {rollback}");
            assert_eq!(place(&one, "a"), first, "{keep} {rollback}");
        }
    }
}

/// A variable that is linked stays where it is when its object is updated, though another JITDylib has one by then.
#[test]
fn an_updated_object_keeps_its_own() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let [one, other] = ["one", "other"].map(|name| jit.create_dylib(name).unwrap());
    one.add_to_link_order(&other, MatchScope::Exported).unwrap();
    one.add_updatable_object(compile(&workshop, "a.o", &uses("a"))).unwrap();
    let first = place(&one, "a");
    add(&workshop, &other, "b");
    assert_ne!(place(&other, "b"), first);
    for keep in [true, false] {
        let update = one.update().replace(compile(&workshop, "a.o", &uses("a")));
        let update = if keep { update.keep_variables() } else { update };
        // SAFETY: nobody is in the code.
        let generation = unsafe { update.commit() }.unwrap();
        assert_eq!(place(&one, "a") == first, keep);
        if !keep {
            // SAFETY: nobody is in the code.
            unsafe { generation.rollback() }.unwrap();
            assert_eq!(place(&one, "a"), first);
            assert_eq!(one.link(&["shared"]).unwrap()[0].0, first);
        }
    }
}

/// An update without keeping variables would make two of one that another JITDylib uses.
#[test]
fn an_update_that_would_make_two_of_a_shared_variable_is_refused() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let [one, other] = ["one", "other"].map(|name| jit.create_dylib(name).unwrap());
    one.add_to_link_order(&other, MatchScope::Exported).unwrap();
    let object = compile(&workshop, "b.o", &uses("b"));
    other.add_updatable_object(&object).unwrap();
    add(&workshop, &one, "a");
    let first = place(&one, "a");
    assert_eq!(place(&other, "b"), first);
    // SAFETY: nobody is in the code.
    let result = unsafe { other.update().replace(&object).commit() };
    let error = result.map(drop).unwrap_err();
    assert!(matches!(&error, linkjit::Error::InUse { dependents } if dependents[0].object == "a"), "{error}");
    assert_eq!(place(&other, "b"), first);
    // SAFETY: nobody is in the code.
    let generation = unsafe { other.update().replace(&object).keep_variables().commit() }.unwrap();
    assert_eq!((place(&other, "b"), place(&one, "a")), (first, first));
    drop(generation);
    add(&workshop, &one, "c");
    assert_eq!(place(&one, "c"), first);
}

/// Going back would do so, too.
#[test]
fn going_back_from_a_shared_variable_is_refused() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let [one, other] = ["one", "other"].map(|name| jit.create_dylib(name).unwrap());
    one.add_to_link_order(&other, MatchScope::Exported).unwrap();
    let object = compile(&workshop, "b.o", &uses("b"));
    other.add_updatable_object(&object).unwrap();
    let before = place(&other, "b");
    // SAFETY: nobody is in the code.
    let generation = unsafe { other.update().replace(&object).commit() }.unwrap();
    add(&workshop, &one, "a");
    let now = place(&one, "a");
    assert_eq!(place(&other, "b"), now);
    assert_ne!(now, before);
    // SAFETY: nobody is in the code.
    let error = unsafe { generation.rollback() }.unwrap_err();
    assert!(matches!(&error, linkjit::Error::InUse { dependents } if dependents[0].object == "a"), "{error}");
    assert_eq!((place(&other, "b"), place(&one, "a")), (now, now));
}

/// Code that is bound to a copy of a function keeps it: that is in nobody's way.
#[test]
fn going_back_from_a_shared_function_is_not_refused() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let [one, other] = ["one", "other"].map(|name| jit.create_dylib(name).unwrap());
    one.add_to_link_order(&other, MatchScope::Exported).unwrap();
    let function = |name: &str| {
        let text = format!(
            "__attribute__((noinline)) inline void f() {{}} extern \"C\" void (*{name}_place())() {{ return f; }}"
        );
        compile(&workshop, &format!("{name}.o"), &text)
    };
    other.add_updatable_object(function("b")).unwrap();
    let before = place(&other, "b");
    // SAFETY: nobody is in the code.
    let generation = unsafe { other.update().replace(function("b")).commit() }.unwrap();
    one.add_object(function("a")).unwrap();
    let now = place(&one, "a");
    // SAFETY: nobody is in the code.
    unsafe { generation.rollback() }.unwrap();
    assert_eq!((place(&other, "b"), place(&one, "a")), (before, now));
}

/// Threads that look up at once, each in a JITDylib of its own that searches all others.
#[test]
fn threads_that_link_at_once_share_one() {
    let workshop = Workshop::new();
    for _ in 0..4 {
        let jit = host::jit().unwrap();
        let dylibs: Vec<_> = (0..6).map(|at| jit.create_dylib(&format!("d{at}")).unwrap()).collect();
        for (at, dylib) in dylibs.iter().enumerate() {
            let others = dylibs.iter().enumerate().filter(|(other, _)| *other != at);
            let others: Vec<_> = others.map(|(_, other)| (other.clone(), MatchScope::Exported)).collect();
            dylib.set_link_order(&others).unwrap();
            add(&workshop, dylib, &format!("n{at}"));
        }
        let places: Vec<_> = std::thread::scope(|scope| {
            let look = |at: usize, dylib: &JitDylib| place(dylib, &format!("n{at}"));
            let threads = dylibs.iter().enumerate().map(|(at, dylib)| scope.spawn(move || look(at, dylib)));
            let threads: Vec<_> = threads.collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(places.windows(2).all(|two| two[0] == two[1]), "{places:x?}");
    }
}

/// Code for programs reaches thread-local variables at fixed offsets only. Two of one variable would be worse than an error.
#[test]
fn a_thread_local_variable_that_is_out_of_reach_is_an_error() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let [one, other] = ["one", "other"].map(|name| jit.create_dylib(name).unwrap());
    one.add_to_link_order(&other, MatchScope::Exported).unwrap();
    let object = |name: &str, flag: &str| {
        let text =
            format!("inline thread_local int shared = 1; extern \"C\" int *{name}_place() {{ return &shared; }}");
        Source::new(name, std::fs::read(workshop.compile("cpp", &text, &["-std=c++17", "-O1", flag])).unwrap())
    };
    other.add_object(object("b", "-fPIC")).unwrap();
    let first = place(&other, "b");
    one.add_object(object("a", "-fno-pic")).unwrap();
    for _ in 0..2 {
        let error = try_place(&one, "a").unwrap_err().to_string();
        assert!(error.contains("'shared'") && error.contains("compile with -fPIC"), "{error}");
    }
    one.discard_object("a").unwrap();
    one.add_object(object("c", "-fPIC")).unwrap();
    assert_eq!(place(&one, "c"), first);
}
