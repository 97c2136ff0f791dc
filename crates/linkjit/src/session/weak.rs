//! Weak handles of the session, for parts that the session itself owns.

use std::sync::{Arc, Weak};

use super::{DylibId, ExecutionSession, Inner, TrackerId};
use crate::jitdylib::JitDylib;

/// A handle that does not keep the session.
#[derive(Clone, Debug)]
pub(crate) struct WeakSession(Weak<Inner>);

impl WeakSession {
    /// The session, if it is still there.
    pub(crate) fn upgrade(&self) -> Option<ExecutionSession> {
        Some(ExecutionSession { inner: self.0.upgrade()? })
    }
}

impl ExecutionSession {
    /// A handle that does not keep it.
    pub(crate) fn downgrade(&self) -> WeakSession {
        WeakSession(Arc::downgrade(&self.inner))
    }
}

/// A handle of a JITDylib that does not keep its session: for units, generators and plugins, which the session has.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// let jit = linkjit::Jit::host()?;
/// let weak = jit.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(jit);
/// assert!(weak.upgrade().is_none());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct WeakJitDylib {
    session: WeakSession,
    id: DylibId,
    tracker: Option<TrackerId>,
}

impl WeakJitDylib {
    /// The JITDylib, if its session is still there.
    #[must_use]
    pub fn upgrade(&self) -> Option<JitDylib> {
        Some(JitDylib::new(self.session.upgrade()?, self.id).owned_by(self.tracker))
    }
}

impl JitDylib {
    /// A handle that does not keep its session.
    #[must_use]
    pub fn downgrade(&self) -> WeakJitDylib {
        WeakJitDylib { session: self.session().downgrade(), id: self.id(), tracker: self.tracker() }
    }
}
