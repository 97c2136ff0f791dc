//! The words that the linker and the executor share about the process that runs linked code.
//!
//! The two do not know each other, yet both speak of that process: its addresses, the protections of its memory, the
//! places of its thread-local variables, the objects that it can run. It may be another process, even on another
//! machine: an address in it ([`ExecAddr`]) is a number, never a pointer of ours. Data flows from the executor, which
//! describes itself ([`Target`]) and hands out memory, through the session to the linker, which places blocks; and back
//! as the addresses of linked code.

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
