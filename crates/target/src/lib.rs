//! The words that the linker and the executor share about the process that runs linked code.
//!
//! The two do not know each other, yet both speak of what is over there: addresses, what memory may be used for, where
//! thread-local variables are, which objects can run. That process may be another one, on another machine: an address in
//! it ([`ExecAddr`]) is a number, never a pointer of ours. Data flows from the executor, which says what it is
//! ([`Target`]) and hands out memory, through the session to the linker, which places blocks, and back as the addresses of
//! what was linked.

#![forbid(unsafe_code)]
#![no_std]

mod address;
mod arch;
mod memory;
mod target;
mod tls;

pub use address::{ExecAddr, ExecRange};
pub use arch::Arch;
pub use memory::Protection;
pub use target::{ObjectFormat, Target};
pub use tls::TlsAddress;
