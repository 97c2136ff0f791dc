//! Symbols.

use std::fmt::Write as _;

use linkjit_link::graph::{Lifetime, Linkage, Name, Scope, SymbolId};

use crate::crafted::{self, Section, Symbol, data, global, object};
use crate::{CLANG, GCC, Object, assemble, compile, error};

fn check_symbol(object: &Object, name: &str, expected: &str) {
    let symbol = object.symbol(name);
    let mut text = format!("{} {:?} {:?}", object.place(name), symbol.linkage, symbol.scope);
    for (mark, set) in [
        (" callable", symbol.callable),
        (" thread-local", symbol.thread_local),
        (" indirect", symbol.indirect),
        (" interned", matches!(symbol.name, Name::Interned(_))),
    ] {
        text.push_str(if set { mark } else { "" });
    }
    assert_eq!(text, expected, "{name}");
}

const KINDS: &str = r#"
    .file "fixture.c"
    .text
    nop
    .globl strong
    .type strong,@function
strong: nop
    .size strong,1
local: nop
    .weak weak
weak: nop
    .globl hidden
    .hidden hidden
hidden: nop
    .globl internal
    .internal internal
internal: nop
    .globl protected
    .protected protected
protected: nop
    .globl resolver
    .type resolver,@gnu_indirect_function
resolver: ret
    .globl constant
    constant = 0x1234
    .data
    .globl unique
    .type unique,@gnu_unique_object
unique: .quad external
    .weak weak_external
    .quad weak_external
    .hidden hidden_external
    .quad hidden_external
    .section .tdata,"awT",@progbits
    .long 1
    .globl variable
    .type variable,@tls_object
variable: .long 2
    .text
    movq variable_external@gottpoff(%rip), %rax
    leaq _GLOBAL_OFFSET_TABLE_(%rip), %rax
    .comm common,40,16
    .type common_variable,@tls_object
    .comm common_variable,8,8
    .globl at_end
at_end:
"#;

#[test]
fn bindings_types_and_visibilities_are_translated() {
    let object = assemble(KINDS);
    for (name, expected) in [
        ("strong", ".text+1 Strong Default callable interned"),
        ("local", ".text+2 Strong Local"),
        ("weak", ".text+3 Weak Default interned"),
        ("hidden", ".text+4 Strong Hidden interned"),
        ("internal", ".text+5 Strong Hidden interned"),
        ("protected", ".text+6 Strong Default interned"),
        ("resolver", ".text+7 Strong Default callable indirect interned"),
        ("constant", "absolute 4660 Strong Default interned"),
        ("unique", ".data+0 Weak Default interned"),
        ("external", "external Strong Default interned"),
        ("weak_external", "external Weak Default interned"),
        ("hidden_external", "external Strong Hidden interned"),
        ("variable", ".tdata+4 Strong Default thread-local interned"),
        ("variable_external", "external Strong Default thread-local interned"),
        ("_GLOBAL_OFFSET_TABLE_", "external Strong Default interned"),
        ("common", "COMMON+0 Common Default interned"),
        ("common_variable", "COMMON+0 Common Default thread-local interned"),
        ("at_end", ".text+22 Strong Default interned"),
    ] {
        check_symbol(&object, name, expected);
    }
    assert_eq!(object.symbol("strong").size, 1);
    let common = object.graph.block(object.block_with("common"));
    assert_eq!((common.size, common.alignment(), common.is_zeros()), (40, 16, true));
    let variable = object.graph.block(object.block_with("common_variable"));
    assert_eq!(object.graph.section(variable.section).lifetime, Lifetime::ThreadLocal);
}

#[test]
fn ids_are_the_indices_of_the_file() {
    let bytes = compile(GCC, "s", KINDS, &[]);
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ids-{}.o", std::process::id()));
    std::fs::write(&path, &bytes).expect("write the object");
    let listing = std::process::Command::new("nm").args(["-a", "--format=sysv"]).arg(&path).output().expect("nm");
    let readelf = std::process::Command::new("readelf").arg("-sW").arg(&path).output().expect("readelf");
    std::fs::remove_file(&path).expect("remove the object");
    assert!(listing.status.success());
    let object = Object::read(bytes);
    let text = String::from_utf8(readelf.stdout).expect("text");
    let mut seen = 0;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [number, _, _, kind, .., name] = words[..] else { continue };
        let Some(Ok(number)) = number.strip_suffix(':').map(str::parse) else { continue };
        if !matches!(kind, "SECTION" | "FILE" | "NOTYPE" if number == 0 || kind != "NOTYPE") {
            assert_eq!(object.name(SymbolId(number)), name);
            seen += 1;
        }
    }
    assert_eq!(seen, 18);
}

#[test]
fn the_null_symbol_and_files_are_anonymous_zeros() {
    let object = Object::read(object(&[Symbol { name: "a.c", kind: 4, section: 0xfff1, ..Symbol::default() }], &[]));
    for id in [0, 1].map(SymbolId) {
        let symbol = object.graph.symbol(id);
        assert_eq!((symbol.name, symbol.scope), (Name::None, Scope::Local));
        assert_eq!(object.graph.describe_symbol(&object.names, id), "0x0");
    }
    assert_eq!(object.graph.symbols().len(), 2);
}

