//! Programs for Windows that a session on Linux links, and Wine runs.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;
#[path = "support/windows.rs"]
mod windows;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use support::{Fixtures, Outcome};
use windows::{TARGET, build};

const PROGRAM: &str = "
    int puts(const char *);
    int main(int argc, char **argv) {
        for (int i = 1; i < argc; i++) puts(argv[i]);
        return 40 + argc;
    }";

fn compile(fixtures: &Fixtures, name: &str, source: &str) {
    let file = format!("{name}.c");
    fixtures.write(&file, source);
    fixtures.tool(&["clang-19", "--target=x86_64-pc-windows-msvc", "-c", "-O1", &file, "-o", name]);
}

/// Runs with the wine of the tests.
fn run(fixtures: &Fixtures, arguments: &[&str]) -> Outcome {
    Outcome::run(&mut command(fixtures, arguments))
}

fn command(fixtures: &Fixtures, arguments: &[&str]) -> Command {
    let mut command = fixtures.command(&[&["run"], arguments].concat());
    command.env("LINKJIT_WINE", windows::wine());
    command
}

#[test]
fn a_program_for_windows_runs_under_wine() {
    build();
    let fixtures = Fixtures::new("wine");
    compile(&fixtures, "hello.obj", PROGRAM);
    let outcome = run(&fixtures, &["--executor", "wine", "hello.obj", "--", "one", "two words"]);
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(43), "one\r\ntwo words\r\n", ""));

    // Paths and options mean there what they mean here.
    compile(&fixtures, "start.obj", "int answer(void); int start(void) { return answer(); }");
    compile(&fixtures, "answer.obj", "int answer(void) { return 7; }");
    fixtures.write("lib/.directory", "");
    fixtures.tool(&["llvm-lib-19", "/out:lib/answer.lib", "answer.obj"]);
    let (object, directory) = (fixtures.path("start.obj"), fixtures.path("lib"));
    let [object, directory] = [&object, &directory].map(|path| path.to_str().expect("UTF-8"));
    let outcome = run(&fixtures, &["--entry", "start", "--lazy", "-L", directory, "-l", "answer", object]);
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(7), "", ""));

    // All members of a library, among which one only registers itself.
    compile(
        &fixtures,
        "member.obj",
        "extern int registered; static void begin(void) { registered = 30; }
         #pragma section(\".CRT$XCU\", read)
         __declspec(allocate(\".CRT$XCU\")) void (*entry)(void) = begin; ",
    );
    compile(&fixtures, "counts.obj", "int registered, answer(void); int main(void) { return registered + answer(); }");
    fixtures.tool(&["llvm-lib-19", "/out:whole.lib", "answer.obj", "member.obj"]);
    let outcome = run(&fixtures, &["counts.obj", "whole.lib"]);
    assert_eq!((outcome.code, &*outcome.err), (Some(7), ""));
    let outcome = run(&fixtures, &["counts.obj", "--whole-archive", "whole.lib", "--no-whole-archive"]);
    assert_eq!((outcome.code, &*outcome.err), (Some(37), ""));

    // Errors are told as here.
    let outcome = run(&fixtures, &["--json", object]);
    assert_eq!((outcome.code, outcome.json()[0]["kind"].as_str()), (Some(1), Some("no-entry")), "{}", outcome.err);
}

/// In a process under Wine, from here: a function is compiled when the program there calls it.
#[test]
fn ir_for_windows_is_compiled_when_it_is_called() {
    build();
    let fixtures = Fixtures::new("wine-ir");
    fixtures.write(
        "x.cpp",
        "struct Thrown { int value; };
         thread_local int base = 30;
         __attribute__((noinline)) static int deep(int x) { if (x > 0) throw Thrown{x}; return x; }
         __attribute__((noinline)) static int not_called(int x) { return deep(x) + 1; }
         struct Global { int value; Global(int value) : value(value) {} ~Global() { base = 0; } } global(5);
         __attribute__((noinline)) inline int inline_one(int x) { static int calls; return x + ++calls; }
         int main(int argc, char **) {
             if (argc > 3) return not_called(argc);
             try { deep(argc); } catch (const Thrown &thrown) { return base + global.value + thrown.value + inline_one(0); }
             return 1;
         }",
    );
    let clang = ["clang++-19", "--target=x86_64-w64-windows-gnu", "-O1", "-S", "-emit-llvm", "x.cpp", "-o", "x.ll"];
    fixtures.tool(&clang);
    let outcome = run(&fixtures, &["--lazy", "--stats", "--executor", "wine", "x.ll", "-l", "stdc++", "--", "one"]);
    assert_eq!(outcome.code, Some(38), "{}", outcome.err);
    // `main`, `deep`, `inline_one`.
    let units = outcome.err.lines().find_map(|line| line.trim().strip_prefix("units"));
    assert_eq!(units.map(str::trim), Some("3"), "{}", outcome.err);
}

/// Wine's programs have pipes or sockets for what they think are their standard input and output.
#[test]
fn an_executor_under_wine_serves_over_standard_input_and_output() {
    build();
    let fixtures = Fixtures::new("wine-stdio");
    compile(&fixtures, "hello.obj", PROGRAM);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory");
    let (wine, program) = (windows::wine(), target.join(TARGET).join("debug/linkjit.exe"));
    let executor = format!("exec:'{}' '{}' executor --stdio", wine.display(), program.display());
    let outcome = run(&fixtures, &["--executor", &executor, "hello.obj", "--", "one"]);
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(42), "", "one\r\n"));
}

