//! An interactive C++ session: inputs are compiled by clang in one process, linked here, and run in another.
//!
//! ```text
//! text -> Repl -> FrontEnd (linkjit-clang-22) -> object -> Jit -> executor -> results -> Outcome
//! ```
//!
//! [`Repl`] is the session: it knows the history, and how to go back when an input fails. The front end and the executor know
//! nothing of each other, and either may die. Reading inputs and showing outcomes is up to the user of this crate.
//!
//! `docs/repl-frontend.md` has the protocol of the front end.

mod brackets;
mod commands;
mod disassembly;
mod error;
mod frontend;
mod headers;
mod history;
mod interrupt;
mod libraries;
mod names;
mod outcome;
mod places;
mod prelude;
mod repl;
mod results;
mod runner;
mod snapshots;
mod start;
mod wire;

pub use brackets::{Shape, shape};
pub use error::{Error, Result};
pub use frontend::{Completion, Completions, Highlight, TokenKind};
pub use headers::cache_directory;
pub use interrupt::Interrupt;
pub use outcome::{Failure, Outcome, Wish};
pub use prelude::PRELUDE;
pub use repl::{Options, Repl, StartJit};
pub use results::{Display, Form, Mark, Marked, Value};
pub use start::{needs_wine, starter, triple};
