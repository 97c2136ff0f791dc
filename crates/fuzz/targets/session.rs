//! A whole session over an executor that runs nothing: objects and archives are added, looked up, linked lazily, updated
//! and removed, in the order that the input says. At the end, all memory was given back.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use linkjit::executor::ObjectFormat;
use linkjit::{
    ExecAddr, ExecutionSession, JitDylib, LinkPolicy, MatchScope, ResourceTracker, SessionOptions, SymbolLookupSet,
};
use linkjit_fuzz::executor::Fake;
use linkjit_fuzz::input::split;
use linkjit_link::names::NamePool;
use linkjit_link::object;
use linkjit_link::source::Source;

fuzz_target!(|bytes: &[u8]| {
    let (operations, files) = split(bytes);
    let sources: Vec<Source> =
        (0..).zip(files.into_iter().take(8)).map(|(n, of)| Source::new(format!("{n}.o"), of.to_vec())).collect();
    if sources.is_empty() {
        return;
    }
    let first = operations.first().copied().unwrap_or(0);
    let is_coff = sources.iter().any(|source| object::coff::is_object(source.bytes()));
    let format = if is_coff { ObjectFormat::Coff } else { ObjectFormat::Elf };
    let executor = Arc::new(Fake::new(format));
    let options = SessionOptions {
        policy: if first & 1 == 0 { LinkPolicy::Demand } else { LinkPolicy::Whole },
        window_size: if first & 2 == 0 { 1 << 30 } else { 3 << 20 },
        threads: Some(0),
        ..SessionOptions::default()
    };
    let session = ExecutionSession::new(executor.clone(), options);
    let Ok(run) = Run::new(&session, sources) else { return };
    let mut run = run;
    for &operation in operations {
        run.operate(operation);
    }
    drop(run);
    // SAFETY: nothing is run, by this executor.
    unsafe { session.close() }.expect("a session can be closed");
    assert_eq!(executor.left(), (0, 0), "memory was not given back");
});

struct Run {
    dylibs: [JitDylib; 2],
    trackers: [ResourceTracker; 3],
    sources: Vec<Source>,
    names: Vec<String>,
    generations: Vec<linkjit::Generation>,
}

/// Errors are values, and short.
fn expect_error<T>(result: linkjit::Result<T>) -> Option<T> {
    result.inspect_err(|error| assert!(error.to_string().len() < 100_000)).ok()
}

impl Run {
    fn new(session: &ExecutionSession, sources: Vec<Source>) -> linkjit::Result<Self> {
        let (main, other) = (session.create_dylib("main")?, session.create_dylib("other")?);
        main.add_to_link_order(&other, MatchScope::Exported)?;
        main.add_library("libfake.so")?;
        let mut pool = NamePool::new();
        let mut names = Vec::new();
        for source in &sources {
            let Ok(graph) = object::read(source, &mut pool) else { continue };
            let defined =
                graph.symbols().iter().filter(|symbol| !symbol.is_external()).filter_map(|of| of.global_name());
            names.extend(defined.take(12).map(|name| pool.text(name).into_owned()));
        }
        names.push("main".into());
        let trackers = [main.create_tracker()?, main.create_tracker()?, other.create_tracker()?];
        Ok(Self { dylibs: [main, other], trackers, sources, names, generations: Vec::new() })
    }

    /// The low bits say what, the high bits with which file.
    fn operate(&mut self, operation: u8) {
        let which = usize::from(operation >> 4);
        let source = self.sources[which % self.sources.len()].clone();
        let [main, other] = &self.dylibs;
        let tracker = &self.trackers[which % 3];
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let some: Vec<&str> = names.iter().copied().skip(which).step_by(2).collect();
        match operation & 15 {
            0 => _ = expect_error(main.add_object(&source)),
            1 => _ = expect_error(tracker.add_object(&source)),
            2 => _ = expect_error(self.trackers[which % 2].add_lazy_object(&source)),
            3 => _ = expect_error(main.add_updatable_object(&source)),
            4 => {
                // SAFETY: nothing is run, by this executor.
                let committed = unsafe { main.update().replace(&source).keep_variables().commit() };
                self.generations.extend(expect_error(committed));
            }
            5 => _ = expect_error(other.add_object(&source)),
            6 => {
                for name in &names {
                    _ = expect_error(main.link(&[name]));
                }
            }
            7 => _ = expect_error(main.link(&some)),
            8 => _ = expect_error(main.link_with_initializers(&[""; 0])),
            9 => _ = expect_error(self.add_archive(&source)),
            10 => {
                // SAFETY: nothing is run, by this executor.
                _ = expect_error(unsafe { tracker.remove() });
                self.trackers[which % 3] = match tracker.dylib().create_tracker() {
                    Ok(new) => new,
                    Err(_) => return,
                };
            }
            11 => {
                // SAFETY: as above.
                _ = expect_error(unsafe { tracker.remove_with_dependents() });
                self.trackers[which % 3] = match tracker.dylib().create_tracker() {
                    Ok(new) => new,
                    Err(_) => return,
                };
            }
            12 => {
                if let Some(name) = names.get(which) {
                    _ = expect_error(main.define_alias("alias", name));
                    _ = expect_error(main.define_absolute("absolute", ExecAddr(0x1000)));
                    _ = expect_error(main.reexport("again", other, name));
                }
            }
            13 => {
                let set = SymbolLookupSet::new([""; 0]).weak(names.iter().copied());
                _ = expect_error(main.lookup_set(&set));
                _ = expect_error(main.lookup_flags(&set));
                assert!(main.dump().len() < 1 << 24);
            }
            14 => _ = expect_error(self.trackers[0].transfer_to(&self.trackers[1])),
            _ => {
                if let Some(generation) = self.generations.pop() {
                    // SAFETY: as above.
                    _ = expect_error(unsafe { generation.rollback() });
                }
            }
        }
    }

    fn add_archive(&self, source: &Source) -> linkjit::Result<()> {
        let path = std::env::temp_dir().join(format!("linkjit-fuzz-{}.a", std::process::id()));
        std::fs::write(&path, source.bytes()).expect("the temporary directory can be written to");
        let added = self.dylibs[0].add_archive(&path);
        std::fs::remove_file(&path).expect("it was written");
        added
    }
}
