//! Trampolines: who is asked, where the call goes on, and what is kept on the way.

#![cfg(all(any(target_os = "linux", windows), target_arch = "x86_64"))]

mod support;

use std::panic::catch_unwind;
use std::sync::Arc;

use linkjit_executor::{
    ExecAddr, Executor, ExecutorError, FinalizeActions, InProcess, Jump, Protection, ReentryId, RuntimeFunction, Window,
};
use support::{call_with, load, returns, with_window};

/// `push number; push reentry; jmp [rip]`, with the routine's address behind; as the linker makes them.
fn trampoline(executor: &InProcess, window: &Window, reentry: ReentryId, number: u32) -> ExecAddr {
    let mut code = vec![0x68];
    code.extend(number.to_le_bytes());
    code.push(0x68);
    code.extend(reentry.0.to_le_bytes());
    code.extend([0xff, 0x25, 0, 0, 0, 0]);
    code.extend(executor.runtime_function(RuntimeFunction::Reenter).unwrap().0.to_le_bytes());
    load(executor, window, &[(Protection::ReadExec, &code)], |_| FinalizeActions::default()).1[0]
}

extern "C" fn add_one(n: u64) -> u64 {
    n + 1
}

extern "C" fn add_two(n: u64) -> u64 {
    n + 2
}

#[test]
fn the_resolver_is_asked_by_number_and_the_call_goes_on_where_it_says() {
    let (executor, window) = with_window();
    let reentry = executor
        .open_reentry(Arc::new(|number| {
            ExecAddr(if number == u32::MAX { add_one as *const () as u64 } else { add_two as *const () as u64 })
        }))
        .unwrap();
    for (number, expected) in [(u32::MAX, 11), (0, 12), (1 << 31, 12)] {
        assert_eq!(call_with(trampoline(&executor, &window, reentry, number), 10), expected);
    }
    executor.close_reentry(reentry).unwrap();
    assert!(matches!(executor.close_reentry(reentry), Err(ExecutorError::NoSuch { .. })));
    let next = executor.open_reentry(Arc::new(|_| ExecAddr::NULL)).unwrap();
    assert_ne!(next, reentry, "a trampoline that is left must not reach another session");
    executor.close_reentry(next).unwrap();
}

#[test]
fn a_resolver_may_call_trampolines_itself() {
    let (executor, window) = with_window();
    let inner = executor.open_reentry(Arc::new(|_| ExecAddr(add_one as *const () as u64))).unwrap();
    let inner_trampoline = trampoline(&executor, &window, inner, 0);
    let outer = executor
        .open_reentry(Arc::new(move |_| {
            assert_eq!(call_with(inner_trampoline, 1), 2);
            ExecAddr(add_two as *const () as u64)
        }))
        .unwrap();
    assert_eq!(call_with(trampoline(&executor, &window, outer, 0), 5), 7);
    for reentry in [inner, outer] {
        executor.close_reentry(reentry).unwrap();
    }
}

extern "C" fn weighted(a: u64, b: f64, c: u64, d: f64, e: u64, f: f64, g: f32, h: u64) -> f64 {
    [a as f64, b, c as f64, d, e as f64, f, f64::from(g), h as f64].iter().zip(1..).map(|(x, n)| x * f64::from(n)).sum()
}

/// B7.39 of docs/coff-cases.md.
#[test]
fn arguments_in_registers_and_on_the_stack_arrive() {
    let (executor, window) = with_window();
    let reentry = executor
        .open_reentry(Arc::new(|number| {
            // Uses vector registers and the callee's home area.
            let text: Vec<String> = (0..number).map(|n| format!("{:.3}", f64::from(n).sqrt() * 1.5)).collect();
            assert_eq!(text.concat().len(), 5 * text.len());
            ExecAddr(weighted as *const () as u64)
        }))
        .unwrap();
    let function = trampoline(&executor, &window, reentry, 5).0 as *const ();
    // SAFETY: the type of `weighted`, where calls of the trampoline go on.
    let function: extern "C" fn(u64, f64, u64, f64, u64, f64, f32, u64) -> f64 =
        unsafe { std::mem::transmute(function) };
    let expected = weighted(1, 0.25, 2, 0.5, 3, 0.75, 7.5, 9);
    assert_eq!(function(1, 0.25, 2, 0.5, 3, 0.75, 7.5, 9), expected);
    executor.close_reentry(reentry).unwrap();
}

