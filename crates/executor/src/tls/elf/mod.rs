//! Thread-local storage as in "ELF Handling For Thread-Local Storage" (Ulrich Drepper), x86-64, below glibc.
//!
//! A block is at a fixed offset from the thread pointer, in a reserve within our own static TLS ([`mod@reserve`]), or
//! it is allocated for each thread that asks for it ([`modules`]). [`thread`] is what each thread has; [`descriptor`]
//! the functions behind TLS descriptors.

mod descriptor;
mod destructors;
mod handshake;
mod modules;
mod reserve;
mod template;
mod thread;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Mutex;

use self::destructors::Wanted;
pub(crate) use self::destructors::cxa_thread_atexit;
use self::modules::ModuleId;
use self::reserve::Fixed;
pub(crate) use self::reserve::has as is_reserved;
pub(crate) use self::thread::{address_in_thread, tls_get_addr};
use crate::init::Registered;
use crate::{ExecAddr, ExecutorError, ImageId, Result, RuntimeFunction, TlsAddress, TlsBlock, TlsId, TlsRequest, lock};

/// Larger blocks go to the reserve only if they have to. So do all while there are other threads, which would have to
/// be interrupted to get the initial content; threads that take no signals would make it impossible.
const SMALL: u64 = 4096;

const NO_BLOCK: ExecutorError = ExecutorError::NoSuch { what: Cow::Borrowed("thread-local block") };

/// The blocks of all executors of the process: code that runs has no executor at hand, so all of this is global.
static BLOCKS: Mutex<Blocks> = Mutex::new(Blocks { blocks: BTreeMap::new(), last: 0 });

/// Takes all locks for a fork.
pub(crate) fn hold(held: &mut crate::fork::Held) -> bool {
    held.hold_static(&BLOCKS) && reserve::hold(held) && destructors::hold(held) && modules::hold(held)
}

#[derive(Debug)]
struct Blocks {
    blocks: BTreeMap<u32, Block>,
    last: u32,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    owner: u32,
    size: u64,
    storage: Storage,
}

#[derive(Clone, Copy, Debug)]
enum Storage {
    Fixed(Fixed),
    Dynamic(ModuleId),
}

impl Block {
    fn release(self) {
        match self.storage {
            Storage::Fixed(fixed) => reserve::give(fixed),
            Storage::Dynamic(module) => modules::remove(module),
        }
    }
}

pub(crate) fn reserve(owner: u32, _image: ImageId, request: TlsRequest) -> Result<TlsBlock> {
    let TlsRequest { size, align, fixed_offset } = request;
    let fixed = if fixed_offset {
        Some(reserve::take(size, align)?)
    } else if size <= SMALL && handshake::is_only_thread() {
        reserve::take(size, align).ok()
    } else {
        None
    };
    let (storage, module, thread_offset) = match fixed {
        Some(fixed) => (Storage::Fixed(fixed), thread::fixed_module(fixed.thread_offset), Some(fixed.thread_offset)),
        None => {
            let module = modules::insert(size, align)?;
            (Storage::Dynamic(module), thread::dynamic_module(module), None)
        }
    };
    let mut blocks = lock(&BLOCKS);
    blocks.last += 1;
    let id = blocks.last;
    blocks.blocks.insert(id, Block { owner, size, storage });
    Ok(TlsBlock { id: TlsId(id), start: TlsAddress { module, offset: 0, thread_offset } })
}

/// Makes `image` the initial content of a block, in all threads there are and will be.
pub(crate) fn publish(id: TlsId, image: &[u8]) -> Result<()> {
    let block = lock(&BLOCKS).blocks.get(&id.0).copied().ok_or(NO_BLOCK)?;
    if image.len() as u64 > block.size {
        return Err(ExecutorError::Invalid { what: "thread-local image: it is larger than its block".into() });
    }
    match block.storage {
        Storage::Fixed(fixed) => reserve::publish(fixed, image),
        Storage::Dynamic(module) => modules::set_image(module, image),
    }
}

pub(crate) fn release(id: TlsId) -> Result<()> {
    let block = lock(&BLOCKS).blocks.remove(&id.0).ok_or(NO_BLOCK)?;
    block.release();
    Ok(())
}

/// The storage of blocks.
fn storage_of(blocks: &[TlsId]) -> Vec<Storage> {
    let all = lock(&BLOCKS);
    blocks.iter().filter_map(|id| all.blocks.get(&id.0)).map(|block| block.storage).collect()
}

/// Takes the last destructor that the calling thread has for an object of an image: one in `blocks`, or another one that
/// is wanted.
pub(crate) fn take_destructor(
    image: ImageId,
    blocks: &[TlsId],
    others: &dyn Fn(&Registered) -> bool,
) -> Option<Registered> {
    destructors::take(&Wanted { image, blocks: &storage_of(blocks), others })
}

/// Forgets such destructors of all threads.
pub(crate) fn forget_destructors(image: ImageId, blocks: &[TlsId], others: &dyn Fn(&Registered) -> bool) {
    destructors::forget(&Wanted { image, blocks: &storage_of(blocks), others });
}

/// Gives back what an executor that goes away has left.
pub(crate) fn release_all_of(owner: u32) {
    let left: Vec<Block> =
        lock(&BLOCKS).blocks.extract_if(.., |_, block| block.owner == owner).map(|(_, block)| block).collect();
    left.into_iter().for_each(Block::release);
}

pub(crate) fn runtime_function(function: RuntimeFunction) -> Option<ExecAddr> {
    let address = match function {
        RuntimeFunction::TlsDescriptorFixed => descriptor::fixed as *const () as u64,
        RuntimeFunction::TlsDescriptorDynamic => {
            descriptor::prepare();
            descriptor::dynamic as *const () as u64
        }
        _ => return None,
    };
    Some(ExecAddr(address))
}

/// The thread pointer: the x86-64 ABI keeps it at its own address.
fn thread_pointer() -> u64 {
    let pointer;
    // SAFETY: every thread that runs compiled code has its thread control block at fs:0, which holds its own address.
    unsafe {
        std::arch::asm!("mov {}, fs:0", out(reg) pointer, options(nostack, preserves_flags, readonly, pure));
    }
    pointer
}
