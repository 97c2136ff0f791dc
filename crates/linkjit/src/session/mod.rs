//! The session: what is defined where, and who owns it.
//!
//! One short-held lock guards the tables ([`State`]). The heavy work (reading objects, linking, generators,
//! initializers) happens outside of it; a second lock makes batches wait for each other, a third one initializers
//! ([`turns`]).

mod addition;
mod allocations;
mod allocator;
mod batch;
mod claims;
mod coff;
mod dump;
mod dylib;
mod epoch;
pub(crate) mod foreign;
mod fork;
mod generator;
mod groups;
mod inherit;
mod initializing;
pub(crate) mod job;
mod journal;
mod lazy;
mod lent;
mod memory;
mod name_use;
mod opening;
mod options;
mod pending;
mod platform;
mod pool;
pub(crate) mod progress;
mod pulled;
mod removal;
mod replacement;
mod retire;
mod state;
mod state_guard;
mod symbolize;
mod symbols;
mod tracker;
mod turns;
mod updatable;
mod vague;
mod weak;
mod withdraw;

pub(crate) use allocations::{Allocation, Bytes, Owner, Part, Tls};
pub(crate) use allocator::StandIns;
pub(crate) use batch::is_c_identifier;
pub(crate) use dylib::DylibState;
pub(crate) use generator::Archives;
pub use generator::{DefinitionGenerator, LookupKind, Wanted};
pub(crate) use inherit::Inheritance;
pub(crate) use journal::is_same;
pub(crate) use lazy::{LazyCallee, LazyFunction, LazyJump, Reentry};
pub use lazy::{LazyFailure, LazyFailureHandler};
pub(crate) use lent::defined_names;
pub use memory::{Limits, MemoryUse};
pub(crate) use name_use::NamesInUse;
pub use options::{BatchTimes, LinkPolicy, SessionOptions, Statistics};
pub use pending::SymbolFlags;
pub(crate) use pending::{Direct, Maker, Promised, Taken};
pub(crate) use platform::{DSO_HANDLE, Platform};
pub(crate) use pulled::{Pulled, Rebound};
pub use retire::Guard;
pub use state::MatchScope;
pub(crate) use state::{
    Address, DefinedBy, DylibId, Entry, Generator, GeneratorId, InitializerRun, Object, ObjectId, Roots, State,
    TrackerId,
};
pub(crate) use state_guard::StateGuard;
pub(crate) use symbolize::IMPLEMENTATION;
pub use symbolize::{DefinedSymbol, SymbolAt};
pub use tracker::ResourceTracker;
pub(crate) use turns::{Linking, Owned};
use turns::{OwnedLock, RIGHTS, with_rights};
pub(crate) use updatable::{Removal, Updatable};
pub(crate) use vague::{Elsewhere, Together, is_vague};
pub use weak::WeakJitDylib;
pub(crate) use withdraw::Withdrawn;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use linkjit_executor::{DylibReply, Executor, Target, fork as process_fork};
use linkjit_link::graph::LinkGraph;
use linkjit_link::names::NamePool;
use linkjit_link::source::Source;

use crate::compile::{CompiledModule, IrCompiler};
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::plugin::{Plugin, PluginId};
use job::{Job, Jobs};
use journal::Journal;
use pool::Pool;
use progress::Progress;
use replacement::Asked;

/// The primitives that [`epoch`] and [`progress`] are made of: a model checker has other ones.
mod sync {
    pub(super) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

    pub(super) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

    /// Over how many places counts are spread.
    pub(super) const SHARDS: usize = 8;
}

/// A session: JITDylibs that share names, and an executor. A clone is another handle to the same session.
///
/// When the last handle is dropped, all memory of linked code is given back, and nothing of it is run: to run terminators,
/// [close](ExecutionSession::close) the session before, or keep a handle until the process exits.
#[derive(Clone)]
pub struct ExecutionSession {
    inner: Arc<Inner>,
}

