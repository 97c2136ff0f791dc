//! What C++ has in every object that uses it is one in a process: across JITDylibs that search each other, and libraries.
#![cfg(target_os = "linux")]

mod assembly;
mod host;

use std::path::PathBuf;

use assembly::{Workshop, run};
use linkjit::Source;
use linkjit::{ExecAddr, Jit, JitDylib, MatchScope};

/// Variables and functions that are one, and `NAME_places`, which gives their addresses.
const SHARED: &str = r#"
#include <typeinfo>
namespace TEST {
template <class T> struct Table { static T value; };
template <class T> T Table<T>::value = 1;
inline long plain = 5;
struct Counted { Counted() { made++; } static inline long made = 0; };
inline Counted dynamic;
inline long *local() { static long local = plain + 1; return &local; }
inline int twice(int x) { return 2 * x; }
struct Base { virtual int id() { return 1; } };
extern "C" void NAME_places(void **at) {
    void *all[] = {&Table<long>::value, &plain, &dynamic, local(), (void *)twice, (void *)&typeid(Base), &Counted::made};
    for (int i = 0; i < 7; i++) at[i] = all[i];
}
}
"#;

const COUNT: usize = 7;

/// Its names are the test's own: what one test's library has would be one for all.
fn object(workshop: &Workshop, name: &str, flags: &[&str]) -> PathBuf {
    let test = workshop.directory.file_name().unwrap().to_string_lossy().replace('-', "_");
    workshop.compile("cpp", &SHARED.replace("NAME", name).replace("TEST", &test), &[&["-std=c++17"], flags].concat())
}

/// What the object called `name` has the addresses of.
fn places(dylib: &JitDylib, name: &str) -> [u64; COUNT] {
    dylib.initialize().unwrap();
    let function = dylib.link(&[&format!("{name}_places")]).unwrap()[0];
    let mut places = [0; COUNT];
    // SAFETY: a function of SHARED, which is linked and stays.
    let function = unsafe { std::mem::transmute::<usize, unsafe extern "C" fn(*mut u64)>(function.0 as usize) };
    // SAFETY: as above; there is room for all.
    unsafe { function(places.as_mut_ptr()) };
    places
}

/// How often `dynamic` was constructed.
fn made(places: [u64; COUNT]) -> i64 {
    // SAFETY: the address of a variable of linked code, which stays.
    unsafe { *(places[6] as *const i64) }
}

fn pair(jit: &Jit, mutual: bool) -> (JitDylib, JitDylib) {
    let (one, other) = (jit.create_dylib("one").unwrap(), jit.create_dylib("other").unwrap());
    one.add_to_link_order(&other, MatchScope::Exported).unwrap();
    if mutual {
        other.add_to_link_order(&one, MatchScope::Exported).unwrap();
    }
    (one, other)
}

const FLAGS: [&[&str]; 4] =
    [&["-O0"], &["-O2", "-fPIC"], &["-O2", "-fno-pic"], &["-O1", "-fno-pic", "-fno-gnu-unique"]];

#[test]
fn jitdylibs_that_search_each_other_share_them_in_either_order() {
    for flags in FLAGS {
        for other_first in [false, true] {
            let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
            let (one, other) = pair(&jit, true);
            one.add_object(object(&workshop, "a", flags)).unwrap();
            other.add_object(object(&workshop, "b", flags)).unwrap();
            let (a, b) = if other_first {
                let b = places(&other, "b");
                (places(&one, "a"), b)
            } else {
                let a = places(&one, "a");
                (a, places(&other, "b"))
            };
            assert_eq!(a, b, "{flags:?}");
            assert_eq!(made(a), 1);
        }
    }
}

#[test]
fn a_jitdylib_shares_what_those_have_that_it_searches() {
    for flags in FLAGS {
        let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
        let (one, other) = pair(&jit, false);
        one.add_object(object(&workshop, "a", flags)).unwrap();
        other.add_object(object(&workshop, "b", flags)).unwrap();
        let a = places(&one, "a");
        assert_eq!(a, places(&other, "b"));
        assert_eq!(made(a), 1);
        // A chain: what is shared is where the last one has it.
        let third = jit.create_dylib("third").unwrap();
        third.add_to_link_order(&one, MatchScope::Exported).unwrap();
        third.add_object(object(&workshop, "c", flags)).unwrap();
        assert_eq!(places(&third, "c"), a);
    }
}

