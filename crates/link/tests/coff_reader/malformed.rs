//! What is no object for x86-64, or is broken.

use linkjit_link::names::NamePool;
use linkjit_link::object;
use linkjit_link::object::import::Import;
use linkjit_link::source::Source;

use crate::{MINGW, MSVC, Object, compile, error};

/// B7.1 and B7.56 of docs/coff-cases.md.
#[test]
fn other_machines_and_kinds_are_explained() {
    for (target, expected) in [
        ("aarch64-pc-windows-msvc", "a COFF object for AArch64, not x86-64"),
        ("i686-pc-windows-msvc", "a COFF object for x86 (32 bits), not x86-64"),
        ("thumbv7-pc-windows-msvc", "a COFF object for ARM (32 bits), not x86-64"),
    ] {
        let bytes = compile(&["clang-19", "-target", target], "c", "int f(void) { return 1; }", &[]);
        assert_eq!(error(bytes), format!("fixture.obj: {expected}"));
    }
    let mut anonymous = vec![0, 0, 0xff, 0xff, 1, 0, 0x64, 0x86, 0, 0, 0, 0];
    anonymous.extend([0x38, 0xfe, 0xb3, 0x0c, 0xa5, 0xd9, 0xab, 0x4d, 0xac, 0x9b, 0xd6, 0xb6, 0x22, 0x26, 0x53, 0xc2]);
    anonymous.extend([0; 40]);
    assert!(error(anonymous.clone()).contains("compile it without /GL"));
    anonymous[12] = 0;
    assert!(error(anonymous).contains("an anonymous COFF object of an unknown class"));
    assert!(error(vec![0, 0, 0xff, 0xff, 0, 0, 0x64, 0x86, 0, 0]).contains("a member of an import library"));
}

#[test]
fn code_of_other_kinds_is_refused_by_name() {
    let managed = compile(MSVC, "s", ".section .cormeta,\"dr\"\n.long 1", &[]);
    assert!(error(managed).contains(".cormeta: unsupported metadata of managed code: compile it without /clr"));
    let bitcode = compile(MSVC, "c", "int f(void) { return 1; }", &["-emit-llvm"]);
    assert!(error(bitcode).contains("LLVM bitcode, not machine code: compile it to an object file first"));
    let slim = compile(MINGW, "c", "int f(void) { return 1; }", &["-flto", "-fno-fat-lto-objects"]);
    assert!(error(slim).contains("GCC LTO bytecode without machine code: compile it without -flto"));
    let mut resources = vec![0, 0, 0, 0, 0x20, 0, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0];
    resources.resize(32, 0);
    assert!(error(resources).contains("compiled resources, not an object file"));
    let mut other = compile(MSVC, "s", "ret", &[]);
    for (machine, name) in [(0xa641_u16, "ARM64EC"), (0xa64e, "ARM64X")] {
        other[..2].copy_from_slice(&machine.to_le_bytes());
        assert_eq!(error(other.clone()), format!("fixture.obj: a COFF object for {name}, not x86-64"));
    }
    let both = compile(MSVC, "s", ".section both,\"wx\"\nret", &[]);
    assert!(error(both).contains("section that is both writable and executable"));
}

/// Objects with all that the reader knows.
fn samples() -> Vec<Vec<u8>> {
    let cxx = "struct B { virtual ~B() {} virtual int f() { return 1; } };
               template <class T> T g(T t) { return t + 1; }
               inline int shared = g(2); thread_local int local = 3;
               int main() { B b; try { throw g(b.f()); } catch (int n) { return n + shared + local; } }";
    let assembly = ".weak w\n.set w, f\n.comm c, 8, 3\n.globl f\nf: call e\n.section .pdata,\"dr\"\n.rva f, f, x
        .section .xdata,\"dr\"\nx: .long 1\n.section .drectve,\"yni\"\n.ascii \"/include:f /alternatename:a=b \"
        .section .data$d,\"dw\",largest,d\n.globl d\nd: .quad f\n.section .a,\"dr\",associative,d\n.long 1";
    // clang ignores the option: it makes such objects of many sections only.
    let big = compile(MINGW, "c++", cxx, &["-O1", "-Wa,-mbig-obj"]);
    assert!(big.starts_with(&[0, 0, 0xff, 0xff]));
    vec![
        compile(MSVC, "c++", cxx, &["-O1", "-std=c++17", "-fexceptions", "-fcxx-exceptions"]),
        compile(MINGW, "c++", cxx, &["-O1"]),
        compile(MSVC, "s", assembly, &[]),
        big,
    ]
}

fn read(bytes: Vec<u8>) -> bool {
    let mut names = NamePool::new();
    match object::read(&Source::new("fixture.obj", bytes), &mut names) {
        Ok(graph) => graph.symbol_ids().all(|id| graph.describe_symbol(&names, id).len() < 1 << 20),
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with("fixture.obj"), "{text}");
            false
        }
    }
}

#[test]
fn no_truncation_panics() {
    for sample in samples() {
        assert!(read(sample.clone()));
        for len in 2..sample.len() {
            read(sample[..len].to_vec());
        }
    }
}

#[test]
fn no_mutation_panics() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for sample in samples() {
        for _ in 0..4_000 {
            let mut bytes = sample.clone();
            for _ in 0..=random() % 4 {
                let at = usize::try_from(random()).unwrap() % bytes.len();
                // Extremes find more than what is arbitrary.
                bytes[at] = [0, 0xff, 0x7f, 0x80, random().to_le_bytes()[0]][usize::try_from(random() % 5).unwrap()];
            }
            read(bytes);
        }
    }
}

