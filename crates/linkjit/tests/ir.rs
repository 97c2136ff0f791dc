//! Modules of LLVM IR that are added whole, or whose functions are compiled when they are first called.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

mod host;

use std::ffi::c_int;
use std::sync::{Arc, Barrier, Mutex};

use linkjit::{Error, ExecAddr, Jit, LazyFailure, Source};

fn module(name: &str, text: &str) -> Source {
    Source::new(name, text.as_bytes().to_vec())
}

/// A JIT with a module that is compiled lazily.
fn lazy(text: &str) -> Jit {
    let jit = host::jit().unwrap();
    jit.add_lazy_ir(module("lazy.ll", text)).unwrap();
    jit
}

/// Calls the function `name`, which takes and returns an int.
fn call(jit: &Jit, name: &str, argument: c_int) -> c_int {
    // SAFETY: every function that the tests look up with this is of that type.
    let function = unsafe { jit.lookup_fn::<unsafe extern "C" fn(c_int) -> c_int>(name) };
    let function = function.unwrap_or_else(|error| panic!("{error}"));
    // SAFETY: as above, and its code is alive as long as `jit`.
    unsafe { function(argument) }
}

/// The units that were compiled so far.
fn compiled(jit: &Jit) -> u64 {
    jit.session().statistics().units
}

/// Calls through a table, of local and inline functions, recursion, a thread-local variable, an alias.
const MANY: &str = r#"
$inline = comdat any
@table = internal constant [2 x ptr] [ptr @plus, ptr @times]
@count = internal global i32 0
@tls = thread_local global i32 5
@other_name = alias i32 (i32), ptr @plus
define internal i32 @plus(i32 %x) {
  %c = load i32, ptr @count
  %c1 = add i32 %c, 1
  store i32 %c1, ptr @count
  %r = add i32 %x, 10
  ret i32 %r
}
define internal i32 @times(i32 %x) {
  %r = mul i32 %x, 10
  ret i32 %r
}
define i32 @by_table(i32 %which) {
  %at = getelementptr [2 x ptr], ptr @table, i32 0, i32 %which
  %f = load ptr, ptr %at
  %r = call i32 %f(i32 3)
  ret i32 %r
}
define i32 @counted(i32 %x) {
  %c = load i32, ptr @count
  ret i32 %c
}
define linkonce_odr i32 @inline(i32 %x) comdat {
  %r = add i32 %x, 1
  ret i32 %r
}
define i32 @calls_inline(i32 %x) {
  %r = call i32 @inline(i32 %x)
  ret i32 %r
}
define i32 @fib(i32 %n) {
  %small = icmp slt i32 %n, 2
  br i1 %small, label %done, label %more
done:
  ret i32 %n
more:
  %a = sub i32 %n, 1
  %b = sub i32 %n, 2
  %fa = call i32 @fib(i32 %a)
  %fb = call i32 @fib(i32 %b)
  %r = add i32 %fa, %fb
  ret i32 %r
}
define i32 @thread_local(i32 %x) {
  %p = call ptr @llvm.threadlocal.address.p0(ptr @tls)
  %v = load i32, ptr %p
  %r = add i32 %x, %v
  ret i32 %r
}
declare ptr @llvm.threadlocal.address.p0(ptr)
"#;

#[test]
fn functions_are_compiled_when_they_are_first_called_and_once() {
    let jit = lazy(MANY);
    assert_eq!(compiled(&jit), 0);
    for (name, argument, result, units) in [
        ("fib", 10, 55, 1),
        ("fib", 11, 89, 1),
        ("by_table", 0, 13, 3),
        ("by_table", 1, 30, 4),
        ("by_table", 0, 13, 4),
        ("counted", 0, 2, 5),
        ("other_name", 1, 11, 5),
        ("counted", 0, 3, 5),
        ("calls_inline", 1, 2, 7),
        ("thread_local", 2, 7, 8),
    ] {
        assert_eq!(call(&jit, name, argument), result, "{name}");
        assert_eq!(compiled(&jit), units, "{name}");
    }
}

