//! Reading the objects that the system's loader has loaded: their symbols, their hash tables, and the slots through
//! which they refer to each other.

pub(crate) mod exports;
pub(crate) mod objects;
pub(crate) mod scopes;
mod tables;
