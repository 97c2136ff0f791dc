//! Images: initializers, terminators, and functions that are registered to run at exit.
//!
//! Linked code calls the functions at the end of this file without any executor at hand, so the records belong to the
//! process. User code is called with no lock held. Each function is taken out of its record under the lock and called
//! after that, so it runs once, even if other threads close images or exit meanwhile.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};

use crate::call::Arguments;
use crate::{
    ExecAddr, ExecRange, ExecutorError, FindExport, ImageId, InitializerKind, PointerArray, Result, TlsId, lock, os,
    tls,
};

/// A function that `atexit`'s kin register, with its argument.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registered {
    pub(crate) function: AtExitFunction,
    pub(crate) argument: *mut c_void,
}

/// A function that is called with what it was registered with.
pub(crate) type AtExitFunction = extern "C-unwind" fn(*mut c_void);

/// A function that is called with what the process exits with, and what it was registered with.
pub(crate) type OnExitFunction = extern "C-unwind" fn(c_int, *mut c_void);

// SAFETY: the argument is but a number to us; the C++ ABI lets any thread make the call.
unsafe impl Send for Registered {}

impl Registered {
    pub(crate) fn call(self) {
        (self.function)(self.argument);
    }
}

/// A function that an image has to call at exit.
#[derive(Clone, Copy, Debug)]
struct AtExit {
    /// Its place among what all images have.
    place: u64,
    registered: Registered,
    /// The function is one of [`OnExitFunction`]'s type instead.
    wants_status: bool,
}

impl AtExit {
    fn call(self) {
        if !self.wants_status {
            return self.registered.call();
        }
        let function = self.registered.function as *const ();
        // SAFETY: `on_exit` has registered it, which takes functions of that type.
        let function: OnExitFunction = unsafe { std::mem::transmute(function) };
        function(STATUS.load(Ordering::Relaxed), self.registered.argument);
    }
}

/// The exit status of the process; before it exits, the result of the last `main`.
static STATUS: AtomicI32 = AtomicI32::new(0);

/// Notes what a program's `main` has returned.
pub(crate) fn set_status(status: c_int) {
    STATUS.store(status, Ordering::Relaxed);
}

/// The function that finds what an image exports.
#[derive(Clone, Default)]
struct Exports(Option<Arc<FindExport>>);

impl std::fmt::Debug for Exports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Exports").field(&self.0.is_some()).finish()
    }
}

#[derive(Debug, Default)]
struct Image {
    /// The executor that opened it.
    owner: u32,
    handle: Option<ExecAddr>,
    exports: Exports,
    /// Called last first.
    at_exit: Vec<AtExit>,
    /// Called last first.
    at_quick_exit: Vec<Registered>,
    /// These are left to call, first first.
    terminators: Vec<PointerArray>,
    /// The place of the terminators: when the image was first initialized.
    initialized: u64,
    closing: bool,
}

#[derive(Debug)]
struct Images {
    /// Ascending ids: in the order in which they were opened.
    images: BTreeMap<u32, Image>,
    by_handle: BTreeMap<u64, u32>,
    last: u32,
    /// The last place that was given out.
    last_place: u64,
    hooked: bool,
    hooked_quick: bool,
}

static IMAGES: Mutex<Images> = Mutex::new(Images {
    images: BTreeMap::new(),
    by_handle: BTreeMap::new(),
    last: 0,
    last_place: 0,
    hooked: false,
    hooked_quick: false,
});

/// Takes the lock for a fork; so do its namesakes.
#[cfg(glibc_x86_64)]
pub(crate) fn hold(held: &mut crate::fork::Held) -> bool {
    held.hold_static(&IMAGES)
}

const NO_IMAGE: ExecutorError = ExecutorError::NoSuch { what: Cow::Borrowed("image") };

impl Images {
    fn get(&mut self, id: ImageId) -> Result<&mut Image> {
        self.images.get_mut(&id.0).ok_or(NO_IMAGE)
    }

    fn with_handle(&mut self, handle: ExecAddr) -> Option<&mut Image> {
        let id = self.by_handle.get(&handle.0)?;
        self.images.get_mut(id)
    }

    fn remove(&mut self, id: u32) {
        if let Some(handle) = self.images.remove(&id).and_then(|image| image.handle) {
            self.by_handle.remove(&handle.0);
        }
    }

    fn next_place(&mut self) -> u64 {
        self.last_place += 1;
        self.last_place
    }

    /// Makes the process's exit run what is registered.
    fn hook(&mut self) {
        if !std::mem::replace(&mut self.hooked, true) {
            call_at_exit();
        }
    }
}

