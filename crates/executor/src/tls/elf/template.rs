//! The part of a loaded module from which the system copies the initial thread-local storage of new threads.

use std::ffi::{c_int, c_void};

use crate::{ExecAddr, ExecRange, Protection, Result, os};

/// Where the initial content of a thread-local variable is.
#[derive(Debug)]
pub(super) struct Template {
    /// The system's number of the module. 1 is the executable's.
    pub(super) module: usize,
    /// The variable's initial content.
    start: u64,
    /// The module's pages that are read-only once it is loaded.
    read_only: ExecRange,
}

/// What the search looks for, and what it finds.
struct Search {
    address: u64,
    size: u64,
    found: Option<Template>,
}

impl Template {
    /// Finds the template of the variable of `size` bytes whose copy of the calling thread is at `address`.
    pub(super) fn find(address: u64, size: u64) -> Option<Self> {
        let mut search = Search { address, size, found: None };
        // SAFETY: the callback gets what it expects, for the time of the call.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
        search.found
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

unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _size: usize, search: *mut c_void) -> c_int {
    // SAFETY: the loader passes a valid description.
    let info = unsafe { &*info };
    // SAFETY: `find` passes this type.
    let search = unsafe { &mut *search.cast::<Search>() };
    if info.dlpi_tls_data.is_null() || info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the loader describes the module's program headers.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let Some(tls) = headers.iter().find(|header| header.p_type == libc::PT_TLS) else { return 0 };
    let Some(offset) = search.address.checked_sub(info.dlpi_tls_data as u64) else { return 0 };
    // Beyond p_filesz there are zeros that have no place in the template.
    if offset.checked_add(search.size).is_none_or(|end| end > tls.p_filesz) {
        return 0;
    }
    let page = os::page_size();
    let relro = headers.iter().find(|header| header.p_type == libc::PT_GNU_RELRO);
    let read_only = relro.map_or_else(ExecRange::default, |relro| {
        let start = info.dlpi_addr + relro.p_vaddr;
        // The loader protects whole pages only.
        let end = (start + relro.p_memsz) & !(page - 1);
        ExecRange { start: ExecAddr(start & !(page - 1)), end: ExecAddr(end) }
    });
    let start = info.dlpi_addr + tls.p_vaddr + offset;
    search.found = Some(Template { module: info.dlpi_tls_modid, start, read_only });
    1
}
