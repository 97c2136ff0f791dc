//! `.eh_frame` tables, for the unwinder of libgcc or LLVM's.

#[cfg(glibc)]
use crate::os;
use crate::{ExecRange, Result};

/// Registered `.eh_frame` tables; dropping them deregisters them, last first.
#[derive(Debug, Default)]
pub(crate) struct UnwindTables {
    /// Addresses of tables, or of records.
    #[cfg(glibc)]
    registered: Vec<u64>,
}

#[cfg(glibc)]
impl UnwindTables {
    /// Registers tables that are in place, are ended by zeros, and stay unchanged until they are deregistered.
    pub(crate) fn register(tables: &[ExecRange]) -> Result<Self> {
        let mut registered = Vec::with_capacity(tables.len());
        for table in tables {
            if takes_records() {
                registered.extend(functions(*table));
            } else {
                registered.push(table.start.0);
            }
        }
        for &address in &registered {
            // SAFETY: a table that is mapped, ended by a zero length (the caller checked), and stays so until it is
            // deregistered, which happens before its pages are freed; or a record of such a table.
            unsafe { __register_frame(address as *const u8) };
        }
        Ok(Self { registered })
    }
}

#[cfg(glibc)]
impl Drop for UnwindTables {
    fn drop(&mut self) {
        for &address in self.registered.iter().rev() {
            // SAFETY: `register` registered exactly this address, and nobody deregistered it.
            unsafe { __deregister_frame(address as *const u8) };
        }
    }
}

#[cfg(glibc)]
unsafe extern "C" {
    // The process's unwinder, which the standard library links. libgcc's takes a table and ignores one that begins with
    // its terminator; LLVM's takes the record of a function.
    fn __register_frame(table: *const u8);
    fn __deregister_frame(table: *const u8);
}

/// Says whether the process's unwinder is LLVM's: somebody has preloaded it, say.
#[cfg(glibc)]
fn takes_records() -> bool {
    static TAKES_RECORDS: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *TAKES_RECORDS.get_or_init(|| {
        let library_with = |name| os::library_of(os::find_symbol(libc::RTLD_DEFAULT as usize, name)?);
        let llvms = library_with(c"__unw_add_dynamic_fde");
        llvms.is_some() && llvms == library_with(c"__register_frame")
    })
}

/// The records of functions in a table, which the caller found well formed ("Linux Standard Base, Core", Exception
/// Frames).
#[cfg(glibc)]
fn functions(table: ExecRange) -> impl Iterator<Item = u64> {
    let mut next = table.start.0;
    std::iter::from_fn(move || {
        loop {
            let place = next as *const [u32; 2];
            // SAFETY: a record's length, or that of the terminator.
            let length = unsafe { place.cast::<u32>().read_unaligned() };
            if length == 0 {
                return None;
            }
            // SAFETY: a record has at least a word that says what it is.
            let [_, kind] = unsafe { place.read_unaligned() };
            let record = next;
            next += 4 + u64::from(length);
            // Zero says that it is no function's, but what those of several functions have in common.
            if kind != 0 {
                return Some(record);
            }
        }
    })
}

#[cfg(not(glibc))]
impl UnwindTables {
    /// There is nothing to register with.
    pub(crate) fn register(tables: &[ExecRange]) -> Result<Self> {
        if tables.is_empty() {
            return Ok(Self {});
        }
        Err(crate::ExecutorError::Unsupported { what: "registration of .eh_frame unwind tables".into() })
    }
}
