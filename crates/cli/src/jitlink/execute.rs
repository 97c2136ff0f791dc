//! Running the program, in a session. Its code is in this process or in an executor's.

use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use linkjit::{
    DefinitionGenerator, ExecAddr, FunctionGenerator, Jit, JitDylib, LazyFailure, LinkPolicy, MatchScope, PassLists,
    Stage, SymbolLookupSet, Wanted,
};
use linkjit_link::graph::LinkGraph;
use linkjit_link::names::NamePool;
use linkjit_link::object::archive::Archive;
use linkjit_link::source::Source;
use linkjit_remote::Remote;

use super::archives::{Members, member_name};
use super::failure::{Failure, Result};
use super::load::{Dylibs, Way, load, read_object};
use super::options::{Item, Options, OutOfProcess};
use super::record::Recorder;
use super::references::add_self_relocations;
use super::report::Reports;
use super::tables::Tables;
use super::{absolutes, interfaces, lock, show};
use crate::args::{ExecutorKind, Place};
use crate::executor::{self, Ended};
use crate::inputs;

/// The result that the program asks for, if it does.
static RESULT: Mutex<Option<i64>> = Mutex::new(None);
/// Its entry point has returned: the process does not end because the program calls `exit`.
static RETURNED: AtomicBool = AtomicBool::new(false);

/// For programs whose `main` says nothing.
pub(super) const RESULT_OVERRIDE: &str = "llvm_jitlink_setTestResultOverride";

/// Returns its address.
pub(super) fn result_override() -> ExecAddr {
    ExecAddr(set_test_result_override as extern "C" fn(i64) as *const () as u64)
}

extern "C" fn set_test_result_override(result: i64) {
    *lock(&RESULT) = Some(result);
}

/// The exit code that the program has asked for, also in what runs at exit.
fn wanted_result() -> Option<i32> {
    let wanted = *lock(&RESULT);
    // As LLVM does, and the system after it, the lowest bits are taken.
    wanted.filter(|_| RETURNED.load(Ordering::Relaxed)).map(|wanted| wanted as i32)
}

fn start_executor(options: &Options, wanted: OutOfProcess<'_>) -> Result<Option<Arc<Remote>>> {
    Ok(executor::start_as(&match wanted {
        OutOfProcess::Ours if executor::need_wine(options.inputs()) => ExecutorKind::Wine,
        OutOfProcess::Ours => ExecutorKind::Child,
        OutOfProcess::Program(program) => ExecutorKind::Program(program.into()),
        OutOfProcess::At(address) => ExecutorKind::At(Place::Tcp(address.into())),
    })?)
}

/// Runs the program and returns its exit code. As after any program's `main`, what it registered for exit comes later.
pub(super) fn execute(options: &Options) -> Result<i32> {
    let start = Instant::now();
    let reports = Reports::new(options)?;
    let remote = options.executor().map(|wanted| start_executor(options, wanted)).transpose()?.flatten();
    // Other threads may still run when main has returned.
    let jit = std::mem::ManuallyDrop::new(session(options, remote.as_ref())?);
    let entry = options.entry.as_deref().unwrap_or("main");
    let archives = add_inputs(&jit, entry, options, remote.is_none())?;
    let loaded = Instant::now();
    let _passed_on = remote.as_deref().and_then(executor::pass_signals_on);
    let linked = link(&jit, entry, options, &reports, &archives).and_then(|()| {
        if options.show_times {
            show::times([start, loaded, Instant::now()], &mut std::io::stdout())?;
        }
        Ok(())
    });
    match (linked.and_then(|()| run_main(&jit, entry, options)), remote) {
        (Ok(code), None) => {
            RETURNED.store(true, Ordering::Relaxed);
            Ok(wanted_result().unwrap_or(code))
        }
        (Ok(code), Some(remote)) => Ok(executor::finish(&remote, code)?),
        (Err(failure), None) => Err(failure),
        (Err(failure), Some(remote)) => ended(&remote, failure),
    }
}

/// The session, in which nothing is defined yet. Its code runs in this process if there is no other.
fn session(options: &Options, remote: Option<&Arc<Remote>>) -> Result<Jit> {
    // As LLVM does, an object is linked as a whole. What -slab-allocate asks for is always so: a JITDylib's memory is in
    // one window, or in a further one if that is full.
    let builder = Jit::builder().policy(LinkPolicy::Whole);
    let jit = match remote {
        Some(remote) => builder.executor(remote.clone()),
        None => {
            linkjit::executor::exit_code::decide_at_exit(wanted_result);
            builder
        }
    };
    let jit = jit.build().map_err(Failure::from)?;
    let remote = remote.cloned();
    // Nothing could be done in place of a function that can't be linked.
    jit.session().set_lazy_failure_handler(Arc::new(move |failure: &LazyFailure| {
        Failure::from(failure.error.clone()).say();
        executor::fail(remote.as_deref(), None)
    }));
    for path in &options.preload {
        jit.session().executor().open_library(path.as_os_str().as_encoded_bytes(), true)?;
    }
    if options.add_self_relocations {
        let add = |_: &LinkGraph, passes: &mut PassLists| {
            passes.add(Stage::PrePrune, |graph, _| Ok(add_self_relocations(graph)?));
        };
        jit.session().add_plugin(Arc::new(add));
    }
    Ok(jit)
}

