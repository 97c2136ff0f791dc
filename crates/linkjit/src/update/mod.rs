//! Objects that can be replaced while their code is in use.
//!
//! All functions of such an object are reached through stubs from the beginning ([`object`]), so an update is a change of
//! slots: callers and pointers that were taken before get to the new code. Its variables have memory of their own, where
//! the new object's can be put ([`data`]). An update ([`transaction`]) links all new objects before it changes anything;
//! what was replaced stays as long as somebody may go back to it ([`generation`]), then it is retired. What the
//! new objects have not any more is noted ([`removed`]).

mod data;
mod generation;
mod object;
mod removed;
mod transaction;

pub use generation::Generation;
pub use removed::Gone;
pub use transaction::Update;
