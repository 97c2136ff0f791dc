//! Laziness: functions that are linked when they are first called, and functions whose implementation is swapped.
//!
//! Both are a *stub*: `jmp *slot`. The stub is an ordinary definition of a JITDylib, so its address is the function's
//! address for everybody and for good. Only the slot changes, a word that is written in one store. At first it holds
//! an implementation ([`redirection`]) or a *trampoline* ([`trampolines`]). A trampoline enters linkjit, which looks up
//! and links the function on the thread that calls it, and redirects the slot. The call then reaches the function as if
//! nothing had been between.
//!
//! Trampolines are never used again while their stub exists: a thread may have read the slot long before it jumps.

mod ir;
mod objects;
mod redirection;
mod stubs;
mod trampolines;

pub use objects::split_lazy_object;
pub(crate) use objects::{hide_functions, is_ordinary, prefix_of};
pub use redirection::RedirectableSymbol;
pub(crate) use trampolines::{Defined, LazyStub, Targets, define, defined_elsewhere};