pub(crate) fn open(owner: u32) -> ImageId {
    let mut images = lock(&IMAGES);
    images.last += 1;
    let id = images.last;
    images.images.insert(id, Image { owner, ..Image::default() });
    ImageId(id)
}

/// Forgets the images of an executor that is going away; its memory goes too, so nothing of them can be called.
pub(crate) fn forget_all_of(owner: u32) {
    let mut images = lock(&IMAGES);
    let owned: Vec<u32> = images.images.iter().filter(|(_, image)| image.owner == owner).map(|(id, _)| *id).collect();
    for id in owned {
        images.remove(id);
        tls::forget_destructors(ImageId(id), &[], &|_| true);
    }
}

pub(crate) fn set_handle(id: ImageId, handle: ExecAddr) -> Result<()> {
    let mut images = lock(&IMAGES);
    let image = images.get(id)?;
    let is_known = image.initialized != 0 || !image.at_exit.is_empty() || !image.at_quick_exit.is_empty();
    if is_known && image.handle.is_some_and(|old| old != handle) {
        return Err(ExecutorError::Invalid { what: format!("__dso_handle {handle}: the image has another one") });
    }
    if let Some(old) = image.handle.replace(handle) {
        images.by_handle.remove(&old.0);
    }
    images.by_handle.insert(handle.0, id.0);
    Ok(())
}

pub(crate) fn set_exports(id: ImageId, find: Arc<FindExport>) -> Result<()> {
    // What the old one owns is dropped without the lock.
    let old = std::mem::replace(&mut lock(&IMAGES).get(id)?.exports, Exports(Some(find)));
    drop(old);
    Ok(())
}

/// Returns the function that finds what the image with this `__dso_handle` exports.
#[cfg(windows)]
pub(crate) fn exports_of(handle: ExecAddr) -> Option<Arc<FindExport>> {
    let id = image_with_handle(handle.0 as *mut c_void)?;
    lock(&IMAGES).get(id).ok()?.exports.clone().0
}

pub(crate) fn check_open(id: ImageId) -> Result<()> {
    lock(&IMAGES).get(id).map(|_| ())
}

/// # Safety
/// As for [`crate::Executor::run_initializers`].
pub(crate) unsafe fn run_initializers(
    id: ImageId,
    initializers: &[PointerArray],
    terminators: &[PointerArray],
) -> Result<()> {
    let owner = {
        let mut images = lock(&IMAGES);
        let place = images.next_place();
        let image = images.get(id)?;
        image.terminators = terminators.iter().rev().copied().collect();
        if image.initialized == 0 {
            image.initialized = place;
        }
        let owner = image.owner;
        if !terminators.is_empty() {
            images.hook();
        }
        owner
    };
    let arguments = Arguments::current()?;
    for array in initializers {
        let mut rest = *array;
        match array.kind {
            InitializerKind::Plain | InitializerKind::Fallible => {
                // SAFETY: the caller vouches for the arrays.
                while let Some(function) = unsafe { take_next(&mut rest) } {
                    // SAFETY: the caller vouches for the functions.
                    let result = unsafe { arguments.pass_to(function) };
                    if array.kind == InitializerKind::Fallible && result != 0 {
                        return Err(ExecutorError::InitializerFailed { function, result });
                    }
                }
            }
            InitializerKind::ThreadCallback | InitializerKind::ThreadInitializer => {
                // SAFETY: the caller vouches for the arrays.
                let functions: Vec<ExecAddr> = std::iter::from_fn(|| unsafe { take_next(&mut rest) }).collect();
                // SAFETY: the caller vouches for the functions; closing detaches them.
                unsafe { tls::attach(owner, id, array.kind, &functions) }?;
            }
        }
    }
    Ok(())
}

/// Takes the next function out of an array; what neither is null nor all ones.
///
/// # Safety
/// `array` must describe readable memory.
unsafe fn take_next(array: &mut PointerArray) -> Option<ExecAddr> {
    while array.count > 0 {
        array.count -= 1;
        let place = if array.backwards {
            array.address.offset(array.count * 8)
        } else {
            let first = array.address;
            array.address = first.offset(8);
            first
        };
        // SAFETY: the caller vouches for the memory.
        let function = unsafe { (place.0 as *const u64).read_unaligned() };
        if function != 0 && function != u64::MAX {
            return Some(ExecAddr(function));
        }
    }
    None
}

/// # Safety
/// As for [`crate::Executor::close_image`].
pub(crate) unsafe fn close(id: ImageId) -> Result<()> {
    {
        let mut images = lock(&IMAGES);
        let image = images.get(id)?;
        // Whoever came first runs what is left, perhaps this very moment.
        if std::mem::replace(&mut image.closing, true) {
            return Err(NO_IMAGE);
        }
    }
    // SAFETY: the caller vouches for what is registered.
    unsafe { run_all(id) };
    tls::forget_destructors(id, &[], &|_| true);
    // SAFETY: as above.
    unsafe { tls::detach(id) };
    lock(&IMAGES).remove(id.0);
    Ok(())
}

