//! Installed C runtimes, linked and started by `linkjit.exe` under Wine.
//!
//! Microsoft's can't be had here. What stands for it is a tree as `xwin splat` makes it, with libraries of our own, which say
//! what is called, and define what Microsoft's define and must not count.
#![cfg(target_os = "linux")]
#![allow(missing_docs, reason = "tests are nobody's interface")]

#[path = "windows/build.rs"]
mod build;
#[path = "windows/tools.rs"]
mod tools;

use std::path::PathBuf;

use build::{GNU, MSVC, Outcome, compile, compile_cxx, compile_file, directory, import_library, library, run};
use tools::for_wine;

/// What the start-up and the end of Microsoft's runtime call. What is `wrong` there must not be called: it knows nothing of
/// images that are linked later.
const STARTUP: &str = r#"
    #include "crt.h"
    void wrong(void) { puts("wrong"); }
    void __security_init_cookie(void) { puts("cookie"); }
    _Bool __scrt_initialize_crt(int type) { printf("initialize %d\n", type); return SUCCEEDS; }
    _Bool __scrt_dllmain_after_initialize_c(void) { puts("after C"); return 1; }
    _Bool __scrt_uninitialize_crt(_Bool ends, _Bool exits) { printf("uninitialize %d %d\n", ends, exits); return 1; }
    void _RTC_Initialize(void) { puts("checks"); }
    void types(void) __asm__("?__scrt_initialize_type_info@@YAXXZ");
    void types(void) { puts("types"); }
    int atexit(void (*function)(void)) { wrong(); return 0; }
    void __dyn_tls_init(void) { wrong(); }
    void (*const __dyn_tls_init_callback)(void) = __dyn_tls_init;
    void _CxxThrowException(void *object, void *type) { wrong(); }
    unsigned _tls_index;
"#;
const COOKIE: &str = "unsigned long long __security_cookie = 42;";
const EXIT: &str = "void wrong(void); void exit(int code) { wrong(); } void _cexit(void) {}";

const PROGRAM: &str = r#"
    #include "crt.h"
    #pragma comment(lib, "LIBCMT")
    extern unsigned long long __security_cookie;
    static int starts(void) { puts("XI"); return 0; }
    static void initializes(void) { puts("XC"); }
    static void pre_terminates(void) { puts("XP"); }
    static void terminates(void) { puts("XT"); }
    __attribute__((section(".CRT$XIU"), used)) int (*const on_start)(void) = starts;
    __attribute__((section(".CRT$XCU"), used)) void (*const on_init)(void) = initializes;
    __attribute__((section(".CRT$XPU"), used)) void (*const before_end)(void) = pre_terminates;
    __attribute__((section(".CRT$XTU"), used)) void (*const on_end)(void) = terminates;
    static _Thread_local int variable = 5;
    static unsigned long in_thread(void *unused) { return variable++ != 5; }
    static void at_exit(void) { puts("atexit"); }
    int main(void) {
        run_thread(in_thread, 0);
        printf("main %d %d\n", (int)__security_cookie, variable);
        atexit(at_exit);
        exit(3);
    }
"#;

/// The directories of a tree as xwin makes it.
fn tree(name: &str) -> PathBuf {
    let directory = directory(name);
    for part in ["crt/lib/x86_64", "sdk/lib/um/x86_64", "sdk/lib/ucrt/x86_64"] {
        std::fs::create_dir_all(directory.join(part)).expect("it is ours");
    }
    directory
}

/// Runs the program with a runtime as above.
fn run_with_microsofts(name: &str, succeeds: &str) -> Outcome {
    let directory = tree(name);
    let startup = STARTUP.replace("SUCCEEDS", succeeds);
    library(&[&startup, COOKIE, EXIT], &directory.join("crt/lib/x86_64/libcmt.lib"));
    compile(&MSVC, PROGRAM, &directory.join("main.obj"));
    run(&["--crt", &format!("xwin={}", for_wine(&directory)), &for_wine(&directory.join("main.obj"))])
}

