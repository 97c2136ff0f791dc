//! What is no object for x86-64, or is broken.

use crate::random::Random;
use std::sync::Mutex;

use linkjit_link::arch::{FixupContext, Image, fix_block};
use linkjit_link::graph::LinkGraph;
use linkjit_link::names::NamePool;
use linkjit_link::object;
use linkjit_link::source::Source;
use linkjit_link::{ExecAddr, LinkError};

use crate::crafted::{self, data, global, rela};
use crate::{CLANG, GCC, Object, compile, error};

/// Bytes of a file without sections.
fn empty() -> Vec<u8> {
    let mut bytes = crafted::object(&[], &[]);
    bytes.truncate(64);
    bytes[40..48].fill(0);
    bytes[60..64].fill(0);
    bytes
}

#[test]
fn other_files_are_explained() {
    let library = compile(GCC, "c", "int f(void) { return 1; }", &["-shared", "-fPIC"]);
    assert_eq!(
        error(library),
        "fixture.o: a shared object, not an object file: add it as a library (-l NAME or add_library)"
    );
    for (target, expected) in [
        ("aarch64_be-linux-gnu", "a big-endian object (AArch64), not for x86-64 or AArch64"),
        ("riscv64-linux-gnu", "an object for RISC-V, not for x86-64 or AArch64"),
        ("i386-linux-gnu", "an object for a 32-bit target (i386), not for x86-64 or AArch64"),
        ("armv7-linux-gnueabi", "an object for a 32-bit target (ARM), not for x86-64 or AArch64"),
        ("x86_64-linux-gnux32", "an object for the x32 ABI, not for x86-64 with 64-bit addresses"),
        ("powerpc64-linux-gnu", "a big-endian object (PowerPC 64), not for x86-64 or AArch64"),
        ("s390x-linux-gnu", "a big-endian object (S/390), not for x86-64 or AArch64"),
    ] {
        let bytes = compile(CLANG, "c", "int f(void) { return 1; }", &["-target", target]);
        assert_eq!(error(bytes), format!("fixture.o: {expected}"));
    }
    let mut bytes = empty();
    bytes[18..20].copy_from_slice(&0x4242u16.to_le_bytes());
    assert_eq!(error(bytes), "fixture.o: an object for machine 16962, not for x86-64 or AArch64");
    for (kind, expected) in [
        (2, "an executable, not an object file: link the objects that it was made from"),
        (4, "a core dump, not an object"),
        (0xfe00, "an ELF file of type 65024, not an object"),
    ] {
        let mut bytes = empty();
        bytes[16..18].copy_from_slice(&u16::to_le_bytes(kind));
        assert_eq!(error(bytes), format!("fixture.o: {expected}"));
    }
}

#[test]
fn a_file_without_sections_is_an_empty_graph() {
    let object = Object::read(empty());
    assert_eq!((object.graph.blocks().len(), object.graph.symbols().len()), (0, 1));
}

#[test]
fn broken_headers_are_malformed() {
    let good = crafted::object(&[], &[data(".d", &[1; 4])]);
    let check = |change: &dyn Fn(&mut Vec<u8>), expected: &str| {
        let mut bytes = good.clone();
        change(&mut bytes);
        assert_eq!(error(bytes).strip_prefix("fixture.o"), Some(expected));
    };
    let header = |index: usize| good.len() - 4 * 64 + index * 64;
    check(&|bytes| bytes.truncate(63), ": malformed ELF header: the file ends inside it");
    check(&|bytes| bytes.truncate(64), ": malformed ELF header: the section header table lies outside the file");
    check(
        &|bytes| bytes.truncate(good.len() - 1),
        ": malformed ELF header: the section header table reaches beyond the end of the file",
    );
    check(&|bytes| bytes[58] = 40, ": malformed ELF header: section headers can't have 40 bytes");
    check(
        &|bytes| bytes[62] = 4,
        ": malformed ELF header: section 4, which should have the section names, does not exist",
    );
    check(
        &|bytes| bytes[60..62].fill(0),
        ": malformed ELF header: section 1, which should have the section names, does not exist",
    );
    check(&|bytes| bytes[header(3)] = 0xff, ": malformed section 3: it has no valid name");
    check(&|bytes| bytes[header(1) + 39] = 1, ": malformed table of section names: it lies outside the file");
    check(&|bytes| bytes[header(3) + 39] = 1, ":.d: malformed section: it reaches beyond the end of the file");
    check(&|bytes| bytes[header(3) + 31] = 1, ":.d: malformed section: it reaches beyond the end of the file");
    check(
        &|bytes| {
            let whole = (good.len() as u64).to_le_bytes();
            bytes[header(3) + 24..header(3) + 32].fill(0);
            bytes[header(3) + 32..header(3) + 40].copy_from_slice(&whole);
        },
        ": malformed section headers: sections overlap",
    );
    check(
        &|bytes| bytes[header(2) + 56] = 23,
        ":: malformed symbol table: its size or the size of its entries is wrong",
    );
    check(&|bytes| bytes[header(2) + 40] = 3, ":: malformed symbol table: it has no string table");
    check(
        &|bytes| bytes[header(2) + 44] = 2,
        ":: malformed symbol table: it says that it has more local symbols than symbols",
    );
}

