//! The command as users meet it: options, inputs of every kind, exit codes, and what it says when something is wrong.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use support::{Fixtures, Outcome};

const ECHO: &str = "
    #include <stdio.h>
    int main(int argc, char **argv) {
        for (int i = 0; i < argc; i++) puts(argv[i]);
        return argc;
    }";

/// Runs and expects this exit code and standard output, and nothing on standard error.
#[track_caller]
fn check(outcome: &Outcome, code: i32, out: &str) {
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(code), out, ""));
}

/// Expects exit code 1 and this first line of standard error.
#[track_caller]
fn check_error(outcome: &Outcome, headline: &str) {
    let expected = format!("linkjit: error: {headline}");
    assert_eq!((outcome.code, outcome.headline()), (Some(1), &*expected), "{}", outcome.err);
}

#[test]
fn a_source_is_compiled_and_run() {
    let fixtures = Fixtures::new("source");
    fixtures.write("echo.c", ECHO);
    check(&fixtures.linkjit(&["run", "echo.c"]), 1, "echo.c\n");
}

#[test]
fn several_sources_are_compiled_and_keep_their_order() {
    let fixtures = Fixtures::new("sources");
    for name in ["1", "2", "3"] {
        let source = format!(
            "#include <stdio.h>\n__attribute__((constructor)) static void start(void) {{ puts(\"{name}\"); }}\n"
        );
        fixtures.write(&format!("{name}.c"), source);
    }
    fixtures.write("main.cpp", "int main() { return 0; }");
    check(&fixtures.linkjit(&["run", "2.c", "1.c", "main.cpp", "3.c"]), 0, "2\n1\n3\n");
}

#[test]
fn arguments_after_two_dashes_are_the_programs() {
    let fixtures = Fixtures::new("arguments");
    fixtures.c("echo.o", ECHO);
    let outcome = fixtures.linkjit(&["run", "echo.o", "--", "-l", "x y", "", "--help"]);
    check(&outcome, 5, "echo.o\n-l\nx y\n\n--help\n");
}

#[test]
fn initializers_see_the_programs_arguments() {
    let fixtures = Fixtures::new("initializer_arguments");
    fixtures.c(
        "a.o",
        "#include <stdio.h>
         __attribute__((constructor)) static void start(int argc, char **argv) { puts(argv[argc - 1]); }
         int main(void) { return 0; }",
    );
    check(&fixtures.linkjit(&["run", "a.o", "--", "last"]), 0, "last\n");
}

#[test]
fn the_exit_code_is_the_low_byte_from_mains_result() {
    let fixtures = Fixtures::new("exit_code");
    fixtures.c("a.o", "int main(void) { return 0x103; }");
    check(&fixtures.linkjit(&["run", "a.o"]), 3, "");
    fixtures.c("b.o", "int main(void) { return -1; }");
    check(&fixtures.linkjit(&["run", "b.o"]), 255, "");
}

