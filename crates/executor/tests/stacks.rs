//! Executable stacks: of threads that are there and that come.

#![cfg(glibc_x86_64)]

mod support;

use std::sync::mpsc::channel;

use linkjit_executor::{Executor, InProcess};
use support::mappings;

/// The permissions of the calling thread's stack.
fn own_stack() -> String {
    let variable = 0u8;
    let address = &raw const variable as u64;
    mappings().into_iter().find(|(range, _)| range.contains(&address)).unwrap().1
}

#[test]
fn stacks_of_all_threads_become_executable() {
    let (ask, asked) = channel();
    let early = std::thread::spawn(move || {
        asked.recv().unwrap();
        own_stack()
    });
    assert_eq!(own_stack(), "rw-p");
    let executor = InProcess::new().unwrap();
    executor.make_stacks_executable().unwrap();
    ask.send(()).unwrap();
    assert_eq!(own_stack(), "rwxp");
    assert_eq!(early.join().unwrap(), "rwxp");
    assert_eq!(std::thread::spawn(own_stack).join().unwrap(), "rwxp");
    // Once for the process.
    InProcess::new().unwrap().make_stacks_executable().unwrap();
}
