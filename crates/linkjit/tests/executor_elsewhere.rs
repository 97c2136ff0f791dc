//! An executor whose code runs on other threads than those that ask for it: nothing waits for itself.
//!
//! Other tests run over it, too: `LINKJIT_TEST_EXECUTOR=elsewhere cargo test -p linkjit`. Here is what once hung.
#![cfg(not(windows))]

mod assembly;
mod host;

use std::sync::Arc;

use assembly::{Workshop, call};
use host::elsewhere::Elsewhere;
use linkjit::Source;
use linkjit::executor::InProcess;
use linkjit::{Error, Jit, ResourceTracker};

fn elsewhere() -> Jit {
    Jit::builder().executor(Arc::new(Elsewhere::new(InProcess::new().unwrap()))).build().unwrap()
}

/// Functions in sections of their own, called through pointers, so that nothing but the first is linked before it is called.
fn object(workshop: &Workshop, extension: &str, text: &str) -> Source {
    let flags = ["-O1", "-fPIC", "-ffunction-sections", "-fdata-sections"];
    Source::new("elsewhere.o", std::fs::read(workshop.compile(extension, text, &flags)).unwrap())
}

fn close(jit: Jit) {
    // SAFETY: nobody uses it.
    unsafe { jit.close() }.unwrap();
}

/// The numbers that linked code has told.
static TOLD: std::sync::Mutex<Vec<i32>> = std::sync::Mutex::new(Vec::new());
/// Tests that use it come one after the other.
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

extern "C" fn told(what: i32) {
    TOLD.lock().unwrap().push(what);
}

fn taken() -> Vec<i32> {
    std::mem::take(&mut *TOLD.lock().unwrap())
}

#[test]
fn initializers_call_functions_that_are_not_linked_yet() {
    let (workshop, jit) = (Workshop::new(), elsewhere());
    let text = "int x; int f(void) { return ++x; } int (*volatile p)(void) = f;
                __attribute__((constructor)) static void begin(void) { p(); }
                int entry(void) { return x; }";
    jit.main().add_lazy_object(object(&workshop, "c", text)).unwrap();
    assert_eq!(call(&jit, "entry").unwrap(), 1);
    close(jit);
}

#[test]
fn terminators_and_what_runs_at_exit_call_functions_that_were_never_linked() {
    let _turn = TURN.lock().unwrap();
    let (workshop, jit) = (Workshop::new(), elsewhere());
    jit.define_ptr("told", told as *const ()).unwrap();
    let text = "void told(int); int atexit(void (*)(void));
                void f(int what) { told(what); } void (*volatile p)(int) = f;
                void g(int what) { told(what); } void (*volatile q)(int) = g;
                static void at_exit(void) { q(1); }
                __attribute__((constructor)) static void begin(void) { atexit(at_exit); }
                __attribute__((destructor)) static void end(void) { p(2); }
                int entry(void) { return 7; }";
    jit.main().add_lazy_object(object(&workshop, "c", text)).unwrap();
    assert_eq!(call(&jit, "entry").unwrap(), 7);
    close(jit);
    assert_eq!(taken(), [1, 2]);
}

#[test]
fn what_is_replaced_retired_and_removed_calls_functions_that_were_never_linked() {
    let _turn = TURN.lock().unwrap();
    let (workshop, jit) = (Workshop::new(), elsewhere());
    jit.define_ptr("told", told as *const ()).unwrap();
    let lazy = "void told(int); void f(int what) { told(what); }";
    jit.main().add_lazy_object(object(&workshop, "c", lazy)).unwrap();
    let text = |version: i32| {
        let text = format!(
            "void f(int); int value(void) {{ return {version}; }}
             __attribute__((constructor)) static void begin(void) {{ f({version}); }}
             __attribute__((destructor)) static void end(void) {{ f(-{version}); }}"
        );
        object(&workshop, "c", &text)
    };
    jit.main().add_updatable_object(text(1)).unwrap();
    assert_eq!(call(&jit, "value").unwrap(), 1);
    // SAFETY: nobody is in the code.
    let generation = unsafe { jit.main().update().replace(text(2)).commit() }.unwrap();
    assert_eq!(call(&jit, "value").unwrap(), 2);
    // SAFETY: as above.
    unsafe { generation.rollback() }.unwrap();
    assert_eq!(call(&jit, "value").unwrap(), 1);
    let _before = taken();
    jit.main().add_lazy_object(object(&workshop, "c", "void told(int); void others(void) { told(30); }")).unwrap();
    let own = "void told(int); void own(void) { told(31); } void (*volatile p)(void) = own;
               __attribute__((destructor)) static void end(void) { p(); } int once(void) { return 3; }";
    let others = "void others(void); void (*volatile p)(void) = others;
                  __attribute__((destructor)) static void end(void) { p(); } int once(void) { return 3; }";
    for (retires, text, ended) in [(true, others, 30), (true, own, 31), (false, own, 31)] {
        let tracker = jit.create_tracker().unwrap();
        tracker.add_lazy_object(object(&workshop, "c", text)).unwrap();
        assert_eq!(call(&jit, "once").unwrap(), 3);
        let ended_by = if retires { ResourceTracker::retire } else { ResourceTracker::remove };
        // SAFETY: as above.
        unsafe { ended_by(&tracker) }.unwrap();
        assert_eq!(jit.session().reclaim().unwrap(), 0);
        assert_eq!(taken(), [ended]);
    }
    close(jit);
}

