//! Objects that can be replaced while their code is in use.
//!
//! All code reaches the functions of such an object through stubs from the beginning ([`object`]). So an update changes
//! slots: callers, and pointers that were taken before, reach the new code. The variables have memory of their own,
//! where an update can place those of the new object ([`data`]). An update ([`transaction`]) links all new objects
//! before it changes anything. It keeps what it replaced as long as somebody may roll it back ([`generation`]), then
//! retires it. It notes what the new objects no longer define ([`removed`]).

mod data;
mod generation;
mod object;
mod removed;
mod transaction;

pub use generation::Generation;
pub use removed::Gone;
pub use transaction::Update;
