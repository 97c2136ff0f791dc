//! A thread that takes no signals. In a program of its own: it gets in the way of all other threads' blocks.

#![cfg(glibc_x86_64)]

mod support;

use std::mem::MaybeUninit;
use std::sync::mpsc::channel;
use std::time::Duration;

use linkjit_executor::{Executor, ExecutorError, FinalizeActions, Protection, TlsImage, TlsRequest};
use support::{segment, with_window};

fn block_all_signals(how: i32) {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: fills the set.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: the set is filled.
    unsafe { libc::pthread_sigmask(how, all.as_ptr(), std::ptr::null_mut()) };
}

#[test]
fn a_thread_that_takes_no_signals_is_named_and_everything_is_undone() {
    let (executor, window) = with_window();
    let image = executor.open_image("test").unwrap();
    let publish = || {
        let request = TlsRequest { size: 100, align: 8, fixed_offset: true };
        let block = executor.reserve_tls(image, request).unwrap();
        let mut allocation = executor.allocate(window.id, &[segment(Protection::Read, 100)]).unwrap();
        allocation.bytes(0).fill(7);
        let bytes = linkjit_executor::ExecRange::new(allocation.address(0), 100);
        let tls_image = Some(TlsImage { id: block.id, bytes });
        let offset = block.start.thread_offset.unwrap();
        (offset, bytes.start, allocation.finalize(&FinalizeActions { tls_image, ..FinalizeActions::default() }))
    };
    let (blocked, wait_blocked) = channel();
    let (unblock, wait_unblock) = channel();
    let (look, wait_look) = channel::<i64>();
    let thread = std::thread::Builder::new().name("silent".into()).spawn(move || {
        block_all_signals(libc::SIG_BLOCK);
        blocked.send(()).unwrap();
        wait_unblock.recv().unwrap();
        std::thread::sleep(Duration::from_millis(200));
        block_all_signals(libc::SIG_UNBLOCK);
        let offset = wait_look.recv().unwrap();
        let byte: u8;
        // SAFETY: a published byte of this thread.
        unsafe { std::arch::asm!("mov {}, fs:[{}]", out(reg_byte) byte, in(reg) offset) };
        byte
    });
    wait_blocked.recv().unwrap();
    let (_, address, result) = publish();
    let error = result.unwrap_err();
    assert!(matches!(&error, ExecutorError::NoFixedTls { why } if why.contains("(silent)")), "{error}");
    let again = executor.allocate(window.id, &[segment(Protection::Read, 100)]).unwrap();
    assert_eq!(again.address(0), address);

    // The thread takes two signals at once, the first of which is late.
    unblock.send(()).unwrap();
    let (offset, _, result) = publish();
    result.unwrap();
    look.send(offset).unwrap();
    assert_eq!(thread.unwrap().join().unwrap(), 7);
}
