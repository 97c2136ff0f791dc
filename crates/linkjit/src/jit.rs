//! The front door.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use linkjit_executor::{Executor, InProcess, MemoryProvider, SystemMemory};

use crate::compile::IrCompiler;
use crate::crt::CrtProvider;
use crate::error::Result;
use crate::generators::RuntimeGenerator;
use crate::jitdylib::JitDylib;
use crate::session::{ExecutionSession, Limits, LinkPolicy, MatchScope, SessionOptions};

/// A session with one JITDylib, `main`, that can refer to everything in its own process: what most programs want.
///
/// It is its main JITDylib with the process behind it, so it dereferences to a [`JitDylib`]: objects, archives and libraries
/// are [added](JitDylib::add_object) to that, and [`lookup`](JitDylib::lookup) links what is needed, runs initializers and
/// returns addresses. [`session`](JitDylib::session) gives access to all the rest.
#[derive(Debug)]
pub struct Jit {
    main: JitDylib,
    process: JitDylib,
}

/// Makes a [`Jit`] that differs from the usual one.
#[derive(Debug, Default)]
pub struct JitBuilder {
    options: SessionOptions,
    executor: Runs,
}

/// The place where linked code runs.
#[derive(Debug, Default)]
enum Runs {
    /// In this process, in memory of the system's.
    #[default]
    Usual,
    /// In this process, in memory of a provider.
    Here(Arc<dyn MemoryProvider>),
    /// In the process of an executor of the user's.
    In(Arc<dyn Executor>),
}

impl JitBuilder {
    /// The policy says how much of an object is linked when something of it is wanted.
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
    ///         jit.define(FunctionUnit::new(name, interface, move |responsibility| {
    ///             made_by.lock().unwrap().push(std::thread::current().id());
    ///             responsibility.define_absolute(name, ExecAddr(4096));
    ///             Ok(())
    ///         }))?;
    ///     }
    ///     // With threads the two are made at once, without them one after the other, here.
    ///     jit.link(&["a", "b"])?;
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

    /// Sets where linked code runs, if not in this process, or not in the usual way. It brings its runtime and the libraries of
    /// its process.
    #[must_use]
    pub fn executor(mut self, executor: Arc<dyn Executor>) -> Self {
        self.executor = Runs::In(executor);
        self
    }

    /// Sets where the memory of code comes from that is linked into this process, if not from the operating system.
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

    /// Sets where the C runtime comes from that objects for Windows are linked with; see [`CrtProvider`].
    #[must_use]
    pub fn crt(mut self, provider: CrtProvider) -> Self {
        self.options.crt = provider;
        self
    }

    /// Sets the compiler for LLVM IR; see [`IrCompiler`].
    ///
    /// ```no_run
    /// # fn main() -> linkjit::Result<()> {
    /// use linkjit::IrCompiler;
    /// use linkjit::llvm::{Llvm, OptLevel, Options};
    ///
    /// let mut options = Options::default();
    /// options.optimization = OptLevel::O0;
    /// let jit = linkjit::Jit::builder().ir_compiler(IrCompiler::new(Llvm::open()?, options)).build()?;
    /// jit.add_ir("program.ll")?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn ir_compiler(mut self, compiler: IrCompiler) -> Self {
        self.options.ir_compiler = Some(compiler);
        self
    }

    /// Has the session remember what is added, so that its executor [can be replaced](ExecutionSession::replace_executor).
    #[must_use]
    pub fn replaceable(mut self) -> Self {
        self.options.replaceable = true;
        self
    }

    /// The limits say how much there may be in the session.
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
            Runs::Usual => Arc::new(InProcess::with_memory(Arc::new(SystemMemory))?),
            Runs::Here(memory) => Arc::new(InProcess::with_memory(memory)?),
            Runs::In(executor) => executor,
        };
        let session = ExecutionSession::new(executor, self.options);
        let process = session.create_dylib("process")?;
        process.add_again(|process| {
            process.add_own_generator(Arc::new(RuntimeGenerator))?;
            process.session().platform().add_process_generators(process)
        })?;
        let main = session.create_dylib("main")?;
        main.add_to_link_order(&process, MatchScope::Exported)?;
        Ok(Jit { main, process })
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

    /// The main JITDylib, to which this dereferences.
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
        let dylib = self.session().create_dylib(name)?;
        dylib.add_to_link_order(&self.process, MatchScope::Exported)?;
        Ok(dylib)
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
        unsafe { self.session().close() }
    }
}

/// The main JITDylib gets what is added and defined, and is looked up in.
impl Deref for Jit {
    type Target = JitDylib;

    fn deref(&self) -> &JitDylib {
        &self.main
    }
}
