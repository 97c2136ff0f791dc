//! For systems on which linkjit does not know the loader.

use crate::{ExecAddr, ExecRange, Nearby, Result};

/// Nothing is known of any address.
pub(crate) fn bring_near(_near: ExecRange, addresses: &[ExecAddr]) -> Result<Vec<Option<Nearby>>> {
    Ok(vec![None; addresses.len()])
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
