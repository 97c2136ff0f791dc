//! COMDAT sections: groups, leaders, what goes with them.

use linkjit_link::graph::{Linkage, Selection};

use crate::{MINGW, MSVC, Object, compile, error};

/// A COMDAT section `.data$x` with `leader` in front of `after`.
fn section(selection: &str, leader: &str, body: &str) -> String {
    format!(".section .data$x,\"dw\",{selection},{leader}\n.globl {leader}\n{body}\n")
}

fn selection(selection: &str) -> Selection {
    let object = Object::assembled(&section(selection, "x", "x: .long 1, 2"));
    assert_eq!(object.symbol("x").linkage, Linkage::Strong);
    let [group] = object.graph.groups.as_slice() else { panic!("one group") };
    assert_eq!(object.text(group.signature), "x");
    group.selection
}

/// B7.20 of docs/coff-cases.md.
#[test]
fn every_selection_is_a_group_that_can_be_checked() {
    assert_eq!(selection("one_only"), Selection::NoDuplicates);
    assert_eq!(selection("discard"), Selection::Any);
    assert_eq!(selection("same_size"), Selection::SameSize(8));
    assert_eq!(selection("largest"), Selection::Largest(8));
    assert!(matches!(selection("same_contents"), Selection::ExactMatch(_)));
    let refused = error(compile(MSVC, "s", &section("newest", "x", "x: .long 1"), &[]));
    assert!(refused.contains("COMDAT selection NEWEST"), "{refused}");
}

#[test]
fn contents_tell_exact_matches_apart() {
    let hash = |body: &str| {
        let object = Object::assembled(&section("same_contents", "x", body));
        object.graph.groups[0].selection
    };
    assert_eq!(hash("x: .long 1"), hash("x: .long 1"));
    assert_ne!(hash("x: .long 1"), hash("x: .long 2"));
    assert_ne!(hash("x: .quad a"), hash("x: .quad 0"));
}

/// B7.17 of docs/coff-cases.md.
#[test]
fn leaders_may_be_behind_the_start_and_not_alone() {
    let body = "before: .quad type\nx: .quad f\n.globl alias\nalias = x";
    let object = Object::assembled(&(section("discard", "x", body) + ".data\n.quad x"));
    let [group] = object.graph.groups.as_slice() else { panic!("one group") };
    assert_eq!(object.place("x"), Some((".data$x".into(), 8)));
    assert_eq!(object.place("alias"), Some((".data$x".into(), 8)));
    assert_eq!(object.symbol("x").block(), Some(group.blocks[0]));
}

/// B7.21 of docs/coff-cases.md.
#[test]
fn associated_sections_go_with_theirs_through_chains() {
    let source = section("discard", "x", "x: .long 1")
        + ".section .first,\"dr\",associative,x\n.long 2\n.section .CRT$XCU,\"dr\",associative,x\n.quad f\n";
    let object = Object::assembled(&source);
    let [group] = object.graph.groups.as_slice() else { panic!("one group") };
    assert_eq!(group.blocks.len(), 3);
    let parent = object.symbol("x").block().unwrap();
    let children: Vec<_> = object.graph.dependents(parent).collect();
    assert!(children.contains(&object.blocks(".first")[0]) && children.contains(&object.blocks(".CRT$XCU")[0]));
    // They are no roots: what refers to their parent brings them.
    assert!(object.graph.retained.is_empty());
    assert_eq!(object.graph.initializers.len(), 1);
}

