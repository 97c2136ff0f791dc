//! What a session on Windows has to do that others do not: thread-local storage of generated DLLs, tables of functions,
//! exceptions through many of them at once, sections of COFF in graphs.
#![cfg(windows)]

mod assembly;
mod host;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use assembly::{Workshop, call, call_at, handles, mappings, resident, source};
use linkjit::{Jit, MatchScope, PassLists, Stage};
use linkjit_link::graph::LinkGraph;
use linkjit_link::names::NamePool;

/// Generated DLLs in the directory for temporary files.
fn generated_dlls() -> usize {
    let directories = std::fs::read_dir(std::env::temp_dir()).unwrap().filter_map(Result::ok);
    directories.filter(|directory| directory.path().join("linkjit-tls.dll").exists()).count()
}

/// What a test sees of the process is not to be another's.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_thousand_objects_with_unwind_information_and_thread_local_storage_come_and_go() {
    let _alone = alone();
    let (workshop, jit, left_by_others) = (Workshop::new(), host::jit().unwrap(), generated_dlls());
    let text = "struct Guard { int *n; ~Guard() { ++*n; } };
        static thread_local int used = 3; static thread_local int zeros[100];
        static int thrower(int n, int *count) { Guard guard{count}; if (n == 0) throw 5; return thrower(n - 1, count) + 1; }
        extern \"C\" int f() {
            int count = 0;
            try { return thrower(4, &count); } catch (int value) { return value + count * 10 + used++ + zeros[99]; } }";
    let object = source(&workshop.compile("cpp", text, &["-O1"]));
    let round = |jit: &Jit| {
        let tracker = jit.create_tracker().unwrap();
        tracker.add_object(&object).unwrap();
        assert_eq!((call(jit, "f").unwrap(), call(jit, "f").unwrap()), (58, 59));
        // SAFETY: nobody is in its code.
        unsafe { tracker.remove() }.unwrap();
    };
    (0..50).for_each(|_| round(&jit));
    let state = || (mappings(), handles(), generated_dlls());
    let (before, bytes) = (state(), resident());
    // Those of processes that were killed go when somebody makes one.
    assert!(before.2 <= left_by_others + 1, "DLLs: {left_by_others} -> {}", before.2);
    (0..1000).for_each(|_| round(&jit));
    let after = state();
    assert!(after.0 <= before.0 + 4, "mappings: {} -> {}", before.0, after.0);
    assert_eq!(after.1, before.1, "handles");
    assert!(after.2 <= before.2, "DLLs: {} -> {}", before.2, after.2);
    assert!(resident() <= bytes + (4 << 20), "resident: {bytes} -> {}", resident());
    // Sessions that end leave nothing, either.
    for _ in 0..20 {
        let other = host::jit().unwrap();
        round(&other);
        // SAFETY: as above.
        unsafe { other.close() }.unwrap();
    }
    let after = state();
    assert!(after.0 <= before.0 + 8, "mappings: {} -> {}", before.0, after.0);
    assert!(after.1 <= before.1 + 4, "handles: {} -> {}", before.1, after.1);
    assert!(after.2 <= before.2, "DLLs: {} -> {}", before.2, after.2);
}

#[test]
fn exceptions_pass_through_ten_thousand_functions_and_in_eight_threads_at_once() {
    let _alone = alone();
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    // Many functions in many batches; the last throws through some of each object.
    for object in 0..20 {
        let mut text = String::from("struct Guard { int *n; ~Guard() { ++*n; } };\n");
        for at in (500 * object..500 * (object + 1)).rev() {
            let next = format!("f{}", at + 1);
            let body = match at {
                9999 => "throw depth + count[0];".into(),
                _ => format!("Guard guard{{count}}; return depth > 0 && {next}(depth - 1, count);"),
            };
            let declaration = if at == 9999 || at % 500 != 499 {
                String::new()
            } else {
                format!("extern \"C\" int {next}(int, int *);")
            };
            text += &format!("{declaration} extern \"C\" int f{at}(int depth, int *count) {{ {body} }}\n");
        }
        jit.add_object(workshop.compile("cpp", &text, &["-O1"])).unwrap();
    }
    let catcher = "extern \"C\" int f9901(int, int *); extern \"C\" int f0(int, int *);
        extern \"C\" int catcher() { int count = 0; try { return f9901(1000, &count); } catch (int n) { return n * 1000 + count; } }
        extern \"C\" int all() { int count = 0; return f0(1, &count); }";
    jit.add_object(workshop.compile("cpp", catcher, &["-O1"])).unwrap();
    // `all` reaches all of them.
    assert_eq!(call(&jit, "all").unwrap(), 0);
    let catcher = jit.lookup("catcher").unwrap();
    // 98 of 1000 calls are left, and no guard has gone when it is thrown.
    let expected = (1000 - 98) * 1000 + 98;
    for _ in 0..100 {
        assert_eq!(call_at(catcher), expected);
    }
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    assert_eq!(call_at(catcher), expected);
                }
            });
        }
    });
}

#[test]
fn passes_see_the_sections_and_symbols_of_coff() {
    let _alone = alone();
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let pass_seen = seen.clone();
    jit.session().add_plugin(Arc::new(move |_: &LinkGraph, passes: &mut PassLists| {
        let seen = pass_seen.clone();
        passes.add(Stage::PrePrune, move |graph: &mut LinkGraph, names: &Mutex<NamePool>| {
            let names = names.lock().unwrap();
            let symbol = |id| String::from_utf8_lossy(graph.symbol_name(&names, id)).into_owned();
            let sections = graph.section_ids().map(|id| graph.section(id).name.to_string());
            seen.lock().unwrap().extend(sections.chain(graph.symbol_ids().map(symbol)));
            Ok(())
        });
    }));
    let text = "extern \"C\" int thrown() { try { throw 1; } catch (int n) { return n; } }";
    jit.add_object(workshop.compile("cpp", text, &["-O1"])).unwrap();
    assert_eq!(call(&jit, "thrown").unwrap(), 1);
    let seen = seen.lock().unwrap();
    for name in [".text", ".pdata", ".xdata", "thrown", "_CxxThrowException", "__CxxFrameHandler3"] {
        assert!(seen.iter().any(|it| it == name), "{name}: {seen:?}");
    }
}

/// As in DLLs: code finds all thread-local variables in the storage of its own image.
#[test]
fn thread_local_variables_of_other_images_are_refused() {
    let _alone = alone();
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let library = jit.create_dylib("library").unwrap();
    jit.main().add_to_link_order(&library, MatchScope::Exported).unwrap();
    library
        .add_object(&source(&workshop.compile("c", "_Thread_local int t = 7; int *at(void) { return &t; }", &["-O1"])))
        .unwrap();
    let user = "extern _Thread_local int t; int direct(void) { return t; }";
    jit.add_object(workshop.compile("c", user, &["-O1"])).unwrap();
    jit.add_object(workshop.compile("c", "int *at(void); int through(void) { return *at(); }", &["-O1"])).unwrap();
    let error = jit.lookup("direct").unwrap_err().to_string();
    assert!(error.contains("'t'") && error.contains("thread-local variable of another image"), "{error}");
    assert_eq!(call(&jit, "through").unwrap(), 7);
}
