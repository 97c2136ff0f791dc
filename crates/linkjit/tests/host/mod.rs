//! The JIT that tests use. `LINKJIT_TEST_EXECUTOR=elsewhere` has all of them run linked code on other threads than the one
//! that asks for it, as another process would, and `LINKJIT_TEST_EXECUTOR=remote` has them ask for it over a connection; see
//! `elsewhere.rs`. The programs of `run.rs` are then run in another process indeed.
#![allow(dead_code, reason = "a test takes from it what it needs")]

pub(crate) mod elsewhere;

use std::sync::Arc;

use linkjit::executor::{Executor, InProcess};
use linkjit::{Jit, JitBuilder, Result};

/// Whether linked code runs on other threads than the tests, which then is not the same: the thread-local variables that
/// terminators see are not the test's, and what this process needs is not what linkjit needs.
pub(crate) fn is_elsewhere() -> bool {
    match std::env::var("LINKJIT_TEST_EXECUTOR").as_deref() {
        Ok("elsewhere" | "remote") => true,
        Ok(other) => panic!("LINKJIT_TEST_EXECUTOR is {other}, and not elsewhere or remote"),
        Err(_) => false,
    }
}

/// Returns whether there is a connection in between. Nothing goes over it but what executors are asked for: a panic of this program
/// does not, and neither does the nesting of a thread that calls linked code by itself.
pub(crate) fn is_remote() -> bool {
    std::env::var("LINKJIT_TEST_EXECUTOR").is_ok_and(|kind| kind == "remote")
}

/// First argument of a test's process that is an executor for another.
pub(crate) const SERVE: &str = "--serve";

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
    let lost = |_: &str| linkjit::executor::exit_code::exit_now(1);
    linkjit_remote::serve_with(transport, &linkjit_remote::Token::none(), Arc::new(here), lost).expect("a session");
    std::process::exit(0)
}

/// The executor of this run of the tests.
pub(crate) fn executor() -> Arc<dyn Executor> {
    let here = || InProcess::new().expect("tests run where linkjit does");
    match std::env::var("LINKJIT_TEST_EXECUTOR").as_deref() {
        Ok("remote") => Arc::new(elsewhere::Elsewhere::wired()),
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
