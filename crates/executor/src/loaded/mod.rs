//! Reading the objects that the system's loader has loaded: their symbols, their hash tables, and the slots through
//! which they refer to each other.

#[cfg(glibc_x86_64)]
mod exports;
#[cfg(glibc_x86_64)]
pub(crate) mod objects;
#[cfg(glibc_x86_64)]
pub(crate) mod scopes;
#[cfg(glibc_x86_64)]
mod tables;
#[cfg(glibc_x86_64)]
pub(crate) use self::{exports::may_export, scopes::Place, scopes::look_up};

#[cfg(not(glibc_x86_64))]
mod unsupported;
#[cfg(not(glibc_x86_64))]
pub(crate) use self::unsupported::{Place, look_up, may_export};
