//! The first input of each session: code that shows values and runs inputs, in the target. It is C as well as C++.

use crate::error::{Error, Result};
use crate::frontend::{Answer, Compiled, FrontEnd};
use crate::headers::Headers;
use crate::history::Input;

/// The text. It includes no header, and declares no name of a library: nothing that the user includes later can clash.
pub const PRELUDE: &str = concat!(
    include_str!("../prelude/results.h"),
    include_str!("../prelude/real.h"),
    include_str!("../prelude/text.h"),
    include_str!("../prelude/exceptions.h"),
    include_str!("../prelude/places.h"),
    include_str!("../prelude/signals.h"),
    include_str!("../prelude/structured.h"),
    include_str!("../prelude/run.h"),
    include_str!("../prelude/transfer.h"),
    include_str!("../prelude/values_c.h"),
    include_str!("../prelude/values.h"),
);

/// The code that is linked before the first input.
#[derive(Debug)]
pub(crate) struct Prelude {
    pub(crate) object: Vec<u8>,
    /// Initializes variables of headers that options name; empty if there are none.
    pub(crate) entry: String,
}

impl Prelude {
    /// Has the front end learn it, and compile it if there is no object of an earlier session.
    pub(crate) fn compile(front_end: &mut FrontEnd, headers: &Headers) -> Result<Self> {
        let kept = headers.kept_object(PRELUDE);
        match front_end.input(&Input::new(PRELUDE), kept.is_none())? {
            Answer::Accepted(Compiled { object, entry, .. }) => {
                if kept.is_none() && entry.is_empty() {
                    headers.keep_object(PRELUDE, &object);
                }
                Ok(Self { object: kept.unwrap_or(object), entry })
            }
            Answer::Rejected(diagnostics) | Answer::Redefines { diagnostics, .. } => {
                Err(Error::NotRepeated(diagnostics))
            }
        }
    }
}
