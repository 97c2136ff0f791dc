//! `dlopen` and its kin for linked code: JITDylibs are libraries, too. All others are the system's business.
//!
//! The handle of a JITDylib is a number that is no address. Functions whose answer depends on who calls them pass the
//! address on to which they return, as the C library does. So if linked code ends with a jump to one of them, its own
//! caller counts.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::Mutex;

use crate::dylibs::{self, AddressOf, DylibReply, DylibRequest, OpenFlags, SearchFrom};
use crate::opening::{in_loader::InLoader, open_plugin};
use crate::{ExecAddr, ImageId, SymbolAddress, listed, lock, nearby, os, tls};

/// Handles of JITDylibs begin so: addresses do not.
const HANDLES: u64 = 0x714a_4954 << 32;

thread_local! {
    /// This thread's last request to a JITDylib has failed. Only then is the error looked at: its destructor is registered
    /// with the C library at first, which takes memory, and a program's own allocator may ask for symbols.
    static HAS_FAILED: Cell<bool> = const { Cell::new(false) };
    /// The error of this thread's last request to a JITDylib, if nobody has asked for it.
    static FAILURE: RefCell<Option<CString>> = const { RefCell::new(None) };
    /// The text that it was given last.
    static GIVEN: RefCell<CString> = RefCell::default();
}

/// Texts that `dladdr` has pointed to. There are as many as names that were asked for.
static TEXTS: Mutex<BTreeSet<&'static CStr>> = Mutex::new(BTreeSet::new());

/// Takes the lock for a fork.
pub(crate) fn hold(held: &mut crate::fork::Held) -> bool {
    held.hold_static(&TEXTS)
}

