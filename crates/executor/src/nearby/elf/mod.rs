//! Direct references from low memory to what shared libraries define: copy relocations, done late.
//!
//! Code that was compiled for an executable (`-fno-pic`, or `-fPIE` as most distributions have it) takes it for granted
//! that every variable is within its reach. When the static linker finds that one is a shared library's, it reserves
//! room for the variable in the executable and leaves a copy relocation: the loader copies the initial value there and
//! binds the library's own references to the copy (System V ABI, AMD64 supplement, `R_X86_64_COPY`). That works because
//! a shared library refers to what it exports through slots that the loader fills in.
//!
//! We do the same in a process that runs already: the variable is copied below 2 GiB, where addresses fit into any
//! 32-bit field and all windows of such code reach each other, and the slots that hold its address are changed. There
//! is one copy per process, and it stays: nobody knows who has taken its address.
//!
//! A function gets a stub in low memory, and the slots that hold its address are changed likewise: it has one address
//! for all, as with canonical PLT entries (ibid., "Function Addresses"). Calls of libraries go on as they did.
//!
//! What this can't do:
//! - Pointers to the variable that were stored elsewhere than in a slot or in another copy go on pointing to the old
//!   place, which keeps the old value. Constants (virtual tables, type information) don't mind.
//! - A thread that writes the variable between copy and redirection writes the old one.
//! - Code that was linked within reach of the old place refers to it without a slot, and goes on doing so.
//! - Libraries that are opened other than through the executor are bound to the old place by the loader, until the
//!   next variable that is moved or the next library that is opened through it, or by linked code.
//! - No other thread may be opening a library meanwhile: the loader could be filling in the very slots.
//! - A variable whose owner refers to it without a slot can't be moved unless it is constant: one of the executable, of
//!   protected visibility, or of a library that was linked with `-Bsymbolic`.

mod functions;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use functions::Functions;

use crate::loaded::objects::{self, Found};
use crate::{ExecAddr, ExecRange, Nearby, Placement, Result, lock, os};

/// Addresses below this fit into any 32-bit field.
const LOW_END: u64 = 0x8000_0000;

/// Copies are aligned as their originals are, but no further than this: a cache line.
const LARGEST_ALIGN: u64 = 64;

/// Low memory is reserved in pieces of this size, or that of a larger variable.
const CHUNK: u64 = 64 << 10;

const NOWHERE: ExecRange = ExecRange { start: ExecAddr::NULL, end: ExecAddr::NULL };

/// A variable that was moved.
#[derive(Clone, Copy, Debug)]
struct Moved {
    old: ExecRange,
    new: ExecAddr,
}

impl Moved {
    fn copy(self) -> ExecRange {
        ExecRange::new(self.new, self.old.size())
    }
}

/// The variables of this process that were moved; shared by all executors, as the libraries are.
#[derive(Debug)]
struct Stands {
    moved: Vec<Moved>,
    functions: Functions,
    /// This is left of the newest chunk.
    free: ExecRange,
}

static STANDS: Mutex<Stands> = Mutex::new(Stands { moved: Vec::new(), functions: Functions::NONE, free: NOWHERE });

/// Takes the lock for a fork.
pub(crate) fn hold(held: &mut crate::fork::Held) -> bool {
    held.hold_static(&STANDS)
}

/// See [`crate::Executor::bring_near`].
pub(crate) fn bring_near(near: ExecRange, addresses: &[ExecAddr]) -> Result<Vec<Option<Nearby>>> {
    let mut stands = lock(&STANDS);
    let (moved_before, functions_before) = (stands.moved.len(), stands.functions.len());
    let found = stands.find(near, addresses);
    if found.is_err() {
        // Nothing was copied yet.
        stands.moved.truncate(moved_before);
    }
    for moved in &stands.moved[moved_before..] {
        copy(moved.old, moved.new);
    }
    if stands.moved.len() > moved_before || stands.functions.len() > functions_before {
        stands.redirect()?;
    }
    found
}

/// Returns where a variable is now that was, or is, at `address`.
pub(crate) fn current(address: ExecAddr) -> ExecAddr {
    lock(&STANDS).current(address)
}

/// Says whether the library that defines what is at an address refers to it the way that all others do.
pub(crate) fn is_shared(address: ExecAddr) -> bool {
    let is_moved = {
        let stands = lock(&STANDS);
        stands.functions.has_stub(address) || stands.moved.iter().any(|moved| moved.copy().contains(address))
    };
    is_moved || objects::is_shared(address)
}

/// Has libraries that were loaded meanwhile use the copies, too.
pub(crate) fn redirect() -> Result<()> {
    let stands = lock(&STANDS);
    if stands.moved.is_empty() && stands.functions.len() == 0 { Ok(()) } else { stands.redirect() }
}

