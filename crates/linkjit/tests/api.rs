//! The library as its users call it.
#![cfg_attr(windows, allow(dead_code, unused_imports, reason = "tests of ELF use it"))]

mod host;
mod support;

use std::ffi::{c_int, c_long};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use linkjit::Source;
use linkjit::{Error, Jit, LinkPolicy, MatchScope};
use support::{compile, compile_file};

type Function = unsafe extern "C" fn(c_int) -> c_int;

/// The function `name`, which takes and returns an int.
fn function(jit: &Jit, name: &str) -> Function {
    // SAFETY: every function that the tests look up with this is of that type.
    unsafe { *jit.lookup_fn(name).unwrap_or_else(|error| panic!("{error}")) }
}

/// Calls it.
fn call(jit: &Jit, name: &str, argument: c_int) -> c_int {
    let function = function(jit, name);
    // SAFETY: as above, and its code is alive as long as `jit`.
    unsafe { function(argument) }
}

#[test]
fn a_function_of_an_object_file_is_callable() {
    let jit = host::jit().unwrap();
    jit.add_object(compile_file("-O2", "int add(int a, int b) { return a + b; }")).unwrap();
    // SAFETY: its type.
    let add = unsafe { jit.lookup_fn::<unsafe extern "C" fn(c_int, c_int) -> c_int>("add") }.unwrap();
    // SAFETY: `jit` is alive.
    assert_eq!(unsafe { add(2, 3) }, 5);
}

#[test]
fn variables_are_found_by_address() {
    let jit = host::jit().unwrap();
    let object = compile("-O1", "int value = 41; int get(int n) { return value + n; }");
    jit.add_object(Source::new("value.o", object)).unwrap();
    let value = jit.lookup("value").unwrap().0 as *mut c_int;
    // SAFETY: an int of the object, which nobody else uses now.
    unsafe { value.write(100) };
    assert_eq!(call(&jit, "get", 5), 105);
}

#[test]
fn the_address_of_a_thread_local_variable_is_refused() {
    let jit = host::jit().unwrap();
    jit.add_object(Source::new("local.o", compile("-O1 -fPIC", "_Thread_local int local = 1;"))).unwrap();
    let error = jit.lookup("local").unwrap_err();
    assert!(matches!(error, Error::ThreadLocal { ref name } if name == "local"), "{error}");
}

static HOST_TOTAL: AtomicI32 = AtomicI32::new(0);

extern "C" fn host_add(n: c_int) -> c_int {
    HOST_TOTAL.fetch_add(n, Ordering::SeqCst) + n
}

#[test]
fn code_calls_functions_of_the_host() {
    for flags in ["-O2 -fPIC", "-O2 -fPIE", "-O2 -fno-plt -fPIC", "-O2 -mcmodel=large"] {
        let jit = host::jit().unwrap();
        HOST_TOTAL.store(0, Ordering::SeqCst);
        jit.define_ptr("host_add", host_add as *const ()).unwrap();
        let source = "int host_add(int); int twice(int n) { host_add(n); return host_add(n) + 1; }
            int (*address(void))(int) { return host_add; } int through(int n) { return address()(n); }";
        jit.add_object(Source::new("calls.o", compile(flags, source))).unwrap();
        assert_eq!(call(&jit, "twice", 4), 9, "{flags}");
        assert_eq!(call(&jit, "through", 1), 9, "{flags}");
    }
}

extern "C-unwind" fn host_panics(n: c_int) -> c_int {
    std::panic::resume_unwind(Box::new(n));
}

