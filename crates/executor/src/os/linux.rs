//! Linux.

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int, c_void};
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use super::system_error;
use crate::init::{AtExitFunction, OnExitFunction};
use crate::{ExecAddr, ExecRange, ExecutorError, Placement, Protection, Result};

/// Addresses below this can be had with 32-bit absolute fixups, signed or not.
const LOW_END: u64 = 0x8000_0000;
const TRIES: usize = 16;

/// Addresses from here on are not the process's (x86-64 with page tables of four levels).
const HIGH_END: u64 = 0x7fff_ffff_f000;

/// The kernel refuses mappings below `vm.mmap_min_addr`, which is 64 KiB nearly everywhere.
const LOW_START: u64 = 0x1_0000;

pub(crate) fn page_size() -> u64 {
    // SAFETY: sysconf has no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}

/// Returns what messages say of a limit of the process's addresses: nothing if there is none.
pub(crate) fn address_space_limit() -> String {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: a place for the limit, which stays as it is if there is an error.
    unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) };
    match limit.rlim_cur {
        libc::RLIM_INFINITY => String::new(),
        bytes => format!(": the process may use only {bytes:#x} bytes of address space (ulimit -v)"),
    }
}

/// Reserves addresses without memory behind them.
pub(crate) fn reserve(size: u64, placement: Placement) -> Result<ExecRange> {
    match placement {
        Placement::Anywhere => map(0, size, 0).ok_or(super::no_address_space(size, "anywhere")),
        Placement::Low => {
            let low = ExecRange { start: ExecAddr(LOW_START), end: ExecAddr(LOW_END) };
            reserve_in(size, low, "below 2 GiB")
        }
        Placement::Near(targets) => {
            let (reach, page) = (targets.reach(), page_size());
            let start = reach.start.0.max(LOW_START).next_multiple_of(page);
            let end = reach.end.0.min(HIGH_END) & !(page - 1);
            let within = ExecRange { start: ExecAddr(start), end: ExecAddr(end) };
            reserve_in(size, within, "near the code and data that linked code refers to")
        }
    }
}

/// Tries the gaps between the mappings of a range, the highest first: the heap of an executable that is not
/// position-independent grows up from the bottom.
fn reserve_in(size: u64, range: ExecRange, place: &'static str) -> Result<ExecRange> {
    // Another thread may take a gap between looking and mapping. It can't do that forever.
    for _ in 0..TRIES {
        let gaps = gaps(size, range)?;
        if gaps.is_empty() {
            break;
        }
        if let Some(range) = gaps.iter().rev().find_map(|end| map(end - size, size, libc::MAP_FIXED_NOREPLACE)) {
            return Ok(range);
        }
    }
    Err(super::no_address_space(size, place))
}

/// The ends of the gaps between the mappings of a range that have room for `size` bytes.
fn gaps(size: u64, range: ExecRange) -> Result<Vec<u64>> {
    let mappings = mappings().map_err(|error| ExecutorError::System {
        call: "read".into(),
        what: "/proc/self/maps".into(),
        message: error.to_string(),
    })?;
    let mut gaps = Vec::new();
    let mut gap_start = range.start.0;
    for (mapping, _) in mappings.into_iter().take_while(|(mapping, _)| mapping.start < range.end.0) {
        gaps.push((gap_start, mapping.start));
        gap_start = gap_start.max(mapping.end);
    }
    gaps.push((gap_start, range.end.0));
    gaps.retain(|(start, end)| end.saturating_sub(*start) >= size);
    Ok(gaps.into_iter().map(|(_, end)| end).collect())
}

/// The mappings of the process, and whether they can be executed: lines of `start-end protections ...`, in hexadecimal.
fn mappings() -> std::io::Result<Vec<(Range<u64>, bool)>> {
    let mapping = |line: &str| {
        let (start, rest) = line.split_once('-')?;
        let (end, protections) = rest.split_once(' ')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some((number(start)?..number(end)?, protections.as_bytes().get(2) == Some(&b'x')))
    };
    // Paths need not be UTF-8.
    let maps = std::fs::read("/proc/self/maps")?;
    Ok(String::from_utf8_lossy(&maps).lines().filter_map(mapping).collect())
}

