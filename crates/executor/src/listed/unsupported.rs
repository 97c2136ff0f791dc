//! For systems on which linkjit has no list to add to. Windows needs none: collectors ask for the memory of the
//! process.

use crate::{ExecAddr, ExecRange};

/// Libraries see what the system lists.
pub(crate) fn tell_libraries() {}

/// A window in no list.
#[derive(Debug)]
pub(crate) struct Listed;

impl Listed {
    pub(crate) fn new(_window: ExecRange, _stripes: [ExecRange; 3]) -> Self {
        Self
    }

    #[allow(clippy::unused_self, reason = "it has something to do elsewhere")]
    pub(crate) fn grow(&self, _stripe: usize, _end: ExecAddr) {}
}
