//! The language of check rules: expressions over memory, symbols, sections, GOT entries, stubs and decoded
//! instructions. They stand in comments of LLVM's regression tests.
//!
//! ```text
//! # jitlink-check: *{4}(main + 1) = decode_operand(main, 0) & 0xffffffff
//! # jitlink-check: *{8}got_addr(main.o, foo) = foo
//! ```
//!
//! ```text
//! rule    = expr "=" expr                    true when the values are equal
//! expr    = simple { binop simple }          no precedence: groups to the left; unsigned 64 bits, wraps
//! binop   = "+" | "-" | "&" | "|" | "<<" | ">>"
//! simple  = ( "(" expr ")" | load | call | symbol | number ) [ slice ]
//! slice   = "[" number ":" number "]"        bits high..low inclusive, shifted down
//! load    = "*{" number "}" expr             1, 2, 4 or 8 bytes; takes the whole expression after it
//! number  = "0x" hex digits | "0" octal digits | digits
//! symbol  = letters, digits, ":" "_" "." "$"; outside a call it starts with a letter or "_"
//! call    = "decode_operand" "(" symbol [ "+" number ] "," number ")"
//!         | "next_pc" "(" symbol ")"
//!         | "stub_addr" "(" file "," symbol [ "," kind ] ")"
//!         | "got_addr" "(" file "," symbol ")"
//!         | "section_addr" "(" file "," section ")"
//! ```
//!
//! The [`Target`] says what names stand for; `docs/check-operands.md` says how operands are numbered.

#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod aarch64;
mod decode;
mod evaluate;
mod rules;
mod scan;
mod x86_64;

pub use decode::{Instruction, Operand, decode, self_references};
pub use evaluate::{Failure, evaluate};
pub use rules::{Rule, rules};

use linkjit_target::ExecAddr;

use crate::arch::Arch;

/// The subject of rules: memory that was linked, and the names of places in it.
///
/// Addresses are those of the target: where the code would run, not where the linker has its bytes.
pub trait Target {
    /// The architecture of the code.
    fn arch(&self) -> Arch;

    /// The address of a symbol, local ones included.
    fn symbol(&self, name: &str) -> Option<ExecAddr>;

    /// Returns the address at which a section of a file begins.
    ///
    /// # Errors
    /// Which of the two is unknown; as in the functions below.
    fn section(&self, file: &str, section: &str) -> Result<ExecAddr, String>;

    /// The stub that was made for a symbol in a file. `kind` tells several apart.
    ///
    /// # Errors
    /// The text says what is unknown, or that several match.
    fn stub(&self, file: &str, symbol: &str, kind: Option<&str>) -> Result<ExecAddr, String>;

    /// The GOT entry that was made for a symbol in a file.
    ///
    /// # Errors
    /// The text says what is unknown.
    fn got_entry(&self, file: &str, symbol: &str) -> Result<ExecAddr, String>;

    /// The bytes from an address on, as far as they are linked memory; none if there is none.
    fn memory(&self, address: ExecAddr) -> &[u8];
}