/// B7.39 of docs/coff-cases.md.
#[test]
fn vector_registers_arrive_whole() {
    if !std::arch::is_x86_feature_detected!("avx") {
        return;
    }
    let (executor, window) = with_window();
    // vaddpd ymm0, ymm0, ymm5; ret
    let (_, added) = support::load_code(&executor, &window, &[0xc5, 0xfd, 0x58, 0xc5, 0xc3]);
    let reentry = executor
        .open_reentry(Arc::new(move |_| {
            // SAFETY: changes what is declared, and upper halves, which are nobody's across a call.
            unsafe {
                std::arch::asm!(
                    "vxorps xmm0, xmm0, xmm0",
                    "vxorps xmm5, xmm5, xmm5",
                    out("xmm0") _,
                    out("xmm5") _,
                );
            }
            added
        }))
        .unwrap();
    let function = trampoline(&executor, &window, reentry, 0).0;
    let (mut one, two) = ([1.0f64, 2.0, 3.0, 4.0], [0.5f64; 4]);
    // SAFETY: the function changes ymm0 alone; what else a call may change is declared, and the stack is aligned for it.
    unsafe {
        std::arch::asm!(
            "push rbp",
            "mov rbp, rsp",
            "and rsp, -16",
            "sub rsp, 32",
            "vmovupd ymm0, [r12]",
            "vmovupd ymm5, [r13]",
            "call r14",
            "vmovupd [r12], ymm0",
            "mov rsp, rbp",
            "pop rbp",
            in("r12") &raw mut one,
            in("r13") &raw const two,
            in("r14") function,
            clobber_abi("C"),
        );
    }
    assert_eq!(one, [1.5, 2.5, 3.5, 4.5]);
    executor.close_reentry(reentry).unwrap();
}

#[test]
fn a_panic_of_the_resolver_is_one_of_the_function_that_was_called() {
    let (executor, window) = with_window();
    let reentry = executor.open_reentry(Arc::new(|number| std::panic::resume_unwind(Box::new(number)))).unwrap();
    let trampoline = trampoline(&executor, &window, reentry, 9);
    let panic = catch_unwind(|| call_with(trampoline, 1)).unwrap_err();
    assert_eq!(panic.downcast_ref::<u32>(), Some(&9));
    executor.close_reentry(reentry).unwrap();
}

#[test]
fn the_stack_can_be_walked_from_the_resolver_to_the_caller() {
    #[inline(never)]
    fn calls_the_trampoline(function: ExecAddr) -> u64 {
        std::hint::black_box(call_with(function, 1))
    }
    let (executor, window) = with_window();
    let reentry = executor
        .open_reentry(Arc::new(|_| {
            let trace = std::backtrace::Backtrace::force_capture().to_string();
            assert!(trace.contains("calls_the_trampoline"), "{trace}");
            assert!(trace.contains("the_stack_can_be_walked"), "{trace}");
            ExecAddr(add_one as *const () as u64)
        }))
        .unwrap();
    assert_eq!(calls_the_trampoline(trampoline(&executor, &window, reentry, 0)), 2);
    executor.close_reentry(reentry).unwrap();
}

#[test]
fn only_words_of_writable_segments_are_redirected() {
    let (executor, window) = with_window();
    let contents: [(Protection, &[u8]); 3] =
        [(Protection::ReadWrite, &[0; 16]), (Protection::Read, &[0; 16]), (Protection::ReadExec, &returns(1))];
    let (id, at) = load(&executor, &window, &contents, |_| FinalizeActions::default());
    executor.redirect(&[Jump { slot: at[0].offset(8), to: at[2] }]).unwrap();
    assert_eq!(support::read(at[0].offset(8)), at[2].0);
    assert_eq!(support::read(at[0]), 0);
    for slot in [at[0].offset(4), at[1], at[2], ExecAddr::NULL, ExecAddr(!7)] {
        assert!(matches!(executor.redirect(&[Jump { slot, to: at[2] }]), Err(ExecutorError::NoSuch { .. })), "{slot}");
    }
    assert!(matches!(
        executor.redirect(&[Jump { slot: at[0], to: ExecAddr::NULL }]),
        Err(ExecutorError::Invalid { .. })
    ));
    executor.deallocate(id).unwrap();
    assert!(matches!(executor.redirect(&[Jump { slot: at[0], to: at[2] }]), Err(ExecutorError::NoSuch { .. })));
}
