//! Where the C runtime of Windows comes from, and which one objects get.
//!
//! Microsoft's libraries can't be had here: trees of directories as `xwin splat` makes them are filled with libraries of our
//! own. Variables are linked where code for Windows can not run, so that no start-up is needed; `windows_crt.rs` runs programs.
#![cfg(not(windows))]
#![allow(missing_docs, reason = "tests are nobody's interface")]

mod host;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use linkjit::{CrtProvider, Error, Jit, Source};

/// A fresh directory.
fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("crt").join(name);
    _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("it is ours");
    directory
}

/// Assembles an object for Windows.
fn assemble(source: &str, output: &Path) {
    let mut command = Command::new("clang-19");
    command.args(["--target=x86_64-pc-windows-msvc", "-x", "assembler", "-", "-c", "-o"]).arg(output);
    let mut process = command.stdin(Stdio::piped()).spawn().expect("clang is installed");
    process.stdin.take().expect("a pipe").write_all(source.as_bytes()).expect("it reads");
    assert!(process.wait().expect("it ends").success(), "{source}");
}

/// Makes a static library of one object.
fn library(source: &str, output: &Path) {
    std::fs::create_dir_all(output.parent().expect("a directory")).expect("it is ours");
    let object = output.with_extension("obj");
    assemble(source, &object);
    let mut command = Command::new("llvm-lib-19");
    command.arg(format!("/out:{}", output.display())).arg(&object);
    assert!(command.status().expect("LLVM's tools are installed").success(), "{source}");
}

fn variable(name: &str, value: u32) -> String {
    format!(".section .data,\"dw\",discard,{name}\n.globl {name}\n{name}: .long {value}\n")
}

fn directives(text: &str) -> String {
    format!(".section .drectve,\"yni\"\n.ascii \" {text} \"\n")
}

/// Adds objects `0.obj` and so on.
fn add(jit: &Jit, directory: &Path, sources: &[&str]) -> linkjit::Result<()> {
    sources.iter().enumerate().try_for_each(|(number, source)| {
        let path = directory.join(format!("{number}.obj"));
        assemble(source, &path);
        jit.add_object(Source::new(format!("{number}.obj"), std::fs::read(&path).expect("an object")))
    })
}

/// The value of a variable.
fn value(jit: &Jit, name: &str) -> linkjit::Result<u32> {
    let address = jit.lookup(name)?;
    // SAFETY: the tests define variables of four bytes.
    Ok(unsafe { (address.0 as *const u32).read_unaligned() })
}

fn text<T: std::fmt::Debug>(result: linkjit::Result<T>) -> String {
    result.expect_err("an error").to_string()
}

/// A tree as xwin makes it, in which each library of the runtime defines a variable.
fn xwin(root: &Path) -> CrtProvider {
    library(&variable("r", 1), &root.join("crt/lib/x86_64/libcmt.lib"));
    library(&variable("r", 2), &root.join("crt/lib/x86_64/msvcrt.lib"));
    library(&variable("u", 3), &root.join("sdk/lib/ucrt/x86_64/ucrt.lib"));
    library(&variable("k", 4), &root.join("sdk/lib/um/x86_64/kernel32.lib"));
    CrtProvider::xwin(root).expect("a whole tree")
}

fn with(provider: CrtProvider) -> Jit {
    host::builder().crt(provider).build().expect("a session")
}

const STATIC: &str = "/defaultlib:LIBCMT /failifmismatch:RuntimeLibrary=MT_StaticRelease";
const DYNAMIC: &str = "/defaultlib:MSVCRT /failifmismatch:RuntimeLibrary=MD_DynamicRelease";

#[test]
fn the_built_in_runtime_serves_objects_for_the_static_and_for_the_dynamic_one() {
    let directory = directory("built_in");
    let jit = host::jit().unwrap();
    add(&jit, &directory, &[&(directives(STATIC) + &variable("a", 1)), &(directives(DYNAMIC) + &variable("b", 2))])
        .unwrap();
    assert_eq!((value(&jit, "a").unwrap(), value(&jit, "b").unwrap()), (1, 2));
}

#[test]
fn objects_for_the_static_and_for_the_dynamic_runtime_do_not_go_together_if_it_is_installed() {
    let directory = directory("clash");
    let provider = xwin(&directory);
    let jit = with(provider.clone());
    let error = add(&jit, &directory, &[&directives(STATIC), &directives(DYNAMIC)]);
    let expected = "objects disagree about 'RuntimeLibrary': MT_StaticRelease in 0.obj, MD_DynamicRelease in 1.obj";
    assert_eq!(text(error), expected);

    // Objects of C say so only by the libraries that they ask for.
    let jit = with(provider.clone());
    let objects = ["/defaultlib:LIBCMT", "/defaultlib:uuid /defaultlib:MSVCRT"].map(directives);
    add(&jit, &directory, &[&(objects[0].clone() + &variable("a", 1)), &objects[1]]).unwrap();
    let expected = "objects disagree about 'RuntimeLibrary': libcmt.lib (/MT) in 0.obj, msvcrt.lib (/MD) in 1.obj";
    assert_eq!(text(jit.lookup("a")), expected);
    assert_eq!(text(jit.lookup("a")), expected);

    // Whoever adds them may choose.
    add(&jit, &directory, &[&directives("/nodefaultlib:libcmt.lib /nodefaultlib:uuid")]).unwrap();
    assert_eq!(value(&jit, "r").unwrap(), 2);
}

