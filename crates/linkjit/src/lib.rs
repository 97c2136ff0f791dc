//! linkjit: native object code, callable inside a running process.
//!
//! ```no_run
//! # fn main() -> linkjit::Result<()> {
//! let jit = linkjit::Jit::host()?;
//! jit.add_object_file("add.o")?;
//! // SAFETY: add.o defines `int add(int, int)`.
//! let add = unsafe { jit.lookup_fn::<unsafe extern "C" fn(i32, i32) -> i32>("add")? };
//! // SAFETY: as above; `jit` is alive.
//! assert_eq!(unsafe { add(2, 3) }, 5);
//! # Ok(()) }
//! ```
//!
//! How data flows: objects become link graphs when they are added to a [`JitDylib`], which then knows what they
//! define. A lookup is one link job: the definitions it needs are found in the link order and pulled from archives and
//! libraries, placed together in the JITDylib's window of addresses, fixed up, finalized, published; then pending
//! initializers run. [`Jit`] is the front door; [`ExecutionSession`] is what it stands on.
//!
//! The linker is `linkjit-link`, the process that runs the code is `linkjit-executor`; they meet only here.

mod batch;
mod compile;
mod error;
mod generators;
mod jit;
mod jitdylib;
mod lazy;
mod lookup;
mod materialization;
mod names;
mod platform;
mod plugin;
mod session;
mod update;

pub use compile::{Compiler, SystemCompiler};
pub use error::{Dependent, Error, NotKept, Result, UndefinedSymbol};
pub use generators::{
    DefinitionGenerator, FilteredGenerator, FunctionGenerator, ReexportsGenerator, Wanted, member_source,
};
pub use jit::{Jit, JitBuilder};
pub use jitdylib::{JitDylib, MatchScope};
pub use lazy::{LazyFailure, LazyFailureHandler, RedirectableSymbol};
pub use lookup::{LookupFuture, LookupKind, SymbolLookupSet};
pub use materialization::{
    AbsoluteSymbols, FunctionUnit, MaterializationResponsibility, MaterializationUnit, SymbolAliases, SymbolFlags,
    UnitInterface,
};
pub use names::demangle;
pub use plugin::{LinkedAllocation, PassLists, Plugin, PluginId, Stage};
pub use session::{
    BatchTimes, ExecutionSession, Guard, Limits, LinkPolicy, MemoryUse, ResourceTracker, SessionOptions, Statistics,
};

pub use update::{Generation, Update};

pub use linkjit_executor as executor;
pub use linkjit_executor::ExecAddr;
pub use linkjit_link as link;