/// Objects of MinGW's compilers need its libraries, which nobody has to name.
#[test]
fn crashes_of_programs_that_mingw_has_compiled_are_told() {
    build();
    let fixtures = Fixtures::new("wine-crash");
    fixtures.write(
        "crash.c",
        "#include <stdio.h>
         __attribute__((noinline)) void inner(int *place) { *place = 1; }
         int main(int argc, char **argv) {
             printf(\"%d %Lg\\n\", argc, 1.5L);
             fflush(stdout);
             if (argc > 1) ((void (*)(void)) 8)();
             inner((int *) 16);
             return 0;
         }",
    );
    fixtures.tool(&["x86_64-w64-mingw32-gcc", "-O1", "-c", "crash.c", "-o", "crash.obj"]);
    let violation = "is gone: EXCEPTION_ACCESS_VIOLATION at address";
    for (arguments, prints, place) in [
        (&["crash.obj"][..], "1 1.5", format!("{violation} 0x10 in inner (crash.obj)")),
        (&["crash.obj", "--", "x"], "2 1.5", format!("{violation} 0x8 in a call from main (crash.obj)")),
    ] {
        let outcome = run(&fixtures, arguments);
        assert!(outcome.err.contains(&place), "{}", outcome.err);
        assert_eq!((outcome.out.trim_end(), outcome.code), (prints, Some(5)), "{}", outcome.err);
    }
}

#[test]
fn an_interrupt_is_no_success_unless_the_program_says_so() {
    build();
    let fixtures = Fixtures::new("wine-interrupt");
    let waits = "int puts(const char *); int fflush(void *); void Sleep(unsigned); void ExitProcess(unsigned);
         int SetConsoleCtrlHandler(int (*)(unsigned), int);";
    compile(
        &fixtures,
        "waits.obj",
        &format!("{waits} int main(void) {{ puts(\"waits\"); fflush(0); Sleep(20000); return 3; }}"),
    );
    compile(
        &fixtures,
        "handles.obj",
        &format!(
            "{waits} static int handle(unsigned event) {{ ExitProcess(event); return 1; }}
             int main(void) {{
                 SetConsoleCtrlHandler(handle, 1); puts(\"waits\"); fflush(0); Sleep(20000); return 3;
             }}"
        ),
    );
    for (program, code) in [("waits.obj", 128 + 2), ("handles.obj", 0)] {
        let mut command = command(&fixtures, &[program]);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut output = BufReader::new(process.stdout.take().expect("it has a pipe"));
        output.read_line(&mut String::new()).expect("it says when it waits");
        fixtures.tool(&["kill", "-s", "INT", &process.id().to_string()]);
        assert_eq!(process.wait().expect("it is a child").code(), Some(code), "{program}");
    }
}

/// A command with quotation marks at both ends, for the shell of Windows.
#[test]
fn commands_for_executors_on_windows_are_the_shells() {
    build();
    let fixtures = Fixtures::new("wine-shell");
    compile(&fixtures, "hello.obj", PROGRAM);
    fixtures.write("the token", "secret");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(TARGET).join("debug/linkjit.exe");
    std::fs::copy(&program, fixtures.path("link jit.exe")).expect("it was built");
    let mut wine = Command::new(windows::wine());
    let executor = r#"exec:".\link jit.exe" executor --stdio --token-file "the token""#;
    wine.arg(&program).args(["run", "--executor", executor, "hello.obj", "--", "one"]);
    let outcome = Outcome::run(wine.current_dir(fixtures.path("")).env("LINKJIT_TOKEN", "secret"));
    assert!(outcome.err.contains("the token is wrong"), "{}", outcome.err);
}

/// Wine is not needed to find out that it could not run a program.
#[test]
fn objects_for_another_processor_are_refused_before_wine_starts() {
    let fixtures = Fixtures::new("wine-processor");
    fixtures.write("arm.c", PROGRAM);
    fixtures.tool(&["clang-19", "--target=aarch64-pc-windows-msvc", "-c", "arm.c", "-o", "arm.obj"]);
    let mut command = fixtures.command(&["run", "arm.obj"]);
    let outcome = Outcome::run(command.env("LINKJIT_WINE", "/nonexistent"));
    assert_eq!(outcome.headline(), "linkjit: error: arm.obj: a COFF object for AArch64, not x86-64");
}

/// The linker without a process works there as here, with that system's paths.
#[test]
fn check_rules_hold_on_windows() {
    build();
    let fixtures = Fixtures::new("check-on-windows");
    let case = windows::root().join("crates/cli/tests/cases/jitlink/coff-relocations.s");
    let case = case.to_str().expect("UTF-8");
    fixtures.tool(&["llvm-mc-19", "--triple=x86_64-windows-msvc", "--filetype=obj", case, "-o", "coff-relocations.o"]);
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(TARGET).join("debug/linkjit.exe");
    let check = |base: &str| {
        let mut wine = Command::new(windows::wine());
        wine.arg(&program).args(["jitlink", "-noexec", "-slab-allocate", "1Mb", "-slab-address", "0x100000"]);
        wine.args(["-slab-page-size", "4096", "-abs", "__ImageBase=0xf0000", "-abs", base, "-check"]);
        let object = fixtures.path("coff-relocations.o").display().to_string().replace('/', "\\");
        Outcome::run(wine.arg(format!("Z:{case}")).arg(format!("Z:{object}")))
    };
    let outcome = check("base=0xf0000");
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(0), "", ""));
    let outcome = check("base=0x1");
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("Expression '*{4}offsets = main - base' is false: "), "{}", outcome.err);
}

