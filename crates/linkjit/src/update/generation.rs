//! Generations of updated objects, and rolling back to earlier ones.

use std::sync::Arc;

use linkjit_executor::AllocationId;
use linkjit_link::names::NameId;

use super::removed::Gone;
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::session::{DefinedBy, State, Updatable, Withdrawn};

/// The outcome of an update: the new generation of its objects. As long as it exists, the one before can come back.
///
/// Dropping it gives that up: the old code is retired then, see
/// [`ResourceTracker::retire`](crate::ResourceTracker::retire), and reclaimed by the next update or
/// [`ExecutionSession::reclaim`](crate::ExecutionSession::reclaim).
#[derive(Debug)]
#[must_use = "dropping it retires the old code"]
pub struct Generation {
    dylib: JitDylib,
    replaced: Vec<Replaced>,
}

/// An object that was replaced.
#[derive(Debug)]
pub(super) struct Replaced {
    pub(super) name: Arc<str>,
    pub(super) old: Withdrawn,
    pub(super) before: Updatable,
    pub(super) new: Updatable,
    /// Memory of variables that the new generation has from the old one.
    pub(super) moved: Vec<AllocationId>,
    /// The definitions that the object has not any more.
    pub(super) gone: Vec<Gone>,
}

impl Generation {
    pub(super) fn new(dylib: JitDylib, replaced: Vec<Replaced>) -> Self {
        Self { dylib, replaced }
    }

    /// Says how often the objects were replaced before, by name.
    #[must_use]
    pub fn numbers(&self) -> Vec<(&str, u64)> {
        self.replaced.iter().map(|replaced| (replaced.name.as_ref(), replaced.new.number)).collect()
    }

    /// The definitions that the objects had before and have not any more: functions, which fail when others call them, and variables.
    /// In the order of their names, object by object.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # use linkjit::SourceModule;
    /// # let compile = |text: &str| SourceModule::text("doc.c", text).compile();
    /// let jit = linkjit::Jit::host()?;
    /// jit.add_updatable_object(&compile("int step(void) { return 1; } int other(void) { return 2; }")?)?;
    /// let object = compile("int other(void) { return 3; }")?;
    /// // SAFETY: no thread is in the code.
    /// let generation = unsafe { jit.update().replace(&object).commit()? };
    /// let gone: Vec<_> = generation.gone().map(|gone| (gone.name.as_str(), gone.is_function)).collect();
    /// assert_eq!(gone, [("step", true)]);
    /// # Ok(()) }
    /// ```
    pub fn gone(&self) -> impl Iterator<Item = &Gone> {
        self.replaced.iter().flat_map(|replaced| &replaced.gone)
    }

    /// Goes back to the generation before: its functions are called again. Variables that were kept have the values
    /// that they have now, others those that they had then. No initializers are run. What it goes back from is retired.
    /// When the process exits, destructors of kept variables are not run.
    ///
    /// # Errors
    /// [`Error::Superseded`] if there are newer generations: go back from those before. [`Error::InUse`] as for
    /// [`Update::commit`](crate::Update::commit), [`Error::Duplicate`] if something else has been defined since that
    /// the old objects define. Then nothing has changed, and the old generation is given up.
    ///
    /// # Safety
    /// As for [`Update::commit`](crate::Update::commit).
    pub unsafe fn rollback(mut self) -> Result<()> {
        let session = self.dylib.session().clone();
        let _initializing = session.begin_initializing()?;
        let linking = session.begin_removing(|_| false)?;
        let (mut passed, mut jumps) = (Vec::new(), Vec::new());
        let slots = session.slots();
        {
            let mut state = session.state();
            let taken = self.check(&state)?;
            if let Some((name, first, second)) = taken {
                drop(state);
                let name = session.names().text(name).into_owned();
                return Err(Error::Duplicate { name, first, second });
            }
            for replaced in std::mem::take(&mut self.replaced).into_iter().rev() {
                let Replaced { name, old, before, new, moved, .. } = replaced;
                let functions = new.functions.clone();
                let withdrawn = state.withdraw(new.current)?;
                state.pass(&moved, new.current, before.current);
                // Functions that were new stay known: their stubs may be in use.
                let updatable = new.gone_back(before, old.objects());
                state.reinstate(old);
                jumps.extend(state.lazy_jumps(&self.dylib, &functions));
                state.inherit_withdrawn(&withdrawn);
                state.enter_updatable(self.dylib.id(), &name, updatable)?;
                state.supersede([new.current]);
                passed.push((new.current, moved));
            }
        }
        session.redirect_lazy(&jumps)?;
        drop(slots);
        session.forget_destructors(&self.dylib, &passed)?;
        session.reclaim_passed(&linking)?;
        Ok(())
    }

    /// An error if going back is not possible; or a name that is taken, by whom, and who had it.
    fn check(&self, state: &State) -> Result<Option<(NameId, String, String)>> {
        let dylib = state.dylib(self.dylib.id())?;
        for replaced in &self.replaced {
            let current = state.updatable(self.dylib.id(), &replaced.name)?.map(|updatable| updatable.current);
            if current != Some(replaced.new.current) {
                return Err(Error::Superseded { object: replaced.name.to_string() });
            }
        }
        let trackers: Vec<_> = self.replaced.iter().map(|replaced| replaced.new.current).collect();
        let mut users = state.users_of(&trackers)?;
        // Variables that other JITDylibs share, and of which the old objects have others.
        for Replaced { old, new, .. } in &self.replaced {
            let input = state.input(new.object);
            let is_variable = |by| match by {
                DefinedBy::Object(object, symbol) => {
                    object == new.object && input.is_some_and(|input| !input.graph.symbol(symbol).callable)
                }
                _ => false,
            };
            for (name, then) in old.linked() {
                let now = dylib.entry(name).filter(|entry| is_variable(entry.by));
                if let Some(now) = now.and_then(|entry| entry.address).filter(|now| *now != then) {
                    let bound = state.bound_elsewhere(self.dylib.id(), name, now);
                    users.extend(bound.into_iter().map(|object| (None, object)));
                }
            }
        }
        state.check_no_use(
            users.into_iter().map(|(_, object)| object).filter(|&object| state.object(object).is_some()),
        )?;
        for replaced in &self.replaced {
            if let Some(name) = state.check_reinstate(&replaced.old, &trackers)? {
                return Ok(Some((name, state.definer(self.dylib.id(), name), replaced.name.to_string())));
            }
        }
        Ok(None)
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        let replaced = std::mem::take(&mut self.replaced);
        let superseded = replaced.into_iter().map(|replaced| replaced.old.tracker);
        self.dylib.session().state().supersede(superseded);
    }
}