struct Inner {
    executor: RwLock<Arc<dyn Executor>>,
    /// What was added, if the executor can be replaced.
    journal: Mutex<Journal>,
    /// So many agents are replacing the executor, or wait for their turn.
    replacements: AtomicUsize,
    platform: &'static dyn Platform,
    target: Target,
    options: SessionOptions,
    names: Mutex<NamePool>,
    name_use: name_use::NameUse,
    plugins: Mutex<Plugins>,
    state: Mutex<State>,
    /// Held while a batch is linked.
    linking: OwnedLock,
    /// Whoever holds it is in no batch and lets what it calls link. Only that agent reads and writes this.
    lent: AtomicBool,
    /// The right to link was taken for a fork. Only the thread that forks reads and writes this.
    is_held_for_fork: AtomicBool,
    /// Held while initializers run, but for those of a program. They may look up names themselves.
    initializing: OwnedLock,
    /// Held while a program or the host has initializers run. The other one is taken after it.
    starting: OwnedLock,
    /// Told when initializers have been run.
    initialized: Condvar,
    reentry: Reentry,
    /// Opened when there is IR.
    ir_compiler: Mutex<Option<IrCompiler>>,
    /// Held while slots of lazy functions and the tables that say where they lead are changed together. The tables are
    /// locked after it, and not while the executor is asked.
    slots: Mutex<()>,
    /// The jobs: who materializes what, and who waits for it.
    progress: Arc<Progress<Job, Error>>,
    /// The jobs that agents are at.
    jobs: Jobs,
    pool: Pool,
    epochs: epoch::Epochs,
}

/// The plugins of a session, in the order in which they were added.
#[derive(Default)]
struct Plugins {
    all: Vec<(PluginId, Arc<dyn Plugin>)>,
    /// The number of plugins that there have ever been.
    made: u32,
}

impl std::fmt::Debug for ExecutionSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecutionSession").field("dylibs", &self.dylibs()).finish_non_exhaustive()
    }
}

impl ExecutionSession {
    /// A session without JITDylibs, for code of a platform.
    pub(crate) fn for_platform(
        platform: &'static dyn Platform,
        executor: Arc<dyn Executor>,
        options: SessionOptions,
    ) -> Self {
        // The first names of the pool, so that definitions of them are told by their number.
        let mut names = NamePool::new();
        executor.allocator_names().iter().for_each(|name| _ = names.intern(name.as_bytes()));
        let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let allocator = allocator::Allocator::new(count, executor.has_allocator_of_another());
        let target = executor.target();
        let state = State::new(platform, target, options.limits, options.crt.clone(), allocator);
        let session = Self {
            inner: Arc::new(Inner {
                progress: Arc::new(with_rights()),
                jobs: Jobs::default(),
                platform,
                target,
                executor: RwLock::new(executor),
                journal: Mutex::default(),
                replacements: AtomicUsize::new(0),
                state: Mutex::new(state),
                pool: Pool::new(options.threads),
                options: SessionOptions {
                    window_size: options.window_size.min(target.arch.largest_window()),
                    ..options
                },
                names: Mutex::new(names),
                name_use: name_use::NameUse::default(),
                plugins: Mutex::default(),
                linking: OwnedLock::default(),
                lent: AtomicBool::new(false),
                is_held_for_fork: AtomicBool::new(false),
                initializing: OwnedLock::default(),
                starting: OwnedLock::default(),
                initialized: Condvar::new(),
                reentry: Reentry::default(),
                ir_compiler: Mutex::default(),
                slots: Mutex::default(),
                epochs: epoch::Epochs::default(),
            }),
        };
        session.attend_to(&session.executor());
        process_fork::take_part(Arc::downgrade(&(session.inner.clone() as Arc<dyn process_fork::Participant>)));
        session
    }

    /// Tells an executor which libraries there are, and has it ask the session.
    fn attend_to(&self, executor: &Arc<dyn Executor>) {
        let options = self.options();
        let directories = options.library_paths.iter().cloned().chain(options.crt.dll_directories());
        let directories: Vec<_> = directories.map(|directory| bytes_of(&directory).into()).collect();
        executor.set_library_directories(&directories);
        // The executor must not keep the session, which keeps it; and one that was replaced gets no answers.
        let asked = Asked { session: self.downgrade(), by: Arc::downgrade(executor) };
        executor.provide_needed(Arc::new({
            let asked = asked.clone();
            move |library| {
                asked.session().map(|session| session.platform().provide(&session, library)).unwrap_or_default()
            }
        }));
        executor.set_symbolizer(Arc::new({
            let asked = asked.clone();
            move |address| {
                let at = asked.session()?.symbolize(address)?;
                Some(format!("{} ({})", at.name, at.object))
            }
        }));
        executor.serve_dylibs(Arc::new(move |request| {
            asked.session().map_or(DylibReply::NotHere, |session| session.answer(request))
        }));
    }

