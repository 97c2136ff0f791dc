//! The first input of each session: code that shows values and runs inputs, in the target. It is C as well as C++.

use crate::error::{Error, Result};
use crate::frontend::{Answer, Compiled, FrontEnd};
use crate::headers::Headers;
use crate::history::Input;

macro_rules! declarations {
    () => {
        concat!(include_str!("../prelude/interface.h"), include_str!("../prelude/values.h"),)
    };
}

/// The part that inputs need, which is the first input: declarations, and the templates that show values.
pub(crate) const DECLARATIONS: &str = declarations!();

/// The whole text. It includes no header, and declares no name of a library: nothing that the user includes later can clash.
pub const PRELUDE: &str = concat!(
    declarations!(),
    include_str!("../prelude/shapes.h"),
    include_str!("../prelude/results.h"),
    include_str!("../prelude/real.h"),
    include_str!("../prelude/text.h"),
    include_str!("../prelude/enumerators.h"),
    include_str!("../prelude/values_c.h"),
    include_str!("../prelude/exceptions.h"),
    include_str!("../prelude/places.h"),
    include_str!("../prelude/signals.h"),
    include_str!("../prelude/structured.h"),
    include_str!("../prelude/run.h"),
    include_str!("../prelude/transfer.h"),
);

/// The code that is linked before the first input.
#[derive(Debug)]
pub(crate) struct Prelude {
    pub(crate) object: Vec<u8>,
    /// Initializes variables of headers that options name; empty if there are none.
    pub(crate) entry: String,
}

impl Prelude {
    /// Takes the object of an earlier session, or has the whole text compiled, and the front end learn the declarations.
    pub(crate) fn compile(front_end: &mut FrontEnd, headers: &Headers) -> Result<Self> {
        let prelude = match headers.kept_object(PRELUDE) {
            Some(object) => Self { object, entry: String::new() },
            None => {
                // The whole text is forgotten: with an object or without, inputs come after the same.
                front_end.take_snapshot()?;
                let Compiled { object, entry, .. } = accepted(front_end.input(&Input::new(PRELUDE), true)?)?;
                front_end.rewind(0)?;
                if entry.is_empty() {
                    headers.keep_object(PRELUDE, &object);
                }
                Self { object, entry }
            }
        };
        accepted(front_end.input(&Input::new(DECLARATIONS), false)?)?;
        Ok(prelude)
    }
}

fn accepted(answer: Answer) -> Result<Compiled> {
    match answer {
        Answer::Accepted(compiled) => Ok(compiled),
        Answer::Rejected(diagnostics) | Answer::Redefines { diagnostics, .. } => Err(Error::NotRepeated(diagnostics)),
    }
}
