//! The routine for Windows x86-64 ("x64 calling convention", "x64 prolog and epilog", Microsoft Learn).
//!
//! The first four arguments are in rcx, rdx, r8, r9, or in xmm0-3 if they are floating-point numbers; the others are on
//! the stack, above 32 bytes in which the callee may put the first four. Results are in rax and xmm0. r10 has the data
//! of the thunk.

use crate::ExecAddr;

const REGISTERS: usize = 4;

/// The registers of a call, as [`enter`] writes and reads them.
#[repr(C)]
#[derive(Debug)]
pub struct Frame {
    vectors: [u64; REGISTERS],
    /// All arguments, those of the integer registers first.
    arguments: *const u64,
    pub(super) integer_result: u64,
    pub(super) vector_result: u64,
}

/// Takes arguments, one after the other.
#[derive(Debug)]
pub struct Reader<'a> {
    frame: &'a Frame,
    taken: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(frame: &'a Frame) -> Self {
        Self { frame, taken: 0 }
    }

    /// The next one, which is an integer.
    pub(super) fn integer(&mut self) -> u64 {
        let at = self.frame.arguments.wrapping_add(self.taken);
        self.taken += 1;
        // SAFETY: the caller has passed as many arguments as the function has, which is as many as are taken.
        unsafe { *at }
    }

    /// The next one, which is a floating-point number.
    pub(super) fn vector(&mut self) -> u64 {
        match self.frame.vectors.get(self.taken) {
            Some(&register) => {
                self.taken += 1;
                register
            }
            None => self.integer(),
        }
    }
}

pub(super) fn routine() -> Option<ExecAddr> {
    Some(ExecAddr::from_ptr(enter as *const ()))
}

/// Thunks jump to this. It makes a [`Frame`] and calls the function of the data with the host function and the frame.
#[unsafe(naked)]
unsafe extern "C" fn enter() {
    std::arch::naked_asm!(
        ".seh_proc {enter}",
        "mov [rsp + 8], rcx",
        "mov [rsp + 16], rdx",
        "mov [rsp + 24], r8",
        "mov [rsp + 32], r9",
        "sub rsp, 104",
        ".seh_stackalloc 104",
        ".seh_endprologue",
        "movsd [rsp + 32], xmm0",
        "movsd [rsp + 40], xmm1",
        "movsd [rsp + 48], xmm2",
        "movsd [rsp + 56], xmm3",
        "lea rax, [rsp + 112]",
        "mov [rsp + 64], rax",
        "mov rcx, [r10]",
        "lea rdx, [rsp + 32]",
        "call [r10 + 8]",
        "mov rax, [rsp + 72]",
        "movsd xmm0, [rsp + 80]",
        "add rsp, 104",
        "ret",
        ".seh_endproc",
        enter = sym enter,
    );
}
