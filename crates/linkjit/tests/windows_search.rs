//! Where names of programs for Windows are searched, and in which order: as by link.exe, then in the process.
//!
//! All names are of functions that kernel32.dll has, which is the last place: who comes before it returns what says so.
#![cfg(target_os = "linux")]
#![allow(missing_docs, reason = "tests are nobody's interface")]

#[path = "windows/build.rs"]
mod build;
#[path = "windows/tools.rs"]
mod tools;

use std::path::Path;
use std::process::Command;

use build::{GNU, MSVC, Outcome, compile, directory, import_library, library, run};
use tools::{for_wine, succeed};

/// A function that returns `number`.
fn function(name: &str, number: u32) -> String {
    format!("int {name}() {{ return {number}; }}\n")
}

/// Runs `main.c` with other inputs; libraries that it asks for are in `directory`.
fn run_in(directory: &Path, main: &str, inputs: &[&str]) -> Outcome {
    compile(&MSVC, main, &directory.join("main.obj"));
    let place = for_wine(directory);
    let paths: Vec<String> = std::iter::once(&"main.obj").chain(inputs).map(|name| format!("{place}/{name}")).collect();
    let paths = paths.iter().map(String::as_str);
    run(&["-L", &place].into_iter().chain(paths).collect::<Vec<_>>())
}

#[test]
fn objects_come_before_libraries_before_default_libraries_before_the_process() {
    let directory = directory("order");
    compile(&MSVC, &function("lstrlenA", 1), &directory.join("object.obj"));
    library(&[&function("lstrlenA", 9), &function("lstrlenW", 2)], &directory.join("given.lib"));
    library(&[&function("lstrlenW", 9), &function("lstrcmpA", 3)], &directory.join("second.lib"));
    library(&[&function("lstrcmpA", 9), &function("lstrcmpW", 4)], &directory.join("asked.lib"));
    // What kernel32.dll has under these names would not return five.
    import_library("ucrtbase.dll", &["lstrcmpW == abs", "lstrcmpiA == abs"], &directory.join("imports.lib"));
    let main = r#"
        #include "crt.h"
        #pragma comment(lib, "asked")
        #pragma comment(lib, "imports")
        int lstrlenA(), lstrlenW(), lstrcmpA(), lstrcmpW(), lstrcmpiA(int), lstrcmpiW(const void *, const void *);
        int main(void) {
            printf("object %d\n", lstrlenA());
            printf("libraries %d %d\n", lstrlenW(), lstrcmpA());
            printf("default libraries %d %d\n", lstrcmpW(), lstrcmpiA(-5));
            printf("process %d\n", lstrcmpiW(L"a", L"A"));
            return 0;
        }"#;
    // Objects count wherever they are.
    let outcome = run_in(&directory, main, &["given.lib", "second.lib", "object.obj"]);
    let expected = "object 1\nlibraries 2 3\ndefault libraries 4 5\nprocess 0\n";
    assert_eq!((&*outcome.out, &*outcome.err, outcome.code), (expected, "", Some(0)));
}

#[test]
fn what_has_not_what_it_promises_is_passed_by() {
    let directory = directory("promises");
    import_library("nowhere.dll", &["lstrlenA"], &directory.join("nowhere.lib"));
    import_library("ucrtbase.dll", &["lstrlenW"], &directory.join("without.lib"));
    let main = r#"
        #include "crt.h"
        #pragma comment(lib, "is_missing")
        #pragma comment(lib, "nowhere")
        #pragma comment(lib, "without")
        int lstrlenA(const char *);
        __declspec(dllimport) int lstrlenW(const void *);
        int main(void) {
            printf("%d %d\n", lstrlenA("abc"), lstrlenW(L"ab"));
            return 0;
        }"#;
    let outcome = run_in(&directory, main, &[]);
    assert_eq!((&*outcome.out, &*outcome.err, outcome.code), ("3 2\n", "", Some(0)));
}

