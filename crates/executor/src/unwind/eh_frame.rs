//! `.eh_frame` tables (libgcc).

use crate::{ExecRange, Result};

/// Registered `.eh_frame` tables; dropping them deregisters them, last first.
#[derive(Debug, Default)]
pub(crate) struct UnwindTables {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    tables: Vec<ExecRange>,
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
impl UnwindTables {
    /// Registers tables that are in place, are ended by zeros, and stay unchanged until they are deregistered.
    pub(crate) fn register(tables: &[ExecRange]) -> Result<Self> {
        for table in tables {
            // SAFETY: the table is mapped, ended by a zero length (the caller checked), and stays so until it is
            // deregistered, which happens before its pages are freed.
            unsafe { __register_frame(table.start.0 as *const u8) };
        }
        Ok(Self { tables: tables.to_vec() })
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
impl Drop for UnwindTables {
    fn drop(&mut self) {
        for table in self.tables.iter().rev() {
            // SAFETY: `register` registered exactly this address, and nobody deregistered it.
            unsafe { __deregister_frame(table.start.0 as *const u8) };
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
unsafe extern "C" {
    // libgcc's unwinder, which the standard library links. Both ignore a table that begins with its terminator.
    fn __register_frame(table: *const u8);
    fn __deregister_frame(table: *const u8);
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
impl UnwindTables {
    /// There is nothing to register with.
    pub(crate) fn register(tables: &[ExecRange]) -> Result<Self> {
        if tables.is_empty() {
            return Ok(Self {});
        }
        Err(crate::ExecutorError::Unsupported { what: "registration of .eh_frame unwind tables" })
    }
}
