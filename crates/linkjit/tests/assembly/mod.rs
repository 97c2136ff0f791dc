//! What the tests share: fixtures in assembly, and what the system's linker makes of them.

#![allow(dead_code, unused_imports, reason = "each test program uses a part of it")]

#[path = "../compiler/mod.rs"]
mod compiler;
#[cfg_attr(windows, path = "../../../executor/tests/support/windows.rs")]
#[cfg_attr(not(windows), path = "../../../executor/tests/support/linux.rs")]
mod process;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) use compiler::run;
use compiler::{compiler, tool};
use linkjit::{Error, Jit};
pub(crate) use process::{handles, resident};

/// The linker that ours is compared with.
const NATIVE_LINKER: &str = "ld.lld-19";

/// A directory of fixtures that goes away with the test.
pub(crate) struct Workshop {
    pub(crate) directory: PathBuf,
    /// By text.
    assembled: Mutex<HashMap<String, PathBuf>>,
    made: AtomicU32,
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.directory);
    }
}

/// One input of a link.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// An object, by its assembly text.
    Object(String),
    /// An archive of objects.
    Archive(Vec<String>),
}

/// What came of a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Returns(i32),
    Duplicate,
    Undefined,
    Other(String),
}

impl Workshop {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("linkjit-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
        std::fs::create_dir_all(&directory).unwrap();
        Self { directory, assembled: Mutex::default(), made: AtomicU32::new(0) }
    }

    /// A path that was not used before.
    pub(crate) fn path(&self, extension: &str) -> PathBuf {
        self.directory.join(format!("{}.{extension}", self.made.fetch_add(1, Ordering::Relaxed)))
    }

    /// Assembles a text, once.
    pub(crate) fn object(&self, text: &str) -> PathBuf {
        if let Some(path) = self.assembled.lock().unwrap().get(text) {
            return path.clone();
        }
        let (source, object) = (self.path("s"), self.path("o"));
        std::fs::write(&source, text).unwrap();
        run(tool("as").arg(&source).arg("-o").arg(&object));
        self.assembled.lock().unwrap().insert(text.into(), object.clone());
        object
    }

    /// Compiles C or C++ (by `extension`) with flags.
    pub(crate) fn compile(&self, extension: &str, text: &str, flags: &[&str]) -> PathBuf {
        let (source, object) = (self.path(extension), self.path("o"));
        std::fs::write(&source, text).unwrap();
        run(compiler(extension != "c").arg("-c").args(flags).arg(&source).arg("-o").arg(&object));
        object
    }

    /// An archive of assembly texts, made once; `flags` are ar's.
    pub(crate) fn archive(&self, flags: &str, members: &[&str]) -> PathBuf {
        let key = format!("ar {flags} {}", members.join("\0"));
        if let Some(path) = self.assembled.lock().unwrap().get(&key) {
            return path.clone();
        }
        let archive = self.path("a");
        run(tool("ar").arg(flags).arg(&archive).args(members.iter().map(|text| self.object(text))));
        self.assembled.lock().unwrap().insert(key, archive.clone());
        archive
    }

    fn files(&self, inputs: &[Input]) -> Vec<PathBuf> {
        let file = |input: &Input| match input {
            Input::Object(text) => self.object(text),
            Input::Archive(members) => self.archive("rcs", &members.iter().map(String::as_str).collect::<Vec<_>>()),
        };
        inputs.iter().map(file).collect()
    }