/// # Safety
/// As for [`crate::Executor::close_part`].
pub(crate) unsafe fn close_part(
    id: ImageId,
    ranges: &[ExecRange],
    blocks: &[TlsId],
    ended: &[PointerArray],
    terminators: &[PointerArray],
) -> Result<()> {
    let within = |registered: &Registered| {
        let inside = |address: u64| ranges.iter().any(|range| range.contains(ExecAddr(address)));
        inside(registered.function as usize as u64) || inside(registered.argument as u64)
    };
    loop {
        if let Some(destructor) = tls::take_destructor(id, blocks, &within) {
            destructor.call();
            continue;
        }
        let next = {
            let mut images = lock(&IMAGES);
            let image = images.get(id)?;
            image.at_quick_exit.retain(|registered| !within(registered));
            let last = image.at_exit.iter().rposition(|entry| within(&entry.registered));
            last.map(|last| image.at_exit.remove(last))
        };
        match next {
            Some(registered) => registered.call(),
            None => break,
        }
    }
    tls::forget_destructors(id, blocks, &within);
    lock(&IMAGES).get(id)?.terminators = terminators.iter().rev().copied().collect();
    for array in ended {
        let mut rest = *array;
        // SAFETY: the caller vouches for the arrays.
        while let Some(function) = unsafe { take_next(&mut rest) } {
            // SAFETY: the caller vouches for the functions.
            unsafe { terminator(function) }.call();
        }
    }
    // SAFETY: the caller vouches for what is registered.
    unsafe { tls::detach_part(id, ranges) };
    Ok(())
}

/// Forgets functions in `functions` that were registered with arguments in `arguments`.
pub(crate) fn forget_registered(id: ImageId, functions: &[ExecRange], arguments: &[ExecRange]) -> Result<()> {
    let is_in = |ranges: &[ExecRange], address: u64| ranges.iter().any(|range| range.contains(ExecAddr(address)));
    lock(&IMAGES).get(id)?.at_exit.retain(|AtExit { registered, .. }| {
        let is_for_argument = registered.argument.is_null() || is_in(arguments, registered.argument as u64);
        !is_in(functions, registered.function as usize as u64) || !is_for_argument
    });
    Ok(())
}

/// A terminator, in the form of what is registered: a function ignores arguments that it does not have.
///
/// # Safety
/// It must be a terminator that is sound to call.
unsafe fn terminator(function: ExecAddr) -> Registered {
    // SAFETY: the caller vouches for the type, but for the argument.
    let function = unsafe { std::mem::transmute::<*const (), AtExitFunction>(function.0 as *const ()) };
    Registered { function, argument: std::ptr::null_mut() }
}

/// # Safety
/// The registered functions must be sound to call.
unsafe fn run_all(id: ImageId) {
    let run_destructor = || tls::take_destructor(id, &[], &|_| true).map(Registered::call).is_some();
    // SAFETY: the caller vouches for what is registered.
    while run_destructor() || unsafe { run_last(id) } {}
}

/// Calls what an image has to call next; false if there is nothing.
///
/// # Safety
/// The registered functions must be sound to call.
unsafe fn run_last(id: ImageId) -> bool {
    // SAFETY: the caller vouches for the terminators.
    unsafe { take_last(id) }.map(AtExit::call).is_some()
}

/// Takes what a closing image has to call next.
///
/// # Safety
/// The image's terminators must be in place, and sound to call.
unsafe fn take_last(id: ImageId) -> Option<AtExit> {
    let mut images = lock(&IMAGES);
    let image = images.get(id).ok()?;
    if let Some(registered) = image.at_exit.pop() {
        return Some(registered);
    }
    while let Some(array) = image.terminators.last_mut() {
        // SAFETY: the caller vouches for the memory.
        if let Some(function) = unsafe { take_next(array) } {
            // SAFETY: the caller vouches for the function.
            let registered = unsafe { terminator(function) };
            return Some(AtExit { place: image.initialized, registered, wants_status: false });
        }
        image.terminators.pop();
    }
    None
}

/// The image that has what is to be called next when the process exits: what was registered last, whatever the image,
/// for it may use what was there before. An image's terminators count from when it was first initialized.
fn last_with_work() -> Option<ImageId> {
    let images = lock(&IMAGES);
    let place = |image: &Image| match image.at_exit.last() {
        Some(last) => Some(last.place),
        None => (!image.terminators.is_empty()).then_some(image.initialized),
    };
    let with_work = images.images.iter().filter_map(|(id, image)| Some((place(image)?, *id)));
    with_work.max().map(|(_, id)| ImageId(id))
}

