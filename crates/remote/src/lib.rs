//! Linked code in another process: both ends of the connection between a session and its executor.
//!
//! [`Remote`] is an [`Executor`](linkjit_executor::Executor) whose process is another one. [`serve`] is what runs in that
//! process, before an executor of its own, usually [`InProcess`](linkjit_executor::InProcess):
//!
//! ```text
//! session -> Remote -> Connection ==== frames ==== Connection -> serve -> InProcess -> linked code
//!            calls <------------------ callbacks ------------------------- lazy calls, exports, ...
//! ```
//!
//! Each thread of the session that asks for something has a thread in the executor's process, which does it; each thread
//! of linked code that asks for something has one in the session's process. Such a pair is a *conversation*: one of the
//! two works, and the other waits, and answers what the one that works asks for. So calls nest as they do in one process,
//! to any depth, and the variables of a thread are where they would be.
//!
//! `docs/executor-protocol.md` has the protocol. Neither side trusts what it reads: frames, ids, lengths and numbers of
//! results are checked, and a peer that breaks the rules is hung up on.

mod allocation;
mod child;
mod connection;
mod conversation;
mod crash_report;
mod frame;
mod greeting;
mod listen;
mod mail;
mod message;
mod remote;
mod sandbox;
mod serve;
mod shared;
mod stdio;
mod token;
mod transport;
mod wine;

pub use child::Child;
pub use greeting::present;
pub use listen::serve_first;
pub use remote::{Remote, Traffic, TranslatePath};
pub use sandbox::confine;
pub use serve::{Outcome, serve, serve_with};
pub use token::Token;
pub use transport::Transport;
pub use wine::{WineError, start_under_wine};

use linkjit_executor::ExecutorError;

/// Locks. The model of `mail.rs` has those of a model checker.
mod sync {
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
}

/// A deed of a peer that the protocol does not know.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
struct Violation(String);

/// An error for calls over a connection that is gone.
fn disconnected(why: impl Into<String>) -> ExecutorError {
    ExecutorError::Disconnected { why: why.into() }
}
