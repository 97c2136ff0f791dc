//! Opening libraries so that they are bound to the program's allocator before their initializers run.
//!
//! The loader relocates all objects that it opens together before it initializes any, those that others need first. So a
//! library is opened as what a tiny shared object needs; that has a relocation whose value a function says
//! (`R_X86_64_IRELATIVE`), which is called when all but the tiny object itself are relocated.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd};

const PAGE: u64 = 4096;
const EHDR_SIZE: u64 = 64;
const PHDR_SIZE: u64 = 56;
const RELA_SIZE: u64 = 24;
const R_X86_64_IRELATIVE: u64 = 37;

/// `dlopen`.
///
/// # Safety
/// As for `dlopen`.
pub(super) unsafe fn open(path: *const c_char, flags: c_int) -> *mut c_void {
    // SAFETY: the caller's path.
    let name = if path.is_null() { c"" } else { unsafe { CStr::from_ptr(path) } };
    // What is not opened anew is bound already. Names with `$` mean something else in every object.
    let is_plain = name.is_empty() || name.to_bytes().contains(&b'$');
    let special = libc::RTLD_NOLOAD | libc::RTLD_DEEPBIND;
    if is_plain || flags & special != 0 {
        // SAFETY: the caller's arguments.
        let handle = unsafe { libc::dlopen(path, flags) };
        super::rebind_quietly();
        return handle;
    }
    // SAFETY: as above.
    let handle = unsafe { libc::dlopen(path, flags | libc::RTLD_NOLOAD) };
    if !handle.is_null() {
        return handle;
    }
    let with = open_with(name, flags & (libc::RTLD_LAZY | libc::RTLD_NOW));
    if with.is_null() {
        // What is wrong is told by the next one, if it is wrong there, too.
        // SAFETY: forgets the message.
        unsafe { libc::dlerror() };
    }
    // SAFETY: the caller's arguments.
    let handle = unsafe { libc::dlopen(path, flags) };
    super::rebind_quietly();
    if !with.is_null() {
        // SAFETY: opened above, and nothing refers to it.
        unsafe { libc::dlclose(with) };
    }
    handle
}

/// Opens the tiny object that needs a library.
fn open_with(library: &CStr, flags: c_int) -> *mut c_void {
    let open = || {
        // SAFETY: a C string.
        let file = unsafe { libc::syscall(libc::SYS_memfd_create, c"linkjit".as_ptr(), libc::MFD_CLOEXEC) };
        let file = c_int::try_from(file).ok().filter(|file| *file >= 0)?;
        // SAFETY: new, and nobody else's.
        let mut file = unsafe { File::from_raw_fd(file) };
        file.write_all(&shared_object(library)).ok()?;
        let path = CString::new(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())).ok()?;
        // SAFETY: a well-formed shared object; whoever opens the library wants its initializers to run.
        Some(unsafe { libc::dlopen(path.as_ptr(), flags | libc::RTLD_LOCAL) })
    };
    open().unwrap_or(std::ptr::null_mut())
}

/// Called by the loader when the library and all that it needs are relocated.
extern "C" fn bind() -> u64 {
    super::find_operators();
    super::rebind_quietly();
    1
}

/// A shared object that needs a library, and calls [`bind`] for the value of its only relocation.
fn shared_object(library: &CStr) -> Vec<u8> {
    let code = EHDR_SIZE + 4 * PHDR_SIZE;
    let relocation = code + 16;
    let strings = relocation + RELA_SIZE;
    let text_size = strings + 1 + library.to_bytes_with_nul().len() as u64;
    // The writable part begins with a page of its own: the dynamic section, then the slot.
    let data = text_size.next_multiple_of(PAGE);
    let dynamic: [u64; 18] = [
        // DT_NEEDED, DT_STRTAB, DT_SYMTAB (nobody refers to a symbol), DT_STRSZ, DT_SYMENT.
        1,
        1,
        5,
        strings,
        6,
        relocation,
        10,
        text_size - strings,
        11,
        24,
        // DT_RELA, DT_RELASZ, DT_RELAENT, DT_NULL.
        7,
        relocation,
        8,
        RELA_SIZE,
        9,
        RELA_SIZE,
        0,
        0,
    ];
    let dynamic_size = size_of_val(&dynamic) as u64;
    let slot = data + dynamic_size;
    let mut words = vec![
        u64::from_le_bytes(*b"\x7fELF\x02\x01\x01\0"),
        0,
        // ET_DYN, EM_X86_64, EV_CURRENT; entry, e_phoff, e_shoff; e_flags, e_ehsize, e_phentsize; e_phnum.
        3 | 62 << 16 | 1 << 32,
        0,
        EHDR_SIZE,
        0,
        EHDR_SIZE << 32 | PHDR_SIZE << 48,
        4,
    ];
    let mut header = |kind: u32, flags: u64, start: u64, size: u64, align: u64| {
        // p_type and p_flags, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align.
        words.extend([u64::from(kind) | flags << 32, start, start, start, size, size, align]);
    };
    header(libc::PT_LOAD, 5, 0, text_size, PAGE);
    header(libc::PT_LOAD, 6, data, dynamic_size + 8, PAGE);
    header(libc::PT_DYNAMIC, 6, data, dynamic_size, 8);
    // Without this one the loader would make all stacks executable.
    header(libc::PT_GNU_STACK, 6, 0, 0, 16);
    let mut image: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
    // movabs rax, bind; jmp rax
    image.extend([0x48, 0xb8]);
    image.extend((bind as *const () as u64).to_le_bytes());
    image.extend([0xff, 0xe0, 0xcc, 0xcc, 0xcc, 0xcc]);
    image.extend([slot, R_X86_64_IRELATIVE, code].into_iter().flat_map(u64::to_le_bytes));
    image.push(0);
    image.extend(library.to_bytes_with_nul());
    image.resize(data as usize, 0);
    image.extend(dynamic.into_iter().flat_map(u64::to_le_bytes));
    image.extend(0u64.to_le_bytes());
    image
}
