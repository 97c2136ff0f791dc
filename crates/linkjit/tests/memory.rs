//! How much memory linked code takes, how much it may, and what is done with that of code that is gone.
#![cfg_attr(windows, allow(dead_code, unused_imports, reason = "tests of ELF use it"))]

mod assembly;
mod host;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use assembly::{Workshop, call, caller, function, mappings_within, source};
use linkjit::executor::{ExecRange, ExecutorError, MemoryProvider, Placement, Protection, Result, SystemMemory};
use linkjit::{Error, Jit, Limits, MatchScope, MemoryUse, ReexportsGenerator, SymbolAliases, SymbolFlags};

fn limited(limits: Limits) -> Jit {
    host::builder().limits(limits).build().unwrap()
}

#[cfg(not(windows))]
#[test]
fn memory_is_counted_by_tracker_jitdylib_and_session() {
    let (workshop, jit) = (Workshop::new(), host::jit().unwrap());
    let text = "extern \"C\" int abs(int); int table[1000]; const char text[500] = \"text\"; thread_local int t[10];
                extern \"C\" int f(int i) { if (i > 1000) throw i; return table[i] + text[i] + t[i % 10] + abs(i); }";
    let tracker = jit.create_tracker().unwrap();
    tracker.add_object(source(&workshop.compile("cpp", text, &["-O1", "-fPIC"]))).unwrap();
    assert_eq!(tracker.memory().unwrap(), MemoryUse::default());
    jit.lookup("f").unwrap();
    let memory = tracker.memory().unwrap();
    assert!((50..1000).contains(&memory.code), "{memory:?}");
    assert!((500..2000).contains(&memory.read_only), "{memory:?}");
    assert!((4000..4200).contains(&memory.writable), "{memory:?}");
    assert!((20..200).contains(&memory.unwind), "{memory:?}");
    assert_eq!(memory.thread_local, 40);
    assert!(memory.mappings >= 3 && memory.pages >= memory.bytes() && memory.pages % 4096 == 0, "{memory:?}");
    // Entries for what is outside are the JITDylib's.
    let all = jit.main().memory().unwrap();
    assert!(all.bytes() > memory.bytes() && all.stubs > 0, "{all:?}");
    assert!(jit.session().memory().bytes() >= all.bytes());
    // SAFETY: nobody uses it.
    unsafe { tracker.remove() }.unwrap();
    assert!(matches!(tracker.memory(), Err(Error::TrackerRemoved)));
    assert_eq!(jit.main().memory().unwrap().bytes(), all.bytes() - memory.bytes());
    let main = jit.main().clone();
    // SAFETY: as above.
    unsafe { jit.close() }.unwrap();
    assert!(matches!(main.memory(), Err(Error::Closed)));
}

#[test]
fn what_exceeds_the_limit_of_bytes_leaves_the_session_as_it_was() {
    let (workshop, jit) = (Workshop::new(), limited(Limits { bytes: Some(10_000), ..Limits::default() }));
    let large = |name: &str, size: u32| {
        format!(
            "{}.data\n.globl {name}_data\n{name}_data: .skip {size}, 1\n",
            assembly::getter(name, &format!("{name}_data"))
        )
    };
    jit.add_object(workshop.object(&large("small", 4000))).unwrap();
    call(&jit, "small").unwrap();
    let before = jit.session().memory();
    let tracker = jit.create_tracker().unwrap();
    tracker.add_object(source(&workshop.object(&large("large", 7000)))).unwrap();
    for _ in 0..3 {
        let error = jit.lookup("large").unwrap_err();
        assert!(matches!(error, Error::Limit { limit: 10_000, wanted, .. } if wanted > 11_000), "{error}");
        assert_eq!(jit.session().memory(), before);
    }
    // SAFETY: nobody uses it.
    unsafe { tracker.remove() }.unwrap();
    jit.add_object(workshop.object(&large("medium", 5000))).unwrap();
    call(&jit, "medium").unwrap();
}

/// Rule 7: what is refused when it is to be added leaves nothing defined.
#[test]
fn numbers_of_objects_and_symbols_are_limited() {
    let (workshop, jit) =
        (Workshop::new(), limited(Limits { objects: Some(6), symbols: Some(20), ..Limits::default() }));
    let object = |name: &str| workshop.object(&function(name, 1));
    let mut added = 0;
    let error = loop {
        match jit.add_object(object(&format!("f{added}"))) {
            Ok(()) => added += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Limit { what: "objects", limit: 6, wanted: 7 }), "{error}");
    // Nothing of it was added.
    assert!(matches!(jit.lookup(format!("f{added}")), Err(Error::Undefined { .. })));
    assert_eq!(call(&jit, "f0").unwrap(), 1);

    let jit = limited(Limits { symbols: Some(20), ..Limits::default() });
    let text: String = (0..30).map(|number| function(&format!("g{number}"), number)).collect();
    let error = jit.add_object(workshop.object(&text)).unwrap_err();
    assert!(matches!(error, Error::Limit { what: "symbols", limit: 20, .. }), "{error}");
    jit.add_object(object("g0")).unwrap();
    assert_eq!(call(&jit, "g0").unwrap(), 1);
    let error = (0..30).find_map(|n| jit.define_ptr(format!("h{n}"), &raw const n).err());
    assert!(matches!(error, Some(Error::Limit { what: "symbols", .. })));
}

