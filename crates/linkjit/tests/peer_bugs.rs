//! Bugs that were found in LLVM's session by testing or reading, and what ours does. Those that other tests show are
//! listed here by what goes wrong there:
//!
//! | in LLVM | here |
//! |---|---|
//! | names claimed while materializing outlive their tracker | units: `all_that_a_unit_has_made_goes_with_its_tracker` |
//! | removing the loser's tracker removes the winner | dependents: `the_removal_of_what_was_replaced_leaves_what_has_replaced_it` |
//! | lookups that wait for what is removed hang | units: `what_a_removed_tracker_owns_is_not_materialized` |
//! | failed symbols are in the way of new definitions | units: `a_unit_that_fails_frees_its_names` |
//! | a lookup that fails half-way leaves states changed | lookups: `a_lookup_that_fails_starts_nothing_and_names_all_that_is_missing` |
//! | a half-failed define is not rolled back | dylibs: `a_duplicate_strong_definition_installs_nothing_of_its_object` |
//! | platforms are not told of removals | plugins: `plugins_are_told_what_is_linked_and_what_is_removed` |
//! | initializers of graphs made by hand are not found | initializers |
//! | plugins are not told of some failures | plugins: `every_plugin_is_told_that_a_batch_has_failed` |
//! | the list of plugins is read without its lock | plugins: `plugins_come_and_go_while_others_link` |
//! | threads may be in removed code | retire |
//! | absolute symbols are dropped, IFUNCs unsupported | dylibs: `absolute_symbols_of_objects_may_be_weak_and_are_found`, `indirect_and_unique_symbols_are_resolved` |
//! | groups are taken apart | dylibs: `a_group_is_dropped_whole` |
//! | weak references pull archive members; which member is first | dylibs: `members_are_pulled_for_strong_references_only`, `archives_of_all_kinds_give_the_first_member_that_has_a_name` |
//! | priorities count within an object only | initializers |
#![cfg(not(windows))]

//! | relaxed calls and jumps to what is below 4 GiB go astray | entries: `calls_and_jumps_through_the_table_reach_low_targets` |
//! | ranges are tested off by 8 | link, `relax`: `mov_becomes_lea_to_the_very_edge_of_its_range`; jitlink cases `*-range` |
//! | errors about ranges name the wrong address | failures: `a_relocation_out_of_range_and_then_a_near_definition` |
//! | split blocks leave symbols that are too large | link, `graph::edit`: `symbols_and_edges_go_with_their_bytes` |
//! | signed pointers in unwind records are read unsigned | link, `passes::eh_frame`: edges say what records refer to |
//! | initial-exec, local-exec, local-dynamic and descriptors are unsupported | run: `relocations.s`, `tls_models.c` |
//! | thread-local variables are misaligned, and stay | thread_local |
//! | sections are neither retained nor ordered | link, `elf_reader`: `retained_sections_are_retained`, ... |
//! | memory that is given back can't be used again | memory: `memory_of_older_windows_is_used_again` |
//! | memory is leaked if a lookup fails | failures, memory: `a_protection_that_is_refused_leaves_nothing` |
//! | weak definitions of several JITDylibs | dylibs: `weak_definitions_are_unified_within_a_jitdylib_only` |
//!
//! A second symbol table is an error here, too: ELF does not allow one. Where LLVM does not read debug sections, neither
//! do we.

mod assembly;
mod host;

use std::sync::{Arc, Mutex};

use assembly::{Workshop, call, call_in, caller, function, getter, source};
use linkjit::executor::AllocationId;
use linkjit::{
    AbsoluteSymbols, DefinitionGenerator, Error, ExecAddr, FunctionUnit, JitDylib, LinkedAllocation, PassLists, Plugin,
    Result, Stage, SymbolFlags, UnitInterface, Wanted,
};
use linkjit_link::graph::LinkGraph;
use linkjit_link::names::NamePool;

/// LLVM dereferences the allocation that such a graph does not have.
#[test]
fn a_pass_fails_in_a_graph_without_memory() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let comment = ".section .comment, \"\", @progbits\n.asciz \"nothing to load\"\n.globl answer\nanswer = 42\n";
    jit.add_object(workshop.object(comment)).unwrap();
    jit.session().add_plugin(Arc::new(|_: &LinkGraph, passes: &mut PassLists| {
        passes.add(Stage::PrePrune, |_, _| Err(Error::other("no")));
    }));
    // It has its address from the beginning: nothing is linked.
    assert_eq!(jit.lookup("answer").unwrap(), ExecAddr(42));
    jit.add_object(workshop.object(&function("f", 1))).unwrap();
    for _ in 0..3 {
        assert!(matches!(jit.lookup("f"), Err(Error::Other(_))));
    }
}

