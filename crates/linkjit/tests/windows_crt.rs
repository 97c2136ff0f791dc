//! Installed C runtimes, linked and started by `linkjit.exe` under Wine.
//!
//! Microsoft's can't be had here. What stands for it is a tree as `xwin splat` makes it, with libraries of our own, which say
//! what is called, and define what Microsoft's define and must not count.
#![cfg(target_os = "linux")]
#![allow(missing_docs, reason = "tests are nobody's interface")]

#[path = "windows/tools.rs"]
mod tools;

use std::path::{Path, PathBuf};
use std::process::Command;

use tools::{for_wine, linkjit, root, succeed};

/// A fresh directory.
fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("windows_crt").join(name);
    _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("it is ours");
    directory
}

/// Compiles C with this compiler.
fn compile(compiler: &[&str], source: &str, object: &Path) {
    let file = object.with_extension("c");
    std::fs::create_dir_all(file.parent().expect("a directory")).expect("it is ours");
    std::fs::write(&file, source).expect("it is ours");
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/windows/include");
    let mut command = Command::new(compiler[0]);
    command.args(&compiler[1..]).args(["-O1", "-c", "-I"]).arg(include).arg(file).arg("-o").arg(object);
    succeed(&mut command).unwrap();
}

const MSVC: [&str; 2] = ["clang-19", "--target=x86_64-pc-windows-msvc"];
const GNU: [&str; 1] = ["x86_64-w64-mingw32-gcc-posix"];

/// Makes a static library with a member of each source.
fn library(sources: &[&str], output: &Path) {
    let mut command = Command::new("llvm-lib-19");
    command.arg(format!("/out:{}", output.display()));
    for (number, source) in sources.iter().enumerate() {
        let object = output.with_extension(format!("{number}.obj"));
        compile(&MSVC, source, &object);
        command.arg(object);
    }
    succeed(&mut command).unwrap();
}

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
    int atexit(void (*function)(void)) { wrong(); return 0; }
    void __dyn_tls_init(void) { wrong(); }
    void (*const __dyn_tls_init_callback)(void) = __dyn_tls_init;
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

/// Runs a program with an installation; returns what it prints, and its exit code.
fn run(crt: &str, object: &Path) -> (String, String, Option<i32>) {
    let mut command = Command::new(root().join("crates/xtask/wine"));
    command
        .arg(linkjit().unwrap())
        .args(["run", "--crt", crt])
        .arg(for_wine(object))
        .stdin(std::process::Stdio::null());
    let output = command.output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\r', "");
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

/// Runs the program with a runtime as above.
fn run_with_microsofts(name: &str, succeeds: &str) -> (String, String, Option<i32>) {
    let directory = directory(name);
    let startup = STARTUP.replace("SUCCEEDS", succeeds);
    for part in ["crt/lib/x86_64", "sdk/lib/um/x86_64", "sdk/lib/ucrt/x86_64"] {
        std::fs::create_dir_all(directory.join(part)).expect("it is ours");
    }
    library(&[&startup, COOKIE, EXIT], &directory.join("crt/lib/x86_64/libcmt.lib"));
    compile(&MSVC, PROGRAM, &directory.join("main.obj"));
    run(&format!("xwin={}", for_wine(&directory)), &directory.join("main.obj"))
}

#[test]
fn the_static_runtime_is_started_and_ended_as_a_dll_does_it() {
    let (out, err, code) = run_with_microsofts("static", "1");
    let expected = ["cookie", "initialize 0", "XI", "after C", "checks", "XC", "main 42 5", "atexit", "XP", "XT"];
    assert_eq!(out, expected.join("\n") + "\nuninitialize 1 0\n", "{err}");
    assert_eq!((err.as_str(), code), ("", Some(3)));
}

#[test]
fn no_program_runs_if_the_runtime_can_not_be_started() {
    let (out, err, code) = run_with_microsofts("fails", "0");
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
    let (out, err, code) = run("mingw=Z:/usr/x86_64-w64-mingw32", &directory.join("main.obj"));
    assert_eq!(out, "reset\nconstructor\ndestroyed value\nmain\n", "{err}");
    assert_eq!((err.as_str(), code), ("", Some(3)));
}
