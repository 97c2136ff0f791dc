//! Code that threads may still be in. Rule 94 of docs/rules.md; LLVM protects nobody who is in removed code.
#![cfg_attr(windows, allow(dead_code, unused_imports, reason = "tests of ELF use it"))]

mod assembly;
mod host;

use std::ffi::c_int;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};

use assembly::{Workshop, call, call_at, caller, function, is_mapped_executable, source};
use linkjit::{Error, ExecAddr, Jit, ResourceTracker};

fn add(jit: &Jit, text: &str, workshop: &Workshop) -> ResourceTracker {
    let tracker = jit.create_tracker().unwrap();
    tracker.add_object(source(&workshop.object(text))).unwrap();
    tracker
}

fn retire(tracker: &ResourceTracker) -> linkjit::Result<()> {
    // SAFETY: who calls it has a guard.
    unsafe { tracker.retire() }
}

#[test]
fn names_are_free_at_once_and_memory_when_the_guard_is_gone() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let old = add(&jit, &function("f", 1), &workshop);
    let guard = jit.session().enter();
    let address = jit.lookup("f").unwrap();
    retire(&old).unwrap();
    assert!(matches!(retire(&old), Err(Error::TrackerRemoved)));
    assert!(matches!(jit.lookup("f"), Err(Error::Undefined { .. })));
    let new = add(&jit, &function("f", 2), &workshop);
    assert_eq!((call(&jit, "f").unwrap(), call_at(address)), (2, 1));
    // A later guard does not matter.
    let later = jit.session().enter();
    assert_eq!(jit.session().reclaim().unwrap(), 1);
    drop(guard);
    assert_eq!(jit.session().reclaim().unwrap(), 0);
    assert!(!is_mapped_executable(address));
    drop(later);
    retire(&new).unwrap();
    assert_eq!(jit.session().reclaim().unwrap(), 0);
}

#[test]
fn what_waits_is_reclaimed_by_the_next_removal() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let trackers = ["a", "b", "c"].map(|name| {
        let tracker = add(&jit, &function(name, 1), &workshop);
        (jit.lookup(name).unwrap(), tracker)
    });
    let guard = jit.session().enter();
    retire(&trackers[0].1).unwrap();
    assert!(is_mapped_executable(trackers[0].0));
    drop(guard);
    retire(&trackers[1].1).unwrap();
    assert_eq!(trackers[0..2].iter().filter(|(address, _)| is_mapped_executable(*address)).count(), 0);
    // SAFETY: nobody is in its code.
    unsafe { trackers[2].1.remove() }.unwrap();
}

#[test]
fn linked_code_that_uses_what_is_retired_keeps_it() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let callee = add(&jit, &function("f", 1), &workshop);
    let user = add(&jit, &caller("user", "f"), &workshop);
    assert_eq!(call(&jit, "user").unwrap(), 1);
    let address = jit.lookup("f").unwrap();
    retire(&callee).unwrap();
    // It waits for no guard any more.
    assert_eq!(jit.session().reclaim().unwrap(), 0);
    let new = add(&jit, &function("f", 2), &workshop);
    assert_eq!((call(&jit, "user").unwrap(), call(&jit, "f").unwrap()), (1, 2));
    // SAFETY: nobody is in it.
    unsafe { user.remove() }.unwrap();
    assert!(!is_mapped_executable(address));
    retire(&new).unwrap();
}

/// Parts of an object that were linked one after the other, of which others use one.
#[test]
fn what_is_kept_keeps_the_rest_of_its_object() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let text = ".data\n.globl v\nv: .long 7\n.section .text.f,\"ax\"\n.globl f\nf: mov v(%rip),%eax\nret\n";
    let tracker = add(&jit, text, &workshop);
    jit.main().link(&["v"]).unwrap();
    let user = add(&jit, &caller("user", "f"), &workshop);
    let address = jit.main().link(&["user"]).unwrap()[0];
    let before = jit.main().memory().unwrap();
    retire(&tracker).unwrap();
    assert_eq!(jit.session().reclaim().unwrap(), 0);
    assert_eq!(call_at(address), 7);
    assert_eq!(jit.main().memory().unwrap(), before);
    // SAFETY: nobody is in its code.
    unsafe { user.remove() }.unwrap();
    assert_eq!((jit.main().memory().unwrap().code, jit.main().memory().unwrap().writable), (0, 0));
}

