//! JITDylibs: sets of definitions that are searched and linked like a shared library.

use std::ffi::OsStr;
use std::fmt;

use linkjit_executor::ExecAddr;
use linkjit_link::names::NameId;

use crate::batch::Goal;
use crate::error::{Error, Result};
use crate::lookup::{LookupFuture, SymbolLookupSet, find_flags, find_targets, look_up, look_up_set};
use crate::platform::program;
use crate::session::job::Job;
use crate::session::{DylibId, ExecutionSession, MatchScope, ResourceTracker, SymbolFlags, TrackerId, Wanted};
use crate::symbol::Symbol;
use crate::symbol_name::SymbolName;

/// A JITDylib of a session. A clone is another handle to the same one.
///
/// It has one vocabulary, which [`Jit`](crate::Jit) has for its main JITDylib and [`ResourceTracker`] for what it is to own,
/// since both dereference to this:
///
/// * `add_object`, `add_archive`, `add_graph`, ... take objects and what has objects, `add_library` and `add_generator` what
///   is searched for what they do not define;
/// * `define_fn`, `define_ptr`, `define_absolute`, `define_alias`, `define`, ... define names;
/// * [`lookup`](Self::lookup), [`lookup_fn`](Self::lookup_fn) and [`lookup_ptr`](Self::lookup_ptr) link what a name needs,
///   run initializers, and return where it is; [`link`](Self::link) and [`lookup_set`](Self::lookup_set) take many names
///   and run nothing.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// use linkjit::{ExecAddr, MatchScope};
///
/// let jit = linkjit::Jit::host()?;
/// let (plugin, base) = (jit.create_dylib("plugin")?, jit.create_dylib("base")?);
/// base.define_absolute("size", ExecAddr(42))?;
/// assert!(plugin.link(&["size"]).is_err());
/// // It searches itself, then the process, then `base`: what that exports, with `All` what it hides, too.
/// plugin.add_to_link_order(&base, MatchScope::Exported)?;
/// assert_eq!(plugin.link(&["size"])?, [ExecAddr(42)]);
/// plugin.define_absolute("size", ExecAddr(43))?;
/// assert_eq!(plugin.link(&["size"])?, [ExecAddr(43)]);
/// // SAFETY: nobody is in its code.
/// unsafe { plugin.close()? };
/// assert!(jit.session().dylib("plugin").is_none());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct JitDylib {
    session: ExecutionSession,
    id: DylibId,
    /// The owner of what is added through this handle, if that is not the default tracker.
    tracker: Option<TrackerId>,
}

impl JitDylib {
    pub(crate) fn new(session: ExecutionSession, id: DylibId) -> Self {
        Self { session, id, tracker: None }
    }

    /// A handle through which a tracker gets what is added.
    pub(crate) fn owned_by(&self, tracker: Option<TrackerId>) -> Self {
        Self { tracker, ..self.clone() }
    }

    /// The tracker of this handle.
    pub(crate) fn tracker(&self) -> Option<TrackerId> {
        self.tracker
    }

    /// The tracker that owns what is added.
    pub(crate) fn owner(&self) -> Result<TrackerId> {
        self.tracker.map_or_else(|| self.session.state().default_tracker(self.id), Ok)
    }

    pub(crate) fn id(&self) -> DylibId {
        self.id
    }

    /// The session it belongs to.
    #[must_use]
    pub fn session(&self) -> &ExecutionSession {
        &self.session
    }

    /// Its name; empty once it is closed.
    #[must_use]
    pub fn name(&self) -> String {
        self.session.state().dylib(self.id).map(|dylib| dylib.name().to_owned()).unwrap_or_default()
    }

    /// Ids mean something in their own session only.
    pub(crate) fn check_session(&self, other: &Self) -> Result<()> {
        if self.session.is(&other.session) {
            Ok(())
        } else {
            Err(Error::Foreign { what: "the JITDylib belongs to another session" })
        }
    }

