//! Damaged and absurd inputs: an error that names the file, or a link; never a panic, an abort, a hang or a great deal of
//! memory. What was damaged is linked, not called.
//!
//! The work is done in a child with limits on memory and processor time, so that exceeding them is a failure that can be
//! told from others.
#![cfg(not(windows))]

mod assembly;
mod host;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use assembly::{Workshop, call, caller, function, source};
use linkjit::Source;
use linkjit::{Error, LinkPolicy};
use linkjit_link::names::NamePool;

/// Runs the test `name` again as a child, with limits; `true` in the child.
fn in_limits(name: &str, kilobytes: u64, seconds: u64) -> bool {
    if std::env::var_os("BAD_INPUT_CHILD").is_some() {
        return true;
    }
    let this = std::env::current_exe().unwrap();
    let limits = format!("ulimit -v {kilobytes}; ulimit -t {seconds}; ulimit -c 0; exec \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &limits, "sh"])
        .arg(this)
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env("BAD_INPUT_CHILD", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    let tail = text.len() - text.len().min(4000);
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr[tail..]));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "there is no test {name}");
    false
}

/// xorshift64*: the same mutations every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

/// Damages some bytes: bit flips, absurd numbers, a part copied elsewhere, or the end cut off.
fn mutate(original: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = original.to_vec();
    // Headers and tables are at the beginning and at the end: hit them more often.
    let place = |random: &mut Random, len: usize| match random.below(4) {
        0 => random.below(len.min(128)),
        1 => len - 1 - random.below(len.min(4096)),
        _ => random.below(len),
    };
    for _ in 0..=random.below(4) {
        let at = place(random, bytes.len());
        match random.below(8) {
            0..=2 => bytes[at] ^= 1 << random.below(8),
            3 | 4 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, 0xfe, 4, 16][random.below(8)],
            5 => {
                let width = [2, 4, 8][random.below(3)];
                let value = [0, u64::MAX, 1 << 63, 1 << 31, u64::from(u32::MAX), 1 << 60][random.below(6)];
                for (byte, new) in bytes[at..].iter_mut().zip(&value.to_le_bytes()[..width]) {
                    *byte = *new;
                }
            }
            6 => {
                let (len, to) = (1 + random.below(32), place(random, bytes.len()));
                let end = (at + len).min(bytes.len());
                let part = bytes[at..end].to_vec();
                for (byte, new) in bytes[to..].iter_mut().zip(part) {
                    *byte = new;
                }
            }
            _ if random.below(4) == 0 => bytes.truncate(at.max(1)),
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
    }
    bytes
}

/// The errors that may come of a damaged file, which has to be named unless it is a name that is missing.
fn check(files: &[&str], error: &Error) {
    let text = error.to_string();
    let named = files.iter().any(|file| text.contains(file));
    let is_of_process = matches!(error, Error::Executor(_) | Error::Undefined { .. } | Error::Duplicate { .. });
    assert!(named || is_of_process, "{files:?} is not named: {text}");
    assert!(!matches!(error, Error::Closed | Error::Reentrant | Error::TrackerRemoved), "{files:?}: {text}");
}

/// Adds and links an object; whether that went well.
fn link_object(name: &str, bytes: Vec<u8>, policy: LinkPolicy, wanted: &str) -> bool {
    // Resolvers of indirect functions are called while linking: damaged code must not become one.
    let graph = linkjit_link::object::read(&Source::new(name, bytes.clone()), &mut NamePool::default());
    if graph.is_ok_and(|graph| graph.symbols().iter().any(|symbol| symbol.indirect)) {
        return false;
    }
    let jit = host::builder().window_size(64 << 20).policy(policy).build().unwrap();
    let result = jit.add_object(Source::new(name, bytes)).and_then(|()| jit.main().link(&[wanted]).map(drop));
    if let Err(error) = &result {
        check(&[name], error);
    }
    result.is_ok()
}

const CXX: &str = "#include <string>\n#include <stdexcept>\n#include <vector>\n\
    thread_local int counter = 4; thread_local std::string text = \"x\"; static std::string global = \"g\";\n\
    template <class T> T twice(T t) { if (t == T{}) throw std::runtime_error(\"none\"); return t + t; }\n\
    struct Base { virtual ~Base() = default; virtual int f() { return 1; } };\n\
    struct Derived : Base { int f() override { return 2; } };\n\
    extern \"C\" __attribute__((weak)) int absent(); int common_like; static char zeros[5000];\n\
    extern \"C\" int f() { try { Base *b = new Derived; std::vector<int> v(3); counter++; zeros[1] = 2;\n\
      return twice(v.size()) + twice(text).size() + b->f() + global.size() + (absent ? absent() : 0); }\n\
      catch (std::exception &e) { return e.what()[0]; } }";

fn damage_objects(name: &str, original: &[u8], rounds: usize) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut linked = 0;
    for round in 0..rounds {
        let policy = if round % 2 == 0 { LinkPolicy::Demand } else { LinkPolicy::Whole };
        linked += usize::from(link_object(name, mutate(original, &mut random), policy, "f"));
    }
    assert!(linked > rounds / 10 && linked < rounds - rounds / 10, "{linked} of {rounds} were linked");
}

