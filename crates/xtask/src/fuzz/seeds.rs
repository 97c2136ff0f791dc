//! Seeds for fuzzing: objects and archives of real compilers, and texts of every language that linkjit reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::tools::{make_folder, output_of, read, write};

/// This stands between files of one input; `crates/fuzz/src/input.rs` takes them apart.
const SEPARATOR: &[u8] = b"\n--next file--\n";

const C: &str = include_str!("../../seeds/program.c");
const CXX: &str = include_str!("../../seeds/program.cpp");
const ELF: &str = include_str!("../../seeds/elf.s");
const COFF: &str = include_str!("../../seeds/coff.s");

const IR: &str = include_str!("../../../ir/tests/sample.ll");

/// Texts of the languages that `crates/fuzz/targets/text.rs` knows, by its numbers. Lines of dashes are between them.
const TEXTS: [&str; 5] = [
    include_str!("../../seeds/scripts.txt"),
    include_str!("../../seeds/rules.txt"),
    include_str!("../../seeds/directives.txt"),
    include_str!("../../seeds/command-lines.txt"),
    include_str!("../../seeds/names.txt"),
];

/// Operations that a session does first: letters are operations of `crates/fuzz/targets/session.rs`.
const OPERATIONS: [&[u8]; 6] = [
    &[0x00, 0x10, 0x06, 0x08],
    &[0x01, 0x11, 0x21, 0x07, 0x06, 0x0a, 0x1a, 0x2a],
    &[0x02, 0x12, 0x06, 0x0b, 0x02, 0x06],
    &[0x03, 0x06, 0x04, 0x04, 0x0f, 0x0f, 0x0b],
    &[0x09, 0x00, 0x0d, 0x08, 0x0c, 0x06, 0x0e],
    &[0x05, 0x10, 0x26, 0x07, 0x0d, 0x0b, 0x05, 0x08],
];

/// Options and ways to add files of `crates/fuzz/targets/noexec.rs`.
const NOEXEC: [&[u8]; 5] = [&[0xfd, 0, 2], &[0x03, 0, 4], &[0x1d, 4, 1], &[0x21, 5, 2], &[0x40, 3, 2]];

/// Compilers that the tests need, too.
const COMPILED: [(&str, &str, &[&str]); 12] = [
    ("c", C, &["gcc", "-O1", "-fPIC"]),
    ("c", C, &["gcc", "-O0", "-fno-pic", "-mcmodel=large"]),
    ("c", C, &["clang-19", "-O2", "-fno-plt", "-ftls-model=local-dynamic", "-fPIC"]),
    ("c", C, &["clang-19", "-O1", "-ffunction-sections", "-fdata-sections", "-Wa,--crel,--allow-experimental-crel"]),
    ("cpp", CXX, &["g++", "-O1", "-std=c++17"]),
    ("cpp", CXX, &["clang++-19", "-O0", "-std=c++17", "-fPIC"]),
    ("s", ELF, &["clang-19"]),
    ("s", COFF, &["clang-19", "-target", "x86_64-pc-windows-msvc"]),
    ("c", C, &["x86_64-w64-mingw32-gcc", "-O1", "-fno-common"]),
    ("cpp", CXX, &["clang++-19", "-target", "x86_64-pc-windows-msvc", "-O1", "-std=c++17"]),
    ("cpp", CXX, &["x86_64-w64-mingw32-g++", "-O1", "-std=c++17"]),
    ("cpp", CXX, &["x86_64-w64-mingw32-g++", "-O1", "-std=c++17", "-Wa,-mbig-obj"]),
];