/// A function that passes its caller's address on as the last argument, in this register.
macro_rules! with_caller {
    ($($(#[$doc:meta])* $name:ident -> $target:ident: $register:literal;)*) => {$(
        $(#[$doc])*
        #[unsafe(naked)]
        pub(crate) unsafe extern "C" fn $name() {
            std::arch::naked_asm!(concat!("mov ", $register, ", [rsp]"), "jmp {target}", target = sym $target)
        }
    )*};
}
pub(crate) use with_caller;

with_caller! {
    /// `dlopen` for linked code.
    dlopen -> dlopen_of: "rdx";
    /// `dlsym` for linked code.
    dlsym -> dlsym_of: "rdx";
    /// `dlvsym` for linked code.
    dlvsym -> dlvsym_of: "rcx";
}

fn handle(image: ImageId) -> *mut c_void {
    (HANDLES | u64::from(image.0)) as *mut c_void
}

fn image(handle: *mut c_void) -> Option<ImageId> {
    let number = handle as u64 ^ HANDLES;
    u32::try_from(number).ok().map(ImageId)
}

/// Begins a request: what an earlier one has failed with is forgotten, by the system's loader, too.
fn begin() {
    os::forget_loader_error();
    if HAS_FAILED.replace(false) {
        let _ending = FAILURE.try_with(RefCell::take);
    }
}

/// Notes why a request has failed.
fn fail(message: String) {
    let message = CString::new(message).unwrap_or_default();
    // A thread that is about to end does not ask.
    let _ending = FAILURE.try_with(|failure| failure.replace(Some(message)));
    HAS_FAILED.set(true);
}

unsafe extern "C" fn dlopen_of(path: *const c_char, flags: c_int, caller: u64) -> *mut c_void {
    begin();
    // SAFETY: the caller's path.
    let name = if path.is_null() { c"" } else { unsafe { CStr::from_ptr(path) } };
    let open = OpenFlags {
        now: flags & libc::RTLD_NOW != 0,
        global: flags & libc::RTLD_GLOBAL != 0,
        keep: flags & libc::RTLD_NODELETE != 0,
        only_open: flags & libc::RTLD_NOLOAD != 0,
    };
    let mut owner = None;
    if !name.is_empty() {
        let request = DylibRequest::Open { name: name.to_bytes(), flags: open, caller: ExecAddr(caller) };
        let answer = dylibs::answer(request);
        owner = answer.owner;
        match answer.reply {
            DylibReply::Opened(image) => return handle(image),
            DylibReply::NotOpen => return std::ptr::null_mut(),
            DylibReply::Failed(message) => {
                fail(message);
                return std::ptr::null_mut();
            }
            _ => {}
        }
    }
    let _in_loader = InLoader::enter();
    // SAFETY: the caller's arguments.
    let handle = unsafe { open_plugin(path, flags, owner) };
    if !handle.is_null() {
        // A slot that can't be changed leads to what the loader has bound it to.
        let _failed = nearby::redirect();
        listed::tell_libraries();
    }
    handle
}

/// `dlclose` for linked code.
pub(crate) unsafe extern "C" fn dlclose(handle: *mut c_void) -> c_int {
    begin();
    if let Some(image) = image(handle) {
        return match dylibs::ask(DylibRequest::Close { image }) {
            DylibReply::Closed => 0,
            DylibReply::Failed(message) => {
                fail(message);
                -1
            }
            _ => {
                fail("the shared object is not open".into());
                -1
            }
        };
    }
    let _in_loader = InLoader::enter();
    // SAFETY: the caller's argument.
    unsafe { libc::dlclose(handle) }
}

/// ORC's `dlupdate` for linked code: initializes what was added to a JITDylib since it was opened.
pub(crate) unsafe extern "C" fn dlupdate(handle: *mut c_void) -> c_int {
    begin();
    let reply = image(handle).map(|image| dylibs::ask(DylibRequest::Update { image }));
    match reply {
        Some(DylibReply::Opened(_)) => return 0,
        Some(DylibReply::Failed(message)) => fail(message),
        Some(_) => fail("the shared object is not open".into()),
        None => fail("nothing can be added to a library of the system's".into()),
    }
    -1
}

unsafe extern "C" fn dlsym_of(handle: *mut c_void, name: *const c_char, caller: u64) -> *mut c_void {
    // SAFETY: the caller's arguments.
    let system = || unsafe { libc::dlsym(handle, name) };
    // SAFETY: as above.
    unsafe { find(handle, name, caller, &system) }
}

unsafe extern "C" fn dlvsym_of(
    handle: *mut c_void,
    name: *const c_char,
    version: *const c_char,
    caller: u64,
) -> *mut c_void {
    // SAFETY: the caller's arguments, but perhaps for the handle, which is a valid one.
    let system = |handle| unsafe { libc::dlvsym(handle, name, version) };
    // SAFETY: the caller's arguments.
    unsafe { find_version(handle, name, version, caller, &system) }
}

/// Finds a version of a symbol in JITDylibs, or has the system find it: symbols of a JITDylib have the versions of their
/// names (`name@version`), and it needs the libraries of the process.
///
/// # Safety
/// As for `dlvsym`.
pub(crate) unsafe fn find_version(
    handle: *mut c_void,
    name: *const c_char,
    version: *const c_char,
    caller: u64,
    system: &dyn Fn(*mut c_void) -> *mut c_void,
) -> *mut c_void {
    let is_dylib = image(handle).is_some();
    // SAFETY: the caller's name.
    let text = unsafe { CStr::from_ptr(name) }.to_bytes();
    // SAFETY: the caller's version.
    let version = unsafe { CStr::from_ptr(version) }.to_bytes();
    for at in [&b"@@"[..], b"@"] {
        let Ok(name) = CString::new([text, at, version].concat()) else { continue };
        // SAFETY: a C string.
        let found = unsafe { find(handle, name.as_ptr(), caller, &std::ptr::null_mut) };
        if !found.is_null() {
            return found;
        }
    }
    begin();
    system(if is_dylib { libc::RTLD_DEFAULT } else { handle })
}

/// Finds a symbol in JITDylibs, or has the system find it.
///
/// # Safety
/// As for `dlsym`.
pub(crate) unsafe fn find(
    handle: *mut c_void,
    name: *const c_char,
    caller: u64,
    system: &dyn Fn() -> *mut c_void,
) -> *mut c_void {
    begin();
    let caller = ExecAddr(caller);
    let from = match image(handle) {
        Some(image) => Some(SearchFrom::Image(image)),
        None if handle == libc::RTLD_DEFAULT => Some(SearchFrom::Program { caller, with_own: true }),
        None if handle == libc::RTLD_NEXT => Some(SearchFrom::Behind { caller }),
        None if is_of_program(handle) => Some(SearchFrom::Program { caller, with_own: false }),
        None => None,
    };
    if let Some(from) = from {
        // SAFETY: the caller's name.
        let name = unsafe { CStr::from_ptr(name) }.to_bytes();
        match dylibs::ask(DylibRequest::Find { from, name }) {
            DylibReply::Found(SymbolAddress::Address(address)) => return address.0 as *mut c_void,
            DylibReply::Found(SymbolAddress::ThreadLocal(address)) => return tls::address_in_thread(address).cast(),
            DylibReply::Failed(message) => {
                fail(message);
                return std::ptr::null_mut();
            }
            _ if matches!(from, SearchFrom::Image(_)) => {
                fail("the shared object is not open".into());
                return std::ptr::null_mut();
            }
            _ => {}
        }
    }
    system()
}

/// Returns whether a handle is one of the program.
pub(crate) fn is_of_program(handle: *mut c_void) -> bool {
    if handle == libc::RTLD_DEFAULT {
        return true;
    }
    // SAFETY: asks for a handle to the program, which can't be closed for good.
    let program = unsafe { libc::dlopen(std::ptr::null(), libc::RTLD_LAZY) };
    if !program.is_null() {
        // SAFETY: opened just now.
        unsafe { libc::dlclose(program) };
    }
    handle == program
}

/// `dlerror` for linked code.
pub(crate) unsafe extern "C" fn dlerror() -> *mut c_char {
    let failure = if HAS_FAILED.replace(false) { FAILURE.try_with(RefCell::take).ok().flatten() } else { None };
    let given = failure.and_then(|failure| {
        let give = |given: &RefCell<CString>| {
            given.replace(failure);
            given.borrow().as_ptr().cast_mut()
        };
        GIVEN.try_with(give).ok()
    });
    // SAFETY: any thread may ask.
    given.unwrap_or_else(|| unsafe { libc::dlerror() })
}

/// `dladdr` for linked code.
pub(crate) unsafe extern "C" fn dladdr(address: *const c_void, info: *mut libc::Dl_info) -> c_int {
    // SAFETY: the caller's arguments.
    let known = unsafe { libc::dladdr(address, info) };
    if known != 0 {
        return known;
    }
    let DylibReply::Described(AddressOf { dylib, base, symbol }) =
        dylibs::ask(DylibRequest::Describe { address: ExecAddr(address as u64) })
    else {
        return 0;
    };
    let (name, start) = symbol.map_or((std::ptr::null(), 0), |(name, start)| (text(name), start.0));
    let described = libc::Dl_info {
        dli_fname: text(dylib.into_bytes()),
        dli_fbase: base.0 as *mut c_void,
        dli_sname: name,
        dli_saddr: start as *mut c_void,
    };
    // SAFETY: the caller passes a place for it.
    unsafe { info.write(described) };
    1
}

/// `dlinfo` for linked code: the loader has nothing to tell of JITDylibs.
pub(crate) unsafe extern "C" fn dlinfo(handle: *mut c_void, request: c_int, info: *mut c_void) -> c_int {
    begin();
    if image(handle).is_some() {
        fail("the loader knows nothing of a JITDylib".into());
        return -1;
    }
    // SAFETY: the caller's arguments.
    unsafe { libc::dlinfo(handle, request, info) }
}

/// A text that stays.
fn text(bytes: Vec<u8>) -> *const c_char {
    let text = CString::new(bytes).unwrap_or_default();
    let mut texts = lock(&TEXTS);
    let kept: &'static CStr = match texts.get(text.as_c_str()) {
        Some(kept) => kept,
        None => {
            let kept: &'static CStr = Box::leak(text.into_boxed_c_str());
            texts.insert(kept);
            kept
        }
    };
    kept.as_ptr()
}
