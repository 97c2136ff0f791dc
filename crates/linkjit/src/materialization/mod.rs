//! Definitions that are made when they are first needed.
//!
//! A [`MaterializationUnit`] promises names. When a lookup needs one of them, the unit is *materialized*: it makes
//! objects or other definitions and hands them to its [`MaterializationResponsibility`]. That is user code and may take
//! long, for it may compile. So it runs with no lock held, several units at a time, on the threads of the lookups that
//! need them and on those of the session (`session/pool.rs`). Linking comes afterwards and waits for no
//! materialization, hence two lookups that need each other's symbols can't block each other. The session knows which
//! agent materializes which unit (`session/progress.rs`).

mod ahead;
mod responsibility;
mod units;

pub use responsibility::MaterializationResponsibility;
pub(crate) use responsibility::run;
pub use units::{AbsoluteSymbols, FunctionUnit, SymbolAliases};

use std::fmt;

use linkjit_link::names::NamePool;

use crate::error::Result;
use crate::session::job::Job;
use crate::session::{DylibId, ExecutionSession, Maker, ObjectId, Promised, State, SymbolFlags, TrackerId};
use crate::symbol_name::SymbolName;

/// The promise of a unit.
#[derive(Clone, Debug, Default)]
pub struct UnitInterface {
    pub(crate) symbols: Vec<(SymbolName, SymbolFlags)>,
    pub(crate) initializers: bool,
}

impl UnitInterface {
    /// It will define these names.
    pub fn new<N: Into<SymbolName>>(symbols: impl IntoIterator<Item = (N, SymbolFlags)>) -> Self {
        let symbols = symbols.into_iter().map(|(name, flags)| (name.into(), flags)).collect();
        Self { symbols, initializers: false }
    }

    /// It has initializers, too: it is materialized when its JITDylib is initialized, whether or not somebody wants one
    /// of its names.
    #[must_use]
    pub fn with_initializers(self) -> Self {
        Self { initializers: true, ..self }
    }

    /// The names.
    #[must_use]
    pub fn symbols(&self) -> &[(SymbolName, SymbolFlags)] {
        &self.symbols
    }

    /// Says whether it has initializers.
    #[must_use]
    pub fn has_initializers(&self) -> bool {
        self.initializers
    }
}

/// Definitions that are made when one of them is needed: see [`JitDylib::define`](crate::JitDylib::define).
///
/// A unit is materialized as a whole, once. One that never is is dropped with what owns it. It is the session's until
/// then: a handle of the session or of one of its JITDylibs in it would keep both for ever. The responsibility has one,
/// and for other JITDylibs there are [weak ones](crate::WeakJitDylib).
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// use linkjit::{ExecAddr, MaterializationResponsibility, MaterializationUnit, SymbolFlags, SymbolName, UnitInterface};
///
/// /// Numbers that are computed when somebody wants one.
/// #[derive(Debug)]
/// struct Squares(Vec<u64>);
///
/// impl MaterializationUnit for Squares {
///     fn name(&self) -> String {
///         "squares".into()
///     }
///
///     fn interface(&self) -> UnitInterface {
///         UnitInterface::new(self.0.iter().map(|n| (format!("square_{n}"), SymbolFlags::DATA.weak())))
///     }
///
///     fn materialize(self: Box<Self>, responsibility: MaterializationResponsibility) {
///         responsibility.complete_with(|responsibility| {
///             for n in self.0 {
///                 responsibility.define_absolute(format!("square_{n}"), ExecAddr(n * n));
///             }
///             Ok(())
///         });
///     }
///
///     fn discard(&mut self, name: &SymbolName) {
///         self.0.retain(|n| *name != *format!("square_{n}"));
///     }
/// }
///
/// let jit = linkjit::Jit::host()?;
/// jit.define(Squares(vec![2, 3, 4]))?;
/// // A strong definition beats a weak one that nobody has looked up.
/// jit.define_absolute("square_3", ExecAddr(10))?;
/// assert_eq!(jit.link(&["square_2", "square_3"])?, [ExecAddr(4), ExecAddr(10)]);
/// # Ok(()) }
/// ```
pub trait MaterializationUnit: fmt::Debug + Send {
    /// The name in messages.
    fn name(&self) -> String;

