//! A batch: one lookup as one link job.
//!
//! [`find`] collects the graphs that the wanted names reach. [`place`] gives them all memory at once, by [`domains`],
//! and writes and finalizes it. Then the batch publishes the addresses. A batch that fails puts everything back: nobody
//! sees what it defined, its memory is given back, and the lookup can be tried again. A batch that needs something that
//! takes longer than a batch may does the same: see [`crate::lookup`].

mod allocator;
mod alternates;
mod compiler_runtime;
mod default_libraries;
mod direct;
mod domains;
mod find;
mod image;
mod missing;
mod place;
mod plugins;
mod publish;
mod query;
mod roots;
mod special;
mod uses;
mod vague;
mod walked;

use std::time::Instant;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use linkjit_link::graph::SymbolId;
use linkjit_link::input::Binding;
use linkjit_link::link::Inputs;
use linkjit_link::names::NameId;

use crate::error::Result;
use crate::plugin::Stage;
use crate::session::{
    Address, DylibId, Entry, ExecutionSession, Inheritance, ObjectId, Pulled, Rebound, Roots, Statistics,
};

pub(crate) use find::Unfound;
use plugins::Plugins;
pub(crate) use query::{Ask, Goal, Query, Work};

/// The outcome of trying to link.
pub(crate) enum Attempt {
    /// The definitions of the names, in their order, by the names that they have where they are.
    Done(Vec<Option<(NameId, Entry)>>),
    /// Something has to be done before.
    Needs(Work),
}

/// Links what a lookup wants, if everything for it is at hand. What was pulled for it is forgotten if it fails.
pub(crate) fn attempt(session: &ExecutionSession, query: &mut Query) -> Result<Attempt> {
    let _linking = session.begin_linking()?;
    let attempted = (|| {
        let plugins = if query.goal == Goal::Find { Vec::new() } else { session.plugins() };
        let plugins = Plugins::new(plugins);
        if !plugins.is_empty() && (session.has_unfinished_jobs() || session.state().has_users_generators()) {
            // Without plugins, which should see a graph once; what they want themselves is seen to later.
            let mut scout = Batch::new(session, Plugins::default(), query);
            scout.find()?;
            if !scout.work.is_empty() {
                if scout.work.asks.is_empty() {
                    scout.report_missing(false)?;
                }
                return Ok(Attempt::Needs(scout.suspend()));
            }
        }
        Batch::new(session, plugins, query).link()
    })();
    if attempted.is_err() {
        session.state().forget_unused(std::mem::take(&mut query.pulled));
    }
    attempted
}

/// Finds what names need that a lookup has awaited: searching only from there is less than searching all anew, for a chain of
/// objects that are found one by one.
pub(crate) fn search_on(
    session: &ExecutionSession,
    query: &mut Query,
    mut awaited: Vec<(DylibId, NameId)>,
) -> Result<Work> {
    let _linking = session.begin_linking()?;
    awaited.sort_unstable();
    let mut batch = Batch::new(session, Plugins::default(), query);
    batch.find_awaited(&awaited)?;
    Ok(batch.suspend())
}

/// The addresses if there is nothing to link.
pub(crate) fn already_linked(
    session: &ExecutionSession,
    dylib: DylibId,
    names: &[NameId],
    goal: Goal,
) -> Result<Option<Vec<Address>>> {
    let mut state = session.state();
    state.dylib(dylib)?;
    if let Some(which) = goal.roots() {
        let order = state.dependency_order([dylib]);
        if order.into_iter().any(|dylib| !state.unlinked_roots(dylib, which).is_empty()) {
            return Ok(None);
        }
    }
    let linked: Option<Vec<_>> = names.iter().map(|&name| state.find_linked(dylib, name)).collect();
    let on_demand: Vec<_> = state.on_demand_dylibs().collect();
    if on_demand.is_empty() || !goal.initializes_used() {
        return Ok(linked);
    }
    let definers: Vec<_> = linked.iter().flatten().filter_map(|&address| state.dylib_with(address)).collect();
    let mut used = on_demand.into_iter().filter(|dylib| definers.contains(dylib));
    Ok(linked.filter(|_| used.all(|dylib| state.unlinked_roots(dylib, Roots::All).is_empty())))
}

/// The definition that was found for a name.
#[derive(Clone, Copy)]
struct Found {
    binding: Binding,
    /// In which JITDylib, and by what name there.
    definer: (DylibId, NameId),
}

