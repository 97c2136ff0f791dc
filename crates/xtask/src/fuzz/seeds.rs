//! Seeds for fuzzing: objects and archives of real compilers, and texts of every language that linkjit reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::tools::output_of;

/// Between files of one input; `crates/fuzz/src/input.rs` takes them apart.
const SEPARATOR: &[u8] = b"\n--next file--\n";

const C: &str = "
extern int printf(const char *, ...);
static int counter; int shared = 4; __thread int local = 5; static __thread int zeros;
__attribute__((weak)) int maybe(void); __attribute__((constructor)) static void init(void) { counter++; }
__attribute__((visibility(\"hidden\"))) int hidden(int n) { return n + local + zeros++; }
__attribute__((section(\"list\"), used)) static int *entry = &counter;
extern int *__start_list[], *__stop_list[], *last;
int common[100];
int main(void) { if (maybe) maybe(); for (int **p = __start_list; p != __stop_list && p != &last; p++) counter += **p;
  printf(\"%d\\n\", hidden(counter) + common[3]); return shared; }";

const CXX: &str = "
struct Base { virtual ~Base() {} virtual int f() { return 1; } };
struct Derived : Base { int f() override; };
int Derived::f() { return 2; }
template <class T> T twice(T t) { if (t == T()) throw t; return t + t; }
inline int shared = twice(2); thread_local int counter = shared;
int g(Base &b) { try { return twice(b.f()); } catch (int n) { return n; } }
int main() { static Derived d; return g(d) + counter; }";

const ELF: &str = "
.globl f\n.type f,@function\nf: call g@PLT\nmovq v@GOTPCREL(%rip),%rax\nlea x(%rip),%rcx\njmp *t(%rip)\n
leaq l@TLSGD(%rip),%rdi\nmovq l@GOTTPOFF(%rip),%rax\nleaq l@TLSDESC(%rip),%rax\ncall *l@TLSCALL(%rax)\nmov %fs:l@TPOFF,%eax\nret
.type i,@gnu_indirect_function\n.globl i\ni: lea f(%rip),%rax\nret\ncall i\n
.section .init,\"ax\"\nnop\n.section .fini_array.3,\"aw\"\n.quad f\n.section .ctors.5,\"aw\"\n.quad f
.section .a,\"aG\",@progbits,sig,comdat\n.weak s\ns: .quad f\n.section .b,\"ao\",@progbits,.a\n.quad .a\n
.data\nx: .quad f-., __start_list, __stop_list\n.long f-x\n.byte f-x\nt: .quad f\n.symver f,f@@V1\n.comm c,8,16\n
.section list,\"aw\"\n.quad f\n.section .tdata,\"awT\"\nl: .long 1\n.section .tbss,\"awT\",@nobits\n.zero 8\n
.text\n.globl main\nmain: .cfi_startproc\ncall f\n.cfi_endproc\nv: ret\n";

const COFF: &str = "
.globl main\nmain: call f\nmovq __imp_g(%rip),%rax\nlea x(%rip),%rcx\nret\n.weak w\n.set w, f\n.globl f\nf: ret
.comm c, 8, 3\n.section .data$d,\"dw\",largest,d\n.globl d\nd: .quad f\n.rva f\n.secrel32 f\n.secidx f
.section .a,\"dr\",associative,d\n.long 1\n.section .pdata,\"dr\"\n.rva f, f+1, u\n.section .xdata,\"dr\"\nu: .long 1
.section .text$i,\"xr\",discard,in\n.globl in\nin: ret\n.section .rdata$o,\"dr\",one_only,o\n.globl o\no: .long 1
.section .rdata$s,\"dr\",same_size,ss\n.globl ss\nss: .long 1\n.section .rdata$c,\"dr\",same_contents,sc\n.globl sc\nsc: .long 1
.section .CRT$XCU,\"dr\"\n.quad f\n.section .CRT$XIA,\"dr\"\n.quad f\n.section .tls$,\"dw\"\nx: .long 1
.section .drectve,\"yni\"\n.ascii \" /include:f /alternatename:q=f /export:f,@3 /merge:.a=.rdata /defaultlib:x \"";

const SCRIPTS: [&str; 3] = [
    "/* GNU ld script */\nOUTPUT_FORMAT(elf64-x86-64)\nGROUP ( /lib/libc.so.6 libc_nonshared.a AS_NEEDED ( ld.so ) )\n",
    "INPUT(libncurses.so.6, -ltinfo \"a b.so\");",
    "INPUT(a)\nSECTIONS(b)",
];

const RULES: [&str; 3] = [
    "# jitlink-check: *{4}(ab + 1) = decode_operand(a, 0) & 0xffffffff\n# jitlink-check: next_pc(b)[31:0] = 0x10 | 017 << 2",
    "# jitlink-check: *{8}got_addr(main.o, foo) = foo\n# jitlink-check: stub_addr(x.o, f, k) = section_addr(x.o, .t) - 1",
    "# jitlink-check: decode_operand(a + 4, 2) = \\\n# jitlink-check: ((a) + (b))[7:0]",
];

const DIRECTIVES: [&str; 3] = [
    "/include:f /alternatename:a=b /export:f=g,@3,NONAME,DATA /merge:.a=.b /section:.c,rwes /failifmismatch:\"k=v\"",
    "-aligncomm:c,5 -defaultlib:libcmt -nodefaultlib -disallowlib:x /entry:main /exclude-symbols:a /guardsym:x",
    "/export:f,EXPORTAS,g /export:h,PRIVATE /manifestdependency:\"type='win32' name='x'\" /stack:1,2 /unknown",
];

const LINES: [&str; 3] = [
    "-noexec\n-slab-allocate=100Kb\n-slab-address=0xfff00000\n-check=x.s\nx.o\n-jd\nlib\n-L.\n-lz\n-hidden-lq\n-abs\nf=0x10",
    "-alias=a=b\n-alias\n(lib,a)=(main,b)\n-sectcreate=data,file@sym=4\n-lazy\nx.o\n-weak-lz\n-entry=f\n-show-graphs=x",
    "-num-threads=3\n-preload\nx.so\n-harness\na.o\nb.o\n-args\nx\ny",
];

const NAMES: [&str; 5] = [
    "_ZNSt6vectorIiSaIiEE9push_backEOi",
    "_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE",
    "_RNvNtCs1234_7mycrate3foo3bar",
    "?insert@?$_Tree@V?$_Tmap_traits@HHU?$less@H@std@@@std@@@std@@QEAA?AU?$pair@_N@2@AEBU?$pair@$$CBHH@2@@Z",
    "_Z1fIJidEEvDpT_DTplfp_fp0_E",
];

/// What a session does first: letters are operations of `crates/fuzz/targets/session.rs`.
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
pub(super) fn write(corpus: &Path) -> Result<()> {
    let work = corpus.join("seeds");
    make(&work)?;
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
    let texts: [(u8, &[&str]); 5] = [(0, &SCRIPTS), (1, &RULES), (2, &DIRECTIVES), (3, &LINES), (4, &NAMES)];
    for (which, texts) in texts {
        for (number, text) in texts.iter().enumerate() {
            save(corpus, "text", &format!("{which}-{number}"), &[[&[which], text.as_bytes()].concat()])?;
        }
    }
    save(corpus, "text", "5", &[b"\x05__imp_f".to_vec()])?;
    save(corpus, "text", "7", &[b"\x07\x48\x8b\x05\0\0\0\0\xe8\0\0\0\0\xc3".to_vec()])
}

fn compile(work: &Path, number: usize, extension: &str, text: &str, command: &[&str]) -> Result<PathBuf> {
    let source = work.join(format!("{number}.{extension}"));
    let object = work.join(format!("{number}.o"));
    fs::write(&source, text).map_err(|error| format!("{}: {error}", source.display()))?;
    let (program, arguments) = command.split_first().ok_or("a command without a program")?;
    output_of(Command::new(program).args(arguments).arg("-c").arg(&source).arg("-o").arg(&object))?;
    Ok(object)
}

/// A library of members that stand for what a DLL has.
fn import_library(work: &Path) -> Result<PathBuf> {
    let (definition, library) = (work.join("x.def"), work.join("x.lib"));
    fs::write(&definition, "LIBRARY x.dll\nEXPORTS\nf\ng @3 NONAME\nv DATA\n")
        .map_err(|error| format!("{}: {error}", definition.display()))?;
    let mut command = Command::new("llvm-dlltool-19");
    output_of(command.args(["-m", "i386:x86-64", "-d"]).arg(&definition).arg("-l").arg(&library))?;
    Ok(library)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn make(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))
}

/// Adds a seed to the corpus of a target.
fn save(corpus: &Path, target: &str, name: &str, parts: &[Vec<u8>]) -> Result<()> {
    let directory = corpus.join(target);
    make(&directory)?;
    let path = directory.join(format!("seed-{name}"));
    fs::write(&path, parts.join(SEPARATOR)).map_err(|error| format!("{}: {error}", path.display()))
}
