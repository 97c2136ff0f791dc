//! The inputs that a session has accepted, in the form in which the front end needs them once more.

use linkjit::ResourceTracker;

/// An input, and how it was understood.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    pub(crate) text: String,
    /// Names whose earlier declarations it hides.
    pub(crate) hidden: Vec<String>,
    /// The inline namespace that it is in; empty if none.
    pub(crate) namespace: String,
}

impl Input {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// An input that was accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) input: Input,
    /// The owner of its code; `None` if it has none, or none that anybody can refer to.
    pub(crate) tracker: Option<ResourceTracker>,
}
