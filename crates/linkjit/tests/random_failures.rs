//! Sessions in which memory is refused, fixups fail and objects are replaced at random: whatever fails, what is linked
//! afterwards is right.
#![cfg(not(windows))]

mod assembly;
mod host;
#[path = "../../link/tests/support/random.rs"]
mod random;

use random::Random;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use assembly::{Workshop, call_at, source};
use linkjit::executor::{ExecRange, ExecutorError, MemoryProvider, Placement, Protection, Result, SystemMemory};
use linkjit::{Error, ExecAddr, JitDylib, MatchScope, ResourceTracker};

/// How many JITDylibs, and functions in all of them.
const DYLIBS: usize = 3;
const FUNCTIONS: usize = 24;

/// The system's memory, which is refused when the count comes to zero.
#[derive(Debug, Default)]
struct Moody(AtomicU64);

impl Moody {
    fn ask(&self) -> Result<()> {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 1 { Err(ExecutorError::Invalid { what: "not in the mood".into() }) } else { Ok(()) }
    }
}

// SAFETY: all is the system's memory.
unsafe impl MemoryProvider for Moody {
    fn reserve(&self, size: u64, placement: Placement) -> Result<ExecRange> {
        self.ask()?;
        SystemMemory.reserve(size, placement)
    }

    fn commit(&self, pages: ExecRange) -> Result<()> {
        self.ask()?;
        SystemMemory.commit(pages)
    }

    fn protect(&self, pages: ExecRange, protection: Protection) -> Result<()> {
        self.ask()?;
        SystemMemory.protect(pages, protection)
    }

    fn recycle(&self, pages: ExecRange, was: Protection) -> Result<()> {
        SystemMemory.recycle(pages, was)
    }

    fn release(&self, window: ExecRange) {
        SystemMemory.release(window);
    }
}

/// A function that adds to a variable of its own what others return and what is in others' variables.
struct Function {
    dylib: usize,
    calls: Vec<usize>,
    reads: Vec<usize>,
    /// By way of a thread-local variable and an indirect function.
    adds: i32,
    /// It holds a value in a byte that may be too large for that.
    has_byte: bool,
    /// Which inline function it calls: the address of that one's variable is in `p{number}`.
    inline: usize,
    text: String,
}

