//! Definitions that several objects have alike, as C++'s inline functions and variables: one stands for all, whether the
//! objects are linked at once, lazily or updatably, and in whatever order. ELF, and on Windows MSVC's and MinGW's objects:
//! there the symbols are strong.
#![cfg(target_arch = "x86_64")]

mod assembly;
mod host;

use std::path::PathBuf;

use assembly::{Workshop, call, run};
use linkjit::Source;
use linkjit::{Error, Generation, Jit};

/// What objects are for whom.
const COMPILERS: &[&str] = if cfg!(windows) { &["msvc", "clang-gnu", "mingw"] } else { &["gcc", "clang"] };

/// How an object is added.
#[derive(Clone, Copy, PartialEq, Debug)]
enum How {
    Eager,
    Lazy,
    Updatable,
}

const HOW: [How; 3] = [How::Eager, How::Lazy, How::Updatable];

fn compile(workshop: &Workshop, compiler: &str, flag: &str, name: &str, text: &str) -> Source {
    let flags = ["-std=c++17", flag, "-fPIC", "-ffunction-sections", "-fdata-sections"];
    let gnu_flags = ["-fno-threadsafe-statics", "-fno-exceptions", "-fno-rtti"];
    let path = match compiler {
        "msvc" | "gcc" => workshop.compile("cpp", text, &flags),
        "clang-gnu" => {
            workshop.compile("cpp", text, &[&flags[..], &["--target=x86_64-w64-windows-gnu"], &gnu_flags].concat())
        }
        "clang" => with(workshop, compiler, text, &flags),
        _ => with(workshop, compiler, text, &[&flags[..], &gnu_flags].concat()),
    };
    Source::new(name, std::fs::read(path).unwrap())
}

fn with(workshop: &Workshop, compiler: &str, text: &str, flags: &[&str]) -> PathBuf {
    let program = if compiler == "mingw" { "x86_64-w64-mingw32-g++-posix" } else { "clang++-19" };
    let (source, object) = (workshop.path("cpp"), workshop.path("o"));
    std::fs::write(&source, text).unwrap();
    run(std::process::Command::new(program).arg("-c").args(flags).arg(&source).arg("-o").arg(&object));
    object
}

fn add(jit: &Jit, how: How, source: &Source) -> linkjit::Result<()> {
    match how {
        How::Eager => jit.main().add_object(source),
        How::Lazy => jit.main().add_lazy_object(source),
        How::Updatable => jit.main().add_updatable_object(source),
    }
}

fn update(jit: &Jit, objects: &[&Source], keep: bool) -> linkjit::Result<Generation> {
    let update = objects.iter().fold(jit.main().update(), |update, object| update.replace(*object));
    let update = if keep { update.keep_variables() } else { update };
    // SAFETY: nobody is in the code.
    unsafe { update.commit() }
}

/// Every kind of definition that two objects may have alike; `SIDE` is a or b.
const KINDS: &str = r#"
struct Square : Base { Square(int n) : Base(n) {} int area() override { return n * n; } };
__attribute__((noinline)) inline int function() { return 1; }
inline int variable = 10;
int opaque();
inline int initialized = opaque();
template <class T> __attribute__((noinline)) T instance(T value) { return value + 1; }
template <class T> struct Holder { static T value; };
template <class T> T Holder<T>::value = 100;
__attribute__((noinline)) inline int &local() { static int value = 1000; return value; }
__attribute__((noinline)) inline int &guarded() { static int value = opaque(); return value; }
__attribute__((noinline)) inline const char *literal() { return "a string of both"; }
inline int (*pointer)() = function;
inline int (*lambda())(int) { return [](int n) { static int all = 0; all += n; return all -= n, n; }; }
#ifdef __MINGW32__
inline int caught(int n) { return n; }
#else
struct Cleanup { int &n; ~Cleanup() { n++; } };
__attribute__((noinline)) inline int thrower(int n) { Cleanup cleanup{n}; if (n > 0) throw n; return n; }
__attribute__((noinline)) inline int caught(int n) { try { return thrower(n); } catch (int thrown) { return thrown; } }
#endif
int area_of(Base *);
extern "C" {
int (*JOIN(SIDE, _function)())() { return function; }
int *JOIN(SIDE, _variable)() { return &variable; }
int *JOIN(SIDE, _initialized)() { return &initialized; }
long (*JOIN(SIDE, _instance)())(long) { return instance<long>; }
int *JOIN(SIDE, _holder)() { return &Holder<int>::value; }
int *JOIN(SIDE, _local)() { return &local(); }
int *JOIN(SIDE, _guarded)() { return &guarded(); }
const char *JOIN(SIDE, _literal)() { return literal(); }
// A kept variable would have the old generation's table.
int JOIN(SIDE, _area)() { Square made(7); Base *volatile base = &made; return area_of(base); }
int JOIN(SIDE, _calls)() {
    return function() + variable + instance(1) + Holder<int>::value + local() + guarded() + initialized + JOIN(SIDE, _area)()
        + pointer() + literal()[0] + lambda()(3) + caught(4);
}
}
"#;

