//! For systems that do not unwind by function tables.

use crate::{ExecRange, ExecutorError, Result};

/// There are none.
#[derive(Debug)]
pub(crate) struct FunctionTables;

impl FunctionTables {
    /// There is nothing to register with.
    pub(crate) fn register(
        _base: u64,
        _code: impl Iterator<Item = ExecRange>,
        tables: &[(ExecRange, &[u8])],
    ) -> Result<Self> {
        if tables.is_empty() {
            return Ok(Self);
        }
        Err(ExecutorError::Unsupported { what: "registration of .pdata function tables".into() })
    }
}

/// Nobody asks for windows.
#[derive(Debug)]
pub(crate) struct WindowRecord;

impl WindowRecord {
    #[expect(clippy::unnecessary_wraps, reason = "where there is something to do, it can fail")]
    pub(crate) fn open(_range: ExecRange) -> Result<Self> {
        Ok(Self)
    }
}

/// Nobody registers any.
pub(crate) fn functions(_base: u64) -> Vec<u8> {
    Vec::new()
}