impl Function {
    fn new(number: usize, random: &mut Random, lazy: bool) -> Self {
        let some = |random: &mut Random, below: usize| -> Vec<usize> {
            (0..random.below(3)).filter(|_| below > 0).map(|_| random.below(below.max(1))).collect()
        };
        // No circles of calls.
        let (calls, reads) = (some(random, number), some(random, FUNCTIONS));
        let (has_byte, is_low) = (random.below(4) == 0 && !lazy, random.below(6) == 0);
        let mut text = format!(
            ".section .data.v{number},\"aw\"\n.globl v{number}\nv{number}: .long {number}\n.skip {}\n\
             .section .text.f{number},\"ax\"\n.globl f{number}\nf{number}: .cfi_startproc\npush %rbx\n\
             .cfi_adjust_cfa_offset 8\nmov v{number}@GOTPCREL(%rip),%rax\nmov (%rax),%ebx\n",
            random.below(30) * 1000
        );
        for (at, callee) in calls.iter().enumerate() {
            let through = if at == 0 { format!("f{callee}@PLT") } else { format!("*f{callee}@GOTPCREL(%rip)") };
            text += &format!("call {through}\nadd %eax,%ebx\n");
        }
        for (at, read) in reads.iter().enumerate() {
            // Now and then by an instruction that needs its table entry.
            let load = if at == 0 { "mov" } else { "xor %eax,%eax\nadd" };
            text += &format!("{load} v{read}@GOTPCREL(%rip),%rax\nadd (%rax),%ebx\n");
        }
        let has_thread_local = random.below(3) == 0;
        if has_thread_local {
            text += &format!(".byte 0x66\nlea t{number}@TLSGD(%rip),%rdi\n.byte 0x66,0x66,0x48\n");
            text += "call __tls_get_addr@PLT\nadd (%rax),%ebx\n";
        }
        if has_thread_local && random.below(2) == 0 {
            text += &format!("mov t{number}@GOTTPOFF(%rip),%rax\nadd %fs:(%rax),%ebx\nsub $10000,%ebx\n");
        }
        let is_indirect = random.below(4) == 0;
        if is_indirect {
            text += &format!("call i{number}@PLT\nadd %eax,%ebx\n");
        }
        // An inline function that several objects have, with a static variable.
        let which = random.below(4);
        let inline = format!("inline{which}");
        text += &format!(
            "lea p{number}(%rip),%rax\ncall {inline}\nadd %eax,%ebx\nmov %ebx,%eax\npop %rbx\nret\n.cfi_endproc\n\
             .section .text.{inline},\"axG\",@progbits,{inline},comdat\n.weak {inline}\n{inline}: .cfi_startproc\n\
             mov {inline}.static@GOTPCREL(%rip),%rax\nmov (%rax),%eax\nret\n.cfi_endproc\n\
             .section .data.{inline},\"awG\",@progbits,{inline},comdat\n.weak {inline}.static\n{inline}.static: .long 1000\n\
             .section .data.p{number},\"aw\"\n.globl p{number}\np{number}: .quad {inline}.static\n\
             .section .text.f{number},\"ax\"\n"
        );
        if has_thread_local {
            text += &format!(".section .tdata.t{number},\"awT\",@progbits\nt{number}: .long 10000\n");
        }
        if is_indirect {
            text += &format!(
                ".section .text.i{number},\"ax\"\n.globl i{number}\n.type i{number},@gnu_indirect_function\n\
                 i{number}: lea 1f(%rip),%rax\nret\n1: mov $20000,%eax\nret\n"
            );
        }
        text += &format!(".section .text.f{number},\"ax\"\n");
        let adds = i32::from(has_thread_local) * 10_000 + i32::from(is_indirect) * 20_000;
        if is_low {
            text += &format!("mov $f{number},%eax\n");
        }
        if has_byte {
            text += &format!(".byte byte{number}\n");
        }
        text += &format!(".skip {}\n", random.below(40) * 1000);
        Self { dylib: random.below(DYLIBS), calls, reads, adds, has_byte, inline: which, text }
    }
}

fn expected(functions: &[Function], number: usize) -> i32 {
    let calls: i32 = functions[number].calls.iter().map(|&callee| expected(functions, callee)).sum();
    1000 + functions[number].adds
        + calls
        + functions[number].reads.iter().chain([&number]).map(|&read| i32::try_from(read).unwrap()).sum::<i32>()
}

/// Gives `byte{number}` a value, and takes back what it had.
fn set_byte(dylib: &JitDylib, workshop: &Workshop, number: usize, value: u32) -> ResourceTracker {
    let tracker = dylib.create_tracker().unwrap();
    let text = format!(".globl byte{number}\nbyte{number} = {value}\n");
    tracker.add_object(source(&workshop.object(&text))).unwrap();
    tracker
}