/// Without MinGW's runtime there is no `operator delete`.
const BASE: &str = r#"
#ifdef __MINGW32__
#define DESTRUCTOR
#else
#define DESTRUCTOR virtual ~Base() {}
#endif
struct Base { int n; Base(int n) : n(n) {} virtual int area() { return n; } DESTRUCTOR };
"#;

/// Calls all of both sides, and compares addresses: what has failed is a bit of the result.
const USER: &str = r#"
int area_of(Base *base) { return base->area(); }
int opaque() { static volatile int n = 10000; return n; }
#define BOTH(type, name) type a_##name(); type b_##name();
extern "C" {
typedef int (*function)(); typedef long (*instance)(long); typedef const char *text; typedef int *pointer;
BOTH(function, function) BOTH(pointer, variable) BOTH(pointer, initialized) BOTH(instance, instance)
BOTH(pointer, holder) BOTH(pointer, local) BOTH(pointer, guarded) BOTH(text, literal) BOTH(int, area) BOTH(int, calls)
int result() {
    unsigned wrong = 0;
    wrong |= (a_function() != b_function()) << 0 | (a_variable() != b_variable()) << 1;
    wrong |= (a_initialized() != b_initialized()) << 2 | (a_instance() != b_instance()) << 3;
    wrong |= (a_holder() != b_holder()) << 4 | (a_local() != b_local()) << 5 | (a_guarded() != b_guarded()) << 6;
    wrong |= (a_area() != 49 || b_area() != 49) << 8;
    wrong |= (a_function()() != 1 || b_instance()(4) != 5) << 9 | (a_literal()[3] != 't' || b_literal()[3] != 't') << 10;
    ++*a_variable(), ++*b_variable(), ++*a_holder(), ++*b_local(), ++*a_guarded(), ++*b_initialized();
    int sum = a_calls();
    wrong |= (sum != b_calls()) << 11;
    *a_variable() -= 2, --*b_holder(), --*a_local(), --*b_guarded(), --*a_initialized();
    wrong |= (sum != 1 + 12 + 2 + 101 + 1001 + 10001 + 10001 + 49 + 1 + 'a' + 3 + 4) << 12;
    return wrong;
}
}
"#;

/// The bits of functions' addresses.
const FUNCTIONS: i32 = 1 << 0 | 1 << 3;

fn side(name: &str) -> String {
    format!("{BASE}#define SIDE {name}\n#define JOIN2(a, b) a##b\n#define JOIN(a, b) JOIN2(a, b)\n{KINDS}")
}

