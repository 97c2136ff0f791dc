//! Sections, symbols, relocations, directives.

use linkjit_link::graph::{Definition, InitializerOrder, Lifetime, Linkage, Protection, Request, Scope};
use linkjit_link::object::coff;
use linkjit_link::source::Source;

use crate::{MINGW, MSVC, Object, compile, error};

/// B7.24 of docs/coff-cases.md.
#[test]
fn every_relocation_becomes_an_edge_with_the_addend_of_its_field() {
    let object = Object::assembled(
        ".text
         call target
         jne target
         lea target(%rip), %rax
         movl $1, target+5(%rip)
         movb $1, target(%rip)
         .data
         .quad target+7
         .long target+3
         .long target@imgrel+2
         .secrel32 target
         .secidx target",
    );
    let code = object.blocks(".text")[0];
    assert_eq!(
        object.edges(code),
        [
            "0x1 Branch32 target -4",
            "0x7 Branch32 target -4",
            "0xe Delta32 target -4",
            // Relative to the end of the instruction, four bytes and one byte behind the field.
            "0x14 Delta32 target -3",
            "0x1e Delta32 target -5",
        ]
    );
    let data = object.blocks(".data")[0];
    assert_eq!(
        object.edges(data),
        [
            "0x0 Pointer64 target 7",
            "0x8 Pointer32 target 3",
            "0xc ImageOffset32 target 2",
            "0x10 SectionOffset32 target 0",
            "0x14 SectionNumber16 target 0",
        ]
    );
}

/// B7.24 of docs/coff-cases.md.
#[test]
fn relocations_that_do_nothing_are_passed_over() {
    let mut bytes = compile(MSVC, "s", ".data\n.quad target", &[]);
    let place = relocation_of(&bytes, 1);
    bytes[place + 8] = 0;
    let object = Object::read(bytes);
    assert!(object.edges(object.blocks(".data")[0]).is_empty());
}

/// GNU's assembler has a relocation of its own.
#[test]
fn distances_of_64_bits_are_read() {
    let source = ".data\n.quad 0\n.quad target - .\n.quad target + 5 - .";
    let object = Object::read(compile(MINGW, "s", source, &[]));
    assert_eq!(object.edges(object.blocks(".data")[0]), ["0x8 Delta64 target 0", "0x10 Delta64 target 5"]);
}

/// B7.24 of docs/coff-cases.md.
#[test]
fn other_relocations_are_refused_by_name() {
    for (kind, name) in [(0xd, "IMAGE_REL_AMD64_TOKEN"), (0xf, "_PAIR"), (0x10, "_SSPAN32"), (0x33, "0x33")] {
        let mut bytes = compile(MSVC, "s", ".data\n.quad target", &[]);
        let place = relocation_of(&bytes, 1);
        bytes[place + 8] = kind;
        let error = error(bytes);
        assert!(error.starts_with("fixture.obj:.data+0x0: unsupported relocation") && error.contains(name), "{error}");
    }
}

/// Where the first relocation of a section, counted from 0, is in the file.
fn relocation_of(bytes: &[u8], section: usize) -> usize {
    let header = 20 + 40 * section;
    u32::from_le_bytes(bytes[header + 24..header + 28].try_into().unwrap()) as usize
}

#[test]
fn more_relocations_than_the_header_can_count_are_read() {
    let object = Object::assembled(".data\n.rept 70000\n.quad target\n.endr");
    assert_eq!(object.edges(object.blocks(".data")[0]).len(), 70_000);
}

#[test]
fn objects_with_many_sections_are_read() {
    let source: String = (0..70_000).map(|n| format!(".section .text$f{n},\"xr\"\n.globl f{n}\nf{n}: ret\n")).collect();
    let object = Object::read(compile(MSVC, "s", &source, &[]));
    assert_eq!(object.place("f69999"), Some((".text$f69999".into(), 0)));
}

