//! The session: what is defined where, and who owns it.
//!
//! One short-held lock guards the tables ([`State`]). The heavy work (reading objects, linking, generators,
//! initializers) happens outside of it; a second lock makes batches wait for each other, a third one initializers.

mod allocations;
mod claims;
mod coff;
mod define;
mod defining;
mod dump;
mod epoch;
mod groups;
mod inherit;
mod initializing;
mod memory;
mod pending;
mod removal;
mod retire;
mod state;
mod tables;
mod tracker;
mod weak;
mod withdraw;

pub(crate) use allocations::{Allocation, Allocations, Bytes, Owner, Part, Tls};
pub(crate) use defining::defined_names;
pub use memory::{Limits, MemoryUse};
pub(crate) use pending::Direct;
pub(crate) use removal::Unlinked;
pub use retire::Guard;
pub(crate) use state::{
    Address, BatchInFlight, DefinedBy, DylibId, DylibState, Entry, Generator, GeneratorId, InitializerRun, Replaced,
    State, TrackerId, Unit, UnitId,
};
pub(crate) use tables::Tables;
pub use tracker::ResourceTracker;
pub use weak::WeakJitDylib;
pub(crate) use withdraw::Withdrawn;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use linkjit_executor::{Executor, ObjectFormat};
use linkjit_link::names::NamePool;
use linkjit_link::source::Source;
use linkjit_link::tls::TlsAddress;

use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::lazy::Reentry;
use crate::materialization::job::{self, AtJob, Job};
use crate::materialization::pool::Pool;
use crate::materialization::progress::{Progress, Wait};
use crate::platform;
use crate::platform::crt::CrtProvider;
use crate::plugin::{Plugin, PluginId};

/// What [`epoch`] is made of.
mod sync {
    pub(super) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

    /// Over how many places counts are spread.
    pub(super) const SHARDS: usize = 8;
}

/// How much of an object is linked when something of it is wanted.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// # use linkjit::{Compiler, LinkPolicy, SystemCompiler};
/// # let path = std::env::temp_dir().join(format!("linkjit-doc-policy-{}.s", std::process::id()));
/// # let text = ".section .text.f,\"ax\"\n.globl f\nf: mov $1,%eax\nret\n.section .text.g,\"ax\"\n.globl g\ng: jmp missing@PLT\n";
/// # std::fs::write(&path, text).unwrap();
/// # let object = SystemCompiler.compile(&path)?;
/// # std::fs::remove_file(&path).unwrap();
/// // `object` has `f`, which needs nothing, and `g`, which calls `missing`, each in a section of its own.
/// let [some, all] = [LinkPolicy::Demand, LinkPolicy::Whole].map(|policy| {
///     let jit = linkjit::Jit::builder().policy(policy).build()?;
///     jit.main().add_object(&object)?;
///     jit.lookup("f").map(|_| jit.statistics().code_bytes)
/// });
/// assert!(some.is_ok());
/// assert!(all.unwrap_err().to_string().contains("missing"));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LinkPolicy {
    /// What lookups reach, and initializers. The rest follows when somebody asks for it.
    #[default]
    Demand,
    /// Everything that the object defines.
    Whole,
}

/// What a session is made with.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// How much of an object is linked.
    pub policy: LinkPolicy,
    /// Bytes of address space to be reserved for each JITDylib, and again whenever that is used up. Code and data of
    /// one window reach each other directly. At most 2 GiB.
    pub window_size: u64,
    /// How much there may be in the session.
    pub limits: Limits,
    /// How many threads the session may have to materialize units and to do the lookups of futures, beside those that
    /// wait for it. They are started when there is something to do for them. 0: everything is done by the threads that
    /// ask for it; `None`: as many as the machine runs at once.
    pub threads: Option<usize>,
    /// Where libraries are that objects themselves ask for (COFF `/defaultlib`).
    pub library_paths: Vec<PathBuf>,
    /// Where the C runtime comes from that objects for Windows ask for.
    pub crt: CrtProvider,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            policy: LinkPolicy::default(),
            window_size: 1 << 30,
            limits: Limits::default(),
            threads: None,
            library_paths: Vec::new(),
            crt: CrtProvider::default(),
        }
    }
}

