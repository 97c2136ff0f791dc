//! `linkjit jitlink` with compiled programs: what runs, and what must not.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use support::{Fixtures, Outcome};

fn jitlink(fixtures: &Fixtures, arguments: &[&str]) -> Outcome {
    fixtures.linkjit(&[&["jitlink"], arguments].concat())
}

/// The exit code of a C++ program that has `override_result`.
#[track_caller]
fn result(name: &str, source: &str) -> Option<i32> {
    let fixtures = Fixtures::new(name);
    let declarations = "#include <cstdlib>\nextern \"C\" void llvm_jitlink_setTestResultOverride(long);
                        struct At { long result; ~At() { llvm_jitlink_setTestResultOverride(result); } };\n";
    fixtures.cpp("program.o", &(declarations.to_owned() + source));
    let outcome = jitlink(&fixtures, &["program.o"]);
    assert_eq!(outcome.err, "");
    outcome.code
}

#[test]
fn what_runs_at_exit_has_the_last_word_about_the_result() {
    let set = "llvm_jitlink_setTestResultOverride";
    let main = format!("int main() {{ {set}(9); return 3; }}");
    let check = |name: &str, source: &str, code| assert_eq!(result(name, source), Some(code), "{source}");
    check("exit_main", &main, 9);
    check("exit_local", &format!("int main() {{ static At at{{0}}; {set}(9); return 3; }}"), 0);
    check("exit_global", &format!("At at{{5}}; {main}"), 5);
    check("exit_order", &format!("At last{{6}}, first{{5}}; {main}"), 6);
    check("exit_thread", &format!("thread_local At at{{7}}; int main() {{ {set}(at.result + 1); return 3; }}"), 7);
    let function = format!("void leave() {{ {set}(4); }}");
    check("exit_atexit", &format!("{function} int main() {{ atexit(leave); return 3; }}"), 4);
    check("exit_array", &format!("__attribute__((destructor)) {function} {main}"), 4);
    check("exit_nested", &format!("{function} struct G {{ ~G() {{ atexit(leave); {set}(8); }} }} g; {main}"), 4);
    // As with LLVM and the system, of what does not fit the lowest bits count.
    check("exit_bits", &format!("At at{{(1l << 40) + 3}}; {main}"), 3);
    check("exit_negative", &format!("At at{{-1}}; {main}"), 255);
}

#[test]
fn a_program_that_ends_itself_has_its_own_exit_code() {
    let set = "llvm_jitlink_setTestResultOverride";
    assert_eq!(result("exit_call", &format!("At at{{5}}; int main() {{ {set}(9); exit(3); }}")), Some(3));
    assert_eq!(result("exit_quick", &format!("At at{{5}}; int main() {{ {set}(9); quick_exit(4); }}")), Some(4));
}

/// A program, a function that needs what is nowhere, functions that are called, data beside a function.
fn lazy(name: &str) -> Fixtures {
    let fixtures = Fixtures::new(name);
    fixtures.c("unlikely.o", "int absent(void); int main(int c, char **v) { return c > 5 ? absent() : 7; }");
    fixtures.c("absent.o", "int nowhere(void); int absent(void) { return nowhere(); }");
    fixtures.c(
        "main.o",
        "int called(void), beside(void); extern int data;
         int main(void) { return called() + data + beside(); }",
    );
    fixtures.c("called.o", "int deeper(void); int called(void) { return deeper() + 1; }");
    fixtures.c("deeper.o", "int deeper(void) { return 10; }");
    fixtures.c("data.o", "int data = 20; int beside(void) { return 3; }");
    fixtures.archive("absent.a", &["absent.o"]);
    fixtures.archive("rest.a", &["called.o", "deeper.o", "data.o"]);
    fixtures
}

/// Returns what it prints about linked files, in order.
fn linked(outcome: &Outcome) -> Vec<&str> {
    outcome.out.lines().filter_map(|line| line.strip_prefix("Linking ")).collect()
}

