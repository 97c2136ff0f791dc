//! Sections, groups, initializers.

use linkjit_link::graph::{InitializerOrder, Lifetime};

use crate::crafted::{self, Section, Symbol, data, global, object};
use crate::{CLANG, GCC, Object, assemble, compile, error};

fn check_section(object: &Object, name: &str, expected: &str) {
    let block = object.graph.block(object.block(name));
    let section = object.graph.section(block.section);
    let lifetime = section.lifetime;
    let zeros = if block.is_zeros() { " zeros" } else { "" };
    let text = format!("{} {lifetime:?} {} align {}{zeros}", section.protection, block.size, block.alignment());
    assert_eq!(text, expected, "{name}");
}

#[test]
fn every_section_of_the_program_becomes_a_block_with_its_protection() {
    let object = assemble(
        r#"
        .text
        .p2align 4
        nop
        .data
        .quad 1
        .bss
        .balign 32
        .zero 100
        .section .rodata,"a"
        .byte 1
        .section .data.rel.ro,"aw"
        .quad 1
        .section .data.rel.ro.local.x,"aw"
        .quad 1
        .section .got.mine,"aw"
        .quad 1
        .section .gotcha,"aw"
        .quad 1
        .section .init_array.5,"aw",@init_array
        .quad 1
        .section .mine,"aw",@fini_array
        .quad 1
        .section .tdata,"awT",@progbits
        .long 1
        .section .tbss,"awT",@nobits
        .long 0
        .section .debug_info,"",@progbits
        .byte 1,2,3
        .section .comment,"MS",@progbits,1
        .asciz "nothing"
        .section .other,"",@progbits
        .byte 1
        .section .excluded,"ae",@progbits
        .byte 1
        .section .note.GNU-stack,"",@progbits
        "#,
    );
    for (name, expected) in [
        (".text", "r-x Standard 1 align 16"),
        (".data", "rw- Standard 8 align 1"),
        (".bss", "rw- Standard 100 align 32 zeros"),
        (".rodata", "r-- Standard 1 align 1"),
        (".data.rel.ro", "r-- Standard 8 align 1"),
        (".data.rel.ro.local.x", "r-- Standard 8 align 1"),
        (".got.mine", "r-- Standard 8 align 1"),
        (".gotcha", "rw- Standard 8 align 1"),
        (".init_array.5", "r-- Standard 8 align 1"),
        (".mine", "r-- Standard 8 align 1"),
        (".tdata", "rw- ThreadLocal 4 align 1"),
        (".tbss", "rw- ThreadLocal 4 align 1 zeros"),
        (".debug_info", "r-- NoAlloc 3 align 1"),
    ] {
        check_section(&object, name, expected);
    }
    assert_eq!(object.graph.content(object.block(".debug_info")), Some(&[1, 2, 3][..]));
    for name in [".comment", ".other", ".excluded", ".note.GNU-stack", ".symtab", ".strtab", ".shstrtab"] {
        assert_eq!(object.graph.find_section(name), None, "{name}");
    }
}

#[test]
fn relocations_of_debug_sections_are_not_read() {
    for (compiler, flags) in [(GCC, "-O1"), (CLANG, "-O1"), (GCC, "-gz")] {
        let bytes = compile(compiler, "c", "int f(int x) { return x; }", &["-g", flags]);
        let object = Object::read(bytes);
        let section = object.graph.find_section(".debug_info").expect("debug information");
        assert_eq!(object.graph.section(section).lifetime, Lifetime::NoAlloc);
        let block = object.block(".debug_info");
        assert!(object.graph.edges(block).is_empty());
        assert!(object.graph.content(block).is_some_and(|content| !content.is_empty()));
    }
}

#[test]
fn writable_code_is_refused_by_name() {
    let bytes = compile(GCC, "s", ".section .both,\"awx\"\nnop", &[]);
    assert_eq!(
        error(bytes),
        "fixture.o:.both: unsupported section that is both writable and executable (SHF_WRITE and SHF_EXECINSTR)"
    );
}

#[test]
fn flags_nobody_can_honour_are_refused() {
    let with = |flags| object(&[], &[Section { flags, ..data(".odd", &[1]) }]);
    assert_eq!(
        error(with(crafted::ALLOC | 0x800)),
        "fixture.o:.odd: unsupported section flag SHF_COMPRESSED with SHF_ALLOC"
    );
    assert_eq!(error(with(crafted::ALLOC | 0x100)), "fixture.o:.odd: unsupported section flag SHF_OS_NONCONFORMING");
    assert_eq!(
        error(with(crafted::ALLOC | 0x404)),
        "fixture.o:.odd: unsupported thread-local code (SHF_TLS and SHF_EXECINSTR)"
    );
}

#[test]
fn alignments_are_powers_of_two() {
    let with = |alignment| object(&[], &[Section { alignment, ..data(".d", &[1]) }]);
    assert_eq!(error(with(24)), "fixture.o:.d: malformed section: its alignment is not a power of two");
    for (alignment, expected) in [(0, 1), (1, 1), (4096, 4096), (1 << 63, 1 << 63)] {
        let object = Object::read(with(alignment));
        assert_eq!(object.graph.block(object.block(".d")).alignment(), expected);
    }
}

#[test]
fn names_that_c_can_write_are_contiguous() {
    let object =
        assemble(".section my_list,\"aw\"\n.quad 1\n.section my.list,\"aw\"\n.quad 1\n.section 1st,\"a\"\n.byte 1");
    let contiguous = |name| object.graph.section(object.graph.block(object.block(name)).section).contiguous;
    assert!(contiguous("my_list"));
    assert!(!contiguous("my.list"));
    assert!(!contiguous("1st"));
    assert!(!contiguous(".text"));
}

