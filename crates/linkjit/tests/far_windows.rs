//! Code of one program in windows that do not reach each other: calls go through stubs, data through table entries.
#![cfg(not(windows))]

mod assembly;
mod host;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use assembly::{Workshop, call, call_at, call_in, function, source};
use linkjit::executor::{ExecRange, MemoryProvider, Placement, Protection, Result, SystemMemory};
use linkjit::{ExecAddr, Jit, MatchScope};

/// The system's memory, of which every other window is in low memory, far from the rest.
#[derive(Debug, Default)]
struct Alternating(AtomicU64);

// SAFETY: all is the system's memory.
unsafe impl MemoryProvider for Alternating {
    fn reserve(&self, size: u64, placement: Placement) -> Result<ExecRange> {
        let is_low = self.0.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        SystemMemory.reserve(size, if is_low { Placement::Low } else { placement })
    }

    fn commit(&self, pages: ExecRange) -> Result<()> {
        SystemMemory.commit(pages)
    }

    fn protect(&self, pages: ExecRange, protection: Protection) -> Result<()> {
        SystemMemory.protect(pages, protection)
    }

    fn recycle(&self, pages: ExecRange, was: Protection) -> Result<()> {
        SystemMemory.recycle(pages, was)
    }

    fn release(&self, window: ExecRange) {
        SystemMemory.release(window);
    }
}

/// A window has room for one object of [`large`].
fn jit() -> Jit {
    host::builder().memory(Arc::new(Alternating::default())).window_size(1 << 18).build().unwrap()
}

/// A function of 40 KiB that returns what `callee` does and what is in the variable of `reads`; its own is 1000.
fn large(name: &str, callee: &str, reads: &str) -> String {
    format!(
        ".section .text.{name},\"ax\"\n.globl {name}\n{name}: .cfi_startproc\nsub $8,%rsp\n.cfi_adjust_cfa_offset 8\n\
         call {callee}\nmov v_{reads}@GOTPCREL(%rip),%rcx\nadd (%rcx),%eax\nadd $8,%rsp\nret\n.cfi_endproc\n\
         .skip 40000\n.section .data.v_{name},\"aw\"\n.globl v_{name}\nv_{name}: .long 1000\n"
    )
}

fn are_far(one: ExecAddr, other: ExecAddr) -> bool {
    one.0.abs_diff(other.0) > 1 << 31
}

#[test]
fn jitdylibs_call_and_read_each_other() {
    let (workshop, jit) = (Workshop::new(), jit());
    let dylibs = ["a", "b"].map(|name| jit.create_dylib(name).unwrap());
    for (one, other) in [(0, 1), (1, 0)] {
        dylibs[one].add_to_link_order(&dylibs[other], MatchScope::Exported).unwrap();
    }
    dylibs[0].add_object(workshop.object(&(function("f", 1) + &large("g", "h", "h")))).unwrap();
    dylibs[1].add_object(workshop.object(&large("h", "f", "g"))).unwrap();
    let found = dylibs[0].link(&["g", "h"]).unwrap();
    assert!(are_far(found[0], found[1]));
    assert_eq!(call_at(found[0]), 2001);
}

#[test]
fn a_full_window_is_followed_by_one_that_is_far() {
    let (workshop, jit) = (Workshop::new(), jit());
    jit.add_object(workshop.object(&(function("f", 1) + &large("f0", "f", "f0")))).unwrap();
    let mut found = vec![jit.lookup("f0").unwrap()];
    for number in 1..8 {
        let (name, before) = (format!("f{number}"), format!("f{}", number - 1));
        // The variable of the one before is linked now, where its function is.
        jit.add_object(workshop.object(&large(&name, &before, &before))).unwrap();
        found.push(jit.lookup(&name).unwrap());
    }
    assert!(are_far(found[0], found[1]));
    assert_eq!(call_at(found[7]), 8001);
}

/// What is placed first has been told that the others come to lie beside it.
#[test]
fn objects_of_one_batch_that_find_no_room_together_reach_each_other() {
    let (workshop, jit) = (Workshop::new(), jit());
    // The window that this makes has room for one of them.
    jit.add_object(workshop.object(&function("before", 1))).unwrap();
    jit.lookup("before").unwrap();
    for number in 0..6 {
        let (name, next) = (format!("f{number}"), format!("f{}", number + 1));
        let text = if number < 5 { large(&name, &next, &next) } else { function("f", 1) + &large(&name, "f", "f0") };
        let tracker = jit.create_tracker().unwrap();
        tracker.add_object(source(&workshop.object(&text))).unwrap();
    }
    let found = jit.main().link(&["f0", "f1", "f2", "f3", "f4", "f5"]).unwrap();
    assert!(are_far(found[0], found[1]));
    assert_eq!(call_at(found[0]), 6001);
}

#[test]
fn what_refers_to_data_directly_goes_to_the_window_of_the_data() {
    let (workshop, jit) = (Workshop::new(), jit());
    for name in ["f0", "f1"] {
        let text = if name == "f0" { function("f", 1) } else { String::new() };
        jit.add_object(workshop.object(&(text + &large(name, "f", name)))).unwrap();
        jit.lookup(name).unwrap();
    }
    for name in ["f0", "f1"] {
        let direct = format!(".globl of_{name}\nof_{name}: mov v_{name}(%rip),%eax\nret\n");
        jit.add_object(workshop.object(&direct)).unwrap();
        assert_eq!(call(&jit, &format!("of_{name}")).unwrap(), 1000);
    }
}

/// Code for executables finds data of other JITDylibs in its reach that is linked for it.
#[test]
fn what_low_code_refers_to_directly_is_linked_in_low_memory() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let [data, more] = ["data", "more"].map(|name| jit.create_dylib(name).unwrap());
    for other in [&data, &more] {
        jit.main().add_to_link_order(other, MatchScope::Exported).unwrap();
    }
    data.add_to_link_order(&more, MatchScope::Exported).unwrap();
    data.add_object(workshop.object(&(function("high", 3) + ".data\n.globl v\nv: .long 40\n"))).unwrap();
    more.add_object(workshop.object(".data\n.globl w\nw: .long 2\n")).unwrap();
    let through = ".globl through\nthrough: mov w(%rip),%eax\nret\n";
    data.add_object(workshop.object(through)).unwrap();
    let text = ".globl f\nf: sub $8,%rsp\ncall through\nadd v,%eax\nmov $v,%ecx\nadd (%rcx),%eax\nadd $8,%rsp\nret\n";
    jit.add_object(workshop.object(text)).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 82);
    assert_eq!(call_in(&data, "high").unwrap(), 3);
}
