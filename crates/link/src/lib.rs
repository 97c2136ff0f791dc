//! linkjit's linker: object bytes in, placed and fixed-up bytes out.
//!
//! The crate has no unsafe code and never touches the operating system. So bad input can make it return an error, but
//! not corrupt a process. Data flows one way:
//!
//! [`object::read`] makes a [`graph::LinkGraph`] from a [`source::Source`], and the session finds out what its external
//! symbols are bound to. Then [`link`] drives the phases: [`passes`] make GOT entries and stubs for targets out of
//! reach, [`layout`] gives every live block a place in a segment, symbols get their addresses, blocks are written and
//! their edges applied.
//!
//! [`graph`] and [`arch`] know no object format; [`object`] holds all that is particular to one.

#![forbid(unsafe_code)]

pub mod arch;
#[cfg(feature = "check")]
pub mod check;
mod dump;
mod endian;
pub mod error;
pub mod graph;
pub mod input;
pub mod layout;
pub mod link;
pub mod linker_names;
pub mod names;
pub mod object;
pub mod passes;
pub mod rules;
pub mod source;

pub use error::{LinkError, Result, Site};
pub use linkjit_target::{ExecAddr, ExecRange};
