//! Providers of the memory of windows.

use crate::{ExecRange, Placement, Protection, Result, os};

/// Gives an [`InProcess`](crate::InProcess) executor its memory: see
/// [`InProcess::with_memory`](crate::InProcess::with_memory). What is allocated where within a window is the executor's
/// business.
///
/// All ranges are of whole pages of the system, and what is asked of pages concerns pages of one window. Different
/// threads ask at once, about different pages.
///
/// # Safety
/// A reserved range must be the executor's alone until it is released. Its pages must be what was asked for: committed
/// and recycled ones readable, writable and zero, protected ones what their protection says.
pub unsafe trait MemoryProvider: Send + Sync + std::fmt::Debug {
    /// Reserves addresses for a window. Nobody uses them before they are committed.
    ///
    /// # Errors
    /// [`NoAddressSpace`](crate::ExecutorError::NoAddressSpace) if there are none at that place: another place may do
    /// then.
    fn reserve(&self, size: u64, placement: Placement) -> Result<ExecRange>;

    /// Makes reserved pages usable.
    ///
    /// # Errors
    /// If there is no memory left; so for the other functions.
    fn commit(&self, pages: ExecRange) -> Result<()>;

    /// Says that committed pages are about to be written.
    fn populate(&self, _pages: ExecRange) {}

    /// Gives committed pages a protection.
    ///
    /// # Errors
    /// See [`MemoryProvider::commit`].
    fn protect(&self, pages: ExecRange, protection: Protection) -> Result<()>;

    /// Makes pages that are not used any more what they were when they were committed; `was` is their protection.
    ///
    /// # Errors
    /// See [`MemoryProvider::commit`].
    fn recycle(&self, pages: ExecRange, was: Protection) -> Result<()>;

    /// Gives a window back, whatever its pages are.
    fn release(&self, window: ExecRange);
}

/// The operating system's memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemMemory;

// SAFETY: the system hands out free addresses, and pages as it is asked for them.
unsafe impl MemoryProvider for SystemMemory {
    fn reserve(&self, size: u64, placement: Placement) -> Result<ExecRange> {
        os::reserve(size, placement)
    }

    fn commit(&self, pages: ExecRange) -> Result<()> {
        os::commit(pages)
    }

    fn populate(&self, pages: ExecRange) {
        os::populate(pages);
    }

    fn protect(&self, pages: ExecRange, protection: Protection) -> Result<()> {
        os::protect(pages, protection)
    }

    fn recycle(&self, pages: ExecRange, was: Protection) -> Result<()> {
        os::recycle(pages, was)
    }

    fn release(&self, window: ExecRange) {
        os::release(window);
    }
}
