//! Systems on which linkjit does not know the loader.

use crate::{ExecAddr, ExecRange, Import, Result};

/// Nothing is known of any address.
pub(crate) fn import(_near: ExecRange, addresses: &[ExecAddr]) -> Result<Vec<Option<Import>>> {
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