#[cfg(not(windows))]
#[test]
fn panics_of_the_host_unwind_through_linked_frames() {
    if host::is_remote() {
        return;
    }
    let jit = host::jit().unwrap();
    jit.define_ptr("host_panics", host_panics as *const ()).unwrap();
    let source = "int cleanups; int host_panics(int);
        static void cleanup(int *n) { cleanups += *n; }
        int calls(int n) { __attribute__((cleanup(cleanup))) int kept = n; return host_panics(n) + 1; }
        int main(int argc, char **argv) { return calls(argc); }
        int count(int n) { return cleanups + n; }";
    jit.add_object(Source::new("unwound.o", compile("-O2 -fPIC -fexceptions", source))).unwrap();
    // SAFETY: its type.
    let calls = unsafe { jit.lookup_fn::<unsafe extern "C-unwind" fn(c_int) -> c_int>("calls") }.unwrap();
    for n in 1..=3 {
        // SAFETY: `jit` is alive.
        let panic = catch_unwind(|| unsafe { calls(n) }).unwrap_err();
        assert_eq!(panic.downcast_ref::<c_int>(), Some(&n));
    }
    assert_eq!(call(&jit, "count", 0), 6);
    // SAFETY: main's type.
    let panic = catch_unwind(AssertUnwindSafe(|| unsafe { jit.run_main("main", &["program"]) })).unwrap_err();
    assert_eq!(panic.downcast_ref::<c_int>(), Some(&1));
    assert_eq!(call(&jit, "count", 0), 7);
}

#[cfg(not(windows))]
#[test]
fn what_is_added_later_refers_to_what_is_linked() {
    let jit = host::jit().unwrap();
    let first = "int count = 10; _Thread_local int local = 3; int bump(int n) { local += n; return count += n; }
        static int initialized; __attribute__((constructor)) static void initialize(void) { initialized++; }
        int initializations(int n) { return initialized + n; }";
    jit.add_object(Source::new("first.o", compile("-O1 -fPIC", first))).unwrap();
    assert_eq!(call(&jit, "bump", 1), 11);
    for (n, flags) in ["-fPIC", "-fPIC -fno-plt", "-fPIC -mtls-dialect=gnu2"].iter().enumerate() {
        let source = format!(
            "extern int count; extern _Thread_local int local; int bump(int);
            int later{n}(int n) {{ return bump(n) * 1000 + count * 10 + local; }}"
        );
        jit.add_object(Source::new(format!("later{n}.o"), compile(&format!("-O1 {flags}"), &source))).unwrap();
    }
    assert_eq!(call(&jit, "later0", 1), 12 * 1000 + 12 * 10 + 5);
    assert_eq!(call(&jit, "later1", 1), 13 * 1000 + 13 * 10 + 6);
    assert_eq!(call(&jit, "later2", 1), 14 * 1000 + 14 * 10 + 7);
    assert_eq!(call(&jit, "initializations", 0), 1);
}

#[test]
fn demand_links_what_is_wanted_and_whole_everything() {
    let source = "int missing(void); int used(int n) { return n; } int unused(int n) { return missing() + n; }";
    let object = compile("-O1 -fPIC -ffunction-sections", source);
    let jit = host::jit().unwrap();
    jit.add_object(Source::new("demand.o", object.clone())).unwrap();
    assert_eq!(call(&jit, "used", 3), 3);
    assert!(matches!(jit.lookup("unused").unwrap_err(), Error::Undefined { .. }));
    jit.add_object(Source::new("missing.o", compile("-O1", "int missing(void) { return 100; }"))).unwrap();
    assert_eq!(call(&jit, "unused", 3), 103);

    let jit = host::builder().policy(LinkPolicy::Whole).build().unwrap();
    jit.add_object(Source::new("whole.o", object)).unwrap();
    let error = jit.lookup("used").unwrap_err();
    assert!(error.to_string().contains("undefined symbol: missing"), "{error}");
    jit.add_object(Source::new("missing.o", compile("-O1", "int missing(void) { return 100; }"))).unwrap();
    assert_eq!(call(&jit, "used", 3), 3);
    assert_eq!(jit.session().statistics().objects, 2);
}

