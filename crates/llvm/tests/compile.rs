//! Modules through each LLVM that is installed: what becomes of them, and what is said about those that can't be
//! compiled. All versions are in this one process.

use std::path::{Path, PathBuf};

use linkjit_llvm::{Error, Llvm, OptLevel, Options};
use object::{Object, ObjectSection, ObjectSymbol};

/// The libraries, one of each version: `./test` installs one, and there may be more.
fn all() -> Vec<Llvm> {
    let mut found: Vec<Llvm> = Vec::new();
    // `Llvm::open` passes over libraries that can't be opened, too.
    for llvm in Llvm::installed().into_iter().filter_map(|path| Llvm::open_path(path).ok()) {
        if !found.iter().any(|other| other.version() == llvm.version()) {
            found.push(llvm);
        }
    }
    assert!(!found.is_empty() || !cfg!(target_os = "linux"), "{}", Error::NotFound { refused: vec![] });
    found
}

fn options(change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options::default();
    change(&mut options);
    options
}

fn object(llvm: &Llvm, text: &str, options: &Options) -> Vec<u8> {
    llvm.compile("x.ll", text.as_bytes(), options).unwrap_or_else(|error| panic!("{llvm:?}: {error}")).object
}

fn error(llvm: &Llvm, code: &[u8], options: &Options) -> Error {
    match llvm.compile("x.ll", code, options) {
        Ok(_) => panic!("{llvm:?} compiles it"),
        Err(error) => error,
    }
}

/// The result of the object's `f`.
fn call(object: Vec<u8>) -> i32 {
    let jit = linkjit::Jit::host().unwrap();
    jit.add_object(linkjit::Source::new("x.o", object)).unwrap();
    // SAFETY: all modules that are run define a function of this type.
    let f = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> i32>("f") }.unwrap();
    // SAFETY: as above.
    unsafe { f() }
}

/// A module with what most programs have: data, strings, thread-local variables, calls of the C library.
const PROGRAM: &str = r#"
@text = private unnamed_addr constant [6 x i8] c"hello\00"
@counter = internal global i32 30
@zero = global i32 0
@tls = internal thread_local global i32 7
declare i64 @strlen(ptr)
declare ptr @llvm.threadlocal.address.p0(ptr)
define i32 @f() {
  %n = call i64 @strlen(ptr @text)
  %n32 = trunc i64 %n to i32
  %c = load volatile i32, ptr @counter
  %z = load volatile i32, ptr @zero
  %address = call ptr @llvm.threadlocal.address.p0(ptr @tls)
  %t = load volatile i32, ptr %address
  %a = add i32 %n32, %c
  %b = add i32 %a, %t
  %d = add i32 %b, %z
  ret i32 %d
}
define i32 @unused() {
  %r = call i32 @nowhere()
  ret i32 %r
}
declare i32 @nowhere()
"#;

#[test]
fn modules_run_with_each_version_and_at_each_level() {
    for llvm in all() {
        for level in [OptLevel::O0, OptLevel::O1, OptLevel::O2, OptLevel::O3, OptLevel::Os, OptLevel::Oz] {
            // Nothing needs `unused`, so nobody misses `nowhere`: functions have sections.
            let object = object(&llvm, PROGRAM, &options(|options| options.optimization = level));
            if cfg!(not(windows)) {
                assert_eq!(call(object), 42, "{llvm:?} at {level:?}");
            }
        }
    }
}

/// LLVM's own tool makes bitcode.
#[cfg(target_os = "linux")]
#[test]
fn bitcode_is_compiled_as_text_is_and_printed() {
    let bitcode = bitcode(PROGRAM);
    for llvm in all().into_iter().filter(|llvm| llvm.version().0 >= 19) {
        let compiled = llvm.compile("x.bc", &bitcode, &Options::default()).unwrap();
        assert_eq!(call(compiled.object), 42);
        let text = llvm.text("x.bc", &bitcode).unwrap();
        assert!(text.contains("define i32 @unused()") && text.ends_with("\n"), "{text}");
        assert_eq!(call(object(&llvm, &text, &Options::default())), 42);
        for length in [4, 20, bitcode.len() / 2, bitcode.len() - 4] {
            let problem = error(&llvm, &bitcode[..length], &Options::default());
            assert!(matches!(&problem, Error::Parse { .. }) && problem.to_string().contains("x.ll"), "{problem:?}");
        }
    }
}

