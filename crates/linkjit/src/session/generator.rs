//! The interface through which a session asks generators for definitions that nobody has added.

use std::fmt;
use std::sync::Arc;

use linkjit_executor::LibraryId;
use linkjit_executor::fork::Held;
use linkjit_link::object::archive::Archive;

#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::jitdylib::JitDylib;

/// On whose behalf names are looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LookupKind {
    /// A linker's: the link order is searched as for a reference in code, members of archives are pulled.
    #[default]
    Static,
    /// A running program's, as by `dlsym`: only what is there is found, so that archives are not searched, and only
    /// what is exported.
    Dlsym,
}

/// A name that a lookup wants and has not found yet.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The name as the linker knows it.
    pub name: &'a [u8],
    /// Code refers to it as a thread-local variable.
    pub thread_local: bool,
    /// It may stay missing. Static archives are not searched for such names, as with other linkers.
    pub weak: bool,
    /// Says whether a linker or a running program wants it: archives give nothing to `dlsym`.
    pub kind: LookupKind,
}

/// Adds definitions to a JITDylib when a lookup wants them.
///
/// Generators are asked in the order in which they were added, for the names that were not found before, without any
/// lock held: they may take their time, define more than they were asked for, and look up names. Not knowing a name is
/// no error: the search goes on. An error ends the lookup.
///
/// A generator is asked by one lookup at a time, which then sees what was defined for the others, and at most once for
/// a name by each. If it is asked because of a lookup that it makes itself, then not for the names that it is just
/// asked for. Two generators that wait for each other's answers get an error ([`Error::WaitsForItself`]).
///
/// A generator is the session's: a handle of the session or of a JITDylib in it would keep both for ever. It is given
/// the JITDylib that it is to define in; for others there are [weak handles](crate::WeakJitDylib).
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// use std::sync::Arc;
/// use linkjit::{DefinitionGenerator, ExecAddr, JitDylib, Result, Wanted};
///
/// /// Knows `register_0` to `register_99`.
/// #[derive(Debug)]
/// struct Registers(u64);
///
/// impl DefinitionGenerator for Registers {
///     fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<()> {
///         for wanted in names {
///             let name = String::from_utf8_lossy(wanted.name);
///             let number = name.strip_prefix("register_").and_then(|number| number.parse().ok());
///             if let Some(number @ 0..100) = number {
///                 dylib.define_absolute(wanted.name, ExecAddr(self.0 + 4 * number))?;
///             }
///         }
///         Ok(())
///     }
///
///     fn describe(&self) -> String {
///         "the registers".into()
///     }
/// }
///
/// let jit = linkjit::Jit::host()?;
/// jit.add_generator(Arc::new(Registers(0x1000)))?;
/// assert_eq!(jit.lookup("register_3")?, ExecAddr(0x100c));
/// // The error says who was asked.
/// assert!(jit.lookup("register_100").unwrap_err().to_string().contains("the registers"));
/// # Ok(()) }
/// ```
pub trait DefinitionGenerator: fmt::Debug + Send + Sync {
    /// Defines those of `names` that it knows in `dylib`. It may define more.
    ///
    /// # Errors
    /// If a definition exists and can't be had.
    fn generate(&self, dylib: &JitDylib, names: &[Wanted<'_>]) -> Result<()>;

    /// The name in messages: `libfoo.so`, `liba.a and 2 more archives`.
    fn describe(&self) -> String;

    /// The libraries of the executor that it takes definitions from, as far as they are open: variables and functions
    /// that C++ has wherever they are used, and once in a process, are theirs if they export them.
    fn libraries(&self) -> Vec<LibraryId> {
        Vec::new()
    }
}

/// A generator that further archives may join.
pub(crate) trait Archives: DefinitionGenerator {
    /// Adds an archive behind the others.
    fn add(&self, archive: Archive) -> Result<()>;

    /// Says whether there are no archives.
    fn is_empty(&self) -> bool;

    /// Takes its lock for a fork.
    fn hold(self: Arc<Self>, held: &mut Held) -> bool;
}
