//! A program's own allocator in a process whose libraries are bound to another already.
//!
//! When the system links a program that defines `malloc` and its kin, or C++'s operators, the loader binds all
//! libraries to the program's definitions: they come first in its search. Here the libraries were bound before the
//! program came, so their slots for these names, and no others, are changed once the program's definitions are there
//! ([`crate::loaded`] says how slots are found).
//!
//! The host goes on using what it had: it would be odd if linking called into linked code. So there are two allocators,
//! and memory of one must never be given back to the other. What the program's may hand out is marked ([`owned`]):
//! linked code and its variables, what linked code gets from the system ([`system`]), and what it or a library gets
//! from those functions of the old allocator that the program has not replaced, or builds upon ([`functions`]).
//!
//! - The first program that has an allocator gets this. It stays for the life of the process, as the libraries hold memory
//!   of it: sessions never give that back.
//! - Code that was linked before may be bound to the old one by direct calls: then it is refused.
//! - Libraries that have functions of these names and are bound to them (`-Bsymbolic`, `RTLD_DEEPBIND`) stay so, as they
//!   would natively. So do pointers to functions that a library has stored where no relocation says so.

mod functions;
mod heap;
mod owned;
mod system;

use std::ffi::CString;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use functions::{OLD, PROGRAM, Role};

use super::{NAMES, index};
use crate::loaded::objects::{FunctionSlot, change_each_object, is_canonical_entry, object_at};
use crate::{ExecAddr, ExecRange, ExecutorError, Result, os};

/// The executor whose program's allocator serves the process, and one; zero if there is none.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Linked code gets what stands in for functions of the system.
static IS_PREPARED: AtomicBool = AtomicBool::new(false);

/// This many executors have found functions of the allocator that the process had, to which their linked code is or may
/// be bound.
static FOUND: AtomicUsize = AtomicUsize::new(0);

/// The names by which a program replaces the process's allocator.
pub(crate) fn names() -> &'static [&'static str] {
    &NAMES
}

/// Says whether another executor's program serves the process.
pub(crate) fn serves_another(owner: u32) -> bool {
    let served = OWNER.load(Ordering::Acquire);
    served != 0 && served != owner + 1
}

/// Says whether this executor's program serves the process.
pub(crate) fn serves_owner(owner: u32) -> bool {
    OWNER.load(Ordering::Acquire) == owner + 1
}

/// The things that linked code of one executor knows of the process's allocator.
#[derive(Debug, Default)]
pub(crate) struct Use {
    found: AtomicBool,
    bound: AtomicBool,
}

impl Use {
    /// Returns what linked code is to get for a name that was found in the process at `address`.
    pub(crate) fn found(&self, name: &[u8], address: ExecAddr) -> ExecAddr {
        let index = index(name);
        if !IS_PREPARED.load(Ordering::Acquire) {
            if index.is_some() && !self.found.swap(true, Ordering::Relaxed) {
                FOUND.fetch_add(1, Ordering::Relaxed);
            }
            return address;
        }
        if let Some(index) = index {
            let _known = OLD[index].compare_exchange(0, address.0, Ordering::AcqRel, Ordering::Acquire);
            return ExecAddr(functions::served(index));
        }
        stand_in(name).unwrap_or(address)
    }

    /// Code is going to be placed, which may refer to what was found.
    pub(crate) fn placing(&self) {
        if self.found.load(Ordering::Relaxed) && !IS_PREPARED.load(Ordering::Acquire) {
            self.bound.store(true, Ordering::Relaxed);
        }
    }