struct Batch<'a> {
    session: &'a ExecutionSession,
    query: &'a mut Query,
    /// The work that has to be done before anything can be linked.
    work: Work,
    /// The objects of that, and the names that wait for something of it.
    pending: HashSet<ObjectId, FixedState>,
    awaited: HashSet<(DylibId, NameId), FixedState>,
    inputs: Inputs,
    /// The objects of the first inputs; those that the linker makes itself, which are behind these, have none.
    objects: Vec<ObjectId>,
    /// Inputs of which something is yet to be followed.
    unfollowed: Vec<u32>,
    input_of: HashMap<ObjectId, u32, FixedState>,
    /// External symbols that became live and are not bound yet.
    wanted: Vec<(u32, SymbolId)>,
    /// Those of them that were not found when they were wanted. Something that is pulled later may define them.
    unbound: Vec<(u32, SymbolId)>,
    /// The meanings of names in the link order of a JITDylib.
    found: HashMap<(DylibId, NameId), Found, FixedState>,
    /// Names that turned out to be aliases, and for what.
    aliases: HashMap<(DylibId, NameId), (DylibId, NameId), FixedState>,
    /// The targets of aliases that were found just now.
    alias_targets: Vec<(DylibId, find::Unfound)>,
    /// Definitions of objects of the batch that were made references, and what they were.
    rebound: Vec<Rebound>,
    /// Weak definitions that became live: others may have them, too.
    weak: Vec<(u32, SymbolId)>,
    /// The names and groups of them that have yielded to definitions of other JITDylibs.
    yielded: Inheritance,
    late: Vec<special::LateSymbol>,
    /// Sections that code may walk from boundary to boundary, and that some block of the batch is in: all of them are
    /// live.
    walked: HashSet<(DylibId, Box<str>), FixedState>,
    /// Definitions of a program's own allocator.
    serving: Vec<allocator::Serving>,
    /// Lazy functions that these may call.
    lazy_callees: Vec<crate::session::LazyCallee>,
    lists: special::Lists,
    placed: place::PlacedBatch,
    /// Something was bound to what batches before have linked.
    binds_linked: bool,
    plugins: Plugins,
    /// The objects that were pulled are kept.
    is_suspended: bool,
}

impl<'a> Batch<'a> {
    fn new(session: &'a ExecutionSession, plugins: Plugins, query: &'a mut Query) -> Self {
        session.state().begin_batch();
        Self {
            session,
            query,
            work: Work::default(),
            pending: HashSet::default(),
            awaited: HashSet::default(),
            inputs: Inputs::default(),
            objects: Vec::new(),
            unfollowed: Vec::new(),
            input_of: HashMap::default(),
            wanted: Vec::new(),
            unbound: Vec::new(),
            found: HashMap::default(),
            aliases: HashMap::default(),
            alias_targets: Vec::new(),
            rebound: Vec::new(),
            weak: Vec::new(),
            yielded: Inheritance::default(),
            late: Vec::new(),
            walked: HashSet::default(),
            serving: Vec::new(),
            lazy_callees: Vec::new(),
            lists: special::Lists::default(),
            placed: place::PlacedBatch::default(),
            binds_linked: false,
            plugins,
            is_suspended: false,
        }
    }

    fn link(mut self) -> Result<Attempt> {
        let start = Instant::now();
        self.find()?;
        if !self.work.is_empty() {
            // Nothing is materialized for a lookup that fails anyway.
            if self.work.asks.is_empty() && self.query.goal != Goal::Find {
                self.report_missing(false)?;
            }
            return Ok(Attempt::Needs(self.suspend()));
        }
        if self.query.goal == Goal::Find {
            self.session.state().keep_pulled();
            return Ok(self.done());
        }
        self.report_missing(true)?;
        self.prepare_allocator()?;
        self.session.state().begin_placing();
        let found = Instant::now();
        if !self.inputs.is_empty() {
            let mut times = self.place()?;
            times.find = found - start;
            let publish = Instant::now();
            self.tell_linked()?;
            self.publish()?;
            times.finalize += publish.elapsed();
            self.session.state().count(&Statistics { times, ..Statistics::default() });
        } else {
            // Absolute symbols need no linking.
            self.session.state().keep_pulled();
        }
        Ok(self.done())
    }

    /// Turns what was found into the outcome.
    fn done(self) -> Attempt {
        self.query.pulled = Pulled::default();
        let state = self.session.state();
        let entry = |unfound: &Unfound| {
            let (definer, name) = self.found.get(&(self.query.dylib, unfound.name))?.definer;
            Some((name, *state.dylib(definer).ok()?.entry(name)?))
        };
        Attempt::Done(self.query.names.iter().map(entry).collect())
    }

    /// Puts everything back, but for what was pulled: the next batch would only pull it again.
    fn suspend(mut self) -> Work {
        self.session.state().hand_pulled_over(&mut self.query.pulled, &self.rebound);
        self.is_suspended = true;
        self.work.awaited.extend(self.awaited.drain());
        std::mem::take(&mut self.work)
    }

    /// Runs the passes of a stage on all graphs.
    fn run_passes(&mut self, stage: Stage) -> Result<()> {
        self.plugins.run_all(stage, &mut self.inputs, self.session.names_mutex())
    }
}

/// Puts everything back, unless it was published: after an error, or when a pass or a generator of the user panics.
impl Drop for Batch<'_> {
    fn drop(&mut self) {
        std::mem::take(&mut self.placed).undo(self.session, &mut self.inputs, self.objects.len());
        let mut state = self.session.state();
        self.plugins.undo(&mut self.inputs);
        let rebound = std::mem::take(&mut self.rebound);
        if self.is_suspended {
            // What was pulled defines them now; the originals do not know.
            for (object, symbol, _) in &rebound {
                if let Some(&input) = self.input_of.get(object) {
                    self.inputs[input as usize].graph.make_external(*symbol);
                }
            }
        }
        self.inputs.take().zip(self.objects.drain(..)).for_each(|(input, object)| state.take_back(object, input));
        if !self.is_suspended {
            state.forget_pulled(rebound);
            state.take_back_vague(std::mem::take(&mut self.yielded), None);
        }
        state.end_batch();
        drop(state);
        self.plugins.end();
    }
}