/// Where the time of a session's batches went.
#[derive(Clone, Copy, Debug, Default)]
pub struct BatchTimes {
    /// Finding definitions: lookups, generators, pruning.
    pub find: Duration,
    /// Table entries, layout, memory.
    pub place: Duration,
    /// Copying and fixing up.
    pub fix: Duration,
    /// Protections, unwind tables, thread-local images, publication.
    pub finalize: Duration,
}

/// What a session has linked so far.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// Batches: lookups that had something to link.
    pub batches: u64,
    /// Objects of which something was linked, pulled archive members included.
    pub objects: u64,
    /// Blocks placed.
    pub blocks: u64,
    /// Edges applied.
    pub edges: u64,
    /// Bytes of code, stubs included.
    pub code_bytes: u64,
    /// Bytes of read-only data, unwind tables included.
    pub read_only_bytes: u64,
    /// Bytes of writable data.
    pub writable_bytes: u64,
    /// Windows of address space that were reserved.
    pub windows: u64,
    /// Time, by phase.
    pub times: BatchTimes,
}

/// A session: JITDylibs that share names, and an executor. A clone is another handle to the same session.
///
/// When the last handle is dropped, all memory of linked code is given back, and nothing of it is run: to run terminators,
/// [close](ExecutionSession::close) the session before, or keep a handle until the process exits.
#[derive(Clone, Debug)]
pub struct ExecutionSession {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    executor: Arc<dyn Executor>,
    options: SessionOptions,
    names: Mutex<NamePool>,
    plugins: Mutex<Plugins>,
    state: Mutex<State>,
    /// Held while a batch is linked.
    linking: OwnedLock,
    /// Whoever holds it is in no batch and lets its thread link. Only that thread reads and writes this.
    lent: AtomicBool,
    /// Held while initializers run for a lookup. They may look up names themselves, on their thread.
    initializing: OwnedLock,
    /// Told when initializers have been run.
    initialized: Condvar,
    reentry: Reentry,
    /// Who materializes what, and who waits for it.
    progress: Arc<Progress<Job, Error>>,
    pool: Pool,
    epochs: epoch::Epochs,
}

/// The plugins of a session, in the order in which they were added.
#[derive(Default)]
struct Plugins {
    all: Vec<(PluginId, Arc<dyn Plugin>)>,
    /// How many there have ever been.
    made: u32,
}

impl std::fmt::Debug for Plugins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all.iter().map(|(id, _)| id)).finish()
    }
}

impl ExecutionSession {
    /// A session without JITDylibs.
    #[must_use]
    pub fn new(executor: Arc<dyn Executor>, options: SessionOptions) -> Self {
        let has_images = executor.object_format() == ObjectFormat::Coff;
        Self {
            shared: Arc::new(Shared {
                progress: Arc::new(with_rights()),
                executor,
                state: Mutex::new(State::new(options.limits, options.crt.clone(), has_images)),
                pool: Pool::new(options.threads),
                options: SessionOptions { window_size: options.window_size.min(1 << 31), ..options },
                names: Mutex::default(),
                plugins: Mutex::default(),
                linking: OwnedLock::default(),
                lent: AtomicBool::new(false),
                initializing: OwnedLock::default(),
                initialized: Condvar::new(),
                reentry: Reentry::default(),
                epochs: epoch::Epochs::default(),
            }),
        }
    }

    /// Creates a JITDylib whose link order is itself, with all of its symbols.
    ///
    /// # Errors
    /// If the name is taken, or the executor is gone.
    pub fn create_dylib(&self, name: &str) -> Result<JitDylib> {
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
        match self.executor().object_format() {
            ObjectFormat::Elf => platform::elf::set_up(&dylib)?,
            ObjectFormat::Coff => platform::coff::set_up(&dylib)?,
        }
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
        let mut plugins = lock(&self.shared.plugins);
        let id = PluginId(plugins.made);
        plugins.made = plugins.made.wrapping_add(1);
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
        let mut plugins = lock(&self.shared.plugins);
        let at = plugins.all.iter().position(|(of, _)| *of == id);
        let removed = at.map(|at| plugins.all.remove(at));
        drop(plugins);
        // It may be the last handle: what the user drops with it is dropped with nothing locked.
        drop(removed);
        Ok(())
    }

