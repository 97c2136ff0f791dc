//! Relocations.

use crate::crafted::{self, Section, crel, data, global, object, rel, rela};
use crate::{CLANG, GCC, Object, all_edges, assemble, compile, error};

/// What each relocation type becomes; empty for those that only a dynamic linker applies.
const KINDS: [(&str, &str); 52] = [
    ("NONE", "none"),
    ("64", "Pointer64"),
    ("PC32", "Delta32"),
    ("GOT32", "GotOffset32"),
    ("PLT32", "Branch32"),
    ("COPY", ""),
    ("GLOB_DAT", ""),
    ("JUMP_SLOT", ""),
    ("RELATIVE", ""),
    ("GOTPCREL", "GotDelta32"),
    ("32", "Pointer32"),
    ("32S", "Pointer32Signed"),
    ("16", "Pointer16"),
    ("PC16", "Delta16"),
    ("8", "Pointer8"),
    ("PC8", "Delta8"),
    ("DTPMOD64", "TlsModule64"),
    ("DTPOFF64", "TlsOffset64"),
    ("TPOFF64", "ThreadOffset64"),
    ("TLSGD", "TlsPairDelta32"),
    ("TLSLD", "TlsModuleDelta32"),
    ("DTPOFF32", "TlsOffset32"),
    ("GOTTPOFF", "ThreadOffsetDelta32"),
    ("TPOFF32", "ThreadOffset32"),
    ("PC64", "Delta64"),
    ("GOTOFF64", "FromGotBase64"),
    ("GOTPC32", "GotBaseDelta32"),
    ("GOT64", "GotOffset64"),
    ("GOTPCREL64", "GotDelta64"),
    ("GOTPC64", "GotBaseDelta64"),
    ("GOTPLT64", "GotOffset64"),
    ("PLTOFF64", "StubFromGotBase64"),
    ("SIZE32", "Size32"),
    ("SIZE64", "Size64"),
    ("GOTPC32_TLSDESC", "TlsDescriptorDelta32"),
    ("TLSDESC_CALL", "TlsDescriptorCall"),
    ("TLSDESC", ""),
    ("IRELATIVE", ""),
    ("RELATIVE64", ""),
    ("PC32_BND", ""),
    ("PLT32_BND", ""),
    ("GOTPCRELX", "GotLoad32"),
    ("REX_GOTPCRELX", "RexGotLoad32"),
    ("CODE_4_GOTPCRELX", "RexGotLoad32"),
    ("CODE_4_GOTTPOFF", "ThreadOffsetDelta32"),
    ("CODE_4_GOTPC32_TLSDESC", "TlsDescriptorDelta32"),
    ("CODE_5_GOTPCRELX", "GotDelta32"),
    ("CODE_5_GOTTPOFF", "ThreadOffsetDelta32"),
    ("CODE_5_GOTPC32_TLSDESC", "TlsDescriptorDelta32"),
    ("CODE_6_GOTPCRELX", "GotDelta32"),
    ("CODE_6_GOTTPOFF", "ThreadOffsetDelta32"),
    ("CODE_6_GOTPC32_TLSDESC", "TlsDescriptorDelta32"),
];

/// One relocation against `target` in a section of these bytes.
fn one(bytes: &[u8], relocations: Section) -> Vec<u8> {
    object(&[global("target", 0)], &[data(".d", bytes), relocations])
}

#[test]
fn every_type_has_its_kind_or_is_refused_by_name() {
    for (number, (name, kind)) in (0..).zip(KINDS) {
        let bytes = one(&[0; 24], rela(crafted::FIRST, &[(8, 1, number, -3)]));
        match kind {
            "" => assert_eq!(error(bytes), format!("fixture.o:.d+0x8: unsupported relocation R_X86_64_{name}")),
            "none" => assert_eq!(Object::read(bytes).graph.edges(linkjit_link::graph::BlockId(0)), []),
            _ => {
                let object = Object::read(bytes);
                assert_eq!(object.edges(object.block(".d")), [format!("0x8 {kind} target -3")]);
            }
        }
    }
    let unknown = one(&[0; 24], rela(crafted::FIRST, &[(8, 1, 52, 0)]));
    assert_eq!(error(unknown), "fixture.o:.d+0x8: unsupported relocation type 52");
}