#[test]
fn the_static_runtime_is_started_and_ended_as_a_dll_does_it() {
    let Outcome { out, err, code } = run_with_microsofts("static", "1");
    let expected =
        ["cookie", "initialize 0", "XI", "after C", "checks", "types", "XC", "main 42 5", "atexit", "XP", "XT"];
    assert_eq!(out, expected.join("\n") + "\nuninitialize 1 0\n", "{err}");
    assert_eq!((err.as_str(), code), ("", Some(3)));
}

/// A program that throws, for the runtime's DLLs.
const THROWS: &str = r#"
    #include "crt.h"
    #pragma comment(lib, "MSVCRT")
    #pragma comment(lib, "msvcprt")
    #pragma comment(lib, "kernel32")
    struct Base { virtual ~Base() {} };
    struct Derived : Base {};
    static Derived global;
    static void at_exit() { puts("atexit"); }
    int main() {
        atexit(at_exit);
        try { throw Derived(); } catch (Base &base) {
            puts(dynamic_cast<Derived *>(&base) ? "derived" : "base");
        }
        return GetCurrentThreadId() == 0;
    }
"#;

#[test]
fn the_runtime_of_dlls_is_linked_by_its_import_libraries() {
    let directory = tree("dynamic");
    let crt = directory.join("crt/lib/x86_64");
    // What it has of static parts, which ask for the rest.
    let rest = r#"
        #pragma comment(lib, "vcruntime")
        #pragma comment(lib, "ucrt")
        void *type_info_vtable[2] __asm__("??_7type_info@@6B@");
        void delete_object(void *object, unsigned long long size) __asm__("??3@YAXPEAX_K@Z");
        void free(void *);
        void delete_object(void *object, unsigned long long size) { free(object); }"#;
    let startup = STARTUP.replace("SUCCEEDS", "1") + rest;
    library(&[&startup, COOKIE], &crt.join("msvcrt.lib"));
    library(&[""], &crt.join("msvcprt.lib"));
    let vcruntime_names = ["__CxxFrameHandler3", "_CxxThrowException", "__RTDynamicCast", "__std_terminate"];
    import_library("vcruntime140.dll", &vcruntime_names, &crt.join("vcruntime.lib"));
    let ucrt_names = ["puts", "free", "exit", "_crt_atexit", "__acrt_iob_func", "__stdio_common_vfprintf"];
    import_library("ucrtbase.dll", &ucrt_names, &directory.join("sdk/lib/ucrt/x86_64/ucrt.lib"));
    import_library("kernel32.dll", &["GetCurrentThreadId"], &directory.join("sdk/lib/um/x86_64/kernel32.lib"));
    compile_cxx(THROWS, &directory.join("main.obj"));
    for options in [&[][..], &["--lazy"]] {
        let crt = format!("xwin={}", for_wine(&directory));
        let object = for_wine(&directory.join("main.obj"));
        let Outcome { out, err, code } = run(&[options, &["--crt", &crt, &object]].concat());
        let expected = "cookie\ninitialize 0\nafter C\nchecks\ntypes\nderived\natexit\nuninitialize 1 0\n";
        assert_eq!((&*out, &*err, code), (expected, "", Some(0)));
    }
}

#[test]
fn no_program_runs_if_the_runtime_can_not_be_started() {
    let Outcome { out, err, code } = run_with_microsofts("fails", "0");
    assert!(out.starts_with("cookie\ninitialize 0\n"), "{out}");
    assert_eq!((["XI", "XC", "main"].map(|line| out.contains(line)), code), ([false; 3], Some(1)), "{out}");
    assert!(err.starts_with("linkjit: error: the initializer at "), "{err}");
}