/// Wine as it is installed, without what the tests add to it.
fn plain_wine(command: &mut Command) -> &mut Command {
    // It makes the prefix and starts the server.
    let made = Command::new(windows::wine()).args(["cmd", "/c", "exit"]).status();
    assert!(made.expect("it starts").success());
    command.env("WINEPREFIX", windows::root().join("target/wine")).env("LINKJIT_WINE", "wine").env_remove("WINEPATH");
    command.env("WINEDLLOVERRIDES", "mscoree,mshtml=;winemenubuilder.exe=d")
}

#[test]
fn wine_needs_nothing_that_it_lacks() {
    build();
    let fixtures = Fixtures::new("plain-wine");
    compile(&fixtures, "hello.obj", PROGRAM);
    let mut command = fixtures.command(&["run", "--executor", "wine", "hello.obj", "--", "one"]);
    let outcome = Outcome::run(plain_wine(&mut command));
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(42), "one\r\n", ""));
    // A code of its own that looks as if it had not been started.
    compile(&fixtures, "exit.obj", "int main(void) { return 53; }");
    let outcome = Outcome::run(plain_wine(&mut fixtures.command(&["run", "--executor", "wine", "exit.obj"])));
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(53), "", ""));

    // A program that crashes: the code is that of an access violation, as far as Wine passes it on.
    compile(&fixtures, "crash.obj", "int main(void) { *(volatile int *)16 = 1; return 0; }");
    let outcome = Outcome::run(plain_wine(&mut fixtures.command(&["run", "crash.obj"])));
    assert_eq!((outcome.code, &*outcome.out), (Some(5), ""));
    // Wine says so, and linkjit.
    let said: Vec<_> = outcome.err.lines().collect();
    let violation = "EXCEPTION_ACCESS_VIOLATION at address 0x10 in main (crash.obj)";
    assert!(said.len() == 2 && said[1].ends_with(violation), "{}", outcome.err);

    let mut command = fixtures.command(&["run", "--executor", "wine", "hello.obj"]);
    let outcome = Outcome::run(plain_wine(&mut command).env("WINEDLLOVERRIDES", "mscoree,mshtml=;ntdll=b;userenv="));
    let expected = "linkjit: error: programs for Windows need Wine: this version has no USERENV.dll, which linkjit.exe needs: try a newer one";
    assert_eq!((outcome.code, outcome.headline().to_lowercase()), (Some(1), expected.to_lowercase()));
}