#[test]
fn a_damaged_cxx_object_is_refused_or_linked() {
    if in_limits("a_damaged_cxx_object_is_refused_or_linked", 4 << 20, 300) {
        let workshop = Workshop::new();
        for flags in [&["-O1", "-fPIC"][..], &["-O0", "-fPIE", "-g"]] {
            let object = std::fs::read(workshop.compile("cpp", CXX, flags)).unwrap();
            damage_objects("damaged.o", &object, 1000);
        }
    }
}

#[test]
fn a_damaged_large_object_is_refused_or_linked() {
    if in_limits("a_damaged_large_object_is_refused_or_linked", 4 << 20, 300) {
        let workshop = Workshop::new();
        let mut text = String::from("#include <stdio.h>\n");
        for n in 0..500 {
            write!(
                text,
                "static const char *const names{n}[] = {{ \"a{n}\", \"b{n}\" }}; int state{n} = {n}; int zero{n}[{n} + 1];\n\
                 int f{n}(int x) {{ switch (x) {{ case 0: return state{n}++; case 1: puts(names{n}[1]); return 1; case 2: \
                 return zero{n}[x]; case 3: return x * {n}; case 4: return {n}; default: return f{next}(x - 1); }} }}\n\
                 int (*pointer{n})(int) = f{n};\n",
                next = (n * 7 + 1) % 500,
            )
            .unwrap();
            if n == 0 {
                let rest: String = (1..500).map(|n| format!("int f{n}(int);")).collect();
                text.insert_str(0, &(rest + "\n"));
            }
        }
        text += "int f(void) { return f0(3); }";
        let object =
            std::fs::read(workshop.compile("c", &text, &["-O1", "-g", "-fPIC", "-ffunction-sections"])).unwrap();
        damage_objects("damaged.o", &object, 300);
    }
}

#[test]
fn a_damaged_assembly_object_is_refused_or_linked() {
    if in_limits("a_damaged_assembly_object_is_refused_or_linked", 4 << 20, 300) {
        let workshop = Workshop::new();
        let text = function("f", 1).replace(" ret", " call *g@GOTPCREL(%rip)\n jmp abs@PLT\n mov %fs:t@TPOFF,%eax")
            + ".section .data.g,\"awG\",@progbits,g,comdat\n.weak g\ng: .quad f, g+8, h\n.section .tdata,\"awT\"\n\
               .globl t\n.type t,@object\nt: .quad 7\n.comm h,8,64\n.section .init_array,\"aw\"\n.quad f\n\
               .section things,\"aw\"\n.quad __start_things\n";
        let object = std::fs::read(workshop.object(&text)).unwrap();
        damage_objects("damaged.o", &object, 2000);
    }
}

#[test]
fn a_damaged_archive_is_refused_or_linked() {
    if in_limits("a_damaged_archive_is_refused_or_linked", 4 << 20, 300) {
        let workshop = Workshop::new();
        // Without types: a flipped bit makes an indirect function of a function, and its code is called while linking.
        let members = [caller("f", "g"), caller("g", "h"), function("h", 1)].map(|text| text.replace(".type", "#"));
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        let mut random = Random(0x1234_5678_9abc_def1);
        for flags in ["rcs", "rcS", "rcsT"] {
            let original = std::fs::read(workshop.archive(flags, &members)).unwrap();
            for _ in 0..500 {
                let path = workshop.directory.join("damaged.a");
                std::fs::write(&path, mutate(&original, &mut random)).unwrap();
                let jit = host::builder().window_size(64 << 20).build().unwrap();
                let result = jit.add_archive(&path).and_then(|()| jit.main().link(&["f"]).map(drop));
                if let Err(error) = result {
                    let is_of_file = matches!(error, Error::File { .. });
                    if !is_of_file {
                        check(&["damaged.a", ".o"], &error);
                    }
                }
            }
        }
    }
}

/// Writes a little-endian number into a file.
fn patch(bytes: &mut [u8], at: usize, number: &[u8]) {
    bytes[at..at + number.len()].copy_from_slice(number);
}

/// Where the header of a section is in an object.
fn section_header(bytes: &[u8], name: &str) -> usize {
    let word =
        |at: usize, len: usize| bytes[at..at + len].iter().rev().fold(0usize, |n, byte| n << 8 | usize::from(*byte));
    let (table, count, names) = (word(0x28, 8), word(0x3c, 2), word(0x3e, 2));
    let strings = word(table + names * 64 + 0x18, 8);
    let is = |header: &usize| bytes[strings + word(*header, 4)..].starts_with(format!("{name}\0").as_bytes());
    (0..count).map(|index| table + index * 64).find(is).unwrap()
}

