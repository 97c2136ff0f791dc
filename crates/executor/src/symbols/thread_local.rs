//! Thread-local variables of loaded libraries.
//!
//! dlsym would give the address of the calling thread's copy, which is not what linked code needs: module and offset
//! for `__tls_get_addr`, or the offset from the thread pointer for the initial-exec model. Worse, it makes the loader
//! allocate that copy, after which the module can't be at a fixed offset any more. So we ask by a tiny shared object
//! with one relocation for each number. For the relocation of the initial-exec model, the loader places a late library
//! in the static TLS that it keeps spare, or says that it can't.

use std::ffi::{CStr, c_int, c_void};

use crate::loader::{self, Image, Loaded, Relocation};
use crate::{SymbolAddress, TlsAddress};

/// Finds a variable of a library, or of the process.
pub(super) fn find(library: Option<usize>, name: &CStr) -> Option<SymbolAddress> {
    let library = match library {
        Some(handle) => Some(loader::path(handle)?),
        None => None,
    };
    let [module, offset] = ask([Relocation::Module, Relocation::ModuleOffset], name, library)?;
    if offset >= tls_size(module)? {
        return None;
    }
    let thread_offset = ask([Relocation::ThreadOffset], name, library).map(|[offset]| offset.cast_signed());
    Some(SymbolAddress::ThreadLocal(TlsAddress { module, offset, thread_offset }))
}

/// Has the loader apply `relocations` that refer to the symbol `name`, sought in `library` before the process.
fn ask<const N: usize>(relocations: [Relocation; N], name: &CStr, library: Option<&CStr>) -> Option<[u64; N]> {
    let image = Image { symbol: name, relocations: &relocations, needed: library, ..Image::default() };
    let (bytes, slots) = image.bytes();
    let flags = libc::RTLD_NOW | if library.is_some() { libc::RTLD_DEEPBIND } else { 0 };
    // SAFETY: a well-formed shared object without code, which has the loader fill in its own slots.
    let loaded = unsafe { Loaded::load(&bytes, flags) }.ok()?;
    let slots = (loaded.base()? + slots) as *const [u64; N];
    // SAFETY: the slots of the object, which is loaded and relocated.
    Some(unsafe { slots.read() })
}

/// Size of the thread-local storage of a module. The loader does not check that the symbol is a thread-local one; it
/// takes any other's address for an offset, which is far larger than this.
fn tls_size(module: u64) -> Option<u64> {
    let mut search = (module, None);
    // SAFETY: the callback gets what it expects, for the time of the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
    search.1
}

unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _size: usize, search: *mut c_void) -> c_int {
    // SAFETY: the loader passes a valid description.
    let info = unsafe { &*info };
    // SAFETY: `tls_size` passes this type.
    let (module, size) = unsafe { &mut *search.cast::<(u64, Option<u64>)>() };
    if info.dlpi_tls_modid as u64 != *module || info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the loader describes the module's program headers.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    *size = headers.iter().find(|header| header.p_type == libc::PT_TLS).map(|header| header.p_memsz);
    1
}
