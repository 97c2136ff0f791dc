//! When a symbol is ready: when all that it reaches is, on whatever way, or not at all.
#![cfg(not(windows))]

mod assembly;
mod host;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use assembly::{Workshop, call, call_in, caller, function, getter, source, undefined_names};
use linkjit::{Error, Jit, JitDylib, MatchScope, MemoryUse, PassLists, Stage};
use linkjit_link::graph::LinkGraph;

/// Rules 45 to 47: what a function needs is found through local data and code without a name, through table entries and
/// stubs that the linker makes, and through its unwind record.
#[test]
fn a_function_waits_for_all_that_it_reaches() {
    let ways = [
        ("a call", "call needed@PLT".to_owned(), ""),
        ("a table entry", "mov needed@GOTPCREL(%rip),%rax".into(), ""),
        ("local data", "lea 1f(%rip),%rax".into(), ".section .data.rel,\"aw\"\n1: .quad needed\n"),
        (
            "data that data refers to",
            "lea 1f(%rip),%rax".into(),
            ".section .data.one,\"aw\"\n1: .quad 2f\n.section .data.two,\"aw\"\n2: .quad needed+8\n",
        ),
        ("local code", "call 1f".into(), ".section .text.cold,\"ax\"\n1: jmp needed@PLT\n"),
        (
            "the personality routine",
            ".cfi_personality 0x9b,1f".into(),
            ".section .data.DW.ref,\"aw\"\n1: .quad needed\n",
        ),
        ("the table of exceptions", ".cfi_lsda 0x1b,1f".into(), ".section .lsda,\"a\"\n1: .quad needed-.\n"),
    ];
    let workshop = Workshop::new();
    for (way, code, rest) in ways {
        let text = format!(
            ".section .text.f,\"ax\"\n.globl f\nf: .cfi_startproc\nmov $1,%eax\nret\n{code}\n.cfi_endproc\n{rest}"
        );
        let jit = host::jit().unwrap();
        let other = jit.create_dylib("other").unwrap();
        jit.main().add_to_link_order(&other, MatchScope::Exported).unwrap();
        jit.add_object(workshop.object(&text)).unwrap();
        assert_eq!(undefined_names(jit.lookup("f").unwrap_err()), ["needed"], "{way}");
        // What it finds is not ready either as long as that lacks something.
        other.add_object(workshop.object(&caller("needed", "deeper"))).unwrap();
        assert_eq!(undefined_names(jit.lookup("f").unwrap_err()), ["deeper"], "{way}");
        assert_eq!(jit.session().statistics().batches, 0, "{way}");
        jit.add_object(workshop.object(&function("unrelated", 2))).unwrap();
        assert_eq!(call(&jit, "unrelated").unwrap(), 2);
        other.add_object(workshop.object(&function("deeper", 3))).unwrap();
        assert_eq!(call(&jit, "f").unwrap(), 1, "{way}");
        assert_eq!(call_in(&other, "needed").unwrap(), 3, "{way}");
        assert_eq!(jit.session().statistics().batches, 2, "{way}");
    }
}

/// Two JITDylibs that search each other, with functions that refer to each other.
fn circle(workshop: &Workshop, extra: &str) -> (Jit, JitDylib) {
    let jit = host::jit().unwrap();
    let other = jit.create_dylib("other").unwrap();
    jit.main().add_to_link_order(&other, MatchScope::Exported).unwrap();
    other.add_to_link_order(jit.main(), MatchScope::Exported).unwrap();
    let half = |name: &str, callee: &str, value: i32, extra: &str| {
        format!("{}.data\n.quad {callee}\n{extra}", getter(name, &format!("{name}.value")))
            + &format!(".data\n{name}.value: .long {value}\n.quad {callee}\n.globl {name}.value\n")
    };
    jit.add_object(workshop.object(&half("a", "b", 1, ""))).unwrap();
    other.add_object(workshop.object(&half("b", "a", 2, extra))).unwrap();
    (jit, other)
}

