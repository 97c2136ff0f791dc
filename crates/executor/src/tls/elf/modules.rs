//! Blocks that each thread gets when it first asks for them.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::Mutex;

use crate::{ExecAddr, ExecRange, ExecutorError, Result, allocator, lock};

/// A module: a slot that is used again after the module is gone, and how often it had been used before, so that what a
/// thread remembers of an earlier module is not taken for the present one's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ModuleId {
    pub(super) slot: u32,
    /// Of 30 bits.
    pub(super) generation: u32,
}

/// Generations have this many values.
const GENERATIONS: u32 = 1 << 30;

static MODULES: Mutex<Modules> = Mutex::new(Modules { slots: Vec::new(), free: Vec::new() });

/// Takes the lock for a fork.
pub(super) fn hold(held: &mut crate::fork::Held) -> bool {
    held.hold_static(&MODULES)
}

#[derive(Debug)]
struct Modules {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    module: Option<Module>,
}

#[derive(Debug)]
struct Module {
    layout: Layout,
    image: Vec<u8>,
    /// The blocks of all threads. The module owns them: it frees those of other threads when it goes.
    blocks: BTreeMap<usize, BlockMemory>,
}

/// Memory of one thread's block.
#[derive(Debug)]
struct BlockMemory {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: it is but an owned allocation, whose content only linked code touches.
unsafe impl Send for BlockMemory {}

impl BlockMemory {
    fn range(&self) -> ExecRange {
        ExecRange::new(ExecAddr(self.start.as_ptr() as u64), self.layout.size() as u64)
    }

    fn new(layout: Layout, image: &[u8]) -> Self {
        // SAFETY: `insert` makes no layout of size zero.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        // SAFETY: the image is no larger than the block, and the block is new.
        unsafe { start.as_ptr().copy_from_nonoverlapping(image.as_ptr(), image.len()) };
        let block = Self { start, layout };
        allocator::add_block(block.range());
        block
    }
}

impl Drop for BlockMemory {
    fn drop(&mut self) {
        allocator::remove_block(self.range());
        // SAFETY: allocated in `new` with this layout; the thread or the module it belongs to is gone.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

impl Modules {
    fn get(&mut self, id: ModuleId) -> Option<&mut Module> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation == id.generation { slot.module.as_mut() } else { None }
    }
}

pub(super) fn insert(size: u64, align: u64) -> Result<ModuleId> {
    let invalid = || ExecutorError::Invalid { what: format!("thread-local block of {size} bytes aligned to {align}") };
    let size = usize::try_from(size.max(1)).map_err(|_| invalid())?;
    let align = usize::try_from(align).map_err(|_| invalid())?;
    let layout = Layout::from_size_align(size, align).map_err(|_| invalid())?;
    let mut modules = lock(&MODULES);
    let slot = match modules.free.pop() {
        Some(slot) => slot,
        None => {
            let slot = u32::try_from(modules.slots.len()).map_err(|_| invalid())?;
            modules.slots.push(Slot { generation: 0, module: None });
            slot
        }
    };
    let entry = modules.slots.get_mut(slot as usize).ok_or_else(invalid)?;
    entry.generation = (entry.generation + 1) % GENERATIONS;
    entry.module = Some(Module { layout, image: Vec::new(), blocks: BTreeMap::new() });
    Ok(ModuleId { slot, generation: entry.generation })
}

pub(super) fn set_image(id: ModuleId, image: &[u8]) -> Result<()> {
    let mut modules = lock(&MODULES);
    modules.get(id).ok_or(super::NO_BLOCK)?.image = image.to_vec();
    Ok(())
}

/// Removes a module with the blocks of all threads.
pub(super) fn remove(id: ModuleId) {
    let mut modules = lock(&MODULES);
    let Some(slot) = modules.slots.get_mut(id.slot as usize) else { return };
    if slot.generation == id.generation && slot.module.take().is_some() {
        modules.free.push(id.slot);
    }
}

/// The block of thread `thread`, made if need be; null if there is no such module.
pub(super) fn block_of(id: ModuleId, thread: usize) -> *mut u8 {
    let mut modules = lock(&MODULES);
    let Some(module) = modules.get(id) else { return std::ptr::null_mut() };
    let Module { layout, image, blocks } = module;
    blocks.entry(thread).or_insert_with(|| BlockMemory::new(*layout, image)).start.as_ptr()
}

/// The module whose block of thread `thread` an address is in.
pub(super) fn module_at(thread: usize, address: usize) -> Option<ModuleId> {
    let modules = lock(&MODULES);
    (0..).zip(&modules.slots).find_map(|(slot, held)| {
        let block = held.module.as_ref()?.blocks.get(&thread)?;
        let start = block.start.as_ptr() as usize;
        let is_in = start <= address && address - start < block.layout.size();
        is_in.then_some(ModuleId { slot, generation: held.generation })
    })
}

/// Frees the blocks of a thread that exits.
pub(super) fn remove_blocks_of(thread: usize, ids: impl Iterator<Item = ModuleId>) {
    let mut modules = lock(&MODULES);
    for id in ids {
        if let Some(module) = modules.get(id) {
            module.blocks.remove(&thread);
        }
    }
}
