//! `linkjit run` of sources: languages, flags for compilers, what compilers say.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::path::Path;

use support::{Fixtures, Outcome};

#[track_caller]
fn check(outcome: &Outcome, code: i32, out: &str) {
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(code), out, ""));
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

const FLAGS_C: &str = "#include <stdio.h>
    #include <far.h>
    #ifdef REMOVED
    #error it is defined
    #endif
    int main(void) { printf(\"%d %d %d %s\\n\", FAR, BEFORE, NUMBER, TEXT); return __OPTIMIZE__ + 0; }";

#[test]
fn flags_reach_the_compiler() {
    let fixtures = Fixtures::new("flags");
    fixtures.write("a.c", FLAGS_C);
    fixtures.write("far/far.h", "#define FAR 1\n");
    fixtures.write("before.h", "#define BEFORE 2\n");
    let line = "run -DREMOVED a.c -U REMOVED -isystem far -include before.h -D NUMBER=3 -O1 -g -std=gnu11 -Wall -Werror -fwrapv -mavx";
    let line: Vec<_> = line.split(' ').chain(["-DTEXT=\"a b\"", "-Xcompiler", "-dA"]).collect();
    check(&fixtures.linkjit(&line), 1, "1 2 3 a b\n");
}

#[test]
fn the_environment_has_flags_too() {
    let fixtures = Fixtures::new("environment");
    fixtures.write("a.c", "int f(void); int main(void) { return f() + A + B; }");
    fixtures.write("b.cpp", "extern \"C\" int f() { return A * 100 + B; }");
    let mut command = fixtures.command(&["run", "a.c", "b.cpp", "-DB=2"]);
    let variables = [("CPPFLAGS", "-DA='1'"), ("CFLAGS", "-DB=8 -UB"), ("CXXFLAGS", "-std=c++17"), ("CC", "cc -Wall")];
    check(&Outcome::run(command.envs(variables)), 105, "");
    // A standard of one language is not for the other.
    check(&fixtures.linkjit(&["run", "a.c", "b.cpp", "-DA=1", "-DB=2", "-std=c++17", "-std=c11", "-Werror"]), 105, "");
}

#[test]
fn x_names_the_language_of_what_follows() {
    let fixtures = Fixtures::new("x");
    fixtures.write("a.txt", "extern \"C\" int f() { return 4; }");
    fixtures.write("b.c", "int f(void); int main(void) { int class = 1; return f() + class; }");
    check(&fixtures.linkjit(&["run", "-x", "c++", "a.txt", "-x", "none", "b.c"]), 5, "");
    let outcome = fixtures.linkjit(&["run", "-x", "klingon", "b.c"]);
    assert!(outcome.code == Some(2) && outcome.err.contains("none or one of c, c++, objective-c"), "{outcome:?}");
}

#[test]
fn languages_are_known_by_their_names() {
    let fixtures = Fixtures::new("languages");
    let sources = [
        ("a.cc", "#include <cstdio>\nint main() { std::puts(\"fine\"); return 0; }"),
        ("a.s", ".globl main\nmain: lea text(%rip), %rdi\njmp puts@PLT\ntext: .asciz \"fine\"\n"),
        (
            "a.S",
            "#define RETURN ret\n.globl main\nmain: sub $8,%rsp\nlea text(%rip), %rdi\ncall puts@PLT\nadd $8,%rsp\nxor %eax,%eax\nRETURN\ntext: .asciz \"fine\"\n",
        ),
        ("a.f90", "program a\n  write (*, '(A)') 'fine'\nend program\n"),
        ("a.f", "      PROGRAM A\nC     A comment.\n      WRITE (*, '(A)') 'fine'\n      END\n"),
        ("a.rs", "fn main() { let lines = [\"fine\"]; for line in lines { println!(\"{line}\"); } }"),
        (
            "a.asm",
            "global main\nextern puts\nmain: sub rsp, 8\nlea rdi, [rel text]\ncall puts wrt ..plt\nxor eax, eax\nadd rsp, 8\nret\nsection .rodata\ntext: db \"fine\", 0\n",
        ),
    ];
    for (name, text) in sources {
        fixtures.write(name, text);
        let outcome = fixtures.linkjit(&["run", name]);
        assert_eq!((&*outcome.out, &*outcome.err), ("fine\n", ""), "{name}");
    }
    fixtures.write("a.m", "#include <stdio.h>\n@interface A\n+ (int)f;\n@end\n@implementation A\n+ (int)f { return 4; }\n@end\nint main() { return [A f]; }");
    // With these compilers the sources run; without, the error says what to install.
    let others = [
        ("a.m", Path::new("/usr/lib/gcc/x86_64-linux-gnu/12/cc1obj").exists(), "(Debian has it in the package gobjc)"),
        (
            "a.d",
            is_installed("ldc2") || is_installed("gdc"),
            "D is compiled by ldc2, which is not installed (Debian has it in the package ldc)",
        ),
        ("a.zig", is_installed("zig"), "Zig is compiled by zig, which is not installed"),
        ("a.swift", is_installed("swiftc"), "Swift is compiled by swiftc, which is not installed"),
    ];
    fixtures.write("a.d", "extern(C) int main() { return 4; }");
    fixtures.write("a.zig", "export fn main() c_int { return 4; }");
    fixtures.write("a.swift", "@_cdecl(\"main\") func f() -> Int32 { return 4 }");
    for (name, is_installed, advice) in others {
        let outcome = fixtures.linkjit(&["run", name]);
        let is_right = if is_installed {
            outcome.code == Some(4)
        } else {
            outcome.headline().contains(advice) && outcome.err.lines().count() == 1
        };
        assert!(is_right, "{outcome:?}");
    }
}

#[test]
fn what_is_wrong_with_rust_and_fortran_is_shown_where_it_is() {
    let fixtures = Fixtures::new("wrong");
    fixtures.write("a.rs", "fn main() {\n    missing();\n}\n");
    let outcome = fixtures.linkjit(&["run", "a.rs"]);
    assert!(
        outcome.headline().ends_with("error: a.rs: rustc failed:") && outcome.err.contains(" a.rs:2:5"),
        "{outcome:?}"
    );
    fixtures.write("a.f90", "program a\n  x = 'b' + 1\nend program\n");
    let outcome = fixtures.linkjit(&["run", "a.f90"]);
    assert!(outcome.err.contains("a.f90:2:6:"), "{outcome:?}");
}

#[test]
fn an_object_of_clang_lto_is_bitcode() {
    let fixtures = Fixtures::new("lto");
    fixtures.write("a.c", "int main(void) { return 6; }");
    fixtures.tool(&["clang-19", "-flto", "-c", "a.c", "-o", "a.o"]);
    check(&fixtures.linkjit(&["run", "a.o"]), 6, "");
}

#[test]
fn fortran_uses_the_modules_of_sources_before() {
    let fixtures = Fixtures::new("fortran_modules");
    fixtures.write("a.f90", "module a\ncontains\n  integer function f()\n    f = 42\n  end function\nend module\n");
    fixtures.write("b.f90", "program b\n  use a\n  write (*, '(I0)') f()\nend program\n");
    check(&fixtures.linkjit(&["run", "a.f90", "b.f90"]), 0, "42\n");
    assert!(!fixtures.path("a.mod").exists());
}

#[test]
fn statements_are_run() {
    let fixtures = Fixtures::new("statements");
    let twice = "printf(\"%d %s\", argc, argv[1]);";
    check(&fixtures.linkjit(&["run", "-e", twice, "-e", "puts(\"!\"); return 7", "a"]), 7, "2 a!\n");
    fixtures.c("f.o", "int f(void) { return 5; }");
    check(
        &fixtures.linkjit(&[
            "run",
            "f.o",
            "-e",
            "#include <zlib.h>\nint f(void); return f() + (zlibVersion() == 0)",
            "-lz",
        ]),
        5,
        "",
    );
    check(&fixtures.linkjit(&["run", "-e", "int main() { return sqrt(16.0 * 4); }"]), 8, "");
    check(
        &fixtures.linkjit(&[
            "run",
            "-x",
            "c++",
            "-e",
            "vector v{3, 1, 2}; sort(v.begin(), v.end()); cout << v[2] << endl;",
        ]),
        0,
        "3\n",
    );
    check(&fixtures.linkjit(&["run", "-x", "rust", "-e", "println!(\"{}\", 6 * 7);"]), 0, "42\n");
    let outcome = fixtures.linkjit(&["run", "-e", "int x = 1;\n  missing = x;"]);
    assert!(outcome.code == Some(1) && outcome.err.contains(" -e:2:3: error: "), "{outcome:?}");
}

#[test]
fn standard_input_may_be_a_source() {
    let fixtures = Fixtures::new("stdin");
    fixtures.write("a.h", "#define A 3");
    let run = |line: &[&str], text: &str| {
        fixtures.write("text", text);
        Outcome::run(fixtures.command(line).stdin(std::fs::File::open(fixtures.path("text")).expect("it is written")))
    };
    let text = "#include <stdio.h>\n#include \"a.h\"\nint main(int n, char **a) { printf(\"%d %s %s\\n\", n, a[0], a[2]); return A; }";
    check(&run(&["run", "-", "-O1", "--lazy"], text), 3, "3 - --lazy\n");
    check(&run(&["run", "-"], "#include <iostream>\nint main() { std::cout << 1 << '\\n'; }"), 0, "1\n");
    check(&run(&["run", "-x", "c++", "-"], "int main() { return sizeof 'a'; }"), 1, "");
    check(&run(&["run", "-"], "define i32 @main() {\n  ret i32 4\n}\n"), 4, "");
    let outcome = run(&["run", "-"], "int main(void) {\n  return missing; }");
    assert!(outcome.err.contains(" <stdin>:2:10: error: "), "{outcome:?}");
}

#[test]
fn a_pipe_may_be_a_source() {
    let fixtures = Fixtures::new("pipe");
    let program = env!("CARGO_BIN_EXE_linkjit");
    for cache in ["off", "cache"] {
        let line = format!("{program} run -x c <(echo 'int main(void) {{ return 5; }}')");
        let mut command = std::process::Command::new("bash");
        check(&Outcome::run(command.args(["-c", &line]).env("LINKJIT_CACHE", fixtures.path(cache))), 5, "");
    }
}

#[test]
fn scripts_take_what_follows_as_arguments() {
    let fixtures = Fixtures::new("scripts");
    let text = "#!/usr/bin/env -S linkjit run -DB=2 -lz\n#include <stdio.h>\n#include <zlib.h>\n#include \"a.h\"
        int main(int argc, char **argv) { printf(\"%d %d %d %s\\n\", A + B, __LINE__, argc, argv[1]); return zlibVersion() == 0; }\n";
    for name in ["bin/script", "bin/script.c"] {
        fixtures.write(name, text);
        fixtures.tool(&["chmod", "+x", name]);
    }
    fixtures.write("bin/a.h", "#define A 1");
    let linkjit = Path::new(env!("CARGO_BIN_EXE_linkjit")).parent().expect("it is in a directory").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path =
        std::env::join_paths(std::iter::once(linkjit).chain(std::env::split_paths(&path))).expect("a search path");
    for name in ["bin/script", "bin/script.c"] {
        let mut command = std::process::Command::new(fixtures.path(name));
        check(&Outcome::run(command.args(["--lazy", "x"]).env("PATH", &path)), 0, "3 5 3 --lazy\n");
    }
    check(&fixtures.linkjit(&["run", "-DB=4", "-lz", "bin/script", "--", "-O2"]), 0, "5 5 2 -O2\n");
    fixtures.write("bin/wrong", "#!/usr/bin/env -S linkjit run\nint main(void) {\n  return missing;\n}\n");
    let outcome = fixtures.linkjit(&["run", "bin/wrong"]);
    assert!(outcome.err.contains(" bin/wrong:3:10: error: "), "{outcome:?}");
    // An attribute of Rust is no interpreter.
    fixtures.write("a.rs", "#![allow(unused)]\nfn main() { println!(\"fine\"); }");
    check(&fixtures.linkjit(&["run", "a.rs", "--", "x"]), 0, "fine\n");
}
