//! The JIT that tests use. `LINKJIT_TEST_EXECUTOR=elsewhere` has all of them run linked code on other threads than the one
//! that asks for it, as another process would, and `LINKJIT_TEST_EXECUTOR=wire` has them ask for it over a connection;
//! see `elsewhere.rs`.
#![allow(dead_code, reason = "a test takes from it what it needs")]

pub(crate) mod elsewhere;

use std::sync::Arc;

use linkjit::executor::{Executor, InProcess};
use linkjit::{Jit, JitBuilder, Result};

/// Whether linked code runs on other threads than the tests, which then is not the same: the thread-local variables that
/// terminators see are not the test's, and what this process needs is not what linkjit needs.
pub(crate) fn is_elsewhere() -> bool {
    match std::env::var("LINKJIT_TEST_EXECUTOR").as_deref() {
        Ok("elsewhere" | "wire" | "child") => true,
        Ok(other) => panic!("LINKJIT_TEST_EXECUTOR is {other}, and not elsewhere, wire or child"),
        Err(_) => false,
    }
}

/// Whether there is a connection in between. Nothing goes over it but what executors are asked for: a panic of this program
/// does not, and neither does the nesting of a thread that calls linked code by itself.
pub(crate) fn is_wired() -> bool {
    std::env::var("LINKJIT_TEST_EXECUTOR").is_ok_and(|kind| kind == "wire")
}

/// First argument of a test's process that is an executor for another.
pub(crate) const SERVE: &str = "--serve";

/// Whether programs run in a process of their own (`LINKJIT_TEST_EXECUTOR=child`): those of `run.rs` only, because other
/// tests call linked code by its address.
pub(crate) fn is_in_child() -> bool {
    std::env::var("LINKJIT_TEST_EXECUTOR").is_ok_and(|kind| kind == "child")
}

/// An executor in a process that runs this program with [`SERVE`].
#[cfg(unix)]
pub(crate) fn child() -> Arc<linkjit_remote::Remote> {
    let mut command = std::process::Command::new(std::env::current_exe().expect("a test is a file"));
    command.arg(SERVE);
    Arc::new(linkjit_remote::Child::start(command).expect("it serves"))
}

/// Is that executor. The arguments are those that [`linkjit_remote::Child`] adds.
#[cfg(unix)]
pub(crate) fn serve(mut arguments: impl Iterator<Item = String>) -> ! {
    let fd = arguments.nth(1).and_then(|fd| fd.parse().ok()).expect("--fd N");
    let transport = linkjit_remote::Transport::inherited(fd).expect("a socket");
    let here = InProcess::new().expect("tests run where linkjit does");
    match linkjit_remote::serve(transport, &linkjit_remote::Token::none(), Arc::new(here)).expect("a session") {
        linkjit_remote::Outcome::Over => std::process::exit(0),
        linkjit_remote::Outcome::Lost(_) => linkjit::executor::exit_code::exit_now(1),
    }
}

/// The executor of this run of the tests.
pub(crate) fn executor() -> Arc<dyn Executor> {
    let here = || InProcess::new().expect("tests run where linkjit does");
    match std::env::var("LINKJIT_TEST_EXECUTOR").as_deref() {
        Ok("wire") => Arc::new(elsewhere::Elsewhere::wired()),
        _ if is_elsewhere() => Arc::new(elsewhere::Elsewhere::new(here())),
        _ => Arc::new(here()),
    }
}

pub(crate) fn jit() -> Result<Jit> {
    builder().build()
}

pub(crate) fn builder() -> JitBuilder {
    Jit::builder().executor(executor())
}
