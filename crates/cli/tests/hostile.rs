//! Inputs that are meant to do harm: time near linear in the file, memory in proportion to it, and errors of kilobytes.
//!
//! The command runs with limits on memory and processor time: what grows with the square of the input, or with what it
//! claims, exceeds them by far.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::fmt::Write;

use support::{Fixtures, Outcome};

const KILOBYTES: u64 = 4 << 20;
const SECONDS: u64 = 60;
/// Bytes of an error.
const MOST: usize = 100_000;

/// Runs the command with limits.
#[track_caller]
fn limited(fixtures: &Fixtures, arguments: &[&str]) -> Outcome {
    let mut command = std::process::Command::new("sh");
    let limits = format!("ulimit -v {KILOBYTES}; ulimit -t {SECONDS}; ulimit -c 0; exec \"$@\"");
    command.args(["-c", &limits, "sh"]).arg(fixtures.command(&[]).get_program()).args(arguments);
    let outcome = Outcome::run(command.current_dir(fixtures.path("")));
    let code = outcome.code.unwrap_or_else(|| panic!("{arguments:?}: killed: {}", outcome.headline()));
    assert!(code < 100, "{arguments:?}: {code}: {}", outcome.headline());
    assert!(outcome.err.len() < MOST, "{arguments:?}: {} bytes of errors", outcome.err.len());
    assert!(!outcome.err.contains("panicked"), "{}", outcome.err);
    outcome
}

const MAIN: &str = ".globl main\nmain: xor %eax,%eax\nret\n.section .note.GNU-stack,\"\",@progbits\n";

fn assemble(fixtures: &Fixtures, name: &str, target: &str, text: &str) {
    fixtures.write("x.s", text);
    fixtures.tool(&["clang-19", "-c", "-target", target, "x.s", "-o", name]);
}

fn elf(fixtures: &Fixtures, text: &str) {
    assemble(fixtures, "x.o", "x86_64-linux-gnu", &format!("{MAIN}{text}"));
}

fn coff(fixtures: &Fixtures, name: &str, text: &str) {
    assemble(fixtures, name, "x86_64-pc-windows-msvc", text);
}

fn repeated(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).fold(String::new(), |text, line| text + &line + "\n")
}

#[test]
fn many_sections_with_boundary_symbols_take_linear_time() {
    let fixtures = Fixtures::new("boundaries");
    let sections = repeated(50_000, |n| format!(".section s{n},\"aw\"\n.long {n}"));
    let boundaries = repeated(50_000, |n| format!(".quad __start_s{n}, __stop_s{n}"));
    elf(
        &fixtures,
        &format!(
            "{sections}.section .init_array,\"aw\"\n.quad f\n.text\nf: lea x(%rip),%rax\nret\n.data\nx: {boundaries}"
        ),
    );
    assert_eq!(limited(&fixtures, &["run", "x.o"]).code, Some(0));
    assert_eq!(limited(&fixtures, &["jitlink", "-noexec", "x.o"]).code, Some(0));
}

