// Rust calls C, which calls back: panics and C++ exceptions cross the other's frames.
// flags: -O
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

unsafe extern "C-unwind" {
    safe fn call_with(function: extern "C-unwind" fn(c_int), n: c_int);
    safe fn try_catch(function: extern "C-unwind" fn(c_int), n: c_int) -> c_int;
}

extern "C-unwind" fn panics(n: c_int) {
    if n > 0 {
        std::panic::resume_unwind(Box::new(n));
    }
    println!("no panic");
}

extern "C-unwind" fn calls_back(n: c_int) {
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            println!("guard");
        }
    }
    let _guard = Guard;
    call_with(panics, n);
}

#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    call_with(panics, 0);
    let caught = catch_unwind(AssertUnwindSafe(|| call_with(calls_back, 7)));
    println!("caught {:?}", caught.unwrap_err().downcast_ref::<c_int>());
    println!("{}", try_catch(panics, 0));
    0
}
