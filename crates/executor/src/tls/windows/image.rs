//! Functions of an image that run when threads start and end: callbacks (`.CRT$XL*`), initializers of thread-local
//! variables (`.CRT$XD*`), destructors.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::Mutex;

use windows_sys::Win32::Foundation::HMODULE;

use super::{Storage, TABLES, ensure_module, threads, unload};
use crate::init::{self, AtExitFunction, Registered};
use crate::{ExecAddr, ExecRange, ImageId, InitializerKind, Result, TlsId, lock, os};

const PROCESS_DETACH: u32 = 0;
const PROCESS_ATTACH: u32 = 1;
const THREAD_ATTACH: u32 = 2;
const THREAD_DETACH: u32 = 3;

/// The functions of an image that threads have to call.
#[derive(Debug, Default)]
pub(super) struct Functions {
    callbacks: Vec<ExecAddr>,
    /// Threads count those that they have called: what is removed leaves a null.
    initializers: Vec<ExecAddr>,
}

/// Destructors of thread-local variables. They are the process's, by thread: Rust's own thread-local variables may be
/// gone when the loader calls us.
static DESTRUCTORS: Mutex<Vec<Destructor>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Destructor {
    thread: u32,
    image: ImageId,
    registered: Registered,
}

/// Adds callbacks or thread initializers of an image, and calls them on the calling thread.
///
/// # Safety
/// They must be sound to call, now and on each thread that starts or ends until they are detached.
pub(crate) unsafe fn attach(owner: u32, image: ImageId, kind: InitializerKind, functions: &[ExecAddr]) -> Result<()> {
    ensure_module(owner, image, 0)?;
    let mut tables = lock(&TABLES);
    let Some(module) = tables.modules.get_mut(&image.0) else { return Ok(()) };
    if kind == InitializerKind::ThreadCallback {
        module.functions.callbacks.extend_from_slice(functions);
        drop(tables);
        // SAFETY: the caller vouches for them.
        unsafe { call_all(image, functions, PROCESS_ATTACH) };
        return Ok(());
    }
    module.functions.initializers.extend_from_slice(functions);
    // Threads that had called all there were have to come again.
    module.forget_ended();
    for storage in module.threads.values() {
        let header = storage.address as *mut super::Header;
        // SAFETY: the storage of a thread that has it until it calls back, and begins with a header.
        let guard = unsafe { &raw mut (*header).guard };
        // SAFETY: as above. Generated code only compares the byte with zero.
        unsafe { guard.write_volatile(0) };
    }
    drop(tables);
    // SAFETY: the caller vouches for them.
    unsafe { initialize_thread(image) };
    Ok(())
}

/// Calls those thread initializers of an image that the calling thread has not called yet.
///
/// # Safety
/// They must be sound to call.
pub(crate) unsafe fn initialize_thread(image: ImageId) {
    loop {
        let next = {
            let tables = lock(&TABLES);
            let Some(module) = tables.modules.get(&image.0) else { return };
            let Some(header) = module.header(threads::current()) else { return };
            // SAFETY: the calling thread's.
            let header = unsafe { &mut *header };
            header.guard = 1;
            let next = module.functions.initializers.get(header.initialized as usize).copied();
            header.initialized += u32::from(next.is_some());
            next
        };
        match next {
            Some(function) if function.is_null() => {}
            Some(function) => {
                // SAFETY: the caller vouches for the type.
                let function: extern "C-unwind" fn() = unsafe { os::as_function(function) };
                function();
            }
            None => return,
        }
    }
}

/// # Safety
/// The functions must be callbacks that are sound to call.
unsafe fn call_all(image: ImageId, functions: &[ExecAddr], reason: u32) {
    let handle = init::handle_of(image).unwrap_or(ExecAddr::NULL);
    for function in functions {
        // SAFETY: the caller vouches for the type.
        let function: extern "C-unwind" fn(u64, u32, *mut c_void) = unsafe { os::as_function(*function) };
        function(handle.0, reason, null_mut());
    }
}

/// The loader calls this for each thread that starts or ends, and when it loads and unloads the DLL of an image.
pub(super) unsafe extern "system" fn on_thread(dll: HMODULE, reason: u32, _: *mut c_void) {
    let thread = threads::current();
    let mut tables = if reason == PROCESS_DETACH {
        // When the process ends, the system has ended all other threads: one of them may have held the lock.
        match TABLES.try_lock() {
            Ok(tables) => tables,
            Err(_) => return,
        }
    } else {
        lock(&TABLES)
    };
    if reason == THREAD_DETACH && tables.module_of_dll(dll as usize).is_none() {
        tables.departed.push((dll as usize, thread));
        return;
    }
    let Some((image, module)) = tables.module_of_dll(dll as usize) else { return };
    let callbacks = module.functions.callbacks.clone();
    if reason == THREAD_ATTACH
        && let Some(storage) = threads::own_storage(module.index)
    {
        module.threads.insert(thread, Storage { address: storage, existed: None });
        let template = module.dll.template();
        // SAFETY: both have this size; the thread has not run any code of the image yet.
        unsafe { template.copy_to_nonoverlapping(storage as *mut u8, module.size as usize) };
    }
    drop(tables);
    match reason {
        THREAD_ATTACH => {
            // SAFETY: attached functions are sound to call on threads that start.
            unsafe { call_all(image, &callbacks, THREAD_ATTACH) };
            // SAFETY: as above.
            unsafe { initialize_thread(image) };
        }
        THREAD_DETACH => {
            run_destructors(Some(image));
            // SAFETY: attached functions are sound to call on threads that end.
            unsafe { call_all(image, &callbacks, THREAD_DETACH) };
            if let Some((_, module)) = lock(&TABLES).module_of_dll(dll as usize) {
                module.threads.remove(&thread);
            }
        }
        // The process ends with the image open; when the image is closed, there is no module any more.
        // SAFETY: attached functions are sound to call until they are detached.
        PROCESS_DETACH => unsafe { call_all(image, &callbacks, PROCESS_DETACH) },
        _ => {}
    }
}