#[test]
fn the_last_section_that_16_bits_can_number_is_found() {
    // Beside .text, .data and .bss.
    let source: String =
        (4..=65_279).map(|n| format!(".section s,\"dr\",discard,f{n}\n.globl f{n}\nf{n}:\n")).collect();
    let object = Object::assembled(&source);
    assert_eq!(object.place("f65279"), Some(("s".into(), 0)));
}

/// B7.12 and B7.13 of docs/coff-cases.md.
#[test]
fn symbols_are_what_their_class_and_section_say() {
    let object = Object::assembled(
        ".globl strong, absolute
         .comm common, 12, 3
         .set absolute, 0x1234
         .text
         nop
         strong: ret
         local: ret",
    );
    assert_eq!((object.symbol("strong").linkage, object.symbol("strong").scope), (Linkage::Strong, Scope::Default));
    assert_eq!(object.place("strong"), Some((".text".into(), 1)));
    assert_eq!(object.symbol("common").linkage, Linkage::Common);
    let common = object.symbol("common").block().unwrap();
    assert_eq!((object.graph.block(common).size, object.graph.block(common).alignment()), (12, 16));
    assert!(matches!(object.symbol("absolute").definition, Definition::Absolute(address) if address.0 == 0x1234));
}

/// B7.12 of docs/coff-cases.md.
#[test]
fn alignments_of_common_symbols_are_raised_by_directives() {
    let object = Object::read(compile(MINGW, "c", "__attribute__((common, aligned(256))) char big[4];", &["-fcommon"]));
    let common = object.symbol("big").block().unwrap();
    assert_eq!(object.graph.block(common).alignment(), 256);
}

/// B7.14 of docs/coff-cases.md.
#[test]
fn symbols_that_only_debuggers_read_are_accepted() {
    let object = Object::assembled(
        ".def .bf; .scl 101; .type 0; .endef
         .def .section_like; .scl 104; .type 0; .endef
         .def end; .scl 255; .type 0; .endef
         .def f; .scl 2; .type 32; .endef
         .globl f
         f: ret",
    );
    assert!(object.symbol("f").callable);
}

/// B7.9 of docs/coff-cases.md.
#[test]
fn weak_externals_yield_as_their_search_says() {
    let with_search = |search: u8| {
        let mut bytes = compile(MSVC, "s", ".weak w\n.set w, fallback\n.globl fallback\nfallback: ret", &[]);
        // The record that describes the symbol holds the index of what it stands for, then the kind of search.
        let records = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
        let count = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
        let weak = (0..count).find(|&index| bytes[records + 18 * index + 16] == 105).unwrap();
        bytes[records + 18 * (weak + 1) + 4] = search;
        bytes
    };
    for search in [1, 3] {
        let object = Object::read(with_search(search));
        assert_eq!((object.symbol("w").linkage, object.symbol("w").scope), (Linkage::Weak, Scope::Default));
        assert!(object.graph.alternates.is_empty());
    }
    for search in [2, 4] {
        let object = Object::read(with_search(search));
        assert!(object.symbol("w").is_external());
        let alternates = object.graph.alternates.iter().map(|it| (object.text(it.name), object.text(it.target)));
        assert_eq!(alternates.collect::<Vec<_>>(), [("w".to_owned(), "fallback".to_owned())]);
    }
    assert!(error(with_search(9)).contains("symbol 'w': its search characteristics 9 are undefined"));
}

#[test]
fn weak_externals_are_told_by_whether_libraries_are_searched() {
    for (flags, header, record) in [(&[][..], [8, 12], 18), (&["-Wa,-mbig-obj"][..], [48, 52], 20)] {
        let source = ".weak v\n.weak w\n.data\n.quad v, w";
        let mut bytes = compile(MINGW, "s", source, flags);
        let [records, count] = header.map(|at| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize);
        // The class is the last but one byte of a record, the kind of search in the next record.
        let is_weak = |index: &usize| bytes[records + record * index + record - 2] == 105;
        let weak: Vec<_> = (0..count).filter(is_weak).collect();
        for (index, search) in weak.iter().zip([3, 1]) {
            bytes[records + record * (index + 1) + 4] = search;
        }
        let found = coff::weak_externals_without_search(&Source::new("x.obj", bytes.clone())).unwrap();
        assert_eq!(found, [Object::read(bytes).id("w")], "{flags:?}");
    }
}

