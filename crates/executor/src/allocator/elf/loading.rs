//! Opening libraries so that they are bound to the program's allocator before their initializers run.
//!
//! The loader relocates all objects that it opens together before it initializes any, those that others need first. So a
//! library is opened as what a tiny shared object needs; that has a relocation whose value a function says
//! (`STT_GNU_IFUNC`), which is called when all but the tiny object itself are relocated.

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::loader::{Image, Loaded, Relocation};

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
    let with = if is_plain || flags & special != 0 {
        None
    } else {
        // SAFETY: the caller's arguments.
        let handle = unsafe { libc::dlopen(path, flags | libc::RTLD_NOLOAD) };
        if !handle.is_null() {
            return handle;
        }
        let image = Image {
            needed: Some(name),
            relocations: &[Relocation::Address],
            indirect: Some(bind as *const () as u64),
            ..Image::default()
        };
        // What is wrong with the library is told by the next try.
        // SAFETY: a well-formed shared object; whoever opens the library wants its initializers to run.
        unsafe { Loaded::load(&image.bytes().0, flags & (libc::RTLD_LAZY | libc::RTLD_NOW)) }.ok()
    };
    // SAFETY: the caller's arguments.
    let handle = unsafe { libc::dlopen(path, flags) };
    super::rebind_quietly();
    drop(with);
    handle
}

/// Called by the loader when the library and all that it needs are relocated.
extern "C" fn bind() -> u64 {
    super::find_operators();
    super::rebind_quietly();
    1
}