/// Rules 48 and 49: what needs one another is ready at once, or fails as one; and what failed can be had when the
/// reason is gone.
#[test]
fn a_circle_is_ready_or_fails_as_one() {
    let workshop = Workshop::new();
    let (jit, other) = circle(&workshop, "");
    assert_eq!(call(&jit, "a").unwrap(), 1);
    // The other half is linked already.
    assert_eq!((call_in(&other, "b").unwrap(), jit.session().statistics().batches), (2, 1));

    let (jit, other) = circle(&workshop, ".byte too_large\n");
    for _ in 0..3 {
        for error in [jit.lookup("a").unwrap_err(), other.link(&["b"]).unwrap_err()] {
            assert_eq!(undefined_names(error), ["too_large"]);
        }
    }
    let tracker = other.create_tracker().unwrap();
    tracker.add_object(source(&workshop.object(".globl too_large\ntoo_large = 0x1234\n"))).unwrap();
    // Found while fixing up: everything has memory by then.
    for error in [jit.lookup("a").unwrap_err(), other.link(&["b"]).unwrap_err()] {
        assert!(error.to_string().contains("out of range"), "{error}");
    }
    let none = MemoryUse::default();
    assert_eq!((jit.main().memory().unwrap().code, other.memory().unwrap().code), (none.code, none.code));
    // SAFETY: nothing of it was linked.
    unsafe { tracker.remove() }.unwrap();
    other.add_object(workshop.object(".globl too_large\ntoo_large = 0x12\n")).unwrap();
    assert_eq!((call(&jit, "a").unwrap(), call_in(&other, "b").unwrap()), (1, 2));
}

/// Rule 50: who removes a tracker while its code is linked waits for that, and takes it along.
#[test]
fn a_tracker_that_is_removed_meanwhile_leaves_nothing() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let tracker = jit.create_tracker().unwrap();
    tracker.add_object(source(&workshop.object(&function("f", 1)))).unwrap();
    let (removal, is_asked) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
    let (thread, asked, owner) = (removal.clone(), is_asked.clone(), tracker.clone());
    jit.session().add_plugin(Arc::new(move |graph: &LinkGraph, passes: &mut PassLists| {
        if graph.find_section(".text").is_none() || asked.swap(true, Ordering::Relaxed) {
            return;
        }
        let (thread, owner) = (thread.clone(), owner.clone());
        passes.add(Stage::PreFixup, move |_, _| {
            let owner = owner.clone();
            // SAFETY: nobody calls its code.
            *thread.lock().unwrap() = Some(std::thread::spawn(move || unsafe { owner.remove() }));
            Ok(())
        });
    }));
    jit.main().link(&["f"]).unwrap();
    let removal = removal.lock().unwrap().take().unwrap();
    removal.join().unwrap().unwrap();
    assert!(matches!(jit.main().link(&["f"]), Err(Error::Undefined { .. })));
    assert_eq!(jit.main().memory().unwrap().code, 0);
}

/// Rule 80: code is executable before anything is run that finalizing runs: resolvers of indirect functions may call what
/// the same lookup links elsewhere.
#[test]
fn a_resolver_may_call_code_of_the_same_batch() {
    let workshop = Workshop::new();
    let resolves = |name: &str, helper: &str, value: i32| {
        format!(
            "{}.globl {name}\n.type {name},@gnu_indirect_function\n{name}: sub $8,%rsp\ncall {helper}@PLT\n\
             add $8,%rsp\nret\n",
            function(&format!("{name}.chosen"), value)
        )
    };
    let helper = |name: &str, of: &str| {
        format!(".globl {name}\n{name}: mov {name}.choice(%rip),%rax\nret\n.data\n{name}.choice: .quad {of}.chosen\n")
    };
    for first in [true, false] {
        let jit = host::jit().unwrap();
        let other = jit.create_dylib("other").unwrap();
        jit.main().add_to_link_order(&other, MatchScope::Exported).unwrap();
        other.add_to_link_order(jit.main(), MatchScope::Exported).unwrap();
        jit.add_object(workshop.object(&(resolves("f", "help", 5) + &caller("calls", "f")))).unwrap();
        other.add_object(workshop.object(&helper("help", "f"))).unwrap();
        if first {
            jit.main().link(&["calls"]).unwrap();
        } else {
            other.link(&["help"]).unwrap();
        }
        assert_eq!(call(&jit, "calls").unwrap(), 5);
    }
}
