//! What a tracker owns goes with it: code, memory, unwind records, thread-local storage, initializers, names.
#![cfg_attr(windows, allow(dead_code, unused_imports, reason = "tests of ELF use it"))]

mod assembly;
mod host;

use std::sync::atomic::{AtomicI32, Ordering};

use assembly::{Workshop, call, call_at, caller, function, group, handles, mappings, resident, source};
use linkjit::Source;
use linkjit::{Error, ExecAddr, Jit, MatchScope, ResourceTracker};

fn remove(tracker: &ResourceTracker) {
    // SAFETY: nobody uses what it owns any more.
    unsafe { tracker.remove() }.unwrap();
}

#[test]
fn names_are_free_again() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    for value in 1..4 {
        let tracker = jit.create_tracker().unwrap();
        let object = source(&workshop.object(&(function("f", value) + &caller("calls_f", "f"))));
        tracker.add_object(&object).unwrap();
        assert_eq!(call(&jit, "calls_f").unwrap(), value);
        remove(&tracker);
        assert!(matches!(jit.lookup("f"), Err(Error::Undefined { .. })));
        // SAFETY: as above.
        assert!(matches!(unsafe { tracker.remove() }, Err(Error::TrackerRemoved)));
        assert!(matches!(tracker.add_object(&object), Err(Error::TrackerRemoved)));
    }
}

#[test]
fn a_groups_name_is_free_again() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    for value in 1..4 {
        let tracker = jit.create_tracker().unwrap();
        tracker.add_object(source(&workshop.object(&group("f", value)))).unwrap();
        assert_eq!(call(&jit, "f").unwrap(), value);
        remove(&tracker);
    }
}

/// What others may share is in an allocation of its own, and with it the slot that it calls through.
#[test]
#[cfg(not(windows))]
fn weak_code_calls_an_indirect_function() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let weak =
        ".section .text.w,\"ax\"\n.weak w\n.type w,@function\nw: sub $8,%rsp\ncall f@PLT\nadd $8,%rsp\nret\n.text\n";
    let indirect = ".globl f\n.type f,@gnu_indirect_function\nf: lea 1f(%rip),%rax\nret\n1: mov $4,%eax\nret\n";
    for _ in 0..2 {
        let tracker = jit.create_tracker().unwrap();
        let object = source(&workshop.object(&[weak, indirect, &caller("calls_w", "w")].concat()));
        tracker.add_object(&object).unwrap();
        assert_eq!(call(&jit, "calls_w").unwrap(), 4);
        assert_eq!(call(&jit, "f").unwrap(), 4);
        remove(&tracker);
    }
}

#[test]
fn others_keep_working_with_shared_entries() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let uses_libc = |name: &str| {
        let text =
            format!("int abs(int); int {name}(void) {{ int (*volatile f)(int) = abs; return f(-2) + abs(-3); }}");
        workshop.compile("c", &text, &["-fPIC", "-fno-builtin"])
    };
    // The entries are made with the first, which goes first.
    let first = jit.create_tracker().unwrap();
    first.add_object(source(&uses_libc("one"))).unwrap();
    assert_eq!(call(&jit, "one").unwrap(), 5);
    jit.add_object(uses_libc("two")).unwrap();
    assert_eq!(call(&jit, "two").unwrap(), 5);
    remove(&first);
    assert_eq!(call(&jit, "two").unwrap(), 5);
    jit.add_object(uses_libc("three")).unwrap();
    assert_eq!(call(&jit, "three").unwrap(), 5);
}

#[test]
fn a_new_definition_in_another_jitdylib_is_the_one_that_is_called() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let library = jit.create_dylib("library").unwrap();
    jit.main().add_to_link_order(&library, linkjit::MatchScope::Exported).unwrap();
    let mut keep = Vec::new();
    for value in 1..5 {
        let [tracker, user] = [&library, jit.main()].map(|dylib| dylib.create_tracker().unwrap());
        tracker.add_object(source(&workshop.object(&function("f", value)))).unwrap();
        // Linked in one batch, and one after the other.
        if value % 2 == 0 {
            library.link(&["f"]).unwrap();
        }
        user.add_object(source(&workshop.object(&caller("calls_f", "f")))).unwrap();
        assert_eq!(call(&jit, "calls_f").unwrap(), value);
        remove(&user);
        remove(&tracker);
        // Something else takes its place.
        let filler = library.create_tracker().unwrap();
        filler.add_object(source(&workshop.object(&function(&format!("filler{value}"), 99)))).unwrap();
        library.link(&[&format!("filler{value}")]).unwrap();
        keep.push(filler);
    }
}

