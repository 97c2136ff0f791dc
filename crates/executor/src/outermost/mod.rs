//! The outermost frame of a program: no frame beyond it handles the program's exceptions.
//!
//! The unwinder asks frame by frame for a handler, and Rust's `catch_unwind` takes any exception, only to abort the
//! process. A program whose `main` throws must see what it would see without us: the unwinder finds no handler and
//! calls `std::terminate`, with the stack still intact. Rust's own panics pass this frame.

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

/// Vendor and language of the exceptions of the Itanium ABI that Rust's panics are. Standard libraries differ in the
/// order of the bytes.
#[cfg(target_arch = "x86_64")]
const RUST_PANIC: [u64; 2] = [u64::from_be_bytes(*b"MOZ\0RUST"), u64::from_le_bytes(*b"MOZ\0RUST")];
