//! A DLL that contains only a TLS directory, because only the loader hands out the indexes by which code finds its
//! thread-local storage ("PE Format", The .tls Section).
//!
//! The DLL has no code. Its callback is a function of ours, whose address is written into the file: no relocation
//! refers to it. Of the initial content of the storage only the first bytes are in the file, so that its size costs
//! nothing; the rest is filled in once the DLL is loaded.

use std::io::Error;
use std::path::Path;

use linkjit_host::temporary::PrivateDirectory;
use windows_sys::Win32::Foundation::{FreeLibrary, HMODULE};

use crate::pe::{self, BASE_RELOCATIONS, Headers, NX_COMPATIBLE, TLS, TLS_DIRECTORY_SIZE};
use crate::{ExecutorError, Result, os};

/// The place of everything in the loaded DLL. The directory comes first: its size is 40 bytes.
const DIRECTORY: u32 = 0x1000;
const INDEX: u32 = DIRECTORY + 40;
const CALLBACKS: u32 = DIRECTORY + 48;
const TEMPLATE: u32 = DIRECTORY + 64;
/// The sections' bytes are here in the file.
const DATA_IN_FILE: u32 = 0x400;
const RELOCATIONS_IN_FILE: u32 = 0x600;
const FILE_SIZE: usize = 0x800;

/// The loader calls such a function: `void (*)(void *dll, DWORD reason, void *)`.
pub(super) type Callback = unsafe extern "system" fn(HMODULE, u32, *mut std::ffi::c_void);

/// A loaded DLL. Dropping it unloads it, which frees its storage in all threads, and removes its file. A DLL can't be
/// removed as long as it is loaded, so those of images that are open when their process ends are left to a later
/// process.
#[derive(Debug)]
pub(super) struct Dll {
    /// The loader's handle, which is where the DLL begins.
    handle: usize,
    _directory: PrivateDirectory,
}

impl Dll {
    /// Makes and loads a DLL with `size` bytes of storage that begins with `header`.
    pub(super) fn load(size: u32, header: &[u8], callback: Callback) -> Result<Self> {
        let failed = |path: &Path, error: Error| ExecutorError::Library {
            library: path.display().to_string(),
            message: error.to_string(),
        };
        let directory = PrivateDirectory::new().map_err(|error| failed(&std::env::temp_dir(), error))?;
        let path = directory.path().join("linkjit-tls.dll");
        std::fs::write(&path, image(size, header, callback as usize as u64)).map_err(|error| failed(&path, error))?;
        Ok(Self { handle: os::open_library(&path, false, &[])?, _directory: directory })
    }

    pub(super) fn handle(&self) -> usize {
        self.handle
    }

    /// The number that the loader has given it.
    pub(super) fn index(&self) -> u32 {
        let place = (self.handle + INDEX as usize) as *const u32;
        // SAFETY: within the DLL, which is loaded; the loader wrote it before it returned the handle.
        unsafe { place.read() }
    }

    /// Its TLS directory but for the last 8 bytes: where the initial content of `size` bytes begins and ends, where the
    /// number and the callbacks are.
    pub(super) fn directory(&self, size: u64) -> [u64; 4] {
        let at = |place: u32| (self.handle + place as usize) as u64;
        [at(TEMPLATE), at(TEMPLATE) + size, at(INDEX), at(CALLBACKS)]
    }

    /// The initial content of the storage of threads that start.
    pub(super) fn template(&self) -> *mut u8 {
        (self.handle + TEMPLATE as usize) as *mut u8
    }
}

impl Drop for Dll {
    fn drop(&mut self) {
        // SAFETY: the handle was counted for us when the DLL was loaded; nobody refers to it any more.
        unsafe { FreeLibrary(self.handle as HMODULE) };
    }
}

/// The bytes of the file.
fn image(size: u32, template: &[u8], callback: u64) -> Vec<u8> {
    const BASE: u64 = 0x1_8000_0000;
    const ALIGN_64: u32 = 7 << 20;
    const PAGE: u32 = 0x1000;
    const IN_FILE: u32 = 0x200;
    const RELOCATIONS_SIZE: u32 = 16;
    /// Besides, the DLL moves anywhere.
    const MOVES: u16 = 0x60;
    let data_size = TEMPLATE - DIRECTORY + size;
    let relocations = (DIRECTORY + data_size).next_multiple_of(PAGE);
    let headers = Headers {
        base: BASE,
        alignments: [PAGE, IN_FILE],
        image_size: relocations + PAGE,
        headers_size: DATA_IN_FILE,
        characteristics: NX_COMPATIBLE | MOVES,
        directories: &[(BASE_RELOCATIONS, relocations, RELOCATIONS_SIZE), (TLS, DIRECTORY, TLS_DIRECTORY_SIZE)],
        sections: &[
            (*b".tls\0\0\0\0", [data_size, DIRECTORY, IN_FILE, DATA_IN_FILE], 0xc000_0040),
            (*b".reloc\0\0", [RELOCATIONS_SIZE, relocations, IN_FILE, RELOCATIONS_IN_FILE], 0x4200_0040),
        ],
    };
    let mut file = headers.bytes();
    file.resize(FILE_SIZE, 0);
    let mut put = |at: u32, field: &[u8]| pe::put(&mut file, at, field);
    // The directory: start and end of the template, the index, the callbacks, zeros beyond the template, alignment.
    let fields = [TEMPLATE, TEMPLATE + size, INDEX, CALLBACKS].map(|place| BASE + u64::from(place));
    put(DATA_IN_FILE, fields.map(u64::to_le_bytes).as_flattened());
    put(DATA_IN_FILE + 36, &ALIGN_64.to_le_bytes());
    put(DATA_IN_FILE + CALLBACKS - DIRECTORY, &callback.to_le_bytes());
    put(DATA_IN_FILE + TEMPLATE - DIRECTORY, template);
    // Relocations of one page: its address, the size of this block, then IMAGE_REL_BASED_DIR64 and the offset.
    put(RELOCATIONS_IN_FILE, [DIRECTORY, RELOCATIONS_SIZE].map(u32::to_le_bytes).as_flattened());
    put(RELOCATIONS_IN_FILE + 8, [0u16, 8, 16, 24].map(|offset| (10 << 12 | offset).to_le_bytes()).as_flattened());
    file
}
