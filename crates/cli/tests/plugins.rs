//! Programs that open plugins which need them, as programs do that are linked with `-rdynamic`.
#![cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
#![allow(
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    dead_code,
    reason = "tests are nobody's interface"
)]

mod support;

use std::process::Command;

use support::{Fixtures, Outcome};

/// Runs what the system links, and what linkjit links, at once and lazily; all are to do the same.
fn check(fixtures: &Fixtures, objects: &[&str], libraries: &[&str], arguments: &[&str]) {
    fixtures.tool(&[&["c++", "-no-pie", "-rdynamic", "-o", "native"], objects, libraries].concat());
    let native = Outcome::run(Command::new("./native").args(arguments).current_dir(fixtures.path("")));
    for options in [&["run"][..], &["run", "--lazy"]] {
        let line = [options, objects, libraries, &["--"], arguments].concat();
        let outcome = fixtures.linkjit(&line);
        assert_eq!((outcome.code, outcome.out), (native.code, native.out.clone()), "{line:?}: {}", outcome.err);
    }
}

#[test]
fn plugins_find_classes_and_variables_of_the_program() {
    let fixtures = Fixtures::new("plugins_cxx");
    fixtures.write("base.hpp", include_str!("cases/plugins/base.hpp"));
    fixtures.write("host.cpp", include_str!("cases/plugins/host.cpp"));
    fixtures.write("plugin.cpp", include_str!("cases/plugins/plugin.cpp"));
    fixtures.shared(
        "libdependency.so",
        "extern int counter; int not_called_here(int); extern int maybe(void) __attribute__((weak));
         int dependency(int x) { return not_called_here(x) + counter * 100 + (maybe ? 1000000 : 0); }",
    );
    fixtures.shared(
        "liblacking.so",
        "extern int counter; int nobody_has(void), not_called_here(int);
         int usable(int x) { return not_called_here(x) + counter; } int unusable(void) { return nobody_has(); }",
    );
    for compiler in ["g++", "clang++-19"] {
        let shared = [compiler, "-std=c++17", "-O1", "-shared", "-fPIC", "plugin.cpp", "-o", "libplugin.so"];
        fixtures.tool(&[&shared[..], &["-L.", "-ldependency", "-Wl,-rpath,$ORIGIN"]].concat());
        for flags in [["-O0", "-fPIE"], ["-O2", "-fno-pic"]] {
            let compile = [compiler, "-std=c++17", flags[0], flags[1], "-c", "host.cpp", "-o", "host.o"];
            fixtures.tool(&compile);
            for mode in ["now", "lazy"] {
                check(&fixtures, &["host.o"], &["-lstdc++"], &[mode]);
            }
        }
    }
}

