//! The front door.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use linkjit_executor::{ExecAddr, Executor, InProcess, MemoryProvider, SystemMemory};
use linkjit_link::source::Source;

use crate::batch::Goal;
use crate::compile::{Compiler, SystemCompiler};
use crate::crt::CrtProvider;
use crate::error::{Error, Result};
use crate::generators::RuntimeGenerator;
use crate::jitdylib::JitDylib;
use crate::session::{ExecutionSession, Limits, LinkPolicy, MatchScope, ResourceTracker, SessionOptions, Statistics};

/// A session with one JITDylib, `main`, that can refer to everything in its own process: what most programs want.
///
/// Objects, archives and libraries are added to it; [`Jit::lookup`] links what is needed, runs initializers and returns
/// addresses. [`Jit::session`] and [`Jit::main`] give access to all the rest.
#[derive(Debug)]
pub struct Jit {
    session: ExecutionSession,
    main: JitDylib,
    process: JitDylib,
}

/// Makes a [`Jit`] that differs from the usual one.
#[derive(Debug, Default)]
pub struct JitBuilder {
    options: SessionOptions,
    executor: Runs,
}

/// Where linked code runs.
#[derive(Debug)]
enum Runs {
    /// In this process, in memory of a provider.
    Here(Arc<dyn MemoryProvider>),
    /// Where an executor of the user's has it.
    In(Arc<dyn Executor>),
}

impl Default for Runs {
    fn default() -> Self {
        Self::Here(Arc::new(SystemMemory))
    }
}

impl JitBuilder {
    /// How much of an object is linked when something of it is wanted.
    #[must_use]
    pub fn policy(mut self, policy: LinkPolicy) -> Self {
        self.options.policy = policy;
        self
    }

    /// Bytes of address space per JITDylib; see [`SessionOptions::window_size`].
    #[must_use]
    pub fn window_size(mut self, bytes: u64) -> Self {
        self.options.window_size = bytes;
        self
    }

    /// Threads of the session's own; see [`SessionOptions::threads`].
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// use std::sync::{Arc, Mutex};
    /// use linkjit::{ExecAddr, FunctionUnit, Jit, SymbolFlags, UnitInterface};
    ///
    /// for threads in [0, 2] {
    ///     let jit = Jit::builder().threads(threads).build()?;
    ///     let made_by = Arc::new(Mutex::new(Vec::new()));
    ///     for name in ["a", "b"] {
    ///         let made_by = made_by.clone();
    ///         let interface = UnitInterface::new([(name, SymbolFlags::DATA)]);
    ///         jit.main().define(FunctionUnit::new(name, interface, move |responsibility| {
    ///             made_by.lock().unwrap().push(std::thread::current().id());
    ///             responsibility.define_absolute(name, ExecAddr(4096));
    ///             Ok(())
    ///         }))?;
    ///     }
    ///     // With threads the two are made at once, without them one after the other, here.
    ///     jit.main().lookup(&["a", "b"])?;
    ///     let here = std::thread::current().id();
    ///     assert!(threads > 0 || *made_by.lock().unwrap() == [here, here]);
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.options.threads = Some(threads);
        self
    }

    /// Where linked code runs, if not in this process, or not in the usual way. It brings its runtime and the libraries of
    /// its process.
    #[must_use]
    pub fn executor(mut self, executor: Arc<dyn Executor>) -> Self {
        self.executor = Runs::In(executor);
        self
    }

    /// Where the memory of code comes from that is linked into this process, if not from the operating system.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use linkjit::executor::{ExecRange, MemoryProvider, Placement, Protection, Result, SystemMemory};
    ///
    /// /// The system's memory, with a count of what is taken of it.
    /// #[derive(Debug, Default)]
    /// struct Counted(AtomicU64);
    ///
    /// // SAFETY: all of it is the system's.
    /// unsafe impl MemoryProvider for Counted {
    ///     fn reserve(&self, size: u64, placement: Placement) -> Result<ExecRange> {
    ///         SystemMemory.reserve(size, placement)
    ///     }
    ///
    ///     fn commit(&self, pages: ExecRange) -> Result<()> {
    ///         self.0.fetch_add(pages.size(), Ordering::Relaxed);
    ///         SystemMemory.commit(pages)
    ///     }
    ///
    ///     fn protect(&self, pages: ExecRange, protection: Protection) -> Result<()> {
    ///         SystemMemory.protect(pages, protection)
    ///     }
    ///
    ///     fn recycle(&self, pages: ExecRange, was: Protection) -> Result<()> {
    ///         SystemMemory.recycle(pages, was)
    ///     }
    ///
    ///     fn release(&self, window: ExecRange) {
    ///         SystemMemory.release(window);
    ///     }
    /// }
    ///
    /// # let path = std::env::temp_dir().join(format!("linkjit-doc-provider-{}.c", std::process::id()));
    /// # std::fs::write(&path, "int answer(void) { return 42; }").unwrap();
    /// let memory = Arc::new(Counted::default());
    /// let jit = linkjit::Jit::builder().memory(memory.clone()).build()?;
    /// jit.add_source_file(&path)?;
    /// # std::fs::remove_file(&path).unwrap();
    /// jit.lookup("answer")?;
    /// assert!(memory.0.load(Ordering::Relaxed) > 0);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn memory(mut self, provider: Arc<dyn MemoryProvider>) -> Self {
        self.executor = Runs::Here(provider);
        self
    }

    /// A directory in which libraries are searched that objects ask for; see [`SessionOptions::library_paths`].
    #[must_use]
    pub fn library_path(mut self, directory: impl Into<PathBuf>) -> Self {
        self.options.library_paths.push(directory.into());
        self
    }

    /// Where the C runtime comes from that objects for Windows are linked with; see [`CrtProvider`].
    #[must_use]
    pub fn crt(mut self, provider: CrtProvider) -> Self {
        self.options.crt = provider;
        self
    }

    /// How much there may be in the session.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// Makes it.
    ///
    /// # Errors
    /// If linkjit does not know the system it is running on.
    pub fn build(self) -> Result<Jit> {
        let executor = match self.executor {
            Runs::Here(memory) => Arc::new(InProcess::with_memory(memory)?),
            Runs::In(executor) => executor,
        };
        let session = ExecutionSession::new(executor, self.options);
        let process = session.create_dylib("process")?;
        process.add_own_generator(Arc::new(RuntimeGenerator))?;
        session.platform().add_process_generators(&process)?;
        let main = session.create_dylib("main")?;
        main.add_to_link_order(&process, MatchScope::Exported)?;
        Ok(Jit { session, main, process })
    }
}

