//! linkjit: native object code, callable inside a running process.
//!
//! ```no_run
//! # fn main() -> linkjit::Result<()> {
//! let jit = linkjit::Jit::host()?;
//! jit.add_object("add.o")?;
//! // SAFETY: add.o defines `int add(int, int)`.
//! let add = unsafe { jit.lookup_fn::<unsafe extern "C" fn(i32, i32) -> i32>("add")? };
//! // SAFETY: as above; `jit` is alive.
//! assert_eq!(unsafe { add(2, 3) }, 5);
//! # Ok(()) }
//! ```
//!
//! How data flows: objects become link graphs when they are added to a [`JitDylib`], which then knows what they define.
//! A lookup is one link job: the definitions that it needs are found in the link order, in archives and in libraries,
//! placed together in the JITDylib's windows of addresses, fixed up, finalized and published. Lookups of [`Jit`], the
//! front door, then run pending initializers. `Jit` builds on [`ExecutionSession`].
//!
//! From here: [`JitDylib`] for more than one set of definitions; [`ResourceTracker`] to remove objects;
//! [`MaterializationUnit`] and [`DefinitionGenerator`] for definitions that are made or searched on demand;
//! [`JitDylib::add_lazy_object`] for functions that are linked when they are called; [`JitDylib::update`] to replace
//! running code; [`Plugin`] to look into links and change them; [`Error`] for all errors. Errors leave the session as
//! it was. Everything is `Send + Sync`, and all methods may be called from several threads at once.
//!
//! # Opening JITDylibs
//!
//! Linked code that opens a shared library under the name of a JITDylib gets the JITDylib: `dlopen`, `dlsym`, `dlvsym`,
//! `dladdr`, `dlclose` and `dlerror` know these names, on Windows `LoadLibrary` and its kin; all others are the system's. See
//! `docs/opening.md`.
//!
//! The linker is `linkjit-link`, the process that runs the code is `linkjit-executor`; they meet only here.

mod batch;
mod compile;
mod crt;
mod definitions;
mod error;
mod error_kind;
mod generators;
pub mod graph;
mod host_functions;
mod jit;
mod jitdylib;
mod lazy;
mod lookup;
mod materialization;
mod names;
pub mod object;
mod opening;
mod platform;
mod plugin;
mod session;
mod source;
mod symbol;
mod symbol_name;
mod update;

pub use compile::{
    CacheKey, CachedCompiler, Code, CompiledModule, Compiler, IrCompiler, Language, ObjectCache, OptLevel,
    SourceModule, SystemCompiler,
};
pub use crt::{CrtProvider, developers_directories};
pub use error::{Dependent, Error, NotKept, Result, Root, RootKind, UndefinedSymbol};
pub use error_kind::ErrorKind;
pub use generators::{FilteredGenerator, FunctionGenerator, ReexportsGenerator};
pub use jit::{Jit, JitBuilder};
pub use jitdylib::JitDylib;
pub use lazy::{RedirectableSymbol, split_lazy_object};
pub use lookup::{LookupFuture, SymbolLookupSet};
pub use materialization::{
    AbsoluteSymbols, FunctionUnit, MaterializationResponsibility, MaterializationUnit, SymbolAliases, UnitInterface,
};
pub use names::demangle;
pub use platform::elf_libraries::system_library_directories;
pub use plugin::{LinkedAllocation, PassLists, Plugin, PluginId, Stage};
pub use session::{
    BatchTimes, DefinedSymbol, DefinitionGenerator, ExecutionSession, Guard, LazyFailure, LazyFailureHandler, Limits,
    LinkPolicy, LookupKind, MatchScope, MemoryUse, ResourceTracker, SessionOptions, Statistics, SymbolAt, SymbolFlags,
    Wanted, WeakJitDylib,
};
pub use source::IntoSource;
pub use symbol::Symbol;
pub use symbol_name::SymbolName;
pub use update::{Generation, Gone, Update};

pub use linkjit_executor as executor;
pub use linkjit_executor::{
    AllocationId, ExecAddr, ExecRange, Executor, ExecutorError, HostFunction, HostResult, HostValue, LibraryId,
    MemoryProvider,
};
pub use linkjit_link::graph::{BlockId, LinkGraph, Linkage, Scope};
pub use linkjit_link::names::NamePool;
pub use linkjit_link::source::Source;
pub use linkjit_link::{LinkError, Site};
pub use linkjit_llvm as llvm;