/// B7.9 of docs/coff-cases.md.
#[test]
fn weak_externals_may_stand_for_what_is_elsewhere_or_nowhere() {
    let object = Object::assembled(".weak w\n.set w, elsewhere\n.weak nobody\n.data\n.quad w, nobody");
    let alternates: Vec<_> =
        object.graph.alternates.iter().map(|it| (object.text(it.name), object.text(it.target))).collect();
    // Null is what it stands for unless something defines it.
    let null = ".weak.nobody.default";
    assert!(
        matches!(&*alternates, [(w, _), (nobody, target)] if w == "w" && nobody == "nobody" && target.starts_with(null))
    );
    assert!(object.symbol("w").is_external() && object.symbol("nobody").is_external());
    let target = object.symbol(&alternates[1].1).definition;
    assert!(matches!(target, Definition::Absolute(address) if address.is_null()));
}

/// B7.3, B7.30 and B7.45 of docs/coff-cases.md.
#[test]
fn sections_are_placed_by_their_flags_and_names() {
    let object = Object::assembled(
        ".section .rdata$zzz,\"dr\"\n.long 1
         .section .tls$,\"dw\"\n.long 1
         .section .debug$S,\"dr\"\n.long 1
         .section .drectve,\"yni\"\n.ascii \" \"
         .section .CRT$XIU,\"dr\"\n.quad 1
         .section .CRT$XCT00200,\"dr\"\n.quad 1
         .section .CRT$XLB,\"dr\"\n.quad 1
         .section .CRT$XTZ,\"dr\"\n.quad 1",
    );
    let section = |name: &str| object.graph.section(object.graph.find_section(name).unwrap());
    assert_eq!((section(".rdata$zzz").output_name(), section(".rdata$zzz").grouped), (".rdata", true));
    assert_eq!(section(".tls$").lifetime, Lifetime::ThreadLocal);
    assert_eq!(section(".debug$S").lifetime, Lifetime::NoAlloc);
    assert!(object.graph.find_section(".drectve").is_none());
    let suffix = |text: &[u8]| {
        let mut suffix = [0; 24];
        suffix[..text.len()].copy_from_slice(text);
        suffix
    };
    let orders: Vec<_> = object.graph.initializers.iter().map(|run| run.order).collect();
    assert_eq!(
        orders,
        [
            InitializerOrder::CInit(suffix(b"U")),
            InitializerOrder::CxxInit(suffix(b"T00200")),
            InitializerOrder::ThreadCallback(suffix(b"B")),
            InitializerOrder::Term(suffix(b"Z")),
        ]
    );
}

#[test]
fn pieces_of_tables_are_linked_though_only_their_ends_are_named() {
    let object = Object::assembled(
        ".section table$a,\"dr\"\n.globl start\nstart: .quad 1
         .section table$m,\"dr\"\n.quad 2
         .section table$n,\"dr\",discard,n\n.globl n\nn: .quad 3
         .section .rdata$r,\"dr\"\n.quad 4",
    );
    let retained = object.graph.retained.iter().map(|&block| object.graph.block(block).section);
    let names: Vec<_> = retained.map(|section| object.graph.section(section).name.as_str()).collect();
    assert_eq!(names, ["table$a", "table$m"]);
}

