//! Many threads that define, look up, call, replace, retire and remove, all at once. What happens is chosen by seeds; in which order, by the
//! machine. `LINKJIT_STRESS_SECONDS` says how long (3 if it is not set), `LINKJIT_STRESS_SEED` where to begin.
#![cfg(target_arch = "x86_64")]
#![cfg_attr(windows, allow(dead_code, unused_imports, reason = "tests of ELF use it"))]

mod assembly;
mod host;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use assembly::{Workshop, call_at, mappings, resident};
use linkjit::Source;
use linkjit::{
    Error, ExecAddr, FunctionGenerator, FunctionUnit, Jit, JitDylib, ResourceTracker, SymbolFlags, SymbolLookupSet,
    UnitInterface, Wanted,
};
use linkjit_link::arch::Arch;
use linkjit_link::arch::x86_64::Kind;
use linkjit_link::graph::{Content, Definition, Edge, Lifetime, LinkGraph, Linkage, Name, Protection, Scope, Symbol};

const THREADS: u64 = 32;
/// Functions that are there all the time, and weak ones that whoever comes first defines for all.
const SHARED: u64 = 24;
/// Of an object that is replaced all the time.
const GENERATIONS: i32 = 3;

/// A sequence of numbers that a seed stands for (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Functions `int name(void)`, each of which returns its value, plus what the function that it calls returns.
fn functions(dylib: &JitDylib, functions: &[(&str, Linkage, i32, Option<&str>)]) -> linkjit::Result<LinkGraph> {
    let mut names = dylib.session().name_pool().lock().unwrap();
    let mut graph = LinkGraph::new(Source::new("functions", []), Arch::X86_64);
    let text = graph.add_section(".text", Protection::ReadExec, Lifetime::Standard)?;
    for &(name, linkage, value, callee) in functions {
        let [a, b, c, d] = value.to_le_bytes();
        // sub $8, %rsp; call callee; add $value, %eax; add $8, %rsp; ret
        let calls = [0x48, 0x83, 0xec, 8, 0xe8, 0, 0, 0, 0, 0x05, a, b, c, d, 0x48, 0x83, 0xc4, 8, 0xc3];
        // mov $value, %eax; ret
        let returns = [0xb8, a, b, c, d, 0xc3];
        let code: &[u8] = if callee.is_some() { &calls } else { &returns };
        let block = graph.add_block(text, Content::Owned(code.into()), 0, 4)?;
        graph.add_symbol(Symbol {
            name: Name::Interned(names.intern(name.as_bytes())),
            definition: Definition::Defined { block, offset: 0 },
            linkage,
            scope: Scope::Default,
            callable: true,
            ..Symbol::anonymous(block, 0, code.len() as u64)
        })?;
        if let Some(callee) = callee {
            let target = graph.add_symbol(Symbol::external(names.intern(callee.as_bytes()), Linkage::Strong))?;
            graph.add_edge(block, Edge { offset: 5, kind: Kind::Branch32.edge(), target, addend: -4 })?;
        }
    }
    Ok(graph)
}

fn unit(
    dylib: &JitDylib,
    tracker: &ResourceTracker,
    list: Vec<(String, Linkage, i32, Option<String>)>,
    needs: Option<String>,
) -> linkjit::Result<()> {
    let flags = |linkage| SymbolFlags { linkage, ..SymbolFlags::FUNCTION };
    let interface = UnitInterface::new(list.iter().map(|(name, linkage, ..)| (name.clone(), flags(*linkage))));
    let home = dylib.clone();
    tracker.define(FunctionUnit::new("a unit", interface, move |responsibility| {
        if let Some(needs) = needs {
            home.link(&[&needs])?;
        }
        // Weak ones, too, that others have by now: they may be gone before this is linked.
        let list: Vec<_> =
            list.iter().map(|(name, link, value, callee)| (name.as_str(), *link, *value, callee.as_deref())).collect();
        let graph = functions(&home, &list)?;
        responsibility.add_graph(graph);
        Ok(())
    }))
}

