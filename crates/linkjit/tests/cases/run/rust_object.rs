// A Rust program's object beside the shared standard library.
// flags: -O --emit=obj --crate-type=bin -C prefer-dynamic
// flags: --emit=obj --crate-type=bin -C prefer-dynamic -C codegen-units=1
// libs: rust-std
use std::collections::HashMap;

thread_local!(static LOCAL: std::cell::RefCell<Vec<u32>> = const { std::cell::RefCell::new(Vec::new()) });

fn main() {
    let words: HashMap<&str, usize> = ["one", "two"].into_iter().map(|word| (word, word.len())).collect();
    println!("{} {}", words["one"], words.len());
    let caught = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(5u32)));
    println!("{:?}", caught.unwrap_err().downcast_ref::<u32>());
    let thread = std::thread::spawn(|| {
        LOCAL.with_borrow_mut(|numbers| numbers.push(7));
        LOCAL.with_borrow(|numbers| numbers.len())
    });
    println!("{} {}", thread.join().unwrap(), LOCAL.with_borrow(|numbers| numbers.len()));
    std::process::exit(std::env::args().count() as i32 + 4);
}
