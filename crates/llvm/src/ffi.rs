//! LLVM's C API behind types that own what they point to. All unsafe code of this crate is here and in [`functions`].
//!
//! The `SAFETY` comments rely on this: a [`Library`] is never closed, so its functions stay; a type's pointer is one
//! that LLVM gave for it and that only its `Drop` gives back; contexts, modules and machines are not `Send`, so one
//! thread at a time uses them, as LLVM demands; and strings that LLVM hands out are ended by a null byte.

mod flags;
mod functions;
mod initializers;
mod machine;
mod module;

use std::ffi::{CStr, CString, c_char, c_int};
use std::fmt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

pub(crate) use flags::Flag;
use functions::{Functions, LlvmMemoryBuffer, Message, Parse};
pub(crate) use machine::{MachineOptions, TargetMachine};
pub(crate) use module::{Context, Global, Module, Severity};

use crate::error::Error;
use crate::exit;
use crate::find::OLDEST;
use crate::workers;

/// A string for LLVM. A null byte, which it can't have, becomes a question mark.
pub(crate) fn c_string(text: impl AsRef<[u8]>) -> CString {
    let bytes = text.as_ref().iter().map(|byte| if *byte == 0 { b'?' } else { *byte });
    CString::new(bytes.collect::<Vec<_>>()).unwrap_or_default()
}

/// An opened library, which stays open: LLVM can't be unloaded safely.
pub(crate) struct Library {
    functions: Functions,
    parse: Parse,
    version: (u32, u32, u32),
}

/// The libraries that were opened. A library may be opened by several paths, but is set up once.
static OPENED: Mutex<Vec<&'static Library>> = Mutex::new(Vec::new());

impl Library {
    /// Opens a library, whose names stay hidden from other libraries: several versions can be in the process.
    pub(crate) fn open(path: &Path) -> Result<&'static Self, Error> {
        // SAFETY: the user vouches for the library, or it is the system's; its initializers are LLVM's.
        let handle = unsafe { libloading::Library::new(path) };
        let handle = handle.map_err(|error| Error::Open { path: path.into(), message: message_of(&error) })?;
        // Its functions are used for the rest of the process.
        let handle = Box::leak(Box::new(handle));
        let missing = |function| Error::MissingFunction { path: path.into(), function };
        let functions = Functions::load(handle).map_err(missing)?;
        let parse = Parse::load(handle).map_err(missing)?;

        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |other: &&&Self| std::ptr::fn_addr_eq(other.functions.get_version, functions.get_version);
        if let Some(library) = opened.iter().find(is_same) {
            return Ok(library);
        }
        let (mut major, mut minor, mut patch) = (0, 0, 0);
        // SAFETY: it writes three numbers.
        unsafe { (functions.get_version)(&raw mut major, &raw mut minor, &raw mut patch) };
        if major < OLDEST {
            return Err(Error::TooOld { path: path.into(), version: major });
        }
        // SAFETY: the handler is a function, and installed once per library.
        unsafe { (functions.install_fatal_error_handler)(on_fatal_error) };
        functions::initialize_targets(handle);
        let library: &'static Self = Box::leak(Box::new(Self { functions, parse, version: (major, minor, patch) }));
        opened.push(library);
        at_exit(exit::wait);
        Ok(library)
    }

    pub(crate) fn version(&self) -> (u32, u32, u32) {
        self.version
    }

    pub(crate) fn default_triple(&self) -> String {
        // SAFETY: it takes nothing.
        self.take_message(unsafe { (self.functions.get_default_triple)() })
    }

    /// The name of this machine's processor.
    pub(crate) fn host_cpu(&self) -> String {
        // SAFETY: it takes nothing.
        self.take_message(unsafe { (self.functions.get_host_cpu)() })
    }

    /// The features that this machine's processor has, and has not.
    pub(crate) fn host_features(&self) -> String {
        // SAFETY: it takes nothing.
        self.take_message(unsafe { (self.functions.get_host_features)() })
    }

    /// Copies a string that LLVM has made for its caller, and frees it.
    fn take_message(&self, message: Message) -> String {
        let Some(message) = message else { return String::new() };
        // SAFETY: the string is LLVM's, and the caller has just got it.
        let text = unsafe { text_at(message.as_ptr()) };
        // SAFETY: as above; nobody else has it.
        unsafe { (self.functions.dispose_message)(message) };
        text.trim_end().to_owned()
    }
}

/// The loader's words, without what `libloading` says about them.
fn message_of(error: &libloading::Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}

/// Copies a string.
///
/// # Safety
/// The pointer is null, or that of a string ended by a null byte.
unsafe fn text_at(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller vouches for it.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// LLVM calls this without a lock, and ends the process when it returns.
extern "C" fn on_fatal_error(reason: *const c_char) {
    // SAFETY: LLVM gives a string.
    workers::lose_thread(unsafe { text_at(reason) });
}

/// Has a function called when the process exits, before those that were registered so far.
pub(crate) fn at_exit(function: extern "C" fn()) {
    unsafe extern "C" {
        fn atexit(function: extern "C" fn()) -> c_int;
    }
    // SAFETY: the function may be called at any time. Failure (no memory) leaves it uncalled: there is no remedy.
    unsafe { atexit(function) };
}

/// Bytes that LLVM owns, with a name and a null byte behind them.
pub(crate) struct MemoryBuffer {
    library: &'static Library,
    /// `None` once LLVM has taken it over, or if it has made none.
    raw: Option<NonNull<LlvmMemoryBuffer>>,
}

// SAFETY: LLVM's buffers are memory that belongs to no thread.
unsafe impl Send for MemoryBuffer {}

impl MemoryBuffer {
    /// Copies bytes.
    pub(crate) fn new(library: &'static Library, name: &CStr, bytes: &[u8]) -> Self {
        // SAFETY: it copies `len` bytes and the name.
        let raw = unsafe { (library.functions.create_memory_buffer)(bytes.as_ptr(), bytes.len(), name.as_ptr()) };
        Self { library, raw: Some(raw) }
    }

    fn to_vec(&self) -> Vec<u8> {
        let Some(raw) = self.raw else { return Vec::new() };
        // SAFETY: the buffer is there.
        let start = unsafe { (self.library.functions.get_buffer_start)(raw) };
        // SAFETY: as above.
        let size = unsafe { (self.library.functions.get_buffer_size)(raw) };
        if start.is_null() {
            return Vec::new();
        }
        // SAFETY: LLVM says that the bytes are there, and nobody changes them.
        unsafe { std::slice::from_raw_parts(start, size) }.to_vec()
    }
}

impl Drop for MemoryBuffer {
    fn drop(&mut self) {
        if let Some(raw) = self.raw.take() {
            // SAFETY: the buffer is there, and nobody has it.
            unsafe { (self.library.functions.dispose_memory_buffer)(raw) };
        }
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LLVM {}.{}.{}", self.version.0, self.version.1, self.version.2)
    }
}
