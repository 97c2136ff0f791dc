//! Stubs in low memory that stand for functions of libraries.

use std::collections::BTreeMap;

use super::NOWHERE;
use crate::{ExecAddr, ExecRange, Placement, Protection, Result, os};

/// `jmp *0(%rip)`; the address follows.
const JUMP: [u8; 6] = [0xff, 0x25, 0, 0, 0, 0];

const STUB_SIZE: usize = 16;

/// Low memory is reserved in pieces of this size, or as much as is needed at once.
const CHUNK: u64 = 64 << 10;

/// The functions of this process that have a stub.
#[derive(Debug)]
pub(super) struct Functions {
    stubs: BTreeMap<ExecAddr, ExecAddr>,
    /// This is left of the newest chunk: whole pages, since those with stubs are not written again.
    free: ExecRange,
}

impl Functions {
    pub(super) const NONE: Self = Self { stubs: BTreeMap::new(), free: NOWHERE };

    pub(super) fn len(&self) -> usize {
        self.stubs.len()
    }

    /// The stub of a function.
    pub(super) fn stub(&self, function: ExecAddr) -> Option<ExecAddr> {
        self.stubs.get(&function).copied()
    }

    /// Says whether there is a stub at an address.
    pub(super) fn has_stub(&self, address: ExecAddr) -> bool {
        self.stubs.values().any(|&stub| stub == address)
    }

    /// Makes stubs for functions that have none.
    pub(super) fn add(&mut self, functions: &[ExecAddr]) -> Result<()> {
        if functions.is_empty() {
            return Ok(());
        }
        // Checks of function types read a word before a function: one is left out in front.
        let length = (functions.len() + 1) * STUB_SIZE;
        let size = (length as u64).next_multiple_of(os::page_size());
        if self.free.size() < size {
            self.free = os::reserve(size.max(CHUNK), Placement::Low)?;
        }
        let pages = ExecRange::new(self.free.start, size);
        os::commit(pages)?;
        self.free.start = pages.end;
        // SAFETY: committed just now, for reading and writing, and nobody else knows of it.
        let bytes = unsafe { std::slice::from_raw_parts_mut(pages.start.0 as *mut u8, length) };
        for (stub, function) in bytes.chunks_exact_mut(STUB_SIZE).skip(1).zip(functions) {
            let (jump, address) = stub.split_at_mut(JUMP.len());
            jump.copy_from_slice(&JUMP);
            address[..8].copy_from_slice(&function.0.to_le_bytes());
        }
        os::protect(pages, Protection::ReadExec)?;
        let stubs = (1..).map(|index| pages.start.offset(index * STUB_SIZE as u64));
        self.stubs.extend(functions.iter().copied().zip(stubs));
        Ok(())
    }
}
