// A Rust staticlib with the whole standard library: threads, panics that are caught, thread-locals, collections.
// flags: -O
// flags: -C opt-level=0 -g
// flags: -C opt-level=2 -C panic=unwind -C codegen-units=1
// run-args: one two
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{c_char, c_int};
use std::panic::catch_unwind;
use std::sync::{Mutex, OnceLock, mpsc};

thread_local! {
    static LOCAL: Cell<u32> = const { Cell::new(5) };
    static DROPPED: Noisy = const { Noisy("thread-local") };
}
static TABLE: OnceLock<Mutex<BTreeMap<String, usize>>> = OnceLock::new();

struct Noisy(&'static str);

impl Drop for Noisy {
    fn drop(&mut self) {
        println!("drop {}", self.0);
    }
}

trait Shape {
    fn area(&self) -> f64;
}
struct Square(f64);
impl Shape for Square {
    fn area(&self) -> f64 {
        self.0 * self.0
    }
}

fn recurse(n: u32) -> u32 {
    let _noisy = if n == 2 { Some(Noisy("unwound")) } else { None };
    if n == 0 {
        panic!("at the bottom");
    }
    recurse(n - 1) + 1
}

#[unsafe(no_mangle)]
extern "C" fn main(argc: c_int, _argv: *const *const c_char) -> c_int {
    std::panic::set_hook(Box::new(|info| println!("hook: {}", info.payload().downcast_ref::<&str>().unwrap())));
    let caught = catch_unwind(|| recurse(5));
    println!("caught {:?}", caught.unwrap_err().downcast_ref::<&str>());
    let (sender, receiver) = mpsc::channel();
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                LOCAL.set(LOCAL.get() + n);
                TABLE.get_or_init(Mutex::default).lock().unwrap().insert(format!("thread {n}"), n as usize);
                sender.send(LOCAL.get()).unwrap();
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    drop(sender);
    let mut sent: Vec<u32> = receiver.iter().collect();
    sent.sort_unstable();
    println!("{sent:?} {} {:?}", LOCAL.get(), TABLE.get().unwrap().lock().unwrap());
    std::thread::spawn(|| DROPPED.with(|noisy| println!("{}", noisy.0))).join().unwrap();
    println!("{}", std::thread::spawn(|| panic!("in a thread")).join().is_err());
    let words: HashMap<&str, i32> = [("a", 1), ("b", 2)].into();
    println!("{} {}", words["a"] + words["b"], [Box::new(Square(2.0)) as Box<dyn Shape>][0].area());
    println!("{:?} {}", "3.5".parse::<f64>(), std::env::args().len() as i32 == argc);
    i32::from(std::fs::read("/does/not/exist").is_err()) + argc
}
