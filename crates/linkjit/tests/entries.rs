//! Table entries, stubs and relaxation: what code gets to reach its targets, and what it does without.
#![cfg(not(windows))]

mod assembly;
mod host;

use std::sync::{Arc, Mutex};

use assembly::{Workshop, call, call_at, call_in, caller, function, getter, source};
use linkjit::{ExecAddr, Jit, LinkedAllocation, MatchScope, Plugin, Result};
use linkjit_link::names::NamePool;
use linkjit_link::passes::entries::{GOT_SECTION, STUBS_SECTION};

/// An address that no window is near.
const FAR: u64 = 0x1234_5678_9abc;

/// Adds up the bytes of table entries and stubs that are linked.
#[derive(Debug, Default)]
struct Entries(Mutex<(u64, u64)>);

impl Entries {
    fn of(jit: &Jit) -> Arc<Self> {
        let entries = Arc::new(Self::default());
        jit.session().add_plugin(entries.clone());
        entries
    }

    /// How many words of tables there are since the last time, and whether there are stubs.
    fn take(&self) -> (u64, bool) {
        let (words, stubs) = std::mem::take(&mut *self.0.lock().unwrap());
        (words / 8, stubs > 0)
    }
}

impl Plugin for Entries {
    fn linked(&self, allocations: &[LinkedAllocation<'_>], _: &Mutex<NamePool>) -> Result<()> {
        let mut bytes = self.0.lock().unwrap();
        for (graph, block) in allocations.iter().flat_map(|allocation| &allocation.blocks) {
            let block = graph.block(*block);
            match graph.section(block.section).name.as_str() {
                GOT_SECTION => bytes.0 += block.size,
                STUBS_SECTION => bytes.1 += block.size,
                _ => {}
            }
        }
        Ok(())
    }
}

/// `long name(void)` that returns the address of `of`, which it loads.
fn address_of(name: &str, of: &str) -> String {
    format!(".section .text.{name},\"ax\"\n.globl {name}\n{name}: mov {of}@GOTPCREL(%rip),%rax\nret\n")
}

fn long_at(address: ExecAddr) -> u64 {
    // SAFETY: the fixtures' functions are of this type.
    let function: extern "C" fn() -> u64 = unsafe { std::mem::transmute(address.0 as *const ()) };
    function()
}

/// Rule 70: entries are made after pruning, once per target, and those for what is outside serve later lookups, too.
#[test]
fn an_entry_is_made_once_and_for_live_code_only() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let entries = Entries::of(&jit);
    for name in ["far", "alias_of_far", "only_dead_code_wants_it"] {
        jit.main().define_absolute(name, ExecAddr(FAR)).unwrap();
    }
    let text = [
        address_of("f", "far"),
        address_of("g", "far"),
        address_of("h", "alias_of_far"),
        address_of("dead", "only_dead_code_wants_it"),
    ];
    jit.add_object(workshop.object(&text.concat())).unwrap();
    let found = jit.main().link(&["f", "g"]).unwrap();
    assert!(found.iter().all(|&address| long_at(address) == FAR));
    assert_eq!(entries.take(), (1, false));
    // An entry stands for an address: other names of it have the same.
    assert_eq!(long_at(jit.lookup("h").unwrap()), FAR);
    assert_eq!(entries.take(), (0, false));
    jit.add_object(workshop.object(&address_of("later", "far"))).unwrap();
    assert_eq!(long_at(jit.lookup("later").unwrap()), FAR);
    assert_eq!(entries.take(), (0, false));
}

/// Rules 15 and 70: what a weak reference does not find has an entry with null, and a stub for calls.
#[test]
fn the_entry_of_what_is_missing_is_null() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let entries = Entries::of(&jit);
    let weak = ".weak missing\n".to_owned() + &address_of("f", "missing") + &address_of("g", "missing");
    jit.add_object(workshop.object(&weak)).unwrap();
    let found = jit.main().link(&["f", "g"]).unwrap();
    assert!(found.iter().all(|&address| long_at(address) == 0));
    assert_eq!(entries.take(), (1, false));
}