#[test]
fn numbers_too_large_for_the_header_are_in_the_null_section() {
    let mut bytes = crafted::object(&[], &[data(".d", &[1; 4])]);
    let null = bytes.len() - 4 * 64;
    bytes[60..62].fill(0);
    bytes[62..64].fill(0xff);
    bytes[null + 32] = 4;
    bytes[null + 40] = 1;
    assert_eq!(Object::read(bytes).graph.blocks().len(), 1);
}

#[test]
fn without_a_table_of_names_sections_have_none() {
    let mut bytes = crafted::object(&[], &[data("", &[1; 4])]);
    bytes[62] = 0;
    let object = Object::read(bytes);
    assert_eq!(object.graph.sections()[0].name, "");
}

#[test]
fn names_that_share_bytes_cost_no_more_than_the_file() {
    const COUNT: usize = 1000;
    let long = "n".repeat(100_000).leak();
    let mut sections = vec![data("", &[]); COUNT];
    sections[0].name = long;
    let good = crafted::object(&[global("s", 0); COUNT], &sections);
    let total = crafted::FIRST as usize + COUNT;
    let header = |index: usize| good.len() - (total - index) * 64;
    let name = good[header(crafted::FIRST as usize)..][..4].to_vec();

    let mut bytes = good.clone();
    for index in crafted::FIRST as usize..total {
        bytes[header(index)..][..4].copy_from_slice(&name);
    }
    let text = error(bytes);
    assert!(text.starts_with("fixture.o: malformed section "), "{text}");

    let symbols = usize::from_le_bytes(*good[header(2) + 24..].first_chunk().expect("an offset"));
    let mut bytes = good.clone();
    for index in 1..=COUNT {
        bytes[symbols + index * 24..][..4].copy_from_slice(&name);
    }
    let text = error(bytes);
    assert!(text.starts_with("fixture.o: malformed symbol "), "{text}");
}

#[test]
fn many_sections_and_symbols_take_no_longer_than_few() {
    const COUNT: usize = 20_000;
    let mut sections = vec![data("", &[0; 8]); COUNT];
    sections[0].name = ".eh_frame";
    let absolute = crafted::Symbol { section: 0xfff1, ..crafted::Symbol::default() };
    let mut bytes = crafted::object(&vec![absolute; 4 * COUNT], &sections);
    let total = crafted::FIRST as usize + COUNT;
    let headers = bytes.len() - total * 64;
    let name = bytes[headers + crafted::FIRST as usize * 64..][..4].to_vec();
    for header in bytes[headers..].chunks_exact_mut(64).skip(crafted::FIRST as usize) {
        header[..4].copy_from_slice(&name);
    }
    let object = Object::read(bytes);
    assert!(object.graph.dump(&object.names, false).to_string().starts_with("LinkGraph"));
}