    /// The plugins that a new batch, or a removal, is to tell.
    pub(crate) fn plugins(&self) -> Vec<Arc<dyn Plugin>> {
        lock(&self.shared.plugins).all.iter().map(|(_, plugin)| plugin.clone()).collect()
    }

    /// What was linked so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.state().statistics
    }

    /// What is odd about objects that were added since this was called last, though they can be linked: directives that
    /// linkjit does not know.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.state().warnings)
    }

    /// The options it was made with.
    #[must_use]
    pub fn options(&self) -> &SessionOptions {
        &self.shared.options
    }

    /// Whether both are handles to one session.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The executor.
    #[must_use]
    pub fn executor(&self) -> &Arc<dyn Executor> {
        &self.shared.executor
    }

    /// What links functions when they are called.
    pub(crate) fn reentry(&self) -> &Reentry {
        &self.shared.reentry
    }

    /// The pool of names, locked.
    pub(crate) fn names(&self) -> MutexGuard<'_, NamePool> {
        lock(&self.shared.names)
    }

    /// The pool of names that all of its graphs share: who makes a graph by hand interns those in it that other graphs
    /// are to see. Passes get it. Keep it locked shortly, and do not call the session meanwhile.
    #[must_use]
    pub fn name_pool(&self) -> &Mutex<NamePool> {
        &self.shared.names
    }

    /// The tables, locked.
    pub(crate) fn state(&self) -> Tables<'_> {
        Tables::new(lock(&self.shared.state), &self.shared.progress)
    }

    /// Who materializes what, and who waits for it.
    pub(crate) fn progress(&self) -> &Arc<Progress<Job, Error>> {
        &self.shared.progress
    }

    /// Whether there are units that are yet to be materialized, say.
    pub(crate) fn has_unfinished_jobs(&self) -> bool {
        self.shared.progress.count() > RIGHTS.len()
    }

    /// Its threads.
    pub(crate) fn pool(&self) -> &Pool {
        &self.shared.pool
    }

    /// What tells it from other sessions as long as it is there.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.shared).addr()
    }

    /// Waits until no other thread is linking. An error if this thread is: it would wait for itself.
    pub(crate) fn begin_linking(&self) -> Result<Linking<'_>> {
        let edge = self.wait_for_turn(Job::Linking)?;
        match self.shared.linking.acquire(edge) {
            Some(owned) => Ok(Linking { session: self, owned: Some(owned) }),
            None if self.shared.lent.swap(false, Ordering::Relaxed) => Ok(Linking { session: self, owned: None }),
            None => Err(Error::Reentrant),
        }
    }

    /// As [`Self::begin_linking`], for who takes code away: what is called in the end may have more linked, but not that,
    /// and an initializer not its own.
    pub(crate) fn begin_removing(&self, is_removed: impl Fn(&Unit) -> bool) -> Result<Linking<'_>> {
        let linking = self.begin_linking()?;
        let is_allowed = linking.owned.is_some() && !self.state().is_initializing(is_removed);
        if is_allowed { Ok(linking) } else { Err(Error::Reentrant) }
    }

    /// Lets this thread link while it runs terminators, which may call lazy functions: it is not in the midst of a batch.
    pub(crate) fn lend_linking(&self, _: &Linking<'_>) -> Lent<'_> {
        self.shared.lent.store(true, Ordering::Relaxed);
        // Whoever removes something has the right to run initializers, too.
        let both = self.shared.initializing.is_mine().then_some(Job::Initializing);
        let edge = both.and_then(|both| self.wait_for(Some(both), &[Job::Linking]).ok());
        Lent { session: self, _at_job: job::begin(self, Job::Linking, Vec::new()).ok(), _edge: edge }
    }

    /// Waits until no other thread runs initializers: what it has looked up is not ready before. `None` if it is this
    /// thread that does.
    ///
    /// # Errors
    /// If others may wait for what this thread is at: see [`Self::wait_for_turn`].
    pub(crate) fn begin_initializing(&self) -> Result<Option<Owned<'_>>> {
        let edge = self.wait_for_turn(Job::Initializing)?;
        Ok(self.shared.initializing.acquire(edge))
    }

    /// Says that what this thread is at goes on only when it may link, or run initializers, until what is returned is
    /// dropped: who has that right may wait for it, for a unit that this thread is materializing, say.
    pub(crate) fn wait_for_turn(&self, right: Job) -> Result<Option<Wait<Job, Error>>> {
        let lock = if right == Job::Linking { &self.shared.linking } else { &self.shared.initializing };
        match job::current(self) {
            None => Ok(None),
            Some(current) if current == right || lock.is_mine() => Ok(None),
            by => self.wait_for(by, &[right]).map(Some),
        }
    }
}

