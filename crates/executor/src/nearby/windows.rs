//! Windows, where code refers directly to a symbol that is not declared as imported. Functions get stubs like those in
//! import libraries; variables stay out of reach.

use crate::{ExecAddr, ExecRange, Nearby, Result, os};

/// What is executable is a function.
pub(crate) fn bring_near(_near: ExecRange, addresses: &[ExecAddr]) -> Result<Vec<Option<Nearby>>> {
    Ok(addresses.iter().map(|address| os::is_code(*address).then_some(Nearby::Function)).collect())
}

/// Nothing is moved.
pub(crate) fn current(address: ExecAddr) -> ExecAddr {
    address
}

/// Nothing is moved.
pub(crate) fn redirect() -> Result<()> {
    Ok(())
}

/// Nothing is known of how libraries refer to what they export.
pub(crate) fn is_shared(_address: ExecAddr) -> bool {
    false
}