    /// The names that it will define. Asked once, when it is added.
    fn interface(&self) -> UnitInterface;

    /// Makes the definitions and hands them to `responsibility`, in the end with
    /// [`complete`](MaterializationResponsibility::complete). That may be done later, by another thread: who needs the
    /// definitions waits. Runs without any lock held, and may look up names.
    fn materialize(self: Box<Self>, responsibility: MaterializationResponsibility);

    /// Says whether it is of use for another process, so that a session that is [given another
    /// executor](ExecutionSession::replace_executor) has it again if it is not materialized yet. One that knows addresses is
    /// not.
    fn outlives_executor(&self) -> bool {
        true
    }

    /// Another definition has taken this name: it is not to be defined any more. Called before
    /// [`materialize`](Self::materialize), for each such name.
    fn discard(&mut self, name: &SymbolName) {
        let _ = name;
    }
}

impl ExecutionSession {
    /// Adds a unit that is materialized when it is needed; if it `is_noted`, again for each further executor.
    pub(crate) fn define(
        &self,
        dylib: DylibId,
        tracker: TrackerId,
        unit: Box<dyn MaterializationUnit>,
        is_noted: bool,
    ) -> Result<()> {
        self.keep_names();
        let is_noted = is_noted && self.notes_additions() && unit.outlives_executor();
        let promised = self.promised(&*unit, &unit.interface());
        let names: Vec<_> = promised.symbols.iter().map(|&(name, _)| name).collect();
        // Dropped with everything unlocked, if it is not taken.
        let mut maker: Option<Box<dyn Maker>> = Some(Box::new(unit));
        self.define_with(dylib, names, Vec::clone, |state, pool, _| {
            let added = state.define_pending(dylib, tracker, &mut maker, promised, pool)?;
            if let Some(added) = added {
                self.progress().add(Job::Unit(added));
                if is_noted {
                    self.note_unit(dylib, tracker, added);
                }
            }
            Ok(())
        })?;
        if is_noted {
            self.forget_removed_additions();
        }
        Ok(())
    }

    /// Adds a unit with names and tables locked; nothing is noted of it.
    pub(crate) fn define_unit(
        &self,
        state: &mut State,
        (dylib, tracker): (DylibId, TrackerId),
        unit: Box<dyn MaterializationUnit>,
        promised: Promised,
        names: &NamePool,
    ) -> Result<Option<ObjectId>> {
        let mut maker: Option<Box<dyn Maker>> = Some(Box::new(unit));
        let added = state.define_pending(dylib, tracker, &mut maker, promised, names)?;
        added.into_iter().for_each(|added| self.progress().add(Job::Unit(added)));
        Ok(added)
    }

    /// Hands names that a unit has promised to another unit.
    pub(crate) fn delegate(
        &self,
        from: ObjectId,
        unit: Box<dyn MaterializationUnit>,
        interface: &UnitInterface,
    ) -> Result<()> {
        let promised = self.promised(&*unit, interface);
        let outlives_executor = unit.outlives_executor();
        let mut state = self.state();
        let delegated = state.delegate(from, Box::new(unit), promised);
        if let Ok(added) = delegated {
            self.progress().add(Job::Unit(added));
            if outlives_executor {
                self.note_delegated(from, added);
            }
        }
        drop(state);
        delegated.map(drop).map_err(|(error, _)| error)
    }

    pub(crate) fn promised(&self, unit: &dyn MaterializationUnit, interface: &UnitInterface) -> Promised {
        let name = unit.name().into();
        let mut pool = self.names();
        let symbols = interface.symbols.iter().map(|(name, flags)| (pool.intern(name), *flags)).collect();
        Promised { name, symbols, has_roots: interface.initializers }
    }
}