#[test]
fn jitdylibs_that_do_not_see_each_other_have_their_own() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let (one, other) = (jit.create_dylib("one").unwrap(), jit.create_dylib("other").unwrap());
    one.add_object(object(&workshop, "a", &["-O2"])).unwrap();
    other.add_object(object(&workshop, "b", &["-O2"])).unwrap();
    let (a, b) = (places(&one, "a"), places(&other, "b"));
    assert!(a.iter().zip(b).all(|(&a, b)| a != b), "{a:x?} {b:x?}");
}

#[test]
fn what_yielded_counts_again_when_the_other_is_removed_before_it_is_linked() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let (one, other) = pair(&jit, false);
    let tracker = other.create_tracker().unwrap();
    tracker.add_object(source(&object(&workshop, "b", &["-O0"]))).unwrap();
    one.add_object(object(&workshop, "a", &["-O0"])).unwrap();
    // A second object of the same JITDylib that is not linked when the other goes.
    one.add_object(object(&workshop, "c", &["-O0"])).unwrap();
    let (a, b) = (places(&one, "a"), places(&other, "b"));
    assert_eq!(a, b);
    // SAFETY: nobody is in its code.
    unsafe { tracker.remove().unwrap() };
    assert_eq!(places(&one, "c"), a);
    assert_eq!(places(&one, "a"), a);
    assert_eq!(made(a), 1);
}

#[test]
fn a_failed_lookup_gives_back_what_yielded() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let (one, other) = pair(&jit, false);
    let tracker = other.create_tracker().unwrap();
    let broken = "int missing(); template <class T> struct S { static T f(); };
        inline long plain = missing();\nlong *b() { return &plain; }";
    tracker.add_object(source(&workshop.compile("cpp", broken, &["-std=c++17"]))).unwrap();
    one.add_object(object(&workshop, "a", &["-O0"])).unwrap();
    let error = one.initialize().unwrap_err().to_string();
    assert!(error.contains("missing()"), "{error}");
    // SAFETY: nothing of it was linked.
    unsafe { tracker.remove().unwrap() };
    assert_eq!(made(places(&one, "a")), 1);
}

/// A library with what SHARED has, too.
fn library(workshop: &Workshop) -> PathBuf {
    let (object, library) = (object(workshop, "library", &["-fPIC", "-O1"]), workshop.path("so"));
    run(std::process::Command::new("c++").arg("-shared").arg("-o").arg(&library).arg(object));
    library
}

#[test]
fn objects_of_any_kind_share_a_librarys() {
    let workshop = Workshop::new();
    let library = library(&workshop);
    for flags in FLAGS {
        let jit = host::jit().unwrap();
        jit.add_library(&library).unwrap();
        // The library's variables may have to be moved for some.
        let check = |name: &str| {
            let here = places(jit.main(), name);
            assert_eq!(here, places(jit.main(), "library"), "{name} {flags:?}");
            assert_eq!(made(here), 1);
        };
        check("library");
        jit.add_object(object(&workshop, "plain", flags)).unwrap();
        check("plain");
        jit.main().add_lazy_object(source(&object(&workshop, "lazy", flags))).unwrap();
        check("lazy");
        let hot = [flags, &["-ffunction-sections", "-fdata-sections"]].concat();
        let (old, new) = (object(&workshop, "hot", &hot), object(&workshop, "hot", &[&hot[..], &["-g"]].concat()));
        let old = Source::new("hot.o", std::fs::read(old).unwrap());
        jit.main().add_updatable_object(&old).unwrap();
        check("hot");
        let new = Source::new("hot.o", std::fs::read(new).unwrap());
        // SAFETY: no thread is in the code.
        let generation = unsafe { jit.main().update().replace(&new).commit().unwrap() };
        check("hot");
        drop(generation);
    }
}

fn source(path: &std::path::Path) -> Source {
    Source::new(&*path.to_string_lossy(), std::fs::read(path).unwrap())
}