    /// Finds where its objects say that the program begins, for those of Windows: by `/entry` (the first counts), or by
    /// defining `main`, `wmain`, `WinMain`, `wWinMain` or what a C runtime begins with, in this order.
    ///
    /// # Errors
    /// If the JITDylib is closed.
    pub fn entry(&self) -> Result<Option<String>> {
        let names = self.session.names();
        let state = self.session.state();
        let dylib = state.dylib(self.id)?;
        let asked = dylib.image_requests().entry().map(|name| names.text(name).into_owned());
        let usual = self.session.platform().usual_entries();
        let defines = |name: &str| names.find(name.as_bytes()).is_some_and(|id| dylib.defines(id));
        Ok(program::entry(asked.as_deref(), usual, defines))
    }

    /// A tracker for what will be added through it.
    ///
    /// # Errors
    /// If the JITDylib is closed.
    pub fn create_tracker(&self) -> Result<ResourceTracker> {
        let id = self.session.state().create_users_tracker(self.id)?;
        Ok(ResourceTracker::new(self, id))
    }

    /// The tracker of everything that was added without one.
    ///
    /// # Errors
    /// If the JITDylib is closed.
    pub fn default_tracker(&self) -> Result<ResourceTracker> {
        Ok(ResourceTracker::new(self, self.session.state().default_tracker(self.id)?))
    }

    /// The JITDylibs that are searched for names that this one's code refers to, in order. The first is itself.
    ///
    /// # Errors
    /// If one of them is closed.
    pub fn link_order(&self) -> Result<Vec<(Self, MatchScope)>> {
        let order = self.session.state().dylib(self.id)?.link_order().to_vec();
        Ok(order.into_iter().map(|(id, scope)| (Self::new(self.session.clone(), id), scope)).collect())
    }

    /// Searches another JITDylib's exported symbols, too, after those that are searched already.
    ///
    /// # Errors
    /// If one of them is closed, or another session's.
    pub fn add_to_link_order(&self, other: &Self, scope: MatchScope) -> Result<()> {
        self.check_session(other)?;
        self.session.state().search_also(self.id, other.id, scope)
    }

    /// Searches another JITDylib no more; what was found there stays bound to it.
    ///
    /// # Errors
    /// If this JITDylib is closed, or the other one another session's.
    pub fn remove_from_link_order(&self, other: &Self) -> Result<()> {
        self.check_session(other)?;
        self.session.state().search_no_more(self.id, other.id)
    }

    /// Makes this the link order: this JITDylib with all of its symbols, then `others`.
    ///
    /// # Errors
    /// If one of them is closed, or another session's.
    pub fn set_link_order(&self, others: &[(Self, MatchScope)]) -> Result<()> {
        others.iter().try_for_each(|(other, _)| self.check_session(other))?;
        let others: Vec<_> = others.iter().map(|(other, scope)| (other.id, *scope)).collect();
        self.session.state().set_link_order(self.id, &others)
    }

    /// The address of a name, found in this JITDylib's link order. Links what it needs and runs the initializers that were
    /// not run yet, here and in the JITDylibs that this one depends on, also those of objects that the name does not need,
    /// unless they are [lazy](JitDylib::add_lazy_object).
    ///
    /// # Errors
    /// If something is missing or can't be linked; then the session is as it was before.
    pub fn lookup(&self, name: impl AsRef<[u8]>) -> Result<ExecAddr> {
        let found = self.link_for(&[name], Goal::LinkWithInitializers)?;
        self.run_initializers()?;
        found.first().copied().ok_or(Error::Closed)
    }