/// In every order of adding, with every way of adding; after an update of each that is updatable, too.
#[test]
fn one_stands_for_all_in_every_order_and_manner() {
    for &compiler in COMPILERS {
        let workshop = Workshop::new();
        for flag in ["-O0", "-O2"] {
            let [a, b, user] = [("a.o", side("a")), ("b.o", side("b")), ("user.o", format!("{BASE}{USER}"))]
                .map(|(name, text)| compile(&workshop, compiler, flag, name, &text));
            for (first, second) in HOW.into_iter().flat_map(|first| HOW.map(|second| (first, second))) {
                for user_first in [false, true] {
                    let jit = host::jit().unwrap();
                    let what = format!("{compiler} {flag}: {first:?}, {second:?}, user first: {user_first}");
                    let check = |when: &str| {
                        let result = call(&jit, "result").unwrap_or_else(|error| panic!("{what}, {when}: {error}"));
                        // What was linked with an old copy of a function keeps that.
                        let is_updated = when != "at first" && when != "rolled back";
                        assert_eq!(result & if is_updated { !FUNCTIONS } else { !0 }, 0, "{what}, {when}");
                    };
                    let fail = |error: Error| -> () { panic!("{what}: {error}") };
                    if user_first {
                        add(&jit, How::Eager, &user).unwrap_or_else(fail);
                    }
                    add(&jit, first, &a).unwrap_or_else(fail);
                    add(&jit, second, &b).unwrap_or_else(fail);
                    if !user_first {
                        add(&jit, How::Eager, &user).unwrap_or_else(fail);
                    }
                    check("at first");
                    let updatable = [(&a, first), (&b, second)].into_iter().filter(|(_, how)| *how == How::Updatable);
                    for (object, _) in updatable.clone() {
                        let generation = update(&jit, &[object], true);
                        let generation = generation.unwrap_or_else(|error| panic!("{what}: {error}"));
                        check("updated");
                        if user_first {
                            // SAFETY: nobody is in the code.
                            unsafe { generation.rollback() }.unwrap_or_else(fail);
                            check("rolled back");
                        }
                    }
                    let all: Vec<_> = updatable.map(|(object, _)| object).collect();
                    drop(update(&jit, &all, true).unwrap_or_else(|error| panic!("{what}: {error}")));
                    check("all updated");
                    jit.session().reclaim().unwrap();
                    check("reclaimed");
                }
            }
        }
    }
}

/// An object of which only some parts are linked at first: the initializers of the others run when these are.
#[test]
fn initializers_of_what_is_linked_later_run_then() {
    let text = "int opaque() { static volatile int n = 5; return n; }
        inline int one = opaque(); inline int two = opaque();
        template <class T> struct Holder { static T value; }; template <class T> T Holder<T>::value = opaque();
        extern \"C\" int early() { return 1; } extern \"C\" int first() { return one; }
        extern \"C\" int second() { return two + Holder<int>::value; }";
    for &compiler in COMPILERS {
        let workshop = Workshop::new();
        for how in HOW {
            let jit = host::jit().unwrap();
            add(&jit, how, &compile(&workshop, compiler, "-O1", "a.o", text)).unwrap();
            let results = ["early", "first", "second"].map(|name| call(&jit, name).unwrap());
            assert_eq!(results, [1, 5, 10], "{compiler} {how:?}");
        }
    }
}