/// `#pragma init_seg` makes the initializer of a variable go with the section that has the variable, which is `.bss` or
/// `.data` as a rule: no COMDAT section.
#[test]
fn sections_associated_with_ordinary_ones_are_ordinary() {
    let associated = |parent: &str, name: &str, leader: &str| {
        format!(".section {name},\"dr\",associative,{parent}\n{leader}: .quad f\n")
    };
    let source = [
        ".data\nx: .long 1\n.section .mark,\"dr\"\nmark: .long 2\n".to_owned(),
        associated("x", ".CRT$XCL", "initializer"),
        associated("mark", ".table$m", "entry"),
        // Through a chain, behind one that goes with a COMDAT section.
        section("discard", "chosen", "chosen: .long 3"),
        associated("chosen", ".CRT$XIA", "dependent"),
        associated("chosen", ".table$n", "other"),
        associated("initializer", ".CRT$XTB", "end"),
    ];
    let object = Object::assembled(&source.concat());
    let retained: Vec<_> = object.graph.retained.to_vec();
    for name in [".CRT$XCL", ".CRT$XTB", ".table$m"] {
        assert!(retained.contains(&object.blocks(name)[0]), "{name} {retained:?}");
    }
    assert_eq!(retained.len(), 3);
    assert_eq!(object.graph.initializers.len(), 3);
}

/// B7.31 of docs/coff-cases.md.
#[test]
fn gnu_tables_go_with_the_function_of_their_name() {
    let source = "template <class T> __attribute__((noinline)) T *f(T *p) { return p + *f(p); }
                  int *g(int *p) { return f(p); }";
    let object = Object::read(compile(MINGW, "c++", source, &["-O1"]));
    let function = object.symbol("_Z1fIiEPT_S1_").block().unwrap();
    let group = object.graph.groups.iter().find(|group| group.blocks.contains(&function)).expect("its group");
    assert!(group.blocks.len() >= 3, "{:?}", group.blocks);
}

/// B7.18 of docs/coff-cases.md.
#[test]
fn sections_with_a_static_leader_are_the_object_s_own() {
    let object = Object::assembled(".section .data$x,\"dw\",discard,own\nown: .long 1\n.data\n.quad own");
    assert!(object.graph.groups.is_empty());
    assert_eq!(object.place("own"), Some((".data$x".into(), 0)));
}

/// B7.19: what refers to the section of a leader that is not at its start refers to the section.
#[test]
fn references_to_a_section_are_to_its_start() {
    let body = "before: .quad 1\nx: .quad f\n.section .rdata,\"dr\"\n.quad before, x";
    let object = Object::assembled(&section("discard", "x", body));
    let edges = object.edges(object.blocks(".rdata")[0]);
    let offset = |edge: &str| {
        let target = edge.split_whitespace().nth(2).unwrap_or_default();
        object.place(target).map(|(_, offset)| offset)
    };
    assert_eq!(edges.iter().map(|edge| offset(edge)).collect::<Vec<_>>(), [Some(0), Some(8)], "{edges:?}");
}

/// B7.21: a section that goes with one that does not exist is refused; one that goes with one that is not linked lives as
/// long as what refers to it.
#[test]
fn sections_may_go_with_what_is_not_linked_but_exists() {
    let source =
        section("discard", "x", "x: .long 1") + ".section .c,\"dr\",associative,x\nchild: .long 2\n.quad child";
    let mut bytes = compile(MSVC, "s", &source, &[]);
    let records = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    let count = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let describing = |&index: &usize| bytes[records + 18 * index..][14] == 5 && bytes[records + 18 * index..][12] != 0;
    let record = records + 18 * (0..count).rfind(describing).unwrap();
    let parent = usize::from(bytes[record + 12]);
    bytes[record + 12] = 99;
    let refused = error(bytes.clone());
    assert!(
        refused.contains(".c: malformed COMDAT section: it is associated with section 99, which does not exist"),
        "{refused}"
    );
    // The parent is removed: IMAGE_SCN_LNK_REMOVE.
    bytes[record + 12] = u8::try_from(parent).unwrap();
    bytes[20 + 40 * (parent - 1) + 37] |= 0x08;
    let object = Object::read(bytes);
    assert!(object.blocks(".data$x").is_empty());
    assert_eq!(object.place("child"), Some((".c".into(), 0)));
}