/// B7.32 of docs/coff-cases.md.
#[test]
fn records_of_functions_live_with_their_functions() {
    let source = "__attribute__((noinline)) int f(int *p) { return p[f(p)] + 1; }
                  __attribute__((noinline)) int g(int *p) { return p[g(p)] + 2; }";
    for compiler in [MSVC, MINGW] {
        for flags in [&["-O1"][..], &["-O1", "-ffunction-sections"]] {
            let object = Object::read(compile(compiler, "c", source, flags));
            let function = object.symbol("g").block().unwrap();
            let sections =
                object.graph.dependents(function).map(|block| object.graph.section(object.graph.block(block).section));
            assert!(sections.filter(|section| section.function_records).count() >= 1, "{compiler:?} {flags:?}");
            let records = object.graph.block_ids().filter(|&block| {
                object.graph.section(object.graph.block(block).section).function_records
                    && object.graph.block(block).size == 12
            });
            assert_eq!(records.count(), 2, "{compiler:?} {flags:?}");
        }
    }
}

/// B7.22 and B7.23 of docs/coff-cases.md.
#[test]
fn directives_are_requests() {
    let object = Object::assembled(
        ".section .drectve,\"yni\"
         .ascii \"\\357\\273\\277 /DEFAULTLIB:\\\"LIBCMT\\\" -defaultlib:foo.lib /NODEFAULTLIB:bar /disallowlib:baz\"
         .ascii \" /INCLUDE:wanted /export:f,DATA /export:g=d.f,@7 /failifmismatch:\\\"a=b c\\\" /merge:.x=.y /section:.z,RS /section:.w,!W /entry:e /alternatename:p=q\"
         .ascii \" /stack:1000 /unheard:of nonsense \"",
    );
    let alternate = object.graph.alternates[0];
    assert_eq!((object.text(alternate.name), object.text(alternate.target)), ("p".into(), "q".into()));
    let requests: Vec<String> = object
        .graph
        .requests
        .iter()
        .map(|request| match request {
            Request::DependentLibrary(name) => format!("dependent library {name}"),
            Request::DefaultLibrary(name) => format!("library {name}"),
            Request::NoDefaultLibrary(name) => format!("no library {name:?}"),
            Request::DisallowedLibrary(name) => format!("never library {name}"),
            Request::Include(symbol) => format!("include {}", object.graph.describe_symbol(&object.names, *symbol)),
            Request::Export { name, target } => format!("export {} {}", object.text(*name), object.text(*target)),
            Request::MustMatch { key, value } => format!("{key} is {value}"),
            Request::Merge { from, to } => format!("{from} into {to}"),
            Request::Protect { section, protection } => format!("{section} is {protection}"),
            Request::Share(section) => format!("share {section}"),
            Request::Entry(name) => format!("begin at {}", object.text(*name)),
            Request::Resources(block) => format!("resources in {}", block.0),
            Request::Unknown(word) => format!("unknown {word}"),
            Request::ExecutableStack => "executable stack".into(),
        })
        .collect();
    assert_eq!(
        requests,
        [
            "library libcmt.lib",
            "library foo.lib",
            "no library Some(\"bar.lib\")",
            "never library baz.lib",
            "include wanted",
            "export f f",
            "export g d.f",
            "export #7 d.f",
            "a is b c",
            ".x into .y",
            "share .z",
            ".z is r--",
            "unknown /section:.w,!W",
            "begin at e",
            "unknown /unheard:of",
            "unknown nonsense",
        ]
    );
}

