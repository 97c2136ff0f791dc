//! Materializing units before somebody needs them, on the session's threads.

use std::sync::{Arc, Mutex};
use std::thread::available_parallelism;

use super::run;
use crate::jitdylib::JitDylib;
use crate::session::{ExecutionSession, ObjectId, lock};

/// The units that are left, for all threads.
type Units = Arc<Mutex<std::vec::IntoIter<ObjectId>>>;

impl JitDylib {
    /// Has the session's threads materialize the units that are here and wait for somebody who needs them, in the order in
    /// which they were added, and returns at once: functions of [lazy IR](JitDylib::add_lazy_ir) are compiled while the
    /// program runs. A lookup that needs one that is being made waits for it. Errors are told when somebody needs the unit.
    ///
    /// If the session has [no threads](crate::SessionOptions::threads), nothing is done.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// use linkjit::{ExecAddr, FunctionUnit, SymbolFlags, UnitInterface};
    ///
    /// let jit = linkjit::Jit::host()?;
    /// let (made, is_made) = std::sync::mpsc::channel();
    /// let interface = UnitInterface::new([("answer", SymbolFlags::DATA)]);
    /// jit.define(FunctionUnit::new("answer", interface, move |responsibility| {
    ///     made.send(()).unwrap();
    ///     responsibility.define_absolute("answer", ExecAddr(42));
    ///     Ok(())
    /// }))?;
    /// jit.materialize_ahead();
    /// // Nobody has asked for it.
    /// is_made.recv().unwrap();
    /// # Ok(()) }
    /// ```
    pub fn materialize_ahead(&self) {
        let session = self.session();
        let units = session.state().units_waiting(self.id());
        let threads = session.options().threads.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
        let threads = threads.min(units.len());
        let units = Arc::new(Mutex::new(units.into_iter()));
        (0..threads).for_each(|_| go_on(session, units.clone()));
    }
}

/// Has a thread make one unit, and then go on: lookups that need other units come between.
fn go_on(session: &ExecutionSession, units: Units) {
    let weak = session.downgrade();
    // Without threads it is not done.
    let _none = session.pool().spawn(move || {
        let next = || lock(&units).next();
        if let (Some(session), Some(unit)) = (weak.upgrade(), next()) {
            run(&session, unit);
            go_on(&session, units);
        }
    });
}
