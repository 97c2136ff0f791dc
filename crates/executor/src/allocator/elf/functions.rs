//! The functions that stand between the libraries, the host and two allocators: the program's, and the one that the
//! process had.
//!
//! Calls that ask for memory get it from the program's allocator. A call that gives memory back may have it from
//! either: some memory is older than the program, and the host keeps its allocator. So functions that free, resize or
//! measure memory ask [`owned`] first. Functions that the program does not define come from the allocator that the
//! process had. The memory that they hand out is marked, so that it goes to the program's `free`, as it would if the
//! program had been linked as usual.
//!
//! All functions have up to three arguments and a result in a register each, so that one type serves all: a function
//! ignores arguments that it does not have. Nothing here may allocate by itself.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{heap, owned};
use crate::allocator::NAMES;
use crate::{os, tls};

pub(super) const MALLOC: usize = 0;
pub(super) const CALLOC: usize = 1;
pub(super) const REALLOC: usize = 2;
pub(super) const REALLOCARRAY: usize = 3;
pub(super) const MEMALIGN: usize = 4;
pub(super) const POSIX_MEMALIGN: usize = 6;
pub(super) const VALLOC: usize = 7;
pub(super) const PVALLOC: usize = 8;
pub(super) const FREE: usize = 9;
pub(super) const USABLE_SIZE: usize = 13;
/// From here on they are C++'s operators.
pub(super) const NEW: usize = 14;
const DELETE: usize = 22;

/// The kind of function that an index stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    Allocates,
    Resizes,
    Frees,
    Measures,
    News,
    Deletes,
}

pub(super) fn role(index: usize) -> Role {
    match index {
        REALLOC | REALLOCARRAY => Role::Resizes,
        0..FREE => Role::Allocates,
        FREE..USABLE_SIZE => Role::Frees,
        USABLE_SIZE => Role::Measures,
        NEW..DELETE => Role::News,
        _ => Role::Deletes,
    }
}

/// Addresses of functions, by their index in [`NAMES`]; zero for those that are not there.
pub(super) type Functions = [AtomicU64; NAMES.len()];

/// The program's.
pub(super) static PROGRAM: Functions = [const { AtomicU64::new(0) }; NAMES.len()];

/// Those that the process had.
pub(super) static OLD: Functions = [const { AtomicU64::new(0) }; NAMES.len()];

pub(super) type Function = unsafe extern "C-unwind" fn(usize, usize, usize) -> usize;

macro_rules! for_each_index {
    ($function:ident) => {
        for_each_index!($function: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
            32 33)
    };
    ($function:ident: $($index:literal)*) => {
        [$($function::<$index> as Function),*]
    };
}

/// Linked code that has no definition of its own calls these by these names.
static SERVED: [Function; NAMES.len()] = for_each_index!(serve);
/// The program calls these as the ones that were there before, to build upon them.
static RECORDED: [Function; NAMES.len()] = for_each_index!(record);
static RELEASED: [Function; NAMES.len()] = for_each_index!(release);
static RESIZED: [Function; NAMES.len()] = for_each_index!(resize);
static RESIZED_FOR_HOST: [Function; NAMES.len()] = for_each_index!(resize_for_host);

fn address(functions: &[Function; NAMES.len()], index: usize) -> u64 {
    functions.get(index).map_or(0, |function| *function as *const () as u64)
}

/// Returns the function that serves linked code that does not define the function.
pub(super) fn served(index: usize) -> u64 {
    match role(index) {
        Role::Allocates | Role::News => address(&SERVED, index),
        Role::Resizes => address(&RESIZED, index),
        Role::Frees | Role::Deletes => address(&RELEASED, index),
        Role::Measures => measure as *const () as u64,
    }
}

/// Returns the function that serves as the one that was there before.
pub(super) fn recorded(index: usize) -> u64 {
    if index < NEW { address(&RECORDED, index) } else { load(&OLD, index) }
}

/// Returns what a slot of a library is to hold; `None` if it keeps what it has.
pub(super) fn for_library(index: usize) -> Option<u64> {
    let program = load(&PROGRAM, index);
    match role(index) {
        Role::Allocates if program == 0 => replaces_c().then(|| recorded(index)),
        Role::News | Role::Deletes | Role::Measures if program == 0 => None,
        Role::Allocates | Role::News => Some(program),
        Role::Resizes | Role::Frees | Role::Deletes | Role::Measures => Some(served(index)),
    }
}

/// Returns what a slot of the host is to hold: it goes on using the allocator that it had, but for the operators, of
/// which it can't be told whether they are its own or a library's.
pub(super) fn for_host(index: usize) -> Option<u64> {
    match role(index) {
        Role::Allocates => None,
        Role::Resizes => Some(address(&RESIZED_FOR_HOST, index)),
        _ => for_library(index),
    }
}

/// Says whether a function of that index is one of these.
pub(super) fn is_ours(index: usize, function: u64) -> bool {
    [served(index), recorded(index), address(&RESIZED_FOR_HOST, index)].contains(&function)
}

/// Says whether the program defines one of C's.
fn replaces_c() -> bool {
    (0..NEW).any(|index| load(&PROGRAM, index) != 0)
}

pub(super) fn load(functions: &Functions, index: usize) -> u64 {
    functions.get(index).map_or(0, |function| function.load(Ordering::Acquire))
}

/// Calls a function, if it is there.
fn call(functions: &Functions, index: usize, a: usize, b: usize, c: usize) -> Option<usize> {
    let function = load(functions, index);
    if function == 0 {
        return None;
    }
    // SAFETY: the address of a function of this name, which takes up to three words.
    let function = unsafe { std::mem::transmute::<*const (), Function>(function as *const ()) };
    // SAFETY: whoever calls a function of this name passes what it takes.
    Some(unsafe { function(a, b, c) })
}