/// Damages `bytes` in one of many ways.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let start = usize::from_le_bytes(*bytes[40..].first_chunk().expect("a header"));
    // Mostly in the headers, where a number has most consequences.
    let place = |random: &mut Random, bytes: &[u8]| match random.below(4) {
        0 => random.below(bytes.len()),
        1 => random.below(bytes.len().min(64)),
        _ => {
            let headers = start.min(bytes.len() - 1);
            headers + random.below(bytes.len() - headers)
        }
    };
    for _ in 0..=random.below(3) {
        let at = place(random, bytes);
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.below(256) as u8,
            2 => {
                let end = (at + 1 + random.below(8)).min(bytes.len());
                bytes[at..end].fill(0xff);
            }
            3 => {
                let other = place(random, bytes) & !3;
                for byte in 0..4 {
                    if (at & !3) + byte < bytes.len() && other + byte < bytes.len() {
                        bytes.swap((at & !3) + byte, other + byte);
                    }
                }
            }
            4 => {
                let end = (at + 1 + random.below(8)).min(bytes.len());
                bytes[at..end].fill(0);
            }
            _ if random.below(8) == 0 => bytes.truncate(at.max(48)),
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
    }
}

/// Applies all edges, with everything at address zero. Many do not fit or have no variable; that is an error.
fn fix_up(graph: &LinkGraph, names: NamePool) {
    let names = Mutex::new(names);
    let context = FixupContext {
        names: &names,
        got_base: ExecAddr(0x1000),
        image: Image::default(),
        tls_resolvers: [ExecAddr(0); 2],
    };
    for block in graph.block_ids() {
        let mut bytes = graph.content(block).unwrap_or_default().to_vec();
        if let Err(error) = fix_block(graph, block, &mut bytes, &context) {
            assert!(error.to_string().starts_with("damaged.o:"), "{error}");
        }
    }
}

#[test]
fn damaged_objects_give_errors_that_name_the_file() {
    let exceptions = "void g(); struct S { ~S(); }; inline int n() { static int c; return ++c; }\n\
                      thread_local int t; int f() { S s; g(); return n() + t; } int i = n();";
    let crel = "-Wa,--crel,--allow-experimental-crel";
    let fixtures = [
        compile(GCC, "cpp", exceptions, &["-ffunction-sections", "-O1"]),
        compile(CLANG, "cpp", exceptions, &["-fPIC", "-g"]),
        compile(CLANG, "cpp", exceptions, &["-fPIC", crel]),
        // Thread-local variables of AArch64 are not linked yet.
        compile(
            CLANG,
            "cpp",
            &exceptions.replace("thread_local ", ""),
            &["-target", "aarch64-linux-gnu", "-O1", "-fPIC"],
        ),
        compile(GCC, "s", ".section .x,\"ao\",@progbits,.text\n.quad f\n.comm c,8,8\n.weak f\n.globl t\n.set t,5", &[]),
        crafted::object(&[global("target", 0)], &[data(".d", &[0; 64]), rela(3, &[(0, 1, 1, 0), (8, 1, 2, -4)])]),
    ];
    let mut random = Random(0x1234_5678_9abc_def1);
    let (mut read, mut refused) = (0, 0);
    for round in 0..8000 {
        let mut bytes = fixtures[round % fixtures.len()].clone();
        mutate(&mut bytes, &mut random);
        let mut names = NamePool::new();
        match object::read(&Source::new("damaged.o", bytes), &mut names) {
            // What is read can also be looked at and fixed up.
            Ok(mut graph) => {
                read += 1;
                assert!(graph.dump(&names, false).to_string().starts_with("LinkGraph"));
                graph.prune(&[]);
                fix_up(&graph, names);
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().starts_with("damaged.o"), "{error}");
                assert!(!matches!(error, LinkError::OutOfRange { .. } | LinkError::BadRelocation { .. }), "{error}");
            }
        }
    }
    assert!(read > 500 && refused > 500, "{read} read, {refused} refused");
}

#[test]
fn every_truncation_is_refused() {
    let bytes = compile(GCC, "c", "int g(int); int f(int x) { return g(x); }", &[]);
    for len in 0..bytes.len() {
        let text = error(bytes[..len].to_vec());
        assert!(text.starts_with("fixture.o: "), "{len}: {text}");
    }
}
