//! Links what the front end has made, and runs it in the executor.

use std::sync::Arc;

use linkjit::{ExecAddr, ExecRange, Executor, Jit, ResourceTracker, Source};
use linkjit_remote::Remote;
use memchr::memmem;

use crate::error::{Error, Result};
use crate::prelude::Prelude;
use crate::results::{Mark, Results};

/// Runs an entry and puts its results into the window (prelude/transfer.h).
const CALL: &str = "__linkjit_repl_call";
/// Puts further results into the window.
const FILL: &str = "__linkjit_repl_fill";
/// An entry that does nothing.
const NOTHING: &str = "__linkjit_repl_nothing";
/// Has the program's output written a line at a time, and what it displays between that.
const GO_LIVE: &str = "__linkjit_repl_go_live";
/// The number of bytes in all, and as many of them as there is room for.
const WINDOW: &str = "__linkjit_repl_window";
/// Its room.
const ROOM: u64 = 4096;
/// Results are no longer. The target may say anything.
const LIMIT: u64 = 64 << 20;

/// A session with an executor, in which the prelude is linked.
#[derive(Debug)]
pub(crate) struct Runner {
    jit: Jit,
    remote: Arc<Remote>,
    call: ExecAddr,
    fill: ExecAddr,
    window: ExecAddr,
    nothing: ExecAddr,
}

/// The way in which an entry came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Returned,
    /// By an exception, a signal or the user.
    Ended,
}

impl Runner {
    /// Begins with the object of the prelude.
    pub(crate) fn new(jit: Jit, remote: Arc<Remote>, prelude: &Prelude, mark: Option<Mark>) -> Result<Self> {
        jit.add_object(Source::new("the prelude", prelude.object.clone()))?;
        let found = jit.link(&[CALL, FILL, WINDOW, NOTHING, GO_LIVE])?;
        let &[call, fill, window, nothing, go_live] = &*found else { return Err(linkjit::Error::Closed.into()) };
        let this = Self { jit, remote, call, fill, window, nothing };
        // From its first run on, the prelude has interrupts end inputs only.
        match &*prelude.entry {
            "" => this.flush()?,
            entry => this.run(this.link(entry)?).map(drop)?,
        }
        if let Some(Mark(numbers)) = mark {
            let executor = this.jit.session().executor();
            // SAFETY: the prelude's function has these two parameters.
            unsafe { executor.call(go_live, &numbers) }.map_err(linkjit::Error::from)?;
        }
        Ok(this)
    }

    pub(crate) fn jit(&self) -> &Jit {
        &self.jit
    }

    pub(crate) fn remote(&self) -> &Arc<Remote> {
        &self.remote
    }

    pub(crate) fn add(&self, object: &Source) -> linkjit::Result<ResourceTracker> {
        let tracker = self.jit.create_tracker()?;
        tracker.add_object(object)?;
        // An allocator that can't take the place of the process's is refused at once: else all that comes later would fail.
        if let Err(error) = self.jit.link(&self.allocator_of(object)?) {
            Self::remove(&tracker)?;
            return Err(error);
        }
        Ok(tracker)
    }

    /// The functions of an allocator that an object defines.
    fn allocator_of(&self, object: &Source) -> linkjit::Result<Vec<String>> {
        let mut names = self.jit.session().executor().allocator_names();
        names.retain(|name| memmem::find(object.bytes(), name.as_bytes()).is_some());
        if !names.is_empty() {
            let symbols = self.jit.main().symbols()?;
            let is_defined = |name: &str| {
                symbols.iter().any(|symbol| *symbol.object == **object.name() && symbol.name.text() == name)
            };
            names.retain(|name| is_defined(name));
        }
        Ok(names)
    }

    /// Links what an entry needs; runs nothing.
    pub(crate) fn link(&self, entry: &str) -> linkjit::Result<ExecAddr> {
        Ok(self.jit.link(&[entry])?.first().copied().unwrap_or(ExecAddr::NULL))
    }

    pub(crate) fn run(&self, entry: ExecAddr) -> Result<(Way, Results)> {
        let executor = self.jit.session().executor();
        // SAFETY: the prelude's function has this parameter, and the entry is a function without any. Users vouch for what
        // they type.
        let way = unsafe { executor.call(self.call, &[entry.0]) }.map_err(linkjit::Error::from)?;
        let bytes = self.results(executor.as_ref())?;
        let results = Results::parse(&bytes).map_err(|error| Error::Target(error.to_string()))?;
        Ok((if way == 0 { Way::Returned } else { Way::Ended }, results))
    }

    /// Has the program's output written that it still has.
    pub(crate) fn flush(&self) -> Result<()> {
        self.run(self.nothing).map(drop)
    }

    fn results(&self, executor: &dyn Executor) -> Result<Vec<u8>> {
        let read = |start: u64, size: u64| {
            let start = ExecAddr(self.window.0.wrapping_add(start));
            let end = ExecAddr(start.0.wrapping_add(size));
            executor.read(ExecRange { start, end }).map_err(linkjit::Error::from)
        };
        let total = read(0, 8)?;
        let total = total.try_into().map_or(0, u64::from_le_bytes);
        if total > LIMIT {
            return Err(Error::Target(format!("an input has {total} bytes of results")));
        }
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < total {
            let offset = bytes.len() as u64;
            if offset > 0 {
                // SAFETY: as above.
                unsafe { executor.call(self.fill, &[offset]) }.map_err(linkjit::Error::from)?;
            }
            bytes.extend(read(8, ROOM.min(total - offset))?);
        }
        Ok(bytes)
    }

    /// Takes code back.
    pub(crate) fn remove(tracker: &ResourceTracker) -> linkjit::Result<()> {
        // SAFETY: the session does so when nothing of it has run, or the user wants it undone.
        unsafe { tracker.remove() }
    }

    /// Runs terminators, and what is registered for the end of the program; returns the exit code.
    pub(crate) fn close(self) -> Result<Option<i32>> {
        let Self { jit, remote, .. } = self;
        // SAFETY: nothing runs, and nobody has addresses of the session.
        unsafe { jit.close() }?;
        Ok(remote.exit(0).map_err(linkjit::Error::from)?)
    }
}
