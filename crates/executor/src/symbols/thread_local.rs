//! Thread-local variables of loaded libraries.
//!
//! dlsym would give the address of the calling thread's copy, which is not what linked code needs: module and offset
//! for `__tls_get_addr`, or the offset from the thread pointer for the initial-exec model. Worse, it makes the loader
//! allocate that copy, after which the module can't be at a fixed offset any more. So we ask by a tiny shared object
//! with one relocation for each number. For the relocation of the initial-exec model, the loader places a late library
//! in the static TLS that it keeps spare, or says that it can't.

use std::ffi::CStr;

use crate::loaded::objects::for_each_object;
use crate::loader::{Image, Loaded, Relocation};
use crate::{SymbolAddress, TlsAddress, link_map};

/// Finds a variable of a library, or of the process.
pub(super) fn find(library: Option<usize>, name: &CStr) -> Option<SymbolAddress> {
    let library = match library {
        Some(handle) => Some(link_map::path(handle)?),
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
    let mut size = None;
    for_each_object(&mut |object| {
        if object.tls_module as u64 == module {
            size = object.header(libc::PT_TLS).map(|header| header.p_memsz);
        }
    });
    size
}
