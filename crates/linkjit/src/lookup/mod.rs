//! Lookups: search, materialize what is missing, search again; when nothing is missing, link.
//!
//! A batch ([`crate::batch`]) searches and links. It takes the graphs out of the tables and waits for nobody. If it
//! meets units that are not materialized yet, or generators of the user that were not asked, it puts everything back
//! and says so. The lookup then materializes the units and asks the generators, with nothing locked, and begins a new
//! batch. So a lookup that waits holds nothing that others might wait for.

mod future;
mod set;

pub use future::LookupFuture;
pub use set::SymbolLookupSet;

use hashbrown::HashMap;
use linkjit_executor::ExecAddr;
use linkjit_link::names::NameId;

use crate::batch::{self, Ask, Attempt, Goal, Query, Unfound, Work};
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::materialization::{self, MaterializationResponsibility};
use crate::session::job::{self, Job};
use crate::session::progress::Wait;
use crate::session::{Address, DylibId, Entry, ExecutionSession, LookupKind, Pulled, SymbolFlags, Wanted};
use crate::symbol_name::SymbolName;

/// The progress of a lookup.
enum Advance {
    /// To its end.
    Done(Vec<Option<(NameId, Entry)>>),
    /// Until others have done something.
    Blocked(Wait<Job, Error>),
}

/// Links what `names` need, in the link order of `dylib`, and returns where they are. The goal may be to link the
/// initializers of that JITDylib and of those it depends on as well.
pub(crate) fn look_up(
    session: &ExecutionSession,
    dylib: DylibId,
    names: &[NameId],
    goal: Goal,
) -> Result<Vec<Address>> {
    if let Some(linked) = batch::already_linked(session, dylib, names, goal)? {
        return Ok(linked);
    }
    let names = names.iter().map(|&name| Unfound::required(name)).collect();
    let found = Query::new(dylib, names, goal).run(session)?;
    // A name that is required and not found is an error.
    addresses(found).into_iter().map(|address| address.ok_or(Error::Closed)).collect()
}

/// The addresses of a set of names, in their order.
pub(crate) fn look_up_set(dylib: &JitDylib, set: &SymbolLookupSet) -> Result<Vec<Option<ExecAddr>>> {
    let (session, query) = (dylib.session(), set.query(dylib));
    let found = match query.already_linked(session)? {
        Some(linked) => linked.into_iter().map(Some).collect(),
        None => addresses(query.run(session)?),
    };
    set.addresses(session, found)
}

/// Returns the address of a name that a running program asks for; `None` if nobody has it.
pub(crate) fn look_up_running(dylib: &JitDylib, name: NameId) -> Result<Option<Address>> {
    let wanted = Unfound { weak: true, kind: LookupKind::Dlsym, ..Unfound::required(name) };
    let found = Query::new(dylib.id(), vec![wanted], Goal::Link).run(dylib.session())?;
    Ok(addresses(found).into_iter().next().flatten())
}

/// Finds what is known of a set of names, in their order.
pub(crate) fn find_flags(dylib: &JitDylib, set: &SymbolLookupSet) -> Result<Vec<Option<SymbolFlags>>> {
    let session = dylib.session();
    let found = Query { goal: Goal::Find, ..set.query(dylib) }.run(session)?;
    let state = session.state();
    Ok(found.into_iter().map(|found| found.map(|(name, entry)| state.flags(name, &entry))).collect())
}