/// A definition of the user's that comes before the one that was found beats it from then on.
#[test]
fn an_entry_for_what_a_name_meant_before_is_not_used() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    extern "C" fn replacement(_: i32) -> i32 {
        77
    }
    let uses = |name: &str| {
        let text = format!("int abs(int); int {name}(void) {{ return abs(-5); }}");
        workshop.compile("c", &text, &["-fPIC", "-fno-builtin"])
    };
    jit.add_object(uses("before")).unwrap();
    assert_eq!(call(&jit, "before").unwrap(), 5);
    jit.define_ptr("abs", replacement as *const ()).unwrap();
    jit.add_object(uses("after")).unwrap();
    assert_eq!((call(&jit, "after").unwrap(), call(&jit, "before").unwrap()), (77, 5));
}

static TRACE: AtomicI32 = AtomicI32::new(0);

extern "C" fn trace(value: i32) {
    TRACE.store(TRACE.load(Ordering::Relaxed) * 10 + value, Ordering::Relaxed);
}

/// B7.47 of docs/coff-cases.md.
#[test]
fn removal_runs_what_close_would_have_run_and_close_does_not_run_it_again() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.define_ptr("trace", trace as *const ()).unwrap();
    let object = |n: i32| {
        let text = format!(
            "extern \"C\" void trace(int); struct S{n} {{ S{n}() {{ trace({n}); }} ~S{n}() {{ trace({n} + 1); }} }} static s;\n\
             __attribute__((destructor)) static void end() {{ trace({n} + 2); }} extern \"C\" int f{n}() {{ return 1; }}"
        );
        source(&workshop.compile("cpp", &text, &["-fPIC"]))
    };
    let [one, two] = [1, 4].map(|n| {
        let tracker = jit.create_tracker().unwrap();
        tracker.add_object(object(n)).unwrap();
        tracker
    });
    assert_eq!(call(&jit, "f1").unwrap(), 1);
    assert_eq!(TRACE.load(Ordering::Relaxed), 14);
    remove(&one);
    assert_eq!(TRACE.load(Ordering::Relaxed), 1423);
    // SAFETY: nobody uses it any more.
    unsafe { jit.close() }.unwrap();
    assert_eq!(TRACE.load(Ordering::Relaxed), 142_356);
    drop(two);
}

#[test]
fn boundaries_of_a_removed_section_are_gone() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let tracker = jit.create_tracker().unwrap();
    let things = ".section things,\"aw\"\n.quad 1\n.text\n.globl get\nget: lea __start_things(%rip),%rax\n mov (%rax),%eax\n ret\n";
    tracker.add_object(source(&workshop.object(things))).unwrap();
    assert_eq!(call(&jit, "get").unwrap(), 1);
    remove(&tracker);
    jit.add_object(workshop.object(&assembly::getter("again", "__start_things"))).unwrap();
    assert!(matches!(jit.lookup("again"), Err(Error::Undefined { .. })));
}

/// Adds, links, calls and removes `cycles` times; resources of the process must not grow.
fn cycle(jit: &Jit, cycles: usize, objects: &[linkjit::Source], expected: i32) {
    let round = |jit: &Jit| {
        let tracker = jit.create_tracker().unwrap();
        for object in objects {
            tracker.add_object(object).unwrap();
        }
        assert_eq!(call_at(jit.lookup("f").unwrap()), expected);
        remove(&tracker);
    };
    (0..cycles / 10).for_each(|_| round(jit));
    let before = (mappings(), handles(), resident());
    (0..cycles).for_each(|_| round(jit));
    let after = (mappings(), handles(), resident());
    assert!(after.0 <= before.0 + 4, "mappings: {} -> {}", before.0, after.0);
    assert_eq!(after.1, before.1, "files");
    assert!(after.2 < before.2 + (1 << 20), "resident: {} -> {}", before.2, after.2);
}

