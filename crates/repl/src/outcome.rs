//! The things that may become of an input.

use crate::error::Error;
use crate::names::as_written;
use crate::results::{Display, Value};

/// The fate of an input.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Errors and warnings of the compiler, as it prints them.
    pub diagnostics: String,
    /// The output of a command.
    pub text: String,
    /// The value of its last expression, if that has no semicolon.
    pub value: Option<Value>,
    /// The things that it has displayed before it ended.
    pub displays: Vec<Display>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// The wish of a command to the program that has the session.
    pub wish: Option<Wish>,
}

/// Things that commands ask for, and that a session can't do by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The user wants to leave.
    Quit,
    /// The user wants to edit this text; the result is an input.
    Edit(String),
    /// The user wants to go on with a new session, for this target.
    Target(String),
}

/// Reasons why an input failed. The session goes on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The compiler did not accept it: its diagnostics say why. It is as if it had never been there.
    #[error("the input was not accepted")]
    Rejected,
    /// The compiler has crashed, or takes too long. It is as if the input had never been there.
    #[error("{0}; the session is as it was before this input")]
    Compiler(Error),
    /// The compiler does not accept an input of before any more, that of a changed header, say. Nothing is declared now, and the
    /// effects of all inputs are gone.
    #[error("{error}{}", lost(*.inputs))]
    NotRepeated {
        /// The compiler's words.
        error: Error,
        /// The number of inputs before this one.
        inputs: usize,
    },
    /// Something that it needs is missing, say. It is as if it had never been there.
    #[error("{}", as_written(&.0.to_string()))]
    NotLinked(linkjit::Error),
    /// It has begun to run, but did not come to its end: an exception, a signal, or the user has ended it. What it has declared
    /// and done before stays.
    #[error("{reason}{}", .place.as_ref().map_or_else(String::new, |place| format!(", in {place}")))]
    Ended {
        /// The exception or signal.
        reason: String,
        /// The function and line, if they are known.
        place: Option<String>,
    },
    /// The process that runs the inputs is gone, and with it the effects of all inputs.
    #[error("{error}: {}", lost(*.inputs))]
    Died {
        /// Its end.
        error: linkjit::Error,
        /// The number of inputs before this one.
        inputs: usize,
    },
    /// The program has ended itself, as by `exit`, and with it the effects of all inputs are gone.
    #[error("the program has exited with code {0}")]
    Exited(i32),
    /// A command could not be carried out.
    #[error("{0}")]
    Command(String),
}

fn lost(inputs: usize) -> String {
    match inputs {
        0 => "a new one is started".into(),
        1 => "its state is lost, but %rerun runs the input before this one again".into(),
        _ => format!("its state is lost, but %rerun runs the {inputs} inputs before this one again"),
    }
}
