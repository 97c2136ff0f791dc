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
    // What is for one standard of one language is not for the other.
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
    // Whoever has these compilers sees that they work, and the others are told what to install.
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
