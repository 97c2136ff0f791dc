//! Functions that are linked when they are first called, and functions whose implementation is swapped. Rule 93: whatever
//! arguments calls have, and whatever is thrown through them, passes.
#![cfg(target_arch = "x86_64")]
#![cfg_attr(windows, allow(dead_code, unused_imports, reason = "tests of ELF use it"))]

mod host;
mod support;

use std::ffi::c_int;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use linkjit::Source;
use linkjit::{DefinitionGenerator, Error, ExecAddr, Jit, JitDylib, LinkPolicy, MatchScope, PassLists, Stage, Wanted};
use linkjit_link::graph::LinkGraph;
use support::{compile, compile_file};

type Function = unsafe extern "C-unwind" fn(c_int) -> c_int;

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

fn add(jit: &Jit, name: &str, flags: &str, source: &str) {
    jit.add_object(Source::new(name, compile(flags, source))).unwrap();
}

fn add_lazy(jit: &Jit, name: &str, flags: &str, source: &str) {
    jit.main().add_lazy_object(Source::new(name, compile(flags, source))).unwrap();
}

/// Code bytes linked so far.
fn code(jit: &Jit) -> u64 {
    jit.session().statistics().code_bytes
}

/// Links `callee` lazily and `caller` at once; `caller` has `int check(int)`, which returns 1 if the callee was called
/// with the right arguments. It is called twice: through the trampoline, then past it.
fn check_arguments(flags: &str, shared: &str, callee: &str, caller: &str) {
    let jit = host::jit().unwrap();
    add_lazy(&jit, "callee.o", flags, &format!("{shared}\n{callee}"));
    add(&jit, "caller.o", flags, &format!("{shared}\n{caller}"));
    let check = function(&jit, "check");
    let batches = jit.session().statistics().batches;
    for _ in 0..2 {
        // SAFETY: its type; `jit` is alive.
        assert_eq!(unsafe { check(1) }, 1, "{flags}: {callee}");
        assert_eq!(jit.session().statistics().batches, batches + 1, "the first call links, the second does not");
    }
}

#[test]
fn integer_and_stack_arguments_arrive() {
    check_arguments(
        "-O1 -fPIC",
        "long f(long a, long b, long c, long d, long e, long f, long g, long h, long i);",
        "long f(long a, long b, long c, long d, long e, long f, long g, long h, long i) {
            return a + 2*b + 3*c + 4*d + 5*e + 6*f + 7*g + 8*h + 9*i; }",
        "int check(int n) { return f(n, 2, 3, 4, 5, 6, 7, 8, 9) == 285; }",
    );
}

#[test]
fn double_arguments_and_results_arrive() {
    check_arguments(
        "-O1 -fPIC",
        "double f(double a, double b, double c, double d, double e, double f, double g, double h, int i, double j);",
        "double f(double a, double b, double c, double d, double e, double f, double g, double h, int i, double j) {
            return a + 2*b + 3*c + 4*d + 5*e + 6*f + 7*g + 8*h + 9*i + 10*j; }",
        "int check(int n) { return f(n, 2, 3, 4, 5, 6, 7, 8, 9, 10) == 385; }",
    );
    check_arguments(
        "-O1 -fPIC",
        "long double f(long double a, double b);",
        "long double f(long double a, double b) { return a * b; }",
        "int check(int n) { return f(n * 1.5L, 3) == 4.5L; }",
    );
}

#[test]
fn structures_by_value_and_through_a_hidden_pointer_arrive() {
    check_arguments(
        "-O1 -fPIC",
        "struct big { long a[5]; double d; }; struct small { double x; long n; };
         struct big f(struct big b, struct small s, int n);",
        "struct big f(struct big b, struct small s, int n) {
            for (int i = 0; i < 5; i++) b.a[i] += s.n * n;
            b.d += s.x; return b; }",
        "int check(int n) {
            struct big b = { {1, 2, 3, 4, 5}, 0.5 }; struct small s = { 2.25, 10 };
            struct big r = f(b, s, n);
            return r.a[0] == 11 && r.a[4] == 15 && r.d == 2.75 && b.a[0] == 1; }",
    );
}