fn map(address: u64, size: u64, flags: c_int) -> Option<ExecRange> {
    let flags = flags | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new anonymous mapping that replaces none: without MAP_FIXED the address is but a hint.
    let start = unsafe { libc::mmap(address as *mut c_void, size as usize, libc::PROT_NONE, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return None;
    }
    let range = ExecRange::new(ExecAddr(start as u64), size);
    if address != 0 && range.start.0 != address {
        // A kernel before 4.17 does not know MAP_FIXED_NOREPLACE and takes the address for a hint.
        release(range);
        return None;
    }
    Some(range)
}

/// Makes reserved pages readable and writable; they are zero.
pub(crate) fn commit(range: ExecRange) -> Result<()> {
    change(range, libc::PROT_READ | libc::PROT_WRITE)
}

/// Puts memory behind committed pages now rather than at the first access.
pub(crate) fn populate(range: ExecRange) {
    // SAFETY: populating changes no content. Kernels before 5.14 refuse, and the pages come when they are accessed.
    unsafe { libc::madvise(range.start.0 as *mut c_void, range.size() as usize, libc::MADV_POPULATE_WRITE) };
}

pub(crate) fn protect(range: ExecRange, protection: Protection) -> Result<()> {
    match protection {
        Protection::Read => change(range, libc::PROT_READ),
        Protection::ReadExec => make_executable(range),
        Protection::ReadWrite => change(range, libc::PROT_READ | libc::PROT_WRITE),
    }
}

fn change(range: ExecRange, protection: c_int) -> Result<()> {
    // SAFETY: callers pass page-aligned ranges of their own windows, or of pages whose protection they restore; no
    // reference to pages that lose a right is in use.
    let result = unsafe { libc::mprotect(range.start.0 as *mut c_void, range.size() as usize, protection) };
    if result == 0 { Ok(()) } else { Err(system_error("mprotect", describe(range))) }
}

/// Says whether this process may not make executable what it has written.
static IS_REFUSED: AtomicBool = AtomicBool::new(false);

/// Makes pages executable.
fn make_executable(range: ExecRange) -> Result<()> {
    if !IS_REFUSED.load(Ordering::Relaxed) {
        let result = change(range, libc::PROT_READ | libc::PROT_EXEC);
        let code = std::io::Error::last_os_error().raw_os_error();
        if result.is_ok() || !matches!(code, Some(libc::EACCES | libc::EPERM)) {
            return result;
        }
        IS_REFUSED.store(true, Ordering::Relaxed);
    }
    map_code(range).map_err(|message| ExecutorError::System {
        call: "mmap".into(),
        what: describe(range),
        message: format!(
            "{message}: this process may not execute memory that it has written (MemoryDenyWriteExecute of systemd, \
             PR_SET_MDWE, SELinux without execmem), nor map it as a file"
        ),
    })
}

/// Puts a file with the content of writable pages in their place, which was never writable as it is mapped there.
fn map_code(range: ExecRange) -> std::io::Result<()> {
    const MFD_EXEC: u32 = 0x10;
    let mut file = memory_file(c"linkjit-code", MFD_EXEC)?;
    let (start, size) = (range.start.0 as *mut c_void, range.size() as usize);
    // SAFETY: committed pages of the caller's, which nobody writes to any more.
    file.write_all(unsafe { std::slice::from_raw_parts(start.cast::<u8>(), size) })?;
    let (protection, flags) = (libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_FIXED);
    // SAFETY: in place of pages of the caller's, with the same content.
    let mapped = unsafe { libc::mmap(start, size, protection, flags, file.as_raw_fd(), 0) };
    if mapped == libc::MAP_FAILED { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// A file that is nowhere but in memory. `use_flag` says whether its content is to be executed: `vm.memfd_noexec` may
/// demand that this is said. Kernels before 6.3 don't know it.
pub(crate) fn memory_file(name: &CStr, use_flag: u32) -> std::io::Result<File> {
    for flags in [libc::MFD_CLOEXEC | use_flag, libc::MFD_CLOEXEC] {
        // SAFETY: a C string.
        let file = unsafe { libc::syscall(libc::SYS_memfd_create, name.as_ptr(), flags) };
        if let Some(file) = c_int::try_from(file).ok().filter(|file| *file >= 0) {
            // SAFETY: new, and nobody else's.
            return Ok(unsafe { File::from_raw_fd(file) });
        }
    }
    Err(std::io::Error::last_os_error())
}

/// Makes used pages what freshly committed ones are: writable, zero, and without memory behind them.
pub(crate) fn recycle(range: ExecRange, was: Protection) -> Result<()> {
    if was == Protection::ReadExec && IS_REFUSED.load(Ordering::Relaxed) {
        return map_anew(range);
    }
    if was != Protection::ReadWrite {
        commit(range)?;
    }
    // SAFETY: the pages belong to a freed allocation, so their content is nobody's.
    let result = unsafe { libc::madvise(range.start.0 as *mut c_void, range.size() as usize, libc::MADV_DONTNEED) };
    if result == 0 { Ok(()) } else { Err(system_error("madvise", describe(range))) }
}

/// Puts new pages in place of a file's.
fn map_anew(range: ExecRange) -> Result<()> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
    let (start, size, protection) =
        (range.start.0 as *mut c_void, range.size() as usize, libc::PROT_READ | libc::PROT_WRITE);
    // SAFETY: the pages belong to a freed allocation, so their content is nobody's.
    let mapped = unsafe { libc::mmap(start, size, protection, flags, -1, 0) };
    if mapped == libc::MAP_FAILED { Err(system_error("mmap", describe(range))) } else { Ok(()) }
}

/// Gives addresses back.
pub(crate) fn release(range: ExecRange) {
    // SAFETY: the range was mapped by `map`, and its owner is done with it. It can't fail for such a range.
    unsafe { libc::munmap(range.start.0 as *mut c_void, range.size() as usize) };
}

fn describe(range: ExecRange) -> String {
    format!("{:#x} bytes at {}", range.size(), range.start)
}

/// Opens a shared library; returns the loader's handle.
pub(crate) fn open_library(path: &Path, global: bool, _directories: &[PathBuf]) -> Result<usize> {
    let failure = |message: String| ExecutorError::Library { library: path.display().to_string(), message };
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| failure("the path contains a NUL byte".into()))?;
    let flags = libc::RTLD_NOW | if global { libc::RTLD_GLOBAL } else { libc::RTLD_LOCAL };
    #[cfg(glibc_x86_64)]
    let handle = crate::opening::open(&name, flags);
    // SAFETY: a C string. The library's initializers run: who asks for a library asks for that.
    #[cfg(not(glibc_x86_64))]
    let handle = unsafe { libc::dlopen(name.as_ptr(), flags) };
    if !handle.is_null() {
        return Ok(handle as usize);
    }
    let mut message = loader_error();
    if message.contains("static TLS block") {
        // The loader sets aside little for libraries that come late.
        message += ": the library's thread-local variables use the initial-exec model and are too large for a library \
                    that is loaded while the program runs: load it at the start (LD_PRELOAD), or reserve more space \
                    (GLIBC_TUNABLES=glibc.rtld.optional_static_tls=BYTES)";
    }
    // The loader begins with the file, mostly; the error names it already.
    let file = format!("{}: ", path.display());
    Err(failure(message.strip_prefix(&file).map(str::to_owned).unwrap_or(message)))
}

/// Forgets what the loader would say about its last failure on this thread.
#[cfg(glibc_x86_64)]
pub(crate) fn forget_loader_error() {
    // SAFETY: dlerror has no preconditions.
    unsafe { libc::dlerror() };
}

/// Returns what the loader says about its last failure on this thread.
pub(crate) fn loader_error() -> String {
    // SAFETY: dlerror has no preconditions.
    let message = unsafe { libc::dlerror() };
    if message.is_null() {
        return "the loader does not say why".into();
    }
    // SAFETY: not null, hence a C string that is valid until the next call of the loader on this thread.
    unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned()
}

/// Returns where a symbol of a library is sought, or one of the process: the loader knows.
pub(crate) fn search_order(library: Option<usize>) -> Vec<usize> {
    vec![library.unwrap_or(libc::RTLD_DEFAULT as usize)]
}

/// Libraries of this system number nothing.
pub(crate) fn find_ordinal(_library: usize, _ordinal: u16) -> Option<ExecAddr> {
    None
}

/// Address of a symbol of a library, or of the process.
pub(crate) fn find_symbol(library: usize, name: &CStr) -> Option<ExecAddr> {
    let handle = library as *mut c_void;
    let address = match versioned(name) {
        // SAFETY: the handle is one that dlopen returned and that is never closed, or RTLD_DEFAULT.
        None => unsafe { libc::dlsym(handle, name.as_ptr()) },
        // SAFETY: as above.
        Some((name, version)) => unsafe { libc::dlvsym(handle, name.as_ptr(), version.as_ptr()) },
    };
    (!address.is_null()).then_some(ExecAddr(address as u64))
}

/// Returns where the library begins that has an address.
pub(crate) fn library_of(address: ExecAddr) -> Option<ExecAddr> {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: any address may be asked for, and there is a place for the answer.
    if unsafe { libc::dladdr(address.0 as *const c_void, info.as_mut_ptr()) } == 0 {
        return None;
    }
    // SAFETY: filled in.
    let info = unsafe { info.assume_init() };
    Some(ExecAddr(info.dli_fbase as u64))
}

/// The parts of `name@version`, which is how an object refers to one version of a library's symbol (`.symver`).
fn versioned(name: &CStr) -> Option<(CString, CString)> {
    let mut parts = name.to_bytes().splitn(2, |&byte| byte == b'@');
    let (name, version) = (parts.next()?, parts.next()?);
    Some((CString::new(name).ok()?, CString::new(version).ok()?))
}

/// Says whether what is at an address can be executed; true if the system does not say.
pub(crate) fn is_code(address: ExecAddr) -> bool {
    mappings().map_or(true, |mappings| {
        mappings.iter().any(|(mapping, is_executable)| *is_executable && mapping.contains(&address.0))
    })
}

/// A text of this system, as it comes over the executor's interface.
pub(crate) fn text(bytes: &[u8]) -> Result<OsString> {
    Ok(OsStr::from_bytes(bytes).into())
}

/// An argument as `main` gets it.
pub(crate) fn narrow(argument: &OsStr) -> Vec<u8> {
    argument.as_encoded_bytes().into()
}

/// The environment in the form of `main`'s third argument.
pub(crate) fn environment() -> *mut *mut c_char {
    unsafe extern "C" {
        static environ: AtomicPtr<*mut c_char>;
    }
    // SAFETY: a pointer-sized variable of the C library, which exists as long as the process.
    let variable = unsafe { &environ };
    variable.load(Ordering::Relaxed)
}

/// The calling thread's `errno`.
#[cfg(known_convention)]
pub(crate) fn last_error() -> c_int {
    // SAFETY: takes nothing.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: the thread's own variable.
    unsafe { place.read() }
}

/// Sets the calling thread's `errno`.
#[cfg(known_convention)]
pub(crate) fn set_last_error(value: c_int) {
    // SAFETY: takes nothing.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: the thread's own variable.
    unsafe { place.write(value) };
}

/// Keeps the calling thread from being cancelled: what others cancel is a function of theirs, not what is done for it.
#[cfg(all(known_convention, glibc))]
pub(crate) struct Uncancelled(c_int);

#[cfg(all(known_convention, glibc))]
impl Uncancelled {
    pub(crate) fn begin() -> Self {
        Self(set_cancel_state(PTHREAD_CANCEL_DISABLE))
    }
}

#[cfg(all(known_convention, glibc))]
impl Drop for Uncancelled {
    fn drop(&mut self) {
        set_cancel_state(self.0);
    }
}

/// `<pthread.h>`; the crate `libc` doesn't have it.
#[cfg(all(known_convention, glibc))]
const PTHREAD_CANCEL_DISABLE: c_int = 1;

#[cfg(all(known_convention, glibc))]
fn set_cancel_state(state: c_int) -> c_int {
    unsafe extern "C" {
        fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
    }
    let mut old = 0;
    // SAFETY: the place is this function's own; it returns before the thread can be cancelled.
    unsafe { pthread_setcancelstate(state, &raw mut old) };
    old
}

/// Has `function` called when the process exits.
pub(crate) fn at_exit(function: extern "C" fn()) {
    // SAFETY: the function may be called at any time. Failure (no memory) leaves it uncalled: there is no remedy.
    unsafe { libc::atexit(function) };
}

/// Nothing is to be done: the signal ends the process.
pub(crate) fn end_at_interrupts() {}

// SAFETY: `exit` and `_exit` have no preconditions; a function that was registered for exit may call `exit`, as it goes
// on with the others. For the others linked code asks, as it would ask the system if we were not in between.
unsafe extern "C-unwind" {
    /// Ends the process as a program's `exit` does, also if it is about to end.
    pub(crate) safe fn exit(code: c_int) -> !;
    /// Ends the process at once.
    #[link_name = "_exit"]
    pub(crate) safe fn exit_now(code: c_int) -> !;
    #[link_name = "__cxa_atexit"]
    pub(crate) safe fn cxa_atexit(function: AtExitFunction, argument: *mut c_void, handle: *mut c_void) -> c_int;
    #[link_name = "__cxa_at_quick_exit"]
    pub(crate) safe fn cxa_at_quick_exit(function: AtExitFunction, handle: *mut c_void) -> c_int;
    #[link_name = "__cxa_finalize"]
    pub(crate) safe fn cxa_finalize(handle: *mut c_void);
    #[cfg(glibc_x86_64)]
    #[link_name = "__cxa_thread_atexit_impl"]
    pub(crate) safe fn cxa_thread_atexit(function: AtExitFunction, argument: *mut c_void, handle: *mut c_void)
    -> c_int;
    #[cfg(glibc)]
    pub(crate) safe fn on_exit(function: OnExitFunction, argument: *mut c_void) -> c_int;
}
