//! Compilers' drivers and linkers do more for programs than link what they are given: whole archives, scripts, libraries
//! that objects and archives ask for, advice.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use support::{Fixtures, Outcome};

/// Runs and expects this exit code and standard output, and nothing on standard error.
#[track_caller]
fn check(outcome: &Outcome, code: i32, out: &str) {
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(code), out, ""));
}

/// Expects exit code 1 and these texts on standard error.
#[track_caller]
fn check_says(outcome: &Outcome, texts: &[&str]) {
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    for text in texts {
        assert!(outcome.err.contains(text), "no {text:?} in {}", outcome.err);
    }
}

/// A program that prints how many plugins have registered themselves and what `a` returns, and archives with plugins that
/// nothing refers to: a C constructor, a C++ object, an entry of a section that the program walks through.
fn plugins(test: &str) -> Fixtures {
    let fixtures = Fixtures::new(test);
    fixtures.c(
        "main.o",
        "#include <stdio.h>
         int registered, a(int);
         extern const char *__start_plugins[] __attribute__((weak)), *__stop_plugins[] __attribute__((weak));
         int main(void) {
             printf(\"%d %d %d\\n\", a(7), registered, (int)(__stop_plugins - __start_plugins));
             return 0;
         }",
    );
    fixtures.c("a.o", "int b(int); int a(int x) { return x <= 0 ? 0 : 1 + b(x - 1); }");
    fixtures.c("b.o", "int a(int); int b(int x) { return x <= 0 ? 0 : 1 + a(x - 1); }");
    fixtures.c("c.o", "extern int registered; __attribute__((constructor)) static void begin(void) { registered++; }");
    fixtures.cpp("d.o", "extern \"C\" int registered; namespace { struct P { P() { registered += 10; } } plugin; }");
    fixtures.c(
        "e.o",
        "static const char *const name __attribute__((section(\"plugins\"), used)) = \"e\";
         static const char *const other __attribute__((section(\"plugins\"), used)) = \"f\";",
    );
    fixtures.archive("libplugins.a", &["a.o", "b.o", "c.o", "d.o", "e.o"]);
    fixtures.tool(&["ar", "rcsT", "libthin.a", "a.o", "b.o", "c.o", "d.o", "e.o"]);
    fixtures.tool(&["ar", "rcS", "libnoindex.a", "a.o", "b.o", "c.o", "d.o", "e.o"]);
    fixtures
}

#[test]
fn whole_archives_are_linked_from_the_option_on() {
    let fixtures = plugins("whole");
    check(&fixtures.linkjit(&["run", "main.o", "libplugins.a"]), 0, "7 0 0\n");
    let whole = "7 11 2\n";
    for line in [
        &["run", "main.o", "--whole-archive", "libplugins.a"][..],
        &["run", "--whole-archive", "libthin.a", "--no-whole-archive", "main.o"],
        &["run", "main.o", "--whole-archive", "./libnoindex.a"],
        &["run", "-L", ".", "--whole-archive", "-l", "plugins", "--no-whole-archive", "main.o"],
        &["run", "--lazy", "main.o", "--whole-archive", "libplugins.a"],
    ] {
        check(&fixtures.linkjit(line), 0, whole);
    }
    let line = ["run", "main.o", "--whole-archive", "--no-whole-archive", "libplugins.a"];
    check(&fixtures.linkjit(&line), 0, "7 0 0\n");
}

#[test]
fn whole_archives_compete_as_their_objects_would() {
    let fixtures = plugins("whole_duplicate");
    fixtures.archive("libtwice.a", &["a.o", "b.o"]);
    let outcome = fixtures.linkjit(&["run", "main.o", "a.o", "--whole-archive", "libtwice.a"]);
    check_says(&outcome, &["libtwice.a(a.o): duplicate definition of symbol 'a', which a.o defines already"]);
    fixtures.write("note.txt", "no object");
    fixtures.tool(&["ar", "rcS", "libodd.a", "a.o", "b.o", "note.txt"]);
    check_says(&fixtures.linkjit(&["run", "main.o", "--whole-archive", "libodd.a"]), &["libodd.a(note.txt)"]);
}

#[test]
fn archives_name_the_libraries_that_they_need() {
    let fixtures = Fixtures::new("libdep");
    fixtures.c("main.o", "int outer(void); int main(void) { return outer(); }");
    fixtures.c("outer.o", "int inner(void); int outer(void) { return inner() + 1; }");
    fixtures.c("inner.o", "const char *zlibVersion(void); int inner(void) { return zlibVersion()[0] - '0' + 1; }");
    fixtures.c("more.o", "int more;");
    fixtures.tool(&["mkdir", "deep"]);
    fixtures.tool(&["ar", "rcs", "--record-libdeps=-lz", "deep/libinner.a", "inner.o"]);
    let options = format!("--record-libdeps=-L {} -l inner", fixtures.path("deep").display());
    fixtures.tool(&["ar", "rcs", &options, "libouter.a", "outer.o"]);
    check(&fixtures.linkjit(&["run", "main.o", "libouter.a"]), 3, "");
    check(&fixtures.linkjit(&["run", "--whole-archive", "libouter.a", "main.o"]), 3, "");
    // Members that were added later lie behind the list.
    fixtures.tool(&["ar", "rs", "libouter.a", "more.o"]);
    check(&fixtures.linkjit(&["run", "main.o", "libouter.a"]), 3, "");
    // What the user names comes first.
    fixtures.c("own.o", "int inner(void) { return 40; }");
    check(&fixtures.linkjit(&["run", "main.o", "libouter.a", "own.o"]), 41, "");
    fixtures.tool(&["ar", "rcs", "--record-libdeps=-lno_such_library", "libbad.a", "outer.o"]);
    let outcome = fixtures.linkjit(&["run", "main.o", "libbad.a"]);
    check_says(&outcome, &["asks for library 'no_such_library', which was not found", "undefined symbol: inner"]);
}

#[test]
fn objects_name_the_libraries_that_they_need() {
    let fixtures = Fixtures::new("deplibs");
    let object = |name: &str, text: &str| {
        fixtures.write("source.c", text);
        fixtures.tool(&["clang-19", "-c", "-O1", "source.c", "-o", name]);
    };
    object(
        "z.o",
        "#pragma comment(lib, \"z\")\nconst char *zlibVersion(void); int main(void) { return zlibVersion()[0] == '1'; }",
    );
    check(&fixtures.linkjit(&["run", "z.o"]), 1, "");
    fixtures.c("own.o", "int own(void) { return 7; }");
    fixtures.archive("libown.a", &["own.o"]);
    fixtures.c("other.o", "int other(void) { return 8; }");
    fixtures.archive("exactly.lib", &["other.o"]);
    object(
        "own_main.o",
        "#pragma comment(lib, \"own\")\n#pragma comment(lib, \"exactly.lib\")\n
         int own(void), other(void); int main(void) { return own() + other(); }",
    );
    check(&fixtures.linkjit(&["run", "own_main.o", "-L", "."]), 15, "");
    // A member of an archive asks, too.
    object("member.o", "#pragma comment(lib, \"own\")\nint own(void); int member(void) { return own(); }");
    fixtures.archive("libmember.a", &["member.o"]);
    fixtures.c("main.o", "int member(void); int main(void) { return member(); }");
    check(&fixtures.linkjit(&["run", "main.o", "libmember.a", "-L", "."]), 7, "");
    // A library that is missing is no error if nothing of it is.
    object("unused.o", "#pragma comment(lib, \"no_such_library\")\nint main(void) { return 5; }");
    assert_eq!(fixtures.linkjit(&["run", "unused.o"]).code, Some(5));
}

#[test]
fn scripts_search_want_and_define() {
    let fixtures = plugins("scripts");
    fixtures.tool(&["mkdir", "deep"]);
    fixtures.tool(&["ar", "rcs", "deep/libab.a", "a.o", "b.o"]);
    fixtures.write("nothing.ld", "/* GNU ld script: there is nothing in it any more */\n");
    fixtures.write(
        "all.ld",
        "/* comment */ OUTPUT_FORMAT(elf64-x86-64)\nSEARCH_DIR(deep) SEARCH_DIR(\"no such directory\")\n
         GROUP(AS_NEEDED(-lab))\nEXTERN(plugin)\nPROVIDE(also_a = a); PROVIDE(answer = 1);\nother = 0x2a;\n",
    );
    fixtures.c(
        "plugin.o",
        "extern int registered; int plugin; __attribute__((constructor)) void c(void) { registered = 5; }",
    );
    fixtures.archive("libplugin.a", &["plugin.o"]);
    fixtures.c(
        "use.o",
        "#include <stdio.h>
         int a(int), also_a(int), registered, answer = 3; extern char other[];
         int main(void) { printf(\"%d %d %d %d %d\\n\", a(2), also_a(3), registered, answer, (int)(long)other); return 0; }",
    );
    for line in [
        &["run", "use.o", "all.ld", "nothing.ld", "libplugin.a"],
        &["run", "all.ld", "libplugin.a", "nothing.ld", "use.o"],
    ] {
        check(&fixtures.linkjit(line), 0, "2 3 5 3 42\n");
    }
    // Paths below the root of the system that programs are linked for.
    let directory = fixtures.path("deep").display().to_string();
    for text in [
        format!("GROUP(={directory}/libab.a)"),
        format!("SEARCH_DIR(\"={directory}\") INPUT(-lab)"),
        format!("INPUT ( $SYSROOT{directory}/libab.a )"),
    ] {
        fixtures.write("root.ld", text);
        check(&fixtures.linkjit(&["run", "main.o", "root.ld"]), 0, "7 0 0\n");
    }
    fixtures.write("entry.ld", "ENTRY(a)");
    fixtures.write("bad.ld", "INPUT(a.o)\nPROVIDE(x = a + 4)\n");
    assert_eq!(fixtures.linkjit(&["run", "a.o", "b.o", "entry.ld"]).code, Some(1));
    check_says(
        &fixtures.linkjit(&["run", "bad.ld"]),
        &["bad.ld:2: linker script: 'x = a + 4': only numbers and names"],
    );
}

#[test]
fn relocatable_output_of_the_systems_linker_is_linked() {
    let fixtures = Fixtures::new("relocatable");
    fixtures.write(
        "main.c",
        "#include <stdio.h>\nstatic int used(void) { return 3; } int unused(void) { return puts(\"x\"); }\n
         int main(void) { return used(); }",
    );
    fixtures.tool(&["cc", "-c", "-O0", "-ffunction-sections", "main.c", "-o", "main.o"]);
    fixtures.tool(&["ld", "-r", "--gc-sections", "-e", "main", "main.o", "-o", "few.o"]);
    fixtures.tool(&["ld", "-r", "main.o", "-o", "all.o"]);
    check(&fixtures.linkjit(&["run", "few.o"]), 3, "");
    check(&fixtures.linkjit(&["run", "all.o"]), 3, "");
}

#[test]
fn windows_have_the_size_that_is_asked_for() {
    let fixtures = Fixtures::new("window_size");
    fixtures.c(
        "main.o",
        "static char big[300 << 20]; int main(int n, char **v) { big[n << 20] = 3; return big[n << 20]; }",
    );
    for size in ["64K", "1M", "2G"] {
        check(&fixtures.linkjit(&["run", "--window-size", size, "main.o"]), 3, "");
    }
    assert_eq!(fixtures.linkjit(&["run", "--window-size", "3G", "main.o"]).code, Some(2));
}

#[test]
fn names_of_compilers_libraries_come_with_advice() {
    let fixtures = Fixtures::new("hints");
    let object = |name: &str, calls: &[&str]| {
        let lines: Vec<_> = calls.iter().map(|call| format!("call {call}@PLT\n")).collect();
        fixtures.write("source.s", format!(".globl main\nmain:\n{}ret\n", lines.concat()));
        fixtures.tool(&["cc", "-c", "source.s", "-o", name]);
    };
    for (names, advice) in [
        (&["GOMP_parallel", "GOMP_barrier"][..], "-l gomp"),
        (&["_gfortran_st_write"], "-l gfortran"),
        (&["__kmpc_fork_call"], "-l omp"),
        (&["__asan_report_load8"], "LD_PRELOAD=$(cc -print-file-name=libasan.so)"),
        (&["__ubsan_handle_add_overflow"], "-l ubsan"),
        (&["__gcov_merge_add"], "-l gcov"),
        (&["__llvm_profile_instrument_target"], "libclang_rt.profile.a"),
        (&["__atomic_no_such_16"], "-l atomic"),
        (&["_ZNSt3__112basic_stringIcE4noneEv"], "-l c++"),
        (&["_RNvCs123_3std4none"], "rustc --print target-libdir"),
        (&["__gnat_none"], "-l gnat"),
        (&["objc_msg_none"], "-l objc"),
        (&["expq"], "-l quadmath"),
        (&["_D3std5stdio4none"], "phobos2"),
    ] {
        object("main.o", names);
        let outcome = fixtures.linkjit(&["run", "main.o"]);
        check_says(&outcome, &[advice]);
        assert_eq!(outcome.err.matches("hint: ").count(), 1, "{}", outcome.err);
    }
    object("main.o", &["none_of_these"]);
    let outcome = fixtures.linkjit(&["run", "main.o"]);
    assert!(!outcome.err.contains("hint: "), "{}", outcome.err);
    object("main.o", &["GOMP_barrier"]);
    let lines = fixtures.linkjit(&["run", "--json", "main.o"]).json();
    assert!(lines[0]["symbols"][0]["hint"].as_str().is_some_and(|hint| hint.contains("-l gomp")), "{lines:?}");
}

#[test]
fn a_missing_library_says_where_the_compiler_looks() {
    let fixtures = Fixtures::new("no_library");
    fixtures.c("main.o", "int main(void) { return 0; }");
    check_says(&fixtures.linkjit(&["run", "main.o", "-l", "no_such_library"]), &["/usr/lib", "/gcc/"]);
}

#[test]
fn a_library_that_needs_the_program_says_what_of_it() {
    let fixtures = Fixtures::new("needs_program");
    fixtures.shared(
        "libplugin.so",
        "extern int value, not_there; int callback(int); void optional(void) __attribute__((weak));
         int run(int x) { if (optional) optional(); return callback(x) + value + (x ? 0 : not_there); }",
    );
    fixtures
        .c("main.o", "int value = 1, run(int); int callback(int x) { return x; } int main(void) { return run(2); }");
    let texts = ["./libplugin.so", "'callback'", "'value'", "JITDylib 'main'", "static archive"];
    for line in [["run", "main.o", "./libplugin.so"], ["run", "libplugin.so", "main.o"]] {
        let outcome = fixtures.linkjit(&line);
        check_says(&outcome, &texts);
        assert_eq!(outcome.err.lines().count(), 1, "{}", outcome.err);
    }
    let lines = fixtures.linkjit(&["run", "--json", "main.o", "./libplugin.so"]).json();
    assert_eq!((lines.len(), lines[0]["kind"].as_str()), (1, Some("library")), "{lines:?}");
}
