//! Functions and closures of the host that linked code calls.

mod host;
mod support;

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use linkjit::{Error, ExecAddr, Jit, Source};
use support::compile;

fn jit(text: &str) -> Jit {
    let jit = host::jit().unwrap();
    jit.add_object(Source::new("calls.o", compile("-O1 -fPIC", text))).unwrap();
    jit
}

/// Calls `run`, which takes and returns nothing.
fn run(jit: &Jit) {
    // SAFETY: all objects of these tests define it so.
    let run = unsafe { jit.lookup_fn::<unsafe extern "C" fn()>("run") }.unwrap();
    // SAFETY: as above; they declare the host's functions as these are.
    unsafe { run() };
}

#[test]
fn closures_have_what_they_have_captured() {
    let jit = jit("void add(int); void say(const char *); void run(void) { add(40); add(2); say(\"hello\"); }");
    let total = Arc::new(AtomicI64::new(0));
    let said = Arc::new(Mutex::new(String::new()));
    let (sum, text) = (total.clone(), said.clone());
    jit.define_fn("add", move |n: c_int| _ = sum.fetch_add(n.into(), Ordering::Relaxed)).unwrap();
    jit.define_fn("say", move |what: *const c_char| {
        // SAFETY: the object passes a string.
        text.lock().unwrap().push_str(&unsafe { CStr::from_ptr(what) }.to_string_lossy());
    })
    .unwrap();
    run(&jit);
    assert_eq!((total.load(Ordering::Relaxed), said.lock().unwrap().as_str()), (42, "hello"));
}

#[test]
fn functions_of_all_kinds_can_be_defined() {
    extern "C" fn c_function(n: c_int) -> c_int {
        n + 1
    }
    fn rust_function(n: i32) -> i32 {
        n + 2
    }
    static RESULT: AtomicI64 = AtomicI64::new(0);
    let jit = jit("int c_function(int), rust_function(int), pointer(int); void result(long long);
                   void run(void) { result(c_function(100) + rust_function(100) + pointer(100)); }");
    jit.define_ptr("c_function", c_function as *const ()).unwrap();
    jit.define_fn("rust_function", rust_function).unwrap();
    jit.define_fn("pointer", rust_function as fn(i32) -> i32).unwrap();
    jit.define_fn("result", |n: i64| RESULT.store(n, Ordering::Relaxed)).unwrap();
    run(&jit);
    assert_eq!(RESULT.load(Ordering::Relaxed), 305);
}

#[test]
fn arguments_are_where_the_convention_has_them() {
    let jit = jit(
        "long long many(int, double, signed char, float, unsigned short, double, void *, double, long long, double,
                                   unsigned char, float);
                   double floats(double, double, double, double, double, double, double, double, double, float);
                   float a_float(void); _Bool a_bool(_Bool, int); signed char small(short); void *same(void *);
                   unsigned long long none(void); void result(int, double);
                   void run(void) {
                       result(1, many(-1, 2.5, -3, 4.5f, 65535, 6.5, (void *)7, 8.5, -9, 10.5, 255, 12.5f));
                       result(2, floats(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
                       result(3, a_float());
                       result(4, a_bool(1, 2) + 10 * a_bool(0, 3));
                       result(5, small(-300));
                       result(6, same((void *)run) == (void *)run);
                       result(7, none() == 0xfedcba9876543210);
                   }",
    );
    jit.define_fn(
        "many",
        |a: i32, b: f64, c: i8, d: f32, e: u16, f: f64, g: *mut c_void, h: f64, i: i64, j: f64, k: u8, l: f32| {
            let got = (a, b, c, d, e, f, g.addr(), h, i, j, k, l);
            i64::from(got == (-1, 2.5, -3, 4.5, 65535, 6.5, 7, 8.5, -9, 10.5, 255, 12.5))
        },
    )
    .unwrap();
    let digits = |numbers: [f64; 10]| numbers.iter().fold(0.0, |sum, n| sum * 10.0 + n);
    jit.define_fn("floats", move |a: f64, b: f64, c: f64, d: f64, e: f64, f: f64, g: f64, h: f64, i: f64, j: f32| {
        digits([a, b, c, d, e, f, g, h, i, j.into()])
    })
    .unwrap();
    jit.define_fn("a_float", || 1.5f32).unwrap();
    jit.define_fn("a_bool", |yes: bool, n: i32| if n == 2 { yes } else { !yes }).unwrap();
    jit.define_fn("small", |n: i16| (n / 10) as i8).unwrap();
    jit.define_fn("same", |address: ExecAddr| address).unwrap();
    jit.define_fn("none", || 0xfedc_ba98_7654_3210_u64).unwrap();
    let results = Arc::new(Mutex::new(Vec::new()));
    let seen = results.clone();
    jit.define_fn("result", move |which: i32, value: f64| seen.lock().unwrap().push((which, value))).unwrap();
    run(&jit);
    let expected = [1.0, 1_234_567_900.0, 1.5, 11.0, -30.0, 1.0, 1.0];
    assert_eq!(*results.lock().unwrap(), (1..).zip(expected).collect::<Vec<_>>());
}

#[test]
fn a_closure_is_dropped_when_the_memory_of_its_code_is_given_back() {
    let text = "int number(void); void run(void) { number(); }";
    let captured = Arc::new(5);
    let define = |to: &linkjit::JitDylib| {
        let number = captured.clone();
        to.define_fn("number", move || *number).unwrap();
    };
    let jit = host::jit().unwrap();
    for retires in [false, true] {
        let tracker = jit.create_tracker().unwrap();
        define(&tracker);
        tracker.add_object(Source::new("calls.o", compile("-O1 -fPIC", text))).unwrap();
        run(&jit);
        assert_eq!(Arc::strong_count(&captured), 2);
        let guard = jit.session().enter();
        if retires {
            // SAFETY: nobody is in it.
            unsafe { tracker.retire() }.unwrap();
        } else {
            // SAFETY: as above.
            unsafe { tracker.remove() }.unwrap();
        }
        assert_eq!(Arc::strong_count(&captured), if retires { 2 } else { 1 });
        drop(guard);
        assert_eq!(jit.session().reclaim().unwrap(), 0);
        assert_eq!(Arc::strong_count(&captured), 1);
    }
    // It is not kept if the name is taken.
    define(&jit);
    let number = captured.clone();
    assert!(matches!(jit.define_fn("number", move || *number), Err(Error::Duplicate { .. })));
    assert_eq!(Arc::strong_count(&captured), 2);
    let plugin = jit.create_dylib("plugin").unwrap();
    define(&plugin);
    assert_eq!(Arc::strong_count(&captured), 3);
    // SAFETY: nobody is in it.
    unsafe { plugin.close() }.unwrap();
    assert_eq!(Arc::strong_count(&captured), 2);
    drop(jit);
    assert_eq!(Arc::strong_count(&captured), 1);
}

#[test]
fn closures_call_linked_code_and_are_called_by_many_threads() {
    let jit =
        jit("int host(int); int linked(int n) { return n < 1 ? 0 : host(n - 1) + 1; } void run(void) { linked(9); }");
    let weak = jit.downgrade();
    jit.define_fn("host", move |n: i32| {
        let jit = weak.upgrade().expect("its code is running");
        // SAFETY: its type.
        let linked = unsafe { jit.lookup_fn::<unsafe extern "C" fn(i32) -> i32>("linked") }.unwrap();
        // SAFETY: as above.
        unsafe { linked(n) }
    })
    .unwrap();
    // SAFETY: its type.
    let linked = unsafe { jit.lookup_fn::<unsafe extern "C" fn(i32) -> i32>("linked") }.unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            // SAFETY: it may be called by several threads.
            scope.spawn(|| (0..200).for_each(|_| assert_eq!(unsafe { linked(20) }, 20)));
        }
    });
}

