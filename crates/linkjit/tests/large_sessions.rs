//! What a lookup takes does not depend on how large the objects are that it links a part of, nor on how many resource
//! trackers the others of its batch have. Counted is what is allocated: a batch that makes lists of all that a graph has
//! instead of what it links of it is found out, whatever the machine does.

mod assembly;
mod host;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use assembly::{Workshop, call_at, source};
use linkjit::ResourceTracker;

/// The system's memory, with a count of what is asked for.
struct Counted;

static ALLOCATED: AtomicU64 = AtomicU64::new(0);

// SAFETY: all is the system's.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) };
    }
}

#[global_allocator]
static MEMORY: Counted = Counted;

/// One test at a time, for all count together.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn allocated(work: impl FnOnce()) -> u64 {
    let before = ALLOCATED.load(Ordering::Relaxed);
    work();
    ALLOCATED.load(Ordering::Relaxed) - before
}

/// Functions with a section each, which return their number; and one that nobody needs for each of them.
fn functions(numbers: std::ops::Range<usize>) -> String {
    let mut text = String::new();
    for number in numbers {
        for name in [format!("f{number}"), format!("unneeded{number}")] {
            _ = write!(text, ".section .text.{name},\"ax\"\n.globl {name}\n{name}: mov ${number},%eax\nret\n");
        }
    }
    text
}

/// Looks functions up one by one; returns what a lookup takes once something of the object is linked.
fn one_by_one(workshop: &Workshop, count: usize, tracked: bool) -> u64 {
    const LOOKUPS: usize = 40;
    let jit = host::jit().unwrap();
    let tracker = if tracked { jit.create_tracker() } else { jit.main().default_tracker() }.unwrap();
    tracker.add_object(source(&workshop.object(&functions(0..count)))).unwrap();
    // The first batches find out what there is.
    for number in 0..4 {
        jit.lookup(format!("f{number}")).unwrap();
    }
    let all = allocated(|| {
        for number in 4..4 + LOOKUPS {
            let address = jit.lookup(format!("f{number}")).unwrap();
            assert_eq!(call_at(address), i32::try_from(number).unwrap());
        }
    });
    // The last ones are found, too, when nearly nothing is left.
    assert_eq!(call_at(jit.lookup(format!("unneeded{}", count - 1)).unwrap()), i32::try_from(count - 1).unwrap());
    all / LOOKUPS as u64
}

#[test]
fn a_lookup_takes_what_it_links_not_what_the_object_has() {
    let (_alone, workshop) = (alone(), Workshop::new());
    for tracked in [false, true] {
        let [small, large] = [100, 3200].map(|count| one_by_one(&workshop, count, tracked));
        assert!(large < small * 3 / 2 + 1000, "tracked: {tracked}: {small} bytes a lookup, {large} for a large object");
    }
}

/// Looks functions up that are each in an object and a tracker of their own; returns what one takes.
fn trackers(workshop: &Workshop, count: usize) -> (u64, u64) {
    let jit = host::jit().unwrap();
    let object = |number: usize| source(&workshop.object(&functions(number..number + 1)));
    let trackers: Vec<ResourceTracker> = (0..count)
        .map(|number| {
            let tracker = jit.create_tracker().unwrap();
            tracker.add_object(object(number)).unwrap();
            tracker
        })
        .collect();
    let names: Vec<String> = (0..count).map(|number| format!("f{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let lookup = allocated(|| {
        for (number, address) in jit.main().link(&names).unwrap().into_iter().enumerate() {
            assert_eq!(call_at(address), i32::try_from(number).unwrap());
        }
    });
    let removal = allocated(|| {
        // SAFETY: nobody uses it any more.
        trackers.iter().for_each(|tracker| unsafe { tracker.remove() }.unwrap());
    });
    (lookup / count as u64, removal / count as u64)
}

#[test]
fn a_tracker_takes_what_it_has_not_what_the_batch_has() {
    let (_alone, workshop) = (alone(), Workshop::new());
    let [small, large] = [20, 320].map(|count| trackers(&workshop, count));
    assert!(large.0 < small.0 * 3 / 2, "{} bytes a tracker, {} of many", small.0, large.0);
    assert!(large.1 < small.1 * 3 / 2 + 100, "{} bytes a removal, {} of many", small.1, large.1);
}

/// What fails is undone in all graphs that it met, and no lookup is the worse for it.
#[test]
fn lookups_that_fail_between_others_leave_the_rest_as_it_was() {
    let (_alone, workshop, jit) = (alone(), Workshop::new(), host::jit().unwrap());
    let fails = ".section .text.fails,\"ax\"\n.globl fails\nfails: call f7\ncall missing\nret\n";
    jit.add_object(workshop.object(&(functions(0..50) + fails))).unwrap();
    for number in 0..50 {
        assert!(jit.lookup("fails").is_err());
        assert_eq!(call_at(jit.lookup(format!("f{number}")).unwrap()), number);
    }
    // An image of Windows has some blocks of its own.
    assert!(cfg!(windows) || jit.session().statistics().blocks == 50, "{:?}", jit.session().statistics());
}