/// A pulled member counts, too: the lookup fails, and another one does not.
#[test]
fn archive_members_count() {
    let (workshop, jit) = (Workshop::new(), limited(Limits { objects: Some(4), ..Limits::default() }));
    let members: Vec<_> = (0..8)
        .map(|number| match number {
            7 => function("m7", 7),
            _ => caller(&format!("m{number}"), &format!("m{}", number + 1)),
        })
        .collect();
    jit.add_archive(workshop.archive("rcs", &members.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
    for _ in 0..2 {
        assert!(matches!(jit.lookup("m0"), Err(Error::Limit { what: "objects", .. })));
    }
    assert_eq!(call(&jit, "m7").unwrap(), 7);
}

/// A taken name is refused before anything is made for the JITDylib.
#[test]
fn a_jitdylib_of_a_taken_name_leaves_nothing_behind() {
    let jit = host::jit().unwrap();
    for _ in 0..3 {
        assert!(matches!(jit.session().create_dylib("main"), Err(Error::DuplicateDylib { .. })));
    }
    assert!(jit.session().create_dylib("other").is_ok());
}

/// Windows are small; what is freed in an older one is used again before there is another.
#[cfg(not(windows))]
#[test]
fn memory_of_older_windows_is_used_again() {
    let workshop = Workshop::new();
    let provider = Arc::new(Counting::default());
    let jit = host::builder().memory(provider.clone()).window_size(1 << 20).build().unwrap();
    // Three of them fill a window's executable quarter.
    let large = |name: &str| format!("{}.skip {}, 0x90\n", function(name, 1), 80_000);
    let add = |name: &str| {
        let tracker = jit.create_tracker().unwrap();
        tracker.add_object(source(&workshop.object(&large(name)))).unwrap();
        assert_eq!(call(&jit, name).unwrap(), 1);
        tracker
    };
    let mut trackers: std::collections::VecDeque<_> = (0..9).map(|number| add(&format!("f{number}"))).collect();
    // Other tests of this process have mappings, too.
    let mappings = || provider.windows.lock().unwrap().iter().map(|window| mappings_within(*window)).sum::<usize>();
    let (windows, before) = (jit.session().statistics().windows, mappings());
    assert!(windows >= 3, "{windows}");
    for turn in 9..60 {
        // SAFETY: nobody uses it.
        unsafe { trackers.pop_front().unwrap().remove() }.unwrap();
        trackers.push_back(add(&format!("f{turn}")));
    }
    assert_eq!(jit.session().statistics().windows, windows);
    assert!(mappings() <= before + 4, "{before} -> {}", mappings());
}

/// A provider that counts what it is asked for.
#[derive(Debug, Default)]
struct Counting {
    reserved: AtomicU64,
    windows: Mutex<Vec<ExecRange>>,
    committed: AtomicU64,
    executable: AtomicU64,
    recycled: AtomicU64,
    exhausted: AtomicBool,
    /// How many changes of protections are granted before one is refused; 0 for all.
    grants: AtomicU64,
}

// SAFETY: all is the system's memory.
unsafe impl MemoryProvider for Counting {
    fn reserve(&self, size: u64, placement: Placement) -> Result<ExecRange> {
        self.reserved.fetch_add(size, Ordering::Relaxed);
        let window = SystemMemory.reserve(size, placement)?;
        self.windows.lock().unwrap().push(window);
        Ok(window)
    }

    fn commit(&self, pages: ExecRange) -> Result<()> {
        if self.exhausted.load(Ordering::Relaxed) {
            return Err(ExecutorError::Invalid { what: "no memory left".into() });
        }
        self.committed.fetch_add(pages.size(), Ordering::Relaxed);
        SystemMemory.commit(pages)
    }

    fn protect(&self, pages: ExecRange, protection: Protection) -> Result<()> {
        let left = self.grants.load(Ordering::Relaxed);
        self.grants.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 1 {
            return Err(ExecutorError::Invalid { what: "refused".into() });
        }
        if protection == Protection::ReadExec {
            self.executable.fetch_add(pages.size(), Ordering::Relaxed);
        }
        SystemMemory.protect(pages, protection)
    }

    fn recycle(&self, pages: ExecRange, was: Protection) -> Result<()> {
        self.recycled.fetch_add(pages.size(), Ordering::Relaxed);
        SystemMemory.recycle(pages, was)
    }

    fn release(&self, window: ExecRange) {
        self.reserved.fetch_sub(window.size(), Ordering::Relaxed);
        self.windows.lock().unwrap().retain(|other| *other != window);
        SystemMemory.release(window);
    }
}

#[cfg(not(windows))]
#[test]
fn memory_comes_from_the_provider_and_goes_back_to_it() {
    let workshop = Workshop::new();
    let provider = Arc::new(Counting::default());
    let jit = host::builder().memory(provider.clone()).window_size(1 << 24).build().unwrap();
    let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
    let tracker = jit.create_tracker().unwrap();
    tracker.add_object(source(&workshop.object(&function("f", 3)))).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 3);
    assert_eq!(count(&provider.reserved), 1 << 24);
    assert!(count(&provider.committed) > 0);
    assert_eq!((count(&provider.executable), count(&provider.recycled)), (4096, 0));
    // SAFETY: nobody uses it.
    unsafe { tracker.remove() }.unwrap();
    assert_eq!(count(&provider.recycled), 4096);

    // An error of the provider is one of the lookup, and leaves no trace.
    provider.exhausted.store(true, Ordering::Relaxed);
    let large = format!("{}.bss\n.globl large\nlarge: .skip 4000000\n", assembly::getter("get", "large"));
    jit.add_object(workshop.object(&large)).unwrap();
    assert!(matches!(jit.lookup("get"), Err(Error::Executor(ExecutorError::Invalid { .. }))));
    provider.exhausted.store(false, Ordering::Relaxed);
    assert_eq!(call(&jit, "get").unwrap(), 0);
    // SAFETY: as above.
    unsafe { jit.close() }.unwrap();
    assert_eq!(count(&provider.reserved), 0);
}

/// Rules 81 and 83: wherever finalizing fails, what was done is undone, and all memory is given back.
#[cfg(not(windows))]
#[test]
fn a_protection_that_is_refused_leaves_nothing() {
    let workshop = Workshop::new();
    let provider = Arc::new(Counting::default());
    let jit = host::builder().memory(provider.clone()).build().unwrap();
    let other = jit.create_dylib("other").unwrap();
    jit.main().add_to_link_order(&other, MatchScope::Exported).unwrap();
    // Code, read-only data, an unwind record, an indirect function, a thread-local variable, in both.
    let text = |name: &str, callee: &str| {
        format!(
            ".section .rodata\n1: .long 4\n.section .tdata,\"awT\",@progbits\nt: .long 5\n.text\n\
             .globl {name}\n{name}: .cfi_startproc\nsub $8,%rsp\n.cfi_adjust_cfa_offset 8\ncall {callee}@PLT\n\
             add 1b(%rip),%eax\nadd %fs:t@TPOFF,%eax\nadd $8,%rsp\nret\n.cfi_endproc\n"
        )
    };
    let indirect =
        ".globl last\n.type last,@gnu_indirect_function\nlast: lea 1f(%rip),%rax\nret\n1: mov $1,%eax\nret\n";
    jit.add_object(workshop.object(&text("f", "inner"))).unwrap();
    other.add_object(workshop.object(&(text("inner", "last") + indirect))).unwrap();
    let mut refused = 0;
    loop {
        provider.grants.store(refused + 1, Ordering::Relaxed);
        let result = jit.lookup("f");
        // What was not used up is left when nothing was refused.
        if provider.grants.swap(0, Ordering::Relaxed) > 0 {
            result.unwrap();
            break;
        }
        assert!(matches!(result, Err(Error::Executor(ExecutorError::Invalid { .. }))), "{result:?}");
        refused += 1;
        assert_eq!((jit.main().memory().unwrap(), jit.session().statistics().batches), (MemoryUse::default(), 0));
        assert_eq!(provider.reserved.load(Ordering::Relaxed), 0);
    }
    assert!(refused >= 4, "{refused}");
    assert_eq!(call(&jit, "f").unwrap(), 4 + 5 + 4 + 5 + 1);
}

/// Those that the session has itself, generators and units, do not keep it.
#[test]
fn a_dropped_session_gives_its_memory_back() {
    let workshop = Workshop::new();
    let provider = Arc::new(Counting::default());
    let jit = host::builder().memory(provider.clone()).build().unwrap();
    jit.add_object(workshop.object(&function("f", 3))).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 3);
    let other = jit.create_dylib("other").unwrap();
    let all = |name: &[u8]| Some(name.into());
    other.add_generator(Arc::new(ReexportsGenerator::new(jit.main(), all))).unwrap();
    assert_eq!(other.link(&["f"]).unwrap(), jit.main().link(&["f"]).unwrap());
    other.define(SymbolAliases::new(jit.main(), [("g", "f", SymbolFlags::FUNCTION)])).unwrap();
    let weak = other.downgrade();
    assert_eq!(weak.upgrade().unwrap().name(), "other");
    drop((jit, other));
    assert!(weak.upgrade().is_none());
    assert_eq!(provider.reserved.load(Ordering::Relaxed), 0);
}