#[cfg(target_os = "linux")]
fn bitcode(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut tool = std::process::Command::new("llvm-as-19");
    let tool = tool.args(["-o", "-", "-"]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut tool = tool.spawn().expect("llvm-as-19 is missing: install llvm-19");
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[test]
fn definitions_have_sections_by_the_names_that_compilers_give() {
    let text = "@z = global i32 0\n@d = global i32 5\n@c = constant i32 6\n@own = global i32 7, section \"mine\"\n\
                define void @g() { ret void }\n@e = external global i32\n";
    for llvm in all() {
        let sections = |triple: &str, with: bool| -> Vec<String> {
            let options = options(|options| (options.triple, options.sections) = (Some(triple.into()), with));
            let object = object(&llvm, text, &options);
            let file = object::File::parse(&*object).unwrap();
            let sections = ["z", "d", "c", "own", "g"].map(|name| {
                let symbol = file.symbols().find(|symbol| symbol.name() == Ok(name)).unwrap();
                let section = file.section_by_index(symbol.section_index().unwrap()).unwrap();
                section.name().unwrap().to_owned()
            });
            sections.into()
        };
        let linux = "x86_64-unknown-linux-gnu";
        assert_eq!(sections(linux, true), [".bss.z", ".data.d", ".rodata.c", "mine", ".text.g"]);
        assert_eq!(sections(linux, false), [".bss", ".data", ".rodata", "mine", ".text"]);
        let windows = "x86_64-pc-windows-msvc";
        assert_eq!(sections(windows, true), [".bss$z", ".data$d", ".rdata$c", "mine", ".text$g"]);
    }
}

#[test]
fn a_module_names_its_target_and_options_name_another() {
    let text = "target triple = \"aarch64-unknown-linux-gnu\"\ndefine i32 @f() { ret i32 1 }";
    for llvm in all() {
        let machine = |options: &Options| object::File::parse(&*object(&llvm, text, options)).unwrap().architecture();
        assert_eq!(machine(&Options::default()), object::Architecture::Aarch64);
        let other = options(|options| options.triple = Some("x86_64-pc-linux-gnu".into()));
        assert_eq!(machine(&other), object::Architecture::X86_64);
    }
}

#[test]
fn passes_and_processors_are_the_users_choice() {
    // The multiplication is folded only if passes do so.
    let text = "define i32 @f() { %p = alloca i32\n store i32 6, ptr %p\n %a = load i32, ptr %p\n %r = mul i32 %a, 7\n \
                ret i32 %r }";
    for llvm in all() {
        let size = |passes: &str| {
            let object = object(&llvm, text, &options(|options| options.passes = Some(passes.into())));
            assert!(cfg!(windows) || call(object.clone()) == 42);
            let file = object::File::parse(&*object).unwrap();
            file.section_by_name(".text.f").or(file.section_by_name(".text$f")).map(|section| section.size())
        };
        assert!(size("mem2reg,instcombine") < size("verify"), "{llvm:?}");
        let native = options(|options| options.cpu = Some("native".into()));
        assert!(!object(&llvm, text, &native).is_empty());
        let problem = error(&llvm, text.as_bytes(), &options(|options| options.passes = Some("no-such-pass".into())));
        assert_eq!(problem.to_string(), "passes 'no-such-pass': unknown pass name 'no-such-pass'");
    }
}

#[test]
fn what_is_wrong_is_said() {
    let cases: [(&str, &[&str]); 6] = [
        ("define i32 @f() {\n  ret i32 %x\n}\n", &["x.ll:2:11: error: use of undefined value '%x'", "\n          ^"]),
        ("what is this", &["x.ll:1:1: error: expected top-level entity\nwhat is this\n^"]),
        // The parser does not see it.
        (
            "define i32 @f() {\na:\n  br label %b\nb:\n  %p = phi i32 [ 1, %b ]\n  ret i32 %p\n}",
            &["x.ll: the module is invalid: PHI node entries do not match predecessors!"],
        ),
        (
            "define void @f() {\n  call void asm sideeffect \"bogus\", \"\"()\n  ret void\n}",
            &["x.ll: <inline asm>:1:", "invalid instruction mnemonic 'bogus'"],
        ),
        ("target triple = \"pdp11-dec-unix\"", &["LLVM makes no objects for the target 'pdp11-dec-unix': "]),
        (" \n", &["x.ll: it is empty"]),
    ];
    for llvm in all() {
        for (text, expected) in cases {
            let problem = error(&llvm, text.as_bytes(), &Options::default()).to_string();
            assert!(expected.iter().all(|part| problem.contains(part)), "{llvm:?}: {problem}");
        }
    }
}

/// LLVM would end the process: at the first, the verifier finds nothing wrong; the second, LLVM verifies itself when it
/// looks after debug information; the third has a processor that can't be the target's.
#[test]
fn fatal_errors_end_a_call_and_no_more() {
    let needs_avx = "declare <8 x float> @llvm.x86.avx.max.ps.256(<8 x float>, <8 x float>)\n\
                     define void @f(ptr %p) {\n %a = load <8 x float>, ptr %p\n\
                     %r = call <8 x float> @llvm.x86.avx.max.ps.256(<8 x float> %a, <8 x float> %a)\n\
                     store <8 x float> %r, ptr %p\n ret void\n}";
    let broken = "define i32 @f() {\na:\n br label %b\nb:\n %p = phi i32 [ 1, %b ]\n ret i32 %p\n}\n\
                  !llvm.module.flags = !{!0}\n!0 = !{i32 2, !\"Debug Info Version\", i32 3}";
    let fine = "define i32 @f() { ret i32 42 }";
    let triple = |cpu: Option<&str>| {
        options(|options| {
            options.triple = Some("x86_64-pc-linux-gnu".into());
            options.cpu = cpu.map(str::to_owned);
        })
    };
    let cases = [
        (needs_avx, triple(None), "Do not know how to split the result of this operator"),
        (broken, triple(None), "Broken module found"),
        (fine, triple(Some("i386")), "64-bit code requested"),
    ];
    for llvm in all() {
        for (text, options, expected) in &cases {
            match llvm.compile("x.ll", text.as_bytes(), options) {
                Err(Error::Fatal { name, message }) => {
                    assert!(name == "x.ll" && message.contains(expected), "{llvm:?}: {message}");
                }
                other => panic!("{llvm:?}: {other:?}"),
            }
            assert!(!object(&llvm, fine, &Options::default()).is_empty());
        }
    }
}

#[test]
fn threads_compile_at_once() {
    for llvm in all() {
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let llvm = &llvm;
                scope.spawn(move || {
                    for round in 0..4 {
                        let value = thread * 100 + round;
                        let object =
                            object(llvm, &format!("define i32 @f() {{ ret i32 {value} }}"), &Options::default());
                        assert!(cfg!(windows) || call(object) == value);
                        error(llvm, b"define", &Options::default());
                    }
                });
            }
        });
    }
}

#[test]
fn what_is_no_llvm_is_refused() {
    let problem = |path: &Path| Llvm::open_path(path).expect_err("it is no LLVM");
    let missing = problem(&PathBuf::from("/nowhere/libLLVM.so"));
    assert!(
        matches!(&missing, Error::Open { .. }) && missing.to_string().starts_with("/nowhere/libLLVM.so: "),
        "{missing}"
    );
    assert!(matches!(problem(&std::env::current_exe().unwrap().with_extension("d")), Error::Open { .. }));
    if cfg!(target_os = "linux") {
        let other = problem(Path::new("libc.so.6")).to_string();
        assert_eq!(other, "libc.so.6: it has no function LLVMGetVersion: LLVM 17 or later is needed");
    }
}