#[test]
fn lazy_files_are_linked_when_they_are_called_and_not_before() {
    let fixtures = lazy("lazy_run");
    for inputs in [["unlikely.o", "-lazy", "absent.o"], ["-lazy", "absent.o", "unlikely.o"]] {
        let outcome = jitlink(&fixtures, &[&["-show-linked-files"], &inputs[..]].concat());
        assert_eq!((outcome.code, linked(&outcome)), (Some(7), vec!["unlikely.o", "<indirect stubs graph #1>"]));
    }
    let outcome = jitlink(
        &fixtures,
        &["-show-linked-files", "-lazy", "deeper.o", "-lazy", "data.o", "main.o", "-lazy", "called.o"],
    );
    assert_eq!(outcome.code, Some(34), "{}", outcome.err);
    let files = linked(&outcome);
    let mut before = files[..4].to_vec();
    before.sort_unstable();
    assert_eq!(before, ["<indirect stubs graph #1>", "<indirect stubs graph #2>", "data.o", "main.o"]);
    // What is called brings the stubs of what that calls.
    assert_eq!(files[4..], ["called.o", "<indirect stubs graph #3>", "deeper.o"]);
    let graphs = jitlink(&fixtures, &["-show-graphs=called", "main.o", "-lazy", "called.o", "deeper.o", "data.o"]);
    assert!(graphs.out.contains("LinkGraph \"called.o\""), "{}", graphs.out);
}

#[test]
fn without_running_nothing_lazy_is_called() {
    let fixtures = lazy("lazy_noexec");
    for inputs in [["unlikely.o", "-lazy", "absent.o"], ["-lazy", "absent.o", "unlikely.o"]] {
        let outcome = jitlink(&fixtures, &[&["-noexec", "-show-linked-files"], &inputs[..]].concat());
        assert_eq!((outcome.code, linked(&outcome)), (Some(0), vec!["unlikely.o", "<indirect stubs graph #1>"]));
    }
    let eager = jitlink(&fixtures, &["-noexec", "unlikely.o", "absent.o"]);
    assert_eq!(eager.headline(), "llvm-jitlink error: Symbols not found: [ nowhere ]");
    let all = ["-lazy", "main.o", "-lazy", "called.o", "-lazy", "deeper.o", "-lazy", "data.o"];
    let outcome = jitlink(&fixtures, &[&["-noexec", "-show-linked-files"], &all[..]].concat());
    assert_eq!((outcome.code, linked(&outcome)), (Some(0), vec!["<indirect stubs graph #1>"]));
    // Data is needed at once, and with it the file that has it.
    let outcome = jitlink(&fixtures, &[&["-noexec", "-show-linked-files"], &all[1..]].concat());
    let mut files = linked(&outcome);
    files.sort_unstable();
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    assert_eq!(files, ["<indirect stubs graph #1>", "<indirect stubs graph #3>", "data.o", "main.o"]);
}

#[test]
fn what_can_not_be_linked_when_it_is_called_ends_the_program() {
    let fixtures = lazy("lazy_missing");
    fixtures.c("calls.o", "#include <stdio.h>\nint absent(void); int main(void) { puts(\"main\"); return absent(); }");
    for place in [&[][..], &["-oop-executor"]] {
        let outcome = jitlink(&fixtures, &[place, &["calls.o", "-lazy", "absent.o"]].concat());
        let error = "llvm-jitlink error: Symbols not found: [ nowhere ]\n";
        assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(1), "main\n", error), "{place:?}");
    }
}

/// As in LLVM, the name of a lazy function is its stub's, and what nobody needs at once has none.
#[test]
fn rules_see_what_is_linked_of_lazy_inputs() {
    let fixtures = lazy("lazy_rules");
    fixtures.c("pointer.o", "int called(void); int (*pointer)(void) = called; int main(void) { return pointer(); }");
    fixtures.write(
        "rules",
        "# jitlink-check: *{8}pointer = called
# deeper: *{8}pointer = deeper\n",
    );
    let inputs =
        ["-noexec", "-show-linked-files", "-check", "rules", "pointer.o", "-lazy", "called.o", "-lazy", "deeper.o"];
    let outcome = jitlink(&fixtures, &inputs);
    assert_eq!((outcome.code, &*outcome.err), (Some(0), ""));
    assert_eq!(linked(&outcome), ["pointer.o", "<indirect stubs graph #1>"]);
    let outcome = jitlink(&fixtures, &[&inputs[..], &["-check-name", "deeper"]].concat());
    assert!(outcome.code == Some(1) && outcome.err.contains("no known address for symbol 'deeper'"), "{}", outcome.err);
}