    /// Says whether linked code, this executor's or another's, may be bound to the allocator that the process had.
    fn is_late(&self) -> bool {
        self.bound.load(Ordering::Relaxed)
            || FOUND.load(Ordering::Relaxed) > usize::from(self.found.load(Ordering::Relaxed))
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if *self.found.get_mut() {
            FOUND.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn stand_in(name: &[u8]) -> Option<ExecAddr> {
    let stand_in = system::STAND_INS.iter().find(|(other, _)| other.as_bytes() == name)?;
    Some(ExecAddr(stand_in.1()))
}

/// See [`crate::Executor::prepare_allocator`].
pub(crate) fn prepare(owner: u32, linked: &Use) -> Result<Vec<(&'static str, ExecAddr)>> {
    if serves_another(owner) {
        return Err(refused("another program's allocator already serves the process"));
    }
    if !IS_PREPARED.load(Ordering::Acquire) {
        if linked.is_late() {
            return Err(refused("code that was linked before already uses the allocator of the process"));
        }
        find_old(0..NAMES.len());
        let object_of = |function: u64| Some(object_at(ExecAddr(function))?.1);
        let owner = object_of(functions::load(&OLD, functions::MALLOC));
        if owner.is_none() || owner != object_of(functions::load(&OLD, functions::USABLE_SIZE)) {
            return Err(refused("the allocator of the process does not define 'malloc_usable_size'"));
        }
        // A function that nobody refers to, so that no executable stands for it.
        let c_library = os::find_symbol(libc::RTLD_DEFAULT as usize, c"gnu_get_libc_release");
        heap::set_known(owner == c_library.and_then(|function| object_of(function.0)));
        IS_PREPARED.store(true, Ordering::Release);
    }
    let served = NAMES.iter().enumerate().map(|(index, name)| (*name, ExecAddr(functions::served(index))));
    Ok(served.chain(system::STAND_INS.iter().map(|(name, stand_in)| (*name, ExecAddr(stand_in())))).collect())
}

#[cold]
fn refused(why: &'static str) -> ExecutorError {
    ExecutorError::Allocator { why: why.into() }
}

/// Notes which functions the process has, if that is not known.
fn find_old(indices: std::ops::Range<usize>) {
    let mut has_failed = false;
    for index in indices {
        if functions::load(&OLD, index) != 0 {
            continue;
        }
        let Ok(name) = CString::new(NAMES[index]) else { continue };
        let mut found = os::find_symbol(libc::RTLD_DEFAULT as usize, &name);
        // An executable that takes a function's address has an entry that stands for it, and leads to a slot.
        if found.is_some_and(is_canonical_entry) {
            found = os::find_symbol(libc::RTLD_NEXT as usize, &name);
        }
        has_failed |= found.is_none();
        OLD[index].store(found.map_or(0, |found| found.0), Ordering::Release);
    }
    if has_failed {
        os::forget_loader_error();
    }
}

/// See [`crate::Executor::replace_allocator`]. `windows` are those of the executor.
pub(crate) fn replace(owner: u32, definitions: &[(&str, ExecAddr)], windows: &[ExecRange]) -> Result<()> {
    let is_free = OWNER.compare_exchange(0, owner + 1, Ordering::AcqRel, Ordering::Acquire);
    if !IS_PREPARED.load(Ordering::Acquire) || is_free.is_err_and(|served| served != owner + 1) {
        return Err(refused("another program's allocator already serves the process"));
    }
    let known = |(name, address): &(&str, ExecAddr)| {
        let index = index(name.as_bytes());
        let index =
            index.ok_or_else(|| ExecutorError::Invalid { what: format!("name of an allocator's function: {name}") })?;
        Ok((index, address.0))
    };
    let definitions = definitions.iter().map(known).collect::<Result<Vec<_>>>();
    let taken = definitions.and_then(|definitions| {
        windows.iter().for_each(|window| owned::mark(*window));
        let replace = |&(index, address): &(usize, u64)| (index, PROGRAM[index].swap(address, Ordering::AcqRel));
        let before: Vec<_> = definitions.iter().map(replace).collect();
        find_operators();
        // Until all that gives memory back knows both allocators, nobody has memory of the new one: one may go back.
        rebind(false).inspect_err(|_| {
            before.iter().for_each(|&(index, address)| PROGRAM[index].store(address, Ordering::Release));
        })
    });
    if taken.is_err() && is_free.is_ok() {
        windows.iter().for_each(|window| owned::clear(*window));
        OWNER.store(0, Ordering::Release);
    }
    taken?;
    // A library whose slots can't be changed allocates as before.
    let _failed = rebind(true);
    Ok(())
}

/// Linked code's memory is the program's.
pub(crate) fn add_window(owner: u32, window: ExecRange) {
    if serves_owner(owner) {
        owned::mark(window);
    }
}

/// The window is given back.
pub(crate) fn remove_window(owner: u32, window: ExecRange) {
    if serves_owner(owner) {
        owned::clear(window);
    }
}

/// A thread's variables are linked code's memory, too.
pub(crate) fn add_block(block: ExecRange) {
    if serves() {
        owned::mark(block);
    }
}

/// The block is given back to the host's allocator.
pub(crate) fn remove_block(block: ExecRange) {
    if serves() {
        owned::clear(block);
    }
}

/// Says whether a program's allocator serves the process.
pub(crate) fn serves() -> bool {
    OWNER.load(Ordering::Acquire) != 0
}

/// Binds libraries that were opened just now to the program's allocator, if it has one. Nobody can be told of a failure:
/// slots that could not be changed lead to the old allocator, which then serves its library alone. Does not change what
/// the loader says about its last failure.
pub(crate) fn bind_libraries() {
    if serves() {
        find_operators();
        let _failed = (rebind(false), rebind(true));
    }
}

/// Notes which operators the process has, for the library that has them may have been opened just now.
fn find_operators() {
    if functions::load(&OLD, functions::NEW) == 0 {
        find_old(functions::NEW..NAMES.len());
    }
}

/// Has slots lead to the program's functions, or to those that tell whose memory something is: those of functions that
/// allocate, or those of the others. These come first: until they know both allocators, nobody may have memory of the
/// new one.
fn rebind(allocates: bool) -> Result<()> {
    change_each_object(&|object| {
        // The host is whoever has this code, and the executable.
        let is_host = object.is_program || object.contains(ExecAddr(rebind as *const () as u64));
        object.redirect_functions(&|slot| {
            let index = index(slot.name)?;
            let is_in_phase = matches!(functions::role(index), Role::Allocates | Role::News) == allocates;
            let new = if is_host { functions::for_host(index) } else { functions::for_library(index) };
            new.filter(|_| is_in_phase && leads_to_old(index, slot))
        })
    })
}

/// Says whether a slot leads to the function that the process had, or to one of ours. Whoever has another one keeps it.
fn leads_to_old(index: usize, slot: &FunctionSlot<'_>) -> bool {
    if slot.is_unbound {
        return true;
    }
    // An operator of a library that only other libraries see: then all that refer to it are bound to the same.
    let old = OLD[index].compare_exchange(0, slot.value, Ordering::AcqRel, Ordering::Acquire);
    let old = old.map_or_else(|old| old, |_| slot.value);
    slot.value == old || functions::is_ours(index, slot.value) || is_canonical_entry(ExecAddr(slot.value))
}