#[test]
fn names_of_local_symbols_stay_in_the_file() {
    let object = Object::read(compile(CLANG, "c", "static int counter; int f(void) { return counter++; }", &["-O2"]));
    assert!(matches!(object.symbol("counter").name, Name::Local { len: 7, .. }));
    assert_eq!(object.names.find(b"counter"), None);
    assert!(object.names.find(b"f").is_some());
}

#[test]
fn symbols_of_sections_that_are_not_linked_are_anonymous() {
    let read = Object::read(object(
        &[Symbol { value: 3, ..global("lost", crafted::FIRST) }],
        &[Section { flags: 0, ..data(".comment", &[1]) }],
    ));
    assert_eq!(read.graph.symbol(SymbolId(1)).name, Name::None);
    assert_eq!(read.graph.describe_symbol(&read.names, SymbolId(1)), "0x3");
}

#[test]
fn large_common_symbols_are_common() {
    let large = Symbol { value: 64, size: 5, ..global("large", 0xff02) };
    let object = Object::read(object(&[large, Symbol { name: "small", value: 1, ..large }], &[]));
    assert_eq!(object.symbol("large").linkage, Linkage::Common);
    assert_eq!(object.graph.block(object.block_with("large")).alignment(), 64);
    assert_eq!(object.graph.sections().len(), 1);
}

#[test]
fn impossible_symbols_are_malformed() {
    let check = |symbol, expected: &str| {
        let bytes = object(&[symbol], &[data(".d", &[0; 8])]);
        assert_eq!(error(bytes).strip_prefix("fixture.o: "), Some(expected));
    };
    let good = global("s", crafted::FIRST);
    check(Symbol { value: 9, ..good }, "malformed symbol 's': it lies beyond the end of section .d");
    check(Symbol { kind: 6, ..good }, "malformed symbol 's': it is thread-local, but section .d is not");
    check(Symbol { section: 40, ..good }, "malformed symbol 's': its section 40 does not exist");
    check(Symbol { section: 0xffff, ..good }, "malformed symbol 's': its section number is missing (SHT_SYMTAB_SHNDX)");
    check(Symbol { section: 0xff55, ..good }, "unsupported section index 0xff55 of symbol 's'");
    check(Symbol { binding: 13, ..good }, "unsupported symbol binding 13 of symbol 's'");
    check(Symbol { kind: 13, ..good }, "unsupported symbol type 13 of symbol 's'");
    check(Symbol { name: "", ..good }, "malformed symbol 1: it is not local, but has no name");
    check(Symbol { section: 0xfff2, value: 3, ..good }, "malformed symbol 's': its alignment is not a power of two");
    Object::read(object(&[Symbol { value: 8, ..good }], &[data(".d", &[0; 8])]));
}

/// Linkers that drop sections of relocatable output leave symbols that nothing refers to (`ld -r --gc-sections`).
#[test]
fn local_symbols_without_a_definition_must_not_be_referred_to() {
    let local = Symbol { binding: 0, section: 0, ..global("s", crafted::FIRST) };
    let section = || data(".d", &[0; 8]);
    assert_eq!(Object::read(object(&[local], &[section()])).graph.symbols().len(), 2);
    let bytes = object(&[local], &[section(), crafted::rela(crafted::FIRST, &[(0, 1, 1, 0)])]);
    assert_eq!(error(bytes), "fixture.o:.d+0x0: malformed relocation: its symbol 's' is local, but not defined");
}

#[test]
fn there_is_one_symbol_table() {
    let second = Section { kind: crafted::SYMTAB, link: 1, entry_size: 24, data: vec![0; 24], ..Section::default() };
    let bytes = object(&[], &[Section { name: ".more", ..second }]);
    assert_eq!(error(bytes), "fixture.o:.more: unsupported second symbol table (SHT_SYMTAB)");
}

#[test]
fn slim_lto_objects_are_explained() {
    let bytes = compile(GCC, "c", "int f(void) { return 1; }", &["-flto", "-fno-fat-lto-objects"]);
    assert_eq!(
        error(bytes),
        "fixture.o: GCC LTO bytecode without machine code: compile it without -flto, or with -ffat-lto-objects"
    );
}

#[test]
fn more_sections_than_the_header_can_count_are_read() {
    let count = 65_600;
    let mut source = String::new();
    for number in 0..count {
        writeln!(source, ".section .t{number},\"ax\"\n.globl f{number}\nf{number}: .byte {}", number & 0xff).unwrap();
    }
    writeln!(source, ".section .last,\"aw\"\n.quad f65599").unwrap();
    let object = Object::read(compile(CLANG, "s", &source, &[]));
    assert!(object.graph.blocks().len() > count);
    for number in [0, 0xfeff, 0xff00, 0xfff1, 65_599] {
        let name = format!("f{number}");
        assert_eq!(object.place(&name), format!(".t{number}+0"));
        assert_eq!(object.graph.content(object.block_with(&name)), Some(&[(number & 0xff) as u8][..]));
    }
    assert_eq!(object.edges(object.block(".last")), ["0x0 Pointer64 f65599 0"]);
}