/// An inline function that is linked before what calls it in the same object is needed by that all the same.
#[cfg(not(windows))]
#[test]
fn what_is_kept_keeps_what_was_linked_of_its_object_before() {
    let inline = |name: &str, body: &str| {
        format!(".section .text.{name},\"axG\",@progbits,{name},comdat\n.weak {name}\n{name}: {body}\n ret\n.text\n")
    };
    for retires in [true, false] {
        let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
        let text = inline("inner", "mov $7,%eax") + &inline("outer", "call inner") + ".globl f\nf: call inner\n ret\n";
        let object = add(&jit, &text, &workshop);
        assert_eq!(call(&jit, "inner").unwrap(), 7);
        let callee = if retires { "f" } else { "outer" };
        let user = add(&jit, &caller("user", callee), &workshop);
        assert_eq!(call(&jit, "user").unwrap(), 7);
        if retires {
            retire(&object).unwrap();
            assert_eq!(jit.session().reclaim().unwrap(), 0);
        } else {
            // SAFETY: nobody is in its code, and what others have of it stays.
            unsafe { object.remove() }.unwrap();
        }
        // Free memory is used again.
        let _more = add(&jit, &inline("other", "mov $9,%eax"), &workshop);
        assert_eq!(call(&jit, "other").unwrap(), 9);
        assert_eq!(call(&jit, "user").unwrap(), 7, "{retires}");
        // SAFETY: nobody is in its code.
        unsafe { user.remove() }.unwrap();
    }
}

#[test]
fn what_retired_code_needs_can_be_removed_when_that_is_gone() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let callee = add(&jit, &function("f", 1), &workshop);
    let user = add(&jit, &caller("user", "f"), &workshop);
    let address = jit.lookup("user").unwrap();
    let guard = jit.session().enter();
    retire(&user).unwrap();
    // SAFETY: nobody is in its code, but what was retired may call it.
    assert!(matches!(unsafe { callee.remove() }, Err(Error::InUse { .. })));
    assert_eq!(call_at(address), 1);
    drop(guard);
    // SAFETY: as above.
    unsafe { callee.remove() }.unwrap();
}

static ENDED: Mutex<Vec<c_int>> = Mutex::new(Vec::new());

extern "C" fn ended(value: c_int) {
    ENDED.lock().unwrap().push(value);
}

static NOTES: Mutex<Vec<c_int>> = Mutex::new(Vec::new());

#[cfg(not(windows))]
fn lazy(jit: &Jit, text: &str, workshop: &Workshop) -> ResourceTracker {
    extern "C" fn note(what: c_int) {
        NOTES.lock().unwrap().push(what);
    }
    let _defined = jit.define_ptr("note", note as *const ());
    let tracker = jit.create_tracker().unwrap();
    let object = workshop.compile("c", text, &["-O1", "-fPIC", "-ffunction-sections", "-fdata-sections"]);
    tracker.add_lazy_object(source(&object)).unwrap();
    tracker
}

