//! A DLL that contains only a TLS directory, because only the loader hands out the indexes by which code finds its
//! thread-local storage ("PE Format", The .tls Section).
//!
//! The DLL has no code. Its callback is a function of ours, whose address is written into the file: no relocation
//! refers to it. Of the initial content of the storage only the first bytes are in the file, so that its size costs
//! nothing; the rest is filled in once the DLL is loaded.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use linkjit_host::temporary::unpredictable;
use windows_sys::Win32::Foundation::{CloseHandle, ERROR_ACCESS_DENIED, FreeLibrary, HMODULE};
use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION};

use crate::pe::{self, BASE_RELOCATIONS, Headers, NX_COMPATIBLE, TLS, TLS_DIRECTORY_SIZE};
use crate::{ExecutorError, Result, os};

/// The place of everything in the loaded DLL. The directory comes first: its size is 40 bytes.
const DIRECTORY: u32 = 0x1000;
const INDEX: u32 = DIRECTORY + 40;
const CALLBACKS: u32 = DIRECTORY + 48;
const TEMPLATE: u32 = DIRECTORY + 64;
/// Where the sections' bytes are in the file.
const DATA_IN_FILE: u32 = 0x400;
const RELOCATIONS_IN_FILE: u32 = 0x600;
const FILE_SIZE: usize = 0x800;

/// What the names of the files begin with; the number of the process follows.
const PREFIX: &str = "linkjit-tls-";

/// What the loader calls: `void (*)(void *dll, DWORD reason, void *)`.
pub(super) type Callback = unsafe extern "system" fn(HMODULE, u32, *mut std::ffi::c_void);

/// A loaded DLL. Dropping it unloads it, which frees its storage in all threads, and removes its file.
#[derive(Debug)]
pub(super) struct Dll {
    path: PathBuf,
    /// The loader's handle, which is where the DLL begins.
    handle: usize,
}

impl Dll {
    /// Makes and loads a DLL with `size` bytes of storage that begins with `header`.
    pub(super) fn load(size: u32, header: &[u8], callback: Callback) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir();
        if number == 0 {
            remove_left(&directory);
        }
        // Nobody can guess the name, and what is there already is not ours.
        let unique = format!("{PREFIX}{}-{number}-{:016x}.dll", std::process::id(), unpredictable());
        let path = directory.join(unique);
        let created = OpenOptions::new().write(true).create_new(true).open(&path);
        let written = created.and_then(|mut file| file.write_all(&image(size, header, callback as usize as u64)));
        written.map_err(|error| ExecutorError::Library {
            library: path.display().to_string(),
            message: error.to_string(),
        })?;
        match os::open_library(&path, false, &[]) {
            Ok(handle) => Ok(Self { path, handle }),
            Err(error) => {
                // It is in a directory for files that are left.
                let _ = std::fs::remove_file(&path);
                Err(error)
            }
        }
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
        // It is in a directory for files that are left.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Removes files of processes that are no more: a DLL can't be removed as long as it is loaded, so those of images that
/// are open when their process ends are left. What can't be done now is left for the next.
fn remove_left(directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok());
        if process.is_some_and(|process| !is_running(process)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn is_running(process: u32) -> bool {
    // SAFETY: has no preconditions.
    let handle = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, process) };
    if handle.is_null() {
        // It may be another user's.
        return os::last_error() == ERROR_ACCESS_DENIED;
    }
    // SAFETY: opened above.
    unsafe { CloseHandle(handle) };
    true
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
