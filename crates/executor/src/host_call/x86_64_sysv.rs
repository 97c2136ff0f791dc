//! The routine for System V x86-64 ("System V ABI, AMD64 Architecture Processor Supplement", Parameter Passing).
//!
//! Integers and pointers are in rdi, rsi, rdx, rcx, r8, r9, floating-point numbers in xmm0-7, further arguments on the
//! stack above the return address. Results are in rax and xmm0. r10 has the data of the thunk.

use crate::ExecAddr;

const INTEGERS: usize = 6;
const VECTORS: usize = 8;

/// The registers of a call, as [`enter`] writes and reads them.
#[repr(C)]
#[derive(Debug)]
pub struct Frame {
    integers: [u64; INTEGERS],
    vectors: [u64; VECTORS],
    /// The first argument on the stack.
    stack: *const u64,
    pub(super) integer_result: u64,
    pub(super) vector_result: u64,
}

/// Takes arguments, one after the other.
#[derive(Debug)]
pub struct Reader<'a> {
    frame: &'a Frame,
    integers: usize,
    vectors: usize,
    stacked: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(frame: &'a Frame) -> Self {
        Self { frame, integers: 0, vectors: 0, stacked: 0 }
    }

    /// The next one that is an integer.
    pub(super) fn integer(&mut self) -> u64 {
        let register = self.frame.integers.get(self.integers).copied();
        self.integers += 1;
        register.unwrap_or_else(|| self.stacked())
    }

    /// The next one that is a floating-point number.
    pub(super) fn vector(&mut self) -> u64 {
        let register = self.frame.vectors.get(self.vectors).copied();
        self.vectors += 1;
        register.unwrap_or_else(|| self.stacked())
    }

    fn stacked(&mut self) -> u64 {
        let at = self.frame.stack.wrapping_add(self.stacked);
        self.stacked += 1;
        // SAFETY: the caller has passed as many arguments as the function has, which is as many as are taken.
        unsafe { *at }
    }
}

pub(super) fn routine() -> Option<ExecAddr> {
    Some(ExecAddr::from_ptr(enter as *const ()))
}

/// Thunks jump to this. It makes a [`Frame`] and calls the function of the data with the host function and the frame.
#[unsafe(naked)]
unsafe extern "C" fn enter() {
    std::arch::naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "sub rsp, 144",
        "mov [rsp], rdi",
        "mov [rsp + 8], rsi",
        "mov [rsp + 16], rdx",
        "mov [rsp + 24], rcx",
        "mov [rsp + 32], r8",
        "mov [rsp + 40], r9",
        "movsd [rsp + 48], xmm0",
        "movsd [rsp + 56], xmm1",
        "movsd [rsp + 64], xmm2",
        "movsd [rsp + 72], xmm3",
        "movsd [rsp + 80], xmm4",
        "movsd [rsp + 88], xmm5",
        "movsd [rsp + 96], xmm6",
        "movsd [rsp + 104], xmm7",
        "lea rax, [rbp + 16]",
        "mov [rsp + 112], rax",
        "mov rdi, [r10]",
        "mov rsi, rsp",
        "call [r10 + 8]",
        "mov rax, [rsp + 120]",
        "movsd xmm0, [rsp + 128]",
        "leave",
        ".cfi_def_cfa rsp, 8",
        ".cfi_restore rbp",
        "ret",
        ".cfi_endproc",
    );
}