#[test]
fn what_was_promised_and_is_nowhere_is_said() {
    let directory = directory("nowhere");
    import_library("nowhere.dll", &["one"], &directory.join("nowhere.lib"));
    import_library("ucrtbase.dll", &["two"], &directory.join("without.lib"));
    let main = "int one(void); int two(void); int main(void) { return one() + two(); }";
    let outcome = run_in(&directory, main, &["nowhere.lib", "without.lib"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.out);
    assert!(
        outcome.err.contains("the import library says that nowhere.dll exports it, but nowhere.dll: "),
        "{}",
        outcome.err
    );
    assert!(
        outcome.err.contains("the import library says that ucrtbase.dll exports it, but it does not"),
        "{}",
        outcome.err
    );
}

/// Makes a DLL that needs others.
fn dll(source: &str, others: &[&Path], output: &Path) {
    let file = output.with_extension("c");
    std::fs::write(&file, source).expect("it is ours");
    let mut command = Command::new(GNU[0]);
    succeed(command.args(["-shared", "-o"]).arg(output).arg(file).args(others)).unwrap();
}

#[test]
fn dlls_are_found_beside_import_libraries_and_where_libraries_are_with_what_they_need() {
    let directory = directory("dlls");
    let (lib, bin) = (directory.join("lib"), directory.join("bin"));
    for place in [&lib, &bin] {
        std::fs::create_dir(place).expect("it is ours");
        let needed = place.join("needed_by_the_other.dll");
        dll("__declspec(dllexport) int number(void) { return 7; }", &[], &needed);
        let other = place.join("other_of_this_test.dll");
        dll("int number(void); __declspec(dllexport) int other(void) { return number(); }", &[&needed], &other);
    }
    let exports = ["other"];
    import_library("other_of_this_test.dll", &exports, &lib.join("beside.lib"));
    import_library("other_of_this_test.dll", &exports, &directory.join("elsewhere.lib"));
    let main = "int other(void); int main(void) { return other(); }";
    compile(&MSVC, main, &directory.join("main.obj"));
    let place = for_wine(&directory);
    let (main, beside, elsewhere) =
        (format!("{place}/main.obj"), format!("{place}/lib/beside.lib"), format!("{place}/elsewhere.lib"));
    assert_eq!(run(&[&main, &beside]).code, Some(7));
    assert_eq!(run(&["-L", &format!("{place}/bin"), &main, &elsewhere]).code, Some(7));
    assert!(run(&[&main, &elsewhere]).err.contains("other_of_this_test.dll exports it, but"));
}

#[test]
fn what_dlls_need_may_be_elsewhere_and_what_is_missing_is_named() {
    let directory = directory("needs");
    let places = ["first", "second", "third"].map(|place| directory.join(place));
    for place in &places {
        std::fs::create_dir(place).expect("it is ours");
    }
    let [deepest, middle, outer] = [(2, "needs_deepest"), (1, "needs_middle"), (0, "needs_outer")]
        .map(|(at, name): (usize, &str)| places[at].join(format!("{name}.dll")));
    dll("__declspec(dllexport) int deepest(void) { return 5; }", &[], &deepest);
    dll("int deepest(void); __declspec(dllexport) int middle(void) { return deepest() + 1; }", &[&deepest], &middle);
    dll("int middle(void); __declspec(dllexport) int outer(void) { return middle() + 1; }", &[&middle], &outer);
    import_library("needs_outer.dll", &["outer"], &directory.join("outer.lib"));
    compile(&MSVC, "int outer(void); int main(void) { return outer(); }", &directory.join("main.obj"));
    let place = for_wine(&directory);
    let [main, library] = ["main.obj", "outer.lib"].map(|name| format!("{place}/{name}"));
    let [first, second, third] = ["first", "second", "third"].map(|name| format!("{place}/{name}"));
    let outcome = run(&["-L", &first, "-L", &second, "-L", &third, &main, &library]);
    assert_eq!((&*outcome.err, outcome.code), ("", Some(7)));
    // A DLL that is given itself, too.
    let given = format!("{first}/needs_outer.dll");
    assert_eq!(run(&["-L", &second, "-L", &third, &main, &given]).code, Some(7));

    let outcome = run(&["-L", &first, "-L", &second, &main, &library]);
    let why = "needs_middle.dll needs needs_deepest.dll, which is neither in the system's search path nor in";
    assert!(outcome.err.contains(why), "{}", outcome.err);
    let outcome = run(&["-L", &first, &main, &library]);
    let why = "needs_outer.dll: it needs needs_middle.dll, which is neither";
    assert!(outcome.err.contains(why), "{}", outcome.err);
    // What is there but is no DLL.
    std::fs::write(&deepest, "no image").expect("it is ours");
    let outcome = run(&["-L", &first, "-L", &second, "-L", &third, &main, &library]);
    let why = "needs_middle.dll needs needs_deepest.dll, which can't be loaded: ";
    assert!(outcome.err.contains(why), "{}", outcome.err);
}
