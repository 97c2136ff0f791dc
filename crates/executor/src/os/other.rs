//! For systems on which linkjit does not run code yet.

use std::borrow::Cow;
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};

use crate::init::AtExitFunction;
use crate::{ExecAddr, ExecRange, ExecutorError, Placement, Protection, Result};

const UNSUPPORTED: ExecutorError = ExecutorError::Unsupported { what: Cow::Borrowed("running linked code") };

pub(crate) fn page_size() -> u64 {
    4096
}

pub(crate) fn reserve(_size: u64, _placement: Placement) -> Result<ExecRange> {
    Err(UNSUPPORTED)
}

pub(crate) fn commit(_range: ExecRange) -> Result<()> {
    Err(UNSUPPORTED)
}

/// No message says anything of limits.
pub(crate) fn address_space_limit() -> String {
    String::new()
}

/// Pages come when they are accessed.
pub(crate) fn populate(_range: ExecRange) {}

pub(crate) fn protect(_range: ExecRange, _protection: Protection) -> Result<()> {
    Err(UNSUPPORTED)
}

pub(crate) fn recycle(_range: ExecRange, _was: Protection) -> Result<()> {
    Err(UNSUPPORTED)
}

pub(crate) fn release(_range: ExecRange) {}

pub(crate) fn open_library(_path: &Path, _global: bool, _directories: &[PathBuf]) -> Result<usize> {
    Err(UNSUPPORTED)
}

pub(crate) fn search_order(_library: Option<usize>) -> Vec<usize> {
    Vec::new()
}

pub(crate) fn find_ordinal(_library: usize, _ordinal: u16) -> Option<ExecAddr> {
    None
}

pub(crate) fn find_symbol(_library: usize, _name: &CStr) -> Option<ExecAddr> {
    None
}

/// Whether what is at an address can be executed.
pub(crate) fn is_code(_address: crate::ExecAddr) -> bool {
    true
}

pub(crate) fn text(_bytes: &[u8]) -> Result<OsString> {
    Err(UNSUPPORTED)
}

pub(crate) fn narrow(argument: &OsStr) -> Vec<u8> {
    argument.as_encoded_bytes().into()
}

pub(crate) fn environment() -> *mut *mut c_char {
    std::ptr::null_mut()
}

pub(crate) fn at_exit(_function: extern "C" fn()) {}

pub(crate) fn exit_now(code: c_int) -> ! {
    exit(code)
}

pub(crate) fn exit(code: c_int) -> ! {
    std::process::exit(code)
}

/// The system has no such function; -1 says so to who asks for a handle that is not ours.
pub(crate) fn cxa_atexit(_function: AtExitFunction, _argument: *mut c_void, _handle: *mut c_void) -> c_int {
    -1
}

/// As `cxa_atexit`.
pub(crate) fn cxa_at_quick_exit(_function: AtExitFunction, _handle: *mut c_void) -> c_int {
    -1
}

/// Nothing is registered for handles that are not ours.
pub(crate) fn cxa_finalize(_handle: *mut c_void) {}