/// Returns how many lookups have failed, and how many objects were replaced.
fn run(seed: u64, lazy: bool) -> (usize, usize) {
    let (mut random, workshop, moody) = (Random(seed), Workshop::new(), Arc::new(Moody::default()));
    let jit = host::builder().memory(moody.clone()).window_size(1 << 20).build().unwrap();
    let dylibs: Vec<JitDylib> = (0..DYLIBS).map(|n| jit.create_dylib(&n.to_string()).unwrap()).collect();
    for dylib in &dylibs {
        let others = dylibs.iter().chain([jit.process()]);
        let others: Vec<_> = others.map(|other| (other.clone(), MatchScope::Exported)).collect();
        dylib.set_link_order(&others).unwrap();
    }
    let functions: Vec<_> = (0..FUNCTIONS).map(|number| Function::new(number, &mut random, lazy)).collect();
    let (mut bytes, mut trackers) = (Vec::new(), Vec::new());
    for (number, function) in functions.iter().enumerate() {
        let dylib = &dylibs[function.dylib];
        let own = random.below(2) == 0;
        let tracker = if own { dylib.create_tracker() } else { dylib.default_tracker() }.unwrap();
        let object = source(&workshop.object(&function.text));
        if lazy && random.below(2) == 0 {
            tracker.add_lazy_object(&object).unwrap();
        } else {
            tracker.add_object(&object).unwrap();
        }
        if own {
            trackers.push((number, tracker));
        }
        if function.has_byte {
            bytes.push((number, set_byte(dylib, &workshop, number, 0x1234)));
        }
    }
    let (mut failures, mut removals) = (0, 0);
    let mut found: Vec<Option<ExecAddr>> = vec![None; FUNCTIONS];
    let mut rounds = 0;
    while found.iter().any(Option::is_none) {
        rounds += 1;
        assert!(rounds < 1000, "seed {seed}: does not end");
        let number = random.below(FUNCTIONS);
        let dylib = &dylibs[random.below(DYLIBS)];
        // Less and less often.
        if random.below(rounds) < 8 {
            moody.0.store(1 + random.below(12) as u64, Ordering::Relaxed);
        }
        let result = dylib.link(&[&format!("f{number}")]);
        moody.0.store(0, Ordering::Relaxed);
        match result {
            Ok(addresses) => {
                assert_eq!(call_at(addresses[0]), expected(&functions, number), "seed {seed}, f{number}");
                assert_eq!(*found[number].get_or_insert(addresses[0]), addresses[0], "seed {seed}, f{number}");
            }
            Err(error) => {
                assert!(matches!(error, Error::Executor(_) | Error::Link { .. }), "seed {seed}: {error}");
                failures += 1;
            }
        }
        // What nobody uses is replaced, less and less often, too.
        if random.below(4 + rounds / 8) == 0
            && let Some((number, tracker)) = trackers.get_mut(random.below(FUNCTIONS))
        {
            let result = if lazy {
                // SAFETY: nobody is in its code, and `found` forgets it.
                unsafe { tracker.retire() }
            } else {
                // SAFETY: as above.
                unsafe { tracker.remove() }
            };
            match result {
                Ok(()) => {
                    let dylib = &dylibs[functions[*number].dylib];
                    *tracker = dylib.create_tracker().unwrap();
                    let object = source(&workshop.object(&functions[*number].text));
                    tracker.add_object(&object).unwrap();
                    found[*number] = None;
                    removals += 1;
                }
                Err(error) => assert!(matches!(error, Error::InUse { .. }), "seed {seed}: {error}"),
            }
        }
        // Sooner or later all bytes have values that fit.
        if random.below(8) == 0
            && let Some((number, tracker)) = bytes.pop()
        {
            // SAFETY: nobody uses a number.
            unsafe { tracker.remove() }.unwrap();
            let _stays = set_byte(&dylibs[functions[number].dylib], &workshop, number, 0x12);
        }
    }
    for (number, address) in found.iter().enumerate() {
        assert_eq!(call_at(address.unwrap()), expected(&functions, number), "seed {seed}, f{number}");
    }
    // All JITDylibs search each other: what is linked has one variable of each inline function.
    let mut places = [None; 4];
    for (number, function) in functions.iter().enumerate() {
        let pointer = dylibs[function.dylib].link(&[&format!("p{number}")]).unwrap()[0];
        // SAFETY: it is linked, and holds an address.
        let place = unsafe { (pointer.0 as *const u64).read_unaligned() };
        assert_eq!(*places[function.inline].get_or_insert(place), place, "seed {seed}, p{number}");
    }
    // SAFETY: nobody uses it any more.
    unsafe { jit.close() }.unwrap();
    (failures, removals)
}

fn run_all(lazy: bool) {
    let seeds = std::env::var("LINKJIT_FAILURE_SEEDS").map_or(15, |seeds| seeds.parse().expect("a number"));
    let sum = (1..=seeds).map(|seed| run(seed, lazy)).fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
    assert!(sum.0 > 100 && sum.1 > 30, "{sum:?}");
}

#[test]
fn what_is_linked_after_failures_is_right() {
    run_all(false);
}

/// Half of the objects are linked when they are called, and objects are retired.
#[test]
fn what_is_linked_lazily_after_failures_is_right() {
    run_all(true);
}