    /// Creates a JITDylib whose link order is itself, with all of its symbols.
    ///
    /// # Errors
    /// If the name is taken, or the executor is gone.
    pub fn create_dylib(&self, name: &str) -> Result<JitDylib> {
        let _names = self.use_names();
        // Before anything is made for it.
        if self.state().dylib_named(name).is_some() {
            return Err(Error::DuplicateDylib { name: name.into() });
        }
        let image = self.executor().open_image(name)?;
        let created = self.state().create_dylib(name, image);
        let id = created.inspect_err(|_| {
            // SAFETY: nothing is registered for the image, which is new. The error is that another thread was faster.
            let _closed = unsafe { self.executor().close_image(image) };
        })?;
        let dylib = JitDylib::new(self.clone(), id);
        self.platform().set_up(&dylib)?;
        Ok(dylib)
    }

    /// Its JITDylibs, in the order in which they were created.
    #[must_use]
    pub fn dylibs(&self) -> Vec<JitDylib> {
        self.state().dylibs.keys().map(|&id| JitDylib::new(self.clone(), id)).collect()
    }

    /// Closes all JITDylibs: runs their terminators, in the reverse of the order in which
    /// [`JitDylib::initialize`] would run the initializers of all, hence those that depend on others first; then gives
    /// their memory back.
    ///
    /// # Errors
    /// If it is called by what is being linked, removed or closed, or by an initializer.
    ///
    /// # Safety
    /// No thread may be in their code, and nobody may use their code or data afterwards.
    pub unsafe fn close(&self) -> Result<()> {
        let order = {
            let state = self.state();
            let mut order = state.dependency_order(state.dylibs.keys().copied());
            order.reverse();
            order
        };
        // SAFETY: the caller's promise.
        unsafe { self.close_dylibs(&order) }
    }

    /// The JITDylib of that name.
    #[must_use]
    pub fn dylib(&self, name: &str) -> Option<JitDylib> {
        let id = self.state().dylib_named(name)?;
        Some(JitDylib::new(self.clone(), id))
    }

    /// Adds a plugin behind the others. It sees what is linked from the next batch on.
    pub fn add_plugin(&self, plugin: Arc<dyn Plugin>) -> PluginId {
        self.keep_names();
        let mut plugins = lock(&self.inner.plugins);
        let id = PluginId(state::next(&mut plugins.made));
        plugins.all.push((id, plugin));
        id
    }

    /// Removes a plugin, unless that was done before. Waits for what is being linked or removed: the plugin is not called
    /// any more when this returns.
    ///
    /// # Errors
    /// [`Error::Reentrant`] if a plugin asks for it while it is called.
    pub fn remove_plugin(&self, id: PluginId) -> Result<()> {
        let _linking = self.begin_linking()?;
        let mut plugins = lock(&self.inner.plugins);
        let at = plugins.all.iter().position(|(other, _)| *other == id);
        let removed = at.map(|at| plugins.all.remove(at));
        drop(plugins);
        // It may be the last handle: what the user drops with it is dropped with nothing locked.
        drop(removed);
        Ok(())
    }

    /// The plugins that a new batch, or a removal, is to tell.
    pub(crate) fn plugins(&self) -> Vec<Arc<dyn Plugin>> {
        lock(&self.inner.plugins).all.iter().map(|(_, plugin)| plugin.clone()).collect()
    }