#[test]
fn variadic_arguments_arrive() {
    check_arguments(
        "-O1 -fPIC",
        "int f(char *to, const char *format, ...);",
        "#include <stdarg.h>
         int vsprintf(char *, const char *, va_list);
         int f(char *to, const char *format, ...) {
            va_list list; va_start(list, format); int n = vsprintf(to, format, list); va_end(list); return n; }",
        "#include <string.h>
         int check(int n) {
            char text[100];
            f(text, \"%d %g %s %ld %g %g %g %g %g %g %g %d\", n, 1.5, \"x\", 4L, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12);
            return strcmp(text, \"1 1.5 x 4 5 6 7 8 9 10 11 12\") == 0; }",
    );
}

#[test]
fn vector_arguments_arrive_in_full_width() {
    let widths = [
        (16, "-msse2", true),
        (32, "-mavx", is_x86_feature_detected!("avx")),
        (64, "-mavx512f", is_x86_feature_detected!("avx512f")),
    ];
    for (bytes, flag, _) in widths.into_iter().filter(|(_, _, has)| *has) {
        check_arguments(
            &format!("-O1 -fPIC {flag}"),
            &format!(
                "typedef double v __attribute__((vector_size({bytes}))); enum {{ N = {bytes} / 8 }};
                 v f(v a, v b, v c, v d, v e, v f, v g, v h, v i);"
            ),
            "v f(v a, v b, v c, v d, v e, v f, v g, v h, v i) {
                return a + 2*b + 3*c + 4*d + 5*e + 6*f + 7*g + 8*h + 9*i; }",
            "static v make(double n) { v r; for (int i = 0; i < N; i++) r[i] = n + i * 100; return r; }
             int check(int n) {
                v r = f(make(n), make(2), make(3), make(4), make(5), make(6), make(7), make(8), make(9));
                for (int i = 0; i < N; i++) if (r[i] != 285 + i * 4500) return 0;
                return 1; }",
        );
    }
}

#[cfg(not(windows))]
#[test]
fn mask_registers_and_registers_beyond_the_arguments_are_kept() {
    // What no convention of C passes, others may: r11 and, with AVX-512, k1 and zmm31.
    let vectors = is_x86_feature_detected!("avx512f");
    let (set, get) = if vectors {
        (
            "kmovw %edi, %k1\n vpbroadcastd %edi, %zmm31",
            "kmovw %k1, %ecx\n add %ecx, %eax\n vmovd %xmm31, %ecx\n add %ecx, %eax",
        )
    } else {
        ("nop", "lea (%rax,%rdi,2), %eax")
    };
    let jit = host::jit().unwrap();
    let callee = format!(".globl f\n.type f, @function\nf: lea (%r10,%r11), %eax\n {get}\n ret\n");
    let caller = format!(
        ".globl check\n.type check, @function\ncheck: mov $1, %r10d\n mov $10, %r11d\n mov %edi, %edi\n {set}\n jmp f\n"
    );
    add_lazy(&jit, "callee.o", "-x assembler", &callee);
    add(&jit, "caller.o", "-x assembler", &caller);
    assert_eq!(call(&jit, "check", 100), 211);
    assert_eq!(call(&jit, "check", 100), 211);
}

#[test]
fn errno_is_kept() {
    check_arguments(
        "-O1 -fPIC",
        "#include <errno.h>
         int f(int n);",
        "int f(int n) { return n + errno; }",
        "int check(int n) { errno = 41; return f(n) == 42; }",
    );
}

#[test]
fn exceptions_of_the_callee_are_caught_by_the_caller() {
    let jit = host::jit().unwrap();
    let callee = "#include <stdexcept>
        struct Guard { int *n; ~Guard() { ++*n; } };
        extern \"C\" int thrower(int n, int *cleanups) { Guard guard{cleanups}; if (n) throw std::runtime_error(\"lazy\"); return n; }";
    let caller = "#include <stdexcept>
        #include <cstring>
        extern \"C\" int thrower(int, int *);
        extern \"C\" int check(int n) {
            int cleanups = 0;
            try { return thrower(n, &cleanups); }
            catch (const std::runtime_error &error) { return 10 * cleanups + (std::strcmp(error.what(), \"lazy\") == 0); } }";
    add_lazy(&jit, "callee.o", "-x c++ -O1 -fPIC", callee);
    add(&jit, "caller.o", "-x c++ -O1 -fPIC", caller);
    for _ in 0..2 {
        assert_eq!(call(&jit, "check", 1), 11);
        assert_eq!(call(&jit, "check", 0), 0);
    }
}

#[derive(Debug)]
struct Panics;

impl DefinitionGenerator for Panics {
    fn generate(&self, _: &JitDylib, names: &[Wanted<'_>]) -> linkjit::Result<()> {
        if names.iter().any(|wanted| wanted.name == b"explosive") {
            std::panic::resume_unwind(Box::new(7));
        }
        Ok(())
    }

    fn describe(&self) -> String {
        "a generator that panics".into()
    }
}

#[cfg(not(windows))]
#[test]
fn panics_while_linking_unwind_through_the_routine_and_its_caller() {
    if host::is_remote() {
        return;
    }
    let jit = host::jit().unwrap();
    let from = jit.create_dylib("from").unwrap();
    from.add_generator(Arc::new(Panics)).unwrap();
    jit.main().lazy_reexports(&from, &[("explosive", "explosive")]).unwrap();
    let source = "int cleanups; int explosive(int);
        static void cleanup(int *n) { cleanups += *n; }
        int check(int n) { __attribute__((cleanup(cleanup))) int kept = n; return explosive(n) + 1; }
        int count(int n) { return cleanups + n; }";
    add(&jit, "caller.o", "-O1 -fPIC -fexceptions", source);
    let check = function(&jit, "check");
    // SAFETY: its type; `jit` is alive.
    let panic = catch_unwind(|| unsafe { check(5) }).unwrap_err();
    assert_eq!(panic.downcast_ref::<i32>(), Some(&7));
    assert_eq!(call(&jit, "count", 0), 5);
}

#[test]
fn many_threads_that_call_a_function_at_once_get_the_same_one() {
    let jit = Arc::new(host::jit().unwrap());
    let source = "static int initialized; int initializations;
        __attribute__((constructor)) static void start(void) {
            for (volatile int i = 0; i < 30000000; i++) { } initialized = 1; initializations++; }
        int f(int n) { return initialized ? n * 2 : -1; } int count(int n) { return initializations + n; }";
    add_lazy(&jit, "f.o", "-O1 -fPIC", source);
    add(&jit, "caller.o", "-O1 -fPIC", "int f(int); int check(int n) { return f(n) + 1; }");
    let check = function(&jit, "check");
    let barrier = Arc::new(Barrier::new(32));
    let threads: Vec<_> = (0..32)
        .map(|n| {
            let barrier = barrier.clone();
            std::thread::spawn(move || {
                barrier.wait();
                // SAFETY: its type; `jit` is alive.
                (0..100).all(|_| unsafe { check(n) } == 2 * n + 1)
            })
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    assert_eq!(call(&jit, "count", 0), 1);
}

extern "C" fn substitute(n: c_int) -> c_int {
    -n
}

#[test]
fn what_cannot_be_linked_goes_to_the_handler_and_is_tried_again() {
    let jit = host::jit().unwrap();
    let failures = Arc::new(Mutex::new(Vec::new()));
    jit.session().set_lazy_failure_handler({
        let failures = failures.clone();
        Arc::new(move |failure| {
            let Error::Undefined { symbols, .. } = &failure.error else { panic!("{failure}") };
            let missing = symbols.iter().map(|symbol| symbol.name.clone()).collect::<Vec<_>>();
            failures.lock().unwrap().push((failure.name.clone(), missing));
            Some(ExecAddr::from_ptr(substitute as *const ()))
        })
    });
    let source = "int missing1(void); int missing2(void); int good(int n) { return n; }
        int bad(int n) { return missing1() + missing2() + n; }";
    add_lazy(&jit, "bad.o", "-O1 -fPIC -ffunction-sections", source);
    jit.main().lazy_reexports(jit.process(), &[("here", "nowhere")]).unwrap();
    add(
        &jit,
        "caller.o",
        "-O1 -fPIC",
        "int bad(int), here(int), good(int); int check(int n) { return bad(n) + here(n) + good(n); }",
    );
    assert_eq!(call(&jit, "check", 5), -5);
    let missing = ["missing1", "missing2"].map(String::from).to_vec();
    assert_eq!(*failures.lock().unwrap(), [("bad".into(), missing), ("here".into(), vec!["nowhere".into()])]);
    add(&jit, "missing.o", "-O1", "int missing1(void) { return 100; } int missing2(void) { return 200; }");
    assert_eq!(call(&jit, "check", 5), 305);
    assert_eq!(failures.lock().unwrap().len(), 3);
}

/// Runs this test program again, for one of its tests that ends the process.
fn in_child(test: &str, body: impl FnOnce()) -> Option<(ExitStatus, String)> {
    if std::env::var_os("LINKJIT_LAZY_CHILD").is_some() {
        body();
        return None;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args([test, "--exact", "--nocapture"]).env("LINKJIT_LAZY_CHILD", "1").output().unwrap();
    Some((output.status, String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn without_a_handler_the_process_says_why_and_aborts() {
    let outcome = in_child("without_a_handler_the_process_says_why_and_aborts", || {
        let jit = host::jit().unwrap();
        add_lazy(&jit, "bad.o", "-O1 -fPIC", "int missing(void); int bad(int n) { return missing() + n; }");
        call(&jit, "bad", 1);
    });
    if let Some((status, text)) = outcome {
        assert!(!status.success(), "{text}");
        assert!(text.contains("linkjit: 'bad' was called, but can't be linked: undefined symbol: missing"), "{text}");
    }
}

#[test]
fn a_function_may_be_called_first_by_a_generator() {
    #[derive(Debug)]
    struct Calls(Mutex<Option<ExecAddr>>);
    impl DefinitionGenerator for Calls {
        fn generate(&self, _: &JitDylib, _: &[Wanted<'_>]) -> linkjit::Result<()> {
            let Some(address) = self.0.lock().unwrap().take() else { return Ok(()) };
            // SAFETY: `lazy` of the test.
            let lazy: Function = unsafe { std::mem::transmute(address.0 as *const ()) };
            // SAFETY: as above.
            assert_eq!(unsafe { lazy(8) }, 8);
            Ok(())
        }
        fn describe(&self) -> String {
            "a generator that calls".into()
        }
    }
    let jit = host::jit().unwrap();
    add_lazy(&jit, "lazy.o", "-O1 -fPIC", "int lazy(int n) { return n; }");
    let lazy = jit.lookup("lazy").unwrap();
    let generator = Arc::new(Calls(Mutex::new(Some(lazy))));
    jit.main().add_generator(generator.clone()).unwrap();
    assert!(matches!(jit.lookup("unknown").unwrap_err(), Error::Undefined { .. }));
    assert!(generator.0.lock().unwrap().is_none());
}

#[test]
fn a_first_call_by_a_pass_is_refused() {
    if host::is_remote() {
        return;
    }
    let jit = host::jit().unwrap();
    let refused = Arc::new(AtomicBool::new(false));
    jit.session().set_lazy_failure_handler({
        let refused = refused.clone();
        Arc::new(move |failure| {
            refused.store(matches!(failure.error, Error::Reentrant), Ordering::Relaxed);
            Some(ExecAddr::from_ptr(substitute as *const ()))
        })
    });
    add_lazy(&jit, "lazy.o", "-O1 -fPIC", "int lazy(int n) { return n; }");
    let lazy = function(&jit, "lazy");
    jit.session().add_plugin(Arc::new(move |graph: &LinkGraph, passes: &mut PassLists| {
        if graph.name() == "other.o" {
            passes.add(Stage::PostPrune, move |_, _| {
                // SAFETY: its type; `jit` is alive.
                assert_eq!(unsafe { lazy(8) }, -8);
                Ok(())
            });
        }
    }));
    add(&jit, "other.o", "-O1 -fPIC", "int other(int n) { return n; }");
    assert_eq!(call(&jit, "other", 3), 3);
    assert!(refused.load(Ordering::Relaxed));
    assert_eq!(call(&jit, "lazy", 8), 8);
}

#[test]
fn a_redirected_function_changes_under_a_thread_that_calls_it() {
    let jit = host::jit().unwrap();
    let source = "int first(int n) { return n + 1; } int second(int n) { return n + 2; }";
    add(&jit, "implementations.o", "-O1 -fPIC", source);
    let [first, second] = ["first", "second"].map(|name| jit.lookup(name).unwrap());
    let symbol = jit.main().define_redirectable("f", first).unwrap();
    add(
        &jit,
        "caller.o",
        "-O1 -fPIC",
        "int f(int); int check(int n) { return f(n); } int (*pointer(int n))(int) { return f; }",
    );
    let check = function(&jit, "check");
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let thread = std::thread::spawn({
        let (stop, calls) = (stop.clone(), calls.clone());
        move || {
            while !stop.load(Ordering::Acquire) {
                // SAFETY: its type; `jit` is alive.
                let got = unsafe { check(10) };
                assert!(got == 11 || got == 12, "{got}");
                calls.fetch_add(1, Ordering::Relaxed);
            }
            // SAFETY: as above.
            unsafe { check(10) }
        }
    });
    let address = symbol.address().unwrap();
    for round in 0..10_000 {
        let (to, expected) = if round % 2 == 0 { (second, 12) } else { (first, 11) };
        symbol.redirect(to).unwrap();
        // SAFETY: its type; `jit` is alive.
        assert_eq!(unsafe { check(10) }, expected);
        assert_eq!(symbol.address().unwrap(), address);
    }
    symbol.redirect(second).unwrap();
    stop.store(true, Ordering::Release);
    assert_eq!(thread.join().unwrap(), 12);
    assert!(calls.load(Ordering::Relaxed) > 0);
    assert_eq!(jit.lookup("f").unwrap(), address);
    assert!(symbol.redirect(ExecAddr::NULL).is_err());
    assert_eq!(call(&jit, "check", 10), 12);
}

#[test]
fn a_redirectable_symbol_is_gone_with_its_owner_and_does_not_touch_its_successor() {
    let jit = host::jit().unwrap();
    let here = ExecAddr::from_ptr(substitute as *const ());
    let dylib = jit.create_dylib("other").unwrap();
    let symbol = dylib.define_redirectable("f", here).unwrap();
    symbol.redirect(here).unwrap();
    assert!(matches!(dylib.define_redirectable("f", here), Err(Error::Duplicate { .. })));
    assert!(dylib.define_redirectable("g", ExecAddr::NULL).is_err());
    // SAFETY: nobody is in it, nor will be.
    unsafe { dylib.default_tracker().unwrap().remove() }.unwrap();
    dylib.define_redirectable("f", here).unwrap();
    assert!(matches!(symbol.redirect(here), Err(Error::TrackerRemoved)));
    assert!(matches!(symbol.address(), Err(Error::TrackerRemoved)));
}

#[test]
fn a_lazy_function_has_one_address() {
    let jit = host::jit().unwrap();
    for flags in ["-O1 -fPIC", "-O1 -fno-pic", "-O1 -fPIE -fno-plt"] {
        let jit = host::jit().unwrap();
        let lazy = "int f(int n) { return n + 1; } int (*table[])(int) = { f };
            int (*inside(int n))(int) { return n ? f : table[0]; } int calls(int n) { return f(n); }";
        add_lazy(&jit, "lazy.o", flags, lazy);
        let eager = "int f(int); int (*inside(int))(int); extern int (*table[])(int); int (*before)(int) = f;
            int check(int n) {
                int (*pointer)(int) = f;
                int same = pointer == before && pointer == inside(0) && pointer == inside(1) && pointer == table[0];
                return same ? pointer(n) : -1; }";
        add(&jit, "eager.o", flags, eager);
        assert_eq!(call(&jit, "check", 1), 2, "{flags}");
        assert_eq!(call(&jit, "check", 1), 2, "{flags}");
        assert_eq!(call(&jit, "calls", 1), 2, "{flags}");
    }
    add_lazy(&jit, "lazy.o", "-O1", "int f(int n) { return n + 1; }");
    let before = jit.lookup("f").unwrap();
    assert_eq!(call(&jit, "f", 1), 2);
    assert_eq!(jit.lookup("f").unwrap(), before);
}

#[test]
fn an_object_is_linked_and_initialized_when_a_function_of_it_is_called() {
    let jit = host::jit().unwrap();
    add(
        &jit,
        "log.o",
        "-O1 -fPIC",
        "int count, order[9]; void log_it(int n) { order[count++] = n; } int logged(int n) { return n < count ? order[n] : 0; }",
    );
    let lazy = |n: u32| {
        format!(
            "void log_it(int); static int base;
            __attribute__((constructor)) static void start(void) {{ base = 10; log_it({n}); }}
            int value{n} = {n}; int f{n}(int k) {{ log_it(100 + {n}); return base + value{n} + k; }}
            int unused{n}(void) {{ return missing(); }}"
        )
    };
    for n in [1, 2, 3] {
        add_lazy(&jit, &format!("{n}.o"), "-O1 -fPIC -ffunction-sections -Wno-implicit-function-declaration", &lazy(n));
    }
    let eager = "int f1(int), f2(int), f3(int); extern int value3;
        int check(int n) { return n == 1 ? f1(0) : n == 2 ? f2(0) : f3(0); } int data(int n) { return value3 + n; }";
    add(&jit, "eager.o", "-O1 -fPIC -ffunction-sections", eager);
    let order = |jit: &Jit| (0..9).map(|n| call(jit, "logged", n)).take_while(|&n| n != 0).collect::<Vec<_>>();
    assert_eq!(order(&jit), []);
    assert_eq!(call(&jit, "check", 2), 12);
    assert_eq!(order(&jit), [2, 102]);
    assert_eq!(call(&jit, "check", 1), 11);
    assert_eq!(call(&jit, "check", 2), 12);
    assert_eq!(order(&jit), [2, 102, 1, 101, 102]);
    // Its variable is linked with what refers to it, and then its initializers are run.
    assert_eq!(call(&jit, "data", 0), 3);
    assert_eq!(order(&jit), [2, 102, 1, 101, 102, 3]);
    assert_eq!(call(&jit, "check", 3), 13);
}

/// Whether the initializers of a lazy object have run, after `initialize`; it has linked no other function of it.
#[test]
fn lazy_objects_are_initialized_with_all_others_when_that_is_asked_for() {
    type Ask = fn(&Jit);
    let asks: [(&str, Ask); 4] = [
        ("initialize", |jit| jit.main().initialize().unwrap()),
        ("lookup_with_initializers", |jit| {
            jit.main().link_with_initializers(&["main"]).unwrap();
            jit.lookup("main").unwrap();
        }),
        ("lookup_set", |jit| {
            jit.main().lookup_set(&linkjit::SymbolLookupSet::new(["main"]).with_initializers()).unwrap();
            jit.lookup("main").unwrap();
        }),
        ("run_main", |jit| {
            // SAFETY: it is a main function, of this test.
            assert_eq!(unsafe { jit.run_main("main", &["main"]) }.unwrap(), 12);
        }),
    ];
    let eager = "int count; int read(int n) { return count + n; } int main(void) { return count; }
        __attribute__((constructor)) static void begin(void) { count += 2; }";
    let lazy = "extern int count; int absent(void);
        __attribute__((constructor)) static void begin(void) { count *= 6; }
        int f(int n) { return n + count; } int never(int n) { return absent(); }";
    for (name, ask) in asks {
        for first in [true, false] {
            let jit = host::jit().unwrap();
            if first {
                add(&jit, "eager.o", "-O1 -fPIC", eager);
            }
            add_lazy(&jit, "lazy.o", "-O1 -fPIC -ffunction-sections", lazy);
            if !first {
                add(&jit, "eager.o", "-O1 -fPIC", &eager.replace("constructor", "constructor(500)"));
            }
            assert_eq!(call(&jit, "read", 0), 2, "{name}: a lookup of something else is no reason");
            ask(&jit);
            assert_eq!(call(&jit, "read", 0), 12, "{name}");
            ask(&jit);
            assert_eq!(call(&jit, "f", 1), 13, "{name}: once only");
        }
    }
}

#[test]
fn lazy_objects_of_other_jitdylibs_and_trackers_are_initialized_too() {
    let jit = host::jit().unwrap();
    add(&jit, "eager.o", "-O1 -fPIC", "int count; int read(int n) { return count + n; }");
    let other = jit.create_dylib("other").unwrap();
    other.add_to_link_order(jit.main(), MatchScope::Exported).unwrap();
    let source = |n: u32| {
        let text = format!(
            "extern int count; __attribute__((constructor)) static void begin(void) {{ count += {n}; }}
            int f{n}(int k) {{ return k; }}"
        );
        Source::new(format!("{n}.o"), compile("-O1 -fPIC", &text))
    };
    other.add_lazy_object(source(100)).unwrap();
    let [gone, kept] = [10, 1].map(|n| {
        let tracker = jit.create_tracker().unwrap();
        tracker.add_lazy_object(source(n)).unwrap();
        tracker
    });
    // SAFETY: nothing of it was linked.
    unsafe { gone.remove() }.unwrap();
    other.initialize().unwrap();
    assert_eq!(call(&jit, "read", 0), 101);
    // SAFETY: nobody is in it, nor will be.
    unsafe { kept.remove() }.unwrap();
    other.initialize().unwrap();
    assert_eq!(call(&jit, "read", 0), 101);
}

#[test]
fn only_what_is_called_is_linked() {
    for policy in [LinkPolicy::Demand, LinkPolicy::Whole] {
        let jit = host::builder().policy(policy).build().unwrap();
        let big = "#include <string.h>
            int used(int n) { return n + 1; } int big(int n) { __asm__(\".fill 100000, 1, 0x90\"); return n; }";
        add_lazy(&jit, "big.o", "-O1 -fPIC -ffunction-sections", big);
        add(&jit, "eager.o", "-O1 -fPIC", "int used(int), big(int); int check(int n) { return n ? used(n) : big(n); }");
        function(&jit, "check");
        assert!(code(&jit) < 10_000, "{policy:?}: {}", code(&jit));
        assert_eq!(call(&jit, "check", 1), 2);
        assert_eq!(code(&jit) < 10_000, policy == LinkPolicy::Demand, "{policy:?}: {}", code(&jit));
        assert_eq!(call(&jit, "check", 0), 0);
        assert!(code(&jit) > 100_000, "{policy:?}: {}", code(&jit));
    }
}

#[test]
fn definitions_of_lazy_objects_compete_as_those_of_others() {
    let jit = host::jit().unwrap();
    // Weak ones yield, also to what is added later.
    let lazy = "int weak_data __attribute__((weak)) = 1; __attribute__((weak)) int weak(int n) { return n; }
        int strong(int n) { return weak(n) + weak_data; }";
    add_lazy(&jit, "lazy.o", "-O1 -fPIC", lazy);
    add(&jit, "eager.o", "-O1 -fPIC", "int weak_data = 10; int weak(int n) { return 100 * n; }");
    assert_eq!(call(&jit, "strong", 2), 210);
    // Strong ones do not, and nothing of the object is left behind.
    let again = compile("-O1", "int other(int n) { return n; } int strong(int n) { return n; }");
    let error = jit.main().add_lazy_object(Source::new("again.o", again.clone())).unwrap_err();
    let text = error.to_string();
    assert_eq!(text, "again.o: duplicate definition of symbol 'strong', which lazy.o defines already");
    let error = jit.add_object(Source::new("again.o", again)).unwrap_err();
    assert!(matches!(error, Error::Duplicate { .. }), "{error}");
    let data = compile("-O1", "int fresh(int n) { return n; } int weak_data = 3;");
    let error = jit.main().add_lazy_object(Source::new("data.o", data)).unwrap_err();
    assert!(matches!(&error, Error::Duplicate { name, .. } if name == "weak_data"), "{error}");
    for name in ["other", "fresh"] {
        assert!(matches!(jit.lookup(name).unwrap_err(), Error::Undefined { .. }), "{name}");
    }
}

#[test]
fn cycles_of_adding_calling_and_removing_leave_nothing() {
    let jit = host::jit().unwrap();
    let object = compile(
        "-O1 -fPIC",
        "static int started; __attribute__((constructor)) static void start(void) { started = 1; }
        int f(int n) { return n + started; } int g(int n) { return f(n); }",
    );
    for round in 0..500 {
        let tracker = jit.create_tracker().unwrap();
        tracker.add_lazy_object(Source::new("f.o", object.clone())).unwrap();
        assert_eq!(call(&jit, "f", round), round + 1);
        assert_eq!(call(&jit, "g", round), round + 1);
        // SAFETY: nobody is in it, nor will be.
        unsafe { tracker.remove() }.unwrap();
        assert!(matches!(jit.lookup("f").unwrap_err(), Error::Undefined { .. }));
    }
    let state = format!("{:?}", jit.session());
    assert!(!state.contains("LazyFunction {"), "lazy functions are left: {state}");
}

/// Compiles `int NAME(int)` when somebody wants it.
#[derive(Debug, Default)]
struct CompilesOnDemand(Mutex<Vec<String>>);

impl DefinitionGenerator for CompilesOnDemand {
    fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> linkjit::Result<()> {
        for wanted in names {
            let name = String::from_utf8_lossy(wanted.name).into_owned();
            let Some(number) = name.strip_prefix("plus_") else { continue };
            let source = format!("int {name}(int n) {{ return n + {number}; }}");
            dylib.add_object(Source::new(name.clone(), compile("-O1 -fPIC", &source)))?;
            self.0.lock().unwrap().push(name);
        }
        Ok(())
    }

    fn describe(&self) -> String {
        "a compiler".into()
    }
}

#[test]
fn functions_are_compiled_when_they_are_first_called() {
    let jit = host::jit().unwrap();
    let compiled = jit.create_dylib("compiled").unwrap();
    let generator = Arc::new(CompilesOnDemand::default());
    compiled.add_generator(generator.clone()).unwrap();
    jit.main().lazy_reexports(&compiled, &[("one", "plus_1"), ("two", "plus_2"), ("three", "plus_3")]).unwrap();
    add(
        &jit,
        "caller.o",
        "-O1 -fPIC",
        "int one(int), two(int), three(int); int check(int n) { return n == 1 ? one(n) : n == 2 ? two(n) : three(n); }",
    );
    function(&jit, "check");
    assert!(generator.0.lock().unwrap().is_empty());
    assert_eq!(call(&jit, "check", 2), 4);
    assert_eq!(call(&jit, "check", 1), 2);
    assert_eq!(call(&jit, "check", 2), 4);
    assert_eq!(*generator.0.lock().unwrap(), ["plus_2", "plus_1"]);
}

#[cfg(not(windows))]
#[test]
fn names_may_be_any_bytes() {
    let jit = host::jit().unwrap();
    let text = "int f(int n) __asm__(\"\\\"f\\377\\\"\"); int f(int n) { return n; }
                int g(int n) __asm__(\"\\\"f\\376\\\"\"); int g(int n) { return n + 1; }
                int h(int n) { return f(n) + g(n); }";
    add_lazy(&jit, "bytes.o", "-O1 -fno-inline", text);
    assert_eq!(call(&jit, "h", 3), 7);
}

#[test]
fn lazy_reexports_are_all_defined_or_none() {
    let jit = host::jit().unwrap();
    add(&jit, "taken.o", "-O1", "int taken(int n) { return n; }");
    let other = jit.create_dylib("other").unwrap();
    other.add_to_link_order(jit.main(), MatchScope::Exported).unwrap();
    let error = jit.main().lazy_reexports(jit.process(), &[("absolute", "abs"), ("taken", "abs")]).unwrap_err();
    assert!(matches!(&error, Error::Duplicate { name, .. } if name == "taken"), "{error}");
    assert!(matches!(jit.lookup("absolute").unwrap_err(), Error::Undefined { .. }));
    jit.main().lazy_reexports(jit.process(), &[("absolute", "abs")]).unwrap();
    assert_eq!(call(&jit, "absolute", -3), 3);
    let address = jit.lookup("absolute").unwrap();
    assert_eq!(other.link(&["absolute"]).unwrap(), [address]);
}

static ENDED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn ended(n: c_int) {
    ENDED.fetch_add(n as usize, Ordering::SeqCst);
}

#[test]
fn a_lazy_call_may_come_from_an_initializer_and_from_what_is_called_in_the_end() {
    for close in [true, false] {
        let jit = host::jit().unwrap();
        ENDED.store(0, Ordering::SeqCst);
        jit.define_ptr("ended", ended as *const ()).unwrap();
        let tracker = jit.create_tracker().unwrap();
        let add_to = |name: &str, source: &str| {
            let object = compile("-x c++ -O1 -fPIC", source);
            tracker.add_lazy_object(Source::new(name, object)).unwrap();
        };
        // The destructor is a function of its own, whose address is given to __cxa_atexit; it calls what was never called,
        // in an object whose own destructor is registered only then.
        add_to("early.o", "extern \"C\" int bump(int n) { static int total; return total += n; }");
        add_to(
            "last.o",
            "extern \"C\" void ended(int);
            struct Last { int n; Last(); ~Last(); }; Last::Last() : n(100) {} Last::~Last() { ended(n); }
            static Last last;
            extern \"C\" int never_called_before(int n) { return last.n + n; }",
        );
        add_to("eager.o", "extern \"C\" { void ended(int); int bump(int), never_called_before(int); }
            struct First { First(); ~First(); }; First::First() { bump(5); } First::~First() { ended(never_called_before(bump(1))); }
            static First first;
            __attribute__((destructor)) static void end() { ended(1000); }
            extern \"C\" int check(int n) { return bump(n); }");
        assert_eq!(call(&jit, "check", 2), 7);
        if close {
            // SAFETY: nobody is in it, nor will be.
            unsafe { jit.close() }.unwrap();
        } else {
            // SAFETY: as above.
            unsafe { tracker.remove() }.unwrap();
            assert!(matches!(jit.lookup("check").unwrap_err(), Error::Undefined { .. }));
        }
        assert_eq!(ENDED.load(Ordering::SeqCst), 108 + 100 + 1000, "close: {close}");
    }
}

#[cfg(not(windows))]
#[test]
fn an_archive_member_is_pulled_by_the_call_of_a_lazy_function() {
    let jit = host::jit().unwrap();
    let member: PathBuf = compile_file("-O1 -fPIC", "int member(int n) { return n * 3; }");
    let archive = member.with_extension("a");
    assert!(Command::new("ar").arg("rcs").arg(&archive).arg(&member).status().unwrap().success());
    jit.add_archive(&archive).unwrap();
    add_lazy(&jit, "lazy.o", "-O1 -fPIC", "int member(int); int f(int n) { return member(n) + 1; }");
    jit.lookup("f").unwrap();
    let objects = jit.session().statistics().objects;
    assert_eq!(call(&jit, "f", 2), 7);
    assert_eq!(jit.session().statistics().objects, objects + 2);
}
