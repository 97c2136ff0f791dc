//! Systems on which variables of libraries can't be moved, Windows say. Code that was not told that something is
//! imported refers to it directly: functions get stubs, as those of import libraries are; variables stay out of reach.

use crate::{ExecAddr, ExecRange, Nearby, Result, os};

/// Takes what is executable for a function.
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
