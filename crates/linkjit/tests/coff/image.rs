//! Sections and initializers of the image that a JITDylib is.

use linkjit::Source;
use linkjit::{Error, ExecAddr, Jit};
use linkjit_link::arch::Arch;
use linkjit_link::graph::{
    Content, Edge, EdgeKind, InitializerOrder, InitializerSection, Lifetime, LinkGraph, Name, Protection, Scope, Symbol,
};

use crate::{link, value};

/// What the words at a symbol are.
fn words<const N: usize>(jit: &Jit, name: &str) -> [u64; N] {
    let address = jit.lookup(name).unwrap_or_else(|error| panic!("{error}"));
    // SAFETY: the tests define that many words there.
    unsafe { (address.0 as *const [u64; N]).read_unaligned() }
}

/// B7.3: debug information is not linked, so it needs nothing, and what goes with a function neither.
#[test]
fn debug_information_is_not_in_the_process() {
    let function = ".section .data$x,\"dw\",discard,x\n.globl x\nx: .long 5\n";
    let debug = ".section .debug$S,\"dr\",associative,x\n.secrel32 x\n.secidx x\n.quad nobody_has_this\n\
                 .section .debug$T,\"dr\"\n.zero 0x100000\n";
    let jit = link(&[&format!("{function}{debug}")]).unwrap();
    assert_eq!(value(&jit, "x"), 5);
    assert!(jit.session().statistics().objects == 1);
}

/// B7.4: a section of one name may be constant in one place and variable in another; each is what it says.
#[test]
fn sections_of_one_name_may_have_several_protections() {
    let constant = ".section mixed,\"dr\"\n.globl constant\nconstant: .long 1\n";
    let variable = ".section mixed,\"dw\",discard,variable\n.globl variable\nvariable: .long 2\n";
    let user = ".data\n.globl both\nboth: .quad constant, variable\n";
    let jit = link(&[&format!("{constant}{variable}{user}")]).unwrap();
    let [constant, variable] = words(&jit, "both");
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let is_writable = |address: u64| {
        let range = |line: &str| {
            let (start, rest) = line.split_once('-')?;
            let (end, rest) = rest.split_once(' ')?;
            let range = u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?;
            range.contains(&address).then(|| rest.starts_with("rw"))
        };
        maps.lines().find_map(range).expect("it is mapped")
    };
    assert_eq!((is_writable(constant), is_writable(variable)), (false, true));
}

/// B7.5 and B7.6: pieces with one suffix are in link order, however many sections and objects they come from.
#[test]
fn pieces_with_one_suffix_are_in_link_order() {
    let piece = |number: usize| {
        format!(".section list$m,\"dr\",discard,p{number}\n.globl p{number}\np{number}: .quad {number}\n")
    };
    let object = |numbers: std::ops::Range<usize>| numbers.map(piece).collect::<String>();
    let ends = ".section list$a,\"dr\"\n.globl start\nstart: .quad 100\n.section list$z,\"dr\"\n.quad 200\n";
    let all: Vec<String> = (0..12).map(|number| format!("p{number}")).collect();
    let roots = format!(".data\n.globl roots\nroots: .quad start, {}\n", all.join(", "));
    let jit = link(&[&(object(0..5) + ends), &object(5..12), &roots]).unwrap();
    jit.lookup("roots").unwrap();
    let expected: [u64; 14] = [100, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 200];
    assert_eq!(words::<14>(&jit, "start"), expected);
}

/// An object whose initializers in these sections note their numbers, from 1.
fn initializers(sections: &[&str]) -> String {
    let mut source = ".bss\n.globl next\nnext: .zero 8\n.globl order\norder: .zero 64\n.text\n".to_owned();
    for number in 1..=sections.len() {
        source += &format!(
            "f{number}: movq next(%rip), %rax\nleaq order(%rip), %rcx\nmovb ${number}, (%rcx,%rax)\n\
             incq next(%rip)\nxorl %eax, %eax\nret\n"
        );
    }
    for (number, section) in (1..).zip(sections) {
        source += &format!(".section {section},\"dr\"\n.quad f{number}\n");
    }
    source
}

/// B7.5, B7.6 and B7.45: `.CRT$XI*` come before `.CRT$XC*`, both in the order of their whole suffixes, whatever these are.
#[test]
fn initializers_run_in_the_order_of_their_whole_suffixes() {
    let sections = [
        ".CRT$XCU",
        ".CRT$XCA00101",
        ".CRT$XCU2",
        ".CRT$XIC",
        ".CRT$XCt",
        ".CRT$XCAA",
        ".CRT$XIA9",
        ".CRT$XCU",
        ".CRT$XC",
    ];
    let jit = link(&[&initializers(&sections)]).unwrap();
    jit.main().initialize().unwrap();
    let order = words::<8>(&jit, "order").map(u64::to_le_bytes).concat();
    assert_eq!(order[..10], [7, 4, 9, 2, 6, 1, 8, 3, 5, 0]);
}

