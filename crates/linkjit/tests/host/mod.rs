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
        Ok("elsewhere" | "wire") => true,
        Ok(other) => panic!("LINKJIT_TEST_EXECUTOR is {other}, and not elsewhere or wire"),
        Err(_) => false,
    }
}

/// Whether there is a connection in between. Nothing goes over it but what executors are asked for: a panic of this program
/// does not, and neither does the nesting of a thread that calls linked code by itself.
pub(crate) fn is_wired() -> bool {
    std::env::var("LINKJIT_TEST_EXECUTOR").is_ok_and(|kind| kind == "wire")
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