/// Says which of the names that generators are asked for, under another name each, are defined in the link order of a
/// JITDylib.
pub(crate) fn find_targets(dylib: &JitDylib, targets: &[(SymbolName, Wanted<'_>)]) -> Result<Vec<bool>> {
    let _names = dylib.session().use_names();
    let names = {
        let mut pool = dylib.session().names();
        let unfound = |(target, wanted): &(SymbolName, Wanted<'_>)| Unfound {
            name: pool.intern(target),
            thread_local: wanted.thread_local,
            weak: wanted.weak,
            kind: wanted.kind,
            is_from_code: false,
        };
        targets.iter().map(unfound).collect()
    };
    let found = Query::new(dylib.id(), names, Goal::Find).run(dylib.session())?;
    Ok(found.into_iter().map(|found| found.is_some()).collect())
}

fn addresses(found: Vec<Option<(NameId, Entry)>>) -> Vec<Option<Address>> {
    found.into_iter().map(|found| found.and_then(|(_, entry)| entry.address)).collect()
}

impl Query {
    pub(crate) fn new(dylib: DylibId, names: Vec<Unfound>, goal: Goal) -> Self {
        Self { dylib, names, goal, asked: HashMap::default(), pulled: Pulled::default(), _names_in_use: None }
    }

    /// The addresses if there is nothing to do.
    fn already_linked(&self, session: &ExecutionSession) -> Result<Option<Vec<Address>>> {
        if self.goal == Goal::Find || self.names.iter().any(|unfound| unfound.kind != LookupKind::Static) {
            return Ok(None);
        }
        let names: Vec<_> = self.names.iter().map(|unfound| unfound.name).collect();
        batch::already_linked(session, self.dylib, &names, self.goal)
    }

    /// Does it on this thread.
    fn run(mut self, session: &ExecutionSession) -> Result<Vec<Option<(NameId, Entry)>>> {
        let unfinished = Unfinished { query: &mut self, session };
        loop {
            match unfinished.query.advance(session)? {
                Advance::Done(found) => return Ok(found),
                Advance::Blocked(wait) => wait.block()?,
            }
        }
    }

    /// Does what a batch needs, and waits for others if need be.
    pub(crate) fn attend_to(&mut self, session: &ExecutionSession, work: Work) -> Result<()> {
        self.carry_out(session, work)?.map_or(Ok(()), Wait::block)
    }

    /// Does all that can be done without waiting for others.
    fn advance(&mut self, session: &ExecutionSession) -> Result<Advance> {
        loop {
            match batch::attempt(session, self)? {
                Attempt::Done(found) => return Ok(Advance::Done(found)),
                Attempt::Needs(mut work) => {
                    while !work.is_empty() {
                        // What generators say may be that the lookup fails: then no unit is to be begun.
                        let is_settled = work.asks.is_empty();
                        let awaited = std::mem::take(&mut work.awaited);
                        if let Some(wait) = self.carry_out(session, work)? {
                            return Ok(Advance::Blocked(wait));
                        }
                        if !is_settled {
                            break;
                        }
                        work = batch::search_on(session, self, awaited)?;
                    }
                }
            }
        }
    }

    /// Materializes units and asks generators, but for those that others are at: these are to be waited for.
    fn carry_out(&mut self, session: &ExecutionSession, work: Work) -> Result<Option<Wait<Job, Error>>> {
        let by = job::current(session);
        // First of all what may turn out to be missing: then no unit is begun.
        if !work.asks.is_empty() {
            for ask in work.asks {
                if let Some(wait) = self.ask(session, by, ask)? {
                    return Ok(Some(wait));
                }
            }
            return Ok(None);
        }
        for &object in work.objects.iter().skip(1) {
            let weak = session.downgrade();
            // One that no thread begins with is materialized here.
            let _none = session.pool().spawn(move || {
                if let Some(session) = weak.upgrade() {
                    materialization::run(&session, object);
                }
            });
        }
        let jobs: Vec<_> = work.objects.iter().map(|&object| Job::Unit(object)).collect();
        let wait = session.wait_for(by, &jobs)?;
        for &object in &work.objects {
            materialization::run(session, object);
            if let Some(Err(error)) = wait.outcome() {
                return Err(error);
            }
        }
        match wait.outcome() {
            None => Ok(Some(wait)),
            Some(outcome) => outcome.map(|()| None),
        }
    }

    /// Asks a generator, one lookup at a time: the next one sees what was defined for this one.
    fn ask(&mut self, session: &ExecutionSession, by: Option<Job>, ask: Ask) -> Result<Option<Wait<Job, Error>>> {
        let Ask { dylib, generator, mut names } = ask;
        let asked_before = names.clone();
        let job = Job::Generator(generator.id);
        // A generator may look up what makes us ask it again, but not for the same names: that would not end.
        let asking = job::asking(session, generator.id);
        let mut turn = None;
        match &asking {
            Some(asking) => names.retain(|unfound| !asking.contains(&unfound.name)),
            None if session.progress().enter(job) => turn = Some(Turn { session, job }),
            None => return session.wait_for(by, &[job]).map(Some),
        }
        let _edge = turn.as_ref().map(|_| session.wait_for(by, &[job])).transpose()?;
        let texts: Vec<(Unfound, Vec<u8>)> = {
            let pool = session.names();
            let state = session.state();
            let table = state.dylib(dylib)?;
            names.retain(|unfound| !table.defines(unfound.name));
            names.iter().map(|unfound| (*unfound, pool.bytes(unfound.name).to_vec())).collect()
        };
        let wanted: Vec<_> = texts.iter().map(|(unfound, text)| unfound.wanted(text)).collect();
        if !wanted.is_empty() {
            let _at_job = job::begin(session, job, names.iter().map(|unfound| unfound.name).collect())?;
            generator.definitions.generate(&generator.place(session, dylib), &wanted)?;
        }
        for unfound in asked_before {
            let was_weak = self.asked.entry((generator.id, unfound.name)).or_insert(unfound.weak);
            *was_weak &= unfound.weak;
        }
        Ok(None)
    }

    /// Forgets what was pulled for the lookup, unless others have used it meanwhile.
    pub(crate) fn abandon(&mut self, session: &ExecutionSession) {
        if self.pulled.objects.is_empty() {
            return;
        }
        // It is only refused within a batch, where no lookup gets that far.
        if let Ok(_linking) = session.begin_linking() {
            session.state().forget_unused(std::mem::take(&mut self.pulled));
        }
    }
}

/// A lookup that has not come to its end: when that is due to an error or a panic, what was pulled for it is forgotten.
struct Unfinished<'a> {
    query: &'a mut Query,
    session: &'a ExecutionSession,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // Nothing is left of a lookup that has.
        self.query.abandon(self.session);
    }
}

