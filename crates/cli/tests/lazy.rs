//! `linkjit run --lazy`.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use support::{Fixtures, Outcome};

/// Runs `arguments` with and without `--lazy`; the program must do the same.
#[track_caller]
fn check_same(fixtures: &Fixtures, arguments: &[&str]) -> Outcome {
    let eager = fixtures.linkjit(&[&["run"], arguments].concat());
    let lazy = fixtures.linkjit(&[&["run", "--lazy"], arguments].concat());
    assert_eq!((lazy.code, &lazy.out, &lazy.err), (eager.code, &eager.out, &eager.err));
    lazy
}

#[test]
fn programs_of_one_source_run_as_ever() {
    let fixtures = Fixtures::new("lazy_hello");
    let hello = |file: &str| concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/").to_owned() + file;
    for file in ["hello.c", "hello.cpp"] {
        let outcome = check_same(&fixtures, &[&hello(file)]);
        assert_eq!(outcome.code, Some(0));
        assert!(!outcome.out.is_empty());
    }
}

/// A small machine: a table of operations in one object, their implementations in others, state shared by all.
fn machine(fixtures: &Fixtures) {
    fixtures.c(
        "ops.o",
        "int stack[64], depth; void push(int n) { stack[depth++] = n; } int pop(void) { return stack[--depth]; }
         void add(void), multiply(void), divide(void), print(void);
         struct op { char name; void (*run)(void); };
         const struct op ops[] = { {'+', add}, {'*', multiply}, {'/', divide}, {'p', print}, {0, 0} };",
    );
    fixtures.c(
        "arithmetic.o",
        "void push(int); int pop(void); void fail(const char *);
         void add(void) { push(pop() + pop()); } void multiply(void) { push(pop() * pop()); }
         void divide(void) { int d = pop(); if (!d) fail(\"zero\"); push(pop() / d); }",
    );
    fixtures.c("print.o", "#include <stdio.h>\nint pop(void); void print(void) { printf(\"%d\\n\", pop()); }");
    fixtures.cpp(
        "fail.o",
        "#include <stdexcept>
         extern \"C\" int count; int count = 7;
         extern \"C\" void fail(const char *why) { throw std::runtime_error(why); }",
    );
    fixtures.cpp(
        "main.o",
        "#include <cstdio>
         #include <exception>
         struct op { char name; void (*run)(); };
         extern \"C\" { extern const op ops[]; extern int depth, count; void push(int); }
         int main(int argc, char **argv) {
             for (const char *at = argv[1]; *at; at++) {
                 if (*at >= '0' && *at <= '9') { push(*at - '0'); continue; }
                 for (const op *o = ops; o->name; o++)
                     try { if (o->name == *at) o->run(); } catch (const std::exception &e) { std::printf(\"%s\\n\", e.what()); }
             }
             return depth + count; }",
    );
}

#[test]
fn programs_of_several_objects_run_as_ever() {
    let fixtures = Fixtures::new("lazy_machine");
    machine(&fixtures);
    for order in [
        ["main.o", "ops.o", "arithmetic.o", "print.o", "fail.o"],
        ["fail.o", "print.o", "arithmetic.o", "ops.o", "main.o"],
    ] {
        for (program, code, out) in [("23+4*p", 7, "20\n"), ("12+p90/34*p", 8, "3\nzero\n12\n"), ("1", 8, "")] {
            let outcome = check_same(&fixtures, &[&order[..], &["--", program]].concat());
            assert_eq!((outcome.code, &*outcome.out), (Some(code), out));
        }
    }
}

/// Definitions that several objects have alike are one, also if their symbols are strong and only a COMDAT group says so.
#[test]
fn shared_definitions_run_as_ever_in_every_order() {
    let fixtures = Fixtures::new("lazy_shared");
    let group = |main: &str| {
        format!(
            ".section .text.f,\"axG\",@progbits,f,comdat\n.globl f\n.type f,@function\nf: movl $40,%eax\nret\n.text\n{main}
             .section .note.GNU-stack,\"\",@progbits\n"
        )
    };
    let main = ".globl main\n.type main,@function\nmain: subq $8,%rsp\ncall f@PLT\naddl $2,%eax\naddq $8,%rsp\nret\n";
    for (name, text) in [("f.s", group("")), ("main.s", group(main))] {
        fixtures.write(name, &text);
        fixtures.tool(&["cc", "-c", name]);
    }
    let inline = "#include <cstdio>\ninline int count = 0; inline int next() { static int n = 4; count++; return ++n; }
         template <class T> T twice(T value) { return value + value; } struct Base { virtual int get() { return next(); } };
         struct Derived : Base { int get() override { return twice(Base::get()); } };";
    fixtures.cpp("other.o", &format!("{inline} int other() {{ return Derived().get() + count; }}"));
    fixtures.cpp(
        "program.o",
        &format!("{inline} int other(); int main() {{ int n = other(); std::printf(\"%d %d\\n\", n, Base().get()); }}"),
    );
    for (inputs, code, out) in [(["f.o", "main.o"], 42, ""), (["other.o", "program.o"], 0, "11 6\n")] {
        let [first, second] = inputs;
        for order in [[first, second], [second, first]] {
            let outcome = check_same(&fixtures, &order);
            assert_eq!((outcome.code, &*outcome.out), (Some(code), out));
        }
    }
}

/// Takes sqlite's static library apart; returns the names of its hundred objects.
fn sqlite(fixtures: &Fixtures) -> Vec<String> {
    let library =
        std::process::Command::new("cc").arg("-print-file-name=libsqlite3.a").output().expect("cc is installed");
    let library = String::from_utf8(library.stdout).expect("a path");
    fixtures.tool(&["ar", "x", library.trim()]);
    let objects = std::fs::read_dir(fixtures.path(""))
        .expect("the directory of the fixtures")
        .map(|entry| entry.expect("an entry of the directory").file_name().into_string().expect("a name in ASCII"));
    let mut inputs: Vec<String> = objects.filter(|name| name.ends_with(".o")).collect();
    inputs.sort();
    assert!(inputs.len() > 50, "{inputs:?}");
    inputs
}

/// The hundred objects of sqlite's static library, used by 32 threads at once.
#[test]
fn sqlite_runs_as_ever_from_many_threads() {
    let fixtures = Fixtures::new("lazy_sqlite");
    let mut inputs = sqlite(&fixtures);
    fixtures.c(
        "use.o",
        "#include <pthread.h>
         #include <sqlite3.h>
         #include <stdio.h>
         static int row(void *to, int n, char **values, char **names) { return sprintf(to, \"%s %s\", values[0], values[1]) < 0; }
         static pthread_barrier_t barrier; static char rows[32][100];
         static void *use(void *to) {
             sqlite3 *db; char *error = 0;
             pthread_barrier_wait(&barrier);
             if (sqlite3_open(\":memory:\", &db)) return \"open\";
             if (sqlite3_exec(db, \"create table t(a, b); insert into t values(1, 'x'), (2, 'y'); create index i on t(b);\"
                 \"delete from t where a = 1; select json_array(a, b), date('2020-01-01', '+1 day') from t\", row, to, &error)) return error;
             return sqlite3_close(db) ? \"close\" : 0; }
         int main(void) {
             pthread_t threads[32]; void *error;
             pthread_barrier_init(&barrier, 0, 32);
             for (int i = 0; i < 32; i++) pthread_create(&threads[i], 0, use, rows[i]);
             for (int i = 0; i < 32; i++) { pthread_join(threads[i], &error); puts(error ? error : rows[i]); }
             return 0; }",
    );
    inputs.push("use.o".into());
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let outcome = check_same(&fixtures, &inputs);
    assert_eq!((outcome.code, outcome.out), (Some(0), "[2,\"y\"] 2020-01-02\n".repeat(32)));
}

#[test]
fn what_is_not_called_is_not_linked() {
    let fixtures = Fixtures::new("lazy_bytes");
    fixtures.c("big.o", "int big(int n) { __asm__ volatile(\".fill 200000, 1, 0x90\"); return n; }");
    fixtures.c("main.o", "int big(int); int main(int argc, char **argv) { return argc > 1 ? big(3) : 0; }");
    let bytes = |arguments: &[&str]| {
        let outcome = fixtures.linkjit(arguments);
        let lines = outcome.json();
        let bytes = lines.iter().find_map(|line| line.get("code_bytes")?.as_u64());
        (outcome.code, bytes.unwrap_or_else(|| panic!("{}", outcome.err)))
    };
    let inputs = ["--json", "run", "--stats", "main.o", "big.o"];
    let lazy = [&inputs[..], &["--lazy"]].concat();
    assert!(matches!(bytes(&inputs), (Some(0), 200_000..)));
    assert!(matches!(bytes(&lazy), (Some(0), ..10_000)));
    assert!(matches!(bytes(&[&lazy[..], &["--", "x"]].concat()), (Some(3), 200_000..)));
}

#[test]
fn a_call_of_what_cannot_be_linked_says_why_and_ends_the_program() {
    let fixtures = Fixtures::new("lazy_failure");
    fixtures.c("bad.o", "int missing(void); int bad(void) { return missing(); }");
    fixtures.c(
        "main.o",
        "#include <stdio.h>
         int bad(void); int main(int argc, char **argv) { puts(\"before\"); return argc > 1 ? bad() : 5; }",
    );
    let outcome = fixtures.linkjit(&["run", "--lazy", "main.o", "bad.o"]);
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(5), "before\n", ""));
    let outcome = fixtures.linkjit(&["run", "--lazy", "main.o", "bad.o", "--", "x"]);
    assert_eq!((outcome.code, &*outcome.out), (Some(1), "before\n"));
    assert_eq!(outcome.headline(), "linkjit: error: undefined symbol: missing", "{}", outcome.err);
}

#[test]
fn an_entry_that_is_missing_is_said_before_anything_runs() {
    let fixtures = Fixtures::new("lazy_entry");
    fixtures.c("a.o", "int other(void) { return 4; }");
    let outcome = fixtures.linkjit(&["run", "--lazy", "a.o"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.headline().starts_with("linkjit: error: no entry point: 'main' is not defined"), "{}", outcome.err);
    assert_eq!(fixtures.linkjit(&["run", "--lazy", "--entry", "other", "a.o"]).code, Some(4));
}

#[test]
fn destructors_that_were_never_called_are_linked_when_the_program_ends() {
    let fixtures = Fixtures::new("lazy_destructors");
    fixtures.cpp(
        "log.o",
        "#include <cstdio>
         struct Log { Log(); ~Log(); void say(const char *); };
         Log::Log() { std::puts(\"open\"); } Log::~Log() { std::puts(\"close\"); } void Log::say(const char *s) { std::puts(s); }
         Log log_file; Log &get() { return log_file; }",
    );
    fixtures.cpp(
        "main.o",
        "struct Log { Log(); ~Log(); void say(const char *); }; Log &get();
         int main(int argc, char **argv) { get().say(\"main\"); return 3; }",
    );
    let outcome = check_same(&fixtures, &["main.o", "log.o"]);
    assert_eq!((outcome.code, &*outcome.out), (Some(3), "open\nmain\nclose\n"));
}

/// The objects run as the system's linker makes them run, at once and lazily, in this order and with the first one last.
#[track_caller]
fn check_native(fixtures: &Fixtures, objects: &[&str]) {
    let rotated = [&objects[1..], &objects[..1]].concat();
    for objects in [objects, &rotated] {
        fixtures.tool(&[&["c++", "-o", "native"], objects].concat());
        let native = Outcome::run(&mut std::process::Command::new(fixtures.path("native")));
        let outcome = check_same(fixtures, objects);
        assert_eq!((outcome.code, outcome.out, outcome.err), (native.code, native.out, native.err), "{objects:?}");
    }
}

#[test]
fn objects_that_nothing_refers_to_are_initialized_before_main() {
    let fixtures = Fixtures::new("lazy_initializers");
    fixtures
        .c("main.o", "#include <stdio.h>\nint count = 1; int main(void) { printf(\"%d\\n\", count); return count; }");
    fixtures.c(
        "constructor.o",
        "#include <stdio.h>
         extern int count;
         __attribute__((constructor)) static void begin(void) { count *= 3; puts(\"begin\"); }
         __attribute__((constructor(200))) static void early(void) { count += 1; puts(\"early\"); }
         __attribute__((destructor)) static void end(void) { puts(\"end\"); }
         int unused(void) { return count; }",
    );
    fixtures.cpp(
        "global.o",
        "#include <iostream>
         extern \"C\" int count;
         struct G { G() { std::cout << \"made \" << ++count << std::endl; } ~G() { std::cout << \"gone\" << std::endl; } } g;
         inline int shared = [] { std::cout << \"shared\" << std::endl; return ++count; }();",
    );
    fixtures.cpp(
        "other.o",
        "#include <iostream>
         extern \"C\" int count;
         inline int shared = [] { std::cout << \"shared\" << std::endl; return ++count; }();
         int *used = &shared;",
    );
    fixtures.c(
        "array.o",
        "#include <stdio.h>
         extern int count; int helper(int n);
         static void first(int argc, char **argv) { count = helper(count); printf(\"array %d\\n\", argc); }
         __attribute__((section(\".init_array\"), used)) static void (*entry)(int, char **) = first;",
    );
    fixtures.c("helper.o", "int helper(int n) { return n + 10; } int never(void) { return 0; }");
    check_native(&fixtures, &["main.o", "constructor.o"]);
    check_native(&fixtures, &["main.o", "global.o", "other.o", "constructor.o"]);
    check_native(&fixtures, &["constructor.o", "array.o", "main.o", "helper.o", "global.o"]);
}

#[test]
fn registries_have_what_all_named_objects_register() {
    let fixtures = Fixtures::new("lazy_registries");
    let entry = |n: u32| {
        format!(
            "static int value(void) {{ return {n}; }}
                 __attribute__((section(\"registry\"), used)) static int (*entry)(void) = value;\n"
        )
    };
    let walk = "extern int (*__start_registry[])(void), (*__stop_registry[])(void);
                int walk(void) { int sum = 0, n = 0;
                    for (int (**p)(void) = __start_registry; p < __stop_registry; p++, n++) sum = sum * 7 + (*p)();
                    return sum * 10 + n; }";
    let print = "#include <stdio.h>\nint walk(void), touch(void);\n";
    fixtures.c("walks.o", &format!("{print} {walk} int main(void) {{ printf(\"%d\\n\", walk()); return 0; }}"));
    fixtures.c("main.o", &format!("{print} int main(void) {{ puts(\"main\"); printf(\"%d\\n\", walk()); return 0; }}"));
    fixtures.c(
        "touches.o",
        &format!(
            "{print} {} int main(void) {{ printf(\"%d \", touch()); printf(\"%d\\n\", walk()); return 0; }}",
            entry(1)
        ),
    );
    fixtures.c("walk.o", walk);
    fixtures.c("own.o", &format!("{} {walk}", entry(2)));
    fixtures.c("one.o", &entry(3));
    fixtures.c("touch.o", &format!("{} int touch(void) {{ return 50; }}", entry(4)));
    // It is linked with the function that refers to it, before anything walks.
    fixtures.c("refers.o", &format!("{} int touch(void) {{ return (*entry)() + 60; }}", entry(5)));
    fixtures.cpp("cxx.o", &format!("{} namespace {{ struct G {{ G() {{ }} }} g; }}", entry(6)));
    check_native(&fixtures, &["walks.o", "one.o", "touch.o", "cxx.o"]);
    check_native(&fixtures, &["main.o", "one.o", "walk.o", "cxx.o"]);
    check_native(&fixtures, &["main.o", "own.o", "one.o", "touch.o"]);
    check_native(&fixtures, &["touches.o", "own.o", "one.o", "touch.o"]);
    check_native(&fixtures, &["touches.o", "one.o", "walk.o", "refers.o", "cxx.o"]);
}

#[test]
fn an_initializer_that_cannot_be_linked_is_an_error_before_main() {
    let fixtures = Fixtures::new("lazy_bad_initializer");
    fixtures.c("main.o", "#include <stdio.h>\nint main(void) { puts(\"main\"); return 0; }");
    fixtures.c("bad.o", "int missing(void); __attribute__((constructor)) static void begin(void) { missing(); }");
    let outcome = check_same(&fixtures, &["main.o", "bad.o"]);
    assert_eq!((outcome.code, &*outcome.out), (Some(1), ""));
    assert!(outcome.headline().contains("undefined symbol: missing"), "{}", outcome.err);
}

/// Of sqlite's 1.25 MB, a query needs nearly all that code refers to, because tables of functions refer to it; if functions
/// are linked when they are called, it needs less.
#[test]
fn one_query_needs_a_part_of_sqlite() {
    let fixtures = Fixtures::new("query_sqlite");
    let mut inputs = sqlite(&fixtures);
    let all: u64 = inputs
        .iter()
        .map(|name| {
            let mut names = linkjit_link::names::NamePool::new();
            let bytes = std::fs::read(fixtures.path(name)).expect("it is there");
            let source = linkjit_link::source::Source::new(name.as_str(), bytes);
            let graph = linkjit_link::object::read(&source, &mut names).expect("an object");
            let loaded = |section| graph.section(section).lifetime != linkjit_link::graph::Lifetime::NoAlloc;
            graph.blocks().iter().filter(|block| loaded(block.section)).map(|block| block.size).sum::<u64>()
        })
        .sum();
    fixtures.c(
        "query.o",
        "#include <sqlite3.h>
         int main(void) {
             sqlite3 *db; sqlite3_stmt *statement;
             if (sqlite3_open(\":memory:\", &db) || sqlite3_prepare_v2(db, \"select 6 * 7\", -1, &statement, 0)) return 1;
             sqlite3_step(statement);
             return sqlite3_column_int(statement, 0); }",
    );
    inputs.push("query.o".into());
    let linked = |mode: &[&str]| {
        let inputs = inputs.iter().map(String::as_str);
        let arguments: Vec<&str> =
            ["run", "--json", "--stats"].into_iter().chain(mode.iter().copied()).chain(inputs).collect();
        let outcome = fixtures.linkjit(&arguments);
        assert_eq!(outcome.code, Some(42), "{}", outcome.err);
        let lines = outcome.json();
        let line = lines.iter().find(|line| line.get("code_bytes").is_some()).expect("it was asked for");
        ["code_bytes", "read_only_bytes", "writable_bytes"]
            .iter()
            .map(|key| line[*key].as_u64().expect("a number"))
            .sum::<u64>()
    };
    let (eager, lazy) = (linked(&[]), linked(&["--lazy"]));
    println!("of {all} bytes, {eager} are linked, {lazy} with --lazy");
    assert!(eager < all, "{eager} of {all}");
    assert!(lazy < eager - eager / 10, "{lazy} of {eager}");
}