#[test]
fn what_is_missing_to_run_under_wine_is_said() {
    let fixtures = Fixtures::new("no-wine");
    compile(&fixtures, "hello.obj", PROGRAM);
    // A copy that Cargo has not built.
    let copy = fixtures.path("linkjit");
    std::fs::copy(env!("CARGO_BIN_EXE_linkjit"), &copy).expect("a copy");
    let run = |wine: &str| {
        let mut command = Command::new(&copy);
        command
            .current_dir(fixtures.path(""))
            .args(["run", "--executor", "wine", "hello.obj"])
            .env("LINKJIT_WINE", wine);
        command
    };
    let outcome = Outcome::run(&mut run("wine"));
    let expected = "linkjit: error: programs for Windows need the Windows build of linkjit: make it with `cargo build -p linkjit-cli \
                    --target x86_64-pc-windows-gnu`, or set LINKJIT_WINDOWS to its path";
    assert_eq!((outcome.code, outcome.headline()), (Some(1), expected));

    let outcome = Outcome::run(run("/nowhere/wine").env("LINKJIT_WINDOWS", "linkjit.exe"));
    assert_eq!(
        (outcome.code, outcome.headline()),
        (
            Some(1),
            "linkjit: error: programs for Windows need Wine: /nowhere/wine can't be started: No such file or directory (os error 2)"
        )
    );

    // Nobody has asked for Wine, but the object needs it.
    let outcome = Outcome::run(Command::new(&copy).current_dir(fixtures.path("")).args(["run", "hello.obj"]));
    assert_eq!((outcome.code, outcome.headline()), (Some(1), expected));
}

const EXCEPTIONS: &str = r#"
    extern "C" int puts(const char *);
    struct Error { int number; Error(int number) : number(number) {} };
    struct Guard { ~Guard() { puts("cleaned up"); } };
    static void f(int number) { Guard guard; if (number > 1) throw Error(number); }
    struct Variable { int value; Variable() : value(5) { puts("initialized"); } ~Variable() { puts("ended"); } } variable;
    int main() {
        try { f(7); } catch (const Error &error) { return error.number + variable.value; }
        return 1;
    }"#;

