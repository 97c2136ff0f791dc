//! The responsibility of a unit: what the session hands to it when it is materialized, and how it delivers.

use std::fmt;
use std::sync::Arc;

use linkjit_executor::ExecAddr;
use linkjit_link::graph::LinkGraph;
use linkjit_link::names::NameId;
use linkjit_link::object;

use super::MaterializationUnit;
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::session::job::{self, AtJob, Job};
use crate::session::{Direct, ExecutionSession, Maker, ObjectId, SymbolFlags, Taken};
use crate::source::IntoSource;
use crate::symbol_name::SymbolName;

/// The task of a unit that is materialized: deliver the definitions that it has promised.
///
/// What is delivered is seen by nobody before [`complete`](Self::complete) has found that all promises are kept; then
/// it is seen at once. Dropping it before, as a panic does, fails the unit: lookups that need it get an error, and its
/// names are free again.
#[must_use]
pub struct MaterializationResponsibility {
    dylib: JitDylib,
    unit: ObjectId,
    name: Arc<str>,
    symbols: Vec<(SymbolName, SymbolFlags)>,
    requested: Vec<SymbolName>,
    graphs: Vec<LinkGraph>,
    direct: Vec<(NameId, Direct)>,
    is_over: bool,
}

impl MaterializationResponsibility {
    /// The JITDylib that the definitions are for.
    #[must_use]
    pub fn dylib(&self) -> &JitDylib {
        &self.dylib
    }

    /// The name of the unit in messages.
    #[must_use]
    pub fn unit_name(&self) -> &str {
        &self.name
    }

    /// The names that are to be delivered: those that the unit has promised, but for those that others define by now
    /// and those that were delegated.
    #[must_use]
    pub fn symbols(&self) -> &[(SymbolName, SymbolFlags)] {
        &self.symbols
    }

    /// Those of them that lookups are known to want. More may come.
    #[must_use]
    pub fn requested(&self) -> &[SymbolName] {
        &self.requested
    }

    /// Delivers a relocatable object. It may define more than was promised; what it defines must agree with what was
    /// promised in linkage and visibility.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn add_object(&mut self, object: impl IntoSource) -> Result<()> {
        let graph = object::read(&object.into_source()?, &mut self.session().names())?;
        self.graphs.push(graph);
        Ok(())
    }

    /// Delivers a link graph, as [`add_object`](Self::add_object).
    pub fn add_graph(&mut self, mut graph: LinkGraph) {
        graph.forget_live();
        self.graphs.push(graph);
    }

    /// Delivers a name as an address.
    pub fn define_absolute(&mut self, name: impl AsRef<[u8]>, address: ExecAddr) {
        let name = self.session().names().intern(name.as_ref());
        self.direct.push((name, Direct::Absolute(address)));
    }

    /// Delivers a name as another name for `target`, which is searched from `from`.
    ///
    /// # Errors
    /// If `from` is another session's, or the name would be its own target.
    pub fn define_alias(&mut self, name: impl AsRef<[u8]>, from: &JitDylib, target: impl AsRef<[u8]>) -> Result<()> {
        let (name, target) = (name.as_ref(), target.as_ref());
        self.dylib.check_session(from)?;
        if from.id() == self.dylib.id() && name == target {
            return Err(Error::AliasCycle { name: String::from_utf8_lossy(name).into_owned() });
        }
        let mut names = self.session().names();
        let (name, target) = (names.intern(name), names.intern(target));
        drop(names);
        self.direct.push((name, Direct::Alias(from.id(), target)));
        Ok(())
    }

    /// Hands names over to another unit, at once: they are that unit's from now on, to be materialized when somebody
    /// wants them, whatever becomes of this one. A unit replaces itself by delegating all that it has.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// use linkjit::{AbsoluteSymbols, ExecAddr, FunctionUnit, SymbolFlags, UnitInterface};
    ///
    /// let jit = linkjit::Jit::host()?;
    /// let names = [("one", 1), ("two", 2), ("three", 3)];
    /// let interface = UnitInterface::new(names.map(|(name, _)| (name, SymbolFlags::DATA)));
    /// jit.define(FunctionUnit::new("numbers", interface, move |responsibility| {
    ///     for (name, value) in names {
    ///         if responsibility.requested().iter().any(|wanted| wanted == name) {
    ///             responsibility.define_absolute(name, ExecAddr(value));
    ///         } else {
    ///             // Later, if ever.
    ///             let later = AbsoluteSymbols::new([(name, ExecAddr(value), SymbolFlags::DATA)]);
    ///             responsibility.delegate(Box::new(later))?;
    ///         }
    ///     }
    ///     Ok(())
    /// }))?;
    /// assert_eq!(jit.link(&["two"])?, [ExecAddr(2)]);
    /// assert_eq!(jit.link(&["one", "three"])?, [ExecAddr(1), ExecAddr(3)]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the other unit's interface has names that are not this one's to deliver, or what owns this was removed.
    pub fn delegate(&mut self, unit: Box<dyn MaterializationUnit>) -> Result<()> {
        let interface = unit.interface();
        self.session().delegate(self.unit, unit, &interface)?;
        let given = |name: &SymbolName| interface.symbols.iter().any(|(other, _)| other == name);
        self.symbols.retain(|(name, _)| !given(name));
        self.requested.retain(|name| !given(name));
        Ok(())
    }

    /// Ends the materialization: what was delivered is defined from now on, if it is all that was promised.
    ///
    /// # Errors
    /// [`Error::Promise`] if a promise was not kept, [`Error::Duplicate`] if something was delivered that others
    /// define, [`Error::TrackerRemoved`] if what owns the unit was removed meanwhile. Then nothing of it is defined,
    /// and lookups that need it get the same error.
    pub fn complete(mut self) -> Result<()> {
        self.is_over = true;
        let (graphs, direct) = (std::mem::take(&mut self.graphs), std::mem::take(&mut self.direct));
        // Delivering may have to wait for a batch.
        let _at_job = self.begin().ok();
        let delivered = self.session().deliver(self.unit, graphs, &direct);
        self.end(delivered.clone());
        delivered
    }

    /// Ends the materialization with an error. Lookups that need the unit get it; its names are free again.
    pub fn fail(mut self, error: Error) {
        self.is_over = true;
        self.end(Err(error));
    }

    /// Ends the materialization as [`complete`](Self::complete) if `deliver` is content, else as [`fail`](Self::fail).
    pub fn complete_with(mut self, deliver: impl FnOnce(&mut Self) -> Result<()>) {
        match deliver(&mut self) {
            // Whoever needs it is told.
            Ok(()) => _ = self.complete(),
            Err(error) => self.fail(error),
        }
    }

    /// Notes that this agent is at it.
    pub(crate) fn begin(&self) -> Result<AtJob<'_>> {
        job::begin(self.session(), Job::Unit(self.unit), Vec::new())
    }

    fn session(&self) -> &ExecutionSession {
        self.dylib.session()
    }

    fn end(&self, outcome: Result<()>) {
        let outcome = outcome.map_err(|error| Error::Materialization {
            unit: self.name.to_string(),
            symbols: self.symbols.iter().map(|(name, _)| name.text().into_owned()).collect(),
            error: Box::new(error),
        });
        if outcome.is_err() {
            // Others may inherit names, whose graphs no batch must have. If it can't be waited for, so be it.
            let _at_job = self.begin().ok();
            let _linking = self.session().begin_linking();
            self.session().state().fail_pending(self.unit);
        }
        self.session().progress().end(Job::Unit(self.unit), &outcome);
    }
}

