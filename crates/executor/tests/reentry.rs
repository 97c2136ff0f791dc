//! Trampolines: who is asked, where the call goes on, and what is kept on the way.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::panic::catch_unwind;
use std::sync::Arc;

use linkjit_executor::{
    ExecAddr, Executor, ExecutorError, FinalizeActions, InProcess, Protection, ReentryId, RuntimeFunction, Window,
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
        call_with(function, 1)
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
    executor.redirect(at[0].offset(8), at[2]).unwrap();
    assert_eq!(support::read(at[0].offset(8)), at[2].0);
    assert_eq!(support::read(at[0]), 0);
    for slot in [at[0].offset(4), at[1], at[2], ExecAddr::NULL, ExecAddr(!7)] {
        assert!(matches!(executor.redirect(slot, at[2]), Err(ExecutorError::NoSuch { .. })), "{slot}");
    }
    assert!(matches!(executor.redirect(at[0], ExecAddr::NULL), Err(ExecutorError::Invalid { .. })));
    executor.deallocate(id).unwrap();
    assert!(matches!(executor.redirect(at[0], at[2]), Err(ExecutorError::NoSuch { .. })));
}
