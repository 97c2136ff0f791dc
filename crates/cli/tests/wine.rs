//! `linkjit run --executor wine`: programs for Windows, run from Linux.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::path::Path;
use std::process::Command;

use support::{Fixtures, Outcome};

const TARGET: &str = "x86_64-pc-windows-gnu";

const PROGRAM: &str = "
    int puts(const char *);
    int main(int argc, char **argv) {
        for (int i = 1; i < argc; i++) puts(argv[i]);
        return 40 + argc;
    }";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the repository")
}

/// Makes what Cargo makes of the command for Windows.
fn build() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["build", "--quiet", "--package", "linkjit-cli", "--target", TARGET]);
    assert!(cargo.arg("--target-dir").arg(target).status().expect("Cargo starts").success());
}

fn compile(fixtures: &Fixtures, name: &str, source: &str) {
    let file = format!("{name}.c");
    fixtures.write(&file, source);
    fixtures.tool(&["clang-19", "--target=x86_64-pc-windows-msvc", "-c", "-O1", &file, "-o", name]);
}

/// Runs with the wine of the tests.
fn run(fixtures: &Fixtures, arguments: &[&str]) -> Outcome {
    let mut command = fixtures.command(&[&["run", "--executor", "wine"], arguments].concat());
    Outcome::run(command.env("LINKJIT_WINE", root().join("crates/xtask/wine")))
}

#[test]
fn a_program_for_windows_runs_under_wine() {
    build();
    let fixtures = Fixtures::new("wine");
    compile(&fixtures, "hello.obj", PROGRAM);
    let outcome = run(&fixtures, &["hello.obj", "--", "one", "two words"]);
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

/// The linker without a process works there as here, with that system's paths.
#[test]
fn check_rules_hold_on_windows() {
    build();
    let fixtures = Fixtures::new("check-on-windows");
    let case = root().join("crates/cli/tests/cases/jitlink/coff-relocations.s");
    let case = case.to_str().expect("UTF-8");
    fixtures.tool(&["llvm-mc-19", "--triple=x86_64-windows-msvc", "--filetype=obj", case, "-o", "coff-relocations.o"]);
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(TARGET).join("debug/linkjit.exe");
    let check = |base: &str| {
        let mut wine = Command::new(root().join("crates/xtask/wine"));
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
    let made = Command::new(root().join("crates/xtask/wine")).args(["cmd", "/c", "exit"]).status();
    assert!(made.expect("it starts").success());
    command.env("WINEPREFIX", root().join("target/wine")).env("LINKJIT_WINE", "wine").env_remove("WINEPATH");
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

    let mut command = fixtures.command(&["run", "--executor", "wine", "hello.obj"]);
    let outcome = Outcome::run(plain_wine(&mut command).env("WINEDLLOVERRIDES", "mscoree,mshtml=;ntdll=b;userenv="));
    let expected =
        "linkjit: error: wine: this version of Wine has no USERENV.dll, which linkjit.exe needs: try a newer one";
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
    let expected = "linkjit: error: the Windows build of linkjit is missing: make it with `cargo build -p linkjit-cli \
                    --target x86_64-pc-windows-gnu`, or set LINKJIT_WINDOWS to its path";
    assert_eq!((outcome.code, outcome.headline()), (Some(1), expected));

    let outcome = Outcome::run(run("/nowhere/wine").env("LINKJIT_WINDOWS", "linkjit.exe"));
    assert_eq!(
        (outcome.code, outcome.headline()),
        (Some(1), "linkjit: error: /nowhere/wine: No such file or directory (os error 2)")
    );

    fixtures.write("hello.c", PROGRAM);
    let outcome = fixtures.linkjit(&["run", "--executor", "wine", "hello.c"]);
    let expected = "linkjit: error: hello.c: with Wine, inputs must be objects or libraries: compile this source for Windows first";
    assert_eq!((outcome.code, outcome.headline()), (Some(1), expected));
}