/// What all threads share.
struct World {
    jit: Jit,
    rounds: AtomicU64,
    /// Generations of an object: its function `updated` returns its number, and what `shared0` does.
    generations: Vec<Source>,
}

impl World {
    fn new(threads: usize) -> Self {
        let jit = host::builder().threads(threads).build().unwrap();
        let dylib = jit.main();
        let everlasting = dylib.default_tracker().unwrap();
        for index in 0..SHARED {
            // Each calls the next one, the last one nothing; some are units that look others up.
            let next = (index + 1 < SHARED).then(|| format!("shared{}", index + 1));
            let needs = next.clone().filter(|_| index % 5 == 0);
            let list = vec![(format!("shared{index}"), Linkage::Strong, 1, next)];
            unit(dylib, &everlasting, list, needs).unwrap();
        }
        let generate = |dylib: &JitDylib, names: &[Wanted<'_>]| {
            for wanted in names {
                let name = String::from_utf8_lossy(wanted.name);
                let Some(value) = name.strip_prefix("generated").and_then(|value| value.parse().ok()) else { continue };
                dylib.add_graph(functions(dylib, &[(&name, Linkage::Strong, value, None)])?)?;
            }
            Ok(())
        };
        dylib.add_generator(Arc::new(FunctionGenerator::new("the generator", generate))).unwrap();
        let workshop = Workshop::new();
        let generation = |number: i32| {
            let text = format!(
                ".globl updated\n.type updated,@function\nupdated: sub $8,%rsp\ncall shared0@PLT\nadd ${number},%eax\n\
                 add $8,%rsp\nret\n"
            );
            Source::new("updated.o", std::fs::read(workshop.object(&text)).unwrap())
        };
        let generations: Vec<_> = (0..GENERATIONS).map(generation).collect();
        dylib.add_updatable_object(&generations[0]).unwrap();
        Self { jit, rounds: AtomicU64::new(0), generations }
    }

