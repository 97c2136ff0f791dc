//! Shared objects without code, which we write and let the loader load. Some things only the loader can do, and only
//! for objects that it loads.

mod image;

use std::ffi::{CString, c_int, c_void};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;

pub(crate) use self::image::{Image, Relocation};
use crate::{link_map, os};

/// A loaded shared object. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Loaded {
    handle: usize,
}

impl Loaded {
    /// Has the loader load a shared object.
    ///
    /// # Errors
    /// The error says what the loader says, or the system.
    ///
    /// # Safety
    /// `image` must be a well-formed shared object; what it has the loader do must be sound.
    pub(crate) unsafe fn load(image: &[u8], flags: c_int) -> Result<Self, String> {
        // SAFETY: as the caller has it.
        unsafe { ImageFile::new(image)?.load(flags) }.ok_or_else(os::loader_error)
    }

    /// Returns what has to be added to an address in the object.
    pub(crate) fn base(&self) -> Option<u64> {
        link_map::base(self.handle)
    }
}

/// A shared object that the loader can be told to load.
pub(crate) struct ImageFile {
    name: CString,
    /// As long as it is open, it has its name.
    _file: File,
}

impl ImageFile {
    /// Writes a shared object.
    ///
    /// # Errors
    /// The error says what the system says.
    pub(crate) fn new(image: &[u8]) -> Result<Self, String> {
        // Nothing in it is to be executed.
        const MFD_NOEXEC_SEAL: u32 = 8;
        let mut file =
            os::memory_file(c"linkjit", MFD_NOEXEC_SEAL).map_err(|error| format!("memfd_create: {error}"))?;
        file.write_all(image).map_err(|error| error.to_string())?;
        Ok(Self { name: name_of(&file)?, _file: file })
    }

    /// Has the loader load it. If it does not, `dlerror` says why.
    ///
    /// # Safety
    /// As for [`Loaded::load`].
    pub(crate) unsafe fn load(&self, flags: c_int) -> Option<Loaded> {
        // SAFETY: the caller vouches for the object, and nobody has another one of this name.
        let handle = unsafe { libc::dlopen(self.name.as_ptr(), flags | libc::RTLD_LOCAL) };
        (!handle.is_null()).then(|| Loaded { handle: handle as usize })
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: opened by `load`, and nothing refers to it any more.
        unsafe { libc::dlclose(self.handle as *mut c_void) };
    }
}

/// A name for the loader. It names this process by its number: a debugger opens what the loader has loaded by the same
/// name, and its own descriptors are others (opening a pipe, it would wait for ever).
fn name_of(file: &File) -> Result<CString, String> {
    /// More modules of one name than anybody has.
    const TRIES: usize = 64;
    // The number by which the file system knows us, which is not getpid's where it is another namespace's.
    let process = std::fs::read_link("/proc/self").map_err(|error| format!("/proc/self: {error}"))?;
    for slashes in 1..TRIES {
        let name = format!("/proc/{}/fd{}{}", process.display(), "/".repeat(slashes), file.as_raw_fd());
        let name = CString::new(name).map_err(|error| error.to_string())?;
        // The loader compares names before it opens files: if somebody has loaded another file that had this number, and
        // it is still there, then the name means that.
        // SAFETY: a C string; nothing is loaded.
        let other = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
        if other.is_null() {
            return Ok(name);
        }
        // SAFETY: opened above; who has loaded it keeps it.
        unsafe { libc::dlclose(other) };
    }
    Err("all names that the loader could know it by are taken".into())
}