/// Jobs that are never done.
const RIGHTS: [Job; 2] = [Job::Linking, Job::Initializing];

fn with_rights() -> Progress<Job, Error> {
    let progress = Progress::new();
    RIGHTS.iter().for_each(|&right| progress.add(right));
    progress
}

/// The right to link.
#[derive(Debug)]
pub(crate) struct Linking<'a> {
    session: &'a ExecutionSession,
    /// `None`: it was lent by a teardown on this thread.
    owned: Option<Owned<'a>>,
}

impl Drop for Linking<'_> {
    fn drop(&mut self) {
        if self.owned.is_none() {
            self.session.shared.lent.store(true, Ordering::Relaxed);
        }
    }
}

/// The right to link, lent to what is called on this thread.
#[derive(Debug)]
pub(crate) struct Lent<'a> {
    session: &'a ExecutionSession,
    _at_job: Option<AtJob>,
    _edge: Option<Wait<Job, Error>>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.session.shared.lent.store(false, Ordering::Relaxed);
    }
}

/// A lock that knows the thread that holds it.
#[derive(Debug, Default)]
struct OwnedLock {
    mutex: Mutex<()>,
    owner: Mutex<Option<ThreadId>>,
}

impl OwnedLock {
    fn is_mine(&self) -> bool {
        *lock(&self.owner) == Some(std::thread::current().id())
    }

    /// Waits for the lock; `None` if this thread has it. The edge stays as long as the lock is held.
    fn acquire(&self, edge: Option<Wait<Job, Error>>) -> Option<Owned<'_>> {
        if self.is_mine() {
            return None;
        }
        let guard = lock(&self.mutex);
        *lock(&self.owner) = Some(std::thread::current().id());
        Some(Owned { lock: self, _guard: guard, _edge: edge })
    }
}

/// An [`OwnedLock`], locked.
#[derive(Debug)]
pub(crate) struct Owned<'a> {
    lock: &'a OwnedLock,
    _guard: MutexGuard<'a, ()>,
    _edge: Option<Wait<Job, Error>>,
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        *lock(&self.lock.owner) = None;
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.reentry.close(self.executor.as_ref());
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        // JITDylibs that nobody closed: no terminator is run, for nobody vouches for them. The memory is the executor's,
        // and goes with it.
        state.dylibs.clear();
    }
}

/// Locks, whatever happened to a thread that held the lock: tables are changed in steps that leave them whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bytes of a file.
pub(crate) fn read_file(path: &Path) -> Result<Source> {
    let bytes = linkjit_executor::file::read(path)
        .map_err(|error| Error::File { path: path.into(), message: error.to_string() })?;
    Ok(Source::new(path.to_string_lossy().into_owned(), bytes))
}

/// A thread-local address as the linker has it.
pub(crate) fn tls_address(module: u64, offset: u64, thread_offset: Option<i64>) -> TlsAddress {
    TlsAddress { module, offset, thread_offset }
}