    /// Links natively, without libraries, and runs.
    pub(crate) fn native(&self, inputs: &[Input]) -> Verdict {
        let start = self.object(".globl _start\n_start: call main\n mov %eax,%edi\n mov $60,%eax\n syscall\n");
        let program = self.path("exe");
        let files = self.files(inputs);
        let link = |linker: &str, flags: &[&str]| {
            let mut linker = Command::new(linker);
            let output = linker.args(flags).arg("-o").arg(&program).arg(&start).args(&files).output().unwrap();
            (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let (mut linked, mut messages) = link(NATIVE_LINKER, &["--threads=1"]);
        // lld lets a strong definition that it has discarded with its group beat the weak one that it has kept, and then
        // misses it. GNU ld keeps the first group whatever the binding.
        if messages.contains("discarded section") {
            (linked, messages) = link("ld", &["-z", "noexecstack"]);
        }
        if !linked {
            return match () {
                () if messages.contains("duplicate symbol") => Verdict::Duplicate,
                () if messages.contains("undefined") => Verdict::Undefined,
                () => Verdict::Other(messages),
            };
        }
        let status = Command::new(&program).status().unwrap();
        let _gone = std::fs::remove_file(&program);
        status.code().map_or_else(|| Verdict::Other(status.to_string()), Verdict::Returns)
    }

    /// The names that a shared library of these inputs exports.
    pub(crate) fn native_exports(&self, inputs: &[Input]) -> Vec<String> {
        let library = self.path("so");
        run(Command::new(NATIVE_LINKER).arg("-shared").arg("-o").arg(&library).args(self.files(inputs)));
        let output = Command::new("nm").args(["-D", "--defined-only", "-j"]).arg(&library).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// Adds the inputs to `main`.
    pub(crate) fn add(&self, jit: &Jit, inputs: &[Input]) -> linkjit::Result<()> {
        for (input, file) in inputs.iter().zip(self.files(inputs)) {
            match input {
                Input::Object(_) => jit.add_object(file)?,
                Input::Archive(_) => jit.add_archive(file)?,
            }
        }
        Ok(())
    }

    /// Links in this process, and calls `main`.
    pub(crate) fn jitted(&self, inputs: &[Input]) -> Verdict {
        let jit = crate::host::jit().unwrap();
        let result = self.add(&jit, inputs).and_then(|()| call(&jit, "main"));
        // SAFETY: `main` has returned.
        unsafe { jit.close() }.unwrap();
        match result {
            Ok(value) => Verdict::Returns(value & 0xff),
            Err(Error::Duplicate { .. }) => Verdict::Duplicate,
            Err(Error::Undefined { .. }) => Verdict::Undefined,
            Err(error) => Verdict::Other(error.to_string()),
        }
    }
}

/// Calls an `int name(void)`.
pub(crate) fn call(jit: &Jit, name: &str) -> linkjit::Result<i32> {
    // SAFETY: the fixtures' functions are of this type.
    let function = unsafe { jit.lookup_fn::<extern "C" fn() -> i32>(name) }?;
    Ok(function())
}

/// Calls an `int name(void)` found through a JITDylib.
pub(crate) fn call_in(dylib: &linkjit::JitDylib, name: &str) -> linkjit::Result<i32> {
    dylib.initialize()?;
    Ok(call_at(dylib.link(&[name])?[0]))
}

/// The names that nobody defines, if that is the error.
pub(crate) fn undefined_names(error: Error) -> Vec<String> {
    match error {
        Error::Undefined { symbols, .. } => symbols.into_iter().map(|symbol| symbol.name).collect(),
        other => panic!("{other}"),
    }
}

/// Calls an `int f(void)` by its address.
pub(crate) fn call_at(address: linkjit::ExecAddr) -> i32 {
    // SAFETY: the fixtures' functions are of this type.
    let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(address.0 as *const ()) };
    function()
}

/// `int name(void)` that returns `value`, in a group of its own.
pub(crate) fn group(name: &str, value: i32) -> String {
    let function = function(name, value);
    if cfg!(windows) {
        format!(".section .text${name},\"xr\"\n.linkonce discard\n{function}.text\n")
    } else {
        let function = function.replace(".globl", ".weak");
        format!(".section .text.{name},\"axG\",@progbits,{name},comdat\n{function}.text\n")
    }
}

/// Begins a function that others see.
fn label(name: &str) -> String {
    let kind = if cfg!(windows) {
        format!(".def {name}; .scl 2; .type 32; .endef")
    } else {
        format!(".type {name},@function")
    };
    format!(".globl {name}\n{kind}\n{name}:")
}

/// `int name(void)` that returns `value`.
pub(crate) fn function(name: &str, value: i32) -> String {
    format!("{} mov ${value},%eax\n ret\n", label(name))
}

/// `int name(void)` that returns what `callee` does.
pub(crate) fn caller(name: &str, callee: &str) -> String {
    let through = if cfg!(windows) { "" } else { "@PLT" };
    format!("{} sub $40,%rsp\n call {callee}{through}\n add $40,%rsp\n ret\n", label(name))
}

/// `int name(void)` that returns the variable `of`, 0 if there is none.
pub(crate) fn getter(name: &str, of: &str) -> String {
    let (slot, address) = if cfg!(windows) {
        (format!(".section .rdata,\"dr\"\n2: .quad {of}\n.text\n"), "2b(%rip)".into())
    } else {
        (String::new(), format!("{of}@GOTPCREL(%rip)"))
    };
    format!("{slot}{} mov {address},%rax\n test %rax,%rax\n jz 1f\n mov (%rax),%eax\n1: ret\n", label(name))
}

/// The bytes of a file as a source of that name.
pub(crate) fn source(path: &Path) -> linkjit::Source {
    linkjit::Source::new(path.to_string_lossy().into_owned(), std::fs::read(path).unwrap())
}

/// Mappings of the process.
pub(crate) fn mappings() -> usize {
    process::mappings().len()
}

/// Those of its mappings that begin within `range`.
pub(crate) fn mappings_within(range: linkjit::executor::ExecRange) -> usize {
    process::mappings().iter().filter(|(mapping, _)| range.contains(linkjit::ExecAddr(mapping.start))).count()
}

/// Whether there is code.
pub(crate) fn is_mapped_executable(address: linkjit::ExecAddr) -> bool {
    let is_there =
        |range: &std::ops::Range<u64>, permissions: &str| range.contains(&address.0) && permissions.starts_with("r-x");
    process::mappings().iter().any(|(range, permissions)| is_there(range, permissions))
}