/// Calls the callbacks of an image that is closed a last time, and gives its thread-local storage back.
///
/// # Safety
/// They must be sound to call.
pub(crate) unsafe fn detach(image: ImageId) {
    let callbacks = lock(&TABLES).modules.get(&image.0).map(|module| module.functions.callbacks.clone());
    // SAFETY: the caller vouches for them.
    unsafe { call_all(image, &callbacks.unwrap_or_default(), PROCESS_DETACH) };
    let module = lock(&TABLES).modules.remove(&image.0);
    module.into_iter().for_each(unload);
    lock(&DESTRUCTORS).retain(|destructor| destructor.image != image);
}

/// Forgets the functions in `ranges`, whose memory goes; callbacks are called a last time.
///
/// # Safety
/// They must be sound to call.
pub(crate) unsafe fn detach_part(image: ImageId, ranges: &[ExecRange]) {
    let goes = |function: &ExecAddr| ranges.iter().any(|range| range.contains(*function));
    let callbacks: Vec<ExecAddr> = {
        let mut tables = lock(&TABLES);
        let Some(module) = tables.modules.get_mut(&image.0) else { return };
        for function in module.functions.initializers.iter_mut().filter(|function| goes(function)) {
            *function = ExecAddr::NULL;
        }
        module.functions.callbacks.extract_if(.., |function| goes(function)).collect()
    };
    // SAFETY: the caller vouches for them.
    unsafe { call_all(image, &callbacks, PROCESS_DETACH) };
}

/// Registers a destructor of the calling thread, which runs when the thread ends.
pub(crate) extern "C" fn cxa_thread_atexit(
    function: AtExitFunction,
    argument: *mut c_void,
    handle: *mut c_void,
) -> c_int {
    let Some(image) = init::image_with_handle(handle) else { return -1 };
    // The module is what tells when the thread ends.
    let Some(owner) = init::owner_of(image) else { return -1 };
    if ensure_module(owner, image, 0).is_err() {
        return -1;
    }
    let registered = Registered { function, argument };
    // The thread that ends the process runs its destructors, too.
    init::hook_exit();
    lock(&DESTRUCTORS).push(Destructor { thread: threads::current(), image, registered });
    0
}

/// Takes the last destructor that the calling thread has for an object of an image: one in `blocks`, or another one
/// that is wanted.
pub(crate) fn take_destructor(
    image: ImageId,
    blocks: &[TlsId],
    others: &dyn Fn(&Registered) -> bool,
) -> Option<Registered> {
    let places = places_of(blocks);
    take(|destructor| destructor.goes(image, &places, others))
}

/// Forgets such destructors of all threads.
pub(crate) fn forget_destructors(image: ImageId, blocks: &[TlsId], others: &dyn Fn(&Registered) -> bool) {
    let places = places_of(blocks);
    lock(&DESTRUCTORS).retain(|destructor| !destructor.goes(image, &places, others));
}

/// Returns where threads have blocks.
fn places_of(blocks: &[TlsId]) -> Vec<ExecRange> {
    let tables = lock(&TABLES);
    let found = blocks.iter().filter_map(|id| tables.blocks.get(&id.0));
    let with_module = found.filter_map(|block| Some((block, tables.modules.get(&block.image)?)));
    let places = with_module.flat_map(|(block, module)| {
        module.threads.values().map(|storage| ExecRange::new(ExecAddr(storage.address + block.offset), block.size))
    });
    places.collect()
}

impl Destructor {
    fn goes(&self, image: ImageId, places: &[ExecRange], others: &dyn Fn(&Registered) -> bool) -> bool {
        let object = ExecAddr(self.registered.argument as u64);
        self.image == image && (places.iter().any(|place| place.contains(object)) || others(&self.registered))
    }
}

fn take(wanted: impl Fn(&Destructor) -> bool) -> Option<Registered> {
    let thread = threads::current();
    let mut destructors = lock(&DESTRUCTORS);
    let last = destructors.iter().rposition(|destructor| destructor.thread == thread && wanted(destructor))?;
    Some(destructors.remove(last).registered)
}

fn run_destructors(image: Option<ImageId>) {
    while let Some(destructor) = take(|destructor| image.is_none_or(|image| destructor.image == image)) {
        destructor.call();
    }
}

/// The calling thread ends the process: it runs its destructors first.
pub(crate) fn exit_thread() {
    run_destructors(None);
}

/// Forgets destructors of images that are no more.
pub(super) fn destructors_of_closed() {
    lock(&DESTRUCTORS).retain(|destructor| init::check_open(destructor.image).is_ok());
}
