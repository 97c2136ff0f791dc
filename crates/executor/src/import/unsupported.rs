//! Systems whose code refers to what libraries define through slots only, or which linkjit does not know yet.

use super::Found;
use crate::{ExecAddr, Result};

/// Nothing is known.
pub(super) fn describe(_address: ExecAddr) -> Option<Found> {
    None
}

/// There is nothing to redirect, as nothing is moved.
pub(super) fn redirect(_new: &dyn Fn(u64) -> Option<u64>) -> Result<()> {
    Ok(())
}
