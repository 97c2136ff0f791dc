//! Direct references to a shared library's variables, from several lookups and JITDylibs of one process. Programs that
//! make such references are among the cases of `run.rs`.

#![cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]

mod host;
mod support;

use std::path::PathBuf;
use std::process::Command;

use linkjit::Source;
use linkjit::{Error, JitDylib};
use support::{compile, compile_file};

/// A library whose names end in `suffix`, as all tests are in one process.
fn library(flags: &str, suffix: &str) -> PathBuf {
    let source = format!(
        "int variable_{suffix} = 7;
         extern int alias_{suffix} __attribute__((alias(\"variable_{suffix}\")));
         int fixed_{suffix} __attribute__((visibility(\"protected\"))) = 3;
         const char *const constant_{suffix}[] = {{\"zero\", \"one\"}};
         int *address_{suffix}(void) {{ return &variable_{suffix}; }}"
    );
    let object = compile_file("-fPIC", &source);
    let library = object.with_extension("so");
    let mut link = Command::new("cc");
    link.arg("-shared").args(flags.split_whitespace()).arg(&object).arg("-o").arg(&library);
    assert!(link.status().expect("cc is installed").success());
    library
}

fn add(dylib: &JitDylib, flags: &str, source: &str, suffix: &str) {
    let object = compile(flags, &source.replace('$', suffix));
    dylib.add_object(Source::new("test", object)).unwrap();
}

/// Looks a function up and calls it.
fn call(dylib: &JitDylib, name: &str) -> u64 {
    let address = dylib.link(&[name]).unwrap()[0];
    // SAFETY: all functions that the tests look up take nothing and return an integer or a pointer.
    let function: extern "C" fn() -> u64 = unsafe { std::mem::transmute(address.0) };
    function()
}

const LOW_ADDRESS: &str = "extern int variable_$; int *low(void) { return &variable_$; }";

#[test]
fn all_names_of_a_moved_variable_stand_for_its_new_place() {
    let jit = host::jit().unwrap();
    jit.add_library(library("", "names")).unwrap();
    add(jit.main(), "-O1 -fno-pic", LOW_ADDRESS, "names");
    let low = call(jit.main(), "low");
    assert!(low < 1 << 31, "{low:#x}");
    assert_eq!(call(jit.main(), "address_names"), low);
    let names = jit.main().link(&["alias_names", "variable_names"]).unwrap();
    assert_eq!([names[0].0, names[1].0], [low, low]);
}

#[test]
fn table_entries_of_earlier_lookups_follow() {
    let jit = host::jit().unwrap();
    jit.add_library(library("", "earlier")).unwrap();
    // The first lookup makes the window low and loads the address from a table entry, which the linker can't relax.
    let first = "extern int variable_$; static int here; unsigned in_low(void) { return (unsigned)(long)&here; }
                 int *before(void) { int *p; __asm__(\"addq variable_$@GOTPCREL(%%rip), %0\" : \"=r\"(p) : \"0\"(0l));
                 return p; }";
    add(jit.main(), "-O1 -fno-pic", first, "earlier");
    assert!(jit.main().link(&["in_low"]).unwrap()[0].0 < 1 << 31);
    let before = call(jit.main(), "before");
    assert!(before > 1 << 32, "{before:#x}");

    add(jit.main(), "-O1 -fno-pic", LOW_ADDRESS, "earlier");
    let low = call(jit.main(), "low");
    assert!(low < 1 << 31, "{low:#x}");
    assert_eq!(call(jit.main(), "before"), low);
}

#[test]
fn table_entries_of_all_names_of_a_variable_follow() {
    let jit = host::jit().unwrap();
    jit.add_library(library("", "aliases")).unwrap();
    let first = "static int here; unsigned in_low(void) { return (unsigned)(long)&here; }
                 #define LOAD(name) int *p; \\
                 __asm__(\"addq \" #name \"@GOTPCREL(%%rip), %0\" : \"=r\"(p) : \"0\"(0l)); return p
                 int *one(void) { LOAD(variable_aliases); } int *other(void) { LOAD(alias_aliases); }";
    add(jit.main(), "-O1 -fno-pic", first, "aliases");
    assert!(jit.main().link(&["in_low", "one", "other"]).unwrap()[0].0 < 1 << 31);
    assert_eq!(call(jit.main(), "one"), call(jit.main(), "other"));

    add(jit.main(), "-O1 -fno-pic", LOW_ADDRESS, "aliases");
    let low = call(jit.main(), "low");
    assert_eq!((call(jit.main(), "one"), call(jit.main(), "other")), (low, low));
}

#[test]
fn jitdylibs_share_a_copy_that_outlives_them() {
    let jit = host::jit().unwrap();
    jit.process().add_library(library("", "shared")).unwrap();
    let [one, other] = ["one", "other"].map(|name| jit.create_dylib(name).unwrap());
    let set = "extern int variable_$; int *low(void) { return &variable_$; } void set(void) { variable_$ = 42; }";
    add(&one, "-O1 -fno-pic", set, "shared");
    call(&one, "set");
    let low = call(&one, "low");
    // SAFETY: nobody is in its code, and nobody uses it any more.
    unsafe { one.close() }.unwrap();

    let get = "extern int variable_$; int *low(void) { return &variable_$; } int get(void) { return variable_$; }";
    add(&other, "-O1 -fno-pic", get, "shared");
    assert_eq!((call(&other, "low"), call(&other, "get") as u32), (low, 42));
    assert_eq!(call(jit.main(), "address_shared"), low);
}

#[test]
fn a_moved_variable_is_within_reach_of_code_for_executables() {
    let jit = host::jit().unwrap();
    jit.process().add_library(library("", "reach")).unwrap();
    let [low, pie, pic] = ["low", "pie", "pic"].map(|name| jit.create_dylib(name).unwrap());
    add(&low, "-O1 -fno-pic", LOW_ADDRESS, "reach");
    add(&pie, "-O1 -fPIE", LOW_ADDRESS, "reach");
    add(&pic, "-O1 -fPIC", LOW_ADDRESS, "reach");
    let address = call(&low, "low");
    assert!(address < 1 << 31, "{address:#x}");
    assert_eq!((call(&pie, "low"), call(&pic, "low")), (address, address));
}

#[test]
fn libraries_that_are_opened_later_use_the_copy() {
    let jit = host::jit().unwrap();
    let first = library("", "later");
    jit.add_library(&first).unwrap();
    add(jit.main(), "-O1 -fno-pic", LOW_ADDRESS, "later");
    let low = call(jit.main(), "low");
    let object = compile_file("-fPIC", "extern int variable_later; int *seen(void) { return &variable_later; }");
    let second = object.with_extension("so");
    assert!(
        Command::new("cc").arg("-shared").args([&object, &first]).arg("-o").arg(&second).status().unwrap().success()
    );
    jit.add_library(&second).unwrap();
    assert_eq!(call(jit.main(), "seen"), low);
}

#[test]
fn constants_are_copied_whoever_owns_them() {
    let jit = host::jit().unwrap();
    jit.add_library(library("-Wl,-Bsymbolic", "constants")).unwrap();
    let source = "extern const char *const constant_$[]; static int here;
                  int letter(void) { return constant_$[1][0] + (here = 0); }
                  const void *where(void) { return constant_$; }";
    add(jit.main(), "-O1 -fno-pic", source, "constants");
    assert_eq!(call(jit.main(), "letter") as u8, b'o');
    assert!(call(jit.main(), "where") < 1 << 31);
}

#[test]
fn a_variable_that_its_owner_refers_to_directly_can_not_be_moved() {
    for (flags, name) in [("-Wl,-Bsymbolic", "variable_symbolic"), ("", "fixed_protected")] {
        let jit = host::jit().unwrap();
        let (_, suffix) = name.split_once('_').unwrap();
        jit.add_library(library(flags, suffix)).unwrap();
        let source = format!("extern int {name}; int *low(void) {{ return &{name}; }}");
        add(jit.main(), "-O1 -fno-pic", &source, "");
        let error = jit.main().link(&["low"]).unwrap_err();
        assert!(matches!(error, Error::Link(_)), "{error}");
        let message = error.to_string();
        assert!(message.contains(name) && message.contains("out of range"), "{message}");
    }
}

#[test]
fn pointers_to_a_function_are_equal_however_they_were_had() {
    let jit = host::jit().unwrap();
    jit.add_library(library("", "function")).unwrap();
    let low = "int *address_$(void); static int *(*table)(void) = address_$; int *(*loaded(void))(void);
               unsigned direct(void) { return (unsigned)(long)address_$; }
               int equal(void) { return table == address_$ && loaded() == address_$; }";
    let loaded = "int *address_$(void); int *(*loaded(void))(void) { return address_$; }";
    add(jit.main(), "-O0 -fno-pic", low, "function");
    add(jit.main(), "-O0 -fPIC", loaded, "function");
    assert_eq!(call(jit.main(), "equal") as u32, 1);
    assert_ne!(call(jit.main(), "direct") as u32, 0);
}
