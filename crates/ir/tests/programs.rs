//! Programs that are cut into a module per function and the rest do what they do as a whole.
//!
//! Each source in `programs/` is compiled to IR by clang with some flags. All slices are compiled by llc, which verifies
//! them and their debug information, and linked by the system's linker.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use linkjit_ir::{Definition, Module};

/// A directory of a test, which is removed when it ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("linkjit-ir-{name}-{}", std::process::id()));
        _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !thread::panicking() {
            _ = fs::remove_dir_all(&self.0);
        }
    }
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}: it has to be installed"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{command:?}: {}\n{said}", output.status);
    output
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(name)
}

/// The output and exit code of a program.
fn behaviour(program: &Path) -> (String, Option<i32>) {
    let output = Command::new(program).arg("argument").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (text, output.status.code())
}

fn compiler(name: &str) -> &'static str {
    if name.ends_with(".cpp") { "clang++-19" } else { "clang-19" }
}

/// Cuts a program, links the slices and compares; returns the functions that it has.
fn check(name: &str, flags: &[&str]) -> Vec<Definition> {
    let folder = Folder::new(&format!("{name}{}", flags.concat()));
    let at = |file: &str| folder.0.join(file);
    let text = at("whole.ll");
    run(Command::new(compiler(name)).args(flags).args(["-S", "-emit-llvm"]).arg(source(name)).arg("-o").arg(&text));
    let whole = at("whole");
    run(Command::new(compiler(name)).arg("-Wno-override-module").arg(&text).arg("-o").arg(&whole));

    let module = Module::read(fs::read_to_string(&text).unwrap()).unwrap();
    let functions: Vec<Definition> = module.functions().collect();
    let mut slices = vec![module.rest()];
    let mut done = Vec::new();
    for function in functions.iter().filter(|function| function.stays.is_none()) {
        if !done.contains(&function.id) {
            done.extend(module.together_with(function.id).map(|definition| definition.id));
            slices.push(module.slice(&[function.id]).unwrap());
        }
    }
    let is_pic = flags.contains(&"-fPIC");
    let model = if is_pic { "-relocation-model=pic" } else { "-relocation-model=static" };
    let compile = |number: usize| {
        let (slice, object) = (at(&format!("{number}.ll")), at(&format!("{number}.o")));
        fs::write(&slice, &slices[number]).unwrap();
        run(Command::new("llc-19").args(["-filetype=obj", "-O1", model]).arg(&slice).arg("-o").arg(&object));
        object
    };
    let half = slices.len() / 2;
    let mut objects = thread::scope(|scope| {
        let first = scope.spawn(|| (0..half).map(compile).collect::<Vec<_>>());
        let second: Vec<_> = (half..slices.len()).map(compile).collect();
        first.join().unwrap().into_iter().chain(second).collect::<Vec<_>>()
    });
    // The order of objects must not matter; the first one could otherwise have what others lack.
    objects.reverse();
    let cut = at("cut");
    let pie = if is_pic { "-pie" } else { "-no-pie" };
    run(Command::new(compiler(name)).arg(pie).args(&objects).arg("-o").arg(&cut));
    assert_eq!(behaviour(&cut), behaviour(&whole), "{name} {flags:?}");
    functions
}

fn stays(functions: &[Definition]) -> Vec<&str> {
    functions.iter().filter(|function| function.stays.is_some()).map(|function| function.name.as_str()).collect()
}

#[test]
fn c_without_optimization_has_debug_information_for_each_variable() {
    let functions = check("c.c", &["-O0", "-g"]);
    assert_eq!(stays(&functions), ["by_assembly", "calls_assembly", "early", "late", "resolve"]);
}

#[test]
fn optimized_c() {
    check("c.c", &["-O2", "-fPIC"]);
}

#[test]
fn cpp_without_optimization() {
    check("cpp.cpp", &["-O0", "-g", "-std=c++17"]);
}

#[test]
fn optimized_cpp_with_debug_information() {
    check("cpp.cpp", &["-O2", "-g", "-std=c++17", "-fPIC"]);
}