#[test]
fn every_byte_of_the_headers_may_be_anything() {
    for sample in samples() {
        for at in 0..200.min(sample.len()) {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = sample.clone();
                bytes[at] = value;
                read(bytes);
            }
        }
    }
}

#[test]
fn objects_of_great_numbers_are_read_in_proportion_to_their_size() {
    const COUNT: usize = 40_000;
    let repeated = |line: &dyn Fn(usize) -> String| (0..COUNT).map(line).collect::<String>();
    // Every section goes with the one before.
    let chain = repeated(&|n| match n {
        0 => ".section s,\"dr\",discard,f0\n.globl f0\nf0: .long 1\n".into(),
        _ => format!(".section s,\"dr\",associative,f{}\nf{n}: .long 1\n", n - 1),
    });
    assert!(read(compile(MSVC, "s", &chain, &[])));
    let tables = repeated(&|n| format!(".section .xdata$f{n},\"dr\",discard,x{n}\nx{n}:\n"));
    assert!(read(compile(MSVC, "s", &tables, &[])));
    let commons = repeated(&|n| format!(".comm c{n}, 8, 3\n"));
    let includes = repeated(&|n| format!(".ascii \" /include:i{n} -aligncomm:c{n},5 \"\n"));
    assert!(read(compile(MSVC, "s", &(commons + ".section .drectve,\"yni\"\n" + &includes), &[])));
}

/// What a section without content claims costs nothing: neither memory for its parts nor calls of its pointers.
#[test]
fn sections_without_content_may_claim_anything() {
    for (name, expected) in [
        (".pdata", Err("fixture.obj:.pdata: malformed table of functions: a record names no function")),
        (".pdata$f", Err("fixture.obj:.pdata$f: malformed table of functions: a record names no function")),
        (".CRT$XCU", Ok(1)),
        (".CRT$XLB", Ok(1)),
        (".ctors", Ok(1)),
        (".tls$", Ok(1)),
        (".idata$5", Ok(1)),
        (".drectve", Ok(0)),
        (".rsrc$01", Ok(1)),
        (".data$x", Ok(1)),
    ] {
        let mut bytes = compile(MSVC, "s", &format!(".section {name},\"dw\"\n.zero 24"), &[]);
        let count = usize::from(bytes[2]);
        let headers = bytes[20..20 + 40 * count].as_chunks_mut::<40>().0;
        let header = headers.iter_mut().find(|header| header.starts_with(name.as_bytes())).unwrap();
        // 2^32 - 16 bytes: divisible by 12 and 8. No place in the file; IMAGE_SCN_CNT_UNINITIALIZED_DATA.
        header[16..20].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
        header[20..24].fill(0);
        header[36] = 0x80;
        let mut names = NamePool::new();
        let graph = object::read(&Source::new("fixture.obj", bytes), &mut names);
        let blocks = graph.map_err(|error| error.to_string()).map(|graph| {
            assert_eq!(graph.initializers.len(), 0, "{name}");
            graph.blocks().iter().filter(|block| block.size > 24).count()
        });
        assert_eq!(blocks, expected.map_err(str::to_owned), "{name}");
    }
}

/// B7.8 of docs/coff-cases.md.
#[test]
fn what_lies_outside_is_named() {
    let good = compile(MSVC, "s", ".data\n.quad target\n.globl f\nf: .long 1", &[]);
    let word = |at: usize| u32::from_le_bytes(good[at..at + 4].try_into().unwrap()) as usize;
    let data = 20 + 40;
    let changed = |at: usize, bytes: &[u8]| {
        let mut copy = good.clone();
        copy[at..at + bytes.len()].copy_from_slice(bytes);
        error(copy)
    };
    assert_eq!(
        changed(data + 16, &[0xff; 4]),
        "fixture.obj:.data: malformed section: it reaches beyond the end of the file"
    );
    assert_eq!(
        changed(data + 24, &[0xff, 0xff, 0xff, 0]),
        "fixture.obj:.data: malformed relocations: they reach beyond the end of the file"
    );
    let relocation = word(data + 24);
    assert_eq!(
        changed(relocation, &[5]),
        "fixture.obj:.data+0x5: malformed relocation: it reaches beyond the end of its section"
    );
    assert!(changed(relocation + 4, &[0xff, 0xff]).contains("malformed relocation: its symbol"));
    assert!(changed(8, &[0xff, 0xff, 0xff]).contains("symbol table: it reaches beyond the end of the file"));
    assert!(changed(2, &[0xff, 0xff]).contains("the section table reaches beyond the end of the file"));
}

/// A member of GNU's import libraries refers to one with tables, and that to one with the library's name. To read each is
/// to read all that it defines: one that refers to thousands of names must not have them all looked up.
#[test]
fn imports_are_sought_behind_few_names() {
    let references = |name: &str| (0..5000).map(|n| format!(".rva {name}{n}\n")).collect::<String>();
    let text = format!(".section .idata$5,\"dw\"\n.globl __imp_f\n__imp_f: .quad 0\n.text\n{}", references("head"));
    let Object { graph, mut names } = Object::assembled(&text);
    let head = compile(MSVC, "s", &references("tail"), &[]);
    let nameless = compile(MSVC, "s", ".section .idata$7,\"dw\"\n.byte 0\n", &[]);
    let mut sought = 0;
    let found = Import::from_object(&graph, &mut names, |name, names| {
        sought += 1;
        let bytes = if name.starts_with(b"head") { &head } else { &nameless };
        object::read(&Source::new("fixture.obj", bytes.clone()), names).map(Some)
    });
    let error = found.expect_err("nothing has the library's name").to_string();
    assert_eq!(
        error,
        "fixture.obj: malformed import library member: its library has no member with the name of the DLL"
    );
    assert!(sought < 20, "{sought}");
}