#[test]
fn a_module_is_the_same_as_a_whole() {
    let jit = host::jit().unwrap();
    jit.add_ir(module("whole.ll", MANY)).unwrap();
    let calls = [("fib", 10), ("by_table", 0), ("by_table", 1), ("counted", 0), ("other_name", 1), ("thread_local", 2)];
    assert_eq!(calls.map(|(name, argument)| call(&jit, name, argument)), [55, 13, 30, 1, 11, 7]);
}

#[test]
fn initializers_of_lazy_modules_run_before_lookups_return() {
    let jit = lazy(
        r#"
@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @begin, ptr null }]
@value = global i32 0
define internal void @begin() {
  %v = call i32 @initial(i32 0)
  store i32 %v, ptr @value
  ret void
}
define internal i32 @initial(i32 %x) {
  ret i32 30
}
define i32 @get(i32 %x) {
  %v = load i32, ptr @value
  ret i32 %v
}"#,
    );
    assert_eq!(call(&jit, "get", 0), 30);
    assert_eq!(compiled(&jit), 2);
}

/// Two modules have copies of an inline function, and local functions of the same name; one has a strong definition
/// of what is weak in another.
#[test]
fn modules_share_inline_functions_and_keep_local_ones_apart() {
    let text = |number: u32| {
        format!(
            "$inline = comdat any
            define linkonce_odr i32 @inline(i32 %x) noinline comdat {{
              %r = add i32 %x, {number}
              ret i32 %r
            }}
            define internal i32 @local(i32 %x) {{
              %r = add i32 %x, {number}00
              ret i32 %r
            }}
            define i32 @f{number}(i32 %x) {{
              %y = call i32 @inline(i32 %x)
              %r = call i32 @local(i32 %y)
              ret i32 %r
            }}"
        )
    };
    let jit = lazy(&text(1));
    jit.add_lazy_ir(module("2.ll", &text(2))).unwrap();
    jit.add_ir(module("3.ll", &text(3))).unwrap();
    assert_eq!([call(&jit, "f2", 0), call(&jit, "f1", 0)], [201, 101]);
    assert_eq!(call(&jit, "f3", 0), 301);
    let weak = lazy("define weak i32 @f(i32 %x) { ret i32 1 }");
    weak.add_lazy_ir(module("strong.ll", "define i32 @f(i32 %x) { ret i32 2 }")).unwrap();
    assert_eq!(call(&weak, "f", 0), 2);
}

#[test]
fn threads_compile_each_function_once() {
    const FUNCTIONS: usize = 24;
    let text: String = (0..FUNCTIONS).map(|n| format!("define i32 @f{n}(i32 %x) {{ ret i32 {n} }}\n")).collect();
    let jit = lazy(&text);
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (jit, barrier) = (&jit, &barrier);
            scope.spawn(move || {
                barrier.wait();
                // Half of the threads go the other way.
                for n in (0..FUNCTIONS).map(|n| if thread % 2 == 0 { n } else { FUNCTIONS - 1 - n }) {
                    assert_eq!(call(jit, &format!("f{n}"), 0), n as c_int);
                }
            });
        }
    });
    assert_eq!(compiled(&jit), FUNCTIONS as u64);
}

#[test]
fn functions_can_be_compiled_before_they_are_called() {
    for threads in [0, 2] {
        let jit = Jit::builder().threads(threads).build().unwrap();
        jit.add_lazy_ir(module("lazy.ll", MANY)).unwrap();
        jit.materialize_ahead();
        assert_eq!(call(&jit, "by_table", 1), 30);
        let all = if threads == 0 { 2 } else { 8 };
        while compiled(&jit) < all {
            std::thread::yield_now();
        }
        assert_eq!([call(&jit, "fib", 10), call(&jit, "calls_inline", 1)], [55, 2]);
        assert!(threads == 0 || compiled(&jit) == all, "{}", compiled(&jit));
    }
}