/// Has the process's exit run what is registered.
#[cfg(glibc)]
fn call_at_exit() {
    extern "C-unwind" fn run(status: c_int, _: *mut c_void) {
        set_status(status);
        run_at_exit();
    }
    // Failure (no memory) leaves it uncalled: there is no remedy.
    let _failed = os::on_exit(run, std::ptr::null_mut());
}

/// Has the process's exit run what is registered.
#[cfg(not(glibc))]
fn call_at_exit() {
    os::at_exit(run_at_exit);
}

extern "C" fn run_at_exit() {
    if last_with_work().is_some() {
        // A function that calls exit() does not come back: the system goes on with the next one that is registered
        // with it, so that must be this one again.
        call_at_exit();
    }
    tls::exit_thread();
    while let Some(id) = last_with_work() {
        // Nothing to call means that only null terminators were left, and now are not.
        // SAFETY: images whose functions can't be called any more are closed before, as the interface demands.
        unsafe { run_last(id) };
    }
}

extern "C-unwind" fn run_at_quick_exit(_: *mut c_void) {
    let next = || lock(&IMAGES).images.values_mut().rev().find_map(|image| image.at_quick_exit.pop());
    while let Some(registered) = next() {
        registered.call();
    }
}

/// Makes the process's exit run what is registered.
#[cfg(windows)]
pub(crate) fn hook_exit() {
    lock(&IMAGES).hook();
}

/// The `__dso_handle` of an image.
#[cfg(windows)]
pub(crate) fn handle_of(id: ImageId) -> Option<ExecAddr> {
    lock(&IMAGES).get(id).ok()?.handle
}

/// The executor that opened an image.
pub(crate) fn owner_of(id: ImageId) -> Option<u32> {
    Some(lock(&IMAGES).get(id).ok()?.owner)
}

/// The open image that has this `__dso_handle`.
pub(crate) fn image_with_handle(handle: *mut c_void) -> Option<ImageId> {
    lock(&IMAGES).by_handle.get(&(handle as u64)).copied().map(ImageId)
}

/// `__cxa_atexit` for linked code.
pub(crate) extern "C" fn cxa_atexit(function: AtExitFunction, argument: *mut c_void, handle: *mut c_void) -> c_int {
    if register(handle, Registered { function, argument }, false) {
        return 0;
    }
    os::cxa_atexit(function, argument, handle)
}

/// `on_exit` for linked code, with the caller's `__dso_handle`.
#[cfg(glibc_x86_64)]
pub(crate) extern "C" fn on_exit(function: OnExitFunction, argument: *mut c_void, handle: *mut c_void) -> c_int {
    // SAFETY: a function's address, which is called as what it is.
    let at_exit: AtExitFunction = unsafe { std::mem::transmute(function as *const ()) };
    if register(handle, Registered { function: at_exit, argument }, true) {
        return 0;
    }
    os::on_exit(function, argument)
}

/// Has an image call a function at exit; false if there is no such image.
fn register(handle: *mut c_void, registered: Registered, wants_status: bool) -> bool {
    let mut images = lock(&IMAGES);
    let place = images.next_place();
    let Some(image) = images.with_handle(ExecAddr(handle as u64)) else { return false };
    image.at_exit.push(AtExit { place, registered, wants_status });
    images.hook();
    true
}

/// `__cxa_at_quick_exit` for linked code.
pub(crate) extern "C" fn cxa_at_quick_exit(function: AtExitFunction, handle: *mut c_void) -> c_int {
    let mut images = lock(&IMAGES);
    let Some(image) = images.with_handle(ExecAddr(handle as u64)) else {
        drop(images);
        return os::cxa_at_quick_exit(function, handle);
    };
    image.at_quick_exit.push(Registered { function, argument: std::ptr::null_mut() });
    let hooked = std::mem::replace(&mut images.hooked_quick, true);
    drop(images);
    if hooked { 0 } else { os::cxa_at_quick_exit(run_at_quick_exit, std::ptr::null_mut()) }
}

/// `__cxa_finalize` for linked code. A null handle means all there is: the system's runs our hook, too.
pub(crate) extern "C-unwind" fn cxa_finalize(handle: *mut c_void) {
    let Some(id) = image_with_handle(handle) else {
        os::cxa_finalize(handle);
        return;
    };
    let next = || lock(&IMAGES).get(id).ok().and_then(|image| image.at_exit.pop());
    while let Some(registered) = next() {
        registered.call();
    }
}