/// Returns true in a process that runs nothing but this test: nothing else takes memory there meanwhile.
fn is_alone(test: &str) -> bool {
    if host::is_elsewhere() || std::env::var_os("REMOVAL_ALONE").is_some() {
        return !host::is_elsewhere();
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", test, "--nocapture"]).env("REMOVAL_ALONE", "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    false
}

#[test]
fn many_cycles_leave_the_process_as_it_was() {
    if !is_alone("many_cycles_leave_the_process_as_it_was") {
        return;
    }
    let workshop = Workshop::new();
    let jit = host::jit().unwrap();
    let small = source(&workshop.object(&function("f", 3)));
    cycle(&jit, 10_000, &[small], 3);
    let all = "extern \"C\" int abs(int); thread_local int t = 2; thread_local int u;\n\
               struct S { int x; S() : x(3) {} ~S() { x = 0; } } s; thread_local S ts;\n\
               inline int thrown() { try { throw 1; } catch (int i) { return i; } }\n\
               extern \"C\" int g();\n\
               extern \"C\" int f() { u++; return t + u + s.x + ts.x + thrown() + abs(-4) + g(); }";
    let all = source(&workshop.compile("cpp", all, &["-fPIC", "-O1"]));
    let other = source(&workshop.object(&function("g", 10)));
    cycle(&jit, 2_000, &[all, other], 2 + 1 + 3 + 3 + 1 + 4 + 10);
}

/// Both have a pointer to the personality function, in COMDAT groups of one name.
#[test]
fn exceptions_outlive_the_removal_of_another_object_that_has_some() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let trackers = [1, 2].map(|value| {
        let text = format!("extern \"C\" int f{value}() {{ try {{ throw {value}; }} catch (int x) {{ return x; }} }}");
        let tracker = jit.create_tracker().unwrap();
        let object = source(&workshop.compile("cpp", &text, &["-fPIC"]));
        tracker.add_object(&object).unwrap();
        tracker
    });
    assert_eq!((call(&jit, "f1").unwrap(), call(&jit, "f2").unwrap()), (1, 2));
    remove(&trackers[0]);
    assert_eq!(call(&jit, "f2").unwrap(), 2);
}

#[test]
fn several_threads_add_call_and_remove_at_once() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.add_archive(workshop.archive("rcs", &[&function("member", 3)])).unwrap();
    // What is in a namespace without a name has no other object's code in it.
    let text = "#include <stdexcept>
        extern \"C\" int member();
        namespace { struct S { int v; S() : v(member()) {} ~S() { v = 0; } }; S s; thread_local int t = 2; }
        extern \"C\" int NAME() {
            try { if (t) throw std::runtime_error(\"x\"); } catch (std::exception &) { return s.v + member() + t; }
            return 0;
        }";
    std::thread::scope(|scope| {
        for name in ["one", "two", "three"] {
            let object = source(&workshop.compile("cpp", &text.replace("NAME", name), &["-fPIC", "-O1"]));
            let jit = &jit;
            scope.spawn(move || {
                for _ in 0..50 {
                    let tracker = jit.create_tracker().unwrap();
                    tracker.add_object(&object).unwrap();
                    assert_eq!(call(jit, name).unwrap(), 8);
                    remove(&tracker);
                }
            });
        }
    });
    // SAFETY: the threads are gone.
    unsafe { jit.close() }.unwrap();
}

/// Their memory is gone when the threads end.
#[cfg(not(windows))]
#[test]
fn thread_local_objects_of_other_threads_are_forgotten() {
    if host::is_elsewhere() {
        return;
    }
    static DESTROYED: AtomicI32 = AtomicI32::new(0);
    extern "C" fn destroyed() {
        DESTROYED.fetch_add(1, Ordering::Relaxed);
    }
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.define_ptr("destroyed", destroyed as *const ()).unwrap();
    // The destructor of a string is the library's: only its object is ours. In a block of its own, and in the reserve.
    for model in ["global-dynamic", "initial-exec"] {
        DESTROYED.store(0, Ordering::Relaxed);
        let text = "#include <string>
            extern \"C\" void destroyed(); struct S { int v = 3; ~S() { destroyed(); } };
            static thread_local S s; static thread_local std::string text(100, 'x');
            extern \"C\" int f() { text += 'y'; return s.v + static_cast<int>(text.size()); }";
        let object = source(&workshop.compile("cpp", text, &["-fPIC", &format!("-ftls-model={model}")]));
        let tracker = jit.create_tracker().unwrap();
        tracker.add_object(&object).unwrap();
        let f = jit.lookup("f").unwrap();
        let (inside, removed) = (std::sync::Barrier::new(4), std::sync::Barrier::new(4));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    assert_eq!(call_at(f), 104);
                    inside.wait();
                    removed.wait();
                });
            }
            assert_eq!((call_at(f), call_at(f)), (104, 105));
            inside.wait();
            remove(&tracker);
            assert_eq!(DESTROYED.load(Ordering::Relaxed), 1);
            // Something else is where the code and the objects were.
            jit.add_object(workshop.object(&function("g", 5))).unwrap();
            assert_eq!(call(&jit, "g").unwrap(), 5);
            removed.wait();
        });
        // This thread's own, and no other.
        assert_eq!(DESTROYED.load(Ordering::Relaxed), 1);
        // SAFETY: nobody uses it.
        unsafe { jit.main().default_tracker().unwrap().remove() }.unwrap();
    }
}