extern "C" fn instead(_: c_int) -> c_int {
    -1
}

/// The calls go on elsewhere, and others are not disturbed.
#[test]
fn an_error_in_a_function_is_told_whenever_it_is_called() {
    let jit = lazy(
        "define i32 @good(i32 %x) { ret i32 1 }
        define i32 @bad(i32 %x) {
          ret i32 %undefined
        }",
    );
    let told = Arc::new(Mutex::new(Vec::new()));
    jit.session().set_lazy_failure_handler(Arc::new({
        let told = told.clone();
        move |failure: &LazyFailure| {
            told.lock().unwrap().push(failure.to_string());
            Some(ExecAddr::from_ptr(instead as *const ()))
        }
    }));
    if !host::is_remote() {
        assert_eq!([call(&jit, "bad", 0), call(&jit, "good", 0), call(&jit, "bad", 0)], [-1, 1, -1]);
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 2);
        for text in told.iter() {
            assert!(
                text.starts_with("'bad' was called") && text.contains("lazy.ll") && text.contains("%undefined"),
                "{text}"
            );
        }
    }
}

/// The hash of a function's type lies before its code, where callers look for it.
#[test]
fn what_lies_before_a_function_is_found_by_its_address() {
    let jit = lazy(
        "define i32 @prefixed(i32 %x) prefix i32 77 { ret i32 %x }
        define i32 @reads(i32 %x) {
          %at = getelementptr i32, ptr @prefixed, i32 -1
          %r = load i32, ptr %at
          ret i32 %r
        }",
    );
    assert_eq!([call(&jit, "reads", 0), call(&jit, "prefixed", 5)], [77, 5]);
    assert_eq!(compiled(&jit), 1);
}

#[test]
fn nothing_is_added_of_a_module_with_an_error() {
    let jit = host::jit().unwrap();
    for text in ["define i32 @f(", "@x = global i32 0\n@y = global i32 @nothing\ndefine void @f() { ret void }"] {
        let error = jit.add_lazy_ir(module("broken.ll", text)).unwrap_err();
        assert!(matches!(&error, Error::Compile { .. }) && error.to_string().contains("broken.ll"), "{error}");
        assert!(jit.symbols().unwrap().is_empty());
    }
    jit.add_ir(module("f.ll", "define void @f() { ret void }")).unwrap();
    let text = "@x = global i32 0\ndefine void @g() { ret void }\ndefine void @f() { ret void }";
    let error = jit.add_lazy_ir(module("again.ll", text)).unwrap_err();
    assert!(matches!(&error, Error::Duplicate { name, .. } if name == "f"), "{error}");
    assert_eq!(jit.symbols().unwrap().len(), 1);
}

#[test]
fn a_removed_module_can_be_added_again() {
    let jit = host::jit().unwrap();
    for _ in 0..2 {
        let tracker = jit.create_tracker().unwrap();
        tracker.add_lazy_ir(module("lazy.ll", MANY)).unwrap();
        assert_eq!(call(&jit, "by_table", 1), 30);
        // SAFETY: nothing of it is used any more.
        unsafe { tracker.remove() }.unwrap();
        assert!(jit.lookup("by_table").is_err());
    }
}

/// Names of local variables become names of the JITDylib, and are made from the text.
#[test]
fn the_same_text_can_be_added_twice() {
    let jit = host::jit().unwrap();
    let text = "
        @local = internal global i32 5
        define weak i32 @next(i32 %x) {
          %value = load i32, ptr @local
          %sum = add i32 %value, %x
          ret i32 %sum
        }";
    for name in ["one.ll", "two.ll", "three.ll"] {
        jit.add_lazy_ir(module(name, text)).unwrap();
    }
    assert_eq!(call(&jit, "next", 2), 7);
}