#[test]
fn a_failed_lookup_leaves_the_session_as_it_was() {
    let jit = host::jit().unwrap();
    let source = "#include <stdio.h>
        int missing(int); _Thread_local int local = 7; static int initialized;
        __attribute__((constructor)) static void initialize(void) { initialized++; }
        int good(int n) { return local + initialized + n; } int bad(int n) { return missing(n) + local; }";
    jit.add_object(Source::new("both.o", compile("-O1 -fPIC -ffunction-sections", source))).unwrap();
    for _ in 0..100 {
        assert!(matches!(jit.lookup("bad").unwrap_err(), Error::Undefined { .. }));
    }
    assert_eq!(call(&jit, "good", 2), 10);
    assert!(matches!(jit.lookup("bad").unwrap_err(), Error::Undefined { .. }));
    assert_eq!(call(&jit, "good", 2), 10);
    jit.add_object(Source::new("missing.o", compile("-O1", "int missing(int n) { return n * 100; }"))).unwrap();
    assert_eq!(call(&jit, "bad", 2), 207);
}

/// Resident memory in bytes and the number of mappings of this process.
fn memory() -> (u64, usize) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let resident: u64 = pages.split_whitespace().nth(1).unwrap().parse().unwrap();
    (resident * 4096, maps.lines().count())
}

#[test]
fn names_are_free_again_after_removal_and_memory_stays_flat() {
    let jit = host::jit().unwrap();
    let source = "#include <stdlib.h>
        extern int base; int (*function)(int); char buffer[100000] = {1};
        __thread int local = 5; static int initialized; extern void count_removal(void);
        __attribute__((constructor)) static void initialize(void) { initialized = 100; }
        static int helper(int n) { return n + 1; }
        int work(int n) { function = helper; buffer[n] = 2; return base + initialized + local++ + function(n); }";
    let object = compile("-O1 -fPIC", source);
    let user = compile(
        "-O1 -fPIC",
        "extern __thread int local; int work(int); int use(int n) { local = 50; return work(n); }",
    );
    jit.add_object(Source::new("base.o", compile("-O1", "int base = 1000;"))).unwrap();
    let mut before = (0, 0);
    for round in 0..1000 {
        let tracker = jit.create_tracker().unwrap();
        tracker.add_object(Source::new("work.o", object.clone())).unwrap();
        assert_eq!(call(&jit, "work", round % 7), 1106 + round % 7);
        tracker.add_object(Source::new("user.o", user.clone())).unwrap();
        assert_eq!(call(&jit, "use", 1), 1152);
        // SAFETY: nobody is in it, and nothing of it is used any more.
        unsafe { tracker.remove() }.unwrap();
        assert!(matches!(jit.lookup("work").unwrap_err(), Error::Undefined { .. }));
        if round == 100 {
            before = memory();
        }
    }
    let after = memory();
    // Other tests run meanwhile; a leak of the buffer alone would be 90 MB.
    assert!(after.0 < before.0 + (30 << 20), "{before:?} {after:?}");
    assert!(after.1 < before.1 + 100, "{before:?} {after:?}");
}

