//! Thread-local variables of linked code: their alignment, their life, and the models that find them.
#![cfg(not(windows))]

mod assembly;
mod host;

use std::sync::Barrier;

use assembly::{Workshop, call, call_at, source};
use linkjit::ExecAddr;

/// `int name(void)` that returns the low half of the address of `of`, by the general-dynamic model.
fn dynamic(name: &str, of: &str) -> String {
    format!(
        ".globl {name}\n{name}: sub $8,%rsp\n.byte 0x66\nlea {of}@TLSGD(%rip),%rdi\n.byte 0x66,0x66,0x48\n\
         call __tls_get_addr@PLT\nadd $8,%rsp\nret\n"
    )
}

/// The same by the initial-exec model.
fn initial_exec(name: &str, of: &str) -> String {
    format!(".globl {name}\n{name}: mov {of}@GOTTPOFF(%rip),%rax\nadd %fs:0,%rax\nret\n")
}

/// What the function at an address returns on each of four threads that exist at once.
fn on_threads(address: ExecAddr) -> Vec<u64> {
    // SAFETY: the fixtures' functions are of this type.
    let function: extern "C" fn() -> u64 = unsafe { std::mem::transmute(address.0 as *const ()) };
    let all_are_there = Barrier::new(4);
    std::thread::scope(|scope| {
        let thread = || {
            all_are_there.wait();
            let value = function();
            all_are_there.wait();
            value
        };
        let threads = [0; 4].map(|_| scope.spawn(thread));
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// LLVM allocates them by `new[]`, whose alignment is 16.
#[test]
fn variables_are_aligned_in_each_thread() {
    let workshop = Workshop::new();
    for (align, code) in [(64, initial_exec("f", "x")), (256, initial_exec("f", "x")), (64, dynamic("f", "x"))] {
        let jit = host::jit().unwrap();
        let text = format!(".section .tdata,\"awT\",@progbits\n.byte 1\n.balign {align}\nx: .quad 7\n.text\n{code}");
        jit.add_object(workshop.object(&text)).unwrap();
        let addresses = on_threads(jit.lookup("f").unwrap());
        assert!(addresses.iter().all(|address| address.is_multiple_of(align)), "{addresses:x?}");
    }
    // More than a page.
    for align in [4096, 1 << 16] {
        let jit = host::jit().unwrap();
        let text = format!(
            ".section .tdata,\"awT\",@progbits\nx: .quad 7\n.section .tbss,\"awT\",@nobits\n.balign {align}\ny: .skip 8\n\
             .text\n{}",
            dynamic("f", "y")
        );
        jit.add_object(workshop.object(&text)).unwrap();
        let mut addresses = on_threads(jit.lookup("f").unwrap());
        assert!(addresses.iter().all(|address| address.is_multiple_of(align)), "{addresses:x?}");
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), 4);
    }
}

/// LLVM never frees them. The reserve for fixed offsets would be used up soon.
#[test]
fn storage_is_given_back_with_its_object() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let objects = [initial_exec("f", "x"), dynamic("f", "x")].map(|code| {
        let text = ".section .tdata,\"awT\",@progbits\nx: .long 7\n.skip 8000\n.text\n".to_owned() + &code;
        source(&workshop.object(&text))
    });
    for round in 0..200 {
        let tracker = jit.create_tracker().unwrap();
        tracker.add_object(&objects[round % 2]).unwrap();
        let address = jit.main().link(&["f"]).unwrap()[0];
        // SAFETY: the function is of this type.
        let function: extern "C" fn() -> *mut i32 = unsafe { std::mem::transmute(address.0 as *const ()) };
        // SAFETY: it returns the address of this thread's variable, which nobody else uses.
        let before = unsafe { function().replace(round.try_into().unwrap()) };
        // Not what those had left who had the place before.
        assert_eq!(before, 7);
        // SAFETY: nobody uses it any more.
        unsafe { tracker.remove() }.unwrap();
    }
}

/// Local-exec code that is linked after the object's variables finds them: they are where it needs them from the start.
#[test]
fn an_object_that_needs_fixed_offsets_gets_them_whatever_is_linked_first() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let text = ".section .tdata,\"awT\",@progbits\nx: .long 7\n.skip 5000\n.text\n.globl first\nfirst: mov $1,%eax\nret\n\
                .section .text.reads,\"ax\"\n.globl reads\nreads: mov %fs:x@TPOFF,%eax\nret\n";
    jit.add_object(workshop.object(text)).unwrap();
    assert_eq!((call(&jit, "first").unwrap(), call(&jit, "reads").unwrap()), (1, 7));
}

/// A variable that nobody wanted at a fixed offset when it was linked has none, and can't be moved: threads have it. The
/// error says what helps.
#[test]
fn code_that_needs_a_fixed_offset_is_linked_together_with_its_variable() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    // Too large to be put at a fixed offset if nobody needs it.
    let variable = |name: &str| {
        let x = format!(".section .tdata,\"awT\",@progbits\n.globl {name}\n{name}: .long 7\n.skip 5000\n.text\n");
        x + &dynamic(&format!("of.{name}"), name)
    };
    for name in ["x", "y"] {
        jit.add_object(workshop.object(&variable(name))).unwrap();
        let reads =
            format!(".globl reads.{name}\nreads.{name}: mov {name}@GOTTPOFF(%rip),%rax\nmov %fs:(%rax),%eax\nret\n");
        jit.add_object(workshop.object(&reads)).unwrap();
    }
    jit.lookup("of.x").unwrap();
    let error = jit.lookup("reads.x").unwrap_err().to_string();
    assert!(error.contains("'x'") && error.contains("-fPIC") && error.contains("in the same lookup"), "{error}");
    let found = jit.main().link(&["of.y", "reads.y"]).unwrap();
    assert_eq!(call_at(found[1]), 7);
    assert_eq!(call(&jit, "reads.y").unwrap(), 7);
}