/// Rule 71: a call is direct wherever it reaches, whoever defines its target; else it goes through a stub.
#[test]
fn calls_go_through_stubs_to_far_targets_only() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let entries = Entries::of(&jit);
    jit.add_object(workshop.object(&(function("inner", 1) + &caller("same_graph", "inner")))).unwrap();
    assert_eq!(call(&jit, "same_graph").unwrap(), 1);
    assert_eq!(entries.take(), (0, false));
    jit.add_object(workshop.object(&caller("other_graph", "inner"))).unwrap();
    assert_eq!(call(&jit, "other_graph").unwrap(), 1);
    // An address, which happens to be near.
    jit.main().define_absolute("near", jit.lookup("inner").unwrap()).unwrap();
    jit.add_object(workshop.object(&caller("to_near", "near"))).unwrap();
    assert_eq!(call(&jit, "to_near").unwrap(), 1);
    assert_eq!(entries.take(), (0, false));
    extern "C" fn two() -> i32 {
        2
    }
    let (far, near) = (two as *const () as u64, jit.lookup("inner").unwrap().0);
    jit.main().define_absolute("far", ExecAddr(far)).unwrap();
    jit.add_object(workshop.object(&caller("to_far", "far"))).unwrap();
    assert_eq!(call(&jit, "to_far").unwrap(), 2);
    let out_of_reach = i32::try_from(far.wrapping_sub(near).cast_signed()).is_err();
    assert_eq!(entries.take(), (u64::from(out_of_reach), out_of_reach));
}

/// Rule 72: entries for thread-local variables and for addresses are told apart, though one table has them all.
#[test]
fn each_way_to_refer_to_a_target_has_its_own_entry() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let entries = Entries::of(&jit);
    jit.main().define_absolute("far", ExecAddr(FAR)).unwrap();
    let text = ".section .tdata,\"awT\",@progbits\n.globl x\nx: .quad 7\n.text\n\
        .globl f\nf: mov x@GOTTPOFF(%rip),%rax\nmov %fs:(%rax),%rax\nmov x@GOTTPOFF(%rip),%rcx\nadd %fs:(%rcx),%rax\nret\n\
        .globl g\ng: sub $8,%rsp\n.byte 0x66\nlea x@TLSGD(%rip),%rdi\n.byte 0x66,0x66,0x48\ncall __tls_get_addr@PLT\n\
        mov (%rax),%rax\nadd $8,%rsp\nret\n";
    jit.add_object(workshop.object(&(text.to_owned() + &address_of("h", "far")))).unwrap();
    let found = jit.main().link(&["f", "g", "h"]).unwrap();
    assert_eq!(found.into_iter().map(long_at).collect::<Vec<_>>(), [14, 7, FAR]);
    let (words, _) = entries.take();
    // The offset from the thread pointer, module and offset, the address; and perhaps that of `__tls_get_addr`.
    assert!((4..=5).contains(&words), "{words}");
}

/// Rule 73: an instruction that loads from the table does without it if it is one that can and its target is near; others,
/// which compare or add, keep their entry.
#[test]
fn loads_are_relaxed_where_instruction_and_distance_allow() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let entries = Entries::of(&jit);
    let data = ".data\n.globl near\nnear: .quad 5\n.text\n".to_owned();
    let near = data + &address_of("load", "near") + &getter("get", "near");
    jit.add_object(workshop.object(&near)).unwrap();
    assert_eq!(call(&jit, "get").unwrap(), 5);
    let address = jit.lookup("near").unwrap();
    assert_eq!(long_at(jit.lookup("load").unwrap()), address.0);
    assert_eq!(entries.take(), (0, false));
    let adds = ".globl adds\nadds: xor %eax,%eax\nadd near@GOTPCREL(%rip),%rax\nret\n";
    jit.add_object(workshop.object(adds)).unwrap();
    assert_eq!(long_at(jit.lookup("adds").unwrap()), address.0);
    assert_eq!(entries.take(), (1, false));
}