/// Writes the seeds of all targets.
pub(super) fn write_all(corpus: &Path) -> Result<()> {
    let work = corpus.join("seeds");
    make_folder(&work)?;
    let mut objects = Vec::new();
    for (number, (extension, text, command)) in COMPILED.iter().enumerate() {
        // A compiler that can't make one of these makes the others; without any, there is nothing to begin with.
        match compile(&work, number, extension, text, command) {
            Ok(object) => objects.push(object),
            Err(error) => eprintln!("no seed of {}: {error}", command.join(" ")),
        }
    }
    if objects.is_empty() {
        return Err("no compiler makes seeds: ./test installs them".into());
    }
    let mut archives = Vec::new();
    for (format, options) in [("gnu", "rcs"), ("bsd", "rcs"), ("darwin", "rcs"), ("coff", "rcs"), ("gnu", "rcST")] {
        let archive = work.join(format!("{format}-{options}.a"));
        _ = fs::remove_file(&archive);
        let mut command = Command::new("llvm-ar-19");
        command.arg(format!("--format={format}")).arg(options).arg(&archive).args(objects.iter().take(3));
        output_of(&mut command)?;
        archives.push(archive);
    }
    archives.push(import_library(&work)?);
    for (number, archive) in archives.iter().enumerate() {
        save(corpus, "archive", &format!("{number}"), &[read(archive)?])?;
    }
    for (number, object) in objects.iter().chain(&archives).enumerate() {
        let bytes = read(object)?;
        for (kind, operations) in OPERATIONS.iter().enumerate() {
            let parts = [operations.to_vec(), bytes.clone(), bytes.clone()];
            save(corpus, "session", &format!("{number}-{kind}"), &parts[..2 + kind % 2])?;
        }
        save(corpus, "link", &format!("{number}"), &[vec![0], bytes.clone()])?;
        save(corpus, "link", &format!("far-{number}"), &[vec![1], bytes.clone()])?;
        for (kind, ways) in NOEXEC.iter().enumerate() {
            save(corpus, "noexec", &format!("{number}-{kind}"), &[ways.to_vec(), bytes.clone(), bytes.clone()])?;
        }
    }
    // An object of C, which a shared library defines names for.
    if let [object, ..] = &objects[..] {
        let library = work.join("x.so");
        output_of(Command::new("gcc").args(["-shared", "-nostdlib"]).arg(object).arg("-o").arg(&library))?;
        for way in [6, 7] {
            save(corpus, "noexec", &format!("library-{way}"), &[vec![0x11, 0, way], read(object)?, read(&library)?])?;
        }
    }
    for (language, texts) in (0..).zip(TEXTS) {
        for (number, text) in texts.trim_end().split("\n--\n").enumerate() {
            save(corpus, "text", &format!("{language}-{number}"), &[[&[language], text.as_bytes()].concat()])?;
        }
    }
    write_ir(corpus, &work)?;
    save(corpus, "text", "5", &[b"\x05__imp_f".to_vec()])?;
    save(corpus, "text", "7", &[b"\x07\x48\x8b\x05\0\0\0\0\xe8\0\0\0\0\xc3".to_vec()])
}

/// IR that was written for tests, and clang's.
fn write_ir(corpus: &Path, work: &Path) -> Result<()> {
    save(corpus, "ir", "sample", &[IR.into()])?;
    // Its functions one by one: a shorter input says more.
    for (number, part) in IR.split_inclusive("\n}\n").enumerate() {
        save(corpus, "ir", &format!("sample-{number}"), &[part.into()])?;
    }
    for (number, (extension, text, command)) in COMPILED.iter().enumerate() {
        if *extension == "s" || !command[0].starts_with("clang") {
            continue;
        }
        for flags in [&["-O0", "-g"][..], &["-O2", "-fno-inline"]] {
            let command = [*command, flags, &["-S", "-emit-llvm"]].concat();
            match compile(work, 100 + number, extension, text, &command) {
                Ok(ir) => save(corpus, "ir", &format!("{number}{}", flags[0]), &[read(&ir)?])?,
                Err(error) => eprintln!("no seed of {}: {error}", command.join(" ")),
            }
        }
    }
    Ok(())
}

fn compile(work: &Path, number: usize, extension: &str, text: &str, command: &[&str]) -> Result<PathBuf> {
    let source = work.join(format!("{number}.{extension}"));
    let object = work.join(format!("{number}.o"));
    write(&source, text)?;
    let (program, arguments) = command.split_first().ok_or("a command without a program")?;
    output_of(Command::new(program).args(arguments).arg("-c").arg(&source).arg("-o").arg(&object))?;
    Ok(object)
}

/// A library of members that stand for what a DLL has.
fn import_library(work: &Path) -> Result<PathBuf> {
    let (definition, library) = (work.join("x.def"), work.join("x.lib"));
    write(&definition, "LIBRARY x.dll\nEXPORTS\nf\ng @3 NONAME\nv DATA\n")?;
    let mut command = Command::new("llvm-dlltool-19");
    output_of(command.args(["-m", "i386:x86-64", "-d"]).arg(&definition).arg("-l").arg(&library))?;
    Ok(library)
}

/// Adds a seed to the corpus of a target.
fn save(corpus: &Path, target: &str, name: &str, parts: &[Vec<u8>]) -> Result<()> {
    let directory = corpus.join(target);
    make_folder(&directory)?;
    write(&directory.join(format!("seed-{name}")), parts.join(SEPARATOR))
}
