//! The outermost frame of a program: beyond it, nobody handles its exceptions.
//!
//! Whoever handles exceptions is asked frame by frame, and Rust's `catch_unwind` takes any exception, only to abort the
//! process. A program whose `main` throws must see what it would see without us: no handler is found, and
//! `std::terminate` is called, with the stack still there. Rust's own panics pass.

#[cfg(glibc_x86_64)]
mod itanium;
#[cfg(glibc_x86_64)]
pub(crate) use itanium::call;

#[cfg(windows_x86_64)]
mod seh;
#[cfg(windows_x86_64)]
pub(crate) use seh::call;

#[cfg(not(any(glibc_x86_64, windows_x86_64)))]
mod unsupported;
#[cfg(not(any(glibc_x86_64, windows_x86_64)))]
pub(crate) use unsupported::call;

/// Vendor and language of the exceptions of the Itanium ABI that Rust's panics are. Standard libraries differ in the order
/// of the bytes.
#[cfg(target_arch = "x86_64")]
const RUST_PANIC: [u64; 2] = [u64::from_be_bytes(*b"MOZ\0RUST"), u64::from_le_bytes(*b"MOZ\0RUST")];