/// Rule 75: a batch that finds no room in one window makes its entries for the next, not in both.
#[test]
fn a_second_try_has_no_second_entry() {
    let workshop = Workshop::new();
    let jit = host::builder().window_size(1 << 20).build().unwrap();
    let entries = Entries::of(&jit);
    jit.main().define_absolute("far", ExecAddr(FAR)).unwrap();
    let large = |name: &str| {
        let space = format!(".section .text.{name}\n.skip 200000\n");
        source(&workshop.object(&(address_of(name, "far") + &space)))
    };
    let mut addresses = Vec::new();
    for number in 0..10 {
        let name = format!("f{number}");
        jit.main().add_object(large(&name)).unwrap();
        addresses.push(jit.lookup(&name).unwrap());
    }
    assert!(addresses.iter().all(|&address| long_at(address) == FAR));
    let windows = jit.session().statistics().windows;
    assert!(windows > 1);
    assert_eq!(entries.take(), (windows, false));
}

/// What is tried again is bound anew, whichever of the batch's entries were made before it failed.
#[test]
fn a_failed_batch_leaves_no_entries_behind() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let low = jit.create_dylib("low").unwrap();
    jit.main().add_to_link_order(&low, MatchScope::Exported).unwrap();
    // Far from `main`'s window, and not to be fixed up at first.
    let text = function("target", 6) + "mov $target,%eax\n.byte small\n";
    low.add_object(workshop.object(&text)).unwrap();
    let tracker = low.create_tracker().unwrap();
    tracker.add_object(source(&workshop.object(".globl small\nsmall = 0x1234\n"))).unwrap();
    jit.add_object(workshop.object(&caller("calls", "target"))).unwrap();
    for _ in 0..3 {
        let error = jit.lookup("calls").unwrap_err().to_string();
        assert!(error.contains("out of range"), "{error}");
    }
    // SAFETY: nothing of it was linked.
    unsafe { tracker.remove() }.unwrap();
    low.add_object(workshop.object(".globl small\nsmall = 0x12\n")).unwrap();
    assert_eq!(call(&jit, "calls").unwrap(), 6);
}

/// What is placed already keeps its entries when what comes next has to be placed elsewhere.
#[test]
fn a_second_try_leaves_other_entries_alone() {
    let workshop = Workshop::new();
    let jit = host::builder().window_size(1 << 20).build().unwrap();
    let other = jit.create_dylib("other").unwrap();
    jit.main().add_to_link_order(&other, MatchScope::Exported).unwrap();
    jit.main().define_absolute("far", ExecAddr(FAR)).unwrap();
    let large = |name: &str, value| function(name, value) + ".skip 200000\n";
    for (name, value) in [("first", 1), ("second", 2)] {
        other.add_object(workshop.object(&large(name, value))).unwrap();
    }
    assert_eq!(call_in(&other, "first").unwrap(), 1);
    let windows = jit.session().statistics().windows;
    jit.add_object(workshop.object(&(address_of("f", "far") + &caller("g", "second")))).unwrap();
    let found = jit.main().link(&["f", "g"]).unwrap();
    // One for `main`, and another one for `other`.
    assert_eq!(jit.session().statistics().windows, windows + 2);
    assert_eq!((long_at(found[0]), call_at(found[1])), (FAR, 2));
}

/// The parts of an object refer to each other directly, so one that holds addresses in 32 bits takes the others along,
/// also those that are linked before; and objects of one JITDylib that are linked at once lie together.
#[test]
fn parts_that_are_linked_apart_reach_each_other() {
    let workshop = Workshop::new();
    let text = ".bss\nx: .long 0\n.section .text.get,\"ax\"\n.globl get\nget: mov x(%rip),%eax\nret\n\
                .section .text.set,\"ax\"\n.globl set\nset: mov $x,%eax\nmovl $4,(%rax)\njmp get\n";
    let jit = host::jit().unwrap();
    jit.add_object(workshop.object(text)).unwrap();
    assert_eq!(call(&jit, "get").unwrap(), 0);
    assert_eq!((call(&jit, "set").unwrap(), call(&jit, "get").unwrap()), (4, 4));

    let jit = host::jit().unwrap();
    let high = ".globl high\nhigh: call low\nadd number(%rip),%eax\nret\n";
    let low = ".globl low, number\nlow: mov $number,%eax\nmov (%rax),%eax\nret\n.data\nnumber: .long 5\n";
    for text in [high, low] {
        let tracker = jit.create_tracker().unwrap();
        tracker.add_object(source(&workshop.object(text))).unwrap();
    }
    assert_eq!(call_at(jit.main().link(&["high"]).unwrap()[0]), 10);
}