#[cfg(not(windows))]
#[test]
fn threads_that_exist_before_the_link_have_its_thread_local_variables() {
    type Answers = mpsc::Receiver<Vec<c_int>>;
    // Threads that wait for functions to call, each several times.
    let start = || -> (mpsc::Sender<Vec<usize>>, Answers) {
        let (work, functions) = mpsc::channel::<Vec<usize>>();
        let (answers, results) = mpsc::channel();
        std::thread::spawn(move || {
            for addresses in functions {
                let call = |address: usize| {
                    // SAFETY: the addresses are those of functions of this type, looked up below.
                    let function = unsafe { std::mem::transmute::<usize, Function>(address) };
                    // SAFETY: the session is alive as long as the other end of the channel.
                    unsafe { function(1) }
                };
                answers.send(addresses.into_iter().map(call).collect()).unwrap();
            }
        });
        (work, results)
    };
    let early: Vec<_> = (0..3).map(|_| start()).collect();
    let models = [
        "-fPIC -ftls-model=global-dynamic",
        "-fPIC -ftls-model=local-dynamic",
        "-fPIC -ftls-model=initial-exec",
        "-fPIE -ftls-model=local-exec",
        "-fPIC -mtls-dialect=gnu2",
        "-fPIC -mtls-dialect=gnu2 -ftls-model=local-dynamic",
    ];
    let jit = host::jit().unwrap();
    let mut addresses = Vec::new();
    for (n, model) in models.iter().enumerate() {
        let source = format!(
            "static _Thread_local int initialized = {n}00; static _Thread_local int zero; _Thread_local int shared{n};
            _Alignas(64) _Thread_local char aligned{n}[64];
            int count{n}(int n) {{ if ((unsigned long)aligned{n} % 64) return -1; shared{n} += n; zero += n;
            initialized += n; return initialized + zero + shared{n}; }}"
        );
        jit.add_object(Source::new(format!("tls{n}.o"), compile(&format!("-O1 {model}"), &source))).unwrap();
        addresses.push(function(&jit, &format!("count{n}")) as usize);
    }
    let late: Vec<_> = (0..3).map(|_| start()).collect();
    for round in 1..=3 {
        let expected: Vec<c_int> = (0..6).map(|n| n * 100 + 3 * round).collect();
        for (work, results) in early.iter().chain(&late) {
            work.send(addresses.clone()).unwrap();
            assert_eq!(results.recv().unwrap(), expected, "round {round}");
        }
    }
}

#[test]
fn lookups_of_several_threads_at_once_all_succeed() {
    let jit = host::jit().unwrap();
    for n in 0..64 {
        let next = (n + 1) % 64;
        let source = format!("int f{next}(int); int f{n}(int n) {{ return n <= 0 ? {n} : f{next}(n - 1); }}");
        jit.add_object(Source::new(format!("f{n}.o"), compile("-O1 -fPIC", &source))).unwrap();
    }
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let jit = &jit;
            scope.spawn(move || {
                for n in 0..64 {
                    let n = (n * 7 + thread * 16) % 64;
                    assert_eq!(call(jit, &format!("f{n}"), 5), (n + 5) % 64);
                }
            });
        }
    });
}

#[test]
fn closing_runs_what_is_registered_last_first() {
    static LOG: std::sync::Mutex<Vec<c_int>> = std::sync::Mutex::new(Vec::new());
    extern "C" fn log(n: c_int) -> c_int {
        LOG.lock().unwrap().push(n);
        n
    }
    let jit = host::jit().unwrap();
    jit.define_ptr("log_number", log as *const ()).unwrap();
    let source = "int atexit(void (*)(void)); int log_number(int);
        static void first(void) { log_number(1); } static void second(void) { log_number(2); }
        __attribute__((constructor)) static void initialize(void) { log_number(0); }
        __attribute__((destructor)) static void finish(void) { log_number(3); }
        int enter(int n) { atexit(first); atexit(second); return log_number(n); }";
    jit.add_object(Source::new("registers.o", compile("-O1 -fPIC", source))).unwrap();
    call(&jit, "enter", 10);
    // SAFETY: nobody uses it any more.
    unsafe { jit.close() }.unwrap();
    assert_eq!(*LOG.lock().unwrap(), [0, 10, 2, 1, 3]);
}

