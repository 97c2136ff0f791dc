//! Redirectable symbols: functions whose implementation can be swapped.

use linkjit_executor::{ExecAddr, Jump};
use linkjit_link::names::NameId;

use super::stubs::{StubName, Stubs};
use crate::batch::Goal;
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::lookup::look_up;
use crate::session::{Address, ObjectId};

/// A function of a JITDylib whose implementation can be swapped while it is in use.
///
/// Its address never changes: callers that are linked and pointers that were taken follow each swap. It is gone when
/// what it was defined with is removed; dropping this handle changes nothing.
#[derive(Clone, Debug)]
pub struct RedirectableSymbol {
    dylib: JitDylib,
    object: ObjectId,
    name: NameId,
    slot: NameId,
}

impl JitDylib {
    /// Defines a function that is implemented at `initial`, until it is redirected.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # use linkjit::ExecAddr;
    /// extern "C" fn one() -> i32 {
    ///     1
    /// }
    /// extern "C" fn two() -> i32 {
    ///     2
    /// }
    /// let jit = linkjit::Jit::host()?;
    /// let symbol = jit.define_redirectable("number", ExecAddr::from_ptr(one as *const ()))?;
    /// // SAFETY: its type.
    /// let number = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> i32>("number")? };
    /// // SAFETY: as above.
    /// assert_eq!(unsafe { number() }, 1);
    /// symbol.redirect(ExecAddr::from_ptr(two as *const ()))?;
    /// // SAFETY: as above.
    /// assert_eq!(unsafe { number() }, 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If something else defines the name, or `initial` is null.
    pub fn define_redirectable(&self, name: impl AsRef<[u8]>, initial: ExecAddr) -> Result<RedirectableSymbol> {
        let name = name.as_ref();
        if initial.is_null() {
            let name = String::from_utf8_lossy(name);
            return Err(Error::unsupported(format!("redirectable symbol '{name}': its implementation is null")));
        }
        self.session().keep_names();
        let owner = self.owner()?;
        let mut stubs = Stubs::new(self.session().new_graph("a redirectable symbol"))?;
        let (id, slot) = {
            let mut names = self.session().names();
            let id = names.intern(name);
            (id, stubs.add(&mut names, StubName::exported(id), initial)?)
        };
        let graph = stubs.finish();
        self.session().define_graph_with(self.id(), graph, |state, names, graph| {
            let (object, _) = state.define_object(self.id(), owner, graph, names)?;
            Ok(RedirectableSymbol { dylib: self.clone(), object, name: id, slot })
        })
    }
}

impl RedirectableSymbol {
    /// Makes all calls go to `implementation` from now on. Calls that were made before may still be in the code they
    /// went to, and a thread may be just about to jump there: that code must stay until no thread can be in it.
    ///
    /// # Errors
    /// If the symbol was removed, or `implementation` is null.
    pub fn redirect(&self, implementation: ExecAddr) -> Result<()> {
        let slot = self.place(self.slot)?;
        self.dylib.session().executor().redirect(&[Jump { slot, to: implementation }])?;
        Ok(())
    }

    /// The address of the function, which stays the same.
    ///
    /// # Errors
    /// If the symbol was removed.
    pub fn address(&self) -> Result<ExecAddr> {
        self.place(self.name)
    }

    /// Finds a symbol of ours; links it if need be.
    fn place(&self, name: NameId) -> Result<ExecAddr> {
        let session = self.dylib.session();
        // Somebody else may have defined the name again.
        if session.state().object(self.object).is_none() {
            return Err(Error::TrackerRemoved);
        }
        match look_up(session, self.dylib.id(), &[name], Goal::Link)?.first() {
            Some(&Address::At(address)) => Ok(address),
            _ => Err(Error::TrackerRemoved),
        }
    }
}