    /// The function of a name, as a function pointer of type `F`. See [`JitDylib::lookup`].
    ///
    /// # Errors
    /// As [`JitDylib::lookup`]; [`Error::Elsewhere`] if linked code runs in another process, where
    /// [`Executor::call`](linkjit_executor::Executor::call) calls functions.
    ///
    /// # Safety
    /// `F` must be the type of a pointer to the function that the name stands for: `unsafe extern "C" fn(...)`. It must
    /// not be called after its code was removed or closed; a copy of the pointer, neither after the last handle of the
    /// session was dropped, of which the [`Symbol`] is one.
    ///
    /// # Panics
    /// If `F` is not of the size of a pointer; the compiler finds that out.
    pub unsafe fn lookup_fn<F: Copy>(&self, name: impl AsRef<[u8]>) -> Result<Symbol<F>> {
        const { assert!(size_of::<F>() == size_of::<usize>(), "F must be a function pointer") };
        let pointer = *self.lookup_ptr::<()>(name)?;
        // SAFETY: the caller promises that F is the type of a pointer to what is at this address; the sizes agree.
        let function = unsafe { std::mem::transmute_copy::<*mut (), F>(&pointer) };
        Ok(Symbol::new(function, self.session.clone()))
    }

    /// The variable of a name, as a pointer. See [`JitDylib::lookup`].
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("linkjit-doc-pointer-{}.c", std::process::id()));
    /// # std::fs::write(&path, "int limit = 10;").unwrap();
    /// let jit = linkjit::Jit::host()?;
    /// // `int limit = 10;`
    /// jit.add_source_file(&path)?;
    /// # std::fs::remove_file(&path).unwrap();
    /// let limit = jit.lookup_ptr::<i32>("limit")?;
    /// // SAFETY: it is an `int`, and nobody else uses it.
    /// unsafe {
    ///     **limit += 1;
    ///     assert_eq!(**limit, 11);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`JitDylib::lookup`]; [`Error::Elsewhere`] if linked code runs in another process, of which
    /// [`Executor::read`](linkjit_executor::Executor::read) reads the memory.
    pub fn lookup_ptr<T>(&self, name: impl AsRef<[u8]>) -> Result<Symbol<*mut T>> {
        let name = name.as_ref();
        self.check_here(name)?;
        Ok(Symbol::new(self.lookup(name)?.to_ptr(), self.session.clone()))
    }

    /// An error if addresses of this process mean nothing to linked code.
    pub(crate) fn check_here(&self, name: &[u8]) -> Result<()> {
        if self.session.executor().is_here() {
            Ok(())
        } else {
            Err(Error::Elsewhere { name: String::from_utf8_lossy(name).into_owned() })
        }
    }

    /// Links what names need, all in one go, and returns their addresses, in their order; all that is missing is reported
    /// at once. No initializers are run: see [`JitDylib::initialize`].
    ///
    /// # Errors
    /// If a name is missing, or what defines it can't be linked; then the session is as it was before.
    pub fn link(&self, names: &[impl AsRef<[u8]>]) -> Result<Vec<ExecAddr>> {
        self.link_for(names, Goal::Link)
    }

    /// As [`JitDylib::link`], and links what [`JitDylib::initialize`] will run in the same go: a program that says
    /// that it is linking can stop saying so before code runs that prints.
    ///
    /// # Errors
    /// As [`JitDylib::link`].
    pub fn link_with_initializers(&self, names: &[impl AsRef<[u8]>]) -> Result<Vec<ExecAddr>> {
        self.link_for(names, Goal::LinkWithAllInitializers)
    }

    /// The addresses of a set of names, in their order; `None` for those that may be missing and are.
    ///
    /// # Errors
    /// As [`JitDylib::lookup`].
    pub fn lookup_set(&self, set: &SymbolLookupSet) -> Result<Vec<Option<ExecAddr>>> {
        look_up_set(self, set)
    }

    /// Finds out who sees names, and how they compete, in their order; `None` for those that nobody defines. Generators are asked,
    /// but nothing is materialized or linked. Whether something is a function is known only of objects of which a
    /// part is yet to be linked, and of units that are yet to be materialized.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// use linkjit::{FunctionUnit, SymbolFlags, SymbolLookupSet, UnitInterface};
    ///
    /// let jit = linkjit::Jit::host()?;
    /// let interface = UnitInterface::new([("f", SymbolFlags::FUNCTION.weak())]);
    /// jit.define(FunctionUnit::new("never materialized", interface, |_| unreachable!()))?;
    /// let flags = jit.lookup_flags(&SymbolLookupSet::new(["f", "there_is_no_g"]))?;
    /// assert_eq!(flags, [Some(SymbolFlags::FUNCTION.weak()), None]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If a generator fails.
    pub fn lookup_flags(&self, set: &SymbolLookupSet) -> Result<Vec<Option<SymbolFlags>>> {
        find_flags(self, set)
    }

    /// Says which of the names that generators are asked for, under another name each, are defined in its link order.
    pub(crate) fn find_targets(&self, targets: &[(SymbolName, Wanted<'_>)]) -> Result<Vec<bool>> {
        find_targets(self, targets)
    }

    /// As [`JitDylib::lookup_set`], done by the session's threads.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// use linkjit::SymbolLookupSet;
    ///
    /// let jit = linkjit::Jit::host()?;
    /// let lookup = jit.lookup_future(&SymbolLookupSet::new(["abs"]));
    /// // In an async function: `let found = lookup.await?;`
    /// let found = lookup.wait()?;
    /// assert_eq!(found[0], Some(jit.lookup("abs")?));
    /// # Ok(()) }
    /// ```
    pub fn lookup_future(&self, set: &SymbolLookupSet) -> LookupFuture {
        LookupFuture::new(self, set)
    }

    pub(crate) fn link_for(&self, names: &[impl AsRef<[u8]>], goal: Goal) -> Result<Vec<ExecAddr>> {
        let _names = self.session.use_names();
        let ids: Vec<NameId> = {
            let mut pool = self.session.names();
            names.iter().map(|name| pool.intern(name.as_ref())).collect()
        };
        let addresses = look_up(&self.session, self.id, &ids, goal)?;
        self.session.state().keep_definers_open(addresses.iter().copied());
        addresses.into_iter().zip(names).map(|(address, name)| address.plain(name.as_ref())).collect()
    }

    /// Calls `entry` as a program's `main` and returns its result. `args[0]` is the program's name; initializers get
    /// the arguments, too; those of lazy objects are run as well. On Windows `wmain`, `WinMain` and `wWinMain` are called
    /// as they want, and linked code that asks the system or the C runtime for the command line gets this one. A C++
    /// exception that nobody in the program catches ends the process by `std::terminate`.
    ///
    /// # Errors
    /// As [`JitDylib::lookup`].
    ///
    /// # Safety
    /// Whoever added objects vouches for them: `entry` must be a function that can be called as `main`.
    pub unsafe fn run_main(&self, entry: &str, args: &[impl AsRef<OsStr>]) -> Result<i32> {
        let args: Vec<_> = args.iter().map(|arg| arg.as_ref().as_encoded_bytes().to_vec()).collect();
        let executor = self.session.executor();
        executor.set_arguments(&args)?;
        self.session.state().set_program(self.id);
        let main = self.link_for(&[entry], Goal::LinkWithAllInitializers)?.first().copied().ok_or(Error::Closed)?;
        self.start()?;
        let form = self.session.platform().main_form(entry);
        // SAFETY: the caller's promise.
        Ok(unsafe { executor.call_main(main, form)? })
    }

    /// Links what has initializers here and in the JITDylibs it depends on, lazy objects' included, and runs those that
    /// were not run yet: dependencies first, then by priority, then in link order. Terminators run in the reverse order, when code is
    /// removed or its JITDylib is closed.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # use linkjit::{MatchScope, SourceModule};
    /// # let compile = |number: &str| {
    /// #     let text = "extern int events[], count; __attribute__((constructor)) static void begin(void) { events[count++] = N; }
    /// #                 __attribute__((destructor)) static void end(void) { events[count++] = -N; }";
    /// #     SourceModule::text("doc.c", text.replace('N', number)).compile()
    /// # };
    /// static mut EVENTS: [i32; 4] = [0; 4];
    /// static mut COUNT: i32 = 0;
    /// let jit = linkjit::Jit::host()?;
    /// jit.define_ptr("events", &raw const EVENTS)?;
    /// jit.define_ptr("count", &raw const COUNT)?;
    /// let plugin = jit.create_dylib("plugin")?;
    /// plugin.add_to_link_order(jit.main(), MatchScope::Exported)?;
    /// // Each has a constructor that notes its number and a destructor that notes it with a minus.
    /// plugin.add_object(&compile("2")?)?;
    /// jit.add_object(&compile("1")?)?;
    /// plugin.initialize()?;
    /// // SAFETY: nobody is in the code.
    /// unsafe { jit.close()? };
    /// // SAFETY: nobody writes it any more.
    /// assert_eq!(unsafe { EVENTS }, [1, 2, -2, -1]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If something can't be linked.
    pub fn initialize(&self) -> Result<()> {
        let _names = self.session.use_names();
        look_up(&self.session, self.id, &[], Goal::LinkWithAllInitializers)?;
        self.run_initializers()
    }

    /// Leaves the initializers until linked code opens the JITDylib ([`dlopen`](crate#opening-jitdylibs)) or is bound to it,
    /// or the host initializes it by this handle: it may be in the link order of a program that does not use it.
    ///
    /// # Errors
    /// If the JITDylib is closed.
    pub fn initialize_on_demand(&self) -> Result<()> {
        self.session.state().initialize_on_demand(self.id)
    }

    pub(crate) fn run_initializers(&self) -> Result<()> {
        self.session.state().keep_open(self.id)?;
        let initializing = self.session.begin_initializing()?;
        self.run_pending_initializers()?;
        drop(initializing);
        self.session.wait_for_initializers(|_| true)
    }

    /// Runs the initializers of what is linked that were not run yet, but for those that other threads are at.
    pub(crate) fn run_pending_initializers(&self) -> Result<()> {
        let _edge = self.session.wait_for_turn(Job::Initializing)?;
        let order = self.session.state().dependency_order([self.id]);
        order.into_iter().try_for_each(|id| self.session.run_own_initializers(id))
    }

    /// Runs the initializers of a program: what it needs first. As natively, a thread that they start and wait for may open and
    /// close what is not the program.
    fn start(&self) -> Result<()> {
        let session = &self.session;
        session.state().keep_open(self.id)?;
        let starting = session.begin_starting()?;
        // Whoever is closing what the program needs comes before.
        drop(session.begin_opening()?);
        let order = session.state().dependency_order([self.id]);
        let unstarted = session.leave_unstarted(self.id);
        let mut unstarted = Some(unstarted);
        for id in order {
            if id == self.id {
                unstarted = None;
            }
            session.run_own_initializers(id)?;
        }
        drop((unstarted, starting));
        session.wait_for_initializers(|_| true)
    }

    /// Describes what it has, as text for people: link order, generators, memory, units and symbols with their states. Empty if it
    /// is closed.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// let jit = linkjit::Jit::host()?;
    /// jit.define_alias("magnitude", "abs")?;
    /// assert!(jit.dump().contains("magnitude: strong, exported, alias for abs of main"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn dump(&self) -> String {
        self.session.dump_dylib(self.id)
    }

    /// Runs its terminators, removes it from the session and gives its memory back; but for a program's own allocator, which
    /// the libraries of the process go on using: its JITDylib's memory stays.
    ///
    /// # Errors
    /// If it is closed already, or linked code of other JITDylibs is bound to that of this one ([`Error::InUse`]): close
    /// those before. [`Error::Reentrant`] if it is called by what is being linked, removed or closed, or by its initializer.
    ///
    /// It takes the handle, so that neither [`Jit`](crate::Jit) nor a tracker can be closed by mistake.
    ///
    /// # Safety
    /// No thread may be in its code, and nobody may use its code or data afterwards.
    pub unsafe fn close(self) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.session.close_dylibs(&[self.id]) }
    }
}

impl fmt::Debug for JitDylib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JitDylib({})", self.name())
    }
}