    /// Replaces the object that can be, and goes back now and then.
    fn replace(&self, random: &mut Random) {
        let object = &self.generations[random.below(GENERATIONS as u64) as usize];
        // SAFETY: who is in the code has a guard.
        let generation = unsafe { self.jit.main().update().replace(object).commit() }.unwrap();
        if random.below(2) == 0 {
            // SAFETY: as above.
            match unsafe { generation.rollback() } {
                Ok(()) | Err(Error::Superseded { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Defines something, uses it in some way, and removes it.
    fn round(&self, thread: u64, random: &mut Random) {
        self.rounds.fetch_add(1, Ordering::Relaxed);
        let dylib = self.jit.main();
        let tracker = self.jit.create_tracker().unwrap();
        let (value, shared, weak) = (random.below(1000) as i32, random.below(SHARED), random.below(SHARED));
        let [mine, calls_weak] = ["mine", "calls_weak"].map(|name| format!("{name}{thread}"));
        let (callee, weak_name) = (format!("shared{shared}"), format!("weak{weak}"));
        let expected = [value + (SHARED - shared) as i32, value + 1000 + weak as i32];
        let list = vec![
            (mine.clone(), Linkage::Strong, value, Some(callee)),
            (calls_weak.clone(), Linkage::Strong, value, Some(weak_name.clone())),
            (weak_name, Linkage::Weak, 1000 + weak as i32, None),
        ];
        if random.below(2) == 0 {
            let needs = (random.below(4) == 0).then(|| format!("shared{}", random.below(SHARED)));
            unit(dylib, &tracker, list, needs).unwrap();
        } else {
            let list: Vec<_> = list
                .iter()
                .map(|(name, link, value, callee)| (name.as_str(), *link, *value, callee.as_deref()))
                .collect();
            tracker.add_graph(functions(dylib, &list).unwrap()).unwrap();
        }
        let names = [mine.as_str(), calls_weak.as_str()];
        let found = match random.below(4) {
            0 => dylib.link(&names).unwrap(),
            1 => {
                let set = SymbolLookupSet::new(names);
                let future = dylib.lookup_future(&set);
                drop(dylib.lookup_future(&set));
                future.wait().unwrap().into_iter().flatten().collect()
            }
            2 => {
                let found = names.map(|name| self.jit.lookup(name).unwrap());
                // What others have comes and goes.
                let other = format!("mine{}", random.below(THREADS));
                match dylib.lookup_set(&SymbolLookupSet::default().weak([other.as_str()])) {
                    Ok(_) | Err(Error::TrackerRemoved | Error::Undefined { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
                found.to_vec()
            }
            _ => {
                // A failed lookup changes nothing.
                let error = dylib.link(&[names[0], "missing", names[1]]).unwrap_err();
                assert!(matches!(&error, Error::Undefined { symbols, .. } if symbols.len() == 1), "{error}");
                dylib.link(&names).unwrap()
            }
        };
        for (address, expected) in found.iter().zip(expected) {
            assert_eq!(call_at(*address), expected);
        }
        if random.below(8) == 0 {
            let generated = random.below(50);
            assert_eq!(call_at(self.jit.lookup(format!("generated{generated}")).unwrap()), generated as i32);
        }
        if random.below(8) == 0 {
            // Removed though nobody has looked at it.
            let name = format!("unseen{thread}");
            unit(dylib, &tracker, vec![(name, Linkage::Strong, 0, None)], None).unwrap();
        }
        if random.below(16) == 0 {
            self.replace(random);
        }
        let guard = self.jit.session().enter();
        let updated = call_at(self.jit.lookup("updated").unwrap()) - SHARED as i32;
        assert!((0..GENERATIONS).contains(&updated), "{updated}");
        if random.below(4) == 0 {
            // SAFETY: nobody else calls it, and this thread has a guard.
            unsafe { tracker.retire().unwrap() };
            assert_eq!(call_at(found[0]), expected[0]);
            drop(guard);
        } else {
            drop(guard);
            // SAFETY: nobody else calls it.
            unsafe { tracker.remove().unwrap() };
        }
        let again = dylib.lookup_set(&SymbolLookupSet::default().weak([names[0]])).unwrap();
        assert_eq!(again, [None::<ExecAddr>]);
    }
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}

#[cfg(not(windows))]
#[test]
fn many_threads_define_look_up_call_replace_and_remove() {
    let length = Duration::from_secs(setting("LINKJIT_STRESS_SECONDS", 3));
    let seed = setting("LINKJIT_STRESS_SEED", 1);
    for threads in [0, 3] {
        let world = World::new(threads);
        let run = |length: Duration| {
            let start = Instant::now();
            thread::scope(|scope| {
                for thread in 0..THREADS {
                    let world = &world;
                    scope.spawn(move || {
                        let mut random = Random(seed << 32 | thread);
                        // At least one round, however slow the machine is.
                        loop {
                            world.round(thread, &mut random);
                            if start.elapsed() > length {
                                break;
                            }
                        }
                    });
                }
            });
        };
        // What is there in the end must be there after a while, and not grow from then on.
        run(length / 4);
        let (before, rounds) = ((mappings(), resident()), world.rounds.load(Ordering::Relaxed));
        run(length / 4);
        let (after, more) = ((mappings(), resident()), world.rounds.load(Ordering::Relaxed) - rounds);
        assert!(after.0 <= before.0 + 64, "{} mappings, then {}, {more} rounds later", before.0, after.0);
        assert!(after.1 <= before.1 * 3 / 2 + (16 << 20), "{} bytes, then {}, {more} rounds later", before.1, after.1);
        // SAFETY: all threads are gone.
        unsafe { world.jit.close().unwrap() };
    }
}
