//! Opening libraries: for the executor, and for linked code.
//!
//! The loader does not see linked code, so a library would not find in it the symbols that a program gives to its
//! plugins. And if the program has its own allocator, libraries must be bound to it before their initializers run. The
//! loader relocates all objects that it opens together before it initializes any, those that others need first. So we
//! open such a library as a dependency of a tiny shared object. The tiny object defines the program's symbols. It also
//! has a relocation whose value a function returns (`STT_GNU_IFUNC`); the loader calls that function when all objects
//! but the tiny one are relocated.
//!
//! - The libraries of the process come first: if one of them defines a name, others get it from there, not from the
//!   program.
//! - The tiny object can't define thread-local variables of the program: the loader says that they are missing.
//! - If a library defines a name itself, the program's definition takes its place only if it is an inline function or
//!   variable: nobody knows whether the program would have been linked with `-rdynamic`.

pub(crate) mod in_loader;
mod needed;

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::loader::{Image, ImageFile, Relocation};
use crate::{ExecAddr, ProvideNeeded, allocator, lock};

/// By executor: who knows what its program has for libraries.
static PROVIDERS: Mutex<BTreeMap<u32, Provider>> = Mutex::new(BTreeMap::new());

#[derive(Clone)]
struct Provider(Arc<ProvideNeeded>);

/// Takes the lock for a fork.
pub(crate) fn hold(held: &mut crate::fork::Held) -> bool {
    held.hold_static(&PROVIDERS)
}

/// See [`crate::Executor::provide_needed`].
pub(crate) fn set_provider(owner: u32, provide: Arc<ProvideNeeded>) {
    // The lock is free when the old one drops what it owns.
    let old = lock(&PROVIDERS).insert(owner, Provider(provide));
    drop(old);
}

/// The executor goes away.
pub(crate) fn forget_all_of(owner: u32) {
    let old = lock(&PROVIDERS).remove(&owner);
    drop(old);
}

/// Opens a library for the executor.
pub(crate) fn open(path: &CStr, flags: c_int) -> *mut c_void {
    // SAFETY: a C string. The library's initializers run: who asks for a library asks for that.
    unsafe { open_bound(path.as_ptr(), flags) }
}

/// Opens a library that may need what the program has: that of an executor, if it is known whose code opens it.
///
/// # Safety
/// As for `dlopen`.
pub(crate) unsafe fn open_plugin(path: *const c_char, flags: c_int, owner: Option<u32>) -> *mut c_void {
    // The lock is not held while they are asked: they link.
    let providers: Vec<Provider> = {
        let providers = lock(&PROVIDERS);
        let asked = providers.iter().filter(|(other, _)| owner.is_none_or(|owner| owner == **other));
        asked.map(|(_, provider)| provider.clone()).collect()
    };
    // SAFETY: the caller's path.
    let name = unsafe { name_of_new(path, flags) }.filter(|_| !providers.is_empty());
    let Some(name) = name else {
        // SAFETY: the caller's arguments.
        return unsafe { open_bound(path, flags) };
    };
    let mut file = PathBuf::from(OsStr::from_bytes(name.to_bytes()));
    let (mut exports, mut asked) = (BTreeMap::new(), Vec::new());
    loop {
        // What can't be read, the loader can't open either.
        let library = linkjit_host::file::read(&file).ok();
        let library = library.as_ref().and_then(|bytes| needed::extract(bytes.as_ref())).unwrap_or_default();
        let provided = providers.iter().rev().flat_map(|Provider(provide)| provide(&library));
        exports.extend(provided.filter_map(|(name, address)| Some((CString::new(name).ok()?, address))));
        asked.push(file);
        let list: Vec<_> = exports.iter().map(|(name, address): (&CString, _)| (name.clone(), *address)).collect();
        let Ok(image) = image_for(name, &list) else { break };
        // Functions are bound at once, as what defines them is closed.
        // SAFETY: a well-formed shared object; whoever opens the library wants its initializers to run.
        if let Some(with) = unsafe { image.load(libc::RTLD_NOW) } {
            // SAFETY: the caller's arguments.
            let handle = unsafe { libc::dlopen(path, flags) };
            // Libraries that are bound to the tiny object keep it.
            drop(with);
            return handle;
        }
        // Its file says what a library needs; the loader says what its dependencies need, one after another.
        let message = crate::os::loader_error();
        if let Some((needs, _)) = message.split_once(": undefined symbol: ")
            && !asked.iter().any(|file| file == Path::new(needs))
        {
            file = Path::new(needs).into();
            continue;
        }
        if list.is_empty() {
            break;
        }
        // It needs what nobody has: functions, perhaps, that are never called.
        // SAFETY: as above.
        if let Some(with) = unsafe { image.load(flags & (libc::RTLD_LAZY | libc::RTLD_NOW)) } {
            // They are looked for in it later.
            std::mem::forget(with);
            break;
        }
        return std::ptr::null_mut();
    }
    // SAFETY: the caller's arguments.
    unsafe { open_bound(path, flags) }
}

/// Opens a library, which is bound to the program's allocator, if it has one.
///
/// # Safety
/// As for `dlopen`.
unsafe fn open_bound(path: *const c_char, flags: c_int) -> *mut c_void {
    // SAFETY: the caller's path.
    let name = if allocator::serves() { unsafe { name_of_new(path, flags) } } else { None };
    let image = name.and_then(|name| image_for(name, &[]).ok());
    // The next try tells what is wrong with the library.
    // SAFETY: a well-formed shared object; whoever opens the library wants its initializers to run.
    let with = image.and_then(|image| unsafe { image.load(flags & (libc::RTLD_LAZY | libc::RTLD_NOW)) });
    // SAFETY: the caller's arguments.
    let handle = unsafe { libc::dlopen(path, flags) };
    // If it failed, the caller is to get to know what the loader says about that.
    if !handle.is_null() {
        allocator::bind_libraries();
    }
    drop(with);
    handle
}

/// The path of a library, unless it is not opened anew, or its name would mean something else to another object.
///
/// # Safety
/// As for `dlopen`.
unsafe fn name_of_new<'a>(path: *const c_char, flags: c_int) -> Option<&'a CStr> {
    // SAFETY: the caller's path.
    let name = if path.is_null() { c"" } else { unsafe { CStr::from_ptr(path) } };
    let is_other = name.is_empty() || name.to_bytes().contains(&b'$');
    if is_other || flags & (libc::RTLD_NOLOAD | libc::RTLD_DEEPBIND) != 0 {
        return None;
    }
    // SAFETY: the caller's path; nothing is loaded.
    let loaded = unsafe { libc::dlopen(path, libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    if loaded.is_null() {
        return Some(name);
    }
    // SAFETY: opened just now.
    unsafe { libc::dlclose(loaded) };
    None
}

/// The tiny object that needs a library.
fn image_for(name: &CStr, exports: &[(CString, ExecAddr)]) -> Result<ImageFile, String> {
    let binds = allocator::serves();
    let image = Image {
        needed: Some(name),
        relocations: if binds { &[Relocation::Address] } else { &[] },
        indirect: binds.then_some(bind as *const () as u64),
        exports,
        ..Image::default()
    };
    ImageFile::new(&image.bytes().0)
}

/// Called by the loader when the library and all that it needs are relocated.
extern "C" fn bind() -> u64 {
    allocator::bind_libraries();
    1
}