/// Lazy functions of what is retired that were not called before: by terminators, by what was registered for exit, by what
/// these call, and by who was in the code when it was retired.
#[cfg(not(windows))]
#[test]
fn what_is_retired_calls_functions_that_were_never_linked() {
    let text = |version: i32| {
        format!(
            "void note(int); int atexit(void (*)(void)); void missing(void);
             void leaf(void) {{ note({version}3); }} void (*volatile to_leaf)(void) = leaf;
             void inner(void) {{ note({version}2); to_leaf(); }} void (*volatile to_inner)(void) = inner;
             void outer(void) {{ note({version}1); to_inner(); }} void (*volatile to_outer)(void) = outer;
             void last(void) {{ note({version}4); }} void (*volatile to_last)(void) = last;
             int late(void) {{ return {version}5; }} int (*volatile to_late)(void) = late;
             void fails(void) {{ missing(); }} void (*volatile to_fails)(void) = fails;
             static void at_exit(void) {{ to_last(); }}
             __attribute__((constructor)) static void begin(void) {{ atexit(at_exit); }}
             __attribute__((destructor)) static void end(void) {{ to_outer(); }}
             int once(int how) {{ if (how == 1) to_fails(); return how ? to_late() : {version}0; }}"
        )
    };
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let old = lazy(&jit, &text(1), &workshop);
    // SAFETY: its type.
    let once = unsafe { jit.lookup_fn::<unsafe extern "C" fn(c_int) -> c_int>("once").unwrap() };
    // SAFETY: nothing was retired yet.
    assert_eq!(unsafe { once(0) }, 10);
    let guard = jit.session().enter();
    retire(&old).unwrap();
    // The names are free at once, also for functions that are linked as late.
    let new = lazy(&jit, &text(2), &workshop);
    assert_eq!(jit.session().reclaim().unwrap(), 1);
    // SAFETY: the guard is older than the end of it.
    assert_eq!(unsafe { once(2) }, 15);
    drop(guard);
    assert!(NOTES.lock().unwrap().is_empty());
    assert_eq!(jit.session().reclaim().unwrap(), 0);
    assert_eq!(std::mem::take(&mut *NOTES.lock().unwrap()), [14, 11, 12, 13]);
    // SAFETY: its type.
    let once = unsafe { jit.lookup_fn::<unsafe extern "C" fn(c_int) -> c_int>("once").unwrap() };
    // SAFETY: nobody has retired it.
    assert_eq!(unsafe { once(2) }, 25);
    // An object that nobody has called has nothing to be terminated: it is not initialized for that.
    let unused = "void note(int); __attribute__((constructor)) static void begin(void) { note(31); }
                  __attribute__((destructor)) static void end(void) { note(32); } void unused(void) { note(33); }";
    let unused = lazy(&jit, unused, &workshop);
    jit.lookup("unused").unwrap();
    retire(&unused).unwrap();
    assert_eq!(jit.session().reclaim().unwrap(), 0);
    assert!(NOTES.lock().unwrap().is_empty());
    retire(&new).unwrap();
    assert_eq!(jit.session().reclaim().unwrap(), 0);
    assert_eq!(std::mem::take(&mut *NOTES.lock().unwrap()), [24, 21, 22, 23]);
}

#[test]
fn destructors_run_when_it_is_reclaimed_and_at_the_latest_at_close() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.define_ptr("ended", ended as *const ()).unwrap();
    let text = "extern \"C\" void ended(int); struct SN { ~SN() { ended(N); } }; static SN s;
                __attribute__((destructor)) static void end() { ended(-N); } extern \"C\" int fN() { return N; }";
    let trackers = ["1", "2"].map(|number| {
        let tracker = jit.create_tracker().unwrap();
        let object = workshop.compile("cpp", &text.replace('N', number), &["-fPIC"]);
        tracker.add_object(source(&object)).unwrap();
        assert_eq!(call(&jit, &format!("f{number}")).unwrap().to_string(), number);
        tracker
    });
    let guard = jit.session().enter();
    retire(&trackers[0]).unwrap();
    assert!(ENDED.lock().unwrap().is_empty());
    drop(guard);
    assert_eq!(jit.session().reclaim().unwrap(), 0);
    assert_eq!(*ENDED.lock().unwrap(), [1, -1]);
    let guard = jit.session().enter();
    retire(&trackers[1]).unwrap();
    assert_eq!(ENDED.lock().unwrap().len(), 2);
    drop(guard);
    // SAFETY: nobody is in its code.
    unsafe { jit.close() }.unwrap();
    assert_eq!(*ENDED.lock().unwrap(), [1, -1, 2, -2]);
}