#[test]
fn exceptions_initializers_and_exits_are_those_of_windows() {
    build();
    let fixtures = Fixtures::new("wine-exceptions");
    fixtures.write("throws.cpp", EXCEPTIONS);
    let options = ["--target=x86_64-pc-windows-msvc", "-fcxx-exceptions", "-fexceptions", "-c", "-O1"];
    fixtures.tool(&[&["clang++-19"], &options[..], &["throws.cpp", "-o", "throws.obj"]].concat());
    for how in [&["throws.obj"][..], &["--lazy", "throws.obj"], &["--executor", "wine", "throws.obj"]] {
        let outcome = run(&fixtures, how);
        let expected = "initialized\r\ncleaned up\r\nended\r\n";
        assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(12), expected, ""));
    }

    // A program that ends itself.
    compile(
        &fixtures,
        "exits.obj",
        "int puts(const char *), atexit(void (*)(void)); void exit(int);
         static void end(void) { puts(\"end\"); }
         int main(void) { atexit(end); exit(9); }",
    );
    let outcome = run(&fixtures, &["exits.obj"]);
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(9), "end\r\n", ""));

    // A function that is called, and can't be linked. What was printed before is not lost.
    compile(
        &fixtures,
        "calls.obj",
        "int puts(const char *); void more(void); int main(int argc, char **argv) {
             puts(\"begin\");
             if (argc > 1) more();
             return 6;
         }",
    );
    compile(&fixtures, "more.obj", "void missing(void); void more(void) { missing(); }");
    let outcome = run(&fixtures, &["--lazy", "calls.obj", "more.obj"]);
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(6), "begin\r\n", ""));
    let outcome = run(&fixtures, &["--lazy", "calls.obj", "more.obj", "--", "argument"]);
    let error = "linkjit: error: undefined symbol: missing";
    assert_eq!((outcome.code, &*outcome.out, outcome.headline()), (Some(1), "begin\r\n", error));
}

/// The session finds DLLs in its own file system, where the program's process has them by other names.
#[test]
fn dlls_are_found_from_here() {
    build();
    let fixtures = Fixtures::new("wine-dlls");
    fixtures.write(
        "answer.c",
        "__declspec(dllexport) int answer(void) { return 40; }
         __declspec(dllexport) int counter = 2;",
    );
    fixtures.write("dlls/.directory", "");
    let library = "-Wl,--out-implib,dlls/libanswer.dll.a";
    fixtures.tool(&["x86_64-w64-mingw32-gcc", "-shared", "-o", "dlls/answer.dll", "answer.c", library]);
    compile(
        &fixtures,
        "uses.obj",
        "__declspec(dllimport) int answer(void); __declspec(dllimport) extern int counter;
         int GetTickCount(void);
         int main(void) { return answer() + counter + (GetTickCount() == 0); }",
    );
    let [directory, file] = ["dlls", "dlls/answer.dll"].map(|name| fixtures.path(name).display().to_string());
    for library in [
        &["-L", "dlls", "-l", "answer"][..],
        &["-L", &directory, "-l", "answer"],
        &["dlls/answer.dll"],
        &[&file],
        &["dlls/libanswer.dll.a", "-l", "user32"],
    ] {
        let outcome = run(&fixtures, &[&["uses.obj"], library].concat());
        assert_eq!((outcome.code, &*outcome.err), (Some(42), ""), "{library:?}");
    }
    // It is told so, once the program knows where it is.
    let outcome = run(&fixtures, &["uses.obj"]);
    assert_eq!((outcome.code, outcome.headline()), (Some(1), "linkjit: error: 2 undefined symbols"));
}

