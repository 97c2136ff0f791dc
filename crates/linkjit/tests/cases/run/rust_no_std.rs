// A Rust object without the standard library.
// flags: -O --emit=obj -C panic=abort
// flags: -O --emit=obj -C panic=abort -C relocation-model=static
// flags: -O --emit=obj -C panic=abort -C relocation-model=pie -C code-model=large
#![no_std]
#![no_main]
use core::ffi::{c_char, c_int};
use core::sync::atomic::{AtomicU32, Ordering};

unsafe extern "C" {
    safe fn abort() -> !;
    fn printf(format: *const c_char, ...) -> c_int;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    abort()
}

static COUNT: AtomicU32 = AtomicU32::new(40);

trait Speak {
    fn number(&self) -> u32;
}
struct One;
struct Two(u32);
impl Speak for One {
    fn number(&self) -> u32 {
        1
    }
}
impl Speak for Two {
    fn number(&self) -> u32 {
        self.0
    }
}

#[unsafe(no_mangle)]
extern "C" fn main(argc: c_int) -> c_int {
    let speakers: [&dyn Speak; 2] = [&One, &Two(argc as u32 + 1)];
    let total: u32 = speakers.iter().map(|speaker| speaker.number()).sum();
    COUNT.fetch_add(total, Ordering::Relaxed);
    // SAFETY: the format fits the argument.
    unsafe { printf(c"%u\n".as_ptr(), COUNT.load(Ordering::Relaxed)) };
    3
}