/// B7.41 of docs/coff-cases.md.
#[test]
fn the_runtime_that_objects_ask_for_is_found_where_it_is_installed() {
    for (name, asks, expected) in [("static", STATIC, 1), ("dynamic", DYNAMIC, 2)] {
        let directory = directory(name);
        let jit = with(xwin(&directory));
        add(&jit, &directory, &[&directives(&format!("{asks} /defaultlib:ucrt /defaultlib:kernel32"))]).unwrap();
        let values = ["r", "u", "k"].map(|name| value(&jit, name).unwrap());
        assert_eq!(values, [expected, 3, 4]);
    }
}

#[test]
fn names_of_directories_and_libraries_may_be_microsofts() {
    let directory = directory("capitals");
    library(&variable("r", 1), &directory.join("CRT/lib/x64/LIBCMT.lib"));
    library(&variable("u", 2), &directory.join("SDK/Lib/10.0.9.0/ucrt/x64/libucrt.lib"));
    library(&variable("u", 3), &directory.join("SDK/Lib/10.0.10.0/ucrt/x64/libucrt.lib"));
    library(&variable("k", 4), &directory.join("SDK/Lib/10.0.10.0/um/x64/kernel32.Lib"));
    let jit = with(CrtProvider::xwin(&directory).unwrap());
    let asks = "/defaultlib:libcmt /defaultlib:libucrt /defaultlib:KERNEL32.LIB";
    add(&jit, &directory, &[&directives(asks)]).unwrap();
    assert_eq!(["r", "u", "k"].map(|name| value(&jit, name).unwrap()), [1, 3, 4]);
}

#[test]
fn headers_are_beside_the_libraries() {
    let directory = directory("headers");
    for path in ["crt/include", "sdk/Include/10.0.9.0/ucrt", "sdk/Include/10.0.10.0/ucrt", "sdk/Include/10.0.10.0/um"] {
        std::fs::create_dir_all(directory.join(path)).expect("a directory");
    }
    let expected = ["crt/include", "sdk/Include/10.0.10.0/ucrt", "sdk/Include/10.0.10.0/um"];
    assert_eq!(xwin(&directory).header_directories(), expected.map(|path| directory.join(path)));
}

#[test]
fn what_is_missing_of_an_installation_is_said() {
    let directory = directory("missing");
    let place = directory.display();
    let error = text(CrtProvider::xwin(&directory));
    assert_eq!(error, format!("{place}: there is no directory crt/lib/x86_64, which `xwin splat` would make"));
    let error = text(CrtProvider::mingw(&directory));
    assert_eq!(error, format!("{place}: there is no lib/libmingw32.a, which MinGW-w64 has"));

    let jit = with(xwin(&directory));
    add(&jit, &directory, &[&(directives("/defaultlib:libcmtd") + &variable("a", 1))]).unwrap();
    let error = jit.lookup("a").unwrap_err();
    let Error::NoRuntime { library, searched } = &error else { panic!("{error}") };
    assert_eq!((library.as_str(), searched.len()), ("libcmtd.lib", 3));
    assert!(error.to_string().starts_with("objects ask for libcmtd.lib, a library of the C runtime, which is not in "));
}

#[test]
fn libraries_of_the_user_are_searched_before_those_of_the_installation() {
    let directory = directory("order");
    let provider = xwin(&directory);
    library(&variable("r", 7), &directory.join("mine/libcmt.lib"));
    let jit = host::builder().crt(provider).library_path(directory.join("mine")).build().unwrap();
    add(&jit, &directory, &[&directives(STATIC)]).unwrap();
    assert_eq!(value(&jit, "r").unwrap(), 7);
}

#[test]
fn libraries_of_mingw_are_those_that_its_driver_links() {
    let directory = directory("mingw");
    let jit = with(CrtProvider::mingw("/usr/x86_64-w64-mingw32").expect("./test installs it"));
    add(&jit, &directory, &[&variable("a", 1)]).unwrap();
    // One of libmingw32.a's, one of libgcc.a's, which lies elsewhere.
    assert_eq!(value(&jit, "_dowildcard").unwrap(), 0);
    assert_ne!(jit.lookup("__popcount_tab").unwrap().0, 0);
}

#[test]
fn objects_that_are_removed_ask_for_no_runtime_any_more() {
    let directory = directory("removed");
    let jit = with(xwin(&directory));
    let object = directory.join("static.obj");
    assemble(&directives(STATIC), &object);
    let tracker = jit.create_tracker().unwrap();
    let source = linkjit::Source::new("static.obj", std::fs::read(&object).unwrap());
    tracker.add_object(&source).unwrap();
    assert_eq!(value(&jit, "r").unwrap(), 1);
    // SAFETY: nobody calls what is removed.
    unsafe { tracker.remove() }.unwrap();
    add(&jit, &directory, &[&(directives(DYNAMIC) + &variable("a", 5))]).unwrap();
    assert_eq!(value(&jit, "a").unwrap(), 5);
}
