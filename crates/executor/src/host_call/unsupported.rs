//! For systems whose calling convention has no routine yet.

use crate::ExecAddr;

/// The registers of a call.
#[derive(Debug)]
pub struct Frame {
    pub(super) integer_result: u64,
    pub(super) vector_result: u64,
}

/// Takes arguments; there are none.
#[derive(Debug)]
pub struct Reader<'a> {
    frame: &'a Frame,
}

impl<'a> Reader<'a> {
    pub(super) fn new(frame: &'a Frame) -> Self {
        Self { frame }
    }

    pub(super) fn integer(&mut self) -> u64 {
        self.frame.integer_result
    }

    pub(super) fn vector(&mut self) -> u64 {
        self.frame.vector_result
    }
}

pub(super) fn routine() -> Option<ExecAddr> {
    None
}