#[test]
fn what_a_plugin_may_do_without_is_found_in_the_program() {
    let fixtures = Fixtures::new("plugins_c");
    fixtures.shared(
        "libplugin.so",
        "extern int value; int callback(int); void optional(void) __attribute__((weak));
         void absent(void) __attribute__((weak)); extern int (*table[2])(int);
         __attribute__((constructor)) static void start(void) { value += 1000; if (optional) optional(); }
         int run(int x) { return callback(x) + value + (absent ? 100000 : 0) + (table[1] == callback ? 20000 : 0); }",
    );
    // Functions of a file of their own, and an allocator of the program's own: libraries are bound to it before they begin.
    fixtures.c("callback.o", "int callback(int x) { return x * 2; } int (*table[2])(int) = {0, callback};");
    fixtures.c(
        "allocator.o",
        "#include <stddef.h>\n#include <string.h>\n
         static char memory[1 << 24]; static size_t used; extern int value;
         void *malloc(size_t n) { size_t *p = (size_t *)(memory + used); used += (n + 31) & ~(size_t)15; *p = n;
             return p + 2; }
         void free(void *p) { }
         void *calloc(size_t n, size_t m) { return memset(malloc(n * m), 0, n * m); }
         void *realloc(void *p, size_t n) { void *q = malloc(n); return p ? memcpy(q, p, n) : q; }",
    );
    fixtures.c(
        "main.o",
        "#include <dlfcn.h>\n#include <stdio.h>\n
         int value = 100; void optional(void) { puts(\"optional\"); }
         int main(int argc, char **argv) {
             void *plugin = dlopen(\"./libplugin.so\", argv[1][0] == 'l' ? RTLD_LAZY : RTLD_NOW);
             if (!plugin) { puts(dlerror()); return 1; }
             int (*run)(int) = (int (*)(int))dlsym(plugin, \"run\");
             printf(\"%d\\n\", run(4));
             return dlclose(plugin);
         }",
    );
    for mode in ["now", "lazy"] {
        check(&fixtures, &["main.o", "callback.o"], &[], &[mode]);
        check(&fixtures, &["allocator.o", "callback.o", "main.o"], &[], &[mode]);
    }
}

#[test]
fn forks_wait_for_threads_that_are_in_the_loader() {
    let fixtures = Fixtures::new("plugins_forks");
    fixtures.shared("libplugin.so", "int callback(int); int run(int x) { return callback(x); }");
    fixtures.c("main.o", include_str!("cases/plugins/forks.c"));
    fixtures.c("one.o", "#include <stdlib.h>\nint one(int x) { return abs(x); }");
    fixtures.c("two.o", "#include <string.h>\nint two(int x) { return x * x + (int)strlen(\"\"); }");
    for line in [&["run", "main.o", "one.o", "two.o"][..], &["run", "--lazy", "main.o", "one.o", "two.o"]] {
        let outcome = fixtures.linkjit(line);
        assert_eq!((outcome.code, &*outcome.out), (Some(0), "30\n"), "{line:?}: {}", outcome.err);
    }
}

/// A library's initializer has the loader's lock. Natively, calls are bound without it.
#[test]
fn initializers_of_plugins_wait_for_threads_that_call_what_is_not_linked_yet() {
    let fixtures = Fixtures::new("plugins_waits");
    fixtures.shared(
        "libplugin.so",
        "int wait_for_other(int); int called_back(int); int result;
         __attribute__((constructor)) static void start(void) { result = wait_for_other(20) + called_back(1); }
         int run(int x) { return x + result; }",
    );
    fixtures.c("main.o", include_str!("cases/plugins/waits.c"));
    fixtures
        .c("called.o", "#include <stdlib.h>\nint called_back(int x) { return abs(-x) + (int)strtol(\"5\", 0, 10); }");
    let functions = [
        "one.o",
        "#include <string.h>\nint one(int x) { return x + (int)strlen(\"1\"); }",
        "two.o",
        "#include <ctype.h>\nint two(int x) { return x + toupper('a') - 'A' + 2; }",
        "three.o",
        "#include <stdlib.h>\nint three(int x) { return x + atoi(\"3\"); }",
        "four.o",
        "int missing(void) __attribute__((weak)); int four(int x) { return x + (missing ? 0 : 4); }",
    ];
    for [name, text] in functions.as_chunks().0 {
        fixtures.c(name, text);
    }
    let objects = ["main.o", "called.o", "one.o", "two.o", "three.o", "four.o"];
    check(&fixtures, &objects, &["-lpthread"], &[]);
}

/// The loader's message about its last failure stays, also if something is linked before the program asks for it.
#[test]
fn what_is_linked_meanwhile_does_not_replace_the_loaders_message() {
    let fixtures = Fixtures::new("plugins_messages");
    fixtures.shared("libplugin.so", "int run(int x) { return x; }");
    fixtures.c("main.o", include_str!("cases/plugins/messages.c"));
    fixtures.c(
        "late.o",
        "#include <stdio.h>\n#include <stdlib.h>\nint missing(void) __attribute__((weak));
         int late(int x) { return printf(\"late %d\\n\", abs(x) + (missing ? 1 : 0)); }",
    );
    fixtures.cpp("later.o", "#include <string>\nextern \"C\" int later(int x) { return std::to_string(x).size(); }");
    check(&fixtures, &["main.o", "late.o", "later.o"], &["-lstdc++"], &[]);
}

/// `--jd` gives a plugin its name; natively it is that of a file.
#[test]
fn programs_open_jitdylibs_as_their_plugins() {
    let fixtures = Fixtures::new("plugins_opened");
    let plugin = "#include <stdio.h>\n
         extern int value; int of_program(int); static int calls;
         __attribute__((constructor)) static void begin(void) { printf(\"%s begins: %d\\n\", NAME, of_program(value)); }
         __attribute__((destructor)) static void end(void) { printf(\"%s ends after %d\\n\", NAME, calls); }
         int run(void) { return ++calls * value; }";
    for name in ["one", "two"] {
        let source = format!("#define NAME \"{name}\"\n{plugin}");
        fixtures.c(&format!("{name}.o"), &source);
        fixtures.tool(&["cc", "-shared", "-o", name, &format!("{name}.o")]);
    }
    fixtures.c("direct.o", "int of_direct(void) { return 5; }");
    fixtures.c(
        "constructor.o",
        "#include <stdio.h>\n
         __attribute__((constructor)) static void begin(void) { puts(\"direct\"); }",
    );
    fixtures.tool(&["cc", "-shared", "-o", "libdirect.so", "direct.o", "constructor.o"]);
    fixtures.c(
        "main.o",
        "#include <dlfcn.h>\n#include <stdio.h>\n
         int value = 7; int of_program(int x) { return x + 1; } int of_direct(void);
         int main(int argc, char **argv) {
             printf(\"main %d\\n\", of_direct());
             for (int i = 1; i < argc; i++) {
                 void *plugin = dlopen(argv[i], RTLD_NOW);
                 if (!plugin) { puts(\"none\"); continue; }
                 int (*run)(void) = (int (*)(void))dlsym(plugin, \"run\");
                 int first = run(), second = run();
                 printf(\"%d %d\\n\", first, second);
                 if (i < argc - 1) dlclose(plugin);
             }
             return 3;
         }",
    );
    let arguments = ["one", "two", "three", "one", "two"];
    let native = ["cc", "-rdynamic", "-o", "native", "main.o", "-L.", "-ldirect", "-Wl,-rpath,$ORIGIN"];
    fixtures.tool(&native);
    let path = fixtures.path("");
    let native =
        Outcome::run(Command::new("./native").args(arguments).current_dir(&path).env("LD_LIBRARY_PATH", &path));
    let begins = "direct\nmain 5\none begins: 8\n7 14\none ends after 2\ntwo begins: 8\n";
    assert!(native.out.starts_with(begins), "{}", native.out);
    let inputs =
        ["main.o", "--jd", "one", "one.o", "--jd", "two", "two.o", "--jd", "direct", "direct.o", "constructor.o", "--"];
    for options in [&["run"][..], &["run", "--lazy"], &["run", "--executor", "child"]] {
        let line = [options, &inputs, &arguments].concat();
        let outcome = fixtures.linkjit(&line);
        assert_eq!((outcome.code, &outcome.out), (native.code, &native.out), "{line:?}: {}", outcome.err);
    }
}