/// B7.15: what symbols there are says nothing about how many sections there are.
#[test]
fn an_object_may_have_more_sections_than_symbols() {
    const SECTIONS: u16 = 5;
    let mut bytes = vec![0x64, 0x86];
    bytes.extend(SECTIONS.to_le_bytes());
    bytes.extend([0; 4]);
    let headers_end = 20 + 40 * u32::from(SECTIONS);
    bytes.extend((headers_end + 4).to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend([0; 4]);
    for number in 1..=SECTIONS {
        let mut header = [0; 40];
        header[..2].copy_from_slice(&[b's', b'0' + u8::try_from(number).unwrap()]);
        header[16..20].copy_from_slice(&4u32.to_le_bytes());
        header[20..24].copy_from_slice(&headers_end.to_le_bytes());
        // Initialized data that can be read.
        header[36..40].copy_from_slice(&0x4000_0040_u32.to_le_bytes());
        bytes.extend(header);
    }
    bytes.extend([1, 2, 3, 4]);
    bytes.extend(*b"last\0\0\0\0");
    bytes.extend([0; 4]);
    bytes.extend(SECTIONS.to_le_bytes());
    bytes.extend([0, 0, 2, 0]);
    bytes.extend(4u32.to_le_bytes());
    let object = Object::read(bytes);
    assert_eq!(object.place("last"), Some(("s5".into(), 0)));
}

/// B7.7: of sections with one name some may be removed and others not.
#[test]
fn each_section_is_linked_as_its_own_flags_say() {
    let object = Object::assembled(
        ".section s,\"nr\"\n.long 1
         .section s,\"dr\",discard,x\n.globl x\nx: .long 2
         .section s,\"dw\",discard,y\n.globl y\ny: .long 3",
    );
    let blocks = object.blocks("s");
    let protections = blocks.iter().map(|&block| object.graph.section(object.graph.block(block).section).protection);
    assert_eq!(protections.collect::<Vec<_>>(), [Protection::Read, Protection::ReadWrite]);
}

/// B7.10: a weak external is code if what it stands for is.
#[test]
fn weak_variables_are_no_functions() {
    let object = Object::assembled(
        ".weak v\n.set v, variable\n.data\n.globl variable\nvariable: .long 1
         .weak f\n.set f, function\n.text\n.def function; .scl 2; .type 32; .endef\n.globl function\nfunction: ret",
    );
    assert!(!object.symbol("v").callable);
    assert!(object.symbol("f").callable);
}

/// B7.16: a name may be included more than once.
#[test]
fn what_is_included_twice_is_one_symbol() {
    let object = Object::assembled(
        ".section .drectve,\"yni\"\n.ascii \" /include:f /include:g /include:f /include:g \"\n.text\n.globl f\nf: ret",
    );
    let included = object.graph.requests.iter().map(|request| match request {
        Request::Include(symbol) => object.graph.describe_symbol(&object.names, *symbol),
        _ => String::new(),
    });
    assert_eq!(included.collect::<Vec<_>>(), ["f", "g", "f", "g"]);
    let named = |name: &str| {
        object.graph.symbol_ids().filter(|&id| object.graph.symbol_name(&object.names, id) == name.as_bytes()).count()
    };
    assert_eq!((named("f"), named("g")), (1, 1));
}

#[test]
fn directories_of_resources_are_kept() {
    for section in [".rsrc", ".rsrc$01"] {
        let object = Object::assembled(&format!(".section {section},\"dr\"\n.long 0"));
        let block = object.blocks(section)[0];
        assert!(object.graph.requests.contains(&Request::Resources(block)), "{section}");
        assert!(object.graph.retained.contains(&block), "{section}");
    }
}

/// LLVM's tools write offsets beyond seven decimal digits in base 64.
#[test]
fn names_of_sections_may_be_at_offsets_in_base_64() {
    let decimal = compile(MSVC, "s", ".section a_long_name,\"dr\"\n.long 1", &[]);
    let at = decimal.windows(3).position(|bytes| bytes == b"/4\0").expect("its header");
    let named = |name: &[u8; 8]| [&decimal[..at], name, &decimal[at + 8..]].concat();
    for (name, expected) in
        [(b"/4\0\0\0\0\0\0", "a_long_name"), (b"//AAAAAE", "a_long_name"), (b"/text\0\0\0", "/text")]
    {
        assert!(Object::read(named(name)).graph.find_section(expected).is_some(), "{expected}");
    }
    for name in [b"////////", b"//AAAA A", b"/9999999"] {
        assert!(error(named(name)).ends_with("has no valid name"), "{name:?}");
    }
}