/// The documents number the types; the assembler knows the numbers, too.
#[test]
fn the_assembler_agrees_about_the_numbers() {
    let mut source = String::from(".data\n.globl place\nplace: .zero 512\n");
    let mut expected = Vec::new();
    for (number, (name, kind)) in KINDS[..43].iter().enumerate() {
        if !kind.is_empty() && *kind != "none" {
            source.push_str(&format!(".reloc place + {}, R_X86_64_{name}, target + {number}\n", 8 * number));
            expected.push(format!("{:#x} {kind} target {number}", 8 * number));
        }
    }
    let object = Object::read(compile(CLANG, "s", &source, &[]));
    assert_eq!(object.edges(object.block(".data")), expected);
}

#[test]
fn relocations_without_a_symbol_have_the_null_symbol() {
    let object = Object::read(one(&[0; 8], rela(crafted::FIRST, &[(0, 0, 1, 0x1000)])));
    assert_eq!(object.edges(object.block(".d")), ["0x0 Pointer64 0x0 4096"]);
}

#[test]
fn addends_in_fields_are_signed() {
    let mut content = [0xfe; 16];
    content[8..16].copy_from_slice(&0x1122_3344_5566_7788u64.to_le_bytes());
    let relocations = rel(crafted::FIRST, &[(0, 1, 14), (1, 1, 12), (3, 1, 2), (8, 1, 1), (4, 1, 35)]);
    let object = Object::read(one(&content, relocations));
    assert_eq!(
        object.edges(object.block(".d")),
        [
            "0x0 Pointer8 target -2",
            "0x1 Pointer16 target -258",
            "0x3 Delta32 target -16843010",
            "0x8 Pointer64 target 1234605616436508552",
            "0x4 TlsDescriptorCall target 0",
        ]
    );
}

#[test]
fn a_field_lies_inside_its_section() {
    let check = |offset, kind| {
        let bytes = one(&[0; 8], rela(crafted::FIRST, &[(0, 1, 1, 0), (offset, 1, kind, 0)]));
        error(bytes)
    };
    let beyond = "its field reaches beyond the end of the section";
    assert_eq!(check(1, 1), format!("fixture.o:.d+0x1: malformed relocation R_X86_64_64: {beyond}"));
    assert_eq!(check(5, 2), format!("fixture.o:.d+0x5: malformed relocation R_X86_64_PC32: {beyond}"));
    assert_eq!(check(8, 14), format!("fixture.o:.d+0x8: malformed relocation R_X86_64_8: {beyond}"));
    assert_eq!(
        check(u64::MAX, 14),
        format!("fixture.o:.d+0xffffffffffffffff: malformed relocation R_X86_64_8: {beyond}")
    );
    Object::read(one(&[0; 8], rela(crafted::FIRST, &[(4, 1, 2, 0), (7, 1, 14, 0)])));
    let zeros = Section { kind: crafted::NOBITS, data: Vec::new(), size: 8, ..data(".d", &[]) };
    let bytes = object(&[global("target", 0)], &[zeros, rela(crafted::FIRST, &[(0, 1, 1, 0)])]);
    assert_eq!(error(bytes), format!("fixture.o:.d+0x0: malformed relocation R_X86_64_64: {beyond}"));
}

#[test]
fn sections_of_relocations_are_checked() {
    let good = rela(crafted::FIRST, &[(0, 1, 1, 0)]);
    let check = |relocations: Section, expected: &str| {
        assert_eq!(error(one(&[0; 8], relocations)).strip_prefix("fixture.o:"), Some(expected));
    };
    let target = "malformed relocations: the section that they apply to does not exist";
    check(Section { info: 0, ..good.clone() }, &format!(".rela: {target}"));
    check(Section { info: 9, ..good.clone() }, &format!(".rela: {target}"));
    check(Section { link: 1, ..good.clone() }, ".rela: malformed relocations: they don't refer to the symbol table");
    check(Section { entry_size: 16, ..good.clone() }, ".rela: malformed relocations: their size is wrong");
    check(Section { data: vec![0; 23], ..good.clone() }, ".rela: malformed relocations: their size is wrong");
    let symbol = "malformed relocation R_X86_64_64: its symbol does not exist";
    check(rela(crafted::FIRST, &[(0, 2, 1, 0)]), &format!(".d+0x0: {symbol}"));
    check(crel(crafted::FIRST, &[0x80]), ".crel: malformed compact relocations (SHT_CREL)");
    check(crel(crafted::FIRST, &[2 * 8, 3, 1, 1]), ".crel: malformed compact relocations (SHT_CREL)");
    let twice = object(&[global("target", 0)], &[data(".d", &[0; 8]), good.clone(), good]);
    assert_eq!(error(twice), "fixture.o:.rela: unsupported second relocation section for the same section");
}