#[cfg(not(windows))]
#[test]
fn dylibs_have_their_own_names_and_see_what_others_export() {
    let jit = host::jit().unwrap();
    let library = jit.create_dylib("library").unwrap();
    let source =
        "static int initialized; __attribute__((constructor)) static void initialize(void) { initialized = 5; }
        int name(int n) { return 1000 + n; } int exported(int n) { return name(n) + initialized; }
        int variable = 77; __thread int local = 8;
        __attribute__((visibility(\"hidden\"))) int hidden(int n) { return n; }";
    library.add_object(Source::new("library.o", compile("-O1 -fPIC", source))).unwrap();
    jit.main().add_to_link_order(&library, MatchScope::Exported).unwrap();
    let source =
        "int exported(int); int name(int n) { return 2000 + n; } extern int variable; extern __thread int local;
        int both(int n) { return exported(n) + name(n) + variable + local; }
        int hidden(int); int sees_hidden(int n) { return hidden(n); }";
    jit.add_object(Source::new("main.o", compile("-O1 -fPIC -ffunction-sections", source))).unwrap();
    assert_eq!(call(&jit, "both", 1), 1006 + 2001 + 77 + 8);
    assert!(matches!(jit.lookup("sees_hidden").unwrap_err(), Error::Undefined { .. }));
    jit.main().define_alias("renamed", "name").unwrap();
    jit.main().reexport("from_library", &library, "name").unwrap();
    assert_eq!(call(&jit, "renamed", 1), 2001);
    assert_eq!(call(&jit, "from_library", 1), 1001);
}

#[cfg(not(windows))]
#[test]
fn what_another_dylib_defines_again_is_found_anew() {
    let jit = host::jit().unwrap();
    let library = jit.create_dylib("library").unwrap();
    jit.main().add_to_link_order(&library, MatchScope::Exported).unwrap();
    let user = "int f(int); extern int v; extern __thread int t; int use(int n) { return f(n) + v + t; }";
    let user = compile("-O1 -fPIC", user);
    let mut kept = Vec::new();
    for round in 1..=5 {
        let of_library = library.create_tracker().unwrap();
        let source = format!("int v = {round}0; __thread int t = {round}00; int f(int n) {{ return n + {round}; }}");
        of_library.add_object(Source::new("f.o", compile("-O1 -fPIC", &source))).unwrap();
        let of_main = jit.create_tracker().unwrap();
        of_main.add_object(Source::new("use.o", user.clone())).unwrap();
        assert_eq!(call(&jit, "use", 1000), 1000 + 111 * round);
        // SAFETY: nobody is in it, and nothing of it is used any more.
        unsafe { of_main.remove() }.unwrap();
        // SAFETY: as above.
        unsafe { of_library.remove() }.unwrap();
        // Takes the place of what was removed, so that the next round is elsewhere.
        let filler =
            format!("int v{round} = 1; __thread int t{round} = 1; int g{round}(int n) {{ return n + t{round}; }}");
        library.add_object(Source::new("filler.o", compile("-O1 -fPIC", &filler))).unwrap();
        kept.push(library.link(&[&format!("g{round}"), &format!("v{round}")]).unwrap());
    }
}

#[test]
fn exceptions_work_after_any_number_of_removals() {
    let jit = host::jit().unwrap();
    let source = r#"#include <stdexcept>
        struct Local { int n = 3; ~Local() { n = 0; } };
        static thread_local Local local;
        inline int &counter() { static int count = 0; return count; }
        static int fail(int n) { if (n == 0) throw std::out_of_range("bottom"); return fail(n - 1) + 1; }
        extern "C" int catches(int n) {
            try { return fail(n); } catch (const std::logic_error &) { return ++counter() + local.n; }
        }"#;
    let object = compile("-x c++ -O1 -fPIC", source);
    for _ in 0..200 {
        let tracker = jit.create_tracker().unwrap();
        tracker.add_object(Source::new("throws.o", object.clone())).unwrap();
        assert_eq!((call(&jit, "catches", 5), call(&jit, "catches", 5)), (4, 5));
        // SAFETY: nobody is in it, and nothing of it is used any more.
        unsafe { tracker.remove() }.unwrap();
    }
}

#[test]
fn sessions_do_not_see_each_other() {
    let [one, two] = [1, 2].map(|n| {
        let jit = host::jit().unwrap();
        let source = format!("static __thread int local = {n}; int number(int n) {{ return local++ * 10 + n; }}");
        jit.add_object(Source::new("number.o", compile("-O1 -fPIC", &source))).unwrap();
        jit
    });
    assert_eq!((call(&one, "number", 3), call(&two, "number", 3)), (13, 23));
    // SAFETY: nobody uses it any more.
    unsafe { one.close() }.unwrap();
    assert_eq!(call(&two, "number", 3), 33);
}

extern "C" fn looked_up(n: c_long) -> c_long {
    n
}

#[test]
fn a_name_is_defined_once() {
    let jit = host::jit().unwrap();
    jit.define_ptr("name", looked_up as *const ()).unwrap();
    let object = compile("-O1", "int other(int n) { return n; } int name(int n) { return n + 1; }");
    let error = jit.add_object(Source::new("second.o", object)).unwrap_err();
    assert!(matches!(error, Error::Duplicate { ref name, .. } if name == "name"), "{error}");
    // Nothing of the object was added.
    assert!(matches!(jit.lookup("other").unwrap_err(), Error::Undefined { .. }));
    assert_eq!(jit.lookup("name").unwrap().0, looked_up as *const () as u64);
}

/// The window that the first one is in is out of reach for the second.
#[test]
fn code_that_is_not_position_independent_links_after_code_that_is() {
    let jit = host::jit().unwrap();
    jit.add_object(Source::new("first", compile("-fPIC", "int one = 1; int first(int x) { return x + one; }")))
        .unwrap();
    assert_eq!(call(&jit, "first", 1), 2);
    let source = "int first(int); int table[4] = {1, 2, 3, 4}; int second(int x) { return first(table[x]); }";
    jit.add_object(Source::new("second", compile("-fno-pic -O1", source))).unwrap();
    assert_eq!(call(&jit, "second", 3), 5);
}

#[test]
fn a_lookup_waits_for_the_initializers_that_another_thread_runs() {
    static RUNNING: AtomicBool = AtomicBool::new(false);
    extern "C" fn wait() {
        RUNNING.store(true, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(200));
    }
    let jit = host::jit().unwrap();
    jit.define_ptr("wait", wait as *const ()).unwrap();
    let source = "void wait(void); static int ready; int f(int x) { return ready + x; }
                  __attribute__((constructor)) static void initialize(void) { wait(); ready = 1; }";
    jit.add_object(Source::new("slow", compile("-fPIC", source))).unwrap();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| call(&jit, "f", 1));
        while !RUNNING.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        assert_eq!(call(&jit, "f", 1), 2);
        assert_eq!(other.join().unwrap(), 2);
    });
}

