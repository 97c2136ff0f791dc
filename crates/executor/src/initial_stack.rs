//! The block in which the kernel hands a program its arguments, its environment and the auxiliary vector ("System V
//! ABI, AMD64 supplement", Initial Stack and Register State): words, then strings.
//!
//! ```text
//! argc | argv[0] ... | 0 | envp[0] ... | 0 | auxiliary vector, AT_NULL last | strings of argv | strings of envp
//! ```
//!
//! Programs rely on this layout. Go's runtime finds the auxiliary vector behind the environment. Programs that change
//! their process title overwrite the strings, which are contiguous, from the first to the last.

use std::ffi::{CStr, CString, c_char, c_int};
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use crate::{ExecAddr, lock, nearby};

/// Tag of the auxiliary vector's last entry.
const AT_NULL: u64 = 0;

/// Initializers of this process were called with these.
static ARGC: AtomicUsize = AtomicUsize::new(0);
static ARGV: AtomicPtr<*const c_char> = AtomicPtr::new(std::ptr::null_mut());

/// Initializers get what `main` gets: glibc says so, and Rust's standard library relies on it, too.
#[used]
#[unsafe(link_section = ".init_array")]
static REMEMBER: extern "C" fn(c_int, *mut *const c_char) = remember;

extern "C" fn remember(argc: c_int, argv: *mut *const c_char) {
    ARGC.store(usize::try_from(argc).unwrap_or(0), Ordering::Relaxed);
    ARGV.store(argv, Ordering::Relaxed);
}

/// The number of this process's own arguments and the address of the first; `None` if nobody told us.
pub(crate) fn own_arguments() -> Option<(usize, usize)> {
    let argv = ARGV.load(Ordering::Relaxed);
    (!argv.is_null()).then(|| (ARGC.load(Ordering::Relaxed), argv as usize))
}

/// Blocks stay for as long as the process: a program may keep pointers to its arguments. Here leak checkers find them.
static BLOCKS: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// Takes the lock for a fork.
#[cfg(target_arch = "x86_64")]
pub(crate) fn hold(held: &mut crate::fork::Held) -> bool {
    held.hold_static(&BLOCKS)
}

/// A block.
#[derive(Debug)]
struct Block {
    /// Of 16 bytes, because a block begins at a multiple of that.
    words: Box<[u128]>,
    environment: usize,
}

const _: () = assert!(align_of::<u128>() == 16);

unsafe extern "C" {
    static environ: AtomicPtr<*const c_char>;
    static program_invocation_name: AtomicPtr<c_char>;
    static program_invocation_short_name: AtomicPtr<c_char>;
}

/// Makes a block of arguments and of the environment as it is, which becomes the process's, as do the program's names
/// in the C library's messages; returns the address of its `argv`. No other thread may change the environment
/// meanwhile.
pub(crate) fn enter(arguments: &[CString]) -> usize {
    let variable = variable(&raw const environ);
    let auxiliary = auxiliary_vector();
    let argv = loop {
        let old = variable.load(Ordering::Acquire);
        let mut block = Block::new(arguments, &strings(old), &auxiliary);
        let argv = block.address() + 8;
        let new = (block.address() + block.environment) as *mut _;
        if variable.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            lock(&BLOCKS).push(block);
            break argv;
        }
    };
    if !arguments.is_empty() {
        // SAFETY: the block's first argument.
        let name = unsafe { (argv as *const *mut c_char).read() };
        name_program(name);
    }
    argv
}

/// Has the C library call the program by this name: `error`, `warn`, `assert` and others do.
fn name_program(name: *mut c_char) {
    // SAFETY: a C string of a block, which stays.
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    let short = bytes.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    variable(&raw const program_invocation_name).store(name, Ordering::Release);
    variable(&raw const program_invocation_short_name).store(name.wrapping_add(short), Ordering::Release);
}

/// A variable of the C library, wherever it is now.
fn variable<T>(address: *const AtomicPtr<T>) -> &'static AtomicPtr<T> {
    let current = nearby::current(ExecAddr(address as u64));
    // SAFETY: where a pointer-sized variable is that exists as long as the process, or where it was moved to for good.
    unsafe { AtomicPtr::from_ptr(current.0 as *mut *mut T) }
}

/// The strings of a vector that a null pointer ends.
fn strings(vector: *const *const c_char) -> Vec<&'static CStr> {
    if vector.is_null() {
        return Vec::new();
    }
    // SAFETY: the vector ends with a null entry, beyond which nothing is read.
    let entries = (0..).map(|at| unsafe { vector.wrapping_add(at).read() });
    // SAFETY: C strings, which stay as long as nobody changes the environment.
    entries.take_while(|entry| !entry.is_null()).map(|entry| unsafe { CStr::from_ptr(entry) }).collect()
}

/// The auxiliary vector of this process, with its last entry: it follows the environment that the process began with.
fn auxiliary_vector() -> Vec<[u64; 2]> {
    let Some((count, argv)) = own_arguments() else { return vec![[AT_NULL, 0]] };
    let mut place = (argv as *const u64).wrapping_add(count + 1);
    let mut next = || {
        // SAFETY: what the kernel handed to the process, which is never freed, up to its last entry.
        let word = unsafe { place.read() };
        place = place.wrapping_add(1);
        word
    };
    while next() != 0 {}
    let mut vector = Vec::new();
    loop {
        let entry = [next(), next()];
        vector.push(entry);
        if entry[0] == AT_NULL {
            return vector;
        }
    }
}

impl Block {
    fn new(arguments: &[CString], environment: &[&CStr], auxiliary: &[[u64; 2]]) -> Self {
        let arguments: Vec<&CStr> = arguments.iter().map(CString::as_c_str).collect();
        let in_words = 1 + arguments.len() + 1 + environment.len() + 1 + 2 * auxiliary.len();
        let strings = arguments.iter().chain(environment).map(|string| string.to_bytes_with_nul());
        let size = 8 * in_words + strings.clone().map(<[u8]>::len).sum::<usize>();
        let mut words = vec![0u128; size.div_ceil(size_of::<u128>())].into_boxed_slice();
        let start = words.as_mut_ptr() as usize;

        let mut bytes = Vec::with_capacity(size);
        let mut push = |word: usize| bytes.extend_from_slice(&(word as u64).to_ne_bytes());
        let mut next = start + 8 * in_words;
        push(arguments.len());
        for list in [&arguments[..], environment] {
            for string in list {
                push(next);
                next += string.to_bytes_with_nul().len();
            }
            push(0);
        }
        auxiliary.iter().flatten().for_each(|&word| push(word as usize));
        strings.for_each(|string| bytes.extend_from_slice(string));
        bytes.resize(size_of_val(&*words), 0);
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u128::from_ne_bytes(*bytes);
        }
        Self { words, environment: 8 * (1 + arguments.len() + 1) }
    }

    fn address(&mut self) -> usize {
        self.words.as_mut_ptr() as usize
    }
}