/// It may be called until then.
#[test]
fn what_others_keep_is_terminated_when_the_last_of_them_goes_and_at_the_latest_at_close() {
    static KEPT: Mutex<Vec<c_int>> = Mutex::new(Vec::new());
    extern "C" fn kept(value: c_int) {
        KEPT.lock().unwrap().push(value);
    }
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.define_ptr("kept", kept as *const ()).unwrap();
    let text = "extern \"C\" void kept(int); struct SN { ~SN() { kept(N); } }; static SN s;
                __attribute__((destructor)) static void end() { kept(-N); } extern \"C\" int fN() { return N; }";
    let add_pair = |number: &str| {
        let tracker = jit.create_tracker().unwrap();
        let object = workshop.compile("cpp", &text.replace('N', number), &["-fPIC"]);
        tracker.add_object(source(&object)).unwrap();
        let user = format!("user{number}");
        let user_tracker = add(&jit, &caller(&user, &format!("f{number}")), &workshop);
        assert_eq!(call(&jit, &user).unwrap().to_string(), number);
        (tracker, user_tracker)
    };
    let pairs = ["1", "2"].map(add_pair);
    for (tracker, _) in &pairs {
        retire(tracker).unwrap();
    }
    assert_eq!(jit.session().reclaim().unwrap(), 0);
    assert_eq!((call(&jit, "user1").unwrap(), KEPT.lock().unwrap().as_slice()), (1, &[][..]));
    // SAFETY: nobody is in its code.
    unsafe { pairs[0].1.remove() }.unwrap();
    assert_eq!(*KEPT.lock().unwrap(), [1, -1]);
    // What is initialized later has the executor told of all terminators again.
    let third = add_pair("3");
    // SAFETY: as above.
    unsafe { ResourceTracker::remove_all(&[third.0, third.1]) }.unwrap();
    assert_eq!(*KEPT.lock().unwrap(), [1, -1, 3, -3]);
    // SAFETY: as above.
    unsafe { jit.close() }.unwrap();
    assert_eq!(*KEPT.lock().unwrap(), [1, -1, 3, -3, 2, -2]);
}

/// What is retired is in nobody's tables any more, but in the executor's, which other initializers replace.
#[cfg(not(windows))]
#[test]
fn what_is_not_reclaimed_is_terminated_when_the_process_exits() {
    extern "C" fn says(value: c_int) {
        eprintln!("ended {value}");
    }
    if std::env::var_os("LINKJIT_RETIRE_CHILD").is_none() {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let test = "what_is_not_reclaimed_is_terminated_when_the_process_exits";
        child.args([test, "--exact", "--nocapture"]).env("LINKJIT_RETIRE_CHILD", "1");
        let output = child.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        let ended: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("ended ")).collect();
        assert_eq!(ended, ["2", "1"]);
        return;
    }
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.define_ptr("says", says as *const ()).unwrap();
    let _guard = jit.session().enter();
    for (number, retired) in [(1, true), (2, false)] {
        let text = format!(
            "{}.section .fini_array,\"aw\"\n.quad end\n.text\nend: mov ${number},%edi\njmp says@PLT\n",
            function("f", number)
        );
        let tracker = add(&jit, &text, &workshop);
        assert_eq!(call(&jit, "f").unwrap(), number);
        if retired {
            retire(&tracker).unwrap();
        }
    }
    drop(workshop);
    std::process::exit(0);
}