/// The right to ask a generator.
struct Turn<'a> {
    session: &'a ExecutionSession,
    job: Job,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.session.progress().end(self.job, &Ok(()));
    }
}

impl Unfound {
    pub(crate) fn wanted<'a>(&self, name: &'a [u8]) -> Wanted<'a> {
        Wanted { name, thread_local: self.thread_local, weak: self.weak, kind: self.kind }
    }
}

impl ExecutionSession {
    /// Begins to wait for jobs, unless that would be for ever.
    pub(crate) fn wait_for(&self, by: Option<Job>, jobs: &[Job]) -> Result<Wait<Job, Error>> {
        let wait = self.progress().wait_for(by, jobs);
        wait.map_err(|circle| Error::WaitsForItself {
            jobs: circle.into_iter().map(|job| self.describe(job)).collect(),
        })
    }

    /// Describes a job for errors.
    fn describe(&self, job: Job) -> String {
        let state = self.state();
        match job {
            Job::Linking => "a removal".into(),
            Job::Initializing => "an initializer".into(),
            Job::Unit(object) => {
                state.object(object).map_or_else(|| "a removed unit".into(), |_| state.object_name(object))
            }
            Job::Generator(id) => {
                let generator = state.generator(id).cloned();
                drop(state);
                generator.map_or_else(|| "a removed generator".into(), |generator| generator.definitions.describe())
            }
        }
    }
}

impl MaterializationResponsibility {
    /// Looks names up from within a materialization that has moved to another thread; on the thread that
    /// [`materialize`](crate::MaterializationUnit::materialize) was called on, all other ways are as good.
    ///
    /// # Errors
    /// As [`JitDylib::lookup_set`]; [`Error::WaitsForItself`] if this unit would have to be materialized first.
    pub fn lookup(&self, dylib: &JitDylib, set: &SymbolLookupSet) -> Result<Vec<Option<ExecAddr>>> {
        let _at_job = self.begin()?;
        look_up_set(dylib, set)
    }
}