/// A library's definition that was found is no definition of the session's.
#[test]
fn names_that_a_library_supplied_can_be_defined_later() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let call = |name: &str| {
        // SAFETY: such functions are defined below.
        let function = unsafe { jit.lookup_fn::<unsafe extern "C" fn(i32) -> i32>(name).unwrap() };
        // SAFETY: as above.
        unsafe { function(-7) }
    };
    let compile = |text: &str| jit.add_object(workshop.compile("c", text, &["-O1", "-fno-builtin"]));
    compile("int abs(int); int old(int x) { return abs(x); }").unwrap();
    assert_eq!(call("old"), 7);
    compile("int abs(int x) { return 1000 + x; } int new(int x) { return abs(x); }").unwrap();
    assert_eq!((call("new"), call("abs"), call("old")), (993, 993, 7));
    // Also as a weak function, as a common, as an address, as an alias, and for variables.
    compile("int atoi(int); int labs(int); extern int optind, opterr; int uses(int x) { return !!(atoi && labs) + optind; }")
        .unwrap();
    assert_eq!(call("uses"), 2);
    compile("__attribute__((weak)) int atoi(int x) { return 5; } int asks(int x) { return atoi(x); }").unwrap();
    assert_eq!(call("asks"), 5);
    jit.main().define_absolute("labs", ExecAddr(99)).unwrap();
    assert_eq!(jit.lookup("labs").unwrap(), ExecAddr(99));
    compile("int optind = 31; int index_now(int x) { return optind; }").unwrap();
    assert_eq!((call("index_now"), call("uses")), (31, 2));
    jit.main().define_alias("opterr", "optind").unwrap();
    assert_eq!(jit.lookup("opterr").unwrap(), jit.lookup("optind").unwrap());
}

/// A name may be a thread-local variable here and something else there: each is its own then.
#[test]
fn thread_local_variables_yield_to_thread_local_ones_only() {
    let workshop = Workshop::new();
    let thread_local = "__attribute__((weak)) __thread int level = 3; int *NAME(void) { return &level; }";
    let shared = "__attribute__((weak)) int level = 4; int *NAME(void) { return &level; }";
    let compile = |name: &str, text: &str| workshop.compile("c", &text.replace("NAME", name), &["-O1", "-fPIC"]);
    let at = |dylib: &JitDylib, name: &str| {
        let function = dylib.link(&[name]).unwrap()[0];
        // SAFETY: a function of this type, which is linked and stays.
        let function = unsafe { std::mem::transmute::<usize, extern "C" fn() -> *const i32>(function.0 as usize) };
        let at = function();
        // SAFETY: an integer of linked code.
        (at as u64, unsafe { at.read() })
    };
    static OUTSIDE: i32 = 5;
    for text in [thread_local, shared] {
        let jit = host::jit().unwrap();
        let (one, other) = (jit.create_dylib("one").unwrap(), jit.create_dylib("other").unwrap());
        one.add_to_link_order(&other, MatchScope::Exported).unwrap();
        one.add_object(compile("one", text)).unwrap();
        other.define_absolute("level", ExecAddr(&raw const OUTSIDE as u64)).unwrap();
        let expected = if text == thread_local { 3 } else { 5 };
        assert_eq!(at(&one, "one").1, expected);
    }
    // Linked already, or not yet; of the same kind, or of the other.
    for (here, there) in
        [(thread_local, shared), (shared, thread_local), (thread_local, thread_local), (shared, shared)]
    {
        for is_linked in [false, true] {
            let jit = host::jit().unwrap();
            let (other, one) = (jit.create_dylib("other").unwrap(), jit.create_dylib("one").unwrap());
            one.add_to_link_order(&other, MatchScope::Exported).unwrap();
            one.add_object(compile("one", here)).unwrap();
            other.add_object(compile("other", there)).unwrap();
            if is_linked {
                at(&other, "other");
            }
            let (one, other) = (at(&one, "one"), at(&other, "other"));
            assert_eq!(one.0 == other.0, here == there, "{here} {there} {is_linked}");
            let value = |text: &str| if text == thread_local { 3 } else { 4 };
            assert_eq!((one.1, other.1), (value(here), value(there)));
        }
    }
}