impl Drop for MaterializationResponsibility {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(Err(Error::Abandoned));
        }
    }
}

impl fmt::Debug for MaterializationResponsibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaterializationResponsibility").field("unit", &self.name).finish_non_exhaustive()
    }
}

/// Materializes a unit on this thread, unless somebody else has begun to.
pub(crate) fn run(session: &ExecutionSession, unit: ObjectId) {
    let progress = session.progress();
    if !progress.start(Job::Unit(unit)) {
        return;
    }
    let (taken, is_of_others) = {
        let mut state = session.state();
        (state.take_pending(unit), state.is_of_others(unit))
    };
    let Some((maker, taken)) = taken else {
        // Just now it was removed, or has got another number because the executor is replaced: lookups find that.
        let outcome = if is_of_others { Ok(()) } else { Err(Error::TrackerRemoved) };
        progress.end(Job::Unit(unit), &outcome);
        return;
    };
    maker.make(session, taken);
}

impl Maker for Box<dyn MaterializationUnit> {
    fn make(mut self: Box<Self>, session: &ExecutionSession, taken: Taken) {
        let text = |names: &[NameId]| -> Vec<SymbolName> {
            let pool = session.names();
            names.iter().map(|&name| pool.bytes(name).into()).collect()
        };
        let (names, flags): (Vec<_>, Vec<_>) = taken.symbols.into_iter().unzip();
        let responsibility = MaterializationResponsibility {
            dylib: JitDylib::new(session.clone(), taken.dylib),
            unit: taken.object,
            name: taken.name,
            symbols: text(&names).into_iter().zip(flags).collect(),
            requested: text(&taken.requested),
            graphs: Vec::new(),
            direct: Vec::new(),
            is_over: false,
        };
        let _at_job = match job::begin(session, Job::Unit(taken.object), Vec::new()) {
            Ok(at_job) => at_job,
            Err(error) => return responsibility.fail(error),
        };
        for name in text(&taken.discarded) {
            self.discard(&name);
        }
        self.materialize(responsibility);
    }
}