/// Each section in an object of its own: a batch that looked at each for each name would never end.
#[test]
fn boundary_symbols_of_many_objects_take_linear_time() {
    let fixtures = Fixtures::new("objects");
    let names = repeated(3000, |n| format!(".quad __start_s{n}, __stop_s{n}"));
    elf(
        &fixtures,
        &format!(".section .init_array,\"aw\"\n.quad f\n.text\nf: lea x(%rip),%rax\nret\n.data\nx: {names}"),
    );
    let mut arguments = vec!["run".to_owned(), "x.o".into()];
    // One object, with another name for the section in each copy.
    assemble(&fixtures, "y.o", "x86_64-linux-gnu", ".section s0000,\"aw\"\n.long 1\n");
    let object = std::fs::read(fixtures.path("y.o")).expect("the object");
    let at = object.windows(5).position(|window| window == b"s0000").expect("the section's name");
    for number in 0..3000 {
        let mut copy = object.clone();
        let name = format!("s{number}\0\0\0\0");
        copy[at..at + 5].copy_from_slice(&name.as_bytes()[..5]);
        fixtures.write(&format!("o{number}.o"), copy);
        arguments.push(format!("o{number}.o"));
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    assert_eq!(limited(&fixtures, &arguments).code, Some(0));
}

#[test]
fn reports_of_many_undefined_symbols_are_short() {
    let fixtures = Fixtures::new("undefined");
    let calls = repeated(50_000, |n| format!("call undefined_{n}"));
    let defined = repeated(20_000, |n| format!(".globl undefinet_{n}\nundefinet_{n}: ret"));
    elf(&fixtures, &format!(".section .init_array,\"aw\"\n.quad f\n.text\n{defined}\nf: {calls}"));
    let outcome = limited(&fixtures, &["run", "x.o"]);
    assert_eq!(outcome.headline(), "linkjit: error: 50000 undefined symbols");
    assert!(outcome.err.contains("undefined symbol: undefined_0\n"), "{}", outcome.err);
    assert!(outcome.err.contains("and 49980 more undefined symbols"), "{}", outcome.err);
    let outcome = limited(&fixtures, &["--json", "run", "x.o"]);
    assert_eq!(outcome.json()[0]["more_symbols"], 49_900);
    let outcome = limited(&fixtures, &["jitlink", "-noexec", "x.o"]);
    assert!(outcome.err.contains("and 49900 more ]"), "{}", outcome.err);
}

/// Of each name the second object's copy is the larger one.
#[test]
fn many_groups_that_yield_to_larger_ones_take_linear_time() {
    let fixtures = Fixtures::new("largest");
    let groups = |content: &str| {
        repeated(30_000, |n| format!(".section .data$d{n},\"dw\",largest,d{n}\n.globl d{n}\nd{n}: .long {content}"))
    };
    coff(&fixtures, "a.obj", &format!(".globl main\nmain: ret\n{}", groups("1")));
    coff(&fixtures, "b.obj", &groups("1, 2"));
    assert_eq!(limited(&fixtures, &["jitlink", "-noexec", "a.obj", "b.obj"]).code, Some(0));
}

#[test]
fn many_initializers_of_coff_take_linear_time() {
    let fixtures = Fixtures::new("initializers");
    let all = repeated(50_000, |n| format!(".section .CRT$XC{n},\"dr\"\n.quad f"));
    coff(&fixtures, "x.obj", &format!(".globl main\nmain: ret\nf: ret\n{all}"));
    assert_eq!(limited(&fixtures, &["jitlink", "-noexec", "x.obj"]).code, Some(0));
}

/// Templates of two of what came before, twenty times over: terabytes, if somebody wrote them out.
#[test]
fn names_that_unfold_are_shown_as_they_are() {
    let fixtures = Fixtures::new("unfold");
    let mut digits = String::new();
    for number in 0..60_usize {
        let reference = match number {
            0 => "S_".to_owned(),
            _ => format!(
                "S{}_",
                std::char::from_digit(u32::try_from((number - 1) % 36).unwrap(), 36).unwrap().to_ascii_uppercase()
            ),
        };
        write!(digits, "S_I{reference}{reference}E").unwrap();
    }
    let calls = repeated(20, |n| format!("call _Z1f{n}AI1B1BE{digits}"));
    elf(&fixtures, &format!(".section .init_array,\"aw\"\n.quad f\n.text\nf: {calls}"));
    let outcome = limited(&fixtures, &["run", "x.o"]);
    assert!(outcome.err.contains("20 undefined symbols"), "{}", outcome.headline());
    limited(&fixtures, &["jitlink", "-noexec", "x.o"]);
}

/// A name of megabytes, wherever messages show names.
#[test]
fn long_names_make_short_messages() {
    let fixtures = Fixtures::new("long");
    let name = "n".repeat(3 << 20);
    let init = ".section .init_array,\"aw\"\n.quad f\n.text\n";
    for text in [
        format!("{init}f: call {name}"),
        format!(".globl {name}\n{name}: ret\n.globl {name}2\n{name}2: ret\n{init}f: call {name}3"),
        format!(".section {name},\"awx\"\n.long 1"),
        format!(".section a{name},\"aw\"\nx: .byte f-.\n{init}f: lea x(%rip),%rax\nret"),
        format!(".globl {name}\n{name}: .symver {name},{name}@@V\n{init}f: call {name}_"),
    ] {
        elf(&fixtures, &text);
        let outcome = limited(&fixtures, &["run", "x.o"]);
        assert_ne!(outcome.code, Some(0), "{}", &text[..100]);
        limited(&fixtures, &["--json", "run", "x.o"]);
        limited(&fixtures, &["jitlink", "-noexec", "x.o"]);
    }
    for text in
        [format!("{name}(x)"), format!("INPUT(a\n{name})"), format!("INPUT(-l{name})"), format!("GROUP(a) {name} ()")]
    {
        fixtures.write("x.ld", text);
        let outcome = limited(&fixtures, &["run", "x.ld"]);
        assert_ne!(outcome.code, Some(0));
    }
}

/// Each directory would be asked for each library, and then be told.
#[test]
fn many_directories_and_libraries_are_searched_in_linear_time() {
    let fixtures = Fixtures::new("directories");
    elf(&fixtures, ".section .init_array,\"aw\"\n.quad nowhere\n");
    let directories = repeated(100_000, |n| format!("SEARCH_DIR(directory{n})"));
    fixtures.write("x.ld", directories + "INPUT(-lno_such_library)");
    let outcome = limited(&fixtures, &["run", "x.o", "x.ld"]);
    assert!(outcome.headline().contains("library 'no_such_library' not found"), "{}", outcome.headline());
    // What an archive says about the libraries that it needs (`ar --record-libdeps`).
    let mut options = repeated(20_000, |n| format!("-Ldirectory{n} -lno_such_library{n}"));
    options.truncate(options.len() / 2 * 2);
    let header = format!("{:<48}{:<10}`\n", "__.LIBDEP/", options.len());
    fixtures.write("x.a", format!("!<arch>\n{header}{options}"));
    let outcome = limited(&fixtures, &["run", "x.o", "x.a"]);
    assert!(outcome.err.contains("undefined symbol: nowhere"), "{}", outcome.headline());
}

#[test]
fn many_symbols_and_objects_are_shown_in_linear_time() {
    let fixtures = Fixtures::new("shown");
    elf(&fixtures, &format!(".text\n{}", repeated(120_000, |n| format!(".globl g{n}\ng{n}: ret"))));
    for option in ["-show-init-es", "-show-entry-es", "-show-linked-files"] {
        assert_eq!(limited(&fixtures, &["jitlink", option, "x.o"]).code, Some(0));
        assert_eq!(limited(&fixtures, &["jitlink", "-noexec", option, "x.o"]).code, Some(0));
    }
    // Many objects beside one for which many entries are made.
    let wanted = repeated(3000, |n| format!(".quad s{n:04}"));
    let targets = repeated(25_000, |n| format!("r{n}: .long {n}"));
    let entries = repeated(25_000, |n| format!("cmpq $0, r{n}@GOTPCREL(%rip)"));
    elf(&fixtures, &format!(".data\n{wanted}{targets}.text\n{entries}"));
    assemble(&fixtures, "y.o", "x86_64-linux-gnu", ".globl s0000\ns0000: ret");
    let object = std::fs::read(fixtures.path("y.o")).expect("the object");
    let at = object.windows(5).position(|window| window == b"s0000").expect("the symbol's name");
    let mut arguments = vec!["jitlink".to_owned(), "-show-linked-files".into(), "x.o".into()];
    for number in 0..3000 {
        let mut copy = object.clone();
        copy[at..at + 5].copy_from_slice(format!("s{number:04}").as_bytes());
        fixtures.write(&format!("o{number}.o"), copy);
        arguments.push(format!("o{number}.o"));
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let outcome = limited(&fixtures, &arguments);
    assert_eq!((outcome.code, outcome.out.lines().count()), (Some(0), 3001), "{}", outcome.headline());
}

/// Scripts that name one another: a file that comes again brings nothing new.
#[test]
fn scripts_that_name_one_another_are_read_once() {
    let fixtures = Fixtures::new("scripts");
    elf(&fixtures, "");
    for level in 0..7 {
        let names = repeated(60, |_| format!("l{}.ld", level + 1));
        fixtures.write(&format!("l{level}.ld"), format!("INPUT({names})"));
    }
    fixtures.write("l7.ld", "INPUT()\n");
    let outcome = limited(&fixtures, &["run", "x.o", "l0.ld"]);
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
}