#[test]
fn a_closure_stays_while_code_that_stays_may_call_it() {
    let compiled = |text: &str| Source::new("calls.o", compile("-O1 -fPIC", text));
    // The object of another tracker is bound to the closure itself, or to what stands for definitions of others, too.
    for (of_tracker, retires) in
        [("", true), ("int number(void); __attribute__((weak)) int number_of_all(void) { return number(); }", false)]
    {
        let jit = host::jit().unwrap();
        let captured = Arc::new(5);
        let number = captured.clone();
        let tracker = jit.create_tracker().unwrap();
        tracker.define_fn("number", move || *number).unwrap();
        tracker.add_object(compiled(of_tracker)).unwrap();
        let callee = if retires { "number" } else { "number_of_all" };
        jit.add_object(compiled(&format!("int {callee}(void); int run(void) {{ return {callee}(); }}"))).unwrap();
        // SAFETY: its type.
        let run = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> i32>("run") }.unwrap();
        // SAFETY: nobody is in it.
        let gone = if retires { unsafe { tracker.retire() } } else { unsafe { tracker.remove() } };
        gone.unwrap();
        assert_eq!(Arc::strong_count(&captured), 2);
        // SAFETY: its code stays, and so does what that calls.
        assert_eq!(unsafe { run() }, 5);
        // SAFETY: nobody is in it.
        unsafe { jit.default_tracker().unwrap().remove() }.unwrap();
        assert_eq!(jit.session().reclaim().unwrap(), 0);
        assert_eq!(Arc::strong_count(&captured), 1);
    }
}