#[test]
fn cleanups_of_exceptions_call_functions_that_are_not_linked_yet() {
    let _turn = TURN.lock().unwrap();
    let (workshop, jit) = (Workshop::new(), elsewhere());
    jit.define_ptr("told", told as *const ()).unwrap();
    let text = "extern \"C\" void told(int);
                struct Cleanup { int what; ~Cleanup(); };
                void cleaned(int what) { told(what); } void (*volatile p)(int) = cleaned;
                Cleanup::~Cleanup() { p(what); }
                void thrower() { Cleanup cleanup{1}; throw 2; } void (*volatile q)() = thrower;
                static int caught = [] { try { Cleanup outer{3}; q(); } catch (int thrown) { return thrown; } return 0; }();
                extern \"C\" int entry() { return caught; }";
    jit.main().add_lazy_object(object(&workshop, "cpp", text)).unwrap();
    assert_eq!(call(&jit, "entry").unwrap(), 2);
    assert_eq!(taken(), [1, 3]);
    close(jit);
}

#[test]
fn main_calls_functions_that_are_not_linked_yet_on_threads_of_its_own() {
    let (workshop, jit) = (Workshop::new(), elsewhere());
    let text = "#include <thread>
                #include <vector>
                #include <atomic>
                std::atomic<int> sum;
                template <int n> void add() { sum += n; }
                void (*volatile all[])() = { add<1>, add<2>, add<3>, add<4> };
                int main() { std::vector<std::thread> threads; for (auto f : all) threads.emplace_back([f] { f(); });
                    for (auto &thread : threads) thread.join(); return sum; }";
    jit.main().add_lazy_object(object(&workshop, "cpp", text)).unwrap();
    // SAFETY: it is a main.
    assert_eq!(unsafe { jit.run_main("main", &["main"]) }.unwrap(), 10);
    close(jit);
}

#[test]
fn what_is_called_back_may_not_remove_what_calls_it() {
    let _turn = TURN.lock().unwrap();
    static JIT: std::sync::Mutex<Option<linkjit::ResourceTracker>> = std::sync::Mutex::new(None);
    extern "C" fn remove() {
        let tracker = JIT.lock().unwrap().clone().unwrap();
        // SAFETY: it is refused.
        let refused = unsafe { tracker.remove() };
        told(i32::from(matches!(refused, Err(Error::Reentrant))));
    }
    let (workshop, jit) = (Workshop::new(), elsewhere());
    jit.define_ptr("remove_me", remove as *const ()).unwrap();
    let tracker = jit.create_tracker().unwrap();
    *JIT.lock().unwrap() = Some(tracker.clone());
    let text = "void remove_me(void); __attribute__((constructor)) static void begin(void) { remove_me(); }
                int entry(void) { return 1; }";
    tracker.add_object(object(&workshop, "c", text)).unwrap();
    assert_eq!(call(&jit, "entry").unwrap(), 1);
    assert_eq!(taken(), [1]);
    *JIT.lock().unwrap() = None;
    drop(tracker);
    close(jit);
}

/// If an executor refuses at last, nothing was linked: another try finds the session as before.
#[test]
fn what_fails_at_last_is_not_published() {
    let workshop = Workshop::new();
    let executor = Arc::new(Elsewhere::new(InProcess::new().unwrap()));
    let jit = Jit::builder().executor(executor.clone()).build().unwrap();
    let text = "int atexit(void (*)(void)); static int ended; static void end(void) { ended++; }
                int entry(void) { return atexit(end) ? -1 : 5; } int other(void) { return 6; }";
    jit.main().add_object(object(&workshop, "c", text)).unwrap();
    executor.refuse(true);
    for _ in 0..3 {
        let error = jit.lookup("entry").unwrap_err();
        assert!(error.to_string().contains("it is refused"), "{error}");
        assert_eq!(jit.session().statistics().batches, 0);
    }
    executor.refuse(false);
    assert_eq!(call(&jit, "entry").unwrap(), 5);
    assert_eq!(call(&jit, "other").unwrap(), 6);
    close(jit);
}
