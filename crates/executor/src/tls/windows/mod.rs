//! Thread-local storage on Windows. Code of an image finds it as `gs:[0x58][_tls_index]`, so an image has one module of
//! the loader's: a DLL made for it ([`dll`]), with room for what is linked later.
//!
//! The storage of an image begins with what the runtime keeps there ([`Header`]); blocks follow. New threads get the
//! initial content from the loader, and once more from the DLL's callback, lest it change while the loader copies it.
//! The callback also knows which threads there are: what is published later is written to the storage of each.
//!
//! Callbacks run under the loader's lock, so nothing here may call the loader with a lock of ours held. Linked code is
//! called without any but that.

mod dll;
mod image;
mod threads;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::mem::offset_of;
use std::sync::atomic::AtomicI32;
use std::sync::{Arc, Mutex};

use self::dll::Dll;
use self::image::{Functions, destructors_of_closed, on_thread};
pub(crate) use self::image::{
    attach, cxa_thread_atexit, detach, detach_part, exit_thread, forget_destructors, initialize_thread, take_destructor,
};
use self::threads::Thread;
use crate::free_list::FreeList;
use crate::{
    ExecAddr, ExecutorError, ImageId, Result, RuntimeFunction, TlsAddress, TlsBlock, TlsId, TlsRequest, init, lock,
};

/// An image has room for as much thread-local storage as its first batch needs, and this many bytes more.
const SLACK: u64 = 16 << 10;
/// The loader takes sizes of 32 bits; what is larger than this is a mistake.
const MOST: u64 = 1 << 30;

const NO_BLOCK: ExecutorError = ExecutorError::NoSuch { what: Cow::Borrowed("thread-local block") };

/// The runtime keeps this for each thread of an image.
#[repr(C)]
struct Header {
    /// `_Init_thread_epoch`: static variables of functions that were initialized by then need no look at any lock.
    epoch: AtomicI32,
    /// `__tls_guard`: zero if the thread has to call `__dyn_tls_on_demand_init` before it uses a variable.
    guard: u8,
    /// The thread has called so many of the image's thread initializers.
    initialized: u32,
    /// Tells storage of this module from that of others, and from memory that is free.
    nonce: u64,
}

/// The storage of a thread.
#[derive(Debug)]
struct Storage {
    address: u64,
    /// A thread that was there before the module. It may have been about to end when we came, too late to call back, and
    /// have had for its storage what is another's by now.
    existed: Option<Thread>,
}

/// The epoch before everything.
const FIRST_EPOCH: i32 = i32::MIN;

pub(crate) const RUNTIME_VARIABLES: &[(&str, u64)] =
    &[("_Init_thread_epoch", offset_of!(Header, epoch) as u64), ("__tls_guard", offset_of!(Header, guard) as u64)];

static TABLES: Mutex<Tables> =
    Mutex::new(Tables { modules: BTreeMap::new(), blocks: BTreeMap::new(), last_block: 0, departed: Vec::new() });

#[derive(Debug)]
struct Tables {
    /// By image.
    modules: BTreeMap<u32, Module>,
    blocks: BTreeMap<u32, Block>,
    last_block: u32,
    /// Threads that ended while a DLL was loaded that is in no module yet: handle and thread.
    departed: Vec<(usize, u32)>,
}

#[derive(Debug)]
struct Module {
    owner: u32,
    dll: Dll,
    index: u32,
    size: u64,
    free: FreeList,
    /// The threads that have storage, and where.
    threads: BTreeMap<u32, Storage>,
    functions: Functions,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    owner: u32,
    image: u32,
    offset: u64,
    size: u64,
}

impl Tables {
    fn module_of_dll(&mut self, handle: usize) -> Option<(ImageId, &mut Module)> {
        let (&id, module) = self.modules.iter_mut().find(|(_, module)| module.dll.handle() == handle)?;
        Some((ImageId(id), module))
    }
}

impl Module {
    /// Makes `bytes`, and zeros up to `size`, the content at `offset` of the storage of all threads, now and later.
    fn fill(&mut self, offset: u64, bytes: &[u8], size: u64) {
        self.forget_ended();
        let places = self.threads.values().map(|storage| storage.address as *mut u8).chain([self.dll.template()]);
        for place in places {
            let place = place.wrapping_add(offset as usize);
            // SAFETY: the template and the storage of each thread have this size; blocks are within it, and code does
            // not know yet where this one is. Threads take themselves out of the list before their storage goes.
            unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
            let rest = size as usize - bytes.len();
            // SAFETY: as above.
            unsafe { place.wrapping_add(bytes.len()).write_bytes(0, rest) };
        }
    }

    fn forget_ended(&mut self) {
        self.threads.retain(|_, storage| !storage.existed.as_ref().is_some_and(|thread| thread.has_ended()));
    }

    /// The header of a thread.
    fn header(&self, thread: u32) -> Option<*mut Header> {
        self.threads.get(&thread).map(|storage| storage.address as *mut Header)
    }
}