    /// Counts what was linked so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.state().statistics
    }

    /// Says what is odd about objects that were added since this was called last, though they can be linked: directives that
    /// linkjit does not know.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.state().warnings)
    }

    /// Notes something odd that does no harm.
    pub(crate) fn warn(&self, what: String) {
        self.state().warnings.push(what);
    }

    /// Notes what a compiler has to say about a module that it accepts.
    pub(crate) fn warn_of(&self, compiled: &CompiledModule) {
        compiled.warnings.lines().for_each(|line| self.warn(line.to_owned()));
    }

    /// The options it was made with.
    #[must_use]
    pub fn options(&self) -> &SessionOptions {
        &self.inner.options
    }

    /// Says whether both are handles to one session.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// The executor.
    #[must_use]
    pub fn executor(&self) -> Arc<dyn Executor> {
        state_guard::Locked::check();
        self.inner.executor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The target that the process runs, asked once.
    pub(crate) fn target(&self) -> Target {
        self.inner.target
    }

    /// An empty graph for code that linkjit makes itself.
    pub(crate) fn new_graph(&self, name: &str) -> LinkGraph {
        LinkGraph::new(Source::new(name, []), self.target().arch)
    }

    pub(crate) fn platform(&self) -> &'static dyn Platform {
        self.inner.platform
    }

    /// The entrance for functions that are linked when they are called.
    pub(crate) fn reentry(&self) -> &Reentry {
        &self.inner.reentry
    }

    /// The compiler of LLVM IR.
    pub(crate) fn ir_compiler(&self) -> Result<IrCompiler> {
        let mut opened = lock(&self.inner.ir_compiler);
        if let Some(compiler) = opened.as_ref().or(self.options().ir_compiler.as_ref()) {
            return Ok(compiler.clone());
        }
        Ok(opened.insert(IrCompiler::open()?).clone())
    }

    /// The pool of names, locked.
    pub(crate) fn names(&self) -> MutexGuard<'_, NamePool> {
        lock(&self.inner.names)
    }

    /// The pool of names that all of its graphs share: who makes a graph by hand interns those in it that other graphs
    /// are to see. Passes get it. Keep it locked shortly, and do not call the session meanwhile. From then on the session
    /// gives no names back that only removed objects had, for somebody may have their ids.
    #[must_use]
    pub fn name_pool(&self) -> &Mutex<NamePool> {
        self.keep_names();
        &self.inner.names
    }

    /// The pool of names, for those who keep no ids.
    pub(crate) fn names_mutex(&self) -> &Mutex<NamePool> {
        &self.inner.names
    }

    /// The tables, locked.
    pub(crate) fn state(&self) -> StateGuard<'_> {
        self.inner.state()
    }

    /// Locks the slots of lazy functions.
    pub(crate) fn slots(&self) -> MutexGuard<'_, ()> {
        lock(&self.inner.slots)
    }

    pub(crate) fn jobs(&self) -> &Jobs {
        &self.inner.jobs
    }

    pub(crate) fn progress(&self) -> &Arc<Progress<Job, Error>> {
        &self.inner.progress
    }

    /// Says whether there are units that are yet to be materialized, say.
    pub(crate) fn has_unfinished_jobs(&self) -> bool {
        self.inner.progress.count() > RIGHTS.len()
    }

    /// Its threads.
    pub(crate) fn pool(&self) -> &Pool {
        &self.inner.pool
    }
}

impl Inner {
    fn state(&self) -> StateGuard<'_> {
        StateGuard::new(lock(&self.state), &self.progress)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let executor = self.executor.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.reentry.close(executor.as_ref());
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if state.serves_process() {
            // What its code calls stays, too.
            std::mem::forget((std::mem::take(&mut state.trackers), std::mem::take(&mut state.allocations)));
        }
        // JITDylibs that nobody closed: no terminator is run, for nobody vouches for them. The memory is the executor's,
        // and goes with it.
        state.dylibs.clear();
    }
}

/// Locks, whatever happened to a thread that held the lock: tables are changed in steps that leave them whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A path as the executor's interface has it.
pub(crate) fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// The bytes of a file.
pub(crate) fn read_file(path: &Path) -> Result<Source> {
    let bytes = linkjit_host::file::read(path)
        .map_err(|error| Error::File { path: path.into(), message: error.to_string() })?;
    Ok(Source::new(path.to_string_lossy(), bytes))
}