impl Stands {
    /// Returns what stands for `addresses`. Lists variables that have to be moved with their new places.
    fn find(&mut self, near: ExecRange, addresses: &[ExecAddr]) -> Result<Vec<Option<Nearby>>> {
        let mut functions = Vec::new();
        let stand = |&address| {
            Ok(match (self.current(address), objects::describe(address)) {
                (new, _) if new != address => Some(Nearby::Moved(new)),
                (_, Some(Found::Function)) if near.end.0 <= LOW_END => {
                    functions.push(address);
                    Some(Nearby::Function)
                }
                (_, Some(Found::Function)) => Some(Nearby::Function),
                (_, Some(Found::Variable(size))) if near.end.0 <= LOW_END => {
                    let old = ExecRange::new(address, size);
                    let new = self.take(size, alignment(address))?;
                    self.moved.push(Moved { old, new });
                    Some(Nearby::Moved(new))
                }
                _ => None,
            })
        };
        let mut found = addresses.iter().map(stand).collect::<Result<Vec<_>>>()?;
        self.functions.add(&functions)?;
        for (found, &address) in found.iter_mut().zip(addresses) {
            let stub = self.current(address);
            if *found == Some(Nearby::Function) && stub != address {
                *found = Some(Nearby::Moved(stub));
            }
        }
        Ok(found)
    }

    fn current(&self, address: ExecAddr) -> ExecAddr {
        if let Some(stub) = self.functions.stub(address) {
            return stub;
        }
        let moved = self.moved.iter().find(|moved| moved.old.contains(address));
        moved.map_or(address, |moved| moved.new.offset(address.0 - moved.old.start.0))
    }

    /// Returns where what `address` points to is now, if it was moved.
    fn redirected(&self, address: u64) -> Option<u64> {
        let new = self.current(ExecAddr(address)).0;
        (new != address).then_some(new)
    }

    /// Low memory that is never given back.
    fn take(&mut self, size: u64, align: u64) -> Result<ExecAddr> {
        let start = self.free.start.0.next_multiple_of(align);
        if start + size <= self.free.end.0 {
            self.free.start = ExecAddr(start + size);
            return Ok(ExecAddr(start));
        }
        // Code may read just before a variable: the first one does not begin where the memory does.
        let wanted = (LARGEST_ALIGN + size).max(CHUNK).next_multiple_of(os::page_size());
        let chunk = os::reserve(wanted, Placement::Low)?;
        os::commit(chunk)?;
        let start = chunk.start.offset(LARGEST_ALIGN);
        self.free = ExecRange { start: start.offset(size), end: chunk.end };
        Ok(start)
    }

    /// Changes what refers to moved variables: slots of loaded objects, and pointers among the copies (`std::cin` is
    /// tied to `std::cout`; a stream points into itself).
    fn redirect(&self) -> Result<()> {
        for word in self.moved.iter().flat_map(|moved| words(moved.copy())) {
            let value = word.load(Ordering::Relaxed);
            if let Some(new) = self.redirected(value) {
                // Who has changed it meanwhile knows better.
                let _changed = word.compare_exchange(value, new, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
        objects::redirect(&|address| self.redirected(address))
    }
}

fn alignment(address: ExecAddr) -> u64 {
    1 << address.0.trailing_zeros().min(LARGEST_ALIGN.trailing_zeros())
}

/// Copies a variable that other threads may be using: whole words where it has any, so that no pointer is torn.
fn copy(old: ExecRange, new: ExecAddr) {
    let new = ExecRange::new(new, old.size());
    // Both are aligned alike, up to more than a word.
    for (from, to) in words(old).zip(words(new)) {
        to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
    }
    let in_words = if old.start.0.is_multiple_of(8) { old.size() & !7 } else { 0 };
    for offset in in_words..old.size() {
        let [from, to] = [old.start.offset(offset), new.start.offset(offset)].map(|address| {
            // SAFETY: a byte of a variable that a loaded library defines, or of its copy, which both stay.
            unsafe { AtomicU8::from_ptr(address.0 as *mut u8) }
        });
        to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// The words of a variable; none if it is not aligned to words.
fn words(range: ExecRange) -> impl Iterator<Item = &'static AtomicU64> {
    let count = if range.start.0.is_multiple_of(8) { range.size() / 8 } else { 0 };
    (0..count).map(move |index| {
        // SAFETY: aligned, and within a variable that a loaded library defines, or within its copy. The copy is never
        // freed; the original is only used while the library is loaded.
        unsafe { AtomicU64::from_ptr(range.start.offset(index * 8).0 as *mut u64) }
    })
}
