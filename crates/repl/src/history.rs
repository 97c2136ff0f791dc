//! The inputs that a session has accepted, in the form in which the front end needs them once more.

use linkjit::{ResourceTracker, Source};

/// An input, and how it was understood.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    pub(crate) text: String,
    /// Its number, which no other has, not even one that was undone.
    pub(crate) serial: u32,
    /// Names whose earlier declarations it hides.
    pub(crate) hidden: Vec<String>,
    /// The inline namespace that it is in; empty if none.
    pub(crate) namespace: String,
}

impl Input {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// It may use `_`, the value that was shown last.
    pub(crate) fn mentions_last(&self) -> bool {
        self.text.split(|c: char| c != '_' && !c.is_alphanumeric()).any(|word| word == "_")
    }
}

/// An input that was accepted.
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    pub(crate) input: Input,
    /// The owner of its code; `None` if there is none, or nobody can refer to it.
    pub(crate) tracker: Option<ResourceTracker>,
    /// The object, while something of it can be run: it has the lines of the code.
    pub(crate) object: Option<Source>,
    /// The function that gives older functions back the calls that went to those of this input; empty if there is none.
    pub(crate) undo: String,
    /// It shows a value, which may be `_` later.
    pub(crate) shows: bool,
    /// Later inputs may need that the front end knows it.
    pub(crate) declares: bool,
}
