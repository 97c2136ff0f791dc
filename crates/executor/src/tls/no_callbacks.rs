//! For systems on which linked code has no functions that threads call when they start or end.

use crate::{ExecAddr, ExecRange, ExecutorError, ImageId, InitializerKind, Result};

/// There are none.
pub(crate) const RUNTIME_VARIABLES: &[(&str, u64)] = &[];

/// Only Windows has such directories.
pub(crate) fn directory(_handle: ExecAddr) -> Option<[u64; 4]> {
    None
}

/// Only Windows has such functions.
///
/// # Safety
/// None is called.
pub(crate) unsafe fn attach(
    _owner: u32,
    _image: ImageId,
    _kind: InitializerKind,
    _functions: &[ExecAddr],
) -> Result<()> {
    Err(ExecutorError::Unsupported { what: "calling functions for each thread".into() })
}

/// Nothing is attached.
///
/// # Safety
/// None is called.
pub(crate) unsafe fn detach(_image: ImageId) {}

/// Nothing is attached.
///
/// # Safety
/// None is called.
pub(crate) unsafe fn detach_part(_image: ImageId, _ranges: &[ExecRange]) {}

/// The C library has run the thread's destructors by then, if there are any.
pub(crate) fn exit_thread() {}