#[test]
fn members_of_lazy_archives_are_lazy() {
    let fixtures = lazy("lazy_archives");
    for options in [&["-noexec", "-show-linked-files"][..], &["-show-linked-files"]] {
        let outcome = jitlink(&fixtures, &[options, &["-lazy", "absent.a", "unlikely.o"]].concat());
        assert_eq!(linked(&outcome), ["unlikely.o", "<indirect stubs graph #1>"], "{}", outcome.err);
    }
    let outcome = jitlink(&fixtures, &["-show-linked-files", "main.o", "-lazy", "rest.a"]);
    assert_eq!(outcome.code, Some(34), "{}", outcome.err);
    assert_eq!(linked(&outcome).last(), Some(&"rest.a[1](deeper.o)"));
    let whole = jitlink(&fixtures, &["-all_load", "main.o", "-lazy", "rest.a"]);
    assert_eq!(whole.code, Some(34), "{}", whole.err);
}

/// Libraries that say so when anything of them runs, one of which needs the other, and a program that needs both.
fn libraries(name: &str) -> Fixtures {
    let fixtures = Fixtures::new(name);
    let loud =
        "#include <stdio.h>\n__attribute__((constructor)) static void run(void) { puts(\"RUN\"); fflush(stdout); }\n";
    fixtures.shared("libinner.so", &format!("{loud} int inner_value = 5; int inner(void) {{ return 1; }}"));
    let outer = "int outer_value = 3; int outer(void) { return 2; } __thread int thread_value = 4;
                 static int one(void) { return 1; }
                 static int (*choose(void))(void) { puts(\"RUN\"); return one; }
                 int indirect(void) __attribute__((ifunc(\"choose\")));";
    fixtures.write("outer.c", format!("{loud}{outer}"));
    fixtures.tool(&[
        "cc",
        "-shared",
        "-fPIC",
        "outer.c",
        "-o",
        "libouter.so",
        "-L.",
        "-Wl,--no-as-needed",
        "-linner",
        "-Wl,-rpath,$ORIGIN",
    ]);
    fixtures.write(
        "program.c",
        "extern int outer_value, inner_value; extern __thread int thread_value; int outer(void), inner(void), indirect(void);
         int main(void) { return outer_value + inner_value + thread_value + outer() + inner() + indirect(); }",
    );
    for (name, option) in [("pic.o", "-fPIC"), ("pie.o", "-fPIE"), ("executable.o", "-fno-pic")] {
        fixtures.tool(&["cc", "-O1", option, "-c", "program.c", "-o", name]);
    }
    fixtures
}

#[test]
fn nothing_of_shared_libraries_runs_without_running() {
    let fixtures = libraries("noexec_libraries");
    let ways: [&[&str]; 4] = [
        &["-L.", "-louter"],
        &["-preload", "./libouter.so"],
        &["-jd", "other", "-L.", "-louter", "-jd", "main", "-l", "other"],
        &["-L.", "-louter", "-linner"],
    ];
    for object in ["pic.o", "pie.o", "executable.o"] {
        for way in ways {
            for arguments in
                [[&["-noexec", object], way].concat(), [&["-noexec"], way, &["-jd", "main", object]].concat()]
            {
                let outcome = jitlink(&fixtures, &arguments);
                assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(0), "", ""), "{arguments:?}");
            }
        }
    }
    let outcome = jitlink(&fixtures, &["-noexec", "pic.o", "-L.", "-weak-louter", "-weak-linner"]);
    assert_eq!((outcome.code, &*outcome.out), (Some(0), ""), "{}", outcome.err);
    let missing = jitlink(&fixtures, &["-noexec", "pic.o", "-L.", "-linner"]);
    let text = "llvm-jitlink error: Symbols not found: [ indirect, outer, outer_value, thread_value ]";
    assert_eq!((missing.code, missing.headline()), (Some(1), text));
    let run = jitlink(&fixtures, &["pic.o", "-L.", "-louter"]);
    assert_eq!(run.code, Some(16), "{}", run.err);
    assert!(run.out.starts_with("RUN\n"));
}

#[test]
fn definitions_of_libraries_are_apart_and_stay_where_they_are() {
    let fixtures = Fixtures::new("noexec_addresses");
    fixtures.shared("libtwo.so", "int first = 1, second = 2; extern int alias __attribute__((alias(\"second\")));");
    fixtures.c(
        "pointers.o",
        "extern int first, second, alias; int *a = &first, *b = &second, *c = &alias; int main(void) { return *a; }",
    );
    fixtures.write(
        "rules",
        "# jitlink-check: *{8}b = *{8}c\n# jitlink-check: (*{8}(b)) - (*{8}(a)) = (*{8}(c)) - (*{8}(a))
# apart: *{8}a = *{8}b\n# null: *{8}a = 0\n",
    );
    let check = |name: &str| {
        jitlink(&fixtures, &["-noexec", "pointers.o", "-L.", "-ltwo", "-check=rules", "-check-name", name])
    };
    assert_eq!(check("jitlink-check").code, Some(0), "{}", check("jitlink-check").err);
    for differs in ["apart", "null"] {
        assert!(check(differs).headline().contains("is false"), "{}", check(differs).err);
    }
}

#[test]
fn without_running_the_usual_libraries_are_searched() {
    let fixtures = Fixtures::new("noexec_process");
    fixtures.write("math.c", "double cos(double); int main(int c, char **v) { return (int)cos(c); }");
    fixtures.write("print.c", "#include <stdio.h>\nint main(void) { fprintf(stdout, \"%d\\n\", 1); return 0; }");
    fixtures
        .write("errno.c", "#include <errno.h>\n#include <stdlib.h>\nint main(void) { atexit(abort); return errno; }");
    let sources =
        [("math.c", "cc"), ("print.c", "cc"), ("errno.c", "cc"), ("math.c", "clang-19"), ("print.c", "clang-19")];
    for (source, compiler) in sources {
        for options in
            [["-O0", "-fPIC"], ["-O2", "-fPIE"], ["-O0", "-fno-pic"], ["-O2", "-fno-pic"], ["-O1", "-mcmodel=large"]]
        {
            fixtures.tool(&[&[compiler, "-fno-builtin", "-c", source, "-o", "it.o"], &options[..]].concat());
            let outcome = jitlink(&fixtures, &["-noexec", "it.o"]);
            assert_eq!((outcome.code, &*outcome.err), (Some(0), ""), "{compiler} {options:?} {source}");
        }
    }
    fixtures.cpp(
        "cxx.o",
        "#include <iostream>
         #include <stdexcept>
         struct G { ~G() { std::cout << \"gone\"; } } g;
         thread_local G t;
         int main() { try { throw std::runtime_error(\"x\"); } catch (std::exception &e) { std::cout << e.what() << &t; } }",
    );
    let outcome = jitlink(&fixtures, &["-noexec", "cxx.o"]);
    assert_eq!((outcome.code, &*outcome.err, &*outcome.out), (Some(0), "", ""));
    fixtures.tool(&["cc", "-c", "math.c", "-fno-builtin", "-o", "math.o"]);
    let outcome = jitlink(&fixtures, &["-noexec", "-no-process-syms", "math.o"]);
    assert_eq!(outcome.headline(), "llvm-jitlink error: Symbols not found: [ cos ]");
}

#[test]
fn damaged_shared_libraries_are_errors_or_none() {
    let fixtures = libraries("noexec_damaged");
    let whole = std::fs::read(fixtures.path("libouter.so")).unwrap();
    let dynamic = whole.windows(7).position(|bytes| bytes == b"\0outer\0").unwrap();
    let places = (0..64).chain((whole.len() - 512..whole.len()).step_by(7)).chain((dynamic..dynamic + 64).step_by(3));
    for (number, place) in places.enumerate() {
        let mut bytes = whole.clone();
        bytes[place] = if number % 2 == 0 { 0xff } else { bytes[place].wrapping_add(1) };
        fixtures.write("libdamaged.so", &bytes);
        let outcome = jitlink(&fixtures, &["-noexec", "pic.o", "-L.", "-ldamaged", "-linner"]);
        assert!(matches!(outcome.code, Some(0 | 1)) && !outcome.err.contains("panicked"), "{place}: {}", outcome.err);
    }
    for length in [0, 1, 63, 64, 200, whole.len() / 2, whole.len() - 1] {
        fixtures.write("libdamaged.so", &whole[..length]);
        let outcome = jitlink(&fixtures, &["-noexec", "pic.o", "-L.", "-ldamaged"]);
        assert_eq!(outcome.code, Some(1), "{length}");
    }
}

/// Libraries for delayed loading consist of objects: what their thunks call must be there, the DLL need not.
#[test]
fn libraries_for_delayed_loading_are_linked_without_running() {
    let fixtures = Fixtures::new("noexec_delayed");
    fixtures.write("some.def", "LIBRARY some.dll\nEXPORTS\nnamed\nnumbered @7 NONAME\n");
    fixtures.tool(&["x86_64-w64-mingw32-dlltool", "-d", "some.def", "-y", "some.delay.a"]);
    fixtures.write("main.c", "int named(int), numbered(int); int main(void) { return named(1) + numbered(2); }");
    fixtures.tool(&["clang-19", "--target=x86_64-pc-windows-msvc", "-c", "main.c", "-o", "main.o"]);
    // A slot leads behind the jump through it, until the function is known.
    let rules = ["*{8}__imp_named = named + 6", "*{8}__imp_numbered = numbered + 6"];
    let rules: String = rules.iter().map(|rule| format!("# jitlink-check: {rule}\n")).collect();
    fixtures.write("rules", &rules);
    let inputs = ["-check", "rules", "main.o", "some.delay.a"];
    let outcome = jitlink(&fixtures, &[&["-noexec", "-abs", "__delayLoadHelper2=0x1000"][..], &inputs].concat());
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(0), "", ""));
    let outcome = jitlink(&fixtures, &[&["-noexec"][..], &inputs].concat());
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("Symbols not found: [ __delayLoadHelper2 ]"), "{}", outcome.err);
}

/// A program that opens a JITDylib under ORC's names, as tests of ORC's runtime do.
#[test]
fn programs_open_jitdylibs_through_the_platform() {
    let fixtures = Fixtures::new("platform");
    fixtures.c(
        "plugin.o",
        "#include <stdio.h>
         __attribute__((constructor)) static void begin(void) { puts(\"begin\"); }
         __attribute__((destructor)) static void end(void) { puts(\"end\"); }
         int answer(void) { return 42; }",
    );
    fixtures.c(
        "main.o",
        "#include <dlfcn.h>
         #include <stdio.h>
         int main(void) {
             puts(\"main\");
             for (int i = 0; i < 2; i++) {
                 void *plugin = dlopen(\"plugin\", RTLD_LAZY);
                 int (*answer)(void) = plugin ? dlsym(plugin, \"answer\") : 0;
                 if (!answer) { puts(dlerror()); return 1; }
                 printf(\"%d\\n\", answer());
                 if (dlclose(plugin)) { puts(dlerror()); return 2; }
             }
             return 0;
         }",
    );
    let names = ["dlopen", "dlclose", "dlsym", "dlerror"];
    let aliases = names.map(|name| format!("Platform:{name}=__orc_rt_jit_{name}"));
    let aliases: Vec<_> = aliases.iter().flat_map(|alias| ["-alias", alias]).collect();
    let inputs = ["main.o", "-jd", "plugin", "plugin.o", "-lmain"];
    let outcome = jitlink(&fixtures, &[&aliases[..], &inputs].concat());
    let expected = "main\nbegin\n42\nend\nbegin\n42\nend\n";
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(0), expected, ""));
    let outcome = jitlink(&fixtures, &[&["-noexec"], &aliases[..], &inputs].concat());
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(0), "", ""));
    // The platform's definitions are in place of the system's, for all JITDylibs. If a name has no JITDylib beside it, it is
    // of the one of the alias.
    fixtures
        .c("own.o", "void *own(const char *name, int flags) { return 0; } const char *say(void) { return \"own\"; }");
    let own =
        ["-alias", "Process:dlopen=other:own", "-alias", "Platform:dlerror=main:say", "-alias", "main:say=other:say"];
    let outcome = jitlink(&fixtures, &[&own[..], &["main.o", "-jd", "other", "own.o"]].concat());
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(1), "main\nown\n", ""));
    let outcome = jitlink(&fixtures, &["-alias", "Platform:dlopen=own", "main.o", "own.o"]);
    assert_eq!(outcome.headline(), "llvm-jitlink error: Symbols not found: [ own ]");
    let outcome = jitlink(&fixtures, &["-no-process-syms", "-alias", "Platform:a=main:b", "main.o"]);
    assert!(
        outcome.err.contains("In alias definition \"Platform:a=main:b\" no dylib named Platform"),
        "{}",
        outcome.err
    );
}

#[test]
fn programs_run_in_another_process() {
    let fixtures = Fixtures::new("executor");
    fixtures.c(
        "main.o",
        "#include <stdio.h>
         #include <stdlib.h>
         #include <unistd.h>
         int table[3] = {1, 2, 3}, zeros[9];
         static void leave(void) { puts(\"leave\"); }
         int other(void);
         int (*pointer)(void) = other;
         int main(int argc, char **argv) {
             atexit(leave);
             if (argc == 1) { printf(\"%d\\n\", (int)getppid()); return 42; }
             puts(argv[1]);
             if (argc == 2) exit(9);
             return argc == 3 ? other() : *(volatile int *)16;
         }",
    );
    fixtures.c("other.o", "int other(void) { return 5; }");
    fixtures.write(
        "rules",
        "# jitlink-check: *{4}(table + 8) = 3
# jitlink-check: *{4}zeros = 0
# jitlink-check: *{8}pointer = other
# false: *{4}table = 3\n",
    );
    let inputs = ["main.o", "other.o"];
    // The default, this program by name, and LLVM's by name, which ours stands in for.
    let ours = format!("-oop-executor={}", env!("CARGO_BIN_EXE_linkjit"));
    for executor in ["-oop-executor", &ours, "--oop-executor=/nowhere/llvm-jitlink-executor"] {
        let command = fixtures.command(&[&["jitlink", executor, "-check", "rules"], &inputs[..]].concat());
        let process = { command }.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let id = process.id();
        let output = process.wait_with_output().unwrap();
        let expected = format!("{id}\nleave\n");
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout)), (Some(42), expected.into()));
    }
    let run = |more: &[&str]| jitlink(&fixtures, &[&["-oop-executor"], &inputs[..], more].concat());
    let outcome = run(&["-check", "rules", "-check-name", "false"]);
    assert!(outcome.code == Some(1) && outcome.err.contains("is false: 0x1 != 0x3"), "{}", outcome.err);
    let outcome = run(&["-args", "exit"]);
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(9), "exit\nleave\n", ""));
    let outcome = jitlink(&fixtures, &["-oop-executor", "main.o", "-lazy", "other.o", "-args", "lazy", "call"]);
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(5), "lazy\nleave\n", ""));
    let outcome = run(&["-args", "it", "does", "crash"]);
    assert_eq!(outcome.code, Some(128 + 11));
    let gone = "llvm-jitlink error: the process that runs linked code is gone: ";
    assert!(outcome.err.contains(&format!("{gone}SIGSEGV at address 0x10 in main (main.o)")), "{}", outcome.err);
    let outcome = jitlink(&fixtures, &["-oop-executor", "main.o"]);
    assert_eq!((outcome.code, &*outcome.err), (Some(1), "llvm-jitlink error: Symbols not found: [ other ]\n"));
    for (executor, why) in [
        ("-oop-executor=/nowhere/executor", "/nowhere/executor can't be started: No such file or directory"),
        ("-oop-executor=/bin/true", "its process has exited with code 0"),
        ("-oop-executor-connect=127.0.0.1:1", "there is no executor at tcp:127.0.0.1:1: "),
    ] {
        let outcome = jitlink(&fixtures, &[&[executor], &inputs[..]].concat());
        assert!(outcome.code == Some(1) && outcome.err.contains(why), "{executor}: {}", outcome.err);
    }
}
