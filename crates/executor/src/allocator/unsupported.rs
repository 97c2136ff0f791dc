//! For systems on which linkjit does not know the loader, and for Windows, where a program's allocator serves only its
//! image.

use crate::{ExecAddr, ExecRange, ExecutorError, Result};
use std::borrow::Cow;

const UNSUPPORTED: ExecutorError = ExecutorError::Unsupported {
    what: Cow::Borrowed("a program's own allocator (start the process with its shared library in LD_PRELOAD instead)"),
};

/// On Windows no names are special.
pub(crate) fn names() -> &'static [&'static str] {
    if cfg!(windows) { &[] } else { &super::NAMES }
}

/// The loader's tables are not known.
pub(crate) fn prepare(_owner: u32, _linked: &Use) -> Result<Vec<(&'static str, ExecAddr)>> {
    Err(UNSUPPORTED)
}

/// Nothing was prepared.
pub(crate) fn replace(_owner: u32, _definitions: &[(&str, ExecAddr)], _windows: &[ExecRange]) -> Result<()> {
    Err(UNSUPPORTED)
}

/// Nobody replaces anything.
pub(crate) fn serves_another(_owner: u32) -> bool {
    false
}

/// Nobody replaces anything.
pub(crate) fn serves_owner(_owner: u32) -> bool {
    false
}

/// No memory is told from other memory.
pub(crate) fn add_window(_owner: u32, _window: ExecRange) {}

/// No memory is told from other memory.
pub(crate) fn remove_window(_owner: u32, _window: ExecRange) {}

/// The things that linked code of one executor knows of the process's allocator.
#[derive(Debug, Default)]
pub(crate) struct Use {}

impl Use {
    /// Linked code gets what was found.
    pub(crate) fn found(&self, _name: &[u8], address: ExecAddr) -> ExecAddr {
        address
    }

    /// Nothing matters.
    pub(crate) fn placing(&self) {}
}
