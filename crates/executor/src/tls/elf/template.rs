//! The part of a loaded module from which the system copies the initial thread-local storage of new threads.

use crate::loaded::objects::for_each_object;
use crate::{ExecAddr, ExecRange, Protection, Result, os};

/// The place of the initial content of a thread-local variable.
#[derive(Debug)]
pub(super) struct Template {
    /// The system's number of the module. 1 is the executable's.
    pub(super) module: usize,
    /// The variable's initial content.
    start: u64,
    /// The module's pages that are read-only once it is loaded.
    read_only: ExecRange,
}

impl Template {
    /// Finds the template of the variable of `size` bytes whose copy of the calling thread is at `address`.
    pub(super) fn find(address: u64, size: u64) -> Option<Self> {
        let mut found = None;
        for_each_object(&mut |object| {
            let Some(tls) = object.header(libc::PT_TLS).filter(|_| object.tls_data != 0) else { return };
            let Some(offset) = address.checked_sub(object.tls_data) else { return };
            // Beyond p_filesz there are zeros that have no place in the template.
            if offset.checked_add(size).is_some_and(|end| end <= tls.p_filesz) {
                let start = object.base() + tls.p_vaddr + offset;
                found = Some(Self { module: object.tls_module, start, read_only: object.relro() });
            }
        });
        found
    }

    /// Writes into the template.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let page = os::page_size();
        let start = self.start + offset;
        let end = start + bytes.len() as u64;
        let pages = ExecRange {
            start: ExecAddr((start & !(page - 1)).max(self.read_only.start.0)),
            end: ExecAddr(end.next_multiple_of(page).min(self.read_only.end.0)),
        };
        let protected = pages.start < pages.end;
        if protected {
            os::protect(pages, Protection::ReadWrite)?;
        }
        // SAFETY: the bytes are within the template (the caller's offset is within the variable), which is writable
        // now. Only the system reads it, when it makes a thread, and nobody uses these bytes before they are published.
        unsafe { (start as *mut u8).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        if protected { os::protect(pages, Protection::Read) } else { Ok(()) }
    }
}