/// LLVM leaks the memory of a graph whose finalization fails.
#[test]
fn what_fails_after_it_is_finalized_gives_its_memory_back() {
    struct Refuses(Mutex<usize>);
    impl Plugin for Refuses {
        fn linked(&self, allocations: &[LinkedAllocation<'_>], _: &Mutex<NamePool>) -> Result<()> {
            assert!(!allocations.is_empty());
            let mut left = self.0.lock().unwrap();
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => return Ok(()),
            }
            Err(Error::other("no"))
        }
    }
    let workshop = Workshop::new();
    // A quarter of the window, which would soon be full.
    let jit = host::builder().window_size(1 << 22).build().unwrap();
    let space = format!("{}.comm space, {}, 8\n", getter("f", "space"), 1 << 20);
    jit.add_object(workshop.object(&space)).unwrap();
    jit.session().add_plugin(Arc::new(Refuses(Mutex::new(20))));
    for _ in 0..20 {
        assert!(matches!(jit.lookup("f"), Err(Error::Other(_))));
    }
    assert_eq!(call(&jit, "f").unwrap(), 0);
    assert_eq!(jit.session().statistics().windows, 1);
}

/// LLVM sorts blocks of one section by size and then by hash.
#[test]
fn a_section_of_many_pieces_keeps_its_order() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let piece = |n: usize| {
        let bytes = (0..=n % 5).map(|_| n.to_string()).collect::<Vec<_>>().join(", ");
        format!(".section list, \"aR\", @progbits, unique, {n}\n.byte {bytes}\n")
    };
    let pieces: String = (1..=100).map(piece).collect();
    let bounds =
        ".text\n.globl first, last\nfirst: lea __start_list(%rip), %rax\nret\nlast: lea __stop_list(%rip), %rax\nret\n";
    jit.add_object(workshop.object(&(pieces + bounds))).unwrap();
    let [first, last] = ["first", "last"].map(|name| {
        // SAFETY: they return pointers.
        let function = unsafe { jit.lookup_fn::<extern "C" fn() -> *const u8>(name) }.unwrap();
        function()
    });
    let len = last.addr() - first.addr();
    // SAFETY: that is where the section is.
    let list = unsafe { std::slice::from_raw_parts(first, len) };
    let expected: Vec<u8> = (1..=100u8).flat_map(|n| vec![n; usize::from(n % 5) + 1]).collect();
    assert_eq!(list, expected);
}

/// LLVM takes a new key of the system's thread-local storage for each object, of which there are 1024.
#[test]
fn any_number_of_objects_have_thread_local_variables() {
    let (workshop, jit) = (Workshop::new(), host::builder().window_size(1 << 20).build().unwrap());
    let text = ".section .tdata, \"awT\", @progbits\nx: .long 7\n.text\n.globl f\nf: sub $8, %rsp\n\
        .byte 0x66\nlea x@TLSGD(%rip), %rdi\n.byte 0x66, 0x66, 0x48\ncall __tls_get_addr@PLT\nmov (%rax), %eax\nadd $8, %rsp\nret\n";
    let object = source(&workshop.object(text));
    for n in 0..1100 {
        let dylib = jit.create_dylib(&n.to_string()).unwrap();
        dylib.add_object(&object).unwrap();
        assert_eq!(call_in(&dylib, "f").unwrap(), 7);
    }
}

/// LLVM rejects augmentations of unwind records that it does not know, and versions other than 1.
#[test]
fn unwind_records_of_signal_frames_and_of_version_3_are_linked() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let signal_frame = function("f", 1).replacen("f:", "f: .cfi_startproc\n.cfi_signal_frame\n", 1) + ".cfi_endproc\n";
    jit.add_object(workshop.object(&signal_frame)).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
    // A CIE of version 3: the return address register is a LEB128 there.
    let record = ".text\n.globl g\ng: mov $2, %eax\nret\n.section .eh_frame, \"a\", @unwind\n\
        0: .long 2f - 1f\n1: .long 0\n.byte 3\n.asciz \"zR\"\n.uleb128 1\n.sleb128 -8\n.uleb128 16\n.uleb128 1\n.byte 0x1b\n\
        .byte 0x0c, 7, 8, 0x90, 1\n.balign 8, 0\n2: .long 4f - 3f\n3: .long 3b - 0b\n.long g - .\n.long 6\n.uleb128 0\n\
        .balign 8, 0\n4:\n";
    jit.add_object(workshop.object(record)).unwrap();
    assert_eq!(call(&jit, "g").unwrap(), 2);
}