/// B7.47: initializers go with their object, be they run or not.
#[test]
fn initializers_of_what_is_removed_do_not_run() {
    let jit = link(&[]).unwrap();
    let tracker = jit.create_tracker().unwrap();
    let source = Source::new("gone.obj", crate::assemble(&initializers(&[".CRT$XCU"])));
    tracker.add_object(&source).unwrap();
    // SAFETY: nothing of it was linked.
    unsafe { tracker.remove() }.unwrap();
    jit.main().initialize().unwrap();
    assert_eq!(jit.session().statistics().objects, 0);
    jit.add_object(Source::new("again.obj", crate::assemble(&initializers(&[".CRT$XCU", ".CRT$XCT"])))).unwrap();
    jit.main().initialize().unwrap();
    assert_eq!(words::<1>(&jit, "order"), [0x0102]);
}

/// B7.27: what a displacement does not reach is named with the place, the symbol and what to do about it.
#[test]
fn variables_out_of_reach_are_named_with_the_remedy() {
    // There is no place from where both are in reach.
    let source = ".text\n.globl f\nf: nop\nmovl far_low(%rip), %eax\naddl far_high(%rip), %eax\nret\n";
    let jit = link(&[source]).unwrap();
    jit.main().define_absolute("far_low", ExecAddr(0x10)).unwrap();
    jit.main().define_absolute("far_high", ExecAddr(0x7ff0_0000_0000_0000)).unwrap();
    let error = jit.lookup("f").unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Link(_)), "{text}");
    for part in ["0.obj:.text+0x", "'far_", "__declspec(dllimport)"] {
        assert!(text.contains(part), "{text}");
    }
}

/// Code may refer to a variable of a DLL as to one of its own (GNU's compilers with `-mcmodel=small`).
#[test]
fn variables_elsewhere_are_found_in_reach_and_named_out_of_reach() {
    let source = ".text\n.globl f\nf: nop\nmov elsewhere+4(%rip), %eax\nret\n.data\n.globl own\nown: .long 1, 2";
    let far = link(&[source]).unwrap();
    far.main().define_absolute("elsewhere", ExecAddr(0x6000_0000_0000_0000)).unwrap();
    let error = far.lookup("f").unwrap_err().to_string();
    let said = ["0.obj:.text+0x3: ", " to 'elsewhere' is out of range", "__declspec(dllimport)"];
    assert!(said.iter().all(|said| error.contains(said)), "{error}");
    let near = link(&[source]).unwrap();
    let own = near.lookup("own").unwrap();
    near.main().define_absolute("elsewhere", own).unwrap();
    let code = near.lookup("f").unwrap().0 as *const [u8; 8];
    // SAFETY: the function has that many bytes.
    let code = unsafe { code.read_unaligned() };
    let displacement = i32::from_le_bytes([code[3], code[4], code[5], code[6]]);
    let end = near.lookup("f").unwrap().0 + 7;
    assert_eq!(end.wrapping_add_signed(displacement.into()), own.0 + 4);
}

/// B7.29: graphs that clients make have initializers as those of objects do.
#[test]
fn graphs_of_clients_have_initializers() {
    let mut graph = LinkGraph::new(Source::new("made", []), Arch::X86_64);
    let block = |graph: &mut LinkGraph, name: &str, protection, content: &[u8]| {
        let section = graph.add_section(name, protection, Lifetime::Standard).unwrap();
        graph.add_block(section, Content::Owned(content.into()), 0, 3).unwrap()
    };
    let variable = block(&mut graph, ".data", Protection::ReadWrite, &[0; 8]);
    // movl $7, variable(%rip); xorl %eax, %eax; ret
    let code = block(&mut graph, ".text", Protection::ReadExec, &[0xc7, 5, 0, 0, 0, 0, 7, 0, 0, 0, 0x31, 0xc0, 0xc3]);
    let pointer = block(&mut graph, ".CRT$XCU", Protection::Read, &[0; 8]);
    let to_variable = graph.add_symbol(Symbol::anonymous(variable, 0, 4)).unwrap();
    let function = graph.add_symbol(Symbol::anonymous(code, 0, 13)).unwrap();
    graph.add_edge(code, Edge { offset: 2, kind: EdgeKind::DELTA32, target: to_variable, addend: -8 }).unwrap();
    graph.add_edge(pointer, Edge { offset: 0, kind: EdgeKind::POINTER, target: function, addend: 0 }).unwrap();
    let order = InitializerOrder::CxxInit([0; 24]);
    graph.add_initializers(InitializerSection { block: pointer, order, backwards: false });
    let jit = link(&[]).unwrap();
    let symbol = Symbol {
        name: Name::Interned(jit.session().name_pool().lock().unwrap().intern(b"variable")),
        scope: Scope::Default,
        ..Symbol::anonymous(variable, 0, 4)
    };
    graph.add_symbol(symbol).unwrap();
    jit.main().add_graph(graph).unwrap();
    jit.main().initialize().unwrap();
    assert_eq!(value(&jit, "variable"), 7);
}