/// Adds all that the command line names; returns the archives whose members sessions call otherwise than LLVM does.
fn add_inputs(jit: &Jit, entry: &str, options: &Options, is_own_process: bool) -> Result<Vec<Archive>> {
    let process =
        if options.no_process_syms { jit.session().create_dylib("<TestResultJD>")? } else { jit.process().clone() };
    // LLVM, too, has it in its own process only.
    if is_own_process {
        process.define_absolute(RESULT_OVERRIDE, result_override())?;
    }
    jit.main().set_link_order(&[(process.clone(), MatchScope::Exported)])?;
    let main = jit.main().clone();
    let mut dylibs = SessionDylibs { jit, process: &process, all: vec![main], archives: Vec::new() };
    load(options, &mut dylibs)?;
    let archives = dylibs.archives;
    find_entry(jit, entry, &process)?;
    if options.phony_externals {
        // To call what is nowhere would help nobody.
        let entry = entry.to_string();
        jit.main().add_generator(nulls("phony externals", move |name| name != entry.as_bytes()))?;
    }
    Ok(archives)
}

fn run_main(jit: &Jit, entry: &str, options: &Options) -> Result<i32> {
    let program = options.inputs().next().map(|path| path.to_string_lossy().into_owned());
    let arguments: Vec<_> = program.into_iter().chain(options.arguments.iter().cloned()).collect();
    // Only code of this process makes them here.
    linkjit::executor::crash::print_backtraces();
    // SAFETY: the user asks for this program to be run, and vouches for it as for any other.
    Ok(unsafe { jit.run_main(entry, &arguments) }?)
}

/// Returns the exit code of a program that has ended its process instead of returning.
fn ended(remote: &Remote, failure: Failure) -> Result<i32> {
    let ended = match &failure {
        Failure::Executor(error) => executor::ended(remote, error),
        _ => None,
    };
    match ended {
        Some(Ended::AsWanted(code)) => Ok(code),
        Some(Ended::Crashed(code)) => {
            failure.say();
            Ok(code)
        }
        None => Err(failure),
    }
}

/// Links what the program needs, initializers included, and reports about it.
fn link(jit: &Jit, entry: &str, options: &Options, reports: &Reports<'_>, archives: &[Archive]) -> Result<()> {
    let shows_session = options.show_init_es || options.show_entry_es;
    let mut before = if shows_session { Tables::load(options)?.session(false) } else { Vec::new() };
    let mut out = BufWriter::new(std::io::stdout().lock());
    if options.show_init_es {
        show::session(&before, &mut out)?;
    }
    if !reports.is_needed() && !options.show_entry_es {
        out.flush()?;
        return Ok(());
    }
    let recorder = Arc::new(Recorder::default());
    let plugin = jit.session().add_plugin(recorder.clone());
    let found = jit.main().link_with_initializers(&[entry])?;
    let members = member_names(archives)?;
    if options.items.contains(&Item::Lazy) {
        recorder.show_what_follows(reports.for_files(), members.clone());
    } else {
        jit.session().remove_plugin(plugin)?;
    }
    let names = lock(jit.session().name_pool());
    if let Some(main) = before.iter_mut().find(|dylib| dylib.name == "main")
        && let Some(symbol) = main.symbols.get_mut(entry)
    {
        symbol.address = found.first().copied();
    }
    let after = if options.show_entry_es { recorder.session(&names, before) } else { Vec::new() };
    recorder.with_program(&*jit.session().executor(), &names, absolutes(options), &members, |program| {
        reports.files(program, &mut out)?;
        show::session(&after, &mut out)?;
        reports.addresses(program, &mut out)?;
        Ok(out.flush()?)
    })
}

/// The JITDylibs of the session, which search the process at last.
struct SessionDylibs<'a> {
    jit: &'a Jit,
    process: &'a JitDylib,
    all: Vec<JitDylib>,
    /// The archives whose members sessions call otherwise than LLVM does.
    archives: Vec<Archive>,
}

