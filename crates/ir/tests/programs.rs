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

/// The rest of a module, and slices with some functions each of those that can be cut.
fn slices(module: &Module, functions_of_slice: usize) -> Vec<String> {
    let mut groups = Vec::new();
    let mut done = Vec::new();
    for function in module.functions().filter(|function| function.stays.is_none()) {
        if !done.contains(&function.id) {
            done.extend(module.together_with(function.id).map(|definition| definition.id));
            groups.push(function.id);
        }
    }
    let slices = groups.chunks(functions_of_slice).map(|functions| module.slice(functions).unwrap());
    std::iter::once(module.rest()).chain(slices).collect()
}

/// Compiles slices, which must be right; returns the objects.
fn compile(folder: &Folder, slices: &[String], option: &str) -> Vec<PathBuf> {
    let compile = |number: usize| {
        let (slice, object) = (folder.0.join(format!("{number}.ll")), folder.0.join(format!("{number}.o")));
        fs::write(&slice, &slices[number]).unwrap();
        run(Command::new("llc-19").args(["-filetype=obj", "-O1", option]).arg(&slice).arg("-o").arg(&object));
        object
    };
    let half = slices.len() / 2;
    thread::scope(|scope| {
        let first = scope.spawn(|| (0..half).map(compile).collect::<Vec<_>>());
        let second: Vec<_> = (half..slices.len()).map(compile).collect();
        first.join().unwrap().into_iter().chain(second).collect()
    })
}

/// Cuts a program, links the slices and compares; returns the functions that it has.
fn check(name: &str, flags: &[&str], functions_of_slice: usize) -> Vec<Definition> {
    let folder = Folder::new(&format!("{name}{}", flags.concat()));
    let at = |file: &str| folder.0.join(file);
    let text = at("whole.ll");
    run(Command::new(compiler(name)).args(flags).args(["-S", "-emit-llvm"]).arg(source(name)).arg("-o").arg(&text));
    let whole = at("whole");
    run(Command::new(compiler(name)).arg("-Wno-override-module").arg(&text).arg("-o").arg(&whole));

    let module = Module::read(fs::read_to_string(&text).unwrap()).unwrap();
    let slices = slices(&module, functions_of_slice);
    let is_pic = flags.contains(&"-fPIC");
    let mut objects =
        compile(&folder, &slices, if is_pic { "-relocation-model=pic" } else { "-relocation-model=static" });
    // The order of objects must not matter; the first one could otherwise have what others lack.
    objects.reverse();
    let cut = at("cut");
    let pie = if is_pic { "-pie" } else { "-no-pie" };
    run(Command::new(compiler(name)).arg(pie).args(&objects).arg("-o").arg(&cut));
    assert_eq!(behaviour(&cut), behaviour(&whole), "{name} {flags:?}");
    module.functions().collect()
}

fn stays(functions: &[Definition]) -> Vec<&str> {
    functions.iter().filter(|function| function.stays.is_some()).map(|function| function.name.as_str()).collect()
}

#[test]
fn c_without_optimization_has_debug_information_for_each_variable() {
    let functions = check("c.c", &["-O0", "-g"], 1);
    assert_eq!(stays(&functions), ["by_assembly", "calls_assembly", "early", "late", "resolve"]);
}

#[test]
fn optimized_c() {
    check("c.c", &["-O2", "-fPIC"], 1);
}

#[test]
fn cpp_without_optimization_in_slices_of_four_functions() {
    check("cpp.cpp", &["-O0", "-g", "-std=c++17"], 4);
}

#[test]
fn optimized_cpp_with_debug_information() {
    check("cpp.cpp", &["-O2", "-g", "-std=c++17", "-fPIC"], 1);
}

#[test]
fn filters_of_structured_exceptions_stay_with_the_function_whose_frame_they_read() {
    let folder = Folder::new("msvc");
    let text = folder.0.join("whole.ll");
    let mut clang = Command::new("clang++-19");
    clang.args(["--target=x86_64-pc-windows-msvc", "-O0", "-g", "-std=c++17", "-S", "-emit-llvm"]);
    run(clang
        .args(["-fms-extensions", "-fcxx-exceptions", "-fexceptions"])
        .arg(source("msvc.cpp"))
        .arg("-o")
        .arg(&text));
    let module = Module::read(fs::read_to_string(&text).unwrap()).unwrap();
    let together = |name: &str| module.together_with(module.find(name).unwrap()).count();
    assert_eq!(together("?filtered@@YAHH@Z"), 2);
    assert_eq!(together("?ended@@YAHH@Z"), 2);
    assert_eq!(together("?simple@@YAHH@Z"), 1);
    // The linker defines what they refer to, so that compiling is all that can be tried here.
    let objects = compile(&folder, &slices(&module, 1), "-relocation-model=pic");
    assert!(objects.len() > 10, "{} slices", objects.len());
}
