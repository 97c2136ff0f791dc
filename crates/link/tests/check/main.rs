//! The language of check rules over an invented target, and operands of instructions beside LLVM's disassembler.
#![allow(missing_docs, reason = "tests are nobody's interface")]

mod language;
mod mutations;
mod operands;
#[path = "../support/random.rs"]
mod random;