impl Dylibs for SessionDylibs<'_> {
    fn create(&mut self, name: &str) -> Result<()> {
        let dylib = self.jit.session().create_dylib(name)?;
        dylib.set_link_order(&[(self.process.clone(), MatchScope::Exported)])?;
        self.all.push(dylib);
        Ok(())
    }

    fn process(&mut self) -> usize {
        self.all.iter().position(|dylib| dylib.name() == self.process.name()).unwrap_or_else(|| {
            self.all.push(self.process.clone());
            self.all.len() - 1
        })
    }

    fn names(&self) -> MutexGuard<'_, NamePool> {
        lock(self.jit.session().name_pool())
    }

    fn add_graph(&mut self, dylib: usize, graph: LinkGraph) -> Result<()> {
        Ok(self.all[dylib].add_graph(graph)?)
    }

    fn add_lazy_object(&mut self, dylib: usize, source: &Source) -> Result<()> {
        Ok(self.all[dylib].add_lazy_object(source)?)
    }

    fn add_archive(&mut self, dylib: usize, archive: Archive, way: Way) -> Result<()> {
        let (name, dylib) = (archive.source().name().clone(), &self.all[dylib]);
        if way == Way::Usual {
            dylib.add_archive(archive.source())?;
            self.archives.push(archive);
            return Ok(());
        }
        let members = Mutex::new(Members::new(archive, way)?);
        let take = move |dylib: &JitDylib, wanted: &[Wanted<'_>]| {
            for wanted in wanted.iter().filter(|wanted| !wanted.weak) {
                let taken = lock(&members).take(wanted.name);
                let in_archive = |failure: Failure| linkjit::Error::Unsupported { what: failure.to_string() };
                let Some(member) = taken.map_err(in_archive)? else { continue };
                if way == Way::Lazy {
                    dylib.add_lazy_object(&member)?;
                    continue;
                }
                let graph = read_object(&mut lock(dylib.session().name_pool()), &member, way);
                dylib.add_graph(graph.map_err(in_archive)?)?;
            }
            Ok(())
        };
        Ok(dylib.add_generator(Arc::new(FunctionGenerator::new(&*name, take)))?)
    }

    fn add_library(&mut self, dylib: usize, path: &Path) -> Result<()> {
        Ok(self.all[dylib].add_library(inputs::for_loader(path))?)
    }

    fn add_weak_library(&mut self, dylib: usize, path: &Path) -> Result<()> {
        let nulled = interfaces::names(path)?;
        Ok(self.all[dylib].add_generator(nulls(&path.to_string_lossy(), move |name| nulled.contains(name)))?)
    }

    fn define_absolute(&mut self, dylib: usize, name: &str, address: ExecAddr) -> Result<()> {
        Ok(self.all[dylib].define_absolute(name, address)?)
    }

    fn define_alias(&mut self, dylib: usize, name: &str, (from, target): (usize, &str)) -> Result<()> {
        Ok(self.all[dylib].reexport(name, &self.all[from], target)?)
    }

    fn search(&mut self, dylib: usize, other: usize) -> Result<()> {
        Ok(add_to_link_order(&self.all[dylib], &self.all[other], MatchScope::Exported, self.process)?)
    }
}

/// Lets the program begin in any JITDylib; initializers of that one are run, too.
fn find_entry(jit: &Jit, entry: &str, process: &JitDylib) -> Result<()> {
    let wanted = SymbolLookupSet::new([entry]);
    for dylib in std::iter::once(jit.main().clone()).chain(jit.session().dylibs()) {
        if dylib.lookup_flags(&wanted)?.first().is_some_and(Option::is_some) {
            if dylib.name() != jit.main().name() {
                add_to_link_order(jit.main(), &dylib, MatchScope::All, process)?;
            }
            break;
        }
    }
    Ok(())
}

/// Has a JITDylib searched before the process, in the order of the command line.
fn add_to_link_order(dylib: &JitDylib, other: &JitDylib, scope: MatchScope, process: &JitDylib) -> linkjit::Result<()> {
    dylib.remove_from_link_order(process)?;
    dylib.add_to_link_order(other, scope)?;
    dylib.add_to_link_order(process, MatchScope::Exported)
}

/// Returns LLVM's names of the members of archives, by the names that sessions give them.
fn member_names(archives: &[Archive]) -> Result<HashMap<String, String>> {
    let mut names = HashMap::new();
    for archive in archives {
        for (number, member) in archive.members().enumerate() {
            let member = member?;
            let ours = linkjit::object::member_source(archive, member.offset)?.name().to_string();
            names.insert(ours, member_name(archive, number, &member));
        }
    }
    Ok(names)
}

/// Makes those names null that are nowhere else.
fn nulls(name: &str, is_null: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Arc<dyn DefinitionGenerator> {
    let define = move |dylib: &JitDylib, wanted: &[Wanted<'_>]| {
        let mut names = wanted.iter().map(|wanted| wanted.name).filter(|name| is_null(name));
        names.try_for_each(|name| dylib.define_absolute(name, ExecAddr::NULL))
    };
    Arc::new(FunctionGenerator::new(name, define))
}
