//! Thread-local storage of linked code.

mod unsupported;
pub(crate) use unsupported::*;
