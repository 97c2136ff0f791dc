//! The list of loaded objects as linked code sees it. Garbage collectors and leak checkers use it to find their roots.
//!
//! `dl_iterate_phdr`, as linked code and libraries other than the system's see it, reports the objects of the system's
//! loader, then windows. A window is an object without a file, dynamic section and unwind table (unwinders know better
//! ways); its segments are the parts of the window's stripes that have memory. Collectors list objects while all other
//! threads are stopped at any point, so this code must not wait for a lock.

use std::ffi::{CStr, c_int, c_void};
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::{ExecAddr, ExecRange, loaded};

/// Windows are called this, which is no name of a file.
const NAME: &CStr = c"[linkjit]";

/// The flags of a window's stripes.
const FLAGS: [u32; 3] = [libc::PF_R, libc::PF_R | libc::PF_X, libc::PF_R | libc::PF_W];

/// An entry of the list. Entries are never freed, for somebody may be reading one, but used again.
#[derive(Debug, Default)]
struct Entry {
    next: AtomicPtr<Entry>,
    /// The start of the window; 0 while the entry is free, [`TAKEN`] while it is being written.
    window: AtomicU64,
    starts: [AtomicU64; 3],
    ends: [AtomicU64; 3],
}

const TAKEN: u64 = 1;

static FIRST: AtomicPtr<Entry> = AtomicPtr::new(std::ptr::null_mut());

/// Windows that were ever listed, and that were taken from the list.
static LISTED: AtomicU64 = AtomicU64::new(0);
static UNLISTED: AtomicU64 = AtomicU64::new(0);

/// A window in the list; dropping it takes it out.
#[derive(Debug)]
pub(crate) struct Listed(&'static Entry);

impl Listed {
    /// Lists a window, of which there is no memory yet.
    pub(crate) fn new(window: ExecRange, stripes: [ExecRange; 3]) -> Self {
        static FIRST_WINDOW: Once = Once::new();
        FIRST_WINDOW.call_once(tell_libraries);
        let take =
            |entry: &&Entry| entry.window.compare_exchange(0, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok();
        let entry = entries().find(take).unwrap_or_else(|| {
            let new = Entry { window: AtomicU64::new(TAKEN), ..Entry::default() };
            let new: &'static Entry = Box::leak(Box::new(new));
            let added = FIRST.fetch_update(Ordering::AcqRel, Ordering::Acquire, |first| {
                new.next.store(first, Ordering::Relaxed);
                Some(std::ptr::from_ref(new).cast_mut())
            });
            debug_assert!(added.is_ok(), "the update always has a value");
            new
        });
        for (at, stripe) in stripes.iter().enumerate() {
            entry.starts[at].store(stripe.start.0, Ordering::Relaxed);
            entry.ends[at].store(stripe.start.0, Ordering::Relaxed);
        }
        LISTED.fetch_add(1, Ordering::Relaxed);
        entry.window.store(window.start.0, Ordering::Release);
        Self(entry)
    }

    /// Says how far there is memory behind a stripe.
    pub(crate) fn grow(&self, stripe: usize, end: ExecAddr) {
        if let Some(known) = self.0.ends.get(stripe) {
            known.store(end.0, Ordering::Release);
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        UNLISTED.fetch_add(1, Ordering::Relaxed);
        self.0.window.store(0, Ordering::Release);
    }
}

/// Has libraries that list objects ask us. Where the system does not let a slot be changed, a library does not see
/// linked code, which only a collector misses.
pub(crate) fn tell_libraries() {
    let old = ExecAddr(libc::dl_iterate_phdr as *const () as u64);
    let _refused = loaded::objects::replace_function(b"dl_iterate_phdr", old, ExecAddr(iterate as *const () as u64));
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    let get = |place: &AtomicPtr<Entry>| {
        // SAFETY: null, or an entry, which is never freed.
        unsafe { place.load(Ordering::Acquire).as_ref::<'static>() }
    };
    std::iter::successors(get(&FIRST), move |entry| get(&entry.next))
}

impl Entry {
    /// Its window and stripes, unless it is free or just becoming so.
    fn read(&self) -> Option<(u64, [ExecRange; 3])> {
        let window = self.window.load(Ordering::Acquire);
        let stripe = |at: usize| ExecRange {
            start: ExecAddr(self.starts[at].load(Ordering::Relaxed)),
            end: ExecAddr(self.ends[at].load(Ordering::Acquire)),
        };
        let stripes = [stripe(0), stripe(1), stripe(2)];
        (window > TAKEN && self.window.load(Ordering::Acquire) == window).then_some((window, stripes))
    }
}

type Callback = unsafe extern "C" fn(*mut libc::dl_phdr_info, usize, *mut c_void) -> c_int;

/// `dl_iterate_phdr` for linked code.
pub(crate) unsafe extern "C" fn iterate(callback: Option<Callback>, data: *mut c_void) -> c_int {
    // SAFETY: the caller's callback, with what it wants.
    let result = unsafe { libc::dl_iterate_phdr(callback, data) };
    let Some(callback) = callback.filter(|_| result == 0) else { return result };
    for (window, stripes) in entries().filter_map(Entry::read) {
        let header = |at: usize| libc::Elf64_Phdr {
            p_type: libc::PT_LOAD,
            p_flags: FLAGS[at],
            p_offset: 0,
            p_vaddr: stripes[at].start.0.wrapping_sub(window),
            p_paddr: 0,
            p_filesz: 0,
            p_memsz: stripes[at].size(),
            p_align: 4096,
        };
        let headers = [header(0), header(1), header(2)];
        let mut info = libc::dl_phdr_info {
            dlpi_addr: window,
            dlpi_name: NAME.as_ptr(),
            dlpi_phdr: headers.as_ptr(),
            dlpi_phnum: 3,
            dlpi_adds: LISTED.load(Ordering::Relaxed),
            dlpi_subs: UNLISTED.load(Ordering::Relaxed),
            dlpi_tls_modid: 0,
            dlpi_tls_data: std::ptr::null_mut(),
        };
        // SAFETY: a description as the system's loader gives it, valid for the time of the call.
        let result = unsafe { callback(&raw mut info, size_of_val(&info), data) };
        if result != 0 {
            return result;
        }
    }
    0
}