const ENDS: &str = "
    #include <stdio.h>
    #include <stdlib.h>
    static void at_exit(void) { puts(\"atexit\"); }
    __attribute__((destructor)) static void destructor(void) { puts(\"destructor\"); }
    int main(int argc, char **argv) {
        atexit(at_exit);
        puts(\"main\");
        if (argc > 1) exit(9);
        return 4;
    }";

#[test]
fn terminators_run_after_main() {
    let fixtures = Fixtures::new("terminators");
    fixtures.c("ends.o", ENDS);
    check(&fixtures.linkjit(&["run", "ends.o"]), 4, "main\natexit\ndestructor\n");
}

#[test]
fn a_program_that_calls_exit_ends_the_same_way() {
    let fixtures = Fixtures::new("exit");
    fixtures.c("ends.o", ENDS);
    check(&fixtures.linkjit(&["run", "ends.o", "--", "now"]), 9, "main\natexit\ndestructor\n");
}

#[test]
fn a_detached_thread_does_not_outlive_its_code() {
    let fixtures = Fixtures::new("detached");
    fixtures.c(
        "a.o",
        "#include <pthread.h>
         static volatile int running;
         static void *spin(void *x) { for (;;) running = 1; return x; }
         int main(void) {
             pthread_t thread;
             pthread_create(&thread, 0, spin, 0);
             pthread_detach(thread);
             while (!running) {}
             return 6;
         }",
    );
    check(&fixtures.linkjit(&["run", "a.o"]), 6, "");
}

#[test]
fn an_uncaught_exception_terminates_as_usual() {
    let fixtures = Fixtures::new("uncaught");
    fixtures.cpp("a.o", "#include <stdexcept>\nint main() { throw std::runtime_error(\"boom\"); }");
    let outcome = fixtures.linkjit(&["run", "a.o"]);
    assert_eq!(outcome.code, None, "a signal ends it");
    assert!(outcome.err.contains("terminate called after throwing an instance of 'std::runtime_error'"), "{outcome:?}");
    assert!(outcome.err.contains("boom"), "{outcome:?}");
}

#[test]
fn a_closed_pipe_ends_a_program_that_writes_on() {
    let fixtures = Fixtures::new("pipe");
    fixtures.c("yes.o", "#include <stdio.h>\nint main(void) { while (puts(\"y\") >= 0) {} return 3; }");
    let mut child = fixtures.command(&["run", "yes.o"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("a pipe");
    BufReader::new(out).read_line(&mut line).expect("a line");
    assert_eq!(line, "y\n");
    assert_eq!(child.wait().expect("it ends").code(), None, "SIGPIPE ends it");
}

#[test]
fn cpp_needs_no_library_option() {
    let fixtures = Fixtures::new("cpp");
    fixtures.cpp(
        "a.o",
        "#include <iostream>
         #include <string>
         #include <vector>
         struct Noisy { Noisy() { std::cout << \"made\\n\"; } ~Noisy() { std::cout << \"gone\\n\"; } } noisy;
         int main() {
             std::vector<std::string> words{\"a\", \"b\"};
             try { words.at(2); } catch (const std::out_of_range &) { std::cout << \"caught\" << std::endl; }
             return 0;
         }",
    );
    check(&fixtures.linkjit(&["run", "a.o"]), 0, "made\ncaught\ngone\n");
}

#[test]
fn another_entry_can_be_chosen() {
    let fixtures = Fixtures::new("entry");
    fixtures.c("a.o", "int main(void) { return 1; } int selftest(int argc) { return 40 + argc; }");
    check(&fixtures.linkjit(&["run", "--entry", "selftest", "a.o"]), 41, "");
}

#[test]
fn an_entry_that_is_no_code_is_an_error() {
    let fixtures = Fixtures::new("entry-data");
    fixtures.c("data.o", "int variable = 5; const int constant = 6; int main(void) { return 0; }");
    for entry in ["variable", "constant"] {
        let outcome = fixtures.linkjit(&["run", "--entry", entry, "data.o"]);
        assert_eq!(outcome.code, Some(1), "{}", outcome.err);
        assert!(outcome.err.contains("there is no code at 0x"), "{}", outcome.err);
    }
    check(&fixtures.linkjit(&["run", "data.o"]), 0, "");
}

#[test]
fn warnings_of_the_compiler_are_shown() {
    let fixtures = Fixtures::new("warnings");
    fixtures.write("warns.c", "#warning do not forget this\nint main(void) { return 3; }\n");
    let outcome = fixtures.linkjit(&["run", "warns.c"]);
    assert_eq!(outcome.code, Some(3));
    assert!(outcome.err.contains("do not forget this"), "{}", outcome.err);
}

#[cfg(unix)]
#[test]
fn arguments_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let fixtures = Fixtures::new("bytes");
    fixtures.c("bytes.o", "int main(int n, char **v) { return n == 2 ? (unsigned char)v[1][0] : 0; }");
    let mut command = fixtures.command(&["run", "bytes.o", "--"]);
    check(&Outcome::run(command.arg(std::ffi::OsStr::from_bytes(b"\xfe"))), 0xfe, "");
}

#[test]
fn a_missing_entry_is_one_clear_line() {
    let fixtures = Fixtures::new("no_entry");
    fixtures.c("a.o", "int main(void) { return 1; }");
    let outcome = fixtures.linkjit(&["run", "a.o", "--entry", "mian"]);
    check_error(&outcome, "no entry point: 'mian' is not defined; did you mean main?");
    fixtures.c("b.o", "int other(void) { return 1; }");
    let outcome = fixtures.linkjit(&["run", "b.o"]);
    check_error(&outcome, "no entry point: 'main' is not defined; choose another function with --entry NAME");
}

/// `main` returns what `which` does; the static library says 2, the shared one 3.
fn with_libraries(test: &str) -> Fixtures {
    let fixtures = Fixtures::new(test);
    fixtures.c("main.o", "int which(void); int main(void) { return which(); }");
    for directory in ["static", "shared", "both"] {
        std::fs::create_dir(fixtures.path(directory)).expect("a directory");
    }
    fixtures.c("which.o", "int which(void) { return 2; }");
    fixtures.archive("static/libwhich.a", &["which.o"]);
    fixtures.archive("both/libwhich.a", &["which.o"]);
    fixtures.shared("shared/libwhich.so", "int which(void) { return 3; }");
    fixtures.shared("both/libwhich.so", "int which(void) { return 3; }");
    fixtures
}

#[test]
fn libraries_are_found_in_the_order_of_directories() {
    let fixtures = with_libraries("directories");
    check(&fixtures.linkjit(&["run", "main.o", "-Lstatic", "-Lshared", "-lwhich"]), 2, "");
    check(&fixtures.linkjit(&["run", "main.o", "-L", "shared", "-L", "static", "-l", "which"]), 3, "");
    check(&fixtures.linkjit(&["run", "-lwhich", "main.o", "-Lstatic"]), 2, "");
}

#[test]
fn a_shared_library_is_preferred_in_one_directory() {
    let fixtures = with_libraries("preferred");
    check(&fixtures.linkjit(&["run", "main.o", "-Lboth", "-lwhich"]), 3, "");
    check(&fixtures.linkjit(&["run", "main.o", "-Lboth", "-l:libwhich.a"]), 2, "");
}

#[test]
fn libraries_are_inputs_by_name() {
    let fixtures = with_libraries("by_name");
    check(&fixtures.linkjit(&["run", "main.o", "static/libwhich.a"]), 2, "");
    check(&fixtures.linkjit(&["run", "main.o", "shared/libwhich.so"]), 3, "");
    // The system's loader would search a name without a directory elsewhere.
    std::fs::copy(fixtures.path("shared/libwhich.so"), fixtures.path("libwhich.so")).expect("a copy");
    check(&fixtures.linkjit(&["run", "main.o", "libwhich.so"]), 3, "");
}

#[test]
fn content_tells_what_an_input_is() {
    let fixtures = with_libraries("content");
    std::fs::copy(fixtures.path("static/libwhich.a"), fixtures.path("archive.o")).expect("a copy");
    std::fs::copy(fixtures.path("which.o"), fixtures.path("object.a")).expect("a copy");
    std::fs::copy(fixtures.path("shared/libwhich.so"), fixtures.path("shared.o")).expect("a copy");
    check(&fixtures.linkjit(&["run", "main.o", "archive.o"]), 2, "");
    check(&fixtures.linkjit(&["run", "main.o", "object.a"]), 2, "");
    check(&fixtures.linkjit(&["run", "main.o", "shared.o"]), 3, "");
}

#[test]
fn a_missing_library_says_where_it_was_searched() {
    let fixtures = with_libraries("no_library");
    let outcome = fixtures.linkjit(&["run", "main.o", "-Lstatic", "-lnothing_of_this_name"]);
    check_error(&outcome, "library 'nothing_of_this_name' not found (-l nothing_of_this_name)");
    assert!(outcome.err.contains("\n    searched static, "), "{outcome:?}");
}

#[test]
fn linker_scripts_stand_for_what_they_name() {
    let fixtures = with_libraries("script");
    fixtures.write("scripts/libwhich.so", "/* GNU ld script */\nOUTPUT_FORMAT(elf64-x86-64)\nINPUT(../which.o)\n");
    check(&fixtures.linkjit(&["run", "main.o", "-Lscripts", "-lwhich"]), 2, "");
    fixtures.write("scripts/libother.so", "GROUP ( AS_NEEDED ( -lwhich ) )");
    check(&fixtures.linkjit(&["run", "main.o", "-Lscripts", "-Lshared", "-lother"]), 2, "");
    fixtures.write("loop.so", "INPUT(loop.so)");
    let outcome = fixtures.linkjit(&["run", "main.o", "loop.so"]);
    check_error(&outcome, "loop.so:1: linker script: linker scripts are nested 8 deep: does one include itself?");
    fixtures.write("odd.so", "INPUT(which.o)\nPHDRS(x)");
    let outcome = fixtures.linkjit(&["run", "main.o", "odd.so"]);
    check_error(&outcome, "odd.so:2: linker script: the command PHDRS is not supported");
}

#[test]
fn the_systems_libraries_are_found() {
    let fixtures = Fixtures::new("system");
    fixtures.c(
        "a.o",
        "#include <math.h>
         #include <stdio.h>
         #include <zlib.h>
         int main(int argc, char **argv) {
             printf(\"%08lx %.3f\\n\", crc32(0, (const unsigned char *)\"123456789\", 9), sqrt(argc + 1));
             return 0;
         }",
    );
    let out = "cbf43926 1.414\n";
    check(&fixtures.linkjit(&["run", "a.o", "-l", "z", "-lm", "-lc"]), 0, out);
    // Its directory is another on other systems; the compiler knows.
    let path = Outcome::run(std::process::Command::new("cc").arg("-print-file-name=libz.a")).out;
    check(&fixtures.linkjit(&["run", "a.o", path.trim_end()]), 0, out);
}

#[test]
fn the_compilers_own_libraries_are_found() {
    let fixtures = Fixtures::new("compiler");
    fixtures.c(
        "a.o",
        "__int128 __divti3(__int128, __int128); int main(void) { return (int)__divti3((__int128)1 << 70, (__int128)1 << 68); }",
    );
    check(&fixtures.linkjit(&["run", "a.o", "-l:libgcc.a"]), 4, "");
}

#[test]
fn named_jitdylibs_are_searched_between_main_and_the_process() {
    let fixtures = Fixtures::new("jd");
    fixtures.c(
        "main.o",
        "#include <stdio.h>
         int plugin(void); int helper(void); int getpid(void);
         int from_main(void) { return 100; }
         int main(void) { printf(\"%d %d %d\\n\", plugin(), helper(), getpid()); return 0; }",
    );
    // It calls back into main, and its own helper is not main's.
    fixtures.c(
        "plugin.o",
        "int from_main(void); int helper(void); int plugin(void) { return from_main() + helper(); } int helper(void) { return 1; }",
    );
    fixtures.c("second.o", "int helper(void) { return 2; } int getpid(void) { return -7; }");
    fixtures.c("own.o", "int helper(void) { return 5; }");
    let plugin_first = ["run", "--jd", "p", "plugin.o", "--jd", "q", "second.o", "--jd", "main", "main.o"];
    check(&fixtures.linkjit(&plugin_first), 0, "101 1 -7\n");
    let second_first = ["run", "main.o", "--jd", "q", "second.o", "--jd", "p", "plugin.o"];
    check(&fixtures.linkjit(&second_first), 0, "101 2 -7\n");
    let main_first = ["run", "--jd", "p", "plugin.o", "--jd", "main", "main.o", "own.o", "--jd", "p", "second.o"];
    check_error(
        &fixtures.linkjit(&main_first),
        "second.o: duplicate definition of symbol 'helper', which plugin.o defines already",
    );
    let main_first = ["run", "main.o", "own.o", "--jd", "p", "plugin.o", "--jd", "q", "second.o"];
    check(&fixtures.linkjit(&main_first), 0, "101 5 -7\n");
}

#[test]
fn named_jitdylibs_are_initialized_before_main_and_end_after_it() {
    let fixtures = Fixtures::new("jd_initializers");
    let noisy = |name: &str| {
        format!(
            "#include <stdio.h>
             __attribute__((constructor)) static void up(void) {{ puts(\"{name} up\"); }}
             __attribute__((destructor)) static void down(void) {{ puts(\"{name} down\"); }}
             int {name}(void) {{ return 0; }}"
        )
    };
    fixtures.c("main.o", &noisy("main"));
    fixtures.c("plugin.o", &noisy("plugin"));
    let outcome = fixtures.linkjit(&["run", "main.o", "--jd", "p", "plugin.o"]);
    check(&outcome, 0, "plugin up\nmain up\nmain down\nplugin down\n");
    // The main of a program may be in any of them.
    let outcome = fixtures.linkjit(&["run", "plugin.o", "--jd", "p", "main.o"]);
    check(&outcome, 0, "main up\nplugin up\nplugin down\nmain down\n");
}

#[test]
fn usage_errors_exit_with_2() {
    let fixtures = Fixtures::new("usage");
    fixtures.c("a.o", "int main(void) { return 0; }");
    for line in [
        &[][..],
        &["run"],
        &["run", "--", "a.o"],
        &["run", "--no-such-option", "a.o"],
        &["run", "a.o", "--entry"],
        &["no-such-command"],
        &["graph"],
    ] {
        let outcome = fixtures.linkjit(line);
        assert_eq!((outcome.code, &*outcome.out), (Some(2), ""), "{line:?}");
        assert!(outcome.err.contains("--help"), "{line:?}: {}", outcome.err);
    }
}

#[test]
fn help_and_version_succeed() {
    let fixtures = Fixtures::new("help");
    for (line, word) in
        [(["--help"].as_slice(), "Examples:"), (&["run", "--help"], "--jd"), (&["--version"], "linkjit ")]
    {
        let outcome = fixtures.linkjit(line);
        assert_eq!((outcome.code, &*outcome.err), (Some(0), ""), "{line:?}");
        assert!(outcome.out.contains(word), "{line:?}: {}", outcome.out);
    }
}

#[test]
fn all_missing_files_are_named() {
    let fixtures = Fixtures::new("missing");
    let outcome = fixtures.linkjit(&["run", "no.o", "none.a", "never.c"]);
    assert_eq!(outcome.code, Some(1));
    let lines: Vec<_> = outcome.err.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(lines.len(), 3, "{}", outcome.err);
    for (line, start) in lines.iter().zip(["no.o: No such file", "none.a: No such file", "never.c: No such file"]) {
        assert!(line.starts_with(&format!("linkjit: error: {start}")), "{line}");
    }
}

#[test]
fn a_directory_and_a_text_are_no_inputs() {
    let fixtures = Fixtures::new("no_input");
    fixtures.write("directory/file", "");
    fixtures.write("text.o", "hello\n");
    fixtures.write("empty.o", "");
    assert!(fixtures.linkjit(&["run", "directory"]).headline().contains("directory: Is a directory"));
    check_error(&fixtures.linkjit(&["run", "text.o"]), "text.o: not an object file: linkjit does not know its format");
    check_error(&fixtures.linkjit(&["run", "empty.o"]), "empty.o: the file is empty");
}

#[test]
fn an_object_of_another_architecture_is_explained() {
    let fixtures = Fixtures::new("architecture");
    fixtures.write("a.c", "int main(void) { return 0; }");
    fixtures.tool(&["clang-19", "--target=aarch64-linux-gnu", "-c", "a.c", "-o", "a.o"]);
    check_error(
        &fixtures.linkjit(&["run", "a.o"]),
        "a.o: an object for AArch64, but linked code runs on x86-64: compile it for that target (--target=x86_64-linux-gnu)",
    );
}

#[test]
fn an_executable_is_explained() {
    let fixtures = Fixtures::new("executable");
    fixtures.write("a.c", "int main(void) { return 0; }");
    fixtures.tool(&["cc", "-pie", "-fPIE", "a.c", "-o", "pie"]);
    let outcome = fixtures.linkjit(&["run", "./pie"]);
    check_error(&outcome, "./pie: cannot dynamically load position-independent executable");
}

#[test]
fn a_truncated_object_is_an_error_at_a_place() {
    let fixtures = Fixtures::new("truncated");
    fixtures.c("a.o", ECHO);
    let bytes = std::fs::read(fixtures.path("a.o")).expect("the object");
    for len in [1, 17, 63, 64, bytes.len() / 2, bytes.len() - 1] {
        fixtures.write("short.o", &bytes[..len]);
        let outcome = fixtures.linkjit(&["run", "short.o"]);
        assert_eq!((outcome.code, &*outcome.out), (Some(1), ""), "{len} bytes");
        assert!(outcome.headline().starts_with("linkjit: error: short.o: "), "{len} bytes: {}", outcome.err);
        assert_eq!(outcome.err.lines().count(), 1, "{}", outcome.err);
    }
}

#[test]
fn all_undefined_symbols_are_named_with_who_wants_them() {
    let fixtures = Fixtures::new("undefined");
    fixtures.cpp("a.o", "namespace shop { void sell(int); int price(); } int main() { shop::sell(shop::price()); }");
    let outcome = fixtures.linkjit(&["run", "a.o"]);
    check_error(&outcome, "2 undefined symbols");
    for text in [
        "    undefined symbol: shop::sell(int) (_ZN4shop4sellEi)\n",
        "undefined symbol: shop::price()",
        "referenced by a.o:.text",
    ] {
        assert!(outcome.err.contains(text), "{text} in {}", outcome.err);
    }
    fixtures.c("b.o", "int gone(void); int main(void) { return gone(); }");
    check_error(&fixtures.linkjit(&["run", "b.o"]), "undefined symbol: gone");
}

/// The program needs nothing that is missing, but a constructor of another object does.
#[test]
fn a_missing_symbol_of_an_initializer_says_whose_it_is() {
    let fixtures = Fixtures::new("initializer_missing");
    fixtures.c("a.o", "int main(void) { return 0; }");
    fixtures.c("b.o", "void gone(void); __attribute__((constructor)) static void begin(void) { gone(); } int b;");
    for lazily in [&[][..], &["--lazy"]] {
        let outcome = fixtures.linkjit(&[&["run"], lazily, &["a.o", "b.o"]].concat());
        check_error(&outcome, "undefined symbol: gone");
        for text in [
            "    needed by an initializer of b.o (.init_array",
            "    to go on, define what is missing, or leave b.o out\n",
        ] {
            assert!(outcome.err.contains(text), "{text} in {}", outcome.err);
        }
        assert!(!outcome.err.contains("JitDylib::"), "{}", outcome.err);
    }
    let outcome = fixtures.linkjit(&["run", "--json", "a.o", "b.o"]);
    assert!(outcome.err.contains("\"needed_by\":\"an initializer of b.o (.init_array"), "{}", outcome.err);
    fixtures.c("c.o", "void gone(void) {}");
    check(&fixtures.linkjit(&["run", "a.o", "b.o", "c.o"]), 0, "");
    check(&fixtures.linkjit(&["run", "a.o"]), 0, "");
}

#[test]
fn a_duplicate_definition_names_both_objects() {
    let fixtures = Fixtures::new("duplicate");
    fixtures.c("a.o", "int main(void) { return 0; } int twice;");
    fixtures.c("b.o", "int twice = 1;");
    let outcome = fixtures.linkjit(&["run", "a.o", "b.o"]);
    check_error(&outcome, "b.o: duplicate definition of symbol 'twice', which a.o defines already");
}

#[test]
fn a_compile_error_shows_what_the_compiler_says() {
    let fixtures = Fixtures::new("compile_error");
    fixtures.write("bad.c", "int main(void) { return nonsense; }");
    let outcome = fixtures.linkjit(&["run", "bad.c"]);
    check_error(&outcome, "bad.c: cc failed:");
    assert!(outcome.err.contains("nonsense"), "{}", outcome.err);
}

#[test]
fn a_missing_compiler_is_named() {
    let fixtures = Fixtures::new("no_compiler");
    fixtures.write("a.c", "int main(void) { return 0; }");
    let outcome = Outcome::run(fixtures.command(&["run", "a.c"]).env("CC", "no-such-compiler"));
    check_error(&outcome, "a.c: no-such-compiler failed:");
    assert!(outcome.err.contains("\n    can't be started: No such file"), "{outcome:?}");
}

#[test]
fn times_and_statistics_go_to_standard_error_after_the_program() {
    let fixtures = Fixtures::new("statistics");
    fixtures.c("a.o", "#include <stdio.h>\nint main(void) { fputs(\"program\\n\", stderr); return 2; }");
    let outcome = fixtures.linkjit(&["run", "--time", "--stats", "a.o"]);
    assert_eq!((outcome.code, &*outcome.out, outcome.headline()), (Some(2), "", "program"));
    for row in
        ["reading ", "finding ", "placing ", "fixing up ", "finalizing ", "running ", "objects ", "edges ", "code "]
    {
        assert!(outcome.err.lines().any(|line| line.trim_start().starts_with(row)), "{row} in {}", outcome.err);
    }
}

#[test]
fn json_has_a_line_per_report() {
    let fixtures = Fixtures::new("json");
    fixtures.c("a.o", "int main(void) { return 0; }");
    let lines = fixtures.linkjit(&["--json", "run", "--time", "--stats", "a.o"]).json();
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["times", "statistics"]);
    assert!(lines[0]["total"].as_f64() >= lines[0]["read"].as_f64(), "{lines:?}");
    assert_eq!((lines[1]["objects"].as_u64(), lines[1]["windows"].as_u64()), (Some(1), Some(1)));
    assert!(lines[1]["code_bytes"].as_u64() > Some(0), "{lines:?}");
}

#[test]
fn json_says_what_is_wrong_and_where() {
    let fixtures = Fixtures::new("json_errors");
    fixtures.cpp("a.o", "namespace n { int f(); } int g(); int main() { return n::f() + g(); }");
    let line = fixtures.linkjit(&["run", "a.o", "--json"]).json().remove(0);
    assert_eq!((&line["kind"], &line["message"]), (&"undefined-symbols".into(), &"2 undefined symbols".into()));
    let symbols = line["symbols"].as_array().expect("symbols");
    let symbol = symbols.iter().find(|symbol| symbol["name"] == "_ZN1n1fEv").expect("n::f");
    assert_eq!(symbol["demangled"], "n::f()");
    assert_eq!((&symbol["wanted_by"][0]["file"], &symbol["wanted_by"][0]["section"]), (&"a.o".into(), &".text".into()));
    assert!(symbol["wanted_by"][0]["offset"].is_u64());
    assert!(!line["searched"].as_array().expect("searched").is_empty());

    fixtures.write("text.o", "hello");
    let lines = fixtures.linkjit(&["run", "--json", "text.o", "none.o", "-lnothing_of_this_name"]).json();
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["not-linkable", "file", "no-library"]);
    assert_eq!((&lines[0]["file"], &lines[1]["file"]), (&"text.o".into(), &"none.o".into()));

    let outcome = fixtures.linkjit(&["run", "--json", "--bad"]);
    assert_eq!((outcome.code, &outcome.json()[0]["kind"]), (Some(2), &"usage".into()));
    let message = fixtures.linkjit(&["run", "--json"]).json()[0]["message"].to_string();
    assert!(message.contains("required") && message.contains("<INPUT>"), "{message}");
}

#[test]
fn graph_shows_an_object_before_and_after_pruning() {
    let fixtures = Fixtures::new("graph");
    fixtures.write("a.c", "static int unused(void) { return 1; } int (*hide)(void);\nint f(void) { return 2; } int g(void) { return f(); } int h(void) { return unused(); }");
    fixtures.tool(&["cc", "-c", "-O0", "-fPIC", "-ffunction-sections", "a.c", "-o", "a.o"]);
    let whole = fixtures.linkjit(&["graph", "a.o"]);
    assert_eq!((whole.code, &*whole.err), (Some(0), ""));
    assert!(whole.out.starts_with("LinkGraph \"a.o\" (x86-64)\n"), "{}", whole.out);
    for name in ["f: ", "g: ", "h: ", "unused: "] {
        assert!(whole.out.contains(name), "{name} in {}", whole.out);
    }
    let pruned = fixtures.linkjit(&["graph", "a.o", "--pruned", "--root", "g"]);
    assert_eq!((pruned.code, &*pruned.err), (Some(0), ""));
    let has = |name: &str| pruned.out.lines().any(|line| line.trim_start().starts_with(&format!("+0x0 {name}: ")));
    assert_eq!([has("f"), has("g"), has("h"), has("unused")], [true, true, false, false], "{}", pruned.out);
    check_error(&fixtures.linkjit(&["graph", "a.o", "--root", "k"]), "a.o: no definition of 'k'");
    let source = fixtures.linkjit(&["graph", "a.c", "--pruned"]);
    assert_eq!(source.code, Some(0));
    assert!(source.out.contains(" h: "), "{}", source.out);
}

#[test]
fn graph_lists_archives_and_shows_members() {
    let fixtures = Fixtures::new("graph_archive");
    fixtures.c("one.o", "int one(void) { return 1; } int uno;");
    fixtures.c("two.o", "int two(void) { return 2; }");
    fixtures.archive("lib.a", &["one.o", "two.o"]);
    let list = fixtures.linkjit(&["graph", "lib.a"]);
    assert_eq!((list.code, &*list.err), (Some(0), ""));
    let lines: Vec<_> = list.out.lines().map(|line| line.split(" (").next().unwrap_or_default()).collect();
    assert_eq!(lines, ["archive \"lib.a\"", "member one.o", "  one", "  uno", "member two.o", "  two"]);
    let member = fixtures.linkjit(&["graph", "lib.a", "two.o"]);
    assert!(member.out.starts_with("LinkGraph \"lib.a(two.o)\" (x86-64)\n"), "{member:?}");
    check_error(&fixtures.linkjit(&["graph", "lib.a", "three.o"]), "lib.a: no member 'three.o'");
    fixtures.tool(&["ar", "rcsT", "thin.a", "one.o"]);
    assert!(fixtures.linkjit(&["graph", "thin.a"]).out.contains("member one.o (a file beside the archive)\n  one\n"));
    assert!(fixtures.linkjit(&["graph", "thin.a", "one.o"]).out.starts_with("LinkGraph \"one.o\""));
}

#[test]
fn thousands_of_objects_can_be_named() {
    let fixtures = Fixtures::new("many");
    fixtures.c("main.o", "int main(void) { return 8; }");
    fixtures.c("nothing.o", "static int unused __attribute__((unused));");
    let mut line = vec!["run", "main.o"];
    line.resize(4000, "nothing.o");
    check(&fixtures.linkjit(&line), 8, "");
}