/// What was retired can't be linked any more: it calls the handler.
#[test]
fn stubs_that_others_keep_do_not_lead_to_what_is_gone() {
    extern "C" fn gone() -> c_int {
        -1
    }
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.session().set_lazy_failure_handler(std::sync::Arc::new(|_| Some(ExecAddr::from_ptr(gone as *const ()))));
    let library = jit.create_dylib("library").unwrap();
    let implementation = library.create_tracker().unwrap();
    implementation.add_object(source(&workshop.object(&function("g", 3)))).unwrap();
    jit.main().lazy_reexports(&library, &[("f", "g")]).unwrap();
    let user = add(&jit, &caller("user", "f"), &workshop);
    let address = jit.lookup("user").unwrap();
    assert_eq!(call_at(address), 3);
    retire(&jit.main().default_tracker().unwrap()).unwrap();
    assert_eq!(call_at(address), 3);
    // SAFETY: nobody is in its code.
    unsafe { implementation.remove() }.unwrap();
    assert_eq!(call_at(address), -1);
    // SAFETY: as above.
    unsafe { user.remove() }.unwrap();
}

#[test]
fn stubs_that_others_keep_lead_to_what_is_kept_with_them() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let lazy = jit.create_tracker().unwrap();
    lazy.add_lazy_object(source(&workshop.object(&function("f", 3)))).unwrap();
    let _user = add(&jit, &caller("user", "f"), &workshop);
    let address = jit.lookup("user").unwrap();
    assert_eq!(call_at(address), 3);
    retire(&lazy).unwrap();
    assert_eq!((jit.session().reclaim().unwrap(), call_at(address)), (0, 3));
}

/// What is given back because of one JITDylib may be another's that is closed with it.
#[test]
fn jitdylibs_that_have_retired_each_others_code_are_closed_together() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let [users, callees] = ["users", "callees"].map(|name| jit.create_dylib(name).unwrap());
    users.add_to_link_order(&callees, linkjit::MatchScope::Exported).unwrap();
    let trackers = [(&callees, function("f", 1)), (&users, caller("user", "f"))].map(|(dylib, text)| {
        let tracker = dylib.create_tracker().unwrap();
        tracker.add_object(source(&workshop.object(&text))).unwrap();
        tracker
    });
    users.link(&["user"]).unwrap();
    users.remove_from_link_order(&callees).unwrap();
    retire(&trackers[0]).unwrap();
    let guard = jit.session().enter();
    retire(&trackers[1]).unwrap();
    drop(guard);
    // SAFETY: nobody is in its code.
    unsafe { jit.close() }.unwrap();
}

/// Threads call a lazy function whose implementation is replaced and retired all the time.
#[test]
fn threads_call_what_is_being_replaced() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let library = jit.create_dylib("library").unwrap();
    jit.main().lazy_reexports(&library, &[("f", "g")]).unwrap();
    let missing = ExecAddr::from_ptr(missing as *const ());
    extern "C" fn missing() -> c_int {
        MISSES.fetch_add(1, Ordering::Relaxed);
        0
    }
    static MISSES: AtomicUsize = AtomicUsize::new(0);
    jit.session().set_lazy_failure_handler(std::sync::Arc::new(move |_| Some(missing)));
    let f = jit.lookup("f").unwrap();
    let objects: Vec<_> = (1..4).map(|value| source(&workshop.object(&function("g", value)))).collect();
    let (done, newest) = (AtomicBool::new(false), AtomicI32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let guard = jit.session().enter();
                    let value = call_at(f);
                    assert!((0..4).contains(&value), "{value}");
                    newest.fetch_max(value, Ordering::Relaxed);
                    drop(guard);
                }
            });
        }
        for turn in 0..300 {
            let tracker = library.create_tracker().unwrap();
            tracker.add_object(&objects[turn % 3]).unwrap();
            library.link(&["g"]).unwrap();
            retire(&tracker).unwrap();
        }
        let tracker = library.create_tracker().unwrap();
        tracker.add_object(&objects[2]).unwrap();
        while newest.load(Ordering::Relaxed) < 3 {
            std::thread::yield_now();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(jit.session().reclaim().unwrap(), 0);
}