const PROGRAM: &str = r#"
    #include <stdexcept>
    extern int table[]; extern thread_local int per_thread; int other(int);
    int (*pointers[3])(int) = { other, nullptr, other };
    int near(int x) { try { return other(x) + table[x] + per_thread; } catch (std::exception &e) { return 0; } }
    int f(int x) { static int n = other(2); switch (x) {
        case 0: return near(1); case 1: return other(3); case 2: return near(n); case 3: return 7; case 4: return 9;
        default: throw std::runtime_error("no"); } }
"#;

#[test]
fn compact_relocations_give_the_same_edges() {
    let flags = ["-O2", "-fPIC", "-ffunction-sections", "-g"];
    let plain = Object::read(compile(CLANG, "cpp", PROGRAM, &flags));
    let compact = compile(CLANG, "cpp", PROGRAM, &[&flags[..], &["-Wa,--crel,--allow-experimental-crel"]].concat());
    assert!(compact.windows(4).any(|word| word == crafted::CREL.to_le_bytes()));
    let compact = Object::read(compact);
    assert!(all_edges(&plain).lines().count() > 60);
    assert_eq!(all_edges(&plain), all_edges(&compact));
}

#[test]
fn compact_relocations_may_have_their_addends_in_the_fields() {
    // Two entries, offsets in units of 8: at 0 type 1 of symbol 1, at 8 the same.
    let object = Object::read(one(
        &[5, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        crel(crafted::FIRST, &[2 * 8 + 3, 3, 1, 1, 1 << 2]),
    ));
    assert_eq!(object.edges(object.block(".d")), ["0x0 Pointer64 target 5", "0x8 Pointer64 target -1"]);
}

#[test]
fn instructions_of_all_tls_and_got_models_are_read() {
    let object = assemble(
        "call f@PLT\n call *f@GOTPCREL(%rip)\n movq v@GOTPCREL(%rip), %rax\n movl v@GOTPCREL(%rip), %eax\n\
         leaq t@tlsgd(%rip), %rdi\n leaq t@tlsld(%rip), %rdi\n leaq t@dtpoff(%rax), %rax\n\
         movq t@gottpoff(%rip), %rax\n movq %fs:t@tpoff, %rax\n\
         leaq t@tlsdesc(%rip), %rax\n call *t@tlscall(%rax)\n leaq _GLOBAL_OFFSET_TABLE_(%rip), %rbx\n\
         movabsq $v@GOTOFF, %rax\n movabsq $f@PLTOFF, %rax",
    );
    let edges = object.edges(object.block(".text"));
    let kinds: Vec<&str> = edges.iter().map(|edge| edge.split(' ').nth(1).expect("a kind")).collect();
    assert_eq!(
        kinds,
        [
            "Branch32",
            "GotLoad32",
            "RexGotLoad32",
            "GotLoad32",
            "TlsPairDelta32",
            "TlsModuleDelta32",
            "TlsOffset32",
            "ThreadOffsetDelta32",
            "ThreadOffset32",
            "TlsDescriptorDelta32",
            "TlsDescriptorCall",
            "GotBaseDelta32",
            "FromGotBase64",
            "StubFromGotBase64",
        ]
    );
}

#[test]
fn compilers_of_both_families_agree_on_simple_calls() {
    for compiler in [GCC, CLANG] {
        let object = Object::read(compile(compiler, "c", "int g(int); int f(int x) { return g(x) + 1; }", &["-O2"]));
        let edges = object.edges(object.block(".text"));
        assert_eq!(edges.len(), 1, "{edges:?}");
        assert!(edges[0].ends_with(" Branch32 g -4"), "{edges:?}");
    }
}