#[test]
fn an_initializer_may_look_up() {
    static JIT: OnceLock<Jit> = OnceLock::new();
    extern "C" fn ask_host() -> c_int {
        call(JIT.get().expect("it was set"), "answer", 1)
    }
    let jit = JIT.get_or_init(|| host::jit().unwrap());
    jit.define_ptr("ask_host", ask_host as *const ()).unwrap();
    let source = "int ask_host(void); static int asked; int answer(int x) { return asked + x; }
                  __attribute__((constructor)) static void initialize(void) { asked = ask_host(); }";
    jit.add_object(Source::new("asking", compile("-fPIC", source))).unwrap();
    assert_eq!(call(jit, "answer", 10), 11);
}

#[test]
fn what_belongs_to_another_session_or_jitdylib_is_refused() {
    let [jit, other] = [host::jit().unwrap(), host::jit().unwrap()];
    let refusals = [
        jit.main().add_to_link_order(other.main(), MatchScope::All),
        jit.main().set_link_order(&[(other.main().clone(), MatchScope::All)]),
        jit.main().reexport("one", other.main(), "one"),
        jit.create_tracker().unwrap().transfer_to(&other.create_tracker().unwrap()),
        jit.create_tracker().unwrap().transfer_to(&jit.create_dylib("second").unwrap().create_tracker().unwrap()),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, Err(Error::Foreign { .. })), "{refusal:?}");
    }
}