/// What each JITDylib has of its own (`__dso_handle`, `atexit`) is not the default tracker's.
#[test]
fn others_do_without_what_the_default_tracker_had() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let text = "#include <cstdlib>
        struct S { ~S() {} }; static S s; static void end() {} extern \"C\" int NAME() { return std::atexit(end); }";
    let add = |name: &str| {
        let object = source(&workshop.compile("cpp", &text.replace("NAME", name), &["-fPIC", "-O1"]));
        let tracker = jit.create_tracker().unwrap();
        tracker.add_object(&object).unwrap();
        assert_eq!(call(&jit, name).unwrap(), 0);
        tracker
    };
    jit.add_object(workshop.object(&function("default", 1))).unwrap();
    assert_eq!(call(&jit, "default").unwrap(), 1);
    let before = add("before");
    remove(&jit.main().default_tracker().unwrap());
    assert!(matches!(jit.lookup("default"), Err(Error::Undefined { .. })));
    remove(&add("after"));
    remove(&before);
}

/// Names of removed objects are given back: an object with new names in each cycle takes no more memory in the end than
/// in the beginning. What is still there keeps its names, whatever tables they are in.
#[cfg(not(windows))]
#[test]
fn names_of_removed_objects_are_given_back() {
    if !is_alone("names_of_removed_objects_are_given_back") {
        return;
    }
    const CYCLES: u32 = 20_000;
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let other = jit.create_dylib("other").unwrap();
    jit.define_ptr("absolute", 0x1234 as *const ()).unwrap();
    jit.main().define_alias("alias", "kept_a").unwrap();
    jit.main().reexport("again", &other, "kept_b").unwrap();
    let kept = function("kept_a", 1) + ".weak kept_missing\n.data\n.quad kept_missing\n";
    for text in [kept, caller("kept_later", "kept_b")] {
        jit.main().add_object(source(&workshop.object(&text))).unwrap();
    }
    other.add_object(source(&workshop.object(&function("kept_b", 2)))).unwrap();
    // One object, with another name in each copy.
    let object = std::fs::read(workshop.object(&function("name_000000", 7))).unwrap();
    let at = object.windows(11).position(|window| window == b"name_000000").unwrap();
    let mut in_the_beginning = 0;
    for cycle in 0..CYCLES {
        if cycle == CYCLES / 4 {
            in_the_beginning = resident();
        }
        let name = format!("name_{cycle:06}");
        let mut copy = object.clone();
        copy[at..at + 11].copy_from_slice(name.as_bytes());
        let tracker = jit.create_tracker().unwrap();
        tracker.add_object(Source::new("copy.o", copy)).unwrap();
        jit.lookup(&name).unwrap();
        // SAFETY: nobody uses it.
        unsafe { tracker.remove() }.unwrap();
    }
    let grown = resident().saturating_sub(in_the_beginning);
    // Each name once took 53 bytes: 800 KB.
    assert!(grown < 1 << 18, "{grown} bytes");
    assert_eq!(call(&jit, "alias").unwrap(), 1);
    assert_eq!(call(&jit, "again").unwrap(), 2);
    assert_eq!(jit.lookup("absolute").unwrap(), ExecAddr(0x1234));
    assert_eq!(call(&jit, "kept_a").unwrap(), 1);
    let error = jit.lookup("kept_later").unwrap_err();
    assert!(error.to_string().contains("undefined symbol: kept_b"), "{error}");
    jit.main().add_to_link_order(&other, MatchScope::Exported).unwrap();
    assert_eq!(call(&jit, "kept_later").unwrap(), 2);
    // SAFETY: nobody uses it.
    unsafe { jit.close() }.unwrap();
}
