//! Thread-local variables of loaded libraries.
//!
//! dlsym would give the address of the calling thread's copy, which is not what linked code needs: module and offset
//! for `__tls_get_addr`, or the offset from the thread pointer for the initial-exec model. Worse, it makes the loader
//! allocate that copy, after which the module can't be at a fixed offset any more. So we ask in the loader's own terms:
//! a tiny shared object with one relocation for each number. The relocation of the initial-exec model has the loader
//! place a late library in the static TLS that it keeps spare, or say that it can't.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd};

use crate::SymbolAddress;

const R_X86_64_DTPMOD64: u64 = 16;
const R_X86_64_DTPOFF64: u64 = 17;
const R_X86_64_TPOFF64: u64 = 18;

const EHDR_SIZE: u64 = 64;
const PHDR_SIZE: u64 = 56;
const SYM_SIZE: u64 = 24;
const RELA_SIZE: u64 = 24;
const DYN_SIZE: u64 = 16;

/// Finds a variable of a library, or of the process.
pub(super) fn find(library: Option<usize>, name: &CStr) -> Option<SymbolAddress> {
    let library = match library {
        Some(handle) => Some(path(handle)?),
        None => None,
    };
    let [module, offset] = ask([R_X86_64_DTPMOD64, R_X86_64_DTPOFF64], name, library)?;
    if offset >= tls_size(module)? {
        return None;
    }
    let thread_offset = ask([R_X86_64_TPOFF64], name, library).map(|[offset]| offset.cast_signed());
    Some(SymbolAddress::ThreadLocal { module, offset, thread_offset })
}

/// What `dlinfo` gives: the beginning of glibc's `struct link_map`.
#[repr(C)]
struct LinkMap {
    base: u64,
    path: *const c_char,
}

fn link_map(handle: usize) -> Option<&'static LinkMap> {
    let mut map: *const LinkMap = std::ptr::null();
    // SAFETY: a handle of dlopen's that is not closed, and a place for a pointer.
    let result = unsafe { libc::dlinfo(handle as *mut c_void, libc::RTLD_DI_LINKMAP, (&raw mut map).cast()) };
    if result != 0 {
        return None;
    }
    // SAFETY: the loader's record of the library, which exists as long as the library is open; ours stay open, and
    // `ask` uses it only as long as its own is.
    unsafe { map.as_ref() }
}

/// The path under which the loader knows a library.
fn path(handle: usize) -> Option<&'static CStr> {
    let path = link_map(handle)?.path;
    // SAFETY: not null, hence a C string that exists as long as the library is open, and we close none.
    (!path.is_null()).then(|| unsafe { CStr::from_ptr(path) })
}

/// Has the loader apply `relocations` that refer to the symbol `name`, sought in `library` before the process.
fn ask<const N: usize>(relocations: [u64; N], name: &CStr, library: Option<&CStr>) -> Option<[u64; N]> {
    // SAFETY: a C string.
    let file = unsafe { libc::syscall(libc::SYS_memfd_create, c"linkjit".as_ptr(), libc::MFD_CLOEXEC) };
    let file = c_int::try_from(file).ok().filter(|file| *file >= 0)?;
    // SAFETY: new, and nobody else's.
    let mut file = unsafe { File::from_raw_fd(file) };
    let (image, slots) = shared_object(relocations, name, library);
    file.write_all(&image).ok()?;
    let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    let flags = libc::RTLD_NOW | libc::RTLD_LOCAL | if library.is_some() { libc::RTLD_DEEPBIND } else { 0 };
    // SAFETY: a well-formed shared object without code.
    let handle = unsafe { libc::dlopen(path.as_ptr(), flags) };
    if handle.is_null() {
        return None;
    }
    let values = link_map(handle as usize).map(|map| {
        let slots = (map.base + slots) as *const [u64; N];
        // SAFETY: the slots of the object, which is loaded and relocated.
        unsafe { slots.read() }
    });
    // SAFETY: opened above, and nothing refers to it.
    unsafe { libc::dlclose(handle) };
    values
}

/// A shared object with relocations that refer to one symbol, and the offset of the slots these fill in.
fn shared_object<const N: usize>(relocations: [u64; N], name: &CStr, library: Option<&CStr>) -> (Vec<u8>, u64) {
    const RW: u64 = 6;
    let count = N as u64;
    let symbols = EHDR_SIZE + 3 * PHDR_SIZE;
    let relas = symbols + 2 * SYM_SIZE;
    let slots = relas + count * RELA_SIZE;
    let dynamic = slots + count * 8;

    let mut strings = vec![0];
    strings.extend_from_slice(name.to_bytes_with_nul());
    let mut tags = Vec::new();
    if let Some(library) = library {
        tags.push((tag::NEEDED, strings.len() as u64));
        strings.extend_from_slice(library.to_bytes_with_nul());
    }
    let dynamic_size = (tags.len() as u64 + 8) * DYN_SIZE;
    let string_table = dynamic + dynamic_size;
    let size = string_table + strings.len() as u64;
    tags.extend([
        (tag::STRTAB, string_table),
        (tag::STRSZ, strings.len() as u64),
        (tag::SYMTAB, symbols),
        (tag::SYMENT, SYM_SIZE),
        (tag::RELA, relas),
        (tag::RELASZ, count * RELA_SIZE),
        (tag::RELAENT, RELA_SIZE),
        (tag::NULL, 0),
    ]);

    let mut words = vec![
        u64::from_le_bytes(*b"\x7fELF\x02\x01\x01\0"),
        0,
        // ET_DYN, EM_X86_64, EV_CURRENT; entry, e_phoff, e_shoff; e_flags, e_ehsize, e_phentsize; e_phnum.
        3 | 62 << 16 | 1 << 32,
        0,
        EHDR_SIZE,
        0,
        EHDR_SIZE << 32 | PHDR_SIZE << 48,
        3,
    ];
    // p_type and p_flags, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align.
    words.extend([u64::from(libc::PT_LOAD) | RW << 32, 0, 0, 0, size, size, 4096]);
    let (start, length) = (dynamic, dynamic_size);
    words.extend([u64::from(libc::PT_DYNAMIC) | RW << 32, start, start, start, length, length, 8]);
    // Without this one the loader would make all stacks executable.
    words.extend([u64::from(libc::PT_GNU_STACK) | RW << 32, 0, 0, 0, 0, 0, 16]);
    // The null symbol; then st_name, STB_GLOBAL and STT_TLS, SHN_UNDEF; st_value, st_size.
    words.extend([0, 0, 0, 1 | 0x16 << 32, 0, 0]);
    for (slot, relocation) in (0..).zip(relocations) {
        words.extend([slots + slot * 8, 1 << 32 | relocation, 0]);
    }
    words.extend([0; N]);
    words.extend(tags.into_iter().flat_map(|(tag, value)| [tag, value]));
    let mut image: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
    image.extend(strings);
    (image, slots)
}

/// Tags of the dynamic section.
mod tag {
    pub(super) const NULL: u64 = 0;
    pub(super) const NEEDED: u64 = 1;
    pub(super) const STRTAB: u64 = 5;
    pub(super) const SYMTAB: u64 = 6;
    pub(super) const RELA: u64 = 7;
    pub(super) const RELASZ: u64 = 8;
    pub(super) const RELAENT: u64 = 9;
    pub(super) const STRSZ: u64 = 10;
    pub(super) const SYMENT: u64 = 11;
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