#[test]
fn retained_sections_are_retained() {
    let object = Object::read(compile(
        CLANG,
        "c",
        "__attribute__((retain, used, section(\".kept\"))) int kept = 1; int other = 2;",
        &["-fdata-sections"],
    ));
    assert_eq!(object.graph.retained, [object.block(".kept")]);
}

#[test]
fn ordered_sections_live_with_the_section_they_follow() {
    let object = assemble(
        ".section .text.f,\"ax\"\nnop\n.section .text.g,\"ax\"\nnop\n\
         .section .entries,\"ao\",@progbits,.text.g\n.quad 1\n\
         .section .more,\"ao\",@progbits,.text.g\n.quad 1",
    );
    assert_eq!(object.dependents(object.block(".text.f")), []);
    let mut dependents = object.dependents(object.block(".text.g"));
    dependents.sort();
    assert_eq!(dependents, [object.block(".entries"), object.block(".more")]);
}

#[test]
fn a_comdat_group_has_its_signature_and_sections() {
    let source = "inline int shared(int x) { static int count; return count += x; } int f() { return shared(1); }";
    for compiler in [GCC, CLANG] {
        let object = Object::read(compile(compiler, "cpp", source, &["-O0", "-ffunction-sections"]));
        let group = |signature: &str| {
            let mut groups = object.graph.groups.iter();
            groups.find(|group| object.names.text(group.signature) == signature).expect("group")
        };
        assert_eq!(group("_Z6sharedi").blocks, [object.block_with("_Z6sharedi")]);
        assert_eq!(group("_ZZ6sharediE5count").blocks, [object.block_with("_ZZ6sharediE5count")]);
        assert_eq!(object.graph.groups.len(), 2);
    }
}

#[test]
fn a_group_may_be_named_after_a_section_and_need_not_be_comdat() {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let symbols = [Symbol { kind: 3, section: 4, ..Symbol::default() }, global("whole", 4)];
    let group = |info, data| {
        let (kind, link) = (crafted::GROUP, crafted::SYMBOL_TABLE);
        Section { name: ".group", kind, link, info, data, entry_size: 4, ..Section::default() }
    };
    let read = |info, data| object(&symbols, &[group(info, words(data)), self::data(".text.sig", &[1])]);
    let object_with_section = Object::read(read(1, &[1, 4]));
    let groups = &object_with_section.graph.groups;
    assert_eq!(object_with_section.names.text(groups[0].signature), ".text.sig");
    assert_eq!(groups[0].blocks, [object_with_section.block(".text.sig")]);
    assert_eq!(Object::read(read(2, &[0, 4])).graph.groups.len(), 0);
    assert_eq!(error(read(9, &[1, 4])), "fixture.o:.group: malformed section group: it has no signature");
    assert_eq!(error(read(2, &[1, 77])), "fixture.o:.group: malformed section group: its member 77 does not exist");
    assert_eq!(error(read(2, &[])), "fixture.o:.group: malformed section group: its size is wrong");
}

#[test]
fn initializers_have_their_order_and_direction() {
    let object = assemble(
        r#"
        .section .init_array,"aw",@init_array
        .quad f
        .section .init_array.101,"aw",@init_array
        .quad f
        .section .init_array.00200,"aw",@init_array
        .quad f
        .section .fini_array.7,"aw",@fini_array
        .quad f
        .section .fini_array,"aw",@fini_array
        .quad f
        .section .preinit_array,"aw",@preinit_array
        .quad f
        .section .ctors,"aw"
        .quad f
        .section .ctors.65434,"aw"
        .quad f
        .section .dtors.65530,"aw"
        .quad f
        .section .dtors,"aw"
        .quad f
        .section .ctorsnot,"aw"
        .quad f
        "#,
    );
    let found: Vec<_> = object
        .graph
        .initializers
        .iter()
        .map(|of| (object.graph.section(object.graph.block(of.block).section).name.as_str(), of.order, of.backwards))
        .collect();
    use InitializerOrder::{Fini, Init, Preinit};
    let expected = [
        (".init_array", Init(65536), false),
        (".init_array.101", Init(101), false),
        (".init_array.00200", Init(200), false),
        (".fini_array.7", Fini(7), true),
        (".fini_array", Fini(65536), true),
        (".preinit_array", Preinit, false),
        (".ctors", Init(65536), true),
        (".ctors.65434", Init(101), true),
        (".dtors.65530", Fini(5), false),
        (".dtors", Fini(65536), false),
    ];
    assert_eq!(found, expected);
    let retained: Vec<_> = object.graph.initializers.iter().map(|run| run.block).collect();
    assert_eq!(object.graph.retained, retained);
}

#[test]
fn initializers_of_compilers_are_found() {
    let source = "void g(void); __attribute__((constructor(200))) static void f(void) { g(); }\n\
                  __attribute__((destructor)) static void h(void) { g(); }";
    for compiler in [GCC, CLANG] {
        let object = Object::read(compile(compiler, "c", source, &[]));
        let orders: Vec<_> = object.graph.initializers.iter().map(|run| run.order).collect();
        assert_eq!(orders, [InitializerOrder::Init(200), InitializerOrder::Fini(65536)], "{compiler}");
    }
}

#[test]
fn initializers_are_whole_pointers() {
    let bytes = compile(GCC, "s", ".section .init_array,\"aw\",@init_array\n.long 1", &[]);
    assert_eq!(
        error(bytes),
        "fixture.o:.init_array: malformed section of initializers: its size is not a multiple of a pointer's"
    );
}