impl Jit {
    /// A JIT for this process.
    ///
    /// # Errors
    /// If linkjit does not know the system it is running on.
    pub fn host() -> Result<Self> {
        JitBuilder::default().build()
    }

    /// A JIT for this process that differs from the usual one.
    #[must_use]
    pub fn builder() -> JitBuilder {
        JitBuilder::default()
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &ExecutionSession {
        &self.session
    }

    /// The JITDylib that the functions here add to.
    #[must_use]
    pub fn main(&self) -> &JitDylib {
        &self.main
    }

    /// The JITDylib of what the process, its libraries and linkjit's runtime define.
    #[must_use]
    pub fn process(&self) -> &JitDylib {
        &self.process
    }

    /// Creates another JITDylib. It searches itself, then the process.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn create_dylib(&self, name: &str) -> Result<JitDylib> {
        let dylib = self.session.create_dylib(name)?;
        dylib.add_to_link_order(&self.process, MatchScope::Exported)?;
        Ok(dylib)
    }

    /// Adds a relocatable object that is in memory; `name` is for messages.
    ///
    /// # Errors
    /// See [`JitDylib::add_object`].
    pub fn add_object(&self, name: &str, bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Result<()> {
        self.main.add_object(&Source::new(name, bytes))
    }

    /// Adds a relocatable object.
    ///
    /// # Errors
    /// See [`JitDylib::add_object_file`].
    pub fn add_object_file(&self, path: impl AsRef<Path>) -> Result<()> {
        self.main.add_object_file(path)
    }

    /// Adds a static archive.
    ///
    /// # Errors
    /// See [`JitDylib::add_archive`].
    pub fn add_archive(&self, path: impl AsRef<Path>) -> Result<()> {
        self.main.add_archive(path)
    }

    /// Adds all members of a static archive.
    ///
    /// # Errors
    /// See [`JitDylib::add_whole_archive`].
    pub fn add_whole_archive(&self, path: impl AsRef<Path>) -> Result<()> {
        self.main.add_whole_archive(path)
    }

    /// Adds a shared library.
    ///
    /// # Errors
    /// See [`JitDylib::add_library`].
    pub fn add_library(&self, path: impl AsRef<Path>) -> Result<()> {
        self.main.add_library(path)
    }

    /// Compiles a C, C++ or assembly file with the system's compiler and adds the object.
    ///
    /// # Errors
    /// If there is no compiler, or it does not like the file; else as [`JitDylib::add_object`].
    pub fn add_source_file(&self, path: impl AsRef<Path>) -> Result<()> {
        self.main.add_object(&SystemCompiler.compile(path.as_ref())?)
    }

    /// Defines a name as an address: a function or variable of this program.
    ///
    /// # Errors
    /// If something else defines it, or linked code runs in another process ([`Error::Elsewhere`]): addresses over there are
    /// defined by [`JitDylib::define_absolute`].
    pub fn define_absolute<T>(&self, name: &str, address: *const T) -> Result<()> {
        self.check_here(name)?;
        self.main.define_absolute(name, ExecAddr(address as u64))
    }

    /// A tracker for objects that are to be removed together.
    ///
    /// # Errors
    /// If `main` was closed.
    pub fn create_tracker(&self) -> Result<ResourceTracker> {
        self.main.create_tracker()
    }

    /// The address of a name. Links what it needs and runs the initializers that were not run yet, also those of
    /// objects that the name does not need, unless they are [lazy](JitDylib::add_lazy_object).
    ///
    /// # Errors
    /// If something is missing or can't be linked; then the session is as it was before.
    pub fn lookup(&self, name: &str) -> Result<ExecAddr> {
        self.main.lookup_initialized(name, Goal::LinkWithInitializers)
    }

    /// The function of a name, as a function pointer of type `F`. See [`Jit::lookup`].
    ///
    /// # Errors
    /// As [`Jit::lookup`]; [`Error::Elsewhere`] if linked code runs in another process, where
    /// [`Executor::call`] calls functions.
    ///
    /// # Safety
    /// `F` must be the type of a pointer to the function that the name stands for: `unsafe extern "C" fn(...)`. It must
    /// not be called after its code was removed, or the last handle of the session dropped.
    ///
    /// # Panics
    /// If `F` is not of the size of a pointer; the compiler finds that out.
    pub unsafe fn lookup_fn<F: Copy>(&self, name: &str) -> Result<F> {
        const { assert!(size_of::<F>() == size_of::<usize>(), "F must be a function pointer") };
        self.check_here(name)?;
        let address = usize::try_from(self.lookup(name)?.0)
            .map_err(|_| Error::Unsupported { what: format!("'{name}' is not in this process's address space") })?;
        // SAFETY: the caller promises that F is the type of a pointer to what is at this address; the sizes agree.
        Ok(unsafe { std::mem::transmute_copy::<usize, F>(&address) })
    }

    fn check_here(&self, name: &str) -> Result<()> {
        if self.session.executor().is_here() { Ok(()) } else { Err(Error::Elsewhere { name: name.into() }) }
    }

    /// Calls `entry` as a program's `main` and returns its result. `args[0]` is the program's name; initializers get
    /// the arguments, too; those of lazy objects are run as well. On Windows `wmain`, `WinMain` and `wWinMain` are called as they want, and linked code that
    /// asks the system or the C runtime for the command line gets this one. A C++ exception that nobody in the program
    /// catches ends the process by `std::terminate`.
    ///
    /// # Errors
    /// As [`Jit::lookup`].
    ///
    /// # Safety
    /// Whoever added objects vouches for them: `entry` must be a function that can be called as `main`.
    pub unsafe fn run_main(&self, entry: &str, args: &[impl AsRef<OsStr>]) -> Result<i32> {
        let args: Vec<_> = args.iter().map(|arg| arg.as_ref().as_encoded_bytes().to_vec()).collect();
        self.session.executor().set_arguments(&args)?;
        let main = self.main.lookup_initialized(entry, Goal::LinkWithAllInitializers)?;
        let executor = self.session.executor();
        let form = self.session.platform().main_form(entry);
        // SAFETY: the caller's promise.
        Ok(unsafe { executor.call_main(main, form)? })
    }

    /// What was linked so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.session.statistics()
    }

    /// Runs the terminators and `atexit` functions of all JITDylibs and gives their memory back; see
    /// [`ExecutionSession::close`]. Without it that happens, but for the memory, when the process exits, if there is
    /// still a handle of the session then: dropping the last one gives the memory back and runs nothing.
    ///
    /// # Errors
    /// As for [`ExecutionSession::close`].
    ///
    /// # Safety
    /// No thread may be in the code, and nobody may use code or data of it afterwards.
    pub unsafe fn close(self) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.session.close() }
    }
}