#[test]
fn the_runtime_of_mingw_is_started_before_constructors() {
    let directory = directory("mingw");
    // Its own `_fpreset` comes before the library's. Keys' destructors are called by callbacks that only start-up code
    // refers to.
    let program = r#"
        #include <stdio.h>
        #include <windows.h>
        void _fpreset(void) { puts("reset"); }
        int __mingwthr_key_dtor(DWORD, void (*)(void *));
        static void __attribute__((constructor)) construct(void) { puts("constructor"); }
        static DWORD key;
        static void destroy(void *value) { printf("destroyed %s\n", (char *)value); }
        static DWORD WINAPI body(void *unused) {
            __mingwthr_key_dtor(key, destroy);
            TlsSetValue(key, "value");
            return 0;
        }
        int main(void) {
            key = TlsAlloc();
            HANDLE thread = CreateThread(0, 0, body, 0, 0, 0);
            WaitForSingleObject(thread, INFINITE);
            puts("main");
            return 3;
        }"#;
    compile(&GNU, program, &directory.join("main.obj"));
    let Outcome { out, err, code } =
        run(&["--crt", "mingw=Z:/usr/x86_64-w64-mingw32", &for_wine(&directory.join("main.obj"))]);
    assert_eq!(out, "reset\nconstructor\ndestroyed value\nmain\n", "{err}");
    assert_eq!((err.as_str(), code), ("", Some(3)));
}

const MINGW: &str = "mingw=Z:/usr/x86_64-w64-mingw32";

/// GNU's own standard library has what others have to be told.
fn compile_gnu(options: &[&str], source: &str, object: &std::path::Path) {
    compile_file(options, source, &object.with_extension("cpp"), object);
}

#[test]
fn the_standard_library_of_mingw_is_its_dll_or_static() {
    let directory = directory("streams");
    let program = r#"
        #include <iostream>
        #include <stdexcept>
        #include <string>
        #include <vector>
        int main(int argc, char **argv) {
            std::vector<std::string> words{"one", "two"};
            for (const auto &word : words) std::cout << word << " ";
            std::cout << argc << std::endl;
            try { words.at(2); } catch (const std::out_of_range &) { std::cout << "caught" << std::endl; }
            std::cerr << "done" << std::endl;
            return std::cin.get() == EOF ? 4 : 0;
        }"#;
    let object = directory.join("main.obj");
    let given = for_wine(&object);
    for compiler in ["x86_64-w64-mingw32-g++-posix", "clang++-19 --target=x86_64-w64-windows-gnu"] {
        for model in ["small", "medium"] {
            let model = format!("-mcmodel={model}");
            compile_gnu(&compiler.split(' ').chain([model.as_str()]).collect::<Vec<_>>(), program, &object);
            for library in [&[][..], &["-l", "stdc++"]] {
                let Outcome { out, err, code } = run(&[&["--crt", MINGW], library, &[&given]].concat());
                assert_eq!((&*out, &*err, code), ("one two 1\ncaught\n", "done\n", Some(4)), "{compiler} {model}");
            }
        }
    }
}

#[test]
fn destructors_are_registered_by_image() {
    let directory = directory("destructors");
    let program = r#"
        #include <cstdio>
        #include <thread>
        struct Local { int value = 3; ~Local() { std::printf("local %d\n", value); } };
        thread_local Local local;
        struct Global { ~Global() { std::puts("global"); } } global;
        int main() {
            static Global in_function;
            local.value = 4;
            std::thread([] { local.value = 7; }).join();
            std::puts("main");
            return 3;
        }"#;
    let object = directory.join("main.obj");
    for compiler in ["x86_64-w64-mingw32-g++-posix", "clang++-19 --target=x86_64-w64-windows-gnu"] {
        for option in ["-O2", "-fuse-cxa-atexit"] {
            compile_gnu(&compiler.split(' ').chain([option]).collect::<Vec<_>>(), program, &object);
            for lazy in [&[][..], &["--lazy"]] {
                let Outcome { out, err, code } = run(&[&["--crt", MINGW], lazy, &[&for_wine(&object)]].concat());
                let expected = "local 7\nmain\nlocal 4\nglobal\nglobal\n";
                assert_eq!((&*out, &*err, code), (expected, "", Some(3)), "{compiler} {option} {lazy:?}");
            }
        }
    }
}