/// LLVM's slabs refuse alignments beyond a page.
#[test]
fn sections_may_be_aligned_to_more_than_a_page() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let aligned = [
        (".data,\"aw\"", "written", 1 << 16),
        (".rodata,\"a\"", "read", 1 << 14),
        (".text,\"ax\"", "code", 1 << 13),
        (".bss,\"aw\",@nobits", "zeros", 1 << 15),
    ];
    let text: String = aligned
        .map(|(section, name, align)| {
            format!(".section {section}\n.skip 8\n.balign {align}\n.globl {name}\n{name}: .skip 8\n")
        })
        .concat();
    jit.add_object(workshop.object(&text)).unwrap();
    for (_, name, align) in aligned {
        assert!(jit.lookup(name).unwrap().0.is_multiple_of(align), "{name}");
    }
}

/// Rule 91: whatever of the user's is called, the session can be used there. What it must not do is an error.
#[test]
fn user_code_is_called_with_nothing_locked() {
    fn use_session(dylib: &JitDylib) {
        let session = dylib.session();
        assert!(session.dump().contains("JITDylib 'main'"));
        let _ = (session.statistics(), session.dylibs(), dylib.link_order().unwrap(), dylib.name());
        drop(session.name_pool().lock().unwrap());
        let tracker = dylib.create_tracker().unwrap();
        let name = format!("made {:?}", std::time::Instant::now());
        let made = AbsoluteSymbols::new([(name.as_str(), ExecAddr(1), SymbolFlags::FUNCTION)]);
        tracker.define(made).unwrap();
    }
    struct Uses(JitDylib);
    impl Plugin for Uses {
        fn add_passes(&self, _: &LinkGraph, passes: &mut PassLists) {
            use_session(&self.0);
            for stage in [Stage::PrePrune, Stage::PostPrune, Stage::PostAllocation, Stage::PreFixup, Stage::PostFixup] {
                let dylib = self.0.clone();
                passes.add(stage, move |_, _| {
                    use_session(&dylib);
                    assert!(matches!(dylib.link(&["nobody defines this"]), Err(Error::Reentrant)));
                    Ok(())
                });
            }
        }

        fn linked(&self, _: &[LinkedAllocation<'_>], _: &Mutex<NamePool>) -> Result<()> {
            use_session(&self.0);
            Ok(())
        }

        fn failed(&self) {
            use_session(&self.0);
        }

        fn removed(&self, _: AllocationId) {
            use_session(&self.0);
        }
    }
    #[derive(Debug)]
    struct Generates;
    impl DefinitionGenerator for Generates {
        fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<()> {
            use_session(dylib);
            for wanted in names.iter().filter(|wanted| wanted.name == b"generated") {
                dylib.define_alias(wanted.name, "promised")?;
            }
            Ok(())
        }

        fn describe(&self) -> String {
            "what generates".into()
        }
    }
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    jit.session().add_plugin(Arc::new(Uses(jit.main().clone())));
    jit.main().add_generator(Arc::new(Generates)).unwrap();
    let object = source(&workshop.object(&function("promised", 3)));
    let interface = UnitInterface::new([("promised", SymbolFlags::FUNCTION)]);
    let unit = FunctionUnit::new("the unit", interface, move |responsibility| {
        use_session(responsibility.dylib());
        responsibility.add_object(&object)
    });
    jit.main().define(unit).unwrap();
    let tracker = jit.create_tracker().unwrap();
    tracker.add_object(source(&workshop.object(&caller("f", "generated")))).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 3);
    jit.add_object(workshop.object(&caller("fails", "missing"))).unwrap();
    jit.lookup("fails").unwrap_err();
    // SAFETY: nobody uses it any more.
    unsafe { tracker.remove().unwrap() };
}
