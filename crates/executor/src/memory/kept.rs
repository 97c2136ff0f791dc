//! Contents of writable segments that are kept, so that code can begin once more with what it began with.

use crate::ExecAddr;
use crate::ExecRange;

/// The contents of a writable segment when it was finalized.
#[derive(Debug)]
pub(super) struct Kept {
    range: ExecRange,
    /// Without the zeros at the end.
    bytes: Vec<u8>,
}

impl Kept {
    pub(super) fn new(range: ExecRange, bytes: &[u8]) -> Self {
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Self { range, bytes: bytes[..end].to_vec() }
    }

    pub(super) fn has(&self, address: ExecAddr) -> bool {
        self.range.contains(address)
    }

    /// Changes an aligned word of it.
    pub(super) fn set_word(&mut self, address: ExecAddr, value: u64) {
        let start = (address.0 - self.range.start.0) as usize;
        if self.bytes.len() < start + 8 {
            self.bytes.resize(start + 8, 0);
        }
        self.bytes[start..start + 8].copy_from_slice(&value.to_ne_bytes());
    }

    /// Writes it back.
    ///
    /// # Safety
    /// The segment must be there and writable, and nobody may use it.
    pub(super) unsafe fn restore(&self) {
        let start = self.range.start.0 as *mut u8;
        // SAFETY: the caller's promise; the bytes are the segment's first ones.
        unsafe { start.copy_from_nonoverlapping(self.bytes.as_ptr(), self.bytes.len()) };
        // SAFETY: within the segment.
        let rest = unsafe { start.add(self.bytes.len()) };
        // SAFETY: what is left of it.
        unsafe { rest.write_bytes(0, self.range.size() as usize - self.bytes.len()) };
    }
}
