//! The first input of each session: code that shows values and runs inputs, in the target. It is C as well as C++.

/// The text. It includes no header, and declares no name of a library: nothing that the user includes later can clash.
pub const PRELUDE: &str = concat!(
    include_str!("../prelude/results.h"),
    include_str!("../prelude/real.h"),
    include_str!("../prelude/text.h"),
    include_str!("../prelude/exceptions.h"),
    include_str!("../prelude/contexts.h"),
    include_str!("../prelude/places.h"),
    include_str!("../prelude/signals.h"),
    include_str!("../prelude/structured.h"),
    include_str!("../prelude/run.h"),
    include_str!("../prelude/transfer.h"),
    include_str!("../prelude/values_c.h"),
    include_str!("../prelude/values.h"),
);