/// What one object has dropped, the other goes on with; when it comes back, it is still the same.
#[test]
fn a_shared_variable_stays_one_when_an_update_drops_it_and_another_takes_it_up_again() {
    let shared = "inline int variable = 1;
        __attribute__((noinline)) inline int &local() { static int value = 10; return value; }
        template <class T> struct Holder { static T value; }; template <class T> T Holder<T>::value = 100;\n";
    let uses = |side: &str| {
        format!(
            "{shared}extern \"C\" int {side}() {{ return variable + local() + Holder<int>::value; }}
             extern \"C\" int {side}_add() {{ return ++variable, ++local(), ++Holder<int>::value; }}"
        )
    };
    let drops = "extern \"C\" int a() { return -1; } extern \"C\" int a_add() { return -1; }";
    for &compiler in COMPILERS {
        let workshop = Workshop::new();
        let compile = |name: &str, text: &str| compile(&workshop, compiler, "-O1", name, text);
        let [a, none, b] =
            [("a.o", uses("a")), ("a.o", drops.into()), ("b.o", uses("b"))].map(|(name, text)| compile(name, &text));
        let cases = HOW.into_iter().flat_map(|how| [false, true].map(|b_first| (how, b_first)));
        for ((how, b_first), keep) in cases.flat_map(|case| [false, true].map(|keep| (case, keep))) {
            let jit = host::jit().unwrap();
            let what = format!("{compiler}: {how:?}, b first: {b_first}, keep: {keep}");
            let check = |names: &[&str], expected: i32| {
                for name in names {
                    assert_eq!(call(&jit, name).unwrap_or_else(|error| panic!("{what}: {error}")), expected, "{what}");
                }
            };
            let [first, second] =
                if b_first { [(how, &b), (How::Updatable, &a)] } else { [(How::Updatable, &a), (how, &b)] };
            add(&jit, first.0, first.1).unwrap();
            add(&jit, second.0, second.1).unwrap();
            check(&["a", "b"], 111);
            check(&["a_add"], 101);
            check(&["a", "b"], 114);
            let replace =
                |object: &Source| update(&jit, &[object], keep).unwrap_or_else(|error| panic!("{what}: {error}"));
            drop(replace(&a));
            check(&["a", "b"], 114);
            // SAFETY: nobody is in the code.
            unsafe { replace(&none).rollback() }.unwrap();
            check(&["a", "b"], 114);
            for _ in 0..2 {
                drop(replace(&none));
                jit.session().reclaim().unwrap();
            }
            check(&["a"], -1);
            check(&["b"], 114);
            check(&["b_add"], 102);
            drop(replace(&a));
            check(&["b"], 117);
            check(&["a"], 117);
            check(&["a_add"], 103);
            check(&["a", "b"], 120);
        }
    }
}

/// A function that becomes inline keeps its stub, and the other way round.
#[test]
fn functions_become_inline_and_back() {
    let outside = |value: i32| format!("int f() {{ return {value}; }} extern \"C\" int a() {{ return f(); }}");
    let inline = |side: &str, value: i32| {
        format!(
            "__attribute__((noinline)) inline int f() {{ return {value}; }}
             extern \"C\" int {side}() {{ return f(); }} int (*{side}_pointer())() {{ return f; }}"
        )
    };
    let user = "int f(); extern \"C\" int user() { static int (*pointer)() = f; return f() * 1000 + pointer(); }";
    for &compiler in COMPILERS {
        let workshop = Workshop::new();
        let compile = |name: &str, text: &str| compile(&workshop, compiler, "-O1", name, text);
        let jit = host::jit().unwrap();
        jit.main().add_updatable_object(compile("a.o", &outside(1))).unwrap();
        jit.main().add_object(compile("user.o", user)).unwrap();
        let check = |expected: i32| {
            assert_eq!(
                (call(&jit, "a").unwrap(), call(&jit, "user").unwrap()),
                (expected, expected * 1001),
                "{compiler}"
            );
        };
        check(1);
        let generation = update(&jit, &[&compile("a.o", &inline("a", 2))], true).unwrap();
        check(2);
        // Another object's copy gives way.
        jit.main().add_updatable_object(compile("b.o", &inline("b", 2))).unwrap();
        assert_eq!(call(&jit, "b").unwrap(), 2);
        drop(generation);
        let [a, b] = [("a.o", inline("a", 3)), ("b.o", inline("b", 3))].map(|(name, text)| compile(name, &text));
        drop(update(&jit, &[&a, &b], true).unwrap_or_else(|error| panic!("{compiler}: {error}")));
        check(3);
        assert_eq!(call(&jit, "b").unwrap(), 3);
        let [a, b] = [("a.o", outside(4)), ("b.o", "int f(); extern \"C\" int b() { return f(); }".into())]
            .map(|(name, text)| compile(name, &text));
        drop(update(&jit, &[&b, &a], true).unwrap_or_else(|error| panic!("{compiler}: {error}")));
        check(4);
        assert_eq!(call(&jit, "b").unwrap(), 4);
    }
}