#[test]
fn absurd_numbers_are_refused_or_harmless() {
    if !in_limits("absurd_numbers_are_refused_or_harmless", 4 << 20, 60) {
        return;
    }
    let workshop = Workshop::new();
    let object = workshop.object(
        ".bss\n.globl big\nbig: .zero 64\n.size big,64\n.text\n.globl f\nf: call g\n lea big(%rip),%rax\n mov $1,%eax\n ret\n\
         .globl g\ng: ret\n.size f,4\n",
    );
    let original = std::fs::read(object).unwrap();
    let header = |name| section_header(&original, name);
    // sh_size is at 0x20 of a section header, sh_addralign at 0x30; st_size at 16 of a symbol.
    let mut cases: Vec<(String, usize, Vec<u8>)> = Vec::new();
    for exponent in [31, 32, 40, 60, 62, 63] {
        let number = (1u64 << exponent).to_le_bytes().to_vec();
        cases.push((format!(".bss of 2^{exponent} bytes"), header(".bss") + 0x20, number.clone()));
        cases.push((format!(".bss aligned to 2^{exponent}"), header(".bss") + 0x30, number.clone()));
        cases.push((format!(".text of 2^{exponent} bytes"), header(".text") + 0x20, number.clone()));
        cases.push((format!(".text aligned to 2^{exponent}"), header(".text") + 0x30, number.clone()));
        cases.push((format!("relocations of 2^{exponent} bytes"), header(".rela.text") + 0x20, number));
    }
    let relocations = (u64::from(u32::MAX) * 24).to_le_bytes().to_vec();
    cases.push(("2^32-1 relocations".into(), header(".rela.text") + 0x20, relocations));
    cases.push(("65279 sections".into(), 0x3c, vec![0xff, 0xfe]));
    cases.push(("extended section count".into(), 0x3c, vec![0, 0]));
    let table = header(".symtab");
    let word = |at: usize| usize::try_from(u64::from_le_bytes(original[at..at + 8].try_into().unwrap())).unwrap();
    for symbol in 1..word(table + 0x20) / 24 {
        let at = word(table + 0x18) + symbol * 24;
        cases.push((format!("size of symbol {symbol} is 2^63"), at + 16, (1u64 << 63).to_le_bytes().to_vec()));
        cases.push((format!("value of symbol {symbol} is 2^63"), at + 8, (1u64 << 63).to_le_bytes().to_vec()));
    }
    for (name, at, number) in cases {
        for policy in [LinkPolicy::Demand, LinkPolicy::Whole] {
            let mut bytes = original.clone();
            patch(&mut bytes, at, &number);
            link_object(&name, bytes, policy, "f");
        }
    }
}

#[test]
fn a_long_chain_of_calls_and_aliases_needs_no_stack() {
    if !in_limits("a_long_chain_of_calls_and_aliases_needs_no_stack", 6 << 20, 120) {
        return;
    }
    let workshop = Workshop::new();
    const LENGTH: usize = 100_000;
    let mut text = String::new();
    for n in 0..LENGTH {
        write!(text, ".section .text.f{n},\"ax\"\n.globl f{n}\nf{n}: jmp f{}\n", n + 1).unwrap();
    }
    write!(text, ".text\n{}", function(&format!("f{LENGTH}"), 6)).unwrap();
    let object = source(&workshop.object(&text));
    let linked = std::thread::Builder::new().stack_size(256 << 10).spawn(move || {
        let jit = host::jit().unwrap();
        jit.main().add_object(&object).unwrap();
        for n in 0..LENGTH {
            jit.main().define_alias(format!("a{n}"), format!("a{}", n + 1)).unwrap();
        }
        jit.main().define_alias(format!("a{LENGTH}"), "f0").unwrap();
        assert_eq!(call(&jit, "f0").unwrap(), 6);
        assert_eq!(call(&jit, "a0").unwrap(), 6);
        assert_eq!(jit.main().link(&["a0", "a99999", "f0"]).unwrap().len(), 3);
    });
    linked.unwrap().join().unwrap();
}

#[test]
fn what_is_no_object_is_explained() {
    let workshop = Workshop::new();
    let library = workshop.path("so");
    let flags = ["-shared", "-o"];
    assembly::run(Command::new("gcc").args(flags).arg(&library).arg(workshop.object(&function("f", 1))));
    let refused = |path: &Path, expected: &str| {
        let jit = host::jit().unwrap();
        let text = jit.add_object(path).unwrap_err().to_string();
        assert!(text.contains(&*path.to_string_lossy()) && text.contains(expected), "{text}");
    };
    refused(&library, "shared");
    refused(&workshop.archive("rcs", &[&function("f", 1)]), "archive");
    refused(&workshop.directory.join("absent.o"), "No such file");
    let other = workshop.path("o");
    let mut bytes = std::fs::read(workshop.object(&function("f", 1))).unwrap();
    // e_machine: EM_AARCH64.
    patch(&mut bytes, 0x12, &[183, 0]);
    std::fs::write(&other, &bytes).unwrap();
    refused(&other, "AArch64");
    std::fs::write(&other, "int main() {}").unwrap();
    refused(&other, "not an object");
}