#[test]
fn sources_are_compiled_for_windows() {
    build();
    let fixtures = Fixtures::new("wine-sources");
    fixtures.write(
        "echo.c",
        r#"#include <stdio.h>
           int main(int argc, char **argv) {
               char line[80];
               fprintf(stderr, "to %s\n", argv[1]);
               while (fgets(line, sizeof line, stdin)) printf("%lld %s", 1LL << 40, line);
               return argc;
           }"#,
    );
    fixtures.write("input", "one\ntwo\n");
    let input = std::fs::File::open(fixtures.path("input")).expect("the input");
    let mut echo = command(&fixtures, &["--executor", "wine", "echo.c", "--", "errors"]);
    let outcome = Outcome::run(echo.stdin(input));
    let expected = "1099511627776 one\r\n1099511627776 two\r\n";
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(2), expected, "to errors\r\n"));

    fixtures.write(
        "program.cpp",
        r#"#include <iostream>
           #include <stdexcept>
           #include <string>
           #include <thread>
           extern "C" int answer();
           static std::string global = "global";
           thread_local int local = 5;
           int main() {
               std::thread other([] { std::cout << "thread " << ++local << std::endl; });
               other.join();
               try { throw std::runtime_error(global); }
               catch (const std::exception &error) { std::cout << error.what() << std::endl; }
               return answer() + local;
           }"#,
    );
    compile(&fixtures, "answer.obj", "int answer(void) { return 7; }");
    // The object says where the program runs.
    let outcome = run(&fixtures, &["program.cpp", "answer.obj"]);
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(12), "thread 6\r\nglobal\r\n", ""));

    // The command line is the executor's: a library has made it what it is before the program is there.
    fixtures.write(
        "program.rs",
        "fn main() { let words = [\"fine\"]; println!(\"{}\", words[std::env::args().count() % 1]); }",
    );
    let outcome = run(&fixtures, &["--executor", "wine", "program.rs"]);
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(0), "fine\n", ""));

    // Wine is there, but no compiler.
    let wine = windows::wine();
    let path = std::env::var("PATH").expect("a search path");
    fixtures.write("wine", format!("#!/bin/sh\nPATH='{path}' exec '{}' \"$@\"", wine.display()));
    fixtures.tool(&["chmod", "+x", "wine"]);
    let mut command = command(&fixtures, &["--executor", "wine", "echo.c"]);
    let outcome = Outcome::run(command.env("PATH", "/nowhere").env("LINKJIT_WINE", fixtures.path("wine")));
    let expected = "linkjit: error: echo.c: C is compiled by x86_64-w64-mingw32-gcc, which is not installed (Debian has it in the package gcc-mingw-w64)";
    assert_eq!((outcome.code, outcome.headline()), (Some(1), expected));
}

/// JITDylibs are DLLs there, and LLVM's options lead there, too.
#[test]
fn jitdylibs_are_opened_and_rules_read_memory_there() {
    build();
    let fixtures = Fixtures::new("wine-jitdylibs");
    compile(
        &fixtures,
        "plugin.obj",
        "int puts(const char *), atexit(void (*)(void));
         static int count = 40;
         static void end(void) { puts(\"end\"); }
         __declspec(dllexport) int next(void) { if (count == 40) atexit(end); return ++count; }",
    );
    compile(
        &fixtures,
        "opens.obj",
        "void *LoadLibraryA(const char *); void *GetProcAddress(void *, const char *); int FreeLibrary(void *);
         int puts(const char *);
         int value = 3;
         int main(void) {
             int sum = 0;
             for (int i = 0; i < 2; i++) {
                 void *plugin = LoadLibraryA(\"plugin.dll\");
                 int (*next)(void) = plugin ? (int (*)(void))GetProcAddress(plugin, \"next\") : 0;
                 if (!next) return 1;
                 sum += next();
                 if (!FreeLibrary(plugin)) return 2;
                 puts(\"closed\");
             }
             return sum;
         }",
    );
    let expected = (Some(82), "end\r\nclosed\r\nend\r\nclosed\r\n", "");
    let outcome = run(&fixtures, &["opens.obj", "--jd", "plugin", "plugin.obj"]);
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), expected);

    fixtures.write("rules", "# jitlink-check: *{4}value = 3\n# false: *{4}value = 4\n");
    let jitlink = |options: &[&str]| {
        let inputs = ["-check", "rules", "opens.obj", "-jd", "plugin", "plugin.obj"];
        let mut command = fixtures.command(&[&["jitlink", "-oop-executor"], &inputs[..], options].concat());
        Outcome::run(command.env("LINKJIT_WINE", windows::wine()))
    };
    let outcome = jitlink(&[]);
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), expected);
    let outcome = jitlink(&["-check-name", "false"]);
    assert!(outcome.code == Some(1) && outcome.err.contains("is false: 0x3 != 0x4"), "{}", outcome.err);
}