/// The module of an image; the first who asks makes it, with room for `size` bytes.
fn ensure_module(owner: u32, image: ImageId, size: u64) -> Result<()> {
    if lock(&TABLES).modules.contains_key(&image.0) {
        return Ok(());
    }
    let header = size_of::<Header>() as u64;
    let room = size.checked_mul(2).and_then(|size| size.checked_add(header + SLACK)).filter(|room| *room <= MOST);
    let room = room.ok_or_else(|| ExecutorError::Invalid { what: format!("size of a thread-local block: {size}") })?;
    let threads = threads::Threads::new()?;
    let nonce = RandomState::new().build_hasher().finish();
    let mut first = [0; size_of::<Header>()];
    first[offset_of!(Header, epoch)..][..4].copy_from_slice(&FIRST_EPOCH.to_le_bytes());
    first[offset_of!(Header, nonce)..][..8].copy_from_slice(&nonce.to_le_bytes());
    let dll = Dll::load(room as u32, &first, on_thread)?;
    let index = dll.index();
    let mut module = Module {
        owner,
        index,
        size: room,
        free: FreeList::new(header, room - header),
        threads: BTreeMap::new(),
        functions: Functions::default(),
        dll,
    };
    let loader = threads.lock_loader();
    let mut tables = lock(&TABLES);
    let handle = module.dll.handle();
    let departed: Vec<u32> =
        tables.departed.extract_if(.., |(departed, _)| *departed == handle).map(|(_, thread)| thread).collect();
    if tables.modules.contains_key(&image.0) {
        // Another thread was faster.
        drop(tables);
        unload(module);
        return Ok(());
    }
    threads.visit(&loader, |thread, id, environment| {
        if departed.contains(&id) {
            return;
        }
        let at = offset_of!(Header, nonce) as u64;
        if let Some(address) = threads::storage_of(environment, index, at, nonce) {
            module.threads.insert(id, Storage { address, existed: Some(Arc::clone(thread)) });
        }
    });
    tables.modules.insert(image.0, module);
    Ok(())
}

/// Unloads a module that is in no table any more. This calls back, so no lock may be held.
fn unload(module: Module) {
    let handle = module.dll.handle();
    drop(module);
    // The loader may give the next DLL the same handle.
    lock(&TABLES).departed.retain(|(departed, _)| *departed != handle);
}

pub(crate) fn reserve(owner: u32, image: ImageId, request: TlsRequest) -> Result<TlsBlock> {
    let TlsRequest { size, align, .. } = request;
    ensure_module(owner, image, size)?;
    let mut tables = lock(&TABLES);
    let module = tables.modules.get_mut(&image.0).ok_or(ExecutorError::NoSuch { what: "image".into() })?;
    let offset = if size == 0 { Some(0) } else { module.free.take(size, align) };
    let Some(offset) = offset else {
        let (free, total) = (module.free.largest(), module.size);
        return Err(ExecutorError::TlsImageFull { size, align, free, total });
    };
    let index = module.index;
    tables.last_block += 1;
    let id = tables.last_block;
    tables.blocks.insert(id, Block { owner, image: image.0, offset, size });
    Ok(TlsBlock { id: TlsId(id), start: TlsAddress { module: u64::from(index), offset, thread_offset: None } })
}

/// Makes `image` the initial content of a block, in all threads there are and will be.
pub(crate) fn publish(id: TlsId, image: &[u8]) -> Result<()> {
    let mut tables = lock(&TABLES);
    let block = *tables.blocks.get(&id.0).ok_or(NO_BLOCK)?;
    if image.len() as u64 > block.size {
        return Err(ExecutorError::Invalid { what: "thread-local image: it is larger than its block".into() });
    }
    let module = tables.modules.get_mut(&block.image).ok_or(NO_BLOCK)?;
    module.fill(block.offset, image, block.size);
    Ok(())
}

pub(crate) fn release(id: TlsId) -> Result<()> {
    let mut tables = lock(&TABLES);
    let block = tables.blocks.remove(&id.0).ok_or(NO_BLOCK)?;
    if let Some(module) = tables.modules.get_mut(&block.image).filter(|_| block.size > 0) {
        module.free.give(block.offset, block.size);
    }
    Ok(())
}

/// Gives back what an executor that goes away has left.
pub(crate) fn release_all_of(owner: u32) {
    let mut tables = lock(&TABLES);
    tables.blocks.retain(|_, block| block.owner != owner);
    let left: Vec<Module> =
        tables.modules.extract_if(.., |_, module| module.owner == owner).map(|(_, module)| module).collect();
    drop(tables);
    left.into_iter().for_each(unload);
    destructors_of_closed();
}

/// Returns what a TLS directory says of the image that has this handle; `None` if it has no thread-local storage.
pub(crate) fn directory(handle: ExecAddr) -> Option<[u64; 4]> {
    let image = init::image_with_handle(handle.0 as *mut _)?;
    lock(&TABLES).modules.get(&image.0).map(|module| module.dll.directory(module.size))
}

/// Sets `_Init_thread_epoch` of the calling thread, for the image that has this handle.
pub(crate) fn set_epoch(handle: ExecAddr, epoch: i32) {
    let Some(image) = init::image_with_handle(handle.0 as *mut _) else { return };
    let index = lock(&TABLES).modules.get(&image.0).map(|module| module.index);
    let Some(storage) = index.and_then(threads::own_storage) else { return };
    // SAFETY: the calling thread's storage of the image, which begins with a header.
    let header = unsafe { &*(storage as *const Header) };
    header.epoch.store(epoch, std::sync::atomic::Ordering::Relaxed);
}

/// There are none.
pub(crate) fn runtime_function(_function: RuntimeFunction) -> Option<ExecAddr> {
    None
}