/// Says whether memory that is given back, resized or measured is the program's.
fn is_programs(memory: usize) -> bool {
    let memory = memory as u64;
    owned::contains(memory) || tls::is_reserved(memory) || !heap::has(memory)
}

/// Returns how much the allocator that the process had has given for a piece of memory.
fn usable(memory: usize) -> u64 {
    call(&OLD, USABLE_SIZE, memory, 0, 0).unwrap_or(0) as u64
}

fn mark(memory: usize) {
    if memory != 0 {
        owned::mark(owned::range(memory as u64, usable(memory)));
    }
}

fn clear(memory: usize) {
    if memory != 0 && owned::contains(memory as u64) {
        owned::clear(owned::range(memory as u64, usable(memory)));
    }
}

/// Allocates, of the program's allocator if that has such a function.
unsafe extern "C-unwind" fn serve<const INDEX: usize>(a: usize, b: usize, c: usize) -> usize {
    if let Some(result) = call(&PROGRAM, INDEX, a, b, c) {
        return result;
    }
    // SAFETY: the caller's arguments.
    unsafe { record::<INDEX>(a, b, c) }
}

/// The function that the process had, whose results are the program's.
unsafe extern "C-unwind" fn record<const INDEX: usize>(a: usize, b: usize, c: usize) -> usize {
    match role(INDEX) {
        Role::Allocates if INDEX == POSIX_MEMALIGN => {
            let result = call(&OLD, INDEX, a, b, c).unwrap_or(libc::ENOMEM as usize);
            // The result is an `int`.
            if result as u32 == 0 {
                // SAFETY: it has written a pointer there.
                mark(unsafe { (a as *const usize).read() });
            }
            result
        }
        Role::Allocates => {
            let result = call(&OLD, INDEX, a, b, c).unwrap_or(0);
            mark(result);
            result
        }
        Role::Resizes => resize_recorded(INDEX, a, b, c),
        Role::Frees => release_old(INDEX, a, b, c),
        // Operators of the process rest upon `malloc`.
        Role::News | Role::Deletes | Role::Measures => call(&OLD, INDEX, a, b, c).unwrap_or(0),
    }
}

/// Bytes that are asked for in a new size; `None` if they are too many to be counted.
fn new_size(index: usize, b: usize, c: usize) -> Option<usize> {
    if index == REALLOCARRAY { b.checked_mul(c) } else { Some(b) }
}

fn resize_recorded(index: usize, memory: usize, b: usize, c: usize) -> usize {
    let was = if memory != 0 && owned::contains(memory as u64) { usable(memory) } else { 0 };
    owned::clear(owned::range(memory as u64, was));
    let new = call(&OLD, index, memory, b, c).unwrap_or(0);
    if new != 0 {
        mark(new);
    } else if new_size(index, b, c) != Some(0) {
        // It is still there.
        owned::mark(owned::range(memory as u64, was));
    }
    new
}

fn release_old(index: usize, memory: usize, b: usize, c: usize) -> usize {
    clear(memory);
    let done = call(&OLD, index, memory, b, c).or_else(|| call(&OLD, FREE, memory, 0, 0));
    done.unwrap_or(0)
}

/// Gives memory back to whose it is.
unsafe extern "C-unwind" fn release<const INDEX: usize>(memory: usize, b: usize, c: usize) -> usize {
    if (memory == 0 || is_programs(memory))
        && let Some(done) = call(&PROGRAM, INDEX, memory, b, c)
    {
        return done;
    }
    if role(INDEX) == Role::Deletes {
        return call(&OLD, INDEX, memory, b, c).unwrap_or(0);
    }
    release_old(INDEX, memory, b, c)
}

/// Resizes memory for a library. What is older than the program's allocator moves to that.
unsafe extern "C-unwind" fn resize<const INDEX: usize>(memory: usize, b: usize, c: usize) -> usize {
    if load(&PROGRAM, INDEX) == 0 {
        return resize_recorded(INDEX, memory, b, c);
    }
    if memory == 0 || is_programs(memory) {
        return call(&PROGRAM, INDEX, memory, b, c).unwrap_or(0);
    }
    let size = new_size(INDEX, b, c);
    if size == Some(0) {
        return call(&OLD, INDEX, memory, b, c).unwrap_or(0);
    }
    let new = call(&PROGRAM, INDEX, 0, b, c).unwrap_or(0);
    if new != 0 {
        let kept = size.unwrap_or(0).min(usable(memory) as usize);
        // SAFETY: the old memory has that many bytes, and the new one has been asked for no less.
        unsafe { std::ptr::copy_nonoverlapping(memory as *const u8, new as *mut u8, kept) };
        call(&OLD, FREE, memory, 0, 0);
    }
    new
}

/// Resizes memory for the host, which keeps its own where it is.
unsafe extern "C-unwind" fn resize_for_host<const INDEX: usize>(memory: usize, b: usize, c: usize) -> usize {
    if memory == 0 || !is_programs(memory) {
        return call(&OLD, INDEX, memory, b, c).unwrap_or(0);
    }
    // SAFETY: the caller's arguments.
    unsafe { resize::<INDEX>(memory, b, c) }
}

/// `malloc_usable_size`.
unsafe extern "C-unwind" fn measure(memory: usize, b: usize, c: usize) -> usize {
    let errno = os::last_error();
    let programs = if memory != 0 && is_programs(memory) { call(&PROGRAM, USABLE_SIZE, memory, b, c) } else { None };
    let size = programs.unwrap_or_else(|| usable(memory) as usize);
    os::set_last_error(errno);
    size
}
