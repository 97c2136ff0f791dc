//! Unwind records.

use linkjit_link::graph::{BlockId, Lifetime};

use crate::{CLANG, GCC, Object, assemble, compile, error};

/// The records of an object that get into the process.
fn records(object: &Object) -> Vec<BlockId> {
    let placed = |&id: &BlockId| {
        let section = object.graph.section(object.graph.block(id).section);
        section.lifetime == Lifetime::Standard && section.unwind_records
    };
    object.blocks(".eh_frame").into_iter().filter(placed).collect()
}

/// Like [`records`], the others.
fn discarded(object: &Object) -> usize {
    object.blocks(".eh_frame").len() - records(object).len()
}

#[test]
fn every_function_keeps_its_record_and_that_its_common_record() {
    let source = "int f(void) { return 1; } int g(int x) { return x; }";
    for compiler in [GCC, CLANG] {
        let object = Object::read(compile(compiler, "c", source, &["-ffunction-sections"]));
        let records = records(&object);
        let [common, of_f, of_g] = records[..] else { panic!("{} records", records.len()) };
        assert_eq!(object.dependents(object.block_with("f")), [of_f]);
        assert_eq!(object.dependents(object.block_with("g")), [of_g]);
        assert_eq!(object.edges(common), [""; 0]);
        let edges = object.edges(of_g);
        assert_eq!(edges[0], "0x4 NegDelta32 .eh_frame+0x0 0");
        assert_eq!(edges[1], "0x8 Delta32 .text.g+0x0 0");
        assert_eq!(object.graph.symbol(object.graph.edges(of_g)[0].target).block(), Some(common));
        for record in records {
            let block = object.graph.block(record);
            assert_eq!((block.align_log2, block.alignment_offset), (0, 0));
            let length = object.graph.content(record).and_then(|content| content.first_chunk()).expect("a length");
            assert_eq!(u64::from(u32::from_le_bytes(*length)) + 4, block.size);
        }
    }
}

#[test]
fn a_record_keeps_personality_and_tables_alive() {
    let source = "void g(); struct S { ~S(); }; void f() { S s; g(); } int h() { return 1; }";
    for compiler in [GCC, CLANG] {
        let bytes = compile(compiler, "cpp", source, &["-ffunction-sections", "-fPIC"]);
        let mut object = Object::read(bytes);
        let with_tables = |object: &Object| {
            let block = object
                .graph
                .blocks()
                .iter()
                .find(|block| object.graph.section(block.section).name.starts_with(".gcc_except_table"));
            block.expect("an exception table").live
        };
        let (f, h) = (object.id("_Z1fv"), object.id("_Z1hv"));
        object.graph.prune(&[h]);
        assert!(!with_tables(&object));
        assert!(!object.symbol("DW.ref.__gxx_personality_v0").live);
        object.graph.prune(&[f]);
        assert!(with_tables(&object));
        assert!(object.symbol("DW.ref.__gxx_personality_v0").live);
    }
}

#[test]
fn functions_of_one_section_share_its_life() {
    let object = Object::read(compile(GCC, "c", "int f(void) { return 1; } int g(int x) { return x; }", &[]));
    assert_eq!(object.dependents(object.block(".text")).len(), 2);
    assert_eq!(discarded(&object), 0);
}

/// A common record and the record of `function`, whose fields begin at offset 24.
const TWO: &str = r#"
    .text
function: nop
    .section .eh_frame,"a",@unwind
common:
    .long 20, 0
    .zero 16
"#;

#[test]
fn records_of_absent_functions_and_terminators_never_get_into_the_process() {
    let object = assemble(
        &format!(
            "{TWO} .long 16, . + 4 - common - 4\n .long elsewhere - .\n .zero 8\n\
         .long 16, . - common\n .quad 0, 0, 0\n .long 0"
        )
        .replace(".quad 0, 0, 0", ".long 0, 0, 0"),
    );
    assert_eq!(records(&object).len(), 1);
    assert_eq!(discarded(&object), 3);
    let dropped: Vec<_> = object.blocks(".eh_frame");
    let lifetimes: Vec<_> =
        dropped.iter().map(|&id| object.graph.section(object.graph.block(id).section).lifetime).collect();
    assert_eq!(lifetimes, [Lifetime::Standard, Lifetime::NoAlloc, Lifetime::NoAlloc, Lifetime::NoAlloc]);
    let only_terminator = assemble(".section .eh_frame,\"a\"\n.globl end\nend: .long 0");
    assert_eq!((records(&only_terminator).len(), discarded(&only_terminator)), (0, 1));
    let empty = assemble(".section .eh_frame,\"a\"");
    assert_eq!(empty.blocks(".eh_frame").len(), 1);
}

#[test]
fn the_section_is_read_only_whatever_its_type_and_flags() {
    for flags in ["\"a\",@progbits", "\"aw\",@progbits", "\"a\",@unwind"] {
        let object = assemble(&format!(".section .eh_frame,{flags}\n.long 12,0,0,0"));
        let block = object.graph.block(records(&object)[0]);
        assert_eq!(object.graph.section(block.section).protection.to_string(), "r--");
    }
}

#[test]
fn broken_records_are_malformed() {
    let check = |records: &str, expected: &str| {
        let bytes = compile(GCC, "s", &format!("{TWO}{records}"), &[]);
        assert_eq!(error(bytes).strip_prefix("fixture.o:.eh_frame+"), Some(expected));
    };
    check(".long 16, 28, 0", "0x18: malformed unwind record: it is truncated");
    let wide = "0x18: malformed unwind record: its length has 64 bits, which unwinders can't read";
    check(".long 0xffffffff\n .quad 16\n .long . - common\n .zero 12", wide);
    check(".byte 1, 2", "0x18: malformed unwind record: it is truncated");
    check(".long 0xffffffff, 0", wide);
    check(".long 0xffffffff, 4, 1, 28", wide);
    check(".long 3\n .byte 1,2,3", "0x18: malformed unwind record: it is too short");
    check(".long 8, 27, 0", "0x18: malformed unwind record: its CIE does not exist");
    check(".long 8, 29, 0", "0x18: malformed unwind record: its CIE does not exist");
    check(".long 8, 28, 0, 8, 16, 0", "0x24: malformed unwind record: its CIE does not exist");
    let relocated = "malformed unwind record: a relocation changes its length or its CIE pointer";
    check(".long 8, function, 0", &format!("0x18: {relocated}"));
    check(".long 8, 28 \n .reloc 28, R_X86_64_32, function\n .long 0", &format!("0x18: {relocated}"));
    check(".long 8, 28, 0\n .reloc 0, R_X86_64_32, function", &format!("0x0: {relocated}"));
}

#[test]
fn zeros_hold_no_records() {
    let bytes = compile(GCC, "s", ".section .eh_frame,\"a\",@nobits\n.zero 8", &[]);
    assert_eq!(error(bytes), "fixture.o:.eh_frame: malformed section of unwind records: it has no content");
}