/// What is linked of an object goes where its first part is, even if it is linked for one that has to be elsewhere.
#[test]
fn an_object_stays_in_one_window() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let high = ".data\nx: .long 7\n.section .text.get,\"ax\"\n.globl get\nget: .cfi_startproc\nmov x(%rip),%eax\nret\n\
                .cfi_endproc\n.section .text.more,\"ax\"\n.globl more\nmore: .cfi_startproc\nsub $8,%rsp\n\
                .cfi_adjust_cfa_offset 8\ncall get\nadd x(%rip),%eax\nmov back@GOTPCREL(%rip),%rcx\nadd (%rcx),%eax\n\
                add $8,%rsp\nret\n.cfi_endproc\n";
    let low = ".globl low, back\nlow: mov $back,%eax\nmov more@GOTPCREL(%rip),%rcx\njmp more\n.data\nback: .long 100\n";
    jit.add_object(workshop.object(high)).unwrap();
    assert_eq!(call(&jit, "get").unwrap(), 7);
    jit.add_object(workshop.object(low)).unwrap();
    assert_eq!(call(&jit, "low").unwrap(), 114);
    assert!(jit.lookup("low").unwrap().0 < 1 << 31 && jit.lookup("more").unwrap().0 > 1 << 32);
}

/// An entry serves code of its window: that of another one may be out of its reach.
#[test]
fn entries_of_another_window_are_not_shared() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let entries = Entries::of(&jit);
    jit.main().define_absolute("far", ExecAddr(FAR)).unwrap();
    jit.add_object(workshop.object(&address_of("high", "far"))).unwrap();
    assert_eq!(long_at(jit.lookup("high").unwrap()), FAR);
    assert_eq!(entries.take(), (1, false));
    for (name, made) in [("low", 1), ("also_low", 0)] {
        let low = address_of(name, "far") + &format!("mov ${name},%eax\n");
        jit.add_object(workshop.object(&low)).unwrap();
        let address = jit.lookup(name).unwrap();
        assert!(address.0 < 1 << 31);
        assert_eq!((long_at(address), entries.take()), (FAR, (made, false)));
    }
}

/// LLVM relaxes calls and jumps through the table to what is below 4 GiB as if their field held an address.
#[test]
fn calls_and_jumps_through_the_table_reach_low_targets() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let low = jit.create_dylib("low").unwrap();
    // An address in 32 bits: its window is below 2 GiB.
    let text = function("target", 6) + ".globl low\nlow: mov $target,%eax\nret\n";
    low.add_object(workshop.object(&text)).unwrap();
    call_in(&low, "low").unwrap();
    let target = low.link(&["target"]).unwrap()[0];
    assert!(target.0 < 1 << 31);
    jit.main().add_to_link_order(&low, MatchScope::Exported).unwrap();
    let text = ".globl calls\ncalls: sub $8,%rsp\ncall *target@GOTPCREL(%rip)\nadd $8,%rsp\nret\n\
                .globl jumps\njumps: jmp *target@GOTPCREL(%rip)\n";
    jit.add_object(workshop.object(text)).unwrap();
    let found = jit.main().link(&["calls", "jumps"]).unwrap();
    assert!(found.iter().all(|&address| address.0 > 1 << 32), "this window is meant to be far");
    assert!(found.iter().all(|&address| call_at(address) == 6));
}
